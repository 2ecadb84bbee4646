//! The examples of the language's rows, attached on a live kernel: what `awl help` shows is what works.
//!
//! Comes in: the rows of builtins, aggregations and probe types and the library's macros, compiled into the test.
//! Goes out: a trial each, which runs awl on the example as far as the attach (`--dry-run`). A kernel on which awl
//! rightly refuses an example says so in its lane (`refuses NAME`); there the refusal is what is tested.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use awl::lang::additions::ADDITIONS;
use awl::lang::{aggs, builtins, library, probes};
use libtest_mimic::{Failed, Trial};

use super::features;

/// An example and the name of its row.
struct Example {
    name: String,
    script: &'static str,
    unsafe_: bool,
}

/// The trials, and the reasons of those that are skipped.
pub fn trials(awl: &Path, refused: &[String]) -> (Vec<Trial>, Vec<(String, String)>) {
    let (mut trials, mut skips) = (Vec::new(), Vec::new());
    for example in examples() {
        let name = format!("example::{}", example.name);
        let missing = needs(example.script).into_iter().find_map(|need| features::probe(need).err());
        if let Some(why) = &missing {
            skips.push((name.clone(), why.clone()));
        }
        let is_refused = refused.contains(&example.name);
        let awl = awl.to_owned();
        let trial = Trial::test(name, move || attach(&awl, &example, is_refused).map_err(Failed::from));
        trials.push(trial.with_ignored_flag(missing.is_some()));
    }
    (trials, skips)
}

/// Every row's example, in the order of the rows.
fn examples() -> Vec<Example> {
    let builtins = builtins::all().map(|row| Example {
        name: row.name.to_owned(),
        script: row.example,
        unsafe_: row.needs.unsafe_,
    });
    let aggs = aggs::ALL.iter().map(|row| (row.name, row.example));
    let probes = probes::KINDS.iter().map(|row| (row.name, row.example));
    let additions = ADDITIONS.iter().map(|row| (row.name, row.example));
    let plain = aggs.chain(probes).chain(additions).map(|(name, script)| Example {
        name: name.to_owned(),
        script,
        unsafe_: false,
    });
    let library = library::all().iter().map(|entry| Example {
        name: entry.name.to_owned(),
        script: entry.example,
        unsafe_: entry.example.contains("signal("),
    });
    builtins.chain(library).chain(plain).collect()
}

/// The features that the probes of a script need.
pub fn needs(script: &str) -> BTreeSet<&'static str> {
    const BY_PROVIDER: &[(&str, &[&str])] = &[
        ("tracepoint", &["tracepoint"]),
        ("rawtracepoint", &["btf"]),
        ("kprobe", &["kprobe"]),
        ("kretprobe", &["kprobe"]),
        ("fentry", &["fentry"]),
        ("fexit", &["fentry"]),
        ("uprobe", &["uprobe", "libc"]),
        ("uretprobe", &["uprobe", "libc"]),
        ("usdt", &["uprobe", "libc"]),
        ("hardware", &["pmu"]),
    ];
    let words: BTreeSet<&str> = script
        .split(|c: char| c.is_whitespace() || c == '}')
        .filter_map(|word| word.split_once(':'))
        .map(|w| w.0)
        .collect();
    let by_provider = BY_PROVIDER.iter().filter(|(provider, _)| words.contains(provider));
    let writes = script.contains("write_user(").then_some("write-user");
    let reads = script.contains("percpu_kaddr(").then_some("kaddr-data");
    by_provider
        .flat_map(|(_, needs)| needs.iter().copied())
        .chain(writes)
        .chain(reads)
        .chain(["root"])
        .collect()
}

/// Runs awl as far as the attach.
fn attach(awl: &Path, example: &Example, is_refused: bool) -> Result<(), String> {
    let mut command = Command::new(awl);
    // Where a file that it opens may stay.
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.arg("--dry-run").args(example.unsafe_.then_some("--unsafe")).args(["-e", example.script]);
    for (probe, flag) in [("test:", "--test"), ("bench:", "--bench")] {
        command.args(example.script.starts_with(probe).then_some(flag));
    }
    // A process of its own for what reads `cpid`, or is about a process that has to be named.
    let has_process = ["cpid", "dw_ustack"].iter().any(|word| example.script.contains(word));
    command.args(has_process.then_some(["-c", "true"]).into_iter().flatten());
    let output = command.output().map_err(|e| format!("{}: {e}", awl.display()))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    match (output.status.code(), is_refused) {
        (Some(0), false) => Ok(()),
        (Some(1), true) if stderr.contains("error[E0") => Ok(()),
        (status, true) => Err(format!("should be refused by name, ends with {status:?}\n{stderr}")),
        (status, false) => Err(format!("{}\nends with {status:?}\n{stderr}", example.script)),
    }
}
