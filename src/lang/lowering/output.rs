//! Lowering of `builtins/output.rs`. Output and control.

use crate::lang::traits::{LowerCx, Operand};

pub fn printf(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "printf")
}

pub fn errorf(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "errorf")
}

pub fn warnf(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "warnf")
}

pub fn time(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "time")
}

pub fn join(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "join")
}

pub fn system(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "system")
}

pub fn cat(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "cat")
}

pub fn exit(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "exit")
}

pub fn signal(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "signal")
}

pub fn signal_thread(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "signal_thread")
}
