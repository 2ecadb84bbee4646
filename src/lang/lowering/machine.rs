//! Lowering of `builtins/machine.rs`. Clocks, CPUs, randomness, registers, symbols of the machine.

use super::{folded, number};
use crate::image::wire::globals;
use crate::ir::{BinOp, Cc, Kind, Size, Value};
use crate::isa::Helper;
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand, ReadSpace};
use crate::world;

pub fn of_file(_: &mut dyn LowerCx) -> Operand {
    folded("what is asked of the probed file")
}

pub fn cpu(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(cx.b().call(Helper::GET_SMP_PROCESSOR_ID, &[]))
}

pub fn ncpus(_: &mut dyn LowerCx) -> Operand {
    folded("ncpus")
}

pub fn numaid(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(cx.b().call(Helper::GET_NUMA_NODE_ID, &[]))
}

/// The boot clock, unless another is named. `sw_tai` is the boot clock and the difference that awl measured at
/// its start.
pub fn nsecs(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Text(clock) = cx.data() else { return Operand::Val(boot_ns(cx)) };
    Operand::Val(match clock.as_str() {
        "monotonic" => cx.b().call(Helper::KTIME_GET_NS, &[]),
        "tai" => cx.b().call(Helper::KTIME_GET_TAI_NS, &[]),
        "sw_tai" => {
            let now = boot_ns(cx);
            let at = cx.global(globals::TAI_OFFSET);
            let offset = cx.b().load(Size::B8, at, 0);
            cx.b().bin(BinOp::Add, now, offset)
        }
        _ => boot_ns(cx),
    })
}

pub fn elapsed(cx: &mut dyn LowerCx) -> Operand {
    let now = boot_ns(cx);
    let at = cx.global(globals::START_NS);
    let start = cx.b().load(Size::B8, at, 0);
    Operand::Val(cx.b().bin(BinOp::Sub, now, start))
}

fn boot_ns(cx: &mut dyn LowerCx) -> Value {
    cx.b().call(Helper::KTIME_GET_BOOT_NS, &[])
}

pub fn jiffies(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(cx.b().call(Helper::JIFFIES64, &[]))
}

pub fn rand(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(cx.b().call(Helper::GET_PRANDOM_U32, &[]))
}

pub fn reg(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(offset) = cx.data() else { crate::bug!("reg() without an offset") };
    let ctx = cx.ctx();
    Operand::Val(cx.b().load(Size::B8, ctx, offset[0] as i32))
}

/// A program that was moved is as far from its own addresses as its first code is, which the kernel tells.
pub fn uaddr(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(at) = cx.data() else { crate::bug!("uaddr() without its address") };
    let addr = match at.as_slice() {
        [addr, code_at] => {
            let task = cx.task();
            let start = match cx.kernel_field(task, "task_struct", "mm.start_code") {
                Some(Operand::Val(v)) => v,
                _ => cx.b().iconst(0),
            };
            cx.b().add_imm(start, addr.wrapping_sub(*code_at))
        }
        _ => cx.b().iconst(at[0]),
    };
    Operand::Val(cx.b().retype(addr, Kind::User))
}

pub fn kaddr(_: &mut dyn LowerCx) -> Operand {
    folded("kaddr")
}

/// A CPU's base is in the kernel's table; what lies there is the sum of it and of the symbol's address.
pub fn percpu_kaddr(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(at) = cx.data() else { crate::bug!("percpu_kaddr() without its addresses") };
    let cpu = match cx.n_args() {
        1 => cx.b().call(Helper::GET_SMP_PROCESSOR_ID, &[]),
        _ => number(cx, 1),
    };
    let n_cpus = cx.world().n_cpus();
    let (some, join) = (cx.b().new_block(), cx.b().new_block());
    let found = cx.b().block_param(join, Kind::Int);
    let (limit, null) = (cx.b().iconst(n_cpus.into()), cx.b().iconst(0));
    let none = cx.b().new_block();
    cx.b().branch(Cc::Ult, cpu, limit, some, none);
    cx.b().enter(none);
    cx.b().jump(join, vec![null]);
    cx.b().enter(some);
    let offset = cx.b().bin_imm(BinOp::Shl, cpu, 3);
    let table = cx.b().iconst(at[1]);
    let entry = cx.b().bin(BinOp::Add, table, offset);
    let base = cx.temp(8, "base of a CPU");
    let len = cx.b().iconst(8);
    cx.read(ReadSpace::Kernel, base, entry, len, 8);
    let base = cx.b().load(Size::B8, base, 0);
    let symbol = cx.b().iconst(at[0]);
    let sum = cx.b().bin(BinOp::Add, base, symbol);
    cx.b().jump(join, vec![sum]);
    cx.b().enter(join);
    Operand::Val(cx.b().retype(found, Kind::Kernel))
}

pub fn ksym(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(number(cx, 0))
}

pub fn usym(cx: &mut dyn LowerCx) -> Operand {
    let addr = number(cx, 0);
    user_symbol(cx, addr)
}

/// Address and process, as awl knows it.
pub fn user_symbol(cx: &mut dyn LowerCx, addr: Value) -> Operand {
    let tgid = if world::has_other_ids(cx.world()) {
        cx.own_ids().1
    } else {
        let ids = cx.b().call(Helper::GET_CURRENT_PID_TGID, &[]);
        cx.b().bin_imm(BinOp::Lshr, ids, 32)
    };
    let dst = cx.out(16, "usym");
    cx.b().store(Size::B8, dst, 0, addr);
    cx.b().store(Size::B8, dst, 8, tgid);
    Operand::Mem { ptr: dst, off: 0 }
}

pub fn cgroupid(_: &mut dyn LowerCx) -> Operand {
    folded("cgroupid")
}
