//! One script in the session: its image, maps, programs and links.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use super::error::{LoadError, Problem};
use super::load::{self, Debug, Loaded, Loader};
use super::losses::Counters;
use super::maps::LiveMap;
use super::shared::{Memory, Shared};
use super::stacks::StackMaps;
use crate::attach::{self, AttachError, Cx, Detach, Link, Order};
use crate::base::IndexVec;
use crate::image::wire;
use crate::image::{Attach, Image, Map, MapId, Role};
use crate::world::World;

/// Names a clause for as long as the session lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClauseId(pub u32);

/// See the module.
pub struct Clause {
    pub image: Rc<Image>,
    /// Its gate, and what else its programs share with us.
    pub globals: Rc<Memory>,
    /// `None` for maps that the session owns.
    pub maps: IndexVec<MapId, Option<Rc<LiveMap>>>,
    pub counters: Counters,
    pub programs: Vec<Loaded>,
    pub links: Vec<Link>,
    /// Places that were not found at load.
    missing: Vec<AttachError>,
}

/// How far iterators got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There is none that is not at its end.
    None,
    Some,
    /// One of them came to its end.
    Ended,
}

/// The script's map of that name that an earlier clause made.
pub type FindMap<'a> = dyn Fn(&Map) -> Result<Option<Rc<LiveMap>>, LoadError> + 'a;

impl Clause {
    /// Makes the maps and loads the programs for the points that are wanted; attaches nothing. The loader serves [`Clause::attach`].
    pub fn load<'a>(
        image: &'a Rc<Image>,
        globals: &Rc<Memory>,
        shared: &Shared,
        stacks: &mut StackMaps,
        user_map: &FindMap,
        world: &'a dyn World,
        wanted: &dyn Fn(&Attach) -> bool,
    ) -> Result<(Clause, Loader<'a>), LoadError> {
        let losses = image.maps.iter().find(|m| m.role == Role::Losses).map_or(0, |m| m.value_size as usize);
        let counters = Counters::new(image, losses).map_err(|e| map_error(".losses", &e))?;
        let mut loader = Loader { image, maps: IndexVec::new(), world, debug: Debug::load(image) };
        let mut maps = IndexVec::new();
        for map in image.maps.iter() {
            let (fd, live) = open_map(map, (globals, shared), &counters, stacks, user_map)?;
            loader.maps.push(fd);
            maps.push(live);
        }
        let (mut programs, mut missing) = (Vec::new(), Vec::new());
        for (id, program) in image.programs.iter_enumerated() {
            let points: Vec<Attach> = program.attach.iter().filter(|a| wanted(a)).cloned().collect();
            for unit in attach::plan(&points, world) {
                match load::load(&loader, id, unit) {
                    Ok(loaded) => programs.push(loaded),
                    // The place is not there: whether that matters is the script's to say.
                    Err(LoadError::Attach(errors)) => missing.extend(errors),
                    Err(e) => return Err(e),
                }
            }
        }
        let links = Vec::new();
        let (image, globals) = (image.clone(), globals.clone());
        Ok((Clause { image, globals, maps, counters, programs, links, missing }, loader))
    }

    /// Attaches all programs so that blocks fire in the order of the script. Returns what failed.
    pub fn attach(&mut self, loader: &Loader, pid: Option<u32>) -> Vec<AttachError> {
        let cx = Cx { world: loader.world, pid };
        let order = |l: &Loaded| attach::order(&l.unit.points[0]);
        let (forward, reverse): (Vec<_>, Vec<_>) =
            (0..self.programs.len()).partition(|&i| order(&self.programs[i]) == Order::Forward);
        let mut errors = std::mem::take(&mut self.missing);
        for i in forward.into_iter().chain(reverse.into_iter().rev()) {
            errors.extend(self.attach_one(i, loader, &cx));
        }
        errors
    }

    /// Attaches one program. Where a multi link fails, each point is tried by itself: one bad place must not
    /// keep the others from being attached, and must be named.
    fn attach_one(&mut self, i: usize, loader: &Loader, cx: &Cx) -> Vec<AttachError> {
        let loaded = &self.programs[i];
        let (links, errors) = loaded.unit.attach(loaded.fd.as_fd(), cx);
        let fallback = loaded.unit.fallback().filter(|_| !errors.is_empty());
        let again = fallback.map(|unit| load::load(loader, loaded.program, unit));
        let Some(Ok(again)) = again else {
            self.links.extend(links);
            return errors;
        };
        drop(links);
        let (links, errors) = again.unit.attach(again.fd.as_fd(), cx);
        self.programs[i] = again;
        self.links.extend(links);
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

    /// Reads on in an iterator that is not at its end, which runs its program for so many objects.
    pub fn iterate(&mut self, n_objects: usize) -> io::Result<Progress> {
        let Some(link) = self.links.iter_mut().find(|l| l.iterator.is_some()) else {
            return Ok(Progress::None);
        };
        // The program writes a byte for each object.
        let mut runs = vec![0; n_objects];
        let n = match &mut link.iterator {
            Some(file) => file.read(&mut runs)?,
            None => 0,
        };
        if n == 0 {
            link.iterator = None;
            return Ok(Progress::Ended);
        }
        Ok(Progress::Some)
    }

    pub fn is_iterating(&self) -> bool {
        self.links.iter().any(|l| l.iterator.is_some())
    }

    /// The program of a point.
    pub fn program_of(&self, point: &Attach) -> Option<BorrowedFd<'_>> {
        let loaded = self.programs.iter().find(|l| l.unit.points.contains(point))?;
        Some(loaded.fd.as_fd())
    }

    /// Whether there is a watchpoint on that address.
    pub fn watches(&self, addr: u64) -> bool {
        self.links.iter().any(|l| l.watched == Some(addr))
    }

    /// Takes back the watchpoints on that address.
    pub fn unwatch(&mut self, addr: u64) {
        self.links.retain(|l| l.watched != Some(addr));
    }

    /// Whether an image's event sites bear numbers of this clause's.
    pub fn shares_events(&self, image: &Image) -> bool {
        let numbers = |i: &Image| (i.event_base, i.event_base + i.events.len() as u32);
        let ((a, a_end), (b, b_end)) = (numbers(&self.image), numbers(image));
        a.max(b) < a_end.min(b_end)
    }

    pub fn detaches_slowly(&self) -> bool {
        self.links.iter().any(|l| l.detach == Detach::Slow)
    }
}

/// The descriptor of a map, and the map itself where the clause holds it.
fn open_map(
    map: &Map,
    (globals, shared): (&Memory, &Shared),
    counters: &Counters,
    stacks: &mut StackMaps,
    user_map: &FindMap,
) -> Result<(RawFd, Option<Rc<LiveMap>>), LoadError> {
    let fail = |e: io::Error| map_error(&map.name, &e);
    let none = || crate::bug!("{} was not made", map.name);
    let raw = |fd: std::os::fd::BorrowedFd| fd.as_raw_fd();
    let existing = match &map.role {
        Role::Globals => {
            if map.value_size != wire::globals::BYTES {
                crate::bug!("globals of {} bytes", map.value_size)
            }
            return Ok((raw(globals.map.as_fd()), None));
        }
        Role::Output => {
            return Ok((shared.output().map_or_else(none, |ring| raw(ring.map.as_fd())), None));
        }
        Role::Control => {
            return Ok((shared.control().map_or_else(none, |ring| raw(ring.map.as_fd())), None));
        }
        Role::UnwindProcesses => {
            return Ok((shared.unwind().map_or_else(none, |u| u.borrow().processes_fd()), None));
        }
        Role::UnwindRows => {
            return Ok((shared.unwind().map_or_else(none, |u| u.borrow().rows_fd()), None));
        }
        Role::Packets => return Ok((shared.packets().map_or_else(none, |p| p.borrow().map_fd()), None)),
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
