//! Changing a clause, and changing the type of a map.
//!
//! Always holds: an edited clause takes over from the old one without a gap; while its text is wrong, the old one
//! stays attached and the text stays on the prompt. A map changes its type only after a yes, together with all
//! clauses that use it.

use super::build::{Entry, base_of};
use super::view::Asks;
use super::{Prompt, Repl};
use crate::Base;
use crate::base::{FileId, Source, SourceMap};
use crate::syntax::ast::Item;
use crate::syntax::parse::parse;
use crate::ty::print;

/// What a text is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Its probes become new clauses.
    New,
    /// It becomes the text of this clause.
    Clause(u32),
    /// It is a probe that is run once, and no clause.
    Once,
}

/// `:edit N`
pub fn edit(repl: &mut Repl, arg: &str) {
    let Some(numbers) = repl.numbers(arg) else { return };
    let [number] = numbers.as_slice() else {
        return repl.complain("one clause at a time can be edited".into(), Some(":edit 1".into()));
    };
    let text = repl.clauses[number].text.clone();
    repl.ask_for_text(*number, text);
}

impl Repl {
    fn ask_for_text(&mut self, number: u32, initial: String) {
        self.next_prompt = Some(Prompt {
            text: format!("edit {number}> "),
            initial,
            then: Box::new(move |repl, text| repl.edited(number, text)),
            asks: Asks::Anything,
        });
    }

    fn edited(&mut self, number: u32, text: &str) {
        let Some(clause) = self.clauses.get(&number) else {
            return self.complain(format!("clause {number} is gone"), None);
        };
        let text = text.trim();
        if text.is_empty() || text == clause.text && clause.live.is_some() {
            return self.screen.say("unchanged");
        }
        let name = clause.name.clone();
        let (script, diags) = parse(FileId(0), text);
        let is_one = matches!(script.items.as_slice(), [Item::Probe(_)]);
        if !diags.has_errors() && !is_one {
            self.complain(
                format!("clause {number} stays one probe"),
                Some("enter other probes and macros at the usual prompt".into()),
            );
            return self.ask_for_text(number, text.to_owned());
        }
        let entry = Entry { name: &name, text, items: &script.items };
        if diags.has_errors() {
            let mut sources = SourceMap::new();
            sources.add(Source::new(name, text));
            self.show(&sources, &diags);
            return self.ask_for_text(number, text.to_owned());
        }
        let built = self.build(&entry, &self.base, &self.settings(), &mut |_| {});
        self.show(&built.sources, &built.diags);
        match built.image {
            Some(image) => {
                self.remember(&format!(":edit {number}"));
                if !self.change(number, text, base_of(&image)) {
                    self.forget_step();
                    self.ask_for_text(number, text.to_owned());
                }
            }
            None => {
                self.offer_change(&name, text, Target::Clause(number));
                if self.next_prompt.is_none() {
                    self.ask_for_text(number, text.to_owned());
                }
            }
        }
    }

    /// A text does not compile: if that is because of maps that live, offers to change these.
    pub fn offer_change(&mut self, name: &str, text: &str, target: Target) {
        let Some((maps, base)) = self.maps_in_the_way(name, text) else { return };
        let users = self.users_of(&maps, target);
        let numbers: Vec<String> = users.iter().map(u32::to_string).collect();
        // All that use the maps must agree on the new types.
        let texts: Vec<&str> = users.iter().map(|n| self.clauses[n].text.as_str()).collect();
        let all = format!("{}\n{text}", texts.join("\n"));
        let (script, _) = parse(FileId(0), &all);
        let entry = Entry { name, text: &all, items: &script.items };
        let built = self.build(&entry, &base, &self.settings(), &mut |_| {});
        let Some(image) = built.image else {
            let what = maps.join(" and ");
            let hint = match numbers.as_slice() {
                [] => format!(":drop {what} forgets the map"),
                [n] => format!("change clause {n} first (:edit {n}), or take it out and :drop {what}"),
                all => format!("change clauses {} first, or take them out and :drop {what}", all.join(", ")),
            };
            return self.screen.say(&format!("  = {what} cannot change its type: {hint}"));
        };
        let joint = base_of(&image);
        let question = maps.iter().map(|m| self.describe_change(m, &joint)).collect::<Vec<_>>().join(" and ");
        let with = match numbers.as_slice() {
            [] => "its contents are lost".to_owned(),
            [n] => format!("clause {n} is recompiled, the map starts empty"),
            all => format!("clauses {} are recompiled, the map starts empty", all.join(", ")),
        };
        let (name, text) = (name.to_owned(), text.to_owned());
        self.next_prompt = Some(Prompt {
            text: format!("change {question}? {with} [y/N] "),
            initial: String::new(),
            then: Box::new(move |repl, answer| {
                if matches!(answer.trim(), "y" | "Y" | "yes") {
                    repl.change_maps(&maps, &users, joint, (&name, &text), target);
                } else {
                    repl.screen.say("unchanged");
                }
            }),
            asks: Asks::Answer,
        });
    }

    /// `@x from int64 to string[64]`
    fn describe_change(&self, map: &str, new: &Base) -> String {
        let of = |base: &Base| {
            let found = base.maps.iter().find(|m| m.name == map)?;
            let value = print::name(&found.value, &base.types);
            Some(match &found.key {
                Some(key) => format!("{value} by {}", print::name(key, &base.types)),
                None => value,
            })
        };
        match (of(&self.base), of(new)) {
            (Some(old), Some(new)) => format!("{map} from {old} to {new}"),
            _ => map.to_owned(),
        }
    }

    /// The fewest live maps without which a text compiles, and the base without them.
    fn maps_in_the_way(&self, name: &str, text: &str) -> Option<(Vec<String>, Base)> {
        let (script, _) = parse(FileId(0), text);
        let entry = Entry { name, text, items: &script.items };
        let named: Vec<String> =
            self.base.maps.iter().filter(|m| mentions(text, &m.name)).map(|m| m.name.clone()).collect();
        let singles = named.iter().map(|m| vec![m.clone()]);
        let all = (named.len() > 1).then(|| named.clone());
        singles.chain(all).find_map(|maps| {
            let mut base = self.base.clone();
            base.maps.retain(|m| !maps.contains(&m.name));
            let built = self.build(&entry, &base, &self.settings(), &mut |_| {});
            built.image.is_some().then_some((maps, base))
        })
    }

    /// The clauses that use any of these maps, but the one that gets a new text.
    fn users_of(&self, maps: &[String], target: Target) -> Vec<u32> {
        let uses = |n: &u32, c: &super::clauses::Clause| {
            target != Target::Clause(*n) && maps.iter().any(|m| c.image.uses(m))
        };
        self.clauses.iter().filter(|(n, c)| uses(n, c)).map(|(n, _)| *n).collect()
    }

    /// Makes the maps anew with the types of `base`, and recompiles what uses them.
    fn change_maps(
        &mut self,
        maps: &[String],
        users: &[u32],
        base: Base,
        (name, text): (&str, &str),
        target: Target,
    ) {
        self.remember(text);
        self.forget_maps(maps);
        for n in users {
            let (text, is_on) = (self.clauses[n].text.clone(), self.clauses[n].is_on);
            if !is_on || self.change(*n, &text, base.clone()) {
                continue;
            }
            return self
                .complain(format!("clause {n} could not be recompiled"), Some(":undo goes back".into()));
        }
        let (script, _) = parse(FileId(0), text);
        let is_done = match target {
            Target::Clause(n) => self.change(n, text, base),
            Target::New => self.enter_on(base, name, text, &script),
            Target::Once => {
                let mut sources = SourceMap::new();
                let file = sources.add(Source::new(name, text));
                self.run_once(sources, file, script.items);
                true
            }
        };
        if !is_done {
            self.screen.say("  = the maps have changed all the same; :undo goes back");
        }
    }
}

/// Whether a text names a map: `@x`, but not `@xy`.
fn mentions(text: &str, map: &str) -> bool {
    text.match_indices(map).any(|(at, _)| {
        let next = text[at + map.len()..].chars().next();
        !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn maps_are_named_whole() {
        assert!(mentions("begin { @x = 1 }", "@x"));
        assert!(!mentions("begin { @xy = 1 }", "@x"));
        assert!(mentions("@xy + @x[1]", "@x"));
        assert!(mentions("count(@)", "@"));
    }
}
