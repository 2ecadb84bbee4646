//! C text to tokens.
//!
//! Always holds: any text gives tokens; what is none is `Kind::Other`.

use crate::base::{FileId, Span};
use std::rc::Rc;

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Word(Rc<str>),
    /// As written, or the decimal value of a character; it need not be an integer.
    Number(Rc<str>),
    /// A string; C definitions have them in what is skipped only.
    Text,
    Punct(&'static str),
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub span: Span,
    /// A name that was met inside its own definition, and stands for itself from then on.
    pub is_final: bool,
}

impl Token {
    pub fn new(kind: Kind, span: Span) -> Token {
        Token { kind, span, is_final: false }
    }
    /// A number that was computed.
    pub fn number(value: i64, span: Span) -> Token {
        Token::new(Kind::Number(value.to_string().into()), span)
    }
    pub fn is(&self, punct: &str) -> bool {
        matches!(self.kind, Kind::Punct(p) if p == punct)
    }
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(w) => Some(w),
            Kind::Number(_) | Kind::Text | Kind::Punct(_) | Kind::Other => None,
        }
    }
    /// Its text, where `##` can join it to another.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(w) | Kind::Number(w) => Some(w),
            Kind::Punct(p) => Some(p),
            Kind::Text | Kind::Other => None,
        }
    }
}

/// Longer ones come first.
const PUNCTS: &[&str] = &[
    "...", "##", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "->", "{", "}", "(", ")", "[", "]", ";",
    ",", ":", "*", "=", "+", "-", "/", "%", "<", ">", "!", "~", "&", "|", "^", "?", ".", "#",
];

/// Bytes of the end of a line at the start of `s` that goes on in the next one: there may be blanks after its `\`.
pub fn continuation_len(s: &str) -> Option<usize> {
    let blanks = s.strip_prefix('\\')?;
    blanks.trim_start_matches([' ', '\t', '\r']).starts_with('\n').then(|| 2 + blanks.find('\n').unwrap_or(0))
}

/// Bytes of white space and comments at the start of `s`; a comment without end takes the rest.
pub fn blank_len(s: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &s[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(comment) = rest.strip_prefix("/*") {
            at += comment.find("*/").map_or(rest.len(), |i| i + 4);
        } else if let Some(n) = continuation_len(rest) {
            at += n;
        } else {
            match rest.chars().next() {
                Some(c) if c.is_whitespace() => at += c.len_utf8(),
                Some(_) | None => return at,
            }
        }
    }
}

/// The token at the start of `s`, which is neither blank nor empty, and its length.
pub fn token(s: &str) -> (Kind, usize) {
    let bytes = s.as_bytes();
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    if bytes[0].is_ascii_digit() {
        let n = number_len(bytes);
        return (Kind::Number(s[..n].into()), n);
    }
    let n = bytes.iter().take_while(|b| is_word(b)).count();
    if n > 0 {
        return (Kind::Word(s[..n].into()), n);
    }
    if let quote @ (b'"' | b'\'') = bytes[0] {
        let end = quoted_len(s, quote);
        let inner = &bytes[1..end.saturating_sub(1).max(1)];
        return match (quote, character(inner)) {
            (b'\'', Some(c)) => (Kind::Number(c.to_string().into()), end),
            _ => (Kind::Text, end),
        };
    }
    match PUNCTS.iter().find(|p| s.starts_with(**p)) {
        Some(p) => (Kind::Punct(p), p.len()),
        None => (Kind::Other, s.chars().next().map_or(1, char::len_utf8)),
    }
}

/// Bytes of a number, be it an integer or not: `0x1p-3`, `1.5e+2`, `10UL`.
fn number_len(bytes: &[u8]) -> usize {
    let mut n = 1;
    while let Some(&b) = bytes.get(n) {
        let is_sign = matches!(b, b'+' | b'-') && matches!(bytes[n - 1], b'e' | b'E' | b'p' | b'P');
        // A hexadecimal `e` is a digit: `0xe+1` is read as it is meant.
        let is_exponent = is_sign && (!bytes.starts_with(b"0x") || matches!(bytes[n - 1], b'p' | b'P'));
        if !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.') || is_exponent) {
            break;
        }
        n += 1;
    }
    n
}

/// Bytes of the string or character at the start of `s`; it ends with its line.
fn quoted_len(s: &str, quote: u8) -> usize {
    let bytes = s.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote && bytes[at] != b'\n' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    let mut end = (at + 1).min(s.len());
    while !s.is_char_boundary(end) {
        end += 1;
    }
    end
}

/// The value of what stands between the quotes of a character.
fn character(inner: &[u8]) -> Option<i64> {
    match inner {
        [b'\\', rest @ ..] => escape(rest),
        [c] => Some(i64::from(*c as i8)),
        _ => None,
    }
}

fn escape(rest: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(rest).ok()?;
    let value = match rest {
        [b'n'] => 10,
        [b't'] => 9,
        [b'r'] => 13,
        [b'a'] => 7,
        [b'b'] => 8,
        [b'f'] => 12,
        [b'v'] => 11,
        [b'e'] => 27,
        [c @ (b'\'' | b'"' | b'\\' | b'?')] => i64::from(*c),
        [b'x', ..] => i64::from_str_radix(&text[1..], 16).ok()?,
        _ => i64::from_str_radix(text, 8).ok()?,
    };
    Some(i64::from(value as i8))
}

/// All tokens of a text that starts `base` bytes into `file`.
pub fn tokens(s: &str, file: FileId, base: usize) -> Vec<Token> {
    let (mut out, mut at) = (Vec::new(), 0);
    loop {
        at += blank_len(&s[at..]);
        if at >= s.len() {
            return out;
        }
        let (kind, n) = token(&s[at..]);
        out.push(Token::new(kind, Span::new(file, base + at, base + at + n)));
        at += n;
    }
}
