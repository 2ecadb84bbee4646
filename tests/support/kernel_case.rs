//! A kernel case: what to run, under which load, and what to expect of it.
//!
//! Comes in: a raw case. Goes out: a [`KernelCase`], or an error that names the line. Always holds: a case
//! has something to run and at least one expectation, and each feature that it needs has a probe.

use super::cases::{Field, RawCase, fields, words};
use super::expect;
use super::features;

/// One case, checked but with its variables not yet filled in.
#[derive(Debug, Clone)]
pub struct KernelCase {
    pub name: String,
    /// What the machine must offer, in the order of the file.
    pub needs: Vec<String>,
    /// The script; empty if `args` hold all.
    pub script: String,
    /// Lines for `sh` that stand in the place of a plain call of awl; they call `{AWL}` themselves.
    pub run: String,
    /// Further arguments, before the script.
    pub args: Vec<String>,
    /// What awl reads on its standard input.
    pub stdin: String,
    pub load: Load,
    pub end: End,
    /// Seconds until the case is given up.
    pub timeout_s: u64,
    /// A pattern for lines of stderr that may come, where stderr is else to be empty.
    pub allowed_stderr: String,
    /// Expectations, as (key, value, line).
    pub expects: Vec<Field>,
}

/// What runs while awl traces.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// Nothing.
    None,
    /// The workload program with these arguments.
    Workload(String),
    /// The same, alive until awl has ended, so that its symbols can be looked up.
    Lingering(String),
    /// Lines for `sh`.
    Shell(String),
}

/// What ends the run of awl.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// The script or its command.
    Itself,
    /// An interrupt, this long after the load has ended (or the attach, where there is no load).
    InterruptAfterMs(u64),
}

/// The fields that are no expectation.
const KEYS: &[&str] = &[
    "needs",
    "run",
    "script",
    "args",
    "stdin",
    "workload",
    "lingering",
    "shell",
    "ends",
    "timeout",
    "allow-stderr",
];

impl KernelCase {
    /// Reads a case.
    pub fn parse(raw: &RawCase) -> Result<KernelCase, String> {
        let fields = fields(raw)?;
        let known = |field: &&Field| KEYS.contains(&field.key.as_str()) || expect::is_expectation(&field.key);
        if let Some(field) = fields.iter().find(|field| !known(field)) {
            return Err(format!("line {}: no field is called {}", field.line, field.key));
        }
        let one = |key: &str| one_of(&fields, key);
        let text = |key: &str| one(key).map(|field| field.map_or(String::new(), |f| f.value.clone()));
        let load = match (one("workload")?, one("lingering")?, one("shell")?) {
            (None, None, None) => Load::None,
            (Some(field), None, None) => Load::Workload(field.value.clone()),
            (None, Some(field), None) => Load::Lingering(field.value.clone()),
            (None, None, Some(field)) => Load::Shell(field.value.clone()),
            _ => return Err(format!("line {}: more than one load", raw.line)),
        };
        let case = KernelCase {
            name: raw.name.clone(),
            needs: needs(one("needs")?)?,
            run: text("run")?,
            script: text("script")?,
            args: words(&text("args")?)?,
            stdin: text("stdin")?,
            allowed_stderr: text("allow-stderr")?,
            end: end(one("ends")?, &load)?,
            load,
            timeout_s: timeout(one("timeout")?)?,
            expects: fields.iter().filter(|field| expect::is_expectation(&field.key)).cloned().collect(),
        };
        let is_plain = !(case.script.is_empty() && case.args.is_empty());
        if is_plain != case.run.is_empty() {
            return Err(format!("line {}: want either run, or script and args", raw.line));
        }
        if case.expects.is_empty() {
            return Err(format!("line {}: expects nothing", raw.line));
        }
        Ok(case)
    }
}

/// The field named `key`, which stands at most once.
fn one_of<'a>(fields: &'a [Field], key: &str) -> Result<Option<&'a Field>, String> {
    let mut found = fields.iter().filter(|field| field.key == key);
    let first = found.next();
    match found.next() {
        Some(field) => Err(format!("line {}: a second {key}", field.line)),
        None => Ok(first),
    }
}

fn needs(field: Option<&Field>) -> Result<Vec<String>, String> {
    let Some(field) = field else { return Ok(Vec::new()) };
    let names = field.value.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    match names.iter().find(|name| !features::is_known(name)) {
        Some(name) => Err(format!("line {}: no feature is called {name}", field.line)),
        None => Ok(names),
    }
}

/// `itself`, or `after 200ms`: by default right after the load, and by itself where there is none.
fn end(field: Option<&Field>, load: &Load) -> Result<End, String> {
    let Some(field) = field else {
        return Ok(if *load == Load::None { End::Itself } else { End::InterruptAfterMs(0) });
    };
    if field.value == "itself" {
        return Ok(End::Itself);
    }
    let ms =
        field.value.strip_prefix("after ").and_then(|t| t.strip_suffix("ms")).and_then(|t| t.parse().ok());
    ms.map(End::InterruptAfterMs)
        .ok_or_else(|| format!("line {}: want `itself` or `after 200ms`", field.line))
}

fn timeout(field: Option<&Field>) -> Result<u64, String> {
    let Some(field) = field else { return Ok(15) };
    let seconds = field.value.strip_suffix('s').and_then(|text| text.parse().ok());
    seconds.ok_or_else(|| format!("line {}: want a timeout like `30s`", field.line))
}
