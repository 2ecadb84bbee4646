//! Which brackets belong together, and how deep the tree of a run of tokens can be.
//!
//! The depth is not of the tree itself, which does not exist yet, but a bound: the open brackets, and on each
//! of their levels the tokens since the last separator that put a level above their neighbours.

use super::{DEPTH_MAX, NONE};
use crate::syntax::token::{Lexed, Token};

/// Which bracket closes which, and the first token at which the tree would be too deep.
pub(super) fn brackets(tokens: &[Lexed]) -> (Vec<u32>, Option<usize>) {
    let mut mates = vec![NONE; tokens.len()];
    // Per open bracket its token and how many tokens since the last separator may deepen the tree.
    let mut open: Vec<(usize, u32)> = vec![(usize::MAX, 0)];
    let mut depth = 0u32;
    for (i, t) in tokens.iter().enumerate() {
        let deepens = match t.kind {
            k if k.opens() => {
                deepen(&mut open, &mut depth, 2);
                open.push((i, 0));
                0
            }
            k if k.closes() => {
                if let Some(at) =
                    open.iter().rposition(|(o, _)| *o != usize::MAX && pairs(tokens[*o].kind, k))
                    && (k == Token::RBrace || at == open.len() - 1)
                {
                    mates[open[at].0] = i as u32;
                    let first = open[at].0;
                    depth -= open.drain(at..).map(|(_, n)| n).sum::<u32>();
                    shallow(&mut open, &mut depth, 2 - u32::from(chains(tokens, first)));
                }
                if k == Token::RBrace && tokens.get(i + 1).is_some_and(|n| starts_statement(n.kind)) {
                    reset(&mut open, &mut depth);
                }
                0
            }
            Token::Semi | Token::Comma => {
                reset(&mut open, &mut depth);
                0
            }
            Token::If if i > 0 && tokens[i - 1].kind == Token::Else => 0,
            k => u32::from(is_operator(k)),
        };
        deepen(&mut open, &mut depth, deepens);
        if depth > DEPTH_MAX {
            return (mates, Some(i));
        }
    }
    (mates, None)
}

fn deepen(open: &mut [(usize, u32)], depth: &mut u32, by: u32) {
    if let Some(top) = open.last_mut() {
        top.1 += by;
        *depth += by;
    }
}

/// Whether brackets like the one at `open` can follow one another and deepen the tree: casts, indices.
fn chains(tokens: &[Lexed], open: usize) -> bool {
    let prev = open.checked_sub(1).map(|i| tokens[i].kind);
    match tokens[open].kind {
        Token::LBrace => false,
        Token::LParen => {
            !matches!(prev, Some(Token::If | Token::While | Token::For | Token::Unroll | Token::Ident))
        }
        _ => true,
    }
}

fn shallow(open: &mut [(usize, u32)], depth: &mut u32, by: u32) {
    if let Some(top) = open.last_mut() {
        let by = by.min(top.1);
        top.1 -= by;
        *depth -= by;
    }
}

fn reset(open: &mut [(usize, u32)], depth: &mut u32) {
    if let Some(top) = open.last_mut() {
        *depth -= top.1;
        top.1 = 0;
    }
}

fn pairs(open: Token, close: Token) -> bool {
    match close {
        Token::RParen => open == Token::LParen,
        Token::RBracket => open == Token::LBracket,
        _ => open == Token::LBrace,
    }
}

/// Tokens that put a level of the tree above their neighbours.
fn is_operator(k: Token) -> bool {
    use Token::*;
    matches!(
        k,
        If | Else
            | For
            | While
            | Unroll
            | Comptime
            | Question
            | Dot
            | Arrow
            | DotDot
            | Inc
            | Dec
            | Not
            | Tilde
            | Plus
            | Minus
            | Star
            | Slash
            | Percent
            | Amp
            | Pipe
            | Caret
            | Shl
            | Shr
            | EqEq
            | NotEq
            | Lt
            | Le
            | Gt
            | Ge
            | AndAnd
            | OrOr
            | Match
    )
}

/// Tokens that cannot continue an expression which ended in `}`.
fn starts_statement(k: Token) -> bool {
    use Token::*;
    (k.is_keyword() && k != Else)
        || matches!(
            k,
            Ident | Var | Map | Int | Str | Positional | Count | Semi | LBrace | RBrace | Not | Tilde
        )
}
