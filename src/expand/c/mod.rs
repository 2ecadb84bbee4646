//! C between the probes: preprocessor lines and definitions, without a C compiler.
//!
//! Comes in: the C items of a script, and the headers that they include. Goes out: its `#define`s, and its types in
//! C's layout. Always holds: of `#if … #else … #endif` only the lines that count are looked at; what is not
//! understood is reported at its place, or kept for those who need it; no input makes it panic or loop.

mod aggregates;
mod attributes;
mod constant;
mod declare;
mod expander;
mod headers;
mod input;
mod layout;
mod lex;
mod number;
mod of_kernel;
mod prep;
mod specifiers;
#[cfg(test)]
mod tests;

pub use constant::version_code;
pub use prep::{Cx, Define, Defines, Prep};

use super::Definitions;
use super::words::Words;
use crate::base::{Diag, FileId, Severity, Span, codes};
use crate::lang::{aggs, builtins};
use crate::ty::TypeTable;
use crate::world::World;
use declare::Declarer;
use lex::{Kind, Token};
use std::collections::BTreeSet;

/// The value of a constant expression of C, in which words mean what `value` says; `None` if it is none.
pub fn value_of(text: &str, value: &mut dyn FnMut(&str) -> Option<i64>) -> Option<i64> {
    struct Words<'f>(&'f mut dyn FnMut(&str) -> Option<i64>);
    impl constant::Env for Words<'_> {
        fn value(&mut self, name: &str) -> Option<i64> {
            (self.0)(name)
        }
        fn size_of(&mut self, _: &[lex::Token]) -> Option<i64> {
            None
        }
    }
    let tokens = lex::tokens(text, FileId(0), 0);
    constant::evaluate(&tokens, Span::none(), &mut Words(value)).ok()
}

/// The types that the C text which `prep` has read defines, after those that are there. Of the definitions that
/// headers of the system make, only those are kept that `words` lead to.
pub fn define(
    mut prep: Prep<'_>,
    types: TypeTable,
    words: &Words,
    world: &dyn World,
    cx: &mut Cx,
) -> (Defines, Definitions) {
    let tokens = prep.take_tokens(cx.diags);
    let mut d = Declarer::new(types, world);
    d.foreign.clone_from(&prep.headers.foreign);
    if !prep.headers.of_kernel.is_empty() {
        of_kernel::fill(&mut prep, &mut d, &tokens, words, cx);
    }
    d.declare(tokens, cx.diags);
    if !prep.headers.foreign.is_empty() {
        weigh(&mut prep, &mut d, words, cx);
    }
    let problems = std::mem::take(&mut prep.problems);
    cx.diags.list.extend(problems.list.into_iter().map(of_header));
    (prep.defines, d.defs)
}

/// What a header of the system has wrong, as something good to know; what it says itself as a warning.
fn of_header(problem: Diag) -> Diag {
    let is_said = problem.severity == Severity::Warning || problem.message.starts_with("#error");
    let severity = if is_said { Severity::Warning } else { Severity::Note };
    Diag { severity, code: &codes::HEADER, ..problem }
}

/// Finds the values of the definitions from headers that the script leads to, and drops the others.
fn weigh(prep: &mut Prep<'_>, d: &mut Declarer<'_>, words: &Words, cx: &mut Cx) {
    for field in &words.fields {
        if let Some(define) = prep.defines.get(field).filter(|d| d.is_foreign && !d.has_params) {
            let path: Vec<String> = define.text.split('.').map(|part| part.trim().to_owned()).collect();
            if path.iter().all(|part| !part.is_empty() && prep::first_word(part) == part)
                && path != [field.clone()]
            {
                d.defs.renamed.insert(field.clone(), path);
            }
        }
    }
    let used = used(&prep.defines, words);
    for name in &used {
        let Some(define) = prep.defines.get(name).filter(|d| d.is_foreign && !d.has_params) else { continue };
        let word = Token::new(Kind::Word(name.as_str().into()), define.span);
        let at = define.span;
        let tokens = prep.expand_list(&[word], cx);
        let is_itself = matches!(tokens.as_slice(), [t] if t.word() == Some(name));
        let value = if is_itself { None } else { d.value_of(&tokens, at).ok() };
        if let (Some(v), Some(define)) = (value, prep.defines.get_mut(name)) {
            define.value = Some((v.as_i64(), v.is_u64()));
        }
    }
    prep.defines.retain(|name, d| {
        let is_of_language = builtins::find(name).is_some() || aggs::find(name).is_some();
        !d.is_foreign || used.contains(name) && !is_of_language
    });
}

/// The names of definitions that the script leads to, by way of others.
fn used(defines: &Defines, words: &Words) -> BTreeSet<String> {
    let mut todo: Vec<String> = words.values.iter().cloned().collect();
    todo.extend(defines.values().filter(|d| !d.is_foreign).map(|d| d.name.clone()));
    let mut used = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let Some(define) = defines.get(&name) else { continue };
        if used.insert(name) {
            let inner = lex::tokens(&define.text, FileId(0), 0);
            todo.extend(inner.iter().filter_map(|t| t.word().map(str::to_owned)));
        }
    }
    used
}
