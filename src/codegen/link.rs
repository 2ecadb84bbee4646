//! Puts the functions of a program together: the entry first, then each that it calls, once.
//!
//! Always holds: calls and addresses of functions are relative to where they stand, as the kernel takes them,
//! and name the function's place in the program's list.

use super::emit::Code;
use crate::base::IndexVec;
use crate::image::{FuncInfo, LineInfo, Reloc, RelocKind};
use crate::ir::{Func, FuncId};
use crate::isa::Insn;

/// Instructions of a program at most (`BPF_COMPLEXITY_LIMIT_INSNS`, include/linux/bpf.h).
pub const PROGRAM_INSNS_MAX: usize = 1_000_000;

/// A program's code.
#[derive(Debug, Default)]
pub struct Linked {
    pub insns: Vec<Insn>,
    pub relocs: Vec<Reloc>,
    pub funcs: Vec<FuncInfo>,
    pub lines: Vec<LineInfo>,
}

/// The program that starts in `entry`.
pub fn link(funcs: &IndexVec<FuncId, Func>, codes: &IndexVec<FuncId, Option<Code>>, entry: FuncId) -> Linked {
    let mut members = vec![entry];
    let mut out = Linked::default();
    let mut n_done = 0;
    while let Some(&f) = members.get(n_done) {
        n_done += 1;
        let Some(code) = &codes[f] else { crate::bug!("{} has no code", funcs[f].name) };
        let start = out.insns.len() as u32;
        out.funcs.push(FuncInfo {
            start,
            name: funcs[f].name.clone(),
            n_params: funcs[f].blocks[funcs[f].entry].params.len() as u8,
            span: funcs[f].span,
        });
        out.insns.extend_from_slice(&code.insns);
        out.lines.extend(code.lines.iter().map(|l| LineInfo { at: l.at + start, span: l.span }));
        for r in &code.relocs {
            let mut member = |f: u32| match members.iter().position(|m| m.0 == f) {
                Some(i) => i as u32,
                None => {
                    members.push(FuncId(f));
                    members.len() as u32 - 1
                }
            };
            let kind = match &r.kind {
                RelocKind::Func(f) => RelocKind::Func(member(*f)),
                RelocKind::FuncAddr(f) => RelocKind::FuncAddr(member(*f)),
                other => other.clone(),
            };
            out.relocs.push(Reloc { at: r.at + start, kind });
        }
    }
    for r in &out.relocs {
        if let RelocKind::Func(n) | RelocKind::FuncAddr(n) = r.kind {
            let distance = i64::from(out.funcs[n as usize].start) - i64::from(r.at) - 1;
            out.insns[r.at as usize].imm = distance as i32;
        }
    }
    out
}
