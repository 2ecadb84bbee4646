//! Paths of what a script imports, and their texts.

use crate::base::{Diag, Diags, Span, codes};
use crate::world::{Missing, World};

/// A header or import has at most so many bytes.
const BYTES_MAX: usize = 16 << 20;

/// `name` as seen from the file `from`, without `.` and needless `..` in it.
pub fn beside(from: &str, name: &str) -> String {
    let folder = match from.rsplit_once('/') {
        Some((folder, _)) if !name.starts_with('/') => format!("{folder}/"),
        Some(_) | None => String::new(),
    };
    let path = format!("{folder}{name}");
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The text of a file; `None` after a report at `span`.
pub fn read(world: &dyn World, path: &str, span: Span, diags: &mut Diags) -> Option<String> {
    let d = match world.read_file(path) {
        Ok(text) if text.len() <= BYTES_MAX => return Some(text),
        Ok(_) => Diag::error(&codes::IMPORT, span, format!("{path} is too long")),
        Err(Missing::No) => Diag::error(&codes::IMPORT, span, format!("there is no file {path}")),
        Err(Missing::Unreadable { why, hint }) => {
            let d = Diag::error(&codes::IMPORT, span, format!("cannot be read: {why}"));
            if hint.is_empty() { d } else { d.hint(hint) }
        }
    };
    diags.push(d);
    None
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn paths_are_relative_to_the_file() {
        assert_eq!(beside("a/b.bt", "c.h"), "a/c.h");
        assert_eq!(beside("a/b.bt", "../c.h"), "c.h");
        assert_eq!(beside("b.bt", "./x/../c.h"), "c.h");
        assert_eq!(beside("/a/b.bt", "/c.h"), "/c.h");
        assert_eq!(beside("b.bt", "../c.h"), "../c.h");
    }
}
