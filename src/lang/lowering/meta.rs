//! Lowering of `builtins/meta.rs`. What remains of them at run time.

use super::folded;
use crate::lang::traits::{LowerCx, Operand};

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
