//! The library that comes with awl: macros in the language itself.
//!
//! Always holds: a file of it is parsed when a script uses a name of it, and not otherwise; its names are those of
//! no builtin.

use crate::base::{Diags, Source, SourceMap};
use crate::syntax::ast::{Item, Macro};
use crate::syntax::parse::parse;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Its files: the name under which a script may import one, and the text.
pub static FILES: &[(&str, &str)] = &[("stdlib/base.bt", include_str!("../../stdlib/base.bt"))];

/// What else scripts import from there: its functions are builtins here, or in the files above.
pub const PARTS: &[&str] =
    &["stdlib/strings", "stdlib/meta", "stdlib/kfunc", "stdlib/process", "stdlib/internal"];

/// A macro of the library as its manual shows it: `find(@map, key, $value)`, and the comment above it.
pub fn manual(name: &str) -> Option<(&'static str, String)> {
    let head = format!("macro {name}(");
    FILES.iter().find_map(|(_, text)| {
        let lines: Vec<&'static str> = text.lines().collect();
        let at = lines.iter().position(|l| l.starts_with(&head))?;
        let signature = lines[at].strip_prefix("macro ")?.split(" {").next()?;
        let above = lines[..at].iter().rev().map_while(|l| l.strip_prefix("//")).map(str::trim);
        let mut doc: Vec<&str> = above.collect();
        doc.reverse();
        Some((signature, doc.join(" ")))
    })
}

/// The names of its macros.
pub fn names() -> impl Iterator<Item = &'static str> {
    let heads = FILES.iter().flat_map(|(_, text)| text.lines()).filter_map(|l| l.strip_prefix("macro "));
    heads.filter_map(|l| l.split('(').next())
}

/// What has been read of the library.
#[derive(Default)]
pub struct Library {
    forms: BTreeMap<String, Vec<Rc<Macro>>>,
    read: Vec<&'static str>,
}

impl Library {
    /// Reads the files that define a macro of that name.
    pub fn load(&mut self, name: &str, sources: &mut SourceMap, diags: &mut Diags) {
        let head = format!("\nmacro {name}(");
        for (file, text) in FILES {
            if !self.read.contains(file) && text.contains(&head) {
                self.read.push(file);
                self.read_file(file, text, sources, diags);
            }
        }
    }

    fn read_file(&mut self, file: &str, text: &str, sources: &mut SourceMap, diags: &mut Diags) {
        let id = sources.add(Source::new(file, text));
        let (script, found) = parse(id, text);
        diags.append(found);
        for item in script.items {
            if let Item::Macro(m) = item {
                self.forms.entry(m.name.name.clone()).or_default().push(Rc::new(m));
            }
        }
    }

    /// The forms of a macro that have been read.
    pub fn forms(&self, name: &str) -> Option<&[Rc<Macro>]> {
        self.forms.get(name).map(Vec::as_slice)
    }
}

/// Words that look like calls and are part of the language.
pub fn is_operator(name: &str) -> bool {
    matches!(name, "sizeof" | "offsetof" | "typeof" | "typeinfo" | "args")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_macro_has_its_manual() {
        assert!(super::names().any(|n| n == "find"));
        for name in super::names() {
            let (signature, doc) = super::manual(name).expect(name);
            assert!(signature.starts_with(name) && signature.ends_with(')'), "{signature}");
            assert!(doc.ends_with('.'), "{name}: {doc}");
        }
        assert_eq!(super::manual("nothing"), None);
    }

    use super::*;
    use crate::lang::builtins;

    #[test]
    fn every_macro_is_documented_and_no_builtin() {
        for (file, text) in FILES {
            let mut sources = SourceMap::new();
            let id = sources.add(Source::new(*file, *text));
            let (script, diags) = parse(id, text);
            assert!(diags.list.is_empty(), "{file}: {:?}", diags.list);
            for item in &script.items {
                let Item::Macro(m) = item else { continue };
                let before = text[..m.span.lo as usize].trim_end();
                assert!(
                    before.lines().last().is_some_and(|l| l.starts_with("// ")),
                    "{file}: {}",
                    m.name.name
                );
                assert!(builtins::find(&m.name.name).is_none(), "{file}: {} is a builtin", m.name.name);
                assert!(text.contains(&format!("\nmacro {}(", m.name.name)), "{file}: {}", m.name.name);
            }
        }
    }
}
