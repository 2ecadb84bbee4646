//! Imports: scripts, headers and folders of them, each read once.
//!
//! Comes in: the items of the main file. Goes out: the items of all files, imported ones first, without imports and
//! C text, which has gone through the preprocessor. Always holds: what an imported file says has an origin that
//! leads to the import; a folder that everybody may write to is refused.

use super::c::{Cx, Prep};
use super::defines::Tag;
use super::files;
use crate::base::{Diag, Diags, Origin, Source, SourceMap, Span, codes};
use crate::lang::library;
use crate::syntax::ast::{Import, Item, Script, Stmt, StmtKind};
use crate::syntax::parse::parse;
use crate::syntax::visit::{self, Visitor, VisitorMut};
use crate::world::{Missing, World};
use std::collections::BTreeSet;

/// Imports inside one another, and files, at most.
const NESTED_MAX: usize = 32;
const FILES_MAX: usize = 500;

/// The imports among the statements of an item.
struct Statements(Vec<Import>);

impl Visitor for Statements {
    fn stmt(&mut self, s: &Stmt) {
        if let StmtKind::Import(i) = &s.kind {
            self.0.push(i.clone());
        }
        visit::walk_stmt(self, s);
    }
}

/// Reads what a script imports.
pub struct Loader<'a, 'w> {
    pub world: &'w dyn World,
    pub sources: &'a mut SourceMap,
    pub diags: &'a mut Diags,
    pub prep: Prep<'w>,
    seen: BTreeSet<String>,
    n_open: usize,
}

impl<'a, 'w> Loader<'a, 'w> {
    pub fn new(world: &'w dyn World, sources: &'a mut SourceMap, diags: &'a mut Diags) -> Self {
        Loader { world, sources, diags, prep: Prep::new(world), seen: BTreeSet::new(), n_open: 0 }
    }

    /// The items of a file and of what it imports.
    pub fn items(&mut self, items: Vec<Item>, out: &mut Vec<Item>) {
        let mut own = Vec::new();
        for item in items {
            match item {
                Item::CDef(def) => {
                    let mut cx = Cx { sources: self.sources, diags: self.diags };
                    self.prep.feed(&def.text, def.span, &mut cx);
                }
                Item::Import(i) => self.import(&i, out),
                Item::Config(c) if self.n_open > 0 => {
                    self.bad(c.span, "an imported script has no config block of its own".into());
                }
                other => {
                    // An import among statements counts for the whole script, too.
                    let mut inside = Statements(Vec::new());
                    inside.item(&other);
                    inside.0.iter().for_each(|i| self.import(i, out));
                    own.push(other);
                }
            }
        }
        out.extend(own);
    }

    fn bad(&mut self, span: Span, message: String) {
        self.diags.push(Diag::error(&codes::IMPORT, span, message));
    }

    fn import(&mut self, i: &Import, out: &mut Vec<Item>) {
        if i.path == "stdlib" || i.path.starts_with("stdlib/") {
            // What is in it is found where it is used.
            if !library::has_file(&i.path) {
                let d = Diag::error(&codes::IMPORT, i.span, format!("the library has no {}", i.path));
                let names: Vec<&str> = library::FILES.iter().map(|f| f.name).collect();
                self.diags.push(d.hint(format!("it has {}", names.join(", "))));
            }
            return;
        }
        let path = files::beside(&self.sources.files[i.span.file].name, &i.path);
        match self.world.folder(&path) {
            Ok(folder) if folder.is_world_writable => {
                let message =
                    format!("everybody may write to the folder {path}, so its files are not trusted");
                let d = Diag::error(&codes::IMPORT, i.span, message);
                self.diags.push(d.hint(format!("chmod o-w {path}")));
            }
            Ok(folder) => {
                for name in folder.names.iter().filter(|n| n.ends_with(".bt") || n.ends_with(".h")) {
                    self.file(&format!("{path}/{name}"), i.span, out);
                }
            }
            Err(Missing::No) => self.file(&path, i.span, out),
            Err(Missing::Unreadable { why, .. }) => self.bad(i.span, format!("cannot be read: {why}")),
        }
    }

    fn file(&mut self, path: &str, span: Span, out: &mut Vec<Item>) {
        if path.ends_with(".h") {
            let mut cx = Cx { sources: self.sources, diags: self.diags };
            return self.prep.header(path, span, &mut cx);
        }
        if path.ends_with(".bpf.c") {
            return self.bad(span, "C programs cannot be imported".into());
        }
        if !path.ends_with(".bt") {
            let d = Diag::error(&codes::IMPORT, span, format!("{path} is no folder, and no .bt or .h file"));
            return self.diags.push(d.hint("name a folder that is there, or a file with its ending"));
        }
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        if self.n_open >= NESTED_MAX || self.seen.len() > FILES_MAX {
            return self.bad(span, "too many files import one another".into());
        }
        let Some(text) = files::read(self.world, path, span, self.diags) else { return };
        let file = self.sources.add(Source::new(path, text.as_str()));
        let (Script { mut items, .. }, mut found) = parse(file, &text);
        let origin = self.sources.origins.push(Origin { name: path.to_owned(), used_at: span });
        found.list.iter_mut().for_each(|d| d.span.origin = origin);
        self.diags.append(found);
        for item in &mut items {
            Tag(origin).item(item);
        }
        self.n_open += 1;
        self.items(items, out);
        self.n_open -= 1;
    }
}
