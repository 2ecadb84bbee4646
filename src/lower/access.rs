//! Symbolic paths through kernel structs, and the accesses that they become in the image.
//!
//! Always holds: anonymous members are left out of a path, their offsets being counted into what they hold; a
//! path that cannot be named (its root has no name) gives no access, and its offset is a number.

use super::Mx;
use crate::image::{Access, AccessId, LocalMember, LocalTy, LocalTyId};
use crate::ty::{Member, StructDef, StructId, Ty};
use crate::world::member_named;

/// A way from a struct of the kernel's BTF to something in it.
#[derive(Clone, Debug)]
pub struct Path {
    pub root: StructId,
    pub steps: Vec<Step>,
    /// From the start of the root.
    pub offset_bits: u32,
    pub bitfield_bits: Option<u8>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// `offset_bits` is from the start of the struct `of`.
    Member {
        of: StructId,
        name: String,
        ty: Ty,
        offset_bits: u32,
        bitfield_bits: Option<u8>,
    },
    Index {
        i: u32,
    },
}

impl Path {
    pub fn new(root: StructId) -> Path {
        Path { root, steps: Vec::new(), offset_bits: 0, bitfield_bits: None }
    }

    pub fn member(&self, of: StructId, found: &FoundMember) -> Path {
        let mut path = self.clone();
        path.offset_bits += found.offset_bits;
        path.bitfield_bits = found.member.bitfield_bits;
        path.steps.push(Step::Member {
            of,
            name: found.member.name.clone(),
            ty: found.member.ty.clone(),
            offset_bits: found.offset_bits,
            bitfield_bits: found.member.bitfield_bits,
        });
        path
    }

    pub fn index(&self, i: u32, elem_bytes: u32) -> Path {
        let mut path = self.clone();
        path.offset_bits += i * elem_bytes * 8;
        path.steps.push(Step::Index { i });
        path
    }
}

/// A member of a struct, perhaps by way of anonymous ones, with its offset from the struct's start.
#[derive(Clone, Debug)]
pub struct FoundMember {
    pub member: Member,
    pub offset_bits: u32,
}

impl Mx<'_> {
    /// Whether offsets in the struct are the kernel's.
    pub fn is_btf(&self, id: StructId) -> bool {
        self.types.structs[id].origin.is_relocated()
    }

    pub fn struct_def(&self, id: StructId) -> &StructDef {
        &self.types.structs[id]
    }

    /// The member at the end of a path of indices.
    pub fn member_at(&self, id: StructId, path: &[u32]) -> FoundMember {
        let (mut at, mut offset_bits) = (id, 0);
        for (n, &i) in path.iter().enumerate() {
            let members = self.types.structs[at].members.as_deref().unwrap_or(&[]);
            let Some(member) = members.get(i as usize) else { crate::bug!("{at} has no member {i}") };
            offset_bits += member.offset_bits;
            match member.ty {
                _ if n + 1 == path.len() => return FoundMember { member: member.clone(), offset_bits },
                Ty::Struct(inner) => at = inner,
                ref other => crate::bug!("a member path goes through {other:?}"),
            }
        }
        crate::bug!("an empty member path")
    }

    /// The member of that name, anonymous members looked through.
    pub fn member_named(&mut self, id: StructId, name: &str) -> Option<FoundMember> {
        let member = member_named(self.world, &mut self.types, id, name)?;
        Some(FoundMember { offset_bits: member.offset_bits, member })
    }

    /// The access of a path; `None` where it must be a number.
    pub fn access(&mut self, path: &Path, ty: &Ty) -> Option<AccessId> {
        if self.types.structs[path.root].name.is_empty() || path.steps.is_empty() {
            return None;
        }
        let root = self.local_struct(path.root);
        let mut at = root;
        let mut steps = Vec::new();
        for step in &path.steps {
            match step {
                Step::Member { of, name, ty, offset_bits, bitfield_bits } => {
                    let local = LocalMember {
                        name: name.clone(),
                        ty: self.local_ty(ty),
                        offset_bits: *offset_bits,
                        bitfield_bits: *bitfield_bits,
                    };
                    at = local.ty;
                    let of = self.local_struct(*of);
                    steps.push(self.image.local.member(of, local));
                }
                Step::Index { i } => {
                    let LocalTy::Array { elem, .. } = self.image.local.tys[at] else {
                        crate::bug!("an index into what is no array")
                    };
                    at = elem;
                    steps.push(*i);
                }
            }
        }
        let bytes = ty.size(&self.types);
        let size = match path.bitfield_bits {
            Some(bits) => bitfield_word_bytes(path.offset_bits, u32::from(bits), bytes),
            None => bytes,
        };
        let access = Access {
            root,
            path: steps,
            offset_bits: path.offset_bits,
            size,
            bitfield_bits: path.bitfield_bits,
            signed: ty.signed(),
            exists: true,
        };
        let known = self.image.accesses.iter_enumerated().find(|(_, a)| **a == access).map(|(id, _)| id);
        Some(known.unwrap_or_else(|| self.image.accesses.push(access)))
    }

    fn local_struct(&mut self, id: StructId) -> LocalTyId {
        if let Some(&known) = self.local_structs.get(&id) {
            return known;
        }
        let def = &self.types.structs[id];
        let (name, kind, size) = (def.name.clone(), def.kind, def.size);
        let local = if name.is_empty() {
            // Anonymous structs have no name to share one by.
            self.image.local.tys.push(LocalTy::Struct { name, kind, size, members: Vec::new() })
        } else {
            self.image.local.strukt(&name, kind, size)
        };
        self.local_structs.insert(id, local);
        local
    }

    fn local_ty(&mut self, ty: &Ty) -> LocalTyId {
        let local = match ty {
            Ty::Struct(id) => return self.local_struct(*id),
            Ty::Ptr { .. } => LocalTy::Ptr(None),
            Ty::Array { elem, n } => LocalTy::Array { elem: self.local_ty(elem), n: *n },
            Ty::Str { n } => {
                let elem = self.image.local.intern(LocalTy::Int { bytes: 1, signed: true });
                LocalTy::Array { elem, n: *n }
            }
            Ty::Enum(id) => {
                let def = &self.types.enums[*id];
                LocalTy::Enum { name: def.name.clone(), bytes: def.size as u8 }
            }
            other => {
                LocalTy::Int { bytes: other.size(&self.types).clamp(1, 8) as u8, signed: other.signed() }
            }
        };
        self.image.local.intern(local)
    }
}

/// Bytes of the aligned word that holds a bit field whose type has `type_bytes`, as libbpf chooses it.
pub fn bitfield_word_bytes(offset_bits: u32, bits: u32, type_bytes: u32) -> u32 {
    let mut bytes = type_bytes.max(1);
    while bytes < 8 && offset_bits + bits > (offset_bits / (bytes * 8) + 1) * bytes * 8 {
        bytes *= 2;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::bitfield_word_bytes;

    #[test]
    fn words_hold_their_bit_fields() {
        assert_eq!(bitfield_word_bytes(3, 4, 1), 1);
        assert_eq!(bitfield_word_bytes(6, 4, 1), 2);
        assert_eq!(bitfield_word_bytes(30, 4, 4), 8);
        assert_eq!(bitfield_word_bytes(33, 1, 4), 4);
    }
}
