//! Lowering of `builtins/probe.rs`. What the probe offers.

use crate::lang::traits::{LowerCx, Operand};

pub fn argn(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "argn")
}

pub fn retval(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "retval")
}

pub fn ctx(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "ctx")
}

pub fn func(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "func")
}

pub fn probe(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "probe")
}

pub fn probetype(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "probetype")
}

pub fn kstack(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "kstack")
}

pub fn ustack(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "ustack")
}
