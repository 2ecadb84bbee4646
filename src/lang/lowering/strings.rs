//! Lowering of `builtins/strings.rs`. Search in strings, parts of strings, names of numbers.
//!
//! Always holds: a loop's counter is known in each of its rounds (verifier: a variable offset into the stack is
//! for helpers alone), and what else a loop carries is a number of which the verifier knows nothing, so that it
//! does not walk each way through the loop.

use super::globs::{Machine, Place};
use super::text::{byte_at, one_of, room};
use super::{folded, memory, number};
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
    let (yes, no) = (cx.b().new_block(), cx.b().new_block());
    each_byte(cx, n.min(m), |cx, i| {
        let y = byte_at(cx, part, i);
        let (zero, more, on) = (cx.b().iconst(0), cx.b().new_block(), cx.b().new_block());
        cx.b().branch(Cc::Eq, y, zero, yes, more);
        cx.b().enter(more);
        let x = byte_at(cx, text, i);
        cx.b().branch(Cc::Ne, x, y, no, on);
        cx.b().enter(on);
    });
    cx.b().jump(no, Vec::new());
    Operand::Val(one_of(cx, yes, no))
}

/// Compares from where the first one has as many bytes left as the second one has at all.
pub fn endswith(cx: &mut dyn LowerCx) -> Operand {
    let (n, m) = (room(cx, 0), room(cx, 1));
    if let Some(machine) = literal_machine(cx, 1, Place::End) {
        let text = memory(cx, 0);
        return Operand::Val(machine.run(cx, text, n));
    }
    let (text, part) = (copied(cx, 0), copied(cx, 1));
    let (yes, no, fits) = (cx.b().new_block(), cx.b().new_block(), cx.b().new_block());
    cx.b().branch(Cc::Ugt, part.len, text.len, no, fits);
    cx.b().enter(fits);
    let start = cx.b().bin(BinOp::Sub, text.len, part.len);
    let start = cx.b().umin(start, n - 1);
    let from = cx.b().bin(BinOp::Add, text.at, start);
    let end = cx.temp(m, "end of a string");
    cx.read_str(ReadSpace::Kernel, end, from, m);
    each_byte(cx, m, |cx, i| {
        let (x, y) = (byte_at(cx, (end, 0), i), byte_at(cx, (part.at, 0), i));
        let (on, more) = (cx.b().new_block(), cx.b().new_block());
        cx.b().branch(Cc::Ne, x, y, no, on);
        cx.b().enter(on);
        let zero = cx.b().iconst(0);
        cx.b().branch(Cc::Eq, x, zero, yes, more);
        cx.b().enter(more);
    });
    cx.b().jump(yes, Vec::new());
    Operand::Val(one_of(cx, yes, no))
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
    Operand::Val(position(cx, (text, n), (part, m)))
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
    let at = position(cx, (text, n), (part, m));
    let zero = cx.b().iconst(0);
    Operand::Val(cx.b().cmp(Cc::Sge, at, zero))
}

/// Where `part` stands in `text`, or -1. The part's length is at most its room, so a start at which it does not
/// fit needs no trial.
fn position(cx: &mut dyn LowerCx, (text, n): ((Value, i32), u32), (part, m): ((Value, i32), u32)) -> Value {
    let (absent, join) = (cx.b().new_block(), cx.b().new_block());
    let out = cx.b().block_param(join, Kind::Int);
    each_byte(cx, n, |cx, start| {
        let (next_start, found) = (cx.b().new_block(), cx.b().new_block());
        each_byte(cx, m, |cx, i| {
            let y = byte_at(cx, part, i);
            let (zero, more) = (cx.b().iconst(0), cx.b().new_block());
            cx.b().branch(Cc::Eq, y, zero, found, more);
            cx.b().enter(more);
            let at = cx.b().bin(BinOp::Add, start, i);
            let (limit, inside) = (cx.b().iconst(n.into()), cx.b().new_block());
            cx.b().branch(Cc::Ult, at, limit, inside, absent);
            cx.b().enter(inside);
            let x = byte_at(cx, text, at);
            let on = cx.b().new_block();
            cx.b().branch(Cc::Ne, x, y, next_start, on);
            cx.b().enter(on);
        });
        cx.b().jump(found, Vec::new());
        cx.b().enter(found);
        cx.b().jump(join, vec![start]);
        cx.b().enter(next_start);
        let x = byte_at(cx, text, start);
        let (zero, on) = (cx.b().iconst(0), cx.b().new_block());
        cx.b().branch(Cc::Eq, x, zero, absent, on);
        cx.b().enter(on);
    });
    cx.b().jump(absent, Vec::new());
    cx.b().enter(absent);
    let none = cx.b().iconst(-1);
    cx.b().jump(join, vec![none]);
    cx.b().enter(join);
    out
}

/// Byte by byte: the first difference, or 0.
pub fn memcmp(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(n) = cx.data() else { crate::bug!("memcmp() without its length") };
    let n = n[0] as u32;
    let (a, b) = (bytes_of(cx, 0, n), bytes_of(cx, 1, n));
    let join = cx.b().new_block();
    let out = cx.b().block_param(join, Kind::Int);
    each_byte(cx, n, |cx, i| {
        let (x, y) = (byte_at(cx, a, i), byte_at(cx, b, i));
        let (differ, on) = (cx.b().new_block(), cx.b().new_block());
        cx.b().branch(Cc::Ne, x, y, differ, on);
        cx.b().enter(differ);
        let by = cx.b().bin(BinOp::Sub, x, y);
        cx.b().jump(join, vec![by]);
        cx.b().enter(on);
    });
    let zero = cx.b().iconst(0);
    cx.b().jump(join, vec![zero]);
    cx.b().enter(join);
    Operand::Val(out)
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
    let start = cx.b().var(Kind::Int);
    let zero = cx.b().iconst(0);
    cx.b().set(start, zero);
    each_byte(cx, n, |cx, i| {
        let byte = byte_at(cx, (text.at, 0), i);
        let differs = cx.b().bin_imm(BinOp::Xor, byte, i64::from(b'/'));
        // All ones where it is a slash: only 0 - 1 has its highest bit set.
        let less = cx.b().bin_imm(BinOp::Sub, differs, 1);
        let is_slash = cx.b().bin_imm(BinOp::Ashr, less, 63);
        let not = cx.b().bin_imm(BinOp::Xor, is_slash, -1);
        let next = cx.b().add_imm(i, 1);
        let taken = cx.b().bin(BinOp::And, next, is_slash);
        let before = cx.b().get(start);
        let kept = cx.b().bin(BinOp::And, before, not);
        let now = cx.b().bin(BinOp::Or, taken, kept);
        cx.b().set(start, now);
    });
    let start = cx.b().get(start);
    let start = cx.b().umin(start, n - 1);
    let src = cx.b().bin(BinOp::Add, text.at, start);
    let dst = cx.temp(n, "name");
    cx.read_str(ReadSpace::Kernel, dst, src, n);
    Operand::Mem { ptr: dst, off: 0 }
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

pub fn strcap(_: &mut dyn LowerCx) -> Operand {
    folded("strcap")
}

pub fn default_str_length(_: &mut dyn LowerCx) -> Operand {
    folded("default_str_length")
}
