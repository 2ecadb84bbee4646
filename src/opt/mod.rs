//! The optimiser: passes over the IR, one a file, in the order of [`PASSES`].
//!
//! Comes in and goes out: a module for which `ir::verify` holds; in debug builds it is checked after every
//! pass. Always holds: a program computes the same as before; what the kernel's verifier learns at a branch or
//! a bound is still learnt for the value that is used.

mod unreachable;

use crate::ir::{Func, Module, verify};

/// A pass over one function.
#[derive(Debug)]
pub struct Pass {
    pub name: &'static str,
    pub run: fn(&mut Func),
}

/// All passes, in order.
pub static PASSES: &[Pass] = &[Pass { name: "unreachable", run: unreachable::run }];

/// Runs all passes over all functions.
pub fn run(module: &mut Module) {
    for func in module.funcs.iter_mut() {
        for pass in PASSES {
            (pass.run)(func);
            if cfg!(debug_assertions) {
                let wrong = verify::verify_func(func);
                if !wrong.is_empty() {
                    crate::bug!("{} after {}: {}", func.name, pass.name, wrong.join("; "));
                }
            }
        }
    }
}
