//! A session: `awl` on a terminal of its own, and a home of its own.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Regex, Session};

/// How long a text is waited for.
fn patience() -> Duration {
    let slowness: f64 = std::env::var("AWL_SLOWNESS").ok().and_then(|s| s.parse().ok()).unwrap_or(1.0);
    Duration::from_secs_f64(30.0 * slowness)
}

pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"))
}

/// What a line has done is done, and the next is asked for: the editor has handed the terminal back, and taken it.
pub const READY: &str = r"(?s)\x1b\[\?2004l.*?\x1b\[\?2004h";

/// A folder that goes away.
pub struct Home(pub PathBuf);

impl Home {
    pub fn new() -> Home {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("awl-repl-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Home(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `awl` at a prompt.
pub struct Awl {
    pub session: OsSession,
    pub home: Home,
}

pub fn binary() -> PathBuf {
    std::env::var_os("AWL_BIN").map_or_else(|| env!("CARGO_BIN_EXE_awl").into(), PathBuf::from)
}

impl Awl {
    pub fn start() -> Awl {
        Awl::with(&[], Home::new())
    }

    pub fn with(args: &[&str], home: Home) -> Awl {
        let mut awl = Awl::open(&binary(), args, home, None);
        awl.sees("Ctrl-D leaves");
        awl
    }

    /// As another user.
    pub fn as_user(program: &Path, uid: u32, home: Home) -> Awl {
        Awl::open(program, &[], home, Some(uid))
    }

    pub fn open(program: &Path, args: &[&str], home: Home, uid: Option<u32>) -> Awl {
        let mut command = Command::new(program);
        command.args(args).env("TERM", "xterm").env("NO_COLOR", "1").env("HOME", &home.0);
        command.env_remove("SUDO_UID").current_dir(&home.0);
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        let mut session = Session::spawn(command).expect("awl starts");
        session.get_process_mut().set_window_size(80, 24).expect("a size");
        session.set_expect_timeout(Some(patience()));
        Awl { session, home }
    }

    /// Types a line and Enter.
    pub fn types(&mut self, line: &str) {
        self.session.send(format!("{line}\r").as_str()).expect("keys are taken");
    }

    /// Types keys as they are.
    pub fn keys(&mut self, keys: &str) {
        self.session.send(keys).expect("keys are taken");
    }

    /// Waits for a pattern; the text that it matched first, or its first group.
    pub fn sees(&mut self, pattern: &str) -> String {
        match self.session.expect(Regex(pattern)) {
            Ok(found) => {
                let bytes = found.matches().last().unwrap_or_default();
                String::from_utf8_lossy(bytes).into_owned()
            }
            Err(e) => {
                let mut rest = [0u8; 65536];
                let n = self.session.try_read(&mut rest).unwrap_or(0);
                panic!("{pattern:?} does not come: {e}; there is {:?}", String::from_utf8_lossy(&rest[..n]));
            }
        }
    }

    /// Types a line and waits for what it must bring.
    pub fn answers(&mut self, line: &str, pattern: &str) -> String {
        self.types(line);
        self.sees(pattern)
    }

    /// Types a line until it brings this: what is counted takes its time.
    pub fn comes_to(&mut self, line: &str, mut good: impl FnMut(&str) -> bool, pattern: &str) -> String {
        let start = Instant::now();
        loop {
            let answer = self.answers(line, pattern);
            if good(&answer) {
                return answer;
            }
            assert!(start.elapsed() < patience(), "{line}: {answer}");
        }
    }

    /// Leaves by Ctrl-D; the exit status.
    pub fn leaves(&mut self) -> i32 {
        self.keys("\x04");
        self.ends()
    }

    /// Waits for the end; the exit status.
    pub fn ends(&mut self) -> i32 {
        if let Err(e) = self.session.expect(Eof) {
            panic!("awl does not end: {e}");
        }
        match self.session.get_process().wait() {
            Ok(expectrl::process::unix::WaitStatus::Exited(_, status)) => status,
            other => panic!("awl ended by {other:?}"),
        }
    }

    pub fn pid(&self) -> u32 {
        self.session.get_process().pid().as_raw() as u32
    }
}

/// Calls `getppid` so often; it is what clauses look for, by this process's id.
pub fn call_getppid(n: u32) {
    for _ in 0..n {
        std::hint::black_box(std::os::unix::process::parent_id());
    }
}

/// The start of a clause on this process's calls of `getppid`.
pub fn on_getppid() -> String {
    format!("tracepoint:syscalls:sys_enter_getppid /pid == {}/", std::process::id())
}

/// Whether the kernel has a map of that name: as long as any program that uses it is loaded.
pub fn has_map(name: &str) -> bool {
    let mut maps = libbpf_rs::query::MapInfoIter::default();
    maps.any(|m| m.name.to_string_lossy() == name.replace('@', "AT_"))
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < patience(), "{what} does not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}
