//! A pass over the tokens of one item, between lexer and grammar.
//!
//! Comes in: an item's tokens, layout among them. Goes out: the tokens that the grammar sees. What a bracket
//! means is settled here by looking ahead (a cast, a record, a map's key), words after `.` become names, a
//! `;` forgotten at the end of a line is put in, and bytes that are no token are reported. Always holds:
//! places ascend; what this pass puts in is empty; a tree made of these tokens is at most
//! `DEPTH_MAX` levels deep, else there is no output but an error.

mod brackets;
mod types;

use super::errors;
use super::token::{Lexed, Token};
use crate::base::{Diags, FileId, Span};
use brackets::brackets;
use types::is_builtin;

/// How deep a tree may be: brackets and operators that enclose one place. Every later pass recurses over it.
///
/// A bracket counts twice.
pub const DEPTH_MAX: u32 = 400;

/// No bracket matches.
const NONE: u32 = u32::MAX;

/// A text, where it stands, and what was found wrong with it.
pub struct Input<'s> {
    pub text: &'s str,
    pub file: FileId,
    /// Where `text` starts in its file.
    pub base: u32,
}

impl Input<'_> {
    /// The character before byte `hi` of `text`, where something is missing.
    pub fn last_char(&self, hi: u32) -> Span {
        let before = self.text.get(..hi as usize).and_then(|s| s.chars().next_back());
        self.span(hi - before.map_or(0, |c| c.len_utf8() as u32), hi)
    }

    /// The place in the file of bytes of `text`.
    pub fn span(&self, lo: u32, hi: u32) -> Span {
        Span::new(self.file, (self.base + lo) as usize, (self.base + hi) as usize)
    }
}

/// The grammar's tokens for `tokens`; `None` if they nest too deeply, which is then reported.
pub fn retag(input: &Input, tokens: &[Lexed], diags: &mut Diags) -> Option<Vec<Lexed>> {
    let tokens = significant(input, tokens, diags);
    let (mates, too_deep) = brackets(&tokens);
    if let Some(at) = too_deep {
        errors::too_deep(diags, input.span(tokens[at].lo, tokens[at].hi));
        return None;
    }
    let mut pass = Pass {
        input,
        macro_params: macro_params(input, &tokens),
        tokens,
        mates,
        frames: vec![Frame::new(Context::Top)],
        out: Vec::new(),
    };
    pass.run(diags);
    Some(pass.out)
}

/// Without layout, and with what is no token reported; `=` `~` before a string become `=~`.
fn significant(input: &Input, tokens: &[Lexed], diags: &mut Diags) -> Vec<Lexed> {
    let mut out: Vec<Lexed> = Vec::with_capacity(tokens.len());
    for t in tokens {
        let span = input.span(t.lo, t.hi);
        match t.kind {
            Token::Layout | Token::Comment => continue,
            Token::UnclosedComment => {
                errors::unclosed_comment(diags, span);
                continue;
            }
            Token::UnclosedStr => errors::unclosed_string(diags, span),
            Token::CharLit => errors::char_literal(diags, span, t.text(input.text)),
            Token::Error => errors::bad_bytes(diags, span, t.text(input.text)),
            Token::Str => {
                if let [.., a, b] = out.as_mut_slice()
                    && (a.kind, b.kind) == (Token::Assign, Token::Tilde)
                    && a.hi == b.lo
                {
                    *a = Lexed { kind: Token::Match, lo: a.lo, hi: b.hi };
                    out.pop();
                }
            }
            _ => {}
        }
        out.push(*t);
    }
    out
}

/// What the innermost open bracket is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Top,
    Block,
    /// Arguments of the call whose name is this token.
    Args(usize),
    Cast,
    Other,
}

struct Frame {
    context: Context,
    /// Between `if`, `for` or `while` and its block.
    in_head: bool,
}

impl Frame {
    fn new(context: Context) -> Frame {
        Frame { context, in_head: false }
    }
}

struct Pass<'i, 's> {
    input: &'i Input<'s>,
    tokens: Vec<Lexed>,
    mates: Vec<u32>,
    /// Names that stand for expressions in this macro.
    macro_params: Vec<&'s str>,
    frames: Vec<Frame>,
    out: Vec<Lexed>,
}

impl<'s> Pass<'_, 's> {
    fn text(&self, i: usize) -> &'s str {
        self.tokens[i].text(self.input.text)
    }

    fn kind(&self, i: usize) -> Option<Token> {
        self.tokens.get(i).map(|t| t.kind)
    }

    fn put_empty(&mut self, kind: Token, at: u32) {
        self.out.push(Lexed { kind, lo: at, hi: at });
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Context::Top));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn run(&mut self, diags: &mut Diags) {
        // Whether what precedes may end an operand.
        let mut ended = false;
        for i in 0..self.tokens.len() {
            let mut t = self.tokens[i];
            let prev = i.checked_sub(1).and_then(|p| self.kind(p));
            if t.kind.is_keyword() && is_name_after(prev) {
                t.kind = Token::Ident;
            }
            if self.semi_is_missing(i, t.kind, ended) {
                let at = self.tokens[i - 1].hi;
                // A string without end has swallowed it.
                if prev != Some(Token::UnclosedStr) {
                    errors::missing_semi(diags, self.input.last_char(at));
                }
                self.put_empty(Token::Semi, at);
                ended = false;
            }
            if self.type_arg_starts(i, prev) {
                self.put_empty(Token::TypeArg, t.lo);
            }
            match t.kind {
                Token::LParen => t.kind = self.open_paren(i, prev, ended),
                Token::LBracket => {
                    self.frames.push(Frame::new(Context::Other));
                    if prev == Some(Token::Map) {
                        t.kind = Token::KeyOpen;
                    }
                }
                Token::LBrace => {
                    self.frame().in_head = false;
                    self.frames.push(Frame::new(Context::Block));
                }
                Token::If | Token::For | Token::While | Token::Unroll => self.frame().in_head = true,
                Token::Semi => self.frame().in_head = false,
                _ => {}
            }
            ended = self.ends(t.kind, ended);
            self.out.push(t);
        }
    }

    /// Closes frames, and says whether an operand may have ended with this token.
    fn ends(&mut self, kind: Token, before: bool) -> bool {
        if kind.closes() {
            let was = self.close(kind);
            return was != Some(Context::Cast);
        }
        match kind {
            Token::Inc | Token::Dec => before,
            Token::Break | Token::Continue => true,
            k => k.ends_operand(),
        }
    }

    fn close(&mut self, kind: Token) -> Option<Context> {
        let is_block = |f: &Frame| f.context == Context::Block;
        if kind == Token::RBrace {
            let at = self.frames.iter().rposition(is_block)?;
            self.frames.truncate(at);
            return Some(Context::Block);
        }
        match self.frames.last() {
            Some(f) if f.context != Context::Top && !is_block(f) => self.frames.pop().map(|f| f.context),
            _ => None,
        }
    }

    /// A new line starts what can only be a new statement.
    fn semi_is_missing(&mut self, i: usize, kind: Token, ended: bool) -> bool {
        use Token::*;
        let starts = matches!(
            kind,
            Var | Map | Ident | If | For | While | Unroll | Let | Break | Continue | Return | Import
        );
        if !starts || !ended || i == 0 || self.kind(i - 1) == Some(RBrace) {
            return false;
        }
        let f = self.frame();
        f.context == Context::Block && !f.in_head && self.new_line_before(i)
    }

    fn new_line_before(&self, i: usize) -> bool {
        let (from, to) = (self.tokens[i - 1].hi as usize, self.tokens[i].lo as usize);
        self.input.text.get(from..to).is_some_and(|s| s.contains('\n'))
    }

    /// Opens a frame for the `(` at `i`, and says which kind of token it is.
    fn open_paren(&mut self, i: usize, prev: Option<Token>, ended: bool) -> Token {
        let is_call = matches!(prev, Some(Token::Ident | Token::Typeof));
        let (context, kind) = if is_call {
            (Context::Args(i - 1), Token::LParen)
        } else if ended && prev != Some(Token::RBrace) || prev == Some(Token::For) {
            (Context::Other, Token::LParen)
        } else if self.kind(i + 1) == Some(Token::Ident) && self.kind(i + 2) == Some(Token::Assign) {
            (Context::Other, Token::RecordOpen)
        } else if self.is_cast(i, prev) {
            (Context::Cast, Token::CastOpen)
        } else {
            (Context::Other, Token::LParen)
        };
        self.frames.push(Frame::new(context));
        kind
    }

    /// `(T)` before an operand, where `T` may be a type. A plain name in brackets before `*` or `(` is a
    /// type, unless it is a builtin's or a parameter's name.
    fn is_cast(&self, i: usize, prev: Option<Token>) -> bool {
        use Token::*;
        let Some(scan) = self.scan_type(i + 1) else { return false };
        if self.kind(scan.end) != Some(RParen) {
            return false;
        }
        let Some(next) = self.kind(scan.end + 1) else { return false };
        let sure = scan.only_type || scan.known;
        let is_head = matches!(prev, Some(If | While | Unroll));
        if !sure && (is_head || self.new_line_before(scan.end + 1)) {
            return false;
        }
        match next {
            Ident | Int | Str | UnclosedStr | Var | Positional | Count | Map | True | False | Not | Tilde
            | Typeof | Comptime => true,
            Minus | Amp | Inc | Dec => sure,
            Star | LParen => {
                let times_number = next == Star && self.kind(scan.end + 2) == Some(Int);
                sure || !scan.array && !times_number && !self.is_value_name(self.text(i + 1))
            }
            _ => false,
        }
    }

    fn is_value_name(&self, name: &str) -> bool {
        self.macro_params.contains(&name) || is_builtin(name)
    }

    /// Whether an argument starts at `i` that can only be a type.
    fn type_arg_starts(&mut self, i: usize, prev: Option<Token>) -> bool {
        if !matches!(prev, Some(Token::LParen | Token::Comma)) {
            return false;
        }
        let Context::Args(callee) = self.frame().context else { return false };
        let Some(scan) = self.scan_type(i) else { return false };
        if !matches!(self.kind(scan.end), Some(Token::RParen | Token::Comma)) {
            return false;
        }
        let of_types = matches!(self.text(callee), "sizeof" | "offsetof" | "typeof" | "typeinfo");
        scan.only_type || of_types && (scan.known || scan.array)
    }
}

/// After these a keyword is a plain name.
fn is_name_after(prev: Option<Token>) -> bool {
    matches!(prev, Some(Token::Dot | Token::Arrow | Token::Struct | Token::Union | Token::Enum))
}

/// The parameters of a macro that stand for expressions; nothing for other items.
fn macro_params<'s>(input: &Input<'s>, tokens: &[Lexed]) -> Vec<&'s str> {
    match tokens {
        [m, _, _, params @ ..] if m.kind == Token::Macro => params
            .iter()
            .take_while(|t| t.kind != Token::RParen)
            .filter(|t| t.kind == Token::Ident)
            .map(|t| t.text(input.text))
            .collect(),
        _ => Vec::new(),
    }
}
