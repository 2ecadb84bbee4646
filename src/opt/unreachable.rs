//! Removes blocks that no way leads to, and numbers the rest in the order in which they are laid out.
//!
//! The kernel refuses programs with unreachable instructions.

use crate::ir::{Func, cfg};

pub fn run(func: &mut Func) {
    cfg::compact(func);
}
