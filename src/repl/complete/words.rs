//! Words of the language, of the session and of the machine.

use super::super::view::Cx;
use super::place::Code;
use super::typed;
use super::{CANDIDATES_MAX, Candidate, cut, fuzzy, probe};
use crate::lang::aggs;
use crate::lang::builtins;
use crate::lang::config::SETTINGS;
use crate::lang::library;
use crate::lang::probes::{self, Provider};
use crate::lang::sig::{Builtin, Form};
use crate::syntax::lexer;
use crate::syntax::token::Token;
use std::collections::BTreeSet;
use std::path::Path;

/// Words of statements that are no rows.
const KEYWORDS: &[&str] = &[
    "if",
    "else",
    "for",
    "while",
    "unroll",
    "let",
    "break",
    "continue",
    "return",
    "comptime",
    "true",
    "false",
    "sizeof(",
    "offsetof(",
    "typeof(",
];
/// Words with which an input can begin besides probes and expressions.
const STARTS: &[&str] = &["config", "import", "macro", "let", "fn"];

/// The names that fit, as candidates.
pub fn fitting<'a>(names: impl Iterator<Item = &'a str>, word: &str) -> Vec<Candidate> {
    let (best, more) = fuzzy::pick(names, word, CANDIDATES_MAX);
    cut(best.into_iter().map(Candidate::plain).collect(), more, word)
}

/// As [`fitting`], with what the list shows after each name.
fn noted(names: &[(String, String)], word: &str) -> Vec<Candidate> {
    let (best, more) = fuzzy::pick(names.iter().map(|(n, _)| n.as_str()), word, CANDIDATES_MAX);
    let note = |name: &str| names.iter().find(|(n, _)| n == name).map_or("", |(_, note)| note.as_str());
    cut(best.into_iter().map(|n| Candidate::with(n, note(n))).collect(), more, word)
}

pub fn commands(word: &str) -> Vec<Candidate> {
    let rows = super::commands::COMMANDS.iter();
    let names: Vec<_> = rows.map(|c| (format!(":{}", c.name), c.args.to_owned())).collect();
    noted(&names, word)
}

/// The maps that live.
pub fn maps(cx: &Cx<'_>, word: &str) -> Vec<Candidate> {
    fitting(cx.view.base.maps.iter().map(|m| m.name.as_str()), word)
}

/// The first word of an input.
pub fn first(cx: &Cx<'_>, word: &str) -> Vec<Candidate> {
    let mut names: Vec<String> = probe::providers("").into_iter().map(|c| c.text).collect();
    names.extend(STARTS.iter().map(|s| (*s).to_owned()));
    names.extend(words_of(cx, Some(Provider::Begin)));
    names.extend(map_names(cx, ""));
    let lower = word.to_ascii_lowercase();
    // A probe of that name is more likely than a word that has its letters somewhere.
    let is_start = |n: &String| fuzzy::rank(n, &lower) == Some(fuzzy::Rank::Prefix);
    if !word.is_empty() && !names.iter().any(is_start) {
        let found = probe::anywhere(cx, word);
        if !found.is_empty() {
            return found;
        }
    }
    fitting(names.iter().map(String::as_str), word)
}

/// A word of a body or expression.
pub fn words(cx: &Cx<'_>, code: &Code<'_>, word: &str) -> Vec<Candidate> {
    let names = words_of(cx, provider(code));
    fitting(names.iter().map(String::as_str), word)
}

/// The provider of the clause; what stands alone is like `begin`.
fn provider(code: &Code<'_>) -> Option<Provider> {
    let points = code.points.unwrap_or("begin");
    let name = points.rsplit_once('=').map_or(points, |(_, p)| p).trim_start();
    let end = name.find([':', ',', ' ']).unwrap_or(name.len());
    probes::find(&name[..end]).map(|k| k.provider)
}

/// Everything that can be said in a probe of that provider.
fn words_of(cx: &Cx<'_>, provider: Option<Provider>) -> Vec<String> {
    let fits = |row: &&Builtin| {
        let of = row.needs.probes;
        of.is_empty() || provider.is_none_or(|p| of.contains(&p))
    };
    let allowed = |row: &&Builtin| !row.needs.unsafe_ || cx.view.config.unsafe_;
    let is_name = |row: &&Builtin| row.name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let rows = builtins::all().filter(fits).filter(allowed).filter(is_name);
    let mut names: Vec<String> = rows.map(spelling).collect();
    names.extend(aggs::ALL.iter().map(|a| format!("{}(", a.name)));
    names.extend(KEYWORDS.iter().map(|k| (*k).to_owned()));
    names.extend(
        library::shown().map(|e| if e.is_value() { e.name.to_owned() } else { format!("{}(", e.name) }),
    );
    names.extend(macros(&cx.view.preamble).iter().map(|m| format!("{m}(")));
    names
}

fn spelling(row: &'static Builtin) -> String {
    match row.form {
        Form::Value => row.name.to_owned(),
        Form::Func if row.params.is_empty() => format!("{}()", row.name),
        Form::Func => format!("{}(", row.name),
    }
}

/// The names of the macros and functions of a text.
fn macros(text: &str) -> Vec<&str> {
    let lexemes = lexer::lex(text);
    let name = |item: &lexer::LexItem| {
        let mut words = lexemes.tokens[item.tokens.clone()].iter().filter(|t| !t.kind.is_layout());
        let is_one = words.next().is_some_and(|t| matches!(t.kind, Token::Macro | Token::Fn));
        words.next().filter(|_| is_one).map(|t| t.text(text))
    };
    lexemes.items.iter().filter_map(name).collect()
}

/// Fields of what stands before the dot.
pub fn members(cx: &Cx<'_>, code: &Code<'_>, base: &str, word: &str) -> Vec<Candidate> {
    let typed = typed::type_of(cx, code, base);
    let fields = typed.map(|t| t.fields(cx.world)).unwrap_or_default();
    let names: Vec<_> = fields.into_iter().map(|f| (f.name, f.ty)).collect();
    noted(&names, word)
}

/// `$x` of the clause, `@x` of the input and the session; the word at `start` itself is none of them.
pub fn sigils(cx: &Cx<'_>, text: &str, start: usize, word: &str) -> Vec<Candidate> {
    let names = match word.starts_with('@') {
        true => map_names(cx, &text_without(text, start, word)),
        false => variables(text, start, word),
    };
    fitting(names.iter().map(String::as_str), word)
}

/// Blanks where the word stands.
fn text_without(text: &str, start: usize, word: &str) -> String {
    let mut out = text.to_owned();
    let end = (start + word.len()).min(text.len());
    if start < end {
        out.replace_range(start..end, " ");
    }
    out
}

fn map_names(cx: &Cx<'_>, text: &str) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = cx.view.base.maps.iter().map(|m| m.name.clone()).collect();
    let tokens = lexer::lex_expr(text);
    let maps = tokens.iter().filter(|t| t.kind == Token::Map && t.hi - t.lo > 1);
    names.extend(maps.map(|t| t.text(text).to_owned()));
    names
}

/// Variables of the clause that the place is in, before and after it.
fn variables(text: &str, start: usize, word: &str) -> BTreeSet<String> {
    let lexemes = lexer::lex(text);
    let holds = |item: &&lexer::LexItem| {
        let tokens = &lexemes.tokens[item.tokens.clone()];
        tokens.iter().any(|t| t.lo as usize <= start && start < t.hi as usize)
    };
    let tokens = lexemes.items.iter().find(holds).map_or(&[][..], |i| &lexemes.tokens[i.tokens.clone()]);
    let others = tokens.iter().filter(|t| t.kind == Token::Var && t.lo as usize != start);
    others.map(|t| t.text(text).to_owned()).filter(|n| n != word).collect()
}

pub fn settings(word: &str) -> Vec<Candidate> {
    let names: Vec<_> = SETTINGS.iter().map(|s| (s.name.to_owned(), s.values.to_owned())).collect();
    noted(&names, word)
}

/// The words that a setting can be; none where it takes a number.
pub fn setting_values(setting: &str, word: &str) -> Vec<Candidate> {
    let Some(row) = SETTINGS.iter().find(|s| s.name == setting) else { return Vec::new() };
    let values = row.values.replace(" or ", ", ");
    let words = values.split(", ").map(str::trim).filter(|v| !v.is_empty() && !v.contains(' '));
    fitting(words, word)
}

pub fn structs(cx: &Cx<'_>, word: &str) -> Vec<Candidate> {
    let Some(lists) = cx.index.lists() else { return Vec::new() };
    let (best, more) = fuzzy::best(lists.structs.fitting(word), CANDIDATES_MAX);
    cut(best.into_iter().map(Candidate::plain).collect(), more, word)
}

/// Numbers of clauses, with what they are.
pub fn clauses(cx: &Cx<'_>, word: &str) -> Vec<Candidate> {
    let numbered = cx.view.clauses.iter().map(|(n, title)| (n.to_string(), title));
    numbered.filter(|(n, _)| n.starts_with(word)).map(|(n, title)| Candidate::with(n, title)).collect()
}

pub fn topics(word: &str) -> Vec<Candidate> {
    fitting(crate::cli::help::names(), word)
}

/// Files and folders that continue a path.
pub fn files(path: &str) -> Vec<Candidate> {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(f, n)| (&path[..=f.len()], n));
    let read = std::fs::read_dir(if folder.is_empty() { Path::new(".") } else { Path::new(folder) });
    let mut found = Vec::new();
    for entry in read.into_iter().flatten().flatten() {
        let Ok(entry_name) = entry.file_name().into_string() else { continue };
        let is_hidden = entry_name.starts_with('.') && !name.starts_with('.');
        if !is_hidden && entry_name.starts_with(name) {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            found.push(format!("{folder}{entry_name}{slash}"));
        }
    }
    fitting(found.iter().map(String::as_str), path)
}

/// What a uprobe can name: a path, or a command.
pub fn binaries(word: &str) -> Vec<Candidate> {
    if word.is_empty() {
        return fitting(["/", "libc:", "./"].into_iter(), "");
    }
    if word.contains('/') {
        let is_file = |c: &Candidate| !c.text.ends_with('/') && c.text != word;
        let file = |c: Candidate| if is_file(&c) { Candidate::plain(format!("{}:", c.text)) } else { c };
        return files(word).into_iter().map(file).collect();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut names: BTreeSet<String> = ["libc:".to_owned()].into();
    for folder in path.split(':').filter(|f| f.starts_with('/')) {
        let commands = files(&format!("{folder}/{word}")).into_iter();
        names.extend(
            commands.filter_map(|c| Some(format!("{}:", c.text.strip_prefix(folder)?.strip_prefix('/')?))),
        );
    }
    fitting(names.iter().map(String::as_str), word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let texts = |c: Vec<Candidate>| c.into_iter().map(|c| c.text).collect::<Vec<_>>();
        assert_eq!(texts(files("src/ma")), ["src/main.rs"]);
        assert_eq!(texts(files("src/rep")), ["src/repl/"]);
        assert_eq!(texts(files("no/such/")), [] as [&str; 0]);
        assert_eq!(texts(binaries("src/main")), ["src/main.rs:"]);
    }
}
