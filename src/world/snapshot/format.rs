//! The bytes of a snapshot.
//!
//! The kernel's BTF comes first, as it is, so that the file can be mapped as BTF; then the payload: numbers as
//! LEB128, strings by number in a table, sorted names front-coded (length shared with the one before, rest); last
//! its offset, a version and the magic. Always holds: `parse` of what `to_bytes` wrote is the same snapshot, and of
//! anything else an error.

use super::Snapshot;
use crate::image::ProgType;
use crate::world::{Feature, FormatField, TracepointFormat};
use std::collections::BTreeMap;

const MAGIC: &[u8; 8] = b"awlworld";
const VERSION: u32 = 1;
/// Payload offset, version, magic.
const TRAILER_BYTES: usize = 8 + 4 + 8;

/// The file's bytes.
pub fn to_bytes(s: &Snapshot) -> Vec<u8> {
    let mut w = Writer::default();
    w.text(&s.arch);
    w.text(&s.release);
    w.number(u64::from(s.n_cpus));
    w.list(&s.features, |w, f| w.text(feature_name(*f)));
    w.list(&s.helpers, |w, h| w.number(u64::from(*h)));
    w.list(&s.direct_reads, |w, ty| w.text(prog_name(*ty)));
    w.list(&s.kfuncs, |w, (name, ty)| {
        w.text(name);
        w.text(prog_name(*ty));
    });
    w.number(u64::from(s.kprobes_are_traceable));
    w.names(&s.kprobes);
    w.list(&s.modules, |w, (name, btf)| {
        w.text(name);
        w.bytes(btf);
    });
    w.tracepoints(&s.tracepoints);

    let mut bytes = s.btf.clone();
    let payload_at = bytes.len() as u64;
    bytes.extend(w.finish());
    bytes.extend(payload_at.to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(MAGIC);
    bytes
}

/// Reads a file.
pub fn parse(bytes: &[u8]) -> Result<Snapshot, String> {
    let cut = "the snapshot is cut off or damaged";
    let trailer = bytes.len().checked_sub(TRAILER_BYTES).ok_or("no snapshot of awl")?;
    let (body, trailer) = bytes.split_at(trailer);
    if &trailer[12..] != MAGIC {
        return Err("no snapshot of awl (awl world makes one)".into());
    }
    let version = u32::from_le_bytes([trailer[8], trailer[9], trailer[10], trailer[11]]);
    if version != VERSION {
        return Err(format!("a snapshot of format {version}, this awl reads {VERSION}"));
    }
    let at = trailer[..8].iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let at = usize::try_from(at).ok().filter(|at| *at <= body.len()).ok_or(cut)?;
    let mut r = Reader::open(&body[at..]).ok_or(cut)?;
    read(&mut r, &body[..at]).ok_or_else(|| cut.to_owned())
}

fn read(r: &mut Reader, btf: &[u8]) -> Option<Snapshot> {
    let snapshot = Snapshot {
        btf: btf.to_vec(),
        arch: r.text()?,
        release: r.text()?,
        n_cpus: r.number32()?,
        // Names that this version does not know are those of a newer awl: left out.
        features: r.list(|r| r.text())?.iter().filter_map(|n| feature(n)).collect(),
        helpers: r.list(Reader::number32)?,
        direct_reads: r.list(|r| r.text())?.iter().filter_map(|n| prog_type(n)).collect(),
        kfuncs: (r.list(|r| Some((r.text()?, r.text()?)))?.into_iter())
            .filter_map(|(name, ty)| Some((name, prog_type(&ty)?)))
            .collect(),
        kprobes_are_traceable: r.number()? != 0,
        kprobes: r.names()?,
        modules: r.list(|r| Some((r.text()?, r.bytes()?)))?,
        tracepoints: r.tracepoints()?,
    };
    r.input.is_empty().then_some(snapshot)
}

fn feature_name(feature: Feature) -> &'static str {
    Feature::ALL.iter().find(|(f, _)| *f == feature).map_or("", |(_, name)| name)
}
fn feature(name: &str) -> Option<Feature> {
    Feature::ALL.iter().find(|(_, n)| *n == name).map(|(f, _)| *f)
}
fn prog_name(ty: ProgType) -> &'static str {
    ProgType::ALL.iter().find(|(t, _)| *t == ty).map_or("", |(_, name)| name)
}
fn prog_type(name: &str) -> Option<ProgType> {
    ProgType::ALL.iter().find(|(_, n)| *n == name).map(|(t, _)| *t)
}

#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    strings: BTreeMap<String, u64>,
    /// By number.
    order: Vec<String>,
}

impl Writer {
    fn number(&mut self, n: u64) {
        leb128(&mut self.out, n);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.out.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        let n = match self.strings.get(text) {
            Some(n) => *n,
            None => {
                let n = self.order.len() as u64;
                self.strings.insert(text.to_owned(), n);
                self.order.push(text.to_owned());
                n
            }
        };
        self.number(n);
    }

    fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Writer, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| each(self, item));
    }

    /// `(module, name)`, best sorted.
    fn names(&mut self, names: &[(String, String)]) {
        let mut before = "";
        self.number(names.len() as u64);
        for (module, name) in names {
            let shared = name.bytes().zip(before.bytes()).take_while(|(a, b)| a == b).count();
            self.text(module);
            self.number(shared as u64);
            self.bytes(&name.as_bytes()[shared..]);
            before = name;
        }
    }

    fn tracepoints(&mut self, tracepoints: &[(String, String, TracepointFormat)]) {
        self.list(tracepoints, |w, (category, name, format)| {
            w.text(category);
            w.text(name);
            w.number(format.id);
            w.list(&format.fields, |w, f| {
                w.text(&f.ctype);
                w.text(&f.name);
                w.number(u64::from(f.offset));
                w.number(u64::from(f.size));
                w.number(u64::from(f.signed));
            });
        });
    }

    /// The string table, then the rest.
    fn finish(self) -> Vec<u8> {
        let mut all = Vec::new();
        leb128(&mut all, self.order.len() as u64);
        for text in &self.order {
            leb128(&mut all, text.len() as u64);
            all.extend(text.as_bytes());
        }
        all.extend(self.out);
        all
    }
}

fn leb128(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

struct Reader<'a> {
    input: &'a [u8],
    strings: Vec<String>,
}

impl<'a> Reader<'a> {
    fn open(payload: &'a [u8]) -> Option<Reader<'a>> {
        let mut r = Reader { input: payload, strings: Vec::new() };
        for _ in 0..r.number()? {
            let text = String::from_utf8(r.bytes()?).ok()?;
            r.strings.push(text);
        }
        Some(r)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.input.split_first()?;
            self.input = rest;
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    fn number32(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let n = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.input.split_at_checked(n)?;
        self.input = rest;
        Some(bytes.to_vec())
    }

    fn text(&mut self) -> Option<String> {
        let n = usize::try_from(self.number()?).ok()?;
        self.strings.get(n).cloned()
    }

    fn list<T>(&mut self, each: impl Fn(&mut Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
        // Nothing is reserved for a count that the bytes do not bear out.
        (0..self.number()?).map(|_| each(self)).collect()
    }

    fn names(&mut self) -> Option<Vec<(String, String)>> {
        let mut before = Vec::new();
        let mut names = Vec::new();
        for _ in 0..self.number()? {
            let module = self.text()?;
            let shared = usize::try_from(self.number()?).ok()?;
            let mut name = before.get(..shared)?.to_vec();
            name.extend(self.bytes()?);
            names.push((module, String::from_utf8(name.clone()).ok()?));
            before = name;
        }
        Some(names)
    }

    fn tracepoints(&mut self) -> Option<Vec<(String, String, TracepointFormat)>> {
        self.list(|r| {
            let (category, name, id) = (r.text()?, r.text()?, r.number()?);
            let fields = r.list(|r| {
                Some(FormatField {
                    ctype: r.text()?,
                    name: r.text()?,
                    offset: r.number32()?,
                    size: r.number32()?,
                    signed: r.number()? != 0,
                })
            })?;
            Some((category, name, TracepointFormat { id, fields }))
        })
    }
}
