//! awl in a pseudo-terminal.
//!
//! Always holds: a session's process has ended when the test has, and sessions do not overlap.

use std::io::Write;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use expectrl::session::OsSession;

const PROMPT: &str = "awl> ";
/// The editor takes the terminal: it asks.
const ASKS: &[u8] = b"\x1b[?2004h";
/// The editor gives the terminal back: it has taken a line.
const TAKEN: &[u8] = b"\x1b[?2004l";
/// Nothing takes longer, even in a slow guest.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A prompt that stays for so long is one that waits.
const QUIET: Duration = Duration::from_millis(80);
/// Where clauses never stop printing, a prompt that has been there for so long.
const LOUD: Duration = Duration::from_secs(3);

/// How long one waits before a key is tried again.
const AGAIN: Duration = Duration::from_secs(3);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// See the module.
pub struct Terminal {
    session: OsSession,
    /// What came since the last question, without escape sequences.
    seen: String,
    /// The start of an escape sequence or character whose rest has not come.
    rest: Vec<u8>,
    /// Whether the editor waits for keys, and whether it has taken a line since the last were typed.
    asks: bool,
    has_taken: bool,
    _alone: MutexGuard<'static, ()>,
}

impl Terminal {
    /// Opens the prompt. `None` after a word, where nothing can be attached.
    pub fn start(args: &[&str]) -> Option<Terminal> {
        let mut terminal = Terminal::start_any(args, &[]);
        let greeting = terminal.prompt();
        if let Some(why) = greeting.lines().find(|l| l.contains("nothing can be attached")) {
            eprintln!("skipped: {why}");
            return None;
        }
        Some(terminal)
    }

    /// Opens the prompt with a variable or more; to be followed by [`Terminal::prompt`].
    pub fn start_any(args: &[&str], variables: &[(&str, &str)]) -> Terminal {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = Command::new(env!("CARGO_BIN_EXE_awl"));
        command.args(args).env("TERM", "xterm").env("NO_COLOR", "1");
        // No file of whoever runs the tests is read or written.
        let home = concat!(env!("CARGO_TARGET_TMPDIR"), "/learn-home");
        let _ = std::fs::remove_dir_all(home);
        std::fs::create_dir_all(home).expect("a home");
        command.env("HOME", home).env_remove("SUDO_UID");
        command.envs(variables.iter().copied());
        let mut session = OsSession::spawn(command).expect("a pseudo-terminal");
        session.get_process_mut().set_window_size(80, 24).expect("a size");
        Terminal {
            session,
            seen: String::new(),
            rest: Vec::new(),
            asks: false,
            has_taken: true,
            _alone: alone,
        }
    }

    /// Types a text and Enter; what is shown until the next prompt waits.
    pub fn answer(&mut self, text: &str) -> String {
        self.keys(&format!("{text}\r"));
        self.has_taken = false;
        self.prompt()
    }

    /// Types keys.
    pub fn keys(&mut self, keys: &str) {
        self.seen.clear();
        self.session.get_stream_mut().write_all(keys.as_bytes()).expect("a terminal");
        self.session.get_stream_mut().flush().expect("a terminal");
    }

    /// Takes back what stands on the line: Ctrl-U.
    pub fn take_back(&mut self) {
        self.keys("\x15");
        let end = Instant::now() + TIMEOUT;
        // The line is erased without anything that could be read.
        while self.read() == 0 {
            assert!(Instant::now() < end, "the line does not go");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types keys again and again until a text is shown.
    pub fn keys_until(&mut self, keys: &str, text: &str) {
        let end = Instant::now() + TIMEOUT;
        self.keys(keys);
        let mut typed_at = Instant::now();
        while !self.seen.contains(text) {
            self.read();
            if typed_at.elapsed() > AGAIN {
                self.session.get_stream_mut().write_all(keys.as_bytes()).expect("a terminal");
                typed_at = Instant::now();
            }
            assert!(Instant::now() < end, "{text} did not come; what came:\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for an empty prompt; what was shown.
    pub fn prompt(&mut self) -> String {
        self.until("an empty prompt", |t| {
            t.has_taken && t.asks && t.seen.trim_end_matches('\n').ends_with(PROMPT)
        })
    }

    /// Waits until the text has come, whatever comes after it; what was shown.
    pub fn until_shows(&mut self, text: &str) -> String {
        let end = Instant::now() + TIMEOUT;
        while !self.seen.contains(text) {
            assert!(Instant::now() < end, "{text} did not come; what came:\n{}", self.seen);
            if self.read() == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.seen.clone()
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Terminal) -> bool) -> String {
        let end = Instant::now() + TIMEOUT;
        let (mut last_news, mut held) = (Instant::now(), None);
        loop {
            match self.read() {
                0 => std::thread::sleep(Duration::from_millis(5)),
                _ => last_news = Instant::now(),
            }
            if holds(self) {
                let held: &Instant = held.get_or_insert_with(Instant::now);
                if last_news.elapsed() >= QUIET || held.elapsed() >= LOUD {
                    return self.seen.clone();
                }
            }
            assert!(Instant::now() < end, "{what} did not come; what came:\n{}", self.seen);
        }
    }

    /// Takes what has come; how many bytes.
    fn read(&mut self) -> usize {
        let mut bytes = [0u8; 4096];
        let n = self.session.try_read(&mut bytes).unwrap_or(0);
        self.rest.extend(&bytes[..n]);
        let (text, used) = plain(&self.rest);
        self.seen.push_str(&text);
        let used: Vec<u8> = self.rest.drain(..used).collect();
        for marker in used.windows(ASKS.len()).filter(|w| *w == ASKS || *w == TAKEN) {
            self.asks = marker == ASKS;
            self.has_taken |= marker == TAKEN;
        }
        n
    }

    /// Leaves by Ctrl-D; fails if the process does not end well.
    pub fn leave(mut self) {
        self.keys("\x04");
        let end = Instant::now() + TIMEOUT;
        while self.session.get_process().is_alive().expect("a process") {
            self.read();
            assert!(Instant::now() < end, "awl does not end:\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The text without escape sequences and carriage returns, and how many bytes of it are whole.
fn plain(bytes: &[u8]) -> (String, usize) {
    let whole = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(e) if e.error_len().is_none() => e.valid_up_to(),
        Err(_) => bytes.len(),
    };
    let text = String::from_utf8_lossy(&bytes[..whole]);
    let (mut out, mut at) = (String::new(), 0);
    while let Some(found) = text[at..].find('\x1b') {
        out.push_str(&text[at..at + found]);
        let start = at + found;
        let rest = &text[start..];
        if rest.len() < 2 {
            return (clean(&out), start);
        }
        if !rest.starts_with("\x1b[") {
            at = start + 2;
            continue;
        }
        match rest[2..].find(|c: char| c.is_ascii_alphabetic()) {
            Some(n) => at = start + 2 + n + 1,
            None => return (clean(&out), start),
        }
    }
    out.push_str(&text[at..]);
    (clean(&out), whole)
}

/// A carriage return goes back to where the line is drawn anew: for a reader, that is a new line.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[test]
fn escape_sequences_are_taken_out() {
    assert_eq!(plain(b"a\x1b[1;31mb\x1b[0mc\r\nd"), ("abc\nd".to_owned(), 17));
    assert_eq!(plain(b"a\x1b[1;"), ("a".to_owned(), 1));
    assert_eq!(plain(b"\xe2\x80"), (String::new(), 0));
}
