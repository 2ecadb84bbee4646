//! Text to tokens. The lexer alone knows the modes: item, attach point, predicate, body.
//!
//! Comes in: any text. Goes out: tokens, white space and comments among them, and the ranges of tokens that
//! make an item each. Always holds: the tokens tile the text (a `PredMissing` is empty); every token but
//! layout and the shebang line belongs to exactly one item; a byte that starts nothing is `Token::Error`.

mod point;

use super::token::{Lexed, Token};
use logos::Logos;
use std::ops::Range;

/// What an item starts like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    CDef,
    Config,
    Import,
    MapDecl,
    Macro,
    Func,
    Probe,
}

/// One item's tokens.
#[derive(Clone, Debug)]
pub struct LexItem {
    pub kind: ItemKind,
    /// In `Lexed` tokens; starts with a token that is not layout.
    pub tokens: Range<usize>,
    /// The opening braces (as indices of tokens) that nothing closes, outermost first.
    pub unclosed: Vec<usize>,
    /// An opening and a closing brace whose lines are indented differently: the likely mistake, if some
    /// brace is unclosed.
    pub suspect: Option<(usize, usize)>,
}

/// What the lexer found.
#[derive(Clone, Debug, Default)]
pub struct Lexemes {
    pub tokens: Vec<Lexed>,
    pub items: Vec<LexItem>,
}

/// Splits `text` into tokens and these into items.
pub fn lex(text: &str) -> Lexemes {
    let mut lx = Lexer::new(text);
    lx.first_line();
    while lx.layout() {
        lx.item();
    }
    lx.out
}

/// The tokens of a text that is one expression, without layout.
pub fn lex_expr(text: &str) -> Vec<Lexed> {
    let mut lx = Lexer::new(text);
    while lx.token().is_some() {}
    lx.out.tokens.retain(|t| !t.kind.is_layout());
    lx.out.tokens
}

struct Lexer<'s> {
    text: &'s str,
    inner: logos::Lexer<'s, Token>,
    out: Lexemes,
    /// An unclosed brace was met already: from now on end an item where the next seems to start, so that a
    /// text full of unclosed braces is not read once for each of them.
    cut_early: bool,
    /// The first token of the present line, and how far it is indented.
    line_token: usize,
    indent: usize,
}

/// An opening brace and the indentation of its line.
#[derive(Clone, Copy)]
struct Open {
    token: usize,
    indent: usize,
}

/// Where an item with an unclosed brace probably ends.
struct Cut {
    n_tokens: usize,
    pos: usize,
    open: Vec<Open>,
    suspect: Option<(usize, usize)>,
}

impl<'s> Lexer<'s> {
    fn new(text: &'s str) -> Lexer<'s> {
        let inner = Token::lexer(text);
        Lexer { text, inner, out: Lexemes::default(), cut_early: false, line_token: 0, indent: 0 }
    }

    fn pos(&self) -> usize {
        self.inner.span().end
    }

    fn rest(&self) -> &'s str {
        self.inner.remainder()
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    /// Takes `n` bytes as one token.
    fn take(&mut self, kind: Token, n: usize) {
        let lo = self.pos();
        self.inner.bump(n);
        self.push(kind, lo, self.pos());
    }

    fn push(&mut self, kind: Token, lo: usize, hi: usize) {
        if let Some(last) = self.out.tokens.last_mut()
            && kind == Token::Error
            && last.kind == kind
            && last.hi as usize == lo
        {
            last.hi = hi as u32;
            return;
        }
        self.out.tokens.push(Lexed { kind, lo: lo as u32, hi: hi as u32 });
    }

    /// Takes the next token of a body.
    fn token(&mut self) -> Option<Token> {
        let kind = self.inner.next()?.unwrap_or(Token::Error);
        let span = self.inner.span();
        self.push(kind, span.start, span.end);
        Some(kind)
    }

    /// Takes white space and comments; false at the end of the text.
    fn layout(&mut self) -> bool {
        loop {
            match self.rest().as_bytes() {
                [] => return false,
                [b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, ..] => {
                    self.token();
                    let blank = self.inner.slice();
                    if let Some(newline) = blank.rfind('\n') {
                        self.line_token = self.out.tokens.len();
                        self.indent = blank.len() - newline - 1;
                    }
                }
                [b'/', b'/' | b'*', ..] => {
                    self.token();
                }
                _ => return true,
            }
        }
    }

    /// A byte-order mark and a shebang line.
    fn first_line(&mut self) {
        if self.rest().starts_with('\u{feff}') {
            self.take(Token::Layout, '\u{feff}'.len_utf8());
        }
        if self.rest().starts_with("#!") {
            self.take(Token::Shebang, line_len(self.rest()));
        }
    }

    /// Takes one item; there is at least one byte, and it is not layout.
    fn item(&mut self) {
        let start = self.out.tokens.len();
        let kind = item_kind(self.rest());
        let mut item = LexItem { kind, tokens: start..start, unclosed: Vec::new(), suspect: None };
        match kind {
            ItemKind::CDef => self.definition(&mut item),
            ItemKind::Config => {
                self.take(Token::Config, "config".len());
                self.head_and_body(&mut item);
                self.optional_semi();
            }
            ItemKind::Import | ItemKind::MapDecl => self.flat_item(),
            ItemKind::Macro => {
                self.take(Token::Macro, "macro".len());
                self.head_and_body(&mut item);
            }
            ItemKind::Func => {
                self.take(Token::Fn, "fn".len());
                self.head_and_body(&mut item);
            }
            ItemKind::Probe => self.header(&mut item),
        }
        item.tokens.end = self.out.tokens.len();
        self.out.items.push(item);
    }

    /// A preprocessor line with its continuations, or a C definition. Where the brace of one is not closed, it
    /// ends before the first line that looks like the start of another item.
    fn definition(&mut self, item: &mut LexItem) {
        if self.rest().starts_with('#') {
            return self.take(Token::CDef, directive_len(self.rest()));
        }
        let (len, closed) = definition_len(self.rest(), self.cut_early);
        if !closed {
            self.cut_early = true;
            item.unclosed.push(self.out.tokens.len());
        }
        self.take(Token::CDef, len);
    }

    /// `import "x";` and `let @m = hash(1);`: up to the `;`, or where that may be missing, the last token.
    fn flat_item(&mut self) {
        self.token();
        let mut depth = 0usize;
        while self.layout() {
            if starts_line(self.text, self.pos()) && looks_like_item(self.rest()) {
                return;
            }
            match self.token() {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) if depth == 1 => return self.optional_semi(),
                Some(Token::RParen) => depth = depth.saturating_sub(1),
                Some(Token::Str | Token::UnclosedStr) if depth == 0 => return self.optional_semi(),
                Some(Token::Semi | Token::RBrace) | None => return,
                Some(_) => {}
            }
        }
    }

    fn optional_semi(&mut self) {
        if self.text[skip_layout(self.text, self.pos())..].starts_with(';') {
            self.layout();
            self.token();
        }
    }

    /// The tokens before a body, and the body.
    fn head_and_body(&mut self, item: &mut LexItem) {
        while self.layout() {
            if starts_line(self.text, self.pos()) && looks_like_item(self.rest()) {
                return;
            }
            match self.peek() {
                Some(b'{') => return self.body(item),
                Some(b'}' | b';') => {
                    self.token();
                    return;
                }
                _ => {
                    self.token();
                }
            }
        }
    }

    /// A probe: attach points, a predicate, the body. A stray `}` ends it.
    fn header(&mut self, item: &mut LexItem) {
        let mut last: Option<usize> = None;
        while self.layout() {
            match self.peek() {
                Some(b'{') => return self.body(item),
                Some(b'}') => {
                    self.token();
                    return;
                }
                Some(b'/') => {
                    last = None;
                    self.take(Token::PredOpen, 1);
                    self.predicate();
                }
                Some(b'=') => {
                    if let Some(i) = last.take()
                        && is_ident(self.out.tokens[i].text(self.text))
                    {
                        self.out.tokens[i].kind = Token::ProbeName;
                    }
                    self.take(Token::Assign, 1);
                }
                Some(b',' | b';') => {
                    last = None;
                    self.token();
                }
                Some(b'|') if self.rest().starts_with("||") => {
                    last = None;
                    self.token();
                }
                _ => {
                    let is_first = last.is_none();
                    let len = point::point_len(self.rest());
                    let kind = if is_first { self.point_or_mark(len) } else { Token::Point };
                    last = (kind == Token::Point).then_some(self.out.tokens.len());
                    self.take(kind, len);
                }
            }
        }
    }

    /// The word `optional` is a mark where an attach point follows it; else it is one, or a probe's name.
    fn point_or_mark(&self, len: usize) -> Token {
        let after = self.pos() + len;
        let next = self.text[skip_layout(self.text, after)..].bytes().next();
        let is_mark = &self.text[self.pos()..after] == "optional"
            && next.is_some_and(|b| !matches!(b, b'=' | b',' | b'{' | b'}' | b'/' | b';' | b'|'));
        if is_mark { Token::Optional } else { Token::Point }
    }

    /// A predicate's tokens, up to the `/` that a `{` follows.
    fn predicate(&mut self) {
        let (mut n_braces, mut saw_if, mut prev) = (0usize, false, Token::PredOpen);
        while self.layout() {
            let at = self.pos();
            match self.peek() {
                Some(b'/') if self.text[skip_layout(self.text, at + 1)..].starts_with('{') => {
                    return self.take(Token::PredClose, 1);
                }
                Some(b'{') if n_braces == 0 && !saw_if && prev.ends_operand() => {
                    return self.push(Token::PredMissing, at, at);
                }
                Some(b';' | b'}') if n_braces == 0 => return,
                _ => {}
            }
            let Some(kind) = self.token() else { return };
            match kind {
                Token::LBrace => n_braces += 1,
                Token::RBrace => n_braces -= 1,
                Token::If => saw_if = true,
                _ => {}
            }
            prev = kind;
        }
    }

    /// From `{` to the `}` that closes it. Where none does, the item ends before the first line that looks
    /// like the start of another.
    fn body(&mut self, item: &mut LexItem) {
        let (mut open, mut suspect) = (Vec::new(), None);
        let mut cut: Option<Cut> = None;
        while self.layout() {
            let at = self.pos();
            if starts_line(self.text, at) && cut.is_none() && looks_like_item(self.rest()) {
                cut = Some(Cut { n_tokens: self.out.tokens.len(), pos: at, open: open.clone(), suspect });
                if self.cut_early {
                    break;
                }
            }
            match self.token() {
                Some(Token::LBrace) => {
                    open.push(Open { token: self.out.tokens.len() - 1, indent: self.indent });
                }
                Some(Token::RBrace) => {
                    let close = self.out.tokens.len() - 1;
                    let Some(o) = open.pop() else { return };
                    if open.is_empty() {
                        return;
                    }
                    if suspect.is_none() && self.line_token == close && o.indent != self.indent {
                        suspect = Some((o.token, close));
                    }
                }
                _ => {}
            }
        }
        self.cut_early = true;
        let (open, suspect) = match cut {
            None => (open, suspect),
            Some(c) => {
                self.out.tokens.truncate(c.n_tokens);
                self.inner = Token::lexer(self.text);
                self.inner.bump(c.pos);
                (c.open, c.suspect)
            }
        };
        item.unclosed = open.iter().map(|o| o.token).collect();
        item.suspect = suspect;
    }
}

/// What the item that starts here is.
fn item_kind(rest: &str) -> ItemKind {
    let word = &rest[..ident_len(rest)];
    if rest.starts_with('#') {
        return ItemKind::CDef;
    }
    if rest[word.len()..].starts_with(':') {
        return ItemKind::Probe;
    }
    match word {
        "struct" | "union" | "enum" | "typedef" => ItemKind::CDef,
        "config" => ItemKind::Config,
        "import" => ItemKind::Import,
        "macro" => ItemKind::Macro,
        "fn" => ItemKind::Func,
        "let" => ItemKind::MapDecl,
        _ => ItemKind::Probe,
    }
}

/// A line that, in the first column, would hardly stand inside a body.
fn looks_like_item(rest: &str) -> bool {
    let word = &rest[..ident_len(rest)];
    let after = &rest.as_bytes()[word.len()..];
    match word {
        "" => false,
        "macro" | "fn" => matches!(after, [b' ' | b'\t', c, ..] if c.is_ascii_alphabetic() || *c == b'_'),
        "config" => rest[skip_layout(rest, word.len())..].starts_with('='),
        "BEGIN" | "END" | "begin" | "end" => {
            rest[skip_layout(rest, word.len())..].starts_with(['{', '/', ','])
        }
        _ => matches!(after, [b':', c, ..] if !c.is_ascii_whitespace() && *c != b':'),
    }
}

fn starts_line(text: &str, at: usize) -> bool {
    at == 0 || text.as_bytes()[at - 1] == b'\n'
}

/// Length of the identifier at the start of `s`; 0 if there is none.
pub(super) fn ident_len(s: &str) -> usize {
    if s.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    s.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
}

fn is_ident(s: &str) -> bool {
    !s.is_empty() && ident_len(s) == s.len()
}

/// The first place at or after `at` that is neither white space nor in a comment.
fn skip_layout(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    loop {
        match &bytes[at..] {
            [b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, ..] => at += 1,
            [b'/', b'/', ..] => at += line_len(&text[at..]),
            [b'/', b'*', ..] => at = text[at + 2..].find("*/").map_or(text.len(), |i| at + 2 + i + 2),
            _ => return at,
        }
    }
}

/// Bytes up to the end of the line.
fn line_len(s: &str) -> usize {
    s.find('\n').unwrap_or(s.len())
}

/// A line of C, which goes on after a `\\`, with blanks after it or without; a file's name ends with its line.
fn directive_len(s: &str) -> usize {
    let mut at = 0;
    let is_include = s[1..].trim_start().starts_with("include");
    loop {
        at += line_len(&s[at..]);
        let continued = !is_include && s[..at].trim_end_matches([' ', '\t', '\r']).ends_with('\\');
        if !continued || at >= s.len() {
            return at;
        }
        at += 1;
    }
}

/// `struct x { … } __attribute__((…));`, `typedef …;`: its length, and whether its braces are closed.
fn definition_len(s: &str, cut_early: bool) -> (usize, bool) {
    let typedef = s.starts_with("typedef");
    let bytes = s.as_bytes();
    let (mut at, mut depth) = (0usize, 0usize);
    let mut cut = None;
    loop {
        at = skip_layout(s, at);
        if depth > 0 && starts_line(s, at) && looks_like_item(&s[at..]) {
            let cut = *cut.get_or_insert(at);
            if cut_early {
                return (cut, false);
            }
        }
        match bytes.get(at) {
            None if depth > 0 => return (cut.unwrap_or(s.len()), false),
            None => return (s.len(), true),
            Some(b'{' | b'(') => depth += 1,
            Some(b')') => depth = depth.saturating_sub(1),
            Some(b'}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 && !typedef {
                    return (definition_end(s, at + 1), true);
                }
            }
            Some(b';') if depth == 0 => return (at + 1, true),
            Some(b'"') => match s[at + 1..].find(['"', '\n']) {
                Some(n) => at += n + 1,
                None => return (s.len(), depth == 0),
            },
            Some(_) => {}
        }
        at += s[at..].chars().next().map_or(1, char::len_utf8);
    }
}

/// After the `}` of a definition: attributes and a `;`, if they stand there.
fn definition_end(s: &str, after: usize) -> usize {
    let (mut end, mut at) = (after, skip_layout(s, after));
    while s[at..].starts_with("__attribute__") {
        let open = skip_layout(s, at + "__attribute__".len());
        if !s[open..].starts_with('(') {
            return end;
        }
        let mut depth = 0usize;
        let len = s[open..].bytes().position(|b| {
            depth = if b == b'(' { depth + 1 } else { depth - usize::from(b == b')') };
            depth == 0
        });
        let Some(len) = len else { return s.len() };
        end = open + len + 1;
        at = skip_layout(s, end);
    }
    if s[at..].starts_with(';') { at + 1 } else { end }
}
