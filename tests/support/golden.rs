//! A compile case: a script, what is wrong with it in lines of carets, and golden blocks.
//!
//! Comes in: a raw case. Goes out: a [`Golden`], and from it the lines again. Always holds: writing what was
//! read gives the same lines, if the case is in the form that `BLESS=1` writes.
//!
//! ```text
//! --- name: two-mistakes
//! BEGIN { print(@a; $b = }
//!                 ^ E0103
//!                        ^ E0101
//! >>> ast
//! …
//! ```

use super::cases::RawCase;

/// One diagnostic as a case marks it: its code, and its span on the line where it starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The line of the script, from 1.
    pub line: usize,
    /// The first column, from 0, in characters.
    pub column: usize,
    /// How many characters of that line, one at least.
    pub width: usize,
    /// `E0101`.
    pub code: String,
}

/// A case, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    pub script: String,
    /// In the order of their places.
    pub marks: Vec<Mark>,
    /// Name and text of each block.
    pub blocks: Vec<(String, String)>,
}

impl Golden {
    /// Reads a case.
    pub fn parse(raw: &RawCase) -> Result<Golden, String> {
        let mut case = Golden { script: String::new(), marks: Vec::new(), blocks: Vec::new() };
        let mut n_lines = 0;
        for line in trim(&raw.lines) {
            if let Some(name) = line.strip_prefix(">>> ") {
                case.blocks.push((name.trim().to_owned(), String::new()));
            } else if let Some((_, text)) = case.blocks.last_mut() {
                text.push_str(line);
                text.push('\n');
            } else if let Some((column, width, code)) = carets(line) {
                let line = n_lines;
                if line == 0 {
                    return Err(format!("line {}: carets above the first line of a script", raw.line));
                }
                case.marks.push(Mark { line, column, width, code });
            } else {
                n_lines += 1;
                case.script.push_str(line);
                case.script.push('\n');
            }
        }
        for (_, text) in &mut case.blocks {
            *text = normal(text);
        }
        case.marks.sort();
        Ok(case)
    }

    /// The lines of the case, as `BLESS=1` writes them.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (i, line) in self.script.lines().enumerate() {
            lines.push(line.to_owned());
            for mark in self.marks.iter().filter(|mark| mark.line == i + 1) {
                lines.push(format!("{}{} {}", " ".repeat(mark.column), "^".repeat(mark.width), mark.code));
            }
        }
        for (name, text) in &self.blocks {
            lines.push(format!(">>> {name}"));
            lines.extend(text.lines().map(str::to_owned));
        }
        lines
    }
}

/// A text without empty lines at its ends and blanks at the ends of lines.
pub fn normal(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let text = lines.join("\n");
    let text = text.trim_matches('\n');
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

/// The lines without the empty ones at the end.
fn trim(lines: &[String]) -> &[String] {
    let n = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    &lines[..n]
}

/// Column, width and code of a line of carets.
fn carets(line: &str) -> Option<(usize, usize, String)> {
    let column = line.len() - line.trim_start_matches(' ').len();
    let (carets, code) = line[column..].split_once(' ')?;
    let is_code =
        code.len() == 5 && code.starts_with(['E', 'W']) && code[1..].chars().all(|c| c.is_ascii_digit());
    let is_carets = !carets.is_empty() && carets.chars().all(|c| c == '^');
    (is_code && is_carets).then(|| (column, carets.len(), code.to_owned()))
}
