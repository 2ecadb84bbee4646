//! Which lessons have been solved, in a file of the user's.
//!
//! Comes in: the file, whose owner and mode the caller has looked at. Goes out: names of lessons. Always holds: what
//! the file has besides is kept.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{fs, io};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// `None`: nothing is remembered.
    path: Option<PathBuf>,
    names: BTreeSet<String>,
}

impl Progress {
    /// Reads a file; one that is not there is empty.
    pub fn read(path: Option<PathBuf>) -> Progress {
        let text = path.as_ref().and_then(|p| fs::read_to_string(p).ok()).unwrap_or_default();
        let names = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
        Progress { path, names }
    }

    pub fn is_solved(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Remembers a lesson; the error says that it is remembered until the end of the session alone.
    pub fn solved(&mut self, name: &str) -> io::Result<()> {
        if !self.names.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(path) = &self.path else { return Ok(()) };
        let text: String = self.names.iter().map(|n| format!("{n}\n")).collect();
        // Replaced as a whole: half a file is never seen.
        let fresh = path.with_extension("new");
        fs::write(&fresh, text)?;
        fs::rename(&fresh, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_solved_is_remembered() {
        let folder = std::env::temp_dir().join(format!("awl-progress-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("lessons");
        let mut progress = Progress::read(Some(path.clone()));
        assert!(!progress.is_solved("maps"));
        progress.solved("maps").unwrap();
        progress.solved("maps").unwrap();
        let again = Progress::read(Some(path));
        assert!(again.is_solved("maps") && !again.is_solved("stacks"));
        fs::remove_dir_all(folder).unwrap();
        let mut nowhere = Progress::read(None);
        nowhere.solved("maps").unwrap();
        assert!(nowhere.is_solved("maps"));
    }
}
