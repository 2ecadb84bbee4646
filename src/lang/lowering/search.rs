//! A text looked for in another, where both are known at run time only.
//!
//! Comes in: two strings in memory. Goes out: where the second one stands in the first, by the machine of
//! [`super::globs`], whose table is made as the program runs: for each byte a bit for each place of the part at
//! which it stands. Always holds: one pass over the part, one over the text; a part of at most [`PART_BYTES_MAX`].

use super::bytes::{self, each_byte_until, keep_if, mask, not};
use super::text::byte_at;
use crate::ir::{BinOp, Size, Value, Var};
use crate::lang::traits::LowerCx;

/// Bytes of a part, with its NUL, at most.
pub const PART_BYTES_MAX: u32 = 256;
const WORD_BITS: u32 = 64;

/// A string and its room.
#[derive(Clone, Copy)]
pub struct Text {
    pub at: (Value, i32),
    pub room: u32,
}

/// What was found out of the part.
struct Part {
    /// For each byte `n_words` words.
    table: Value,
    n_words: u32,
    /// Its length.
    len: Value,
    /// The bit of the state after the last byte, by word.
    accepts: Vec<Value>,
}

/// Where `part` first stands in `text`, or -1.
pub fn position(cx: &mut dyn LowerCx, text: Text, part: Text) -> Value {
    // What is not over by the end of the text's room is not in it.
    let part = table(cx, part.at, part.room.min(text.room).min(PART_BYTES_MAX));
    let states: Vec<Var> = (0..part.n_words).map(|w| bytes::var(cx, i64::from(w == 0))).collect();
    let (open, found, count) = (bytes::var(cx, 1), bytes::var(cx, 0), bytes::var(cx, 0));
    // Nothing is found before the first byte.
    let some = flag_of(cx, part.len);
    let none = not(cx, some);
    cx.b().set(found, none);
    keep_if(cx, open, some);
    let done = cx.b().new_block();
    let step = &mut |cx: &mut dyn LowerCx, i: Value| {
        let byte = byte_at(cx, text.at, i);
        let more = bytes::is_some(cx, byte);
        let is_open = keep_if(cx, open, more);
        let before = cx.b().get(count);
        let after = cx.b().bin(BinOp::Add, before, is_open);
        cx.b().set(count, after);
        let hit = advance(cx, &part, &states, byte);
        let hit = cx.b().bin(BinOp::And, hit, is_open);
        let known = cx.b().get(found);
        let known = cx.b().bin(BinOp::Or, known, hit);
        cx.b().set(found, known);
        let goes_on = not(cx, hit);
        keep_if(cx, open, goes_on);
    };
    each_byte_until(cx, text.room, done, step, &mut |cx| cx.b().get(open));
    let end = cx.b().get(count);
    let start = cx.b().bin(BinOp::Sub, end, part.len);
    let is_found = cx.b().get(found);
    let absent = not(cx, is_found);
    // All ones, which is -1, where it was not found.
    let absent = mask(cx, absent);
    cx.b().bin(BinOp::Or, start, absent)
}

/// One byte further: 1 if the part ends here. The first state stays.
fn advance(cx: &mut dyn LowerCx, part: &Part, states: &[Var], byte: Value) -> Value {
    let row = row(cx, part, byte);
    let mut carry = cx.b().iconst(1);
    let mut hits = cx.b().iconst(0);
    for (w, &state) in states.iter().enumerate() {
        let moves = cx.b().load(Size::B8, row, 8 * w as i32);
        let now = cx.b().get(state);
        let moved = cx.b().bin(BinOp::And, now, moves);
        let shifted = cx.b().bin_imm(BinOp::Shl, moved, 1);
        let next = cx.b().bin(BinOp::Or, shifted, carry);
        cx.b().set(state, next);
        carry = cx.b().bin_imm(BinOp::Lshr, moved, i64::from(WORD_BITS) - 1);
        let hit = cx.b().bin(BinOp::And, next, part.accepts[w]);
        hits = cx.b().bin(BinOp::Or, hits, hit);
    }
    flag_of(cx, hits)
}

/// 1 for what is not 0.
fn flag_of(cx: &mut dyn LowerCx, v: Value) -> Value {
    let minus = mask(cx, v);
    let either = cx.b().bin(BinOp::Or, v, minus);
    cx.b().bin_imm(BinOp::Lshr, either, i64::from(WORD_BITS) - 1)
}

/// The words of a byte.
fn row(cx: &mut dyn LowerCx, part: &Part, byte: Value) -> Value {
    let at = cx.b().bin_imm(BinOp::Mul, byte, i64::from(part.n_words) * 8);
    cx.b().bin(BinOp::Add, part.table, at)
}

/// Goes over the first `n` bytes of the part once; nothing accepts if it does not end there.
fn table(cx: &mut dyn LowerCx, part: (Value, i32), n: u32) -> Part {
    let n_words = n.div_ceil(WORD_BITS);
    let bytes_of_table = 256 * 8 * n_words;
    let table = cx.temp(bytes_of_table, "places of bytes");
    cx.b().zero(table, 0, bytes_of_table);
    let mut made = Part { table, n_words, len: table, accepts: Vec::new() };
    let (open, len, done) = (bytes::var(cx, 1), bytes::var(cx, 0), cx.b().new_block());
    let step = &mut |cx: &mut dyn LowerCx, i: Value| {
        let byte = byte_at(cx, part, i);
        let more = bytes::is_some(cx, byte);
        let is_open = keep_if(cx, open, more);
        let before = cx.b().get(len);
        let after = cx.b().bin(BinOp::Add, before, is_open);
        cx.b().set(len, after);
        let row = row(cx, &made, byte);
        let word = cx.b().bin_imm(BinOp::Lshr, i, 6);
        let word = cx.b().bin_imm(BinOp::Shl, word, 3);
        let at = cx.b().bin(BinOp::Add, row, word);
        let bit = cx.b().bin_imm(BinOp::And, i, i64::from(WORD_BITS) - 1);
        let bit = cx.b().bin(BinOp::Shl, is_open, bit);
        let old = cx.b().load(Size::B8, at, 0);
        let new = cx.b().bin(BinOp::Or, old, bit);
        cx.b().store(Size::B8, at, 0, new);
    };
    each_byte_until(cx, n, done, step, &mut |cx| cx.b().get(open));
    made.len = cx.b().get(len);
    let bit = cx.b().bin_imm(BinOp::And, made.len, i64::from(WORD_BITS) - 1);
    let last = cx.b().bin_imm(BinOp::Lshr, made.len, 6);
    let goes_on = cx.b().get(open);
    let ends = not(cx, goes_on);
    for w in 0..n_words {
        let other = cx.b().bin_imm(BinOp::Xor, last, w.into());
        let is_other = flag_of(cx, other);
        let is_it = not(cx, is_other);
        let is_it = cx.b().bin(BinOp::And, is_it, ends);
        let accept = cx.b().bin(BinOp::Shl, is_it, bit);
        made.accepts.push(accept);
    }
    made
}
