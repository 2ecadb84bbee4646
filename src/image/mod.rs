//! The image: everything that a compiled script is, ready for its two ends, a run and an ELF file.
//!
//! Comes in from `codegen`; goes to `Session::add` and `image::elf`. Always holds: registers allocated,
//! stack within 512 bytes, jumps in range; every relocation names an instruction of its program.

pub mod attach;
pub mod core;
pub mod debug;
pub mod elf;
pub mod local;
pub mod maps;
pub mod unwind;
pub mod wire;

pub use attach::{Attach, ProgType, When};
pub use local::{Access, LocalMember, LocalTy, LocalTyId, LocalTypes};
pub use maps::{Map, MapKind, Role, Schema, Storage};
pub use wire::{EventKind, EventSite};

use crate::base::{IndexVec, SourceMap, Span};
use crate::isa::{Helper, Insn};
use crate::newtype_index;
use crate::ty::TypeTable;

newtype_index!(
    /// A map of an image.
    MapId, "map"
);
newtype_index!(
    /// A program of an image.
    ProgramId, "prog"
);
newtype_index!(
    /// A place that emits events; its number is the first word of the record.
    EventId, "event"
);
newtype_index!(
    /// A counter of losses.
    LossId, "loss"
);
newtype_index!(
    /// A symbolic field access.
    AccessId, "access"
);

/// A compiled script.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub programs: IndexVec<ProgramId, Program>,
    pub maps: IndexVec<MapId, Map>,
    pub events: IndexVec<EventId, EventSite>,
    /// Records of event site `i` bear the number `event_base + i`: clauses of one session share a ring.
    pub event_base: u32,
    pub losses: IndexVec<LossId, LossSite>,
    /// The types that field accesses go through, as the script knew them.
    pub local: LocalTypes,
    pub accesses: IndexVec<AccessId, Access>,
    /// For decoding and printing structs and enums.
    pub types: TypeTable,
    pub sources: SourceMap,
    pub config: RunConfig,
    /// What the gate holds while the programs run; see `wire::globals::GATE`.
    pub pass: u32,
    /// Names of attach points whose failure to attach is no error.
    pub optional: Vec<String>,
    /// Text of `strftime` formats; a `Ty::Timestamp` value holds an index into it.
    pub strings: Vec<String>,
}

impl Image {
    /// Whether a program of it uses the script's map of that name.
    pub fn uses(&self, name: &str) -> bool {
        let Some((id, _)) = self.maps.iter_enumerated().find(|(_, m)| m.name == name) else { return false };
        let is_it = |kind: &RelocKind| match kind {
            RelocKind::MapPtr(map) | RelocKind::MapValue { map, .. } => *map == id,
            RelocKind::Core { .. } | RelocKind::Kfunc(_) | RelocKind::Func(_) | RelocKind::FuncAddr(_) => {
                false
            }
        };
        let by_action = |kind: &EventKind| match kind {
            EventKind::PrintMap { map, .. }
            | EventKind::PrintElement { map }
            | EventKind::Clear { map }
            | EventKind::Zero { map }
            | EventKind::PrintClear { map, .. } => *map == id,
            EventKind::Printf(_)
            | EventKind::Errorf(_)
            | EventKind::Warnf(_)
            | EventKind::PrintValue
            | EventKind::Time { .. }
            | EventKind::Join { .. }
            | EventKind::Cat(_)
            | EventKind::System(_)
            | EventKind::Message { .. }
            | EventKind::Packet { .. }
            | EventKind::Unwatch
            | EventKind::Unwind(_)
            | EventKind::Exit => false,
        };
        let in_code = self.programs.iter().flat_map(|p| &p.relocs).any(|r| is_it(&r.kind));
        in_code || self.events.iter().any(|e| by_action(&e.kind))
    }
}

/// One BPF program and where it attaches.
#[derive(Clone, Debug)]
pub struct Program {
    /// A C identifier, unique in the image; the kernel shows its first 15 bytes.
    pub name: String,
    /// The probe as the user knows it: its name, or the text of its attach points.
    pub title: String,
    /// The clause of the script that it came from.
    pub clause: u32,
    pub span: Span,
    pub ty: ProgType,
    /// At least one; all of the same program type.
    pub attach: Vec<Attach>,
    /// The entry function first, then the functions that it calls.
    pub insns: Vec<Insn>,
    pub relocs: Vec<Reloc>,
    pub funcs: Vec<FuncInfo>,
    pub lines: Vec<LineInfo>,
    /// Bytes of stack of the deepest call chain.
    pub stack_bytes: u32,
}

/// A function inside a program.
#[derive(Clone, Debug)]
pub struct FuncInfo {
    /// Index of its first instruction slot.
    pub start: u32,
    pub name: String,
    /// Number of `u64` parameters (an entry function has one, its context).
    pub n_params: u8,
    pub span: Span,
}

/// From instruction slot `at` on, the code stands for `span`. Strictly increasing, starting at 0.
#[derive(Clone, Copy, Debug)]
pub struct LineInfo {
    pub at: u32,
    pub span: Span,
}

/// What is filled in at load.
#[derive(Clone, Debug)]
pub struct Reloc {
    /// Instruction slot (the first of a 64-bit immediate load).
    pub at: u32,
    pub kind: RelocKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RelocKind {
    /// 64-bit immediate load of a map's descriptor.
    MapPtr(MapId),
    /// 64-bit immediate load of the address of byte `off` of the map's only value.
    MapValue { map: MapId, off: u32 },
    /// CO-RE: the instruction's `imm` (ALU) or `off` (load, store) is the answer, which is there already as of
    /// the compiling kernel.
    Core { kind: CoreKind, access: AccessId },
    /// Call of a kernel function; `imm` is its BTF id.
    Kfunc(String),
    /// Call of the function at index `func` of `Program::funcs` (imm already relative, as the kernel takes it).
    Func(u32),
    /// 64-bit immediate load of that function's address (callbacks; imm already relative).
    FuncAddr(u32),
}

/// What is asked of a symbolic field access; becomes a CO-RE relocation or a number
/// (`enum bpf_core_relo_kind`, include/uapi/linux/bpf.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum CoreKind {
    ByteOffset,
    ByteSize,
    /// 1 if the field exists on the target.
    Exists,
    Signed,
    /// Left shift of the loaded 64-bit value that brings a bit field to the top.
    LshiftU64,
    /// Right shift that then brings it to the bottom.
    RshiftU64,
    /// 1 if the type exists on the target.
    TypeExists,
    TypeSize,
}

/// A counter in the losses map: value `u64` at index `LossId`.
#[derive(Clone, Debug, PartialEq)]
pub struct LossSite {
    pub kind: LossKind,
    pub program: ProgramId,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// The ring buffer was full.
    Event,
    /// The map was full, or busy on this CPU.
    MapFull(MapId),
    /// No scratch memory was free.
    Scratch,
    /// Division by zero; 1 was used as the result.
    DivByZero,
    /// `delete()` of a key that is not there, where the script does not look at the result.
    NoSuchKey(MapId),
    /// A range had more rounds than the kernel does.
    Rounds,
    /// The frames of a stack could not be stored.
    Stack,
    /// A stack that is unwound by tables ends before it should.
    Cut(unwind::Cut),
    /// `comm(pid)` of a task that is not there.
    NoSuchTask,
    /// An index beyond an array's end.
    Index,
    /// A read of memory that failed, by its helper: counted only where `-k` asks for it.
    Read(Helper),
    /// A lookup of a map's element that is not there: the same.
    NoElement(MapId),
}

/// The settings of `config = {}` that matter at run time.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfig {
    pub print_maps_on_exit: bool,
    pub str_trunc_trailer: String,
    /// Bytes of the longest string, with its NUL: one that fills it has been cut.
    pub max_strlen: u32,
    pub max_cat_bytes: u64,
    /// Bytes of the output ring; 0 chooses.
    pub ring_bytes: u32,
    pub missing_probes: MissingProbes,
    pub cpp_demangle: bool,
    /// Names of user code are read when they are printed; else those of probed binaries when they are probed.
    pub lazy_symbolication: bool,
    pub cache_user_symbols: UserSymbols,
    pub show_debug_info: bool,
    pub license: String,
    /// Bytes of the verifier's log.
    pub log_bytes: u32,
    /// What follows a histogram.
    pub percentiles: Vec<Percentile>,
}

/// One that is wanted of histograms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Percentile {
    /// As written: `99.9`.
    pub text: String,
    /// Millionths of all observations.
    pub ppm: u32,
}

impl Percentile {
    /// Numbers from 0 to 100 with up to four decimals, between blanks or commas; `None` if one is none.
    pub fn parse_all(text: &str) -> Option<Vec<Percentile>> {
        let words = text.split([' ', ',']).filter(|w| !w.is_empty());
        words.map(|w| Some(Percentile { text: w.to_owned(), ppm: Percentile::parse(w)? })).collect()
    }

    fn parse(word: &str) -> Option<u32> {
        const DECIMALS: usize = 4;
        let (whole, rest) = word.split_once('.').unwrap_or((word, ""));
        let is_number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || rest.len() > DECIMALS || !is_number(whole) || !is_number(rest) {
            return None;
        }
        let ppm = format!("{whole}{rest:0<DECIMALS$}").parse::<u32>().ok()?;
        (ppm <= 1_000_000).then_some(ppm)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MissingProbes {
    Error,
    Warn,
    Ignore,
}

/// For whom names of user code are kept once they were looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserSymbols {
    /// For a process.
    PerPid,
    /// For all processes that have the same file mapped, by places in that file.
    PerProgram,
    /// For nobody: each is looked up anew.
    NotKept,
}

/// Of the verifier's log, unless told.
pub const LOG_BYTES: u32 = 1_000_000;

impl Default for RunConfig {
    fn default() -> Self {
        RunConfig {
            print_maps_on_exit: true,
            str_trunc_trailer: "..".into(),
            max_strlen: 1024,
            max_cat_bytes: 10240,
            ring_bytes: 0,
            missing_probes: MissingProbes::Error,
            cpp_demangle: true,
            lazy_symbolication: true,
            cache_user_symbols: UserSymbols::PerPid,
            show_debug_info: true,
            license: "GPL".into(),
            log_bytes: LOG_BYTES,
            percentiles: Vec::new(),
        }
    }
}
