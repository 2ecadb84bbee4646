//! A text compiled on top of what is there: macros and settings entered so far, and the maps that live.
//!
//! Always holds: what is compiled for the session finds its maps with the types that they have; the type table only
//! grows, so that types mean the same in all clauses.

use std::rc::Rc;

use super::Repl;
use crate::base::{Diag, Diags, FileId, Severity, Source, SourceMap, Span};
use crate::image::{Image, Role};
use crate::sema::hir;
use crate::syntax::ast::{Item, Script};
use crate::syntax::parse::parse;
use crate::{Base, Compiled, Stage, Text, lang};

/// Something entered that is no probe: a macro, C definitions, settings, an import, a declared map.
#[derive(Clone, Debug)]
pub struct Part {
    /// As messages name its file.
    pub name: String,
    pub text: String,
}

/// A text with the items of it that are to be compiled.
pub struct Entry<'a> {
    pub name: &'a str,
    pub text: &'a str,
    pub items: &'a [Item],
}

/// What came of an entry.
pub struct Built {
    pub image: Option<Rc<Image>>,
    pub diags: Diags,
    pub sources: SourceMap,
}

/// A probe that does nothing: what has no probe of its own is checked with it.
const NO_PROBE: &str = "begin { }";

impl Repl {
    /// The settings for what is compiled next.
    pub fn settings(&self) -> lang::Config {
        let event_base = self.session.as_ref().map_or(0, |s| s.next_event_base());
        lang::Config { event_base, ..self.config.clone() }
    }

    /// Compiles items of an entry on top of `base`. Of the warnings, only those about the entry are kept.
    pub fn build(
        &self,
        entry: &Entry,
        base: &Base,
        config: &lang::Config,
        see: &mut dyn FnMut(Stage),
    ) -> Built {
        let mut sources = SourceMap::new();
        // First of all, so that places in the entry are what its parser said.
        let file = sources.add(Source::new(entry.name, entry.text));
        self.build_in(sources, file, entry.items.to_vec(), (base, config), see)
    }

    /// As [`Repl::build`], for items whose file is in `sources` already, as `file`.
    pub fn build_in(
        &self,
        mut sources: SourceMap,
        file: FileId,
        items: Vec<Item>,
        (base, config): (&Base, &lang::Config),
        see: &mut dyn FnMut(Stage),
    ) -> Built {
        let mut script = Script::default();
        for part in &self.preamble {
            let at = sources.add(Source::new(part.name.as_str(), part.text.as_str()));
            // It was without errors when it was entered.
            script.items.extend(parse(at, &part.text).0.items);
        }
        script.items.extend(items);
        if !script.items.iter().any(|i| matches!(i, Item::Probe(_))) {
            let at = sources.add(Source::new("none", NO_PROBE));
            script.items.extend(parse(at, NO_PROBE).0.items);
        }
        let is_known = |name: &str| base.maps.iter().any(|m| m.name.strip_prefix('@') == Some(name));
        script.items.retain(|i| !matches!(i, Item::MapDecl(d) if is_known(&d.map.name)));
        let text = Text { script, sources, diags: Diags::default() };
        let Compiled { image, diags, sources, options: _ } =
            crate::compile_text(text, config, base, self.world.as_ref(), see);
        let counts = |d: &Diag| d.severity == Severity::Error || d.span.file == file;
        let list = diags.list.into_iter().filter(counts).collect();
        Built { image: image.map(Rc::new), diags: Diags { list }, sources }
    }
}

/// The base for what comes after an image: the maps that it has, on its types.
pub fn base_of(image: &Image) -> Base {
    let schemas = image.maps.iter().filter_map(|m| match &m.role {
        Role::User(schema) if !schema.is_internal() => Some(schema),
        _ => None,
    });
    Base { maps: schemas.map(known).collect(), types: image.types.clone() }
}

/// A map of the session, for sema.
pub fn known(schema: &crate::image::Schema) -> hir::Map {
    hir::Map {
        name: schema.name.clone(),
        key: schema.key.clone(),
        value: schema.value.clone(),
        storage: schema.storage,
        max_entries: schema.max_entries,
        span: Span::none(),
    }
}
