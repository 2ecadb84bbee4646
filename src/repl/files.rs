//! The user's files: history, `.awlrc`, scripts that are saved.
//!
//! Comes in: who runs awl; under sudo that is the user who called it. Always holds: a file is read or appended to
//! only if it is a plain file with one name, which that user (or root, for root) owns and nobody else can write; it
//! is looked at after it was opened, so that nobody can put another in its place; links are not followed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Lines of history that are kept.
pub const HISTORY_MAX: usize = 5000;
/// Bytes of a file that are read.
const BYTES_MAX: u64 = 4 << 20;

/// Whose files are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub home: PathBuf,
}

impl User {
    /// The user who runs awl, or who called sudo. `None` where no home is known.
    pub fn current() -> Option<User> {
        let variable = |name: &str| std::env::var(name).ok();
        let own = crate::cli::privilege::Privileges::of_self().uid;
        let by_sudo = variable("SUDO_UID").and_then(|v| v.parse().ok()).filter(|_| own == 0);
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        match by_sudo {
            Some(uid) => of_passwd(&passwd, uid),
            None => {
                let known = of_passwd(&passwd, own);
                let home = variable("HOME").filter(|h| h.starts_with('/')).map(PathBuf::from);
                let gid = known.as_ref().map_or(own, |u| u.gid);
                let home = home.or(known.map(|u| u.home))?;
                Some(User { uid: own, gid, home })
            }
        }
    }

    fn history(&self) -> PathBuf {
        self.home.join(".awl_history")
    }

    /// The file of the lessons that were solved.
    pub fn lessons(&self) -> PathBuf {
        self.home.join(".awl_lessons")
    }
}

/// The user of that number in the text of /etc/passwd.
fn of_passwd(passwd: &str, uid: u32) -> Option<User> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, its_uid, gid, _, home, ..] = fields.as_slice() else { return None };
        let is_it = its_uid.parse() == Ok(uid) && home.starts_with('/');
        Some(User { uid, gid: gid.parse().ok()?, home: PathBuf::from(home) }).filter(|_| is_it)
    })
}

/// Why a file is not used; `None` if it may be.
fn distrust(file: &File, uid: u32) -> io::Result<Option<&'static str>> {
    let facts = file.metadata()?;
    Ok(match facts {
        _ if !facts.is_file() => Some("it is no plain file"),
        _ if facts.uid() != uid => Some("it belongs to another user"),
        _ if facts.mode() & 0o022 != 0 => Some("others can write to it"),
        _ if facts.nlink() != 1 => Some("it has several names"),
        _ => None,
    })
}

/// Opens a file of the user's; the error says why it is not used.
fn open(path: &Path, user: &User, options: &mut OpenOptions) -> io::Result<File> {
    // Opening a pipe must not wait for its other end.
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let file = file.map_err(|e| match e.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other("it is a link"),
        _ => e,
    })?;
    match distrust(&file, user.uid)? {
        None => Ok(file),
        Some(why) => Err(io::Error::other(why)),
    }
}

/// The text of a file of the user's; the error says why it is not used.
pub fn read(path: &Path, user: &User) -> io::Result<String> {
    let mut bytes = Vec::new();
    open(path, user, OpenOptions::new().read(true))?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The user's `.awlrc`: its name and text, if there is one.
pub fn startup(user: &User) -> Option<(String, io::Result<String>)> {
    let path = user.home.join(".awlrc");
    let name = path.to_string_lossy().into_owned();
    match read(&path, user) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        result => Some((name, result)),
    }
}

/// The file of what was typed.
pub struct History {
    file: Option<File>,
    last: String,
}

impl History {
    /// Opens the file, or makes it; yields what it has, the oldest first, and why it cannot be used.
    pub fn open(user: Option<&User>) -> (History, Vec<String>, Option<String>) {
        let Some(user) = user else { return (History { file: None, last: String::new() }, Vec::new(), None) };
        let path = user.history();
        let why = |e: io::Error| Some(format!("{} is not used: {}", path.display(), words(&e)));
        let lines: Vec<String> = match read(&path, user) {
            Ok(text) => {
                let all: Vec<&str> = text.lines().collect();
                all[all.len().saturating_sub(HISTORY_MAX)..].iter().map(|l| unescape(l)).collect()
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return (History { file: None, last: String::new() }, Vec::new(), why(e)),
        };
        let last = lines.last().cloned().unwrap_or_default();
        match appended(&path, user) {
            Ok(file) => (History { file: Some(file), last }, lines, None),
            Err(e) => (History { file: None, last }, lines, why(e)),
        }
    }

    /// Adds what was typed, at once: a prompt that is killed has lost nothing.
    pub fn add(&mut self, text: &str) {
        let text = text.trim_end();
        if text.is_empty() || text == self.last {
            return;
        }
        self.last = text.to_owned();
        if let Some(file) = &mut self.file
            && file.write_all(format!("{}\n", escape(text)).as_bytes()).is_err()
        {
            // A disk that is full is not told of at each line.
            self.file = None;
        }
    }
}

/// The file, opened for appending; made, for the user, where there is none.
pub fn appended(path: &Path, user: &User) -> io::Result<File> {
    let made = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path);
    match made {
        Ok(file) => {
            fchown(&file, Some(user.uid), Some(user.gid))?;
            Ok(file)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            open(path, user, OpenOptions::new().append(true))
        }
        Err(e) => Err(e),
    }
}

/// Writes a file that the user names; a new one belongs to the user.
pub fn write_for_user(path: &Path, text: &str) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    if let (true, Some(user)) = (is_new, User::current()) {
        fchown(&file, Some(user.uid), Some(user.gid))?;
    }
    Ok(())
}

/// One line of the file for a text of several.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unescape(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

/// What the system calls an error, lower case and without its number.
pub fn words(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Home(User);

    impl Home {
        fn new(name: &str) -> Home {
            let home = std::env::temp_dir().join(format!("awl-home-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&home).unwrap();
            let facts = std::fs::metadata(&home).unwrap();
            Home(User { uid: facts.uid(), gid: facts.gid(), home })
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0.home);
        }
    }

    #[test]
    fn history_is_kept_at_once() {
        let home = Home::new("history");
        let (mut h, lines, why) = History::open(Some(&home.0));
        assert_eq!((lines.len(), why), (0, None));
        for text in ["1 + 1", "begin {\n  printf(\"a\\n\");\n}", "begin {\n  printf(\"a\\n\");\n}", "", "x"] {
            h.add(text);
        }
        let (_, lines, _) = History::open(Some(&home.0));
        assert_eq!(lines, ["1 + 1", "begin {\n  printf(\"a\\n\");\n}", "x"]);
        let mode = std::fs::metadata(home.0.history()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn files_that_others_could_have_made_are_not_used() {
        let home = Home::new("distrust");
        let path = home.0.history();
        let why = |user: &User| History::open(Some(user)).2.unwrap_or_default();
        std::fs::write(&path, "old\n").unwrap();
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o666);
        assert!(why(&home.0).contains("others can write"), "{}", why(&home.0));
        set(0o644);
        assert_eq!(why(&home.0), "");
        let other = User { uid: home.0.uid + 1, ..home.0.clone() };
        assert!(why(&other).contains("another user"));
        std::fs::hard_link(&path, home.0.home.join("second")).unwrap();
        assert!(why(&home.0).contains("several names"));
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        assert!(why(&home.0).contains("a link"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(why(&home.0).contains("no plain file") || why(&home.0).contains("directory"));
        assert!(startup(&home.0).is_none());
        std::fs::write(home.0.home.join(".awlrc"), ":cost on\n").unwrap();
        assert_eq!(startup(&home.0).unwrap().1.unwrap(), ":cost on\n");
    }

    #[test]
    fn the_caller_of_sudo_is_found() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:100:,,,:/home/ann:/bin/sh\nbad:x:7\n";
        let ann = User { uid: 1000, gid: 100, home: "/home/ann".into() };
        assert_eq!(of_passwd(passwd, 1000), Some(ann));
        assert_eq!(of_passwd(passwd, 7), None);
    }
}
