//! Processes: a child that waits before it execs, watching any process for its end, leaving work to a child.
//!
//! Comes in: a command or a process id. Goes out: descriptors that become readable when the process ends.
//! Always holds: between fork and exec a child calls only what is safe there, and everything that it needs is made
//! before the fork.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bpf::owned;
use super::hold;
use super::signal::set_of;

/// A process that is watched for its end.
pub struct Pidfd {
    fd: OwnedFd,
}

impl Pidfd {
    /// Watches `pid`; `ESRCH` if there is no such process.
    pub fn open(pid: u32) -> io::Result<Pidfd> {
        // SAFETY: takes numbers only.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Pidfd { fd: owned(fd as i32)? }) }
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A child process that waits until it is released, then becomes the command.
pub struct Child {
    pid: u32,
    pidfd: Pidfd,
    /// A byte here lets the child go; closing it without makes the child leave.
    gate: Option<OwnedFd>,
    /// The child writes the errno of a failed exec here; a successful exec closes it.
    exec_failed: OwnedFd,
    is_reaped: bool,
}

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Child {
    /// Forks a child that will run `argv` (its first word is looked up in PATH).
    pub fn prepare(argv: &[String]) -> io::Result<Child> {
        let program = argv.first().ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let path = find_in_path(program).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
        let path = CString::new(path.as_os_str().as_bytes()).map_err(invalid)?;
        let args =
            argv.iter().map(|a| CString::new(a.as_str())).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        let mut ptrs: Vec<_> = args.iter().map(|a| a.as_ptr()).collect();
        ptrs.push(std::ptr::null());
        let (gate_read, gate) = pipe()?;
        let (exec_failed, exec_write) = pipe()?;
        let no_signals = set_of(&[]);
        // SAFETY: getpid and fork take nothing; the child only calls async-signal-safe functions on what was
        // made above, and never returns from this block.
        let pid = unsafe {
            let parent = libc::getpid();
            let pid = libc::fork();
            if pid == 0 {
                let ready = exec_write.as_raw_fd();
                run_child(parent, gate_read.as_raw_fd(), gate.as_raw_fd(), ready, &no_signals);
                libc::execv(path.as_ptr(), ptrs.as_ptr());
                let errno = *libc::__errno_location();
                libc::write(exec_write.as_raw_fd(), (&raw const errno).cast(), size_of::<i32>());
                libc::_exit(127);
            }
            pid
        };
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        drop((gate_read, exec_write));
        let pid = pid as u32;
        let child = Child { pid, pidfd: Pidfd::open(pid)?, gate: Some(gate), exec_failed, is_reaped: false };
        // It has made all its calls before what is attached from here on could see them as the command's.
        let mut byte = 0u8;
        // SAFETY: `byte` has room for one.
        let n = unsafe { libc::read(child.exec_failed.as_raw_fd(), (&raw mut byte).cast(), 1) };
        if n == 1 { Ok(child) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the child exec; the error is that of the exec.
    pub fn release(&mut self) -> io::Result<()> {
        let Some(gate) = self.gate.take() else { return Ok(()) };
        // SAFETY: one byte from a valid place.
        let n = unsafe { libc::write(gate.as_raw_fd(), [1u8].as_ptr().cast(), 1) };
        if n != 1 {
            return Err(io::Error::last_os_error());
        }
        let mut errno = 0i32;
        // SAFETY: `errno` has room for its four bytes.
        let n =
            unsafe { libc::read(self.exec_failed.as_raw_fd(), (&raw mut errno).cast(), size_of::<i32>()) };
        if n == size_of::<i32>() as isize { Err(io::Error::from_raw_os_error(errno)) } else { Ok(()) }
    }

    /// The same, but holds the child where its program starts until `look` has returned, if it can be held.
    pub fn release_held(&mut self, look: &mut dyn FnMut()) -> io::Result<()> {
        hold::at_start(self.pid, || self.release(), look)
    }

    /// How the child ended, if it has.
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        self.wait_with(libc::WNOHANG)
    }

    fn wait_with(&mut self, flags: i32) -> io::Result<Option<Exit>> {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let got = unsafe { libc::waitpid(self.pid as i32, &mut status, flags) };
        if got < 0 {
            return Err(io::Error::last_os_error());
        }
        if got == 0 {
            return Ok(None);
        }
        self.is_reaped = true;
        Ok(Some(if libc::WIFSIGNALED(status) {
            Exit::Signal(libc::WTERMSIG(status))
        } else {
            Exit::Code(libc::WEXITSTATUS(status))
        }))
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    /// A child that still runs is asked to end, one that was never released leaves by itself.
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        let was_waiting = self.gate.take().is_some();
        if !was_waiting {
            // SAFETY: the process is our child and not reaped, so the number is still its.
            unsafe { libc::kill(self.pid as i32, libc::SIGTERM) };
        }
        // A command that ignores SIGTERM is not waited for.
        let flags = if was_waiting { 0 } else { libc::WNOHANG };
        // Nothing is left to do about a failure here.
        let _ = self.wait_with(flags);
    }
}

/// The child's side before exec: says that it is ready, waits at the gate; leaves if the parent is gone.
///
/// # Safety
/// Only for the child of a fork: async-signal-safe calls alone.
unsafe fn run_child(parent: i32, gate_read: i32, gate_write: i32, ready: i32, no_signals: &libc::sigset_t) {
    // SAFETY: plain system calls on descriptors that the fork inherited.
    unsafe {
        libc::close(gate_write);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        // The parent may have died before the line above.
        if libc::getppid() != parent {
            libc::_exit(127);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, no_signals, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut byte = 0u8;
        if libc::write(ready, (&raw const byte).cast(), 1) != 1 {
            libc::_exit(127);
        }
        if libc::read(gate_read, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(127);
        }
    }
}

/// A child that holds all descriptors that were open when it was made. Drop it after your own copies: the last
/// copy of some takes long to close, and that is to be the child's.
pub struct Keeper {
    /// The child waits for its end.
    _gate: OwnedFd,
}

/// Leaves all descriptors that are open now to a child that closes them last, which may take seconds, while the
/// caller goes on. The child keeps no standard stream open.
pub fn leave_descriptors_behind() -> io::Result<Keeper> {
    let (gate_read, gate) = pipe()?;
    // SAFETY: the children only call async-signal-safe functions and never return.
    unsafe {
        let pid = libc::fork();
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        if pid == 0 {
            // Twice, so that the caller has no zombie if it lives on.
            if libc::fork() == 0 {
                libc::setsid();
                libc::close(gate.as_raw_fd());
                for stream in 0..3 {
                    libc::close(stream);
                }
                let mut byte = 0u8;
                while libc::read(gate_read.as_raw_fd(), (&raw mut byte).cast(), 1) < 0
                    && *libc::__errno_location() == libc::EINTR
                {}
            }
            libc::_exit(0);
        }
        let mut status = 0;
        while libc::waitpid(pid, &mut status, 0) < 0 && *libc::__errno_location() == libc::EINTR {}
    }
    Ok(Keeper { _gate: gate })
}

/// A pipe: reading end, writing end.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0i32; 2];
    // SAFETY: there is room for two descriptors.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((owned(fds[0])?, owned(fds[1])?))
}

/// The executable that a command's first word names.
pub fn find_in_path(program: &str) -> Option<PathBuf> {
    let is_executable = |path: &Path| {
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
        // SAFETY: a C string that outlives the call.
        unsafe { libc::access(path.as_ptr(), libc::X_OK) == 0 }
    };
    if program.contains('/') {
        let path = PathBuf::from(program);
        return (path.is_file() && is_executable(&path)).then_some(path);
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|f| f.join(program)).find(|p| p.is_file() && is_executable(p))
}

/// A number that nobody can foresee.
pub fn random_u64() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: there is room for eight bytes.
    let n = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // Without enough bytes the clock must do: the number only keeps hashes of stacks from being guessed.
    if n == 8 { u64::from_ne_bytes(bytes) } else { super::time::boot_ns() }
}

/// The threads of a process.
pub fn threads(pid: u32) -> io::Result<Vec<u32>> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(tasks.flatten().filter_map(|t| t.file_name().to_str()?.parse().ok()).collect())
}

/// Inode number of the first PID namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
pub const INIT_PID_NS: u64 = 0xefff_fffc;

/// Device and inode of this process's PID namespace.
pub fn pid_namespace() -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let ns = std::fs::metadata("/proc/self/ns/pid")?;
    Ok((ns.dev(), ns.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn wait(child: &mut Child) -> Exit {
        let start = Instant::now();
        loop {
            if let Some(exit) = child.try_wait().unwrap() {
                return exit;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "the child does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn child_runs_only_when_released() {
        let mut child = Child::prepare(&words("sh -c exit$IFS\"7\"")).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(child.try_wait().unwrap(), None);
        child.release().unwrap();
        assert_eq!(wait(&mut child), Exit::Code(7));
    }

    #[test]
    fn child_that_is_never_released_ends() {
        let child = Child::prepare(&words("sleep 100")).unwrap();
        let pid = child.pid();
        drop(child);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn commands_that_are_not_there() {
        let missing = Child::prepare(&words("no-such-command-anywhere")).err().unwrap();
        assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
        assert!(find_in_path("sh").is_some());
        assert!(find_in_path("/etc/passwd").is_none());
    }

    #[test]
    fn a_file_that_is_no_program_fails_at_exec() {
        let path = std::env::temp_dir().join(format!("awl-noexec-{}", std::process::id()));
        std::fs::write(&path, b"\x7fELF no").unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = Child::prepare(&[path.to_str().unwrap().to_owned()]).unwrap();
        assert_eq!(child.release().err().and_then(|e| e.raw_os_error()), Some(libc::ENOEXEC));
        std::fs::remove_file(&path).unwrap();
    }
}
