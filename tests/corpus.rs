//! The corpora of the fuzz targets, and fixed seeds, through the same checks as the fuzzer's.
//!
//! Comes in: `tests/fuzz/corpus/TARGET/*`, each a text that once found something or reached new code. Always
//! holds: the same seeds make the same texts.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

#[path = "fuzz/checks.rs"]
mod checks;
#[path = "support/xorshift.rs"]
mod xorshift;

use xorshift::Random;

/// Mutants of the corpus that are tried, per target.
const N_MUTANTS: u64 = 1500;

#[test]
fn scripts() {
    run("script", checks::script);
}

#[test]
fn c_definitions() {
    run("c", checks::c);
}

fn run(target: &str, check: fn(&str)) {
    let texts = corpus(target);
    assert!(texts.len() >= 20, "only {} texts in the corpus of {target}", texts.len());
    for (name, text) in &texts {
        assert!(catch_unwind(|| check(text)).is_ok(), "{target}/{name} fails");
    }
    for seed in 1..=N_MUTANTS {
        let text = mutant(&texts, seed);
        assert!(catch_unwind(|| check(&text)).is_ok(), "{target}: seed {seed} fails on {text:?}");
    }
}

fn corpus(target: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    let text = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    files
        .iter()
        .map(|p| (p.file_name().unwrap_or_default().to_string_lossy().into_owned(), text(p)))
        .collect()
}

/// Pieces of two texts of the corpus, one to four times exchanged, cut out or doubled.
fn mutant(texts: &[(String, String)], seed: u64) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text: Vec<char> = texts[random.below(texts.len())].1.chars().collect();
    for _ in 0..=random.below(4) {
        let other: Vec<char> = texts[random.below(texts.len())].1.chars().collect();
        let from = random.below(other.len() + 1);
        let piece = &other[from..(from + random.below(40)).min(other.len())];
        let at = random.below(text.len() + 1);
        let end = (at + random.below(40)).min(text.len());
        match random.below(3) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, piece.iter().copied())),
            _ => drop(text.splice(at..end, piece.iter().copied())),
        }
    }
    text.into_iter().collect()
}
