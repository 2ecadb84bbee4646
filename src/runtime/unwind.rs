//! Unwind tables for the programs that walk user stacks by them: of the processes that were named, and of their
//! children.
//!
//! Comes in: process ids, and what programs ask for when a stack ends in code that they know nothing of. Goes out: the
//! maps of `image::unwind`, filled. Always holds: the tables of a binary are made once; what cannot be had of a binary
//! is said once; a program that asks for what is not to be had may ask again only after a while.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::clause::map_error;
use super::error::{LoadError, Problem};
use super::target::Target;
use crate::image;
use crate::image::unwind::{Want, process, range};
use crate::sys::bpfmap::{Map, MapSpec};
use crate::sys::cfi::{self, NoTable, Table};
use crate::sys::mem::{Access, Mapping, page_bytes};
use crate::sys::process::find_in_path;

/// See the module.
pub struct Unwind {
    processes: Map,
    rows: Rows,
    files: HashMap<FileKey, Option<Placed>>,
    /// Those that were named.
    roots: Vec<u32>,
    /// What was last told of each process.
    known: BTreeMap<u32, Vec<Range>>,
    /// What was wanted, of which process and its program.
    asked: Vec<(Want, u32, u64)>,
    turns: [Turn; Want::ALL.len()],
    warnings: Vec<String>,
}

/// The processes that were named.
#[derive(Debug, Default)]
pub struct Named {
    pids: Vec<u32>,
    /// One that waits to become a program, and which.
    child: Option<(u32, Option<PathBuf>)>,
}

/// When programs may ask for the same again.
#[derive(Clone, Copy)]
struct Turn {
    next: Instant,
    /// How long they waited when there was nothing to tell.
    pause: Duration,
}

/// What came of serving.
#[derive(Debug)]
pub struct Served {
    /// What programs may ask for again.
    pub may_ask: Vec<Want>,
    /// Lower case, no full stop.
    pub warnings: Vec<String>,
}

/// The array of rows.
struct Rows {
    map: Map,
    mem: Mapping,
    n_max: u32,
    n_used: u32,
}

/// A binary: its device and inode, as /proc has them. The kernel's own page has none.
type FileKey = (String, u64);

/// A table in the array of rows.
struct Placed {
    table: Table,
    first_row: u32,
    n_rows: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Range {
    start: u64,
    end: u64,
    bias: u64,
    first_row: u32,
    n_rows: u32,
}

/// A line of /proc/PID/maps that is of code.
#[derive(Debug, PartialEq)]
struct Code<'a> {
    start: u64,
    end: u64,
    /// As /proc/PID/map_files has it.
    place: &'a str,
    file_offset: u64,
    device: &'a str,
    inode: u64,
    path: &'a str,
}

/// Rows for which there is room at least: those of some hundred usual libraries (16 MiB).
const ROWS_MIN: usize = 1 << 21;
/// How soon programs may ask again when there was nothing to tell: the first time, and at most.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);
const VDSO: &str = "[vdso]";
/// Parents are followed that far.
const ANCESTORS_MAX: usize = 64;

impl Unwind {
    /// Makes the maps, and the tables of these processes.
    pub fn new((processes, rows): (&image::Map, &image::Map), named: &Named) -> Result<Unwind, LoadError> {
        let mut found: Vec<(FileKey, String, Result<Table, NoTable>)> = Vec::new();
        if let Some((_, Some(path))) = &named.child
            && let Ok(data) = fs::metadata(path)
        {
            let path = path.to_string_lossy().into_owned();
            let table = cfi::of_file(&path);
            found.push((key_of(&data), path, table));
        }
        for &pid in &named.pids {
            let text = fs::read_to_string(format!("/proc/{pid}/maps")).map_err(|e| {
                LoadError::System(Problem::new(format!("process {pid} cannot be looked at"), &e))
            })?;
            for code in text.lines().filter_map(parse_code) {
                if !found.iter().any(|(key, ..)| *key == code.key()) {
                    found.push((code.key(), code.path.to_owned(), code.table(pid)));
                }
            }
        }
        let n_rows: usize = found.iter().flat_map(|(_, _, t)| t).map(|t| t.rows.len()).sum();
        let n_max = (2 * n_rows).max(ROWS_MIN).next_power_of_two() as u32;
        let mut unwind = Unwind {
            processes: Map::create(&spec(processes, processes.max_entries), None)
                .map_err(|e| map_error(&processes.name, &e))?,
            rows: Rows::new(rows, n_max).map_err(|e| map_error(&rows.name, &e))?,
            files: HashMap::new(),
            roots: named.pids.iter().copied().chain(named.child.iter().map(|(pid, _)| *pid)).collect(),
            known: BTreeMap::new(),
            asked: Vec::new(),
            turns: [Turn { next: Instant::now(), pause: PAUSE_MIN }; Want::ALL.len()],
            warnings: Vec::new(),
        };
        for (key, path, table) in found {
            unwind.place(key, &path, table);
        }
        named.pids.iter().for_each(|&pid| unwind.look_at(pid));
        Ok(unwind)
    }

    /// Takes in what a process has mapped.
    pub fn look_at(&mut self, pid: u32) {
        // The program that it is now fills in its number.
        self.refresh(pid, 0);
    }

    pub fn processes_fd(&self) -> RawFd {
        self.processes.as_fd().as_raw_fd()
    }
    pub fn rows_fd(&self) -> RawFd {
        self.rows.map.as_fd().as_raw_fd()
    }

    /// A stack of the process ended where nothing was known; `exec` is the number of its program.
    pub fn ask(&mut self, want: Want, pid: u32, exec: u64) {
        self.asked.push((want, pid, exec));
    }

    /// Looks at the processes again that were asked about.
    pub fn serve(&mut self) -> Served {
        for (want, pid, exec) in std::mem::take(&mut self.asked) {
            let answer = match self.is_wanted(pid) {
                true if self.refresh(pid, exec) => Answer::News,
                true => Answer::Nothing,
                false => Answer::Stranger,
            };
            self.turns[want as usize].take(answer);
        }
        let now = Instant::now();
        let mut may_ask = Want::ALL.to_vec();
        may_ask.retain(|want| self.turns[*want as usize].is_due(now));
        Served { may_ask, warnings: std::mem::take(&mut self.warnings) }
    }

    /// Whether the process was named, or comes from one that was.
    fn is_wanted(&self, pid: u32) -> bool {
        let ancestors = std::iter::successors(Some(pid), |&pid| parent(pid));
        ancestors.take(ANCESTORS_MAX).any(|pid| self.roots.contains(&pid))
    }

    /// Tells programs what the process has mapped now; says whether that is news.
    fn refresh(&mut self, pid: u32, exec: u64) -> bool {
        let text = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let mut ranges = Vec::new();
        for code in text.lines().filter_map(parse_code) {
            let key = code.key();
            if !self.files.contains_key(&key) {
                let table = code.table(pid);
                if table.is_err() && has_ended(pid) {
                    return false;
                }
                self.place(key.clone(), code.path, table);
            }
            let Some(Some(placed)) = self.files.get(&key) else { continue };
            let Some(bias) = placed.table.bias(code.start, code.file_offset) else { continue };
            let (first_row, n_rows) = (placed.first_row, placed.n_rows);
            ranges.push(Range { start: code.start, end: code.end, bias, first_row, n_rows });
        }
        if ranges.is_empty() {
            return false;
        }
        if ranges.len() > process::RANGES_MAX as usize {
            let n = ranges.len();
            self.warn(format!("process {pid} has mapped {n} pieces of code: stacks end in the last of them"));
            ranges.truncate(process::RANGES_MAX as usize);
        }
        let is_new = !self.known.contains_key(&pid);
        if is_new {
            self.forget_ended();
        }
        if self.processes.update(&pid.to_ne_bytes(), &encode(&ranges, exec)).is_err() {
            self.warn(format!("there is no room for the unwind tables of process {pid}"));
            return false;
        }
        let before = self.known.insert(pid, ranges);
        before.as_ref() != self.known.get(&pid)
    }

    /// Puts the table of a binary where programs find it.
    fn place(&mut self, key: FileKey, path: &str, table: Result<Table, NoTable>) {
        let placed = match table {
            Ok(mut table) => match self.rows.append(&table.rows) {
                Some(first_row) => {
                    let n_rows = std::mem::take(&mut table.rows).len() as u32;
                    Some(Placed { table, first_row, n_rows })
                }
                None => {
                    self.warn(format!("there is no room for the unwind tables of {path}: stacks end there"));
                    None
                }
            },
            Err(why) => {
                let why = match why {
                    NoTable::Unreadable => "cannot be read",
                    NoTable::Foreign => "is no 64-bit program of this processor",
                    NoTable::Absent => "has no DWARF unwind data",
                };
                self.warn(format!("{path} {why}: stacks end there"));
                None
            }
        };
        self.files.insert(key, placed);
    }

    fn forget_ended(&mut self) {
        let ended: Vec<u32> = self.known.keys().copied().filter(|pid| has_ended(*pid)).collect();
        for pid in ended {
            self.known.remove(&pid);
            // If it stays, it takes room that is missed later on, which is said then.
            let _ = self.processes.delete(&pid.to_ne_bytes());
        }
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }
}

/// What a program heard that asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    News,
    Nothing,
    /// The process is none that was named: others wait for their turn.
    Stranger,
}

impl Turn {
    fn take(&mut self, answer: Answer) {
        let wait = match answer {
            Answer::News => Duration::ZERO,
            Answer::Nothing => self.pause,
            Answer::Stranger => PAUSE_MIN,
        };
        self.next = Instant::now() + wait;
        self.pause = match answer {
            Answer::News => PAUSE_MIN,
            Answer::Nothing => (self.pause * 2).min(PAUSE_MAX),
            Answer::Stranger => self.pause,
        };
    }

    /// Whether it is time, which then comes again after a while even if nobody is heard: what was asked may have been
    /// lost.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.next <= now;
        if is_due {
            self.next = now + PAUSE_MAX;
        }
        is_due
    }
}

impl Named {
    /// What `-p` or `-c`, whose process has that number, and `--dwarf-pid` name.
    pub fn of(target: &Target, pid: Option<u32>, dwarf_pids: &[u32]) -> Named {
        let (of_target, child) = match target {
            Target::None => (None, None),
            Target::Pid(_) => (pid, None),
            Target::Command(argv) => (None, pid.map(|p| (p, argv.first().and_then(|a| find_in_path(a))))),
        };
        Named { pids: of_target.into_iter().chain(dwarf_pids.iter().copied()).collect(), child }
    }
}

impl Rows {
    fn new(map: &image::Map, n_max: u32) -> io::Result<Rows> {
        let map = Map::create(&spec(map, n_max), None)?;
        let bytes = (n_max as usize * size_of::<u64>()).next_multiple_of(page_bytes());
        let mem = Mapping::new(map.as_fd(), 0, bytes, Access::ReadWrite)?;
        Ok(Rows { map, mem, n_max, n_used: 0 })
    }

    /// The index of the first one; `None` if there is no room.
    fn append(&mut self, rows: &[u64]) -> Option<u32> {
        let first = self.n_used;
        let end = u32::try_from(rows.len()).ok()?.checked_add(first)?;
        if end > self.n_max {
            return None;
        }
        for (i, row) in (first as usize..).zip(rows) {
            self.mem.store_u64(i * size_of::<u64>(), *row);
        }
        self.n_used = end;
        Some(first)
    }
}

impl Code<'_> {
    fn key(&self) -> FileKey {
        (self.device.to_owned(), self.inode)
    }

    /// The table of the binary. The file as it is mapped comes first, which may have been deleted or replaced since.
    fn table(&self, pid: u32) -> Result<Table, NoTable> {
        if self.path == VDSO {
            return cfi::of_bytes(&self.memory(pid).map_err(|_| NoTable::Unreadable)?);
        }
        match cfi::of_file(&format!("/proc/{pid}/map_files/{}", self.place)) {
            Err(NoTable::Unreadable) => cfi::of_file(&format!("/proc/{pid}/root{}", self.path)),
            table => table,
        }
    }

    fn memory(&self, pid: u32) -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(format!("/proc/{pid}/mem"))?;
        file.seek(SeekFrom::Start(self.start))?;
        let mut bytes = vec![0; (self.end - self.start) as usize];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The key of a file as /proc/PID/maps would have it.
fn key_of(data: &fs::Metadata) -> FileKey {
    let device = data.dev();
    (format!("{:02x}:{:02x}", libc::major(device), libc::minor(device)), data.ino())
}

fn spec(map: &image::Map, max_entries: u32) -> MapSpec<'_> {
    let image::Map { name, kind, key_size, value_size, flags, .. } = map;
    MapSpec { name, kind: *kind, key_size: *key_size, value_size: *value_size, max_entries, flags: *flags }
}

/// A value of the map of processes.
fn encode(ranges: &[Range], exec: u64) -> Vec<u8> {
    let mut bytes = vec![0; process::BYTES as usize];
    let mut put = |at: u32, word: &[u8]| bytes[at as usize..][..word.len()].copy_from_slice(word);
    put(process::N_RANGES, &(ranges.len() as u32).to_ne_bytes());
    put(process::EXEC, &exec.to_ne_bytes());
    for (range, i) in ranges.iter().zip(0..) {
        let at = process::RANGES + range::BYTES * i;
        put(at + range::START, &range.start.to_ne_bytes());
        put(at + range::END, &range.end.to_ne_bytes());
        put(at + range::BIAS, &range.bias.to_ne_bytes());
        put(at + range::FIRST_ROW, &range.first_row.to_ne_bytes());
        put(at + range::N_ROWS, &range.n_rows.to_ne_bytes());
    }
    bytes
}

/// `7f…-7f… r-xp 00028000 fe:00 1234   /usr/lib/libc.so.6`: code of a file, or of the kernel's page.
fn parse_code(line: &str) -> Option<Code<'_>> {
    let mut fields = line.splitn(6, ' ');
    let place = fields.next()?;
    let flags = fields.next()?;
    let file_offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let (device, inode) = (fields.next()?, fields.next()?.parse().ok()?);
    let path = fields.next()?.trim_start();
    let is_file = path.starts_with('/') && !path.starts_with("//");
    if !flags.contains('x') || !is_file && path != VDSO {
        return None;
    }
    let (start, end) = place.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(Code { start: hex(start)?, end: hex(end)?, place, file_offset, device, inode, path })
}

fn has_ended(pid: u32) -> bool {
    // One that is not waited for yet has no memory.
    fs::read(format!("/proc/{pid}/maps")).map_or(true, |maps| maps.is_empty())
}

fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have anything in it.
    let (_, rest) = text.rsplit_once(')')?;
    let parent = rest.split_ascii_whitespace().nth(1)?.parse().ok()?;
    (parent != 0).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_and_of_the_kernels_page() {
        let code =
            parse_code("7f00-7f10 r-xp 00028000 fe:00 1234                       /usr/lib/a b.so").unwrap();
        assert_eq!((code.start, code.end, code.file_offset), (0x7f00, 0x7f10, 0x28000));
        assert_eq!(
            (code.key(), code.path, code.place),
            (("fe:00".into(), 1234), "/usr/lib/a b.so", "7f00-7f10")
        );
        assert!(parse_code("7f00-7f10 r-xp 00000000 00:00 0                       [vdso]").is_some());
        for line in [
            "7f00-7f10 rw-p 00028000 fe:00 1234 /usr/lib/a.so",
            "7f00-7f10 r-xp 00000000 00:00 0 ",
            "7f00-7f10 r-xp 00000000 00:00 0 [vsyscall]",
            "odd",
        ] {
            assert_eq!(parse_code(line), None, "{line}");
        }
    }

    #[test]
    fn who_asks_in_vain_waits_longer() {
        let start = Instant::now();
        let mut turn = Turn { next: start, pause: PAUSE_MIN };
        assert!(turn.is_due(start) && !turn.is_due(start + PAUSE_MAX / 2) && turn.is_due(start + PAUSE_MAX));
        let mut wait = |answer| {
            let before = Instant::now();
            turn.take(answer);
            turn.next - before
        };
        assert!(wait(Answer::Nothing) < PAUSE_MAX);
        for _ in 0..10 {
            wait(Answer::Nothing);
        }
        assert!(wait(Answer::Nothing) >= PAUSE_MAX);
        assert!(wait(Answer::Stranger) < PAUSE_MAX);
        wait(Answer::News);
        assert!(wait(Answer::Nothing) < PAUSE_MAX);
    }

    #[test]
    fn parents() {
        assert_eq!(parent(std::process::id()), Some(std::os::unix::process::parent_id()));
        assert_eq!(parent(1), None);
    }

    #[test]
    fn values_are_as_programs_read_them() {
        let range = Range { start: 1, end: 2, bias: 3, first_row: 4, n_rows: 5 };
        let bytes = encode(&[range.clone(), range], 7);
        let at = |at: u32| u64::from_ne_bytes(bytes[at as usize..][..8].try_into().unwrap());
        assert_eq!((bytes.len() as u32, at(process::N_RANGES), at(process::EXEC)), (process::BYTES, 2, 7));
        let second = process::RANGES + range::BYTES;
        assert_eq!([at(second), at(second + range::END), at(second + range::BIAS)], [1, 2, 3]);
        assert_eq!(at(second + range::FIRST_ROW), 4 | 5 << 32);
        assert_eq!(at(second + range::BYTES), 0);
    }
}
