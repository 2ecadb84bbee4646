//! One BTF blob: types by id through btf-rs, names through an index of our own.
//!
//! Why two readers: btf-rs decodes single types well (its `Mmap` backend opens vmlinux in 1.0-1.4 ms and 1 MB;
//! its cache takes 125 ms and 39 MB), but scans all types for each name (0.8-1 ms). So names are looked up
//! here: one walk over the type headers, when the first name is asked for, notes name offset and kind of each
//! type (1 ms, 0.6 MB); a name is then found in the string section by substring search (0.1 ms), and by a hash
//! table from the 32nd lookup on (5 ms to build, for scripts that match hundreds of functions).
//! Mapped sysfs pages do not count as resident memory.

use super::kind;
use btf_rs::{Backend, BtfType, Type};
use std::cell::{Cell, OnceCell};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

/// The bytes of a blob, mapped or owned.
pub type Bytes = Box<dyn AsRef<[u8]>>;

/// Lookups by substring search before the hash table pays.
const SEARCHES_BEFORE_TABLE: u32 = 32;

/// vmlinux's BTF, or a module's, which continues the ids and strings of vmlinux's.
pub struct Btf {
    rs: btf_rs::Btf,
    bytes: Bytes,
    types: Range<usize>,
    strings: Range<usize>,
    /// Id of the first type here: 1, or the number of types (void included) of the base.
    first_id: u32,
    /// Offset of the first string here: 0, or the bytes of the base's strings.
    first_string: u32,
    base: Option<Rc<Btf>>,
    heads: OnceCell<Heads>,
    table: OnceCell<StringTable>,
    n_searches: Cell<u32>,
}

/// Name offset and kind of each type, by id less `first_id`.
#[derive(Default)]
struct Heads {
    names: Vec<u32>,
    kinds: Vec<u8>,
}

impl Btf {
    /// Opens a blob that stands for itself: `path` is the file (or `/proc/self/fd/N`) that begins with `bytes`.
    /// What follows the blob in the file is ignored.
    pub fn open(path: &Path, bytes: Bytes) -> Result<Rc<Btf>, String> {
        let (types, strings) = layout((*bytes).as_ref())?;
        let rs = btf_rs::Btf::from_file_with_backend(path, Backend::Mmap).map_err(|e| e.to_string())?;
        Ok(Rc::new(Btf::new(rs, bytes, types, strings, None)))
    }

    /// A small blob in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Rc<Btf>, String> {
        let (types, strings) = layout(&bytes)?;
        let rs = btf_rs::Btf::from_bytes(&bytes).map_err(|e| e.to_string())?;
        Ok(Rc::new(Btf::new(rs, Box::new(bytes), types, strings, None)))
    }

    /// A module's blob on top of vmlinux's.
    pub fn from_split_bytes(bytes: Vec<u8>, base: &Rc<Btf>) -> Result<Rc<Btf>, String> {
        let (types, strings) = layout(&bytes)?;
        let rs = btf_rs::Btf::from_split_bytes(&bytes, &base.rs).map_err(|e| e.to_string())?;
        Ok(Rc::new(Btf::new(rs, Box::new(bytes), types, strings, Some(base.clone()))))
    }

    fn new(
        rs: btf_rs::Btf,
        bytes: Bytes,
        types: Range<usize>,
        strings: Range<usize>,
        base: Option<Rc<Btf>>,
    ) -> Btf {
        let first_id = base.as_ref().map_or(1, |b| b.end_id());
        let first_string = base.as_ref().map_or(0, |b| b.strings.len() as u32);
        Btf {
            rs,
            bytes,
            types,
            strings,
            first_id,
            first_string,
            base,
            heads: OnceCell::new(),
            table: OnceCell::new(),
            n_searches: Cell::new(0),
        }
    }

    /// The blob as it was read.
    pub fn blob(&self) -> &[u8] {
        &(*self.bytes).as_ref()[..self.types.end.max(self.strings.end)]
    }

    /// Id of the first type that is defined here and not in the base.
    pub fn first_id(&self) -> u32 {
        self.first_id
    }

    /// One past the last id.
    pub fn end_id(&self) -> u32 {
        let section = self.rs.split().unwrap_or_else(|| self.rs.base());
        section.type_id_range().1 + 1
    }

    /// The type of that id; void if there is none.
    pub fn ty(&self, id: u32) -> Type {
        self.rs.resolve_type_by_id(id).unwrap_or(Type::Void)
    }

    /// The name of a type, member, parameter or enumerator; empty if it has none.
    pub fn name(&self, t: &dyn BtfType) -> &str {
        self.string(t.get_name_offset().unwrap_or(0))
    }

    /// The name of a type by its id, where btf-rs keeps it back (type tags).
    pub fn type_name(&self, id: u32) -> &str {
        match (&self.base, id.checked_sub(self.first_id)) {
            (_, Some(i)) => self.string(self.heads().names.get(i as usize).copied().unwrap_or(0)),
            (Some(base), None) => base.type_name(id),
            (None, None) => "",
        }
    }

    /// The string at an offset.
    pub fn string(&self, offset: u32) -> &str {
        if let (Some(base), true) = (&self.base, offset < self.first_string) {
            return base.string(offset);
        }
        let strings = &(*self.bytes).as_ref()[self.strings.clone()];
        let tail = strings.get((offset - self.first_string) as usize..).unwrap_or(&[]);
        let end = memchr::memchr(0, tail).unwrap_or(0);
        std::str::from_utf8(&tail[..end]).unwrap_or("")
    }

    /// The first type of one of the `kinds` with that name that is defined here (not in the base).
    pub fn find(&self, name: &str, kinds: &[u8]) -> Option<u32> {
        let offsets = self.string_offsets(name);
        let heads = self.heads();
        offsets.into_iter().flatten().find_map(|offset| {
            let named = heads.names.iter().enumerate().filter(|(_, n)| **n == offset);
            named.map(|(i, _)| i).find(|&i| kinds.contains(&heads.kinds[i])).map(|i| i as u32 + self.first_id)
        })
    }

    /// Ids and names of the types of a kind that are defined here, in the order of their ids.
    pub fn all(&self, kind: u8) -> impl Iterator<Item = (u32, &str)> {
        let heads = self.heads();
        let of_kind = heads.kinds.iter().enumerate().filter(move |(_, k)| **k == kind);
        of_kind.map(|(i, _)| (i as u32 + self.first_id, self.string(heads.names[i])))
    }

    /// Where the name can stand: in the base's strings, in ours.
    pub fn string_offsets(&self, name: &str) -> [Option<u32>; 2] {
        let base = self.base.as_ref().and_then(|b| b.own_string_offset(name));
        [base, self.own_string_offset(name).map(|o| o + self.first_string)]
    }

    fn own_string_offset(&self, name: &str) -> Option<u32> {
        if name.is_empty() || name.contains('\0') {
            return None;
        }
        let strings = &(*self.bytes).as_ref()[self.strings.clone()];
        self.n_searches.set(self.n_searches.get() + 1);
        if self.n_searches.get() > SEARCHES_BEFORE_TABLE {
            return self.table.get_or_init(|| StringTable::new(strings)).find(strings, name);
        }
        // The section starts with the empty string, so that every name has a NUL before it.
        let framed = [b"\0", name.as_bytes(), b"\0"].concat();
        memchr::memmem::find(strings, &framed).map(|at| at as u32 + 1)
    }

    fn heads(&self) -> &Heads {
        self.heads.get_or_init(|| {
            let types = &(*self.bytes).as_ref()[self.types.clone()];
            let mut heads = Heads::default();
            heads.names.reserve(types.len() / 24);
            heads.kinds.reserve(types.len() / 24);
            walk(types, |name, kind| {
                heads.names.push(name);
                heads.kinds.push(kind);
            });
            heads
        })
    }
}

/// Where types and strings lie in a blob.
fn layout(blob: &[u8]) -> Result<(Range<usize>, Range<usize>), String> {
    let word = |at: usize| u32_at(blob, at).map(|w| w as usize).ok_or("BTF is cut off in its header");
    // Only the byte order of this machine: a kernel's BTF is read where it runs or on its like.
    if blob.len() < 24 || blob[..3] != [0x9f, 0xeb, 1] {
        return Err("no BTF of version 1 in this machine's byte order".into());
    }
    let header = word(4)?;
    let section = |off: usize, len: usize| {
        let start = header.checked_add(off)?;
        let end = start.checked_add(len)?;
        (end <= blob.len()).then_some(start..end)
    };
    let types = section(word(8)?, word(12)?).ok_or("BTF types are cut off")?;
    let strings = section(word(16)?, word(20)?).ok_or("BTF strings are cut off")?;
    if blob[strings.clone()].last() != Some(&0) {
        return Err("BTF strings do not end".into());
    }
    Ok((types, strings))
}

/// Calls `f` with name offset and kind of each type; stops at the first that is cut off or unknown.
fn walk(types: &[u8], mut f: impl FnMut(u32, u8)) {
    let mut at = 0;
    while let (Some(name), Some(info)) = (u32_at(types, at), u32_at(types, at + 4)) {
        let kind = (info >> 24 & 31) as u8;
        let Some(tail) = kind::tail_bytes(kind, (info & 0xffff) as usize) else { return };
        f(name, kind);
        at += 12 + tail;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

/// Open addressing by the hash of the string; a slot holds its offset, 0 is empty.
struct StringTable {
    slots: Vec<u32>,
}

impl StringTable {
    fn new(strings: &[u8]) -> StringTable {
        let n_strings = memchr::memchr_iter(0, strings).count();
        let mut slots = vec![0u32; (n_strings * 2).next_power_of_two()];
        let mask = slots.len() - 1;
        let mut start = 0;
        for end in memchr::memchr_iter(0, strings) {
            if end > start {
                let mut slot = hash(&strings[start..end]) & mask;
                while slots[slot] != 0 {
                    slot = (slot + 1) & mask;
                }
                slots[slot] = start as u32;
            }
            start = end + 1;
        }
        StringTable { slots }
    }

    fn find(&self, strings: &[u8], name: &str) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(name.as_bytes()) & mask;
        while self.slots[slot] != 0 {
            let start = self.slots[slot] as usize;
            let end = start + name.len();
            if strings.get(start..end) == Some(name.as_bytes()) && strings.get(end) == Some(&0) {
                return Some(start as u32);
            }
            slot = (slot + 1) & mask;
        }
        None
    }
}

/// Rotate, xor, multiply, eight bytes at a time; the high bits are the good ones.
fn hash(name: &[u8]) -> usize {
    let mut h = 0u64;
    for chunk in name.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        h = (h.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    (h >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct a` (id 1) and `int` (id 2).
    fn blob() -> Vec<u8> {
        let strings = b"\0a\0int\0";
        let types: [u32; 7] = [1, 4 << 24, 8, 3, 1 << 24, 4, 1 << 24 | 32];
        let words = [24, 0, types.len() as u32 * 4, types.len() as u32 * 4, strings.len() as u32];
        let mut blob = vec![0x9f, 0xeb, 1, 0];
        blob.extend(words.iter().chain(&types).flat_map(|w| w.to_le_bytes()));
        blob.extend(strings);
        blob
    }

    #[test]
    fn names_by_search_and_by_table() {
        let btf = Btf::from_bytes(blob()).unwrap();
        assert_eq!(btf.end_id(), 3);
        for _ in 0..2 * SEARCHES_BEFORE_TABLE {
            assert_eq!(btf.find("a", &[kind::STRUCT]), Some(1));
            assert_eq!(btf.find("int", &[kind::STRUCT]), None);
            assert_eq!(btf.find("int", &[kind::STRUCT, kind::INT]), Some(2));
            assert_eq!(btf.find("nt", &[kind::INT]), None);
            assert_eq!(btf.find("", &[kind::INT]), None);
        }
        assert!(btf.table.get().is_some());
        assert_eq!(btf.all(kind::INT).collect::<Vec<_>>(), [(2, "int")]);
        assert_eq!(btf.string(999), "");
    }

    #[test]
    fn damage_is_an_error_or_an_answer() {
        let whole = blob();
        for n in 0..whole.len() {
            assert!(Btf::from_bytes(whole[..n].to_vec()).is_err(), "{n} bytes");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(btf) = Btf::from_bytes(damaged) {
                    for id in 0..btf.end_id() + 2 {
                        assert!(btf.type_name(id).len() < whole.len(), "{:?}", btf.ty(id));
                    }
                    assert!(btf.find("int", &[kind::INT]).is_none_or(|id| id < btf.end_id()));
                }
            }
        }
    }
}
