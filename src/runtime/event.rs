//! What the session tells its user: one event at a time, in the order in which programs emitted them.

use crate::base::Span;
use crate::image::unwind::Cut;
use crate::image::{Image, Schema};
use crate::value::Value;
use crate::value::format::Format;

use super::ClauseId;

/// Something that happened.
#[derive(Debug)]
pub struct Event<'a> {
    /// Counts up from 0 over the session's life, in the order of emission.
    pub seq: u64,
    /// Where in a script it comes from; `None` for what the session says by itself.
    pub origin: Option<Origin<'a>>,
    pub body: Body<'a>,
}

/// The statement that emitted an event.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    pub clause: ClauseId,
    pub image: &'a Image,
    pub span: Span,
}

impl std::fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}:{:?}", self.clause, self.span)
    }
}

#[derive(Debug)]
pub enum Body<'a> {
    Printf {
        format: &'a Format,
        args: &'a [Value],
    },
    Errorf {
        format: &'a Format,
        args: &'a [Value],
    },
    Warnf {
        format: &'a Format,
        args: &'a [Value],
    },
    /// `print(value)`
    Value(&'a Value),
    /// `print(@map)`
    Map(MapView<'a>),
    /// Text of an action, as it is to be written (no newline is to be added).
    Text {
        kind: TextKind,
        text: &'a [u8],
    },
    /// Something went wrong while an action was done; lower case, no full stop.
    Warning {
        text: &'a str,
    },
    Loss(&'a Loss),
    /// `exit(code)`; the session stops.
    Exit {
        code: u32,
    },
}

/// Which action made a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextKind {
    Time,
    Join,
    Cat,
    System,
}

/// A map as it was when the event was handled.
#[derive(Debug)]
pub struct MapView<'a> {
    pub schema: &'a Schema,
    /// Sorted as the language says, cut to `top`. A map without key has one entry with key `Value::None`, or
    /// none if it was never set.
    pub entries: Vec<(Value, Value)>,
    /// Values are divided by this when they are shown (1: not).
    pub div: u32,
    /// What `print()` shows of a map without key that is not set; `None` at the end of a run, which shows nothing.
    pub unset: Option<Value>,
}

/// Something that was lost since it was last told.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    pub cause: LossCause,
    /// The probe as the user knows it.
    pub probe: String,
    pub count: u64,
    /// The statement, where the loss has one.
    pub span: Option<Span>,
    pub clause: ClauseId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossCause {
    /// The ring buffer was full.
    Event,
    /// A map was full, or busy on this CPU: its name.
    MapFull(String),
    /// No scratch memory was free.
    Scratch,
    /// Division by zero; 1 was used as the result.
    DivByZero,
    /// `delete()` of a key that is not there.
    NoSuchKey(String),
    /// A range had more rounds than the kernel does.
    Rounds,
    /// A stack could not be walked or stored.
    Stack,
    /// A stack that is unwound by tables ends early.
    Cut(Cut),
    /// `comm(pid)` of a task that is not there.
    NoSuchTask,
    /// An index beyond an array's end; 0 was read.
    Index,
    /// A read of memory that failed, by its helper.
    Read(&'static str),
    /// A lookup of an element that is not there, by its map.
    NoElement(String),
    /// The kernel skipped the program, because it or another was running on the CPU already.
    Skipped,
}
