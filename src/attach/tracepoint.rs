//! `tracepoint:` by perf event. One event is enough for all CPUs and tasks: the kernel runs a tracepoint's
//! programs from a list of the tracepoint, not of the event.

use std::os::fd::{AsFd, BorrowedFd};

use super::{AttachError, Cx, Link, slow};
use crate::sys::perf::{self, Scope, Source};

pub fn attach(program: BorrowedFd, category: &str, name: &str, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    let format = cx.world.tracepoint_format(category, name);
    let id = format.map_err(|m| AttachError::missing(m, &format!("tracepoint {category}:{name}")))?.id;
    let cpu = perf::online_cpus().ok().and_then(|cpus| cpus.first().copied()).unwrap_or(0);
    let event = perf::open(&Source::Tracepoint { id }, Scope::Cpu(cpu))
        .map_err(|e| AttachError::of(&e, reason(&e)))?;
    perf::start(event.as_fd(), program).map_err(|e| AttachError::of(&e, reason(&e)))?;
    Ok(vec![slow(event)])
}

fn reason(e: &std::io::Error) -> Option<&'static str> {
    match e.raw_os_error() {
        Some(libc::ENOENT | libc::EINVAL) => Some("the kernel has no such tracepoint"),
        Some(libc::EACCES) => Some("the program reads past the tracepoint's record"),
        _ => None,
    }
}
