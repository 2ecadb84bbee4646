//! Types of debug information as types of the language.
//!
//! Always holds: structs enter as names and sizes, their members when they are asked for, so that types that
//! contain pointers to themselves end; what the language has no type for is bytes.

use gimli::{AttributeValue, DwAt, DwTag};

use super::{CHAIN_MAX, Die, File};
use crate::ty::table::DataLoc;
use crate::ty::{
    EnumDef, EnumId, Member, Space, StructDef, StructId, StructKind, StructOrigin, Ty, TypeTable,
};

/// What reading needs.
pub struct Reading<'a> {
    pub file: &'a File,
    /// The file's number.
    pub index: u32,
    pub types: &'a mut TypeTable,
}

impl Reading<'_> {
    /// Names and types of a function's parameters.
    pub fn parameters(&mut self, function: &Die) -> Vec<(String, Ty)> {
        let children = self.children(function, &[gimli::DW_TAG_formal_parameter]);
        let one = |(i, die): (usize, Die)| {
            let name = self.file.text(&die, gimli::DW_AT_name).unwrap_or_else(|| format!("__arg{i}"));
            (name, self.type_of(&die))
        };
        children.into_iter().enumerate().map(one).collect()
    }

    /// Members of a struct or union; those of a class that it is derived from come as an unnamed one.
    pub fn members(&mut self, strukt: &Die) -> Vec<Member> {
        let children = self.children(strukt, &[gimli::DW_TAG_member, gimli::DW_TAG_inheritance]);
        children.iter().filter_map(|die| self.member(die)).collect()
    }

    fn member(&mut self, die: &Die) -> Option<Member> {
        // A static member lies nowhere in it.
        if self.file.attr(die, gimli::DW_AT_external).is_some() {
            return None;
        }
        let ty = self.type_of(die);
        let size = self.bits_of(&ty);
        let bits = self.number(die, gimli::DW_AT_bit_size);
        let byte = self.number(die, gimli::DW_AT_data_member_location).unwrap_or(0) * 8;
        let offset_bits = match (self.number(die, gimli::DW_AT_data_bit_offset), bits) {
            (Some(at), _) => at,
            // Before DWARF 4, bits were counted from the high end of the storage unit.
            (None, Some(bits)) => match self.number(die, gimli::DW_AT_bit_offset) {
                Some(from_high) => (byte + size).checked_sub(from_high + bits)?,
                None => byte,
            },
            (None, None) => byte,
        };
        Some(Member {
            name: self.file.text(die, gimli::DW_AT_name).unwrap_or_default(),
            ty,
            offset_bits: u32::try_from(offset_bits).ok()?,
            bitfield_bits: bits.and_then(|b| u8::try_from(b).ok()),
            data_loc: DataLoc::No,
            tag: None,
        })
    }

    fn bits_of(&self, ty: &Ty) -> u64 {
        u64::from(ty.size(self.types)) * 8
    }

    /// The type of a variable, member or pointer.
    fn type_of(&mut self, die: &Die) -> Ty {
        let found = self.file.attr(die, gimli::DW_AT_type);
        match found.and_then(|(at, value)| self.file.target(&at, &value)) {
            Some(ty) => self.ty(&ty, 0),
            None => Ty::Void,
        }
    }

    fn ty(&mut self, die: &Die, depth: usize) -> Ty {
        let Some(tag) = self.tag(die) else { return Ty::Void };
        if depth > CHAIN_MAX {
            return Ty::Void;
        }
        match tag {
            gimli::DW_TAG_base_type => self.base(die),
            gimli::DW_TAG_pointer_type
            | gimli::DW_TAG_reference_type
            | gimli::DW_TAG_rvalue_reference_type => Ty::ptr(self.inner(die, depth), Space::User),
            gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type => {
                Ty::Struct(self.strukt(die, StructKind::Struct))
            }
            gimli::DW_TAG_union_type => Ty::Struct(self.strukt(die, StructKind::Union)),
            gimli::DW_TAG_enumeration_type => Ty::Enum(self.enumeration(die)),
            gimli::DW_TAG_array_type => self.array(die, depth),
            gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
            | gimli::DW_TAG_atomic_type
            | gimli::DW_TAG_typedef => self.inner(die, depth),
            _ => match self.number(die, gimli::DW_AT_byte_size) {
                Some(n) => bytes(n),
                None => Ty::Void,
            },
        }
    }

    fn inner(&mut self, die: &Die, depth: usize) -> Ty {
        let found = self.file.attr(die, gimli::DW_AT_type);
        match found.and_then(|(at, value)| self.file.target(&at, &value)) {
            Some(ty) => self.ty(&ty, depth + 1),
            None => Ty::Void,
        }
    }

    fn base(&self, die: &Die) -> Ty {
        let size = self.number(die, gimli::DW_AT_byte_size).unwrap_or(0);
        let encoding = match self.file.attr(die, gimli::DW_AT_encoding) {
            Some((_, AttributeValue::Encoding(e))) => e,
            _ => return bytes(size),
        };
        match (encoding, size) {
            (gimli::DW_ATE_boolean, 1) => Ty::Bool,
            (gimli::DW_ATE_signed | gimli::DW_ATE_signed_char, 1 | 2 | 4 | 8) => Ty::int(size as u8 * 8),
            (
                gimli::DW_ATE_unsigned
                | gimli::DW_ATE_unsigned_char
                | gimli::DW_ATE_UTF
                | gimli::DW_ATE_address,
                1 | 2 | 4 | 8,
            ) => Ty::uint(size as u8 * 8),
            _ => bytes(size),
        }
    }

    fn strukt(&mut self, die: &Die, kind: StructKind) -> StructId {
        let at = die.at.to_debug_info_offset(&die.unit.header).map_or(0, |o| o.0 as u64);
        let origin = StructOrigin::Dwarf { file: self.index, die: at };
        if let Some(known) = self.types.find_origin(origin) {
            return known;
        }
        let name = self.file.text(die, gimli::DW_AT_name).unwrap_or_default();
        let size = self.number(die, gimli::DW_AT_byte_size).unwrap_or(0) as u32;
        self.types.structs.push(StructDef { name, kind, size, origin, members: None })
    }

    fn enumeration(&mut self, die: &Die) -> EnumId {
        let name = self.file.text(die, gimli::DW_AT_name).unwrap_or_default();
        let size = self.number(die, gimli::DW_AT_byte_size).unwrap_or(4) as u32;
        let variants: Vec<(String, i64)> = self
            .children(die, &[gimli::DW_TAG_enumerator])
            .iter()
            .filter_map(|v| Some((self.file.text(v, gimli::DW_AT_name)?, self.signed(v)?)))
            .collect();
        let signed = variants.iter().any(|(_, n)| *n < 0);
        let same = |e: &EnumDef| e.name == name && e.size == size && e.variants == variants;
        if let Some((id, _)) = self.types.enums.iter_enumerated().find(|(_, e)| same(e)) {
            return id;
        }
        self.types.enums.push(EnumDef { name, size, signed, variants })
    }

    fn array(&mut self, die: &Die, depth: usize) -> Ty {
        let mut ty = self.inner(die, depth);
        for range in self.children(die, &[gimli::DW_TAG_subrange_type]).iter().rev() {
            let n = self.number(range, gimli::DW_AT_count);
            let n = n.or_else(|| self.number(range, gimli::DW_AT_upper_bound)?.checked_add(1));
            ty = Ty::array(ty, n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0));
        }
        ty
    }

    fn tag(&self, die: &Die) -> Option<DwTag> {
        Some(die.unit.entry(die.at).ok()?.tag())
    }

    fn number(&self, die: &Die, name: DwAt) -> Option<u64> {
        self.file.attr(die, name)?.1.udata_value()
    }

    fn signed(&self, die: &Die) -> Option<i64> {
        self.file.attr(die, gimli::DW_AT_const_value)?.1.sdata_value()
    }

    fn children(&self, die: &Die, tags: &[DwTag]) -> Vec<Die> {
        let mut found = Vec::new();
        let Ok(mut tree) = die.unit.entries_tree(Some(die.at)) else { return found };
        let Ok(root) = tree.root() else { return found };
        let mut children = root.children();
        while let Ok(Some(child)) = children.next() {
            if tags.contains(&child.entry().tag()) {
                found.push(Die { unit: die.unit.clone(), at: child.entry().offset() });
            }
        }
        found
    }
}

fn bytes(n: u64) -> Ty {
    Ty::array(Ty::uint(8), u32::try_from(n).unwrap_or(0))
}
