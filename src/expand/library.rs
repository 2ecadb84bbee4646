//! The macros of the library, parsed as a script needs them.
//!
//! Always holds: only macros that a script uses are parsed; their places lie in the whole file.

use crate::base::{Diags, FileId, Source, SourceMap};
use crate::lang::library::{self, Entry};
use crate::syntax::ast::{Item, Macro};
use crate::syntax::parse::parse_part;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What has been read of the library.
#[derive(Default)]
pub struct Library {
    forms: BTreeMap<&'static str, Vec<Rc<Macro>>>,
    files: BTreeMap<&'static str, FileId>,
}

impl Library {
    /// The forms of a macro; none where the library has no such macro.
    pub fn forms(&mut self, name: &str, sources: &mut SourceMap, diags: &mut Diags) -> &[Rc<Macro>] {
        let Some(entry) = library::find(name) else { return &[] };
        if !self.forms.contains_key(entry.name) {
            let read = self.read(entry, sources, diags);
            self.forms.insert(entry.name, read);
        }
        self.forms.get(entry.name).map_or(&[], Vec::as_slice)
    }

    fn read(&mut self, entry: &Entry, sources: &mut SourceMap, diags: &mut Diags) -> Vec<Rc<Macro>> {
        let (name, text) = (entry.file.name, entry.file.text);
        let file = *self.files.entry(name).or_insert_with(|| sources.add(Source::library(name, text)));
        let mut forms = Vec::new();
        for form in &entry.forms {
            let (script, found) = parse_part(file, &text[form.at.clone()], form.at.start as u32);
            diags.append(found);
            forms.extend(script.items.into_iter().filter_map(|item| match item {
                Item::Macro(m) => Some(Rc::new(m)),
                _ => None,
            }));
        }
        forms
    }
}

/// Words that look like calls and are part of the language.
pub fn is_operator(name: &str) -> bool {
    matches!(name, "sizeof" | "offsetof" | "typeof" | "typeinfo" | "args")
}

#[cfg(test)]
mod tests {
    use super::super::substitute::Outlaws;
    use super::*;
    use crate::lang::library::FILES;
    use crate::syntax::ast::{Expr, ExprKind, Script};
    use crate::syntax::parse::parse;
    use crate::syntax::visit::{self, Visitor};
    use std::collections::BTreeSet;

    #[test]
    fn macros_are_read_as_the_whole_file_is() {
        let (mut sources, mut diags) = (SourceMap::new(), Diags::default());
        let mut library = Library::default();
        for entry in library::all() {
            let forms = library.forms(entry.name, &mut sources, &mut diags).to_vec();
            assert!(diags.list.is_empty(), "{}: {:?}", entry.name, diags.list);
            assert_eq!(forms.len(), entry.forms.len(), "{}", entry.name);
            for form in forms {
                assert_eq!(sources.text(form.name.span), entry.name);
                assert_eq!(Outlaws::of(&form), [], "{}", entry.name);
            }
        }
        assert!(library.forms("nothing", &mut sources, &mut diags).is_empty());
    }

    /// The macros of a file that no `test:` probe of it uses.
    fn untested(script: &Script) -> Vec<String> {
        #[derive(Default)]
        struct Used(BTreeSet<String>);
        impl Visitor for Used {
            fn expr(&mut self, e: &Expr) {
                match &e.kind {
                    ExprKind::Call { name, .. } => drop(self.0.insert(name.name.clone())),
                    ExprKind::Ident(name) => drop(self.0.insert(name.clone())),
                    _ => {}
                }
                visit::walk_expr(self, e);
            }
        }
        let mut used = Used::default();
        let mut names = BTreeSet::new();
        for item in &script.items {
            match item {
                Item::Probe(p) if p.points.iter().all(|p| p.parts[0].text == "test") => used.probe(p),
                Item::Macro(m) => drop(names.insert(m.name.name.clone())),
                _ => {}
            }
        }
        names.difference(&used.0).cloned().collect()
    }

    #[test]
    fn every_macro_has_a_test() {
        let of = |text: &str| {
            let mut sources = SourceMap::new();
            let id = sources.add(Source::new("library", text));
            let (script, diags) = parse(id, text);
            assert!(diags.list.is_empty(), "{:?}", diags.list);
            untested(&script)
        };
        for file in FILES {
            assert_eq!(of(file.text), [] as [&str; 0], "{} lacks test: probes of these", file.name);
        }
        let text = "macro a() { b(1) } macro b(x) { x } macro c() { 1 } test:a { a; } begin { b(1); }";
        assert_eq!(of(text), ["b", "c"]);
    }
}
