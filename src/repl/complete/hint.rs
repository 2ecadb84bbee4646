//! What the prompt says behind the cursor: the signature of a call, the type of a field, what a probe offers.
//!
//! Comes in: the input and the place of the cursor. Goes out: a few words, to be shown and never to be taken into
//! the input. Always holds: a hint is one line.

use super::super::commands;
use super::super::view::Cx;
use super::place::{self, Code, Place};
use super::typed::{self, Typed};
use super::{Completion, complete};
use crate::cli::help;
use crate::cli::list;
use crate::lang::sig::Form;
use crate::lang::{aggs, builtins, library, probes};
use crate::ty::{Ty, print};

/// The longest hint.
const CHARS_MAX: usize = 100;
/// One that is cut to fewer says nothing.
const CHARS_MIN: usize = 12;

/// What to say at `pos`; nothing in the middle of a line.
pub fn hint(text: &str, pos: usize, cx: &Cx<'_>) -> Option<String> {
    if !text.is_char_boundary(pos) || !matches!(text[pos..].chars().next(), None | Some('\n' | ')' | '}')) {
        return None;
    }
    let said = match place::find(text, pos) {
        Place::Command { word, .. } => command(word),
        Place::Argument { command: name, args: "", .. } => command(name),
        Place::Argument { .. } | Place::Sigil { .. } | Place::Tag { .. } | Place::Nothing => {
            inside(&text[..pos])
        }
        Place::Point { text, .. } => point(cx, text),
        Place::First { word, .. } => of_word(cx, &Code::default(), word),
        Place::Setting { word, .. } => setting(word),
        Place::SettingValue { setting: name, word: "", .. } => setting(name),
        Place::SettingValue { .. } => None,
        Place::Member { word: "", base, code, .. } => fields(cx, &code, base),
        Place::Member { word, base, code, .. } => member(cx, &code, base, word),
        Place::Word { word: "", code, .. } => code.call.and_then(|(name, nth)| call(name, nth)),
        Place::Word { word, code, .. } => {
            of_word(cx, &code, word).or_else(|| code.call.and_then(|(name, nth)| call(name, nth)))
        }
    };
    said.map(|s| shorten(&s, CHARS_MAX))
}

/// A hint with what parts it from the input, so long that the line still fits the terminal.
pub fn fitting(said: &str, line: &str, columns: usize) -> Option<String> {
    const GAP: &str = "   ";
    // The prompt stands before the line, and the cursor needs a place behind it.
    let used = super::super::PROMPT.len() + line.chars().count() + GAP.len() + 1;
    let room = columns.saturating_sub(used);
    (room >= CHARS_MIN || said.chars().count() <= room).then(|| format!("{GAP}{}", shorten(said, room)))
}

/// In a string: the call that it is an argument of.
fn inside(left: &str) -> Option<String> {
    let quote = left.rfind('"')?;
    match place::find(left, quote) {
        Place::Word { code, .. } => code.call.and_then(|(name, nth)| call(name, nth)),
        _ => None,
    }
}

fn shorten(text: &str, chars_max: usize) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= chars_max {
        return line.to_owned();
    }
    let cut: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{cut}…")
}

fn command(name: &str) -> Option<String> {
    let row = commands::COMMANDS.iter().find(|c| name.strip_prefix(':') == Some(c.name))?;
    Some(format!("{}  {}", row.args, help::first_sentence(row.doc)).trim_start().to_owned())
}

fn setting(name: &str) -> Option<String> {
    let row = crate::lang::config::SETTINGS.iter().find(|s| s.name == name)?;
    Some(format!("= {} ({})", row.values, row.default))
}

/// The signature of a call with the argument that is being written in brackets.
fn call(name: &str, nth: usize) -> Option<String> {
    let (params, doc) = match (aggs::find(name), builtins::find(name)) {
        (Some(agg), _) => (agg.params, agg.doc),
        (None, Some(row)) => (row.params, row.doc),
        (None, None) => return library::find(name).map(|e| of_library(e, nth)),
    };
    let signature = help::signature(name, Form::Func, params);
    let current = params.get(nth.min(params.len().saturating_sub(1))).filter(|_| params.len() > 1);
    let now = current.map_or(String::new(), |p| format!(" [{}]", p.name));
    Some(format!("{signature}{now}: {}", help::first_sentence(doc)))
}

/// The same of a macro of the library; the argument is that of its longest form.
fn of_library(entry: &library::Entry, nth: usize) -> String {
    let params = entry.forms.iter().map(library::Form::params).max_by_key(Vec::len).unwrap_or_default();
    let current = params.get(nth.min(params.len().saturating_sub(1))).filter(|_| params.len() > 1);
    let now = current.map_or(String::new(), |p| format!(" [{p}]"));
    format!("{}{now}: {}", entry.signature(), help::first_sentence(&entry.doc))
}

/// A word that is whole: what it is.
fn of_word(cx: &Cx<'_>, code: &Code<'_>, word: &str) -> Option<String> {
    let of_library = || library::find(word).map(|e| (e.is_value(), e.doc.as_str()));
    let row = builtins::find(word).map(|row| (row.form == Form::Value, row.doc));
    let (is_value, doc) = row.or_else(of_library)?;
    if !is_value {
        return call(word, 0);
    }
    let typed = typed::type_of(cx, code, word);
    let ty = typed.map_or(String::new(), |t| format!("{}: ", t.name()));
    Some(format!("{ty}{}", help::first_sentence(doc)))
}

/// The type of a field that is written out; else the ways in which its name can go on.
fn member(cx: &Cx<'_>, code: &Code<'_>, base: &str, word: &str) -> Option<String> {
    let fields = typed::type_of(cx, code, base)?.fields(cx.world);
    if let Some(field) = fields.iter().find(|f| f.name == word) {
        return Some(field.ty.clone());
    }
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).filter(|n| n.starts_with(word)).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

fn fields(cx: &Cx<'_>, code: &Code<'_>, base: &str) -> Option<String> {
    let fields = typed::type_of(cx, code, base)?.fields(cx.world);
    let names: Vec<String> = fields.into_iter().map(|f| f.name).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// What an attach point that is there offers.
fn point(cx: &Cx<'_>, text: &str) -> Option<String> {
    let (provider, _) = text.split_once(':')?;
    let kind = probes::find(provider)?;
    if !cx.index.is_ready() {
        return None;
    }
    let Completion { candidates, .. } = complete(text, text.len(), cx);
    let is_whole = candidates.iter().any(|c| text.ends_with(&c.text) && !c.text.ends_with(':'));
    if !is_whole {
        return candidates.is_empty().then(|| kind.syntax.to_owned());
    }
    let lines = list::arguments(cx.world, text);
    if lines.is_empty() {
        return Some(help::first_sentence(kind.doc).to_owned());
    }
    let name = |l: &String| l.rsplit(' ').next().unwrap_or("").trim_start_matches('*').to_owned();
    Some(format!("args: {}", lines.iter().map(name).collect::<Vec<_>>().join(" ")))
}

/// The type of an expression, for `:type`: its name, and where it is a struct, the fields.
pub fn describe(typed: &Typed) -> String {
    let name = typed.name();
    let size = match &typed.ty {
        Ty::Void | Ty::Word | Ty::Error => 0,
        ty => ty.size(&typed.types),
    };
    let target = match &typed.ty {
        Ty::Ptr { to, .. } => {
            let inside = to.size(&typed.types);
            let shown = print::name(to, &typed.types);
            if inside > 0 { format!(", to {shown} of {inside} bytes") } else { String::new() }
        }
        _ => String::new(),
    };
    let unit = if size == 1 { "byte" } else { "bytes" };
    if size == 0 { name } else { format!("{name} ({size} {unit}{target})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::complete::Index;
    use crate::repl::view::View;
    use crate::world::fixture::FixtureWorld;

    fn with<T>(run: impl Fn(&Cx<'_>) -> T) -> T {
        let (world, view) = (FixtureWorld::new(), View::default());
        run(&Cx { world: &world, index: &Index::of(&world), view: &view })
    }

    fn said(text: &str) -> Option<String> {
        with(|cx| hint(text, text.len(), cx))
    }

    fn starts(text: &str, want: &str) {
        let got = said(text);
        assert!(got.as_deref().is_some_and(|g| g.starts_with(want)), "{text}: {got:?}");
    }

    #[test]
    fn signatures() {
        starts("begin { printf(", "printf(format, values…) [format]: ");
        starts("begin { printf(\"%d", "printf(format, values…) [format]: ");
        starts("begin { printf(\"%d\", ", "printf(format, values…) [values]: ");
        starts("begin { @x = count(", "count(): ");
        starts("begin { assert(pid, ", "assert(condition, message) [message]: Where the condition is false");
        starts("begin { is_str(", "is_str(value): Whether a value is a string");
        starts("begin { find(@m, ", "find(@map, key, $value) [key]: ");
        assert_eq!(said("begin { nosuch("), None);
        assert_eq!(said("begin { $x"), None);
    }

    #[test]
    fn types_of_fields() {
        assert_eq!(said("curtask.mm").as_deref(), Some("struct mm_struct *"));
        assert_eq!(said("curtask.mm.").as_deref(), Some("owner pgd"));
        assert_eq!(said("curtask.mm.ow").as_deref(), Some("owner"));
        starts("pid", "uint32: ");
        starts("username", "username_t: Name of the current user");
    }

    #[test]
    fn what_a_probe_offers() {
        starts("tracepoint:syscalls:sys_enter_openat", "args: ");
        starts("interval:s:1", "interval:");
        assert_eq!(said("tracepoint:sch"), None);
    }

    #[test]
    fn not_in_the_middle() {
        assert_eq!(with(|cx| hint("curtask.mm + 1", 10, cx)), None);
        assert!(with(|cx| hint("begin { curtask.mm }", 18, cx)).is_none(), "a blank follows");
    }

    #[test]
    fn hints_fit_the_line() {
        assert_eq!(fitting("uint32", "pid", 80).as_deref(), Some("   uint32"));
        assert_eq!(fitting(&"x".repeat(90), "pid", 40).map(|h| h.chars().count()), Some(3 + 28));
        assert_eq!(fitting(&"x".repeat(90), &"y".repeat(70), 80), None);
    }

    #[test]
    fn types_are_described() {
        let of = |e: &str| with(|cx| describe(&typed::type_of(cx, &Code::default(), e).unwrap()));
        assert_eq!(of("curtask"), "struct task_struct * (8 bytes, to struct task_struct of 256 bytes)");
        assert_eq!(of("pid"), "uint32 (4 bytes)");
    }
}
