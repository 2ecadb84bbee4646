//! awl: from the tracing language that bpftrace's users write to eBPF, without LLVM.

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

/// Compiles the script in file `main` of `sources`.
pub fn compile(
    sources: SourceMap,
    main: FileId,
    config: &lang::Config,
    world: &dyn world::World,
) -> Compiled {
    compile_watched(sources, main, config, world, &mut |_| {})
}

/// As [`compile`], and shows what each stage made.
pub fn compile_watched(
    mut sources: SourceMap,
    main: FileId,
    config: &lang::Config,
    world: &dyn world::World,
    see: &mut dyn FnMut(Stage<'_>),
) -> Compiled {
    let (script, mut diags) = syntax::parse::parse(main, &sources.files[main].text);
    let (script, found) = expand::expand(script, &mut sources, &config.params);
    diags.append(found);
    see(Stage::Ast(&script));
    if diags.has_errors() {
        return Compiled { image: None, diags, sources };
    }
    let (program, found) =
        sema::check(&script, &sources, world, config.clone(), &[], &expand::Definitions::default());
    diags.append(found);
    see(Stage::Hir(&program));
    if diags.has_errors() {
        return Compiled { image: None, diags, sources };
    }
    let mut module = lower::lower(&program, &sources, world);
    see(Stage::Ir(&module));
    opt::run(&mut module);
    see(Stage::OptIr(&module));
    let (image, found) = codegen::generate(module, world.features());
    diags.append(found);
    let image = if diags.has_errors() { None } else { Some(image) };
    Compiled { image, diags, sources }
}
