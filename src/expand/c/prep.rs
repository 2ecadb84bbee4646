//! The preprocessor: conditions and definitions.
//!
//! Comes in: C texts, one by one. Goes out: tokens without directives, and the definitions that are left at the
//! end. Always holds: mistakes in a script and in what it includes from beside itself are reported at their places;
//! those in headers that it includes by `<…>` are kept apart, for they may be of no concern to it.

use super::constant::{self, Env};
use super::expander::{Body, Context};
use super::headers::{Headers, Trust};
use super::input::{Input, without_comments};
use super::lex::{self, Kind, Token};
use crate::base::diag::nearest;
use crate::base::{Diag, Diags, FileId, SourceMap, Span, codes};
use crate::world::World;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What every script finds defined: kernel types come from BTF.
const PREDEFINED: &str = "BPFTRACE_HAVE_BTF";

/// What `#pragma pack` becomes, before the number of bytes.
pub const PACK: &str = "#pragma pack";

/// `#define NAME TEXT`
#[derive(Clone, Debug)]
pub struct Define {
    pub name: String,
    /// What it stands for, as C has it; its parameters come first.
    pub text: String,
    /// Place of that text.
    pub span: Span,
    /// `#define F(x) …`
    pub has_params: bool,
    /// It comes from a header of the system, whose names give way to those of the language.
    pub is_foreign: bool,
    /// Its value, if it is foreign and a constant, and whether that is a `u64`.
    pub value: Option<(i64, bool)>,
    pub(super) body: OnceCell<Rc<Body>>,
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

/// Where texts are kept, and what is said of the one that is read.
#[derive(Debug)]
pub struct Cx<'a> {
    pub sources: &'a mut SourceMap,
    pub diags: &'a mut Diags,
}

pub struct Prep<'w> {
    pub(super) world: &'w dyn World,
    pub(super) defines: Defines,
    open: Vec<Open>,
    pub(super) tokens: Vec<Token>,
    pub(super) headers: Headers,
    /// Tokens that definitions have made and that are still to be read.
    pub(super) contexts: Vec<Context>,
    /// The bounds of `#pragma pack`, innermost last.
    packs: Vec<i64>,
    pub(super) n_made: usize,
    pub(super) n_calls_open: usize,
    pub(super) n_counted: i64,
    /// What is read stands after `#if`.
    pub(super) in_condition: bool,
    /// What is wrong in headers of the system.
    pub(super) problems: Diags,
    /// What ends the reading, wherever it is met.
    pub(super) hard: Vec<Diag>,
}

impl<'w> Prep<'w> {
    pub fn new(world: &'w dyn World) -> Prep<'w> {
        Prep {
            world,
            defines: Defines::new(),
            open: Vec::new(),
            tokens: Vec::new(),
            headers: Headers::default(),
            contexts: Vec::new(),
            packs: Vec::new(),
            n_made: 0,
            n_calls_open: 0,
            n_counted: 0,
            in_condition: false,
            problems: Diags::default(),
            hard: Vec::new(),
        }
    }

    /// The tokens of all that was read; says what is left open.
    pub fn take_tokens(&mut self, diags: &mut Diags) -> Vec<Token> {
        if let Some(open) = self.open.last() {
            bad(diags, open.span, "#if without its #endif");
        }
        diags.list.append(&mut self.hard);
        std::mem::take(&mut self.tokens)
    }

    /// Reads a piece of a file: a whole header, or an item of a script.
    pub fn feed(&mut self, text: &str, at: Span, cx: &mut Cx) {
        let mut input = Input::new(text, at);
        let (end, floor) = (input.end(), self.contexts.len());
        while let Some(t) = self.next(&mut Some(&mut input), floor, cx) {
            self.tokens.push(t);
        }
        // An item of a script may leave out its last `;`.
        let is_own = !self.headers.foreign.contains(&at.file);
        if is_own && self.tokens.last().is_some_and(|t| !t.is(";")) && self.is_on() {
            self.tokens.push(Token::new(Kind::Punct(";"), end));
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.open.last().is_none_or(|o| o.is_on && o.is_outer_on)
    }

    pub(super) fn n_open(&self) -> usize {
        self.open.len()
    }

    /// Closes what a header has left open.
    pub(super) fn close(&mut self, n_open: usize, diags: &mut Diags) {
        for open in self.open.drain(n_open.min(self.open.len())..) {
            bad(diags, open.span, "#if without its #endif");
        }
    }

    pub(super) fn directive(&mut self, line: &str, span: Span, cx: &mut Cx) {
        let body = line[1..].trim_start();
        let n = body.bytes().take_while(|b| b.is_ascii_alphabetic() || *b == b'_').count();
        let (word, rest) = body.split_at(n);
        // Where `rest` starts in its file.
        let at = Span { lo: span.lo + (line.len() - rest.len()) as u32, ..span };
        match word {
            "ifdef" | "ifndef" => {
                let is_on = self.is_on() && self.asks(rest, cx) == (word == "ifdef");
                self.open.push(Open { span, is_on, is_outer_on: self.is_on(), was_on: is_on });
            }
            "if" => {
                let is_outer_on = self.is_on();
                let is_on = is_outer_on && self.condition(rest, at, span, cx);
                self.open.push(Open { span, is_on, is_outer_on, was_on: is_on });
            }
            "elif" => self.elif(rest, at, span, cx),
            "else" => match self.open.last_mut() {
                Some(open) => {
                    open.is_on = !open.was_on;
                    open.was_on = true;
                }
                None => bad(cx.diags, span, "#else without its #if"),
            },
            "endif" => {
                if self.open.pop().is_none() {
                    bad(cx.diags, span, "#endif without its #if");
                }
            }
            _ if !self.is_on() => {}
            "include" | "include_next" | "import" => self.include(word, rest, span, cx),
            "define" => self.define(rest, at, span, cx),
            "undef" => {
                self.defines.remove(first_word(rest));
            }
            "pragma" if first_word(rest) == "once" => self.headers.read_once(span.file),
            "pragma" if first_word(rest) == "pack" => self.pack(rest, span),
            "pragma" | "warning" | "ident" | "sccs" | "line" | "" => {}
            "error" => bad(cx.diags, span, &format!("#error {}", rest.trim())),
            other => {
                let d = Diag::error(&codes::C_LINE, span, format!("there is no directive #{other}"));
                let known = ["include", "define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif"];
                cx.diags.push(match nearest(other, known) {
                    Some(near) => d.hint(format!("did you mean #{near}?")),
                    None => d,
                });
            }
        }
    }

    fn elif(&mut self, rest: &str, at: Span, span: Span, cx: &mut Cx) {
        let Some(open) = self.open.pop() else { return bad(cx.diags, span, "#elif without its #if") };
        let is_on = !open.was_on && open.is_outer_on && self.condition(rest, at, span, cx);
        self.open.push(Open { is_on, was_on: open.was_on || is_on, ..open });
    }

    /// What `#ifdef` asks.
    fn asks(&mut self, rest: &str, cx: &mut Cx) -> bool {
        self.know_compiler(rest, cx);
        self.is_defined(first_word(rest))
    }

    pub(super) fn is_defined(&self, name: &str) -> bool {
        matches!(name, PREDEFINED | "__has_include" | "__has_include_next" | "__COUNTER__" | "__LINE__")
            || self.defines.contains_key(name)
    }

    /// Reads what compilers define by themselves before a condition may ask for it.
    fn know_compiler(&mut self, condition: &str, cx: &mut Cx) {
        if condition.contains("__") || condition.contains("_LP64") {
            self.define_compiler(cx);
        }
    }

    /// What stands after `#if`.
    fn condition(&mut self, rest: &str, at: Span, span: Span, cx: &mut Cx) -> bool {
        self.know_compiler(rest, cx);
        let raw = lex::tokens(rest, at.file, at.lo as usize);
        let raw: Vec<Token> =
            raw.into_iter().map(|t| Token { span: Span { origin: at.origin, ..t.span }, ..t }).collect();
        let outer = std::mem::replace(&mut self.in_condition, true);
        let tokens = self.expand_list(&raw, cx);
        self.in_condition = outer;
        match constant::evaluate(&tokens, span, &mut InCondition(self.world)) {
            Ok(v) => v != 0,
            Err((at, message)) => {
                bad(cx.diags, at, &message);
                false
            }
        }
    }

    fn define(&mut self, rest: &str, at: Span, whole: Span, cx: &mut Cx) {
        let text = without_comments(rest);
        let name = first_word(&text);
        if name.is_empty() {
            return bad(cx.diags, whole, "#define wants a name");
        }
        let after = text.len() - text.trim_start().len() + name.len();
        let has_params = text[after..].starts_with('(');
        let bare = text[after..].trim();
        let from = text.len() - text[after..].trim_start().len();
        let lo = at.lo + from as u32;
        let span = Span { lo, hi: lo + bare.len() as u32, ..at };
        let is_foreign = self.headers.foreign.contains(&at.file);
        let (name, text) = (name.to_owned(), bare.to_owned());
        let define = Define {
            name: name.clone(),
            text,
            span,
            has_params,
            is_foreign,
            value: None,
            body: OnceCell::new(),
        };
        self.defines.insert(name, define);
    }

    /// `#pragma pack(2)`, `pack(push, 2)`, `pack(pop)`: becomes tokens, for the declarations in between count.
    fn pack(&mut self, rest: &str, span: Span) {
        let words = rest.split(|c: char| !c.is_ascii_alphanumeric()).skip(1).filter(|w| !w.is_empty());
        let words: Vec<&str> = words.filter(|w| *w != "pack").collect();
        let given = words.iter().find_map(|w| w.parse::<i64>().ok());
        let now = self.packs.last().copied().unwrap_or(0);
        match words.first() {
            Some(&"push") => self.packs.push(given.unwrap_or(now)),
            Some(&"pop") => drop(self.packs.pop()),
            Some(_) | None => {
                self.packs.pop();
                self.packs.push(given.unwrap_or(0));
            }
        }
        self.tokens.push(Token::new(Kind::Punct(PACK), span));
        self.tokens.push(Token::number(self.packs.last().copied().unwrap_or(0), span));
    }

    /// How far mistakes in that file count.
    pub(super) fn trust(&self, file: FileId) -> Trust {
        if self.headers.foreign.contains(&file) { Trust::Foreign } else { Trust::Own }
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
    fn is_wide(&self) -> bool {
        true
    }
}

pub fn bad(diags: &mut Diags, span: Span, message: &str) {
    diags.push(Diag::error(&codes::C_LINE, span, message));
}

pub fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let n = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    &text[..n]
}
