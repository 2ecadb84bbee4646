//! The one way out: a buffer in front of stdout or a file.
//!
//! Always holds: bytes leave in the order in which they came; after the first failed write nothing is written
//! any more, and [`Sink::broken`] says why.

use std::io::{self, Write};

/// When bytes leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Buffering {
    /// When nothing more is waiting to be printed: prompt, and fast in bulk.
    Idle,
    /// After each line.
    Line,
    /// When the buffer is full, and at the end.
    Full,
    /// After each event.
    None,
}

/// Why no more can be written.
#[derive(Debug)]
pub enum Broken {
    /// The reader has gone: not an error.
    Pipe,
    Failed(io::Error),
}

/// So many bytes go at once.
const CHUNK_BYTES: usize = 64 << 10;

/// See the module.
pub struct Sink {
    to: Box<dyn Write>,
    buffer: Vec<u8>,
    buffering: Buffering,
    broken: Option<Broken>,
}

impl Sink {
    pub fn new(to: Box<dyn Write>, buffering: Buffering) -> Sink {
        Sink { to, buffer: Vec::with_capacity(CHUNK_BYTES), buffering, broken: None }
    }

    /// Lets `print` append to the buffer, and sends what is to be sent.
    pub fn print(&mut self, print: impl FnOnce(&mut Vec<u8>)) {
        if self.broken.is_some() {
            return;
        }
        let before = self.buffer.len();
        print(&mut self.buffer);
        let is_due = match self.buffering {
            Buffering::Idle | Buffering::Full => self.buffer.len() >= CHUNK_BYTES,
            Buffering::Line => self.buffer[before..].contains(&b'\n') || self.buffer.len() >= CHUNK_BYTES,
            Buffering::None => true,
        };
        if is_due {
            self.flush();
        }
    }

    /// Nothing more is waiting to be printed.
    pub fn idle(&mut self) {
        match self.buffering {
            Buffering::Idle => self.flush(),
            Buffering::Line | Buffering::Full | Buffering::None => {}
        }
    }

    /// Sends everything.
    pub fn flush(&mut self) {
        if self.broken.is_none() && !self.buffer.is_empty() {
            let sent = self.to.write_all(&self.buffer).and_then(|()| self.to.flush());
            self.broken = sent.err().map(|e| match e.kind() {
                io::ErrorKind::BrokenPipe => Broken::Pipe,
                _ => Broken::Failed(e),
            });
        }
        self.buffer.clear();
    }

    pub fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Takes `room` bytes, then fails with `error`.
    struct Narrow {
        seen: Rc<RefCell<Vec<u8>>>,
        room: usize,
        error: io::ErrorKind,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.room - self.seen.borrow().len();
            if left == 0 {
                return Err(self.error.into());
            }
            let n = bytes.len().min(left);
            self.seen.borrow_mut().extend(&bytes[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink(buffering: Buffering, room: usize, error: io::ErrorKind) -> (Sink, Rc<RefCell<Vec<u8>>>) {
        let seen = Rc::new(RefCell::new(Vec::new()));
        (Sink::new(Box::new(Narrow { seen: seen.clone(), room, error }), buffering), seen)
    }

    #[test]
    fn bytes_leave_when_they_should() {
        for (buffering, after_part, after_line, after_idle) in [
            (Buffering::Idle, "", "", "ab\nc"),
            (Buffering::Line, "", "ab\n", "ab\n"),
            (Buffering::Full, "", "", ""),
            (Buffering::None, "a", "ab\n", "ab\nc"),
        ] {
            let (mut s, seen) = sink(buffering, 100, io::ErrorKind::Other);
            let now = || String::from_utf8_lossy(&seen.borrow()).into_owned();
            s.print(|out| out.extend(b"a"));
            assert_eq!(now(), after_part, "{buffering:?}");
            s.print(|out| out.extend(b"b\n"));
            assert_eq!(now(), after_line, "{buffering:?}");
            s.print(|out| out.extend(b"c"));
            s.idle();
            assert_eq!(now(), after_idle, "{buffering:?}");
            s.flush();
            assert_eq!(now(), "ab\nc", "{buffering:?}");
        }
    }

    #[test]
    fn much_leaves_by_itself() {
        let (mut s, seen) = sink(Buffering::Full, 1 << 20, io::ErrorKind::Other);
        s.print(|out| out.resize(CHUNK_BYTES, b'x'));
        assert_eq!(seen.borrow().len(), CHUNK_BYTES);
    }

    #[test]
    fn first_failure_ends_it() {
        let (mut s, seen) = sink(Buffering::None, 3, io::ErrorKind::StorageFull);
        s.print(|out| out.extend(b"abcd"));
        assert!(matches!(s.broken(), Some(Broken::Failed(_))));
        s.print(|out| out.extend(b"e"));
        s.flush();
        assert_eq!(*seen.borrow(), b"abc");
        let (mut s, _) = sink(Buffering::None, 0, io::ErrorKind::BrokenPipe);
        s.print(|out| out.extend(b"a"));
        assert!(matches!(s.broken(), Some(Broken::Pipe)));
    }
}
