//! Map aggregations: a row each. Storage is per CPU and starts as zeros; `update` adds one observation in place,
//! `merge` adds the CPUs up for user space.
//!
//! Updates are atomic on memory of this CPU alone: a program that interrupts another between load and store
//! (an interrupt's tracepoint, a preempting uprobe) would else lose a count, and the atomic costs some 5 ns.

mod hist;
mod lhist;
mod sums;
mod tseries;

use super::sig::Param;
use super::traits::{CheckCx, LowerCx};
use crate::ir::Value;
use crate::ty::{AggKind, Ty};
use crate::value;

/// An aggregation's row.
#[derive(Debug)]
pub struct AggRow {
    pub name: &'static str,
    pub params: &'static [Param],
    pub doc: &'static str,
    pub example: &'static str,
    /// Kind and signedness from the arguments; reports what is wrong with them.
    pub check: fn(&mut dyn CheckCx) -> Option<Ty>,
    /// Bytes per CPU, a multiple of 8; of one part where it is kept in parts.
    pub bytes: fn(AggKind) -> u32,
    pub update: Update,
    /// The value over all CPUs; of each all parts, in one order. `None`: nothing was added yet.
    pub merge: fn(AggKind, signed: bool, cpus: &[&[u8]]) -> Option<value::Value>,
}

/// How one observation is added. Arguments by `cx.arg(i)`.
#[derive(Debug)]
pub enum Update {
    /// To the storage at a `MapValue` pointer.
    InPlace(fn(&mut dyn LowerCx, &Ty, Value)),
    /// To the storage of the part that the time, in ns since boot, belongs to.
    ByTime(ByTime),
}

/// Storage that can be too large for one map element: its parts are elements, numbered behind the key.
#[derive(Debug)]
pub struct ByTime {
    pub n_parts: fn(AggKind) -> u32,
    /// The number of the part that a time belongs to.
    pub part: fn(&mut dyn LowerCx, AggKind, Value) -> Value,
    /// Adds an observation of that time (the last value) to the part at a `MapValue` pointer.
    pub update: fn(&mut dyn LowerCx, &Ty, Value, Value),
}

/// The number of map elements that a value of this type can take.
pub fn n_parts(ty: &Ty) -> u32 {
    let Ty::Agg { kind, .. } = ty else { return 1 };
    match &row(*kind).update {
        Update::InPlace(_) => 1,
        Update::ByTime(by) => (by.n_parts)(*kind),
    }
}

/// All rows.
pub static ALL: &[&AggRow] = &[
    &sums::COUNT,
    &sums::SUM,
    &sums::MIN,
    &sums::MAX,
    &sums::AVG,
    &sums::STATS,
    &hist::ROW,
    &lhist::ROW,
    &tseries::ROW,
];

/// The row of that name.
pub fn find(name: &str) -> Option<&'static AggRow> {
    ALL.iter().copied().find(|r| r.name == name)
}

/// The row of a kind.
pub fn row(kind: AggKind) -> &'static AggRow {
    match kind {
        AggKind::Count => &sums::COUNT,
        AggKind::Sum => &sums::SUM,
        AggKind::Min => &sums::MIN,
        AggKind::Max => &sums::MAX,
        AggKind::Avg => &sums::AVG,
        AggKind::Stats => &sums::STATS,
        AggKind::Hist { .. } => &hist::ROW,
        AggKind::Lhist { .. } => &lhist::ROW,
        AggKind::Tseries { .. } => &tseries::ROW,
    }
}

/// The `u64` at index `i` of one CPU's storage; 0 past its end.
fn word(bytes: &[u8], i: usize) -> u64 {
    bytes.get(i * 8..i * 8 + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
