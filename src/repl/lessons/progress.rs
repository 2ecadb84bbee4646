//! Which lessons have been solved, in a file of the user's: a name a line.
//!
//! Comes in: whose file it is. Goes out: names of lessons. Always holds: the file is only read and written where
//! `files` trusts it; nothing in it is ever changed or taken out.

use super::super::files::{self, User};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// See the module.
#[derive(Debug, Default)]
pub struct Progress {
    /// Whose; `None`: nothing is remembered.
    user: Option<User>,
    names: BTreeSet<String>,
}

impl Progress {
    /// Reads the user's file, and says why it is not used. One that is not there is empty.
    pub fn open(user: Option<&User>) -> (Progress, Option<String>) {
        let Some(user) = user else { return (Progress::default(), None) };
        let path = user.lessons();
        match files::read(&path, user) {
            Ok(text) => {
                let names =
                    text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
                (Progress { user: Some(user.clone()), names }, None)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                (Progress { user: Some(user.clone()), names: BTreeSet::new() }, None)
            }
            Err(e) => {
                (Progress::default(), Some(format!("{} is not used: {}", path.display(), files::words(&e))))
            }
        }
    }

    pub fn is_solved(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Remembers a lesson; after an error, until the end of the session alone.
    pub fn solved(&mut self, name: &str) -> io::Result<()> {
        if !self.names.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(user) = &self.user else { return Ok(()) };
        let mut file: File = files::appended(&user.lessons(), user)?;
        file.write_all(format!("{name}\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn what_was_solved_is_remembered_where_that_is_safe() {
        let home = std::env::temp_dir().join(format!("awl-progress-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let facts = fs::metadata(&home).unwrap();
        let user = User { uid: facts.uid(), gid: facts.gid(), home: home.clone() };
        let (mut progress, why) = Progress::open(Some(&user));
        assert!(why.is_none() && !progress.is_solved("maps"));
        progress.solved("maps").unwrap();
        progress.solved("maps").unwrap();
        assert_eq!(fs::read_to_string(user.lessons()).unwrap(), "maps\n");
        let (again, _) = Progress::open(Some(&user));
        assert!(again.is_solved("maps") && !again.is_solved("stacks"));
        fs::set_permissions(user.lessons(), fs::Permissions::from_mode(0o666)).unwrap();
        let (distrusted, why) = Progress::open(Some(&user));
        assert!(!distrusted.is_solved("maps") && why.unwrap().contains("others can write to it"));
        fs::remove_dir_all(home).unwrap();
        let (mut nowhere, _) = Progress::open(None);
        nowhere.solved("maps").unwrap();
        assert!(nowhere.is_solved("maps"));
    }
}
