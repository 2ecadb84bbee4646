//! Completion, hints and highlighting: pure functions of a line, the machine and the session.

use std::borrow::Cow;

use super::commands::COMMANDS;
use super::view::Cx;

/// One way to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What replaces the text from the start that [`complete`] yields up to the cursor.
    pub replacement: String,
    /// What the list shows.
    pub display: String,
}

/// Where the word at the cursor starts, and what it can become.
pub fn complete(cx: &Cx, line: &str, pos: usize) -> (usize, Vec<Candidate>) {
    let before = &line[..pos];
    if let Some(name) = before.strip_prefix(':').filter(|n| !n.contains(' ')) {
        let names = COMMANDS.iter().filter(|c| c.name.starts_with(name));
        return (0, names.map(|c| candidate(format!(":{}", c.name))).collect());
    }
    let start = before.rfind([' ', '(', '{', ',', ';']).map_or(0, |at| at + 1);
    let word = &before[start..];
    if word.starts_with('@') {
        let names = cx.view.base.maps.iter().map(|m| &m.name).filter(|n| n.starts_with(word));
        return (start, names.map(|n| candidate(n.clone())).collect());
    }
    if let Some((category, name)) = word.strip_prefix("tracepoint:").and_then(|w| w.split_once(':')) {
        let found = cx.world.tracepoints(category, &format!("{name}*")).unwrap_or_default();
        let names = found.into_iter().map(|(c, n)| candidate(format!("tracepoint:{c}:{n}")));
        return (start, names.collect());
    }
    (pos, Vec::new())
}

fn candidate(text: String) -> Candidate {
    Candidate { display: text.clone(), replacement: text }
}

/// What stands dimmed behind the cursor.
pub fn hint(_cx: &Cx, line: &str, pos: usize) -> Option<String> {
    let name = line.strip_prefix(':').filter(|_| pos == line.len())?.strip_suffix(' ')?;
    COMMANDS.iter().find(|c| c.name == name).map(|c| c.args.to_owned()).filter(|a| !a.is_empty())
}

/// The line with colors.
pub fn highlight(line: &str) -> Cow<'_, str> {
    Cow::Borrowed(line)
}
