//! What must hold for any text, asked by the fuzz targets and by `tests/corpus.rs` alike.
//!
//! Always holds: nothing here depends on the machine; types, probes and symbols are those of the fixture.

use awl::base::{Diags, FileId, Source, SourceMap};
use awl::lang::Config;
use awl::syntax::{lexer, parse, print};
use awl::world::fixture::FixtureWorld;

/// The front end on a script, and the whole compiler behind it.
pub fn script(text: &str) {
    tokens_tile(text);
    let mut map = SourceMap::new();
    let file = map.add(Source::new("script", text));
    let (_, diags) = parse::parse(file, text);
    places_are_inside(&map, &diags);
    if !diags.has_errors() {
        formatting_keeps(text);
    }
    compile(text);
}

/// C definitions, then a script that has nothing to do with them; and the same as a header of the system.
pub fn c(text: &str) {
    compile(&format!("{text}\nbegin {{ @ = 1; }}\n"));
    let mut world = FixtureWorld::new();
    world.files.insert("/usr/include/fuzzed.h".to_owned(), text.to_owned());
    let script = "#include <fuzzed.h>\n#include <fuzzed.h>\nbegin { print((A, sizeof(struct a))); }\n";
    compile_on(&world, script);
}

/// Compiles to an image or to errors, never to neither.
fn compile(text: &str) {
    compile_on(&FixtureWorld::new(), text);
}

fn compile_on(world: &FixtureWorld, text: &str) {
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new("script", text));
    let made = awl::compile(sources, &[file], &Config::default(), world);
    places_are_inside(&made.sources, &made.diags);
    assert!(made.image.is_some() != made.diags.has_errors(), "an image and errors, or neither");
}

/// Tokens tile the text, layout included.
fn tokens_tile(text: &str) {
    let mut end = 0u32;
    for token in lexer::lex(text).tokens {
        assert!(token.lo == end && text.is_char_boundary(token.hi as usize), "{token:?} after {end}");
        end = token.hi;
    }
    assert_eq!(end as usize, text.len(), "the last token ends the text");
}

fn places_are_inside(map: &SourceMap, diags: &Diags) {
    for diag in &diags.list {
        assert!(!diag.message.is_empty(), "a diagnostic without a message");
        let text = &map.files[diag.span.file].text;
        assert!(text.get(diag.span.range()).is_some(), "{:?} stands outside of the text", diag.span);
        map.place(diag.span);
    }
}

/// What is formatted parses as before and is left as it is when it is formatted again.
fn formatting_keeps(text: &str) {
    let once = print::format(text);
    let (_, diags) = parse::parse(FileId(0), &once);
    assert!(!diags.has_errors(), "formatting breaks it:\n{once}");
    assert_eq!(print::format(&once), once, "formatting twice changes it");
}
