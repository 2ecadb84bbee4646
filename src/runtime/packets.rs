//! Packets that `skboutput()` copies, into PCAP files.
//!
//! Comes in: what the perf events of all CPUs have: `wire::packet`, then bytes. Goes out: the files, packets in the
//! order of time. Always holds: a file is known to take packets before anything is attached, but loses what it had only
//! when the run has begun; what is read is in the file when `serve` returns; packets that the kernel had no room for or
//! that a file does not take are counted and told.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::clause::map_error;
use super::error::{LoadError, Problem};
use super::maps::map_spec;
use crate::image;
use crate::image::wire::packet;
use crate::sys::bpfmap::Map;
use crate::sys::perfring::{HEADER_BYTES, LOST, PerfRing, SAMPLE};
use crate::sys::{perf, time};

/// Of each CPU: 1 MiB, some milliseconds of a fast network.
const RING_PAGES: usize = 256;
/// Losses are told no more often.
const TOLD_EACH: Duration = Duration::from_secs(1);
/// `LINKTYPE_RAW`: a packet starts with its IP header.
const LINK_TYPE: u32 = 101;
const MAGIC: u32 = 0xa1b2_c3d4;
/// Bytes of a record before those of the sample: the header, and how many they are.
const SAMPLE_AT: usize = HEADER_BYTES + 4;

/// The events and the files.
pub struct Packets {
    map: Map,
    rings: Vec<PerfRing>,
    files: BTreeMap<String, PacketFile>,
    /// What is added to the boot clock.
    wall_ns: u64,
    n_lost: u64,
    told: Option<Instant>,
}

struct PacketFile {
    out: BufWriter<File>,
    /// What it had before is still in it.
    is_old: bool,
    /// It has refused something: the rest is counted only.
    has_failed: bool,
    n_left_out: u64,
}

/// What came of a look.
#[derive(Debug, Default)]
pub struct Served {
    pub n: usize,
    pub warnings: Vec<String>,
}

impl Packets {
    /// The events of all CPUs that are on, in a map like `spec`.
    pub fn new(spec: &image::Map) -> Result<Packets, LoadError> {
        let system = |e: io::Error| LoadError::System(Problem::new("packets cannot be taken", &e));
        let of_map = |e: io::Error| map_error(&spec.name, &e);
        let map = Map::create(&map_spec(spec), None).map_err(of_map)?;
        let mut rings = Vec::new();
        for cpu in perf::online_cpus().map_err(system)? {
            let event = perf::open_output(cpu).map_err(system)?;
            map.update(&cpu.to_ne_bytes(), &event.as_raw_fd().to_ne_bytes()).map_err(of_map)?;
            rings.push(PerfRing::new(event, RING_PAGES).map_err(system)?);
        }
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let wall_ns = wall.wrapping_sub(time::boot_ns());
        Ok(Packets { map, rings, files: BTreeMap::new(), wall_ns, n_lost: 0, told: None })
    }

    pub fn map_fd(&self) -> RawFd {
        self.map.as_fd().as_raw_fd()
    }

    /// Descriptors that become readable when there are packets.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.rings.iter().map(AsFd::as_fd)
    }

    /// Opens a file; one that is open already goes on.
    pub fn open(&mut self, path: &str) -> Result<(), LoadError> {
        if self.files.contains_key(path) {
            return Ok(());
        }
        match PacketFile::open(path) {
            Ok(file) => self.files.insert(path.to_owned(), file),
            Err(e) => {
                let problem = Problem { hint: None, ..Problem::new(format!("{path} cannot be written"), &e) };
                return Err(LoadError::System(problem));
            }
        };
        Ok(())
    }

    /// Writes what has come; `path_of` says to which file a sample belongs.
    pub fn serve(&mut self, path_of: &dyn Fn(&[u8]) -> Option<String>) -> Served {
        let (mut samples, mut n_lost): (Vec<(u64, Vec<u8>)>, u64) = (Vec::new(), 0);
        for ring in &self.rings {
            ring.read(&mut |record| match u32_at(record, 0) {
                Some(SAMPLE) => {
                    let sample = record.get(SAMPLE_AT..).unwrap_or_default();
                    samples.extend(u64_at(sample, packet::NS).map(|ns| (ns, sample.to_vec())));
                }
                // The event's id, then how many.
                Some(LOST) => n_lost += u64_at(record, 16).unwrap_or(0),
                _ => {}
            });
        }
        self.n_lost += n_lost;
        samples.sort_by_key(|(ns, _)| *ns);
        let mut served = Served { n: samples.len(), warnings: Vec::new() };
        self.files.values_mut().for_each(PacketFile::begin);
        for (ns, sample) in &samples {
            if let Some(file) = path_of(sample).and_then(|path| self.files.get_mut(&path)) {
                file.add(ns.wrapping_add(self.wall_ns), sample);
            }
        }
        for (path, file) in &mut self.files {
            served.warnings.extend(file.flush().map(|e| format!("{path} takes no more packets: {e}")));
        }
        self.tell(&mut served.warnings, TOLD_EACH);
        served
    }

    /// Says what was lost and has not been told.
    pub fn finish(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        self.tell(&mut warnings, Duration::ZERO);
        warnings
    }

    fn tell(&mut self, warnings: &mut Vec<String>, each: Duration) {
        if self.told.is_some_and(|told| told.elapsed() < each) {
            return;
        }
        let before = warnings.len();
        if self.n_lost > 0 {
            warnings.push(format!("{} packets lost: they came faster than they were written", self.n_lost));
            self.n_lost = 0;
        }
        for (path, file) in &mut self.files {
            if file.n_left_out > 0 {
                warnings.push(format!("{} packets are not in {path}", file.n_left_out));
                file.n_left_out = 0;
            }
        }
        if warnings.len() > before {
            self.told = Some(Instant::now());
        }
    }
}

impl PacketFile {
    /// A new or empty one gets its header at once, so that a full disk shows before anything runs.
    fn open(path: &str) -> io::Result<PacketFile> {
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        let is_old = file.metadata()?.len() > 0;
        let mut out = BufWriter::new(file);
        if !is_old {
            out.write_all(&file_header())?;
            out.flush()?;
        }
        Ok(PacketFile { out, is_old, has_failed: false, n_left_out: 0 })
    }

    /// Takes out what was there before the run.
    fn begin(&mut self) {
        if std::mem::take(&mut self.is_old) {
            let begun = self.out.get_ref().set_len(0).and_then(|()| self.out.write_all(&file_header()));
            self.has_failed |= begun.is_err();
        }
    }

    fn add(&mut self, wall_ns: u64, sample: &[u8]) {
        let Some(entry) = entry(wall_ns, sample) else { return };
        if self.has_failed || self.out.write_all(&entry).is_err() {
            self.n_left_out += 1;
        }
    }

    /// The first refusal of the file.
    fn flush(&mut self) -> Option<io::Error> {
        if self.has_failed {
            return None;
        }
        let e = self.out.flush().err()?;
        self.has_failed = true;
        self.n_left_out += 1;
        Some(e)
    }
}

/// What a PCAP file starts with.
fn file_header() -> Vec<u8> {
    let mut out = MAGIC.to_ne_bytes().to_vec();
    // Version 2.4.
    out.extend(2u16.to_ne_bytes());
    out.extend(4u16.to_ne_bytes());
    for word in [0, 0, packet::CAPTURED_MAX, LINK_TYPE] {
        out.extend(u32::to_ne_bytes(word));
    }
    out
}

/// A packet from its IP header on; `None` where nothing of that was taken.
fn entry(wall_ns: u64, sample: &[u8]) -> Option<Vec<u8>> {
    let (captured, whole) = (u32_at(sample, packet::CAPTURED)?, u32_at(sample, packet::WHOLE)?);
    let skipped = u32_at(sample, packet::IP_AT)?;
    let from = (packet::BYTES + skipped) as usize;
    let bytes = sample.get(from..(packet::BYTES + captured) as usize).filter(|b| !b.is_empty())?;
    let micros = wall_ns / 1000;
    let mut out = Vec::with_capacity(16 + bytes.len());
    for word in
        [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, bytes.len() as u32, whole - skipped]
    {
        out.extend(word.to_ne_bytes());
    }
    out.extend_from_slice(bytes);
    Some(out)
}

fn u32_at(bytes: &[u8], at: u32) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at as usize..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: u32) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at as usize..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(captured: u32, whole: u32, skipped: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out: Vec<u8> = [7, captured, whole, skipped].iter().flat_map(|w| w.to_ne_bytes()).collect();
        out.extend(5u64.to_ne_bytes());
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn entries_start_with_ip() {
        let words = |e: &[u8]| (0..4).map(|i| u32_at(e, 4 * i).unwrap()).collect::<Vec<_>>();
        let got = entry(1_500_000_000, &sample(4, 10, 2, b"eeIPpadding")).unwrap();
        assert_eq!((words(&got), &got[16..]), (vec![1, 500_000, 2, 8], &b"IP"[..]));
        assert_eq!(entry(0, &sample(2, 10, 2, b"ee")), None);
        assert_eq!(entry(0, &sample(2, 10, 14, b"ee")), None);
        assert_eq!(entry(0, &sample(40, 100, 0, b"cut off")), None);
        assert_eq!(entry(0, b"no sample"), None);
        assert_eq!(file_header().len(), 24);
    }
}
