//! BPF maps by system call: create, read, write, in batches where the kernel has them.
//!
//! Comes in: sizes and bytes. Goes out: owned descriptors and bytes. Always holds: a value of a per-CPU map is
//! one chunk of `value_size` rounded up to 8 bytes per possible CPU, in the order of the CPUs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use super::bpf::{c_string, check, object_name, owned};
use crate::image::MapKind;

/// Sizes and flags of a map to make.
#[derive(Clone, Copy, Debug)]
pub struct MapSpec<'a> {
    pub name: &'a str,
    pub kind: MapKind,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    /// `BPF_F_*`
    pub flags: u32,
}

/// Types of keys and values, by their ids in loaded BTF.
#[derive(Clone, Copy, Debug)]
pub struct Types<'a> {
    pub btf: BorrowedFd<'a>,
    pub key: u32,
    pub value: u32,
}

/// Whether reading an element takes it away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Take {
    Keep,
    Delete,
}

/// Elements as bytes: keys and values, each of its fixed size, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Elements {
    pub n: usize,
    pub keys: Vec<u8>,
    pub values: Vec<u8>,
}

/// A map that this process owns. It knows its sizes, so that no buffer is ever too small for the kernel.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    key_bytes: usize,
    /// Of a whole value: all CPUs for per-CPU maps.
    value_bytes: usize,
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Map {
    /// Makes a map; an array of maps wants one of its inner maps as the pattern.
    pub fn create(spec: &MapSpec, inner: Option<&Map>) -> io::Result<Map> {
        let inner_map_fd = inner.map_or(0, |map| map.fd.as_raw_fd() as u32);
        Map::make(spec, libbpf_sys::bpf_map_create_opts { inner_map_fd, ..Default::default() })
    }

    /// Makes a map of a kind that wants the types of its keys and values.
    pub fn create_typed(spec: &MapSpec, types: &Types) -> io::Result<Map> {
        let opts = libbpf_sys::bpf_map_create_opts {
            btf_fd: types.btf.as_raw_fd() as u32,
            btf_key_type_id: types.key,
            btf_value_type_id: types.value,
            ..Default::default()
        };
        Map::make(spec, opts)
    }

    fn make(spec: &MapSpec, opts: libbpf_sys::bpf_map_create_opts) -> io::Result<Map> {
        let name = c_string(&object_name(&spec.name.replacen('@', "AT_", 1).replacen('.', "awl_", 1)))?;
        let opts = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as u64,
            map_flags: spec.flags,
            ..opts
        };
        // SAFETY: name and options outlive the call.
        let fd = owned(unsafe {
            libbpf_sys::bpf_map_create(
                map_type(spec.kind),
                name.as_ptr(),
                spec.key_size,
                spec.value_size,
                spec.max_entries,
                &opts,
            )
        })?;
        let value_bytes = if is_percpu(spec.kind) {
            n_possible_cpus()? * (spec.value_size as usize).next_multiple_of(8)
        } else {
            spec.value_size as usize
        };
        Ok(Map { fd, key_bytes: spec.key_size as usize, value_bytes })
    }

    pub fn key_bytes(&self) -> usize {
        self.key_bytes
    }
    pub fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    fn key(&self, key: &[u8]) -> *const libc::c_void {
        if key.len() != self.key_bytes {
            crate::bug!("a key of {} bytes for a map of {}", key.len(), self.key_bytes)
        }
        key.as_ptr().cast()
    }

    /// The value at `key`; `None` if there is none.
    pub fn lookup(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut value = vec![0u8; self.value_bytes];
        // SAFETY: the key has the map's size, `value` the bytes of a whole value.
        let got = check(unsafe {
            libbpf_sys::bpf_map_lookup_elem(self.fd.as_raw_fd(), self.key(key), value.as_mut_ptr().cast())
        });
        Ok(unless_absent(got)?.map(|_| value))
    }

    /// Sets an element, whether it is there or not.
    pub fn update(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if value.len() != self.value_bytes {
            crate::bug!("a value of {} bytes for a map of {}", value.len(), self.value_bytes)
        }
        // SAFETY: key and value have the map's sizes.
        check(unsafe {
            libbpf_sys::bpf_map_update_elem(self.fd.as_raw_fd(), self.key(key), value.as_ptr().cast(), 0)
        })?;
        Ok(())
    }

    /// Puts `inner` into this array of maps. On return no program uses the one that was there.
    pub fn set_inner(&self, index: u32, inner: &Map) -> io::Result<()> {
        self.update(&index.to_ne_bytes(), &inner.fd.as_raw_fd().to_ne_bytes())
    }

    /// Forbids user space to change the map from now on.
    pub fn freeze(&self) -> io::Result<()> {
        // SAFETY: takes a descriptor only.
        check(unsafe { libbpf_sys::bpf_map_freeze(self.fd.as_raw_fd()) }).map(|_| ())
    }

    /// Removes an element, if it is there.
    pub fn delete(&self, key: &[u8]) -> io::Result<()> {
        // SAFETY: the key has the map's size.
        let got = check(unsafe { libbpf_sys::bpf_map_delete_elem(self.fd.as_raw_fd(), self.key(key)) });
        unless_absent(got).map(|_| ())
    }

    /// The key after `key` (the first, without one); `None` at the end.
    fn next_key(&self, key: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        let mut next = vec![0u8; self.key_bytes];
        let prev = key.map_or(ptr::null(), |k| self.key(k));
        // SAFETY: both keys have the map's size.
        let got = check(unsafe {
            libbpf_sys::bpf_map_get_next_key(self.fd.as_raw_fd(), prev, next.as_mut_ptr().cast())
        });
        Ok(unless_absent(got)?.map(|_| next))
    }

    /// All elements of a hash map. One that comes or goes meanwhile may be in or out, none is read twice.
    pub fn read_all(&self, take: Take) -> io::Result<Elements> {
        match self.read_batches(take) {
            Err(e) if is_unsupported(&e) => self.read_one_by_one(take),
            read => read,
        }
    }

    fn read_batches(&self, take: Take) -> io::Result<Elements> {
        let mut out = Elements::default();
        // A position is four bytes for hash maps; the kernel writes a key for others.
        let mut position = vec![0u8; self.key_bytes.max(8)];
        let mut next = position.clone();
        let mut is_first = true;
        let mut batch = BATCH_MIN;
        loop {
            let from = if is_first { ptr::null_mut() } else { position.as_mut_ptr() };
            match self.read_batch(&mut out, from, &mut next, batch, take) {
                Ok(()) => {}
                Err(e) if e.raw_os_error() == Some(libc::ENOSPC) => {
                    batch *= 2;
                    continue;
                }
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => break,
                Err(e) => return Err(e),
            }
            std::mem::swap(&mut position, &mut next);
            is_first = false;
            batch = (batch * 2).min((BATCH_BYTES_MAX / self.value_bytes.max(1)).max(batch));
        }
        Ok(out)
    }

    /// Appends up to `batch` elements; ENOENT (with elements, too) means that these were the last.
    fn read_batch(
        &self,
        out: &mut Elements,
        from: *mut u8,
        next: &mut [u8],
        batch: usize,
        take: Take,
    ) -> io::Result<()> {
        out.keys.resize((out.n + batch) * self.key_bytes, 0);
        out.values.resize((out.n + batch) * self.value_bytes, 0);
        let mut count = batch as u32;
        let call = match take {
            Take::Keep => libbpf_sys::bpf_map_lookup_batch,
            Take::Delete => libbpf_sys::bpf_map_lookup_and_delete_batch,
        };
        // SAFETY: there is room for `batch` keys and values behind the offsets; positions are long enough.
        let got = check(unsafe {
            call(
                self.fd.as_raw_fd(),
                from.cast(),
                next.as_mut_ptr().cast(),
                out.keys[out.n * self.key_bytes..].as_mut_ptr().cast(),
                out.values[out.n * self.value_bytes..].as_mut_ptr().cast(),
                &mut count,
                ptr::null(),
            )
        });
        let is_read = got.is_ok() || got.as_ref().is_err_and(|e| e.raw_os_error() == Some(libc::ENOENT));
        out.n += if is_read { count as usize } else { 0 };
        out.keys.truncate(out.n * self.key_bytes);
        out.values.truncate(out.n * self.value_bytes);
        got.map(|_| ())
    }

    fn read_one_by_one(&self, take: Take) -> io::Result<Elements> {
        let mut keys = Vec::new();
        let mut key = self.next_key(None)?;
        // A walk beside a deletion starts over; nothing promises that it ends, so the keys are collected in a set.
        let mut seen = std::collections::BTreeSet::new();
        while let Some(k) = key {
            if !seen.insert(k.clone()) {
                break;
            }
            key = self.next_key(Some(&k))?;
            keys.push(k);
        }
        let mut out = Elements::default();
        for k in keys {
            let Some(value) = self.lookup(&k)? else { continue };
            if take == Take::Delete {
                self.delete(&k)?;
            }
            out.n += 1;
            out.keys.extend_from_slice(&k);
            out.values.extend_from_slice(&value);
        }
        Ok(out)
    }
}

/// Possible CPUs: what a value of a per-CPU map has chunks for.
pub fn n_possible_cpus() -> io::Result<usize> {
    // SAFETY: no arguments; the answer is a number or a negative errno.
    check(unsafe { libbpf_sys::libbpf_num_possible_cpus() }).map(|n| n as usize)
}

/// `None` for ENOENT.
fn unless_absent(got: io::Result<i32>) -> io::Result<Option<i32>> {
    match got {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        other => other.map(Some),
    }
}

/// `ENOTSUPP` is what a map type without the operation says; user space has no name for it.
fn is_unsupported(e: &io::Error) -> bool {
    const ENOTSUPP: i32 = 524;
    matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ENOTSUP | ENOTSUPP | libc::ENOSYS))
}

/// The kernel hands out whole buckets: a batch must hold the fullest, or the call says ENOSPC.
const BATCH_MIN: usize = 256;
/// Bytes of the values of one batch, about.
const BATCH_BYTES_MAX: usize = 4 << 20;

fn is_percpu(kind: MapKind) -> bool {
    match kind {
        MapKind::PercpuHash | MapKind::PercpuArray | MapKind::LruPercpuHash => true,
        MapKind::Hash
        | MapKind::Array
        | MapKind::PerfEventArray
        | MapKind::LruHash
        | MapKind::ArrayOfMaps
        | MapKind::Ringbuf
        | MapKind::TaskStorage => false,
    }
}

fn map_type(kind: MapKind) -> libbpf_sys::bpf_map_type {
    match kind {
        MapKind::Hash => libbpf_sys::BPF_MAP_TYPE_HASH,
        MapKind::Array => libbpf_sys::BPF_MAP_TYPE_ARRAY,
        MapKind::PerfEventArray => libbpf_sys::BPF_MAP_TYPE_PERF_EVENT_ARRAY,
        MapKind::PercpuHash => libbpf_sys::BPF_MAP_TYPE_PERCPU_HASH,
        MapKind::PercpuArray => libbpf_sys::BPF_MAP_TYPE_PERCPU_ARRAY,
        MapKind::LruHash => libbpf_sys::BPF_MAP_TYPE_LRU_HASH,
        MapKind::LruPercpuHash => libbpf_sys::BPF_MAP_TYPE_LRU_PERCPU_HASH,
        MapKind::ArrayOfMaps => libbpf_sys::BPF_MAP_TYPE_ARRAY_OF_MAPS,
        MapKind::Ringbuf => libbpf_sys::BPF_MAP_TYPE_RINGBUF,
        MapKind::TaskStorage => libbpf_sys::BPF_MAP_TYPE_TASK_STORAGE,
    }
}
