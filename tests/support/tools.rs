//! The tools of `examples/`, loaded and attached on a live kernel.
//!
//! Comes in: each `examples/*.bt` (or those of the folder `AWL_EXAMPLES`). Goes out: a trial `tool::NAME` each,
//! which runs awl on the file as far as the attach, and a trial that asks for the header of each. A tool whose
//! probe types, files or libraries the machine lacks is skipped; a lane says `refuses tool::NAME` where awl
//! rightly refuses one.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::{features, rows};

/// Where the tools are.
pub fn folder() -> PathBuf {
    match std::env::var_os("AWL_EXAMPLES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"),
    }
}

/// Names of trials, with the reason why each is skipped.
type Skips = Vec<(String, String)>;

/// The trials, and the reasons of those that are skipped.
pub fn trials(awl: &Path, refused: &[String]) -> Result<(Vec<Trial>, Skips), String> {
    let (mut trials, mut skips) = (Vec::new(), Skips::new());
    let tools = tools()?;
    for (stem, path, text) in &tools {
        let name = format!("tool::{stem}");
        let missing = missing(text);
        skips.extend(missing.clone().map(|why| (name.clone(), why)));
        let is_refused = refused.contains(&name);
        let (awl, path) = (awl.to_owned(), path.clone());
        let trial = Trial::test(name, move || attach(&awl, &path, is_refused).map_err(Failed::from));
        trials.push(trial.with_ignored_flag(missing.is_some()));
    }
    trials.push(Trial::test("tool::headers", move || headers(&tools).map_err(Failed::from)));
    Ok((trials, skips))
}

/// Name, path and text of each, by name.
fn tools() -> Result<Vec<(String, PathBuf, String)>, String> {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "bt"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let stem = path.file_stem().map_or(String::new(), |s| s.to_string_lossy().into_owned());
        Ok((stem, path, text))
    };
    paths.into_iter().map(read).collect()
}

/// What the machine lacks of what the tool probes.
fn missing(text: &str) -> Option<String> {
    let code: String =
        text.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
    let needs = rows::needs(&code.replace(',', " "));
    let feature = needs.into_iter().find_map(|need| features::probe(need).err());
    feature.or_else(|| symbols(&code)).or_else(|| events(&code)).or_else(|| targets(&code))
}

/// Symbols of the kernel that are asked for by name.
fn symbols(code: &str) -> Option<String> {
    let has_data = !code.contains("kaddr(") || features::probe("kaddr-data").is_ok();
    (!has_data).then(|| "the kernel's symbol list has no data".to_owned())
}

/// Tracepoints, but those of system calls, which awl must find.
fn events(code: &str) -> Option<String> {
    let points = code.split_whitespace().filter_map(|w| w.trim_end_matches(',').strip_prefix("tracepoint:"));
    let mut plain = points.filter(|p| !p.starts_with("syscalls:") && !p.contains(['*', '?', '[']));
    plain.find_map(|point| {
        let path = format!("/sys/kernel/tracing/events/{}", point.replace(':', "/"));
        (!Path::new(&path).exists()).then(|| format!("no tracepoint {point}"))
    })
}

/// Programs and libraries that are probed.
fn targets(code: &str) -> Option<String> {
    let words = code.split_whitespace();
    let points = words.filter_map(|w| w.strip_prefix("uprobe:").or_else(|| w.strip_prefix("uretprobe:")));
    let mut names = points.filter_map(|p| p.split(':').next());
    names.find_map(|name| {
        let is_there = match name.strip_prefix("lib") {
            Some(_) => ["/lib", "/usr/lib"].iter().any(|root| has_library(Path::new(root), name)),
            None => Path::new(name).exists(),
        };
        (!is_there).then(|| format!("no {name}"))
    })
}

fn has_library(root: &Path, name: &str) -> bool {
    let folders = [root.to_owned(), root.join("x86_64-linux-gnu")];
    let entries = folders.iter().filter_map(|f| std::fs::read_dir(f).ok()).flatten().flatten();
    let prefix = format!("{name}.so.");
    entries.into_iter().any(|e| e.file_name().to_string_lossy().starts_with(&prefix))
}

/// Runs awl as far as the attach.
fn attach(awl: &Path, path: &Path, is_refused: bool) -> Result<(), String> {
    let output = Command::new(awl).arg("--dry-run").arg(path).output();
    let output = output.map_err(|e| format!("{}: {e}", awl.display()))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    match (output.status.code(), is_refused) {
        (Some(0), false) => Ok(()),
        (Some(1), true) if stderr.contains("error[E0") => Ok(()),
        (status, true) => Err(format!("should be refused by name, ends with {status:?}\n{stderr}")),
        (status, false) => Err(format!("ends with {status:?}\n{stderr}")),
    }
}

/// Each begins with its name and what it tells, and says how it is used and what it prints.
fn headers(tools: &[(String, PathBuf, String)]) -> Result<(), String> {
    let wrong = tools.iter().filter_map(|(stem, path, text)| {
        let mut lines = text.lines();
        let is_shebang = lines.next() == Some("#!/usr/bin/env awl");
        let title = lines.next().unwrap_or("");
        let head: Vec<&str> = lines.take_while(|l| l.starts_with("//")).collect();
        let starts = title.starts_with(&format!("// {stem}: "));
        let has = |what: &str| head.iter().any(|l| l.starts_with(what));
        let is_whole =
            is_shebang && starts && has("// Use: awl examples/") && has("// Sample") && has("//     ");
        (!is_whole).then(|| path.display().to_string())
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("no full header: {}", wrong.join(" "))) }
}
