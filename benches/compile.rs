//! How long compiling takes, without loading: a script of a thousand lines, and how time grows with length.
//!
//! Comes in: nothing; the scripts are made here, and compiled against the running kernel's BTF and formats. Goes
//! out: a table of medians; the last column is the time a statement takes, as a multiple of what it takes in the
//! smallest script. Status 1 if the promise is not kept: a thousand lines within 50 ms. Needs root for the formats
//! of tracepoints. Not a test: run it on a quiet machine.
//!
//!     cargo bench --bench compile
//!     cargo bench --bench compile -- RUNS

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use awl::base::{Source, SourceMap};
use awl::lang::Config;
use awl::sys::world::LinuxWorld;

/// The promise.
const THOUSAND_LINES_MS_MAX: f64 = 50.0;

fn main() -> ExitCode {
    let n_runs = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(11);
    let world = LinuxWorld::new();
    println!("{:26} {:>7} {:>9} {:>9} {:>8}", "script", "lines", "ms", "us/stmt", "growth");
    let thousand = match measure(&probes(100), &world, n_runs) {
        Ok(ms) => ms,
        Err(why) => {
            eprintln!("compile: {why}");
            return ExitCode::FAILURE;
        }
    };
    row("100 probes of 10 lines", 1000, thousand, None);
    for (label, make) in [
        ("assignments of a map", assignments as fn(usize) -> String),
        ("assignments, a probe each", assigning_probes),
        ("assignments of variables", variables),
    ] {
        let mut first = None;
        for n in [100, 1_000, 10_000] {
            match measure(&make(n), &world, n_runs.min(if n > 1_000 { 3 } else { n_runs })) {
                Ok(ms) => {
                    row(label, n, ms, first);
                    first = first.or(Some(ms / n as f64));
                }
                Err(why) => {
                    eprintln!("compile: {label}, {n}: {why}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    if thousand > THOUSAND_LINES_MS_MAX {
        println!("a thousand lines take more than {THOUSAND_LINES_MS_MAX} ms");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn row(label: &str, n: usize, ms: f64, first: Option<f64>) {
    let each = ms / n as f64;
    let growth = first.map_or("-".to_owned(), |first| format!("{:.2}", each / first));
    println!("{label:26} {n:7} {ms:9.2} {:9.2} {growth:>8}", each * 1000.0);
}

/// The median of the times, in milliseconds.
fn measure(text: &str, world: &LinuxWorld, n_runs: usize) -> Result<f64, String> {
    let mut times = Vec::new();
    for _ in 0..n_runs {
        let mut sources = SourceMap::new();
        let file = sources.add(Source::new("bench", text));
        let config = Config { max_probes: 20_000, max_bpf_progs: 20_000, ..Config::default() };
        let start = Instant::now();
        let compiled = awl::compile(sources, &[file], &config, world);
        times.push(start.elapsed());
        if compiled.image.is_none() {
            let first = compiled.diags.list.first().map_or(String::new(), |d| d.message.clone());
            return Err(format!("does not compile: {first}"));
        }
    }
    times.sort();
    Ok(times[times.len() / 2].as_secs_f64() * 1000.0)
}

/// Probes of ten lines, of the kind that people write.
fn probes(n: usize) -> String {
    const EVENTS: &[(&str, &str)] = &[
        ("tracepoint:syscalls:sys_enter_openat", "str(args.filename)"),
        ("tracepoint:syscalls:sys_enter_read", "args.count"),
        ("rawtracepoint:sched_switch", "args.next.comm"),
        ("tracepoint:sched:sched_process_exec", "args.pid"),
        ("profile:hz:99", "curtask.mm.pgd"),
    ];
    let mut text = String::new();
    for i in 0..n {
        let (event, value) = EVENTS[i % EVENTS.len()];
        let _ = write!(
            text,
            "{event}\n/pid > {i} && comm != \"awl\"/\n{{\n  $start = nsecs;\n  @calls[comm, pid] = count();\n  \
             if ($start - @last[tid] > 1000) {{\n    printf(\"%d %s %s\\n\", pid, comm, \"{i}\");\n    \
             @value{}[{value}] = count();\n  }} else {{ @gaps = hist($start - @last[tid]); }} @last[tid] = $start;\n}}\n",
            i % EVENTS.len(),
        );
    }
    text
}

fn assignments(n: usize) -> String {
    let body: String = (0..n).map(|i| format!("  @m[{i}] = {i};\n")).collect();
    format!("begin {{\n{body}}}\n")
}

fn assigning_probes(n: usize) -> String {
    (0..n).map(|i| format!("interval:ms:{} {{ @m[{i}] = {i}; }}\n", i + 1)).collect()
}

fn variables(n: usize) -> String {
    let body: String = (0..n).map(|i| format!("  $v{} = $v{} + {i};\n", i % 50, (i + 1) % 50)).collect();
    let first: String = (0..50).map(|i| format!("  $v{i} = pid;\n")).collect();
    format!("begin {{\n{first}{body}  @ = $v0;\n}}\n")
}
