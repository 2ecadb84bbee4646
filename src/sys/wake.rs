//! Waking a thread that waits at a [`super::poll::Poller`].
//!
//! Comes in: calls from any thread. Goes out: a descriptor that is readable until the sleeper has taken note.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::bpf::owned;

/// An eventfd; clones wake the same sleeper.
#[derive(Clone, Debug)]
pub struct Waker {
    fd: Arc<OwnedFd>,
}

impl Waker {
    pub fn new() -> io::Result<Waker> {
        // SAFETY: takes numbers only.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Waker { fd: Arc::new(owned(fd)?) }) }
    }

    pub fn wake(&self) {
        let one = 1u64;
        // A counter that is full has woken the sleeper long since.
        // SAFETY: eight bytes from a valid place.
        let _ = unsafe { libc::write(self.fd.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Sleeps until it is woken, a signal comes or the time is over; takes note.
    pub fn wait(&self, timeout: Duration) {
        let mut fd = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let ms = timeout.as_millis().min(i32::MAX as u128) as i32;
        // SAFETY: one descriptor, as said.
        let _ = unsafe { libc::poll(&mut fd, 1, ms) };
        self.take();
    }

    /// Takes note: the descriptor is no longer readable.
    pub fn take(&self) {
        let mut count = 0u64;
        // SAFETY: there is room for eight bytes.
        let _ = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
