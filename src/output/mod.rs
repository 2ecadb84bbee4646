//! What a run prints: events and maps as text or JSON, and the one buffered way out.
//!
//! Comes in: values whose names are looked up, maps whose entries are in order. Goes out: bytes, appended to a
//! buffer that a [`sink::Sink`] writes. Always holds: a printer is a pure function of what it is given.

pub mod hist;
pub mod json;
pub mod percentiles;
pub mod report;
pub mod series;
pub mod sink;
pub mod text;

pub use report::{BenchEnd, BenchResult, TestEnd};
pub use sink::{Buffering, Sink};

use crate::base::Severity;
use crate::ty::Ty;
use crate::value::{Hist, HistKind, Value};
use std::borrow::Cow;

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

/// A map to print. Entries are sorted and cut.
#[derive(Clone, Debug)]
pub struct MapText<'a> {
    /// With its `@`.
    pub name: &'a str,
    /// Has keys.
    pub keyed: Keyed,
    pub value: &'a Ty,
    /// A map without key has one, with key `Value::None`, or none if it is not set.
    pub entries: &'a [(Value, Value)],
    /// Numbers are divided by it; 0 and 1 change nothing.
    pub div: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keyed {
    Yes,
    No,
}

/// What a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// `errorf()`
    Errorf,
    /// `warnf()`
    Warnf,
    /// What went wrong in a program.
    Runtime,
    /// A kernel helper failed: what it returned.
    Helper { name: &'static str, retcode: i32 },
}

/// A message with its place in the script.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub severity: Severity,
    pub kind: MessageKind,
    pub text: &'a str,
    /// File, line and column; `None` where it is of no place.
    pub place: Option<(&'a str, u32, u32)>,
}

/// How events become bytes.
pub trait Printer {
    /// All programs are attached.
    fn attached(&self, out: &mut Vec<u8>, n_probes: usize);
    /// Text of a call, whole.
    fn text(&self, out: &mut Vec<u8>, call: TextCall, bytes: &[u8]);
    /// `print(value)`
    fn value(&self, out: &mut Vec<u8>, value: &Value);
    fn map(&self, out: &mut Vec<u8>, map: &MapText<'_>);
    /// Stands before the maps at the end of a run.
    fn end_of_run(&self, out: &mut Vec<u8>);
    /// `errorf()`, `warnf()` and what went wrong at run time, where that is said among the output: text writes
    /// nothing here, and has it on stderr.
    fn message(&self, out: &mut Vec<u8>, message: &Message<'_>);
    /// Events that found the ring buffer full. As above.
    fn lost_events(&self, out: &mut Vec<u8>, n: u64);
    /// So many tests will run.
    fn tests(&self, out: &mut Vec<u8>, n: usize);
    fn test_starts(&self, out: &mut Vec<u8>, name: &str);
    fn test_ended(&self, out: &mut Vec<u8>, test: &TestEnd);
    fn tests_ended(&self, out: &mut Vec<u8>, tests: &[TestEnd]);
    fn benchmarks(&self, out: &mut Vec<u8>, benches: &[BenchEnd]);
}

/// A value divided as `print(@m, top, div)` says: numbers, the average of `stats`, the counts of log2 histograms.
pub fn divided(value: &Value, div: u32) -> Cow<'_, Value> {
    if div <= 1 {
        return Cow::Borrowed(value);
    }
    let d = i64::from(div);
    match value {
        Value::Int(n) => Cow::Owned(Value::Int(n / d)),
        Value::Uint(n) => Cow::Owned(Value::Uint(n / u64::from(div))),
        Value::Avg(s) => match s.average() {
            Value::Int(n) => Cow::Owned(Value::Int(n / d)),
            Value::Uint(n) => Cow::Owned(Value::Uint(n / u64::from(div))),
            other => Cow::Owned(other),
        },
        Value::Stats(s) => {
            let average = divided(&s.average(), div).into_owned();
            let fields = crate::value::text::stats_fields(s).into_iter();
            let field = |(n, v): (String, Value)| if n == "average" { (n, average.clone()) } else { (n, v) };
            Cow::Owned(Value::Record(fields.map(field).collect()))
        }
        Value::Hist(h) => match h.kind {
            HistKind::Log2 { .. } => {
                let counts = h.counts.iter().map(|c| c / u64::from(div)).collect();
                Cow::Owned(Value::Hist(Hist { kind: h.kind, counts }))
            }
            HistKind::Linear { .. } => Cow::Borrowed(value),
        },
        _ => Cow::Borrowed(value),
    }
}
