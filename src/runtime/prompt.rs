//! What a prompt does with clauses and maps that a script does not: takes them out, puts others in their place,
//! asks what they cost.
//!
//! Always holds: a clause of a prompt has a gate of its own; taking one out never waits for the kernel; what its
//! programs had under way is still delivered for a while.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::actions::Values;
use super::clause::{Clause, ClauseId};
use super::error::LoadError;
use super::maps::LiveMap;
use super::session::{Added, Life, Session};
use crate::image::maps::HITS;
use crate::image::wire::globals;
use crate::image::{Attach, Image, Map, Role};
use crate::sys::bpf;
use crate::value::Value;
use crate::world::World;

/// Records of a clause that is gone are still made sense of for so long.
const LINGERS: Duration = Duration::from_secs(2);

/// A script's map that was taken from the session.
pub struct Forgotten {
    name: String,
    map: Rc<LiveMap>,
    image: Rc<Image>,
}

/// What the kernel says of a clause's programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Runs while statistics were on, those whose predicate did not hold included.
    pub n_runs: u64,
    pub time_ns: u64,
    /// Bytes of machine code.
    pub code_bytes: u64,
}

/// A map of the session, for people.
#[derive(Clone, Debug)]
pub struct MapFacts {
    pub spec: Map,
    pub n_entries: usize,
    /// `None` where the kernel does not tell.
    pub memory_bytes: Option<u64>,
}

impl Session {
    /// Takes a clause out: stops and detaches it, forgets its maps unless another clause or a prompt holds them.
    pub fn remove(&mut self, id: ClauseId) {
        let Some(clause) = self.clauses.remove(&id) else { return };
        if self.life == Life::Script {
            drop(clause);
            self.user_maps.retain(|_, (map, _)| Rc::strong_count(map) > 1);
            return;
        }
        clause.globals.mem.store_u64(globals::GATE as usize, 0);
        self.retire(id, clause);
    }

    /// The pass that the image must have which takes the place of a clause.
    pub fn pass_after(&self, id: ClauseId) -> u32 {
        self.clauses.get(&id).map_or(globals::RUNNING, |c| c.image.pass.wrapping_add(1).max(1))
    }

    /// Puts a clause in the place of another: the new one is attached first, then one store stops the old one and
    /// starts the new one. On failure everything is as before.
    pub fn replace(&mut self, id: ClauseId, image: Rc<Image>, world: &dyn World) -> Result<Added, LoadError> {
        let own = self.clauses.get(&id).map(|c| c.globals.clone());
        let added = self.add_behind(own, image, world)?;
        if let Some(old) = self.clauses.remove(&id) {
            self.retire(id, old);
        }
        Ok(added)
    }

    /// Runs the `bench` programs of a clause, once.
    pub fn run_on_demand(&self, id: ClauseId) -> io::Result<()> {
        let programs = self.clauses.get(&id).into_iter().flat_map(|c| &c.programs);
        let mut wanted = programs.filter(|l| l.unit.points.iter().any(|p| matches!(p, Attach::Bench(_))));
        wanted.try_for_each(|l| bpf::repeat_run(l.fd.as_fd(), 1).map(|_| ()))
    }

    /// Stops clauses and runs their `end` programs, as at the end of a script.
    pub fn run_end(&mut self, ids: &[ClauseId]) -> io::Result<()> {
        let clauses = || ids.iter().filter_map(|id| self.clauses.get(id));
        clauses().for_each(|c| c.globals.mem.store_u64(globals::GATE as usize, 0));
        clauses().try_for_each(|c| c.run(|p| *p == Attach::End))
    }

    /// Detaches what is shut off already.
    fn retire(&mut self, id: ClauseId, mut clause: Clause) {
        self.reaper.close(std::mem::take(&mut clause.links));
        self.retired.retain(|r| r.at.elapsed() < LINGERS);
        self.retired.push(Retired { at: Instant::now(), id, clause });
    }

    /// Undoes what an addition that failed has made.
    pub(super) fn give_up(&mut self, mut clause: Clause) {
        if self.life == Life::Prompt {
            self.reaper.close(std::mem::take(&mut clause.links));
        }
    }

    /// How often the programs of a clause ran and their predicate held; for a while also of one that is gone.
    pub fn hits(&self, id: ClauseId) -> io::Result<u64> {
        let retired = || self.retired.iter().find(|r| r.id == id).map(|r| &r.clause);
        let Some(clause) = self.clauses.get(&id).or_else(retired) else { return Ok(0) };
        let found = clause.image.maps.iter_enumerated().find(|(_, m)| m.name == HITS);
        let Some((map, Role::User(schema))) = found.map(|(at, m)| (at, &m.role)) else { return Ok(0) };
        let Some(live) = &clause.maps[map] else { return Ok(0) };
        let values = Values { session: self, image: &clause.image };
        let entries = live.read(schema, &values.decoder())?;
        Ok(match entries.first() {
            Some((_, Value::Int(n))) => *n as u64,
            Some((_, Value::Uint(n))) => *n,
            _ => 0,
        })
    }

    /// What the programs of a clause have cost while the kernel's statistics were on.
    pub fn cost(&self, id: ClauseId) -> io::Result<Cost> {
        let mut cost = Cost::default();
        for loaded in self.clauses.get(&id).into_iter().flat_map(|c| &c.programs) {
            let facts = bpf::program_facts(loaded.fd.as_fd())?;
            cost.n_runs += facts.n_runs;
            cost.time_ns += facts.time_ns;
            cost.code_bytes += facts.code_bytes;
        }
        Ok(cost)
    }

    /// The clauses that use a script's map.
    pub fn users_of(&self, name: &str) -> Vec<ClauseId> {
        let uses = |c: &Clause| c.image.uses(name);
        self.clauses.iter().filter(|(_, c)| uses(c)).map(|(id, _)| *id).collect()
    }

    /// Takes a script's map from the session: what is added next finds none of that name. Clauses that use it keep
    /// it until they are taken out.
    pub fn forget_map(&mut self, name: &str) -> Option<Forgotten> {
        let (map, image) = self.user_maps.remove(name)?;
        Some(Forgotten { name: name.to_owned(), map, image })
    }

    /// Undoes [`Session::forget_map`].
    pub fn restore_map(&mut self, map: Forgotten) {
        self.user_maps.insert(map.name, (map.map, map.image));
    }

    /// The maps of the session, by name.
    pub fn map_facts(&self) -> io::Result<BTreeMap<String, MapFacts>> {
        let mut facts = BTreeMap::new();
        for (name, (map, image)) in &self.user_maps {
            let Role::User(schema) = &map.spec.role else { continue };
            let values = Values { session: self, image };
            let n_entries = map.read(schema, &values.decoder())?.len();
            let memory_bytes = map.memory_bytes();
            facts.insert(name.clone(), MapFacts { spec: map.spec.clone(), n_entries, memory_bytes });
        }
        Ok(facts)
    }
}

/// A clause that was taken out, for what its programs had under way.
pub struct Retired {
    at: Instant,
    pub id: ClauseId,
    pub clause: Clause,
}
