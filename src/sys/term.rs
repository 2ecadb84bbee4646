//! The terminal: its size, its mode, and putting the mode back.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A terminal's mode, to be put back.
#[derive(Clone)]
pub struct Mode {
    termios: libc::termios,
}

impl Mode {
    /// The mode that the terminal is in.
    pub fn of(fd: BorrowedFd) -> io::Result<Mode> {
        // SAFETY: a zeroed termios is a valid one, and there is room for it.
        unsafe {
            let mut termios: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(fd.as_raw_fd(), &mut termios) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Mode { termios })
        }
    }

    /// Puts the terminal into this mode, once what was written has left.
    pub fn set(&self, fd: BorrowedFd) -> io::Result<()> {
        // SAFETY: `termios` came from the kernel.
        let ret = unsafe { libc::tcsetattr(fd.as_raw_fd(), libc::TCSADRAIN, &self.termios) };
        if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// This mode, but keys are not shown as they are typed; Ctrl-C still interrupts.
    pub fn silent(&self) -> Mode {
        let mut termios = self.termios;
        termios.c_lflag &= !(libc::ECHO | libc::ICANON);
        Mode { termios }
    }
}

/// Rows and columns; 24 and 80 where the terminal does not tell.
pub fn size(fd: BorrowedFd) -> (u16, u16) {
    // SAFETY: a zeroed winsize is a valid one, and there is room for it.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        if libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &mut size) < 0 {
            return (24, 80);
        }
        size
    };
    let or = |n: u16, otherwise: u16| if n == 0 { otherwise } else { n };
    (or(size.ws_row, 24), or(size.ws_col, 80))
}

/// Forgets keys that were typed and not read.
pub fn forget_input(fd: BorrowedFd) {
    // What cannot be forgotten is read as input.
    // SAFETY: takes numbers only.
    let _ = unsafe { libc::tcflush(fd.as_raw_fd(), libc::TCIFLUSH) };
}
