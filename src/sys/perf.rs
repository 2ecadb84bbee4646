//! Perf events: what programs of type tracepoint, kprobe and perf event hang on.
//!
//! Comes in: what to count and where. Goes out: an owned event descriptor with the program set and enabled.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{c_string, owned};

/// Which task an event watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything that runs on a CPU.
    Cpu(u32),
    /// A process's task, wherever it runs.
    Task(u32),
}

/// What makes the event fire.
#[derive(Clone, Debug, PartialEq)]
pub enum Source<'a> {
    /// A tracepoint, by its id in tracefs.
    Tracepoint { id: u64 },
    /// A PMU of the kernel's with a name or path and an offset: kprobe, uprobe. `config` holds the return bit and
    /// a semaphore's offset.
    Dynamic { pmu: u32, config: u64, name: &'a str, offset: u64 },
    /// A kernel address by the kprobe PMU.
    Address { pmu: u32, config: u64, addr: u64 },
    /// A counter of `PERF_TYPE_SOFTWARE` or `PERF_TYPE_HARDWARE` that overflows each `period`.
    Counter { ty: CounterType, config: u64, period: u64 },
    /// A CPU's clock at a frequency.
    Frequency { hz: u64 },
    /// A hardware breakpoint. `mode`: `HW_BREAKPOINT_*`.
    Breakpoint { addr: u64, len: u32, mode: u32 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CounterType {
    Software,
    Hardware,
}

/// `PERF_COUNT_SW_CPU_CLOCK`
pub const SW_CPU_CLOCK: u64 = libbpf_sys::PERF_COUNT_SW_CPU_CLOCK as u64;

/// Opens the event, disabled.
pub fn open(source: &Source, scope: Scope) -> io::Result<OwnedFd> {
    let mut attr = libbpf_sys::perf_event_attr {
        size: size_of::<libbpf_sys::perf_event_attr>() as u32,
        ..Default::default()
    };
    // Kept until the call is over: `attr` points to it.
    let name = match source {
        Source::Dynamic { name, .. } => Some(c_string(name)?),
        _ => None,
    };
    attr.__bindgen_anon_1.sample_period = 1;
    match *source {
        Source::Tracepoint { id } => {
            attr.type_ = libbpf_sys::PERF_TYPE_TRACEPOINT;
            attr.config = id;
        }
        Source::Dynamic { pmu, config, offset, .. } => {
            attr.type_ = pmu;
            attr.config = config;
            attr.__bindgen_anon_3.config1 = name.as_ref().map_or(0, |n| n.as_ptr() as u64);
            attr.__bindgen_anon_4.config2 = offset;
        }
        Source::Address { pmu, config, addr } => {
            attr.type_ = pmu;
            attr.config = config;
            attr.__bindgen_anon_4.config2 = addr;
        }
        Source::Counter { ty, config, period } => {
            attr.type_ = match ty {
                CounterType::Software => libbpf_sys::PERF_TYPE_SOFTWARE,
                CounterType::Hardware => libbpf_sys::PERF_TYPE_HARDWARE,
            };
            attr.config = config;
            attr.__bindgen_anon_1.sample_period = period;
        }
        Source::Frequency { hz } => {
            attr.type_ = libbpf_sys::PERF_TYPE_SOFTWARE;
            attr.config = SW_CPU_CLOCK;
            attr.set_freq(1);
            attr.__bindgen_anon_1.sample_freq = hz;
        }
        Source::Breakpoint { addr, len, mode } => {
            attr.type_ = libbpf_sys::PERF_TYPE_BREAKPOINT;
            attr.bp_type = mode;
            attr.__bindgen_anon_3.bp_addr = addr;
            attr.__bindgen_anon_4.bp_len = u64::from(len);
            attr.set_precise_ip(2);
        }
    }
    attr.set_disabled(1);
    let is_counter =
        matches!(source, Source::Counter { .. } | Source::Frequency { .. } | Source::Breakpoint { .. });
    if is_counter && matches!(scope, Scope::Task(_)) {
        // Threads that come later are watched too, other processes are not (kernel 5.13).
        attr.set_inherit(1);
        attr.set_inherit_thread(1);
        match open_attr(&attr, scope) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                attr.set_inherit(0);
                attr.set_inherit_thread(0);
            }
            opened => return opened,
        }
    }
    open_attr(&attr, scope)
}

/// Opens an event, disabled, whose ring tells of processes: forks, execs, code mapped, ends; each record ends in
/// its time. Readable when `wake_bytes` are there.
pub fn open_task_events(scope: Scope, wake_bytes: usize) -> io::Result<OwnedFd> {
    let mut attr = libbpf_sys::perf_event_attr {
        size: size_of::<libbpf_sys::perf_event_attr>() as u32,
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_DUMMY),
        sample_type: u64::from(libbpf_sys::PERF_SAMPLE_TIME),
        ..Default::default()
    };
    attr.set_disabled(1);
    attr.set_mmap(1);
    attr.set_mmap2(1);
    attr.set_comm(1);
    attr.set_comm_exec(1);
    attr.set_task(1);
    attr.set_sample_id_all(1);
    attr.set_watermark(1);
    attr.__bindgen_anon_2.wakeup_watermark = wake_bytes as u32;
    open_attr(&attr, scope)
}

/// Opens an event, disabled, whose ring takes what programs of a CPU write into it; each record makes it readable.
pub fn open_output(cpu: u32) -> io::Result<OwnedFd> {
    let mut attr = libbpf_sys::perf_event_attr {
        size: size_of::<libbpf_sys::perf_event_attr>() as u32,
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_BPF_OUTPUT),
        sample_type: u64::from(libbpf_sys::PERF_SAMPLE_RAW),
        ..Default::default()
    };
    attr.__bindgen_anon_1.sample_period = 1;
    attr.__bindgen_anon_2.wakeup_events = 1;
    attr.set_disabled(1);
    open_attr(&attr, Scope::Cpu(cpu))
}

fn open_attr(attr: &libbpf_sys::perf_event_attr, scope: Scope) -> io::Result<OwnedFd> {
    let (pid, cpu) = match scope {
        Scope::Cpu(cpu) => (-1, cpu as i32),
        Scope::Task(pid) => (pid as i32, -1),
    };
    // SAFETY: `attr` says its own size and, with what it points to, outlives the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, attr, pid, cpu, -1, libbpf_sys::PERF_FLAG_FD_CLOEXEC)
    };
    if fd < 0 { Err(io::Error::last_os_error()) } else { owned(fd as i32) }
}

/// Hangs a program on the event and lets it fire.
pub fn start(event: BorrowedFd, program: BorrowedFd) -> io::Result<()> {
    const SET_BPF: libc::Ioctl = 0x4004_2408;
    ioctl(event, SET_BPF, program.as_raw_fd())?;
    enable(event)
}

/// Lets the event fire.
pub fn enable(event: BorrowedFd) -> io::Result<()> {
    const ENABLE: libc::Ioctl = 0x2400;
    ioctl(event, ENABLE, 0)
}

/// Stops the event; a tracepoint's programs go on all the same.
pub fn disable(event: BorrowedFd) -> io::Result<()> {
    const DISABLE: libc::Ioctl = 0x2401;
    ioctl(event, DISABLE, 0)
}

fn ioctl(event: BorrowedFd, request: libc::Ioctl, arg: i32) -> io::Result<()> {
    // SAFETY: these requests take a number.
    let ret = unsafe { libc::ioctl(event.as_raw_fd(), request, arg) };
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The number of a PMU, and the bit of `config` that makes a probe a return probe.
pub struct Pmu {
    pub ty: u32,
    pub return_bit: u64,
}

/// Looks up a PMU by its name in sysfs; the error is that of the file, not found where the kernel lacks it.
pub fn pmu(name: &str) -> io::Result<Pmu> {
    let folder = format!("/sys/bus/event_source/devices/{name}");
    let ty = std::fs::read_to_string(format!("{folder}/type"))?;
    let ty = ty.trim().parse().map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // "config:0"
    let bit = std::fs::read_to_string(format!("{folder}/format/retprobe"))
        .ok()
        .and_then(|text| text.trim().strip_prefix("config:")?.parse::<u32>().ok())
        .unwrap_or(0);
    Ok(Pmu { ty, return_bit: 1 << bit })
}

/// The CPUs that are online, from sysfs (`0-3,5`).
pub fn online_cpus() -> io::Result<Vec<u32>> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    parse_cpu_list(text.trim()).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
}

fn parse_cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (lo, hi) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(lo.parse::<u32>().ok()?..=hi.parse::<u32>().ok()?);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists() {
        assert_eq!(parse_cpu_list("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_cpu_list("0"), Some(vec![0]));
        assert_eq!(parse_cpu_list("x"), None);
    }
}
