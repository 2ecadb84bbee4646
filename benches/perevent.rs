//! What an event costs: scripts on `tracepoint:syscalls:sys_enter_getppid`, as the kernel accounts for their programs.
//!
//! Comes in: `awl` as built. Goes out: a table of the least nanoseconds a run, of that as a ratio to the empty
//! program, of the instructions that the kernel made of each and of those that its verifier went through. Passes are interleaved, since the machine has slow
//! phases. The accounting itself (`kernel.bpf_stats_enabled`) is in every figure. Needs root. Not a test: run it on a
//! quiet machine.
//!
//!     cargo bench --bench perevent
//!     cargo bench --bench perevent -- PASSES

use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use awl::sys::bpf;

/// Calls of getppid in a pass.
const N_CALLS: u64 = 200_000;
const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Bodies of the probe; one that needs two probes says so with `ENTER` and `EXIT`.
const BODIES: &[(&str, &str)] = &[
    ("empty", "ENTER { }"),
    ("@ = count()", "ENTER { @ = count(); }"),
    ("@[comm] = count()", "ENTER { @[comm] = count(); }"),
    ("@[pid] = count()", "ENTER { @[pid] = count(); }"),
    ("@[pid, comm] = count()", "ENTER { @[pid, comm] = count(); }"),
    ("@ = hist(nsecs)", "ENTER { @ = hist(nsecs); }"),
    ("@ = lhist(tid, …)", "ENTER { @ = lhist(tid, 0, 100000, 1000); }"),
    (
        "@s[tid] pair",
        "ENTER { @s[tid] = nsecs; } EXIT /@s[tid]/ { @ = hist(nsecs - @s[tid]); delete(@s, tid); }",
    ),
    ("@[kstack] = count()", "ENTER { @[kstack] = count(); }"),
    ("@[ustack] = count()", "ENTER { @[ustack] = count(); }"),
    ("printf(pid, comm)", "ENTER { printf(\"%d %s\\n\", pid, comm); }"),
    ("parent's comm", "ENTER { @[curtask.real_parent.comm] = count(); }"),
    ("@++", "ENTER { @++; }"),
    ("100 rounds", "ENTER { for ($i : 0..100) { @x += $i; } }"),
    ("a map of 10", "begin { for ($i : 0..10) { @m[$i] = $i; } } ENTER { for ($kv : @m) { @x += $kv.1; } }"),
    ("a function", "fn add($n: int64): int64 { return $n + tid; } ENTER { @ = sum(add(1)); }"),
];

/// What the kernel says of awl's programs.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// Least of all passes, of all programs of a script together.
    ns: f64,
    n_insns: u32,
    n_verified: u32,
}

fn main() -> ExitCode {
    let n_passes = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5);
    let before = std::fs::read_to_string(STATS).unwrap_or_default();
    if std::fs::write(STATS, "1").is_err() {
        eprintln!("perevent: {STATS} cannot be written: run it as root");
        return ExitCode::FAILURE;
    }
    let result = table(n_passes);
    // It was readable a moment ago; what fails here leaves the accounting on, which only costs time.
    let _ = std::fs::write(STATS, before.trim());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("perevent: {why}");
            ExitCode::FAILURE
        }
    }
}

fn table(n_passes: usize) -> Result<(), String> {
    let mut best: Vec<Figures> = vec![Figures { ns: f64::INFINITY, n_insns: 0, n_verified: 0 }; BODIES.len()];
    for _ in 0..n_passes {
        for ((label, body), best) in BODIES.iter().zip(&mut best) {
            let now = pass(body).map_err(|why| format!("{label}: {why}"))?;
            *best = Figures { ns: best.ns.min(now.ns), ..now };
        }
    }
    let empty = best[0].ns;
    println!("{:24} {:>8} {:>8} {:>9} {:>8} {:>9}", "script", "ns", "ratio", "ns more", "insns", "verified");
    for ((label, _), f) in BODIES.iter().zip(best) {
        let (ratio, more) = (f.ns / empty, f.ns - empty);
        println!("{label:24} {:8.1} {ratio:8.2} {more:9.1} {:8} {:9}", f.ns, f.n_insns, f.n_verified);
    }
    Ok(())
}

/// Runs a script while this thread calls getppid.
fn pass(body: &str) -> Result<Figures, String> {
    let point = |when: &str| format!("tracepoint:syscalls:sys_{when}_getppid");
    let script = body.replace("ENTER", &point("enter")).replace("EXIT", &point("exit"));
    let mut awl = Command::new(awl())
        .args(["-o", "/dev/null", "-e", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let attached = wait_for_attach(&mut awl);
    let figures = attached.and_then(|()| {
        let before = programs(awl.id())?;
        for _ in 0..N_CALLS {
            // SAFETY: it takes nothing and changes nothing.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        let after = programs(awl.id())?;
        difference(&before, &after)
    });
    // SAFETY: a signal to a child that has not been reaped.
    unsafe { libc::kill(awl.id() as i32, libc::SIGINT) };
    awl.wait().map_err(|e| e.to_string())?;
    figures
}

fn awl() -> PathBuf {
    std::env::var_os("AWL_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_awl")), PathBuf::from)
}

/// Reads on until the probes are attached; what awl says afterwards goes on being read.
fn wait_for_attach(awl: &mut Child) -> Result<(), String> {
    let mut reader = BufReader::new(awl.stderr.take().ok_or("no pipe")?);
    let (mut text, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
        text.push_str(&line);
        if line.starts_with("Attached ") {
            std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            return Ok(());
        }
        line.clear();
    }
    Err(format!("awl ended before it attached\n{text}"))
}

/// A program: its id, nanoseconds, runs.
type Counts = (u32, u64, u64);

/// The programs that a process holds.
fn programs(pid: u32) -> Result<Vec<Counts>, String> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut list: Vec<Counts> = Vec::new();
    for entry in std::fs::read_dir(Path::new(&folder)).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        // A descriptor may be closed meanwhile.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let field = |name: &str| {
            let value = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|v| v.trim().parse::<u64>().ok())
        };
        let id = field("prog_id").and_then(|id| u32::try_from(id).ok());
        if let (Some(id), Some(ns), Some(runs)) = (id, field("run_time_ns"), field("run_cnt"))
            && !list.iter().any(|p| p.0 == id)
        {
            list.push((id, ns, runs));
        }
    }
    Ok(list)
}

/// What the programs that ran meanwhile took for each run, all together.
fn difference(before: &[Counts], after: &[Counts]) -> Result<Figures, String> {
    let mut total = Figures { ns: 0.0, n_insns: 0, n_verified: 0 };
    for (id, ns, runs) in after {
        let Some((_, ns_before, runs_before)) = before.iter().find(|p| p.0 == *id) else { continue };
        let n = runs - runs_before;
        if n >= N_CALLS {
            let made =
                open_program(*id).and_then(|p| bpf::translation(p.as_fd())).map_err(|e| e.to_string())?;
            total.ns += (ns - ns_before) as f64 / n as f64;
            total.n_insns += made.insns;
            total.n_verified += made.verified_insns;
        }
    }
    Ok(total)
}

/// `BPF_PROG_GET_FD_BY_ID`
fn open_program(id: u32) -> io::Result<OwnedFd> {
    const GET_FD_BY_ID: libc::c_int = 13;
    let attr = [id, 0, 0];
    // SAFETY: the attributes outlive the call, and are as long as it says.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, GET_FD_BY_ID, attr.as_ptr(), size_of_val(&attr)) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
