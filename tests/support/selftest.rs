//! Tests of the harness itself: each expectation can fail, and a run that goes wrong is not a pass.
//!
//! They run a shell script in the place of awl, so that they hold on any machine.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};

use super::cases;
use super::expect::{self, Printed};
use super::kernel_case::KernelCase;
use super::run::{self, Programs};

/// A test: its name and what it checks.
type Test = (&'static str, fn() -> Result<(), String>);

/// The trials, named `harness::…`.
pub fn trials() -> Vec<Trial> {
    let tests: [Test; 5] = [
        ("expectations", expectations),
        ("format", format),
        ("good-runs-pass", good_runs),
        ("bad-runs-fail", bad_runs),
        ("words", words),
    ];
    tests
        .into_iter()
        .map(|(name, test)| Trial::test(format!("harness::{name}"), move || test().map_err(Failed::from)))
        .collect()
}

/// For each key one value that stdout meets and some that it does not.
fn expectations() -> Result<(), String> {
    let printed = Printed {
        stdout: "\n@a: 3\n@b[x]: 40\n@b[y]: 50\n\n".to_owned(),
        stderr: "Attached 1 probe\nWARNING: lost 3\n".to_owned(),
        status: Some(0),
    };
    let rows: &[(&str, &str, &[&str])] = &[
        ("expect", "@a: 3\n@b[x]: 40\n@b[y]: 50", &["@a: 3", "@a: 3\n@b[x]: 40\n@b[y]: 51", ""]),
        ("expect-line", "@a: 3", &["@a: 33", "@a", ""]),
        ("expect-regex", r"^@a: \d$", &[r"^@a: \d\d", "[", ""]),
        ("expect-text", r"3\n@b\[x", &[r"4\n@b\[x"]),
        ("expect-none", "^@c", &["^@b"]),
        ("expect-count", "2 ^@b", &["1 ^@b", "3.. ^@b", ".. ^@b", "2"]),
        ("expect-value", r"40..50 ^@b.*: (\d+)", &[r"41.. ^@b.*: (\d+)", r"1.. ^@c: (\d+)", "1.. ^@b"]),
        ("expect-sum", r"90 ^@b.*: (\d+)", &[r"..89 ^@b.*: (\d+)", r"1.. ^@c: (\d+)"]),
        ("expect-same", r"^@b.*: \d(\d)", &[r"^@b.*: (\d+)", r"^@a: (\d+)"]),
        ("expect-stderr", "lost 3", &["lost 4"]),
        ("expect-exit", "0", &["1", "x"]),
    ];
    rows.iter().try_for_each(|row| meets_only(row, &printed))?;

    let printed = Printed {
        stdout: "{\"type\": \"map\", \"data\": {\"@x\": 5, \"@y\": [1,2]}}\n".to_owned(),
        ..Printed::default()
    };
    let good = [
        r##"{"type": "map", "data": {"@x": "#4..6", "@y": [1, "~\\d"]}}"##,
        r#"{"type": "map", "...": 0}"#,
        r#"{"type": "map", "data": {"~^@x$": 5, "@y": [1, 2]}}"#,
    ];
    let bad = [
        r#"{"type": "map"}"#,
        r##"{"type": "map", "data": {"@x": "#6.."}}"##,
        r#"{"...": 0, "data": 1}"#,
        "{",
    ];
    good.iter().try_for_each(|good| meets_only(&("expect-json", good, &bad), &printed))?;
    let noisy = Printed { stderr: "Attached 1 probe\nlost 3\n".to_owned(), ..Printed::default() };
    expect::stderr_is_quiet(&printed, "")?;
    expect::stderr_is_quiet(&noisy, "^lost")?;
    let is_caught = |allowed| expect::stderr_is_quiet(&noisy, allowed).is_err();
    if is_caught("") && is_caught("^found") { Ok(()) } else { Err("a noisy stderr should fail".to_owned()) }
}

fn meets_only((key, good, bad): &(&str, &str, &[&str]), printed: &Printed) -> Result<(), String> {
    expect::check(key, good, printed)?;
    match bad.iter().find(|bad| expect::check(key, bad, printed).is_ok()) {
        Some(bad) => Err(format!("{key}: {bad} should not be met")),
        None => Ok(()),
    }
}

/// Texts that are no case are refused.
fn format() -> Result<(), String> {
    parse("--- name: a\nscript: x\nexpect: y\n")?;
    let bad = [
        "script: x\n",
        "--- nome: a\n",
        "--- name: a\n--- name: a\n",
        "--- name: a\nscript: x\n",
        "--- name: a\nexpect: y\n",
        "--- name: a\nscript: x\nexpect: y\nexpekt: z\n",
        "--- name: a\nneeds: magic\nscript: x\nexpect: y\n",
        "--- name: a\nscript: x\nscript: x\nexpect: y\n",
        "--- name: a\nscript: x\nexpect: y\nworkload: a\nshell: b\n",
    ];
    match bad.iter().find(|text| parse(text).is_ok()) {
        Some(text) => Err(format!("should be refused: {text}")),
        None => Ok(()),
    }
}

fn parse(text: &str) -> Result<Vec<KernelCase>, String> {
    cases::split(text)?.iter().map(KernelCase::parse).collect()
}

/// Stand-ins for awl, as (name, script, fields of the case).
type StandIn = (&'static str, &'static str, &'static str);

/// Says that it is attached, once it is ready for the interrupt.
const TRACE: &str = "trap 'kill $s; echo \"$2\"; exit 0' INT
sleep 20 & s=$!
echo 'Attached 1 probe' >&2
while :; do wait; done
";

fn good_runs() -> Result<(), String> {
    let once = "[ -e $0.seen ] && echo 1 && exit\n>$0.seen; echo 'warning[W0607]: skipped' >&2";
    let rows: [StandIn; 6] = [
        ("again", once, "expect: 1\n"),
        ("itself", "echo \"$2\"", "expect: a script\n"),
        ("interrupted", TRACE, "shell: echo n=a\nexpect-line: a script\n"),
        ("facts", TRACE, "shell: echo n=a\nexpect: {n} script\n"),
        ("status", "echo oops >&2; exit 3", "expect-exit: 3\nexpect-stderr: ^oops$\n"),
        ("after", TRACE, "ends: after 20ms\nexpect: a script\n"),
    ];
    rows.iter().try_for_each(|row| stand_in(row).map_err(|why| format!("{}: {why}", row.0)))
}

fn bad_runs() -> Result<(), String> {
    let rows: [StandIn; 9] = [
        ("never", "echo 'warning[W0607]: skipped' >&2", "expect: 1\n"),
        // Nothing was skipped in the first run, so it counts.
        ("not-again", "[ -e $0.seen ] && echo 1; >$0.seen", "expect: 1\n"),
        ("wrong", "echo 1", "expect: 2\n"),
        ("failed", "echo 1; exit 1", "expect: 1\n"),
        ("noisy", "echo 1; echo lost >&2", "expect: 1\n"),
        ("endless", "echo 'Attached 1 probe' >&2; exec sleep 20", "timeout: 1s\nexpect-none: x\n"),
        ("unattached", "echo 1", "shell: true\nexpect-none: x\n"),
        ("bad-load", TRACE, "shell: exit 1\nexpect-none: x\n"),
        (
            "deaf",
            "trap '' INT\necho 'Attached 1 probe' >&2\nsleep 20",
            "timeout: 1s\nshell: true\nexpect-none: x\n",
        ),
    ];
    for row in &rows {
        if stand_in(row).is_ok() {
            return Err(format!("{} should fail", row.0));
        }
    }
    Ok(())
}

/// Runs a case with a shell script as awl.
fn stand_in((name, script, fields): &StandIn) -> Result<(), String> {
    let awl = temporary_program(name, &format!("#!/bin/sh\n{script}\n"))?;
    let programs = Programs { awl: awl.clone(), workload: PathBuf::from("/nonexistent"), slowness: 1 };
    let text = format!("--- name: {name}\nscript: a script\n{fields}");
    let result = parse(&text).and_then(|cases| cases.iter().try_for_each(|case| run::run(case, &programs)));
    // What a script may have made to know that it ran before.
    let _ = std::fs::remove_file(awl.with_extension("seen"));
    let _ = std::fs::remove_file(awl);
    result
}

fn temporary_program(name: &str, text: &str) -> Result<PathBuf, String> {
    let path = std::env::temp_dir().join(format!("awl-stand-in-{}-{name}", std::process::id()));
    std::fs::write(&path, text).map_err(|e| e.to_string())?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).map_err(|e| e.to_string())?;
    Ok(path)
}

fn words() -> Result<(), String> {
    let got = cases::words("a  'b c' \"d'e\" f\"g h\"")?;
    if got != ["a", "b c", "d'e", "fg h"] || cases::words("a 'b").is_ok() {
        return Err(format!("words are split as {got:?}"));
    }
    Ok(())
}
