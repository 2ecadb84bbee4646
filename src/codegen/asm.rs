//! A program's code as text, for `-d asm`.

use std::fmt::Write;

use crate::image::{Image, Program, ProgramId, RelocKind};
use crate::isa::insn::Form;

/// The instructions of a program, each line of the script before the code that stands for it.
pub fn disassemble(image: &Image, id: ProgramId) -> String {
    let p = &image.programs[id];
    let mut out = String::new();
    let mut at = 0usize;
    let mut lines = p.lines.iter().peekable();
    let mut shown = None;
    while let Some(&insn) = p.insns.get(at) {
        if let Some(f) = p.funcs.iter().find(|f| f.start as usize == at) {
            line(&mut out, format_args!("{}:", f.name));
            shown = None;
        }
        while let Some(l) = lines.next_if(|l| l.at as usize <= at) {
            let (file, n, _) = match image.sources.files.get(l.span.file) {
                Some(_) => image.sources.place(l.span),
                None => continue,
            };
            if shown != Some((l.span.file, n)) {
                let text = image.sources.files[l.span.file].line(n).trim();
                line(&mut out, format_args!("; {file}:{n}: {text}"));
                shown = Some((l.span.file, n));
            }
        }
        let upper = if insn.is_wide() { p.insns.get(at + 1).map_or(0, |i| i.imm) } else { 0 };
        let text = match Form::decode(insn) {
            Some(form) => form.print(upper),
            None => format!("{:02x?}", insn.to_bytes()),
        };
        let note = note(image, p, at as u32);
        line(&mut out, format_args!("{at:5}: {text}{note}"));
        at += if insn.is_wide() { 2 } else { 1 };
    }
    out
}

/// What a relocation puts there.
fn note(image: &Image, p: &Program, at: u32) -> String {
    let Some(r) = p.relocs.iter().find(|r| r.at == at) else { return String::new() };
    let map = |m| image.maps.get(m).map_or("?", |m| m.name.as_str());
    match &r.kind {
        RelocKind::MapPtr(m) => format!("  ; {}", map(*m)),
        RelocKind::MapValue { map: m, off } => format!("  ; {} +{off}", map(*m)),
        RelocKind::Core { kind, access } => match image.accesses.get(*access) {
            Some(a) => {
                let (root, names) = image.local.names(a);
                format!("  ; {kind:?} of {root}.{}", names.join("."))
            }
            None => format!("  ; {kind:?} of {access}"),
        },
        RelocKind::Kfunc(name) => format!("  ; {name}"),
        RelocKind::Func(n) | RelocKind::FuncAddr(n) => {
            format!("  ; {}", p.funcs.get(*n as usize).map_or("?", |f| f.name.as_str()))
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    if writeln!(out, "{text}").is_err() {
        crate::bug!("text cannot be written");
    }
}

/// What `-d asm` shows.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FileId, Source, Span};
    use crate::image::{FuncInfo, LineInfo, MapId, ProgType, Reloc};
    use crate::isa::insn::{Alu, PSEUDO_MAP_FD, Src};
    use crate::isa::{Helper, Insn};

    #[test]
    fn lines_stand_before_their_code() {
        let mut image = Image::default();
        let file = image.sources.add(Source::new("x.bt", "begin\n{ delete(@x); }\n"));
        assert_eq!(file, FileId(0));
        let mov = Form::Alu { op: Alu::Mov, wide: true, dst: 0, src: Src::Imm(0) };
        let wide = Form::LdImm64 { dst: 1, src: PSEUDO_MAP_FD, imm: 0 };
        let call = Form::Call { src: 0, imm: Helper::MAP_DELETE_ELEM.0 as i32 };
        let span = Span::new(file, 8, 18);
        let id = image.programs.push(Program {
            name: "begin".into(),
            title: "begin".into(),
            clause: 0,
            span,
            ty: ProgType::RawTracepoint,
            attach: Vec::new(),
            insns: vec![wide.encode(), Insn::default(), call.encode(), mov.encode(), Form::Exit.encode()],
            relocs: vec![Reloc { at: 0, kind: RelocKind::MapPtr(MapId(0)) }],
            funcs: vec![FuncInfo { start: 0, name: "begin".into(), n_params: 1, span }],
            lines: vec![
                LineInfo { at: 0, span },
                LineInfo { at: 3, span: Span::new(file, 0, 5) },
                LineInfo { at: 4, span: Span::new(file, 0, 4) },
            ],
            stack_bytes: 0,
        });
        let expected = "begin:\n; x.bt:2: { delete(@x); }\n    0: r1 = map[0]  ; ?\n    2: call bpf_map_delete_elem#3\n\
                        ; x.bt:1: begin\n    3: r0 = 0\n    4: exit\n";
        assert_eq!(disassemble(&image, id), expected);
    }
}
