//! Maps of an object: definitions in `.maps`, described by BTF; data sections for what programs address directly.
//!
//! Always holds: symbols and map names are C identifiers, unique in the object. `@x` is `AT_x`, awl's own
//! `.output` is `awl_output`.

use super::build_error;
use crate::base::IndexVec;
use crate::btf::kind;
use crate::btf::write::{Linkage, NewMember, Writer};
use crate::image::debug::identifier;
use crate::image::{Image, Map, MapId, MapKind, RelocKind, Role};
use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf};
use std::collections::{BTreeMap, BTreeSet};

/// What stands for a map in code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A definition in `.maps`.
    Map(SymbolId),
    /// A data section; instructions say the offset in it.
    Data(SymbolId),
}

/// All members of a definition are pointers.
const POINTER_BYTES: u32 = 8;
/// Bytes of a ring of which the image leaves the size open.
const RING_BYTES: u32 = 1 << 20;

/// Adds all maps to the object and their definitions to its BTF.
pub fn add(
    object: &mut Object,
    writer: &mut Writer,
    image: &Image,
) -> Result<IndexVec<MapId, Place>, String> {
    if image.maps.iter().any(|m| matches!(m.role, Role::UnwindProcesses | Role::UnwindRows)) {
        return Err("dw_ustack() works with awl alone, which makes the unwind tables while it runs".into());
    }
    let direct = addressed_directly(image);
    let mut defs = Definitions { writer, pointers: Vec::new(), vars: Vec::new(), ints: BTreeMap::new() };
    let mut names = BTreeSet::new();
    let mut symbols = Vec::new();
    let mut data_places = Vec::new();
    for (id, map) in image.maps.iter_enumerated() {
        let name = unique(symbol_name(&map.name), &mut names);
        if direct.contains(&id) || matches!(map.role, Role::RoData(_) | Role::Globals | Role::Losses) {
            data_places.push(Some(data_section(object, &name, map)));
            continue;
        }
        data_places.push(None);
        if map.kind == MapKind::ArrayOfMaps {
            let inner = unique(format!("{name}_inner"), &mut names);
            symbols.extend(defs.define_outer(&name, &inner, map));
        } else {
            symbols.push(defs.define(&name, map));
        }
    }
    let ids = defs.finish(object, &symbols)?;
    let mut own = symbols.iter().filter(|s| !s.is_inner).map(|s| ids[&s.name]);
    let places = data_places.into_iter().map(|data| match data {
        Some(data) => Ok(Place::Data(data)),
        None => own.next().map(Place::Map).ok_or_else(|| "a map without a symbol".to_owned()),
    });
    places.collect()
}

/// Maps whose value some program addresses without a lookup.
fn addressed_directly(image: &Image) -> BTreeSet<MapId> {
    let relocs = image.programs.iter().flat_map(|p| &p.relocs);
    let direct = relocs.filter_map(|r| match r.kind {
        RelocKind::MapValue { map, .. } => Some(map),
        RelocKind::MapPtr(_)
        | RelocKind::Core { .. }
        | RelocKind::Kfunc(_)
        | RelocKind::Func(_)
        | RelocKind::FuncAddr(_) => None,
    });
    direct.collect()
}

/// `@x` → `AT_x`, `.output` → `awl_output`
fn symbol_name(name: &str) -> String {
    match (name.strip_prefix('@'), name.strip_prefix('.')) {
        (Some(rest), _) => identifier(&format!("AT_{rest}")),
        (None, Some(rest)) => identifier(&format!("awl_{rest}")),
        (None, None) => identifier(name),
    }
}

fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = name.clone();
    let mut n = 1;
    while !taken.insert(candidate.clone()) {
        n += 1;
        candidate = format!("{name}_{n}");
    }
    candidate
}

/// A section that libbpf makes an array map of, with its symbol. The kernel keeps 15 bytes of the name.
fn data_section(object: &mut Object, name: &str, map: &Map) -> SymbolId {
    let name = name.strip_prefix("awl_").unwrap_or(name);
    let section = match &map.role {
        Role::RoData(bytes) => {
            let section = object.add_section(
                Vec::new(),
                format!(".rodata.{name}").into_bytes(),
                SectionKind::ReadOnlyData,
            );
            object.append_section_data(section, bytes, 8);
            section
        }
        Role::User(_)
        | Role::Output
        | Role::Control
        | Role::Globals
        | Role::Losses
        | Role::Scratch
        | Role::Stacks(_)
        | Role::UnwindProcesses
        | Role::UnwindRows
        | Role::Packets => {
            // Zeroes are written out: older versions of libbpf know only one `.bss`.
            let name = format!(".data.{name}").into_bytes();
            let section = object.add_section(Vec::new(), name, SectionKind::Data);
            object.append_section_data(section, &vec![0; map.value_size.max(1) as usize], 8);
            section
        }
    };
    object.section_symbol(section)
}

/// A definition's place in `.maps`.
struct Defined {
    name: String,
    offset: u32,
    bytes: u32,
    is_inner: bool,
}

impl Defined {
    fn add(&self, object: &mut Object, section: SectionId) -> SymbolId {
        object.add_symbol(Symbol {
            name: self.name.clone().into_bytes(),
            value: u64::from(self.offset),
            size: u64::from(self.bytes),
            kind: SymbolKind::Data,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    }
}

/// The `.maps` section in the making.
struct Definitions<'a> {
    writer: &'a mut Writer,
    /// Pointers to fill in: their offset, the map that they point to.
    pointers: Vec<(u32, String)>,
    /// Type, offset and size of each variable.
    vars: Vec<(u32, u32, u32)>,
    /// Integers and byte arrays by size.
    ints: BTreeMap<u32, u32>,
}

impl Definitions<'_> {
    fn define(&mut self, name: &str, map: &Map) -> Defined {
        let members = self.members(map);
        self.variable(name, &members, members.len() as u32 * POINTER_BYTES, false)
    }

    /// An array of one map, and the map that it holds at first.
    fn define_outer(&mut self, name: &str, inner_name: &str, map: &Map) -> [Defined; 2] {
        // The image's sizes are those of the inner map.
        let inner_map = Map { kind: MapKind::PercpuHash, ..map.clone() };
        let inner_members = self.members(&inner_map);
        let inner_bytes = inner_members.len() as u32 * POINTER_BYTES;
        let inner_ty = self.strukt(&inner_members, inner_bytes);
        let to_inner = self.writer.ptr(inner_ty);
        let index = self.sized(4);
        // As C writes it, without a length; the slot that follows is filled by relocation.
        let values = self.writer.array(to_inner, index, 0);

        let outer = Map { key_size: 4, value_size: 0, max_entries: 1, flags: 0, ..map.clone() };
        let mut members = self.members(&outer);
        let values_at = members.len() as u32 * POINTER_BYTES;
        members.push(("values", values));
        let inner = self.variable(inner_name, &inner_members, inner_bytes, true);
        let outer = self.variable(name, &members, values_at + POINTER_BYTES, false);
        self.pointers.push((outer.offset + values_at, inner_name.to_owned()));
        [inner, outer]
    }

    /// Name and type of each member of a definition.
    fn members(&mut self, map: &Map) -> Vec<(&'static str, u32)> {
        let mut members = vec![("type", self.number(map.kind.code()))];
        if map.kind != MapKind::TaskStorage {
            let max_entries = if map.max_entries == 0 { RING_BYTES } else { map.max_entries };
            members.push(("max_entries", self.number(max_entries)));
        }
        if map.key_size > 0 {
            members.push(("key", self.pointer_to(map.key_size)));
        }
        if map.value_size > 0 {
            members.push(("value", self.pointer_to(map.value_size)));
        }
        if map.flags > 0 {
            members.push(("map_flags", self.number(map.flags)));
        }
        members
    }

    /// libbpf takes a number from the length of an array that is pointed to.
    fn number(&mut self, n: u32) -> u32 {
        let int = self.sized(4);
        let array = self.writer.array(int, int, n);
        self.writer.ptr(array)
    }

    fn pointer_to(&mut self, bytes: u32) -> u32 {
        let ty = self.sized(bytes);
        self.writer.ptr(ty)
    }

    /// A type of that many bytes: an integer if there is one.
    fn sized(&mut self, bytes: u32) -> u32 {
        if let Some(&known) = self.ints.get(&bytes) {
            return known;
        }
        let id = match bytes {
            1 | 2 | 4 | 8 => self.writer.int(&format!("u{}", bytes * 8), bytes as u8, false),
            _ => {
                let index = self.sized(4);
                let elem_bytes = if bytes.is_multiple_of(8) { 8 } else { 1 };
                let elem = self.sized(elem_bytes);
                self.writer.array(elem, index, bytes / elem_bytes)
            }
        };
        self.ints.insert(bytes, id);
        id
    }

    fn strukt(&mut self, members: &[(&str, u32)], bytes: u32) -> u32 {
        let member = |(i, (name, ty)): (usize, &(&str, u32))| NewMember {
            name: (*name).to_owned(),
            ty: *ty,
            offset_bits: i as u32 * POINTER_BYTES * 8,
            bitfield_bits: None,
        };
        let members: Vec<NewMember> = members.iter().enumerate().map(member).collect();
        self.writer.strukt(kind::STRUCT, "", bytes, &members)
    }

    fn variable(&mut self, name: &str, members: &[(&str, u32)], bytes: u32, is_inner: bool) -> Defined {
        let ty = self.strukt(members, bytes);
        let var = self.writer.var(name, ty, Linkage::Global);
        let offset = self.vars.last().map_or(0, |(_, offset, size)| offset + size);
        self.vars.push((var, offset, bytes));
        Defined { name: name.to_owned(), offset, bytes, is_inner }
    }

    /// Writes the section, if there is anything in it; returns the symbols by name.
    fn finish(self, object: &mut Object, defined: &[Defined]) -> Result<BTreeMap<String, SymbolId>, String> {
        let Some((_, offset, size)) = self.vars.last() else { return Ok(BTreeMap::new()) };
        let bytes = offset + size;
        let section = object.add_section(Vec::new(), b".maps".to_vec(), SectionKind::Data);
        object.append_section_data(section, &vec![0; bytes as usize], 8);
        self.writer.datasec(".maps", bytes, &self.vars);
        let ids: BTreeMap<String, SymbolId> =
            defined.iter().map(|d| (d.name.clone(), d.add(object, section))).collect();
        for (offset, to) in self.pointers {
            let flags = RelocationFlags::Elf { r_type: elf::R_BPF_64_64 };
            let relocation = Relocation { offset: u64::from(offset), symbol: ids[&to], addend: 0, flags };
            object.add_relocation(section, relocation).map_err(build_error)?;
        }
        Ok(ids)
    }
}
