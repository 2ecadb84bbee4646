//! Colours for what is being typed, by the real lexer.
//!
//! Comes in: the input and the place of the cursor. Goes out: the same text with escape sequences between its
//! tokens. Always holds: without the sequences the text is what came in.

use super::complete::place;
use crate::lang::{aggs, builtins, library, probes};
use crate::syntax::lexer;
use crate::syntax::token::{Lexed, Token};

/// What a piece of text is, to the eye.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    Plain,
    Keyword,
    /// A builtin or function.
    Builtin,
    Number,
    Text,
    Comment,
    Variable,
    Map,
    /// A provider's name, or a command.
    Head,
    Mistake,
    /// A bracket whose partner is beside the cursor, or it itself.
    Partner,
}

impl Look {
    /// The parameters of the escape sequence.
    fn sgr(self) -> &'static str {
        match self {
            Look::Plain => "",
            Look::Keyword => "35",
            Look::Builtin => "36",
            Look::Number => "33",
            Look::Text => "32",
            Look::Comment => "2",
            Look::Variable => "94",
            Look::Map => "93",
            Look::Head => "1;34",
            Look::Mistake => "31",
            Look::Partner => "1;7",
        }
    }
}

/// The text in colours.
pub fn highlight(text: &str, cursor: usize) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut at = 0;
    for (lo, hi, look) in looks(text, cursor) {
        out.push_str(&text[at..lo]);
        match look.sgr() {
            "" => out.push_str(&text[lo..hi]),
            sgr => out.push_str(&format!("\x1b[{sgr}m{}\x1b[0m", &text[lo..hi])),
        }
        at = hi;
    }
    out.push_str(&text[at..]);
    out
}

/// Pieces in order, none over another.
fn looks(text: &str, cursor: usize) -> Vec<(usize, usize, Look)> {
    let blank = text.len() - text.trim_start().len();
    if text[blank..].starts_with(':') {
        let end = text[blank..].find(char::is_whitespace).map_or(text.len(), |n| blank + n);
        return vec![(blank, end, Look::Head)];
    }
    let tokens = match place::is_expression(text) {
        true => lexer::lex_expr(text),
        false => lexer::lex(text).tokens,
    };
    let partners = partners(&tokens, cursor);
    let mut out = Vec::new();
    for (i, t) in tokens.iter().enumerate().filter(|(_, t)| t.lo < t.hi) {
        let (lo, hi) = (t.lo as usize, t.hi as usize);
        if partners.is_some_and(|(a, b)| i == a || i == b) {
            out.push((lo, hi, Look::Partner));
        } else if t.kind == Token::Point {
            let provider = t.text(text).find(':').map_or(hi, |n| lo + n);
            let is_known = probes::find(&text[lo..provider]).is_some();
            out.push((lo, provider, if is_known { Look::Head } else { Look::Plain }));
        } else {
            out.push((lo, hi, look(t, text)));
        }
    }
    out
}

fn look(t: &Lexed, text: &str) -> Look {
    match t.kind {
        Token::Ident => word(t.text(text)),
        Token::Int | Token::True | Token::False => Look::Number,
        Token::Str | Token::UnclosedStr => Look::Text,
        Token::Comment | Token::UnclosedComment | Token::Shebang => Look::Comment,
        Token::Var | Token::Positional | Token::Count => Look::Variable,
        Token::Map => Look::Map,
        Token::Error | Token::CharLit => Look::Mistake,
        Token::Config | Token::Macro | Token::Fn | Token::CDef => Look::Keyword,
        Token::PredOpen | Token::PredClose | Token::ProbeName => Look::Head,
        k if k.is_keyword() => Look::Keyword,
        _ => Look::Plain,
    }
}

fn word(name: &str) -> Look {
    let is_known = builtins::find(name).is_some() || aggs::find(name).is_some();
    match is_known || library::find(name).is_some() {
        true => Look::Builtin,
        false => Look::Plain,
    }
}

/// The bracket before or at the cursor and its partner, as indices of tokens.
fn partners(tokens: &[Lexed], cursor: usize) -> Option<(usize, usize)> {
    let beside = |t: &Lexed| t.hi as usize == cursor || t.lo as usize == cursor;
    let is_bracket = |t: &Lexed| t.kind.opens() || t.kind.closes();
    let mut near = tokens.iter().enumerate().filter(|(_, t)| is_bracket(t) && beside(t)).map(|(i, _)| i);
    near.find_map(|at| partner(tokens, at).map(|p| (at, p)))
}

fn partner(tokens: &[Lexed], at: usize) -> Option<usize> {
    let mut depth = 0i32;
    let count = |i: usize, depth: &mut i32| {
        *depth += i32::from(tokens[i].kind.opens()) - i32::from(tokens[i].kind.closes());
        *depth == 0
    };
    match tokens[at].kind.opens() {
        true => (at..tokens.len()).find(|&i| count(i, &mut depth)),
        false => (0..=at).rev().find(|&i| count(i, &mut depth)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('\x1b') {
            out.push_str(&rest[..at]);
            let end = rest[at..].find('m').unwrap();
            rest = &rest[at + end + 1..];
        }
        out + rest
    }

    #[test]
    fn nothing_is_lost() {
        let text =
            "config = { a = 1; }\nt:a:b, foo /x.y[1] == \"ü\"/ { @a[curtask.mm] = str(args.x, 4); /* é */ }";
        for cursor in 0..text.len() {
            assert_eq!(plain(&highlight(text, cursor)), text);
        }
        for text in ["", ":help str", "curtask.mm + 1", "\"unclosed", "} ) {", "begin { \u{7f}ü"] {
            assert_eq!(plain(&highlight(text, 0)), text);
        }
    }

    #[test]
    fn words_have_their_colours() {
        let out = highlight("kprobe:vfs_read /pid == 1/ { @x = count(); }", 99);
        for want in [
            "\x1b[1;34mkprobe\x1b[0m:vfs_read",
            "\x1b[36mpid\x1b[0m",
            "\x1b[33m1\x1b[0m",
            "\x1b[93m@x\x1b[0m",
        ] {
            assert!(out.contains(want), "{want}: {out:?}");
        }
        assert!(highlight(":help", 0).starts_with("\x1b[1;34m:help"));
        assert!(highlight("curtask.mm", 0).starts_with("\x1b[36mcurtask\x1b[0m.mm"));
    }

    #[test]
    fn brackets_find_their_partners() {
        let out = highlight("f(a[1])", 7);
        assert_eq!(out.matches("\x1b[1;7m").count(), 2, "{out:?}");
        assert!(out.contains("f\x1b[1;7m(\x1b[0ma"), "{out:?}");
        assert_eq!(highlight("f(a", 2).matches("\x1b[1;7m").count(), 0, "no partner");
    }
}
