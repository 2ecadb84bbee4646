//! BTF of our own: types and strings, and the extra section that ties instructions to functions, script lines
//! and field accesses.
//!
//! Comes in: calls that each add a type and return its id. Goes out: the bytes of `.BTF` (which `bpf(2)` takes as
//! well) and `.BTF.ext`. Always holds: ids count up by one from 1; equal strings are stored once. What the kernel
//! demands of types (members in the order of their offsets, names of parameters) is the caller's to keep.

use super::kind;
use std::collections::BTreeMap;

/// `struct btf_header`: magic, version, flags, header length.
const HEADER_BYTES: u32 = 24;
/// `struct btf_ext_header` with the CO-RE part.
const EXT_HEADER_BYTES: u32 = 32;
/// `BTF_INT_SIGNED`
const INT_SIGNED: u32 = 1;

/// A member of a struct or union.
#[derive(Clone, Debug)]
pub struct NewMember {
    pub name: String,
    pub ty: u32,
    pub offset_bits: u32,
    pub bitfield_bits: Option<u8>,
}

/// Who sees a function or variable (`BTF_FUNC_*`, `BTF_VAR_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Linkage {
    Static,
    Global,
    Extern,
}

/// BTF in the making.
#[derive(Clone, Debug)]
pub struct Writer {
    strings: Vec<u8>,
    known: BTreeMap<String, u32>,
    types: Vec<u8>,
    n_types: u32,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer { strings: vec![0], known: BTreeMap::new(), types: Vec::new(), n_types: 0 }
    }
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    /// The id that the next type gets.
    pub fn next_id(&self) -> u32 {
        self.n_types + 1
    }

    /// The offset of a string; a NUL and what follows it is cut off.
    pub fn string(&mut self, text: &str) -> u32 {
        let text = text.split('\0').next().unwrap_or("");
        if text.is_empty() {
            return 0;
        }
        if let Some(&known) = self.known.get(text) {
            return known;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        self.known.insert(text.to_owned(), at);
        at
    }

    pub fn int(&mut self, name: &str, bytes: u8, signed: bool) -> u32 {
        let id = self.head(name, kind::INT, 0, false, u32::from(bytes));
        let encoding = if signed { INT_SIGNED << 24 } else { 0 };
        self.words([encoding | (u32::from(bytes) * 8)]);
        id
    }

    /// To type `to`; 0 is void.
    pub fn ptr(&mut self, to: u32) -> u32 {
        self.head("", kind::PTR, 0, false, to)
    }

    pub fn array(&mut self, elem: u32, index: u32, n: u32) -> u32 {
        let id = self.head("", kind::ARRAY, 0, false, 0);
        self.words([elem, index, n]);
        id
    }

    /// A struct (`kind::STRUCT`) or union (`kind::UNION`).
    pub fn strukt(&mut self, kind: u8, name: &str, bytes: u32, members: &[NewMember]) -> u32 {
        let has_bits = members.iter().any(|m| m.bitfield_bits.is_some());
        let id = self.head(name, kind, members.len(), has_bits, bytes);
        for m in members {
            let name = self.string(&m.name);
            let bits = if has_bits { u32::from(m.bitfield_bits.unwrap_or(0)) << 24 } else { 0 };
            self.words([name, m.ty, bits | m.offset_bits]);
        }
        id
    }

    pub fn enumeration(&mut self, name: &str, bytes: u32, variants: &[(&str, i32)]) -> u32 {
        let signed = variants.iter().any(|(_, v)| *v < 0);
        let id = self.head(name, kind::ENUM, variants.len(), signed, bytes);
        for (name, value) in variants {
            let name = self.string(name);
            self.words([name, *value as u32]);
        }
        id
    }

    pub fn typedef(&mut self, name: &str, to: u32) -> u32 {
        self.head(name, kind::TYPEDEF, 0, false, to)
    }

    /// A type tag, to stand under a pointer.
    pub fn type_tag(&mut self, name: &str, to: u32) -> u32 {
        self.head(name, kind::TYPE_TAG, 0, false, to)
    }

    pub fn func_proto(&mut self, ret: u32, params: &[(&str, u32)]) -> u32 {
        let id = self.head("", kind::FUNC_PROTO, params.len(), false, ret);
        for (name, ty) in params {
            let name = self.string(name);
            self.words([name, *ty]);
        }
        id
    }

    pub fn func(&mut self, name: &str, proto: u32, linkage: Linkage) -> u32 {
        self.head(name, kind::FUNC, linkage.code() as usize, false, proto)
    }

    pub fn var(&mut self, name: &str, ty: u32, linkage: Linkage) -> u32 {
        let id = self.head(name, kind::VAR, 0, false, ty);
        self.words([linkage.code()]);
        id
    }

    /// A section of variables: each its type id, offset and size.
    pub fn datasec(&mut self, name: &str, bytes: u32, vars: &[(u32, u32, u32)]) -> u32 {
        let id = self.head(name, kind::DATASEC, vars.len(), false, bytes);
        for (ty, offset, size) in vars {
            self.words([*ty, *offset, *size]);
        }
        id
    }

    /// The whole blob.
    pub fn finish(&self) -> Vec<u8> {
        let (n_types, n_strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut blob = vec![0x9f, 0xeb, 1, 0];
        for word in [HEADER_BYTES, 0, n_types, n_types, n_strings] {
            blob.extend(word.to_le_bytes());
        }
        blob.extend(&self.types);
        blob.extend(&self.strings);
        blob
    }

    /// `struct btf_type`
    fn head(&mut self, name: &str, kind: u8, vlen: usize, flag: bool, size_or_type: u32) -> u32 {
        let name = self.string(name);
        let info = u32::from(flag) << 31 | u32::from(kind) << 24 | (vlen as u32 & 0xffff);
        self.words([name, info, size_or_type]);
        self.n_types += 1;
        self.n_types
    }

    fn words<const N: usize>(&mut self, words: [u32; N]) {
        self.types.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    }
}

impl Linkage {
    fn code(self) -> u32 {
        match self {
            Linkage::Static => 0,
            Linkage::Global => 1,
            Linkage::Extern => 2,
        }
    }
}

/// `struct bpf_func_info`: where a function starts (bytes in an ELF section, instruction slots for `bpf(2)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FuncRecord {
    pub at: u32,
    pub func: u32,
}

/// `struct bpf_line_info`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineRecord {
    pub at: u32,
    /// Offsets of strings.
    pub file: u32,
    pub text: u32,
    pub line: u32,
    pub column: u32,
}

/// `struct bpf_core_relo`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreRecord {
    pub at: u32,
    pub root: u32,
    /// Offset of the access string (`0:1:2`).
    pub access: u32,
    /// `BPF_CORE_*`
    pub kind: u32,
}

impl FuncRecord {
    pub const BYTES: u32 = 8;
    pub fn words(&self) -> [u32; 2] {
        [self.at, self.func]
    }
}

impl LineRecord {
    pub const BYTES: u32 = 16;
    /// Line in the high 22 bits, column in the low 10.
    pub fn words(&self) -> [u32; 4] {
        [self.at, self.file, self.text, self.line << 10 | self.column.min(1023)]
    }
}

impl CoreRecord {
    pub const BYTES: u32 = 16;
    pub fn words(&self) -> [u32; 4] {
        [self.at, self.root, self.access, self.kind]
    }
}

/// `.BTF.ext` in the making: records by code section.
#[derive(Clone, Debug, Default)]
pub struct Ext {
    funcs: Vec<(u32, Vec<u32>, usize)>,
    lines: Vec<(u32, Vec<u32>, usize)>,
    cores: Vec<(u32, Vec<u32>, usize)>,
}

impl Ext {
    /// Adds the records of one code section, whose name is the string at `section`.
    pub fn section(
        &mut self,
        section: u32,
        funcs: &[FuncRecord],
        lines: &[LineRecord],
        cores: &[CoreRecord],
    ) {
        let add = |part: &mut Vec<_>, words: Vec<u32>, n: usize| {
            if n > 0 {
                part.push((section, words, n));
            }
        };
        add(&mut self.funcs, funcs.iter().flat_map(FuncRecord::words).collect(), funcs.len());
        add(&mut self.lines, lines.iter().flat_map(LineRecord::words).collect(), lines.len());
        add(&mut self.cores, cores.iter().flat_map(CoreRecord::words).collect(), cores.len());
    }

    /// Nothing was added: the section is then to be left out.
    pub fn is_empty(&self) -> bool {
        self.funcs.is_empty() && self.lines.is_empty() && self.cores.is_empty()
    }

    pub fn finish(&self) -> Vec<u8> {
        let funcs = part(&self.funcs, FuncRecord::BYTES);
        let lines = part(&self.lines, LineRecord::BYTES);
        let cores = part(&self.cores, CoreRecord::BYTES);
        let bytes = |words: &[u32]| words.len() as u32 * 4;
        let mut blob = vec![0x9f, 0xeb, 1, 0];
        let lines_at = bytes(&funcs);
        let cores_at = lines_at + bytes(&lines);
        let head = [EXT_HEADER_BYTES, 0, bytes(&funcs), lines_at, bytes(&lines), cores_at, bytes(&cores)];
        blob.extend(head.iter().chain(&funcs).chain(&lines).chain(&cores).flat_map(|w| w.to_le_bytes()));
        blob
    }
}

/// Record size, then for each section its name, count and records.
fn part(sections: &[(u32, Vec<u32>, usize)], record_bytes: u32) -> Vec<u32> {
    if sections.is_empty() {
        return Vec::new();
    }
    let mut words = vec![record_bytes];
    for (name, records, n) in sections {
        words.extend([*name, *n as u32]);
        words.extend(records);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::kernel::NoModules;
    use crate::btf::{Btf, Kernel};
    use crate::ty::{Space, Ty, TypeTable, print};

    fn member(name: &str, ty: u32, offset_bits: u32, bitfield_bits: Option<u8>) -> NewMember {
        NewMember { name: name.into(), ty, offset_bits, bitfield_bits }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut w = Writer::new();
        let int = w.int("int", 4, true);
        let byte = w.int("char", 1, false);
        let name = w.array(byte, int, 16);
        let user = w.type_tag("user", byte);
        let text = w.ptr(user);
        let inner = w.strukt(kind::UNION, "", 8, &[member("a", int, 0, None), member("b", text, 0, None)]);
        let members = [
            member("low", int, 0, Some(3)),
            member("high", int, 3, Some(29)),
            member("", inner, 64, None),
            member("name", name, 128, None),
        ];
        let strukt = w.strukt(kind::STRUCT, "s", 32, &members);
        let to = w.ptr(strukt);
        w.enumeration("e", 4, &[("E_MINUS", -1), ("E_TWO", 2)]);
        let proto = w.func_proto(int, &[("s", to), ("n", int)]);
        w.func("f", proto, Linkage::Global);
        w.typedef("s_t", strukt);

        let kernel = Kernel::new(Btf::from_bytes(w.finish()).unwrap(), Box::new(NoModules));
        let mut types = TypeTable::new();
        let id = kernel.strukt(&mut types, None, "s_t").unwrap();
        kernel.load_struct(&mut types, id);
        let read = types.structs[id].members.clone().unwrap();
        let shown: Vec<_> = (read.iter())
            .map(|m| {
                format!("{}:{}:{}:{:?}", m.name, print::name(&m.ty, &types), m.offset_bits, m.bitfield_bits)
            })
            .collect();
        assert_eq!(
            shown,
            ["low:int32:0:Some(3)", "high:int32:3:Some(29)", ":union {…}:64:None", "name:int8[16]:128:None"]
        );
        let Ty::Struct(inner) = read[2].ty else { panic!("{:?}", read[2].ty) };
        kernel.load_struct(&mut types, inner);
        let text = &types.structs[inner].members.as_ref().unwrap()[1];
        assert_eq!((text.ty.clone(), text.tag.as_deref()), (Ty::ptr(Ty::int(8), Space::User), Some("user")));
        assert_eq!(kernel.enumerator(&mut types, "E_MINUS").unwrap().0, -1);
        let f = kernel.function(&mut types, "", "f").unwrap();
        assert_eq!(f.params.len(), 2);
        assert_eq!(f.params[0], ("s".into(), Ty::ptr(Ty::Struct(id), Space::Any)));
    }

    #[test]
    fn strings_are_shared_and_end_at_a_nul() {
        let mut w = Writer::new();
        assert_eq!((w.string(""), w.string("a"), w.string("b"), w.string("a")), (0, 1, 3, 1));
        assert_eq!(w.string("a\0b"), 1);
    }

    #[test]
    fn the_extra_section_says_where_its_parts_are() {
        let mut ext = Ext::default();
        assert!(ext.is_empty());
        let line = LineRecord { at: 8, file: 1, text: 2, line: 3, column: 5000 };
        ext.section(7, &[FuncRecord { at: 0, func: 4 }], &[line], &[]);
        let bytes = ext.finish();
        let words: Vec<u32> =
            bytes[4..].chunks(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect();
        assert_eq!(words[..7], [32, 0, 20, 20, 28, 48, 0]);
        assert_eq!(words[7..12], [8, 7, 1, 0, 4]);
        assert_eq!(words[12..], [16, 7, 1, 8, 1, 2, 3 << 10 | 1023]);
    }
}
