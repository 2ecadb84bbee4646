//! Answers to CO-RE questions: where a symbolic access lies on the kernel that is to run it.
//!
//! Comes in: an [`Access`] with the types that it goes through, by name, and a kernel's BTF. Goes out: the number
//! for the instruction, by libbpf's rules (tools/lib/bpf/relo_core.c), so that a run and an ELF object of the same
//! image agree. A name's `___flavor` is left off; members are found through anonymous structs and unions.

use super::CoreKind;
use super::local::{Access, LocalTy, LocalTyId, LocalTypes};
use crate::btf::query::{Section, none_full};
use crate::btf::{Btf, Kernel, kind};
use crate::ty::StructKind;
use crate::ty::table::essential;
use btf_rs::{BtfType, Type};
use std::collections::BTreeMap;

/// Structs in structs, at most.
const DEPTH_MAX: u32 = 64;
/// Bytes of the widest load.
const WORD_BYTES: u32 = 8;

/// One kernel, and the root types that were looked up in it.
pub struct Resolver<'a> {
    kernel: &'a Kernel,
    roots: BTreeMap<RootKey, Option<(u32, u32)>>,
}

/// Name and kinds of a root type.
type RootKey = (String, &'static [u8]);

/// A field on the target: its place, and its type by id.
struct Field {
    bit_offset: u32,
    bitfield_bits: Option<u32>,
    ty: u32,
    /// The last step was an array index.
    is_element: bool,
}

impl<'a> Resolver<'a> {
    pub fn new(kernel: &'a Kernel) -> Resolver<'a> {
        Resolver { kernel, roots: BTreeMap::new() }
    }

    /// The answer, or `None` where the target has no such field (type, for the size of a type).
    pub fn resolve(&mut self, question: CoreKind, access: &Access, local: &LocalTypes) -> Option<u64> {
        let root = self.root(local, access.root);
        match question {
            CoreKind::TypeExists => return Some(u64::from(root.is_some())),
            CoreKind::Exists if root.is_none() => return Some(0),
            CoreKind::Exists
            | CoreKind::TypeSize
            | CoreKind::ByteOffset
            | CoreKind::ByteSize
            | CoreKind::Signed
            | CoreKind::LshiftU64
            | CoreKind::RshiftU64 => {}
        }
        let (module, root) = root?;
        let btf = self.kernel.btf(module)?;
        let target = Target { section: Section { btf: &btf, module, full: &none_full } };
        if question == CoreKind::TypeSize {
            return target.size(root).map(u64::from);
        }
        let field = target.field(root, access, local);
        match (question, field) {
            (CoreKind::Exists, field) => Some(u64::from(field.is_some())),
            (_, Some(field)) => target.answer(question, &field),
            (_, None) => None,
        }
    }

    fn root(&mut self, local: &LocalTypes, id: LocalTyId) -> Option<(u32, u32)> {
        let (name, kinds): (_, &[u8]) = match &local.tys[id] {
            LocalTy::Struct { name, kind: StructKind::Struct, .. } => (name, &[kind::STRUCT]),
            LocalTy::Struct { name, kind: StructKind::Union, .. } => (name, &[kind::UNION]),
            LocalTy::Enum { name, .. } => (name, &[kind::ENUM, kind::ENUM64]),
            LocalTy::Int { .. } | LocalTy::Ptr(_) | LocalTy::Array { .. } => return None,
        };
        let name = essential(name).to_owned();
        let kernel = self.kernel;
        *self.roots.entry((name.clone(), kinds)).or_insert_with(|| kernel.find(&name, kinds))
    }
}

/// The target's BTF.
struct Target<'a> {
    section: Section<'a>,
}

impl Target<'_> {
    fn btf(&self) -> &Btf {
        self.section.btf
    }

    /// Follows the path of the access by names and indices.
    fn field(&self, root: u32, access: &Access, local: &LocalTypes) -> Option<Field> {
        let mut at = access.root;
        let mut field = Field { bit_offset: 0, bitfield_bits: None, ty: root, is_element: false };
        for &step in &access.path {
            match &local.tys[at] {
                LocalTy::Struct { members, .. } => {
                    let member = members.get(step as usize)?;
                    let found = self.member(field.ty, &member.name, DEPTH_MAX)?;
                    let bit_offset = field.bit_offset.checked_add(found.bit_offset)?;
                    field = Field { bit_offset, ..found };
                    at = member.ty;
                }
                LocalTy::Array { elem, .. } => {
                    let (elem_ty, n) = self.array(field.ty)?;
                    // The kernel writes flexible arrays with no or one element.
                    if n > 1 && step as usize >= n {
                        return None;
                    }
                    let bits = self.size(elem_ty)?.checked_mul(8)?.checked_mul(step)?;
                    let bit_offset = field.bit_offset.checked_add(bits)?;
                    field = Field { bit_offset, bitfield_bits: None, ty: elem_ty, is_element: true };
                    at = *elem;
                }
                LocalTy::Int { .. } | LocalTy::Ptr(_) | LocalTy::Enum { .. } => return None,
            }
            if !self.compatible(field.ty, local, at) {
                return None;
            }
        }
        Some(field)
    }

    /// The member of that name, in the struct itself or in its anonymous parts.
    fn member(&self, ty: u32, name: &str, depth: u32) -> Option<Field> {
        let depth = depth.checked_sub(1)?;
        let (Type::Struct(s) | Type::Union(s)) = self.section.strip(ty).1 else { return None };
        s.members.iter().find_map(|m| {
            let ty = m.get_type_id()?;
            let bitfield_bits = m.bitfield_size().filter(|b| *b > 0);
            let own = self.btf().name(m);
            if own == name && !own.is_empty() {
                return Some(Field { bit_offset: m.bit_offset(), bitfield_bits, ty, is_element: false });
            }
            let inner = own.is_empty().then(|| self.member(ty, name, depth)).flatten()?;
            Some(Field { bit_offset: inner.bit_offset.checked_add(m.bit_offset())?, ..inner })
        })
    }

    fn array(&self, ty: u32) -> Option<(u32, usize)> {
        match self.section.strip(ty).1 {
            Type::Array(a) => Some((a.get_type_id()?, a.len())),
            _ => None,
        }
    }

    /// Whether a type there can stand for the local one: kinds agree, as libbpf wants it.
    fn compatible(&self, ty: u32, local: &LocalTypes, local_ty: LocalTyId) -> bool {
        match (self.section.strip(ty).1, &local.tys[local_ty]) {
            (Type::Int(_), LocalTy::Int { .. }) | (Type::Ptr(_), LocalTy::Ptr(_)) => true,
            (Type::Struct(_) | Type::Union(_), LocalTy::Struct { .. }) => true,
            (Type::Enum(_) | Type::Enum64(_), LocalTy::Enum { .. }) => true,
            (Type::Array(a), LocalTy::Array { elem, .. }) => {
                a.get_type_id().is_some_and(|id| self.compatible(id, local, *elem))
            }
            _ => false,
        }
    }

    /// Bytes of a type.
    fn size(&self, ty: u32) -> Option<u32> {
        let mut n = 1u32;
        let mut id = ty;
        for _ in 0..DEPTH_MAX {
            let size = match self.section.strip(id).1 {
                Type::Array(a) => {
                    n = n.checked_mul(a.len() as u32)?;
                    id = a.get_type_id()?;
                    continue;
                }
                Type::Int(t) => t.size(),
                Type::Float(t) => t.size(),
                Type::Struct(t) | Type::Union(t) => t.size(),
                Type::Enum(t) => t.size(),
                Type::Enum64(t) => t.size(),
                Type::Ptr(_) => 8,
                _ => return None,
            };
            return n.checked_mul(size as u32);
        }
        None
    }

    fn answer(&self, question: CoreKind, field: &Field) -> Option<u64> {
        let (byte_offset, bytes) = self.word(field)?;
        // For a bit field the bits that it has; for others the whole word, so that shifting is harmless.
        let (start, bits) = match field.bitfield_bits {
            Some(bits) => (field.bit_offset - byte_offset * 8, bits),
            None => (0, bytes * 8),
        };
        Some(u64::from(match question {
            CoreKind::ByteOffset => byte_offset,
            CoreKind::ByteSize => bytes,
            CoreKind::Signed => u32::from(self.signed(field.ty)),
            // An element of an array is no bit field, and libbpf refuses to shift it.
            CoreKind::LshiftU64 | CoreKind::RshiftU64 if field.is_element => return None,
            CoreKind::LshiftU64 => 64u32.checked_sub(start + bits)?,
            CoreKind::RshiftU64 => 64u32.checked_sub(bits)?,
            CoreKind::Exists | CoreKind::TypeExists => 1,
            CoreKind::TypeSize => return None,
        }))
    }

    /// Byte offset and bytes of the load that reads the field: for a bit field the smallest aligned word of its
    /// type's size or more that holds it whole.
    fn word(&self, field: &Field) -> Option<(u32, u32)> {
        let size = self.size(field.ty)?;
        let Some(bits) = field.bitfield_bits else { return Some((field.bit_offset / 8, size)) };
        let mut bytes = size.max(1);
        loop {
            let at = field.bit_offset / 8 / bytes * bytes;
            if field.bit_offset.checked_add(bits)? <= (at + bytes).checked_mul(8)? {
                return Some((at, bytes));
            }
            if bytes >= WORD_BYTES {
                return None;
            }
            bytes *= 2;
        }
    }

    fn signed(&self, ty: u32) -> bool {
        match self.section.strip(ty).1 {
            Type::Int(t) => t.is_signed(),
            Type::Enum(t) => t.is_signed(),
            Type::Enum64(t) => t.is_signed(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::kernel::NoModules;
    use crate::btf::write::{NewMember, Writer};
    use crate::image::LocalMember;

    fn new_member(name: &str, ty: u32, offset_bits: u32, bitfield_bits: Option<u8>) -> NewMember {
        NewMember { name: name.into(), ty, offset_bits, bitfield_bits }
    }

    /// `struct s { u32 a:3, b:29 at 29; union { long c; struct { int d; } }; struct e arr[4]; }`, where `b`
    /// spans two 4-byte words.
    fn kernel() -> Kernel {
        let mut w = Writer::new();
        let u32_ = w.int("unsigned int", 4, false);
        let long = w.int("long", 8, true);
        let e = w.strukt(
            kind::STRUCT,
            "e",
            16,
            &[new_member("x", long, 0, None), new_member("y", u32_, 64, None)],
        );
        let arr = w.array(e, u32_, 4);
        let inner = w.strukt(kind::STRUCT, "", 8, &[new_member("d", u32_, 32, None)]);
        let either =
            w.strukt(kind::UNION, "", 8, &[new_member("c", long, 0, None), new_member("", inner, 0, None)]);
        w.strukt(
            kind::STRUCT,
            "s",
            80,
            &[
                new_member("a", u32_, 0, Some(3)),
                new_member("b", u32_, 29, Some(29)),
                new_member("", either, 64, None),
                new_member("arr", arr, 128, None),
            ],
        );
        Kernel::new(Btf::from_bytes(w.finish()).unwrap(), Box::new(NoModules))
    }

    struct Local {
        types: LocalTypes,
        s: LocalTyId,
        int: LocalTyId,
    }

    fn local() -> Local {
        let mut types = LocalTypes::default();
        let s = types.strukt("s___old", StructKind::Struct, 100);
        let int = types.intern(LocalTy::Int { bytes: 4, signed: false });
        Local { types, s, int }
    }

    impl Local {
        fn member(&mut self, of: LocalTyId, name: &str, ty: LocalTyId) -> u32 {
            let member = LocalMember { name: name.into(), ty, offset_bits: 0, bitfield_bits: None };
            self.types.member(of, member)
        }
        fn ask(&self, path: &[u32], question: CoreKind) -> Option<u64> {
            let access = Access {
                root: self.s,
                path: path.to_vec(),
                offset_bits: 0,
                size: 4,
                bitfield_bits: None,
                signed: false,
                exists: true,
            };
            let kernel = kernel();
            Resolver::new(&kernel).resolve(question, &access, &self.types)
        }
    }

    #[test]
    fn fields_through_anonymous_parts() {
        let mut l = local();
        let d = l.member(l.s, "d", l.int);
        assert_eq!(l.ask(&[d], CoreKind::ByteOffset), Some(12));
        assert_eq!(l.ask(&[d], CoreKind::ByteSize), Some(4));
        assert_eq!(l.ask(&[d], CoreKind::Exists), Some(1));
        let c = l.member(l.s, "c", l.int);
        assert_eq!(l.ask(&[c], CoreKind::ByteOffset), Some(8));
        assert_eq!(l.ask(&[c], CoreKind::Signed), Some(1));
        assert_eq!(l.ask(&[c], CoreKind::ByteSize), Some(8));
    }

    #[test]
    fn bit_fields() {
        let mut l = local();
        let a = l.member(l.s, "a", l.int);
        let questions = [CoreKind::ByteOffset, CoreKind::ByteSize, CoreKind::LshiftU64, CoreKind::RshiftU64];
        assert_eq!(questions.map(|q| l.ask(&[a], q)), [Some(0), Some(4), Some(61), Some(61)]);
        // Bits 29 to 57 need the 8-byte word.
        let b = l.member(l.s, "b", l.int);
        assert_eq!(questions.map(|q| l.ask(&[b], q)), [Some(0), Some(8), Some(6), Some(35)]);
    }

    #[test]
    fn elements_of_arrays() {
        let mut l = local();
        let e = l.types.strukt("e", StructKind::Struct, 16);
        let y = l.member(e, "y", l.int);
        let arr_ty = l.types.intern(LocalTy::Array { elem: e, n: 4 });
        let arr = l.member(l.s, "arr", arr_ty);
        assert_eq!(l.ask(&[arr, 2, y], CoreKind::ByteOffset), Some(16 + 2 * 16 + 8));
        assert_eq!(l.ask(&[arr, 2], CoreKind::ByteSize), Some(16));
        assert_eq!(l.ask(&[arr], CoreKind::ByteSize), Some(64));
        assert_eq!(l.ask(&[arr, 4, y], CoreKind::Exists), Some(0));
    }

    #[test]
    fn what_is_not_there() {
        let mut l = local();
        let gone = l.member(l.s, "gone", l.int);
        assert_eq!(l.ask(&[gone], CoreKind::Exists), Some(0));
        assert_eq!(l.ask(&[gone], CoreKind::ByteOffset), None);
        // Another kind of type under the same name is another field.
        let arr = l.member(l.s, "arr", l.int);
        assert_eq!(l.ask(&[arr], CoreKind::Exists), Some(0));
        assert_eq!(l.ask(&[], CoreKind::TypeExists), Some(1));
        assert_eq!(l.ask(&[], CoreKind::TypeSize), Some(80));
        l.s = l.types.strukt("nothing", StructKind::Struct, 1);
        assert_eq!(l.ask(&[], CoreKind::TypeExists), Some(0));
        assert_eq!(l.ask(&[0], CoreKind::Exists), Some(0));
        assert_eq!(l.ask(&[], CoreKind::TypeSize), None);
    }
}
