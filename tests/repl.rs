//! Sessions with the prompt through a real pseudo-terminal, on the live kernel.
//!
//! Comes in: `awl` as built. Goes out: a test for each thing that can be done at the prompt. Nothing is waited for by
//! the clock: each step waits for the text that it must bring, `AWL_SLOWNESS` times as long where that is set. What
//! needs root is skipped out loud without it.

#[path = "repl/clauses.rs"]
mod clauses;
#[path = "repl/ends.rs"]
mod ends;
#[path = "repl/expressions.rs"]
mod expressions;
#[path = "repl/files.rs"]
mod files;
#[path = "repl/maps.rs"]
mod maps;
#[path = "repl/session.rs"]
mod session;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test: its name, whether it needs root, what it does.
pub type Test = (&'static str, Needs, fn());

/// What a test cannot do without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    Root,
}

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // Clauses count the calls of this process: one at a time.
    args.test_threads = Some(1);
    let areas = [
        ("clauses", clauses::TESTS),
        ("ends", ends::TESTS),
        ("expressions", expressions::TESTS),
        ("files", files::TESTS),
        ("maps", maps::TESTS),
    ];
    let is_root = session::is_root();
    let mut n_skipped = 0;
    let mut trials = Vec::new();
    for (area, tests) in areas {
        for (name, needs, test) in tests {
            if *needs == Needs::Root && !is_root {
                n_skipped += 1;
                println!("skipped: {area}::{name}: needs root");
                continue;
            }
            let test = *test;
            trials.push(Trial::test(format!("{area}::{name}"), move || {
                test();
                Ok(())
            }));
        }
    }
    if !args.list && n_skipped > 0 {
        println!("repl: {n_skipped} tests skipped here");
    }
    libtest_mimic::run(&args, trials).exit_code()
}
