//! Text to tree.
//!
//! Comes in: any text. Goes out: a tree and what is wrong with the text. Always holds: it never fails and
//! never panics; what is not understood is an `Error` node and a diagnostic; spans lie within the text, on
//! character boundaries; the tree is at most `retag::DEPTH_MAX` levels deep. Items are parsed one by one,
//! so that a mistake loses at most its own.

use super::ast::{CDef, Comment, Expr, ExprKind, Item, Script};
use super::build::{Cx, Parsed};
use super::errors::{self, ERRORS_MAX};
use super::lexer::{self, ItemKind, LexItem, Lexemes};
use super::retag::{self, Input};
use super::token::{Lexed, Token};
use crate::base::{Diags, FileId, Span};
use lalrpop_util::ParseError;
use std::cell::Cell;

#[allow(clippy::all, clippy::pedantic, unused, missing_docs)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/script.rs"));
}

/// Tokens that may be taken without making a node of any; more are taken only to skip a mistake, and that
/// costs more for each.
const SKIPPED_MAX: usize = 1000;

const BYTES_MAX: usize = 1 << 30;

/// Parses a whole file.
pub fn parse(file: FileId, text: &str) -> (Script, Diags) {
    parse_part(file, text, 0)
}

/// Parses items that stand `base` bytes into `file`.
pub fn parse_part(file: FileId, text: &str, base: u32) -> (Script, Diags) {
    let (mut script, mut diags) = (Script::default(), Diags::default());
    if text.len() > BYTES_MAX {
        errors::too_long(&mut diags, Span::new(file, 0, 0));
        return (script, diags);
    }
    let input = Input { text, file, base };
    let lexemes = lexer::lex(text);
    for t in &lexemes.tokens {
        match t.kind {
            Token::Comment => {
                script.comments.push(Comment { text: t.text(text).to_owned(), span: input.span(t.lo, t.hi) });
            }
            Token::Shebang => script.shebang = Some(input.span(t.lo, t.hi)),
            _ => {}
        }
    }
    for item in &lexemes.items {
        let before = diags.list.len();
        let parsed = parse_item(&input, &lexemes, item, &mut diags);
        diags.list[before..].sort_by_key(|d| d.span.lo);
        script.items.push(parsed);
        if diags.list.len() >= ERRORS_MAX {
            errors::too_many(&mut diags, item_span(&input, &lexemes, item));
            break;
        }
    }
    trailing_comment(&input, &lexemes, &mut diags);
    check_order(&script, &mut diags);
    (script, diags)
}

/// Parses one expression that stands `base` bytes into `file`, such as the text of a `#define`.
pub fn parse_expr(file: FileId, text: &str, base: u32) -> (Expr, Diags) {
    let mut diags = Diags::default();
    let input = Input { text, file, base };
    let error = |span| Expr { kind: ExprKind::Error, span };
    let whole = input.span(0, text.len() as u32);
    if text.len() > BYTES_MAX {
        errors::too_long(&mut diags, Span::new(file, 0, 0));
        return (error(whole), diags);
    }
    let lexed = lexer::lex_expr(text);
    let Some(mut tokens) = retag::retag(&input, &lexed, &mut diags) else { return (error(whole), diags) };
    tokens.insert(0, Lexed { kind: Token::StartExpr, lo: 0, hi: 0 });
    match run(&input, &tokens, &mut diags) {
        Some(Parsed::Expr(e)) => (e, diags),
        Some(Parsed::Item(_)) | None => (error(whole), diags),
    }
}

fn item_span(input: &Input, lexemes: &Lexemes, item: &LexItem) -> Span {
    match lexemes.tokens[item.tokens.clone()] {
        [] => input.span(0, 0),
        [first, .., last] | [first @ last] => input.span(first.lo, last.hi),
    }
}

fn parse_item(input: &Input, lexemes: &Lexemes, item: &LexItem, diags: &mut Diags) -> Item {
    let span = item_span(input, lexemes, item);
    if item.kind == ItemKind::CDef {
        let in_text = (span.lo - input.base) as usize..(span.hi - input.base) as usize;
        let text = input.text.get(in_text).unwrap_or("").to_owned();
        if !item.unclosed.is_empty() {
            let open = span.lo + text.find('{').unwrap_or(0) as u32;
            errors::unclosed_definition(diags, Span { lo: open, hi: open + 1, ..span });
            return Item::Error(span);
        }
        return Item::CDef(CDef { text, span });
    }
    let place = |i: usize| input.span(lexemes.tokens[i].lo, lexemes.tokens[i].hi);
    let item_tokens = &lexemes.tokens[item.tokens.clone()];
    // A string or comment without end has swallowed the brace.
    let swallowed = item_tokens.iter().any(|t| matches!(t.kind, Token::UnclosedStr | Token::UnclosedComment));
    if let (Some(outer), false) = (item.unclosed.first(), swallowed) {
        let suspect = item.suspect.map(|(o, c)| (place(o), place(c)));
        errors::unclosed_item(diags, place(*outer), suspect);
    }
    let Some(mut tokens) = retag::retag(input, item_tokens, diags) else { return Item::Error(span) };
    for _ in &item.unclosed {
        tokens.push(Lexed { kind: Token::RBrace, lo: span.hi, hi: span.hi });
    }
    match run(input, &tokens, diags) {
        Some(Parsed::Item(i)) => i,
        Some(Parsed::Expr(_)) | None => Item::Error(span),
    }
}

/// Runs the grammar over an item's tokens, and reports what it did not get over.
fn run(input: &Input, tokens: &[Lexed], diags: &mut Diags) -> Option<Parsed> {
    let (taken, made) = (Cell::new(0), Cell::new(0));
    let mistakes = Cell::new(diags.list.len());
    let feed = tokens.iter().enumerate().map(|(i, t)| {
        taken.set(i);
        let lost = i - made.get() > SKIPPED_MAX || mistakes.get() > ERRORS_MAX;
        if lost { Err(()) } else { Ok((t.lo, t.kind, t.hi)) }
    });
    let mut cx = Cx { input, tokens, diags, taken: &taken, made: &made, mistakes: &mistakes };
    match grammar::TopParser::new().parse(&mut cx, feed) {
        Ok(parsed) => Some(parsed),
        Err(ParseError::User { .. }) if mistakes.get() > ERRORS_MAX => None,
        Err(ParseError::User { .. }) => {
            let at = tokens.get(made.get()).map_or(Span::none(), |t| input.span(t.lo, t.hi));
            errors::lost(diags, at);
            None
        }
        Err(e) => {
            cx.report(&e);
            None
        }
    }
}

/// A comment that nothing closes, after the last item.
fn trailing_comment(input: &Input, lexemes: &Lexemes, diags: &mut Diags) {
    let after = lexemes.items.last().map_or(0, |i| i.tokens.end);
    for t in lexemes.tokens.get(after..).unwrap_or(&[]) {
        if t.kind == Token::UnclosedComment {
            errors::unclosed_comment(diags, input.span(t.lo, t.hi));
        }
    }
}

/// C definitions, then config and imports, then the rest; one config at most.
fn check_order(script: &Script, diags: &mut Diags) {
    let (mut rank, mut config) = (0, None);
    for item in &script.items {
        match item {
            Item::CDef(d) if rank > 1 => errors::order(diags, d.span, "C definitions"),
            Item::CDef(d) if rank > 0 => errors::late_definition(diags, d.span),
            Item::CDef(_) | Item::Error(_) => {}
            Item::Config(c) => {
                if rank > 1 {
                    errors::order(diags, c.span, "config");
                }
                match config {
                    Some(first) => errors::second_config(diags, c.span, first),
                    None => config = Some(c.span),
                }
                rank = rank.max(1);
            }
            Item::Import(i) => {
                if rank > 1 {
                    errors::order(diags, i.span, "root imports");
                }
                rank = rank.max(1);
            }
            Item::MapDecl(_) | Item::Macro(_) | Item::Func(_) | Item::Probe(_) => rank = 2,
        }
    }
}

#[cfg(test)]
mod mistakes;
#[cfg(test)]
pub mod robust;
#[cfg(test)]
mod tests;
