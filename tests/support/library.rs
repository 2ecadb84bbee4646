//! The library's own `test:` probes, on a live kernel.
//!
//! Comes in: the files of `stdlib/`, compiled into the test. Goes out: a trial `stdlib::NAME` each, which runs
//! `awl --test` on the file and wants all of its probes to have passed. That each macro has one is a unit test of
//! `src/expand/library.rs`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use awl::lang::library::{FILES, File};
use libtest_mimic::{Failed, Trial};

use super::features;

/// The trials, and the reasons of those that are skipped.
pub fn trials(awl: &Path) -> (Vec<Trial>, Vec<(String, String)>) {
    let missing = ["root", "btf"].into_iter().find_map(|need| features::probe(need).err());
    let (mut trials, mut skips) = (Vec::new(), Vec::new());
    for file in FILES {
        let name = file.name.trim_end_matches(".bt").replace('/', "::");
        skips.extend(missing.clone().map(|why| (name.clone(), why)));
        let awl = awl.to_owned();
        let trial = Trial::test(name, move || run(&awl, file).map_err(Failed::from));
        trials.push(trial.with_ignored_flag(missing.is_some()));
    }
    (trials, skips)
}

fn run(awl: &Path, file: &File) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", awl.display());
    let mut command = Command::new(awl);
    command.args(["--test", "--unsafe", "-"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(file.text.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let n = file.text.matches("\ntest:").count();
    let all = format!("[  PASSED  ] {n} test");
    if output.status.success() && said.lines().any(|l| l.starts_with(&all)) && output.stderr.is_empty() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ends with {}, wanted {all}:\n{said}{stderr}", file.name, output.status))
}
