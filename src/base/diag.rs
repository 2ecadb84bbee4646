//! Diagnostics: what is wrong, where, and what to do.
//!
//! A phase adds its own constructors in `impl Diags` blocks (`sema/errors.rs` and the like), one
//! per row of [`super::codes`]; the look is made in [`super::render`] alone.

use super::codes::Code;
use super::span::{OriginId, SourceMap, Span};
use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know; shown with `-v` alone.
    Note,
    Warning,
    Error,
}

/// One message at one place.
#[derive(Clone, Debug)]
pub struct Diag {
    pub severity: Severity,
    pub code: &'static Code,
    /// Lower case, no full stop.
    pub message: String,
    pub span: Span,
    /// Text under the caret; may be empty.
    pub label: String,
    /// Other places that explain this one.
    pub notes: Vec<(Span, String)>,
    /// Something to do.
    pub hint: Option<String>,
}

impl Diag {
    pub fn error(code: &'static Code, span: Span, message: impl Into<String>) -> Diag {
        Diag {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            label: String::new(),
            notes: Vec::new(),
            hint: None,
        }
    }
    pub fn warning(code: &'static Code, span: Span, message: impl Into<String>) -> Diag {
        Diag { severity: Severity::Warning, ..Diag::error(code, span, message) }
    }
    pub fn remark(code: &'static Code, span: Span, message: impl Into<String>) -> Diag {
        Diag { severity: Severity::Note, ..Diag::error(code, span, message) }
    }
    pub fn label(mut self, text: impl Into<String>) -> Diag {
        self.label = text.into();
        self
    }
    pub fn note(mut self, span: Span, text: impl Into<String>) -> Diag {
        self.notes.push((span, text.into()));
        self
    }
    pub fn hint(mut self, text: impl Into<String>) -> Diag {
        self.hint = Some(text.into());
        self
    }
}

/// The diagnostics of a compilation, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Diags {
    pub list: Vec<Diag>,
}

impl Diags {
    pub fn push(&mut self, d: Diag) {
        self.list.push(d);
    }
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }
    pub fn append(&mut self, mut other: Diags) {
        self.list.append(&mut other.list);
    }
    /// Says what is wrong in the library's text of the user's text that uses it, with the way there: of errors the
    /// first alone, for the others follow from it.
    pub fn say_of_user(&mut self, sources: &SourceMap) {
        let mut said = BTreeSet::new();
        self.list.retain_mut(|d| {
            if !sources.is_library(d.span) {
                return true;
            }
            d.notes.extend(way_out(sources, d.span));
            d.span = sources.of_user(d.span);
            let what = if d.severity == Severity::Error { "" } else { d.code.id };
            said.insert((d.span, what))
        });
    }
}

/// The places of the library's text through which a use of it leads, innermost first.
fn way_out(sources: &SourceMap, mut at: Span) -> Vec<(Span, String)> {
    let mut way = Vec::new();
    while sources.is_library(at)
        && at.origin != OriginId(0)
        && let Some(origin) = sources.origins.get(at.origin)
    {
        way.push((at, format!("here in `{}` of the library", origin.name)));
        at = origin.used_at;
    }
    way
}

/// The candidate nearest to `name` by edit distance, if it is near enough to be meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let n = name.chars().count();
    let limit = (n / 3).max(1);
    // Short names are all near to each other: only those of the same letters are meant.
    let is_meant = |c: &&str| n >= 3 || letters(name) == letters(c);
    candidates
        .into_iter()
        .filter(is_meant)
        .map(|c| (edit_distance(name, c), !is_part(name, c), c))
        .filter(|&(d, _, c)| d <= limit && c != name)
        .min()
        .map(|(.., c)| c)
}

/// The letters of a name in their order of the alphabet.
fn letters(name: &str) -> Vec<char> {
    let mut letters: Vec<char> = name.to_lowercase().chars().collect();
    letters.sort_unstable();
    letters
}

/// Whether letters were only left out or only added: the most usual mistakes.
fn is_part(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let mut rest = long.chars();
    short.chars().all(|c| rest.any(|r| r == c))
}

/// Optimal string alignment distance, case-insensitive.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    if a.len().abs_diff(b.len()) > 8 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut d = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                d = d.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = d;
        }
    }
    rows[a.len()][b.len()]
}
