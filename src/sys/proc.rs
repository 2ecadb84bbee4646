//! What procfs and sysfs say: kernel symbols, functions that can be probed, CPUs, cgroups.

use super::tracefs;
use crate::world::{Answer, Missing, glob};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const KALLSYMS: &str = "/proc/kallsyms";

/// A line of kallsyms.
struct Symbol<'a> {
    addr: u64,
    class: u8,
    name: &'a str,
    /// Empty for vmlinux.
    module: &'a str,
}

/// Possible CPUs, counted from 0 to the highest.
pub fn n_cpus_possible() -> u32 {
    let text = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    n_cpus(&text).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32))
}

/// `0-3,8-11` → 12
fn n_cpus(text: &str) -> Option<u32> {
    let last = text.trim().rsplit([',', '-']).next()?;
    last.parse::<u32>().ok()?.checked_add(1)
}

/// The kernel's release.
pub fn kernel_release() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(text.trim().to_owned())
}

/// Whether the same program lies at other addresses each time it runs.
pub fn addresses_vary() -> bool {
    fs::read_to_string("/proc/sys/kernel/randomize_va_space").map_or(true, |text| text.trim() != "0")
}

/// A setting of the kernel's configuration, where the kernel or its package has that.
pub fn kernel_setting(name: &str) -> Option<String> {
    setting(&kernel_config()?, name).map(str::to_owned)
}

fn kernel_config() -> Option<String> {
    let mut text = String::new();
    if let Ok(packed) = File::open("/proc/config.gz") {
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).ok()?;
        return Some(text);
    }
    let release = kernel_release()?;
    let paths = [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")];
    paths.iter().find_map(|path| fs::read_to_string(path).ok())
}

/// The text after `NAME=`.
fn setting<'t>(config: &'t str, name: &str) -> Option<&'t str> {
    config.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// Address of a kernel symbol, by a scan of kallsyms (up to 35 ms).
pub fn kernel_symbol(name: &str) -> Answer<u64> {
    let mut found = Err(Missing::No);
    scan_kallsyms(|symbol| {
        let is_it = symbol.name == name;
        if is_it {
            found = Ok(symbol.addr);
        }
        !is_it
    })?;
    match found {
        Ok(0) => Err(Missing::Unreadable {
            why: "kernel addresses are hidden (kptr_restrict)".into(),
            hint: "run as root, and sysctl kernel.kptr_restrict=1".into(),
        }),
        other => other,
    }
}

/// The address of a variable of which each CPU has one, and that of the table of the CPUs' bases.
pub fn per_cpu_symbol(name: &str) -> Answer<(u64, u64)> {
    let (mut found, mut table, mut start, mut end) = (Vec::new(), None, None, None);
    scan_kallsyms(|symbol| {
        match symbol.name {
            "__per_cpu_offset" => table = Some(symbol.addr),
            "__per_cpu_start" => start = Some(symbol.addr),
            "__per_cpu_end" => end = Some(symbol.addr),
            other if other == name => found.push(symbol.addr),
            _ => {}
        }
        true
    })?;
    let unreadable = |why: &str, hint: &str| Missing::Unreadable { why: why.into(), hint: hint.into() };
    match (table, start, end) {
        (Some(0), ..) => Err(unreadable(
            "kernel addresses are hidden (kptr_restrict)",
            "run as root, and sysctl kernel.kptr_restrict=1",
        )),
        (Some(table), Some(start), Some(end)) => match found.iter().find(|a| (start..end).contains(*a)) {
            Some(&addr) => Ok((addr, table)),
            None if found.is_empty() => Err(Missing::No),
            None => Err(unreadable(&format!("{name} is no variable of which each CPU has one"), "")),
        },
        _ => Err(unreadable("this kernel does not list its variables (CONFIG_KALLSYMS_ALL)", "")),
    }
}

/// `(module, name)` of the functions that ftrace can trace; unreadable on some kernels even for root.
pub fn traceable_functions() -> Answer<BTreeSet<(String, String)>> {
    let text = tracefs::read(&tracefs::root()?.join("available_filter_functions"))?;
    if text.is_empty() {
        return Err(Missing::No);
    }
    Ok(parse_functions(&text))
}

/// The functions of a list as the kernel gives it, one a line: `vfs_read` or `nf_hook [nf_tables]`.
pub fn parse_functions(text: &str) -> BTreeSet<(String, String)> {
    text.lines().map(str::trim).filter_map(parse_traceable).collect()
}

/// `vfs_read` or `nf_hook [nf_tables]`
fn parse_traceable(line: &str) -> Option<(String, String)> {
    let (name, module) = line.split_once(' ').unwrap_or((line, ""));
    // What is left of weak functions that another one has replaced.
    let is_real = !name.starts_with("__ftrace_invalid_address__") && !name.is_empty();
    is_real.then(|| (module.trim_matches(['[', ']']).to_owned(), name.to_owned()))
}

/// `(module, name)` of the functions that kprobes can use and whose module and name match: those of ftrace's list
/// where it can be read, else those of kallsyms; in either case without the kernel's blacklist.
pub fn kprobe_functions(
    module: &dyn Fn(&str) -> bool,
    name: &dyn Fn(&str) -> bool,
) -> Answer<Vec<(String, String)>> {
    let blacklist = kprobe_blacklist();
    let wanted = |m: &str, n: &str| name(n) && module(m) && !blacklist.contains(n);
    if let Ok(functions) = traceable_functions() {
        return Ok(functions.into_iter().filter(|(m, n)| wanted(m, n)).collect());
    }
    let mut found = BTreeSet::new();
    scan_kallsyms(|s| {
        let is_code = matches!(s.class, b't' | b'T' | b'w' | b'W');
        if is_code && !is_odd(s.name) && wanted(s.module, s.name) {
            found.insert((s.module.to_owned(), s.name.to_owned()));
        }
        true
    })?;
    Ok(found.into_iter().collect())
}

/// `(module, name)` of all functions of that name in kallsyms.
pub fn kernel_functions_named(name: &str, module: &dyn Fn(&str) -> bool) -> Answer<Vec<(String, String)>> {
    let mut found = BTreeSet::new();
    scan_kallsyms(|s| {
        if s.name == name && matches!(s.class, b't' | b'T' | b'w' | b'W') && module(s.module) {
            found.insert((s.module.to_owned(), s.name.to_owned()));
        }
        true
    })?;
    Ok(found.into_iter().collect())
}

/// Where the functions of that name stand; the module is empty for the kernel itself.
pub fn function_addresses(module: &str, name: &str) -> Answer<Vec<u64>> {
    let mut found = BTreeSet::new();
    scan_kallsyms(|s| {
        if s.name == name && s.module == module && matches!(s.class, b't' | b'T' | b'w' | b'W') && s.addr != 0
        {
            found.insert(s.addr);
        }
        true
    })?;
    Ok(found.into_iter().collect())
}

/// Pieces of functions and padding, which no pattern means.
fn is_odd(name: &str) -> bool {
    name.contains(".cold") || name.contains(".part.") || name.contains(".isra.") || name.starts_with("__pfx_")
}

/// Functions that kprobes refuse, as far as debugfs says.
fn kprobe_blacklist() -> BTreeSet<String> {
    let text = fs::read_to_string("/sys/kernel/debug/kprobes/blacklist").unwrap_or_default();
    text.lines().filter_map(|l| l.split_whitespace().nth(1)).map(str::to_owned).collect()
}

/// Calls `f` with each symbol until it says no.
fn scan_kallsyms(mut f: impl FnMut(Symbol) -> bool) -> Answer<()> {
    let unreadable = |e: std::io::Error| Missing::Unreadable {
        why: format!("{KALLSYMS}: {e}"),
        hint: "run as root".into(),
    };
    let mut lines = BufReader::with_capacity(1 << 16, File::open(KALLSYMS).map_err(unreadable)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            return Ok(());
        }
        let symbol = std::str::from_utf8(&line).ok().and_then(parse_symbol);
        if let Some(symbol) = symbol
            && !f(symbol)
        {
            return Ok(());
        }
    }
}

/// `ffffffff81000000 T _text` or `ffffffffc0000000 t f [module]`
fn parse_symbol(line: &str) -> Option<Symbol<'_>> {
    let mut words = line.split_ascii_whitespace();
    let addr = u64::from_str_radix(words.next()?, 16).ok()?;
    let class = *words.next()?.as_bytes().first()?;
    let name = words.next()?;
    let module = words.next().map_or("", |m| m.trim_matches(['[', ']']));
    Some(Symbol { addr, class, name, module })
}

/// Id of a cgroup v2: a path, or a path below a mount of cgroup v2.
pub fn cgroup_id(path: &str) -> Answer<u64> {
    let below = |root: &str| Path::new(root).join(path.trim_start_matches('/'));
    let mut candidates = vec![PathBuf::from(path)];
    candidates.extend(cgroup2_mounts().iter().map(|m| below(m)));
    let folder = candidates.iter().find_map(|p| fs::metadata(p).ok().filter(|m| m.is_dir()));
    folder.map(|m| m.ino()).ok_or(Missing::No)
}

/// Where cgroup v2 is mounted.
fn cgroup2_mounts() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = text.lines().map(|l| l.split(' ').collect::<Vec<_>>());
    let cgroup2 = mounts.filter(|m| m.get(2) == Some(&"cgroup2"));
    cgroup2.filter_map(|m| m.get(1).map(|p| p.to_string())).collect()
}

/// A matcher for a module pattern; empty is any, `vmlinux` the kernel itself.
pub fn module_matcher(pattern: &str) -> impl Fn(&str) -> bool {
    let pattern = pattern.to_owned();
    move |module| {
        let name = if module.is_empty() { "vmlinux" } else { module };
        pattern.is_empty() || glob(&pattern, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists() {
        assert_eq!(n_cpus("0-3,8-11\n"), Some(12));
        assert_eq!(n_cpus("0\n"), Some(1));
        assert_eq!(n_cpus(""), None);
        assert!(n_cpus_possible() >= 1);
    }

    #[test]
    fn symbols() {
        let s = parse_symbol("ffffffffc0a1 t nf_hook\t[nf_tables]\n").unwrap();
        assert_eq!((s.addr, s.class, s.name, s.module), (0xffff_ffff_c0a1, b't', "nf_hook", "nf_tables"));
        assert!(parse_symbol("garbage").is_none());
        assert_eq!(kernel_symbol("no such symbol"), Err(Missing::No));
    }

    #[test]
    fn traceable_lines() {
        let pair = |m: &str, n: &str| Some((m.to_owned(), n.to_owned()));
        assert_eq!(parse_traceable("vfs_read"), pair("", "vfs_read"));
        assert_eq!(parse_traceable("nf_hook [nf_tables]"), pair("nf_tables", "nf_hook"));
        assert_eq!(parse_traceable("__ftrace_invalid_address___212"), None);
    }

    #[test]
    fn modules_match() {
        assert!(module_matcher("")("nf_tables") && module_matcher("")(""));
        assert!(module_matcher("vmlinux")("") && !module_matcher("vmlinux")("nf_tables"));
        assert!(module_matcher("nf_*")("nf_tables") && !module_matcher("nf_*")(""));
    }

    #[test]
    fn cgroups() {
        let id = cgroup_id("/proc/self").unwrap();
        assert_eq!(id, fs::metadata("/proc/self").unwrap().ino());
        assert_eq!(cgroup_id("/no/such/folder"), Err(Missing::No));
    }
}
