//! System calls that are made to be watched: each function makes exactly the call of its name.
//!
//! Comes in: arguments. Goes out: nothing; what the kernel answers is for probes to see.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The name by which the kernel knows this thread: 15 bytes at most.
pub fn set_name(name: &str) {
    let Ok(name) = CString::new(name) else { return };
    // SAFETY: the name outlives the call.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
    }
}

/// `openat` of a path, closed again if it opens.
pub fn openat(path: &str) {
    let Ok(path) = CString::new(path) else { return };
    // SAFETY: the path outlives the call; a descriptor that comes of it is closed at once.
    unsafe {
        let fd =
            libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            libc::close(fd as i32);
        }
    }
}

/// `read` of as many bytes as the buffer has.
pub fn read(from: BorrowedFd, buffer: &mut [u8]) {
    // SAFETY: the buffer is as long as the kernel is told.
    unsafe {
        libc::syscall(libc::SYS_read, from.as_raw_fd(), buffer.as_mut_ptr(), buffer.len());
    }
}

/// `clock_nanosleep` for so many milliseconds.
pub fn sleep_ms(ms: u32) {
    let time = libc::timespec { tv_sec: i64::from(ms / 1000), tv_nsec: i64::from(ms % 1000) * 1_000_000 };
    // SAFETY: the time outlives the call; the rest of an interrupted sleep is not asked for.
    unsafe {
        let none = std::ptr::null_mut::<libc::timespec>();
        libc::syscall(libc::SYS_clock_nanosleep, libc::CLOCK_MONOTONIC, 0, &time, none);
    }
}
