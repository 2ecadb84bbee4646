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
    let wanted = folded(name);
    let letters_wanted = letters(name);
    let mut rows = Rows::default();
    // What is not as near as the best so far is given up early: candidates may be all functions of a kernel.
    let mut limit = (n / 3).max(1);
    let mut best = None;
    for c in candidates {
        // Short names are all near to each other: only those of the same letters are meant.
        if c == name || n < 3 && letters(c) != letters_wanted {
            continue;
        }
        let Some(d) = rows.distance(&wanted, c, limit) else { continue };
        limit = d;
        let found = (d, !is_part(name, c), c);
        best = Some(best.map_or(found, |b: (usize, bool, &str)| b.min(found)));
    }
    best.map(|(.., c)| c)
}

fn folded(name: &str) -> Vec<char> {
    name.chars().flat_map(char::to_lowercase).collect()
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

/// Room for distances, used again for each candidate.
#[derive(Default)]
struct Rows {
    b: Vec<char>,
    rows: [Vec<usize>; 3],
}

impl Rows {
    /// Optimal string alignment distance to `b`, case-insensitive, if it is `limit` at most.
    fn distance(&mut self, a: &[char], b: &str, limit: usize) -> Option<usize> {
        // Cheap bounds first: lengths, then letters that only one of both has.
        if a.len() > b.len() + limit {
            return None;
        }
        self.b.clear();
        self.b.extend(b.chars().flat_map(char::to_lowercase));
        let b = &self.b;
        if a.len().abs_diff(b.len()) > limit || lacking(a, b) > limit || lacking(b, a) > limit {
            return None;
        }
        let [before, last, now] = &mut self.rows;
        last.clear();
        last.extend(0..=b.len());
        for i in 1..=a.len() {
            now.clear();
            now.push(i);
            for j in 1..=b.len() {
                let cost = usize::from(a[i - 1] != b[j - 1]);
                let mut d = (last[j] + 1).min(now[j - 1] + 1).min(last[j - 1] + cost);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    d = d.min(before[j - 2] + 1);
                }
                now.push(d);
            }
            // A swap reaches over one row.
            if now.iter().chain(last.iter()).all(|&d| d > limit) {
                return None;
            }
            std::mem::swap(before, last);
            std::mem::swap(last, now);
        }
        Some(last[b.len()]).filter(|&d| d <= limit)
    }
}

/// How many letters of `a` are not in `b`, each counted as often as it is there.
fn lacking(a: &[char], b: &[char]) -> usize {
    let mut counts = [0i32; 64];
    let slot = |c: &char| *c as usize % 64;
    b.iter().for_each(|c| counts[slot(c)] += 1);
    a.iter().for_each(|c| counts[slot(c)] -= 1);
    counts.iter().filter(|n| **n < 0).map(|n| n.unsigned_abs() as usize).sum()
}
