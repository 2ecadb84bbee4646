//! awl: from the tracing language that bpftrace's users write to eBPF, without LLVM.
//!
//! # The pipeline
//!
//! A script becomes a running program in these steps, one type at each boundary:
//!
//! | step | from → to | promise |
//! |---|---|---|
//! | [`syntax::parse`] | text → [`syntax::ast::Script`] | never fails: `Error` nodes, every error reported |
//! | [`expand`] | ast → ast | positional parameters, `#define`, macros and imports are gone; spans keep the chain of origins |
//! | [`sema`] | ast, [`world::World`] → [`sema::hir::Program`] | typed, resolved; without errors, lowering cannot fail |
//! | [`lower`] | hir → [`ir::Module`] | SSA; [`ir::verify`] holds; field accesses stay symbolic |
//! | [`opt`] | ir → ir | same result; verified after every pass in debug builds and tests |
//! | [`codegen`] | ir → [`image::Image`] | registers allocated, stack ≤ 512 bytes over each call chain, jumps in range |
//! | `runtime::Session::add` | Image → attached clause | accesses resolved to this kernel; every descriptor owned and undone |
//! | `image::elf` | Image → bytes | a libbpf ELF object with `.maps`, `.BTF`, `.BTF.ext` and CO-RE relocations |
//! | `runtime::Session::poll` | bytes → [`value::Value`] → `output` | decoding is total; printers see only values |
//!
//! [`compile`] is the pipeline up to the image, on one screen. All that it learns of the machine comes through
//! [`world::World`], so that compiling needs no privilege beyond reading, and tests hand in fixtures.
//!
//! # Layers
//!
//! A module uses only what stands to its left or above; `tests/tidy.rs` holds this against the `use` lines.
//!
//! - shared: [`base`] | [`ty`], [`isa`] | [`value`], [`btf`], [`ir`], [`image`] | [`world`] | [`lang`]
//! - compile bank: [`syntax`] (base only) | [`expand`] | [`sema`] | [`lower`] | [`opt`], [`codegen`]
//! - run bank: [`sys`] | [`attach`] | [`runtime`], [`output`] | [`cli`], [`repl`]
//!
//! The banks never import each other; they meet in `image`, `value` and `lang`. `cli` and `repl` alone call [`compile`].
//! Only `sys` has `unsafe` code. What belongs to a processor is a row in [`isa::arch`].
//!
//! # Facts are rows
//!
//! Builtins ([`lang::builtins`]), probe types ([`lang::probes`]), aggregations ([`lang::aggs`]), printf
//! conversions ([`lang::formats`]), settings ([`lang::config`]), flags (`cli::flags`), diagnostics
//! ([`base::codes`]), kernel helpers ([`isa::helpers`]) and IR operations ([`ir::ops`]) are tables; help texts
//! are made from them. What the language can say itself is no row, but a macro of `stdlib/` ([`lang::library`]), parsed
//! where a script uses it; a place in its text counts as the user's that uses it. After `sema` a call holds its row and a map its id: nothing below compares names.
//!
//! # Invariants that the kernel imposes
//!
//! - Scratch: a value too big for the stack lives in a claimed slot of a per-CPU pool, freed on every exit; a
//!   failed claim is a counted loss (`codegen::frame`).
//! - Bounds: a bound is an operation that yields a new value (`ir::Op::Umin`); later uses take only that.
//! - Pointers have kinds (`ir::Kind`): what the verifier trusts is loaded directly, after a null check; the
//!   rest goes through `probe_read`.
//! - Programs wait for nothing: one that lacks an unwind table ([`image::unwind`]) asks for it, once until it is
//!   answered, and its stack is counted as cut short.
//! - Losses are counted where they happen (`image::LossSite`) and said by the runtime.
//! - Order: output and control records have a ring each; a control record carries the output ring's position at
//!   its emission, so that a flood of output can neither lose nor overtake an `exit()` ([`image::wire`]).
//! - `print(@m); clear(@m)` of an aggregation swaps the map for an empty one (`image::maps::Storage::Swapped`):
//!   the kernel waits for running programs before it returns, so no update is lost or seen twice.
//!
//! # Words
//!
//! A *probe* is a clause of a script, an *attach point* its target, a *program* loaded code, a *link* an
//! attachment, an *aggregation* a map value that only grows by observations, a *helper* a kernel function that
//! programs call.

pub mod attach;
pub mod base;
pub mod btf;
pub mod cli;
pub mod codegen;
pub mod expand;
pub mod image;
pub mod ir;
pub mod isa;
pub mod lang;
pub mod lower;
pub mod opt;
pub mod output;
pub mod repl;
pub mod runtime;
pub mod sema;
pub mod syntax;
pub mod sys;
pub mod ty;
pub mod value;
pub mod world;

use base::{Diags, FileId, SourceMap};
use image::Image;

/// What comes of a script.
#[derive(Debug)]
pub struct Compiled {
    /// `None` if there were errors.
    pub image: Option<Image>,
    pub diags: Diags,
    /// Named parameters that the script takes; not known where it could not be checked.
    pub options: Vec<lang::traits::ScriptOption>,
    /// The files that the diagnostics speak of.
    pub sources: SourceMap,
}

/// What a stage made, for those who want to look.
#[derive(Clone, Copy, Debug)]
pub enum Stage<'a> {
    Ast(&'a syntax::ast::Script),
    Hir(&'a sema::hir::Program),
    Ir(&'a ir::Module),
    OptIr(&'a ir::Module),
}

/// Compiles the script that these files of `sources` make up, one after the other.
pub fn compile(
    sources: SourceMap,
    files: &[FileId],
    config: &lang::Config,
    world: &dyn world::World,
) -> Compiled {
    compile_watched(sources, files, config, world, &mut |_| {})
}

/// As [`compile`], and shows what each stage made.
pub fn compile_watched(
    sources: SourceMap,
    files: &[FileId],
    config: &lang::Config,
    world: &dyn world::World,
    see: &mut dyn FnMut(Stage<'_>),
) -> Compiled {
    let (script, diags) = parse(&sources, files);
    let text = Text { script, sources, diags };
    compile_text(text, config, &Base::default(), world, see)
}

/// A parsed script, and what was wrong with it.
#[derive(Clone, Debug)]
pub struct Text {
    pub script: syntax::ast::Script,
    pub sources: SourceMap,
    pub diags: Diags,
}

/// What a script finds when it joins a running session.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// Maps that live there.
    pub maps: Vec<sema::hir::Map>,
    /// The types that they speak of; those of the script come after them.
    pub types: ty::TypeTable,
}

/// Compiles a parsed script on top of what is there, and shows what each stage made.
pub fn compile_text(
    text: Text,
    config: &lang::Config,
    base: &Base,
    world: &dyn world::World,
    see: &mut dyn FnMut(Stage<'_>),
) -> Compiled {
    let mut compiled = by_stages(text, config, base, world, see);
    compiled.diags.say_of_user(&compiled.sources);
    compiled
}

fn by_stages(
    text: Text,
    config: &lang::Config,
    base: &Base,
    world: &dyn world::World,
    see: &mut dyn FnMut(Stage<'_>),
) -> Compiled {
    let Text { script, mut sources, mut diags } = text;
    let types = base.types.clone();
    let (expanded, found) = expand::expand_onto(types, script, &mut sources, world, &config.params);
    diags.append(found);
    let script = expanded.script;
    see(Stage::Ast(&script));
    if diags.has_errors() {
        return Compiled { image: None, diags, options: Vec::new(), sources };
    }
    let (mut program, found) =
        sema::check(&script, &sources, world, config.clone(), &base.maps, &expanded.defs);
    diags.append(found);
    see(Stage::Hir(&program));
    let options = std::mem::take(&mut program.options);
    if !diags.has_errors() {
        diags.append(lower::check(&program, world));
    }
    if diags.has_errors() {
        return Compiled { image: None, diags, options, sources };
    }
    let mut module = lower::lower(&program, &sources, world);
    see(Stage::Ir(&module));
    opt::run(&mut module);
    see(Stage::OptIr(&module));
    let (image, found) = codegen::generate(module, world.features());
    diags.append(found);
    let image = if diags.has_errors() { None } else { Some(image) };
    Compiled { image, diags, options, sources }
}

/// The trees of the files as one.
pub fn parse(sources: &SourceMap, files: &[FileId]) -> (syntax::ast::Script, Diags) {
    let mut diags = Diags::default();
    let mut whole = syntax::ast::Script { shebang: None, items: Vec::new(), comments: Vec::new() };
    for &file in files {
        let (script, found) = syntax::parse::parse(file, &sources.files[file].text);
        diags.append(found);
        whole.shebang = whole.shebang.or(script.shebang);
        whole.items.extend(script.items);
        whole.comments.extend(script.comments);
    }
    (whole, diags)
}
