//! The way back from [`Form::print`]: one line of text to one instruction.
//!
//! Comes in: a line as the kernel's verifier prints it. Goes out: a [`Form`], or what is wrong with the line.
//! Always holds: `parse(f.print(0)) == f` for what can be said here: arithmetic, loads, stores, jumps, calls of
//! helpers by name, `exit`.

use super::Helper;
use super::helpers;
use super::insn::{ALU, Alu, Form, JUMPS, Src};

/// One instruction.
pub fn parse(line: &str) -> Result<Form, String> {
    let line = line.trim();
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => Err("an instruction is wanted".into()),
        ["exit"] => Ok(Form::Exit),
        ["goto", to] => Ok(Form::Goto { off: target(to)? }),
        ["call", name] => call(name),
        ["if", a, op, b, "goto", to] => jump(a, op, b, to),
        _ if line.starts_with("*(") => store(line),
        [dst, "=", ..] if line.contains("*(") => load(dst, line),
        [dst, op, src] => alu(dst, op, src),
        _ => Err(format!("{line} is no instruction")),
    }
}

/// `r1`, `w1`: the number, and whether it means all 64 bits.
fn register(text: &str) -> Option<(u8, bool)> {
    let wide = match text.as_bytes().first() {
        Some(b'r') => true,
        Some(b'w') => false,
        _ => return None,
    };
    let n = text[1..].parse().ok()?;
    (n <= 10).then_some((n, wide))
}

fn register_or_say(text: &str) -> Result<(u8, bool), String> {
    register(text).ok_or_else(|| format!("{text} is no register: they are r0 to r10"))
}

fn number(text: &str) -> Option<i32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok().map(|n| n as i32),
        None => text.parse().ok(),
    }
}

fn source(text: &str) -> Result<Src, String> {
    if let Some((n, _)) = register(text) {
        return Ok(Src::Reg(n));
    }
    number(text).map(Src::Imm).ok_or_else(|| format!("{text} is neither a register nor a number"))
}

/// `+2`, `pc+2`: instructions to skip.
fn target(text: &str) -> Result<i16, String> {
    let digits = text.trim_start_matches("pc");
    digits.parse().map_err(|_| format!("goto takes the number of instructions to skip, as in +2, not {text}"))
}

fn call(name: &str) -> Result<Form, String> {
    let bare = name.split('#').next().unwrap_or(name).trim_start_matches("bpf_");
    let row = helpers::ALL.iter().find(|r| r.name == bare);
    let Helper(id) = row.map(|r| r.helper).ok_or_else(|| format!("there is no helper {bare}"))?;
    Ok(Form::Call { src: 0, imm: id as i32 })
}

fn jump(a: &str, op: &str, b: &str, to: &str) -> Result<Form, String> {
    let (a, wide) = register_or_say(a)?;
    let row = JUMPS.iter().find(|r| r.2 == op);
    let op = row.map(|r| r.0).ok_or_else(|| format!("{op} compares nothing: use == != > >= < <="))?;
    Ok(Form::If { op, wide, a, b: source(b)?, off: target(to)? })
}

fn alu(dst: &str, op: &str, src: &str) -> Result<Form, String> {
    let (dst, wide) = register_or_say(dst)?;
    let row = ALU.iter().find(|r| r.2 == op);
    let op: Alu = row.map(|r| r.0).ok_or_else(|| format!("{op} is no operator: use = += -= &= and so on"))?;
    Ok(Form::Alu { op, wide, dst, src: source(src)? })
}

/// `*(u32 *)(r10 -4)`: bytes, base, offset, and what follows.
fn memory(text: &str) -> Option<(u8, u8, i16, &str)> {
    let rest = text.trim_start().strip_prefix("*(u")?;
    let (bits, rest) = rest.split_once(" *)(")?;
    let bytes = match bits {
        "8" => 1,
        "16" => 2,
        "32" => 4,
        "64" => 8,
        _ => return None,
    };
    let (inside, rest) = rest.split_once(')')?;
    let (base, off) = match inside.find(['+', '-']) {
        Some(at) => (inside[..at].trim(), inside[at..].replace(' ', "").parse().ok()?),
        None => (inside.trim(), 0),
    };
    Some((bytes, register(base)?.0, off, rest))
}

const MEMORY: &str = "memory is written as *(u64 *)(r0 +0), with u8, u16, u32 or u64";

fn load(dst: &str, line: &str) -> Result<Form, String> {
    let (dst, _) = register_or_say(dst)?;
    let right = line.split_once('=').map_or("", |(_, r)| r);
    match memory(right) {
        Some((bytes, base, off, rest)) if rest.trim().is_empty() => {
            Ok(Form::Load { bytes, sext: false, dst, base, off })
        }
        _ => Err(MEMORY.into()),
    }
}

fn store(line: &str) -> Result<Form, String> {
    let (bytes, base, off, rest) = memory(line).ok_or(MEMORY)?;
    let value = rest.trim().strip_prefix('=').ok_or(MEMORY)?;
    Ok(Form::Store { bytes, base, off, src: source(value.trim())? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::insn::Jump;

    #[test]
    fn what_is_printed_can_be_read() {
        let mut forms = vec![Form::Exit, Form::Goto { off: -3 }, Form::Call { src: 0, imm: 1 }];
        for src in [Src::Reg(4), Src::Imm(-5)] {
            for wide in [true, false] {
                forms.extend(JUMPS.iter().map(|r| Form::If { op: r.0, wide, a: 1, b: src, off: 12 }));
                forms.extend(ALU.iter().map(|r| Form::Alu { op: r.0, wide, dst: 1, src }));
            }
        }
        for bytes in [1, 2, 4, 8] {
            forms.push(Form::Load { bytes, sext: false, dst: 1, base: 2, off: -8 });
            forms.extend([Src::Reg(4), Src::Imm(-5)].map(|src| Form::Store { bytes, base: 10, off: 8, src }));
        }
        for f in forms {
            assert_eq!(parse(&f.print(0)), Ok(f), "{}", f.print(0));
        }
    }

    #[test]
    fn as_people_write_it() {
        let jump = Form::If { op: Jump::Eq, wide: true, a: 0, b: Src::Imm(0), off: 1 };
        assert_eq!(parse("  if r0 == 0   goto +1 "), Ok(jump));
        assert_eq!(parse("call map_lookup_elem"), Ok(Form::Call { src: 0, imm: 1 }));
        assert_eq!(
            parse("r1 = *(u64 *)(r0)"),
            Ok(Form::Load { bytes: 8, sext: false, dst: 1, base: 0, off: 0 })
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (line, want) in [
            ("", "an instruction is wanted"),
            ("r11 = 1", "r11 is no register"),
            ("r1 ?= 1", "?= is no operator"),
            ("r1 = x", "x is neither"),
            ("if r0 = 0 goto +1", "= compares nothing"),
            ("if r0 == 0 goto end", "goto takes"),
            ("call nosuch", "there is no helper nosuch"),
            ("r1 = *(u7 *)(r0 +0)", "memory is written"),
            ("hello", "hello is no instruction"),
        ] {
            let got = parse(line).unwrap_err();
            assert!(got.starts_with(want), "{line}: {got}");
        }
    }
}
