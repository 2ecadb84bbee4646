//! Structs of the script that are views of the kernel's: `struct task_struct___old { long state; };`.
//!
//! Comes in: the script's structs, the kernel's by their names without the flavour. Goes out: members that this kernel
//! has lie where it has them and are of its types; others are gone, or stay as written where an object is made, whose
//! kernel may have them. Always holds: a struct whose name without the flavour the kernel does not know stays as it is.

use crate::ty::table::essential;
use crate::ty::{Member, StructId, StructOrigin, Ty, TypeTable};
use crate::world::{World, member_named};

/// Anonymous members inside one another, at most.
const DEPTH_MAX: u32 = 16;

/// Makes views of the structs that are named so.
pub fn settle(types: &mut TypeTable, world: &dyn World, is_for_object: bool) {
    let is_view = |id: &StructId| {
        let def = &types.structs[*id];
        def.origin == StructOrigin::Script && essential(&def.name) != def.name
    };
    let views: Vec<StructId> = types.structs.iter_enumerated().map(|(id, _)| id).filter(is_view).collect();
    for id in views {
        let (kind, name) = (types.structs[id].kind, essential(&types.structs[id].name).to_owned());
        let Some(of) = world.strukt(types, Some(kind), &name) else { continue };
        let mut wanted = Vec::new();
        flatten(types, id, 0, DEPTH_MAX, &mut wanted);
        let here = |m: Member| member_named(world, types, of, &m.name).or(is_for_object.then_some(m));
        let members = wanted.into_iter().filter_map(here).collect();
        let size = types.structs[of].size;
        let def = &mut types.structs[id];
        (def.origin, def.members, def.size) = (StructOrigin::Flavor, Some(members), size.max(def.size));
    }
}

/// The named members, those of anonymous ones among them, from the start of the whole.
fn flatten(types: &TypeTable, id: StructId, offset_bits: u32, depth: u32, out: &mut Vec<Member>) {
    for m in types.structs[id].members.iter().flatten() {
        let offset_bits = offset_bits + m.offset_bits;
        match (m.name.is_empty(), &m.ty) {
            (true, Ty::Struct(inner)) if depth > 0 => flatten(types, *inner, offset_bits, depth - 1, out),
            _ => out.push(Member { offset_bits, ..m.clone() }),
        }
    }
}
