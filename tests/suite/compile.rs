//! The compiler as the cases see it: from a script to marks and to the texts of its stages.
//!
//! Comes in: a script, and the blocks of its case. Goes out: its diagnostics as marks, and a text for each block.
//! Always holds: what a case says is the same on every machine, for the compiler sees the small one of the fixture.
//! A first line `// case: …` says how it is called: `unsafe`, `child`, `session`, `params=A,B`, `lacks=FEATURE` (or
//! a helper).

use std::collections::BTreeMap;

use awl::base::{Diag, Diags, FileId, Source, SourceMap, render};
use awl::isa::helpers;
use awl::lang::Config;
use awl::syntax::parse;
use awl::world::Feature;
use awl::world::fixture::FixtureWorld;
use awl::world::snapshot::{Snapshot, SnapshotWorld};
use awl::{Stage, expand};

use crate::golden::Mark;

/// The name of the file that a script is.
const NAME: &str = "case";

/// What came of a script.
struct Outcome {
    sources: SourceMap,
    diags: Diags,
    /// What each stage showed, by its name.
    stages: BTreeMap<&'static str, String>,
}

/// Compiles a script as far as its area goes. Returns the marks, and a text for each block.
pub fn compile(
    area: &str,
    script: &str,
    blocks: &[(String, String)],
) -> Result<(Vec<Mark>, Vec<String>), String> {
    let outcome = match area {
        "syntax" => parsed(script),
        "expand" => expanded(script)?,
        _ => whole(script, blocks)?,
    };
    let texts = blocks.iter().map(|(name, text)| shown(name, text, &outcome)).collect::<Result<_, _>>()?;
    let mut marks: Vec<Mark> = outcome.diags.list.iter().map(|diag| mark(&outcome.sources, diag)).collect();
    marks.sort();
    Ok((marks, texts))
}

fn parsed(script: &str) -> Outcome {
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new(NAME, script));
    Outcome { diags: parse::parse(file, script).1, sources, stages: BTreeMap::new() }
}

/// A machine of which nothing is known.
fn expanded(script: &str) -> Result<Outcome, String> {
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new(NAME, script));
    let (script, mut diags) = parse::parse(file, script);
    let arch = awl::isa::arch::native().name.to_owned();
    let world = SnapshotWorld::from_snapshot(Snapshot { arch, ..Snapshot::default() })?;
    diags.append(expand::expand(script, &mut sources, &world, &[]).1);
    Ok(Outcome { sources, diags, stages: BTreeMap::new() })
}

/// The whole compiler, on the machine of the fixture.
fn whole(script: &str, blocks: &[(String, String)]) -> Result<Outcome, String> {
    let mut world = FixtureWorld::new();
    for (name, text) in blocks {
        if let Some(path) = name.strip_prefix("file ") {
            world.files.insert(path.to_owned(), text.clone());
        }
    }
    let config = called(script, &mut world)?;
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new(NAME, script));
    let mut stages = BTreeMap::new();
    let compiled = awl::compile_watched(sources, &[file], &config, &world, &mut |stage| {
        match stage {
            Stage::Ir(module) => stages.insert("ir", awl::ir::print::module(module)),
            Stage::OptIr(module) => stages.insert("opt-ir", awl::ir::print::module(module)),
            Stage::Ast(_) | Stage::Hir(_) => None,
        };
    });
    if compiled.image.is_none() && !compiled.diags.has_errors() {
        return Err("there is neither an image nor an error".to_owned());
    }
    Ok(Outcome { sources: compiled.sources, diags: compiled.diags, stages })
}

/// What the first line says of the command line and of the machine.
fn called(script: &str, world: &mut FixtureWorld) -> Result<Config, String> {
    let mut config = Config::default();
    let first = script.lines().next().and_then(|line| line.strip_prefix("// case: "));
    for word in first.unwrap_or_default().split_whitespace() {
        match word.split_once('=') {
            None if word == "unsafe" => config.unsafe_ = true,
            None if word == "child" => config.has_child = true,
            None if word == "session" => config.session = true,
            Some(("params", list)) => config.params = list.split(',').map(str::to_owned).collect(),
            Some(("lacks", name)) => {
                if let Some(row) = helpers::ALL.iter().find(|row| row.name == name) {
                    world.without_helpers.push(row.helper);
                    continue;
                }
                let found = Feature::ALL.iter().find(|(_, n)| *n == name);
                world.without.push(found.ok_or_else(|| format!("no feature or helper is called {name}"))?.0);
            }
            _ => return Err(format!("`{word}` says nothing: tests/suite/compile.rs")),
        }
    }
    Ok(config)
}

/// The text of a block; one that is a file stays as it is.
fn shown(name: &str, text: &str, outcome: &Outcome) -> Result<String, String> {
    if name.starts_with("file ") {
        return Ok(text.to_owned());
    }
    if name == "diagnostics" {
        return Ok(render::render(&outcome.sources, &outcome.diags, render::Color::Never));
    }
    let stage = outcome.stages.get(name).cloned();
    stage.ok_or_else(|| format!("no stage is called {name}, or the script has errors before it"))
}

/// Where a diagnostic stands: the part of its span on the line where it starts. One in another file stands where
/// that file was brought in.
fn mark(map: &SourceMap, diag: &Diag) -> Mark {
    let mut span = diag.span;
    while span.file != FileId(0) && span.origin.0 != 0 {
        span = map.origins[span.origin].used_at;
    }
    let source = &map.files[span.file];
    let (line, column) = source.line_col(span.lo);
    let text = source.line(line);
    let covered = map.text(span).lines().next().map_or(0, |part| part.chars().count());
    let left = text.chars().count().saturating_sub(column as usize - 1);
    Mark {
        line: line as usize,
        column: column as usize - 1,
        width: covered.min(left).max(1),
        code: diag.code.id.to_owned(),
    }
}
