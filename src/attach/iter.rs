//! `iter:`: a link, and a file that runs the program for some objects each time it is read.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use super::{AttachError, Cx, Link, Target, fast};
use crate::lang::probes::iter;
use crate::sys::bpf;
use crate::ty::TypeTable;
use crate::world::World;

/// The function that the program is loaded for.
pub fn target(name: &str, world: &dyn World) -> Result<Target, AttachError> {
    match world.function(&mut TypeTable::new(), "", &iter::function(name)) {
        Some(sig) => Ok(Target { module: sig.module, btf_id: sig.btf_id, program: None }),
        None => Err(AttachError::says(format!("the kernel's BTF has no iterator {name}"))),
    }
}

pub fn attach(program: BorrowedFd, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    let link = bpf::link_iter(program, cx.pid).map_err(|e| AttachError::of(&e, reason(&e)))?;
    let file = bpf::open_iter(link.as_fd()).map_err(|e| AttachError::of(&e, None))?;
    Ok(vec![Link { iterator: Some(File::from(file)), ..fast(link) }])
}

fn reason(e: &std::io::Error) -> Option<&'static str> {
    match e.raw_os_error() {
        Some(libc::EBADF | libc::EINVAL) => Some("this iterator wants to be told what to go over"),
        Some(libc::ESRCH) => Some("there is no such process"),
        _ => None,
    }
}
