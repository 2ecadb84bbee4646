//! The command line: a row a flag, from which parsing, `--help`, the man page and completions are made.
//!
//! Comes in: words. Goes out: [`Options`]. Always holds: a flag that is accepted has a row; words after `--` are
//! parameters of the script, whatever they look like.

use super::options::{Options, Problem};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A flag's row.
#[derive(Debug)]
pub struct Flag {
    pub long: &'static str,
    pub short: Option<char>,
    pub value: Takes,
    pub section: Section,
    pub doc: &'static str,
}

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    /// One value; the last counts.
    One(&'static str),
    /// May be given several times.
    Many(&'static str),
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Flags are shown in groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Script,
    Run,
    Output,
    Compile,
    Machine,
    /// Accepted so that scripts which call bpftrace keep working.
    WithoutEffect,
}

impl Section {
    pub const ALL: &'static [(Section, &'static str)] = &[
        (Section::Script, "script"),
        (Section::Run, "run"),
        (Section::Output, "output"),
        (Section::Compile, "compile"),
        (Section::Machine, "machine"),
        (Section::WithoutEffect, "accepted, without effect"),
    ];
}

/// Words that can follow `-d`.
pub const STAGES: &[&str] = &["ast", "hir", "ir", "asm", "elf", "libbpf", "verifier", "all"];
/// What bpftrace calls them.
pub const STAGE_NAMES: &[(&str, &str)] =
    &[("parse", "ast"), ("types", "hir"), ("codegen", "ir"), ("codegen-opt", "ir"), ("dis", "asm")];
/// Words that can follow `--mode`, and the flags that say the same.
pub const MODES: &[&str] = &["codegen", "compiler-bench", "bench", "test", "format"];
/// Features that `--no-feature` knows.
pub const NO_FEATURES: &[&str] = &["kprobe_multi", "kprobe_session", "uprobe_multi"];

macro_rules! flags {
    ($($section:ident: { $($short:literal $long:literal $value:expr, $doc:literal;)* })*) => {
        /// All rows, in the order in which they are shown.
        pub static FLAGS: &[Flag] = &[$($(Flag {
            long: $long,
            short: short($short),
            value: $value,
            section: Section::$section,
            doc: $doc,
        }),*),*];
    };
}

/// ' ' stands for none.
const fn short(c: char) -> Option<char> {
    if c == ' ' { None } else { Some(c) }
}

use Takes::{Many, Nothing, One, Word};

flags! {
    Script: {
        'e' "expr" One("PROGRAM"), "run this text; of several, the last";
        ' ' "include" Many("FILE"), "put #include FILE before the script";
        ' ' "unsafe" Nothing, "allow what changes the system: system(), signal(), override()";
        ' ' "fmt" Nothing, "print the script in the standard layout and exit; with -o, into that file";
    }
    Run: {
        'p' "pid" One("PID"), "trace this process only, and end when it ends";
        'c' "cmd" One("COMMAND"), "run this command, and end when it ends; cpid is its process id";
        ' ' "dwarf-pid" Many("PID"), "let dw_ustack unwind the stacks of this process, too";
        'i' "interval" One("SECS"), "print all maps every SECS seconds";
        ' ' "test" Nothing, "run the script's test: probes, and say which fail";
        ' ' "bench" Nothing, "run the script's bench: probes, and say how long they take";
        ' ' "probe-filter" One("REGEX"), "of these, run those whose names match";
        ' ' "dry-run" Nothing, "end as soon as everything is attached";
    }
    Output: {
        'o' "output" One("FILE"), "write the output here instead of stdout";
        'f' "format" Word(&["text", "json"]), "how to print: text, or one JSON object a line";
        'B' "buffering" Word(&["line", "full", "none"]), "write after each line, when the buffer is full, or at once";
        'q' "quiet" Nothing, "do not say how many probes are attached";
        'v' "verbose" Nothing, "say more: what is loaded and attached, the verifier's log, details of -l";
        'k' "warnings" Nothing, "warn also of reads of memory that fail and of map keys that are not there";
        ' ' "no-warnings" Nothing, "print no warnings";
        ' ' "color" Word(&["auto", "always", "never"]), "color messages (NO_COLOR and BPFTRACE_COLOR count too)";
    }
    Compile: {
        ' ' "check" Nothing, "compile only; needs no root";
        'd' "debug" Many("STAGE"), "print what a stage made and exit: ast, hir, ir, asm, elf, libbpf (programs), verifier (its log), all (of compilation)";
        ' ' "mode" Word(MODES), "codegen: --check; bench, test: --bench, --test; format: --fmt; compiler-bench: time the compilation";
        'I' "include-dir" Many("DIR"), "look for headers here, too: #include <x.h>, or \"x.h\" that is not beside the script";
        ' ' "no-feature" Many("FEATURE"), "do without what the kernel has: kprobe_multi, kprobe_session, uprobe_multi";
        ' ' "traceable-functions" One("FILE"), "the functions that patterns of kprobe and fentry stand for, one a line";
        ' ' "emit-elf" One("FILE"), "write the compiled script as an ELF object and exit";
        ' ' "debuginfo" Many("DIR"), "look for debug files of binaries here, too (DIR:DIR for several)";
        ' ' "world" One("FILE"), "compile against the machine that `awl world FILE` saved";
    }
    Machine: {
        'l' "list" Nothing, "list probes that match the pattern that follows, or those of a script";
        ' ' "info" Nothing, "show what this kernel can do";
        'h' "help" Nothing, "show this; `awl help TOPIC` explains a builtin, function, probe type, setting or code";
        'V' "version" Nothing, "show the version";
    }
    WithoutEffect: {
        'b' "btf" Nothing, "BTF is always used where there is any";
        ' ' "usdt-file-activation" Nothing, "semaphores are always activated";
        ' ' "verify-llvm-ir" Nothing, "there is no LLVM here; awl's own code is always verified";
    }
}

/// Reads the words of a command line, without the program's name.
pub fn parse(words: &[String]) -> Result<Options, Problem> {
    let split = words.iter().position(|w| w == "--");
    let (before, after) = words.split_at(split.unwrap_or(words.len()));
    let after = after.get(1..).unwrap_or(&[]);
    let command = command();
    let program = std::iter::once("awl".to_owned());
    let matches = command.try_get_matches_from(program.chain(before.iter().cloned()));
    let matches = matches.map_err(|e| Problem::of_clap(&e))?;
    Options::from_matches(&Given { matches }, after)
}

/// clap's view of the rows.
fn command() -> Command {
    let args = FLAGS.iter().map(|row| {
        let arg = Arg::new(row.long).long(row.long);
        let arg = match row.short {
            Some(c) => arg.short(c),
            None => arg,
        };
        match row.value {
            Nothing => arg.action(ArgAction::Count),
            One(name) => arg.action(ArgAction::Set).value_name(name).allow_hyphen_values(true),
            Many(name) => arg.action(ArgAction::Append).value_name(name).allow_hyphen_values(true),
            Word(words) => arg.action(ArgAction::Set).value_parser(words.to_vec()).value_name("WORD"),
        }
    });
    Command::new("awl")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .args(args)
        .arg(Arg::new("words").action(ArgAction::Append).num_args(0..))
}

/// What was given, by the rows' names.
pub struct Given {
    matches: ArgMatches,
}

impl Given {
    pub fn has(&self, long: &str) -> bool {
        self.matches.get_count(long) > 0
    }
    pub fn one(&self, long: &str) -> Option<String> {
        self.matches.get_one::<String>(long).cloned()
    }
    pub fn many(&self, long: &str) -> Vec<String> {
        self.matches.get_many::<String>(long).map(|v| v.cloned().collect()).unwrap_or_default()
    }
    /// Words that are no flags.
    pub fn words(&self) -> Vec<String> {
        self.many("words")
    }
}

/// `-e, --expr PROGRAM`
pub fn spelling(row: &Flag) -> String {
    let short = row.short.map_or("    ".to_owned(), |c| format!("-{c}, "));
    let value = match row.value {
        Nothing => String::new(),
        One(name) | Many(name) => format!(" {name}"),
        Word(words) => format!(" {}", words.join("|")),
    };
    format!("{short}--{}{value}", row.long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::{Action, Format, Script};

    fn parse(words: &[&str]) -> Result<Options, Problem> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        super::parse(&words)
    }

    #[test]
    fn rows_make_a_valid_command() {
        command().debug_assert();
        let mut names: Vec<&str> = FLAGS.iter().map(|f| f.long).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FLAGS.len());
        assert!(FLAGS.iter().all(|f| !f.doc.is_empty() && !f.doc.ends_with('.')));
    }

    #[test]
    fn scripts_and_parameters() {
        let o = parse(&["-e", "begin {}", "123", "abc", "--", "--n=5", "-x"]).unwrap();
        assert_eq!(o.script, Some(Script::Text("begin {}".into())));
        assert_eq!(o.params, ["123", "abc", "-x"]);
        assert_eq!(o.named, [("n".to_owned(), Some("5".to_owned()))]);
        let o = parse(&["x.bt", "1", "-v"]).unwrap();
        assert_eq!(o.script, Some(Script::File("x.bt".into())));
        assert_eq!(o.params, ["1"]);
        assert!(o.verbose);
        assert_eq!(parse(&["-"]).unwrap().script, Some(Script::Stdin));
        let o = parse(&["-e", "a", "-e", "b"]).unwrap();
        assert_eq!(o.script, Some(Script::Text("b".into())));
        assert_eq!(parse(&["-e", "-x"]).unwrap().script, Some(Script::Text("-x".into())));
    }

    #[test]
    fn lists() {
        let o = parse(&["-lv", "t:*"]).unwrap();
        assert_eq!((o.action, o.verbose, o.patterns), (Action::List, true, vec!["t:*".to_owned()]));
        let o = parse(&["-l"]).unwrap();
        assert_eq!((o.action, o.patterns.len()), (Action::List, 0));
        let o = parse(&["-l", "-e", "begin {}"]).unwrap();
        assert_eq!((o.action, o.script.is_some()), (Action::List, true));
        let o = parse(&["-l", "struct path", "-v"]).unwrap();
        assert_eq!(o.patterns, ["struct path"]);
    }

    #[test]
    fn values() {
        let o = parse(&["-f", "json", "-i", "0.5", "-p", "12", "-e", "x"]).unwrap();
        assert_eq!((o.format, o.interval_ms, o.pid), (Format::Json, Some(500), Some(12)));
        let o = parse(&["--dwarf-pid", "3", "--dwarf-pid", "4", "-e", "x"]).unwrap();
        assert_eq!(o.dwarf_pids, [3, 4]);
        let o = parse(&["-d", "ast,ir", "-d", "asm", "-e", "x"]).unwrap();
        assert_eq!(o.debug, ["ast", "ir", "asm"]);
    }

    #[test]
    fn mistakes() {
        for (words, part) in [
            (&["--chek", "-e", "x"][..], "--check"),
            (&["-f", "xml", "-e", "x"], "json"),
            (&["-p", "0", "-e", "x"], "process id"),
            (&["-p", "4194305", "-e", "x"], "process id"),
            (&["--dwarf-pid", "x", "-e", "x"], "process id"),
            (&["-p", "1", "-c", "ls", "-e", "x"], "not both"),
            (&["-k", "--no-warnings", "-e", "x"], "not both"),
            (&["-i", "0", "-e", "x"], "seconds"),
            (&["-d", "llvm", "-e", "x"], "stage"),
            (&["-e"], "PROGRAM"),
        ] {
            let e = parse(words).unwrap_err();
            assert!(
                e.text.contains(part) || e.hint.as_deref().unwrap_or("").contains(part),
                "{words:?}: {e:?}"
            );
        }
    }
}
