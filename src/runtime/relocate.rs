//! Field accesses of an image that was compiled for another kernel, resolved for the one that is to run it.
//!
//! Comes in: an image, and the BTF of the kernel. Goes out: the same image with every CO-RE answer put into its
//! instruction. An image that was compiled against this kernel needs none of it: its answers are there already.

use super::error::{LoadError, Refusal};
use crate::btf::Kernel;
use crate::image::core::Resolver;
use crate::image::{Image, Program, RelocKind};
use crate::isa::Insn;

/// Classes of instructions that load and store: their answer is an offset; that of others is an immediate.
const CLASS_MASK: u8 = 7;
const LOADS_AND_STORES: [u8; 3] = [1, 2, 3];

/// Puts this kernel's answers into the instructions. The error names the field that the kernel lacks.
pub fn relocate(image: &mut Image, kernel: &Kernel) -> Result<(), LoadError> {
    let mut resolver = Resolver::new(kernel);
    for program in image.programs.iter_mut() {
        let relocs = std::mem::take(&mut program.relocs);
        for reloc in &relocs {
            let RelocKind::Core { kind, access } = &reloc.kind else { continue };
            let access = &image.accesses[*access];
            let answer = resolver.resolve(*kind, access, &image.local);
            let insn = &mut program.insns[reloc.at as usize];
            let is_put = answer.is_some_and(|answer| put(insn, answer));
            if !is_put {
                let (root, path) = image.local.names(access);
                let what = format!("the kernel has no {root}.{}", path.join("."));
                return Err(missing(program, reloc.at, what));
            }
        }
        program.relocs = relocs;
    }
    Ok(())
}

/// Whether the answer fits its place.
fn put(insn: &mut Insn, answer: u64) -> bool {
    if LOADS_AND_STORES.contains(&(insn.code & CLASS_MASK)) {
        i16::try_from(answer).map(|off| insn.off = off).is_ok()
    } else {
        i32::try_from(answer).map(|imm| insn.imm = imm).is_ok()
    }
}

fn missing(program: &Program, at: u32, reason: String) -> LoadError {
    let line = program.lines.iter().rev().find(|l| l.at <= at);
    LoadError::Program(Box::new(Refusal {
        title: program.title.clone(),
        errno: libc::ENOENT,
        reason,
        hint: Some("compile the script on this machine".to_owned()),
        span: line.map_or(program.span, |l| l.span),
        log: String::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::insn::{Alu, Form, Src};

    #[test]
    fn answers_go_to_offset_or_immediate() {
        let mut load = Form::Load { bytes: 8, sext: false, dst: 1, base: 2, off: 8 }.encode();
        assert!(put(&mut load, 1234));
        assert_eq!((load.off, load.imm), (1234, 0));
        assert!(!put(&mut load, 1 << 15));
        let mut add = Form::Alu { op: Alu::Add, wide: true, dst: 1, src: Src::Imm(8) }.encode();
        assert!(put(&mut add, 1 << 15));
        assert_eq!((add.off, add.imm), (0, 1 << 15));
    }
}
