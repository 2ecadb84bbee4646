//! What the machine under test can do, found out without awl.
//!
//! Comes in: the name of a feature, as cases `need` it. Goes out: whether it is here, or why not. A lane
//! (a kernel that is tested on purpose) lists the features that it lacks; a feature that is absent and not
//! listed, or listed and present, fails the run: a probe that stops working cannot pass as a skip.

use std::fs;
use std::path::Path;
use std::process::Command;

/// One feature: its name, and the probe that says why it is absent.
type Feature = (&'static str, fn() -> Result<(), String>);

pub const FEATURES: &[Feature] = &[
    ("root", root),
    ("btf", || exists("/sys/kernel/btf/vmlinux")),
    ("tracefs", || exists("/sys/kernel/tracing/events")),
    ("tracepoint", || exists("/sys/kernel/tracing/events/syscalls/sys_enter_openat/format")),
    ("kprobe", || exists("/sys/bus/event_source/devices/kprobe/type")),
    ("uprobe", || exists("/sys/bus/event_source/devices/uprobe/type")),
    ("fentry", fentry),
    ("task-btf", || kernel_at_least("5.11")),
    ("for-each-map", || kernel_at_least("5.13")),
    ("bpf-loop", || kernel_at_least("5.17")),
    ("perf-link", || kernel_at_least("5.15")),
    // Keys of hash maps of more than 512 bytes.
    ("long-keys", || kernel_at_least("5.11")),
    ("kprobe-multi", kprobe_multi),
    ("uprobe-multi", || kernel_at_least("6.6")),
    ("programs-32", || has_symbol("compat_start_thread")),
    ("write-user", write_user),
    // Stacks at the start of a function of user code that do not lack its caller.
    ("uprobe-callers", || kernel_at_least("6.11")),
    ("kaddr-data", || has_symbol("jiffies")),
    ("pmu", || exists("/sys/bus/event_source/devices/cpu/type")),
    ("libc", libc),
    ("python3", || on_path("python3")),
    ("objcopy", || on_path("objcopy")),
    ("loopback", loopback),
    ("setpriv", setpriv),
    ("libc-headers", || exists("/usr/include/netinet/in.h")),
];

/// Whether the feature is here; an error says why not. `kernel>=X.Y` is a feature, too.
pub fn probe(name: &str) -> Result<(), String> {
    if let Some(version) = name.strip_prefix("kernel>=") {
        return kernel_at_least(version);
    }
    match FEATURES.iter().find(|(feature, _)| *feature == name) {
        Some((_, probe)) => probe(),
        None => Err(format!("no feature is called {name}")),
    }
}

/// Whether `name` can be asked for.
pub fn is_known(name: &str) -> bool {
    name.strip_prefix("kernel>=").is_some_and(|v| version(v).is_some())
        || FEATURES.iter().any(|(f, _)| *f == name)
}

/// What a lane says of its kernel.
#[derive(Debug, Default)]
pub struct Lane {
    /// The features that it lacks, from lines `absent NAME`.
    pub absent: Vec<String>,
    /// The rows whose examples awl refuses on it, from lines `refuses NAME`.
    pub refuses: Vec<String>,
}

impl Lane {
    /// Reads the lane at `path`.
    pub fn read(path: &Path) -> Result<Lane, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut lane = Lane::default();
        for line in text.lines().map(|line| line.split('#').next().unwrap_or("").trim()) {
            match line.split_once(' ') {
                Some(("absent", name)) if FEATURES.iter().any(|(f, _)| *f == name.trim()) => {
                    lane.absent.push(name.trim().to_owned());
                }
                Some(("refuses", name)) => lane.refuses.push(name.trim().to_owned()),
                _ if line.is_empty() => {}
                _ => return Err(format!("{}: cannot read: {line}", path.display())),
            }
        }
        Ok(lane)
    }
}

/// Where the machine differs from what its lane says.
pub fn differences(absent: &[String]) -> Vec<String> {
    let difference = |(name, probe): &Feature| match (probe(), absent.iter().any(|a| a == name)) {
        (Err(why), false) => Some(format!("{name} should be here: {why}")),
        (Ok(()), true) => Some(format!("{name} is listed as absent and is here")),
        _ => None,
    };
    FEATURES.iter().filter_map(difference).collect()
}

fn exists(path: &str) -> Result<(), String> {
    fs::metadata(path).map(|_| ()).map_err(|e| format!("{path}: {e}"))
}

fn root() -> Result<(), String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    if uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0") {
        Ok(())
    } else {
        Err("not root".to_owned())
    }
}

/// Trampolines stand on the function tracer, whose list of functions can be read where they work.
fn fentry() -> Result<(), String> {
    exists("/sys/kernel/btf/vmlinux")?;
    let path = "/sys/kernel/tracing/available_filter_functions";
    fs::File::open(path).map(|_| ()).map_err(|e| format!("{path}: {e}"))
}

/// A kernel that is locked down for integrity lets no program write into a process. Where securityfs is not
/// mounted, its log tells.
fn write_user() -> Result<(), String> {
    if let Ok(text) = fs::read_to_string("/sys/kernel/security/lockdown") {
        return if text.contains("[none]") { Ok(()) } else { Err(format!("locked down: {}", text.trim())) };
    }
    let log = Command::new("dmesg").output().map(|o| o.stdout).unwrap_or_default();
    match String::from_utf8_lossy(&log).contains("Kernel is locked down") {
        true => Err("the kernel is locked down".to_owned()),
        false => Ok(()),
    }
}

/// Needs CONFIG_FPROBE, whose function shows in the symbols.
fn kprobe_multi() -> Result<(), String> {
    has_symbol("register_fprobe_ips")
}

fn has_symbol(name: &str) -> Result<(), String> {
    let symbols = fs::read_to_string("/proc/kallsyms").map_err(|e| e.to_string())?;
    let is_there = symbols.lines().any(|line| line.split_whitespace().nth(2) == Some(name));
    if is_there { Ok(()) } else { Err(format!("the kernel has no symbol {name}")) }
}

fn kernel_at_least(wanted: &str) -> Result<(), String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| e.to_string())?;
    let is_new = version(&release).zip(version(wanted)).is_some_and(|(here, wanted)| here >= wanted);
    if is_new { Ok(()) } else { Err(format!("kernel {} is older than {wanted}", release.trim())) }
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().split(['.', '-', '+']).map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// A libc that the workload is linked with dynamically, for probes of `libc`.
fn libc() -> Result<(), String> {
    let folders = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"];
    let is_there = folders.iter().any(|folder| Path::new(folder).join("libc.so.6").exists());
    if is_there { Ok(()) } else { Err("no libc.so.6".to_owned()) }
}

fn on_path(program: &str) -> Result<(), String> {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", program]).status();
    if found.is_ok_and(|status| status.success()) { Ok(()) } else { Err(format!("no {program}")) }
}

/// util-linux's, which can take another user id; busybox's cannot.
fn setpriv() -> Result<(), String> {
    let tried = Command::new("setpriv").args(["--reuid=65534", "--clear-groups", "true"]).output();
    if tried.is_ok_and(|output| output.status.success()) {
        Ok(())
    } else {
        Err("no setpriv --reuid".to_owned())
    }
}

fn loopback() -> Result<(), String> {
    std::net::TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let flags = fs::read_to_string("/sys/class/net/lo/flags").map_err(|e| e.to_string())?;
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or(0);
    if flags & 1 == 1 { Ok(()) } else { Err("the loopback device is down".to_owned()) }
}
