//! What a typed text is: a command, a piece of a script, statements, or an expression.
//!
//! Always holds: what the user sees of his text in messages is what he typed.

use crate::base::{Diags, FileId, Source, SourceMap};
use crate::lang::probes;
use crate::syntax::ast::{Block, Expr, Item, Script};
use crate::syntax::lexer;
use crate::syntax::parse::parse;
use crate::syntax::token::Token;

/// Whether Enter ends a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completeness {
    Whole,
    /// A bracket, comment or clause is not finished.
    Half,
}

/// A text, parsed as what it is.
pub enum Input {
    Nothing,
    /// Without its colon: the name, and what follows.
    Command(String, String),
    /// Probes, macros, definitions, settings.
    Script(Script),
    /// To be run once. The items are one `begin` probe.
    Statements(Script),
    /// An expression to show. The items are one `begin` probe whose body's value it is.
    Expression(Script),
    /// None of these.
    Bad(Diags),
}

/// What stands around statements, so that they are a script.
const BEFORE: &str = "begin {\n";
const AFTER: &str = "\n}";

/// Reads a text, which becomes a file of `sources` of that name.
pub fn read(sources: &mut SourceMap, name: &str, text: &str) -> (FileId, Input) {
    let trimmed = text.trim();
    let plain = |sources: &mut SourceMap| sources.add(Source::new(name, text));
    if trimmed.is_empty() {
        return (plain(sources), Input::Nothing);
    }
    if let Some(command) = trimmed.strip_prefix(':') {
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        return (plain(sources), Input::Command(word.to_owned(), rest.trim().to_owned()));
    }
    let file = FileId(sources.files.len() as u32);
    let (script, diags) = parse(file, text);
    if !diags.has_errors() {
        return match script.items.is_empty() {
            true => (plain(sources), Input::Nothing),
            false => (plain(sources), Input::Script(script)),
        };
    }
    if is_scriptlike(text) {
        return (plain(sources), Input::Bad(diags));
    }
    let wrapped = wrapped(name, text);
    let (script, diags) = parse(file, &wrapped.text);
    sources.add(wrapped);
    if diags.has_errors() {
        return (file, Input::Bad(within(diags, BEFORE.len() + text.trim_end().len())));
    }
    match value(&script) {
        Some(_) => (file, Input::Expression(script)),
        None => (file, Input::Statements(script)),
    }
}

/// What is found in the lines that were added is found at the end of the text.
fn within(mut diags: Diags, end: usize) -> Diags {
    for d in &mut diags.list {
        if d.span.lo as usize >= end {
            (d.span.lo, d.span.hi) = (end as u32, end as u32);
            d.message = d.message.replace("found `}`", "found the end of the text");
        }
    }
    diags
}

/// The text as the body of a probe. The lines that were added are no lines to messages.
fn wrapped(name: &str, text: &str) -> Source {
    let mut source = Source::new(name, format!("{BEFORE}{text}{AFTER}"));
    source.line_starts.remove(0);
    source
}

/// The value of the only probe's body, if it is nothing but a value.
pub fn value(script: &Script) -> Option<&Expr> {
    match script.items.as_slice() {
        [Item::Probe(p)] => match &p.body {
            Block { stmts, tail: Some(e), .. } if stmts.is_empty() => Some(e),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a text that is no script was meant to be one.
fn is_scriptlike(text: &str) -> bool {
    const STARTS: &[&str] = &["config", "macro", "import", "fn", "struct", "union", "enum", "typedef", "#"];
    let text = text.trim_start();
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = text[word.len()..].trim_start();
    let is_probe = probes::find(&word).is_some() && rest.starts_with([':', '{', '/', ',']);
    is_probe || text.starts_with('#') || STARTS.contains(&word.as_str())
}

/// Whether Enter hands over this text, or goes on with another line.
pub fn completeness(text: &str) -> Completeness {
    let trimmed = text.trim();
    // Two empty lines end whatever it is.
    if trimmed.is_empty() || trimmed.starts_with(':') || text.ends_with("\n\n") {
        return Completeness::Whole;
    }
    let is_half = is_open(&lexer::lex(text).tokens.iter().map(|t| t.kind).collect::<Vec<_>>())
        || text.trim_end().ends_with([',', '\\'])
        || is_header(trimmed);
    if is_half { Completeness::Half } else { Completeness::Whole }
}

/// Whether brackets or a comment are open at the end.
fn is_open(tokens: &[Token]) -> bool {
    let mut depth = 0i32;
    for token in tokens {
        match token {
            Token::UnclosedComment => return true,
            t if t.opens() => depth += 1,
            t if t.closes() => depth -= 1,
            _ => {}
        }
    }
    depth > 0
}

/// Whether it is a clause without its body.
fn is_header(text: &str) -> bool {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = text[word.len()..].trim_start();
    if text.contains('{') || probes::find(&word).is_none() {
        return false;
    }
    rest.starts_with(':') || rest.is_empty() && matches!(word.to_ascii_lowercase().as_str(), "begin" | "end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> &'static str {
        match read(&mut SourceMap::new(), "prompt", text).1 {
            Input::Nothing => "nothing",
            Input::Command(..) => "command",
            Input::Script(_) => "script",
            Input::Statements(_) => "statements",
            Input::Expression(_) => "expression",
            Input::Bad(_) => "bad",
        }
    }

    #[test]
    fn texts_are_told_apart() {
        for (text, want) in [
            ("", "nothing"),
            ("// only this", "nothing"),
            (":rm 3", "command"),
            ("begin { @x = 1 }", "script"),
            ("macro m(e) { e + 1 }", "script"),
            ("config = { max_strlen = 32 }", "script"),
            ("let @m = hash(10);", "script"),
            ("tracepoint:a:b /pid == 1/ { }", "script"),
            ("1 + 2", "expression"),
            ("@x", "expression"),
            ("@x[1]", "expression"),
            ("curtask.mm", "expression"),
            ("print(@x)", "expression"),
            ("$x = 3; print($x);", "statements"),
            ("@x = 5", "statements"),
            ("1 +", "bad"),
            ("begin { @x = }", "bad"),
            ("tracepoint:a:b", "bad"),
        ] {
            assert_eq!(kind(text), want, "{text}");
        }
    }

    #[test]
    fn half_texts_go_on() {
        for (text, want) in [
            ("begin {", Completeness::Half),
            ("begin {\n  print(1);\n}", Completeness::Whole),
            ("tracepoint:a:b", Completeness::Half),
            ("tracepoint:a:b,", Completeness::Half),
            ("begin", Completeness::Half),
            ("f(1,", Completeness::Half),
            ("/* a", Completeness::Half),
            ("1 + 2", Completeness::Whole),
            ("a ? b : c", Completeness::Whole),
            ("printf(\"{\")", Completeness::Whole),
            ("begin {\n\n", Completeness::Whole),
            (":rm 1", Completeness::Whole),
        ] {
            assert_eq!(completeness(text), want, "{text:?}");
        }
    }

    #[test]
    fn places_are_those_of_what_was_typed() {
        let mut sources = SourceMap::new();
        let (_, input) = read(&mut sources, "prompt", "1 +");
        let Input::Bad(diags) = input else { panic!() };
        let d = &diags.list[0];
        assert_eq!(sources.place(d.span), ("prompt", 1, 4));
        assert!(d.message.ends_with("found the end of the text"), "{}", d.message);
    }
}
