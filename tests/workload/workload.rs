//! What kernel cases trace: a program that does a known number of known things under a known name.
//!
//!     awl-workload [--comm NAME] [--hold] [--linger] COMMAND [ARG...]
//!
//! With `--hold` it waits for a line on its input, so that a tracer can attach first. It carries the name
//! (`awlwork` unless told) only while it works: before, it is `awlhold`, afterwards `awldone`. The one
//! system call that does not belong to the command is the `prctl` that takes the name off. At the end it
//! prints what a case may compare with, as lines `key=value`. With `--linger` it then stays alive until its
//! input is closed, so that a tracer can still look its symbols up.
//!
//! It stands alone, on std and the C library: the kernel test builds it by one call of rustc, dynamically
//! linked and with frame pointers here, so that probes of libc and user stacks have something to find.

mod bare;
mod c;
mod calls;
mod functions;
mod net;
mod records;
mod usdt;

use std::io::BufRead;
use std::process::ExitCode;

/// What a command hands back for the report.
pub type Facts = Vec<(&'static str, String)>;

/// One command: its name, its arguments in words, and what it does.
struct Command {
    name: &'static str,
    usage: &'static str,
    /// Makes the work ready; what it returns is run under the workload's name.
    prepare: fn(&[String]) -> Result<Work, String>,
}

/// The work itself. It allocates nothing and prints nothing, so that its system calls can be counted.
pub type Work = Box<dyn FnOnce() -> Result<Facts, String>>;

const COMMANDS: &[Command] = &[
    Command { name: "openat", usage: "FILE N: opens FILE N times", prepare: calls::openat },
    Command { name: "read", usage: "SIZE...: reads each SIZE once from /dev/zero", prepare: calls::read },
    Command {
        name: "readfile",
        usage: "FILE SIZE N: reads SIZE bytes of FILE N times",
        prepare: calls::readfile,
    },
    Command { name: "write", usage: "FILE SIZE N: writes SIZE bytes to FILE N times", prepare: calls::write },
    Command { name: "getppid", usage: "N: calls getppid N times", prepare: calls::getppid },
    Command { name: "yield", usage: "N: calls sched_yield N times", prepare: calls::sched_yield },
    Command { name: "sleep", usage: "MS N: sleeps MS milliseconds N times", prepare: calls::sleep },
    Command { name: "spin", usage: "MS: keeps a CPU busy in work_spin", prepare: functions::spin },
    Command { name: "fork", usage: "N: has N children, one after the other", prepare: calls::fork },
    Command { name: "exec", usage: "N: has N children that run this program", prepare: calls::exec },
    Command { name: "threads", usage: "T N: T threads call getppid N times each", prepare: calls::threads },
    Command {
        name: "pingpong",
        usage: "N: hands a byte to a child and back N times",
        prepare: calls::pingpong,
    },
    Command { name: "fault", usage: "N: touches N fresh pages", prepare: calls::fault },
    Command {
        name: "poke",
        usage: "ADDR N MS: writes N times to a page at ADDR, MS milliseconds apart",
        prepare: calls::poke,
    },
    Command { name: "malloc", usage: "SIZE N: allocates SIZE bytes N times", prepare: functions::malloc },
    Command { name: "chain", usage: "N: calls work_outer(i) for i below N", prepare: functions::chain },
    Command {
        name: "recurse",
        usage: "T D N: T threads (0: this one) call work_recurse(D) N times each",
        prepare: functions::recurse,
    },
    Command { name: "string", usage: "TEXT N: calls work_string(TEXT) N times", prepare: functions::string },
    Command { name: "bare", usage: "N: calls bare_outer N times", prepare: bare::bare },
    Command { name: "barebusy", usage: "MS: keeps a CPU busy below bare_outer", prepare: bare::bare_busy },
    Command { name: "untold", usage: "N: calls bare_untold N times", prepare: bare::untold },
    Command {
        name: "signalled",
        usage: "N: handles N signals that it sends itself",
        prepare: bare::signalled,
    },
    Command { name: "retransmit", usage: "N MS: N connects that the peer drops", prepare: net::retransmit },
    Command { name: "tcp", usage: "N SIZE: sends SIZE bytes to itself N times", prepare: net::tcp },
    Command {
        name: "records",
        usage: "N: calls work_record and work_many N times",
        prepare: records::records,
    },
    Command { name: "usdt", usage: "N: fires each statically defined probe N times", prepare: usdt::usdt },
    Command { name: "exit", usage: "STATUS: ends with STATUS", prepare: calls::exit },
];

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut comm = "awlwork".to_owned();
    let (mut is_held, mut lingers) = (false, false);
    while let Some(flag) = args.first().filter(|arg| arg.starts_with("--")).cloned() {
        args.remove(0);
        match flag.as_str() {
            "--comm" if !args.is_empty() => comm = args.remove(0),
            "--hold" => is_held = true,
            "--linger" => lingers = true,
            _ => return usage(&format!("unknown flag {flag}")),
        }
    }
    let Some(command) = args.first().and_then(|name| COMMANDS.iter().find(|c| c.name == name)) else {
        return usage("no such command");
    };
    match run(command, &args[1..], &comm, is_held) {
        Ok(facts) => {
            for (key, value) in facts {
                println!("{key}={value}");
            }
            if lingers {
                println!("done=1");
                // Whatever comes, the end of the input ends it.
                let _ = std::io::stdin().lock().read_line(&mut String::new());
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("awl-workload: {}: {message}", command.name);
            ExitCode::FAILURE
        }
    }
}

/// Prepares the work, waits for the start, and runs it under its name.
fn run(command: &Command, args: &[String], comm: &str, is_held: bool) -> Result<Facts, String> {
    let work = (command.prepare)(args)?;
    calls::set_comm("awlhold");
    if is_held {
        std::io::stdin().lock().read_line(&mut String::new()).map_err(|e| e.to_string())?;
    }
    calls::set_comm(comm);
    let result = work();
    calls::set_comm("awldone");
    let mut facts = result?;
    facts.push(("pid", std::process::id().to_string()));
    Ok(facts)
}

fn usage(problem: &str) -> ExitCode {
    eprintln!(
        "awl-workload: {problem}\nusage: awl-workload [--comm NAME] [--hold] [--linger] COMMAND [ARG...]"
    );
    for command in COMMANDS {
        eprintln!("  {} {}", command.name, command.usage);
    }
    ExitCode::from(2)
}

/// The number at position `at`.
pub fn number(args: &[String], at: usize) -> Result<u64, String> {
    let text = args.get(at).ok_or_else(|| format!("argument {} is missing", at + 1))?;
    text.parse().map_err(|_| format!("{text} is no number"))
}

/// The text at position `at`, as C wants it.
pub fn c_text(args: &[String], at: usize) -> Result<std::ffi::CString, String> {
    let text = args.get(at).ok_or_else(|| format!("argument {} is missing", at + 1))?;
    std::ffi::CString::new(text.as_str()).map_err(|e| e.to_string())
}
