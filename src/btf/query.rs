//! BTF types as types of the language.
//!
//! const, volatile, restrict, typedefs and declaration tags are looked through; a type tag is kept with the
//! pointer that it stands under. A pointer without a tag is `Space::Any`: it points where the struct that it was
//! read from lies. Function pointers and pointers to void point to `Ty::Void`; a float is `Ty::Void`.
//! Always holds: a chain that never ends (only damaged BTF has one) is cut off as `Ty::Void`.

use super::read::Btf;
use crate::ty::table::DataLoc;
use crate::ty::{
    EnumDef, EnumId, Member, Space, StructDef, StructId, StructKind, StructOrigin, Ty, TypeTable,
};
use btf_rs::{BtfType, Type};

/// Modifiers, typedefs, pointers and array dimensions in a row, at most.
const DEPTH_MAX: u32 = 64;

/// Finds a struct or union by name: its origin and size.
pub type Full<'a> = dyn Fn(&str, StructKind) -> Option<(StructOrigin, u32)> + 'a;

/// A BTF with its number in the World's list of modules (0: vmlinux).
pub struct Section<'a> {
    pub btf: &'a Btf,
    pub module: u32,
    /// Origin and size of the struct or union which a forward declaration promises.
    pub full: &'a Full<'a>,
}

/// For readers that do not care what a forward declaration promises.
pub fn none_full(_name: &str, _kind: StructKind) -> Option<(StructOrigin, u32)> {
    None
}

impl Section<'_> {
    /// The type of that id.
    pub fn ty(&self, types: &mut TypeTable, id: u32) -> Ty {
        self.ty_tagged(types, id, DEPTH_MAX).0
    }

    /// The type and, if it is a pointer, its tag.
    fn ty_tagged(&self, types: &mut TypeTable, id: u32, depth: u32) -> (Ty, Option<String>) {
        let Some(depth) = depth.checked_sub(1) else { return (Ty::Void, None) };
        let (id, ty) = self.strip(id);
        let plain = match ty {
            Type::Int(i) => self.int(&i),
            Type::Ptr(p) => return self.pointer(types, p.get_type_id().unwrap_or(0), depth),
            Type::Array(a) => {
                let (elem, tag) = self.ty_tagged(types, a.get_type_id().unwrap_or(0), depth);
                return (Ty::array(elem, a.len() as u32), tag);
            }
            Type::Struct(s) => self.strukt_ty(types, id, &s, StructKind::Struct, s.size()),
            Type::Union(s) => self.strukt_ty(types, id, &s, StructKind::Union, s.size()),
            Type::Fwd(f) => {
                let kind = if f.is_union() { StructKind::Union } else { StructKind::Struct };
                self.forward(types, id, self.btf.name(&f), kind)
            }
            Type::Enum(_) | Type::Enum64(_) => self.enumeration(types, id).map_or(Ty::Void, Ty::Enum),
            // A kind that is no type of a value, and kinds to come.
            _ => Ty::Void,
        };
        (plain, None)
    }

    /// Goes through typedefs and qualifiers.
    pub fn strip(&self, mut id: u32) -> (u32, Type) {
        for _ in 0..DEPTH_MAX {
            let ty = self.btf.ty(id);
            id = match &ty {
                Type::Typedef(t) => t.get_type_id().unwrap_or(0),
                Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => t.get_type_id().unwrap_or(0),
                Type::TypeTag(t) => t.get_type_id().unwrap_or(0),
                Type::DeclTag(t) => t.get_type_id().unwrap_or(0),
                Type::Var(t) => t.get_type_id().unwrap_or(0),
                _ => return (id, ty),
            };
        }
        (0, Type::Void)
    }

    fn int(&self, i: &btf_rs::Int) -> Ty {
        match (i.size(), self.btf.name(i)) {
            (1, _) if i.is_bool() => Ty::Bool,
            // The kernel's `char` is unsigned in BTF from 6.2 on; text it is all the same.
            (1, "char") => Ty::int(8),
            (size @ (1 | 2 | 4 | 8), _) => Ty::Int { bits: size as u8 * 8, signed: i.is_signed() },
            (16, _) => Ty::array(Ty::U64, 2),
            _ => Ty::Void,
        }
    }

    fn pointer(&self, types: &mut TypeTable, to: u32, depth: u32) -> (Ty, Option<String>) {
        let tag = self.tag(to);
        let space = match tag.as_deref() {
            Some("user") => Space::User,
            Some(_) => Space::Kernel,
            None => Space::Any,
        };
        let to = self.ty_tagged(types, to, depth).0;
        (Ty::ptr(to, space), tag)
    }

    /// The type tag between a pointer and what it points to.
    fn tag(&self, mut id: u32) -> Option<String> {
        for _ in 0..DEPTH_MAX {
            id = match self.btf.ty(id) {
                Type::TypeTag(_) => return Some(self.btf.type_name(id).to_owned()),
                Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => t.get_type_id()?,
                _ => return None,
            };
        }
        None
    }

    fn strukt_ty(
        &self,
        types: &mut TypeTable,
        id: u32,
        named: &dyn BtfType,
        kind: StructKind,
        size: usize,
    ) -> Ty {
        Ty::Struct(enter(types, self.origin(id), self.btf.name(named), kind, size as u32))
    }

    /// A struct that is only declared here: the full one of some BTF, else one without members.
    fn forward(&self, types: &mut TypeTable, id: u32, name: &str, kind: StructKind) -> Ty {
        let (origin, size) = (self.full)(name, kind).unwrap_or_else(|| (self.origin(id), 0));
        Ty::Struct(enter(types, origin, name, kind, size))
    }

    /// The enum of that id, if it is one.
    pub fn enumeration(&self, types: &mut TypeTable, id: u32) -> Option<EnumId> {
        let (_, ty) = self.strip(id);
        let name = |m: &dyn BtfType| self.btf.name(m).to_owned();
        let def = match &ty {
            Type::Enum(e) => EnumDef {
                name: name(e),
                size: e.size() as u32,
                signed: e.is_signed(),
                variants: (e.members.iter())
                    .map(|m| (name(m), extend(u64::from(m.val()), 32, e.is_signed())))
                    .collect(),
            },
            Type::Enum64(e) => EnumDef {
                name: name(e),
                size: e.size() as u32,
                signed: e.is_signed(),
                variants: e.members.iter().map(|m| (name(m), m.val() as i64)).collect(),
            },
            _ => return None,
        };
        let known = types.enums.iter_enumerated().find(|(_, e)| {
            e.name == def.name && e.size == def.size && e.signed == def.signed && e.variants == def.variants
        });
        Some(known.map(|(i, _)| i).unwrap_or_else(|| types.enums.push(def)))
    }

    /// The members of the struct or union of that id.
    pub fn members(&self, types: &mut TypeTable, id: u32) -> Vec<Member> {
        let (Type::Struct(s) | Type::Union(s)) = self.btf.ty(id) else { return Vec::new() };
        let member = |m: &btf_rs::Member, types: &mut TypeTable| {
            let (ty, tag) = self.ty_tagged(types, m.get_type_id().unwrap_or(0), DEPTH_MAX);
            Member {
                name: self.btf.name(m).to_owned(),
                ty,
                offset_bits: m.bit_offset(),
                bitfield_bits: m.bitfield_size().filter(|b| *b > 0).map(|b| b.min(64) as u8),
                data_loc: DataLoc::No,
                tag,
            }
        };
        s.members.iter().map(|m| member(m, types)).collect()
    }

    /// Parameters (name, type) and return type of a FUNC, a FUNC_PROTO or a pointer or typedef to one. Dots at
    /// the end of the parameters are left out.
    pub fn proto(&self, types: &mut TypeTable, id: u32) -> Option<(Vec<(String, Ty)>, Ty)> {
        let proto = self.func_proto(id)?;
        let params = proto.parameters.iter().filter(|p| !p.is_variadic()).map(|p| {
            let ty = self.ty(types, p.get_type_id().unwrap_or(0));
            (self.btf.name(p).to_owned(), ty)
        });
        let params = params.collect();
        Some((params, self.ty(types, proto.return_type_id())))
    }

    /// The prototype that a FUNC, a pointer or a typedef leads to.
    pub fn func_proto(&self, id: u32) -> Option<btf_rs::FuncProto> {
        let mut ty = self.strip(id).1;
        for _ in 0..DEPTH_MAX {
            ty = match ty {
                Type::FuncProto(p) => return Some(p),
                Type::Func(f) => self.strip(f.get_type_id()?).1,
                Type::Ptr(p) => self.strip(p.get_type_id()?).1,
                _ => return None,
            };
        }
        None
    }

    /// A type's place in the World's BTFs: those of the base are vmlinux's, also seen from a module.
    pub fn origin(&self, id: u32) -> StructOrigin {
        let module = if id < self.btf.first_id() { 0 } else { self.module };
        StructOrigin::Btf { module, id }
    }
}

/// The struct of that origin in `types`, entered without members if it is new.
pub fn enter(
    types: &mut TypeTable,
    origin: StructOrigin,
    name: &str,
    kind: StructKind,
    size: u32,
) -> StructId {
    types.find_origin(origin).unwrap_or_else(|| {
        types.structs.push(StructDef { name: name.to_owned(), kind, size, origin, members: None })
    })
}

/// The low `bits` of `value` as a number.
fn extend(value: u64, bits: u32, signed: bool) -> i64 {
    let shift = 64 - bits;
    if signed { (value << shift) as i64 >> shift } else { (value << shift >> shift) as i64 }
}
