//! Addresses to names, by blazesym.
//!
//! Comes in: kernel addresses, and addresses of a process. Goes out: frames; one that is not known has its address
//! alone. Always holds: kallsyms is read when the first kernel address is asked for (35 ms), a process's maps when
//! the first of its addresses is; what is kept of user code is as `cache_user_symbols` says.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::Path;
use std::rc::Rc;

use blazesym::helper::read_elf_build_id;
use blazesym::normalize::{self, Normalizer};
use blazesym::symbolize::cache::{self, Cache};
use blazesym::symbolize::source::{Elf, Kernel, Process, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};
use blazesym::{MaybeDefault, Pid};

use super::procmaps::ProcMaps;
use crate::image::{RunConfig, UserSymbols};
use crate::value::Frame;

/// See the module.
#[derive(Default)]
pub struct Symbols {
    kernel_symbolizer: OnceCell<Symbolizer>,
    user_symbolizer: OnceCell<Symbolizer>,
    kernel: HashMap<u64, Frame>,
    user: HashMap<Code, Frame>,
    /// What processes have mapped, where that is watched.
    procs: Option<ProcMaps>,
}

/// A place in user code, as `cache_user_symbols` tells places apart.
#[derive(PartialEq, Eq, Hash)]
enum Code {
    /// Of what the number ran in that generation.
    OfProcess {
        pid: u32,
        generation: u32,
        addr: u64,
    },
    OfFile {
        path: Rc<str>,
        offset: u64,
    },
}

/// Caches are emptied at this size: addresses of processes that are long gone pile up.
const CACHED_MAX: usize = 1 << 18;

impl Symbols {
    /// Remembers processes from now on, so that their symbols can be told when they have ended.
    pub fn watch(&mut self, procs: ProcMaps) {
        self.procs = Some(procs);
    }

    pub fn is_watching(&self) -> bool {
        self.procs.is_some()
    }

    /// Takes in what has happened to processes.
    pub fn update(&mut self) {
        if let Some(procs) = &mut self.procs {
            procs.update();
        }
    }

    /// The frames of kernel addresses.
    pub fn kernel(&mut self, addrs: &[u64], config: &RunConfig) -> Vec<Frame> {
        let missing: Vec<u64> = addrs.iter().copied().filter(|a| !self.kernel.contains_key(a)).collect();
        if !missing.is_empty() {
            // Names alone: no search for a vmlinux with debug information.
            let source = Kernel { vmlinux: MaybeDefault::None, debug_syms: false, ..Kernel::default() };
            let symbolizer = self.kernel_symbolizer.get_or_init(|| new_symbolizer(config));
            let frames = look_up(symbolizer, &Source::Kernel(source), Input::AbsAddr(&missing), &missing);
            make_room(&mut self.kernel);
            self.kernel.extend(missing.into_iter().zip(frames));
        }
        addrs.iter().map(|a| self.kernel.get(a).cloned().unwrap_or_else(|| unknown(*a))).collect()
    }

    /// The frames of addresses in a process, which may have ended if processes are watched. The first is where the
    /// process was, the others are return addresses: what they return to may be of another line, and even of another
    /// function, than the call before it, which is what is shown.
    pub fn user(&mut self, pid: u32, addrs: &[u64], config: &RunConfig) -> Vec<Frame> {
        let back = |i: usize| u64::from(i > 0);
        let asked: Vec<u64> = addrs.iter().enumerate().map(|(i, a)| a.saturating_sub(back(i))).collect();
        self.update();
        let mut frames = self.looked_up(pid, &asked, config);
        for (i, (frame, addr)) in frames.iter_mut().zip(addrs).enumerate() {
            frame.addr = *addr;
            if let Some((_, offset)) = &mut frame.symbol {
                *offset += back(i);
            }
        }
        frames
    }

    /// The frames of addresses in a process, from what is kept where they are there.
    fn looked_up(&mut self, pid: u32, addrs: &[u64], config: &RunConfig) -> Vec<Frame> {
        let kept = config.cache_user_symbols;
        let codes: Vec<Option<Code>> = addrs.iter().map(|a| self.code(pid, *a, kept)).collect();
        let known = |code: &Option<Code>| code.as_ref().and_then(|c| self.user.get(c).cloned());
        let mut frames: Vec<Option<Frame>> = codes.iter().map(known).collect();
        let missing: Vec<u64> =
            addrs.iter().zip(&frames).filter(|(_, f)| f.is_none()).map(|(a, _)| *a).collect();
        if !missing.is_empty() {
            if kept == UserSymbols::NotKept {
                self.user_symbolizer.take();
            }
            let mut found = self.look_up_user(pid, &missing, config).into_iter();
            make_room(&mut self.user);
            for (frame, code) in frames.iter_mut().zip(codes).filter(|(f, _)| f.is_none()) {
                *frame = found.next();
                if let (Some(frame), Some(code)) = (frame, code) {
                    self.user.insert(code, frame.clone());
                }
            }
        }
        frames.into_iter().zip(addrs).map(|(f, a)| f.unwrap_or_else(|| unknown(*a))).collect()
    }

    /// What the name of an address is kept by.
    fn code(&mut self, pid: u32, addr: u64, kept: UserSymbols) -> Option<Code> {
        let of_process = |procs: &Option<ProcMaps>| {
            let generation = procs.as_ref().map_or(0, |p| p.generation(pid));
            Code::OfProcess { pid, generation, addr }
        };
        match kept {
            UserSymbols::NotKept => None,
            UserSymbols::PerPid => Some(of_process(&self.procs)),
            UserSymbols::PerProgram => {
                let place = self.procs.as_mut().and_then(|p| {
                    p.learn(pid);
                    p.find(pid, addr)
                });
                // What is no file's (the vDSO, generated code) is the process's own.
                let of_file = place.map(|(path, offset)| Code::OfFile { path, offset });
                Some(of_file.unwrap_or_else(|| of_process(&self.procs)))
            }
        }
    }

    /// Reads the symbols of these files, and of what `pid` has mapped, so that they are known from now on.
    pub fn read_ahead<'a>(
        &mut self,
        paths: impl Iterator<Item = &'a str>,
        pid: Option<u32>,
        config: &RunConfig,
    ) {
        let mapped = match (pid, &mut self.procs) {
            (Some(pid), Some(procs)) => procs.files(pid),
            (_, None) | (None, _) => BTreeSet::new(),
        };
        let symbolizer = self.user_symbolizer.get_or_init(|| new_symbolizer(config));
        let paths: BTreeSet<Rc<str>> = paths.map(Rc::from).chain(mapped).collect();
        for path in paths {
            // A file that cannot be read has no names later either, and that shows.
            let _ = symbolizer.cache(&Cache::from(cache::Elf::new(&*path)));
        }
    }

    fn look_up_user(&mut self, pid: u32, addrs: &[u64], config: &RunConfig) -> Vec<Frame> {
        let has_ended = self.procs.as_ref().is_some_and(|p| p.has_ended(pid));
        let mut frames: Vec<Frame> = if has_ended {
            addrs.iter().map(|a| unknown(*a)).collect()
        } else {
            let source = |debug_syms| Source::Process(Process { debug_syms, ..Process::new(Pid::from(pid)) });
            self.look_up_both(&source, Input::AbsAddr(addrs), addrs, config)
        };
        let Some(procs) = &self.procs else { return frames };
        // By file: what a process of that number had mapped.
        let mut by_file: BTreeMap<Rc<str>, Vec<(usize, u64)>> = BTreeMap::new();
        for (i, frame) in frames.iter().enumerate().filter(|(_, f)| f.symbol.is_none()) {
            if let Some((path, offset)) = procs.find(pid, frame.addr) {
                by_file.entry(path).or_default().push((i, offset));
            }
        }
        for (path, places) in by_file {
            let source = |debug_syms| Source::Elf(Elf { debug_syms, ..Elf::new(&*path) });
            let offsets: Vec<u64> = places.iter().map(|(_, offset)| *offset).collect();
            let addrs: Vec<u64> = places.iter().map(|(i, _)| frames[*i].addr).collect();
            let found = self.look_up_both(&source, Input::FileOffset(&offsets), &addrs, config);
            for ((i, _), frame) in places.iter().zip(found) {
                frames[*i] = Frame { module: path.to_string(), ..frame };
            }
        }
        frames
    }

    /// The frames of `input` with what debug information tells. Of several names of one place, the binary's own
    /// (`malloc`) is taken, not the one of its debug file (`__GI___libc_malloc`).
    fn look_up_both(
        &self,
        source: &dyn Fn(bool) -> Source<'static>,
        input: Input<&[u64]>,
        addrs: &[u64],
        config: &RunConfig,
    ) -> Vec<Frame> {
        let symbolizer = self.user_symbolizer.get_or_init(|| new_symbolizer(config));
        let mut frames = look_up(symbolizer, &source(config.show_debug_info), input, addrs);
        if config.show_debug_info {
            let plain = look_up(symbolizer, &source(false), input, addrs);
            for (frame, plain) in frames.iter_mut().zip(plain) {
                if let (Some((name, at)), Some((own, own_at))) = (&mut frame.symbol, plain.symbol)
                    && *at == own_at
                {
                    *name = own;
                }
            }
        }
        frames
    }

    /// Build id and file offset of addresses in a process.
    pub fn build_ids(&mut self, pid: u32, addrs: &[u64]) -> Vec<Frame> {
        self.update();
        if let Some(procs) = self.procs.as_ref().filter(|p| p.has_ended(pid)) {
            return addrs.iter().map(|a| build_id_of_file(*a, procs.find(pid, *a))).collect();
        }
        let opts = normalize::NormalizeOpts { sorted_addrs: false, ..Default::default() };
        let normalizer = Normalizer::builder().enable_build_ids(true).build();
        let Ok(found) = normalizer.normalize_user_addrs_opts(Pid::from(pid), addrs, &opts) else {
            return addrs.iter().map(|a| unknown(*a)).collect();
        };
        let frame = |(addr, (offset, meta)): (&u64, &(u64, usize))| {
            let build_id = match found.meta.get(*meta) {
                Some(normalize::UserMeta::Elf(elf)) => elf.build_id.as_deref().map(|id| (hex(id), *offset)),
                _ => None,
            };
            Frame { build_id, ..unknown(*addr) }
        };
        addrs.iter().zip(&found.outputs).map(frame).collect()
    }
}

fn new_symbolizer(config: &RunConfig) -> Symbolizer {
    Symbolizer::builder()
        .enable_code_info(config.show_debug_info)
        .enable_inlined_fns(config.show_debug_info)
        .enable_demangling(config.cpp_demangle)
        .build()
}

fn make_room<K, V>(cache: &mut HashMap<K, V>) {
    if cache.len() > CACHED_MAX {
        cache.clear();
    }
}

/// The frames of `input`, which are of `addrs`.
fn look_up(symbolizer: &Symbolizer, source: &Source, input: Input<&[u64]>, addrs: &[u64]) -> Vec<Frame> {
    match symbolizer.symbolize(source, input) {
        Ok(found) => found.into_iter().zip(addrs).map(|(s, a)| frame(s, *a)).collect(),
        // The process is gone, or /proc does not let us.
        Err(_) => addrs.iter().map(|a| unknown(*a)).collect(),
    }
}

fn build_id_of_file(addr: u64, place: Option<(Rc<str>, u64)>) -> Frame {
    let build_id = place.and_then(|(path, offset)| {
        let id = read_elf_build_id(Path::new(&*path)).ok()??;
        Some((hex(&id), offset))
    });
    Frame { build_id, ..unknown(addr) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unknown(addr: u64) -> Frame {
    Frame { addr, ..Frame::default() }
}

fn frame(found: Symbolized, addr: u64) -> Frame {
    match found {
        Symbolized::Sym(sym) => known(&sym, addr),
        Symbolized::Unknown(_) => unknown(addr),
    }
}

fn known(sym: &Sym, addr: u64) -> Frame {
    let module = sym.module.as_deref().map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
    let inlined = sym.inlined.iter().rev().map(|f| (f.name.to_string(), place(f.code_info.as_ref())));
    Frame {
        addr,
        symbol: Some((sym.name.to_string(), sym.offset as u64)),
        module,
        place: place(sym.code_info.as_deref()),
        inlined: inlined.collect(),
        build_id: None,
    }
}

fn place(code: Option<&CodeInfo>) -> Option<(String, u32)> {
    let code = code?;
    let path = match &code.dir {
        Some(dir) => dir.join(&code.file),
        None => Path::new(&code.file).to_path_buf(),
    };
    Some((path.to_string_lossy().into_owned(), code.line?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_functions_are_found() {
        let here = own_functions_are_found as fn() as usize as u64;
        let addrs = [here + 1, 1, here + 7];
        let frames = Symbols::default().user(std::process::id(), &addrs, &RunConfig::default());
        for (frame, wanted) in [(&frames[0], 1), (&frames[2], 7)] {
            let (name, offset) = frame.symbol.clone().unwrap();
            assert!(name.contains("own_functions_are_found"), "{name}");
            assert_eq!((offset, frame.addr), (wanted, here + wanted));
        }
        assert_eq!(frames[1], unknown(1));
    }

    #[test]
    fn kernel_symbols_have_names() {
        let kallsyms = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        let addr = kallsyms.lines().find_map(|line| {
            let (addr, name) = line.split_once(" T ")?;
            (name == "vfs_read").then(|| u64::from_str_radix(addr, 16).ok())?
        });
        let Some(addr) = addr.filter(|&a| a != 0) else {
            eprintln!("skipped: addresses of kernel symbols are hidden here");
            return;
        };
        let frames = Symbols::default().kernel(&[addr + 4], &RunConfig::default());
        assert_eq!(frames[0].symbol, Some(("vfs_read".to_owned(), 4)));
    }

    #[test]
    fn frames_are_kept_as_configured() {
        let here = frames_are_kept_as_configured as fn() as usize as u64;
        let me = std::process::id();
        for (kept, n) in [(UserSymbols::PerPid, 2), (UserSymbols::PerProgram, 2), (UserSymbols::NotKept, 0)] {
            let config = RunConfig { cache_user_symbols: kept, ..RunConfig::default() };
            let mut symbols = Symbols::default();
            if kept == UserSymbols::PerProgram {
                // Without the right to watch, what is kept is the process's.
                symbols.procs = ProcMaps::new(None).ok();
            }
            for _ in 0..2 {
                let frames = symbols.user(me, &[here + 1, here + 9], &config);
                let names = frames.iter().filter(|f| f.symbol.is_some()).count();
                assert_eq!((names, symbols.user.len()), (2, n), "{kept:?}");
            }
            let by_file = symbols.user.keys().any(|c| matches!(c, Code::OfFile { .. }));
            assert_eq!(by_file, symbols.procs.is_some(), "{kept:?}");
        }
    }

    #[test]
    fn a_process_that_is_gone_has_no_names() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(Symbols::default().user(pid, &[4096], &RunConfig::default()), [unknown(4096)]);
    }
}
