//! `watchpoint:`: a hardware breakpoint on an address, of one process or of the kernel.

use std::os::fd::BorrowedFd;

use super::{AttachError, Cx, Link, event};
use crate::sys::perf::Source;

/// `HW_BREAKPOINT_R`, `_W`, `_X` (include/uapi/linux/hw_breakpoint.h).
const MODES: &[(char, u32)] = &[('r', 1), ('w', 2), ('x', 4)];

pub fn attach(
    program: BorrowedFd,
    addr: u64,
    len: u32,
    mode: &str,
    cx: &Cx,
) -> Result<Vec<Link>, AttachError> {
    let source = Source::Breakpoint { addr, len, mode: mode_bits(mode) };
    let mut links = event::everywhere(program, &source, cx)?;
    links.iter_mut().for_each(|link| link.watched = Some(addr));
    Ok(links)
}

fn mode_bits(mode: &str) -> u32 {
    MODES.iter().filter(|(c, _)| mode.contains(*c)).fold(0, |bits, (_, bit)| bits | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(mode_bits("rw"), 3);
        assert_eq!(mode_bits("x"), 4);
    }
}
