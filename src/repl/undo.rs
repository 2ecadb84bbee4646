//! What can be taken back.
//!
//! Always holds: a state is what was entered and what is switched on; to go back to one, only what differs is
//! changed.

use std::collections::BTreeMap;

use super::Repl;
use super::build::Part;
use crate::runtime::Forgotten;

/// Steps back, at most.
const STEPS_MAX: usize = 50;

/// A clause as it was.
#[derive(Clone, PartialEq, Eq)]
struct Kept {
    name: String,
    text: String,
    first: u32,
    is_on: bool,
}

/// How things were before something was done.
pub struct Step {
    /// What was done: `:rm 2`.
    what: String,
    clauses: BTreeMap<u32, Kept>,
    preamble: Vec<Part>,
    /// Maps that were dropped by it, with what is in them.
    maps: Vec<Forgotten>,
}

impl Repl {
    /// To be called before something is changed.
    pub fn remember(&mut self, what: &str) {
        let kept = |c: &super::clauses::Clause| Kept {
            name: c.name.clone(),
            text: c.text.clone(),
            first: c.first,
            is_on: c.is_on,
        };
        let clauses = self.clauses.iter().map(|(n, c)| (*n, kept(c))).collect();
        let what = super::clauses::one_line(what);
        self.steps.push(Step { what, clauses, preamble: self.preamble.clone(), maps: Vec::new() });
        if self.steps.len() > STEPS_MAX {
            self.steps.remove(0);
        }
    }

    /// What was begun came to nothing.
    pub fn forget_step(&mut self) {
        self.steps.pop();
    }

    /// The step that is being made has dropped a map.
    pub fn remember_map(&mut self, map: Forgotten) {
        if let Some(step) = self.steps.last_mut() {
            step.maps.push(map);
        }
    }

    fn go_back(&mut self, step: Step) {
        for map in step.maps {
            if let Some(session) = &mut self.session {
                session.restore_map(map);
            }
        }
        self.preamble = step.preamble;
        let gone: Vec<u32> = self.clauses.keys().filter(|n| !step.clauses.contains_key(n)).copied().collect();
        for n in gone {
            self.take_out(n);
        }
        self.renew_base();
        for (n, old) in step.clauses {
            let is_same = self.clauses.get(&n).is_some_and(|c| c.text == old.text);
            if !is_same {
                self.take_out(n);
                self.put_back(n, &old.name, &old.text, old.first);
            }
            let is_on = self.clauses.get(&n).is_some_and(|c| c.is_on);
            match (is_on, old.is_on) {
                (true, false) => self.switch_off(n),
                (false, true) => self.switch_on(n),
                (true, true) | (false, false) => {}
            }
        }
    }
}

/// `:undo`
pub fn undo(repl: &mut Repl, _: &str) {
    let Some(step) = repl.steps.pop() else {
        return repl.complain("nothing is left to take back".into(), None);
    };
    let said = format!("taken back: {}", step.what);
    repl.go_back(step);
    repl.screen.say(&said);
}
