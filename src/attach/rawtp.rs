//! `rawtracepoint:`, with BTF types (`tp_btf`) and without; also the open call of fentry and fexit.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::{AttachError, Link, Target, fast, slow};
use crate::sys::bpf;
use crate::ty::TypeTable;
use crate::world::World;

/// The typedef that a `tp_btf` program is loaded for.
pub fn target(name: &str, world: &dyn World) -> Result<Target, AttachError> {
    match world.raw_tracepoint_args(&mut TypeTable::new(), name) {
        Some(sig) => Ok(Target { module: sig.module, btf_id: sig.btf_id, program: None }),
        None => Err(AttachError::says(format!("the kernel's BTF has no raw tracepoint {name}"))),
    }
}

/// Attaches by name; a tracing program, which knows its place from its load, without.
pub fn attach(program: BorrowedFd, name: Option<&str>) -> Result<Vec<Link>, AttachError> {
    open(program, name, fast)
}

/// Attaches fentry and fexit programs, whose trampolines go away slowly.
pub fn attach_function(program: BorrowedFd) -> Result<Vec<Link>, AttachError> {
    open(program, None, slow)
}

fn open(
    program: BorrowedFd,
    name: Option<&str>,
    link: fn(OwnedFd) -> Link,
) -> Result<Vec<Link>, AttachError> {
    match bpf::open_raw_tracepoint(program, name) {
        Ok(fd) => Ok(vec![link(fd)]),
        Err(e) => {
            let reason = match (e.raw_os_error(), name) {
                (Some(libc::ENOENT), Some(_)) => Some("the kernel has no such raw tracepoint"),
                (Some(libc::ENOTSUP), None) => Some("the kernel cannot attach to functions in this way"),
                (Some(libc::EBUSY), None) => Some("something else holds the start of this function"),
                _ => None,
            };
            Err(AttachError::of(&e, reason))
        }
    }
}
