//! `--help`, `awl help TOPIC`, the man page and completions: all made from the rows.

use super::flags::{FLAGS, Flag, Section, Takes, spelling};
use crate::base::codes;
use crate::base::diag::nearest;
use crate::lang::additions::{ADDITIONS, Addition};
use crate::lang::aggs::{self, AggRow};
use crate::lang::builtins;
use crate::lang::config::SETTINGS;
use crate::lang::formats::CONVERSIONS;
use crate::lang::library::{self, Entry};
use crate::lang::probes::{self, ProbeKind};
use crate::lang::sig::{Builtin, Const, Form, Need, Needs, Param};
use crate::lang::traits::ScriptOption;

const USAGES: &[&str] = &[
    "awl [options] FILE [parameters]",
    "awl [options] -e 'PROGRAM' [parameters]",
    "awl -l [-v] [PATTERN]",
    "awl help [TOPIC]",
    "awl world FILE",
];

const EXAMPLES: &[(&str, &str)] = &[
    (
        "awl -e 'tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }'",
        "count files opened, by process name",
    ),
    ("awl -e 'profile:hz:99 { @[kstack] = count(); }'", "sample kernel stacks"),
    ("awl -l 'tracepoint:sched:*'", "list the scheduler's tracepoints"),
];

/// What `--help` shows.
pub fn usage() -> String {
    let mut out = String::from("usage:\n");
    for u in USAGES {
        out.push_str(&format!("  {u}\n"));
    }
    for (section, title) in Section::ALL {
        out.push_str(&format!("\n{title}:\n"));
        for f in FLAGS.iter().filter(|f| f.section == *section) {
            out.push_str(&entry(&spelling(f), f.doc));
        }
    }
    out.push_str("\nexamples:\n");
    for (command, doc) in EXAMPLES {
        out.push_str(&format!("  {command}\n      {doc}\n"));
    }
    out
}

/// A name with its explanation, on a second line where the name is long.
fn entry(name: &str, doc: &str) -> String {
    const COLUMN: usize = 28;
    if name.chars().count() + 2 > COLUMN {
        format!("  {name}\n  {:COLUMN$}{doc}\n", "")
    } else {
        format!("  {name:COLUMN$}{doc}\n")
    }
}

/// The text of a topic; the error names the nearest topic.
pub fn topic(name: &str) -> Result<String, Option<&'static str>> {
    let generated = match name {
        "man" => Some(man()),
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        "printf" => builtins::find("printf").map(|row| builtin(row) + &conversions()),
        _ => None,
    };
    if let Some(text) = generated {
        return Ok(text);
    }
    if let Some(text) = name.strip_prefix('-').and_then(|n| flag(n.trim_start_matches('-'))) {
        return Ok(text);
    }
    let bare = name.trim_end_matches("()");
    let agg = aggs::find(bare).map(aggregation);
    // `argN` stands for all of its kind, and only here is it called so.
    let row = builtins::all().find(|r| r.name == bare).or_else(|| builtins::find(bare));
    let text = agg.or_else(|| row.map(builtin)).or_else(|| probes::find(bare).map(probe));
    let text = text.or_else(|| ADDITIONS.iter().find(|r| r.name == bare).map(addition));
    let text = text.or_else(|| library::find(bare).map(of_library));
    let text = text.or_else(|| setting(bare)).or_else(|| code(bare)).or_else(|| flag(bare));
    text.ok_or_else(|| nearest(bare, names()))
}

/// All topics.
pub fn names() -> impl Iterator<Item = &'static str> {
    let builtins = builtins::all().map(|r| r.name);
    let aggs = aggs::ALL.iter().map(|r| r.name);
    let probes = probes::KINDS.iter().map(|r| r.name);
    let settings = SETTINGS.iter().map(|r| r.name);
    let additions = ADDITIONS.iter().map(|r| r.name);
    builtins
        .chain(library::names())
        .chain(aggs)
        .chain(probes)
        .chain(additions)
        .chain(settings)
        .chain(codes::ALL.iter().map(|c| c.id))
}

/// `awl help` without a topic.
pub fn topics() -> String {
    let mut out = String::from("awl help TOPIC explains one of these.\n");
    for group in builtins::GROUPS {
        out.push_str(&format!("\n{}:\n", group.title));
        for row in group.rows {
            out.push_str(&entry(row.name, first_sentence(row.doc)));
        }
    }
    let mut section = |title: &str, rows: Vec<(&str, &str)>| {
        out.push_str(&format!("\n{title}:\n"));
        for (name, doc) in rows {
            out.push_str(&entry(name, first_sentence(doc)));
        }
    };
    for file in library::FILES {
        let of_file = library::shown().filter(|e| e.file.name == file.name);
        let rows: Vec<(&str, &str)> = of_file.map(|e| (e.name, e.doc.as_str())).collect();
        if !rows.is_empty() {
            section(file.title, rows);
        }
    }
    section("aggregations", aggs::ALL.iter().map(|r| (r.name, r.doc)).collect());
    section("probe types", probes::KINDS.iter().map(|r| (r.name, r.doc)).collect());
    section("what awl adds", ADDITIONS.iter().map(|r| (r.name, r.doc)).collect());
    section("settings", SETTINGS.iter().map(|r| (r.name, r.doc)).collect());
    section("diagnostics", codes::ALL.iter().map(|c| (c.id, c.title)).collect());
    let made = [
        ("man", "this program's manual page, for man(1)"),
        ("bash", "completion for bash"),
        ("zsh", "completion for zsh"),
        ("fish", "completion for fish"),
    ];
    section("files", made.to_vec());
    out
}

/// `awl script.bt -- --help`
pub fn script(name: &str, options: &[ScriptOption]) -> String {
    let mut out = format!("usage:\n  awl {name} -- [parameters]\n\nparameters:\n");
    if options.is_empty() {
        out.push_str("  none with a name\n");
    }
    for option in options {
        let (word, default) = match &option.default {
            Const::Bool(b) => ("", b.to_string()),
            Const::Int(n) => ("=N", n.to_string()),
            Const::Str(s) => ("=TEXT", format!("{s:?}")),
            Const::Record(_) => ("", String::new()),
        };
        let doc = if option.doc.is_empty() { "default" } else { &option.doc };
        let separator = if option.doc.is_empty() { " " } else { "; default " };
        out.push_str(&entry(&format!("--{}{word}", option.name), &format!("{doc}{separator}{default}")));
    }
    out
}

/// A doc up to its first full stop.
pub fn first_sentence(doc: &str) -> &str {
    match doc.split_once(". ") {
        Some((first, _)) => first,
        None => doc.trim_end_matches('.'),
    }
}

/// `str(pointer[, length])`
pub fn signature(name: &str, form: Form, params: &[Param]) -> String {
    if form == Form::Value && params.is_empty() {
        return name.to_owned();
    }
    let mut out = format!("{name}(");
    let mut open = 0;
    for (i, p) in params.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        match p.need {
            Need::Required => out.push_str(&format!("{comma}{}", p.name)),
            Need::Optional => {
                out.push_str(&format!("[{comma}{}", p.name));
                open += 1;
            }
            Need::Rest => out.push_str(&format!("{comma}{}…", p.name)),
        }
    }
    out.push_str(&"]".repeat(open));
    out.push(')');
    out
}

fn builtin(row: &'static Builtin) -> String {
    let mut out = format!("{}\n\n{}\n", signature(row.name, row.form, row.params), row.doc);
    if !row.aliases.is_empty() {
        out.push_str(&format!("\nalso called: {}\n", row.aliases.join(", ")));
    }
    out.push_str(&needs(&row.needs));
    out + &example(row.example)
}

/// A macro of the library.
fn of_library(entry: &'static Entry) -> String {
    let whence = format!("a macro of {}: a script's own of that name comes first", entry.file.name);
    format!("{}\n\n{}\n\n{whence}\n{}", entry.signature(), entry.doc, example(entry.example))
}

fn needs(needs: &Needs) -> String {
    let mut out = String::new();
    if needs.unsafe_ {
        out.push_str("\nneeds: --unsafe\n");
    }
    if !needs.probes.is_empty() {
        let names: Vec<&str> = needs
            .probes
            .iter()
            .filter_map(|p| probes::KINDS.iter().find(|k| k.provider == *p))
            .map(|k| k.name)
            .collect();
        out.push_str(&format!("\nonly in: {}\n", names.join(", ")));
    }
    let helpers: Vec<String> = needs
        .helpers
        .iter()
        .filter_map(|h| h.row())
        .map(|r| format!("bpf_{} (Linux {}.{})", r.name, r.since.0, r.since.1))
        .collect();
    if !helpers.is_empty() {
        out.push_str(&format!("\nneeds of the kernel: {}\n", helpers.join(", ")));
    }
    out
}

fn example(script: &str) -> String {
    format!("\nexample:\n  {script}\n")
}

fn aggregation(row: &'static AggRow) -> String {
    let call = signature(row.name, Form::Func, row.params);
    format!("@map[key] = {call}\n\n{}\n{}", row.doc, example(row.example))
}

fn probe(row: &'static ProbeKind) -> String {
    let mut out = format!("{}\n\n{}\n", row.syntax, row.doc);
    if !row.aliases.is_empty() {
        out.push_str(&format!("\nalso called: {}\n", row.aliases.join(", ")));
    }
    out + &example(row.example)
}

fn addition(row: &'static Addition) -> String {
    format!("{}\n\n{}\n{}", row.syntax, row.doc, example(row.example))
}

fn setting(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let bare = lower.strip_prefix("bpftrace_").or_else(|| lower.strip_prefix("awl_")).unwrap_or(&lower);
    let row = SETTINGS.iter().find(|r| r.name == bare || r.renamed.contains(&bare))?;
    let variable = row.name.to_ascii_uppercase();
    Some(format!(
        "config = {{ {} = … }}\n\n{}\n\nvalues: {}\ndefault: {}\nenvironment: BPFTRACE_{variable} or AWL_{variable}, which win over the script\n",
        row.name, row.doc, row.values, row.default
    ))
}

fn code(name: &str) -> Option<String> {
    let row = codes::ALL.iter().find(|c| c.id.eq_ignore_ascii_case(name))?;
    Some(format!("{}: {}\n\n{}\n", row.id, row.title, row.help))
}

fn flag(name: &str) -> Option<String> {
    let is_short = |f: &Flag| f.short.is_some_and(|c| name.chars().eq([c]));
    let row = FLAGS.iter().find(|f| f.long == name || is_short(f))?;
    Some(format!("{}\n\n{}\n", spelling(row).trim_start(), row.doc))
}

fn conversions() -> String {
    let mut out = String::from("\nconversions:\n");
    for row in CONVERSIONS {
        out.push_str(&entry(&format!("%{}", row.conv), row.doc));
    }
    out
}

fn man() -> String {
    let escape = |s: &str| s.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let mut out = String::from(".TH AWL 8\n.SH NAME\nawl \\- trace a running Linux system\n.SH SYNOPSIS\n");
    for u in USAGES {
        out.push_str(&format!(".B {}\n.br\n", escape(u)));
    }
    out.push_str(".SH OPTIONS\n");
    for f in FLAGS {
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(spelling(f).trim_start()), escape(f.doc)));
    }
    out.push_str(".SH EXAMPLES\n");
    for (command, doc) in EXAMPLES {
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(command), escape(doc)));
    }
    out.push_str(".SH PROBE TYPES\n");
    for row in probes::KINDS {
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(row.syntax), escape(row.doc)));
    }
    out.push_str(".SH BUILTINS AND FUNCTIONS\n");
    for row in builtins::all() {
        let call = signature(row.name, row.form, row.params);
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(&call), escape(row.doc)));
    }
    for entry in library::shown() {
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(&entry.signature()), escape(&entry.doc)));
    }
    out.push_str(".SH WHAT AWL ADDS\n");
    for row in ADDITIONS {
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(row.syntax), escape(row.doc)));
    }
    out.push_str(".SH AGGREGATIONS\n");
    for row in aggs::ALL {
        let call = signature(row.name, Form::Func, row.params);
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(&call), escape(row.doc)));
    }
    out.push_str(".SH ENVIRONMENT\n");
    for row in SETTINGS {
        let variable = row.name.to_ascii_uppercase();
        out.push_str(&format!(
            ".TP\n.B AWL_{variable}\n{} Default: {}.\n",
            escape(row.doc),
            escape(row.default)
        ));
    }
    out
}

/// Every spelling of every flag.
fn spellings() -> Vec<String> {
    let short = FLAGS.iter().filter_map(|f| f.short).map(|c| format!("-{c}"));
    FLAGS.iter().map(|f| format!("--{}", f.long)).chain(short).collect()
}

fn bash() -> String {
    let mut words = String::new();
    for f in FLAGS {
        if let Takes::Word(values) = f.value {
            let short = f.short.map_or(String::new(), |c| format!("|-{c}"));
            words.push_str(&format!(
                "        --{}{short}) COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return ;;\n",
                f.long,
                values.join(" ")
            ));
        }
    }
    format!(
        "_awl() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n    case $prev in\n{words}    esac\n    case $cur in\n        -*) COMPREPLY=($(compgen -W '{}' -- \"$cur\")) ;;\n        *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n    esac\n}}\ncomplete -o filenames -F _awl awl\n",
        spellings().join(" ")
    )
}

fn zsh() -> String {
    let mut out = String::from("#compdef awl\n_arguments \\\n");
    for f in FLAGS {
        let doc = f.doc.replace('\'', "").replace([':', '[', ']', '`'], " ");
        let value = match f.value {
            Takes::Nothing => String::new(),
            Takes::One(name) | Takes::Many(name) => format!(":{name}:_files"),
            Takes::Word(words) => format!(":WORD:({})", words.join(" ")),
        };
        out.push_str(&format!("  '--{}[{doc}]{value}' \\\n", f.long));
        if let Some(c) = f.short {
            out.push_str(&format!("  '-{c}[{doc}]{value}' \\\n"));
        }
    }
    out + "  '*:file:_files'\n"
}

fn fish() -> String {
    let mut out = String::new();
    for f in FLAGS {
        let short = f.short.map_or(String::new(), |c| format!(" -s {c}"));
        let value = match f.value {
            Takes::Nothing => String::new(),
            Takes::One(_) | Takes::Many(_) => " -r".to_owned(),
            Takes::Word(words) => format!(" -x -a '{}'", words.join(" ")),
        };
        let doc = f.doc.replace('\'', "");
        out.push_str(&format!("complete -c awl -l {}{short}{value} -d '{doc}'\n", f.long));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_topic() {
        for name in names() {
            let text = topic(name).unwrap_or_else(|_| panic!("{name} is no topic"));
            assert!(text.lines().count() >= 3, "{name}");
        }
        assert!(topic("str()").is_ok_and(|t| t.starts_with("str(")));
        assert!(topic("BPFTRACE_MAX_STRLEN").is_ok_and(|t| t.contains("max_strlen")));
        assert!(topic("e0101").is_ok_and(|t| t.contains("syntax error")));
        assert!(topic("-p").is_ok_and(|t| t.contains("--pid")));
    }

    #[test]
    fn unknown_topics_name_the_nearest() {
        assert_eq!(topic("kprobee"), Err(Some("kprobe")));
        assert_eq!(topic("zzzzzzzz"), Err(None));
    }

    #[test]
    fn usage_shows_every_flag() {
        let text = usage();
        for f in FLAGS {
            assert!(text.contains(&format!("--{}", f.long)), "{}", f.long);
        }
        let topics = topics();
        assert!(names().all(|n| topics.contains(n)));
    }

    #[test]
    fn optional_parameters_are_bracketed() {
        let p = [
            Param { name: "a", kind: crate::lang::sig::ParamKind::Any, need: Need::Required },
            Param { name: "b", kind: crate::lang::sig::ParamKind::Any, need: Need::Optional },
            Param { name: "c", kind: crate::lang::sig::ParamKind::Any, need: Need::Optional },
        ];
        assert_eq!(signature("f", Form::Func, &p), "f(a[, b[, c]])");
        assert_eq!(signature("f", Form::Func, &[]), "f()");
        assert_eq!(signature("pid", Form::Value, &[]), "pid");
    }

    #[test]
    fn generated_files() {
        for (shell, text) in [("bash", bash()), ("zsh", zsh()), ("fish", fish()), ("man", man())] {
            assert!(FLAGS.iter().all(|f| text.replace("\\-", "-").contains(f.long)), "{shell}");
        }
    }
}
