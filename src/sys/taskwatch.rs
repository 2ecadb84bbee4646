//! Processes as they come, map files and go: what perf tells of them, from all CPUs in the order of time.
//!
//! Comes in: nothing. Goes out: records, oldest first. Always holds: a record that the kernel had no room for is
//! counted, never made up. The layout is that of include/uapi/linux/perf_event.h.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::mem::page_bytes;
use super::perf::{self, Scope};
use super::perfring::{LOST, PerfRing};

/// What happened to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEvent {
    /// A file's code was mapped.
    Map { pid: u32, start: u64, len: u64, file_offset: u64, path: Vec<u8> },
    /// A process was made, with the memory of its parent.
    Fork { pid: u32, parent: u32 },
    /// A process became another program.
    Exec { pid: u32 },
    /// The last word on a process.
    Exit { pid: u32 },
}

/// A watch on all CPUs.
pub struct TaskWatch {
    cpus: Vec<PerfRing>,
    n_lost: u64,
}

/// Pages of a ring: some 500 mappings.
const RING_PAGES: usize = 16;
/// `PERF_RECORD_*`
mod record {
    pub const COMM: u32 = 3;
    pub const EXIT: u32 = 4;
    pub const FORK: u32 = 7;
    pub const MMAP2: u32 = 10;
    /// In the flags of a COMM record: by exec.
    pub const COMM_EXEC: u16 = 1 << 13;
    /// The time at the end of each record (`sample_id_all`).
    pub const TIME_BYTES: usize = 8;
}

impl TaskWatch {
    /// Starts to watch. Needs the right to watch all processes.
    pub fn open() -> io::Result<TaskWatch> {
        let mut cpus = Vec::new();
        for cpu in perf::online_cpus()? {
            let event = perf::open_task_events(Scope::Cpu(cpu), RING_PAGES * page_bytes() / 2)?;
            cpus.push(PerfRing::new(event, RING_PAGES)?);
        }
        Ok(TaskWatch { cpus, n_lost: 0 })
    }

    /// Descriptors that become readable when a ring is half full.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.cpus.iter().map(AsFd::as_fd)
    }

    /// Records that the kernel had no room for, so far.
    pub fn n_lost(&self) -> u64 {
        self.n_lost
    }

    /// What has happened since the last call.
    pub fn read(&mut self) -> Vec<TaskEvent> {
        let mut events: Vec<(u64, TaskEvent)> = Vec::new();
        let mut n_lost = 0;
        for cpu in &self.cpus {
            cpu.read(&mut |record| match parse(record) {
                Some(Parsed::Event(time, event)) => events.push((time, event)),
                Some(Parsed::Lost(n)) => n_lost += n,
                None => {}
            });
        }
        self.n_lost += n_lost;
        events.sort_by_key(|(time, _)| *time);
        events.into_iter().map(|(_, event)| event).collect()
    }
}

enum Parsed {
    Event(u64, TaskEvent),
    Lost(u64),
}

/// The meaning of a record; `None` for what does not matter here.
fn parse(record: &[u8]) -> Option<Parsed> {
    let u32_at = |at: usize| Some(u32::from_ne_bytes(*record.get(at..)?.first_chunk()?));
    let u64_at = |at: usize| Some(u64::from_ne_bytes(*record.get(at..)?.first_chunk()?));
    let flags = u16::from_ne_bytes(*record.get(4..)?.first_chunk()?);
    let body_end = record.len().checked_sub(record::TIME_BYTES)?;
    let time = u64_at(body_end)?;
    let (pid, second) = (u32_at(8)?, u32_at(12)?);
    let event = match u32_at(0)? {
        // id, then how many
        LOST => return Some(Parsed::Lost(u64_at(16)?)),
        record::COMM if flags & record::COMM_EXEC != 0 => TaskEvent::Exec { pid },
        // pid, ppid, tid, ptid: a thread has the pid of its process.
        record::FORK if pid == u32_at(16)? => TaskEvent::Fork { pid, parent: second },
        record::EXIT if pid == u32_at(16)? => TaskEvent::Exit { pid },
        record::MMAP2 => {
            // pid, tid, addr, len, pgoff, 24 bytes of file identity, prot, flags, then the name
            let name = record.get(72..body_end)?;
            let used = name.iter().position(|&b| b == 0).unwrap_or(name.len());
            TaskEvent::Map {
                pid,
                start: u64_at(16)?,
                len: u64_at(24)?,
                file_offset: u64_at(32)?,
                path: name[..used].to_vec(),
            }
        }
        _ => return None,
    };
    Some(Parsed::Event(time, event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_process_is_seen_whole() {
        let mut watch = match TaskWatch::open() {
            Ok(watch) => watch,
            Err(e) => {
                eprintln!("skipped: processes cannot be watched here: {e}");
                return;
            }
        };
        let exe = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(&exe);
        let mut child = command.arg("--list").stdout(std::process::Stdio::null()).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let mut events = Vec::new();
        for _ in 0..100 {
            events.extend(watch.read().into_iter().filter(|e| match e {
                TaskEvent::Map { pid: p, .. }
                | TaskEvent::Fork { pid: p, .. }
                | TaskEvent::Exec { pid: p }
                | TaskEvent::Exit { pid: p } => *p == pid,
            }));
            if events.last() == Some(&TaskEvent::Exit { pid }) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert_eq!(events.first(), Some(&TaskEvent::Fork { pid, parent: std::process::id() }));
        let exec = events.iter().position(|e| *e == TaskEvent::Exec { pid }).unwrap();
        let name = exe.to_str().unwrap().as_bytes();
        let maps_exe = |e: &TaskEvent| matches!(e, TaskEvent::Map { path, .. } if path == name);
        assert!(events[exec..].iter().any(maps_exe), "{events:?}");
        assert_eq!(events.last(), Some(&TaskEvent::Exit { pid }));
        assert_eq!(watch.n_lost(), 0);
    }

    #[test]
    fn odd_records_are_passed_over() {
        assert!(parse(&[]).is_none());
        assert!(parse(&[10, 0, 0, 0, 0, 0, 24, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_none());
        assert!(parse(&[99; 64]).is_none());
    }
}
