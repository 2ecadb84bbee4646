//! How long awl takes to start: from exec until its probes are attached, and for the whole process.
//!
//! Comes in: `awl` as built, and `bpftrace` where it is installed. Goes out: a table of medians, taken in
//! interleaved runs, since the machine has slow phases; status 1 if the promise is not kept: attached within
//! 20 ms of exec, less than 20 MB resident. Needs root. Not a test: run it on a quiet machine.
//!
//!     cargo bench --bench startup
//!     cargo bench --bench startup -- RUNS

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The promise.
const ATTACH_MS_MAX: f64 = 20.0;
const RSS_MB_MAX: f64 = 20.0;

/// What is run: a name for the table and a script that ends by itself.
const SCRIPTS: &[(&str, &str)] = &[
    ("begin and exit", "BEGIN { exit(); }"),
    (
        "opens by comm",
        "tracepoint:syscalls:sys_enter_openat { @[comm] = count(); } interval:ms:1 { exit(); }",
    ),
    (
        "open names",
        "tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args->filename)); } interval:ms:1 { exit(); }",
    ),
];

/// A program to measure.
struct Tracer {
    name: String,
    path: PathBuf,
    /// How the line starts that it prints when its probes are attached. Older bpftrace prints it
    /// (`Attaching`) before it attaches.
    mark: &'static str,
}

/// One run.
struct Sample {
    attach: Option<Duration>,
    wall: Duration,
    cpu: Duration,
    rss_kb: u64,
}

fn main() -> ExitCode {
    let n_runs = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(11);
    let tracers = tracers();
    let mut is_kept = true;
    println!(
        "{:16} {:22} {:>10} {:>9} {:>8} {:>9}",
        "script", "program", "attach ms", "wall ms", "cpu ms", "RSS MB"
    );
    for (label, script) in SCRIPTS {
        let mut samples: Vec<Vec<Sample>> = tracers.iter().map(|_| Vec::new()).collect();
        for _ in 0..n_runs {
            for (tracer, samples) in tracers.iter().zip(&mut samples) {
                match measure(tracer, script) {
                    Ok(sample) => samples.push(sample),
                    Err(why) => {
                        eprintln!("startup: {}: {label}: {why}", tracer.name);
                        return ExitCode::FAILURE;
                    }
                }
            }
        }
        for (tracer, samples) in tracers.iter().zip(&samples) {
            let attach = median(samples.iter().filter_map(|s| s.attach).map(ms));
            let rss = median(samples.iter().map(|s| s.rss_kb as f64 / 1024.0));
            println!(
                "{label:16} {:22} {:>10} {:9.1} {:8.1} {rss:9.1}",
                tracer.name,
                if attach.is_nan() { "-".to_owned() } else { format!("{attach:.1}") },
                median(samples.iter().map(|s| ms(s.wall))),
                median(samples.iter().map(|s| ms(s.cpu))),
            );
            let is_ours = tracer.name == "awl";
            is_kept &= !is_ours || (attach <= ATTACH_MS_MAX && rss < RSS_MB_MAX);
        }
    }
    if is_kept {
        println!("kept: attached within {ATTACH_MS_MAX} ms, under {RSS_MB_MAX} MB");
        return ExitCode::SUCCESS;
    }
    println!("NOT KEPT: attached within {ATTACH_MS_MAX} ms, under {RSS_MB_MAX} MB");
    ExitCode::FAILURE
}

/// awl, and bpftrace where there is one.
fn tracers() -> Vec<Tracer> {
    let awl =
        std::env::var_os("AWL_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_awl")), PathBuf::from);
    let mut tracers = vec![Tracer { name: "awl".to_owned(), path: awl, mark: "Attached " }];
    match Command::new("bpftrace").arg("--version").output() {
        Ok(output) => {
            let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            tracers.push(Tracer { name: version, path: Path::new("bpftrace").to_owned(), mark: "Attach" });
        }
        Err(_) => println!("bpftrace is not installed: awl alone"),
    }
    tracers
}

/// Runs a script once.
fn measure(tracer: &Tracer, script: &str) -> Result<Sample, String> {
    let start = Instant::now();
    let mut child = Command::new(&tracer.path)
        .args(["-e", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let (out, err) = child.stdout.take().zip(child.stderr.take()).ok_or("no pipes")?;
    let mark = tracer.mark;
    let readers = [
        std::thread::spawn(move || read(out, mark, start)),
        std::thread::spawn(move || read(err, mark, start)),
    ];
    let usage = wait(&child)?;
    let wall = start.elapsed();
    let mut texts = String::new();
    let mut attach = None;
    for reader in readers {
        let (text, at) = reader.join().map_err(|_| "a reader failed")?;
        texts.push_str(&text);
        attach = attach.or(at);
    }
    if usage.status != 0 {
        return Err(format!("ends with status {:#x}\n{texts}", usage.status));
    }
    Ok(Sample { attach, wall, cpu: usage.cpu, rss_kb: usage.rss_kb })
}

/// Reads a stream to its end; also returns when a line with the mark came.
fn read(from: impl Read, mark: &str, start: Instant) -> (String, Option<Duration>) {
    let (mut text, mut at, mut line) = (String::new(), None, Vec::new());
    let mut reader = BufReader::new(from);
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let shown = String::from_utf8_lossy(&line);
        if at.is_none() && shown.starts_with(mark) {
            at = Some(start.elapsed());
        }
        text.push_str(&shown);
        line.clear();
    }
    (text, at)
}

/// What the kernel counted of a process that has ended.
struct Usage {
    status: i32,
    cpu: Duration,
    rss_kb: u64,
}

/// Reaps the child, and asks what it used: std's own wait does not tell.
fn wait(child: &Child) -> Result<Usage, String> {
    let mut status = 0;
    // SAFETY: a rusage is plain numbers, of which zero is one.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places outlive the call; the child is ours and reaped here alone.
    if unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) } < 0 {
        return Err(std::io::Error::last_os_error().to_string());
    }
    let time =
        |t: libc::timeval| Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64);
    Ok(Usage { status, cpu: time(usage.ru_utime) + time(usage.ru_stime), rss_kb: usage.ru_maxrss as u64 })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The middle of the numbers; not a number if there are none.
fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
