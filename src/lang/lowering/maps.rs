//! Lowering of `builtins/maps.rs`. Functions on maps.

use crate::lang::traits::{LowerCx, Operand};

pub fn print(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "print")
}

pub fn clear(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "clear")
}

pub fn zero(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "zero")
}

pub fn print_clear(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "print_clear")
}

pub fn delete(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "delete")
}

pub fn has_key(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "has_key")
}

pub fn len(cx: &mut dyn LowerCx) -> Operand {
    super::unwritten(cx, "len")
}
