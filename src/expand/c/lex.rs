//! C text to tokens.
//!
//! Always holds: any text gives tokens; what is none is `Kind::Other`.

use crate::base::{FileId, Span};

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Word(String),
    Number(i64),
    /// A string; C definitions have them in what is skipped only.
    Text,
    Punct(&'static str),
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub span: Span,
}

impl Token {
    pub fn is(&self, punct: &str) -> bool {
        matches!(self.kind, Kind::Punct(p) if p == punct)
    }
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(w) => Some(w),
            Kind::Number(_) | Kind::Text | Kind::Punct(_) | Kind::Other => None,
        }
    }
}

/// Longer ones come first.
const PUNCTS: &[&str] = &[
    "...", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "->", "{", "}", "(", ")", "[", "]", ";", ",", ":",
    "*", "=", "+", "-", "/", "%", "<", ">", "!", "~", "&", "|", "^", "?", ".",
];

/// Bytes of white space and comments at the start of `s`; a comment without end takes the rest.
pub fn blank_len(s: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &s[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(comment) = rest.strip_prefix("/*") {
            at += comment.find("*/").map_or(rest.len(), |i| i + 4);
        } else if rest.starts_with("\\\n") {
            at += 2;
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
    let n = bytes.iter().take_while(|b| is_word(b)).count();
    if n > 0 {
        let text = &s[..n];
        let is_number = bytes[0].is_ascii_digit();
        return match is_number.then(|| number(text)) {
            None => (Kind::Word(text.to_owned()), n),
            Some(Some(v)) => (Kind::Number(v), n),
            Some(None) => (Kind::Other, n),
        };
    }
    if let Some(quote @ ('"' | '\'')) = s.chars().next() {
        let mut at = 1;
        while at < bytes.len() && bytes[at] != quote as u8 && bytes[at] != b'\n' {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        let mut end = (at + 1).min(s.len());
        while !s.is_char_boundary(end) {
            end += 1;
        }
        return match (quote, &bytes[1..end.saturating_sub(1).max(1)]) {
            ('\'', [c]) => (Kind::Number(i64::from(*c)), end),
            _ => (Kind::Text, end),
        };
    }
    match PUNCTS.iter().find(|p| s.starts_with(**p)) {
        Some(p) => (Kind::Punct(p), p.len()),
        None => (Kind::Other, s.chars().next().map_or(1, char::len_utf8)),
    }
}

/// An integer of C, its suffixes left out.
fn number(text: &str) -> Option<i64> {
    let bare = text.trim_end_matches(['u', 'U', 'l', 'L']);
    let (digits, radix) = match (bare.get(..2), bare.strip_prefix('0')) {
        (Some("0x" | "0X"), _) => (&bare[2..], 16),
        (Some("0b" | "0B"), _) => (&bare[2..], 2),
        (_, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (bare, 10),
    };
    u64::from_str_radix(digits, radix).ok().map(|v| v as i64)
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
        out.push(Token { kind, span: Span::new(file, base + at, base + at + n) });
        at += n;
    }
}
