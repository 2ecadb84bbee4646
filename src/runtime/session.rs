//! The session: clauses come and go, events and maps are read.
//!
//! Always holds: programs do nothing before all of their clause are attached (the gate in the globals), and what
//! the session has made goes away with it, also when the process is killed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::actions::Values;
use super::clause::{Clause, ClauseId, Progress, map_error};
use super::error::{LoadError, Problem};
use super::event::{Body, Event, Loss, MapView};
use super::maps::LiveMap;
use super::names::Names;
use super::packets::Packets;
use super::procmaps::{self, ProcMaps};
use super::prompt::Retired;
use super::reaper::Reaper;
use super::shared::{Fresh, Memory, Shared};
use super::stacks::StackMaps;
use super::stream::{self, Flow};
use super::symbols::Symbols;
use super::target::{Target, Watched};
use super::unwind::{Named, Unwind};
use crate::attach::{AttachError, Detach};
use crate::image::wire::globals;
use crate::image::{Attach, EventKind, Image, Map, MissingProbes, Role, Schema, Storage};
use crate::sys::poll::{Poller, Trigger};
use crate::sys::process::Exit;
use crate::sys::signal::Signals;
use crate::sys::wake::Waker;
use crate::sys::{limits, process, time};
use crate::value::Value;
use crate::world::World;

/// What a session is made with.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `-p` or `-c`
    pub target: Target,
    /// `--dwarf-pid`
    pub dwarf_pids: Vec<u32>,
    /// Which points are loaded that run only on demand.
    pub on_demand: OnDemand,
    pub life: Life,
}

/// Points that run only where they are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnDemand {
    #[default]
    Neither,
    Tests,
    Benches,
}

impl OnDemand {
    /// Whether a point is to be loaded.
    fn wants(self, point: &Attach) -> bool {
        match point {
            Attach::Test(_) => self == OnDemand::Tests,
            Attach::Bench(_) => self == OnDemand::Benches,
            _ => true,
        }
    }
}

/// How long things live, and what ends a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Life {
    /// A script's: a map lives while a clause holds it, and `exit()` ends the session.
    #[default]
    Script,
    /// A prompt's: maps live until they are dropped, and `exit()` is told as an event only.
    Prompt,
}

/// What came of adding a clause.
#[derive(Debug)]
pub struct Added {
    pub id: ClauseId,
    /// Attach points that are attached, `begin` and `end` included.
    pub n_attached: usize,
    /// Attach points that are not, where `missing_probes` says that this is no error.
    pub missing: Vec<AttachError>,
    /// Optional attach points that could not be attached.
    pub left_out: Vec<AttachError>,
}

/// Why the session should end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// `exit(code)`
    Exit(u32),
    /// SIGINT or SIGTERM
    Signal(i32),
    /// The `-c` or `-p` process ended; how, if it was ours.
    TargetEnded(Option<Exit>),
}

/// See the module.
pub struct Session {
    pub(super) shared: Shared,
    pub(super) clauses: BTreeMap<ClauseId, Clause>,
    /// Script maps by name, as long as a clause holds them, with the image that made them.
    pub(super) user_maps: BTreeMap<String, (Rc<LiveMap>, Rc<Image>)>,
    pub(super) stacks: StackMaps,
    pub(super) symbols: RefCell<Symbols>,
    pub(super) names: RefCell<Names>,
    /// Addresses whose watchpoints are to go.
    pub(super) unwatched: RefCell<BTreeSet<u64>>,
    pub(super) seq: Cell<u64>,
    /// Of the record at hand; kept for its memory.
    pub(super) args: Cell<Vec<Value>>,
    next_clause: u32,
    next_event: u32,
    poller: Poller,
    signals: Signals,
    target: Watched,
    named: Named,
    on_demand: OnDemand,
    pub(super) stop: Cell<Option<Stop>>,
    /// When events last came; the reader does not sleep for a while after.
    last_event: Cell<Instant>,
    /// When losses were last told, and when the kernel was last asked for skipped runs.
    last_losses: Cell<Instant>,
    last_skips: Cell<Instant>,
    pub(super) life: Life,
    pub(super) reaper: Reaper,
    pub(super) retired: Vec<Retired>,
    /// Makes `poll` return.
    waker: Option<Waker>,
}

/// Tokens of the poller.
mod token {
    pub const SIGNALS: u64 = 0;
    pub const TARGET: u64 = 1;
    pub const RINGS: u64 = 2;
    pub const PROCESSES: u64 = 3;
    pub const WAKER: u64 = 4;
    pub const PACKETS: u64 = 5;
}

/// While events flow, the reader looks each time after this, and producers need not wake it.
const BUSY_POLL: Duration = Duration::from_millis(1);
/// It goes to sleep after so long without events.
const BUSY_FOR: Duration = Duration::from_millis(2);
/// The longest sleep: a wake-up that was lost costs no more than this.
const SLEEP_MAX: Duration = Duration::from_millis(150);
/// How often losses are told at most: a flood of them must not become a flood of messages.
const LOSSES_EACH: Duration = Duration::from_secs(1);
/// Objects for which an iterator runs before its output is fetched.
const OBJECTS_EACH: usize = 16;
/// Descriptors of a session besides those that its image asks for.
const FILES_MIN: u64 = 1024;

impl Session {
    /// An empty session; the target process exists from here on, but a command waits for [`Session::release`].
    pub fn new(config: &Config) -> Result<Session, LoadError> {
        let system = |what: &'static str| move |e: io::Error| LoadError::System(Problem::new(what, &e));
        limits::raise_memlock();
        limits::raise_files(FILES_MIN);
        let target = Watched::start(&config.target).map_err(|e| target_error(&config.target, &e))?;
        let named = Named::of(&config.target, target.pid(), &config.dwarf_pids);
        let signals = Signals::take(&[libc::SIGINT, libc::SIGTERM, libc::SIGUSR1])
            .map_err(system("signals cannot be taken over"))?;
        let poller = Poller::new().map_err(system("epoll_create1"))?;
        use std::os::fd::AsFd;
        poller.add(signals.as_fd(), token::SIGNALS, Trigger::Level).map_err(system("epoll_ctl"))?;
        if let Some(fd) = target.fd() {
            poller.add(fd, token::TARGET, Trigger::Level).map_err(system("epoll_ctl"))?;
        }
        let shared = Shared::new().map_err(|e| map_error(".globals", &e))?;
        shared.set_u64(globals::START_NS, time::boot_ns());
        shared.set_u64(globals::TAI_OFFSET, time::tai_ns().wrapping_sub(time::boot_ns()));
        shared.set_u64(globals::SEED, process::random_u64());
        shared.set(globals::TARGET_PID, target.pid().unwrap_or(0));
        if let Ok((dev, ino)) = process::pid_namespace() {
            shared.set_u64(globals::PIDNS_DEV, dev);
            shared.set_u64(globals::PIDNS_INO, ino);
        }
        Ok(Session {
            symbols: RefCell::default(),
            names: RefCell::default(),
            shared,
            clauses: BTreeMap::new(),
            user_maps: BTreeMap::new(),
            stacks: StackMaps::default(),
            unwatched: RefCell::default(),
            seq: Cell::new(0),
            args: Cell::default(),
            next_clause: 0,
            next_event: 0,
            poller,
            signals,
            target,
            named,
            on_demand: config.on_demand,
            stop: Cell::new(None),
            last_event: Cell::new(Instant::now()),
            last_losses: Cell::new(long_ago()),
            last_skips: Cell::new(Instant::now()),
            life: config.life,
            reaper: Reaper::default(),
            retired: Vec::new(),
            waker: None,
        })
    }

    /// The number that the next image's first event site must bear (`Image::event_base`).
    pub fn next_event_base(&self) -> u32 {
        self.next_event
    }

    /// The process id of `-c` or `-p`.
    pub fn target_pid(&self) -> Option<u32> {
        self.target.pid()
    }

    /// Schemas of the script maps that live here, by name.
    pub fn schemas(&self) -> Vec<&Schema> {
        self.user_maps.values().filter_map(|(m, _)| schema(&m.spec)).collect()
    }

    /// Loads a clause, runs its `begin` programs, attaches it. On failure nothing of it is left.
    pub fn add(&mut self, image: Rc<Image>, world: &dyn World) -> Result<Added, LoadError> {
        self.add_behind(None, image, world)
    }

    /// Adds a clause with these globals, or with what it gets by itself.
    pub(super) fn add_behind(
        &mut self,
        globals: Option<Rc<Memory>>,
        image: Rc<Image>,
        world: &dyn World,
    ) -> Result<Added, LoadError> {
        if self.clauses.values().any(|c| c.shares_events(&image)) {
            crate::bug!("image has event base {}, which is taken", image.event_base)
        }
        let takes_over = globals.is_some();
        let globals = match (globals, self.life) {
            (Some(globals), _) => globals,
            (None, Life::Script) => self.shared.globals.clone(),
            (None, Life::Prompt) => self.shared.own_globals().map_err(|e| map_error(".globals", &e))?,
        };
        self.prepare(&image)?;
        let on_demand = self.on_demand;
        let wanted = |p: &Attach| on_demand.wants(p);
        let attached = |p: &&Attach| !p.is_on_demand();
        let n_points = image.programs.iter().flat_map(|p| &p.attach).filter(attached).count();
        limits::raise_files(FILES_MIN + 3 * (n_points + image.maps.len()) as u64);
        let maps = &self.user_maps;
        let user_map = |map: &Map| shared_map(maps, map);
        let loaded =
            Clause::load(&image, &globals, &self.shared, &mut self.stacks, &user_map, world, &wanted);
        let (mut clause, loader) = loaded?;
        let begin_failed = |e| LoadError::System(Problem::new("begin cannot be run", &e));
        clause.run(|p| *p == Attach::Begin).map_err(begin_failed)?;
        let errors = clause.attach(&loader, self.target.pid());
        let is_optional = |e: &AttachError| e.points.iter().all(|p| image.optional.contains(p));
        let (left_out, errors): (Vec<_>, Vec<_>) = errors.into_iter().partition(is_optional);
        let n_left_out: usize = left_out.iter().map(|e| e.points.len()).sum();
        let n_failed: usize = errors.iter().map(|e| e.points.len()).sum();
        let n_attached = count_attached(&image, errors.iter().chain(&left_out));
        let missing = match image.config.missing_probes {
            MissingProbes::Error if !errors.is_empty() => Err(errors),
            _ if n_failed > 0 && n_failed + n_left_out == n_points => Err(errors),
            _ if n_points > 0 && n_left_out == n_points => Err(left_out.clone()),
            MissingProbes::Ignore => Ok(Vec::new()),
            MissingProbes::Error | MissingProbes::Warn => Ok(errors),
        };
        drop(loader);
        let missing = match missing {
            Ok(missing) => missing,
            Err(errors) => {
                self.give_up(clause);
                return Err(LoadError::Attach(errors));
            }
        };
        for (spec, live) in image.maps.iter().zip(clause.maps.iter()) {
            if let (Role::User(schema), Some(live)) = (&spec.role, live)
                && !schema.is_internal()
            {
                self.user_maps.entry(spec.name.clone()).or_insert_with(|| (live.clone(), image.clone()));
            }
        }
        let id = ClauseId(self.next_clause);
        self.next_clause += 1;
        self.next_event = self.next_event.max(image.event_base + image.events.len() as u32);
        let gate = &globals.mem;
        match self.life {
            // What else is in the gate stays: `begin` may have called `exit()`.
            Life::Script => gate.store_u32(globals::ENABLED as usize, globals::RUNNING),
            Life::Prompt if takes_over => gate.store_u64(globals::GATE as usize, u64::from(image.pass)),
            Life::Prompt => gate.store_u32(globals::ENABLED as usize, image.pass),
        }
        self.clauses.insert(id, clause);
        Ok(Added { id, n_attached, missing, left_out })
    }

    /// Whether nothing can happen any more but what is in the rings: only `begin` and `end` programs, and
    /// iterators at their end.
    pub fn is_idle(&self) -> bool {
        let mut points = self.clauses.values().flat_map(|c| &c.programs).flat_map(|l| &l.unit.points);
        let is_over =
            |p: &Attach| matches!(p, Attach::Begin | Attach::End | Attach::Iter { .. }) || p.is_on_demand();
        points.all(is_over) && !self.clauses.values().any(Clause::is_iterating)
    }

    /// Whenever `waker` wakes, `poll` returns soon.
    pub fn woken_by(&mut self, waker: &Waker) -> io::Result<()> {
        use std::os::fd::AsFd;
        self.poller.add(waker.as_fd(), token::WAKER, Trigger::Level)?;
        self.waker = Some(waker.clone());
        Ok(())
    }

    /// Forgets why to stop: the session goes on.
    pub fn resume(&self) {
        self.stop.set(None);
    }

    /// Lets the `-c` command run.
    pub fn release(&mut self) -> Result<(), LoadError> {
        let unwind = self.shared.unwind();
        let mut look = |pid| {
            if let Some(unwind) = unwind {
                unwind.borrow_mut().look_at(pid);
            }
        };
        let look: Option<&mut dyn FnMut(u32)> = if unwind.is_some() { Some(&mut look) } else { None };
        self.target
            .release(look)
            .map_err(|e| LoadError::System(Problem::new("the command cannot be run", &e)))
    }

    /// Hands on events until `timeout` is over or something has come. Yields why to stop, if there is a reason;
    /// then call [`Session::finish`].
    pub fn poll(&mut self, timeout: Duration, take: &mut dyn FnMut(Event)) -> io::Result<Option<Stop>> {
        let deadline = Instant::now() + timeout;
        loop {
            let progress = self.iterate()?;
            if progress == Progress::Some {
                // It may take long, and an interrupt is to end it.
                let news = self.poller.wait(Duration::ZERO)?;
                self.handle(&news)?;
            }
            let n = self.drain(take) + self.serve_packets(take);
            self.serve_unwind(take);
            self.unwatch();
            self.tell_losses(take);
            if n > 0 {
                self.last_event.set(Instant::now());
            }
            if n > 0 || self.stop.get().is_some() {
                return Ok(self.stop.get());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match progress {
                Progress::Ended => return Ok(None),
                Progress::Some => continue,
                Progress::None => {}
            }
            if left.is_zero() {
                return Ok(None);
            }
            let is_busy = self.last_event.get().elapsed() < BUSY_FOR;
            let news = if is_busy { self.poller.wait(BUSY_POLL)? } else { self.sleep(left)? };
            self.handle(&news)?;
            if news.contains(&token::WAKER) {
                return Ok(self.stop.get());
            }
        }
    }

    /// Takes back the watchpoints of which scripts said so.
    fn unwatch(&mut self) {
        for addr in self.unwatched.take() {
            self.clauses.values_mut().for_each(|c| c.unwatch(addr));
        }
    }

    /// Lets iterators run for some objects, whose output the ring can hold.
    fn iterate(&mut self) -> io::Result<Progress> {
        if self.stop.get().is_some() {
            return Ok(Progress::None);
        }
        for clause in self.clauses.values_mut() {
            let progress = clause.iterate(OBJECTS_EACH)?;
            if progress != Progress::None {
                return Ok(progress);
            }
        }
        Ok(Progress::None)
    }

    /// Waits, so that producers wake us.
    fn sleep(&self, left: Duration) -> io::Result<Vec<u64>> {
        self.set_everywhere(globals::READER_SLEEPS, 1);
        let rings = [self.shared.output(), self.shared.control()];
        let has_more = rings.iter().flatten().any(|r| r.reader.borrow().has_more());
        // A record that is reserved only is waited for by looking again soon.
        let wait = if has_more { Duration::from_millis(1) } else { left.min(SLEEP_MAX) };
        // epoll counts whole milliseconds.
        let news = self.poller.wait(wait.max(Duration::from_millis(1)));
        self.set_everywhere(globals::READER_SLEEPS, 0);
        news
    }

    /// Sets a field of all globals.
    fn set_everywhere(&self, field: u32, value: u32) {
        self.shared.set(field, value);
        if self.life == Life::Prompt {
            for clause in self.clauses.values() {
                clause.globals.mem.store_u32(field as usize, value);
            }
        }
    }

    /// Signals and the end of the target.
    fn handle(&mut self, news: &[u64]) -> io::Result<()> {
        if let (true, Some(waker)) = (news.contains(&token::WAKER), &self.waker) {
            waker.take();
        }
        if news.contains(&token::SIGNALS) {
            while let Some(signal) = self.signals.next()? {
                if signal == libc::SIGUSR1 {
                    for clause in self.clauses.values() {
                        clause.run(|p| *p == Attach::Signal(signal))?;
                    }
                } else if self.stop.get().is_none() {
                    self.stop.set(Some(Stop::Signal(signal)));
                }
            }
        }
        if news.contains(&token::PROCESSES) {
            self.symbols.borrow_mut().update();
        }
        if news.contains(&token::TARGET) && self.stop.get().is_none() {
            let exit = self.target.exit()?;
            self.stop.set(Some(Stop::TargetEnded(exit)));
            if let Some(fd) = self.target.fd() {
                self.poller.remove(fd)?;
            }
        }
        Ok(())
    }

    /// Detaches everything, runs the `end` programs, hands on the last events. Maps can be read afterwards.
    pub fn finish(&mut self, take: &mut dyn FnMut(Event)) -> io::Result<()> {
        self.set_everywhere(globals::ENABLED, 0);
        match self.stop.get() {
            // What was emitted after `exit()` is dropped.
            Some(Stop::Exit(_)) => stream::drop_pending(&self.shared),
            Some(Stop::Signal(_) | Stop::TargetEnded(_)) | None => {
                self.drain(take);
            }
        }
        // Some links know what was not seen through them.
        self.last_skips.set(long_ago());
        self.tell_losses(take);
        self.detach();
        for clause in self.clauses.values() {
            clause.run(|p| *p == Attach::End)?;
        }
        self.drain(take);
        self.serve_packets(take);
        let lost = self.shared.packets().map(|p| p.borrow_mut().finish()).unwrap_or_default();
        self.warn(&lost, take);
        self.last_losses.set(long_ago());
        self.last_skips.set(long_ago());
        self.tell_losses(take);
        Ok(())
    }

    /// Drops all links. Those that the kernel takes long for are left to a child process, so that we need not
    /// wait; their programs do nothing by then.
    fn detach(&mut self) {
        for clause in self.clauses.values_mut() {
            clause.links.retain(|link| link.detach != Detach::Here);
        }
        let is_slow = self.clauses.values().any(Clause::detaches_slowly) || self.reaper.is_busy();
        // If there is no child, detaching takes its time here.
        let keeper = if is_slow { process::leave_descriptors_behind().ok() } else { None };
        for clause in self.clauses.values_mut() {
            clause.links.clear();
        }
        drop(keeper);
    }

    /// All script maps, by name, as events.
    pub fn print_maps(&mut self, take: &mut dyn FnMut(Event)) -> io::Result<()> {
        for name in self.user_maps.keys() {
            if let Some(view) = self.read_map(name)? {
                let seq = self.next_seq();
                take(Event { seq, origin: None, body: Body::Map(view) });
            }
        }
        Ok(())
    }

    /// Empties a script's map (its name with the `@`); nothing happens where there is none.
    pub fn clear_map(&self, name: &str) -> io::Result<()> {
        let Some((map, _)) = self.user_maps.get(name) else { return Ok(()) };
        schema(&map.spec).map_or(Ok(()), |schema| map.clear(schema))
    }

    /// The entries of a script's map (its name with the `@`), sorted and looked up.
    pub fn read_map(&self, name: &str) -> io::Result<Option<MapView<'_>>> {
        let Some((map, image)) = self.user_maps.get(name) else { return Ok(None) };
        let Some(schema) = schema(&map.spec).filter(|s| s.storage != Storage::Thread) else {
            return Ok(None);
        };
        let values = Values { session: self, image };
        let entries = values.resolved(map.read(schema, &values.decoder())?);
        Ok(Some(MapView { schema, entries, div: 1, unset: None }))
    }

    pub(super) fn drain(&self, take: &mut dyn FnMut(Event)) -> usize {
        stream::drain(&self.shared, &mut |ring, record| self.deliver(ring, record, take))
    }

    /// Says what was lost: at once, but no more often than each second.
    pub(super) fn tell_losses(&self, take: &mut dyn FnMut(Event)) {
        let now = Instant::now();
        let is_due = now.duration_since(self.last_losses.get()) >= LOSSES_EACH;
        let skips_are_due = now.duration_since(self.last_skips.get()) >= LOSSES_EACH;
        for (id, clause) in &self.clauses {
            let mut losses: Vec<Loss> = Vec::new();
            if is_due && clause.counters.has_news() {
                losses.extend(clause.counters.take(*id, &clause.image));
                self.last_losses.set(now);
            }
            if skips_are_due {
                losses.extend(clause.counters.take_skips(
                    *id,
                    &clause.image,
                    &clause.programs,
                    &clause.links,
                ));
                self.last_skips.set(now);
            }
            for loss in &losses {
                take(Event { seq: self.next_seq(), origin: None, body: Body::Loss(loss) });
            }
        }
    }

    pub(super) fn next_seq(&self) -> u64 {
        let seq = self.seq.get();
        self.seq.set(seq + 1);
        seq
    }

    /// `exit()` was reached.
    pub(super) fn exit(&self, code: u32) -> Flow {
        if self.life == Life::Prompt {
            return Flow::Go;
        }
        if self.stop.get().is_none() {
            self.stop.set(Some(Stop::Exit(code)));
        }
        Flow::Stop
    }

    /// Makes what the image's programs share with those of others.
    fn prepare(&mut self, image: &Image) -> Result<(), LoadError> {
        self.need_rings(image)?;
        self.need_processes(image);
        self.need_packets(image)?;
        self.need_unwind(image)
    }

    /// Begins the files that packets go to.
    fn need_packets(&self, image: &Image) -> Result<(), LoadError> {
        let Some(map) = image.maps.iter().find(|m| m.role == Role::Packets) else { return Ok(()) };
        if self.shared.packets().is_none() {
            let packets = Packets::new(map)?;
            for fd in packets.fds() {
                let added = self.poller.add(fd, token::PACKETS, Trigger::Edge);
                added.map_err(|e| LoadError::System(Problem::new("epoll_ctl", &e)))?;
            }
            self.shared.keep_packets(packets);
        }
        let Some(packets) = self.shared.packets() else { return Ok(()) };
        image.events.iter().try_for_each(|site| match &site.kind {
            EventKind::Packet { path } => packets.borrow_mut().open(path),
            _ => Ok(()),
        })
    }

    /// Writes the packets that have come; yields how many.
    fn serve_packets(&self, take: &mut dyn FnMut(Event)) -> usize {
        let Some(packets) = self.shared.packets() else { return 0 };
        let path_of = |sample: &[u8]| match &self.site_of(sample)?.2.kind {
            EventKind::Packet { path } => Some(path.clone()),
            _ => None,
        };
        let served = packets.borrow_mut().serve(&path_of);
        self.warn(&served.warnings, take);
        served.n
    }

    fn warn(&self, texts: &[String], take: &mut dyn FnMut(Event)) {
        for text in texts {
            take(Event { seq: self.next_seq(), origin: None, body: Body::Warning { text } });
        }
    }

    /// Watches processes where their symbols will be asked for, and reads ahead what the script wants so. Without the
    /// right to watch, symbols of processes that have ended stay unknown.
    fn need_processes(&self, image: &Image) {
        if !procmaps::are_needed(image) {
            return;
        }
        self.watch_processes();
        if !image.config.lazy_symbolication {
            let points = image.programs.iter().flat_map(|p| &p.attach);
            let mut symbols = self.symbols.borrow_mut();
            symbols.read_ahead(points.filter_map(Attach::binary), self.target.pid(), &image.config);
        }
    }

    fn watch_processes(&self) {
        let mut symbols = self.symbols.borrow_mut();
        if symbols.is_watching() {
            return;
        }
        let Ok(procs) = ProcMaps::new(self.target.pid()) else { return };
        for fd in procs.fds() {
            // Not being woken costs symbols at most.
            let _ = self.poller.add(fd, token::PROCESSES, Trigger::Edge);
        }
        symbols.watch(procs);
    }

    /// Makes the tables of the processes that are named, where a program searches some.
    fn need_unwind(&self, image: &Image) -> Result<(), LoadError> {
        let map_of = |role: Role| image.maps.iter().find(|m| m.role == role);
        let (Some(processes), Some(rows), None) =
            (map_of(Role::UnwindProcesses), map_of(Role::UnwindRows), self.shared.unwind())
        else {
            return Ok(());
        };
        let unwind = Unwind::new((processes, rows), &self.named)?;
        self.shared.keep_unwind(unwind);
        Ok(())
    }

    /// Makes the tables that programs have asked for.
    fn serve_unwind(&self, take: &mut dyn FnMut(Event)) {
        let Some(unwind) = self.shared.unwind() else { return };
        let served = unwind.borrow_mut().serve();
        for want in served.may_ask {
            self.set_everywhere(want.asked_at(), 0);
        }
        self.warn(&served.warnings, take);
    }

    fn need_rings(&mut self, image: &Image) -> Result<(), LoadError> {
        use std::os::fd::AsFd;
        for map in image.maps.iter() {
            let (fresh, ring) = match map.role {
                Role::Output => {
                    let bytes = if map.max_entries == 0 { image.config.ring_bytes } else { map.max_entries };
                    (self.shared.need_output(bytes), self.shared.output())
                }
                Role::Control => (self.shared.need_control(), self.shared.control()),
                _ => continue,
            };
            let fresh = fresh.map_err(|e| map_error(&map.name, &e))?;
            if let (Fresh::Yes, Some(ring)) = (fresh, ring) {
                let added = self.poller.add(ring.map.as_fd(), token::RINGS, Trigger::Edge);
                added.map_err(|e| LoadError::System(Problem::new("epoll_ctl", &e)))?;
            }
        }
        Ok(())
    }
}

impl Drop for Session {
    /// As at the end: slow links must not keep the process.
    fn drop(&mut self) {
        self.set_everywhere(globals::ENABLED, 0);
        self.detach();
    }
}

/// Attach points as users count them: a statically defined probe is one in its clause, wherever it stands.
fn count_attached<'a>(image: &Image, failed: impl Iterator<Item = &'a AttachError>) -> usize {
    let failed: BTreeSet<&str> = failed.flat_map(|e| e.points.iter().map(String::as_str)).collect();
    let mut placed = BTreeSet::new();
    let mut is_new = |clause: u32, point: &Attach| match point {
        Attach::Usdt { .. } => placed.insert((clause, point.name())),
        _ => true,
    };
    let points = image.programs.iter().flat_map(|p| p.attach.iter().map(|a| (p.clause, a)));
    let attached = points.filter(|(_, a)| !a.is_on_demand() && !failed.contains(a.name().as_str()));
    attached.filter(|(clause, a)| is_new(*clause, a)).count()
}

/// A time at which everything is due.
fn long_ago() -> Instant {
    let now = Instant::now();
    now.checked_sub(LOSSES_EACH).unwrap_or(now)
}

/// The meaning of a script's map.
fn schema(map: &Map) -> Option<&Schema> {
    match &map.role {
        Role::User(schema) => Some(schema),
        _ => None,
    }
}

/// The map of that name that an earlier clause made; an error if it is kept in another way.
fn shared_map(
    maps: &BTreeMap<String, (Rc<LiveMap>, Rc<Image>)>,
    map: &Map,
) -> Result<Option<Rc<LiveMap>>, LoadError> {
    let Some((live, _)) = maps.get(&map.name) else { return Ok(None) };
    let old = &live.spec;
    let is_same = (old.kind, old.key_size, old.value_size) == (map.kind, map.key_size, map.value_size);
    if is_same && old.role == map.role {
        return Ok(Some(live.clone()));
    }
    let e = io::Error::from_raw_os_error(libc::EEXIST);
    let problem = Problem::new("an earlier clause keeps it with other types", &e);
    Err(LoadError::Map { name: map.name.clone(), problem })
}

fn target_error(target: &Target, e: &io::Error) -> LoadError {
    let what = match (target, e.raw_os_error()) {
        (Target::Pid(pid), Some(libc::ESRCH)) => format!("there is no process {pid}"),
        (Target::Pid(pid), _) => format!("process {pid} cannot be watched"),
        (Target::Command(argv), Some(libc::ENOENT)) => {
            format!("there is no command {}", argv.first().map_or("", |s| s))
        }
        (Target::Command(argv), _) => {
            format!("the command {} cannot be started", argv.first().map_or("", |s| s))
        }
        (Target::None, _) => "no process is wanted".to_owned(),
    };
    LoadError::System(Problem::new(what, e))
}
