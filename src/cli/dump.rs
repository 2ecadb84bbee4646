//! Compilation without a run: `--check`, `-d STAGE`, `--emit-elf`, and `-l` of a script.

use super::list::{self, Detail};
use super::options::Options;
use super::say::Say;
use super::source;
use super::{print, run, system_text};
use crate::base::codes;
use crate::codegen;
use crate::image::{Attach, Image, elf};
use crate::ir;
use crate::{Compiled, Stage};
use std::io::Write;

/// Compiles and shows what was asked for.
pub fn dump(options: &Options, say: Say) -> u8 {
    let asked = |stage: &str| options.debug.iter().any(|s| s == stage || s == "all");
    let mut shown = String::new();
    let mut section = |name: &str, text: String| {
        if options.debug.len() > 1 || asked("all") {
            shown.push_str(&format!("; {name}\n"));
        }
        shown.push_str(text.trim_end());
        shown.push('\n');
    };
    let image = compiled(options, &say, &mut |stage| match stage {
        Stage::Ast(script) if asked("ast") => section("ast", format!("{script:#?}")),
        Stage::Hir(program) if asked("hir") => section("hir", format!("{program:#?}")),
        Stage::Ir(module) if asked("ir") => section("ir", ir::print::module(module)),
        Stage::OptIr(module) if asked("ir") => section("ir, optimised", ir::print::module(module)),
        Stage::Ast(_) | Stage::Hir(_) | Stage::Ir(_) | Stage::OptIr(_) => {}
    });
    let image = match image {
        Ok(image) => image,
        Err(status) => {
            // What the stages before the error made may explain it.
            print(&shown, say);
            return status;
        }
    };
    if asked("asm") {
        let all: Vec<String> = image.programs.indices().map(|id| codegen::disassemble(&image, id)).collect();
        section("asm", all.join("\n"));
    }
    if asked("libbpf") {
        section("libbpf", programs(&image));
    }
    let status = print(&shown, say);
    let verifier = if options.debug.iter().any(|s| s == source::VERIFIER) {
        run::run(&Options { dry_run: true, quiet: true, ..options.clone() }, say)
    } else {
        0
    };
    let status = status.max(verifier);
    let elf = if asked("elf") { write_elf(&image, options.output.as_deref(), say) } else { 0 };
    let emitted =
        if options.emit_elf.is_some() { write_elf(&image, options.emit_elf.as_deref(), say) } else { 0 };
    status.max(elf).max(emitted)
}

/// What there is to load: a line a program.
fn programs(image: &Image) -> String {
    let line = |p: &crate::image::Program| {
        let points: Vec<String> = p.attach.iter().map(Attach::name).collect();
        format!("{} {:?}, {} instructions: {}\n", p.name, p.ty, p.insns.len(), points.join(","))
    };
    image.programs.iter().map(line).collect()
}

/// `--mode compiler-bench`: how long a compilation takes, the median of several.
pub fn time_compiler(options: &Options, say: Say) -> u8 {
    const RUNS: usize = 11;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = std::time::Instant::now();
        if let Err(status) = compiled(options, &say, &mut |_| {}) {
            return status;
        }
        times.push(start.elapsed().as_micros());
    }
    times.sort_unstable();
    let (least, median, most) = (times[0], times[RUNS / 2], times[RUNS - 1]);
    print(&format!("compile: {median} us (median of {RUNS}; {least} to {most})\n"), say)
}

fn compiled(options: &Options, say: &Say, see: &mut dyn FnMut(Stage<'_>)) -> Result<Image, u8> {
    let unit = source::read(options, say)?;
    let world = source::world(options, say)?;
    let Compiled { image, diags, sources, options: _ } =
        crate::compile_watched(unit.sources, &unit.files, &unit.config, world.as_ref(), see);
    say.diags(&sources, diags);
    image.ok_or(1)
}

/// The object, to a file or to stdout.
fn write_elf(image: &Image, path: Option<&str>, say: Say) -> u8 {
    let bytes = match elf::write(image) {
        Ok(bytes) => bytes,
        Err(why) => {
            say.error(&codes::NO_OUTPUT, format!("the script cannot become an ELF object: {why}"), None);
            return 1;
        }
    };
    let written = match path {
        Some(path) => std::fs::write(path, &bytes),
        None => std::io::stdout().write_all(&bytes),
    };
    match written {
        Ok(()) => 0,
        Err(e) => {
            let path = path.unwrap_or("stdout");
            say.error(&codes::NO_OUTPUT, format!("{path} cannot be written: {}", system_text(&e)), None);
            1
        }
    }
}

/// `-l` of a script: the attach points that it resolves to.
pub fn list_probes(options: &Options, say: Say, detail: Detail) -> u8 {
    let image = match compiled(options, &say, &mut |_| {}) {
        Ok(image) => image,
        Err(status) => return status,
    };
    let world = match source::world(options, &say) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let names = image.programs.iter().flat_map(|p| p.attach.iter().map(Attach::name));
    let mut seen = std::collections::BTreeSet::new();
    let mut text = String::new();
    for name in names.filter(|n| seen.insert(n.clone())) {
        text.push_str(&format!("{name}\n"));
        if detail == Detail::Arguments {
            text.extend(list::arguments(world.as_ref(), &name).iter().map(|l| format!("{l}\n")));
        }
    }
    print(&text, say)
}
