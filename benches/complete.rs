//! How long completion takes over all probes of this machine: the prompt promises that no delay is felt.
//!
//! Comes in: this machine. Goes out: a table of the slowest and the median of many runs; status 1 if a median is
//! longer than the promise. Not a test: run it on a quiet machine.
//!
//!     cargo bench --bench complete

use std::process::ExitCode;
use std::time::{Duration, Instant};

use awl::repl::complete::{self, Index};
use awl::repl::view::{Cx, View};
use awl::sys::world::LinuxWorld;

/// The promise.
const MS_MAX: f64 = 30.0;
const N_RUNS: usize = 21;

/// What is being typed, the cursor at its end.
const INPUTS: &[&str] = &[
    "tracepoint:",
    "tracepoint:sched:sched_s",
    "t:openat",
    "kprobe:",
    "kprobe:vfs_",
    "fentry:tcpsendmsg",
    "openat",
    ":probes sendmsg",
    ":struct task",
    "curtask.mm.",
    "tracepoint:syscalls:sys_enter_openat { printf(\"%s\", str(args.f",
    "kprobe:vfs_read { $t = curtask; $t.real_parent.",
];

fn main() -> ExitCode {
    let world = LinuxWorld::new();
    let began = Instant::now();
    let index = Index::of(&world);
    let n_probes = index.lists().map_or(0, |lists| lists.n_probes());
    println!("{n_probes} probes, listed once in {:.0} ms, beside the prompt", ms(began.elapsed()));
    println!("{:8} {:8}  typed", "median", "slowest");
    let view = View::default();
    let cx = Cx { world: &world, index: &index, view: &view };
    let mut is_kept = true;
    for input in INPUTS {
        // The first time, the kernel's types are read.
        complete::complete(input, input.len(), &cx);
        let mut times: Vec<f64> = (0..N_RUNS).map(|_| time(input, &cx)).collect();
        times.sort_by(f64::total_cmp);
        let (median, slowest) = (times[N_RUNS / 2], times[N_RUNS - 1]);
        println!("{median:5.1} ms {slowest:5.1} ms  {input}");
        is_kept &= median <= MS_MAX;
    }
    if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn time(input: &str, cx: &Cx<'_>) -> f64 {
    let began = Instant::now();
    std::hint::black_box(complete::complete(input, input.len(), cx));
    ms(began.elapsed())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
