//! The program `lesson`: awl itself in a process of its own, which makes a known number of system calls.
//!
//! Comes in: steps as text. Goes out: system calls under the name `lesson`, and no others under that name. Always
//! holds: everything is prepared before the name is taken, and the name is given back before the process ends.

use crate::sys::work;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// By this word on its command line awl knows that it is to be the program.
pub const WORD: &str = "lesson-load";
const NAME: &str = "lesson";

/// What the program does, some times.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `open PATH N`
    Open { path: String, times: u32 },
    /// `read BYTES N`: of /dev/zero, so that each read gets all that it asks for
    Read { bytes: usize, times: u32 },
    /// `wait MS N`: reads of a pipe that take so long
    Wait { ms: u32, times: u32 },
    /// `sleep MS N`
    Sleep { ms: u32, times: u32 },
}

const BYTES_MAX: usize = 1 << 20;

/// Reads a step.
pub fn step(text: &str) -> Option<Step> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [what, arg, times] = words.as_slice() else { return None };
    let times = times.parse().ok().filter(|n| *n <= 10_000)?;
    let number = || arg.parse::<u32>().ok();
    match *what {
        "open" => Some(Step::Open { path: (*arg).to_owned(), times }),
        "read" => {
            number().map(|n| n as usize).filter(|n| *n <= BYTES_MAX).map(|bytes| Step::Read { bytes, times })
        }
        "wait" => number().map(|ms| Step::Wait { ms, times }),
        "sleep" => number().map(|ms| Step::Sleep { ms, times }),
        _ => None,
    }
}

/// What was done, without giving away what the task asks for.
pub fn said(steps: &[Step]) -> String {
    let sum = |of: fn(&Step) -> u32| steps.iter().map(of).sum::<u32>();
    let opens = sum(|s| if let Step::Open { times, .. } = s { *times } else { 0 });
    let reads = sum(|s| match s {
        Step::Read { times, .. } | Step::Wait { times, .. } => *times,
        Step::Open { .. } | Step::Sleep { .. } => 0,
    });
    let sleeps = sum(|s| if let Step::Sleep { times, .. } = s { *times } else { 0 });
    let parts = [(opens, "opened files"), (reads, "read"), (sleeps, "slept")];
    let done: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what} {n} times")).collect();
    format!("The program {NAME} has {}", done.join(" and "))
}

/// Starts the program.
pub fn start(steps: &[String]) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(WORD).args(steps);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// Is the program: the exit status.
pub fn work(steps: &[String]) -> u8 {
    let Some(steps) = steps.iter().map(|s| step(s)).collect::<Option<Vec<Step>>>() else { return 1 };
    match prepared(&steps) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn prepared(steps: &[Step]) -> io::Result<()> {
    let zero = File::open("/dev/zero")?;
    let bytes = steps.iter().map(|s| if let Step::Read { bytes, .. } = s { *bytes } else { 0 }).max();
    let mut buffer = vec![0u8; bytes.unwrap_or(0)];
    // The other end of each pipe is written to by a thread that has another name.
    let mut pipes = Vec::new();
    for s in steps {
        if let Step::Wait { ms, times } = s {
            let (reader, writer) = io::pipe()?;
            let (go, gone) = std::sync::mpsc::channel::<()>();
            pipes.push((reader, go));
            let (ms, times) = (*ms, *times);
            std::thread::spawn(move || write_late(writer, &gone, ms, times));
        }
    }
    let mut pipes = pipes.into_iter();
    work::set_name(NAME);
    for s in steps {
        match s {
            Step::Open { path, times } => (0..*times).for_each(|_| work::openat(path)),
            Step::Read { bytes, times } => {
                (0..*times).for_each(|_| work::read(zero.as_fd(), &mut buffer[..*bytes]));
            }
            Step::Sleep { ms, times } => (0..*times).for_each(|_| work::sleep_ms(*ms)),
            Step::Wait { times, .. } => {
                let Some((reader, go)) = pipes.next() else { continue };
                for _ in 0..*times {
                    // A writer that is gone has closed the pipe, which ends the read.
                    let _ = go.send(());
                    work::read(reader.as_fd(), &mut [0]);
                }
            }
        }
    }
    work::set_name("awl");
    Ok(())
}

/// Writes a byte some time after each word to go.
fn write_late(mut to: io::PipeWriter, go: &std::sync::mpsc::Receiver<()>, ms: u32, times: u32) {
    for _ in 0..times {
        if go.recv().is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(u64::from(ms)));
        if to.write_all(&[1]).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        assert_eq!(step("open /a/b 3"), Some(Step::Open { path: "/a/b".into(), times: 3 }));
        assert_eq!(step("read 4096 2"), Some(Step::Read { bytes: 4096, times: 2 }));
        assert_eq!(step("wait 5 1"), Some(Step::Wait { ms: 5, times: 1 }));
        for bad in ["", "open /a", "read x 1", "jump 1 1", "read 99999999 1", "sleep 1 999999"] {
            assert_eq!(step(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_was_done_is_said_in_sums() {
        let steps: Vec<Step> =
            ["read 10 2", "wait 5 3", "sleep 1 4"].iter().map(|s| step(s).unwrap()).collect();
        assert_eq!(said(&steps), "The program lesson has read 5 times and slept 4 times");
    }

    #[test]
    fn all_steps_can_be_done() {
        // In this process: the name of this thread alone changes.
        let steps = ["open /no/such/file 2", "read 100 3", "wait 1 2", "sleep 1 1"].map(str::to_owned);
        let before = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
        assert_eq!(work(&steps), 0);
        work::set_name(before.trim_end());
        assert_eq!(work(&["dance 1 1".to_owned()]), 1);
    }
}
