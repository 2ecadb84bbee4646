//! The wording of what the parser did not expect: what was found, what may stand there, what to do.
//!
//! Comes in: the parser's error and the tokens of the item. Goes out: one diagnostic, or none where the cause
//! was reported already.

use super::push;
use crate::base::codes;
use crate::base::diag::nearest;
use crate::base::{Diag, Diags, Span};
use crate::syntax::retag::Input;
use crate::syntax::token::{Lexed, Token};
use lalrpop_util::ParseError;

/// Reports that the parser met a token which cannot stand where it does.
pub fn unexpected(diags: &mut Diags, input: &Input, tokens: &[Lexed], error: &ParseError<u32, Token, ()>) {
    let at = match error {
        ParseError::UnrecognizedToken { token: (lo, kind, _), .. }
        | ParseError::ExtraToken { token: (lo, kind, _) } => {
            let first = tokens.partition_point(|t| t.lo < *lo);
            first + tokens[first..].iter().position(|t| t.kind == *kind).unwrap_or(0)
        }
        ParseError::InvalidToken { .. } | ParseError::UnrecognizedEof { .. } | ParseError::User { .. } => {
            tokens.len()
        }
    };
    let expected = match error {
        ParseError::UnrecognizedToken { expected, .. } | ParseError::UnrecognizedEof { expected, .. } => {
            expected.as_slice()
        }
        ParseError::InvalidToken { .. } | ParseError::ExtraToken { .. } | ParseError::User { .. } => &[],
    };
    let site = Site { input, tokens, at, expected };
    if site.reported_already() {
        return;
    }
    if site.follows_another(diags) || site.follows_from_before(diags) {
        return;
    }
    let d = site.special().unwrap_or_else(|| site.general());
    let again = diags.list.last().is_some_and(|l| l.span == d.span);
    if !again {
        push(diags, d);
    }
}

/// Where the parser stopped.
struct Site<'a> {
    input: &'a Input<'a>,
    tokens: &'a [Lexed],
    /// The token that it did not expect; the number of tokens at the end of the item.
    at: usize,
    /// Names of the grammar's terminals, in quotes.
    expected: &'a [String],
}

/// Words that other languages have here, and what to write instead.
const FOREIGN: &[(&str, &str)] = &[
    ("elif", "write `else if`"),
    ("elsif", "write `else if`"),
    ("elseif", "write `else if`"),
    ("switch", "there is no `switch`: use `if` and `else if`"),
    ("case", "there is no `case`: use `if` and `else if`"),
    ("do", "there is no `do`: use `while`"),
    ("foreach", "write `for ($kv : @map) { … }`"),
    ("var", "write `let $x = …`"),
    ("const", "write `let $x = …`"),
    ("int", "write `let $x = …`"),
    ("then", "an `if` needs no `then`, but `{ … }`"),
    ("function", "write `fn name($a : uint64) : uint64 { … }`"),
    ("and", "write `&&`"),
    ("or", "write `||`"),
    ("not", "write `!`"),
];

const KEYWORDS: &[&str] =
    &["if", "else", "for", "while", "unroll", "let", "break", "continue", "return", "import", "comptime"];

impl Site<'_> {
    fn kind(&self, i: usize) -> Option<Token> {
        self.tokens.get(i).map(|t| t.kind)
    }

    fn found(&self) -> Option<Token> {
        self.kind(self.at)
    }

    fn before(&self) -> Option<&Lexed> {
        self.tokens.get(self.at.checked_sub(1)?)
    }

    fn text(&self, t: &Lexed) -> &str {
        t.text(self.input.text)
    }

    fn expects(&self, terminal: &str) -> bool {
        self.expected.iter().any(|e| e.trim_matches('"') == terminal)
    }

    fn span(&self) -> Span {
        match self.tokens.get(self.at) {
            Some(t) => self.input.span(t.lo, t.hi),
            None => self.after_last(),
        }
    }

    /// The last byte before the unexpected token, where something is missing.
    fn after_last(&self) -> Span {
        match self.before() {
            Some(t) => self.input.last_char(t.hi),
            None => self.input.span(0, 0),
        }
    }

    /// No token at all, or one that stands for a bracket that was reported as unclosed.
    fn reported_already(&self) -> bool {
        match self.tokens.get(self.at) {
            Some(t) if matches!(t.kind, Token::Error | Token::CharLit | Token::UnclosedStr) => true,
            Some(t) if t.lo == t.hi && matches!(t.kind, Token::RBrace | Token::Semi) => true,
            Some(_) | None => self.ends_c_for(),
        }
    }

    /// The parser stumbled in this statement before: what it skipped then may have been the end of a block's head.
    fn follows_another(&self, diags: &Diags) -> bool {
        let end = self.tokens.get(self.at).map_or(self.after_last(), |t| self.input.span(t.lo, t.hi));
        let start = self.tokens.get(self.start_of_statement()).map_or(end, |t| self.input.span(t.lo, t.hi));
        let is_near = |s: Span| s.file == end.file && s.lo >= start.lo && s.lo < end.lo;
        diags.list.iter().rev().any(|d| *d.code == codes::SYNTAX && is_near(d.span))
    }

    /// An `else` where a `}` is missing, a `case` in a `switch`, the end of `do { } while (…);`: what was said of the
    /// other word says it all.
    fn follows_from_before(&self, diags: &Diags) -> bool {
        let Some(t) = self.tokens.get(self.at) else { return false };
        let here = self.input.span(t.lo, t.hi);
        let mut before = diags.list.iter().filter(|d| d.span.file == here.file && d.span.lo < here.lo);
        let has_word = |word: &str| {
            self.tokens[..self.at].iter().any(|t| t.kind == Token::Ident && self.text(t) == word)
        };
        let first = self.tokens.get(self.start_of_statement());
        match (t.kind, first.map(|t| (t.kind, self.text(t)))) {
            (Token::Else, _) => before.any(|d| *d.code == codes::UNCLOSED),
            (_, Some((Token::Ident, "case" | "default"))) => has_word("switch"),
            (Token::Semi, Some((Token::While, _))) => has_word("do"),
            _ => false,
        }
    }

    /// Its first token.
    fn start_of_statement(&self) -> usize {
        self.tokens[..self.at]
            .iter()
            .rposition(|t| matches!(t.kind, Token::Semi | Token::LBrace | Token::RBrace))
            .map_or(0, |i| i + 1)
    }

    /// The `)` of a `for (;;)`, which was reported at its `;` or before.
    fn ends_c_for(&self) -> bool {
        let Some(open) = self.open_bracket().filter(|_| self.found() == Some(Token::RParen)) else {
            return false;
        };
        let is_for = open > 0 && self.kind(open - 1) == Some(Token::For);
        is_for && self.tokens[open..self.at].iter().any(|t| t.kind == Token::Semi)
    }

    fn error(&self, message: impl Into<String>) -> Diag {
        Diag::error(&codes::SYNTAX, self.span(), message)
    }

    fn special(&self) -> Option<Diag> {
        self.stray_brace()
            .or_else(|| self.early_predicate())
            .or_else(|| self.header())
            .or_else(|| self.c_for())
            .or_else(|| self.assignment())
            .or_else(|| self.call_without_parens())
            .or_else(|| self.unclosed())
            .or_else(|| self.word())
            .or_else(|| self.body_without_braces())
            .or_else(|| self.definition())
    }

    fn stray_brace(&self) -> Option<Diag> {
        if self.at == 0 && self.found() == Some(Token::RBrace) {
            let d = Diag::error(&codes::UNCLOSED, self.span(), "unmatched `}`").label("no `{` is open here");
            return Some(d.hint("remove it, or look for a `}` too many above"));
        }
        None
    }

    /// After a probe whose predicate ended at a `/` that was meant to divide: `/a / { b } == 3/`.
    fn early_predicate(&self) -> Option<Diag> {
        let first = self.tokens.first()?;
        let (before, rest) = self.input.text.split_at_checked(first.lo as usize)?;
        let goes_on = rest.starts_with(|c: char| "/=<>!&|+-*%^?.[".contains(c));
        let body = before.trim_end().strip_suffix('}').filter(|_| goes_on)?;
        let mut n_open = 1;
        let open = body.rfind(|c: char| {
            n_open += match c {
                '}' => 1,
                '{' => -1,
                _ => 0,
            };
            n_open == 0
        })?;
        let slash = body[..open].trim_end().strip_suffix('/')?.len() as u32;
        let d = self.error(format!("expected an attach point, found {}", self.shown()));
        let d = d.note(self.input.span(slash, slash + 1), "the predicate ends here, before `{`");
        Some(d.hint("put a division by `{ … }` into parentheses: /(a / { b }) == 3/"))
    }

    /// Between attach points and body.
    fn header(&self) -> Option<Diag> {
        let before = self.before();
        let after_point = before.is_some_and(|t| t.kind == Token::Point);
        match self.found() {
            Some(Token::Point) if after_point => {
                let colon = before.is_some_and(|t| self.text(t).ends_with(':'));
                let starts_colon = self.text(&self.tokens[self.at]).starts_with(':');
                if colon || starts_colon {
                    return Some(
                        self.error("white space inside an attach point")
                            .hint("write it in one piece, or quote it"),
                    );
                }
                let d = self.error(format!("expected `,`, a predicate or `{{`, found {}", self.shown()));
                Some(d.hint("separate attach points with commas; the actions stand in `{ }`"))
            }
            None if after_point => {
                let d = self.error("this probe has no actions").label("`{` expected after this");
                Some(d.hint("add `{ … }`, such as { @ = count(); }"))
            }
            Some(Token::LBrace) if self.at == 0 => {
                let d = self.error("expected an attach point before `{`");
                Some(d.hint("say when to run it, such as begin or kprobe:vfs_read"))
            }
            Some(Token::Point) if before.is_some_and(|t| t.kind == Token::PredClose) => {
                Some(self.error("expected `{` after the predicate"))
            }
            Some(Token::PredOpen) if self.at == 0 => {
                let d = self.error("expected an attach point before the predicate");
                Some(d.hint("say when to run it, such as begin or kprobe:vfs_read"))
            }
            Some(Token::Semi | Token::RBrace) | None if self.in_predicate().is_some() => {
                if let Some(next) = self.after_last_slash() {
                    let d = Diag::error(&codes::SYNTAX, next, "expected `{` after the predicate");
                    return Some(d.hint("the actions stand in `{ }`"));
                }
                let d = Diag::error(&codes::UNCLOSED, self.span(), "the predicate is not closed");
                let d = match self.in_predicate() {
                    Some(open) => d.note(open, "it starts here"),
                    None => d,
                };
                Some(d.hint("a predicate is /condition/ before `{`"))
            }
            Some(Token::Slash) => {
                let open = self.in_predicate()?;
                let d = self.error("expected `{` after the predicate").note(open, "it starts here");
                Some(d.hint("the actions stand in `{ }`"))
            }
            _ => None,
        }
    }

    /// The opening slash of the predicate that is still open here.
    fn in_predicate(&self) -> Option<Span> {
        let open = self.tokens[..self.at].iter().rposition(|t| t.kind == Token::PredOpen)?;
        let closed = self.tokens[open..self.at]
            .iter()
            .any(|t| matches!(t.kind, Token::PredClose | Token::PredMissing));
        (!closed).then(|| self.input.span(self.tokens[open].lo, self.tokens[open].hi))
    }

    /// What follows the last `/` of a predicate that was read as a division.
    fn after_last_slash(&self) -> Option<Span> {
        let slash =
            self.tokens[..self.at].iter().rposition(|t| matches!(t.kind, Token::Slash | Token::PredOpen))?;
        let next = self.tokens[..self.at].get(slash + 1)?;
        (self.tokens[slash].kind == Token::Slash).then(|| self.input.span(next.lo, next.hi))
    }

    /// The innermost bracket that is open before the unexpected token.
    fn open_bracket(&self) -> Option<usize> {
        let mut open = Vec::new();
        for (i, t) in self.tokens[..self.at].iter().enumerate() {
            if t.kind.opens() {
                open.push(i);
            } else if t.kind.closes() {
                open.pop();
            }
        }
        open.pop()
    }

    fn c_for(&self) -> Option<Diag> {
        let open = self.open_bracket()?;
        let head = open.checked_sub(1).and_then(|i| self.kind(i)) == Some(Token::For);
        if head && matches!(self.found(), Some(Token::Assign | Token::Semi)) {
            let d = self.error("a `for` loop goes over a map or a range");
            return Some(d.hint("write `for ($i : 0..10) { … }`, where 10 is not reached"));
        }
        None
    }

    fn assignment(&self) -> Option<Diag> {
        use Token::*;
        let found = self.found()?;
        let assigns = matches!(
            found,
            Assign
                | AddAssign
                | SubAssign
                | MulAssign
                | DivAssign
                | RemAssign
                | AndAssign
                | OrAssign
                | XorAssign
                | ShlAssign
                | ShrAssign
        );
        if !assigns || !self.before().is_some_and(|t| t.kind.ends_operand()) {
            return None;
        }
        if found == Assign && (self.in_predicate().is_some() || self.in_condition()) {
            return Some(
                self.error("`=` in a condition").label("this would assign").hint("compare with `==`"),
            );
        }
        let text = self.text(&self.tokens[self.at]);
        let d = self.error(format!("`{text}` is a statement, not part of an expression"));
        Some(d.hint("assign in a statement of its own"))
    }

    /// Between `if` or `while` and its block.
    fn in_condition(&self) -> bool {
        let head = self.tokens[..self.at].iter().rposition(|t| {
            matches!(t.kind, Token::If | Token::While | Token::LBrace | Token::RBrace | Token::Semi)
        });
        head.is_some_and(|i| matches!(self.tokens[i].kind, Token::If | Token::While))
    }

    fn call_without_parens(&self) -> Option<Diag> {
        let before = self.before().filter(|t| t.kind == Token::Ident)?;
        if matches!(self.found(), Some(Token::Str | Token::Int | Token::Var | Token::Map))
            && self.expects("(")
        {
            let name = self.text(before);
            let in_parens = self.at > 1 && self.kind(self.at - 2) == Some(Token::LParen);
            if in_parens || self.word().is_some() {
                return None;
            }
            return Some(self.error(format!("expected `(` after `{name}`, found {}", self.shown())));
        }
        None
    }

    /// A statement or block ends before a bracket is closed.
    fn unclosed(&self) -> Option<Diag> {
        let open = self.tokens[self.open_bracket()?];
        let close = match open.kind {
            Token::LBracket | Token::KeyOpen => "]",
            Token::LBrace => return None,
            _ => ")",
        };
        let ends = matches!(
            self.found(),
            Some(
                Token::Semi
                    | Token::RBrace
                    | Token::LBrace
                    | Token::RParen
                    | Token::RBracket
                    | Token::PredClose
            )
        );
        if !ends || !self.expects(close) {
            return None;
        }
        let d =
            Diag::error(&codes::UNCLOSED, self.span(), format!("expected `{close}`, found {}", self.shown()));
        Some(d.note(self.input.span(open.lo, open.hi), "to close this"))
    }

    /// The statement starts with a word that is nearly a keyword, or one of another language.
    fn word(&self) -> Option<Diag> {
        let start = self.start_of_statement();
        let first = self.tokens.get(start).filter(|t| t.kind == Token::Ident);
        let before = self.before().filter(|t| t.kind == Token::Ident);
        for t in [first, before, self.tokens.get(self.at)].into_iter().flatten() {
            if t.kind != Token::Ident {
                continue;
            }
            let text = self.text(t);
            let span = self.input.span(t.lo, t.hi);
            if let Some((_, hint)) = FOREIGN.iter().find(|(w, _)| *w == text) {
                return Some(Diag::error(&codes::SYNTAX, span, format!("unexpected `{text}`")).hint(*hint));
            }
            if text.len() > 1
                && first.is_some_and(|f| f.lo == t.lo)
                && let Some(word) = nearest(text, KEYWORDS.iter().copied())
            {
                let d = Diag::error(&codes::SYNTAX, span, format!("unexpected `{text}`"));
                return Some(d.hint(format!("did you mean `{word}`?")));
            }
        }
        None
    }

    /// `if (c) f();`
    fn body_without_braces(&self) -> Option<Diag> {
        let head = self.tokens.get(self.start_of_statement())?;
        let is_head =
            matches!(head.kind, Token::If | Token::While | Token::For | Token::Unroll | Token::Else);
        let starts = matches!(
            self.found()?,
            Token::Ident | Token::Var | Token::Map | Token::Return | Token::Break | Token::Continue
        );
        if !is_head
            || !starts
            || !self.expects("{")
            || self.open_bracket().is_some_and(|i| self.kind(i) != Some(Token::LBrace))
        {
            return None;
        }
        let word = self.text(head);
        let d = self.error(format!("expected `{{` after the head of `{word}`, found {}", self.shown()));
        Some(d.hint("its body stands in braces: { … }"))
    }

    fn definition(&self) -> Option<Diag> {
        match (self.found()?, self.before().map(|t| t.kind)) {
            (Token::Colon, _) if self.kind(self.at + 1) == Some(Token::Assign) => {
                Some(self.error("`:=` means nothing here").hint("assign with `=`"))
            }
            (Token::Assign, Some(Token::EqEq | Token::NotEq)) => {
                Some(self.error("one `=` too many").hint("compare with `==` or `!=`"))
            }
            (Token::Else, _) => {
                let d = self.error("`else` without `if`");
                Some(d.hint("`else` stands directly after the `}` of an `if`"))
            }
            (Token::Var, Some(Token::Let)) if self.at == 1 => {
                let d = self.error("outside probes, `let` declares a map");
                Some(d.hint("write `let @m = hash(100);`, or move this into a probe"))
            }
            (Token::Map, Some(Token::Let)) => {
                let d = self.error("maps are declared outside probes");
                Some(d.hint("move this before the probe, or assign to the map without `let`"))
            }
            (k, _) if k.is_keyword() && self.expects("name") && !self.expects("integer") => {
                let word = self.text(&self.tokens[self.at]);
                Some(self.error(format!("expected a name, found the keyword `{word}`")))
            }
            _ => None,
        }
    }

    fn general(&self) -> Diag {
        let wanted = self.wanted();
        let found = self.shown();
        let missing_semi = self.expects(";") && self.before().is_some_and(|t| t.kind.ends_operand());
        if self.found().is_none() && !wanted.is_empty() {
            return Diag::error(&codes::SYNTAX, self.after_last(), format!("expected {wanted} after this"));
        }
        let message = match (wanted.as_str(), missing_semi && self.expects("+")) {
            (_, true) if !self.expects(")") => format!("expected `;` or an operator, found {found}"),
            ("", _) => format!("unexpected {found}"),
            (w, _) => format!("expected {w}, found {found}"),
        };
        self.error(message)
    }

    /// What may stand here, in words.
    fn wanted(&self) -> String {
        let mut out: Vec<String> = Vec::new();
        if self.expects("integer") && self.expects("positional") {
            out.push("an expression".to_owned());
        } else {
            for (terminal, words) in [
                ("name", "a name"),
                ("struct", "a type"),
                ("variable", "a $variable"),
                ("map", "a @map"),
                ("string", "a string"),
                ("integer", "a number"),
                ("attach point", "an attach point"),
            ] {
                if self.expects(terminal) {
                    out.push(words.to_owned());
                }
            }
            if self.expects("struct") {
                out.retain(|w| w != "a name");
            }
        }
        if self.expects("predicate/") {
            out.push("the closing `/` of the predicate".to_owned());
        }
        let operators = self.expects("+") && self.expects("&&") && !self.expects("integer");
        if operators {
            out.push("an operator".to_owned());
        }
        for t in [":", "..", "=", "(", ")", "]", ",", ";", "{", "}"] {
            let implied = matches!(t, "(" | "{") && (self.expects("integer") || self.expects("struct"));
            if self.expects(t) && !implied {
                out.push(format!("`{t}`"));
            }
        }
        match out.split_last() {
            None => String::new(),
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        }
    }

    /// The unexpected token, in words.
    fn shown(&self) -> String {
        let Some(t) = self.tokens.get(self.at) else { return "the end of the text".to_owned() };
        let text = self.text(t);
        let short: String = text.chars().take(24).collect();
        let dots = if short.len() < text.len() { "…" } else { "" };
        match t.kind {
            Token::Str => format!("the string {short}{dots}"),
            Token::Int => format!("the number `{short}`"),
            Token::RBrace if t.lo == t.hi => "the end of the text".to_owned(),
            k if k.is_keyword() => format!("the keyword `{short}`"),
            _ => format!("`{short}{dots}`"),
        }
    }
}
