//! Names of users and cgroups, and times, as they are when they are looked up.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::sys::time;

/// What was looked up so far.
#[derive(Default)]
pub struct Names {
    users: Option<HashMap<u64, String>>,
    cgroups: HashMap<u64, String>,
    /// Wall clock minus boot clock.
    wall_minus_boot: Option<u64>,
}

impl Names {
    /// The user's name; the number where there is none.
    pub fn user(&mut self, uid: u64) -> String {
        let users = self.users.get_or_insert_with(|| {
            let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
            users_of(&text)
        });
        users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    /// `hierarchy:path` of a cgroup in each hierarchy that has it, with commas; empty if it is gone.
    pub fn cgroup(&mut self, id: u64) -> String {
        if let Some(known) = self.cgroups.get(&id) {
            return known.clone();
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let found: Vec<String> = mounts.lines().filter_map(|line| in_hierarchy(line, id)).collect();
        let text = found.join(",");
        self.cgroups.insert(id, text.clone());
        text
    }

    /// A time of the boot clock by a `strftime` format.
    pub fn time(&mut self, boot_ns: u64, format: &str) -> String {
        let offset =
            *self.wall_minus_boot.get_or_insert_with(|| time::wall_ns().wrapping_sub(time::boot_ns()));
        time::format_local(format, boot_ns.wrapping_add(offset))
    }
}

fn users_of(passwd: &str) -> HashMap<u64, String> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some((uid, name.to_owned()))
    };
    // The first entry of a number counts.
    passwd.lines().rev().filter_map(user).collect()
}

/// The cgroup with inode `id` under a mount, if the line of /proc/mounts is one of cgroups.
fn in_hierarchy(line: &str, id: u64) -> Option<String> {
    let mut fields = line.split(' ');
    let (point, kind) = (fields.nth(1)?, fields.next()?);
    let name = match kind {
        "cgroup2" => "unified",
        "cgroup" => Path::new(point).file_name()?.to_str()?,
        _ => return None,
    };
    let path = folder_with_inode(Path::new(point), id)?;
    let path = path.strip_prefix(point).ok()?;
    Some(format!("{name}:/{}", path.display()))
}

fn folder_with_inode(root: &Path, id: u64) -> Option<PathBuf> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        if fs::metadata(&folder).is_ok_and(|m| m.ino() == id) {
            return Some(folder);
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_number() {
        let users =
            users_of("root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/:/bin/sh\nalias:x:0:0::/:/\nbad\n");
        assert_eq!(users.get(&0).map(String::as_str), Some("root"));
        assert_eq!(users.get(&1000).map(String::as_str), Some("me"));
        assert_eq!(Names::default().user(4_000_000_000), "4000000000");
    }

    #[test]
    fn times_are_of_the_wall_clock() {
        let now = time::wall_ns() / 1_000_000_000;
        let then: u64 = Names::default().time(time::boot_ns(), "%s").parse().unwrap();
        assert!(then.abs_diff(now) <= 1, "{then} {now}");
    }

    #[test]
    fn cgroups_are_found_by_inode() {
        let line = |kind| format!("none {} {kind} rw 0 0", std::env::temp_dir().display());
        let folder = std::env::temp_dir().join(format!("awl-cgroup-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let id = fs::metadata(&folder).unwrap().ino();
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert_eq!(in_hierarchy(&line("cgroup2"), id), Some(format!("unified:/{name}")));
        assert_eq!(in_hierarchy(&line("ext4"), id), None);
        fs::remove_dir(&folder).unwrap();
    }
}
