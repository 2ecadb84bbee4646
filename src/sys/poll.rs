//! Waiting for several descriptors at once.
//!
//! Comes in: descriptors, each under a token. Goes out: the tokens that have news. Rings are watched for edges:
//! a level would be there at once while records are pending, and forced wake-ups would make waiting spin.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::bpf::owned;

/// An epoll set.
pub struct Poller {
    epoll: OwnedFd,
}

/// When a descriptor counts as ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// As long as it can be read.
    Level,
    /// Each time that it becomes readable, or is woken.
    Edge,
}

/// At most so many tokens are reported at once.
const EVENTS_MAX: usize = 16;

impl Poller {
    pub fn new() -> io::Result<Poller> {
        // SAFETY: takes flags only.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Poller { epoll: owned(fd)? }) }
    }

    /// Watches `fd` for reading.
    pub fn add(&self, fd: BorrowedFd, token: u64, trigger: Trigger) -> io::Result<()> {
        let edge = match trigger {
            Trigger::Level => 0,
            Trigger::Edge => libc::EPOLLET,
        };
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | edge) as u32, u64: token };
        // SAFETY: `event` outlives the call.
        let ret = unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &mut event)
        };
        if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Stops watching `fd`.
    pub fn remove(&self, fd: BorrowedFd) -> io::Result<()> {
        let none = std::ptr::null_mut();
        // SAFETY: removal takes no event.
        let ret =
            unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_raw_fd(), none) };
        if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The tokens that have news within `timeout`; none when it is over or a signal came.
    pub fn wait(&self, timeout: Duration) -> io::Result<Vec<u64>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX];
        let ms = timeout.as_millis().min(i32::MAX as u128) as i32;
        // SAFETY: there is room for EVENTS_MAX events.
        let n =
            unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), EVENTS_MAX as i32, ms) };
        if n >= 0 {
            return Ok(events[..n as usize].iter().map(|e| e.u64).collect());
        }
        let e = io::Error::last_os_error();
        if e.kind() == io::ErrorKind::Interrupted { Ok(Vec::new()) } else { Err(e) }
    }
}
