//! The types of the language and their layout in memory.
//!
//! A `Ty` is complete by itself but for structs, unions and enums, which are names in a [`TypeTable`].
//! Always holds: `Ty::Error` has been reported; nothing about it is reported again.

pub mod print;
pub mod table;

pub use table::{EnumDef, EnumId, Member, StructDef, StructId, StructKind, StructOrigin, TypeTable};

use std::sync::Arc;

/// Where a pointer points, which decides how it is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Space {
    /// Not known; read as the probe's natural space (kernel, but user for uprobes and syscall arguments).
    Any,
    Kernel,
    User,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StackMode {
    Bpftrace,
    Perf,
    Raw,
    BuildId,
}

impl StackMode {
    /// As the language and types spell it.
    pub fn word(self) -> &'static str {
        match self {
            StackMode::Bpftrace => "bpftrace",
            StackMode::Perf => "perf",
            StackMode::Raw => "raw",
            StackMode::BuildId => "build_id",
        }
    }
}

/// The castable aggregations come first; `Hist` and what follows can only be printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AggKind {
    Count,
    Sum,
    Min,
    Max,
    Avg,
    Stats,
    /// log2 histogram; `bits` sub-bucket bits (0..=5)
    Hist {
        bits: u8,
    },
    Lhist {
        min: i64,
        max: i64,
        step: i64,
    },
    Tseries {
        interval_ns: u64,
        n: u32,
        agg: TseriesAgg,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TseriesAgg {
    Last,
    Avg,
    Max,
    Min,
    Sum,
}

/// A type of the language.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Ty {
    /// Something was wrong and has been said.
    Error,
    Void,
    /// 1 byte
    Bool,
    /// `bits` is 8, 16, 32 or 64
    Int {
        bits: u8,
        signed: bool,
    },
    /// `n` bytes with the final NUL
    Str {
        n: u32,
    },
    /// a 4-byte length, then up to `n` bytes
    Buf {
        n: u32,
    },
    /// a byte array used as such (`char[]` without string meaning is still `Array`)
    /// 4-byte family (2 or 10), then 16 address bytes; `ntop()`
    Inet,
    Mac,
    /// u64 address
    Ksym,
    /// u64 address, u32 tgid, u32 probe
    Usym,
    /// See [`StackTy`].
    Stack(StackTy),
    /// u64 ns and the index of a format in the image; `strftime()`
    Timestamp,
    CgroupPath,
    Username,
    Ptr {
        to: Arc<Ty>,
        space: Space,
    },
    Array {
        elem: Arc<Ty>,
        n: u32,
    },
    Struct(StructId),
    Enum(EnumId),
    Tuple(Arc<[Ty]>),
    Record(Arc<[(String, Ty)]>),
    /// The value of a map that is an aggregation; `signed` is that of what was added.
    Agg {
        kind: AggKind,
        signed: bool,
    },
    /// `stack mode`, `timestamp mode` and other bare words that only an argument can be.
    Word,
}

/// A stack as a value: in programs, events and maps it is 16 bytes of a 128-bit hash that keys the side
/// map of its space (`image::StackMap`), then for user stacks 8 bytes `tgid`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StackTy {
    pub space: Space,
    pub mode: StackMode,
    /// Frames at most.
    pub limit: u16,
}

impl Ty {
    pub const fn int(bits: u8) -> Ty {
        Ty::Int { bits, signed: true }
    }
    pub const fn uint(bits: u8) -> Ty {
        Ty::Int { bits, signed: false }
    }
    pub const U64: Ty = Ty::uint(64);
    pub const U32: Ty = Ty::uint(32);
    pub const I64: Ty = Ty::int(64);

    pub fn ptr(to: Ty, space: Space) -> Ty {
        Ty::Ptr { to: Arc::new(to), space }
    }
    pub fn array(elem: Ty, n: u32) -> Ty {
        Ty::Array { elem: Arc::new(elem), n }
    }
    pub fn is_error(&self) -> bool {
        matches!(self, Ty::Error)
    }
    pub fn is_int(&self) -> bool {
        matches!(self, Ty::Int { .. })
    }
    /// Fits one register: ints, bool, pointers, enums, addresses of symbols that carry no more.
    pub fn is_scalar(&self) -> bool {
        matches!(
            self,
            Ty::Int { .. }
                | Ty::Bool
                | Ty::Ptr { .. }
                | Ty::Enum(_)
                | Ty::Ksym
                | Ty::Username
                | Ty::CgroupPath
        )
    }
    pub fn signed(&self) -> bool {
        matches!(self, Ty::Int { signed: true, .. })
    }

    /// Bytes in memory: in maps, keys, tuples and events. Aggregations: see `lang::aggs`.
    pub fn size(&self, types: &TypeTable) -> u32 {
        match self {
            Ty::Error | Ty::Void | Ty::Word => 0,
            Ty::Bool => 1,
            Ty::Int { bits, .. } => u32::from(*bits) / 8,
            Ty::Str { n } => *n,
            Ty::Buf { n } => n + 4,
            Ty::Inet => 20,
            Ty::Mac => 6,
            Ty::Ksym | Ty::Username | Ty::CgroupPath => 8,
            Ty::Usym | Ty::Timestamp => 16,
            Ty::Stack(s) => match s.space {
                Space::User => 24,
                Space::Any | Space::Kernel => 16,
            },
            Ty::Ptr { .. } => 8,
            Ty::Array { elem, n } => elem.size(types) * n,
            Ty::Struct(s) => types.structs[*s].size,
            Ty::Enum(e) => types.enums[*e].size,
            Ty::Tuple(f) => layout(f.iter(), types).1,
            Ty::Record(f) => layout(f.iter().map(|(_, t)| t), types).1,
            Ty::Agg { .. } => 8,
        }
    }

    /// Alignment in bytes: 1, 2, 4 or 8. Byte-array types align to 1, as the language says.
    pub fn align(&self, types: &TypeTable) -> u32 {
        match self {
            Ty::Error | Ty::Void | Ty::Word | Ty::Bool | Ty::Str { .. } | Ty::Mac => 1,
            Ty::Buf { .. } | Ty::Inet => 4,
            Ty::Int { bits, .. } => u32::from(*bits) / 8,
            Ty::Ksym | Ty::Usym | Ty::Timestamp | Ty::Stack(_) | Ty::Username | Ty::CgroupPath => 8,
            Ty::Ptr { .. } | Ty::Agg { .. } => 8,
            Ty::Array { elem, .. } => elem.align(types),
            Ty::Struct(_) => 8,
            Ty::Enum(e) => types.enums[*e].size.clamp(1, 8),
            Ty::Tuple(f) => f.iter().map(|t| t.align(types)).max().unwrap_or(1),
            Ty::Record(f) => f.iter().map(|(_, t)| t.align(types)).max().unwrap_or(1),
        }
    }

    /// The types of the fields of a tuple or record; empty for others.
    pub fn fields(&self) -> Vec<Ty> {
        match self {
            Ty::Tuple(f) => f.to_vec(),
            Ty::Record(f) => f.iter().map(|(_, t)| t.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Offsets of the fields of a tuple or record; empty for others.
    pub fn field_offsets(&self, types: &TypeTable) -> Vec<u32> {
        match self {
            Ty::Tuple(f) => layout(f.iter(), types).0,
            Ty::Record(f) => layout(f.iter().map(|(_, t)| t), types).0,
            _ => Vec::new(),
        }
    }
}

/// C layout: the offset of each field, and the padded size.
pub fn layout<'a>(fields: impl Iterator<Item = &'a Ty>, types: &TypeTable) -> (Vec<u32>, u32) {
    let (mut at, mut align_max) = (0u32, 1u32);
    let mut offsets = Vec::new();
    for t in fields {
        let a = t.align(types);
        align_max = align_max.max(a);
        at = at.next_multiple_of(a);
        offsets.push(at);
        at += t.size(types);
    }
    (offsets, at.next_multiple_of(align_max))
}
