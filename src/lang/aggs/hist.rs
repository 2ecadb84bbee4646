//! `hist(n[, bits])`: a logarithmic histogram.
//!
//! Storage: a `u64` per bucket. With `bits` = b, bucket 0 holds negatives; then come 2^b buckets of one value
//! each (0 to 2^b - 1); then each power of two from 2^b on is cut into 2^b equal buckets. For b = 0 that is
//! negatives, [0], [1], [2, 4), [4, 8), …

use super::sums::number;
use super::{AggRow, Update, word};
use crate::ir::{BinOp, Cc, Size, Value};
use crate::lang::sig::{Need, Param, ParamKind};
use crate::lang::traits::LowerCx;
use crate::ty::{AggKind, Ty};
use crate::value;

pub static ROW: AggRow = AggRow {
    name: "hist",
    params: &[
        Param { name: "n", kind: ParamKind::Int, need: Need::Required },
        Param { name: "bits", kind: ParamKind::ConstInt, need: Need::Optional },
    ],
    doc: "Logarithmic histogram of integers; each power of two is cut into 2^bits buckets (bits 0 to 5, default 0).",
    example: "tracepoint:syscalls:sys_exit_read { @bytes = hist(args.ret); } interval:s:1 { exit(); }",
    check: |cx| {
        let bits = match cx.arg_int_in(1, 0, 0, 5) {
            Some(b) => b as u8,
            None => return None,
        };
        let signed = matches!(cx.arg(0).ty, Ty::Int { signed: true, .. } | Ty::Enum(_));
        cx.coerce(0, Ty::Int { bits: 64, signed });
        Some(Ty::Agg { kind: AggKind::Hist { bits }, signed })
    },
    bytes: |kind| buckets(kind) * 8,
    update: Update::InPlace(update),
    merge: |kind, _, cpus| {
        let counts: Vec<u64> = (0..buckets(kind) as usize)
            .map(|i| cpus.iter().fold(0u64, |sum, c| sum.wrapping_add(word(c, i))))
            .collect();
        let kind = value::HistKind::Log2 { bits: bits_of(kind) };
        Some(value::Value::Hist(value::Hist { kind, counts }))
    },
};

fn bits_of(kind: AggKind) -> u8 {
    match kind {
        AggKind::Hist { bits } => bits,
        other => crate::bug!("{other:?} is no hist"),
    }
}

/// Number of buckets: 1 for negatives, 2^b for small values, 2^b for each power of two from 2^b to 2^63.
fn buckets(kind: AggKind) -> u32 {
    let b = u32::from(bits_of(kind));
    1 + (1 << b) + (64 - b) * (1 << b)
}

fn update(cx: &mut dyn LowerCx, ty: &Ty, at: Value) {
    let Ty::Agg { kind, signed } = *ty else { crate::bug!("hist of {ty:?}") };
    let bits = i64::from(bits_of(kind));
    let max = buckets(kind) - 1;
    let n = number(cx);
    let b = cx.b();
    let add = b.new_block();
    let index = b.block_param(add, crate::ir::Kind::Int);
    let one = b.iconst(1);
    if signed {
        let (neg, rest) = (b.new_block(), b.new_block());
        let zero = b.iconst(0);
        b.branch(Cc::Slt, n, zero, neg, rest);
        b.enter(neg);
        b.jump(add, vec![zero]);
        b.enter(rest);
    }
    let (small, large) = (b.new_block(), b.new_block());
    let limit = b.iconst(1 << bits);
    b.branch(Cc::Ult, n, limit, small, large);
    b.enter(small);
    let i = b.add_imm(n, 1);
    b.jump(add, vec![i]);
    b.enter(large);
    // The power p >= bits of the highest set bit, by halving; then 1 + 2^b + (p - b)·2^b + the next b bits.
    let log = log2(b, n);
    let above = b.bin_imm(BinOp::Sub, log, bits);
    let shifted = b.bin(BinOp::Lshr, n, above);
    let sub = b.bin_imm(BinOp::And, shifted, (1 << bits) - 1);
    let group = b.bin_imm(BinOp::Shl, above, bits);
    let sum = b.bin(BinOp::Add, group, sub);
    let i = b.add_imm(sum, 1 + (1 << bits));
    b.jump(add, vec![i]);
    b.enter(add);
    // Verifier: the index must be bounded where it is added to the pointer.
    let index = b.umin(index, max);
    let off = b.bin_imm(BinOp::Shl, index, 3);
    let slot = b.bin(BinOp::Add, at, off);
    b.atomic_add(Size::B8, slot, 0, one);
}

/// Position of the highest set bit of a value that is not 0, by six comparisons.
fn log2(b: &mut crate::ir::Builder, n: Value) -> Value {
    let mut n = n;
    let mut log = b.iconst(0);
    for step in [32i64, 16, 8, 4, 2, 1] {
        let high = b.bin_imm(BinOp::Lshr, n, step);
        let (yes, join) = (b.new_block(), b.new_block());
        let log_out = b.block_param(join, crate::ir::Kind::Int);
        let n_out = b.block_param(join, crate::ir::Kind::Int);
        let zero = b.iconst(0);
        let no = b.new_block();
        b.branch(Cc::Ne, high, zero, yes, no);
        b.enter(yes);
        let more = b.bin_imm(BinOp::Add, log, step);
        b.jump(join, vec![more, high]);
        b.enter(no);
        b.jump(join, vec![log, n]);
        b.enter(join);
        log = log_out;
        n = n_out;
    }
    log
}
