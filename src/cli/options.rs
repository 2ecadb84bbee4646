//! What a command line asks for, checked.

use super::flags::{Given, NO_FEATURES, STAGE_NAMES, STAGES};
use crate::base::diag::nearest;
use crate::runtime::OnDemand;
use crate::world::Feature;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Where the script is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    File(String),
    Stdin,
    Text(String),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Run,
    /// `--check`
    Check,
    /// `-d`, `--emit-elf`
    Dump,
    List,
    /// `--fmt`
    Layout,
    Info,
    Help,
    Version,
    /// Nothing was asked for.
    Usage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// When messages are colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// A command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub action: Action,
    pub script: Option<Script>,
    /// `$1`, …
    pub params: Vec<String>,
    /// Words after `--` that start with `--`: names, and what follows their `=`.
    pub named: Vec<(String, Option<String>)>,
    /// For `-l`.
    pub patterns: Vec<String>,
    pub pid: Option<u32>,
    pub command: Option<String>,
    /// `--dwarf-pid`
    pub dwarf_pids: Vec<u32>,
    pub interval_ms: Option<u64>,
    pub dry_run: bool,
    /// `--test`, `--bench`
    pub on_demand: OnDemand,
    pub probe_filter: Option<String>,
    pub output: Option<String>,
    pub format: Format,
    pub buffering: Option<String>,
    pub quiet: bool,
    pub verbose: bool,
    /// `-k`
    pub more_warnings: bool,
    pub no_warnings: bool,
    /// `None`: not given.
    pub color: Option<ColorChoice>,
    pub unsafe_: bool,
    pub includes: Vec<String>,
    /// `-I`
    pub include_dirs: Vec<String>,
    /// `--no-feature`
    pub without: Vec<Feature>,
    /// `--traceable-functions`
    pub traceable: Option<String>,
    /// `--mode compiler-bench`
    pub times_compiler: bool,
    pub debug: Vec<String>,
    pub emit_elf: Option<String>,
    pub world: Option<String>,
    /// `--debuginfo`: folders.
    pub debug_folders: Vec<String>,
}

/// What is wrong with a command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Lower case.
    pub text: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(text: impl Into<String>) -> Problem {
        Problem { text: text.into(), hint: None }
    }
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// clap's error in our words.
    pub fn of_clap(e: &clap::Error) -> Problem {
        let text = |kind| match e.get(kind) {
            Some(ContextValue::String(s)) => s.clone(),
            Some(ContextValue::Strings(s)) => s.join(", "),
            _ => String::new(),
        };
        let (arg, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
        match e.kind() {
            ErrorKind::UnknownArgument => {
                let near = super::flags::FLAGS.iter().map(|f| f.long);
                let near = nearest(arg.trim_start_matches('-'), near);
                let p = Problem::new(format!("unknown option {arg}"));
                let gone = WITHOUT_LLVM.iter().find(|(flag, _)| arg.starts_with(flag));
                if let Some((_, instead)) = gone {
                    return Problem::new(format!("awl compiles without LLVM: there is no {arg}"))
                        .hint(*instead);
                }
                match near {
                    Some(near) => p.hint(format!("did you mean --{near}?")),
                    None => p.hint("words for the script stand after --"),
                }
            }
            ErrorKind::InvalidValue if value.is_empty() => Problem::new(format!("{arg} needs a value")),
            ErrorKind::InvalidValue => {
                let valid = text(ContextKind::ValidValue);
                Problem::new(format!("{arg} cannot be {value}")).hint(format!("it is one of {valid}"))
            }
            ErrorKind::TooManyValues => Problem::new(format!("{arg} takes no value")),
            _ => {
                let text = e.to_string();
                let first = text.lines().next().unwrap_or("").trim_start_matches("error: ");
                Problem::new(first)
            }
        }
    }
}

/// Flags of bpftrace that are about LLVM, and what to use instead.
const WITHOUT_LLVM: &[(&str, &str)] = &[
    ("--emit-llvm", "-d ir prints awl's own intermediate code, --emit-elf FILE writes the object"),
    ("--aot", "--emit-elf FILE writes an object that libbpf loads"),
];

/// The largest process id of any Linux.
const PID_MAX: u32 = 0x40_0000;

impl Options {
    /// Checks what was given; `after` are the words after `--`.
    pub fn from_matches(given: &Given, after: &[String]) -> Result<Options, Problem> {
        let mut words = given.words();
        let action = action(given);
        let text = given.one("expr").map(Script::Text);
        let (script, patterns) = match (text, action) {
            (text, Action::List) => (text, std::mem::take(&mut words)),
            (Some(text), _) => (Some(text), Vec::new()),
            (None, _) if words.is_empty() => (None, Vec::new()),
            (None, _) => {
                let file = words.remove(0);
                (Some(if file == "-" { Script::Stdin } else { Script::File(file) }), Vec::new())
            }
        };
        let (named, further): (Vec<&String>, Vec<&String>) = after.iter().partition(|w| w.starts_with("--"));
        words.extend(further.into_iter().cloned());
        let named = named.into_iter().map(|w| named_param(&w[2..])).collect();
        let format = if given.one("format").as_deref() == Some("json") { Format::Json } else { Format::Text };
        let color = given.one("color").as_deref().and_then(color_choice);
        let options = Options {
            action,
            script,
            params: words,
            named,
            patterns,
            pid: given.one("pid").as_deref().map(pid).transpose()?,
            command: given.one("cmd"),
            dwarf_pids: given.many("dwarf-pid").iter().map(|p| pid(p)).collect::<Result<_, _>>()?,
            interval_ms: given.one("interval").as_deref().map(interval_ms).transpose()?,
            dry_run: given.has("dry-run"),
            on_demand: on_demand(given)?,
            probe_filter: given.one("probe-filter"),
            output: given.one("output"),
            format,
            buffering: given.one("buffering"),
            quiet: given.has("quiet"),
            verbose: given.has("verbose"),
            more_warnings: given.has("warnings"),
            no_warnings: given.has("no-warnings"),
            color,
            unsafe_: given.has("unsafe"),
            includes: given.many("include"),
            include_dirs: given.many("include-dir"),
            without: without(&given.many("no-feature"))?,
            traceable: given.one("traceable-functions"),
            times_compiler: given.one("mode").as_deref() == Some("compiler-bench"),
            debug: stages(&given.many("debug"))?,
            emit_elf: given.one("emit-elf"),
            world: given.one("world"),
            debug_folders: folders(&given.many("debuginfo")),
        };
        options.checked()
    }

    fn checked(self) -> Result<Options, Problem> {
        if self.pid.is_some() && self.command.is_some() {
            return Err(Problem::new("-p and -c: not both at once"));
        }
        if self.more_warnings && self.no_warnings {
            return Err(Problem::new("-k and --no-warnings: not both at once"));
        }
        let needs_script = matches!(self.action, Action::Check | Action::Dump | Action::Layout);
        if needs_script && self.script.is_none() {
            return Err(Problem::new("no script is given").hint("name a file, or give the text with -e"));
        }
        let is_usage = self.script.is_none() && self.action == Action::Run;
        let action = if is_usage { Action::Usage } else { self.action };
        Ok(Options { action, ..self })
    }
}

/// `name=value` or `name`.
fn named_param(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn on_demand(given: &Given) -> Result<OnDemand, Problem> {
    let mode = given.one("mode");
    let is = |name: &str| given.has(name) || mode.as_deref() == Some(name);
    match (is("test"), is("bench")) {
        (true, true) => Err(Problem::new("--test and --bench: not both at once")),
        (true, false) => Ok(OnDemand::Tests),
        (false, true) => Ok(OnDemand::Benches),
        (false, false) if given.one("probe-filter").is_some() => {
            Err(Problem::new("--probe-filter picks tests or benchmarks").hint("add --test or --bench"))
        }
        (false, false) => Ok(OnDemand::Neither),
    }
}

fn action(given: &Given) -> Action {
    let by_flag = [
        ("help", Action::Help),
        ("version", Action::Version),
        ("info", Action::Info),
        ("list", Action::List),
        ("fmt", Action::Layout),
        ("check", Action::Check),
    ];
    let by_mode = match given.one("mode").as_deref() {
        Some("codegen" | "compiler-bench") => Some(Action::Check),
        Some("format") => Some(Action::Layout),
        _ => None,
    };
    let asked = by_flag.iter().find(|(flag, _)| given.has(flag)).map(|(_, action)| *action);
    let dumps = !given.many("debug").is_empty() || given.one("emit-elf").is_some();
    asked.or(by_mode).unwrap_or(if dumps { Action::Dump } else { Action::Run })
}

/// `auto`, `always`, `never`.
pub fn color_choice(text: &str) -> Option<ColorChoice> {
    match text {
        "auto" => Some(ColorChoice::Auto),
        "always" => Some(ColorChoice::Always),
        "never" => Some(ColorChoice::Never),
        _ => None,
    }
}

/// `DIR:DIR`, several times.
fn folders(given: &[String]) -> Vec<String> {
    let all = given.iter().flat_map(|g| g.split(':'));
    all.filter(|f| !f.is_empty()).map(str::to_owned).collect()
}

fn pid(text: &str) -> Result<u32, Problem> {
    let pid: Option<u32> = text.parse().ok().filter(|p| (1..=PID_MAX).contains(p));
    pid.ok_or_else(|| Problem::new(format!("{text} is no process id")))
}

fn interval_ms(text: &str) -> Result<u64, Problem> {
    let secs: Option<f64> = text.parse().ok().filter(|s| (0.001..=1e9).contains(s));
    let problem = || Problem::new(format!("-i needs a number of seconds above 0, not {text}"));
    secs.map(|s| (s * 1000.0) as u64).ok_or_else(problem)
}

/// `--no-feature a,b`
fn without(given: &[String]) -> Result<Vec<Feature>, Problem> {
    let names = given.iter().flat_map(|g| g.split(',')).map(str::trim);
    let feature = |name: &str| {
        let known = NO_FEATURES.contains(&name);
        let row = Feature::ALL.iter().find(|(_, n)| known && *n == name);
        row.map(|(feature, _)| *feature).ok_or_else(|| {
            let p = Problem::new(format!("--no-feature: there is no feature {name} to do without"));
            p.hint(format!("it is one of {}", NO_FEATURES.join(", ")))
        })
    };
    names.map(feature).collect()
}

fn stages(given: &[String]) -> Result<Vec<String>, Problem> {
    let own =
        |name: &str| STAGE_NAMES.iter().find(|(n, _)| *n == name).map_or(name, |(_, own)| own).to_owned();
    let all: Vec<String> = given.iter().flat_map(|g| g.split(',')).map(own).collect();
    match all.iter().find(|s| !STAGES.contains(&s.as_str())) {
        Some(bad) => {
            let known = STAGES.join(", ");
            Err(Problem::new(format!("there is no stage {bad}")).hint(format!("-d takes {known}")))
        }
        None => Ok(all),
    }
}
