//! Lowering of `builtins/text.rs`. Strings, buffers, addresses as values.

use crate::lang::traits::{LowerCx, Operand};

pub fn str(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "str")
}

pub fn buf(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "buf")
}

pub fn ntop(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "ntop")
}

pub fn pton(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "pton")
}

pub fn macaddr(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "macaddr")
}

pub fn strncmp(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "strncmp")
}

pub fn strcontains(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "strcontains")
}

pub fn strlen(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "strlen")
}

pub fn bswap(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "bswap")
}

pub fn kptr(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "kptr")
}

pub fn uptr(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "uptr")
}

pub fn cgroup_path(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "cgroup_path")
}

pub fn strftime(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "strftime")
}

pub fn sizeof(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "sizeof")
}

pub fn offsetof(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "offsetof")
}

pub fn strerror(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "strerror")
}
