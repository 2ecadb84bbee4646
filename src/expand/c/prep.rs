//! The preprocessor: conditions, definitions, includes; names of `#define` to their texts.
//!
//! Comes in: C texts, one by one. Goes out: tokens without directives, and the definitions that are left at the
//! end. Always holds: each header is read once; what replaces a name has the place of its use; the tokens that
//! definitions make are bounded.

use super::constant::{self, Env};
use super::lex::{self, Kind, Token};
use crate::base::diag::nearest;
use crate::base::{Diag, Diags, FileId, Source, SourceMap, Span, codes};
use crate::expand::files;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// What every script finds defined: kernel types come from BTF.
const PREDEFINED: &str = "BPFTRACE_HAVE_BTF";
/// Definitions inside one another, and headers inside one another, at most.
const NESTED_MAX: usize = 64;
/// Tokens that definitions make, and headers, at most.
const MADE_MAX: usize = 1_000_000;
const HEADERS_MAX: usize = 500;

/// `#define NAME TEXT`
#[derive(Clone, Debug)]
pub struct Define {
    pub name: String,
    /// What it stands for, as C has it.
    pub text: String,
    /// Place of that text.
    pub span: Span,
    /// `#define F(x) …`: known, and never replaced.
    pub has_params: bool,
}

pub type Defines = BTreeMap<String, Define>;

/// An `#if…` that is open.
struct Open {
    span: Span,
    /// Whether the lines now count, and whether those around it do.
    is_on: bool,
    is_outer_on: bool,
    /// Whether some branch has counted.
    was_on: bool,
}

pub struct Prep<'w> {
    world: &'w dyn World,
    defines: Defines,
    open: Vec<Open>,
    tokens: Vec<Token>,
    /// Headers that have been read.
    seen: BTreeSet<String>,
    n_made: usize,
    n_headers_open: usize,
    /// An `#include <…>` has been warned of.
    has_told: bool,
}

impl<'w> Prep<'w> {
    pub fn new(world: &'w dyn World) -> Prep<'w> {
        Prep {
            world,
            defines: Defines::new(),
            open: Vec::new(),
            tokens: Vec::new(),
            seen: BTreeSet::new(),
            n_made: 0,
            n_headers_open: 0,
            has_told: false,
        }
    }

    pub fn finish(self, diags: &mut Diags) -> (Defines, Vec<Token>) {
        if let Some(open) = self.open.last() {
            bad(diags, open.span, "#if without its #endif");
        }
        (self.defines, self.tokens)
    }

    /// Reads a piece of a file: a whole header, or an item of a script.
    pub fn feed(&mut self, text: &str, at: Span, sources: &mut SourceMap, diags: &mut Diags) {
        let base = at.lo as usize;
        let (mut pos, mut is_line_start) = (0, true);
        loop {
            let blank = lex::blank_len(&text[pos..]);
            is_line_start |= text[pos..pos + blank].contains('\n');
            pos += blank;
            if pos >= text.len() {
                break;
            }
            if is_line_start && text[pos..].starts_with('#') {
                let n = directive_len(&text[pos..]);
                let line = &text[pos..pos + n];
                let span =
                    Span { lo: (base + pos) as u32, hi: (base + pos + line.trim_end().len()) as u32, ..at };
                self.directive(line, span, sources, diags);
                pos += n;
                continue;
            }
            is_line_start = false;
            let (kind, n) = lex::token(&text[pos..]);
            let span = Span { lo: (base + pos) as u32, hi: (base + pos + n) as u32, ..at };
            pos += n;
            if self.is_on() {
                let token = Token { kind, span };
                let mut out = std::mem::take(&mut self.tokens);
                self.expand(token, &mut Vec::new(), &mut out, diags);
                self.tokens = out;
            }
        }
        // An item of a script may leave out its last `;`.
        if self.tokens.last().is_some_and(|t| !t.is(";")) && self.is_on() {
            let kind = Kind::Punct(";");
            let end = (base + text.len()) as u32;
            self.tokens
                .push(Token { kind, span: Span { lo: end.saturating_sub(1).max(at.lo), hi: end, ..at } });
        }
    }

    fn is_on(&self) -> bool {
        self.open.last().is_none_or(|o| o.is_on && o.is_outer_on)
    }

    /// A token, or what its definition makes of it.
    fn expand(&mut self, token: Token, inside: &mut Vec<String>, out: &mut Vec<Token>, diags: &mut Diags) {
        let define = token.word().and_then(|w| self.defines.get(w));
        let Some(define) = define.filter(|d| !inside.contains(&d.name) && !d.has_params) else {
            return out.push(token);
        };
        let n_before = self.n_made;
        self.n_made += 1 + define.text.len() / 8;
        if inside.len() >= NESTED_MAX || self.n_made > MADE_MAX {
            if n_before <= MADE_MAX {
                let d = Diag::error(&codes::EXPANSION, token.span, "definitions make too much of this");
                diags.push(d);
                self.n_made = MADE_MAX + 1;
            }
            return;
        }
        inside.push(define.name.clone());
        for t in lex::tokens(&define.text, FileId(0), 0) {
            self.n_made += 1;
            self.expand(Token { span: token.span, ..t }, inside, out, diags);
        }
        inside.pop();
    }

    fn directive(&mut self, line: &str, span: Span, sources: &mut SourceMap, diags: &mut Diags) {
        let body = line[1..].trim_start();
        let n = body.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = body.split_at(n);
        // Where `rest` starts in its file.
        let at = Span { lo: span.lo + (line.len() - rest.len()) as u32, ..span };
        match word {
            "ifdef" | "ifndef" => {
                let is_on = self.is_defined(rest) == (word == "ifdef");
                self.open.push(Open { span, is_on, is_outer_on: self.is_on(), was_on: is_on });
            }
            "if" => {
                let is_outer_on = self.is_on();
                let is_on = is_outer_on && self.condition(rest, at, span, diags);
                self.open.push(Open { span, is_on, is_outer_on, was_on: is_on });
            }
            "elif" => self.elif(rest, at, span, diags),
            "else" => match self.open.last_mut() {
                Some(open) => {
                    open.is_on = !open.was_on;
                    open.was_on = true;
                }
                None => bad(diags, span, "#else without its #if"),
            },
            "endif" => {
                if self.open.pop().is_none() {
                    bad(diags, span, "#endif without its #if");
                }
            }
            _ if !self.is_on() => {}
            "include" => self.include(rest.trim(), span, sources, diags),
            "define" => self.define(rest, at, span, diags),
            "undef" => {
                self.defines.remove(first_word(rest));
            }
            "pragma" | "warning" | "ident" | "line" | "" => {}
            "error" => bad(diags, span, &format!("#error {}", rest.trim())),
            other => {
                let d = Diag::error(&codes::C_LINE, span, format!("there is no directive #{other}"));
                let known = ["include", "define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif"];
                diags.push(match nearest(other, known) {
                    Some(near) => d.hint(format!("did you mean #{near}?")),
                    None => d,
                });
            }
        }
    }

    fn elif(&mut self, rest: &str, at: Span, span: Span, diags: &mut Diags) {
        let Some(open) = self.open.pop() else { return bad(diags, span, "#elif without its #if") };
        let is_on = !open.was_on && self.is_on() && self.condition(rest, at, span, diags);
        self.open.push(Open { is_on, was_on: open.was_on || is_on, ..open });
    }

    fn is_defined(&self, rest: &str) -> bool {
        let name = first_word(rest);
        name == PREDEFINED || self.defines.contains_key(name)
    }

    /// What stands after `#if`.
    fn condition(&mut self, rest: &str, at: Span, span: Span, diags: &mut Diags) -> bool {
        let raw = lex::tokens(rest, at.file, at.lo as usize);
        let (mut tokens, mut i) = (Vec::new(), 0);
        while i < raw.len() {
            let mut t = raw[i].clone();
            i += 1;
            if t.word() != Some("defined") {
                self.expand(t, &mut Vec::new(), &mut tokens, diags);
                continue;
            }
            let in_brackets = raw.get(i).is_some_and(|t| t.is("("));
            i += usize::from(in_brackets);
            let is_defined = raw.get(i).and_then(Token::word).is_some_and(|w| self.is_defined(w));
            i += 1 + usize::from(in_brackets);
            t.kind = Kind::Number(i64::from(is_defined));
            tokens.push(t);
        }
        match constant::evaluate(&tokens, span, &mut InCondition(self.world)) {
            Ok(v) => v != 0,
            Err((at, message)) => {
                bad(diags, at, &message);
                false
            }
        }
    }

    fn define(&mut self, rest: &str, at: Span, whole: Span, diags: &mut Diags) {
        let lead = rest.len() - rest.trim_start().len();
        let rest = &rest[lead..];
        let name = first_word(rest);
        if name.is_empty() {
            return bad(diags, whole, "#define wants a name");
        }
        let has_params = rest[name.len()..].starts_with('(');
        let from = name.len() + lex::blank_len(&rest[name.len()..]).min(rest.len() - name.len());
        let text = without_comment(&rest[from..]);
        let lo = at.lo + (lead + from) as u32;
        let span = Span { lo, hi: lo + text.len() as u32, ..at };
        // As long as before, so that places stay.
        let joined = text.replace("\\\r\n", "   ").replace("\\\n", "  ");
        let define = Define { name: name.into(), text: joined, span, has_params };
        self.defines.insert(name.into(), define);
    }

    fn include(&mut self, what: &str, span: Span, sources: &mut SourceMap, diags: &mut Diags) {
        if let Some((name, _)) = what.strip_prefix('<').and_then(|w| w.split_once('>')) {
            if let Some(path) = files::in_dirs(self.world, name) {
                return self.header(&path, span, sources, diags);
            }
            if !self.has_told {
                let message = "#include of kernel headers has no effect: kernel types come from BTF";
                diags.push(Diag::warning(&codes::NO_EFFECT, span, message).hint("leave such lines out"));
            }
            self.has_told = true;
            return;
        }
        match what.strip_prefix('"').and_then(|w| w.split_once('"')) {
            Some((name, _)) => {
                let path = files::beside(&sources.files[span.file].name, name);
                let path = files::or_in_dirs(self.world, path, name);
                self.header(&path, span, sources, diags);
            }
            None => bad(diags, span, "#include wants \"file.h\" or <file.h>"),
        }
    }

    /// Reads a header, unless it has been.
    pub fn header(&mut self, path: &str, span: Span, sources: &mut SourceMap, diags: &mut Diags) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        if self.n_headers_open >= NESTED_MAX || self.seen.len() > HEADERS_MAX {
            return diags.push(Diag::error(&codes::IMPORT, span, "too many headers include one another"));
        }
        let Some(text) = files::read(self.world, path, span, diags) else { return };
        let file = sources.add(Source::new(path, text.as_str()));
        let n_open = self.open.len();
        self.n_headers_open += 1;
        self.feed(&text, Span::new(file, 0, text.len()), sources, diags);
        self.n_headers_open -= 1;
        for open in self.open.drain(n_open.min(self.open.len())..) {
            bad(diags, open.span, "#if without its #endif");
        }
    }
}

/// Words in `#if` that nothing defines are 0, as in C.
struct InCondition<'w>(&'w dyn World);

impl Env for InCondition<'_> {
    fn value(&mut self, name: &str) -> Option<i64> {
        match name {
            "LINUX_VERSION_CODE" => constant::version_code(&self.0.kernel_release()?),
            "true" => Some(1),
            _ => Some(0),
        }
    }
    fn size_of(&mut self, _: &[Token]) -> Option<i64> {
        None
    }
}

fn bad(diags: &mut Diags, span: Span, message: &str) {
    diags.push(Diag::error(&codes::C_LINE, span, message));
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let n = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    &text[..n]
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
        if !s[..at].trim_end_matches('\r').ends_with('\\') || at >= s.len() {
            return at;
        }
        at += 1;
        from = at;
    }
}

/// The text up to a comment that is not in a string.
fn without_comment(text: &str) -> &str {
    let (mut at, mut in_string) = (0, false);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'"' => in_string = !in_string,
            b'\\' if in_string => at += 1,
            b'/' if !in_string && matches!(bytes.get(at + 1), Some(b'/' | b'*')) => return text[..at].trim(),
            _ => {}
        }
        at += 1;
    }
    text.trim()
}
