//! The optimiser: passes over the IR, one a file, in the order of [`PASSES`].
//!
//! Comes in and goes out: a module for which `ir::verify` holds; in debug builds it is checked after every
//! pass. Always holds: a program computes the same as before; what the kernel's verifier learns at a branch or
//! a bound is still learnt for the value that is used.

mod branches;
mod cse;
mod dce;
mod eval;
mod fold;
mod params;
mod replace;
mod unreachable;

use crate::ir::{Func, Module, verify};

/// A pass over one function.
#[derive(Debug)]
pub struct Pass {
    pub name: &'static str,
    pub run: fn(&mut Func),
}

const UNREACHABLE: Pass = Pass { name: "unreachable", run: unreachable::run };
const PARAMS: Pass = Pass { name: "params", run: params::run };
const FOLD: Pass = Pass { name: "fold", run: fold::run };
const BRANCHES: Pass = Pass { name: "branches", run: branches::run };
const CSE: Pass = Pass { name: "cse", run: cse::run };
const DCE: Pass = Pass { name: "dce", run: dce::run };

/// All passes, in order. Folding decides branches, fewer branches leave fewer parameters, and fewer parameters
/// leave more to fold.
pub static PASSES: &[Pass] =
    &[UNREACHABLE, PARAMS, FOLD, BRANCHES, PARAMS, CSE, FOLD, BRANCHES, PARAMS, CSE, DCE, UNREACHABLE];

/// With fewer functions than this a thread costs more than it saves.
const FUNCS_PER_THREAD: usize = 16;
const THREADS_MAX: usize = 8;

/// Runs all passes over all functions; those of a large script on several threads, since no function looks at
/// another.
pub fn run(module: &mut Module) {
    let mut funcs: Vec<&mut Func> = module.funcs.iter_mut().collect();
    let n_threads = match funcs.len() / FUNCS_PER_THREAD {
        0 | 1 => 1,
        // Asked of the system only where it matters: the answer costs some system calls.
        n => std::thread::available_parallelism().map_or(1, usize::from).min(n).min(THREADS_MAX),
    };
    let n_each = funcs.len().div_ceil(n_threads);
    let (mine, others) = funcs.split_at_mut(n_each);
    std::thread::scope(|scope| {
        for chunk in others.chunks_mut(n_each.max(1)) {
            scope.spawn(move || run_all(chunk));
        }
        run_all(mine);
    });
}

fn run_all(funcs: &mut [&mut Func]) {
    for func in funcs {
        for pass in PASSES {
            run_pass(func, pass);
        }
    }
}

/// Runs the pass of this name over one function; `false` if there is none.
pub fn run_by_name(func: &mut Func, name: &str) -> bool {
    let pass = PASSES.iter().find(|p| p.name == name);
    pass.inspect(|p| run_pass(func, p)).is_some()
}

fn run_pass(func: &mut Func, pass: &Pass) {
    (pass.run)(func);
    if cfg!(debug_assertions) {
        let wrong = verify::verify_func(func);
        if !wrong.is_empty() {
            crate::bug!("{} after {}: {}\n{func}", func.name, pass.name, wrong.join("; "));
        }
    }
}

/// What the tests of passes share.
#[cfg(test)]
mod testing {
    use crate::ir::{parse, verify};

    /// The body of a function after one pass, from and to text; the head is added.
    #[track_caller]
    pub fn after(pass: fn(&mut crate::ir::Func), body: &str) -> String {
        let mut func = parse::func(&format!("func f fail 0:\n{body}")).expect("it parses");
        assert_eq!(verify::verify_func(&func), Vec::<String>::new(), "before");
        pass(&mut func);
        assert_eq!(verify::verify_func(&func), Vec::<String>::new(), "after: {func}");
        func.to_string().lines().skip(1).map(|l| format!("{}\n", l.trim())).collect()
    }
}
