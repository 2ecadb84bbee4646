//! What became of a clause: `:ir`, `:asm`, `:verifier`.
//!
//! Comes in: a clause with its image. Goes out: text with the script's lines between what was made of them. Always
//! holds: what is shown is of the clause that is attached, not of a similar one.

use super::super::Repl;
use super::super::build::Entry;
use crate::Stage;
use crate::base::FileId;
use crate::base::render::Color;
use crate::codegen;
use crate::image::{Image, ProgramId};
use crate::ir;
use crate::runtime::{Explained, Translation};
use crate::syntax::parse::parse;
use std::rc::Rc;

/// Lines of a verifier's log that are shown unless all are asked for.
const LOG_LINES_MAX: usize = 300;

/// `:ir N [raw]`
pub fn ir(repl: &mut Repl, arg: &str) {
    let (arg, stage) = match arg.strip_suffix("raw") {
        Some(arg) => (arg, Wanted::Raw),
        None => (arg, Wanted::Optimised),
    };
    for n in repl.numbers(arg).unwrap_or_default() {
        let text = ir_text(repl, n, stage);
        repl.screen.say(&text);
    }
}

/// Which of the two is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Raw,
    Optimised,
}

/// The text of a clause, lowered again with what holds now.
fn ir_text(repl: &Repl, number: u32, wanted: Wanted) -> String {
    let Some(clause) = repl.clauses.get(&number) else { return String::new() };
    let (script, _) = parse(FileId(0), &clause.text);
    let entry = Entry { name: &clause.name, text: &clause.text, items: &script.items };
    let mut text = String::new();
    repl.build(&entry, &repl.base, &repl.settings(), &mut |stage| match (stage, wanted) {
        (Stage::Ir(module), Wanted::Raw) | (Stage::OptIr(module), Wanted::Optimised) => {
            text = ir::print::module(module);
        }
        (Stage::Ast(_) | Stage::Hir(_) | Stage::Ir(_) | Stage::OptIr(_), _) => {}
    });
    text
}

/// `:asm N`
pub fn asm(repl: &mut Repl, arg: &str) {
    for n in repl.numbers(arg).unwrap_or_default() {
        let Some(clause) = repl.clauses.get(&n) else { continue };
        let image = clause.image.clone();
        let live = clause.live.zip(repl.session.as_ref());
        // Without them, the code itself is shown all the same.
        let made = live.and_then(|(id, session)| session.translations(id).ok()).unwrap_or_default();
        let text = asm_text(&image, &made, repl.color);
        repl.screen.say(&text);
    }
}

/// The instructions of all programs of an image, and what the kernel made of them.
pub fn asm_text(image: &Image, made: &[(ProgramId, Translation)], color: Color) -> String {
    let mut out = String::new();
    for (id, program) in image.programs.iter_enumerated() {
        out.push_str(&format!("{}: {} instructions", program.title, program.insns.len()));
        if let Some((_, t)) = made.iter().find(|(p, _)| *p == id) {
            out.push_str(&translation_text(t));
        }
        out.push('\n');
        out.push_str(&with_script_lines(&codegen::disassemble(image, id), color));
    }
    out
}

fn translation_text(t: &Translation) -> String {
    let mut out = format!(", {} in the kernel", t.insns);
    if t.machine_bytes > 0 {
        out.push_str(&format!(", {} bytes of machine code", t.machine_bytes));
    }
    if t.verified_insns > 0 {
        out.push_str(&format!("; the verifier went through {}", t.verified_insns));
    }
    out
}

/// `:verifier N [all]`
pub fn verifier(repl: &mut Repl, arg: &str) {
    let (arg, lines_max) = match arg.strip_suffix("all") {
        Some(arg) => (arg, usize::MAX),
        None => (arg, LOG_LINES_MAX),
    };
    for n in repl.numbers(arg).unwrap_or_default() {
        let Some(clause) = repl.clauses.get(&n) else { continue };
        let image = clause.image.clone();
        let Some((id, session)) = clause.live.zip(repl.session.as_ref()) else {
            let why = format!("clause {n} is not attached, so the kernel has not seen it");
            repl.complain(why, Some(format!(":on {n} attaches it, :asm {n} shows its code")));
            continue;
        };
        match session.verifier_logs(id, repl.world.as_ref()) {
            Ok(logs) => {
                let text: String = logs.iter().map(|l| log_text(&image, l, lines_max, repl.color)).collect();
                repl.screen.say(&text);
            }
            Err(e) => repl.show_failure(&e, Some(&Rc::clone(&image))),
        }
    }
}

/// A log with the script's lines, cut to so many lines.
pub fn log_text(image: &Image, explained: &Explained, lines_max: usize, color: Color) -> String {
    let title = image.programs.get(explained.program).map_or("", |p| p.title.as_str());
    let lines: Vec<&str> = readable(&explained.log);
    let (shown, rest) = lines.split_at(lines.len().min(lines_max));
    let mut text =
        format!("{title}: what the verifier says\n{}", with_script_lines(&shown.join("\n"), color));
    if let [.., last] = rest {
        text.push_str(&format!("… and {} more lines (:verifier N all), at the end:\n{last}\n", rest.len()));
    }
    text
}

/// The lines of a log without what says nothing of the program: lists of functions and of what is alive.
pub fn readable(log: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut in_registers = false;
    for line in log.lines() {
        if line.starts_with("Live regs before insn:") {
            in_registers = true;
            continue;
        }
        // `  0: .1........ (b7) r0 = 0`
        in_registers = in_registers && line.starts_with(' ') && line.contains(": ");
        let is_noise = line.starts_with("func#") || line.starts_with("(0) ") || line.trim().is_empty();
        if !in_registers && !is_noise {
            out.push(line);
        }
    }
    out
}

/// Text in which lines of the script, which start with `;`, stand out.
fn with_script_lines(text: &str, color: Color) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match (line.strip_prefix("; "), color) {
            (Some(script), Color::Always) => out.push_str(&format!("\x1b[1;36m; {script}\x1b[0m\n")),
            (Some(_) | None, Color::Never) | (None, Color::Always) => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "func#0 @0\nLive regs before insn:\n      0: .1........ (bf) r6 = r1\n      1: .......... (95) exit\n\
                       0: R1=ctx() R10=fp0\n; @x = 1; @ prompt:1\n0: (bf) r6 = r1   ; R1=ctx() R6_w=ctx()\n1: (95) exit\n\
                       processed 2 insns (limit 1000000)\n";

    #[test]
    fn logs_are_made_readable() {
        let lines = readable(LOG);
        assert_eq!(lines[0], "0: R1=ctx() R10=fp0");
        assert_eq!(lines.len(), 5, "{lines:?}");
        let explained = Explained { program: ProgramId(0), log: LOG.into() };
        let all = log_text(&Image::default(), &explained, 99, Color::Always);
        assert!(all.contains("\x1b[1;36m; @x = 1; @ prompt:1\x1b[0m\n"), "{all}");
        let cut = log_text(&Image::default(), &explained, 2, Color::Never);
        assert!(cut.contains("… and 3 more lines (:verifier N all), at the end:\nprocessed 2"), "{cut}");
    }

    #[test]
    fn what_the_kernel_made_is_said() {
        let t = Translation { insns: 30, machine_bytes: 200, verified_insns: 25 };
        let text = translation_text(&t);
        assert_eq!(text, ", 30 in the kernel, 200 bytes of machine code; the verifier went through 25");
        let none = Translation { insns: 30, machine_bytes: 0, verified_insns: 0 };
        assert_eq!(translation_text(&none), ", 30 in the kernel");
    }
}
