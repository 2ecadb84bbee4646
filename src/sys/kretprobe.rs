//! Return probes as events of tracefs.
//!
//! Comes in: a function. Goes out: an event that is there until it is dropped. A return probe of perf's own sees
//! only a few tasks at a time, one per CPU where the kernel does not preempt: a task that sleeps inside the function
//! keeps all others from being seen, and nobody counts them. Such an event says how many tasks it sees, and counts.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use super::tracefs;

/// Tasks that may be inside the function at a time; the kernel takes 4096 at most. Some 100 bytes each.
const N_TASKS: u32 = 2048;
/// The group of awl's events.
const GROUP: &str = "awl";

/// See the module.
#[derive(Debug)]
pub struct ReturnEvent {
    root: PathBuf,
    name: String,
    /// As `perf_event_open` takes it.
    pub id: u64,
    /// `FUNC` or `MODULE:FUNC`.
    pub func: String,
}

impl ReturnEvent {
    /// Makes an event for the returns of `func`, which may have its module before it.
    pub fn new(func: &str) -> io::Result<ReturnEvent> {
        static SWEPT: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let root = tracefs::root().map_err(|_| io::Error::from_raw_os_error(libc::ENOENT))?;
        SWEPT.call_once(|| sweep(&root));
        let name = format!("r_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        command(&root, &format!("r{N_TASKS}:{GROUP}/{name} {func}"))?;
        // From here on it is taken back whatever comes.
        let mut event = ReturnEvent { root, name, id: 0, func: func.to_owned() };
        let path = event.root.join("events").join(GROUP).join(&event.name).join("id");
        let id = std::fs::read_to_string(path)?;
        event.id = id.trim().parse().map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        Ok(event)
    }

    /// Returns that were not seen, as far as the kernel tells.
    pub fn n_missed(&self) -> u64 {
        let profile = std::fs::read_to_string(self.root.join("kprobe_profile")).unwrap_or_default();
        missed(&profile, &self.name).unwrap_or(0)
    }
}

impl Drop for ReturnEvent {
    fn drop(&mut self) {
        // Nobody is left to be told if it fails; the next awl tries again.
        let _ = command(&self.root, &format!("-:{GROUP}/{}", self.name));
    }
}

fn command(root: &Path, text: &str) -> io::Result<()> {
    // Appended: a file that is opened otherwise loses everybody's events.
    OpenOptions::new().append(true).open(root.join("kprobe_events"))?.write_all(text.as_bytes())
}

/// Takes back the events of processes that were killed.
fn sweep(root: &Path) {
    let events = std::fs::read_to_string(root.join("kprobe_events")).unwrap_or_default();
    for (name, pid) in left_behind(&events) {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = command(root, &format!("-:{GROUP}/{name}"));
        }
    }
}

/// awl's events in the text of `kprobe_events`, with their makers.
fn left_behind(events: &str) -> impl Iterator<Item = (&str, u32)> {
    events.lines().filter_map(|line| {
        // "r2048:awl/r_12_0 vfs_read"
        let (_, name) = line.split_whitespace().next()?.split_once(":awl/")?;
        let pid = name.strip_prefix("r_")?.split('_').next()?.parse().ok()?;
        Some((name, pid))
    })
}

/// The last column of the event's line.
fn missed(profile: &str, name: &str) -> Option<u64> {
    let mut lines = profile.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.find(|words| words.first() == Some(&name))?.last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tracefs() {
        let events = "p:kprobes/p_x_0 x\nr2048:awl/r_12_0 vfs_read\nr2048:awl/r_x_1 vfs_read\n";
        assert_eq!(left_behind(events).collect::<Vec<_>>(), [("r_12_0", 12)]);
        let profile = "  r_12_0      7       0\n  r_12_1   20    3\n";
        assert_eq!((missed(profile, "r_12_1"), missed(profile, "r_1")), (Some(3), None));
    }
}
