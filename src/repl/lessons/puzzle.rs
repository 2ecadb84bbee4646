//! A program written by hand, with a hole: the lesson about the verifier.
//!
//! Comes in: instructions as text, one of them `?`, and what is put in its place. Goes out: the kernel's verdict with
//! its log. Always holds: the program is loaded for real, and never attached.

use super::super::inspect::reasons;
use crate::image::{LOG_BYTES, MapKind, ProgType};
use crate::isa::Insn;
use crate::isa::assemble;
use crate::isa::insn::{Form, PSEUDO_MAP_FD};
use crate::sys::bpf::{self, LogLevel, ProgramSpec};
use crate::sys::bpfmap::{Map, MapSpec};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Where the missing instruction belongs.
pub const HOLE: &str = "?";
/// The load of the map's descriptor, which takes two slots.
const MAP: &str = "r1 = map";

/// What the kernel said.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub accepted: bool,
    /// The verifier's log.
    pub log: String,
    /// What its refusal means.
    pub meaning: Option<&'static str>,
}

/// Loads the program with `filling` in its hole, or without the hole.
pub fn load(program: &[String], filling: Option<&str>) -> io::Result<Result<Answer, String>> {
    let (kind, key_size, value_size) = (MapKind::Hash, 4, 8);
    let spec = MapSpec { name: "lesson", kind, key_size, value_size, max_entries: 1, flags: 0 };
    let map = Map::create(&spec, None)?;
    let insns = match assembled(program, filling, map.as_fd().as_raw_fd()) {
        Ok(insns) => insns,
        Err(why) => return Ok(Err(why)),
    };
    let spec = ProgramSpec { name: "lesson", license: "GPL", insns: &insns, ..Default::default() };
    let (loaded, log) = bpf::load_logged(ProgType::RawTracepoint, &spec, LogLevel::States, LOG_BYTES);
    match loaded {
        Ok(_) => Ok(Ok(Answer { accepted: true, log, meaning: None })),
        Err(e) if log.is_empty() => Err(e),
        Err(_) => Ok(Ok(Answer { accepted: false, meaning: reasons::meaning(&log), log })),
    }
}

fn assembled(program: &[String], filling: Option<&str>, map: i32) -> Result<Vec<Insn>, String> {
    let mut insns = Vec::new();
    for line in program {
        let text = match (line.trim(), filling) {
            (HOLE, None) => continue,
            (HOLE, Some(filling)) => filling,
            (text, _) => text,
        };
        if text == MAP {
            insns.push(Form::LdImm64 { dst: 1, src: PSEUDO_MAP_FD, imm: map }.encode());
            insns.push(Insn::default());
        } else {
            insns.push(assemble::parse(text)?.encode());
        }
    }
    Ok(insns)
}

/// The program as the lesson shows it: numbered as the verifier numbers it.
pub fn shown(program: &[String], filling: Option<&str>) -> String {
    let mut at = 0;
    let mut out = String::new();
    for line in program {
        let line = line.trim();
        let text = if line == HOLE { filling.unwrap_or(HOLE) } else { line };
        match text {
            HOLE => out.push_str("      ?\n"),
            text => {
                out.push_str(&format!("  {at:2}: {text}\n"));
                at += if text == MAP { 2 } else { 1 };
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Vec<String> {
        let lines = [
            "*(u32 *)(r10 -4) = 0",
            "r2 = r10",
            "r2 += -4",
            "r1 = map",
            "call map_lookup_elem",
            "?",
            "r0 = *(u64 *)(r0 +0)",
            "exit",
        ];
        lines.map(str::to_owned).to_vec()
    }

    #[test]
    fn instructions_are_numbered_as_the_verifier_does() {
        let text = shown(&program(), None);
        assert!(text.contains("   3: r1 = map\n   5: call map_lookup_elem\n      ?\n   6: r0 ="), "{text}");
        assert!(shown(&program(), Some("exit")).contains("   6: exit\n   7: r0 ="));
    }

    #[test]
    fn what_is_no_instruction_is_said() {
        assert!(assembled(&program(), Some("jump"), 3).unwrap_err().contains("no instruction"));
        assert_eq!(assembled(&program(), None, 3).unwrap().len(), 8);
    }

    #[test]
    fn the_kernel_decides() {
        let answer = |filling| match load(&program(), filling) {
            Ok(answer) => Some(answer.unwrap()),
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => {
                eprintln!("skipped: {e}");
                None
            }
            Err(e) => panic!("{e}"),
        };
        let Some(without) = answer(None) else { return };
        assert!(!without.accepted && without.log.contains("map_value_or_null"), "{}", without.log);
        assert!(without.meaning.is_some());
        assert!(answer(Some("if r0 == 0 goto +1")).unwrap().accepted);
        for wrong in ["if r0 != 0 goto +1", "exit", "goto +1", "r0 = 0", "if r0 == 0 goto +7"] {
            let answer = answer(Some(wrong)).unwrap();
            assert!(!answer.accepted, "{wrong}");
            assert!(answer.meaning.is_some(), "{wrong}: {}", answer.log);
        }
    }
}
