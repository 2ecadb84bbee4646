//! `lhist(n, min, max, step)`: a linear histogram.
//!
//! Storage: a `u64` per bucket: below `min`, (max - min) / step buckets, `max` and above.

use super::sums::number;
use super::{AggRow, Update, word};
use crate::ir::{BinOp, Cc, Kind, Size, Value};
use crate::lang::sig::{Need, Param, ParamKind};
use crate::lang::traits::{CheckCx, LowerCx};
use crate::ty::{AggKind, Ty};
use crate::value;

pub static ROW: AggRow = AggRow {
    name: "lhist",
    params: &[
        Param { name: "n", kind: ParamKind::Int, need: Need::Required },
        Param { name: "min", kind: ParamKind::ConstInt, need: Need::Required },
        Param { name: "max", kind: ParamKind::ConstInt, need: Need::Required },
        Param { name: "step", kind: ParamKind::ConstInt, need: Need::Required },
    ],
    doc: "Linear histogram of integers from min to max in steps; at most 1000 buckets, and one for what is below and one for what is above.",
    example: "tracepoint:syscalls:sys_exit_read { @bytes = lhist(args.ret, 0, 4096, 512); } interval:s:1 { exit(); }",
    check,
    bytes: |kind| buckets(kind) * 8,
    update: Update::InPlace(update),
    merge: |kind, _, cpus| {
        let counts: Vec<u64> = (0..buckets(kind) as usize)
            .map(|i| cpus.iter().fold(0u64, |sum, c| sum.wrapping_add(word(c, i))))
            .collect();
        let (min, max, step) = bounds(kind);
        Some(value::Value::Hist(value::Hist { kind: value::HistKind::Linear { min, max, step }, counts }))
    },
};

fn check(cx: &mut dyn CheckCx) -> Option<Ty> {
    let min = cx.arg_int_in(1, 0, 0, i64::MAX)?;
    let max = cx.arg_int_in(2, 0, 0, i64::MAX)?;
    let step = cx.arg_int_in(3, 1, 1, i64::MAX)?;
    let span = cx.arg(2).span;
    if max <= min {
        cx.bad_argument(
            span,
            format!("lhist() needs a maximum above its minimum ({max} is not above {min})"),
        );
        return None;
    }
    if (max - min) / step > 1000 {
        let n = (max - min) / step;
        cx.bad_argument(span, format!("lhist() has at most 1000 buckets ({n} wanted): choose a larger step"));
        return None;
    }
    if step > max - min {
        let span = cx.arg(3).span;
        cx.bad_argument(span, format!("lhist() step {step} is larger than its range"));
        return None;
    }
    let signed = matches!(cx.arg(0).ty, Ty::Int { signed: true, .. } | Ty::Enum(_));
    cx.coerce(0, Ty::Int { bits: 64, signed });
    Some(Ty::Agg { kind: AggKind::Lhist { min, max, step }, signed })
}

fn bounds(kind: AggKind) -> (i64, i64, i64) {
    match kind {
        AggKind::Lhist { min, max, step } => (min, max, step),
        other => crate::bug!("{other:?} is no lhist"),
    }
}

/// Buckets between the bounds (the last may be narrower), and the two outer ones.
fn buckets(kind: AggKind) -> u32 {
    let (min, max, step) = bounds(kind);
    (max - min).div_euclid(step) as u32 + u32::from((max - min) % step != 0) + 2
}

fn update(cx: &mut dyn LowerCx, ty: &Ty, at: Value) {
    let Ty::Agg { kind, signed } = *ty else { crate::bug!("lhist of {ty:?}") };
    let (min, max, step) = bounds(kind);
    let last = buckets(kind) - 1;
    let (below, above) = if signed { (Cc::Slt, Cc::Sge) } else { (Cc::Ult, Cc::Uge) };
    let n = number(cx);
    let b = cx.b();
    let add = b.new_block();
    let index = b.block_param(add, Kind::Int);
    let (under, rest, over, inside) = (b.new_block(), b.new_block(), b.new_block(), b.new_block());
    let min_v = b.iconst(min);
    b.branch(below, n, min_v, under, rest);
    b.enter(under);
    let zero = b.iconst(0);
    b.jump(add, vec![zero]);
    b.enter(rest);
    let max_v = b.iconst(max);
    b.branch(above, n, max_v, over, inside);
    b.enter(over);
    let last_v = b.iconst(i64::from(last));
    b.jump(add, vec![last_v]);
    b.enter(inside);
    let from_min = b.bin_imm(BinOp::Sub, n, min);
    let i = b.bin_imm(BinOp::Udiv, from_min, step);
    let i = b.add_imm(i, 1);
    b.jump(add, vec![i]);
    b.enter(add);
    // Verifier: the index must be bounded where it is added to the pointer.
    let index = b.umin(index, last);
    let off = b.bin_imm(BinOp::Shl, index, 3);
    let slot = b.bin(BinOp::Add, at, off);
    let one = b.iconst(1);
    b.atomic_add(Size::B8, slot, 0, one);
}
