//! An [`Image`] as a standard libbpf ELF object: loadable by libbpf, `bpftool` and everything built on them.
//!
//! Comes in: an image. Goes out: the bytes, or in words why this image cannot be an object. Each attach point gets
//! its program in the section that names it, functions go to `.text`, maps to `.maps`, constants to `.rodata.*`,
//! memory that programs address directly to `.data.*`; `.BTF` and `.BTF.ext` have the maps, functions, script lines
//! and CO-RE relocations. Rules of libbpf's that are kept here: programs are global functions of their size;
//! functions are local and reached through the section's symbol; addends stand in the instructions.

mod maps;
mod types;

use self::maps::Place;
use self::types::TypeIds;
use super::attach::{Attach, SyscallHook, When};
use super::debug::{Describer, ProgramDebug, identifier};
use super::{CoreKind, Image, MapId, Program, Reloc, RelocKind};
use crate::base::IndexVec;
use crate::btf::write::{CoreRecord, Ext, FuncRecord, LineRecord, Writer};
use crate::isa::Insn;
use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
};
use std::collections::BTreeSet;

const INSN_BYTES: u32 = 8;
/// `BPF_PSEUDO_CALL`: a call of a function of the object.
const PSEUDO_CALL: u8 = 1;
/// `BPF_PSEUDO_FUNC`: a 64-bit immediate load of a function's address.
const PSEUDO_FUNC: u8 = 4;

/// The object's bytes.
pub fn write(image: &Image) -> Result<Vec<u8>, String> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let mut describer = Describer::new(image, Writer::new());
    let ids = types::add(&mut describer.writer, &image.local);
    let places = maps::add(&mut object, &mut describer.writer, image)?;
    let mut code = Code { image, ids, places, describer, sections: Vec::new() };
    code.sections.push(CodeSection::new(&mut object, ".text"));
    for program in image.programs.iter() {
        code.program(&mut object, program)?;
    }
    code.finish(&mut object)?;
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, format!("{}\0", image.config.license).as_bytes(), 1);
    object.write().map_err(build_error)
}

/// What the ELF writer refuses.
fn build_error(e: object::write::Error) -> String {
    format!("cannot write the object: {e}")
}

/// The name of the section that makes libbpf load and attach a program as it should.
pub fn section_name(attach: &Attach) -> String {
    let ret = |when: &When| match when {
        When::Entry => "",
        When::Return => "ret",
    };
    let module = |m: &str| if m.is_empty() { String::new() } else { format!("{m}:") };
    match attach {
        // Run by hand: a raw tracepoint without a name is not attached by itself.
        Attach::Begin | Attach::End | Attach::Signal(_) | Attach::Test(_) => "raw_tp".into(),
        Attach::Bench(_) => "xdp".into(),
        Attach::Tracepoint { category, name } => format!("tracepoint/{category}/{name}"),
        Attach::RawTracepoint { name, .. } => format!("raw_tp/{name}"),
        Attach::TpBtf { name, .. } => format!("tp_btf/{name}"),
        Attach::SyscallTp { when, hook, .. } => {
            let kind = match hook {
                SyscallHook::Btf => "tp_btf",
                SyscallHook::Raw => "raw_tp",
                SyscallHook::Record => "tracepoint/raw_syscalls",
            };
            format!("{kind}/{}", SyscallHook::tracepoint(*when))
        }
        Attach::Kprobe { func, offset: 0, when, .. } => format!("k{}probe/{func}", ret(when)),
        Attach::Kprobe { func, offset, when, .. } => format!("k{}probe/{func}+{offset}", ret(when)),
        Attach::KprobeAddr { when, .. } => format!("k{}probe", ret(when)),
        Attach::Fentry { module: m, func, when } => match when {
            When::Entry => format!("fentry/{}{func}", module(m)),
            When::Return => format!("fexit/{}{func}", module(m)),
        },
        Attach::Uprobe { path, symbol, when, .. } if !symbol.is_empty() && !symbol.starts_with('@') => {
            format!("u{}probe/{path}:{symbol}", ret(when))
        }
        Attach::Uprobe { when, .. } => format!("u{}probe", ret(when)),
        // libbpf's own section for them wants its own way to read arguments: this one is attached by hand.
        Attach::Usdt { .. } => "uprobe".into(),
        // libbpf is told the program by hand.
        Attach::BpfFunction { when: When::Entry, .. } => "fentry".into(),
        Attach::BpfFunction { when: When::Return, .. } => "fexit".into(),
        Attach::Iter { name } => format!("iter/{name}"),
        Attach::Profile(_)
        | Attach::Interval(_)
        | Attach::Software { .. }
        | Attach::Hardware { .. }
        | Attach::Watchpoint { .. } => "perf_event".into(),
    }
}

/// A section of code with its records, offsets in bytes.
struct CodeSection {
    name: String,
    id: SectionId,
    bytes: u32,
    funcs: Vec<FuncRecord>,
    lines: Vec<LineRecord>,
    cores: Vec<CoreRecord>,
}

impl CodeSection {
    fn new(object: &mut Object, name: &str) -> CodeSection {
        let id = object.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Text);
        let (funcs, lines, cores) = (Vec::new(), Vec::new(), Vec::new());
        CodeSection { name: name.to_owned(), id, bytes: 0, funcs, lines, cores }
    }
}

/// `.text` is the first section.
const TEXT: usize = 0;

struct Code<'a> {
    image: &'a Image,
    ids: TypeIds,
    places: IndexVec<MapId, Place>,
    describer: Describer<'a>,
    sections: Vec<CodeSection>,
}

/// A stretch of a program's instructions that becomes a function of the object.
struct Piece<'a> {
    program: &'a Program,
    debug: &'a ProgramDebug,
    name: String,
    /// Instruction slots of the program.
    from: u32,
    to: u32,
    /// Byte offset in `.text` of the program's slot 0, as if all of it were there.
    text_base: i64,
    section: usize,
}

impl Code<'_> {
    /// Adds a program once for each section that its attach points want, and its functions to `.text`.
    fn program(&mut self, object: &mut Object, program: &Program) -> Result<(), String> {
        let debug = self.describer.program(program);
        let n_insns = program.insns.len() as u32;
        let end = |i: usize| program.funcs.get(i + 1).map_or(n_insns, |f| f.start);
        let entry_end = end(0);
        let text_base = i64::from(self.sections[TEXT].bytes) - i64::from(entry_end * INSN_BYTES);
        let piece = |name: String, from: u32, to: u32, section: usize| Piece {
            program,
            debug: &debug,
            name,
            from,
            to,
            text_base,
            section,
        };
        for (i, func) in program.funcs.iter().enumerate().skip(1) {
            let name = identifier(&format!("{}_{}", program.name, func.name));
            self.piece(object, &piece(name, func.start, end(i), TEXT))?;
        }
        let mut sections = BTreeSet::new();
        for attach in &program.attach {
            let section = section_name(attach);
            if sections.insert(section.clone()) {
                let n = sections.len();
                let suffix = if n > 1 { format!("_{n}") } else { String::new() };
                let name = identifier(&format!("{}{suffix}", program.name));
                let section = self.section(object, &section);
                self.piece(object, &piece(name, 0, entry_end, section))?;
            }
        }
        Ok(())
    }

    fn section(&mut self, object: &mut Object, name: &str) -> usize {
        match self.sections.iter().position(|s| s.name == name) {
            Some(known) => known,
            None => {
                self.sections.push(CodeSection::new(object, name));
                self.sections.len() - 1
            }
        }
    }

    fn piece(&mut self, object: &mut Object, piece: &Piece) -> Result<(), String> {
        let mut insns = piece.program.insns[piece.from as usize..piece.to as usize].to_vec();
        let start = self.sections[piece.section].bytes;
        let mut relocations = Vec::new();
        for reloc in piece.program.relocs.iter().filter(|r| (piece.from..piece.to).contains(&r.at)) {
            let at = start + (reloc.at - piece.from) * INSN_BYTES;
            if let Some((symbol, r_type)) = self.relocate(object, piece, reloc, &mut insns, at)? {
                let flags = RelocationFlags::Elf { r_type };
                relocations.push(Relocation { offset: u64::from(at), symbol, addend: 0, flags });
            }
        }
        let section = &mut self.sections[piece.section];
        let bytes: Vec<u8> = insns.iter().flat_map(|i| i.to_bytes()).collect();
        object.append_section_data(section.id, &bytes, u64::from(INSN_BYTES));
        section.bytes += bytes.len() as u32;
        records(section, piece, start);
        add_function(object, section.id, piece, start, bytes.len() as u32);
        relocations.into_iter().try_for_each(|r| object.add_relocation(section.id, r)).map_err(build_error)
    }

    /// Rewrites the instruction as libbpf expects it before relocation; returns the relocation, if there is one.
    fn relocate(
        &mut self,
        object: &mut Object,
        piece: &Piece,
        reloc: &Reloc,
        insns: &mut [Insn],
        at: u32,
    ) -> Result<Option<(SymbolId, elf::RelocationType)>, String> {
        let i = (reloc.at - piece.from) as usize;
        let text = self.sections[TEXT].id;
        let func_start = |f: u32| match piece.program.funcs.get(f as usize) {
            Some(func) => Ok(func.start),
            None => Err(format!("{} refers to function {f}, which is not there", piece.program.name)),
        };
        let in_text = |f: u32| Ok::<i64, String>(piece.text_base + i64::from(func_start(f)? * INSN_BYTES));
        match &reloc.kind {
            RelocKind::MapPtr(map) => match self.places[*map] {
                Place::Map(symbol) => {
                    load_imm64(insns, i, 0, 0);
                    Ok(Some((symbol, elf::R_BPF_64_64)))
                }
                Place::Data(_) => Err(format!(
                    "map {} is used by reference and by address, which an object cannot say",
                    self.image.maps[*map].name
                )),
            },
            RelocKind::MapValue { map, off } => match self.places[*map] {
                Place::Data(symbol) => {
                    load_imm64(insns, i, 0, *off as i32);
                    Ok(Some((symbol, elf::R_BPF_64_64)))
                }
                Place::Map(_) => Err(format!("map {} is no data section", self.image.maps[*map].name)),
            },
            RelocKind::Core { kind, access } => {
                let access = &self.image.accesses[*access];
                let text = self.ids.access(&self.image.local, access);
                let text = if is_type_question(*kind) { "0".to_owned() } else { text };
                let access_string = self.describer.writer.string(&text);
                let root = self.ids.id(access.root);
                let record = CoreRecord { at, root, access: access_string, kind: core_code(*kind) };
                self.sections[piece.section].cores.push(record);
                Ok(None)
            }
            RelocKind::Kfunc(name) => Err(format!(
                "an object cannot call the kernel function {name}: its signature is not in the image"
            )),
            RelocKind::Func(f) if piece.section == TEXT => {
                // Both ends are in the section: the distance stays.
                insns[i].imm = func_start(*f)? as i32 - reloc.at as i32 - 1;
                Ok(None)
            }
            RelocKind::Func(f) => {
                insns[i].regs = insns[i].dst() | PSEUDO_CALL << 4;
                insns[i].imm = (in_text(*f)? / i64::from(INSN_BYTES)) as i32 - 1;
                Ok(Some((object.section_symbol(text), elf::R_BPF_64_32)))
            }
            RelocKind::FuncAddr(f) => {
                load_imm64(insns, i, PSEUDO_FUNC, in_text(*f)? as i32);
                Ok(Some((object.section_symbol(text), elf::R_BPF_64_64)))
            }
        }
    }

    /// Writes `.BTF` and `.BTF.ext`.
    fn finish(mut self, object: &mut Object) -> Result<(), String> {
        let mut ext = Ext::default();
        for section in &mut self.sections {
            section.cores.sort_by_key(|c| c.at);
            let name = self.describer.writer.string(&section.name);
            ext.section(name, &section.funcs, &section.lines, &section.cores);
        }
        let btf = object.add_section(Vec::new(), b".BTF".to_vec(), SectionKind::Other);
        object.append_section_data(btf, &self.describer.writer.finish(), 8);
        if !ext.is_empty() {
            let section = object.add_section(Vec::new(), b".BTF.ext".to_vec(), SectionKind::Other);
            object.append_section_data(section, &ext.finish(), 8);
        }
        Ok(())
    }
}

/// The function and line records of a piece, at byte offsets of its section.
fn records(section: &mut CodeSection, piece: &Piece, start: u32) {
    let within = |at: u32| (piece.from..piece.to).contains(&at);
    let place = |at: u32| start + (at - piece.from) * INSN_BYTES;
    let funcs = piece.debug.funcs.iter().filter(|f| within(f.at));
    section.funcs.extend(funcs.map(|f| FuncRecord { at: place(f.at), ..*f }));
    let lines = piece.debug.lines.iter().filter(|l| within(l.at));
    section.lines.extend(lines.map(|l| LineRecord { at: place(l.at), ..*l }));
}

fn add_function(object: &mut Object, section: SectionId, piece: &Piece, start: u32, bytes: u32) {
    let scope = if piece.section == TEXT { SymbolScope::Compilation } else { SymbolScope::Dynamic };
    object.add_symbol(Symbol {
        name: piece.name.clone().into_bytes(),
        value: u64::from(start),
        size: u64::from(bytes),
        kind: SymbolKind::Text,
        scope,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    });
}

/// Source register and value of a 64-bit immediate load, before relocation.
fn load_imm64(insns: &mut [Insn], i: usize, src: u8, imm: i32) {
    insns[i].regs = insns[i].dst() | src << 4;
    insns[i].imm = imm;
    if let Some(upper) = insns.get_mut(i + 1) {
        upper.imm = 0;
    }
}

fn is_type_question(kind: CoreKind) -> bool {
    match kind {
        CoreKind::TypeExists | CoreKind::TypeSize => true,
        CoreKind::ByteOffset
        | CoreKind::ByteSize
        | CoreKind::Exists
        | CoreKind::Signed
        | CoreKind::LshiftU64
        | CoreKind::RshiftU64 => false,
    }
}

/// `enum bpf_core_relo_kind` (include/uapi/linux/bpf.h)
fn core_code(kind: CoreKind) -> u32 {
    match kind {
        CoreKind::ByteOffset => 0,
        CoreKind::ByteSize => 1,
        CoreKind::Exists => 2,
        CoreKind::Signed => 3,
        CoreKind::LshiftU64 => 4,
        CoreKind::RshiftU64 => 5,
        CoreKind::TypeExists => 8,
        CoreKind::TypeSize => 9,
    }
}

#[cfg(test)]
mod tests;
