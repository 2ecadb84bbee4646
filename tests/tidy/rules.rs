//! The rules that need no table: sizes, `unsafe`, panics, headers, lints, determinism.
//!
//! Each takes one file and returns its breaches as (line, message).

use crate::text::SourceText;

/// The longest file and function, in lines.
const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// A file or function that is a pure table says so in a comment and may be longer.
const TABLE_MARK: &str = "tidy: table";
/// The modules whose results must not depend on clock or environment.
const DETERMINISTIC: &[&str] = &[
    "base", "ty", "isa", "value", "btf", "ir", "image", "lang", "syntax", "expand", "sema", "lower", "opt",
    "codegen", "output",
];

/// Files stay readable.
pub fn file_size(file: &SourceText) -> Vec<(usize, String)> {
    let is_table = file.lines.iter().take(10).any(|line| line.contains(TABLE_MARK));
    if file.lines.len() <= FILE_LINES_MAX || is_table {
        return Vec::new();
    }
    vec![(file.lines.len(), format!("{} lines, {FILE_LINES_MAX} at most", file.lines.len()))]
}

/// Functions stay readable. Rustfmt ends a function by a brace at the indentation of its first line.
pub fn function_size(file: &SourceText) -> Vec<(usize, String)> {
    let mut breaches = Vec::new();
    for (line, code) in file.product_code() {
        let indent = code.len() - code.trim_start().len();
        let is_function = code.split_whitespace().take(4).any(|word| word == "fn");
        let above = &file.lines[line.saturating_sub(6)..line - 1];
        if !is_function || above.iter().any(|l| l.contains(TABLE_MARK)) {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let rest = &file.code[line - 1..];
        let is_end = |l: &String| {
            l.starts_with(&close) || (l.ends_with(';') && l.trim_start().len() + indent == l.len())
        };
        let n_lines = rest.iter().skip(1).position(is_end).map_or(rest.len(), |n| n + 2);
        if !code.trim_end().ends_with([';', '}']) && n_lines > FUNCTION_LINES_MAX {
            breaches.push((line, format!("a function of {n_lines} lines, {FUNCTION_LINES_MAX} at most")));
        }
    }
    breaches
}

/// `unsafe` stands in `src/sys` alone, and each says why it is sound.
pub fn unsafe_code(file: &SourceText) -> Vec<(usize, String)> {
    let mut breaches = Vec::new();
    for (line, code) in file.product_code() {
        if !words(code).any(|word| word == "unsafe") {
            continue;
        }
        if file.module() != Some("sys") {
            breaches.push((line, "unsafe stands outside src/sys".to_owned()));
        } else if !is_explained(file, line) {
            breaches.push((line, "unsafe without a SAFETY line above it".to_owned()));
        }
    }
    breaches
}

/// Whether a SAFETY note stands on line `line`, or in the comment above the statement that it is in,
/// which may have begun up to three lines before.
fn is_explained(file: &SourceText, line: usize) -> bool {
    let says = |text: &String| text.contains("SAFETY:") || text.contains("# Safety");
    let is_comment =
        |text: &&String| text.trim_start().starts_with("//") || text.trim_start().starts_with("#[");
    let above = || file.lines[..line - 1].iter().rev();
    let n_before = above().take(4).position(|text| is_comment(&text));
    let is_noted = n_before.is_some_and(|n| above().skip(n).take_while(is_comment).any(says));
    is_noted || says(&file.lines[line - 1])
}

/// A bug of ours goes through `bug!`, everything else is an error with a place.
pub fn panics(file: &SourceText) -> Vec<(usize, String)> {
    const BANNED: &[&str] = &[".unwrap()", "todo!(", "unimplemented!(", "dbg!(", "unreachable!(", " panic!("];
    let mut breaches = Vec::new();
    for (line, code) in file.product_code() {
        let is_bug_macro = code.contains("bug in awl") || file.lines[line - 1].contains("bug in awl");
        for banned in BANNED {
            if code.contains(banned) && !is_bug_macro {
                breaches.push((line, format!("{} outside tests", banned.trim())));
            }
        }
    }
    breaches
}

/// Each file opens by saying what comes in, what goes out, what always holds.
pub fn header(file: &SourceText) -> Vec<(usize, String)> {
    let opens = file.lines.iter().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    let is_unit_tests = file.tests_from == 0 && file.path.starts_with("src/");
    if is_unit_tests || opens.is_some_and(|line| line.starts_with("//! ") && line.len() > 12) {
        return Vec::new();
    }
    vec![(1, "no header: open with a line of //! docs".to_owned())]
}

/// Code that nothing uses yet goes, instead of a lint that keeps quiet about it.
pub fn silenced_lints(file: &SourceText) -> Vec<(usize, String)> {
    let is_silenced = |code: &str| {
        code.contains("allow(")
            && ["dead_code", "unused", "warnings", "clippy::all"].iter().any(|l| code.contains(l))
    };
    // What a generator wrote is not ours to tidy.
    let is_generated = |line: usize| file.lines.iter().skip(line).take(3).any(|l| l.contains("OUT_DIR"));
    let breaches = file.product_code().filter(|(line, code)| is_silenced(code) && !is_generated(*line));
    breaches.map(|(line, code)| (line, format!("{} silences a lint", code.trim()))).collect()
}

/// The same script and world give the same bytes.
pub fn determinism(file: &SourceText) -> Vec<(usize, String)> {
    if !file.module().is_some_and(|module| DETERMINISTIC.contains(&module)) {
        return Vec::new();
    }
    const BANNED: &[&str] = &["std::env", "env::var", "SystemTime::now", "Instant::now"];
    let mut breaches = Vec::new();
    for (line, code) in file.product_code() {
        if let Some(banned) = BANNED.iter().find(|banned| code.contains(**banned)) {
            breaches.push((line, format!("{banned} outside sys and cli")));
        }
    }
    breaches
}

/// The identifiers and keywords of a line of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
