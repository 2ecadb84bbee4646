//! What processes have mapped, kept beyond their end: symbols of a process are often asked for when it is gone.
//!
//! Comes in: what `sys::taskwatch` tells, and /proc for processes that were there before. Goes out: file and offset
//! of an address. Always holds: a process number that is used again starts anew.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use crate::image::{Image, Map, Role};
use crate::sys::taskwatch::{TaskEvent, TaskWatch};
use crate::ty::{Space, StackMode, Ty};

/// See the module.
pub struct ProcMaps {
    watch: TaskWatch,
    table: Table,
}

#[derive(Default)]
struct Table {
    processes: HashMap<u32, Process>,
    /// Ended processes, the first first.
    ended: VecDeque<u32>,
}

#[derive(Clone, Default)]
struct Process {
    /// Shared with children until one of them maps something.
    maps: Rc<Vec<Mapped>>,
    state: State,
    /// Counts the programs that this number has run.
    generation: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    Lives,
    Ended,
}

#[derive(Clone, Debug, PartialEq)]
struct Mapped {
    start: u64,
    end: u64,
    file_offset: u64,
    path: Rc<str>,
}

/// So many ended processes are remembered.
const ENDED_MAX: usize = 4096;

impl ProcMaps {
    /// Starts to watch; `pid` is a process that is there already and matters.
    pub fn new(pid: Option<u32>) -> io::Result<ProcMaps> {
        let watch = TaskWatch::open()?;
        let mut table = Table::default();
        if let Some(pid) = pid {
            table.snapshot(pid);
        }
        Ok(ProcMaps { watch, table })
    }

    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.fds()
    }

    /// Takes in what has happened.
    pub fn update(&mut self) {
        for event in self.watch.read() {
            self.table.take(event);
        }
    }

    pub fn has_ended(&self, pid: u32) -> bool {
        self.table.processes.get(&pid).is_some_and(|p| p.state == State::Ended)
    }

    /// Changes when the number stands for another program.
    pub fn generation(&self, pid: u32) -> u32 {
        self.table.processes.get(&pid).map_or(0, |p| p.generation)
    }

    /// Looks at a process that is not known yet.
    pub fn learn(&mut self, pid: u32) {
        if !self.table.processes.contains_key(&pid) {
            self.table.snapshot(pid);
        }
    }

    /// The files that a process has mapped.
    pub fn files(&mut self, pid: u32) -> BTreeSet<Rc<str>> {
        self.learn(pid);
        let maps = self.table.processes.get(&pid).map(|p| p.maps.clone()).unwrap_or_default();
        maps.iter().map(|m| m.path.clone()).collect()
    }

    /// The file that a process has, or had, mapped at `addr`, and the offset in it.
    pub fn find(&self, pid: u32, addr: u64) -> Option<(Rc<str>, u64)> {
        self.table.find(pid, addr)
    }
}

/// Whether the image has values that symbols of processes are looked up for.
pub fn are_needed(image: &Image) -> bool {
    let schema = |map: &Map| match &map.role {
        Role::User(schema) => {
            schema.key.as_ref().is_some_and(names_user_code) || names_user_code(&schema.value)
        }
        _ => false,
    };
    image.maps.iter().any(schema)
        || image.events.iter().any(|site| site.fields.iter().any(|f| names_user_code(&f.ty)))
}

fn names_user_code(ty: &Ty) -> bool {
    match ty {
        Ty::Usym => true,
        Ty::Stack(stack) => stack.space == Space::User && stack.mode != StackMode::Raw,
        Ty::Tuple(parts) => parts.iter().any(names_user_code),
        Ty::Record(fields) => fields.iter().any(|(_, ty)| names_user_code(ty)),
        Ty::Array { elem, .. } => names_user_code(elem),
        Ty::Error
        | Ty::Void
        | Ty::Bool
        | Ty::Int { .. }
        | Ty::Str { .. }
        | Ty::Buf { .. }
        | Ty::Inet
        | Ty::Mac
        | Ty::Ksym
        | Ty::Timestamp
        | Ty::CgroupPath
        | Ty::Username
        | Ty::Ptr { .. }
        | Ty::Struct(_)
        | Ty::Enum(_)
        | Ty::Agg { .. }
        | Ty::Word => false,
    }
}

impl Table {
    fn take(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::Map { pid, start, len, file_offset, path } => {
                // Names that are no files: [vdso], //anon, [heap].
                if !path.starts_with(b"/") || path.starts_with(b"//") {
                    return;
                }
                let path = String::from_utf8_lossy(&path).into();
                let process = self.processes.entry(pid).or_default();
                let end = start.saturating_add(len);
                Rc::make_mut(&mut process.maps).push(Mapped { start, end, file_offset, path });
            }
            TaskEvent::Fork { pid, parent } => {
                if !self.processes.contains_key(&parent) {
                    self.snapshot(parent);
                }
                let maps = self.processes.get(&parent).map(|p| p.maps.clone()).unwrap_or_default();
                self.renew(pid, maps);
            }
            TaskEvent::Exec { pid } => self.renew(pid, Rc::default()),
            TaskEvent::Exit { pid } => {
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.state = State::Ended;
                    self.ended.push_back(pid);
                }
                while self.ended.len() > ENDED_MAX {
                    self.forget_first();
                }
            }
        }
    }

    /// What a process that is not known has mapped now.
    fn snapshot(&mut self, pid: u32) {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let maps: Vec<Mapped> = maps.lines().filter_map(parse_map).collect();
        self.renew(pid, Rc::new(maps));
    }

    /// The number stands for another program from now on.
    fn renew(&mut self, pid: u32, maps: Rc<Vec<Mapped>>) {
        let generation = self.processes.get(&pid).map_or(0, |p| p.generation + 1);
        self.processes.insert(pid, Process { maps, state: State::Lives, generation });
    }

    fn forget_first(&mut self) {
        let Some(pid) = self.ended.pop_front() else { return };
        // The number may belong to a new process by now.
        if self.processes.get(&pid).is_some_and(|p| p.state == State::Ended) {
            self.processes.remove(&pid);
        }
    }

    fn find(&self, pid: u32, addr: u64) -> Option<(Rc<str>, u64)> {
        let process = self.processes.get(&pid)?;
        // A later mapping lies over an earlier one.
        let map = process.maps.iter().rev().find(|m| (m.start..m.end).contains(&addr))?;
        Some((map.path.clone(), addr - map.start + map.file_offset))
    }
}

/// `7f…-7f… r-xp 00028000 fe:00 1234   /usr/lib/libc.so.6`: code of a file.
fn parse_map(line: &str) -> Option<Mapped> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let flags = fields.next()?;
    let file_offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let path = fields.nth(2)?.trim_start();
    if !flags.contains('x') || !path.starts_with('/') {
        return None;
    }
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(Mapped { start: hex(start)?, end: hex(end)?, file_offset, path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pid: u32, start: u64, path: &str) -> TaskEvent {
        TaskEvent::Map { pid, start, len: 0x1000, file_offset: 0x500, path: path.into() }
    }

    fn at(table: &Table, pid: u32, addr: u64) -> Option<(String, u64)> {
        table.find(pid, addr).map(|(path, off)| (path.to_string(), off))
    }

    #[test]
    fn maps_outlive_their_process() {
        let mut table = Table::default();
        table.take(TaskEvent::Exec { pid: 5 });
        table.take(map(5, 0x1000, "/bin/a"));
        table.take(map(5, 0x9000, "[vdso]"));
        table.take(TaskEvent::Fork { pid: 6, parent: 5 });
        table.take(map(6, 0x3000, "/lib/b"));
        table.take(TaskEvent::Exit { pid: 5 });
        table.take(TaskEvent::Exit { pid: 6 });
        assert_eq!(at(&table, 5, 0x1010), Some(("/bin/a".into(), 0x510)));
        assert_eq!(at(&table, 5, 0x3010), None);
        assert_eq!(at(&table, 5, 0x9010), None);
        assert_eq!(at(&table, 6, 0x1010), Some(("/bin/a".into(), 0x510)));
        assert_eq!(at(&table, 6, 0x3010), Some(("/lib/b".into(), 0x510)));
        table.take(TaskEvent::Fork { pid: 5, parent: 6 });
        table.take(TaskEvent::Exec { pid: 5 });
        assert_eq!(at(&table, 5, 0x1010), None);
        assert_eq!(table.processes[&5].generation, 2);
    }

    #[test]
    fn old_processes_are_forgotten() {
        let mut table = Table::default();
        for pid in 1..=ENDED_MAX as u32 + 1 {
            table.take(map(pid, 0x1000, "/bin/a"));
            table.take(TaskEvent::Exit { pid });
        }
        assert_eq!(at(&table, 1, 0x1010), None);
        assert!(at(&table, 2, 0x1010).is_some());
    }

    #[test]
    fn lines_of_proc() {
        let line = "7f00-7f10 r-xp 00028000 fe:00 1234                       /usr/lib/a b.so";
        let want =
            Mapped { start: 0x7f00, end: 0x7f10, file_offset: 0x28000, path: "/usr/lib/a b.so".into() };
        assert_eq!(parse_map(line), Some(want));
        assert_eq!(parse_map("7f00-7f10 rw-p 00028000 fe:00 1234 /usr/lib/a.so"), None);
        assert_eq!(parse_map("7f00-7f10 r-xp 00000000 00:00 0 "), None);
        assert_eq!(parse_map("odd"), None);
    }
}
