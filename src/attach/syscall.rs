//! `tracepoint:syscalls:*` through one attachment that all system calls pass; the program tells the numbers apart. Where
//! too many programs want that one, the rest hang on the tracepoints of their calls.

use std::os::fd::BorrowedFd;

use super::{AttachError, Cx, Link, Method, rawtp, tracepoint};
use crate::image::attach::SyscallHook;
use crate::image::{Attach, When};

pub fn method(hook: SyscallHook) -> Method {
    match hook {
        SyscallHook::Btf => Method::Tracing,
        SyscallHook::Raw | SyscallHook::Record => Method::Each,
    }
}

/// All of `points` are calls of one program, on one side.
pub fn attach(
    program: BorrowedFd,
    (when, hook): (When, SyscallHook),
    points: &[Attach],
    cx: &Cx,
) -> Result<Vec<Link>, AttachError> {
    let name = SyscallHook::tracepoint(when);
    match hook {
        SyscallHook::Btf => rawtp::attach(program, None),
        SyscallHook::Raw => rawtp::attach(program, Some(name)),
        SyscallHook::Record => match tracepoint::attach(program, "raw_syscalls", name, cx) {
            // A tracepoint runs 64 programs at most; those of single calls give the same record.
            Err(e) if e.errno == libc::E2BIG => attach_to_calls(program, points, cx),
            done => done,
        },
    }
}

fn attach_to_calls(program: BorrowedFd, points: &[Attach], cx: &Cx) -> Result<Vec<Link>, AttachError> {
    let mut links = Vec::new();
    for point in points {
        if let Attach::SyscallTp { when, name, .. } = point {
            let event = format!("{}_{name}", SyscallHook::tracepoint(*when));
            links.extend(tracepoint::attach(program, "syscalls", &event, cx)?);
        }
    }
    Ok(links)
}
