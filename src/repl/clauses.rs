//! Numbered clauses: made, listed, taken out.
//!
//! Always holds: a text is compiled as a whole first, so that its probes agree on their maps; then each of its
//! probes becomes a clause of its own. Either all of a text's clauses are attached, or none.

use std::rc::Rc;

use super::Repl;
use super::build::{Entry, Part, base_of, known};
use crate::Base;
use crate::base::{Diag, Diags, SourceMap};
use crate::cli::run::{explain, missing};
use crate::image::Image;
use crate::runtime::{ClauseId, LoadError};
use crate::syntax::ast::{Item, Script};

/// A clause with its number.
pub struct Clause {
    /// As messages name its file.
    pub name: String,
    /// As it was typed.
    pub text: String,
    pub image: Rc<Image>,
    /// `None` while it is off, or where nothing can be attached.
    pub live: Option<ClauseId>,
    /// The number of the first clause that was entered together with it.
    pub first: u32,
    pub n_lost: u64,
}

impl Repl {
    /// Enters a script: its probes become clauses, the rest holds for what comes later.
    pub fn enter(&mut self, name: &str, text: &str, script: &Script) {
        let entry = Entry { name, text, items: &script.items };
        let whole = self.build(&entry, &self.base, &self.settings(), &mut |_| {});
        self.show(&whole.sources, &whole.diags);
        let Some(whole) = whole.image else { return };
        let base = base_of(&whole);
        let n_parts = self.preamble.len();
        let (probes, rest): (Vec<&Item>, Vec<&Item>) =
            script.items.iter().partition(|i| matches!(i, Item::Probe(_)));
        let part = |i: &Item| Part { name: name.to_owned(), text: item_text(text, i) };
        self.preamble.extend(rest.into_iter().map(part));
        let first = self.next_number;
        let mut added = Vec::new();
        for probe in probes {
            let text = item_text(text, probe);
            let made = self.clause(name, &text, first, &base);
            match made {
                Some(number) => added.push(number),
                None => {
                    for number in added {
                        self.take_out(number);
                    }
                    self.preamble.truncate(n_parts);
                    return;
                }
            }
        }
        self.base.types = base.types;
        self.renew_base(&base.maps);
        self.lesson_attempt();
    }

    /// Compiles and attaches one probe; its number, or `None` after something was said.
    fn clause(&mut self, name: &str, text: &str, first: u32, base: &Base) -> Option<u32> {
        let (image, live) = self.attach(name, text, base)?;
        let number = self.next_number;
        self.next_number += 1;
        let what = image.programs.iter().next().map_or(String::new(), |p| p.title.clone());
        let clause = Clause { name: name.to_owned(), text: text.to_owned(), image, live, first, n_lost: 0 };
        self.clauses.insert(number, clause);
        let state = if live.is_some() { "" } else { ", not attached" };
        self.screen.say(&format!("{number}: {what}{state}"));
        Some(number)
    }

    /// Compiles a probe and, where that is possible, attaches it. `None` after something was said.
    fn attach(&mut self, name: &str, text: &str, base: &Base) -> Option<(Rc<Image>, Option<ClauseId>)> {
        let mut config = self.settings();
        loop {
            let image = self.build_clause(name, text, base, &config)?;
            let Some(session) = &mut self.session else { return Some((image, None)) };
            match session.add(image.clone(), self.world.as_ref()) {
                Ok(added) => {
                    let diags = missing(&image, &added);
                    self.show(&image.sources, &Diags { list: diags });
                    return Some((image, Some(added.id)));
                }
                // A kernel that does not trust a pointer as we thought gets the program without direct reads.
                Err(LoadError::Program(_)) if !config.indirect_reads => config.indirect_reads = true,
                Err(e) => {
                    self.show_failure(&e, Some(&image));
                    return None;
                }
            }
        }
    }

    /// Runs statements once, here and now.
    pub fn run_once(&mut self, sources: SourceMap, file: crate::base::FileId, script: Script) {
        let (base, config) = (self.base.clone(), self.settings());
        let built = self.build_in(sources, file, script.items, (&base, &config), &mut |_| {});
        self.show(&built.sources, &built.diags);
        let (Some(image), Some(session)) = (built.image, &mut self.session) else { return };
        match session.add(image.clone(), self.world.as_ref()) {
            Ok(added) => {
                self.pump(std::time::Duration::ZERO);
                if let Some(session) = &mut self.session {
                    session.remove(added.id);
                }
                self.base.types = image.types.clone();
                self.renew_base(&[]);
            }
            Err(e) => self.show_failure(&e, Some(&image)),
        }
    }

    /// Compiles the one probe that a text is; says what is wrong.
    fn build_clause(
        &mut self,
        name: &str,
        text: &str,
        base: &Base,
        config: &crate::lang::Config,
    ) -> Option<Rc<Image>> {
        let (script, _) = crate::syntax::parse::parse(crate::base::FileId(0), text);
        let built = self.build(&Entry { name, text, items: &script.items }, base, config, &mut |_| {});
        if built.image.is_none() {
            self.show(&built.sources, &built.diags);
        }
        built.image
    }

    pub fn show_failure(&mut self, e: &LoadError, image: Option<&Image>) {
        let none = SourceMap::new();
        let list: Vec<Diag> = explain(e, image);
        self.show(image.map_or(&none, |i| &i.sources), &Diags { list });
    }

    /// Takes the maps that live now as what later texts find; those of `made` where nothing is live.
    fn renew_base(&mut self, made: &[crate::sema::hir::Map]) {
        self.base.maps = match &self.session {
            Some(session) => session.schemas().into_iter().map(known).collect(),
            None => made.to_vec(),
        };
    }

    /// Detaches a clause and forgets it.
    pub fn take_out(&mut self, number: u32) -> Option<Clause> {
        let clause = self.clauses.remove(&number)?;
        if let (Some(session), Some(id)) = (&mut self.session, clause.live) {
            session.remove(id);
        }
        Some(clause)
    }

    /// A clause has called `exit()`: what was entered with it is switched off.
    pub fn exited(&mut self, id: ClauseId, code: u32) {
        let Some((number, first)) =
            self.clauses.iter().find(|(_, c)| c.live == Some(id)).map(|(n, c)| (*n, c.first))
        else {
            return;
        };
        let together: Vec<u32> =
            self.clauses.iter().filter(|(_, c)| c.first == first).map(|(n, _)| *n).collect();
        for n in together {
            self.take_out(n);
        }
        self.screen.say(&format!("{number} called exit({code})"));
    }

    /// The numbers that an argument lists; says what is no clause.
    pub fn numbers(&mut self, arg: &str) -> Option<Vec<u32>> {
        let mut numbers = Vec::new();
        for word in arg.split([' ', ',']).filter(|w| !w.is_empty()) {
            match word.parse().ok().filter(|n| self.clauses.contains_key(n)) {
                Some(n) => numbers.push(n),
                None => {
                    self.complain(format!("there is no clause {word}"), Some(":ls lists them".into()));
                    return None;
                }
            }
        }
        if numbers.is_empty() {
            self.complain("the number of a clause is missing".into(), Some(":ls lists them".into()));
            return None;
        }
        Some(numbers)
    }
}

/// The text of an item.
fn item_text(text: &str, item: &Item) -> String {
    let span = match item {
        Item::CDef(d) => d.span,
        Item::Config(c) => c.span,
        Item::Import(i) => i.span,
        Item::MapDecl(d) => d.span,
        Item::Macro(m) => m.span,
        Item::Func(f) => f.span,
        Item::Probe(p) => p.span,
        Item::Error(span) => *span,
    };
    text.get(span.range()).unwrap_or("").to_owned()
}

/// `:ls`
pub fn ls(repl: &mut Repl, _: &str) {
    if repl.clauses.is_empty() {
        return repl.screen.say("no clause is attached; enter one, as in begin { printf(\"hello\\n\"); }");
    }
    let mut text = String::new();
    for (number, clause) in &repl.clauses {
        let state = if clause.live.is_some() { "on" } else { "off" };
        text.push_str(&format!("{number:>3} {state:3} {}\n", one_line(&clause.text)));
    }
    repl.screen.say(&text);
}

/// A text on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `:rm N...`
pub fn rm(repl: &mut Repl, arg: &str) {
    for n in repl.numbers(arg).unwrap_or_default() {
        repl.take_out(n);
    }
}
