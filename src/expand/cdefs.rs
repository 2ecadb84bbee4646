//! C lines between the probes: conditions, includes, definitions.
//!
//! Comes in: the items of a script. Goes out: its `#define`s; the C items are taken out of the script. Always
//! holds: of `#ifdef … #else … #endif` only the lines that count are looked at.

use crate::base::{Diag, Diags, Span, codes};
use crate::syntax::ast::{CDef, Item, Script};

/// What every script finds defined: kernel types come from BTF.
const PREDEFINED: &str = "BPFTRACE_HAVE_BTF";

/// `#define NAME TEXT`
#[derive(Clone, Debug)]
pub struct Define {
    pub name: String,
    /// What it stands for, as C has it.
    pub text: String,
    /// Place of that text.
    pub span: Span,
}

/// An `#if…` that is open.
struct Open {
    span: Span,
    /// Whether the lines now count.
    is_on: bool,
}

/// Takes the C items out of a script.
pub fn take(script: &mut Script, diags: &mut Diags) -> Vec<Define> {
    let mut reader = Reader { defines: Vec::new(), open: Vec::new(), diags };
    let mut rest = Vec::new();
    for item in std::mem::take(&mut script.items) {
        match item {
            Item::CDef(def) => reader.item(&def),
            other => rest.push(other),
        }
    }
    script.items = rest;
    if let Some(open) = reader.open.pop() {
        reader.bad(open.span, "#if without its #endif");
    }
    reader.defines
}

struct Reader<'d> {
    defines: Vec<Define>,
    open: Vec<Open>,
    diags: &'d mut Diags,
}

impl Reader<'_> {
    fn bad(&mut self, span: Span, message: &str) {
        self.diags.push(Diag::error(&codes::C_LINE, span, message));
    }

    fn unsupported(&mut self, span: Span, what: &str) {
        self.diags.push(Diag::error(&codes::UNSUPPORTED, span, format!("{what} not in this version")));
    }

    fn is_on(&self) -> bool {
        self.open.iter().all(|o| o.is_on)
    }

    /// A line or a definition; the parser may hand over several lines at once.
    fn item(&mut self, def: &CDef) {
        if !def.text.trim_start().starts_with('#') {
            if self.is_on() {
                self.unsupported(def.span, "C definitions of a script are");
            }
            return;
        }
        let mut at = def.span.lo;
        for line in def.text.split_inclusive('\n') {
            let span = Span { lo: at, hi: at + line.trim_end().len() as u32, ..def.span };
            at += line.len() as u32;
            if let Some(directive) = line.trim().strip_prefix('#') {
                self.line(directive.trim_start(), line, span);
            }
        }
    }

    fn line(&mut self, directive: &str, line: &str, span: Span) {
        let (word, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
        let rest = rest.trim();
        match word {
            "ifdef" => self.open.push(Open { span, is_on: self.is_defined(rest) }),
            "ifndef" => self.open.push(Open { span, is_on: !self.is_defined(rest) }),
            "if" => self.condition(rest, span),
            "else" => match self.open.last_mut() {
                Some(open) => open.is_on = !open.is_on,
                None => self.bad(span, "#else without its #if"),
            },
            "endif" => {
                if self.open.pop().is_none() {
                    self.bad(span, "#endif without its #if");
                }
            }
            _ if !self.is_on() => {}
            "include" => {
                let message = "#include has no effect: kernel types come from BTF";
                self.diags.push(Diag::warning(&codes::NO_EFFECT, span, message));
            }
            "define" => self.define(rest, line, span),
            "undef" => self.defines.retain(|d| d.name != rest),
            "pragma" => {}
            other => {
                let what = format!("#{other} is");
                self.unsupported(span, &what);
            }
        }
    }

    fn is_defined(&self, name: &str) -> bool {
        let name = name.split_whitespace().next().unwrap_or("");
        name == PREDEFINED || self.defines.iter().any(|d| d.name == name)
    }

    /// `#if defined(X)`, `#if !defined X`, `#if 0`
    fn condition(&mut self, text: &str, span: Span) {
        let (negated, bare) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        let is_true = match (bare, bare.strip_prefix("defined")) {
            (_, Some(name)) => {
                let name = name.trim().trim_start_matches('(').trim_end_matches(')').trim();
                let is_word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
                is_word.then(|| self.is_defined(name))
            }
            ("0", None) => Some(false),
            ("1", None) => Some(true),
            _ => None,
        };
        if is_true.is_none() && self.is_on() {
            self.unsupported(span, "#if of an expression is");
        }
        self.open.push(Open { span, is_on: is_true.unwrap_or(false) != negated });
    }

    /// Macros with parameters are taken as absent: their names then are unknown where they are used.
    fn define(&mut self, rest: &str, line: &str, span: Span) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, text) = rest.split_at(end);
        if name.is_empty() {
            return self.bad(span, "#define wants a name");
        }
        if text.starts_with('(') {
            return;
        }
        let text = text.split("//").next().unwrap_or("");
        let lead = text.len() - text.trim_start().len();
        // Byte offset of `rest`, then of the text, in the line.
        let at = line.find(rest).unwrap_or(0) + end + lead;
        let text = text.trim().to_owned();
        let lo = span.lo + at as u32;
        let span = Span { lo, hi: lo + text.len() as u32, ..span };
        self.defines.retain(|d| d.name != name);
        self.defines.push(Define { name: name.into(), text, span });
    }
}
