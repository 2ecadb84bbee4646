//! `software:` and `hardware:`: counters that overflow, on every CPU or on the threads of one process.

use std::os::fd::{AsFd, BorrowedFd};

use super::{AttachError, Cx, Link, fast};
use crate::sys::perf::{self, CounterType, Scope, Source};

pub fn software(program: BorrowedFd, config: u64, period: u64, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    everywhere(program, &Source::Counter { ty: CounterType::Software, config, period }, cx)
}

pub fn hardware(program: BorrowedFd, config: u64, period: u64, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    everywhere(program, &Source::Counter { ty: CounterType::Hardware, config, period }, cx)
}

/// An event on each online CPU, or on each thread of the process that is watched.
pub fn everywhere(program: BorrowedFd, source: &Source, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    let mut links = Vec::new();
    for scope in scopes(cx)? {
        let event = match perf::open(source, scope) {
            Ok(event) => event,
            // A CPU or thread may have gone since the list was made.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENODEV | libc::ESRCH)) => continue,
            Err(e) => return Err(AttachError::of(&e, reason(&e))),
        };
        perf::start(event.as_fd(), program).map_err(|e| AttachError::of(&e, None))?;
        links.push(fast(event));
    }
    if links.is_empty() {
        return Err(AttachError::says("there is nothing to attach to: no such process"));
    }
    Ok(links)
}

fn scopes(cx: &Cx) -> Result<Vec<Scope>, AttachError> {
    match cx.pid {
        None => {
            let cpus = perf::online_cpus().map_err(|e| AttachError::of(&e, None))?;
            Ok(cpus.into_iter().map(Scope::Cpu).collect())
        }
        Some(pid) => {
            let mut threads = crate::sys::process::threads(pid)
                .map_err(|_| AttachError::says(format!("there is no process {pid}")))?;
            threads.sort_unstable();
            Ok(threads.into_iter().map(Scope::Task).collect())
        }
    }
}

pub fn reason(e: &std::io::Error) -> Option<&'static str> {
    match e.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP) => Some("this machine has no such counter"),
        Some(libc::EINVAL) => Some("the kernel does not take this event or rate"),
        Some(libc::ENOSPC) => Some("no hardware register is free"),
        _ => None,
    }
}
