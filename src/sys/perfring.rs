//! The ring of a perf event, as the kernel fills it.
//!
//! Comes in: an event. Goes out: its records, oldest first. Always holds: a record is handed on whole, also where it
//! goes round the end of the ring. The layout is that of include/uapi/linux/perf_event.h.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::mem::{Access, Mapping, page_bytes};
use super::perf;

/// `struct perf_event_header`
pub const HEADER_BYTES: usize = 8;
/// `PERF_RECORD_LOST`
pub const LOST: u32 = 2;
/// `PERF_RECORD_SAMPLE`
pub const SAMPLE: u32 = 9;
/// Where `perf_event_mmap_page` has the positions of writer and reader.
const HEAD: usize = 1024;
const TAIL: usize = 1032;

/// An event with its ring.
pub struct PerfRing {
    event: OwnedFd,
    ring: Mapping,
    bytes: usize,
}

impl PerfRing {
    /// Maps `pages` pages, a power of two, for the records of an event, and lets it fire.
    pub fn new(event: OwnedFd, pages: usize) -> io::Result<PerfRing> {
        let bytes = pages * page_bytes();
        let ring = Mapping::new(event.as_fd(), 0, page_bytes() + bytes, Access::ReadWrite)?;
        perf::enable(event.as_fd())?;
        Ok(PerfRing { event, ring, bytes })
    }

    /// Hands on what is there now.
    pub fn read(&self, take: &mut dyn FnMut(&[u8])) {
        let head = self.ring.load_u64(HEAD);
        let mut tail = self.ring.load_u64(TAIL);
        let mut copy = Vec::new();
        while tail < head {
            let header = self.copy(tail, HEADER_BYTES, &mut copy);
            let len = usize::from(u16::from_ne_bytes([header[6], header[7]]));
            if len < HEADER_BYTES {
                // Not a record: nothing after it can be trusted either.
                tail = head;
                break;
            }
            take(self.copy(tail, len, &mut copy));
            tail += len as u64;
        }
        self.ring.release_u64(TAIL, tail);
    }

    /// `len` bytes at position `at`, which may go round the end of the ring.
    fn copy<'a>(&self, at: u64, len: usize, copy: &'a mut Vec<u8>) -> &'a [u8] {
        let from = (at % self.bytes as u64) as usize;
        let first = len.min(self.bytes - from);
        copy.clear();
        // SAFETY: the kernel does not write between the reader's position and its own.
        unsafe {
            copy.extend_from_slice(self.ring.bytes(page_bytes() + from, first));
            copy.extend_from_slice(self.ring.bytes(page_bytes(), len - first));
        }
        copy
    }
}

impl AsFd for PerfRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
