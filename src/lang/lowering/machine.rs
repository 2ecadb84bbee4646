//! Lowering of `builtins/machine.rs`. Clocks, CPUs, randomness, registers, symbols of the machine.

use crate::lang::traits::{LowerCx, Operand};

pub fn cpu(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "cpu")
}

pub fn ncpus(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "ncpus")
}

pub fn numaid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "numaid")
}

pub fn nsecs(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "nsecs")
}

pub fn elapsed(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "elapsed")
}

pub fn jiffies(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "jiffies")
}

pub fn rand(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "rand")
}

pub fn reg(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "reg")
}

pub fn kaddr(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "kaddr")
}

pub fn ksym(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "ksym")
}

pub fn usym(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "usym")
}

pub fn cgroupid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "cgroupid")
}
