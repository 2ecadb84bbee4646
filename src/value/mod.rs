//! Values as user space sees them, decoded from bytes by type.
//!
//! Comes in: bytes of a record, a key or a map value, with its `Ty`. Decoding is total: bytes that are too few
//! read as zero. Printers see only `Value`.

pub mod decode;
pub mod format;
pub mod gfp;
mod series;
pub mod text;

pub use series::{Point, Series, Span, Stamp};

use std::net::IpAddr;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing sensible (`void`, a float field).
    None,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// Without the NUL; cut at it. `truncated`: it fills `max_strlen`, so the kernel had more.
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
    /// `tseries`
    Series(Series),
    /// What the runtime has looked up: the name of a symbol, user or cgroup, a formatted time. `Ksym`, `Usym`,
    /// `Timestamp`, `CgroupPath` and `Username` become this before a printer sees them.
    Text(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    pub ty: crate::ty::StackTy,
    /// User stacks only.
    pub pid: u32,
    /// Innermost first.
    pub frames: Vec<u64>,
    /// One for each frame, once the runtime has looked them up; before that, none.
    pub symbols: Vec<Frame>,
}

/// What is known of one address of a stack.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Frame {
    pub addr: u64,
    /// Name of the function and offset in it; `None` where there is none.
    pub symbol: Option<(String, u64)>,
    /// The binary or kernel module; empty if not known.
    pub module: String,
    /// Source file and line, where the binary has debug information.
    pub place: Option<(String, u32)>,
    /// Functions inlined at this address, innermost first: name, source file and line.
    pub inlined: Vec<(String, Option<(String, u32)>)>,
    /// `build_id` mode: the binary's build id in hex and the offset in its file.
    pub build_id: Option<(String, u64)>,
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
