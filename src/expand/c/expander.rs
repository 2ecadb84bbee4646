//! Names of `#define` to what they stand for, with and without parameters.
//!
//! Comes in: tokens of a text or of a list. Goes out: tokens in which no name stands that a definition replaces.
//! Always holds: a name is not replaced inside its own definition; what the text of a definition makes has the
//! place of its use; the tokens that definitions make are bounded, and so are the levels of both kinds of nesting.

use super::input::{Input, Piece};
use super::lex::{self, Kind, Token};
use super::prep::{Cx, Prep};
use crate::base::{Diag, FileId, Span, codes};
use std::rc::Rc;

/// Definitions inside one another, and calls as arguments of one another, at most.
const NESTED_MAX: usize = 200;
const CALLS_MAX: usize = 64;
/// Tokens that definitions make, at most.
const MADE_MAX: usize = 1_000_000;

/// The tokens of a definition.
#[derive(Debug, Default)]
pub struct Body {
    /// Names of its parameters, if it has a list of them.
    params: Option<Vec<Rc<str>>>,
    is_variadic: bool,
    tokens: Vec<Token>,
}

impl Body {
    /// Reads what stands after the name: `(a, b) a + b`, if it has parameters, or `5`.
    pub fn read(text: &str, has_params: bool) -> Body {
        let mut tokens = lex::tokens(text, FileId(0), 0);
        if !has_params {
            return Body { tokens, ..Body::default() };
        }
        let close = tokens.iter().position(|t| t.is(")")).unwrap_or(tokens.len());
        let rest = tokens.split_off((close + 1).min(tokens.len()));
        let is_variadic = tokens.iter().any(|t| t.is("..."));
        let mut params: Vec<Rc<str>> = Vec::new();
        for (i, t) in tokens.iter().enumerate() {
            match &t.kind {
                Kind::Word(w) => params.push(w.clone()),
                // `args...` has its name before it.
                Kind::Punct("...") if i == 0 || tokens[i - 1].word().is_none() => {
                    params.push("__VA_ARGS__".into());
                }
                _ => {}
            }
        }
        Body { params: Some(params), is_variadic, tokens: rest }
    }

    fn param(&self, t: &Token) -> Option<usize> {
        let word = t.word()?;
        self.params.as_ref()?.iter().position(|p| **p == *word)
    }
}

/// Tokens that come before what is left of the text.
#[derive(Debug)]
pub struct Context {
    /// The last one comes first.
    tokens: Vec<Token>,
    /// The name whose definition made them.
    name: Option<Rc<str>>,
}

impl Prep<'_> {
    /// All of the tokens, with names replaced.
    pub fn expand_list(&mut self, tokens: &[Token], cx: &mut Cx) -> Vec<Token> {
        if self.n_calls_open >= CALLS_MAX {
            self.too_much(tokens.first().map_or(Span::none(), |t| t.span));
            return Vec::new();
        }
        self.n_calls_open += 1;
        let floor = self.contexts.len();
        let mut out = Vec::new();
        self.contexts.push(Context { tokens: tokens.iter().rev().cloned().collect(), name: None });
        while let Some(t) = self.next(&mut None, floor, cx) {
            out.push(t);
        }
        self.n_calls_open -= 1;
        out
    }

    /// The next token with names replaced: of the contexts above `floor`, then of the input.
    pub fn next(&mut self, input: &mut Option<&mut Input>, floor: usize, cx: &mut Cx) -> Option<Token> {
        loop {
            let token = self.pull(input, floor, cx)?;
            let Kind::Word(word) = &token.kind else { return Some(token) };
            if token.is_final {
                return Some(token);
            }
            if self.in_condition && matches!(&**word, "defined" | "__has_include" | "__has_include_next") {
                return Some(self.question(&token, input, floor, cx));
            }
            let Some(define) = self.defines.get(&**word) else { return Some(self.of_place(token, cx)) };
            if self.contexts.iter().any(|c| c.name.as_ref() == Some(word)) {
                return Some(Token { is_final: true, ..token });
            }
            let body = define.body.get_or_init(|| Rc::new(Body::read(&define.text, define.has_params)));
            let body = Rc::clone(body);
            let made = match &body.params {
                None => body.tokens.iter().map(|t| Token { span: token.span, ..t.clone() }).collect(),
                Some(params) => {
                    if !self.takes_open(input, floor) {
                        return Some(token);
                    }
                    let args = self.arguments(&token, params.len(), body.is_variadic, input, floor, cx)?;
                    self.substitute(&body, &args, token.span, cx)
                }
            };
            self.n_made += 1 + made.len();
            if self.n_made > MADE_MAX || self.contexts.len() - floor > NESTED_MAX {
                self.too_much(token.span);
                return Some(token);
            }
            let tokens = made.into_iter().rev().collect();
            self.contexts.push(Context { tokens, name: Some(word.clone()) });
        }
    }

    /// The next token as it stands.
    fn pull(&mut self, input: &mut Option<&mut Input>, floor: usize, cx: &mut Cx) -> Option<Token> {
        while self.contexts.len() > floor {
            if let Some(t) = self.contexts.last_mut().and_then(|c| c.tokens.pop()) {
                return Some(t);
            }
            self.contexts.pop();
        }
        let input = input.as_mut()?;
        loop {
            let piece = if self.is_on() { input.next() } else { input.next_directive() };
            match piece {
                Piece::End => return None,
                Piece::Token(t) => return Some(t),
                Piece::Directive(line, span) => self.directive(line, span, cx),
            }
        }
    }

    /// Whether a `(` comes next, which is then taken.
    fn takes_open(&mut self, input: &mut Option<&mut Input>, floor: usize) -> bool {
        while self.contexts.len() > floor {
            let Some(top) = self.contexts.last_mut() else { return false };
            match top.tokens.last() {
                Some(t) => {
                    let is_open = t.is("(");
                    if is_open {
                        top.tokens.pop();
                    }
                    return is_open;
                }
                None => drop(self.contexts.pop()),
            }
        }
        input.as_mut().is_some_and(|input| input.takes_open())
    }

    /// What stands between the brackets of a call, by its commas; `None` after a report where they do not close.
    fn arguments(
        &mut self,
        call: &Token,
        n_params: usize,
        is_variadic: bool,
        input: &mut Option<&mut Input>,
        floor: usize,
        cx: &mut Cx,
    ) -> Option<Vec<Vec<Token>>> {
        let (mut args, mut depth) = (vec![Vec::new()], 0u32);
        loop {
            let Some(t) = self.pull(input, floor, cx) else {
                let message = format!("the ( after {} is not closed", call.word().unwrap_or_default());
                cx.diags.push(Diag::error(&codes::C_LINE, call.span, message));
                // What it stands in is no declaration now: this is said already.
                let end = self.tokens.iter().rposition(|t| t.is(";")).map_or(0, |i| i + 1);
                self.tokens.truncate(end);
                return None;
            };
            self.n_made += 1;
            match t.kind {
                Kind::Punct("(") => depth += 1,
                Kind::Punct(")") if depth == 0 => return Some(args),
                Kind::Punct(")") => depth -= 1,
                Kind::Punct(",") if depth == 0 && !(is_variadic && args.len() >= n_params) => {
                    args.push(Vec::new());
                    continue;
                }
                _ => {}
            }
            if let Some(last) = args.last_mut() {
                last.push(t);
            }
        }
    }

    /// The text of a definition, with arguments in the places of its parameters.
    fn substitute(&mut self, body: &Body, args: &[Vec<Token>], span: Span, cx: &mut Cx) -> Vec<Token> {
        let tokens = &body.tokens;
        let is_joined = |i: usize| tokens.get(i).is_some_and(|t| t.is("##"));
        let mut expanded: Vec<Option<Vec<Token>>> = vec![None; args.len()];
        let (mut out, mut i): (Vec<Token>, usize) = (Vec::new(), 0);
        // What the operand before a `##` ends in; an empty one joins with nothing.
        let mut is_left_empty = false;
        while i < tokens.len() {
            if self.n_made + out.len() > MADE_MAX {
                break;
            }
            let is_join = is_joined(i) && i > 0 && i + 1 < tokens.len();
            i += usize::from(is_join);
            let t = &tokens[i];
            let is_text = t.is("#") && tokens.get(i + 1).is_some_and(|t| body.param(t).is_some());
            if is_text {
                out.push(Token::new(Kind::Text, span));
                (i, is_left_empty) = (i + 2, false);
                continue;
            }
            let own = [Token { span, ..t.clone() }];
            let param = body.param(t);
            let raw = match param {
                Some(p) => args.get(p).map_or(&[][..], Vec::as_slice),
                None => &own,
            };
            let is_rest = body.is_variadic && param.is_some_and(|p| p + 1 == body.n_params());
            if is_join && is_rest && out.last().is_some_and(|t| t.is(",")) {
                // `, ## __VA_ARGS__`: without arguments the comma goes, too.
                if raw.is_empty() {
                    out.pop();
                }
                out.extend_from_slice(raw);
            } else if is_join {
                let (first, rest) = raw.split_at(raw.len().min(1));
                match (first, is_left_empty) {
                    ([first], false) => join(&mut out, first),
                    _ => out.extend_from_slice(first),
                }
                out.extend_from_slice(rest);
            } else if let Some(p) = param.filter(|_| !is_joined(i + 1)) {
                if expanded.get(p).is_some_and(Option::is_none) {
                    expanded[p] = Some(self.expand_list(raw, cx));
                }
                out.extend(expanded.get(p).into_iter().flatten().flatten().cloned());
            } else {
                out.extend_from_slice(raw);
            }
            is_left_empty = raw.is_empty() && (!is_join || is_left_empty);
            i += 1;
        }
        out
    }

    /// `__LINE__` and `__COUNTER__`, which the place decides.
    fn of_place(&mut self, token: Token, cx: &mut Cx) -> Token {
        match token.word() {
            Some("__LINE__") => Token::number(i64::from(cx.sources.place(token.span).1), token.span),
            Some("__COUNTER__") => {
                self.n_counted += 1;
                Token::number(self.n_counted - 1, token.span)
            }
            Some("__FILE__" | "__DATE__" | "__TIME__" | "__BASE_FILE__") => {
                Token { kind: Kind::Text, ..token }
            }
            Some(_) | None => token,
        }
    }

    /// In `#if`: `defined NAME`, `defined(NAME)` and `__has_include(<file>)` as 1 or 0.
    fn question(&mut self, t: &Token, input: &mut Option<&mut Input>, floor: usize, cx: &mut Cx) -> Token {
        let has_brackets = self.takes_open(input, floor);
        let mut inner: Vec<Token> = Vec::new();
        while let Some(next) = self.pull(input, floor, cx) {
            if has_brackets && next.is(")") {
                break;
            }
            inner.push(next);
            if !has_brackets {
                break;
            }
        }
        let is_so = match t.word() {
            Some("defined") => inner.first().and_then(Token::word).is_some_and(|w| self.is_defined(w)),
            word => self.has_include(&inner, word == Some("__has_include_next"), cx),
        };
        Token::number(i64::from(is_so), t.span)
    }

    /// Definitions have made too much: from here on they make nothing.
    fn too_much(&mut self, span: Span) {
        if self.n_made <= MADE_MAX || self.hard.is_empty() {
            let d = Diag::error(&codes::EXPANSION, span, "definitions make too much of this");
            self.hard.push(d);
        }
        self.n_made = MADE_MAX + 1;
    }
}

impl Body {
    fn n_params(&self) -> usize {
        self.params.as_ref().map_or(0, Vec::len)
    }
}

/// `a ## b`: the last token becomes one with `right`, if their texts make one.
fn join(out: &mut Vec<Token>, right: &Token) {
    let joined = match (out.last().and_then(Token::text), right.text()) {
        (Some(a), Some(b)) => format!("{a}{b}"),
        _ => return out.push(right.clone()),
    };
    match (lex::token(&joined), out.last_mut()) {
        ((kind, n), Some(left)) if n == joined.len() => {
            *left = Token::new(kind, left.span);
        }
        _ => out.push(right.clone()),
    }
}
