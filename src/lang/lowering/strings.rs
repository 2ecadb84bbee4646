//! Lowering of `builtins/strings.rs`. Search in strings, parts of strings, names of numbers.
//!
//! Always holds: a loop's counter is known in each of its rounds (verifier: a variable offset into the stack is
//! for helpers alone), and what else a loop carries is a number of which the verifier knows nothing, so that it
//! does not walk each way through the loop.

use super::bytes;
use super::globs::{Machine, Place};
use super::search::{Text, position};
use super::text::{byte_at, room};
use super::{memory, number};
use crate::ir::{BinOp, Cc, Kind, Size, Value};
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand, ReadSpace};
use crate::ty::Ty;

/// Runs `f` with 0 to below `n`. Verifier: the number is known in each round.
pub fn each_byte(cx: &mut dyn LowerCx, n: u32, f: impl FnOnce(&mut dyn LowerCx, Value)) {
    let at = cx.b().var(Kind::Int);
    let zero = cx.b().iconst(0);
    cx.b().set(at, zero);
    let (head, body, end) = (cx.b().new_block(), cx.b().new_block(), cx.b().new_block());
    cx.b().jump(head, Vec::new());
    cx.b().switch_to(head);
    let i = cx.b().get(at);
    let limit = cx.b().iconst(n.into());
    cx.b().branch(Cc::Ult, i, limit, body, end);
    cx.b().enter(body);
    f(cx, i);
    let next = cx.b().add_imm(i, 1);
    cx.b().set(at, next);
    cx.b().jump(head, Vec::new());
    cx.b().seal(head);
    cx.b().enter(end);
}

/// The machine for argument `i`, if it is a literal that is short enough.
fn literal_machine(cx: &mut dyn LowerCx, i: usize, place: Place) -> Option<Machine> {
    Machine::of_text(&literal(cx, i)?, place)
}

/// The bytes of argument `i` up to a NUL, if it is a literal.
fn literal(cx: &dyn LowerCx, i: usize) -> Option<Vec<u8>> {
    let mut text = cx.arg_literal(i)?.to_vec();
    let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
    text.truncate(end);
    Some(text)
}

// --- search --------------------------------------------------------------------------------------------------

/// `=~`
pub fn matches(cx: &mut dyn LowerCx) -> Operand {
    let Some(machine) = literal(cx, 1).and_then(|p| Machine::of_glob(&p)) else {
        crate::bug!("a pattern that was not checked")
    };
    let n = room(cx, 0);
    let text = memory(cx, 0);
    Operand::Val(machine.run(cx, text, n))
}

/// Byte by byte until the second one ends. Where the first one ends, the bytes differ.
pub fn startswith(cx: &mut dyn LowerCx) -> Operand {
    let (n, m) = (room(cx, 0), room(cx, 1));
    if let Some(machine) = literal_machine(cx, 1, Place::Start) {
        let text = memory(cx, 0);
        return Operand::Val(machine.run(cx, text, n));
    }
    let (text, part) = (memory(cx, 0), memory(cx, 1));
    let (open, found, done) = (bytes::var(cx, 1), bytes::var(cx, 0), cx.b().new_block());
    let step = &mut |cx: &mut dyn LowerCx, i: Value| {
        let (x, y) = (byte_at(cx, text, i), byte_at(cx, part, i));
        let some = bytes::is_some(cx, y);
        let ends = bytes::not(cx, some);
        let was_open = cx.b().get(open);
        let all = cx.b().bin(BinOp::And, was_open, ends);
        let before = cx.b().get(found);
        let now = cx.b().bin(BinOp::Or, before, all);
        cx.b().set(found, now);
        let goes_on = same_bytes(cx, x, y);
        let goes_on = cx.b().bin(BinOp::And, goes_on, some);
        bytes::keep_if(cx, open, goes_on);
    };
    bytes::each_byte_until(cx, n.min(m), done, step, &mut |cx| cx.b().get(open));
    Operand::Val(cx.b().get(found))
}

/// 1 if two bytes are the same.
fn same_bytes(cx: &mut dyn LowerCx, x: Value, y: Value) -> Value {
    let differ = cx.b().bin(BinOp::Xor, x, y);
    let some = bytes::is_some(cx, differ);
    bytes::not(cx, some)
}

/// Compares from where the first one has as many bytes left as the second one has at all.
pub fn endswith(cx: &mut dyn LowerCx) -> Operand {
    let (n, m) = (room(cx, 0), room(cx, 1));
    if let Some(machine) = literal_machine(cx, 1, Place::End) {
        let text = memory(cx, 0);
        return Operand::Val(machine.run(cx, text, n));
    }
    let (text, part) = (copied(cx, 0), copied(cx, 1));
    let (fits, join) = (cx.b().new_block(), cx.b().new_block());
    let longer = cx.b().new_block();
    let out = cx.b().block_param(join, Kind::Int);
    cx.b().branch(Cc::Ugt, part.len, text.len, longer, fits);
    cx.b().enter(longer);
    let no = cx.b().iconst(0);
    cx.b().jump(join, vec![no]);
    cx.b().enter(fits);
    let start = cx.b().bin(BinOp::Sub, text.len, part.len);
    let start = cx.b().umin(start, n - 1);
    let from = cx.b().bin(BinOp::Add, text.at, start);
    let end = cx.temp(m, "end of a string");
    cx.read_str(ReadSpace::Kernel, end, from, m);
    let (open, same, done) = (bytes::var(cx, 1), bytes::var(cx, 1), cx.b().new_block());
    let step = &mut |cx: &mut dyn LowerCx, i: Value| {
        let (x, y) = (byte_at(cx, (end, 0), i), byte_at(cx, (part.at, 0), i));
        let equal = same_bytes(cx, x, y);
        // What lies behind the NUL does not count.
        let is_open = cx.b().get(open);
        let closed = bytes::not(cx, is_open);
        let counts = cx.b().bin(BinOp::Or, equal, closed);
        bytes::keep_if(cx, same, counts);
        let some = bytes::is_some(cx, x);
        let goes_on = cx.b().bin(BinOp::And, some, equal);
        bytes::keep_if(cx, open, goes_on);
    };
    bytes::each_byte_until(cx, m, done, step, &mut |cx| cx.b().get(open));
    let same = cx.b().get(same);
    cx.b().jump(join, vec![same]);
    cx.b().enter(join);
    Operand::Val(out)
}

/// Where the second string stands in the first, or -1.
pub fn strstr(cx: &mut dyn LowerCx) -> Operand {
    let n = room(cx, 0);
    if let Some(text) = literal(cx, 1)
        && let Some(machine) = Machine::of_text(&text, Place::Anywhere)
    {
        let within = memory(cx, 0);
        if text.is_empty() {
            return Operand::Val(cx.b().iconst(0));
        }
        let end = machine.find_end(cx, within, n);
        return Operand::Val(start_of(cx, end, text.len()));
    }
    let m = room(cx, 1);
    let (text, part) = (memory(cx, 0), memory(cx, 1));
    Operand::Val(position(cx, Text { at: text, room: n }, Text { at: part, room: m }))
}

/// Where a part of `len` bytes starts that ends at `end`; -1 stays what it is.
fn start_of(cx: &mut dyn LowerCx, end: Value, len: usize) -> Value {
    let (found, join) = (cx.b().new_block(), cx.b().new_block());
    let absent = cx.b().new_block();
    let out = cx.b().block_param(join, Kind::Int);
    let zero = cx.b().iconst(0);
    cx.b().branch(Cc::Slt, end, zero, absent, found);
    cx.b().enter(found);
    let start = cx.b().add_imm(end, -(len as i64));
    cx.b().jump(join, vec![start]);
    cx.b().enter(absent);
    cx.b().jump(join, vec![end]);
    cx.b().enter(join);
    out
}

pub fn strcontains(cx: &mut dyn LowerCx) -> Operand {
    let n = room(cx, 0);
    if let Some(machine) = literal_machine(cx, 1, Place::Anywhere) {
        let text = memory(cx, 0);
        return Operand::Val(machine.run(cx, text, n));
    }
    let m = room(cx, 1);
    let (text, part) = (memory(cx, 0), memory(cx, 1));
    let at = position(cx, Text { at: text, room: n }, Text { at: part, room: m });
    let zero = cx.b().iconst(0);
    Operand::Val(cx.b().cmp(Cc::Sge, at, zero))
}

/// Byte by byte: the first difference, or 0.
pub fn memcmp(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(n) = cx.data() else { crate::bug!("memcmp() without its length") };
    let n = n[0] as u32;
    if n == 0 {
        // They are computed all the same.
        for i in 0..2 {
            cx.arg(i);
        }
        return Operand::Val(cx.b().iconst(0));
    }
    let (a, b) = (bytes_of(cx, 0, n), bytes_of(cx, 1, n));
    let (open, by, done) = (bytes::var(cx, 1), bytes::var(cx, 0), cx.b().new_block());
    let step = &mut |cx: &mut dyn LowerCx, i: Value| {
        let (x, y) = (byte_at(cx, a, i), byte_at(cx, b, i));
        let differ = cx.b().bin(BinOp::Sub, x, y);
        let is_open = cx.b().get(open);
        let mask = bytes::mask(cx, is_open);
        let taken = cx.b().bin(BinOp::And, differ, mask);
        let before = cx.b().get(by);
        let now = cx.b().bin(BinOp::Or, before, taken);
        cx.b().set(by, now);
        let equal = same_bytes(cx, x, y);
        bytes::keep_if(cx, open, equal);
    };
    bytes::each_byte_until(cx, n, done, step, &mut |cx| cx.b().get(open));
    Operand::Val(cx.b().get(by))
}

/// `n` bytes of argument `i` in memory: of what a pointer points to, or of the value.
fn bytes_of(cx: &mut dyn LowerCx, i: usize, n: u32) -> (Value, i32) {
    match cx.arg_ty(i) {
        Ty::Ptr { .. } => {
            let (space, src) = (cx.space_of(i), number(cx, i));
            let dst = cx.temp(n, "bytes");
            let len = cx.b().iconst(n.into());
            cx.read(space, dst, src, len, n);
            (dst, 0)
        }
        _ => memory(cx, i),
    }
}

// --- parts ---------------------------------------------------------------------------------------------------

/// A string in memory of its own, with zeros behind it.
struct Copied {
    at: Value,
    /// Without the NUL; less than its room.
    len: Value,
}

fn copied(cx: &mut dyn LowerCx, i: usize) -> Copied {
    let n = room(cx, i);
    let (ptr, off) = memory(cx, i);
    let src = cx.b().add_imm(ptr, off.into());
    let at = cx.temp(n, "copy");
    let len = fill(cx, at, src, n, n);
    Copied { at, len }
}

/// Fills `total` bytes at `dst` with a string of at most `n` bytes and zeros; yields its length without the NUL,
/// less than `n`.
fn fill(cx: &mut dyn LowerCx, dst: Value, src: Value, n: u32, total: u32) -> Value {
    let kind = cx.b().kind(dst);
    // What is told of this pointer's string does not hold for what is made of it.
    let alias = cx.b().retype(dst, kind);
    let limit = cx.b().iconst(n.into());
    let got = cx.read_str_upto(ReadSpace::Kernel, alias, src, limit, total);
    let zero = cx.b().iconst(0);
    let (some, none, join) = (cx.b().new_block(), cx.b().new_block(), cx.b().new_block());
    let len = cx.b().block_param(join, Kind::Int);
    cx.b().branch(Cc::Sgt, got, zero, some, none);
    cx.b().enter(some);
    let less = cx.b().bin_imm(BinOp::Sub, got, 1);
    cx.b().jump(join, vec![less]);
    cx.b().enter(none);
    cx.b().jump(join, vec![zero]);
    cx.b().enter(join);
    cx.b().umin(len, n - 1)
}

/// Both rooms one after the other: wherever the first one ends, the second one fits.
pub fn str_concat(cx: &mut dyn LowerCx) -> Operand {
    let Ty::Str { n: wanted } = cx.ret_ty() else { crate::bug!("str_concat() is {:?}", cx.ret_ty()) };
    let (n, m) = (room(cx, 0), room(cx, 1));
    let (a, b) = (memory(cx, 0), memory(cx, 1));
    let (a, b) = (cx.b().add_imm(a.0, a.1.into()), cx.b().add_imm(b.0, b.1.into()));
    let dst = cx.temp(n + m, "concatenation");
    let len = fill(cx, dst, a, n, n + m);
    let end = cx.b().bin(BinOp::Add, dst, len);
    cx.read_str(ReadSpace::Kernel, end, b, m);
    let zero = cx.b().iconst(0);
    cx.b().store(Size::B1, dst, wanted as i32 - 1, zero);
    Operand::Mem { ptr: dst, off: 0 }
}

/// From a place in the string, or from its end if that comes first.
pub fn substr(cx: &mut dyn LowerCx) -> Operand {
    let Ty::Str { n: wanted } = cx.ret_ty() else { crate::bug!("substr() is {:?}", cx.ret_ty()) };
    let n = room(cx, 0);
    let text = copied(cx, 0);
    let from = number(cx, 1);
    let limit = if cx.n_args() > 2 && cx.arg_int(2).is_none() { Some(number(cx, 2)) } else { None };
    let (inside, beyond, join) = (cx.b().new_block(), cx.b().new_block(), cx.b().new_block());
    let start = cx.b().block_param(join, Kind::Int);
    cx.b().branch(Cc::Ult, from, text.len, inside, beyond);
    cx.b().enter(inside);
    cx.b().jump(join, vec![from]);
    cx.b().enter(beyond);
    cx.b().jump(join, vec![text.len]);
    cx.b().enter(join);
    let start = cx.b().umin(start, n - 1);
    let src = cx.b().bin(BinOp::Add, text.at, start);
    let dst = cx.temp(wanted, "part");
    match limit {
        Some(len) => {
            let len = cx.b().umin(len, wanted - 1);
            let with_nul = cx.b().add_imm(len, 1);
            cx.read_str_upto(ReadSpace::Kernel, dst, src, with_nul, wanted)
        }
        None => cx.read_str(ReadSpace::Kernel, dst, src, wanted),
    };
    Operand::Mem { ptr: dst, off: 0 }
}

/// What follows the last `/`. Its place is kept without a branch; behind the NUL of the copy there is none.
pub fn basename(cx: &mut dyn LowerCx) -> Operand {
    let n = room(cx, 0);
    let text = copied(cx, 0);
    let start = name_start(cx, &text, n);
    let src = cx.b().bin(BinOp::Add, text.at, start);
    let dst = cx.temp(n, "name");
    cx.read_str(ReadSpace::Kernel, dst, src, n);
    Operand::Mem { ptr: dst, off: 0 }
}

/// Up to the last slash, which belongs to it only if it is the first byte, too; a dot where there is none.
pub fn dirname(cx: &mut dyn LowerCx) -> Operand {
    let n = room(cx, 0);
    let text = copied(cx, 0);
    let start = name_start(cx, &text, n);
    let one = cx.b().iconst(1);
    let has_more = cx.b().cmp(Cc::Ugt, start, one);
    // With the NUL: the slash at the end makes room for it.
    let len = cx.b().bin(BinOp::Sub, start, has_more);
    let len = cx.b().add_imm(len, 1);
    let dst = cx.temp(n.max(2), "folder");
    let kind = cx.b().kind(dst);
    let alias = cx.b().retype(dst, kind);
    cx.read_str_upto(ReadSpace::Kernel, alias, text.at, len, n);
    let (none, done) = (cx.b().new_block(), cx.b().new_block());
    let zero = cx.b().iconst(0);
    cx.b().branch(Cc::Eq, start, zero, none, done);
    cx.b().enter(none);
    let dot = cx.b().iconst(b'.'.into());
    cx.b().store(Size::B1, dst, 0, dot);
    cx.b().store(Size::B1, dst, 1, zero);
    cx.b().jump(done, Vec::new());
    cx.b().enter(done);
    Operand::Mem { ptr: dst, off: 0 }
}

/// Where the name starts that follows the last slash of a text; 0 where there is none.
fn name_start(cx: &mut dyn LowerCx, text: &Copied, n: u32) -> Value {
    let start = bytes::var(cx, 0);
    each_byte(cx, n, |cx, i| {
        let byte = byte_at(cx, (text.at, 0), i);
        let slash = cx.b().iconst(b'/'.into());
        let is_slash = same_bytes(cx, byte, slash);
        let is_slash = bytes::mask(cx, is_slash);
        let not = cx.b().bin_imm(BinOp::Xor, is_slash, -1);
        let next = cx.b().add_imm(i, 1);
        let taken = cx.b().bin(BinOp::And, next, is_slash);
        let before = cx.b().get(start);
        let kept = cx.b().bin(BinOp::And, before, not);
        let now = cx.b().bin(BinOp::Or, taken, kept);
        cx.b().set(start, now);
    });
    let start = cx.b().get(start);
    cx.b().umin(start, n - 1)
}

// --- names of numbers ----------------------------------------------------------------------------------------

pub fn signal_name(cx: &mut dyn LowerCx) -> Operand {
    let signals = crate::lang::builtins::SIGNAL_NAMES;
    let n = signals.iter().map(|(_, nr)| *nr as usize + 1).max().unwrap_or(0);
    let mut names = vec![""; n];
    // Of two names of one number the first is the usual one.
    for (name, nr) in signals.iter().rev() {
        names[*nr as usize] = name;
    }
    by_number(cx, &names)
}

pub fn syscall_name(cx: &mut dyn LowerCx) -> Operand {
    let calls = cx.world().arch().syscalls;
    let n = calls.iter().map(|(_, nr)| *nr as usize + 1).max().unwrap_or(0);
    let mut names = vec![""; n];
    for (name, nr) in calls {
        names[*nr as usize] = name;
    }
    by_number(cx, &names)
}

/// A row of a table; those without a name, and numbers beyond it, have an empty text.
fn by_number(cx: &mut dyn LowerCx, names: &[&str]) -> Operand {
    let Ty::Str { n } = cx.ret_ty() else { crate::bug!("a name is {:?}", cx.ret_ty()) };
    let mut table = Vec::new();
    for name in names.iter().chain(&[""]) {
        let mut row = name.as_bytes().to_vec();
        row.resize(n as usize, 0);
        table.extend(row);
    }
    let number = number(cx, 0);
    // Verifier: the offset is bounded where it is added; negative numbers are huge ones.
    let row = cx.b().umin(number, names.len() as u32);
    let Operand::Mem { ptr, off } = cx.literal(&table) else { crate::bug!("a literal in a register") };
    let at = cx.b().bin_imm(BinOp::Mul, row, n.into());
    Operand::Mem { ptr: cx.b().bin(BinOp::Add, ptr, at), off }
}
