//! What programs and the runtime say to each other: record headers, event sites, shared memory.
//!
//! Output records go through the `.output` ring, control records through `.control`, so that a flood of output
//! cannot lose an `exit()`. A control record carries the producer position of the output ring when it was
//! emitted: whatever output lies before that position comes first. Order within a ring is order of emission.

use super::unwind::Want;
use super::{MapId, ProgramId};
use crate::base::Span;
use crate::ty::Ty;
pub use crate::value::format::{Conv, Count, Format, Piece};

/// Start of an output record: `u32` event site, `u32` CPU.
pub const OUTPUT_HEADER_BYTES: u32 = 8;
/// Start of a control record: `u32` event site, `u32` CPU, `u64` output position.
pub const CONTROL_HEADER_BYTES: u32 = 16;

/// The mmapped value of the `.globals` map. Byte offsets.
pub mod globals {
    /// `u32`: 1 while the reader sleeps; a producer that sees 1 stores 0 and wakes it.
    pub const READER_SLEEPS: u32 = 0;
    /// `u32`: exit code.
    pub const EXIT_CODE: u32 = 4;
    /// `u64`, little-endian: [`ENABLED`] and [`EXITING`] in one load. Programs run while it is their pass: usually
    /// [`RUNNING`]; a clause that takes the place of another at a prompt has the next number, so that one store
    /// stops the one and starts the other.
    pub const GATE: u32 = 8;
    /// The pass of a script: `ENABLED` is 1 and `EXITING` 0.
    pub const RUNNING: u32 = 1;
    /// `u32`: programs do nothing while this is not their pass (set when all are attached; `begin`, `end` and
    /// signals ignore it).
    pub const ENABLED: u32 = 8;
    /// `u32`: 1 once `exit()` has run; programs but `begin`, `end` and signals return at once from then on.
    pub const EXITING: u32 = 12;
    /// `u64`: boot clock at start, ns, for `elapsed`.
    pub const START_NS: u32 = 16;
    /// `u64`: seed of stack hashes.
    pub const SEED: u32 = 24;
    /// `u32`: process id of the `-c` child or `-p` process, 0 if none.
    pub const TARGET_PID: u32 = 32;
    /// `u64` device and inode of awl's PID namespace.
    pub const PIDNS_DEV: u32 = 40;
    pub const PIDNS_INO: u32 = 48;
    /// `u64`: what is added to the boot clock for `nsecs(sw_tai)`.
    pub const TAI_OFFSET: u32 = 56;
    /// `u64`: always 0, which the kernel's verifier does not know.
    pub const ZERO: u32 = 64;
    /// `u32` for each `unwind::Want`: 1 once a program has asked for it, until the reader lets programs ask again.
    pub const UNWIND_ASKED: u32 = 72;
    pub const BYTES: u32 = 80;
}

/// What `skboutput()` writes before a packet's bytes. Byte offsets.
pub mod packet {
    /// `u32`: number of the event site.
    pub const SITE: u32 = 0;
    /// `u32`: bytes of the packet that follow.
    pub const CAPTURED: u32 = 4;
    /// `u32`: bytes that it has in all.
    pub const WHOLE: u32 = 8;
    /// `u32`: of those that follow, the first that belongs to IP.
    pub const IP_AT: u32 = 12;
    /// `u64`: boot clock, ns.
    pub const NS: u32 = 16;
    pub const BYTES: u32 = 24;
    /// A record of perf has 64 KiB at most, with all its headers.
    pub const CAPTURED_MAX: u32 = 65_000;
}

/// A place in the script that emits records.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSite {
    pub kind: EventKind,
    pub program: ProgramId,
    pub span: Span,
    /// The values that follow the header.
    pub fields: Vec<Field>,
    /// Bytes of a whole record, header included (the most, where `tail` is set).
    pub size: u32,
}

/// A value in a record. A `Str` or `Buf` that is the last in memory may be cut off after its used bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub ty: Ty,
    /// From the start of the record.
    pub offset: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    Printf(Format),
    Errorf(Format),
    Warnf(Format),
    /// `print(value)`
    PrintValue,
    Time {
        format: String,
    },
    /// Field: a buffer of strings, each with its NUL.
    Join {
        separator: String,
    },
    Cat(Format),
    System(Format),
    /// One of the fields of `image::LossKind`, but worth a line each: not used for counts.
    Message {
        text: String,
    },
    /// Control. Fields: exit code `u32`.
    Exit,
    PrintMap {
        map: MapId,
        top: u32,
        div: u32,
    },
    /// `print(@m[k])` of what is no value by itself. Field: the key.
    PrintElement {
        map: MapId,
    },
    Clear {
        map: MapId,
    },
    Zero {
        map: MapId,
    },
    /// Takes watchpoints back. Field: the address `u64`.
    Unwatch,
    /// A stack has ended where nothing is known of the process or its code. Fields: the process id `u32`, and `u64` as
    /// in `unwind::process::EXEC`.
    Unwind(Want),
    /// A packet for a file; it goes through the perf events of `Role::Packets`, not through a ring.
    Packet {
        path: String,
    },
    /// `print(@m); clear(@m)` as one action.
    PrintClear {
        map: MapId,
        top: u32,
        div: u32,
    },
}

impl EventKind {
    /// Whether it goes through the control ring.
    pub fn is_control(&self) -> bool {
        match self {
            EventKind::Exit
            | EventKind::PrintMap { .. }
            | EventKind::PrintElement { .. }
            | EventKind::Clear { .. }
            | EventKind::Zero { .. }
            | EventKind::Unwatch
            | EventKind::Unwind(_)
            | EventKind::PrintClear { .. } => true,
            EventKind::Printf(_)
            | EventKind::Errorf(_)
            | EventKind::Warnf(_)
            | EventKind::PrintValue
            | EventKind::Time { .. }
            | EventKind::Join { .. }
            | EventKind::Cat(_)
            | EventKind::System(_)
            | EventKind::Packet { .. }
            | EventKind::Message { .. } => false,
        }
    }
}
