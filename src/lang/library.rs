//! The library that comes with awl: what of the language is said in the language, and its manual.
//!
//! Comes in: the files of `stdlib/`. Goes out: an entry for each of their macros. Always holds: names are unique and
//! no builtin's; a macro starts at the start of a line with `macro name(` and ends with that line or with the next line
//! that starts with `}`; the comment above its first form is its manual, whose last line is `Example: ` and a script
//! that runs. The files hold `test:` probes, too, which `awl --test` runs and nothing else sees.

use std::ops::Range;
use std::sync::LazyLock;

/// A file of the library.
#[derive(Debug)]
pub struct File {
    /// The name under which scripts may import it.
    pub name: &'static str,
    /// What its macros are about.
    pub title: &'static str,
    pub text: &'static str,
}

/// All files.
pub static FILES: &[File] = &[
    File { name: "stdlib/base.bt", title: "library: base", text: include_str!("../../stdlib/base.bt") },
    File {
        name: "stdlib/strings.bt",
        title: "library: strings",
        text: include_str!("../../stdlib/strings.bt"),
    },
    File { name: "stdlib/meta.bt", title: "library: meta", text: include_str!("../../stdlib/meta.bt") },
    File {
        name: "stdlib/process.bt",
        title: "library: process",
        text: include_str!("../../stdlib/process.bt"),
    },
    File {
        name: "stdlib/internal.bt",
        title: "library: internal",
        text: include_str!("../../stdlib/internal.bt"),
    },
];

/// What else scripts import from there: its functions are builtins here.
const PARTS_OF_BUILTINS: &[&str] = &["stdlib", "stdlib/kfunc"];

/// A macro.
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    pub file: &'static File,
    /// In the order of the file.
    pub forms: Vec<Form>,
    pub doc: String,
    /// A script that runs.
    pub example: &'static str,
}

/// One of the ways to call it.
#[derive(Debug)]
pub struct Form {
    /// As written: `find(@map, key, $value)`.
    pub head: &'static str,
    /// Its text in the file.
    pub at: Range<usize>,
}

impl Form {
    /// Its parameters as written.
    pub fn params(&self) -> Vec<&'static str> {
        let inner = self.head.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
        inner.split(',').map(str::trim).filter(|p| !p.is_empty()).collect()
    }
}

impl Entry {
    /// How it is called, all forms: `ppid, ppid(task)`.
    pub fn signature(&self) -> String {
        self.forms.iter().map(|f| f.head.trim_end_matches("()")).collect::<Vec<_>>().join(", ")
    }

    /// Whether it may stand without arguments, and so without parentheses.
    pub fn is_value(&self) -> bool {
        self.forms.iter().any(|f| f.head.ends_with("()"))
    }
}

/// All macros, in the order of the files.
pub fn all() -> &'static [Entry] {
    static ALL: LazyLock<Vec<Entry>> = LazyLock::new(|| FILES.iter().flat_map(entries).collect());
    &ALL
}

/// The macro of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    all().iter().find(|e| e.name == name)
}

/// Those that scripts are told of: names that start with `_` are the library's own.
pub fn shown() -> impl Iterator<Item = &'static Entry> {
    all().iter().filter(|e| !e.name.starts_with('_'))
}

/// The names of these.
pub fn names() -> impl Iterator<Item = &'static str> {
    shown().map(|e| e.name)
}

/// Whether a script may import that.
pub fn has_file(path: &str) -> bool {
    let bare = path.strip_suffix(".bt").unwrap_or(path);
    PARTS_OF_BUILTINS.contains(&bare) || FILES.iter().any(|f| f.name.strip_suffix(".bt") == Some(bare))
}

/// The macros of a file.
fn entries(file: &'static File) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    let mut above: Vec<&'static str> = Vec::new();
    let mut at = 0;
    for line in file.text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if let Some(comment) = line.strip_prefix("//") {
            above.push(comment.trim());
            continue;
        }
        let said = std::mem::take(&mut above);
        let Some((name, head)) = head(line) else { continue };
        let form = Form { head, at: start..start + length(&file.text[start..]) };
        match out.iter_mut().find(|e| e.name == name) {
            Some(entry) => entry.forms.push(form),
            None => {
                let example = said.iter().find_map(|l| l.strip_prefix("Example: ")).unwrap_or_default();
                let doc: Vec<&str> = said.into_iter().filter(|l| !l.starts_with("Example: ")).collect();
                out.push(Entry { name, file, forms: vec![form], doc: doc.join(" "), example });
            }
        }
    }
    out
}

/// The name and the head of the macro that a line begins.
fn head(line: &'static str) -> Option<(&'static str, &'static str)> {
    let rest = line.strip_prefix("macro ")?;
    Some((rest.split('(').next()?, &rest[..=rest.find(')')?]))
}

/// Bytes of the macro with which a text begins.
fn length(text: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let is_first = at == line.len();
        if line.starts_with('}') || (is_first && line.trim_end().ends_with('}')) {
            return at;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::{aggs, builtins};

    #[test]
    fn every_macro_has_its_manual() {
        for e in all() {
            assert!(e.doc.ends_with('.') && !e.doc.contains("Example"), "{}: {}", e.name, e.doc);
            assert!(e.example.contains('{') && e.example.contains(e.name), "{}: {}", e.name, e.example);
            assert!(
                builtins::find(e.name).is_none() && aggs::find(e.name).is_none(),
                "{} is a builtin",
                e.name
            );
            assert_eq!(all().iter().filter(|o| o.name == e.name).count(), 1, "{}", e.name);
        }
    }

    #[test]
    fn forms_are_shown_as_they_are_called() {
        let signature = |name| find(name).map(Entry::signature).unwrap_or_default();
        assert_eq!(signature("find"), "find(@map, key, $value)");
        assert_eq!(signature("ppid"), "ppid, ppid(task)");
        assert_eq!(find("nothing").map(|e| e.name), None);
    }

    #[test]
    fn parts_that_can_be_imported() {
        for part in ["stdlib", "stdlib/base.bt", "stdlib/strings", "stdlib/kfunc.bt"] {
            assert!(has_file(part), "{part}");
        }
        assert!(!has_file("stdlib/x.bt") && !has_file("base.bt"));
    }
}
