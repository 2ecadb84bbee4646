//! How quick the prompt is: from Enter until a clause is attached, completion, and what an open prompt costs.
//!
//! Comes in: `awl` as built, on a terminal of its own. Goes out: a table of medians; status 1 if a promise is not
//! kept: 20 ms from Enter to attached (seen on the terminal, so drawing counts), 30 ms for a completion over all
//! probes, 1 % of a CPU with five probes attached and nothing happening. Needs root. Not a test: run it on a quiet
//! machine.
//!
//!     cargo bench --bench repl
//!     cargo bench --bench repl -- RUNS

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use expectrl::session::OsSession;
use expectrl::{Expect, Regex, Session};

/// The promises.
const ATTACH_MS_MAX: f64 = 20.0;
const COMPLETE_MS_MAX: f64 = 30.0;
const IDLE_PERCENT_MAX: f64 = 1.0;
/// How long the idle prompt is watched.
const IDLE_FOR: Duration = Duration::from_secs(10);
/// Clock ticks a second, as /proc counts CPU time (`USER_HZ`).
const TICKS: f64 = 100.0;

fn main() -> ExitCode {
    let n_runs = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(11);
    match measure(n_runs) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("repl: a promise is not kept");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("repl: {e}");
            ExitCode::FAILURE
        }
    }
}

fn measure(n_runs: usize) -> Result<bool, expectrl::Error> {
    let mut awl = start()?;
    // What is read once, such as the kernel's types, is read by the first clause.
    let first = attach(&mut awl)?;
    let mut attached = Vec::new();
    for _ in 0..n_runs {
        attached.push(attach(&mut awl)?);
        say(&mut awl, ":undo", "taken back")?;
    }
    let mut completed = Vec::new();
    for _ in 0..n_runs {
        completed.push(complete(&mut awl)?);
    }
    for _ in 0..4 {
        attach(&mut awl)?;
    }
    let idle = idle_percent(&awl);
    let mut is_kept = true;
    for (what, value, unit, limit) in [
        ("Enter to attached, first clause", first, "ms", f64::INFINITY),
        ("Enter to attached, median", median(attached), "ms", ATTACH_MS_MAX),
        ("completion over all probes, median", median(completed), "ms", COMPLETE_MS_MAX),
        ("idle, five probes attached", idle, "% CPU", IDLE_PERCENT_MAX),
    ] {
        let verdict = if value <= limit { "" } else { "  too much" };
        println!("{what:36} {value:8.2} {unit}{verdict}");
        is_kept &= value <= limit;
    }
    awl.send("\x04")?;
    Ok(is_kept)
}

fn start() -> Result<OsSession, expectrl::Error> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_awl"));
    command.env("TERM", "xterm").env("NO_COLOR", "1").env("HOME", std::env::temp_dir().join("awl-no-home"));
    let mut awl = Session::spawn(command)?;
    awl.set_expect_timeout(Some(Duration::from_secs(30)));
    awl.expect("Ctrl-D leaves")?;
    awl.expect("?2004h")?;
    // The names of all probes are collected meanwhile.
    std::thread::sleep(Duration::from_secs(3));
    Ok(awl)
}

/// Types a line; waits for its echo, presses Enter, waits for what it brings. The time of the latter in ms.
fn say(awl: &mut OsSession, line: &str, brings: &str) -> Result<f64, expectrl::Error> {
    awl.send(line)?;
    // The last of the echo, and the hint behind it.
    std::thread::sleep(Duration::from_millis(150));
    let start = Instant::now();
    awl.send("\r")?;
    awl.expect(Regex(brings))?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    awl.expect("?2004h")?;
    Ok(took)
}

fn attach(awl: &mut OsSession) -> Result<f64, expectrl::Error> {
    say(awl, "tracepoint:sched:sched_process_exec { @[comm] = count(); }", "\\d+: tracepoint:sched")
}

/// A word in the middle of names, over all tracepoints.
fn complete(awl: &mut OsSession) -> Result<f64, expectrl::Error> {
    awl.send("tracepoint:sched_exec")?;
    std::thread::sleep(Duration::from_millis(150));
    let start = Instant::now();
    awl.send("\t")?;
    awl.expect("sched_process_exec")?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    awl.send("\x03")?;
    awl.expect("?2004h")?;
    Ok(took)
}

/// CPU time of all threads while nothing is typed.
fn idle_percent(awl: &OsSession) -> f64 {
    let ticks = || {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", awl.get_process().pid())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let field = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        field(11) + field(12)
    };
    let before = ticks();
    std::thread::sleep(IDLE_FOR);
    (ticks() - before) / TICKS / IDLE_FOR.as_secs_f64() * 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
