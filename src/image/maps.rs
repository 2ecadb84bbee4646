//! Maps: what the kernel is asked for, and what they mean.

use crate::ty::{StackTy, Ty};

/// `enum bpf_map_type`, as far as awl uses it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum MapKind {
    Hash,
    Array,
    PerfEventArray,
    PercpuHash,
    PercpuArray,
    LruHash,
    LruPercpuHash,
    ArrayOfMaps,
    Ringbuf,
    TaskStorage,
}

impl MapKind {
    /// Its number in `enum bpf_map_type` (include/uapi/linux/bpf.h).
    pub fn code(self) -> u32 {
        match self {
            MapKind::Hash => 1,
            MapKind::Array => 2,
            MapKind::PerfEventArray => 4,
            MapKind::PercpuHash => 5,
            MapKind::PercpuArray => 6,
            MapKind::LruHash => 9,
            MapKind::LruPercpuHash => 10,
            MapKind::ArrayOfMaps => 12,
            MapKind::Ringbuf => 27,
            MapKind::TaskStorage => 29,
        }
    }
}

/// `BPF_F_NO_PREALLOC`
pub const F_NO_PREALLOC: u32 = 1;
/// `BPF_F_RDONLY_PROG` (kernel 5.2): the runtime freezes the map, and the verifier knows its contents
pub const F_RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_MMAPABLE`, arrays only (kernel 5.5)
pub const F_MMAPABLE: u32 = 1 << 10;
/// `BPF_F_INNER_MAP` (kernel 5.10): inner array maps may differ in size
pub const F_INNER_MAP: u32 = 1 << 12;

#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// `@x` for the script's, `.output` and the like for awl's own.
    pub name: String,
    pub kind: MapKind,
    /// Bytes. Ring buffers have neither key nor value; of an array of maps, these sizes, entries and flags are
    /// those of its inner map.
    pub key_size: u32,
    /// Bytes; of one CPU's value for per-CPU maps.
    pub value_size: u32,
    /// Entries; bytes for a ring buffer (0: the runtime chooses).
    pub max_entries: u32,
    /// `BPF_F_*`
    pub flags: u32,
    pub role: Role,
}

/// What a map is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// A map of the script.
    User(Schema),
    /// Ring of printf and other output.
    Output,
    /// Ring of exit, print, clear and other control actions.
    Control,
    /// `wire::globals`, mmapped: an array of one value of `wire::globals::BYTES`.
    Globals,
    /// `u64` per `LossId`, mmapped: an array of one value of `value_size` bytes.
    Losses,
    /// Per-CPU array of claimable scratch slots: `u64` claim word, then the bytes.
    Scratch,
    /// Frames by 128-bit hash: key 16 bytes, value `u64` n, then `limit` x `u64`.
    Stacks(StackTy),
    /// What processes have mapped, by process id: values of `unwind::process`. The session fills it.
    UnwindProcesses,
    /// Unwind tables of all binaries, one after the other: an array of `unwind::row`, mmapped. The session says how
    /// long it is, and fills it.
    UnwindRows,
    /// A perf event for each CPU, into which `skboutput()` writes packets: `wire::packet`, then their bytes.
    Packets,
    /// Constant bytes, one value.
    RoData(Vec<u8>),
}

/// The map in which a clause of a prompt counts its runs; the session keeps it with the clause.
pub const HITS: &str = "hits of a clause";

/// The meaning of a script's map.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// With its `@`.
    pub name: String,
    /// `None`: a scalar map. Several keys are a tuple (`@[a, b]` is `@[(a, b)]`).
    pub key: Option<Ty>,
    pub value: Ty,
    pub storage: Storage,
    /// Entries at most.
    pub max_entries: u32,
}

impl Schema {
    /// Whether the compiler made it for its own use: scripts cannot write its name.
    pub fn is_internal(&self) -> bool {
        self.name.contains(' ')
    }
}

/// How a script's map is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// An array of one: the value, padded to 8 bytes, then a `u64` that is 1 when it is set. No key.
    Global,
    Hash,
    /// An aggregation without key: a per-CPU array of one. Last `u64` of the value: 1 when this CPU has set it.
    PercpuArray,
    PercpuHash,
    /// Array of one map, whose only inner map is a per-CPU hash (key `u64` 0 when the map has none): for maps
    /// that a block prints and clears. The runtime puts an empty map in its place, and the kernel waits until
    /// no program uses the old one before the call returns, so that no update is lost or seen twice.
    Swapped,
    LruHash,
    LruPercpuHash,
    /// A value for each thread, which goes when the thread does: task storage, laid out as `Global`. No key, and
    /// user space cannot list it.
    Thread,
}
