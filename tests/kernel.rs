//! Kernel cases: awl on a live kernel, against a load that the case starts and counts.
//!
//! Comes in: `tests/kernel/*.test` (or the folder `AWL_CASES`). Goes out: a named test for each case, run
//! one at a time. A case that needs what this machine lacks is skipped out loud; where `AWL_LANE` names a
//! lane, `lanes/NAME` says what may be lacking, and anything else that is fails. The same program runs here
//! and in a guest: `AWL_BIN` and `AWL_WORKLOAD` name the programs, `AWL_SLOWNESS` multiplies timeouts.

mod support;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use support::features::Lane;
use support::kernel_case::KernelCase;
use support::run::Programs;
use support::{cases, features, library, rows, run, selftest, tools, workload};

fn main() -> ExitCode {
    if let Err(why) = mount_tracefs() {
        eprintln!("kernel: {why}");
        return ExitCode::FAILURE;
    }
    let mut args = Arguments::from_args();
    // Cases observe the whole machine: one at a time.
    args.test_threads = Some(1);
    let (trials, skips) = match trials() {
        Ok(found) => found,
        Err(why) => {
            eprintln!("kernel: {why}");
            return ExitCode::FAILURE;
        }
    };
    if !args.list {
        let is_asked = |name: &str| args.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
        for (name, why) in skips.iter().filter(|(name, _)| is_asked(name)) {
            println!("skipped: {name}: {why}");
        }
    }
    let n_trials = trials.len();
    let conclusion = libtest_mimic::run(&args, trials);
    if !args.list {
        println!("kernel cases: {n_trials} known, {} skipped here", skips.len());
    }
    conclusion.exit_code()
}

/// Sees to it that tracefs is mounted, by starting over in a mount namespace of its own: nothing is left
/// behind on the machine.
fn mount_tracefs() -> Result<(), String> {
    const AGAIN: &str = "AWL_TRACEFS_MOUNTED";
    if features::probe("tracefs").is_ok()
        || features::probe("root").is_err()
        || std::env::var_os(AGAIN).is_some()
    {
        return Ok(());
    }
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let mount = "mount -t tracefs tracefs /sys/kernel/tracing && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", mount]).arg(me);
    // Returns only if it fails.
    Err(format!("unshare: {}", command.args(std::env::args_os().skip(1)).env(AGAIN, "1").exec()))
}

/// The skipped cases, with the reason.
type Skips = BTreeMap<String, String>;

/// A trial for each case, and one that compares the machine with its lane.
fn trials() -> Result<(Vec<Trial>, Skips), String> {
    let folder = match std::env::var_os("AWL_CASES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel"),
    };
    let slowness = std::env::var("AWL_SLOWNESS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let awl = std::env::var_os("AWL_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_awl").into());
    let programs = Programs { awl: awl.into(), workload: workload::path()?, slowness };

    let mut skips = Skips::new();
    let mut probed: BTreeMap<String, Result<(), String>> = BTreeMap::new();
    let lane = lane(&folder)?;
    let mut trials = selftest::trials();
    let refused = lane.as_ref().map_or(&[][..], |lane| &lane.refuses);
    let (examples, skipped) = rows::trials(&programs.awl, refused);
    trials.extend(examples);
    skips.extend(skipped);
    let (library, skipped) = library::trials(&programs.awl);
    trials.extend(library);
    skips.extend(skipped);
    let (tools, skipped) = tools::trials(&programs.awl, refused)?;
    trials.extend(tools);
    skips.extend(skipped);
    trials.push(lane_trial(lane));
    for path in cases::test_files(&folder) {
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let area = path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
        let raws = cases::split(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        for raw in raws {
            let case = KernelCase::parse(&raw).map_err(|e| format!("{}: {e}", path.display()))?;
            let name = format!("{area}::{}", case.name);
            let missing = case.needs.iter().find_map(|need| {
                let here = probed.entry(need.clone()).or_insert_with(|| features::probe(need));
                here.clone().err().map(|why| (need, why))
            });
            let is_skipped = missing.is_some();
            if let Some((need, why)) = missing {
                skips.insert(name.clone(), format!("needs {need}: {why}"));
            }
            let programs = programs.clone();
            let trial = Trial::test(name, move || run::run(&case, &programs).map_err(Failed::from));
            trials.push(trial.with_ignored_flag(is_skipped));
        }
    }
    Ok((trials, skips))
}

/// The lane that `AWL_LANE` names, if it names one.
fn lane(folder: &Path) -> Result<Option<Lane>, String> {
    let name = std::env::var("AWL_LANE").ok().filter(|name| !name.is_empty());
    name.map(|name| Lane::read(&folder.join("lanes").join(name))).transpose()
}

/// Fails where the machine lacks, or has, what its lane does not say.
fn lane_trial(lane: Option<Lane>) -> Trial {
    let is_named = lane.is_some();
    let trial = Trial::test("lane", move || {
        let differences = lane.map_or(Vec::new(), |lane| features::differences(&lane.absent));
        if differences.is_empty() { Ok(()) } else { Err(Failed::from(differences.join("\n"))) }
    });
    trial.with_ignored_flag(!is_named)
}
