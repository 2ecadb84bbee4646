//! Why an attachment failed, in the user's words.

use std::io;

use crate::world::Missing;

/// One attachment that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachError {
    /// The attach points that it was for.
    pub points: Vec<String>,
    /// What is wrong, lower case.
    pub reason: String,
    /// Something to do.
    pub hint: Option<String>,
    /// 0 where no call failed.
    pub errno: i32,
}

impl AttachError {
    /// For a call that failed: `reason` explains the errno where it can, else the system's own text does.
    pub fn of(e: &io::Error, reason: Option<&str>) -> AttachError {
        let errno = e.raw_os_error().unwrap_or(0);
        let (general, hint) = general(errno);
        let reason = match reason.or(general) {
            Some(reason) => reason.to_owned(),
            None => system_text(e),
        };
        AttachError { points: Vec::new(), reason, hint: hint.map(str::to_owned), errno }
    }

    pub fn says(reason: impl Into<String>) -> AttachError {
        AttachError { points: Vec::new(), reason: reason.into(), hint: None, errno: 0 }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> AttachError {
        self.hint = Some(hint.into());
        self
    }

    /// For what the machine does not have; `what` says what was looked for.
    pub fn missing(missing: Missing, what: &str) -> AttachError {
        match missing {
            Missing::No => AttachError::says(format!("the kernel has no {what}")),
            Missing::Unreadable { why, hint } => AttachError::says(why).hint(hint),
        }
    }
}

/// What an errno means for any attachment, and what to do about it.
fn general(errno: i32) -> (Option<&'static str>, Option<&'static str>) {
    match errno {
        libc::EPERM | libc::EACCES => (
            Some("the system does not permit it"),
            Some("run as root, or with CAP_BPF and CAP_PERFMON; see `awl --info` for lockdown and sysctls"),
        ),
        libc::EMFILE => (
            Some("too many open files"),
            Some("raise the limit of open files (ulimit -n), or attach to fewer"),
        ),
        libc::E2BIG => (Some("too many programs are attached there already"), None),
        libc::ENOMEM => (Some("the kernel is out of memory"), None),
        _ => (None, None),
    }
}

/// The text of an errno without Rust's suffix.
fn system_text(e: &io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errnos_get_words() {
        let e = io::Error::from_raw_os_error(libc::EINVAL);
        assert_eq!(AttachError::of(&e, None).reason, "invalid argument");
        assert_eq!(AttachError::of(&e, Some("no such function")).reason, "no such function");
        let e = io::Error::from_raw_os_error(libc::EPERM);
        assert!(AttachError::of(&e, None).hint.is_some());
    }
}
