//! One program into the kernel: relocations filled in, loaded, and a refusal explained.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use super::error::{LoadError, Refusal, errno_text};
use crate::attach::{AttachError, Target, Unit};
use crate::base::{IndexVec, Span};
use crate::image::debug::{self, ProgramDebug};
use crate::image::{Image, LOG_BYTES, MapId, ProgType, Program, ProgramId, RelocKind};
use crate::isa::Insn;
use crate::isa::insn::{PSEUDO_KFUNC_CALL, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE};
use crate::sys::bpf::{self, DebugInfo, FuncRecord, LineRecord, LogLevel, ProgramSpec};
use crate::sys::bpfprogs;
use crate::ty::TypeTable;
use crate::world::World;

/// A program in the kernel, for one unit of its attach points.
pub struct Loaded {
    pub program: ProgramId,
    pub unit: Unit,
    pub fd: OwnedFd,
}

/// Names of functions and lines, for the kernel.
pub struct Debug {
    btf: OwnedFd,
    programs: IndexVec<ProgramId, (Vec<FuncRecord>, Vec<LineRecord>)>,
}

impl Debug {
    /// Loads the image's BTF; `None` where this kernel takes none.
    pub fn load(image: &Image) -> Option<Debug> {
        if image.programs.iter().all(|p| p.funcs.is_empty()) {
            return None;
        }
        let debug = debug::of_image(image);
        let btf = bpf::load_btf(&debug.btf).ok()?;
        let records = |p: &ProgramDebug| {
            let func = |f: &crate::btf::write::FuncRecord| FuncRecord { insn_off: f.at, type_id: f.func };
            let line = |l: &crate::btf::write::LineRecord| {
                let [insn_off, file_name_off, line_off, line_col] = l.words();
                LineRecord { insn_off, file_name_off, line_off, line_col }
            };
            (p.funcs.iter().map(func).collect(), p.lines.iter().map(line).collect())
        };
        Some(Debug { btf, programs: debug.programs.iter().map(records).collect() })
    }

    fn of(&self, program: ProgramId) -> Option<DebugInfo<'_>> {
        let (funcs, lines) = self.programs.get(program)?;
        (!funcs.is_empty()).then(|| DebugInfo { btf: self.btf.as_fd(), funcs, lines })
    }
}

/// What all loads of a clause need.
pub struct Loader<'a> {
    pub image: &'a Image,
    pub maps: IndexVec<MapId, RawFd>,
    pub world: &'a dyn World,
    pub debug: Option<Debug>,
}

/// A verifier log of this many bytes holds the end of any refusal.
const LOG_BYTES_MORE: u32 = 16 << 20;

/// Loads a program for `unit`, or for its fallback where the kernel refuses the first way.
pub fn load(loader: &Loader, id: ProgramId, unit: Unit) -> Result<Loaded, LoadError> {
    let insns = relocated(&loader.image.programs[id], &loader.maps, loader.world)?;
    let fallback = unit.fallback();
    match load_unit(loader, id, &insns, &unit) {
        Ok(fd) => Ok(Loaded { program: id, unit, fd }),
        Err(first) => match fallback {
            Some(unit) => {
                let fd = load_unit(loader, id, &insns, &unit)?;
                Ok(Loaded { program: id, unit, fd })
            }
            None => Err(first),
        },
    }
}

/// What the verifier says of a program that it takes, with the registers after each instruction.
pub fn states(loader: &Loader, id: ProgramId, unit: &Unit) -> Result<String, LoadError> {
    let program = &loader.image.programs[id];
    let insns = relocated(program, &loader.maps, loader.world)?;
    with_spec(loader, id, &insns, unit, |spec| {
        let (loaded, log) = bpf::load_logged(program.ty, spec, LogLevel::States, LOG_BYTES_MORE);
        match loaded {
            // Without the room for all of it the kernel keeps the end, and fails.
            Err(e) if e.raw_os_error() != Some(libc::ENOSPC) => {
                Err(LoadError::Program(Box::new(refusal(program, &e, log))))
            }
            Ok(_) | Err(_) => Ok(log),
        }
    })
}

fn load_unit(loader: &Loader, id: ProgramId, insns: &[Insn], unit: &Unit) -> Result<OwnedFd, LoadError> {
    let program = &loader.image.programs[id];
    let config = &loader.image.config;
    with_spec(loader, id, insns, unit, |spec| {
        let first = match bpf::load(program.ty, spec) {
            Ok(fd) => return Ok(fd),
            Err(e) => e,
        };
        match logged(program.ty, spec, config.log_bytes) {
            (Ok(fd), _) => Ok(fd),
            // The log did not fit: that says nothing of the program.
            (Err(e), log) if e.raw_os_error() == Some(libc::ENOSPC) => {
                let hint = "the verifier's log is longer than the setting log_size: not all of it is known";
                let known = refusal(program, &first, log);
                let hint = known.hint.clone().or(Some(hint.into()));
                Err(LoadError::Program(Box::new(Refusal { hint, ..known })))
            }
            (Err(e), log) => Err(LoadError::Program(Box::new(refusal(program, &e, log)))),
        }
    })
}

/// Loads with a log of the size that is set. Where that is the default and too small, with more.
fn logged(ty: ProgType, spec: &ProgramSpec, bytes: u32) -> (io::Result<OwnedFd>, String) {
    let (loaded, log) = bpf::load_logged(ty, spec, LogLevel::Refusal, bytes);
    match &loaded {
        Err(e) if e.raw_os_error() == Some(libc::ENOSPC) && bytes == LOG_BYTES => {
            bpf::load_logged(ty, spec, LogLevel::Refusal, LOG_BYTES_MORE)
        }
        _ => (loaded, log),
    }
}

/// Calls `load` with all that the kernel is told of a program for `unit`.
fn with_spec<T>(
    loader: &Loader,
    id: ProgramId,
    insns: &[Insn],
    unit: &Unit,
    load: impl FnOnce(&ProgramSpec) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let program = &loader.image.programs[id];
    let target = unit.target(loader.world).map_err(|e| LoadError::Attach(vec![e]))?;
    let module = target.as_ref().map_or("", |t| t.module.as_str());
    let module_btf = if module.is_empty() { None } else { Some(module_btf(module, unit)?) };
    let traced = target.as_ref().and_then(|t| t.program).map(|id| traced_program(id, unit)).transpose()?;
    let spec = ProgramSpec {
        name: &program.name,
        license: &loader.image.config.license,
        insns,
        attach: Some(unit.attach_type()),
        attach_btf_id: target.as_ref().map_or(0, |t: &Target| t.btf_id),
        btf_module: module_btf.as_ref().map(|fd| fd.as_fd()),
        program: traced.as_ref().map(|fd| fd.as_fd()),
        debug: loader.debug.as_ref().and_then(|d| d.of(id)),
    };
    load(&spec)
}

fn traced_program(id: u32, unit: &Unit) -> Result<OwnedFd, LoadError> {
    bpfprogs::by_id(id).map_err(|e| {
        let points = unit.points.iter().map(|p| p.name()).collect();
        let e = AttachError::of(&e, Some("the program is not there any more"));
        LoadError::Attach(vec![AttachError { points, ..e }])
    })
}

fn module_btf(module: &str, unit: &Unit) -> Result<OwnedFd, LoadError> {
    bpf::module_btf(module).map_err(|e| {
        let points = unit.points.iter().map(|p| p.name()).collect();
        let e = AttachError::of(&e, Some("the module's BTF cannot be read"));
        LoadError::Attach(vec![AttachError { points, ..e }])
    })
}

/// The program's instructions with the kernel's numbers filled in.
fn relocated(
    program: &Program,
    maps: &IndexVec<MapId, RawFd>,
    world: &dyn World,
) -> Result<Vec<Insn>, LoadError> {
    let mut insns = program.insns.clone();
    for reloc in &program.relocs {
        let at = reloc.at as usize;
        match &reloc.kind {
            RelocKind::MapPtr(map) => set_imm64(&mut insns, at, PSEUDO_MAP_FD, maps[*map], 0),
            RelocKind::MapValue { map, off } => {
                set_imm64(&mut insns, at, PSEUDO_MAP_VALUE, maps[*map], *off as i32);
            }
            RelocKind::Kfunc(name) => {
                let id = kfunc_id(program, name, world)?;
                let insn = insns[at];
                insns[at] = Insn::new(insn.code, insn.dst(), PSEUDO_KFUNC_CALL, 0, id as i32);
            }
            // The compiler's answers are this kernel's: it compiled against the World that we load into.
            RelocKind::Core { .. } | RelocKind::Func(_) | RelocKind::FuncAddr(_) => {}
        }
    }
    Ok(insns)
}

fn set_imm64(insns: &mut [Insn], at: usize, source: u8, low: i32, high: i32) {
    let first = insns[at];
    insns[at] = Insn::new(first.code, first.dst(), source, 0, low);
    insns[at + 1].imm = high;
}

fn kfunc_id(program: &Program, name: &str, world: &dyn World) -> Result<u32, LoadError> {
    match world.function(&mut TypeTable::new(), "", name) {
        Some(sig) if sig.module.is_empty() => Ok(sig.btf_id),
        _ => Err(LoadError::Program(Box::new(Refusal {
            title: program.title.clone(),
            errno: libc::ENOENT,
            reason: format!("the kernel has no function {name} that programs may call"),
            hint: None,
            span: program.span,
            log: String::new(),
        }))),
    }
}

fn refusal(program: &Program, e: &io::Error, log: String) -> Refusal {
    let errno = e.raw_os_error().unwrap_or(0);
    let span = refused_insn(&log).and_then(|at| span_of(program, at)).unwrap_or(program.span);
    let (reason, hint) = match log_reason(&log) {
        Some(reason) => (reason.to_owned(), None),
        None => without_log(errno),
    };
    Refusal { title: program.title.clone(), errno, reason, hint, span, log }
}

/// What an errno means when the verifier said nothing.
fn without_log(errno: i32) -> (String, Option<String>) {
    match errno {
        libc::EPERM | libc::EACCES => (
            "the system does not permit programs of this type".to_owned(),
            Some(
                "run as root, or with CAP_BPF and CAP_PERFMON; `awl --info` shows what is in the way"
                    .to_owned(),
            ),
        ),
        libc::EINVAL => ("this kernel does not know programs of this type, or not here".to_owned(), None),
        libc::E2BIG => ("the program is too long".to_owned(), None),
        errno => (errno_text(errno), None),
    }
}

/// The instruction that the verifier was at when it gave up.
fn refused_insn(log: &str) -> Option<u32> {
    let at = |line: &str| {
        let (number, rest) = line.split_once(": ")?;
        rest.starts_with('(').then(|| number.parse().ok())?
    };
    log.lines().rev().find_map(at)
}

/// The verifier's objection: the last line that is neither an instruction, a state nor statistics.
fn log_reason(log: &str) -> Option<&str> {
    const STATISTICS: &[&str] =
        &["processed ", "verification time", "stack depth", "max_states", "peak_states", "mark_precise", ";"];
    let says = |line: &&str| {
        let line = line.trim();
        let is_insn = line.split_once(':').is_some_and(|(n, _)| n.parse::<u32>().is_ok());
        let is_state = line.starts_with("from ") && line.contains(" to ");
        !line.is_empty() && !is_insn && !is_state && !STATISTICS.iter().any(|s| line.starts_with(s))
    };
    log.lines().rev().find(says).map(str::trim)
}

/// The script's text for an instruction.
fn span_of(program: &Program, at: u32) -> Option<Span> {
    let line = program.lines.partition_point(|l| l.at <= at).checked_sub(1)?;
    Some(program.lines[line].span)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "func#0 @0\n0: R1=ctx() R10=fp0\n; read\n0: (79) r1 = *(u64 *)(r1 +9999)\n\
                       invalid bpf_context access off=9999 size=8\n\
                       processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0\n";

    #[test]
    fn the_verifiers_words_are_found() {
        assert_eq!(refused_insn(LOG), Some(0));
        assert_eq!(log_reason(LOG), Some("invalid bpf_context access off=9999 size=8"));
        assert_eq!(refused_insn(""), None);
        assert_eq!(log_reason("processed 1 insns\n"), None);
    }
}
