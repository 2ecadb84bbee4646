//! Tracepoints as tracefs shows them: which there are, and the layout of their records.

use crate::world::{Answer, FormatField, Missing, TracepointFormat, glob, is_glob};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where tracefs may be mounted.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The mounted tracefs.
pub fn root() -> Answer<PathBuf> {
    let mut denied = false;
    for mount in MOUNTS {
        // `events` exists only where tracefs is mounted.
        match fs::metadata(Path::new(mount).join("events")) {
            Ok(_) => return Ok(PathBuf::from(mount)),
            Err(e) => denied |= e.kind() == ErrorKind::PermissionDenied,
        }
    }
    let missing = |why: &str, hint: &str| Missing::Unreadable { why: why.into(), hint: hint.into() };
    Err(if denied {
        missing("tracefs is readable by root only", "run as root, or compile against a snapshot (--world)")
    } else {
        missing("tracefs is not mounted", "mount -t tracefs tracefs /sys/kernel/tracing")
    })
}

/// `(category, name)` of the events that match, in order.
pub fn events(category: &str, name: &str) -> Answer<Vec<(String, String)>> {
    let root = root()?;
    let is_event = |folder: &Path| folder.join("format").exists();
    let mut found = if !is_glob(category) && !is_plain(category) || !is_glob(name) && !is_plain(name) {
        Vec::new()
    } else if is_glob(category) {
        listed(&root, category, name)?
    } else if is_glob(name) {
        let names = folder_names(&root.join("events").join(category))?;
        let names = names.into_iter().filter(|n| glob(name, n));
        let events = names.filter(|n| is_event(&root.join("events").join(category).join(n)));
        events.map(|n| (category.to_owned(), n)).collect()
    } else if is_event(&root.join("events").join(category).join(name)) {
        vec![(category.to_owned(), name.to_owned())]
    } else {
        Vec::new()
    };
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The record of one event.
pub fn format(category: &str, name: &str) -> Answer<TracepointFormat> {
    parse_format(&format_text(category, name)?).ok_or(Missing::No)
}

/// How its record is printed, as C has it.
pub fn print_format(category: &str, name: &str) -> Option<String> {
    let text = format_text(category, name).ok()?;
    text.split_once("print fmt:").map(|(_, print)| print.trim().to_owned())
}

fn format_text(category: &str, name: &str) -> Answer<String> {
    let root = root()?;
    if !is_plain(category) || !is_plain(name) {
        return Err(Missing::No);
    }
    read(&root.join("events").join(category).join(name).join("format"))
}

/// The text of a file of tracefs.
pub fn read(path: &Path) -> Answer<String> {
    fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()).map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, e: &std::io::Error) -> Missing {
    match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Missing::No,
        ErrorKind::PermissionDenied => Missing::Unreadable {
            why: format!("{}: {e}", path.display()),
            hint: "run as root, or compile against a snapshot (--world)".into(),
        },
        _ => Missing::Unreadable { why: format!("{}: {e}", path.display()), hint: String::new() },
    }
}

/// A name that is one part of a path.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains('/')
}

/// Events of several categories, by the list of all (4 ms).
fn listed(root: &Path, category: &str, name: &str) -> Answer<Vec<(String, String)>> {
    let text = read(&root.join("available_events"))?;
    let events = text.lines().filter_map(|l| l.split_once(':'));
    let matching = events.filter(|(c, n)| glob(category, c) && glob(name, n));
    Ok(matching.map(|(c, n)| (c.to_owned(), n.to_owned())).collect())
}

fn folder_names(folder: &Path) -> Answer<Vec<String>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect()),
        Err(e) => match unreadable(folder, &e) {
            Missing::No => Ok(Vec::new()),
            other => Err(other),
        },
    }
}

/// Parses a `format` file.
pub fn parse_format(text: &str) -> Option<TracepointFormat> {
    let id = text.lines().find_map(|l| l.strip_prefix("ID:"))?.trim().parse().ok()?;
    let fields = text.lines().filter_map(|l| parse_field(l.trim())).collect();
    Some(TracepointFormat { id, fields })
}

/// `field:char comm[16]; offset:8; size:16; signed:0;`
fn parse_field(line: &str) -> Option<FormatField> {
    let mut parts = line.strip_prefix("field:")?.split(';').map(str::trim);
    let declared = parts.next()?;
    let mut number = |key: &str| parts.next()?.strip_prefix(key)?.parse::<u32>().ok();
    let (offset, size) = (number("offset:")?, number("size:")?);
    // Kernels since 2.6.3x say whether it is signed; the default is harmless.
    let signed = number("signed:").unwrap_or(0) != 0;
    let (ctype, name) = split_declaration(declared)?;
    Some(FormatField { ctype, name, offset, size, signed })
}

/// `const char * filename` → (`const char *`, `filename`); `char comm[16]` → (`char[16]`, `comm`);
/// `__data_loc char[] name` → (`__data_loc char[]`, `name`).
fn split_declaration(declared: &str) -> Option<(String, String)> {
    let (head, dims) = match declared.find('[') {
        // A dimension after the name; one before it belongs to the type.
        Some(at) if declared.ends_with(']') => declared.split_at(at),
        Some(_) | None => (declared, ""),
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let start = head.rfind(|c| !is_word(c)).map_or(0, |i| i + 1);
    let (ctype, name) = head.split_at(start);
    let ctype = format!("{}{dims}", ctype.trim());
    (!name.is_empty() && !ctype.is_empty()).then(|| (ctype, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHED: &str = "name: x\nID: 372\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
        \tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
        \tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;\n\
        \tfield:__data_loc char[] name;\toffset:32;\tsize:4;\tsigned:1;\n\
        \tfield:unsigned long args[6];\toffset:40;\tsize:48;\tsigned:0;\n\n\
        print fmt: \"field:%s\", REC->x\n";

    #[test]
    fn formats() {
        let format = parse_format(SCHED).unwrap();
        assert_eq!(format.id, 372);
        let shown: Vec<_> = (format.fields.iter())
            .map(|f| format!("{}|{}|{}|{}|{}", f.ctype, f.name, f.offset, f.size, f.signed))
            .collect();
        assert_eq!(
            shown,
            [
                "unsigned short|common_type|0|2|false",
                "char[16]|prev_comm|8|16|false",
                "const char *|filename|24|8|false",
                "__data_loc char[]|name|32|4|true",
                "unsigned long[6]|args|40|48|false",
            ]
        );
        assert_eq!(parse_format("name: x\n"), None);
    }

    #[test]
    fn every_format_of_this_machine_parses() {
        let Ok(root) = root() else {
            eprintln!("skipped: no tracefs");
            return;
        };
        let all = events("*", "*").unwrap();
        assert!(all.len() > 100, "{}", all.len());
        for (category, name) in &all {
            let text = read(&root.join("events").join(category).join(name).join("format")).unwrap();
            let n_fields = text.lines().filter(|l| l.trim_start().starts_with("field:")).count();
            assert_eq!(format(category, name).unwrap().fields.len(), n_fields, "{category}:{name}");
        }
        assert_eq!(events("sched", "sched_switch").unwrap().len(), 1);
        assert!(events("sched", "sched_wak*").unwrap().len() >= 3);
        assert_eq!(events("sched", "nothing_such"), Ok(vec![]));
        assert_eq!(events("..", "sched_switch"), Ok(vec![]));
        assert_eq!(format("sched", "nothing_such"), Err(Missing::No));
    }

    #[test]
    fn every_syscall_event_has_a_number() {
        let Ok(events) = events("syscalls", "sys_enter_*") else {
            eprintln!("skipped: no tracefs");
            return;
        };
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        if release.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major > 6)
        {
            eprintln!("skipped: {} may have system calls that the table does not", release.trim());
            return;
        }
        let arch = crate::isa::arch::native();
        let names = events.iter().filter_map(|(_, n)| n.strip_prefix("sys_enter_"));
        let unknown: Vec<_> = names.filter(|n| arch.syscall(n).is_none()).collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }
}
