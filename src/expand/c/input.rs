//! A text on its way through the preprocessor.
//!
//! Comes in: C text. Goes out: its tokens and its directives, one by one. Always holds: every step goes forward.

use super::lex::{self, Token, continuation_len};
use crate::base::Span;

/// A text that is being read, and how far.
#[derive(Debug)]
pub struct Input<'t> {
    text: &'t str,
    pos: usize,
    /// Place of the whole text.
    at: Span,
    is_line_start: bool,
}

/// What comes next in a text.
#[derive(Debug)]
pub enum Piece<'t> {
    Token(Token),
    /// A line that starts with `#`, with its continuations, and its place.
    Directive(&'t str, Span),
    End,
}

impl<'t> Input<'t> {
    pub fn new(text: &'t str, at: Span) -> Input<'t> {
        Input { text, pos: 0, at, is_line_start: true }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.pos..]
    }

    fn span(&self, n: usize) -> Span {
        let lo = self.at.lo + self.pos as u32;
        Span { lo, hi: lo + n as u32, ..self.at }
    }

    fn skip_blank(&mut self) {
        let blank = lex::blank_len(self.rest());
        self.is_line_start |= self.rest()[..blank].contains('\n');
        self.pos += blank;
    }

    pub fn next(&mut self) -> Piece<'t> {
        self.skip_blank();
        if self.rest().is_empty() {
            return Piece::End;
        }
        if self.is_line_start && self.rest().starts_with('#') {
            let line = &self.rest()[..directive_len(self.rest())];
            let span = self.span(line.trim_end().len());
            self.pos += line.len();
            return Piece::Directive(line, span);
        }
        self.is_line_start = false;
        let (kind, n) = lex::token(self.rest());
        let token = Token::new(kind, self.span(n));
        self.pos += n;
        Piece::Token(token)
    }

    /// The next directive: nothing else counts here.
    pub fn next_directive(&mut self) -> Piece<'t> {
        loop {
            self.skip_blank();
            if self.rest().is_empty() {
                return Piece::End;
            }
            if self.is_line_start && self.rest().starts_with('#') {
                return self.next();
            }
            self.pos += line_len(self.rest());
            self.is_line_start = true;
        }
    }

    /// Whether a `(` comes next, which is then taken.
    pub fn takes_open(&mut self) -> bool {
        self.skip_blank();
        let is_open = self.rest().starts_with('(');
        if is_open {
            self.pos += 1;
            self.is_line_start = false;
        }
        is_open
    }

    /// Place of the last character.
    pub fn end(&self) -> Span {
        let hi = self.at.lo + self.text.len() as u32;
        let last = self.text.chars().next_back().map_or(0, char::len_utf8);
        Span { lo: hi - last as u32, hi, ..self.at }
    }
}

/// To after the end of a line that does not count, and of a comment that starts in it.
fn line_len(s: &str) -> usize {
    let bytes = s.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => return at + 1,
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = s[at + 2..].find("*/").map_or(s.len(), |i| at + i + 4);
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = s[at..].find('\n').map_or(s.len(), |i| at + i);
            }
            b'"' => {
                at += 1;
                while at < bytes.len() && !matches!(bytes[at], b'"' | b'\n') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += usize::from(bytes.get(at) == Some(&b'"'));
            }
            _ => at += 1,
        }
    }
    s.len()
}

/// A line with its continuations, and to the end of a comment that starts in it.
fn directive_len(s: &str) -> usize {
    let (mut at, mut from) = (0, 0);
    loop {
        at += s[at..].find('\n').unwrap_or(s.len() - at);
        let line = &s[from..at];
        if let Some(i) = line.find("/*")
            && !line[..i].contains("//")
        {
            at = s[from + i + 2..].find("*/").map_or(s.len(), |n| from + i + 2 + n + 2);
            from = at;
            continue;
        }
        if !s[..at].trim_end_matches([' ', '\t', '\r']).ends_with('\\') || at >= s.len() {
            return at;
        }
        at += 1;
        from = at;
    }
}

/// A directive's text as long as before, with blanks for comments and continuations, so that places stay.
pub fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let blank = |out: &mut String, n: usize| out.extend(std::iter::repeat_n(' ', n));
    let (mut at, mut quote) = (0, None);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if let Some(n) = continuation_len(rest) {
            blank(&mut out, n);
            at += n;
            continue;
        }
        let n = match quote {
            None if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            None if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |i| i + 4),
            Some(_) if c == '\\' => {
                let n = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..n]);
                at += n;
                continue;
            }
            _ => {
                quote = match quote {
                    Some(q) => Some(q).filter(|q| *q != c),
                    None => Some(c).filter(|c| matches!(c, '"' | '\'')),
                };
                out.push(c);
                at += c.len_utf8();
                continue;
            }
        };
        blank(&mut out, n);
        at += n;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_comments;

    #[test]
    fn comments_become_blanks() {
        for (text, want) in [
            ("a /* b */ c // d", "a         c     "),
            ("\"/* \\\" */\" x", "\"/* \\\" */\" x"),
            ("a \\\n b", "a    b"),
            ("a \\ \r\n b", "a      b"),
            ("a /* never ends", "a              "),
            ("'\"' /* é */", "'\"'         "),
        ] {
            assert_eq!(without_comments(text), want);
        }
    }
}
