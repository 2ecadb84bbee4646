//! Numbered clauses: made, changed, switched, taken out.
//!
//! Always holds: a text is compiled as a whole first, so that its probes agree on their maps; then each of its
//! probes becomes a clause of its own. Either all of a text's clauses are attached, or none.

use std::rc::Rc;
use std::time::Duration;

use super::Repl;
use super::build::{Entry, Part, base_of, known};
use super::edit::Target;
use crate::Base;
use crate::base::{Diag, Diags, FileId, SourceMap};
use crate::cli::run::{explain, missing};
use crate::image::Image;
use crate::lang::Config;
use crate::runtime::{ClauseId, LoadError};
use crate::syntax::ast::{Item, Script};
use crate::syntax::parse::parse;

/// A clause with its number.
pub struct Clause {
    /// As messages name its file.
    pub name: String,
    /// As it was typed.
    pub text: String,
    pub image: Rc<Image>,
    /// `None` while it is off, or where nothing can be attached.
    pub live: Option<ClauseId>,
    /// Whether it is to be attached: so it is where that is possible.
    pub is_on: bool,
    /// The number of the first clause that was entered together with it.
    pub first: u32,
    pub n_lost: u64,
    /// Hits of programs that were attached for it before.
    pub n_hits_before: u64,
}

/// What is compiled and, where that is possible, attached.
pub type Attached = (Rc<Image>, Option<ClauseId>);

impl Repl {
    /// Enters a script: its probes become clauses, the rest holds for what comes later.
    pub fn enter(&mut self, name: &str, text: &str, script: &Script) {
        let entry = Entry { name, text, items: &script.items };
        let whole = self.build(&entry, &self.base, &self.settings(), &mut |_| {});
        self.show(&whole.sources, &whole.diags);
        match whole.image {
            Some(whole) => {
                self.remember(text);
                // What is one probe and nothing else is compiled already.
                self.ready = matches!(script.items.as_slice(), [Item::Probe(_)]).then(|| whole.clone());
                if !self.enter_on(base_of(&whole), name, text, script) {
                    self.forget_step();
                }
            }
            None => self.offer_change(name, text, Target::New),
        }
    }

    /// Enters a script whose maps are known. `false` after something was said.
    pub fn enter_on(&mut self, base: Base, name: &str, text: &str, script: &Script) -> bool {
        let n_parts = self.preamble.len();
        let (probes, rest): (Vec<&Item>, Vec<&Item>) =
            script.items.iter().partition(|i| matches!(i, Item::Probe(_)));
        let part = |i: &Item| Part { name: name.to_owned(), text: item_text(text, i) };
        self.preamble.extend(rest.into_iter().map(part));
        let first = self.next_number;
        let mut added = Vec::new();
        for probe in probes {
            let number = self.next_number;
            if !self.put(number, name, &item_text(text, probe), first, &base) {
                added.into_iter().for_each(|n| drop(self.take_out(n)));
                self.preamble.truncate(n_parts);
                return false;
            }
            added.push(number);
            self.next_number += 1;
        }
        for number in &added {
            self.announce(*number);
        }
        if added.is_empty() {
            self.screen.say("noted");
        }
        self.base = base;
        self.renew_base();
        self.lesson_attempt();
        true
    }

    /// Compiles and attaches one probe under this number. `false` after something was said.
    fn put(&mut self, number: u32, name: &str, text: &str, first: u32, base: &Base) -> bool {
        let Some((image, live)) = self.attach(name, text, base, None) else { return false };
        let (name, text) = (name.to_owned(), text.to_owned());
        let clause = Clause { name, text, image, live, is_on: true, first, n_lost: 0, n_hits_before: 0 };
        self.clauses.insert(number, clause);
        true
    }

    /// As it was before it was taken out.
    pub fn put_back(&mut self, number: u32, name: &str, text: &str, first: u32) {
        let base = self.base.clone();
        self.put(number, name, text, first, &base);
        self.renew_base();
    }

    fn announce(&mut self, number: u32) {
        let Some(clause) = self.clauses.get(&number) else { return };
        let what = clause.image.programs.iter().next().map_or("", |p| p.title.as_str());
        let n = clause.image.programs.iter().flat_map(|p| &p.attach).count();
        let places = if n > 1 { format!(" ({n} places)") } else { String::new() };
        let state = if clause.live.is_some() { "" } else { ": compiled, not attached" };
        let text = format!("{number}: {what}{places}{state}");
        self.screen.say(&text);
    }

    /// Compiles a probe and, where that is possible, attaches it, in the place of another if one is named. `None`
    /// after something was said.
    pub fn attach(
        &mut self,
        name: &str,
        text: &str,
        base: &Base,
        instead: Option<ClauseId>,
    ) -> Option<Attached> {
        let mut config = self.settings();
        if let (Some(session), Some(id)) = (&self.session, instead) {
            config.pass = session.pass_after(id);
        }
        let mut ready = self.ready.take();
        loop {
            let image = ready.take().or_else(|| self.build_clause(name, text, base, &config))?;
            let Some(session) = &mut self.session else { return Some((image, None)) };
            let added = match instead {
                Some(id) => session.replace(id, image.clone(), self.world.as_ref()),
                None => session.add(image.clone(), self.world.as_ref()),
            };
            match added {
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

    /// Compiles the one probe that a text is; says what is wrong.
    fn build_clause(&mut self, name: &str, text: &str, base: &Base, config: &Config) -> Option<Rc<Image>> {
        let (script, _) = parse(FileId(0), text);
        let built = self.build(&Entry { name, text, items: &script.items }, base, config, &mut |_| {});
        if built.image.is_none() {
            self.show(&built.sources, &built.diags);
        }
        built.image
    }

    /// Gives a clause another text. `false` after something was said.
    pub fn change(&mut self, number: u32, text: &str, base: Base) -> bool {
        let Some(clause) = self.clauses.get(&number) else { return false };
        let (name, before) = (clause.name.clone(), clause.live);
        let Some((image, live)) = self.attach(&name, text, &base, before) else { return false };
        // What the old programs had said and counted last.
        self.pump(Duration::ZERO);
        let n_hits = before.map_or(0, |id| self.hits_of(id));
        if let Some(clause) = self.clauses.get_mut(&number) {
            clause.n_hits_before += n_hits;
            (clause.text, clause.image, clause.live, clause.is_on) = (text.to_owned(), image, live, true);
        }
        self.base = base;
        self.renew_base();
        self.lesson_attempt();
        true
    }

    pub fn show_failure(&mut self, e: &LoadError, image: Option<&Image>) {
        let none = SourceMap::new();
        let list: Vec<Diag> = explain(e, image);
        self.show(image.map_or(&none, |i| &i.sources), &Diags { list });
    }

    /// Takes the maps that live now as what later texts find. Where nothing is live, those of the last text stay.
    pub fn renew_base(&mut self) {
        if let Some(session) = &self.session {
            self.base.maps = session.schemas().into_iter().map(known).collect();
        }
    }

    /// Detaches a clause and forgets it.
    pub fn take_out(&mut self, number: u32) -> Option<Clause> {
        self.detach(number);
        self.clauses.remove(&number)
    }

    /// Detaches a clause; its hits are kept.
    fn detach(&mut self, number: u32) {
        let Some(id) = self.clauses.get(&number).and_then(|c| c.live) else { return };
        if let Some(session) = &mut self.session {
            session.remove(id);
        }
        // What it said and counted last.
        self.pump(Duration::ZERO);
        let n_hits = self.hits_of(id);
        if let Some(clause) = self.clauses.get_mut(&number) {
            clause.n_hits_before += n_hits;
            clause.live = None;
        }
    }

    pub fn switch_off(&mut self, number: u32) {
        self.detach(number);
        if let Some(clause) = self.clauses.get_mut(&number) {
            clause.is_on = false;
        }
    }

    pub fn switch_on(&mut self, number: u32) {
        let Some(clause) = self.clauses.get(&number).filter(|c| c.live.is_none()) else { return };
        let (name, text) = (clause.name.clone(), clause.text.clone());
        let base = self.base.clone();
        let Some((image, live)) = self.attach(&name, &text, &base, None) else { return };
        if let Some(clause) = self.clauses.get_mut(&number) {
            (clause.image, clause.live, clause.is_on) = (image, live, true);
        }
        self.renew_base();
    }

    /// Hits of the programs that are attached now.
    pub fn hits_of(&self, id: ClauseId) -> u64 {
        // What cannot be read counts as nothing.
        self.session.as_ref().and_then(|s| s.hits(id).ok()).unwrap_or(0)
    }

    /// A clause has called `exit()`: what was entered with it ends as a script does, and is switched off.
    pub fn exited(&mut self, id: ClauseId, code: u32) {
        let Some((number, first)) =
            self.clauses.iter().find(|(_, c)| c.live == Some(id)).map(|(n, c)| (*n, c.first))
        else {
            return;
        };
        let together = |c: &Clause| c.first == first && c.live.is_some();
        let numbers: Vec<u32> = self.clauses.iter().filter(|(_, c)| together(c)).map(|(n, _)| *n).collect();
        let ids: Vec<ClauseId> = numbers.iter().filter_map(|n| self.clauses[n].live).collect();
        self.run_ends(&ids);
        self.print_maps_of(&numbers);
        for n in &numbers {
            self.switch_off(*n);
        }
        let list: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let list = list.join(" ");
        self.screen.say(&format!("{number} called exit({code}): off now: {list}; `:on {list}` starts again"));
    }

    /// Stops clauses and runs their `end` probes.
    fn run_ends(&mut self, ids: &[ClauseId]) {
        let Some(session) = &mut self.session else { return };
        if let Err(e) = session.run_end(ids) {
            self.complain(format!("the end probes could not be run: {e}"), None);
        }
        self.pump(Duration::ZERO);
    }

    /// The numbers that an argument lists; says what is no clause.
    pub fn numbers(&mut self, arg: &str) -> Option<Vec<u32>> {
        if arg == "all" {
            return Some(self.clauses.keys().copied().collect());
        }
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
pub fn item_text(text: &str, item: &Item) -> String {
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

/// A text on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `:rm N...`
pub fn rm(repl: &mut Repl, arg: &str) {
    let Some(numbers) = repl.numbers(arg) else { return };
    repl.remember(&format!(":rm {arg}"));
    for n in numbers {
        repl.take_out(n);
    }
}

/// `:off N...`
pub fn off(repl: &mut Repl, arg: &str) {
    let Some(numbers) = repl.numbers(arg) else { return };
    repl.remember(&format!(":off {arg}"));
    numbers.into_iter().for_each(|n| repl.switch_off(n));
}

/// `:on N...`
pub fn on(repl: &mut Repl, arg: &str) {
    let Some(numbers) = repl.numbers(arg) else { return };
    repl.remember(&format!(":on {arg}"));
    numbers.into_iter().for_each(|n| repl.switch_on(n));
}
