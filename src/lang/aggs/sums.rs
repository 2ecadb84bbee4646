//! `count`, `sum`, `min`, `max`, `avg`, `stats`.
//!
//! Storage, in `u64` words: count and sum: value; min and max: value, set; avg and stats: count, total.

use super::{AggRow, Update, word};
use crate::ir::{Cc, Size, Value};
use crate::lang::sig::{Need, Param, ParamKind};
use crate::lang::traits::{CheckCx, LowerCx, Operand};
use crate::ty::{AggKind, Ty};
use crate::value;

const N: &[Param] = &[Param { name: "n", kind: ParamKind::Int, need: Need::Required }];

pub static COUNT: AggRow = AggRow {
    name: "count",
    params: &[],
    doc: "Counts how often it is reached. Kept per CPU; exact.",
    example: "tracepoint:sched:sched_switch { @ = count(); } interval:s:1 { exit(); }",
    check: |_| Some(Ty::Agg { kind: AggKind::Count, signed: true }),
    bytes: |_| 8,
    update: Update::InPlace(|cx, _, at| {
        let one = cx.b().iconst(1);
        cx.b().atomic_add(Size::B8, at, 0, one);
    }),
    merge: |_, _, cpus| Some(value::Value::Int(total(cpus, 0) as i64)),
};

pub static SUM: AggRow = AggRow {
    name: "sum",
    params: N,
    doc: "Adds up integers. 64 bits, wrapping; signed if the argument is.",
    example: "tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @[comm] = sum(args.ret); } interval:s:1 { exit(); }",
    check: |cx| one_int(cx, AggKind::Sum),
    bytes: |_| 8,
    update: Update::InPlace(|cx, _, at| {
        let n = number(cx);
        cx.b().atomic_add(Size::B8, at, 0, n);
    }),
    merge: |_, signed, cpus| Some(int(total(cpus, 0), signed)),
};

pub static MIN: AggRow = AggRow {
    name: "min",
    params: N,
    doc: "Keeps the smallest integer.",
    example: "tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @ = min(args.ret); } interval:s:1 { exit(); }",
    check: |cx| one_int(cx, AggKind::Min),
    bytes: |_| 16,
    update: Update::InPlace(|cx, ty, at| keep(cx, at, if is_signed(ty) { Cc::Slt } else { Cc::Ult })),
    merge: |_, signed, cpus| extreme(signed, cpus, |new, old| new < old),
};

pub static MAX: AggRow = AggRow {
    name: "max",
    params: N,
    doc: "Keeps the largest integer.",
    example: "tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @ = max(args.ret); } interval:s:1 { exit(); }",
    check: |cx| one_int(cx, AggKind::Max),
    bytes: |_| 16,
    update: Update::InPlace(|cx, ty, at| keep(cx, at, if is_signed(ty) { Cc::Sgt } else { Cc::Ugt })),
    merge: |_, signed, cpus| extreme(signed, cpus, |new, old| new > old),
};

pub static AVG: AggRow = AggRow {
    name: "avg",
    params: N,
    doc: "Average of integers: total / count, truncated.",
    example: "tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @[comm] = avg(args.ret); } interval:s:1 { exit(); }",
    check: |cx| one_int(cx, AggKind::Avg),
    bytes: |_| 16,
    update: Update::InPlace(|cx, _, at| add_observation(cx, at)),
    merge: |_, signed, cpus| Some(value::Value::Avg(stats(signed, cpus))),
};

pub static STATS: AggRow = AggRow {
    name: "stats",
    params: N,
    doc: "Count, average and total of integers.",
    example: "tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @[comm] = stats(args.ret); } interval:s:1 { exit(); }",
    check: |cx| one_int(cx, AggKind::Stats),
    bytes: |_| 16,
    update: Update::InPlace(|cx, _, at| add_observation(cx, at)),
    merge: |_, signed, cpus| Some(value::Value::Stats(stats(signed, cpus))),
};

/// The type of an aggregation of one integer argument, which is widened to 64 bits.
fn one_int(cx: &mut dyn CheckCx, kind: AggKind) -> Option<Ty> {
    let signed = match cx.arg(0).ty {
        Ty::Int { signed, .. } => signed,
        Ty::Bool => false,
        Ty::Enum(e) => cx.types().enums[e].signed,
        Ty::Ptr { .. } | Ty::Ksym => false,
        _ => return None,
    };
    cx.coerce(0, Ty::Int { bits: 64, signed });
    Some(Ty::Agg { kind, signed })
}

/// Argument 0 in a register.
pub(super) fn number(cx: &mut dyn LowerCx) -> Value {
    match cx.arg(0) {
        Operand::Val(v) => v,
        other => crate::bug!("integer argument is {other:?}"),
    }
}

pub(super) fn is_signed(ty: &Ty) -> bool {
    matches!(ty, Ty::Agg { signed: true, .. })
}

fn keep(cx: &mut dyn LowerCx, at: Value, better: Cc) {
    let n = number(cx);
    let b = cx.b();
    let (check, store, done) = (b.new_block(), b.new_block(), b.new_block());
    let set = b.load(Size::B8, at, 8);
    b.branch_true(set, check, store);
    b.enter(check);
    let old = b.load(Size::B8, at, 0);
    b.branch(better, n, old, store, done);
    b.enter(store);
    b.store(Size::B8, at, 0, n);
    let one = b.iconst(1);
    b.store(Size::B8, at, 8, one);
    b.jump(done, Vec::new());
    b.enter(done);
}

fn add_observation(cx: &mut dyn LowerCx, at: Value) {
    let n = number(cx);
    let b = cx.b();
    let one = b.iconst(1);
    b.atomic_add(Size::B8, at, 0, one);
    b.atomic_add(Size::B8, at, 8, n);
}

fn total(cpus: &[&[u8]], i: usize) -> u64 {
    cpus.iter().fold(0u64, |sum, c| sum.wrapping_add(word(c, i)))
}

fn int(bits: u64, signed: bool) -> value::Value {
    if signed { value::Value::Int(bits as i64) } else { value::Value::Uint(bits) }
}

fn stats(signed: bool, cpus: &[&[u8]]) -> value::Stats {
    value::Stats { count: total(cpus, 0), total: total(cpus, 1) as i64, signed }
}

fn extreme(signed: bool, cpus: &[&[u8]], better: fn(i128, i128) -> bool) -> Option<value::Value> {
    let wide = |bits: u64| if signed { i128::from(bits as i64) } else { i128::from(bits) };
    let set = cpus.iter().filter(|c| word(c, 1) != 0).map(|c| word(c, 0));
    let best = set.reduce(|old, new| if better(wide(new), wide(old)) { new } else { old })?;
    Some(int(best, signed))
}
