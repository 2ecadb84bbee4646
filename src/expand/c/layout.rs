//! C layout: where the members of a struct lie.
//!
//! Comes in: members with sizes and alignments. Goes out: their offsets, the whole's size and alignment, as GCC
//! lays them out on machines with 64 bits.

use crate::ty::table::DataLoc;
use crate::ty::{Member, StructId, StructKind, Ty, TypeTable};
use crate::world::World;

/// A type with what C knows of its memory.
#[derive(Clone, Debug)]
pub struct Laid {
    pub ty: Ty,
    pub bytes: u64,
    pub align: u32,
    /// Declared and not defined: only pointers to it make sense.
    pub is_incomplete: bool,
}

impl Laid {
    pub fn new(ty: Ty, bytes: u64, align: u32) -> Laid {
        Laid { ty, bytes, align, is_incomplete: false }
    }
    pub fn scalar(ty: Ty, types: &TypeTable) -> Laid {
        let bytes = ty.size(types);
        Laid::new(ty, u64::from(bytes), bytes.max(1))
    }
}

/// A member before it has its place.
#[derive(Debug)]
pub struct Raw {
    pub name: String,
    pub laid: Laid,
    pub width: Option<u8>,
    /// `aligned(n)` and `packed` of the member.
    pub attrs: Attrs,
}

/// What attributes say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attrs {
    pub is_packed: bool,
    pub align: u32,
    /// `typedef` stands among them.
    pub is_typedef: bool,
    /// `mode(DI)`: the size of an integer or a float.
    pub mode_bytes: Option<u32>,
    /// `vector_size(16)`
    pub vector_bytes: Option<u32>,
}

impl Attrs {
    pub fn and(self, other: Attrs) -> Attrs {
        Attrs {
            is_packed: self.is_packed || other.is_packed,
            align: self.align.max(other.align),
            is_typedef: self.is_typedef || other.is_typedef,
            mode_bytes: self.mode_bytes.or(other.mode_bytes),
            vector_bytes: self.vector_bytes.or(other.vector_bytes),
        }
    }
}

/// A type as its mode says.
pub fn of_mode(laid: Laid, attrs: Attrs) -> Laid {
    let of_bytes = |n: u32, align: u32| Laid::new(Ty::array(Ty::uint(8), n), u64::from(n), align);
    match (attrs.vector_bytes, attrs.mode_bytes, &laid.ty) {
        (Some(n), ..) => of_bytes(n, n),
        (None, Some(n @ 1..=8), Ty::Int { signed, .. }) => {
            Laid::new(Ty::Int { bits: n as u8 * 8, signed: *signed }, u64::from(n), n)
        }
        (None, Some(n), _) => of_bytes(n, n.min(16)),
        (None, None, _) => laid,
    }
}

/// The members in their places, the size in bytes and the alignment; `pack` bounds the alignment of members.
pub fn lay_out(kind: StructKind, raws: Vec<Raw>, attrs: Attrs, pack: Option<u32>) -> (Vec<Member>, u64, u32) {
    let (mut at, mut end, mut align_max) = (0u64, 0u64, 1u32);
    let mut members = Vec::new();
    for raw in raws {
        let is_packed = attrs.is_packed || raw.attrs.is_packed;
        let natural = if is_packed { 1 } else { raw.laid.align };
        let align = natural.max(raw.attrs.align).min(pack.unwrap_or(u32::MAX));
        let bits = u64::from(align) * 8;
        if kind == StructKind::Union {
            at = 0;
        }
        let size_bits = match raw.width {
            None => {
                at = at.next_multiple_of(bits);
                raw.laid.bytes * 8
            }
            Some(0) => {
                at = at.next_multiple_of(u64::from(raw.laid.align) * 8);
                continue;
            }
            Some(w) => {
                let word = raw.laid.bytes.max(1) * 8;
                let last = at + u64::from(w) - 1;
                if raw.attrs.align > 0 || !is_packed && at / word != last / word {
                    at = at.next_multiple_of(bits);
                }
                u64::from(w)
            }
        };
        let is_padding = raw.width.is_some() && raw.name.is_empty();
        if !is_padding {
            align_max = align_max.max(align);
            members.push(Member {
                name: raw.name,
                ty: raw.laid.ty,
                offset_bits: u32::try_from(at).unwrap_or(u32::MAX),
                bitfield_bits: raw.width,
                data_loc: DataLoc::No,
                tag: None,
            });
        }
        at += size_bits;
        end = end.max(at);
    }
    let align = align_max.max(attrs.align);
    (members, end.div_ceil(8).next_multiple_of(u64::from(align)), align)
}

/// The alignment of a type of the kernel, as far as its members' places allow.
pub fn kernel_align(world: &dyn World, types: &mut TypeTable, ty: &Ty, depth: u32) -> u32 {
    match ty {
        Ty::Array { elem, .. } => kernel_align(world, types, elem, depth),
        Ty::Struct(id) if depth > 0 => struct_align(world, types, *id, depth - 1),
        Ty::Struct(_) => 1,
        other => other.align(types),
    }
}

fn struct_align(world: &dyn World, types: &mut TypeTable, id: StructId, depth: u32) -> u32 {
    world.load_struct(types, id);
    let (members, bytes) = (types.structs[id].members.clone().unwrap_or_default(), types.structs[id].size);
    let mut align = 1;
    for m in members.iter().filter(|m| m.bitfield_bits.is_none()) {
        let of_member = kernel_align(world, types, &m.ty, depth);
        if bytes.is_multiple_of(of_member) && (m.offset_bits / 8).is_multiple_of(of_member) {
            align = align.max(of_member);
        }
    }
    align
}
