//! What a session tells its printer.
//!
//! Comes in from `runtime`, in the order in which programs emitted it; goes to `output`. Always holds: all bytes
//! are decoded, all CPUs merged and all names looked up; a printer needs nothing of the machine.

use super::Value;
use crate::base::Span;
use crate::ty::Ty;

/// One thing to print.
#[derive(Debug)]
pub enum Event<'a> {
    /// Text of a call, whole, as it goes out.
    Text { call: TextCall, bytes: &'a [u8] },
    /// `print(value)`
    Value(&'a Value),
    /// `print(@m)`, and every map at the end of a run. The printer sorts and cuts it.
    Map(&'a mut MapDump),
    /// `errorf()`, `warnf()`
    Message { kind: MessageKind, text: &'a [u8], span: Span },
    /// What could not be recorded since the last time it was said.
    Loss { what: LossName<'a>, n: u64, probe: &'a str, span: Span },
}

/// The call that made a text; JSON names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextCall {
    Printf,
    Time,
    Cat,
    Join,
    /// `system()`
    System,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {
    Error,
    Warning,
}

/// What was lost. Maps are named with their `@`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LossName<'a> {
    /// The ring buffer was full.
    Event,
    /// An update found the map full, or busy on its CPU.
    MapFull(&'a str),
    /// No scratch memory was free.
    Scratch,
    /// Division by zero; 1 was used as the result.
    DivByZero,
    /// `delete()` of a key that was not there.
    NoSuchKey(&'a str),
    /// A stack could not be walked or stored.
    Stack,
    /// The kernel skipped the probe (recursion, missed return).
    Skipped,
}

/// The content of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapDump {
    /// With its `@`.
    pub name: String,
    /// `None`: a scalar map.
    pub key: Option<Ty>,
    pub value: Ty,
    /// In any order. A scalar map has at most one, with key `Value::None`.
    pub entries: Vec<Entry>,
    /// Only so many of the largest; 0: all.
    pub top: u32,
    /// Numbers are divided by it; 0 and 1 change nothing.
    pub div: u32,
    /// What is printed for a scalar map that is not set; `None`: nothing (at the end of a run).
    pub unset: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: Value,
    pub value: Value,
}
