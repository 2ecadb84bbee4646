//! Lowering of `builtins/meta.rs`. What remains of them at run time.

use super::{folded, number};
use crate::image::wire::{EventKind, globals};
use crate::ir::{BinOp, Cc, Size};
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand};
use crate::ty::Ty;

/// The kernel's errors are -4095 to -1 (include/linux/err.h).
const MAX_ERRNO: i64 = 4095;

pub fn folded_question(_: &mut dyn LowerCx) -> Operand {
    folded("what is asked of types")
}

/// For what only checking does something with.
pub fn nothing(_: &mut dyn LowerCx) -> Operand {
    Operand::None
}

pub fn has_field(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(cx.field_exists(0))
}

pub fn is_err(cx: &mut dyn LowerCx) -> Operand {
    let v = number(cx, 0);
    let least = cx.b().iconst(-MAX_ERRNO);
    Operand::Val(cx.b().cmp(Cc::Uge, v, least))
}

pub fn container_of(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(off) = cx.data() else { crate::bug!("container_of() without its offset") };
    let v = number(cx, 0);
    let at = cx.b().bin_imm(BinOp::Sub, v, off[0]);
    let kind = match cx.space_of_ret() {
        crate::lang::traits::ReadSpace::Kernel => crate::ir::Kind::Kernel,
        crate::lang::traits::ReadSpace::User => crate::ir::Kind::User,
    };
    Operand::Val(cx.b().retype(at, kind))
}

/// The error, then what `exit(1)` does.
pub fn assert(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Format(format) = cx.data() else { crate::bug!("assert() without its message") };
    let holds = number(cx, 0);
    let (fails, on) = (cx.b().new_block(), cx.b().new_block());
    cx.b().branch_true(holds, on, fails);
    cx.b().enter(fails);
    cx.emit(EventKind::Errorf(format), &[]);
    let code = cx.b().iconst(1);
    cx.emit(EventKind::Exit, &[(Ty::U32, Operand::Val(code))]);
    for (what, value) in [(globals::EXIT_CODE, code), (globals::EXITING, code)] {
        let at = cx.global(what);
        cx.b().store(Size::B4, at, 0, value);
    }
    cx.return_now();
    cx.b().jump(on, Vec::new());
    cx.b().enter(on);
    Operand::None
}
