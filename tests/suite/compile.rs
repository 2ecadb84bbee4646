//! The compiler as the cases see it: from a script to marks and to the texts of its stages.

use awl::base::{Diag, Diags, Source, SourceMap, render};
use awl::expand;
use awl::syntax::parse;
use awl::world::snapshot::{Snapshot, SnapshotWorld};

use crate::golden::Mark;

/// Compiles a script as far as its area goes. Returns the marks, and a text for each block that is asked for.
pub fn compile(area: &str, script: &str, blocks: &[&str]) -> Result<(Vec<Mark>, Vec<String>), String> {
    let mut map = SourceMap::new();
    let file = map.add(Source::new("case", script));
    let diags = match area {
        "syntax" => parse::parse(file, script).1,
        "expand" => {
            let (script, mut diags) = parse::parse(file, script);
            // A machine of which nothing is known: what a case says is the same everywhere.
            let arch = awl::isa::arch::native().name.to_owned();
            let world = SnapshotWorld::from_snapshot(Snapshot { arch, ..Snapshot::default() })?;
            diags.append(expand::expand(script, &mut map, &world, &[]).1);
            diags
        }
        "probes" => {
            let arch = awl::isa::arch::native().name.to_owned();
            let world = SnapshotWorld::from_snapshot(Snapshot { arch, ..Snapshot::default() })?;
            let config = awl::lang::Config::default();
            awl::compile(map.clone(), &[file], &config, &world).diags
        }
        _ => return Err(format!("no area is called {area}: tests/suite/compile.rs")),
    };
    let texts = blocks.iter().map(|block| text(block, &map, &diags)).collect::<Result<_, _>>()?;
    let mut marks: Vec<Mark> = diags.list.iter().map(|diag| mark(&map, diag)).collect();
    marks.sort();
    Ok((marks, texts))
}

/// What one stage shows.
fn text(block: &str, map: &SourceMap, diags: &Diags) -> Result<String, String> {
    match block {
        "diagnostics" => Ok(render::render(map, diags, render::Color::Never)),
        _ => Err(format!("no stage is called {block}")),
    }
}

/// Where a diagnostic stands: the part of its span on the line where it starts.
fn mark(map: &SourceMap, diag: &Diag) -> Mark {
    let source = &map.files[diag.span.file];
    let (line, column) = source.line_col(diag.span.lo);
    let text = source.line(line);
    let covered = map.text(diag.span).lines().next().map_or(0, |part| part.chars().count());
    let left = text.chars().count().saturating_sub(column as usize - 1);
    Mark {
        line: line as usize,
        column: column as usize - 1,
        width: covered.min(left).max(1),
        code: diag.code.id.to_owned(),
    }
}
