//! What the formatter prints: the tokens and comments of each item, with what it must know of each.

use crate::base::{FileId, Severity};
use crate::syntax::lexer::{self, ItemKind, LexItem, Lexemes};
use crate::syntax::parse::parse;
use crate::syntax::retag::{Input, retag};
use crate::syntax::token::{Lexed, Token};

/// What a token does, where its kind does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    None,
    /// An operator before its operand.
    Prefix,
    /// `++` or `--` after its operand.
    Postfix,
    /// `*` of a type.
    Pointer,
    /// `)` of a cast.
    CastEnd,
    /// `:` before a type.
    OfType,
    /// `=` after a probe's name.
    NameSign,
    /// `{` of a statement or an item, not of an expression.
    Body,
}

/// A token or comment.
#[derive(Clone, Debug)]
pub struct Piece<'s> {
    pub kind: Token,
    pub text: &'s str,
    /// Line breaks between it and what precedes it.
    pub newlines: usize,
    /// The index of the closing bracket, for an opening one.
    pub mate: usize,
    pub role: Role,
}

impl Piece<'_> {
    pub fn is_comment(&self) -> bool {
        self.kind == Token::Comment
    }

    pub fn is_line_comment(&self) -> bool {
        self.is_comment() && self.text.starts_with("//")
    }
}

/// A stretch of a script.
pub enum Part<'s> {
    /// C text or the shebang line.
    Verbatim(Piece<'s>),
    /// A comment between items.
    Comment(Piece<'s>),
    Item(Vec<Piece<'s>>),
}

/// The parts of `text` in order; `None` if it does not parse.
pub fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    let (_, diags) = parse(FileId(0), text);
    if diags.list.iter().any(|d| d.severity == Severity::Error) {
        return None;
    }
    let lexemes = lexer::lex(text);
    let mut out = Vec::new();
    let mut items = lexemes.items.iter().peekable();
    let mut i = 0;
    let mut newlines = 0;
    while let Some(t) = lexemes.tokens.get(i) {
        if let Some(item) = items.next_if(|item| item.tokens.start == i) {
            out.push(part(text, &lexemes, item, newlines)?);
            i = item.tokens.end;
            newlines = 0;
            continue;
        }
        let piece = Piece { kind: t.kind, text: t.text(text), newlines, mate: 0, role: Role::None };
        match t.kind {
            Token::Layout => newlines += piece.text.matches('\n').count(),
            Token::Comment => {
                out.push(Part::Comment(piece));
                newlines = 0;
            }
            _ => {
                out.push(Part::Verbatim(piece));
                newlines = 0;
            }
        }
        i += 1;
    }
    Some(out)
}

fn part<'s>(text: &'s str, lexemes: &Lexemes, item: &LexItem, newlines: usize) -> Option<Part<'s>> {
    let tokens = &lexemes.tokens[item.tokens.clone()];
    if item.kind == ItemKind::CDef {
        let text = tokens.first()?.text(text);
        return Some(Part::Verbatim(Piece { kind: Token::CDef, text, newlines, mate: 0, role: Role::None }));
    }
    let input = Input { text, file: FileId(0), base: 0 };
    let tagged = retag(&input, tokens, &mut crate::base::Diags::default())?;
    let mut pieces = merge(text, tokens, &tagged);
    if let Some(first) = pieces.first_mut() {
        first.newlines = newlines;
    }
    mates(&mut pieces);
    roles(&mut pieces, item.kind);
    Some(Part::Item(pieces))
}

/// The tokens as `retag` sees them, and the comments between them.
fn merge<'s>(text: &'s str, tokens: &[Lexed], tagged: &[Lexed]) -> Vec<Piece<'s>> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut tagged = tagged.iter().filter(|t| t.hi > t.lo).peekable();
    let (mut newlines, mut done) = (0, 0);
    for t in tokens {
        let t = match t.kind {
            Token::Layout => {
                newlines += t.text(text).matches('\n').count();
                continue;
            }
            Token::Comment => t,
            // The `~` of a `=~`.
            _ if t.lo < done => continue,
            _ => tagged.next().unwrap_or(t),
        };
        done = t.hi;
        out.push(Piece { kind: t.kind, text: t.text(text), newlines, mate: 0, role: Role::None });
        newlines = 0;
    }
    out
}

fn mates(pieces: &mut [Piece]) {
    let mut open = Vec::new();
    for i in 0..pieces.len() {
        if pieces[i].kind.opens() {
            open.push(i);
        } else if pieces[i].kind.closes()
            && let Some(o) = open.pop()
        {
            pieces[o].mate = i;
        }
    }
}

/// A bracket that is open, for `roles`.
struct Frame {
    kind: Token,
    /// It is the `{` of a body.
    is_body: bool,
    /// `?` without their `:` yet.
    n_questions: usize,
    /// The statement in this block started with one of these, and its body may follow.
    head: bool,
    /// `for`, whose `:` stands before no type.
    in_for: bool,
}

fn roles(pieces: &mut [Piece], item: ItemKind) {
    let new = |kind, is_body| Frame { kind, is_body, n_questions: 0, head: false, in_for: false };
    let mut frames = vec![new(Token::Error, false)];
    let (mut ended, mut prev) = (false, Token::Error);
    let mut statement_starts = false;
    for i in 0..pieces.len() {
        let kind = pieces[i].kind;
        if kind == Token::Comment {
            continue;
        }
        let next = pieces[i + 1..].iter().find(|p| !p.is_comment()).map(|p| p.kind);
        let after_stars = match kind {
            Token::Star => pieces[i..].iter().find(|p| !p.is_comment() && p.kind != kind).map(|p| p.kind),
            _ => None,
        };
        let outer = frames.len() == 1;
        let Some(frame) = frames.last_mut() else { return };
        if statement_starts {
            frame.head = matches!(kind, Token::If | Token::For | Token::While | Token::Unroll);
            frame.in_for = kind == Token::For;
        }
        pieces[i].role = match kind {
            Token::LBrace if statement_starts || outer && item != ItemKind::Probe => Role::Body,
            Token::LBrace if outer && prev_is_head(prev) => Role::Body,
            Token::LBrace if outer => Role::None,
            Token::LBrace if frame.head && (ended || prev == Token::Else) => Role::Body,
            Token::Inc | Token::Dec if ended => Role::Postfix,
            Token::Star if ended && type_goes_on(after_stars) => Role::Pointer,
            Token::Minus | Token::Star | Token::Amp | Token::Inc | Token::Dec | Token::Not | Token::Tilde
                if !ended =>
            {
                Role::Prefix
            }
            Token::Assign if prev == Token::ProbeName => Role::NameSign,
            Token::Colon if frame.n_questions > 0 => {
                frame.n_questions -= 1;
                Role::None
            }
            Token::Colon if frame.in_for || frame.kind == Token::For => Role::None,
            Token::Colon => Role::OfType,
            Token::RParen if frame.kind == Token::CastOpen => Role::CastEnd,
            _ => Role::None,
        };
        if kind == Token::Question {
            frame.n_questions += 1;
        }
        let role = pieces[i].role;
        ended = match role {
            Role::Postfix | Role::Pointer => true,
            Role::CastEnd => false,
            _ => kind.ends_operand(),
        };
        statement_starts = kind == Token::Semi;
        if kind.opens() {
            let in_for_head = prev == Token::For;
            frames.push(new(if in_for_head { Token::For } else { kind }, role == Role::Body));
            statement_starts = kind == Token::LBrace;
        } else if kind.closes() {
            let is_body = frames.pop().is_some_and(|f| f.is_body);
            statement_starts = is_body && next != Some(Token::Else);
            // A statement that was a body is no operand of what follows.
            ended &= !statement_starts;
        }
        prev = kind;
    }
}

/// What a probe's body follows.
fn prev_is_head(prev: Token) -> bool {
    matches!(prev, Token::Point | Token::Comma | Token::PredClose)
}

/// After the `*` of a type; an operand cannot follow there.
fn type_goes_on(next: Option<Token>) -> bool {
    use Token::*;
    matches!(next, None | Some(RParen | RBracket | Comma | LBracket | Assign | Semi | LBrace | RBrace))
}
