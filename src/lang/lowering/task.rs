//! Lowering of `builtins/task.rs`. The current task and its identity.

use crate::lang::traits::{LowerCx, Operand};

pub fn pid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "pid")
}

pub fn tid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "tid")
}

pub fn uid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "uid")
}

pub fn gid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "gid")
}

pub fn username(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "username")
}

pub fn comm(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "comm")
}

pub fn curtask(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "curtask")
}

pub fn ppid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "ppid")
}

pub fn pcomm(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "pcomm")
}

pub fn cgroup(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "cgroup")
}

pub fn cpid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "cpid")
}

pub fn has_cpid(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "has_cpid")
}

pub fn usermode(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "usermode")
}
