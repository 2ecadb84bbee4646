//! Lowering of `builtins/probe.rs`. What the probe offers.

use super::folded;
use super::machine::user_symbol;
use crate::image::{Attach, When};
use crate::ir::{BinOp, Cc, Kind, Size, UnOp, Value};
use crate::isa::Helper;
use crate::isa::usdt::{Place, UsdtArg};
use crate::lang::probes::{Ctx, Point, Provider, UserRegs};
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand, ReadSpace};
use crate::ty::Ty;

pub fn argn(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(n) = cx.data() else { crate::bug!("argN without its number") };
    let n = n[0] as u32;
    match cx.probe().ctx {
        Ctx::Regs { .. } | Ctx::Perf => {
            let Some(name) = cx.world().arch().args.get(n as usize) else {
                crate::bug!("arg{n} is in no register")
            };
            Operand::Val(register(cx, name))
        }
        Ctx::Usdt(args) => {
            let Some(Some(arg)) = args.get(n as usize).cloned() else { crate::bug!("arg{n} is not there") };
            usdt_arg(cx, &arg)
        }
        Ctx::None
        | Ctx::Record(_)
        | Ctx::BtfArgs { .. }
        | Ctx::RawArgs
        | Ctx::SysEnter(_)
        | Ctx::SysExit(_)
        | Ctx::Iter(_) => cx.context_arg(n, &Ty::U64),
    }
}

/// An argument of a statically defined probe, as wide as its type.
fn usdt_arg(cx: &mut dyn LowerCx, arg: &UsdtArg) -> Operand {
    let (size, widen) = match (arg.bytes, arg.signed) {
        (1, true) => (Size::B1, Some(UnOp::Sext8)),
        (1, false) => (Size::B1, Some(UnOp::Zext8)),
        (2, true) => (Size::B2, Some(UnOp::Sext16)),
        (2, false) => (Size::B2, Some(UnOp::Zext16)),
        (4, true) => (Size::B4, Some(UnOp::Sext32)),
        (4, false) => (Size::B4, Some(UnOp::Zext32)),
        _ => (Size::B8, None),
    };
    let v = match &arg.place {
        Place::Const(n) => cx.b().iconst(*n),
        Place::Reg { name, shift } => {
            let v = register(cx, name);
            cx.b().bin_imm(BinOp::Lshr, v, i64::from(*shift))
        }
        Place::Mem { base, index, off } => {
            let mut at = cx.b().iconst(*off);
            for (name, scale) in base.iter().map(|b| (*b, 1)).chain(*index) {
                let v = register(cx, name);
                let v = cx.b().bin_imm(BinOp::Mul, v, i64::from(scale));
                at = cx.b().bin(BinOp::Add, at, v);
            }
            let (word, len) = (cx.temp(8, "argument"), cx.b().iconst(i64::from(arg.bytes)));
            cx.read(ReadSpace::User, word, at, len, arg.bytes.into());
            cx.b().load(size, word, 0)
        }
        Place::Symbol { .. } | Place::Unknown(_) => crate::bug!("{:?} has been refused", arg.place),
    };
    Operand::Val(match widen {
        Some(op) => cx.b().un(op, v),
        None => v,
    })
}

/// A register of the context by its name.
fn register(cx: &mut dyn LowerCx, name: &'static str) -> Value {
    let Some(off) = cx.world().arch().reg(name) else { crate::bug!("no register {name}") };
    let ctx = cx.ctx();
    cx.b().load(Size::B8, ctx, off as i32)
}

pub fn retval(cx: &mut dyn LowerCx) -> Operand {
    match cx.probe().ctx.clone() {
        Ctx::BtfArgs { ret: Some((_, n)), .. } => {
            let ty = cx.ret_ty();
            cx.context_arg(n, &ty)
        }
        _ => {
            let name = cx.world().arch().ret;
            Operand::Val(register(cx, name))
        }
    }
}

/// Process and thread by the kernel's own numbers.
pub fn thread(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(cx.b().call(Helper::GET_CURRENT_PID_TGID, &[]))
}

/// The stack pointer as the caller left it: what a return has taken off again is added. A trampoline has one
/// context for both ends of a call, so that the lower half of its address will do: the thread is the other part of the
/// key, and its stack is smaller. A thread is in one system call at a time.
pub fn frame(cx: &mut dyn LowerCx) -> Operand {
    let arch = cx.world().arch();
    if matches!(cx.probe().provider, Provider::Fentry | Provider::Fexit) {
        let ctx = cx.ctx();
        // Verifier: a pointer in a key is refused (5.10), half of one is a number.
        let number = cx.b().retype(ctx, Kind::Int);
        return Operand::Val(cx.b().un(UnOp::Zext32, number));
    }
    match cx.probe().ctx.clone() {
        Ctx::Regs { when, user, .. } => {
            let sp = register(cx, arch.sp);
            if when == When::Entry {
                return Operand::Val(sp);
            }
            let wide = cx.b().add_imm(sp, -i64::from(arch.return_pops_bytes));
            let Some(narrow) = arch.narrow.as_ref().filter(|_| user == UserRegs::User) else {
                return Operand::Val(wide);
            };
            let (mode, value) = (register(cx, narrow.reg), cx.b().iconst(narrow.value));
            let is_narrow = cx.b().cmp(Cc::Eq, mode, value);
            let less = i64::from(arch.return_pops_bytes - narrow.return_pops_bytes);
            let less = cx.b().bin_imm(BinOp::Mul, is_narrow, less);
            Operand::Val(cx.b().bin(BinOp::Add, wide, less))
        }
        Ctx::None
        | Ctx::Record(_)
        | Ctx::BtfArgs { .. }
        | Ctx::RawArgs
        | Ctx::SysEnter(_)
        | Ctx::SysExit(_)
        | Ctx::Usdt(_)
        | Ctx::Iter(_)
        | Ctx::Perf => Operand::Val(cx.b().iconst(0)),
    }
}

pub fn ctx(cx: &mut dyn LowerCx) -> Operand {
    let p = cx.ctx();
    if matches!(cx.probe().ctx, Ctx::Iter(_)) {
        // The verifier knows what its members point to.
        return Operand::Val(if cx.reads_directly() { cx.b().retype(p, Kind::Btf) } else { p });
    }
    Operand::Val(cx.b().retype(p, Kind::Kernel))
}

/// The kernel's own word on it where it has one; else the instruction pointer at an entry, and after that the
/// only function that it can be.
pub fn func(cx: &mut dyn LowerCx) -> Operand {
    let probe = cx.probe();
    let (is_user, is_entry) = match probe.ctx {
        Ctx::Regs { when, user, .. } => (*user == UserRegs::User, *when == When::Entry),
        Ctx::None
        | Ctx::Record(_)
        | Ctx::BtfArgs { .. }
        | Ctx::RawArgs
        | Ctx::SysEnter(_)
        | Ctx::SysExit(_)
        | Ctx::Usdt(_)
        | Ctx::Iter(_)
        | Ctx::Perf => (false, false),
    };
    if is_entry && is_user {
        let addr = instruction_pointer(cx);
        return user_symbol(cx, addr);
    }
    let addr = if cx.world().features().helper(Helper::GET_FUNC_IP) {
        let ctx = cx.ctx();
        cx.b().call(Helper::GET_FUNC_IP, &[ctx])
    } else if is_entry {
        instruction_pointer(cx)
    } else {
        let addr = kernel_function(cx.probe().points).and_then(|f| cx.world().kernel_symbol(f).ok());
        cx.b().iconst(addr.unwrap_or(0) as i64)
    };
    if is_user { user_symbol(cx, addr) } else { Operand::Val(addr) }
}

fn instruction_pointer(cx: &mut dyn LowerCx) -> Value {
    let name = cx.world().arch().ip;
    register(cx, name)
}

/// The kernel function of a probe that has one point only.
pub fn kernel_function(points: &[Point]) -> Option<&str> {
    match points {
        [Point { attach: Attach::Kprobe { func, .. } | Attach::Fentry { func, .. }, .. }] => Some(func),
        _ => None,
    }
}

pub fn probe(_: &mut dyn LowerCx) -> Operand {
    folded("probe")
}

pub fn probetype(_: &mut dyn LowerCx) -> Operand {
    folded("probetype")
}

pub fn kstack(cx: &mut dyn LowerCx) -> Operand {
    stack(cx)
}

pub fn ustack(cx: &mut dyn LowerCx) -> Operand {
    stack(cx)
}

pub fn dw_ustack(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Stack(ty) = cx.data() else { crate::bug!("a stack without its type") };
    cx.unwound_stack(ty)
}

fn stack(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Stack(ty) = cx.data() else { crate::bug!("a stack without its type") };
    cx.stack(ty)
}
