//! The formatter: a script's text in one style.
//!
//! Comes in: a text that parses without errors. Goes out: the same tokens and comments with other white
//! space. Always holds: the output parses to the same tree, has every comment, and is left as it is when it
//! is formatted again. It works on tokens and not on the tree, so that numbers, strings, brackets and C
//! definitions stay as they were written.
//!
//! The style: two spaces a level, one statement a line, `{` at the end of the line that it belongs to, at
//! most one blank line in a row. Line breaks inside an expression stay. What was on one line with its
//! block, and fits, stays on one line.

mod pieces;

use super::token::Token;
use pieces::{Part, Piece, Role, parts};

/// A line with a block on it that is longer than this is broken.
const WIDTH_MAX: usize = 80;

const INDENT: usize = 2;

/// The formatted text; `text` unchanged where it does not parse.
pub fn format(text: &str) -> String {
    let Some(parts) = parts(text) else { return text.to_owned() };
    let mut p = Printer {
        pieces: Vec::new(),
        out: String::new(),
        gap: Gap::None,
        level: 0,
        flat: false,
        overflow: false,
    };
    let mut apart = false;
    for part in parts {
        match part {
            Part::Verbatim(piece) => {
                p.top_gap(&piece, apart);
                p.put(c_text(piece.text));
                apart = false;
            }
            Part::Comment(piece) => {
                let trailing = piece.newlines == 0 && !p.out.is_empty();
                if trailing {
                    p.gap = Gap::Space;
                } else {
                    p.top_gap(&piece, apart);
                    apart = false;
                }
                p.put(piece.text.trim_end());
            }
            Part::Item(pieces) => {
                let Some(first) = pieces.first() else { continue };
                p.top_gap(first, apart);
                p.pieces = pieces;
                apart = p.item();
            }
        }
    }
    if !p.out.is_empty() {
        p.out.push('\n');
    }
    p.out
}

/// A line of C that goes on in an empty one ends there: else what follows could become a part of it.
fn c_text(text: &str) -> &str {
    let mut text = text.trim_end();
    let is_include = text.starts_with('#') && text[1..].trim_start().starts_with("include");
    while text.starts_with('#')
        && !is_include
        && let Some(rest) = text.strip_suffix('\\')
    {
        text = rest.trim_end();
    }
    text
}

/// What comes before the next token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    Space,
    /// A new line, indented by so many spaces.
    Line(usize),
    /// A blank line before it.
    Blank(usize),
}

struct Printer<'s> {
    /// Those of the present item.
    pieces: Vec<Piece<'s>>,
    out: String,
    gap: Gap,
    level: usize,
    /// Everything on one line.
    flat: bool,
    /// The line became too long while `flat`.
    overflow: bool,
}

impl Printer<'_> {
    fn put(&mut self, text: &str) {
        match self.gap {
            Gap::None => {}
            Gap::Space => self.out.push(' '),
            Gap::Line(n) => self.new_lines("\n", n),
            Gap::Blank(n) => self.new_lines("\n\n", n),
        }
        self.gap = Gap::None;
        self.out.push_str(text);
        if self.flat && self.column() > WIDTH_MAX {
            self.overflow = true;
        }
    }

    fn new_lines(&mut self, newlines: &str, indent: usize) {
        self.out.push_str(newlines);
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn column(&self) -> usize {
        self.out.len() - self.out.rfind('\n').map_or(0, |i| i + 1)
    }

    fn indent(&self) -> usize {
        self.level * INDENT
    }

    /// The gap before something that starts a line outside items.
    fn top_gap(&mut self, piece: &Piece, apart: bool) {
        self.gap = match (self.out.is_empty(), piece.newlines > 1 || apart) {
            (true, _) => Gap::None,
            (false, true) => Gap::Blank(0),
            (false, false) => Gap::Line(0),
        };
    }

    /// Prints the item; whether it takes several lines.
    fn item(&mut self) -> bool {
        let end = self.pieces.len();
        let start = self.out.len();
        self.one_line_or_more(0, end, |p| p.run(0, end));
        self.out[start..].trim_start().contains('\n')
    }

    /// Prints on one line what was on one line in the text and has a block; if it does not fit, its blocks
    /// are broken.
    fn one_line_or_more(&mut self, from: usize, to: usize, print: impl Fn(&mut Self)) {
        let pieces = &self.pieces[from..to];
        let was_one_line = pieces.iter().skip(1).all(|p| p.newlines == 0);
        let may_be = pieces.iter().all(|p| !p.is_line_comment() && !p.text.contains('\n'));
        let has_block = pieces.iter().any(|p| p.kind == Token::LBrace);
        if self.flat || !has_block || !was_one_line || !may_be {
            return print(self);
        }
        let (len, gap) = (self.out.len(), self.gap);
        self.flat = true;
        print(self);
        self.flat = false;
        if std::mem::take(&mut self.overflow) {
            self.out.truncate(len);
            self.gap = gap;
            print(self);
        }
    }

    /// Prints pieces of a statement or of an item; blocks among them are laid out.
    fn run(&mut self, from: usize, to: usize) {
        let mut i = from;
        while i < to && !self.overflow {
            let piece = &self.pieces[i];
            if i > from {
                self.gap = self.gap_before(i);
            }
            if piece.is_comment() {
                self.comment(i);
                i += 1;
            } else if piece.kind == Token::LBrace {
                let close = piece.mate;
                self.block(i, close);
                i = close + 1;
            } else {
                let text = piece.text;
                self.put(text);
                i += 1;
            }
        }
    }

    /// The gap between a piece and the one before it, within a statement or the head of an item.
    fn gap_before(&self, i: usize) -> Gap {
        let (prev, cur) = (&self.pieces[i - 1], &self.pieces[i]);
        let in_head = matches!(cur.kind, Token::Point | Token::Optional | Token::PredOpen | Token::ProbeName);
        let opens_body = cur.kind == Token::LBrace && cur.role == Role::Body;
        let is_first = in_head || cur.kind.closes() || opens_body || self.leads_to_else(i);
        let line = Gap::Line(self.indent() + if is_first { 0 } else { 2 * INDENT });
        if prev.is_line_comment() || prev.text.contains('\n') && prev.is_comment() {
            return line;
        }
        // These belong to the line before.
        let joins = matches!(cur.kind, Token::LBrace | Token::Else | Token::Semi | Token::PredClose);
        if cur.newlines > 0 && !joins && !self.flat {
            return line;
        }
        if prev.is_comment()
            && matches!(cur.kind, Token::Semi | Token::Comma | Token::RParen | Token::RBracket)
        {
            return Gap::None;
        }
        // `10 .x` is not `10.x`, which would be a number; `$t.0.x` is two indices.
        let is_index = i >= 2 && matches!(self.pieces[i - 2].kind, Token::Dot | Token::Arrow);
        let is_number = prev.kind == Token::Int && cur.kind == Token::Dot && !is_index;
        if cur.is_comment() || prev.is_comment() || is_number || needs_space(prev, cur) {
            Gap::Space
        } else {
            Gap::None
        }
    }

    /// An `else`, or a comment before one.
    fn leads_to_else(&self, i: usize) -> bool {
        self.pieces[i..].iter().find(|p| !p.is_comment()).is_some_and(|p| p.kind == Token::Else)
    }

    fn comment(&mut self, i: usize) {
        let text = self.pieces[i].text.trim_end();
        self.put(text);
    }

    fn block(&mut self, open: usize, close: usize) {
        self.put("{");
        if close == open + 1 {
            return self.put("}");
        }
        self.level += 1;
        let mut i = open + 1;
        let mut first = true;
        while i < close && !self.overflow {
            let piece = &self.pieces[i];
            let trailing = piece.is_comment() && piece.newlines == 0;
            self.gap = match self.flat || trailing {
                true => Gap::Space,
                false if piece.newlines > 1 && !first => Gap::Blank(self.indent()),
                false => Gap::Line(self.indent()),
            };
            if piece.is_comment() {
                self.comment(i);
                i += 1;
            } else if piece.kind == Token::Semi {
                // An empty statement.
                i += 1;
                continue;
            } else {
                let end = self.stmt_end(i, close);
                self.one_line_or_more(i, end, |p| p.run(i, end));
                i = end;
            }
            first = false;
        }
        self.level -= 1;
        self.gap = if self.flat { Gap::Space } else { Gap::Line(self.indent()) };
        if first {
            // Nothing but empty statements.
            self.gap = Gap::None;
        }
        self.put("}");
    }

    /// One past the last piece of the statement that starts at `from`, its `;` included.
    fn stmt_end(&self, from: usize, close: usize) -> usize {
        match self.pieces[from].kind {
            Token::LBrace => self.with_semi(self.pieces[from].mate + 1, close),
            Token::For | Token::While | Token::Unroll => self.head_end(from, close),
            Token::If => self.with_semi(self.if_end(from, close), close),
            _ => {
                let mut i = from;
                while i < close {
                    let p = &self.pieces[i];
                    match p.kind {
                        Token::Semi => return i + 1,
                        k if k.opens() => i = p.mate,
                        _ => {}
                    }
                    i += 1;
                }
                // A comment at the end stands for itself.
                let mut end = close;
                while end > from + 1 && self.pieces[end - 1].is_comment() {
                    end -= 1;
                }
                end
            }
        }
    }

    /// One past the block that follows the head at `from`.
    fn head_end(&self, from: usize, close: usize) -> usize {
        let mut i = from + 1;
        while i < close {
            let p = &self.pieces[i];
            if p.kind == Token::LBrace && p.role == Role::Body {
                return p.mate + 1;
            }
            i = if p.kind.opens() { p.mate + 1 } else { i + 1 };
        }
        close
    }

    fn if_end(&self, from: usize, close: usize) -> usize {
        let mut end = self.head_end(from, close);
        while let Some(els) = self.next_token(end, close).filter(|i| self.pieces[*i].kind == Token::Else) {
            match self.next_token(els + 1, close) {
                Some(i) if self.pieces[i].kind == Token::LBrace => return self.pieces[i].mate + 1,
                Some(i) => end = self.head_end(i, close),
                None => return close,
            }
        }
        end
    }

    /// A `;` after a statement that ends in `}` says that it is not the block's value: it stays where there
    /// could be one, at the end.
    fn with_semi(&self, end: usize, close: usize) -> usize {
        match self.next_token(end, close) {
            Some(semi) if self.pieces[semi].kind == Token::Semi => {
                let last = (semi + 1..close).all(|i| {
                    let p = &self.pieces[i];
                    p.is_comment() || p.kind == Token::Semi
                });
                if last { semi + 1 } else { end }
            }
            _ => end,
        }
    }

    fn next_token(&self, from: usize, close: usize) -> Option<usize> {
        (from..close).find(|i| !self.pieces[*i].is_comment())
    }
}

/// Whether a space stands between two tokens on one line.
fn needs_space(prev: &Piece, cur: &Piece) -> bool {
    use Token::*;
    if matches!(cur.kind, Semi | Comma | RParen | RBracket | Dot | Arrow | DotDot | KeyOpen | PredClose) {
        return false;
    }
    if matches!(prev.kind, LParen | CastOpen | RecordOpen | LBracket | KeyOpen | Dot | Arrow | DotDot) {
        return false;
    }
    match (prev.kind, prev.role, cur.kind, cur.role) {
        // `/*` would start a comment.
        (PredOpen, _, k, _) => k == Star,
        (ProbeName, ..) | (_, _, _, Role::Postfix) => false,
        (Assign, Role::NameSign, ..) => false,
        (_, Role::CastEnd, ..) => false,
        // `- -x` and `& &x` are not `--x` and `&&x`.
        (Minus, Role::Prefix, k, _) => matches!(k, Minus | Dec),
        (Amp, Role::Prefix, k, _) => k == Amp,
        (_, Role::Prefix, ..) => false,
        (Star, Role::Pointer, Star, Role::Pointer) => false,
        (_, _, Colon, Role::OfType) => false,
        (Question, _, Colon, _) => false,
        (Ident | Typeof | Unroll, _, LParen, _) => false,
        (_, _, LBracket, _) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
