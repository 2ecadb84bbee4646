//! Compile cases: scripts, what is wrong with them, and what they become. No kernel, no privilege.
//!
//! Comes in: `tests/cases/AREA/*.test`. Goes out: a named test for each case. A case states every
//! diagnostic of its script, by code and place; none other may come. `BLESS=1` writes what came into the
//! files, to be read before it is kept.

#[path = "support/cases.rs"]
#[allow(dead_code, reason = "the kernel test reads fields and words, too")]
mod cases;
#[path = "suite/compile.rs"]
mod compile;
#[path = "support/golden.rs"]
mod golden;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cases::RawCase;
use golden::Golden;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut trials = vec![Trial::test("harness::golden", || selftest().map_err(Failed::from))];
    for path in cases::test_files(&folder) {
        match file_trials(&folder, &path) {
            Ok(found) => trials.extend(found),
            Err(why) => {
                eprintln!("suite: {}: {why}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The trials of a file, named `AREA/FILE::CASE`; with `BLESS=1` the file is written first.
fn file_trials(folder: &Path, path: &PathBuf) -> Result<Vec<Trial>, String> {
    let name = path.strip_prefix(folder).unwrap_or(path).with_extension("").display().to_string();
    let area = name.split('/').next().unwrap_or("").to_owned();
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mut raws = cases::split(&text)?;
    if std::env::var_os("BLESS").is_some() {
        raws = raws.iter().map(|raw| bless(&area, raw)).collect::<Result<_, _>>()?;
        let head = text.split("--- name:").next().unwrap_or("");
        std::fs::write(path, format!("{head}{}", join(&raws))).map_err(|e| e.to_string())?;
    }
    let trials = raws.into_iter().map(|raw| {
        let area = area.clone();
        Trial::test(format!("{name}::{}", raw.name), move || check(&area, &raw).map_err(Failed::from))
    });
    Ok(trials.collect())
}

/// Fails where the case and what came differ.
fn check(area: &str, raw: &RawCase) -> Result<(), String> {
    let want = Golden::parse(raw)?;
    let got = outcome(area, &want)?;
    if want == got {
        return Ok(());
    }
    let (want, got) = (want.lines(), got.lines());
    let at = want.iter().zip(&got).position(|(want, got)| want != got).unwrap_or(want.len().min(got.len()));
    let line = raw.line + 1 + at;
    Err(format!("line {line}: differs; BLESS=1 would write\n{}", got.join("\n")))
}

/// The case with what came in the place of what it wants.
fn outcome(area: &str, want: &Golden) -> Result<Golden, String> {
    let (marks, texts) = compile::compile(area, &want.script, &want.blocks)?;
    let blocks = want.blocks.iter().zip(texts).map(|((name, _), text)| (name.clone(), golden::normal(&text)));
    Ok(Golden { script: want.script.clone(), marks, blocks: blocks.collect() })
}

fn bless(area: &str, raw: &RawCase) -> Result<RawCase, String> {
    Ok(RawCase { lines: outcome(area, &Golden::parse(raw)?)?.lines(), ..raw.clone() })
}

/// The text of a file of cases.
fn join(raws: &[RawCase]) -> String {
    let texts: Vec<String> =
        raws.iter().map(|raw| format!("--- name: {}\n{}\n", raw.name, raw.lines.join("\n"))).collect();
    texts.join("\n")
}

/// A case that is read and written stays the same, and one that differs fails.
fn selftest() -> Result<(), String> {
    let text = "--- name: a\nBEGIN { @ = ; }\n            ^ E0101\n\nEND { }\n>>> ast\nx\n  y\n\n\n";
    let raws = cases::split(text)?;
    let [raw] = &raws[..] else { return Err("one case should be read".to_owned()) };
    let case = Golden::parse(raw)?;
    if case.lines().join("\n") != text.split_once('\n').map_or("", |(_, lines)| lines).trim_end() {
        return Err(format!("should be written as it was read: {:?}", case.lines()));
    }
    let (mark, script) = (&case.marks[0], "BEGIN { @ = ; }\n\nEND { }\n");
    if (mark.line, mark.column, mark.width, mark.code.as_str()) != (1, 12, 1, "E0101")
        || case.script != script
    {
        return Err(format!("should be read otherwise: {case:?}"));
    }
    for wrong in
        ["BEGIN { @ = ; }", "BEGIN { @ = ; }\n       ^ E0101", "BEGIN { @ = 1; }\n            ^ E0101"]
    {
        let raw = RawCase { lines: wrong.lines().map(str::to_owned).collect(), ..raw.clone() };
        if check("syntax", &raw).is_ok() {
            return Err(format!("should fail: {wrong}"));
        }
    }
    Ok(())
}
