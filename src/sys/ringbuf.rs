//! The reading end of a BPF ring buffer.
//!
//! Comes in: a ring buffer map. Goes out: its records, oldest first. The layout is the kernel's
//! (kernel/bpf/ringbuf.c): a page with the reader's position, a page with the writers', then the data, which is
//! mapped twice in a row so that no record is ever split.
//! Always holds: a record's bytes are borrowed from the reader until the position moves on, so the kernel does not
//! write them meanwhile.

use std::io;
use std::os::fd::BorrowedFd;

use super::mem::{Access, Mapping, page_bytes};

/// `BPF_RINGBUF_BUSY_BIT`: reserved, not yet submitted.
const BUSY: u32 = 1 << 31;
/// `BPF_RINGBUF_DISCARD_BIT`
const DISCARD: u32 = 1 << 30;
/// `BPF_RINGBUF_HDR_SZ`: length and flags, then the page offset, which is the kernel's own business.
const HEADER_BYTES: u64 = 8;

/// The reader of one ring.
pub struct RingReader {
    /// The page with our position.
    consumer: Mapping,
    /// The page with the writers' position, then the data twice.
    producer: Mapping,
    page_bytes: usize,
    mask: u64,
    /// Ours alone, so no need to load it.
    position: u64,
}

/// What stands at the reader's position.
pub enum Next<'a> {
    /// Nothing up to the limit.
    Empty,
    /// A program has reserved a record and not submitted it yet.
    Busy,
    Record(&'a [u8]),
}

impl RingReader {
    /// Reads the ring `map` of `bytes` bytes, a power of two and whole pages.
    pub fn new(map: BorrowedFd, bytes: usize) -> io::Result<RingReader> {
        let page_bytes = page_bytes();
        let consumer = Mapping::new(map, 0, page_bytes, Access::ReadWrite)?;
        let producer = Mapping::new(map, page_bytes, page_bytes + 2 * bytes, Access::Read)?;
        let position = consumer.load_u64(0);
        Ok(RingReader { consumer, producer, page_bytes, mask: bytes as u64 - 1, position })
    }

    /// How far the writers are, in bytes since the beginning.
    pub fn producer_position(&self) -> u64 {
        self.producer.load_u64(0)
    }

    /// How far this reader is, in bytes since the beginning.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether something stands unread.
    pub fn has_more(&self) -> bool {
        self.position < self.producer_position()
    }

    /// The record at the reader's position, if it begins before `limit`; discarded ones are passed over.
    pub fn peek(&mut self, limit: u64) -> Next<'_> {
        loop {
            if self.position >= limit.min(self.producer_position()) {
                return Next::Empty;
            }
            let offset = self.page_bytes + (self.position & self.mask) as usize;
            let header = self.producer.load_u32(offset);
            if header & BUSY != 0 {
                return Next::Busy;
            }
            let len = header & !(BUSY | DISCARD);
            if header & DISCARD == 0 {
                // SAFETY: a submitted record is not written again until our position passes it, for which
                // `advance` needs `self` mutably.
                return Next::Record(unsafe {
                    self.producer.bytes(offset + HEADER_BYTES as usize, len as usize)
                });
            }
            self.pass(len);
        }
    }

    /// Passes over the record that `peek` showed.
    pub fn advance(&mut self) {
        let offset = self.page_bytes + (self.position & self.mask) as usize;
        let len = self.producer.load_u32(offset) & !(BUSY | DISCARD);
        self.pass(len);
    }

    fn pass(&mut self, len: u32) {
        self.position += (u64::from(len) + HEADER_BYTES).next_multiple_of(8);
        self.consumer.release_u64(0, self.position);
    }
}
