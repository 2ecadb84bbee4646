//! Holds the house rules that the crate docs state: layers, sizes, where `unsafe` may stand, headers.
//!
//! Comes in: the text of `src`, `tests` and `benches`. Goes out: one failed test per kind of breach, which
//! lists every place as `file:line`. Each rule is a function from one file's text to its breaches, and
//! `rules_can_fail` shows for each of them a text that breaks it.

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/text.rs"]
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use text::SourceText;

/// One rule: its name and what it finds in one file, as (line, message).
type Rule = (&'static str, fn(&SourceText) -> Vec<(usize, String)>);

/// The rules for what is under `src`.
const SRC_RULES: &[Rule] = &[
    ("layers", layers::check),
    ("file size", rules::file_size),
    ("function size", rules::function_size),
    ("unsafe", rules::unsafe_code),
    ("panics", rules::panics),
    ("headers", rules::header),
    ("silenced lints", rules::silenced_lints),
    ("determinism", rules::determinism),
];

/// The rules for `tests` and `benches`.
const TEST_RULES: &[Rule] = &[("file size", rules::file_size), ("headers", rules::header)];

#[test]
fn src_keeps_the_rules() {
    assert_kept("src", SRC_RULES);
}

#[test]
fn tests_keep_the_rules() {
    assert_kept("tests", TEST_RULES);
    assert_kept("benches", TEST_RULES);
}

#[test]
fn every_folder_of_src_has_a_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(root.join("src")).expect("src can be read").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            assert!(layers::layer_of(&name).is_some(), "src/{name} stands in no layer: tests/tidy/layers.rs");
        }
    }
}

#[test]
fn rules_can_fail() {
    let long_function = format!("fn long() {{\n{}}}\n", "    work();\n".repeat(71));
    let long_file = "// a line\n".repeat(801);
    let breaches: &[(&str, &str, &str)] = &[
        ("layers", "src/base/x.rs", "use crate::ty::Ty;\n"),
        ("layers", "src/sema/x.rs", "fn f() { crate::sys::bpf::load(); }\n"),
        ("layers", "src/sys/x.rs", "use crate::{base::Span, sema::check};\n"),
        ("file size", "src/base/x.rs", &long_file),
        ("function size", "src/base/x.rs", &long_function),
        ("unsafe", "src/base/x.rs", "// SAFETY: none\nlet x = unsafe { f() };\n"),
        ("unsafe", "src/sys/x.rs", "let x = unsafe { f() };\n"),
        ("panics", "src/base/x.rs", "let x = y.unwrap();\n"),
        ("panics", "src/base/x.rs", "fn f() { todo!() }\n"),
        ("headers", "src/base/x.rs", "use std::fmt;\n"),
        ("silenced lints", "src/base/x.rs", "#![allow(dead_code)]\n"),
        ("determinism", "src/sema/x.rs", "let home = std::env::var(\"HOME\");\n"),
    ];
    for (rule, path, body) in breaches {
        let found = run_rule(rule, path, body);
        assert_eq!(found.len(), 1, "rule {rule} on {body:?} found {found:?}");
    }
}

#[test]
fn rules_let_good_text_pass() {
    let good: &[(&str, &str, &str)] = &[
        (
            "layers",
            "src/sema/x.rs",
            "use crate::syntax::ast;\nuse crate::lang::Row;\nuse crate::sema::hir;\n",
        ),
        ("layers", "src/cli/x.rs", "use crate::compile;\nuse crate::runtime::Session;\n"),
        ("layers", "src/base/x.rs", "// crate::sys is above\nlet s = \"crate::sys\";\n"),
        ("layers", "src/base/x.rs", "#[cfg(test)]\nmod tests {\n    use crate::sys;\n}\n"),
        ("unsafe", "src/sys/x.rs", "// SAFETY: fd is open\n// for all of this\nlet x = unsafe { f() };\n"),
        ("panics", "src/base/x.rs", "let c = '\"'; // x.unwrap()\nlet s = r#\"x.unwrap()\"#;\n"),
        ("panics", "src/base/x.rs", "#[cfg(test)]\nmod tests {\n    fn f() { x.unwrap(); }\n}\n"),
        ("headers", "src/base/x.rs", "//! What every layer shares.\n"),
    ];
    for (rule, path, body) in good {
        let found = run_rule(rule, path, body);
        assert!(found.is_empty(), "rule {rule} on {body:?} found {found:?}");
    }
}

/// Runs one rule by its name over one text.
fn run_rule(name: &str, path: &str, body: &str) -> Vec<(usize, String)> {
    let (_, check) = SRC_RULES.iter().find(|(n, _)| *n == name).expect("a rule of that name");
    check(&SourceText::new(path, body))
}

/// Fails with every breach of `rules` under `folder`.
fn assert_kept(folder: &str, rules: &[Rule]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut breaches = Vec::new();
    for path in rust_files(&root.join(folder)) {
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let body = fs::read_to_string(&path).expect("a source file is UTF-8");
        let file = SourceText::new(&shown, &body);
        for (name, check) in rules {
            for (line, message) in check(&file) {
                breaches.push(format!("{shown}:{line}: {name}: {message}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{} breaches of the house rules\n{}", breaches.len(), breaches.join("\n"));
}

/// All Rust files under `folder`, sorted; none where the folder is absent.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                // What cargo builds there is not ours.
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
