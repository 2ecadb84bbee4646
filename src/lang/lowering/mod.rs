//! How each builtin becomes IR: one function a row, in the files of the rows' groups.

pub mod bytes;
pub mod effects;
pub mod errno;
pub mod globs;
pub mod machine;
pub mod maps;
pub mod meta;
pub mod output;
pub mod probe;
pub mod script;
pub mod search;
pub mod strings;
pub mod task;
pub mod text;

use super::traits::{LowerCx, Operand};
use crate::ir::Value;

/// Argument `i`, which is a scalar.
fn number(cx: &mut dyn LowerCx, i: usize) -> Value {
    match cx.arg(i) {
        Operand::Val(v) => v,
        other => crate::bug!("argument {i} is {other:?}"),
    }
}

/// Argument `i`, which is in memory.
fn memory(cx: &mut dyn LowerCx, i: usize) -> (Value, i32) {
    match cx.arg(i) {
        Operand::Mem { ptr, off } => (ptr, off),
        other => crate::bug!("argument {i} is {other:?}"),
    }
}

/// For what checking makes a constant of, so that no call of it is lowered.
fn folded(name: &str) -> Operand {
    crate::bug!("{name} is known at compile time")
}
