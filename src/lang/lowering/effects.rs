//! Lowering of `builtins/effects.rs`. What acts on the machine beyond output.

use super::{memory, number};
use crate::image::EventKind;
use crate::ir::{Cc, Kind, Size, Value};
use crate::isa::Helper;
use crate::isa::limits::STACK_BYTES_MAX;
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand, ReadSpace};
use crate::ty::Ty;

/// The kernel reads strings at the addresses that it is given.
pub fn debugf(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Text(format) = cx.data() else { crate::bug!("debugf() without its format") };
    let mut values = Vec::new();
    for i in 1..cx.n_args() {
        values.push(match cx.arg(i) {
            Operand::Val(v) => v,
            Operand::Mem { ptr, off } => cx.b().add_imm(ptr, off.into()),
            Operand::None => cx.b().iconst(0),
        });
    }
    let Operand::Mem { ptr, off } = cx.literal(format.as_bytes()) else {
        crate::bug!("a literal in a register")
    };
    let text = cx.b().add_imm(ptr, off.into());
    let bytes = cx.b().iconst(format.len() as i64 + 1);
    let mut args = vec![text, bytes];
    args.extend(values);
    cx.b().call(Helper::TRACE_PRINTK, &args);
    Operand::None
}

pub fn override_(cx: &mut dyn LowerCx) -> Operand {
    let value = number(cx, 0);
    let ctx = cx.ctx();
    cx.b().call(Helper::OVERRIDE_RETURN, &[ctx, value]);
    Operand::None
}

/// What a pointer points to is copied first, for the helper takes only memory of the program.
pub fn write_user(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(most) = cx.data() else { crate::bug!("write_user() without its length") };
    let most = most[0] as u32;
    let to = number(cx, 0);
    let from = match cx.arg_ty(1) {
        Ty::Ptr { .. } => Err(number(cx, 1)),
        _ => Ok(memory(cx, 1)),
    };
    let len = number(cx, 2);
    // Verifier: the length is bounded before it is compared.
    let len = cx.b().umin(len, most);
    let (some, join) = (cx.b().new_block(), cx.b().new_block());
    let done = cx.b().block_param(join, Kind::Int);
    let (zero, one) = (cx.b().iconst(0), cx.b().iconst(1));
    let empty = cx.b().new_block();
    cx.b().branch(Cc::Eq, len, zero, empty, some);
    cx.b().enter(empty);
    cx.b().jump(join, vec![one]);
    cx.b().enter(some);
    let source = match from {
        Ok((ptr, off)) => cx.b().add_imm(ptr, off.into()),
        Err(pointer) => copied(cx, pointer, len, most),
    };
    let r = cx.b().call(Helper::PROBE_WRITE_USER, &[to, source, len]);
    let zero = cx.b().iconst(0);
    let worked = cx.b().cmp(Cc::Eq, r, zero);
    cx.b().jump(join, vec![worked]);
    cx.b().enter(join);
    Operand::Val(done)
}

fn copied(cx: &mut dyn LowerCx, pointer: Value, len: Value, most: u32) -> Value {
    let space = cx.space_of(1);
    let copy = cx.temp(most.max(1), "copy");
    cx.b().zero(copy, 0, most.max(1));
    cx.read(space, copy, pointer, len, most);
    copy
}

/// Empty where the kernel cannot tell.
pub fn path(cx: &mut dyn LowerCx) -> Operand {
    let Ty::Str { n } = cx.ret_ty() else { crate::bug!("path() is {:?}", cx.ret_ty()) };
    let whole = cx.temp(n, "path");
    if n <= STACK_BYTES_MAX {
        // Verifier: what a helper gets of the stack has been written.
        cx.b().zero(whole, 0, n);
    }
    let (gone, done) = (cx.b().new_block(), cx.b().new_block());
    let at = cx.arg_address(0, gone);
    let len = cx.b().iconst(n.into());
    let r = cx.b().call(Helper::D_PATH, &[at, whole, len]);
    let zero = cx.b().iconst(0);
    cx.b().branch(Cc::Sgt, r, zero, done, gone);
    cx.b().enter(gone);
    let nul = cx.b().iconst(0);
    cx.b().store(Size::B1, whole, 0, nul);
    cx.b().jump(done, Vec::new());
    cx.b().enter(done);
    // The helper leaves rests of the path behind its NUL.
    let dst = cx.out(n, "path string");
    cx.read_str(ReadSpace::Kernel, dst, whole, n);
    Operand::Mem { ptr: dst, off: 0 }
}

pub fn unwatch(cx: &mut dyn LowerCx) -> Operand {
    let addr = number(cx, 0);
    let addr = cx.b().retype(addr, Kind::Int);
    cx.emit(EventKind::Unwatch, &[(Ty::U64, Operand::Val(addr))]);
    Operand::None
}

pub fn socket_cookie(cx: &mut dyn LowerCx) -> Operand {
    let socket = number(cx, 0);
    Operand::Val(cx.b().call(Helper::GET_SOCKET_COOKIE, &[socket]))
}
