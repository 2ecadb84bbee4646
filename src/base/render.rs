//! Turns diagnostics into text, through codespan-reporting.
//!
//! Comes in: diagnostics and the sources that they speak of. Goes out: text for a terminal. Always holds:
//! errors come before warnings, each once; a place out of its file's bounds is moved into them; no control
//! character and no line of more than `WIDTH_MAX` bytes of a source gets through.

use super::diag::{Diag, Diags, Severity};
use super::span::{FileId, OriginId, SourceMap, Span};
use codespan_reporting::diagnostic::{self as cs, Label};
use codespan_reporting::files::{Error, Files};
use codespan_reporting::term::termcolor::{Ansi, NoColor, WriteColor};
use codespan_reporting::term::{self, Chars, Config, DisplayStyle};
use std::ops::Range;

/// Whether the text carries escape sequences for color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Always,
    Never,
}

/// A longer line of a source is shown in part.
const WIDTH_MAX: usize = 240;

/// How many steps of an expansion are shown.
const ORIGINS_MAX: usize = 8;

/// All diagnostics with the text that they speak of: errors first, then warnings, then notes, each in its order.
pub fn render(map: &SourceMap, diags: &Diags, color: Color) -> String {
    let chars = Chars { snippet_start: "╭─".into(), ..Chars::box_drawing() };
    let config = Config { chars, ..Config::default() };
    let mut out = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for (i, d) in diags.list.iter().enumerate().filter(|(_, d)| d.severity == severity) {
            let again = |e: &Diag| (e.span, &e.message, e.severity) == (d.span, &d.message, severity);
            if !diags.list[..i].iter().any(again) {
                out.push_str(&emit(map, d, &config, color));
            }
        }
    }
    out
}

/// One diagnostic as one line: `file:line:column: error[E0101]: message`.
pub fn render_short(map: &SourceMap, diag: &Diag) -> String {
    let config = Config { display_style: DisplayStyle::Short, ..Config::default() };
    emit(map, diag, &config, Color::Never).trim_end().replace('\n', " ")
}

/// The same, with a line for each use of a macro or an import that brought the text there, innermost first.
pub fn render_short_chain(map: &SourceMap, diag: &Diag) -> String {
    let mut lines = render_short(map, diag);
    for (span, text) in (View { map, excerpts: Vec::new() }).origins(diag.span.origin) {
        let (file, line, column) = map.place(span);
        lines.push_str(&format!("\n  {file}:{line}:{column}: {text}"));
    }
    lines
}

fn emit(map: &SourceMap, diag: &Diag, config: &Config, color: Color) -> String {
    let mut view = View { map, excerpts: Vec::new() };
    let shown = view.diagnostic(diag);
    let bytes = match color {
        Color::Always => write(Ansi::new(Vec::new()), config, &view, &shown).map(Ansi::into_inner),
        Color::Never => write(NoColor::new(Vec::new()), config, &view, &shown).map(NoColor::into_inner),
    };
    match bytes {
        Some(b) => String::from_utf8_lossy(&b).into_owned(),
        // Only if a place was wrong after all: the message alone is better than none.
        None => format!("{}[{}]: {}\n", severity_word(diag.severity), diag.code.id, diag.message),
    }
}

fn write<W: WriteColor>(mut w: W, config: &Config, view: &View, d: &cs::Diagnostic<Id>) -> Option<W> {
    term::emit_to_write_style(&mut w, config, view, d).ok()?;
    Some(w)
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A file of the map, or a line of one that cannot be shown as it stands.
#[derive(Clone, Copy, PartialEq)]
enum Id {
    File(FileId),
    Excerpt(usize),
}

/// Part of a line, made fit to be shown.
struct Excerpt {
    file: FileId,
    text: String,
    line: usize,
    column: usize,
}

/// The sources as codespan-reporting sees them.
struct View<'a> {
    map: &'a SourceMap,
    excerpts: Vec<Excerpt>,
}

impl View<'_> {
    fn diagnostic(&mut self, diag: &Diag) -> cs::Diagnostic<Id> {
        let severity = match diag.severity {
            Severity::Error => cs::Severity::Error,
            Severity::Warning => cs::Severity::Warning,
            Severity::Note => cs::Severity::Note,
        };
        let mut labels = Vec::new();
        let mut notes: Vec<String> = Vec::new();
        if let Some((id, range)) = self.place(diag.span) {
            labels.push(Label::primary(id, range).with_message(&diag.label));
        }
        for (span, text) in diag.notes.iter().cloned().chain(self.origins(diag.span.origin)) {
            match self.place(span) {
                Some((id, range)) => labels.push(Label::secondary(id, range).with_message(text)),
                None => notes.push(text),
            }
        }
        notes.extend(diag.hint.iter().map(|h| format!("help: {h}")));
        cs::Diagnostic::new(severity)
            .with_code(diag.code.id)
            .with_message(&diag.message)
            .with_labels(labels)
            .with_notes(notes)
    }

    /// The uses of macros and imports that brought a text here, innermost first.
    fn origins(&self, mut id: OriginId) -> Vec<(Span, String)> {
        let mut out = Vec::new();
        while id != OriginId(0)
            && out.len() < ORIGINS_MAX
            && let Some(origin) = self.map.origins.get(id)
        {
            out.push((origin.used_at, format!("in this use of `{}`", origin.name)));
            id = origin.used_at.origin;
        }
        out
    }

    /// The bytes of `span` that can be underlined; `None` for what no text stands for.
    fn place(&mut self, span: Span) -> Option<(Id, Range<usize>)> {
        if span == Span::none() {
            return None;
        }
        let source = self.map.files.get(span.file)?;
        let text = &source.text;
        let lo = floor(text, span.lo as usize);
        let hi = floor(text, span.hi as usize).max(lo);
        let hi = lo + text[lo..hi].trim_end().len();
        let line = source.line_starts.partition_point(|s| *s as usize <= lo).max(1) - 1;
        let start = source.line_starts[line] as usize;
        let shown = source.line(line as u32 + 1);
        let mut rows = text[start..hi.max(start + shown.len())].lines();
        if rows.all(|r| r.len() <= WIDTH_MAX && !r.chars().any(is_hidden)) {
            return Some((Id::File(span.file), lo..hi));
        }
        let (text, range) = excerpt(shown, lo - start..hi - start);
        let column = source.line_col(lo as u32).1 as usize;
        self.excerpts.push(Excerpt { file: span.file, text, line: line + 1, column });
        Some((Id::Excerpt(self.excerpts.len() - 1), range))
    }
}

/// A character that a terminal would obey instead of show.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Part of `line` around `range`, with hidden characters replaced, and the range in it.
fn excerpt(line: &str, range: Range<usize>) -> (String, Range<usize>) {
    let lo = floor(line, range.start);
    let hi = floor(line, range.end).max(lo);
    let from = if lo > WIDTH_MAX / 2 { floor(line, lo - WIDTH_MAX / 4) } else { 0 };
    let to = floor(line, from + WIDTH_MAX);
    let mut out = String::from(if from > 0 { "…" } else { "" });
    let (mut new_lo, mut new_hi) = (None, None);
    for (i, c) in line[from..to].char_indices() {
        if from + i >= lo {
            new_lo.get_or_insert(out.len());
        }
        if from + i >= hi {
            new_hi.get_or_insert(out.len());
        }
        out.push(if is_hidden(c) { '\u{fffd}' } else { c });
    }
    let end = out.len();
    out.push_str(if to < line.len() { "…" } else { "" });
    let new_lo = new_lo.unwrap_or(end);
    (out, new_lo..new_hi.unwrap_or(end))
}

/// The last character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl<'a> Files<'a> for View<'_> {
    type FileId = Id;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: Id) -> Result<&'a str, Error> {
        let file = match id {
            Id::File(f) => f,
            Id::Excerpt(i) => self.excerpts.get(i).ok_or(Error::FileMissing)?.file,
        };
        self.map.files.get(file).map(|f| f.name.as_str()).ok_or(Error::FileMissing)
    }

    fn source(&'a self, id: Id) -> Result<&'a str, Error> {
        match id {
            Id::File(f) => self.map.files.get(f).map(|f| f.text.as_str()),
            Id::Excerpt(i) => self.excerpts.get(i).map(|e| e.text.as_str()),
        }
        .ok_or(Error::FileMissing)
    }

    fn line_index(&'a self, id: Id, at: usize) -> Result<usize, Error> {
        match id {
            Id::File(f) => {
                let starts = &self.map.files.get(f).ok_or(Error::FileMissing)?.line_starts;
                Ok(starts.partition_point(|s| *s as usize <= at).max(1) - 1)
            }
            Id::Excerpt(_) => Ok(0),
        }
    }

    fn line_range(&'a self, id: Id, line: usize) -> Result<Range<usize>, Error> {
        let whole = self.source(id)?.len();
        match id {
            Id::File(f) => {
                let starts = &self.map.files.get(f).ok_or(Error::FileMissing)?.line_starts;
                let max = starts.len() - 1;
                let lo = *starts.get(line).ok_or(Error::LineTooLarge { given: line, max })? as usize;
                Ok(lo..starts.get(line + 1).map_or(whole, |s| *s as usize))
            }
            Id::Excerpt(_) => Ok(0..whole),
        }
    }

    fn line_number(&'a self, id: Id, line: usize) -> Result<usize, Error> {
        match id {
            Id::File(_) => Ok(line + 1),
            Id::Excerpt(i) => self.excerpts.get(i).map(|e| e.line).ok_or(Error::FileMissing),
        }
    }

    fn column_number(&'a self, id: Id, line: usize, at: usize) -> Result<usize, Error> {
        match id {
            Id::File(f) => {
                let start = self.line_range(id, line)?.start;
                let text = &self.map.files.get(f).ok_or(Error::FileMissing)?.text;
                Ok(text.get(start..at).map_or(0, |s| s.chars().count()) + 1)
            }
            Id::Excerpt(i) => self.excerpts.get(i).map(|e| e.column).ok_or(Error::FileMissing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codes::{SYNTAX, UNCLOSED};
    use crate::base::{Origin, Source};

    fn span(lo: usize, hi: usize) -> Span {
        Span::new(FileId(0), lo, hi)
    }

    fn map(text: &str) -> SourceMap {
        let mut map = SourceMap::new();
        map.add(Source::new("x.bt", text));
        map
    }

    fn plain(map: &SourceMap, list: Vec<Diag>) -> String {
        render(map, &Diags { list }, Color::Never)
    }

    #[test]
    fn rich() {
        let map = map("begin {\n  $x = (1 + ;\n}\n");
        let d = Diag::error(&SYNTAX, span(20, 21), "expected an expression, found `;`")
            .label("here")
            .note(span(15, 16), "to close this")
            .hint("write one");
        let want = "\
error[E0101]: expected an expression, found `;`
  ╭─ x.bt:2:13
  │
2 │   $x = (1 + ;
  │        -    ^ here
  │        │\x20\x20\x20\x20\x20
  │        to close this
  │
  = help: write one

";
        assert_eq!(plain(&map, vec![d]), want);
    }

    #[test]
    fn errors_first_and_once() {
        let map = map("abc");
        let w = Diag::warning(&SYNTAX, span(0, 1), "w");
        let (a, b) = (Diag::error(&SYNTAX, span(0, 1), "a"), Diag::error(&UNCLOSED, span(1, 2), "b"));
        let text = plain(&map, vec![w, a.clone(), b, a]);
        let heads: Vec<&str> = text.lines().filter(|l| l.contains("E01")).collect();
        assert_eq!(heads, ["error[E0101]: a", "error[E0103]: b", "warning[E0101]: w"]);
    }

    #[test]
    fn origins_are_shown() {
        let mut map = map("f(1)\ng(2)\nbody");
        let o1 = map.origins.push(Origin { name: "g".into(), used_at: span(5, 9) });
        let used_at = Span { origin: o1, ..span(0, 4) };
        let o2 = map.origins.push(Origin { name: "f".into(), used_at });
        let d = Diag::error(&SYNTAX, Span { origin: o2, ..span(10, 14) }, "bad");
        let text = plain(&map, vec![d]);
        assert!(
            text.contains("---- in this use of `f`") && text.contains("---- in this use of `g`"),
            "{text}"
        );
    }

    #[test]
    fn short() {
        let map = map("a\n  bc");
        let d = Diag::warning(&SYNTAX, span(4, 6), "odd").label("l").hint("h");
        assert_eq!(render_short(&map, &d), "x.bt:2:3: warning[E0101]: odd");
        let none = Diag::error(&SYNTAX, Span::none(), "no place");
        assert_eq!(render_short(&map, &none), "error[E0101]: no place");
    }

    #[test]
    fn strange_places_and_lines() {
        let long = format!("{}X{}", "é".repeat(400), "b".repeat(400_000));
        let m = map(&long);
        let text = plain(&m, vec![Diag::error(&SYNTAX, span(800, 801), "m").label("l")]);
        assert!(text.len() < 2_000 && text.contains("x.bt:1:401") && text.contains("…"), "{text}");
        let rows: Vec<&str> = text.lines().collect();
        let column = |row: &str, c| row.chars().position(|x| x == c);
        assert_eq!(column(rows[3], 'X'), column(rows[4], '^'), "{text}");

        let m = map("a\x1b[31mb\r\nc");
        let text =
            plain(&m, vec![Diag::error(&SYNTAX, span(6, 7), "m"), Diag::error(&SYNTAX, span(9, 10), "n")]);
        assert!(!text.contains('\x1b') && text.contains("a\u{fffd}[31mb"), "{text}");

        let m = map("é\n");
        for (lo, hi) in [(1, 1), (0, 99), (99, 99), (2, 3), (3, 1), (3, 3), (0, 0)] {
            let d = Diag { span: Span { lo, hi, ..span(0, 0) }, ..Diag::error(&SYNTAX, span(0, 0), "m") };
            assert!(plain(&m, vec![d]).starts_with("error[E0101]: m"));
        }
        let other_file = Diag::error(&SYNTAX, Span::new(FileId(7), 1, 2), "m");
        assert!(plain(&SourceMap::new(), vec![other_file]).starts_with("error[E0101]: m"));
    }

    #[test]
    fn color() {
        let map = map("abc");
        let diags = Diags { list: vec![Diag::error(&SYNTAX, span(0, 1), "a")] };
        assert!(render(&map, &diags, Color::Always).contains("\x1b["));
        assert!(!render(&map, &diags, Color::Never).contains("\x1b["));
    }
}
