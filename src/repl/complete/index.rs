//! The names of all probes, collected once by a thread of its own.
//!
//! Comes in: what makes the machine's `World` in that thread. Goes out: [`Names`]. Always holds: the prompt
//! never waits for the machine longer than [`WAIT_MAX`]; what a list has is what `-l` shows.

use super::fuzzy::{self, Rank};
use crate::lang::probes::{self, ProbeKind, Provider};
use crate::world::World;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long a completion waits for lists that are still being made.
const WAIT_MAX: Duration = Duration::from_millis(1500);

/// A list of names in one piece of memory.
#[derive(Debug, Default, PartialEq)]
pub struct Names {
    text: String,
    /// Where each name ends.
    ends: Vec<u32>,
    /// `fuzzy::letters` of each.
    letters: Vec<u64>,
}

/// What the machine offers by name.
#[derive(Debug, Default)]
pub struct Lists {
    /// What follows the provider's name and colon, for each probe type.
    probes: Vec<(Provider, Arc<Names>)>,
    pub structs: Names,
}

/// The lists, now or soon.
#[derive(Clone, Debug, Default)]
pub struct Index {
    shared: Arc<(Mutex<Option<Arc<Lists>>>, Condvar)>,
}

impl Index {
    /// Starts collecting. `world` is called in the thread that does.
    pub fn start(world: impl FnOnce() -> Box<dyn World> + Send + 'static) -> Index {
        let index = Index::default();
        let to = index.clone();
        let work = move || {
            to.set(Lists::collect(world().as_ref()));
        };
        // Without a thread there are no names to offer, and everything else works.
        if std::thread::Builder::new().name("awl-index".into()).spawn(work).is_err() {
            index.set(Lists::default());
        }
        index
    }

    /// An index that is there already.
    pub fn of(world: &dyn World) -> Index {
        let index = Index::default();
        index.set(Lists::collect(world));
        index
    }

    fn set(&self, lists: Lists) {
        let (slot, ready) = &*self.shared;
        if let Ok(mut slot) = slot.lock() {
            *slot = Some(Arc::new(lists));
        }
        ready.notify_all();
    }

    /// Whether the lists are there: a hint, asked for at every key, does not wait for them.
    pub fn is_ready(&self) -> bool {
        self.shared.0.lock().is_ok_and(|slot| slot.is_some())
    }

    /// The lists; `None` if they take too long.
    pub fn lists(&self) -> Option<Arc<Lists>> {
        let (slot, ready) = &*self.shared;
        let slot = slot.lock().ok()?;
        let (slot, _) = ready.wait_timeout_while(slot, WAIT_MAX, |lists| lists.is_none()).ok()?;
        slot.clone()
    }
}

impl Lists {
    /// Asks the machine for everything.
    pub fn collect(world: &dyn World) -> Lists {
        let mut probes: Vec<(Provider, Arc<Names>)> = Vec::new();
        for kind in probes::KINDS {
            let names = Arc::new(Names::of_kind(world, kind));
            // Functions are many, and four types of probe have the same.
            let same = probes.iter().find(|(_, n)| *n == names).map(|(_, n)| n.clone());
            probes.push((kind.provider, same.unwrap_or(names)));
        }
        Lists { probes, structs: world.struct_names().iter().map(String::as_str).collect() }
    }

    pub fn probes(&self, provider: Provider) -> Option<&Names> {
        self.probes.iter().find(|(p, _)| *p == provider).map(|(_, names)| &**names)
    }

    /// How many probes there are.
    pub fn n_probes(&self) -> usize {
        self.probes.iter().map(|(_, names)| names.len()).sum()
    }
}

impl Names {
    fn of_kind(world: &dyn World, kind: &ProbeKind) -> Names {
        let all = (kind.list)(world, &[]);
        let rest = |line: &'_ String| line.split_once(':').map(|(_, rest)| rest.to_owned());
        all.iter()
            .filter_map(rest)
            .filter(|n| !n.is_empty())
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|i| self.get(i))
    }

    fn get(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.text[start..self.ends[i] as usize]
    }

    /// The names that fit what was typed, with how well; see [`fuzzy::best`].
    pub fn fitting(&self, typed: &str) -> Vec<(Rank, &str)> {
        let lower = typed.to_ascii_lowercase();
        let wanted = fuzzy::letters(&lower);
        let may = (0..self.ends.len()).filter(|&i| self.letters[i] & wanted == wanted);
        may.filter_map(|i| fuzzy::rank(self.get(i), &lower).map(|rank| (rank, self.get(i)))).collect()
    }

    /// What follows `typed` up to and with the next colon, each once; whole names where there is none.
    pub fn segments<'a>(&'a self, typed: &str) -> BTreeSet<&'a str> {
        let segment = |name: &'_ str| match name[typed.len()..].find(':') {
            Some(colon) => typed.len() + colon + 1,
            None => name.len(),
        };
        self.iter().filter(|n| n.starts_with(typed)).map(|name| &name[..segment(name)]).collect()
    }
}

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Names {
        let mut out = Names::default();
        for name in names {
            out.text.push_str(name);
            out.ends.push(out.text.len() as u32);
            out.letters.push(fuzzy::letters(name));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::fixture::FixtureWorld;

    #[test]
    fn lists_hold_what_the_world_has() {
        let lists = Lists::collect(&FixtureWorld::new());
        let tracepoints = lists.probes(Provider::Tracepoint).unwrap();
        assert!(tracepoints.iter().any(|n| n == "sched:sched_switch"));
        assert_eq!(
            tracepoints.segments("").into_iter().collect::<Vec<_>>(),
            ["raw_syscalls:", "sched:", "syscalls:"]
        );
        let sched: Vec<_> = tracepoints.segments("sched:sched_w").into_iter().collect();
        assert_eq!(sched, ["sched:sched_wakeup", "sched:sched_wakeup_new"]);
        let kprobe = lists.probes(Provider::Kprobe).unwrap();
        assert!(std::ptr::eq(kprobe, lists.probes(Provider::Kretprobe).unwrap()), "shared");
        assert!(lists.structs.iter().any(|n| n == "task_struct"));
    }

    #[test]
    fn a_thread_collects() {
        let index = Index::start(|| Box::new(FixtureWorld::new()));
        assert!(index.lists().unwrap().n_probes() > 10);
    }
}
