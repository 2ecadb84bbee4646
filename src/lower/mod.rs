//! From the checked script to IR, and to an image that lacks nothing but instructions.
//!
//! Comes in: a `hir::Program` without errors, so that nothing here can fail. Goes out: a module for which
//! `ir::verify` holds: a function for each probe, the script's maps under the numbers they have in the script,
//! then awl's own as far as they are needed. Always holds in the code made:
//!
//! - a program has one exit, behind which scratch memory is freed;
//! - keys and tuples have no undefined byte: padding and what follows a string's NUL are zero. Elsewhere a
//!   string of more than [`func::CLEAN_BYTES_MAX`] bytes may have anything behind its NUL;
//! - a pointer is of kind `Btf` only as long as the kernel's verifier knows it as such.

mod access;
mod arith;
mod call;
mod cast;
mod compare;
mod context;
mod each;
mod event;
mod expr;
mod fns;
mod func;
mod map;
mod mapread;
mod maps;
mod memory;
mod parts;
mod place;
mod probe;
#[cfg(test)]
mod random_tests;
mod refuse;
mod stack;
mod stmt;
mod target;
mod top;
mod unwind;
mod walk;
mod whiles;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{IndexVec, SourceMap, Span};
use crate::image::{EventId, EventKind, EventSite, Image, LocalTyId, LossId, LossKind, LossSite, MapId};
use crate::image::{ProgramId, Role, wire};
use crate::ir;
use crate::sema::hir;
use crate::ty::{StructId, Ty, TypeTable};
use crate::world::World;

pub use refuse::check;

/// Lowers a script.
pub fn lower(program: &hir::Program, sources: &SourceMap, world: &dyn World) -> ir::Module {
    let mut m = Mx::new(program, sources, world);
    for probe in program.probes.iter() {
        probe::lower(&mut m, probe);
    }
    m.finish()
}

/// What the functions of a module share.
struct Mx<'a> {
    hir: &'a hir::Program,
    world: &'a dyn World,
    types: TypeTable,
    image: Image,
    funcs: IndexVec<ir::FuncId, ir::Func>,
    entries: Vec<ir::Entry>,
    /// Constant bytes, and where each run of them starts.
    rodata: Vec<u8>,
    rodata_at: BTreeMap<Vec<u8>, u32>,
    local_structs: BTreeMap<StructId, LocalTyId>,
    /// The callback that does nothing, for counting elements.
    pass: Option<ir::FuncId>,
    /// The functions that find one more frame, by the frames of a stack at most.
    unwind_steps: BTreeMap<u32, ir::FuncId>,
    /// The script's functions as programs have them.
    fns: BTreeMap<(hir::FnId, ProgramId), ir::FuncId>,
    /// Callbacks of loops so far.
    n_callbacks: u32,
    /// The counters of a place: a long script has too many to look through all.
    losses_at: BTreeMap<(ProgramId, Span), Vec<LossId>>,
}

impl<'a> Mx<'a> {
    fn new(hir: &'a hir::Program, sources: &SourceMap, world: &'a dyn World) -> Mx<'a> {
        let image = Image {
            sources: sources.clone(),
            config: hir.config.run.clone(),
            optional: hir.optional.clone(),
            event_base: hir.config.event_base,
            pass: hir.config.pass,
            ..Image::default()
        };
        let mut m = Mx {
            hir,
            world,
            types: hir.types.clone(),
            image,
            funcs: IndexVec::new(),
            entries: Vec::new(),
            rodata: Vec::new(),
            rodata_at: BTreeMap::new(),
            losses_at: BTreeMap::new(),
            local_structs: BTreeMap::new(),
            pass: None,
            unwind_steps: BTreeMap::new(),
            fns: BTreeMap::new(),
            n_callbacks: 0,
        };
        for map in hir.maps.iter() {
            let map = maps::of_script(map, &m.types, world);
            m.image.maps.push(map);
        }
        m
    }

    fn finish(mut self) -> ir::Module {
        let n_losses = self.image.losses.len() as u32;
        for map in self.image.maps.iter_mut() {
            match &mut map.role {
                Role::Losses => map.value_size = n_losses * 8,
                Role::RoData(bytes) => {
                    *bytes = std::mem::take(&mut self.rodata);
                    map.value_size = bytes.len() as u32;
                }
                Role::User(_)
                | Role::Output
                | Role::Control
                | Role::Globals
                | Role::Scratch
                | Role::Stacks(_)
                | Role::UnwindProcesses
                | Role::UnwindRows
                | Role::Packets => {}
            }
        }
        self.load_shown_structs();
        self.image.types = self.types;
        ir::Module { funcs: self.funcs, entries: self.entries, image: self.image }
    }

    /// Loads the members of structs that are printed, as far down as they lie in them.
    fn load_shown_structs(&mut self) {
        let fields = self.image.events.iter().flat_map(|e| e.fields.iter().map(|f| f.ty.clone()));
        let mut shown: Vec<Ty> = fields.collect();
        for map in self.image.maps.iter() {
            if let Role::User(schema) = &map.role {
                shown.extend(schema.key.clone());
                shown.push(schema.value.clone());
            }
        }
        let mut done = BTreeSet::new();
        while let Some(ty) = shown.pop() {
            match ty {
                Ty::Array { elem, .. } => shown.push((*elem).clone()),
                Ty::Tuple(_) | Ty::Record(_) => shown.extend(ty.fields()),
                Ty::Struct(id) if done.insert(id) => {
                    self.world.load_struct(&mut self.types, id);
                    let members = self.types.structs[id].members.as_deref().unwrap_or(&[]);
                    shown.extend(members.iter().map(|m| m.ty.clone()));
                }
                _ => {}
            }
        }
    }

    /// The map of awl's own for that use, made if it is not there yet.
    fn own_map(&mut self, role: Role) -> MapId {
        let same = |r: &Role| match (&role, r) {
            (Role::RoData(_), Role::RoData(_)) => true,
            (a, b) => a == b,
        };
        let known = self.image.maps.iter_enumerated().find(|(_, m)| same(&m.role)).map(|(id, _)| id);
        match known {
            Some(id) => id,
            None => {
                let map = maps::own(role, self.hir, self.world);
                self.image.maps.push(map)
            }
        }
    }

    /// Where these bytes lie among the constants, at a multiple of 8.
    fn constant(&mut self, bytes: &[u8]) -> (MapId, u32) {
        let map = self.own_map(Role::RoData(Vec::new()));
        if let Some(&at) = self.rodata_at.get(bytes) {
            return (map, at);
        }
        let at = self.rodata.len() as u32;
        self.rodata.extend_from_slice(bytes);
        self.rodata.resize(self.rodata.len().next_multiple_of(8), 0);
        self.rodata_at.insert(bytes.to_vec(), at);
        (map, at)
    }

    /// The counter of these losses.
    fn loss(&mut self, kind: LossKind, program: ProgramId, span: Span) -> LossId {
        let span = self.image.sources.of_user(span);
        let site = LossSite { kind, program, span };
        let at = self.losses_at.entry((program, span)).or_default();
        let known = at.iter().copied().find(|&id| self.image.losses[id] == site);
        known.unwrap_or_else(|| {
            let id = self.image.losses.push(site);
            at.push(id);
            id
        })
    }

    fn event(&mut self, site: EventSite) -> EventId {
        let span = self.image.sources.of_user(site.span);
        self.image.events.push(EventSite { span, ..site })
    }

    fn ring_of(&mut self, kind: &EventKind) -> MapId {
        self.own_map(if kind.is_control() { Role::Control } else { Role::Output })
    }

    /// The callback of `bpf_for_each_map_elem` that goes on to the next element.
    fn pass(&mut self) -> ir::FuncId {
        if let Some(f) = self.pass {
            return f;
        }
        let params = [ir::Kind::Map, ir::Kind::Int, ir::Kind::Int, ir::Kind::Int];
        let mut b = ir::Builder::new("pass", &params, Span::none());
        let zero = b.iconst(0);
        b.ret(zero);
        let f = self.funcs.push(b.finish());
        self.pass = Some(f);
        f
    }

    /// A name for the next callback of a program.
    fn callback_name(&mut self, program: ProgramId) -> String {
        self.n_callbacks += 1;
        format!("{}_loop{}", self.image.programs[program].name, self.n_callbacks)
    }

    fn string(&mut self, text: &str) -> u32 {
        let at = self.image.strings.iter().position(|s| s == text);
        at.unwrap_or_else(|| {
            self.image.strings.push(text.into());
            self.image.strings.len() - 1
        }) as u32
    }
}

/// Bytes of the header of an event's record.
fn header_bytes(kind: &EventKind) -> u32 {
    if kind.is_control() { wire::CONTROL_HEADER_BYTES } else { wire::OUTPUT_HEADER_BYTES }
}
