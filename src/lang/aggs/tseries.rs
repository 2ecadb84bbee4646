//! `tseries(n, interval_ns, num[, how])`: values by intervals of time, the newest `num` of them.
//!
//! Storage: a ring of `num` slots, each for one interval at a time, in parts that are map elements of their own and
//! are made when an observation first belongs to them. A slot's words: what tells its interval, the
//! value, and for averages the number of observations. The first word is 0 in a slot that was never used; it is
//! the time of the observation where the last one counts, and 1 more than the interval's number elsewhere.

use super::sums::{is_signed, number};
use super::{AggRow, ByTime, Update, word};
use crate::ir::{BinOp, Cc, Size, Value};
use crate::lang::sig::{Need, Param, ParamKind};
use crate::lang::traits::{CheckCx, LowerCx};
use crate::ty::{AggKind, TseriesAgg, Ty};
use crate::value::{self, Point, Series};

/// Intervals that can be asked for.
const INTERVALS_MAX: i64 = 1_000_000;
/// Bytes of a part. Programs get new per-CPU memory from a few pages that the kernel holds ready and fills up in the
/// background: many small parts find a place there where few large ones would be lost.
const PART_BYTES_MAX: u32 = 1 << 10;

pub static ROW: AggRow = AggRow {
    name: "tseries",
    params: &[
        Param { name: "n", kind: ParamKind::Int, need: Need::Required },
        Param { name: "interval", kind: ParamKind::ConstInt, need: Need::Required },
        Param { name: "count", kind: ParamKind::ConstInt, need: Need::Required },
        Param { name: "how", kind: ParamKind::Text, need: Need::Optional },
    ],
    doc: "Values over time: for each of the newest `count` intervals (at most 1000000, their length in ns or with a unit) the last value, or its \"avg\", \"max\", \"min\" or \"sum\". Unstable: unstable_tseries = enable silences the warning.",
    example: "config = { unstable_tseries = enable } tracepoint:syscalls:sys_exit_read { @ = tseries(args.ret, 100ms, 20, \"max\"); } interval:s:1 { exit(); }",
    check,
    bytes: |kind| shape(kind).slot_bytes() * shape(kind).part_slots(),
    update: Update::ByTime(ByTime { n_parts: |kind| shape(kind).n_parts(), part, update }),
    merge: |kind, signed, cpus| Some(value::Value::Series(merged(shape(kind), signed, cpus))),
};

/// What the kind says.
#[derive(Clone, Copy)]
struct Shape {
    interval_ns: u64,
    n: u32,
    how: TseriesAgg,
}

impl Shape {
    fn n_words(self) -> u32 {
        match self.how {
            TseriesAgg::Avg => 3,
            TseriesAgg::Last | TseriesAgg::Max | TseriesAgg::Min | TseriesAgg::Sum => 2,
        }
    }

    fn slot_bytes(self) -> u32 {
        self.n_words() * 8
    }

    /// Slots of a part.
    fn part_slots(self) -> u32 {
        self.n.min(PART_BYTES_MAX / self.slot_bytes())
    }

    fn n_parts(self) -> u32 {
        self.n.div_ceil(self.part_slots())
    }

    /// The number of the interval that a slot's first word speaks of.
    fn interval_of(self, first: u64) -> u64 {
        match self.how {
            TseriesAgg::Last => first / self.interval_ns,
            TseriesAgg::Avg | TseriesAgg::Max | TseriesAgg::Min | TseriesAgg::Sum => first.wrapping_sub(1),
        }
    }
}

fn shape(kind: AggKind) -> Shape {
    match kind {
        AggKind::Tseries { interval_ns, n, agg } => Shape { interval_ns, n, how: agg },
        other => crate::bug!("{other:?} is no time series"),
    }
}

fn check(cx: &mut dyn CheckCx) -> Option<Ty> {
    if !cx.may_use("tseries", cx.config().unstable.tseries) {
        return None;
    }
    let interval = cx.arg_int_in(1, 1, 1, i64::MAX)?;
    let n = cx.arg_int_in(2, 1, 1, INTERVALS_MAX)?;
    let how = if cx.n_args() > 3 { cx.arg(3).text? } else { String::new() };
    let agg = match how.as_str() {
        "" => TseriesAgg::Last,
        "avg" => TseriesAgg::Avg,
        "max" => TseriesAgg::Max,
        "min" => TseriesAgg::Min,
        "sum" => TseriesAgg::Sum,
        other => {
            let span = cx.arg(3).span;
            cx.bad_argument(
                span,
                format!("tseries() keeps \"avg\", \"max\", \"min\" or \"sum\", not {other:?}"),
            );
            return None;
        }
    };
    let kind = AggKind::Tseries { interval_ns: interval as u64, n: n as u32, agg };
    let signed = match cx.arg(0).ty {
        Ty::Int { signed, .. } => signed,
        Ty::Enum(e) => cx.types().enums[e].signed,
        _ => false,
    };
    cx.coerce(0, Ty::Int { bits: 64, signed });
    Some(Ty::Agg { kind, signed })
}

/// The slot in the ring that is for the interval of a time.
fn slot(cx: &mut dyn LowerCx, shape: Shape, interval: Value) -> Value {
    let slot = cx.b().bin_imm(BinOp::Urem, interval, i64::from(shape.n));
    // Verifier: what is derived from it is bounded where it is used.
    cx.b().umin(slot, shape.n - 1)
}

fn part(cx: &mut dyn LowerCx, kind: AggKind, now: Value) -> Value {
    let shape = shape(kind);
    let interval = cx.b().bin_imm(BinOp::Udiv, now, shape.interval_ns as i64);
    let slot = slot(cx, shape, interval);
    cx.b().bin_imm(BinOp::Udiv, slot, i64::from(shape.part_slots()))
}

fn update(cx: &mut dyn LowerCx, ty: &Ty, at: Value, now: Value) {
    let Ty::Agg { kind, .. } = *ty else { crate::bug!("tseries of {ty:?}") };
    let shape = shape(kind);
    let n = number(cx);
    let interval = cx.b().bin_imm(BinOp::Udiv, now, shape.interval_ns as i64);
    let mut slot = slot(cx, shape, interval);
    let b = cx.b();
    if shape.n_parts() > 1 {
        slot = b.bin_imm(BinOp::Urem, slot, i64::from(shape.part_slots()));
    }
    // Verifier: the offset is bounded where it is added.
    let slot = b.umin(slot, shape.part_slots() - 1);
    let off = b.bin_imm(BinOp::Mul, slot, i64::from(shape.slot_bytes()));
    let slot = b.bin(BinOp::Add, at, off);
    let first = match shape.how {
        TseriesAgg::Last => {
            b.store(Size::B8, slot, 0, now);
            b.store(Size::B8, slot, 8, n);
            return;
        }
        TseriesAgg::Avg | TseriesAgg::Max | TseriesAgg::Min | TseriesAgg::Sum => b.add_imm(interval, 1),
    };
    let (more, fresh, done) = (b.new_block(), b.new_block(), b.new_block());
    let known = b.load(Size::B8, slot, 0);
    b.branch(Cc::Eq, known, first, more, fresh);
    b.enter(fresh);
    b.store(Size::B8, slot, 0, first);
    b.store(Size::B8, slot, 8, n);
    let one = b.iconst(1);
    if shape.how == TseriesAgg::Avg {
        b.store(Size::B8, slot, 16, one);
    }
    b.jump(done, Vec::new());
    b.enter(more);
    match shape.how {
        TseriesAgg::Sum | TseriesAgg::Avg => {
            b.atomic_add(Size::B8, slot, 8, n);
            if shape.how == TseriesAgg::Avg {
                let one = b.iconst(1);
                b.atomic_add(Size::B8, slot, 16, one);
            }
        }
        TseriesAgg::Min | TseriesAgg::Max | TseriesAgg::Last => {
            let better = match (shape.how == TseriesAgg::Min, is_signed(ty)) {
                (true, true) => Cc::Slt,
                (true, false) => Cc::Ult,
                (false, true) => Cc::Sgt,
                (false, false) => Cc::Ugt,
            };
            let old = b.load(Size::B8, slot, 8);
            let store = b.new_block();
            b.branch(better, n, old, store, done);
            b.enter(store);
            b.store(Size::B8, slot, 8, n);
        }
    }
    b.jump(done, Vec::new());
    b.enter(done);
}

/// A slot that was used, on one CPU.
#[derive(Clone, Copy)]
struct Slot {
    interval: u64,
    first: u64,
    value: i128,
    count: u64,
}

fn merged(shape: Shape, signed: bool, cpus: &[&[u8]]) -> Series {
    let mut slots: Vec<Slot> = Vec::new();
    let words = shape.n_words() as usize;
    let n_words = cpus.iter().map(|c| c.len() / 8).max().unwrap_or(0);
    for i in 0..n_words / words {
        let used = cpus.iter().filter(|c| word(c, i * words) != 0).map(|c| {
            let (first, bits) = (word(c, i * words), word(c, i * words + 1));
            let value = if signed { i128::from(bits as i64) } else { i128::from(bits) };
            let count = if words > 2 { word(c, i * words + 2) } else { 1 };
            Slot { interval: shape.interval_of(first), first, value, count }
        });
        slots.extend(used.reduce(|a, b| join(shape.how, a, b)));
    }
    let newest = slots.iter().map(|s| s.interval).max().unwrap_or(0);
    slots.retain(|s| newest - s.interval < u64::from(shape.n));
    slots.sort_unstable_by_key(|s| s.interval);
    let mut points = Vec::new();
    for slot in slots {
        let value = match shape.how {
            TseriesAgg::Avg => slot.value / i128::from(slot.count.max(1)),
            TseriesAgg::Last | TseriesAgg::Max | TseriesAgg::Min | TseriesAgg::Sum => slot.value,
        };
        let start = slot.interval.wrapping_mul(shape.interval_ns);
        points.push(Point { start_ns: start, value });
    }
    Series { interval_ns: shape.interval_ns, points, times: Vec::new() }
}

/// What two CPUs have in a slot: the newer interval's, or both together.
fn join(how: TseriesAgg, a: Slot, b: Slot) -> Slot {
    match a.interval.cmp(&b.interval) {
        std::cmp::Ordering::Less => return b,
        std::cmp::Ordering::Greater => return a,
        std::cmp::Ordering::Equal => {}
    }
    let value = match how {
        TseriesAgg::Last => return if a.first >= b.first { a } else { b },
        TseriesAgg::Max => a.value.max(b.value),
        TseriesAgg::Min => a.value.min(b.value),
        TseriesAgg::Sum | TseriesAgg::Avg => a.value + b.value,
    };
    Slot { value, count: a.count + b.count, ..a }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    fn points(how: TseriesAgg, signed: bool, cpus: &[Vec<u8>]) -> Vec<(u64, i128)> {
        let shape = Shape { interval_ns: 10, n: 3, how };
        let cpus: Vec<&[u8]> = cpus.iter().map(Vec::as_slice).collect();
        merged(shape, signed, &cpus).points.iter().map(|p| (p.start_ns, p.value)).collect()
    }

    #[test]
    fn the_last_value_is_the_newest_of_any_cpu() {
        let a = bytes(&[31, 5, 0, 0, 25, 7]);
        let b = bytes(&[38, 6, 0, 0, 21, 8]);
        assert_eq!(points(TseriesAgg::Last, true, &[a, b]), [(20, 7), (30, 6)]);
    }

    #[test]
    fn intervals_that_fell_out_are_gone() {
        // Slots of intervals 9, 4 and 8: the newest three are 7 to 9.
        let a = bytes(&[10, 1, 5, 2, 9, 3]);
        assert_eq!(points(TseriesAgg::Sum, true, &[a]), [(80, 3), (90, 1)]);
    }

    #[test]
    fn parts_hold_all_intervals() {
        for (n, how, parts) in [
            (1, TseriesAgg::Last, 1),
            (64, TseriesAgg::Last, 1),
            (65, TseriesAgg::Sum, 2),
            (42, TseriesAgg::Avg, 1),
            (1_000_000, TseriesAgg::Avg, 23_810),
        ] {
            let shape = Shape { interval_ns: 1, n, how };
            assert_eq!(shape.n_parts(), parts, "{n}");
            assert!(shape.n_parts() * shape.part_slots() >= n);
            assert!(shape.part_slots() * shape.slot_bytes() <= PART_BYTES_MAX);
        }
    }

    #[test]
    fn cpus_are_joined_by_kind() {
        let a = bytes(&[4, -3i64 as u64]);
        let b = bytes(&[4, 5]);
        let of = |how| points(how, true, &[a.clone(), b.clone()]);
        assert_eq!(of(TseriesAgg::Min), [(30, -3)]);
        assert_eq!(of(TseriesAgg::Max), [(30, 5)]);
        assert_eq!(of(TseriesAgg::Sum), [(30, 2)]);
        let avg = [bytes(&[4, 10, 3]), bytes(&[4, 3, 2])];
        assert_eq!(points(TseriesAgg::Avg, true, &avg), [(30, 2)]);
        // A newer interval in the same slot wins alone.
        let newer = [bytes(&[7, 10, 3]), bytes(&[4, 3, 2])];
        assert_eq!(points(TseriesAgg::Avg, true, &newer), [(60, 3)]);
        assert_eq!(points(TseriesAgg::Max, false, &[a]), [(30, 18446744073709551613)]);
        assert!(points(TseriesAgg::Last, true, &[]).is_empty());
    }
}
