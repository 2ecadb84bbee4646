//! Loops over the bytes of strings without a branch for each: the verifier keeps one state for every branch that it
//! has not followed yet, 8192 at most in a program, so that a branch a byte would allow for few long strings.
//!
//! Always holds: flags are 0 or 1; what a step does once its loop is over for the string has no effect, since all of
//! it is masked by a flag.

use crate::image::wire::globals;
use crate::ir::{BinOp, Block, Cc, Kind, Size, UnOp, Value, Var};
use crate::lang::traits::LowerCx;

/// Bytes between two looks at whether to stop.
const STRIDE: u32 = 8;

/// A variable of a loop with a first value. Verifier: it knows nothing of the value, neither before nor in any round,
/// so that what follows the loop is the same to it from wherever the loop was left, and is walked once.
pub fn var(cx: &mut dyn LowerCx, first: i64) -> Var {
    let var = cx.b().var(Kind::Int);
    let at = cx.global(globals::ZERO);
    let zero = cx.b().load(Size::B8, at, 0);
    let first = cx.b().bin_imm(BinOp::Xor, zero, first);
    cx.b().set(var, first);
    var
}

/// A counter of a loop.
fn counter(cx: &mut dyn LowerCx) -> Var {
    let var = cx.b().var(Kind::Int);
    let zero = cx.b().iconst(0);
    cx.b().set(var, zero);
    var
}

/// 1 if `v`, which is a byte, is not 0.
pub fn is_some(cx: &mut dyn LowerCx, v: Value) -> Value {
    let up = cx.b().add_imm(v, 255);
    cx.b().bin_imm(BinOp::Lshr, up, 8)
}

/// The other flag.
pub fn not(cx: &mut dyn LowerCx, flag: Value) -> Value {
    cx.b().bin_imm(BinOp::Xor, flag, 1)
}

/// All bits set for 1, none for 0.
pub fn mask(cx: &mut dyn LowerCx, flag: Value) -> Value {
    cx.b().un(UnOp::Neg, flag)
}

/// `flag &= v`; yields it.
pub fn keep_if(cx: &mut dyn LowerCx, flag: Var, v: Value) -> Value {
    let before = cx.b().get(flag);
    let after = cx.b().bin(BinOp::And, before, v);
    cx.b().set(flag, after);
    after
}

/// Runs `step` with 0 to below `n`, and leaves for `done` at a multiple of 8 where what `go_on` yields is 0. Verifier:
/// the number is known in each round. What comes next is walked once: without the checkpoint, the state at the end of
/// the loop may be forgotten, and each round's way out would walk all that follows, loops and all.
pub fn each_byte_until(
    cx: &mut dyn LowerCx,
    n: u32,
    done: Block,
    step: &mut dyn FnMut(&mut dyn LowerCx, Value),
    go_on: &mut dyn FnMut(&mut dyn LowerCx) -> Value,
) {
    let whole = n - n % STRIDE;
    if whole > 0 {
        let at = counter(cx);
        let (head, body, end) = (cx.b().new_block(), cx.b().new_block(), cx.b().new_block());
        cx.b().jump(head, Vec::new());
        cx.b().switch_to(head);
        let first = cx.b().get(at);
        let limit = cx.b().iconst(whole.into());
        cx.b().branch(Cc::Ult, first, limit, body, end);
        cx.b().enter(body);
        for k in 0..STRIDE {
            let i = cx.b().add_imm(first, k.into());
            step(cx, i);
        }
        let more = go_on(cx);
        let (zero, on) = (cx.b().iconst(0), cx.b().new_block());
        cx.b().branch(Cc::Eq, more, zero, done, on);
        cx.b().enter(on);
        let next = cx.b().add_imm(first, STRIDE.into());
        cx.b().set(at, next);
        cx.b().jump(head, Vec::new());
        cx.b().seal(head);
        cx.b().enter(end);
    }
    for i in whole..n {
        let i = cx.b().iconst(i.into());
        step(cx, i);
    }
    cx.b().jump(done, Vec::new());
    cx.b().enter(done);
    cx.b().checkpoint();
}
