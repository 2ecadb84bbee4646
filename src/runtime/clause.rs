//! One script in the session: its image, maps, programs and links.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;

use super::error::{LoadError, Problem};
use super::load::{self, Loaded};
use super::losses::Counters;
use super::maps::LiveMap;
use super::shared::Shared;
use super::stacks::StackMaps;
use crate::attach::{self, AttachError, Cx, Detach, Link, Order};
use crate::base::IndexVec;
use crate::image::wire::globals;
use crate::image::{Attach, Image, Map, MapId, Role};
use crate::world::World;

/// Names a clause for as long as the session lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClauseId(pub u32);

/// See the module.
pub struct Clause {
    pub image: Rc<Image>,
    /// `None` for maps that the session owns.
    pub maps: IndexVec<MapId, Option<Rc<LiveMap>>>,
    pub counters: Counters,
    pub programs: Vec<Loaded>,
    pub links: Vec<Link>,
}

/// The script's map of that name that an earlier clause made.
pub type FindMap<'a> = dyn Fn(&Map) -> Result<Option<Rc<LiveMap>>, LoadError> + 'a;

impl Clause {
    /// Makes the maps and loads the programs; attaches nothing.
    pub fn load(
        image: Rc<Image>,
        shared: &Shared,
        stacks: &mut StackMaps,
        user_map: &FindMap,
        world: &dyn World,
    ) -> Result<Clause, LoadError> {
        let losses = image.maps.iter().find(|m| m.role == Role::Losses).map_or(0, |m| m.value_size as usize);
        let counters = Counters::new(&image, losses).map_err(|e| map_error(".losses", &e))?;
        let mut fds: IndexVec<MapId, RawFd> = IndexVec::new();
        let mut maps = IndexVec::new();
        for map in image.maps.iter() {
            let (fd, live) = open_map(map, shared, &counters, stacks, user_map)?;
            fds.push(fd);
            maps.push(live);
        }
        let mut programs = Vec::new();
        for (id, program) in image.programs.iter_enumerated() {
            for unit in attach::plan(&program.attach, world) {
                programs.push(load::load(&image, id, unit, &fds, world)?);
            }
        }
        Ok(Clause { image, maps, counters, programs, links: Vec::new() })
    }

    /// Attaches all programs so that blocks fire in the order of the script. Returns what failed.
    pub fn attach(&mut self, cx: &Cx) -> Vec<AttachError> {
        let mut errors = Vec::new();
        let order = |l: &Loaded| attach::order(&l.unit.points[0]);
        let forward = self.programs.iter().filter(|l| order(l) == Order::Forward);
        let reverse = self.programs.iter().rev().filter(|l| order(l) == Order::Reverse);
        let mut links = Vec::new();
        for loaded in forward.chain(reverse) {
            let (got, failed) = loaded.unit.attach(loaded.fd.as_fd(), cx);
            links.extend(got);
            errors.extend(failed);
        }
        self.links.append(&mut links);
        errors
    }

    /// Runs the programs of the points that `wanted` picks, in the order of the script.
    pub fn run(&self, wanted: impl Fn(&Attach) -> bool) -> io::Result<()> {
        for loaded in &self.programs {
            for _ in loaded.unit.points.iter().filter(|p| wanted(p)) {
                crate::sys::bpf::test_run(loaded.fd.as_fd())?;
            }
        }
        Ok(())
    }

    pub fn detaches_slowly(&self) -> bool {
        self.links.iter().any(|l| l.detach == Detach::Slow)
    }
}

/// The descriptor of a map, and the map itself where the clause holds it.
fn open_map(
    map: &Map,
    shared: &Shared,
    counters: &Counters,
    stacks: &mut StackMaps,
    user_map: &FindMap,
) -> Result<(RawFd, Option<Rc<LiveMap>>), LoadError> {
    let fail = |e: io::Error| map_error(&map.name, &e);
    let none = || crate::bug!("{} was not made", map.name);
    let raw = |fd: std::os::fd::BorrowedFd| fd.as_raw_fd();
    let existing = match &map.role {
        Role::Globals => {
            if map.value_size != globals::BYTES {
                crate::bug!("globals of {} bytes", map.value_size)
            }
            return Ok((raw(shared.globals.map.as_fd()), None));
        }
        Role::Output => {
            return Ok((shared.output().map_or_else(none, |ring| raw(ring.map.as_fd())), None));
        }
        Role::Control => {
            return Ok((shared.control().map_or_else(none, |ring| raw(ring.map.as_fd())), None));
        }
        Role::Losses => return Ok((counters.fd().map_or_else(none, raw), None)),
        Role::User(_) => user_map(map)?,
        Role::Stacks(ty) => stacks.find(*ty).cloned(),
        Role::Scratch | Role::RoData(_) => None,
    };
    let live = match existing {
        Some(live) => live,
        None => Rc::new(LiveMap::create(map).map_err(fail)?),
    };
    if let (Role::Stacks(ty), true) = (&map.role, Rc::strong_count(&live) == 1) {
        stacks.add(*ty, live.clone());
    }
    Ok((live.raw_fd(), Some(live)))
}

pub fn map_error(name: &str, e: &io::Error) -> LoadError {
    let what = match e.raw_os_error() {
        Some(libc::E2BIG) => "its keys or values are too big for this kernel",
        Some(libc::EINVAL) => "this kernel has no such map",
        _ => "it cannot be made",
    };
    LoadError::Map { name: name.to_owned(), problem: Problem::new(what, e) }
}
