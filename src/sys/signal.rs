//! Signals as a descriptor to read.
//!
//! Comes in: the signals to take over. Goes out: their numbers, in the order of arrival. Always holds: the signals
//! are blocked in this thread while a `Signals` lives; children unblock them before they exec (`sys::process`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::owned;

/// Takes signals over for reading.
pub struct Signals {
    fd: OwnedFd,
    /// What was blocked before.
    old: libc::sigset_t,
}

impl Signals {
    /// Blocks `signals` and makes them readable.
    pub fn take(signals: &[i32]) -> io::Result<Signals> {
        let set = set_of(signals);
        let mut old = set_of(&[]);
        // SAFETY: both sets are initialised and outlive the calls.
        let fd = unsafe {
            let ret = libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut old);
            if ret != 0 {
                return Err(io::Error::from_raw_os_error(ret));
            }
            libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Signals { fd: owned(fd)?, old }) }
    }

    /// The next signal that has arrived, if any.
    pub fn next(&self) -> io::Result<Option<i32>> {
        // SAFETY: a zeroed signalfd_siginfo is a valid one.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let want = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `info` has room for `want` bytes.
        let n = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut info).cast(), want) };
        if n == want as isize {
            return Ok(Some(info.ssi_signo as i32));
        }
        let e = io::Error::last_os_error();
        match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(e),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    /// What is pending then has been seen to: the run that it would end has ended.
    fn drop(&mut self) {
        while matches!(self.next(), Ok(Some(_))) {}
        // SAFETY: `old` is what the kernel gave us.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.old, std::ptr::null_mut()) };
    }
}

/// From now on Ctrl-C and SIGTERM do nothing: what they would end has ended, and its last output is on the way.
pub fn ignore_ends() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: no handler is installed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// A signal set.
pub(super) fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: `sigemptyset` initialises the set; `sigaddset` takes an initialised one.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for &s in signals {
            libc::sigaddset(&mut set, s);
        }
        set
    }
}
