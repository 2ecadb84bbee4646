//! Generated code, run by the kernel and compared with what the IR means.
//!
//! Comes in: modules made by hand (`codegen/cases.rs`, `scratch.rs`) and at random from fixed seeds
//! (`random.rs`). Each runs in an interpreter, and in the kernel with and without the optimiser; all must give
//! the same. Without the right to load programs every case is skipped out loud.

#[path = "support/bpf.rs"]
mod bpf;
#[path = "codegen/cases.rs"]
mod cases;
#[path = "codegen/harness.rs"]
mod harness;
#[path = "codegen/interp.rs"]
mod interp;
#[path = "codegen/random.rs"]
mod random;
#[path = "codegen/scratch.rs"]
mod scratch;
#[path = "support/xorshift.rs"]
mod xorshift;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

const CASES: &[(&str, fn())] = &[
    ("arithmetic", cases::arithmetic),
    ("unary", cases::unary),
    ("comparisons", cases::comparisons),
    ("pressure", cases::pressure),
    ("bounds", cases::bounds),
    ("memory", cases::memory),
    ("moves", cases::moves),
    ("atomics", cases::atomics),
    ("calls", cases::calls),
    ("loops", cases::loops),
    ("random_programs", random::programs),
    ("scratch_claimed_and_freed", scratch::claimed_and_freed),
    ("scratch_exhausted", scratch::exhausted),
    ("scratch_chain_of_calls", scratch::chain_of_calls),
    ("scratch_in_a_loop", scratch::in_a_loop),
    ("shared_memory", scratch::shared_memory),
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let can_load = bpf::can_load();
    if !can_load && !args.list {
        println!("skipped: generated code: only root loads programs");
    }
    let trials = CASES
        .iter()
        .map(|&(name, case)| {
            let trial = Trial::test(name, move || {
                case();
                Ok(())
            });
            trial.with_ignored_flag(!can_load)
        })
        .collect();
    libtest_mimic::run(&args, trials).exit_code()
}
