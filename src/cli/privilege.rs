//! What this process may do, and what of the system stands in the way.
//!
//! Comes in: files of /proc and /sys. Goes out: words for people. Always holds: a file that is not there means
//! that nothing is in the way.

use std::fs;

/// The process's effective rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges {
    pub uid: u32,
    /// `CapEff`
    pub caps: u64,
}

const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// How far the kernel is locked down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    None,
    Integrity,
    Confidentiality,
}

impl Privileges {
    pub fn of_self() -> Privileges {
        Privileges::parse(&fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    /// From the text of `/proc/PID/status`.
    fn parse(status: &str) -> Privileges {
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name));
        let uid = field("Uid:").and_then(|v| v.split_whitespace().nth(1)?.parse().ok());
        let caps = field("CapEff:").and_then(|v| u64::from_str_radix(v.trim(), 16).ok());
        // A /proc that tells nothing is no reason to refuse: the kernel will.
        Privileges { uid: uid.unwrap_or(0), caps: caps.unwrap_or(u64::MAX) }
    }

    /// What is missing for loading tracing programs.
    pub fn missing(self) -> Option<String> {
        if self.caps & CAP_SYS_ADMIN != 0 {
            return None;
        }
        let wanted = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")];
        let missing: Vec<&str> =
            wanted.iter().filter(|(bit, _)| self.caps & bit == 0).map(|(_, name)| *name).collect();
        if missing.is_empty() { None } else { Some(missing.join(" and ")) }
    }
}

/// Why tracing cannot work here, if that is so: what is wrong, and what to do.
pub fn obstacle() -> Option<(String, String)> {
    if lockdown() == Lockdown::Confidentiality {
        return Some((
            "kernel lockdown is set to confidentiality, which forbids tracing".into(),
            "boot with lockdown=integrity or without lockdown".into(),
        ));
    }
    let rights = Privileges::of_self();
    rights
        .missing()
        .map(|what| explain(rights.uid, &what, sysctl("kernel/unprivileged_bpf_disabled").as_deref()))
}

fn explain(uid: u32, what: &str, unprivileged_bpf_disabled: Option<&str>) -> (String, String) {
    let restricted = match unprivileged_bpf_disabled {
        Some("1" | "2") => "; the sysctl kernel.unprivileged_bpf_disabled restricts bpf() to them",
        _ => "",
    };
    if uid != 0 {
        let text = format!("awl needs root, or {what}, which this process does not have{restricted}");
        return (text, "run it with sudo".into());
    }
    let text = format!("this process is root, but lacks {what}{restricted}");
    (text, "a container must be started with these capabilities (--cap-add, --privileged)".into())
}

/// What a permission error while loading or attaching may come from, besides capabilities.
pub fn suspects() -> Vec<String> {
    let mut out = Vec::new();
    match lockdown() {
        Lockdown::None => {}
        Lockdown::Integrity => out.push("kernel lockdown is set to integrity".to_owned()),
        Lockdown::Confidentiality => out.push("kernel lockdown is set to confidentiality".to_owned()),
    }
    for (key, harmless) in
        [("kernel/unprivileged_bpf_disabled", &["0"][..]), ("kernel/perf_event_paranoid", &["-1", "0", "1"])]
    {
        if let Some(value) = sysctl(key).filter(|v| !harmless.contains(&v.as_str())) {
            out.push(format!("{} is {value}", key.replace('/', ".")));
        }
    }
    out
}

/// The value of a file under /proc/sys.
pub fn sysctl(key: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{key}")).ok().map(|v| v.trim().to_owned())
}

pub fn lockdown() -> Lockdown {
    parse_lockdown(&fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default())
}

/// `none [integrity] confidentiality`
fn parse_lockdown(text: &str) -> Lockdown {
    match text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(mode, _)| mode) {
        Some("integrity") => Lockdown::Integrity,
        Some("confidentiality") => Lockdown::Confidentiality,
        _ => Lockdown::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights() {
        let status = |uid: u32, caps: &str| format!("Name:\tx\nUid:\t5\t{uid}\t5\t5\nCapEff:\t{caps}\n");
        let p = Privileges::parse(&status(1000, "0000000000000000"));
        assert_eq!(p.missing().as_deref(), Some("CAP_BPF and CAP_PERFMON"));
        assert_eq!(p.uid, 1000);
        assert_eq!(Privileges::parse(&status(0, "0000000000200000")).missing(), None);
        assert_eq!(Privileges::parse(&status(0, "000000c000000000")).missing(), None);
        let p = Privileges::parse(&status(0, "0000008000000000"));
        assert_eq!(p.missing().as_deref(), Some("CAP_PERFMON"));
        assert_eq!(Privileges::parse("").missing(), None);
    }

    #[test]
    fn explanations() {
        let (text, hint) = explain(1000, "CAP_BPF", Some("2"));
        assert!(text.contains("needs root") && text.contains("unprivileged_bpf_disabled"), "{text}");
        assert_eq!(hint, "run it with sudo");
        let (text, hint) = explain(0, "CAP_PERFMON", None);
        assert_eq!(text, "this process is root, but lacks CAP_PERFMON");
        assert!(hint.contains("container"));
    }

    #[test]
    fn lockdown_modes() {
        assert_eq!(parse_lockdown("[none] integrity confidentiality\n"), Lockdown::None);
        assert_eq!(parse_lockdown("none [integrity] confidentiality\n"), Lockdown::Integrity);
        assert_eq!(parse_lockdown("none integrity [confidentiality]\n"), Lockdown::Confidentiality);
        assert_eq!(parse_lockdown(""), Lockdown::None);
    }
}
