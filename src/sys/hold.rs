//! Holds a child of ours where its program starts, when the loader has mapped all that it needs: the time to look at
//! its code before any of it runs.
//!
//! Comes in: a child that waits to be let go. Goes out: the child, running as if nothing had been. Always holds: it
//! waits for the child only so long, and a child that ends is left to be waited for. The child's memory stays as it
//! is: the place is a breakpoint of the processor's (x86_64).

use std::fs;
use std::io;
use std::mem::offset_of;
use std::ptr;
use std::time::{Duration, Instant};

/// Between two looks at the child.
const LOOK_EACH: Duration = Duration::from_micros(100);
/// Loaders take milliseconds; what runs longer before its start waits for something.
const LOAD_MAX: Duration = Duration::from_secs(5);
/// In the control register: the first breakpoint is on, for instructions (Intel SDM volume 3, 19.2.4).
const FIRST_ON: u64 = 1;
const CONTROL: usize = 7;
/// Where a program starts, in its auxiliary vector (include/uapi/linux/auxvec.h).
const AT_ENTRY: u64 = 9;

/// Why a child stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stand {
    /// It has become another program.
    Exec,
    /// A breakpoint.
    Trap,
    /// A signal is about to be delivered.
    Signal(i32),
    /// It has ended, or cannot be watched.
    Gone,
    /// It runs yet.
    Late,
}

/// Lets a child go, holds it where its program starts, calls `look`, and lets it go on. Where it cannot be held it just
/// runs; an error is that of `go`.
pub fn at_start(pid: u32, go: impl FnOnce() -> io::Result<()>, look: &mut dyn FnMut()) -> io::Result<()> {
    let mut child = Traced { pid: pid as libc::pid_t, until: Instant::now() + LOAD_MAX };
    if !child.seize() {
        return go();
    }
    let gone = go();
    if gone.is_ok() && child.runs_to(Stand::Exec) {
        let is_set = child.entry().is_some_and(|at| child.set_breakpoint(0, at))
            && child.set_breakpoint(CONTROL, FIRST_ON);
        if is_set && child.goes_on(0) && child.runs_to(Stand::Trap) {
            child.set_breakpoint(CONTROL, 0);
            look();
        }
    }
    child.leave();
    gone
}

/// A child that this thread traces.
struct Traced {
    pid: libc::pid_t,
    until: Instant,
}

impl Traced {
    fn seize(&mut self) -> bool {
        // Without all rights, a program that takes its owner's would not while it is traced.
        // SAFETY: takes nothing.
        let is_root = unsafe { libc::geteuid() } == 0;
        is_root && self.request(libc::PTRACE_SEIZE, 0, libc::PTRACE_O_TRACEEXEC as usize)
    }

    /// Whether it comes to stand there. Signals on the way are delivered.
    fn runs_to(&mut self, wanted: Stand) -> bool {
        loop {
            match self.next() {
                stand if stand == wanted => return true,
                Stand::Gone | Stand::Late => return false,
                Stand::Signal(signal) => self.goes_on(signal),
                Stand::Exec | Stand::Trap => self.goes_on(0),
            };
        }
    }

    /// Where it stands next.
    fn next(&mut self) -> Stand {
        while Instant::now() < self.until {
            // SAFETY: plain data, for which all zeros mean that nothing has happened.
            let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
            let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
            // SAFETY: `info` outlives the call.
            let got = unsafe { libc::waitid(libc::P_PID, self.pid as libc::id_t, &mut info, flags) };
            // What has ended is not taken here: another waits for it.
            if got < 0 || [libc::CLD_EXITED, libc::CLD_KILLED, libc::CLD_DUMPED].contains(&info.si_code) {
                return Stand::Gone;
            }
            if info.si_code != 0 {
                return self.stand();
            }
            std::thread::sleep(LOOK_EACH);
        }
        Stand::Late
    }

    /// Why it stands, of which there is word.
    fn stand(&mut self) -> Stand {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        if unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG | libc::__WALL) } != self.pid
            || !libc::WIFSTOPPED(status)
        {
            return Stand::Gone;
        }
        match (libc::WSTOPSIG(status), status >> 16) {
            (libc::SIGTRAP, libc::PTRACE_EVENT_EXEC) => Stand::Exec,
            (libc::SIGTRAP, 0) => Stand::Trap,
            // Of the tracing itself.
            (_, 1..) => Stand::Signal(0),
            (signal, _) => Stand::Signal(signal),
        }
    }

    /// The address at which the program starts.
    fn entry(&self) -> Option<u64> {
        let words = fs::read(format!("/proc/{}/auxv", self.pid)).ok()?;
        let mut pairs = words.chunks_exact(16).map(|pair| {
            let word = |at: usize| pair[at..].first_chunk().map_or(0, |w| u64::from_ne_bytes(*w));
            (word(0), word(8))
        });
        pairs.find(|(kind, _)| *kind == AT_ENTRY).map(|(_, at)| at)
    }

    /// Sets one of the registers that hold breakpoints.
    fn set_breakpoint(&self, register: usize, value: u64) -> bool {
        let at = offset_of!(libc::user, u_debugreg) + register * size_of::<u64>();
        self.request(libc::PTRACE_POKEUSER, at, value as usize)
    }

    /// Lets it run, and takes a signal.
    fn goes_on(&self, signal: i32) -> bool {
        self.request(libc::PTRACE_CONT, 0, signal as usize)
    }

    /// Traces it no more.
    fn leave(&mut self) {
        if self.request(libc::PTRACE_DETACH, 0, 0) {
            return;
        }
        // It runs: only one that stands can be left.
        if !self.request(libc::PTRACE_INTERRUPT, 0, 0) {
            return;
        }
        self.until = Instant::now() + LOAD_MAX;
        loop {
            let signal = match self.next() {
                Stand::Gone | Stand::Late => return,
                Stand::Signal(signal) => signal,
                Stand::Exec | Stand::Trap => 0,
            };
            self.set_breakpoint(CONTROL, 0);
            if self.request(libc::PTRACE_DETACH, 0, signal as usize) {
                return;
            }
        }
    }

    fn request(&self, request: libc::c_uint, address: usize, data: usize) -> bool {
        let (none, address) =
            (ptr::null_mut::<libc::c_void>(), ptr::without_provenance_mut::<libc::c_void>(address));
        let data = if data == 0 { none } else { ptr::without_provenance_mut(data) };
        // SAFETY: none of the requests used here reads or writes memory of ours.
        unsafe { libc::ptrace(request, self.pid, address, data) >= 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{Child, Exit};

    fn child(words: &[&str]) -> Child {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        Child::prepare(&words).unwrap()
    }

    fn end_of(child: &mut Child) -> Exit {
        loop {
            if let Some(exit) = child.try_wait().unwrap() {
                return exit;
            }
            std::thread::sleep(LOOK_EACH);
        }
    }

    #[test]
    fn all_is_mapped_where_a_program_starts() {
        // SAFETY: takes nothing.
        if unsafe { libc::geteuid() } != 0 {
            eprintln!("skipped: not root");
            return;
        }
        let mut child = child(&["sh", "-c", "exit 7"]);
        let pid = child.pid();
        let mut maps = String::new();
        child.release_held(&mut || maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap()).unwrap();
        assert!(maps.contains("/libc"), "{maps}");
        assert_eq!(end_of(&mut child), Exit::Code(7));
    }

    #[test]
    fn what_cannot_run_is_said() {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("awl-hold-{}", std::process::id()));
        fs::write(&path, "\x7fELF but no more").unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let mut child = child(&[path.to_str().unwrap()]);
        let mut is_seen = false;
        let released = child.release_held(&mut || is_seen = true);
        fs::remove_file(&path).unwrap();
        assert_eq!(released.unwrap_err().raw_os_error(), Some(libc::ENOEXEC));
        assert!(!is_seen);
        assert_eq!(end_of(&mut child), Exit::Code(127));
    }
}
