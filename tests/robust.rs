//! Whatever text comes in, the compiler answers: no panic, no hang, no place outside of the text.
//!
//! Comes in: the scripts of all cases, of the examples and of the library, mutilated by fixed seeds, and shapes that
//! are large, deep or no text at all. Always holds: the same seeds make the same texts, so that what fails once fails
//! again. Parsing sees all of them; the whole compiler, on the machine of the fixture, sees them too, but fewer.

#[path = "support/xorshift.rs"]
mod xorshift;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use awl::base::{Diags, FileId, Source, SourceMap};
use awl::lang::Config;
use awl::syntax::ast::Script;
use awl::syntax::{parse, print};
use awl::world::fixture::FixtureWorld;

use xorshift::Random;

/// How many mutilated scripts are tried.
const N_MUTANTS: u64 = 3000;
/// How many of them the whole compiler sees; they are cut less, so that more is left to compile.
const N_COMPILED: u64 = 1500;
/// The time that any one text may take, on a busy machine and unoptimised.
const TIME_MAX: Duration = Duration::from_secs(10);

#[test]
fn mutilated_scripts() {
    let scripts = scripts();
    assert!(scripts.len() > 20, "the cases are read");
    for seed in 1..=N_MUTANTS {
        let text = mutant(&scripts, seed, 6);
        let result = std::panic::catch_unwind(|| check(&text));
        assert!(result.is_ok(), "seed {seed} fails on {text:?}");
    }
}

#[test]
fn mutilated_scripts_through_the_whole_compiler() {
    let scripts = scripts();
    let mut n_images = 0;
    for script in &scripts {
        let result = std::panic::catch_unwind(|| compile(script));
        n_images += usize::from(result.unwrap_or_else(|_| panic!("fails on {script}")));
    }
    assert!(n_images > 100, "{n_images} of {} scripts compile as they are", scripts.len());
    let mut n_failed = 0;
    for seed in 1..=N_COMPILED {
        let text = mutant(&scripts, seed, 2);
        if std::panic::catch_unwind(|| compile(&text)).is_err() {
            eprintln!("seed {seed} fails on {text}");
            n_failed += 1;
        }
    }
    assert_eq!(n_failed, 0, "mutilated scripts that the compiler fails on");
}

#[test]
fn formatted_scripts_mean_the_same() {
    let scripts = scripts();
    let mutants = (1..=N_MUTANTS).map(|seed| mutant(&scripts, seed, 2));
    let mut n_checked = 0;
    for text in scripts.iter().cloned().chain(mutants) {
        // Blanks at the ends of C's lines mean nothing and go.
        let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        let (before, diags) = parse::parse(FileId(0), &text);
        let formatted = print::format(&text);
        if diags.has_errors() {
            assert_eq!(formatted, text, "what cannot be read stays as it is");
            continue;
        }
        n_checked += 1;
        let (after, diags) = parse::parse(FileId(0), &formatted);
        assert!(!diags.has_errors(), "no longer parses:\n{text}\n=>\n{formatted}");
        assert_eq!(meaning(&before), meaning(&after), "means something else:\n{text}\n=>\n{formatted}");
        assert_eq!(print::format(&formatted), formatted, "not stable:\n{text}");
    }
    assert!(n_checked > 300, "{n_checked} scripts can be formatted");
}

/// A script's tree and its comments, without their places.
fn meaning(script: &Script) -> String {
    let comments: Vec<&str> = script.comments.iter().map(|comment| comment.text.trim_end()).collect();
    // A definition that nothing closes has all that follows, with the line's end that the formatter puts there.
    let text = format!("{:?} {comments:?}", script.items).replace("\\n\", span", "\", span");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("Span {") {
        out.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn large_and_deep_shapes() {
    let n = 200_000;
    let mut names = String::new();
    for i in 0..20_000 {
        let _ = writeln!(names, "  @m{i}[{i}, \"{i}\"] = count();");
    }
    let shapes: Vec<(&str, String)> = vec![
        ("empty", String::new()),
        ("blanks", " \n\t".repeat(n)),
        ("open parentheses", format!("BEGIN {{ @ = {}", "(".repeat(n))),
        ("pairs of parentheses", format!("BEGIN {{ @ = {}1{}; }}", "(".repeat(n), ")".repeat(n))),
        ("open braces", format!("BEGIN {}", "{".repeat(n))),
        ("nested blocks", format!("BEGIN {}{}", "{ if (1) ".repeat(n / 4), "}".repeat(n / 4))),
        ("else if", format!("BEGIN {{ if (1) {{ }} {} }}", "else if (1) { } ".repeat(n / 4))),
        ("unary operators", format!("BEGIN {{ @ = {}1; }}", "!-~".repeat(n))),
        ("a long sum", format!("BEGIN {{ @ = 1{}; }}", " + 1".repeat(n / 4))),
        ("a long chain", format!("BEGIN {{ @ = curtask{}; }}", ".parent".repeat(n / 8))),
        ("questions", format!("BEGIN {{ @ = {}1; }}", "1 ? 2 : ".repeat(n / 8))),
        ("casts", format!("BEGIN {{ @ = {}1; }}", "(uint8)".repeat(n / 8))),
        ("indices", format!("BEGIN {{ @ = {}1{}; }}", "@[".repeat(n / 8), "]".repeat(n / 8))),
        ("many probes", "BEGIN { @ = 1; }\n".repeat(n / 16)),
        ("many statements", format!("BEGIN {{\n{names}}}")),
        ("many attach points", format!("BEGIN{} {{ }}", ", BEGIN".repeat(n / 8))),
        ("a long string", format!("BEGIN {{ printf(\"{}\"); }}", "x".repeat(n * 5))),
        ("a long name", format!("BEGIN {{ @{} = 1; }}", "x".repeat(n * 5))),
        ("a long number", format!("BEGIN {{ @ = {}; }}", "9".repeat(n))),
        ("a long comment", format!("/* {}", "* /".repeat(n))),
        ("escapes", format!("BEGIN {{ printf(\"{}\"); }}", "\\x41a".repeat(n))),
        ("stars", format!("/* {} */ BEGIN {{ }}", "* x".repeat(n))),
        ("quotes", "\"".repeat(n)),
        ("slashes", format!("BEGIN /{}", "/".repeat(n))),
        ("carets", "^".repeat(n)),
        ("zeros", "\0".repeat(n)),
        ("wide characters", "\u{1f980}é".repeat(n / 4)),
        ("random bytes", random_text(1, n)),
        ("random tokens", random_tokens(2, n / 8)),
    ];
    for (name, text) in shapes {
        println!("{name}");
        let start = Instant::now();
        let result = std::panic::catch_unwind(|| check(&text));
        assert!(result.is_ok(), "{name} fails");
        assert!(start.elapsed() < TIME_MAX, "{name} takes {:?}", start.elapsed());
    }
}

/// Compiles a text and checks that every diagnostic stands in it.
fn check(text: &str) {
    let mut map = SourceMap::new();
    let file = map.add(Source::new("case", text));
    let (_, diags) = parse::parse(file, text);
    assert_places(text, &map, &diags);
}

/// Compiles a text to an image, if it can be one; an image and errors exclude each other.
fn compile(text: &str) -> bool {
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new("case", text));
    let config = Config { unsafe_: true, ..Config::default() };
    let compiled = awl::compile(sources, &[file], &config, &FixtureWorld::new());
    assert_ne!(compiled.image.is_some(), compiled.diags.has_errors(), "an image or an error");
    for diag in &compiled.diags.list {
        let source = &compiled.sources.files[diag.span.file];
        assert!(source.text.get(diag.span.range()).is_some(), "{:?} stands outside of the text", diag.span);
        assert!(!diag.message.is_empty(), "a diagnostic without a message");
    }
    compiled.image.is_some()
}

fn assert_places(text: &str, map: &SourceMap, diags: &Diags) {
    for diag in &diags.list {
        let range = diag.span.range();
        assert!(text.get(range).is_some(), "{:?} stands outside of the text", diag.span);
        assert!(!diag.message.is_empty(), "a diagnostic without a message");
        map.place(diag.span);
    }
}

/// What the cases feed to the compiler: their files, as they are.
fn scripts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/kernel", "tests/cases/syntax", "tests/cases/expand", "tests/cases/sema"];
    let mut scripts = Vec::new();
    for path in folders.iter().flat_map(|folder| files_in(&root.join(folder), "test")) {
        let text = fs::read_to_string(path).unwrap_or_default();
        scripts.extend(text.split("--- name:").skip(1).map(body));
    }
    let whole = ["examples", "stdlib"].iter().flat_map(|folder| files_in(&root.join(folder), "bt"));
    scripts.extend(whole.map(|path| fs::read_to_string(path).unwrap_or_default()));
    scripts.retain(|script| !script.is_empty());
    scripts.iter().map(|script| script.replace("{PID}", "1").replace("{WORK}", "libc")).collect()
}

/// The files of a folder with that ending, in order.
fn files_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| path.extension().is_some_and(|e| e == ending);
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    files.sort();
    files
}

/// The script in a case: what `script:` says in those of the kernel, else all but its carets and blocks. Empty, if it
/// has none.
fn body(case: &str) -> String {
    if case.lines().any(|line| line.starts_with("run:") || line.starts_with("args:")) {
        return String::new();
    }
    let mut lines = case.lines().skip(1).skip_while(|line| !line.starts_with("script:"));
    if let Some(first) = lines.next() {
        let rest = lines.take_while(|line| line.is_empty() || line.starts_with("  "));
        return std::iter::once(first.trim_start_matches("script:"))
            .chain(rest)
            .collect::<Vec<_>>()
            .join("\n");
    }
    let script = case.lines().skip(1).take_while(|line| !line.starts_with(">>> "));
    script.filter(|line| !line.trim_start().starts_with('^')).collect::<Vec<_>>().join("\n")
}

/// A script with one to `n_cuts` pieces cut out, doubled, exchanged or put in.
fn mutant(scripts: &[String], seed: u64, n_cuts: usize) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text: Vec<char> = scripts[random.below(scripts.len())].chars().collect();
    for _ in 0..=random.below(n_cuts) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(12)).min(text.len());
        match random.below(5) {
            0 => drop(text.drain(at..end)),
            1 => {
                let piece = text[at..end].to_vec();
                text.splice(at..at, piece);
            }
            2 => {
                let piece = TOKENS[random.below(TOKENS.len())];
                text.splice(at..at, piece.chars());
            }
            3 => {
                let other: Vec<char> = scripts[random.below(scripts.len())].chars().collect();
                let from = random.below(other.len() + 1);
                let to = (from + random.below(20)).min(other.len());
                text.splice(at..end, other[from..to].iter().copied());
            }
            _ => text.truncate(at.max(1)),
        }
    }
    text.into_iter().collect()
}

/// Words that mean something to the lexer or the parser.
const TOKENS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "/",
    ";",
    ",",
    ":",
    "@",
    "$",
    "\"",
    "\\",
    "/*",
    "*/",
    "//",
    "#",
    "if",
    "else",
    "while",
    "for",
    "let",
    "config",
    "import",
    "macro",
    "fn",
    "struct",
    "sizeof",
    "(uint8)",
    "->",
    ".",
    "..",
    "?",
    "++",
    "=",
    "==",
    "<<",
    "1",
    "0x",
    "9999999999999999999",
    "$1",
    "$#",
    "\n",
    "\0",
    "é",
    "BEGIN",
    "kprobe:f",
];

fn random_text(seed: u64, n: usize) -> String {
    let mut random = Random(seed);
    let bytes: Vec<u8> = (0..n).map(|_| random.below(256) as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn random_tokens(seed: u64, n: usize) -> String {
    let mut random = Random(seed);
    (0..n).map(|_| format!("{} ", TOKENS[random.below(TOKENS.len())])).collect()
}
