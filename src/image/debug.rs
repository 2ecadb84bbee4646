//! What the kernel is told about a program's functions and lines, so that its log and `bpftool` speak of the
//! script: BTF with a FUNC for each function, and records that tie instructions to them and to lines.
//!
//! Comes in: an [`Image`]. Goes out: one BTF blob for all its programs, and each program's records, counted in
//! instruction slots. Always holds (the kernel refuses otherwise): lines start at slot 0 and with each function,
//! strictly increase, and none is on the second half of a 64-bit immediate load; names are C identifiers.

use super::{FuncInfo, Image, Program, ProgramId};
use crate::base::{IndexVec, Span};
use crate::btf::write::{FuncRecord, LineRecord, Linkage, Writer};
use std::collections::BTreeMap;

/// Bytes of a script's line that are kept.
const LINE_BYTES_MAX: usize = 200;
/// Bytes of a function's name that are kept (the kernel takes 127).
const NAME_BYTES_MAX: usize = 100;
/// First byte of a 64-bit immediate load.
const LD_IMM64: u8 = 0x18;

/// BTF for all programs of an image.
#[derive(Clone, Debug)]
pub struct ImageDebug {
    /// For `BPF_BTF_LOAD`.
    pub btf: Vec<u8>,
    pub programs: IndexVec<ProgramId, ProgramDebug>,
}

/// Records of one program, in the order of its instructions.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramDebug {
    /// One for each function, the entry first.
    pub funcs: Vec<FuncRecord>,
    pub lines: Vec<LineRecord>,
}

/// BTF and records for loading the image's programs.
pub fn of_image(image: &Image) -> ImageDebug {
    let mut describer = Describer::new(image, Writer::new());
    let programs = image.programs.iter().map(|p| describer.program(p)).collect();
    ImageDebug { btf: describer.writer.finish(), programs }
}

/// Adds functions and lines to a BTF in the making.
pub struct Describer<'a> {
    image: &'a Image,
    pub writer: Writer,
    /// `u64`, which all parameters and results are but the context.
    pub word: u32,
    context: u32,
    /// Prototypes by kind and number of parameters.
    protos: BTreeMap<(bool, u8), u32>,
}

impl<'a> Describer<'a> {
    pub fn new(image: &'a Image, mut writer: Writer) -> Describer<'a> {
        let word = writer.int("unsigned long", 8, false);
        let context = writer.ptr(0);
        Describer { image, writer, word, context, protos: BTreeMap::new() }
    }

    /// The records of a program; its functions become types.
    pub fn program(&mut self, program: &Program) -> ProgramDebug {
        let funcs = (program.funcs.iter().enumerate())
            .map(|(i, f)| FuncRecord { at: f.start, func: self.func(program, f, i == 0) })
            .collect();
        let lines = self.lines(program);
        ProgramDebug { funcs, lines }
    }

    fn func(&mut self, program: &Program, func: &FuncInfo, is_entry: bool) -> u32 {
        let proto = self.proto(is_entry, func.n_params);
        let name = if is_entry { &program.name } else { &func.name };
        // A global function would be verified by itself, without what its callers know.
        let linkage = if is_entry { Linkage::Global } else { Linkage::Static };
        self.writer.func(&identifier(name), proto, linkage)
    }

    fn proto(&mut self, is_entry: bool, n_params: u8) -> u32 {
        if let Some(&known) = self.protos.get(&(is_entry, n_params)) {
            return known;
        }
        let names: Vec<String> = (0..n_params).map(|i| format!("a{i}")).collect();
        let params: Vec<(&str, u32)> = match is_entry {
            true => vec![("ctx", self.context)],
            false => names.iter().map(|n| (n.as_str(), self.word)).collect(),
        };
        let id = self.writer.func_proto(self.word, &params);
        self.protos.insert((is_entry, n_params), id);
        id
    }

    fn lines(&mut self, program: &Program) -> Vec<LineRecord> {
        let mut spans: BTreeMap<u32, Span> = BTreeMap::new();
        for line in &program.lines {
            spans.insert(line.at, line.span);
        }
        for func in &program.funcs {
            spans.entry(func.start).or_insert(func.span);
        }
        let n_insns = program.insns.len() as u32;
        let starts_insn =
            |at: u32| at < n_insns && (at == 0 || program.insns[at as usize - 1].code != LD_IMM64);
        spans.retain(|at, _| starts_insn(*at));
        spans.into_iter().map(|(at, span)| self.line(at, span)).collect()
    }

    fn line(&mut self, at: u32, span: Span) -> LineRecord {
        let Some(source) = self.image.sources.files.get(span.file) else {
            return LineRecord { at, file: 0, text: 0, line: 0, column: 0 };
        };
        let (line, column) = source.line_col(span.lo);
        let text = source.line(line).trim();
        let end = (0..=text.len().min(LINE_BYTES_MAX)).rev().find(|&i| text.is_char_boundary(i));
        LineRecord {
            at,
            file: self.writer.string(&source.name),
            text: self.writer.string(&text[..end.unwrap_or(0)]),
            line,
            column,
        }
    }
}

/// The name with what no C identifier has replaced.
pub fn identifier(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let mut text: String = name.chars().map(plain).take(NAME_BYTES_MAX).collect();
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        text.insert(0, '_');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Source, SourceMap};
    use crate::btf::{Btf, kind};
    use crate::image::{Attach, LineInfo, ProgType};
    use crate::isa::Insn;

    /// `f` is called; slot 1 is the second half of a 64-bit load.
    fn image() -> Image {
        let mut sources = SourceMap::new();
        let file = sources.add(Source::new("s.bt", "begin {\n  f(1); # ü\n}\n"));
        let span = |lo: usize| Span::new(file, lo, lo + 1);
        let insns = vec![
            Insn::new(0x18, 1, 0, 0, 7),
            Insn::new(0, 0, 0, 0, 0),
            Insn::new(0x85, 0, 1, 0, 1),
            Insn::new(0x95, 0, 0, 0, 0),
            Insn::new(0xb7, 0, 0, 0, 0),
            Insn::new(0x95, 0, 0, 0, 0),
        ];
        let program = Program {
            name: "begin:1".into(),
            title: "begin".into(),
            clause: 0,
            span: span(0),
            ty: ProgType::RawTracepoint,
            attach: vec![Attach::Begin],
            insns,
            relocs: vec![],
            funcs: vec![
                FuncInfo { start: 0, name: "entry".into(), n_params: 1, span: span(0) },
                FuncInfo { start: 4, name: "f".into(), n_params: 2, span: span(10) },
            ],
            lines: [(0, 0), (1, 10), (2, 10)].map(|(at, lo)| LineInfo { at, span: span(lo) }).to_vec(),
            stack_bytes: 0,
        };
        Image { programs: [program].into_iter().collect(), sources, ..Image::default() }
    }

    #[test]
    fn functions_and_lines_become_records() {
        let debug = of_image(&image());
        let btf = Btf::from_bytes(debug.btf).unwrap();
        let program = &debug.programs[ProgramId(0)];
        let names: Vec<_> = program.funcs.iter().map(|f| (f.at, btf.type_name(f.func))).collect();
        assert_eq!(names, [(0, "begin_1"), (4, "f")]);
        assert_eq!(btf.all(kind::FUNC).count(), 2);
        let lines: Vec<_> = (program.lines.iter())
            .map(|l| (l.at, btf.string(l.file), btf.string(l.text), l.line, l.column))
            .collect();
        // None on slot 1, one at the start of `f`.
        assert_eq!(
            lines,
            [(0, "s.bt", "begin {", 1, 1), (2, "s.bt", "f(1); # ü", 2, 3), (4, "s.bt", "f(1); # ü", 2, 3),]
        );
    }

    #[test]
    fn the_kernel_takes_the_btf() {
        match crate::sys::bpf::load_btf(&of_image(&image()).btf) {
            Ok(_) => {}
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => eprintln!("skipped: {e}"),
            Err(e) => panic!("{e}"),
        }
    }

    #[test]
    fn a_span_of_no_file_is_no_panic() {
        let mut image = image();
        image.sources = SourceMap::new();
        let debug = of_image(&image);
        assert!(debug.programs[ProgramId(0)].lines.iter().all(|l| l.line == 0));
    }

    #[test]
    fn identifiers() {
        assert_eq!(identifier("kprobe:vfs_read"), "kprobe_vfs_read");
        assert_eq!(identifier("1x"), "_1x");
        assert_eq!(identifier(""), "_");
        assert_eq!(identifier(&"ä".repeat(500)).len(), NAME_BYTES_MAX);
    }
}
