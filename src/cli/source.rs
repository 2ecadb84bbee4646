//! What is compiled: the script's text, the settings, the machine.

use super::options::{Options, Script};
use super::say::Say;
use super::system_text;
use crate::base::codes;
use crate::base::{Diag, FileId, Source, SourceMap, Span};
use crate::image::UserSymbols;
use crate::lang::Config;
use crate::lang::config::{self, Outcome, SetBy};
use crate::sys::world::{Adjusted, LinuxWorld};
use crate::sys::{elf, proc};
use crate::world::World;
use crate::world::snapshot::SnapshotWorld;
use std::io::Read;
use std::path::Path;

/// A script ready to compile.
pub struct Unit {
    pub sources: SourceMap,
    /// What `--include` adds, if anything, then the script.
    pub files: Vec<FileId>,
    pub config: Config,
}

impl Unit {
    /// The script's own file.
    pub fn main(&self) -> FileId {
        match self.files.last() {
            Some(file) => *file,
            None => crate::bug!("a unit without files"),
        }
    }
}

/// Reads the script and the settings; `Err` is the exit status after something was said.
pub fn read(options: &Options, say: &Say) -> Result<Unit, u8> {
    let Some(script) = &options.script else { return Err(1) };
    let (name, bytes) = match script {
        Script::Text(text) => ("stdin".to_owned(), Ok(text.clone().into_bytes())),
        Script::Stdin => {
            let mut bytes = Vec::new();
            ("stdin".to_owned(), std::io::stdin().read_to_end(&mut bytes).map(|_| bytes))
        }
        Script::File(path) => (path.clone(), std::fs::read(path)),
    };
    let bytes = bytes.map_err(|e| {
        say.error(&codes::NO_FILE, format!("{name} cannot be read: {}", system_text(&e)), None);
        1
    })?;
    let text = text(&name, bytes, say)?;
    let mut sources = SourceMap::new();
    let mut files = Vec::new();
    if !options.includes.is_empty() {
        let includes: String = options.includes.iter().map(|f| format!("#include \"{f}\"\n")).collect();
        files.push(sources.add(Source::new("--include", includes)));
    }
    files.push(sources.add(Source::new(name, text)));
    Ok(Unit { sources, files, config: settings(options, say)? })
}

/// Bytes as text; what is not UTF-8 outside of strings means nothing in a script, so it is refused with its place.
fn text(name: &str, bytes: Vec<u8>, say: &Say) -> Result<String, u8> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(e.as_bytes()).into_owned();
        let mut sources = SourceMap::new();
        let file = sources.add(Source::new(name, text));
        let span = Span::new(file, at, at + char::REPLACEMENT_CHARACTER.len_utf8());
        say.diag(&sources, Diag::error(&codes::BAD_TOKEN, span, "the script is not UTF-8 text here"));
        1
    })
}

/// The settings of the environment and the command line.
pub fn settings(options: &Options, say: &Say) -> Result<Config, u8> {
    let mut config = Config {
        unsafe_: options.unsafe_,
        for_object: is_for_object(options),
        tells_failed_reads: options.more_warnings,
        pid: options.pid,
        has_child: options.command.is_some(),
        has_dwarf_pids: !options.dwarf_pids.is_empty(),
        params: options.params.clone(),
        named: options.named.clone(),
        ..Config::default()
    };
    if config.has_child || !proc::addresses_vary() {
        config.run.cache_user_symbols = UserSymbols::PerProgram;
    }
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .filter(|(k, _)| k.starts_with("BPFTRACE_") || k.starts_with("AWL_"))
        .collect();
    // AWL_ comes after BPFTRACE_ then, and so wins; the order of the environment is no one's decision.
    variables.sort();
    variables.sort_by_key(|(k, _)| k.starts_with("AWL_"));
    for (key, value) in variables {
        if OTHER_VARIABLES
            .iter()
            .any(|v| key.strip_prefix("BPFTRACE_").or(key.strip_prefix("AWL_")) == Some(v))
        {
            continue;
        }
        match config::set(&mut config, &key, &value, SetBy::Environment) {
            Outcome::Done => {}
            Outcome::Warn(text) => {
                let diag = Diag::warning(&codes::SETTING_ODD, Span::none(), format!("{key}: {text}"));
                say.diag(&SourceMap::new(), diag);
            }
            // Other programs may have variables with such names.
            Outcome::Unknown(_) => {}
            Outcome::Bad(values) => {
                let hint = format!("it can be {values}");
                say.error(&codes::SETTING, format!("{key} cannot be {value}"), Some(hint));
                return Err(1);
            }
        }
    }
    Ok(config)
}

/// The stage of `-d` that needs a load.
pub const VERIFIER: &str = "verifier";

/// Variables that are read elsewhere, or tell where a kernel's headers are.
const OTHER_VARIABLES: &[&str] = &["COLOR", "BTF", "KERNEL_BUILD", "KERNEL_SOURCE", "VMLINUX"];

/// Whether an object is written, which calls no kernel functions.
fn is_for_object(options: &Options) -> bool {
    options.emit_elf.is_some() || options.debug.iter().any(|s| s == "elf")
}

/// Folders for headers: those of the command line, then those of the variables that C compilers read.
fn include_dirs(options: &Options) -> Vec<String> {
    let mut dirs = options.include_dirs.clone();
    for variable in ["CPATH", "C_INCLUDE_PATH"] {
        let value = std::env::var(variable).unwrap_or_default();
        dirs.extend(value.split(':').filter(|dir| !dir.is_empty()).map(str::to_owned));
    }
    dirs
}

/// What the command line says against the machine's answers.
fn adjusted(options: &Options, say: &Say) -> Result<Adjusted, u8> {
    let traceable = match &options.traceable {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| {
                say.error(&codes::NO_FILE, format!("{path} cannot be read: {}", system_text(&e)), None);
                1
            })?;
            Some(proc::parse_functions(&text))
        }
    };
    Ok(Adjusted {
        include_dirs: include_dirs(options),
        without: options.without.clone(),
        for_object: is_for_object(options),
        traceable,
    })
}

/// The machine that is compiled for.
pub fn world(options: &Options, say: &Say) -> Result<Box<dyn World>, u8> {
    let Some(path) = &options.world else {
        elf::set_debug_folders(options.debug_folders.iter().map(Into::into).collect());
        let adjusted = adjusted(options, say)?;
        return Ok(Box::new(LinuxWorld::adjusted(adjusted)));
    };
    match SnapshotWorld::open(Path::new(path)) {
        Ok(world) => {
            let world = world.with_include_dirs(include_dirs(options)).without(&options.without);
            Ok(Box::new(if is_for_object(options) { world.without_kfuncs() } else { world }))
        }
        Err(why) => {
            say.error(&codes::NO_FILE, format!("{path} cannot be used: {why}"), None);
            Err(1)
        }
    }
}
