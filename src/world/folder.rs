//! Folders of files that scripts import.

use super::{Answer, Missing};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folder {
    /// Names of its files, in order.
    pub names: Vec<String>,
    /// Everybody may put files into it.
    pub is_world_writable: bool,
}

/// The folder at that path; `Missing::No` if there is none.
pub fn read(path: &str) -> Answer<Folder> {
    let unreadable = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Missing::No,
        _ => Missing::Unreadable { why: format!("{path}: {e}"), hint: String::new() },
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_dir() {
        return Err(Missing::No);
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(Folder { names, is_world_writable: meta.permissions().mode() & 0o002 != 0 })
}
