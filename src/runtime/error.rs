//! Why a script could not be loaded or attached.

use std::io;

use crate::attach::AttachError;
use crate::base::Span;

/// What kept a clause out of the session.
#[derive(Debug)]
pub enum LoadError {
    /// The session itself could not be set up: what was tried, and the system's answer.
    System(Problem),
    /// A map could not be made.
    Map { name: String, problem: Problem },
    /// A program was refused.
    Program(Box<Refusal>),
    /// Attach points failed, and `missing_probes` says that this is an error (or all failed).
    Attach(Vec<AttachError>),
}

/// A system call that failed.
#[derive(Debug)]
pub struct Problem {
    /// Lower case.
    pub what: String,
    pub errno: i32,
    pub hint: Option<String>,
}

/// A program that the kernel would not load.
#[derive(Debug)]
pub struct Refusal {
    /// The probe as the user knows it.
    pub title: String,
    pub errno: i32,
    /// What the verifier objects to, in its words; or what is known of the errno.
    pub reason: String,
    pub hint: Option<String>,
    /// The script's text that the refused instruction stands for; the probe's, if no instruction is named.
    pub span: Span,
    /// The whole log; empty if the kernel gave none.
    pub log: String,
}

impl Problem {
    pub fn new(what: impl Into<String>, e: &io::Error) -> Problem {
        let errno = e.raw_os_error().unwrap_or(0);
        let hint = match errno {
            libc::EPERM | libc::EACCES => {
                Some("run as root, or with CAP_BPF and CAP_PERFMON; `awl --info` shows what is in the way")
            }
            libc::EMFILE => Some("raise the limit of open files (ulimit -n)"),
            libc::ENOMEM => Some("the kernel or the cgroup is out of memory: use smaller maps"),
            _ => None,
        };
        Problem { what: what.into(), errno, hint: hint.map(str::to_owned) }
    }

    /// The errno's text, lower case.
    pub fn errno_text(&self) -> String {
        errno_text(self.errno)
    }
}

/// What the system calls an errno, lower case and without its number.
pub fn errno_text(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::System(p) => write!(f, "{}: {}", p.what, p.errno_text()),
            LoadError::Map { name, problem } => {
                write!(f, "map {name}: {}: {}", problem.what, problem.errno_text())
            }
            LoadError::Program(r) => write!(f, "{}: the kernel refuses the program: {}", r.title, r.reason),
            LoadError::Attach(errors) => {
                let one = |e: &AttachError| format!("{}: {}", e.points.join(", "), e.reason);
                write!(f, "{}", errors.iter().map(one).collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl std::error::Error for LoadError {}
