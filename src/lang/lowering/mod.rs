//! How each builtin becomes IR: one function a row, in the files of the rows' groups.

pub mod machine;
pub mod maps;
pub mod output;
pub mod probe;
pub mod task;
pub mod text;

use super::traits::{LowerCx, Operand};

fn unwritten(_: &mut dyn LowerCx, name: &str) -> Operand {
    crate::bug!("{name} is not lowered")
}
