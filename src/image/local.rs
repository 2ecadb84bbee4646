//! The types that symbolic accesses go through, cut down to what the script uses, and the accesses themselves.
//!
//! This is what libbpf calls local types: matched by name with the target kernel's. Anonymous structs and
//! unions on the way are left out; their members count as the outer struct's, which is how CO-RE finds them.

use super::AccessId;
use crate::base::IndexVec;
use crate::newtype_index;
use crate::ty::StructKind;

newtype_index!(
    /// A local type.
    LocalTyId, "t"
);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalTypes {
    pub tys: IndexVec<LocalTyId, LocalTy>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LocalTy {
    Int {
        bytes: u8,
        signed: bool,
    },
    /// Pointee, or `void`.
    Ptr(Option<LocalTyId>),
    Array {
        elem: LocalTyId,
        n: u32,
    },
    Struct {
        name: String,
        kind: StructKind,
        size: u32,
        members: Vec<LocalMember>,
    },
    Enum {
        name: String,
        bytes: u8,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct LocalMember {
    pub name: String,
    pub ty: LocalTyId,
    /// On the compiling kernel.
    pub offset_bits: u32,
    pub bitfield_bits: Option<u8>,
}

/// A path from a struct to one of its fields: `struct file` `.f_path.dentry`, or `struct x` `.arr[2].f`.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// A struct or union.
    pub root: LocalTyId,
    /// Member indices and array indices, as in a CO-RE access string after its leading 0.
    pub path: Vec<u32>,
    /// As of the compiling kernel, in bits from the start of the root.
    pub offset_bits: u32,
    /// Bytes of the field (of the word that holds it, for a bit field) on the compiling kernel.
    pub size: u32,
    /// Offset and length inside the 8-byte-or-less word are derived from these, for bit fields.
    pub bitfield_bits: Option<u8>,
    pub signed: bool,
    /// False where the compiling kernel lacks the field (`has_field`).
    pub exists: bool,
}

impl LocalTypes {
    /// The id of `ty`, added if it is new.
    pub fn intern(&mut self, ty: LocalTy) -> LocalTyId {
        match self.tys.iter().position(|t| *t == ty) {
            Some(i) => LocalTyId(i as u32),
            None => self.tys.push(ty),
        }
    }

    /// The named struct or union, added without members if it is new.
    pub fn strukt(&mut self, name: &str, kind: StructKind, size: u32) -> LocalTyId {
        let found = self
            .tys
            .iter()
            .position(|t| matches!(t, LocalTy::Struct { name: n, kind: k, .. } if n == name && *k == kind));
        match found {
            Some(i) => LocalTyId(i as u32),
            None => self.tys.push(LocalTy::Struct { name: name.into(), kind, size, members: Vec::new() }),
        }
    }

    /// The index of a member of a struct, added if it is new.
    pub fn member(&mut self, strukt: LocalTyId, member: LocalMember) -> u32 {
        let LocalTy::Struct { members, .. } = &mut self.tys[strukt] else {
            crate::bug!("member of a type that is no struct")
        };
        match members.iter().position(|m| m.name == member.name) {
            Some(i) => i as u32,
            None => {
                members.push(member);
                members.len() as u32 - 1
            }
        }
    }

    /// Root name and member names of an access, for matching by name: `("file", ["f_path", "dentry"])`;
    /// array indices appear as `[2]`.
    pub fn names(&self, a: &Access) -> (String, Vec<String>) {
        let mut at = a.root;
        let mut names = Vec::new();
        let root = match &self.tys[at] {
            LocalTy::Struct { name, .. } => name.clone(),
            other => crate::bug!("access into {other:?}"),
        };
        for &i in &a.path {
            match &self.tys[at] {
                LocalTy::Struct { members, .. } => {
                    names.push(members[i as usize].name.clone());
                    at = members[i as usize].ty;
                }
                LocalTy::Array { elem, .. } => {
                    names.push(format!("[{i}]"));
                    at = *elem;
                }
                other => crate::bug!("access into {other:?}"),
            }
        }
        (root, names)
    }
}

/// Where an access is, for dumps.
pub fn describe(types: &LocalTypes, id: AccessId, a: &Access) -> String {
    let (root, names) = types.names(a);
    format!("{id}:{root}.{}", names.join("."))
}
