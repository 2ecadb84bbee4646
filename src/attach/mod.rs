//! Attach points to links: one file per kind of probe.
//!
//! Comes in: a program of an image. Goes out: [`Unit`]s, each one program to load and how to attach it, then the
//! descriptors that hold the attachment. Always holds: dropping a [`Link`] detaches; a unit that fails leaves
//! nothing attached.

mod error;
mod event;
mod fentry;
mod iter;
mod kprobe;
mod rawtp;
mod syscall;
mod timer;
mod tracepoint;
mod uprobe;
mod usdt;
mod watchpoint;

pub use error::AttachError;

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::image::attach::SyscallHook;
use crate::image::{Attach, When};
use crate::sys::bpf::AttachType;
use crate::sys::kretprobe::ReturnEvent;
use crate::world::World;

/// What holds an attachment.
#[derive(Debug)]
pub struct Link {
    /// Only held.
    _fd: OwnedFd,
    /// The event of tracefs that the descriptor is of, if awl made one. Goes after it.
    event: Option<ReturnEvent>,
    pub detach: Detach,
    /// The address, of a watchpoint.
    pub watched: Option<u64>,
    /// What runs the program when it is read, up to its end.
    pub iterator: Option<File>,
}

impl Link {
    /// What the kernel did not see through this link, where only the link knows: the attach point and how often.
    pub fn missed(&self) -> Option<(String, u64)> {
        self.event.as_ref().map(|event| (format!("kretprobe:{}", event.func), event.n_missed()))
    }
}

/// What detaching costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detach {
    /// Microseconds, and no two of them wait for each other.
    Fast,
    /// A grace period of the kernel's each, 50 to 140 ms.
    Slow,
    /// The same, and no other process may be left with it: something is to be taken back afterwards.
    Here,
}

/// What attaching needs to know.
pub struct Cx<'a> {
    pub world: &'a dyn World,
    /// The process that `-p` or `-c` names.
    pub pid: Option<u32>,
}

/// One load of a program, and the attach points that it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    pub points: Vec<Attach>,
    pub method: Method,
}

/// How a unit is attached, which the kernel wants to know at load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Not attached: run by us.
    TestRun,
    /// A perf event or raw tracepoint for each point.
    Each,
    /// `tp_btf`, fentry, fexit: the place is told at load.
    Tracing,
    /// Many functions in one link.
    KprobeMulti,
    /// Many places of a file in one link.
    UprobeMulti,
}

/// Where a tracing program goes: told at load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Empty for vmlinux.
    pub module: String,
    pub btf_id: u32,
    /// The BPF program whose BTF that is; else the kernel's.
    pub program: Option<u32>,
}

/// Splits a program's attach points into units: as few loads and links as the kernel allows.
pub fn plan(points: &[Attach], world: &dyn World) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for point in points {
        let method = method(point, points.len(), world);
        match units.iter_mut().find(|u| u.method == method && shares_load(&u.points[0], point)) {
            Some(unit) => unit.points.push(point.clone()),
            None => units.push(Unit { points: vec![point.clone()], method }),
        }
    }
    units
}

/// How one of `n` points of a program is attached best.
fn method(point: &Attach, n: usize, world: &dyn World) -> Method {
    match point {
        Attach::Begin | Attach::End | Attach::Signal(_) | Attach::Test(_) | Attach::Bench(_) => {
            Method::TestRun
        }
        Attach::TpBtf { .. } | Attach::Fentry { .. } | Attach::BpfFunction { .. } | Attach::Iter { .. } => {
            Method::Tracing
        }
        Attach::SyscallTp { hook, .. } => syscall::method(*hook),
        Attach::Kprobe { .. } => kprobe::method(point, n, world),
        Attach::Uprobe { .. } | Attach::Usdt { .. } => uprobe::method(world),
        Attach::Tracepoint { .. }
        | Attach::RawTracepoint { .. }
        | Attach::KprobeAddr { .. }
        | Attach::Profile(_)
        | Attach::Interval(_)
        | Attach::Software { .. }
        | Attach::Hardware { .. }
        | Attach::Watchpoint { .. } => Method::Each,
    }
}

/// Whether two points of the same method can be served by one loaded program.
fn shares_load(a: &Attach, b: &Attach) -> bool {
    match (a, b) {
        // Each has its own id, told at load.
        (
            Attach::TpBtf { .. } | Attach::Fentry { .. } | Attach::BpfFunction { .. } | Attach::Iter { .. },
            _,
        ) => false,
        (Attach::SyscallTp { when: a, .. }, Attach::SyscallTp { when: b, .. }) => a == b,
        _ => true,
    }
}

impl Unit {
    /// The same points, without multi links; `None` where there is no other way.
    pub fn fallback(&self) -> Option<Unit> {
        match self.method {
            Method::KprobeMulti | Method::UprobeMulti => {
                Some(Unit { points: self.points.clone(), method: Method::Each })
            }
            Method::TestRun | Method::Each | Method::Tracing => None,
        }
    }

    /// `expected_attach_type` of the program.
    pub fn attach_type(&self) -> AttachType {
        match self.method {
            Method::TestRun | Method::Each => AttachType::Default,
            Method::KprobeMulti => AttachType::KprobeMulti,
            Method::UprobeMulti => AttachType::UprobeMulti,
            Method::Tracing => match &self.points[0] {
                Attach::Fentry { when: When::Entry, .. } | Attach::BpfFunction { when: When::Entry, .. } => {
                    AttachType::Fentry
                }
                Attach::Fentry { when: When::Return, .. }
                | Attach::BpfFunction { when: When::Return, .. } => AttachType::Fexit,
                Attach::Iter { .. } => AttachType::Iter,
                _ => AttachType::RawTp,
            },
        }
    }

    /// What a tracing program is told at load; `None` for other programs.
    pub fn target(&self, world: &dyn World) -> Result<Option<Target>, AttachError> {
        if self.method != Method::Tracing {
            return Ok(None);
        }
        let target = match &self.points[0] {
            Attach::Fentry { module, func, .. } => fentry::target(module, func, world),
            Attach::TpBtf { name, .. } => rawtp::target(name, world),
            Attach::BpfFunction { program, btf_id, .. } => {
                Ok(Target { module: String::new(), btf_id: *btf_id, program: Some(*program) })
            }
            Attach::Iter { name } => iter::target(name, world),
            Attach::SyscallTp { when, .. } => rawtp::target(SyscallHook::tracepoint(*when), world),
            other => crate::bug!("{} is no tracing program", other.name()),
        };
        target
            .map(Some)
            .map_err(|e| AttachError { points: self.points.iter().map(Attach::name).collect(), ..e })
    }

    /// Attaches the loaded program to all points. A point that fails does not keep the others from being
    /// attached, but a multi link is all or nothing.
    pub fn attach(&self, program: BorrowedFd, cx: &Cx) -> (Vec<Link>, Vec<AttachError>) {
        let (mut links, mut errors) = (Vec::new(), Vec::new());
        let mut take = |points: &[&Attach], got: Result<Vec<Link>, AttachError>| match got {
            Ok(got) => links.extend(got),
            Err(e) => {
                errors.push(AttachError { points: points.iter().map(|p| p.name()).collect(), ..e });
            }
        };
        let all: Vec<&Attach> = self.points.iter().collect();
        match self.method {
            Method::TestRun => {}
            Method::Tracing => take(&all, attach_tracing(program, &self.points[0], cx)),
            Method::KprobeMulti => take(&all, kprobe::attach_multi(program, &self.points)),
            Method::UprobeMulti => {
                for group in uprobe::files(&self.points) {
                    take(&group, uprobe::attach_multi(program, &group, cx));
                }
            }
            Method::Each => match &self.points[0] {
                // The program itself tells the system calls apart.
                Attach::SyscallTp { when, hook, .. } => {
                    take(&all, syscall::attach(program, (*when, *hook), &self.points, cx));
                }
                _ => {
                    for point in &self.points {
                        take(&[point], attach_one(program, point, cx));
                    }
                }
            },
        }
        (links, errors)
    }
}

fn attach_tracing(program: BorrowedFd, point: &Attach, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    match point {
        Attach::Iter { .. } => iter::attach(program, cx),
        Attach::Fentry { .. } | Attach::BpfFunction { .. } => rawtp::attach_function(program),
        _ => rawtp::attach(program, None),
    }
}

fn attach_one(program: BorrowedFd, point: &Attach, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    match point {
        Attach::Begin | Attach::End | Attach::Signal(_) | Attach::Test(_) | Attach::Bench(_) => {
            Ok(Vec::new())
        }
        Attach::Tracepoint { category, name } => tracepoint::attach(program, category, name, cx),
        Attach::RawTracepoint { name, .. } => rawtp::attach(program, Some(name)),
        Attach::TpBtf { .. } | Attach::Fentry { .. } | Attach::BpfFunction { .. } | Attach::Iter { .. } => {
            attach_tracing(program, point, cx)
        }
        Attach::SyscallTp { when, hook, .. } => {
            syscall::attach(program, (*when, *hook), std::slice::from_ref(point), cx)
        }
        Attach::Kprobe { module, func, offset, when } => {
            kprobe::attach(program, module, func, *offset, *when)
        }
        Attach::KprobeAddr { addr, when } => kprobe::attach_addr(program, *addr, *when),
        Attach::Uprobe { path, offset, when, .. } => {
            let place = uprobe::Place { path, offset: *offset, when: *when, ref_ctr_offset: 0 };
            uprobe::attach(program, place, cx)
        }
        Attach::Usdt { path, offset, ref_ctr_offset, .. } => {
            usdt::attach(program, path, *offset, *ref_ctr_offset, cx)
        }
        Attach::Profile(rate) => timer::profile(program, *rate, cx),
        Attach::Interval(rate) => timer::interval(program, *rate),
        Attach::Software { config, period, .. } => event::software(program, *config, *period, cx),
        Attach::Hardware { config, period, .. } => event::hardware(program, *config, *period, cx),
        Attach::Watchpoint { addr, len, mode } => watchpoint::attach(program, *addr, *len, mode, cx),
    }
}

/// Which way round the attach points of a program are attached so that blocks fire in the order of the script.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Order {
    Forward,
    /// The kernel runs the newest first.
    Reverse,
}

/// The order for a point; see [`Order`].
pub fn order(point: &Attach) -> Order {
    match point {
        Attach::Kprobe { when: When::Entry, .. }
        | Attach::KprobeAddr { when: When::Entry, .. }
        | Attach::Fentry { .. }
        | Attach::BpfFunction { .. }
        | Attach::Uprobe { .. }
        | Attach::Usdt { .. } => Order::Reverse,
        Attach::Begin
        | Attach::End
        | Attach::Signal(_)
        | Attach::Test(_)
        | Attach::Bench(_)
        | Attach::Tracepoint { .. }
        | Attach::RawTracepoint { .. }
        | Attach::TpBtf { .. }
        | Attach::Iter { .. }
        | Attach::SyscallTp { .. }
        | Attach::Kprobe { when: When::Return, .. }
        | Attach::KprobeAddr { when: When::Return, .. }
        | Attach::Profile(_)
        | Attach::Interval(_)
        | Attach::Software { .. }
        | Attach::Hardware { .. }
        | Attach::Watchpoint { .. } => Order::Forward,
    }
}

fn fast(fd: OwnedFd) -> Link {
    Link { _fd: fd, event: None, detach: Detach::Fast, watched: None, iterator: None }
}

fn slow(fd: OwnedFd) -> Link {
    Link { _fd: fd, event: None, detach: Detach::Slow, watched: None, iterator: None }
}
