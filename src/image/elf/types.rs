//! The image's local types as BTF, for CO-RE relocations to go through.
//!
//! Always holds (the kernel refuses the BTF otherwise): members stand in the order of their offsets, and those of a
//! union start at 0. The image's own order is that in which the script used the members, so that its paths are
//! translated on the way.

use crate::base::{Idx, IndexVec};
use crate::btf::kind;
use crate::btf::write::{NewMember, Writer};
use crate::image::{Access, LocalMember, LocalTy, LocalTyId, LocalTypes};
use crate::ty::StructKind;

/// Where the local types are in the BTF.
pub struct TypeIds {
    ids: IndexVec<LocalTyId, u32>,
    /// For each struct, the steps that lead to each of its members.
    steps: IndexVec<LocalTyId, Vec<Vec<u32>>>,
}

/// Adds all local types.
pub fn add(writer: &mut Writer, local: &LocalTypes) -> TypeIds {
    let index = writer.int("int", 4, true);
    // Types refer to each other in both directions: first which id each will have, then the types. A union whose
    // members need wrapping takes further ids before its own.
    let mut next = writer.next_id();
    let mut ids = IndexVec::new();
    for ty in local.tys.iter() {
        next += wrapped(ty).count() as u32;
        ids.push(next);
        next += 1;
    }
    let mut steps = IndexVec::new();
    for ty in local.tys.iter() {
        steps.push(add_one(writer, ty, &ids, index));
    }
    TypeIds { ids, steps }
}

fn add_one(writer: &mut Writer, ty: &LocalTy, ids: &IndexVec<LocalTyId, u32>, index: u32) -> Vec<Vec<u32>> {
    match ty {
        LocalTy::Int { bytes, signed } => {
            let name = format!("{}{}", if *signed { "s" } else { "u" }, u32::from(*bytes) * 8);
            writer.int(&name, *bytes, *signed);
        }
        LocalTy::Ptr(to) => {
            writer.ptr(to.map_or(0, |to| ids[to]));
        }
        LocalTy::Array { elem, n } => {
            writer.array(ids[*elem], index, *n);
        }
        LocalTy::Enum { name, bytes } => {
            writer.enumeration(name, u32::from(*bytes), &[]);
        }
        LocalTy::Struct { name, kind, size, members } => {
            return match kind {
                StructKind::Struct => add_struct(writer, name, *size, members, ids),
                StructKind::Union => add_union(writer, name, *size, members, ids),
            };
        }
    }
    Vec::new()
}

fn new_member(m: &LocalMember, ids: &IndexVec<LocalTyId, u32>) -> NewMember {
    NewMember {
        name: m.name.clone(),
        ty: ids[m.ty],
        offset_bits: m.offset_bits,
        bitfield_bits: m.bitfield_bits,
    }
}

fn add_struct(
    writer: &mut Writer,
    name: &str,
    size: u32,
    members: &[LocalMember],
    ids: &IndexVec<LocalTyId, u32>,
) -> Vec<Vec<u32>> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|&i| (members[i].offset_bits, i));
    let sorted: Vec<NewMember> = order.iter().map(|&i| new_member(&members[i], ids)).collect();
    writer.strukt(kind::STRUCT, name, size, &sorted);
    let mut steps = vec![Vec::new(); members.len()];
    for (to, &from) in order.iter().enumerate() {
        steps[from] = vec![to as u32];
    }
    steps
}

/// A member of an anonymous struct in a union does not start at 0: it gets an anonymous struct again.
fn add_union(
    writer: &mut Writer,
    name: &str,
    size: u32,
    members: &[LocalMember],
    ids: &IndexVec<LocalTyId, u32>,
) -> Vec<Vec<u32>> {
    let mut written = Vec::new();
    let mut steps = Vec::new();
    for (i, m) in members.iter().enumerate() {
        if m.offset_bits == 0 {
            written.push(new_member(m, ids));
            steps.push(vec![i as u32]);
        } else {
            let ty = writer.strukt(kind::STRUCT, "", size, &[new_member(m, ids)]);
            written.push(NewMember { name: String::new(), ty, offset_bits: 0, bitfield_bits: None });
            steps.push(vec![i as u32, 0]);
        }
    }
    writer.strukt(kind::UNION, name, size, &written);
    steps
}

/// Members of a union that need a struct around them.
fn wrapped(ty: &LocalTy) -> impl Iterator<Item = &LocalMember> {
    let members: &[LocalMember] = match ty {
        LocalTy::Struct { kind: StructKind::Union, members, .. } => members,
        LocalTy::Struct { kind: StructKind::Struct, .. }
        | LocalTy::Int { .. }
        | LocalTy::Ptr(_)
        | LocalTy::Array { .. }
        | LocalTy::Enum { .. } => &[],
    };
    members.iter().filter(|m| m.offset_bits != 0)
}

impl TypeIds {
    /// The BTF id of a local type.
    pub fn id(&self, ty: LocalTyId) -> u32 {
        self.ids[ty]
    }

    /// The access string of a relocation: `0:2:1`.
    pub fn access(&self, local: &LocalTypes, access: &Access) -> String {
        let mut text = String::from("0");
        let mut at = access.root;
        for &step in &access.path {
            match &local.tys[at] {
                LocalTy::Struct { members, .. } => {
                    for index in &self.steps[at][step as usize] {
                        text.push_str(&format!(":{index}"));
                    }
                    at = members[step as usize].ty;
                }
                LocalTy::Array { elem, .. } => {
                    text.push_str(&format!(":{step}"));
                    at = *elem;
                }
                other @ (LocalTy::Int { .. } | LocalTy::Ptr(_) | LocalTy::Enum { .. }) => {
                    crate::bug!("access {} into {other:?}", at.index())
                }
            }
        }
        text
    }
}
