//! `tracepoint:syscalls:*` through one attachment to `sys_enter` or `sys_exit`; the program tells the numbers apart.

use super::Method;
use crate::image::When;
use crate::image::attach::BtfUse;

/// The raw tracepoint that all system calls pass.
pub fn tracepoint(when: When) -> &'static str {
    match when {
        When::Entry => "sys_enter",
        When::Return => "sys_exit",
    }
}

pub fn method(btf: BtfUse) -> Method {
    match btf {
        BtfUse::Btf => Method::Tracing,
        BtfUse::Raw => Method::Each,
    }
}
