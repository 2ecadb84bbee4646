//! Lowering of `builtins/output.rs`. Output and control.

use super::number;
use crate::image::EventKind;
use crate::image::wire::{Format, globals};
use crate::ir::{BinOp, Cc, Kind, Size, Value, Var};
use crate::isa::Helper;
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand, ReadSpace};
use crate::ty::{Space, Ty};

/// Strings that `join()` prints at most, and the bytes of each with its NUL.
const JOIN_STRINGS_MAX: u32 = 16;
const JOIN_BYTES_MAX: u32 = 1024;

pub fn printf(cx: &mut dyn LowerCx) -> Operand {
    formatted(cx, EventKind::Printf)
}

pub fn errorf(cx: &mut dyn LowerCx) -> Operand {
    formatted(cx, EventKind::Errorf)
}

pub fn warnf(cx: &mut dyn LowerCx) -> Operand {
    formatted(cx, EventKind::Warnf)
}

pub fn system(cx: &mut dyn LowerCx) -> Operand {
    formatted(cx, EventKind::System)
}

pub fn cat(cx: &mut dyn LowerCx) -> Operand {
    formatted(cx, EventKind::Cat)
}

fn formatted(cx: &mut dyn LowerCx, kind: fn(Format) -> EventKind) -> Operand {
    let CallData::Format(format) = cx.data() else { crate::bug!("a call without its format") };
    cx.emit_args(kind(format), 1);
    Operand::None
}

pub fn time(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Text(format) = cx.data() else { crate::bug!("time() without its format") };
    cx.emit(EventKind::Time { format }, &[]);
    Operand::None
}

/// Reads the strings one after the other into one buffer, up to a null pointer.
pub fn join(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Text(separator) = cx.data() else { crate::bug!("join() without its separator") };
    let outer = cx.space_of(0);
    let inner = match cx.arg_ty(0) {
        Ty::Ptr { to, .. } => match *to {
            Ty::Ptr { space: Space::User, .. } => ReadSpace::User,
            Ty::Ptr { space: Space::Kernel, .. } => ReadSpace::Kernel,
            _ => outer,
        },
        _ => outer,
    };
    let list = number(cx, 0);
    let n = JOIN_STRINGS_MAX * JOIN_BYTES_MAX;
    cx.emit_buf(EventKind::Join { separator }, n, &mut |cx, buf| strings(cx, list, buf, (outer, inner)));
    Operand::None
}

/// Fills a buffer with the strings of a list.
fn strings(cx: &mut dyn LowerCx, list: Value, buf: Value, (outer, inner): (ReadSpace, ReadSpace)) {
    let word = cx.temp(8, "pointer");
    let done = cx.b().new_block();
    let used = cx.b().var(Kind::Int);
    let zero = cx.b().iconst(0);
    cx.b().set(used, zero);
    for i in 0..JOIN_STRINGS_MAX {
        let at = cx.b().add_imm(list, i64::from(i) * 8);
        let eight = cx.b().iconst(8);
        cx.read(outer, word, at, eight, 8);
        let p = cx.b().load(Size::B8, word, 0);
        let (zero, on) = (cx.b().iconst(0), cx.b().new_block());
        cx.b().branch(Cc::Eq, p, zero, done, on);
        cx.b().enter(on);
        append(cx, (buf, used), inner, p);
    }
    cx.b().jump(done, Vec::new());
    cx.b().enter(done);
    let len = cx.b().get(used);
    cx.b().store(Size::B4, buf, 0, len);
}

/// Adds a string to a buffer of which `used` bytes are taken.
fn append(cx: &mut dyn LowerCx, (buf, used): (Value, Var), space: ReadSpace, p: Value) {
    let at = cx.b().get(used);
    // Verifier: the offset is bounded where it is added.
    let at = cx.b().umin(at, (JOIN_STRINGS_MAX - 1) * JOIN_BYTES_MAX);
    let start = cx.b().add_imm(buf, 4);
    let dst = cx.b().bin(BinOp::Add, start, at);
    let len = cx.read_str(space, dst, p, JOIN_BYTES_MAX);
    let (ok, on) = (cx.b().new_block(), cx.b().new_block());
    let zero = cx.b().iconst(0);
    cx.b().branch(Cc::Sgt, len, zero, ok, on);
    cx.b().enter(ok);
    let sum = cx.b().bin(BinOp::Add, at, len);
    cx.b().set(used, sum);
    cx.b().jump(on, Vec::new());
    cx.b().enter(on);
}

/// The code is kept where programs and awl see it at once; the record gives the exit its place in the output.
pub fn exit(cx: &mut dyn LowerCx) -> Operand {
    let code = if cx.n_args() > 0 { number(cx, 0) } else { cx.b().iconst(0) };
    cx.emit(EventKind::Exit, &[(Ty::U32, Operand::Val(code))]);
    let at = cx.global(globals::EXIT_CODE);
    cx.b().store(Size::B4, at, 0, code);
    let at = cx.global(globals::EXITING);
    let one = cx.b().iconst(1);
    cx.b().store(Size::B4, at, 0, one);
    cx.return_now();
    Operand::None
}

pub fn signal(cx: &mut dyn LowerCx) -> Operand {
    send(cx, Helper::SEND_SIGNAL)
}

pub fn signal_thread(cx: &mut dyn LowerCx) -> Operand {
    send(cx, Helper::SEND_SIGNAL_THREAD)
}

fn send(cx: &mut dyn LowerCx, helper: Helper) -> Operand {
    let n = match cx.data() {
        CallData::Ints(n) => cx.b().iconst(n[0]),
        _ => number(cx, 0),
    };
    cx.b().call(helper, &[n]);
    Operand::None
}
