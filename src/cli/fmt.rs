//! `--fmt`: a script in the standard layout.
//!
//! Always holds: a script with syntax errors is left alone; a file that is written is replaced whole or not at all.

use super::options::Options;
use super::say::Say;
use super::{print, source, system_text};
use crate::base::codes;
use crate::syntax;
use std::fs;
use std::io;

/// Prints the script, or writes it to the file that `-o` names.
pub fn fmt(options: &Options, say: Say) -> u8 {
    let unit = match source::read(options, &say) {
        Ok(unit) => unit,
        Err(status) => return status,
    };
    let main = unit.main();
    let text = &unit.sources.files[main].text;
    let (_, diags) = syntax::parse::parse(main, text);
    if diags.has_errors() {
        say.diags(&unit.sources, diags);
        return 1;
    }
    let formatted = syntax::print::format(text);
    let Some(path) = &options.output else { return print(&formatted, say) };
    match replace(path, &formatted) {
        Ok(()) => 0,
        Err(e) => {
            say.error(&codes::NO_FILE, format!("{path} cannot be written: {}", system_text(&e)), None);
            1
        }
    }
}

/// Writes beside the file and then puts it in its place, with the rights that it had.
fn replace(path: &str, text: &str) -> io::Result<()> {
    let beside = format!("{path}.{}.tmp", std::process::id());
    let written = fs::write(&beside, text).and_then(|()| {
        if let Ok(old) = fs::metadata(path) {
            fs::set_permissions(&beside, old.permissions())?;
        }
        fs::rename(&beside, path)
    });
    if written.is_err() {
        // It may not be there; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_whole() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("awl-fmt-{}", std::process::id()));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        replace(path.to_str().unwrap(), "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        fs::remove_file(&path).unwrap();
        assert!(replace("/nonexistent/folder/x", "new").is_err());
    }
}
