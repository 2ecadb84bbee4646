//! `tracepoint:syscalls:*` through one attachment that all system calls pass; the program tells the numbers apart.

use std::os::fd::BorrowedFd;

use super::{AttachError, Cx, Link, Method, rawtp, tracepoint};
use crate::image::When;
use crate::image::attach::SyscallHook;

pub fn method(hook: SyscallHook) -> Method {
    match hook {
        SyscallHook::Btf => Method::Tracing,
        SyscallHook::Raw | SyscallHook::Record => Method::Each,
    }
}

pub fn attach(program: BorrowedFd, when: When, hook: SyscallHook, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    let name = SyscallHook::tracepoint(when);
    match hook {
        SyscallHook::Btf => rawtp::attach(program, None),
        SyscallHook::Raw => rawtp::attach(program, Some(name)),
        SyscallHook::Record => tracepoint::attach(program, "raw_syscalls", name, cx),
    }
}
