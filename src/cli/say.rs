//! Messages to the user, on stderr.
//!
//! Always holds: a stderr that is closed or full is no reason to stop.

use super::options::{ColorChoice, Options, Problem, color_choice};
use crate::base::codes::{self, Code};
use crate::base::render::{self, Color};
use crate::base::{Diag, Diags, Severity, SourceMap, Span};
use std::io::{self, IsTerminal, Write};

/// How messages are shown.
#[derive(Clone, Copy, Debug)]
pub struct Say {
    pub color: Color,
    /// `--no-warnings`
    pub warnings: Warnings,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warnings {
    /// With notes, too.
    All,
    Shown,
    Silent,
}

impl Say {
    pub fn new(options: &Options) -> Say {
        let by_variable = std::env::var("BPFTRACE_COLOR").or_else(|_| std::env::var("AWL_COLOR"));
        let choice = options.color.or_else(|| color_choice(&by_variable.unwrap_or_default()));
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let color = match choice {
            Some(ColorChoice::Always) => Color::Always,
            Some(ColorChoice::Never) => Color::Never,
            Some(ColorChoice::Auto) | None if io::stderr().is_terminal() && !is_plain => Color::Always,
            Some(ColorChoice::Auto) | None => Color::Never,
        };
        let warnings = match (options.no_warnings, options.verbose) {
            (true, _) => Warnings::Silent,
            (false, true) => Warnings::All,
            (false, false) => Warnings::Shown,
        };
        Say { color, warnings }
    }

    /// Before options are known.
    pub fn plain() -> Say {
        Say { color: Color::Never, warnings: Warnings::Shown }
    }

    /// Diagnostics with the text that they speak of.
    pub fn diags(&self, sources: &SourceMap, diags: Diags) {
        let list = diags.list.into_iter().filter(|d| self.shows(d.severity)).collect();
        line(&render::render(sources, &Diags { list }, self.color));
    }

    /// Whether messages of that kind are wanted.
    pub fn shows(&self, severity: Severity) -> bool {
        match severity {
            Severity::Error => true,
            Severity::Warning => self.warnings != Warnings::Silent,
            Severity::Note => self.warnings == Warnings::All,
        }
    }

    pub fn diag(&self, sources: &SourceMap, diag: Diag) {
        self.diags(sources, Diags { list: vec![diag] });
    }

    /// An error that is of no place in a script.
    pub fn error(&self, code: &'static Code, text: impl Into<String>, hint: Option<String>) {
        let diag = Diag { hint, ..Diag::error(code, Span::none(), text) };
        self.diag(&SourceMap::new(), diag);
    }

    pub fn problem(&self, problem: Problem) {
        self.error(&codes::USAGE, problem.text, problem.hint);
    }

    /// What happens at run time: one line, and one for each macro that its place came from.
    pub fn short(&self, sources: &SourceMap, diag: &Diag) {
        if self.shows(diag.severity) {
            line(&(render::render_short_chain(sources, diag) + "\n"));
        }
    }
}

/// Writes to stderr.
pub fn line(text: &str) {
    // There is nowhere left to say that stderr cannot be written.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes what was asked for to stdout. A reader that has gone is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e),
        _ => Ok(()),
    }
}
