//! Values as user space sees them, decoded from bytes by type.
//!
//! Comes in: bytes of a record, a key or a map value, with its `Ty`. Decoding is total: bytes that are too few
//! read as zero. Printers see only `Value`.

pub mod decode;
pub mod format;

use std::net::IpAddr;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing sensible (`void`, a float field).
    None,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// Without the NUL; cut at it. `truncated`: the kernel had more.
    Str {
        bytes: Vec<u8>,
        truncated: bool,
    },
    Buf(Vec<u8>),
    Inet(IpAddr),
    Mac([u8; 6]),
    Ksym(u64),
    Usym {
        addr: u64,
        pid: u32,
    },
    Stack(Stack),
    /// `strftime`: ns since boot, the index of its format in `Image::strings`.
    Timestamp {
        ns: u64,
        format: u32,
    },
    CgroupPath(u64),
    Username(u64),
    Ptr(u64),
    Enum {
        value: i64,
        name: Option<String>,
    },
    Array(Vec<Value>),
    Tuple(Vec<Value>),
    /// A struct or record, in the order of its members.
    Record(Vec<(String, Value)>),
    Hist(Hist),
    Stats(Stats),
    /// `avg`
    Avg(Stats),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    pub ty: crate::ty::StackTy,
    /// User stacks only.
    pub pid: u32,
    /// Innermost first.
    pub frames: Vec<u64>,
}

/// A histogram: buckets in order, each with inclusive bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Hist {
    pub kind: HistKind,
    /// All counts, in the order of the kind's buckets.
    pub counts: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistKind {
    Log2 { bits: u8 },
    Linear { min: i64, max: i64, step: i64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    pub count: u64,
    /// Bits of an i64 or, unsigned, a u64.
    pub total: i64,
    pub signed: bool,
}
