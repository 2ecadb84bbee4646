//! Memory that is shared with the kernel: mapped maps, ring buffers.
//!
//! Comes in: a descriptor and a range. Goes out: atomic access to words of it. Always holds: every access is
//! inside the mapping and aligned, and no reference to its bytes lives while the kernel may write them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A shared mapping, undone on drop.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

/// What may be done with a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read,
    ReadWrite,
}

// SAFETY: the mapping is plain memory; every access goes through atomics or is a reader's own.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `bytes` bytes of `fd` from `offset` on.
    pub fn new(fd: BorrowedFd, offset: usize, bytes: usize, access: Access) -> io::Result<Mapping> {
        let prot = match access {
            Access::Read => libc::PROT_READ,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), bytes, prot, libc::MAP_SHARED, fd.as_raw_fd(), offset as libc::off_t)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(base.cast()) {
            Some(base) => Ok(Mapping { base, bytes }),
            None => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
        }
    }

    /// The word of 4 bytes at byte `offset`.
    pub fn u32_at(&self, offset: usize) -> &AtomicU32 {
        self.check(offset, 4);
        // SAFETY: inside the mapping and aligned (just checked); atomics may be shared with the kernel.
        unsafe { &*self.base.as_ptr().add(offset).cast() }
    }

    /// The word of 8 bytes at byte `offset`.
    pub fn u64_at(&self, offset: usize) -> &AtomicU64 {
        self.check(offset, 8);
        // SAFETY: as for `u32_at`.
        unsafe { &*self.base.as_ptr().add(offset).cast() }
    }

    pub fn load_u32(&self, offset: usize) -> u32 {
        self.u32_at(offset).load(Ordering::Acquire)
    }
    pub fn load_u64(&self, offset: usize) -> u64 {
        self.u64_at(offset).load(Ordering::Acquire)
    }
    pub fn store_u32(&self, offset: usize, value: u32) {
        self.u32_at(offset).store(value, Ordering::SeqCst);
    }
    pub fn store_u64(&self, offset: usize, value: u64) {
        self.u64_at(offset).store(value, Ordering::SeqCst);
    }
    /// As a reader's position: what was read before is read by then.
    pub fn release_u64(&self, offset: usize, value: u64) {
        self.u64_at(offset).store(value, Ordering::Release);
    }

    /// Bytes that nobody writes while the reference lives.
    ///
    /// # Safety
    /// The other side must not write the range until the reference is gone.
    pub unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        if offset.checked_add(len).is_none_or(|end| end > self.bytes) {
            crate::bug!("bytes {offset}+{len} of a mapping of {}", self.bytes)
        }
        // SAFETY: inside the mapping; the caller promises that nobody writes it.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(offset), len) }
    }

    fn check(&self, offset: usize, len: usize) {
        if !offset.is_multiple_of(len) || offset.checked_add(len).is_none_or(|end| end > self.bytes) {
            crate::bug!("word at {offset} of a mapping of {} bytes", self.bytes)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping is ours, and all references into it borrow from `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// Bytes of a page.
pub fn page_bytes() -> usize {
    // SAFETY: no memory is involved.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
