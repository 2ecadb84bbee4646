//! `kprobe:` and `kretprobe:`: a perf event each, or one multi link for many functions.
//!
//! A return is seen only if the kernel found a place to remember the task at the function's start. Multi links have one
//! for every task since they stand on the function graph tracer (6.14); elsewhere events of tracefs have most.

use std::os::fd::{AsFd, BorrowedFd};

use super::{AttachError, Detach, Link, Method, slow};
use crate::image::{Attach, When};
use crate::sys::bpf::{self, Edge};
use crate::sys::kretprobe::ReturnEvent;
use crate::sys::perf::{self, Scope, Source};
use crate::sys::proc;
use crate::world::{Feature, World};

/// From so many functions on, one link is worth that it is all or nothing.
const MULTI_MIN: usize = 2;
/// The same for returns on kernels whose multi link sees only two tasks per CPU and function at a time.
const RETURNS_MULTI_MIN: usize = 32;

pub fn method(point: &Attach, n: usize, world: &dyn World) -> Method {
    let is_plain =
        matches!(point, Attach::Kprobe { module, offset: 0, .. } if module.is_empty() || module == "vmlinux");
    let n_min = match point {
        Attach::Kprobe { when: When::Return, .. } if world.features().has(Feature::FprobeGraph) => 1,
        Attach::Kprobe { when: When::Return, .. } => RETURNS_MULTI_MIN,
        _ => MULTI_MIN,
    };
    if is_plain && n >= n_min && world.features().has(Feature::KprobeMulti) {
        Method::KprobeMulti
    } else {
        Method::Each
    }
}

/// Entries in one link, returns in another.
pub fn attach_multi(program: BorrowedFd, points: &[Attach]) -> Result<Vec<Link>, AttachError> {
    let mut links = Vec::new();
    for (edge, wanted) in [(Edge::Entry, When::Entry), (Edge::Return, When::Return)] {
        let funcs: Vec<&str> = points
            .iter()
            .filter_map(|p| match p {
                Attach::Kprobe { func, when, .. } if *when == wanted => Some(func.as_str()),
                _ => None,
            })
            .collect();
        if !funcs.is_empty() {
            let link = bpf::link_kprobe_multi(program, &funcs, edge);
            links.push(slow(link.map_err(|e| AttachError::of(&e, reason(&e)))?));
        }
    }
    Ok(links)
}

pub fn attach(
    program: BorrowedFd,
    module: &str,
    func: &str,
    offset: u64,
    when: When,
) -> Result<Vec<Link>, AttachError> {
    let name = match module {
        "" | "vmlinux" => func.to_owned(),
        module => format!("{module}:{func}"),
    };
    if when == When::Return
        && let Some(link) = attach_event(program, &name)
    {
        return Ok(vec![link]);
    }
    let pmu = pmu()?;
    let config = if when == When::Return { pmu.return_bit } else { 0 };
    match start(program, &Source::Dynamic { pmu: pmu.ty, config, name: &name, offset }) {
        Err(e) if e.errno == libc::EADDRNOTAVAIL && offset == 0 => at_all(program, module, func, when, e),
        done => done,
    }
}

/// Functions of one name, of which newer kernels do not choose one: all of them.
fn at_all(
    program: BorrowedFd,
    module: &str,
    func: &str,
    when: When,
    ambiguous: AttachError,
) -> Result<Vec<Link>, AttachError> {
    let module = if module == "vmlinux" { "" } else { module };
    let Ok(addrs) = proc::function_addresses(module, func) else { return Err(ambiguous) };
    if addrs.is_empty() {
        return Err(ambiguous);
    }
    let mut links = Vec::new();
    for addr in addrs {
        links.extend(attach_addr(program, addr, when)?);
    }
    Ok(links)
}

/// By an event of tracefs, which sees more tasks at a time; `None` where there is none to be had.
fn attach_event(program: BorrowedFd, name: &str) -> Option<Link> {
    let event = ReturnEvent::new(name).ok()?;
    let fd = perf::open(&Source::Tracepoint { id: event.id }, Scope::Cpu(first_cpu())).ok()?;
    perf::start(fd.as_fd(), program).ok()?;
    Some(Link { event: Some(event), detach: Detach::Here, ..slow(fd) })
}

fn first_cpu() -> u32 {
    perf::online_cpus().ok().and_then(|cpus| cpus.first().copied()).unwrap_or(0)
}

pub fn attach_addr(program: BorrowedFd, addr: u64, when: When) -> Result<Vec<Link>, AttachError> {
    let pmu = pmu()?;
    let config = if when == When::Return { pmu.return_bit } else { 0 };
    start(program, &Source::Address { pmu: pmu.ty, config, addr })
}

fn pmu() -> Result<perf::Pmu, AttachError> {
    perf::pmu("kprobe").map_err(|_| {
        AttachError::says("this kernel has no kprobes (CONFIG_KPROBES)")
            .hint("use a tracepoint or rawtracepoint; `awl -l` lists them")
    })
}

fn start(program: BorrowedFd, source: &Source) -> Result<Vec<Link>, AttachError> {
    let event = perf::open(source, Scope::Cpu(first_cpu())).map_err(|e| AttachError::of(&e, reason(&e)))?;
    perf::start(event.as_fd(), program).map_err(|e| AttachError::of(&e, reason(&e)))?;
    Ok(vec![slow(event)])
}

fn reason(e: &std::io::Error) -> Option<&'static str> {
    match e.raw_os_error() {
        Some(libc::ENOENT) => Some("the kernel has no such function (it may be inlined)"),
        Some(libc::EINVAL) => Some("the kernel does not allow a probe there"),
        Some(libc::EILSEQ) => Some("the offset is not the start of an instruction"),
        Some(libc::EADDRNOTAVAIL) => Some("several functions have this name"),
        _ => None,
    }
}
