//! `usdt:`: a uprobe at the place of the note. The kernel counts the program's semaphore up for as long as the
//! probe is there, in every process that maps the file.

use std::os::fd::BorrowedFd;

use super::{AttachError, Cx, Link, uprobe};
use crate::image::When;

pub fn attach(
    program: BorrowedFd,
    path: &str,
    offset: u64,
    ref_ctr_offset: u64,
    cx: &Cx,
) -> Result<Vec<Link>, AttachError> {
    uprobe::attach(program, uprobe::Place { path, offset, when: When::Entry, ref_ctr_offset }, cx)
}
