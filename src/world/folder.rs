//! Files that scripts import, and folders of them.

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

/// A file's text. Headers may have comments in whatever encoding.
pub fn read_text(path: &str) -> Answer<String> {
    let unreadable = |why: String| Missing::Unreadable { why: format!("{path}: {why}"), hint: String::new() };
    let bytes = std::fs::read(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Missing::No,
        _ => unreadable(e.to_string()),
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(e) if path.ends_with(".h") => Ok(String::from_utf8_lossy(e.as_bytes()).into_owned()),
        Err(e) => Err(unreadable(e.utf8_error().to_string())),
    }
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
