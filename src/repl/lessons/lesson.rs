//! A lesson as data: its file, and the words that stand for what the machine offers.
//!
//! Comes in: the text of a file of `stdlib/lessons`. Goes out: [`Lesson`]. Always holds: a `<word>` of a lesson's
//! text is one of its pick's, one of its numbers, or one that every lesson has; the tests see to it.

use crate::image::ProgType;
use crate::lang::probes::{self, Provider};
use crate::world::{Feature, World};
use std::collections::BTreeMap;

/// What stands for `<word>`.
pub type Words = BTreeMap<String, String>;

/// A lesson, with `<word>`s in all its texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lesson {
    pub title: String,
    /// Ways to do it, the best first; the first that the machine has is taken. Without any it needs no probe.
    pub picks: Vec<Words>,
    /// Numbers that are drawn anew for each attempt: name, from, to.
    pub numbers: Vec<(String, u64, u64)>,
    /// Sums of these: name, names of what is added.
    pub sums: Vec<(String, Vec<String>)>,
    /// What the program `lesson` does; see `load`.
    pub load: Vec<String>,
    pub text: String,
    pub task: String,
    pub hints: Vec<String>,
    /// Inputs that solve it.
    pub model: Vec<String>,
    /// Inputs that do not.
    pub wrong: Vec<String>,
    /// What must have happened; see `check`.
    pub checks: Vec<String>,
    pub solved: String,
    /// Instructions of a program with a hole, for the lesson about the verifier.
    pub program: Vec<String>,
    /// What a kernel has said of it, for where it cannot be asked.
    pub recorded: String,
}

/// Reads a lesson's file.
pub fn parse(text: &str) -> Result<Lesson, String> {
    let mut lesson = Lesson::default();
    let mut section: Option<&str> = None;
    let mut body = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            lesson.finish(section, &body)?;
            (section, body) = (Some(name.trim()), String::new());
        } else if section.is_some() {
            body.push_str(line);
            body.push('\n');
        } else if !line.trim().is_empty() {
            lesson.head(line)?;
        }
    }
    lesson.finish(section, &body)?;
    Ok(lesson)
}

impl Lesson {
    /// A line before the first section.
    fn head(&mut self, line: &str) -> Result<(), String> {
        let (key, value) = line.split_once(':').ok_or_else(|| format!("no key: {line}"))?;
        let value = value.trim();
        match key {
            "title" => self.title = value.to_owned(),
            "pick" => {
                let word = |part: &str| {
                    let (name, value) = part.split_once(" = ").ok_or_else(|| format!("no value: {part}"))?;
                    Ok::<_, String>((name.trim().to_owned(), value.trim().to_owned()))
                };
                self.picks.push(value.split(" | ").map(word).collect::<Result<_, _>>()?);
            }
            "number" => {
                let parts: Vec<&str> = value.split_whitespace().collect();
                let [name, from, to] = parts.as_slice() else { return Err(format!("no range: {value}")) };
                let number = |n: &str| n.parse().map_err(|_| format!("no number: {n}"));
                self.numbers.push(((*name).to_owned(), number(from)?, number(to)?));
            }
            "sum" => {
                let mut parts = value.split_whitespace().map(str::to_owned);
                let name = parts.next().ok_or_else(|| format!("no name: {line}"))?;
                self.sums.push((name, parts.collect()));
            }
            "load" => self.load.push(value.to_owned()),
            other => return Err(format!("unknown key {other}")),
        }
        Ok(())
    }

    fn finish(&mut self, section: Option<&str>, body: &str) -> Result<(), String> {
        let Some(section) = section else { return Ok(()) };
        let text = body.trim_matches('\n').to_owned();
        let lines = || text.lines().filter(|l| !l.trim().is_empty()).map(str::to_owned).collect();
        match section {
            "text" => self.text = text,
            "task" => self.task = text,
            "hint" => self.hints.push(text),
            "model" => self.model = lines(),
            "wrong" => self.wrong = lines(),
            "check" => self.checks = lines(),
            "solved" => self.solved = text,
            "program" => self.program = lines(),
            "recorded" => self.recorded = text,
            other => return Err(format!("unknown section {other}")),
        }
        Ok(())
    }

    /// Draws its numbers: `draw` yields one between two bounds, both included.
    pub fn draw(&self, words: &mut Words, draw: &mut dyn FnMut(u64, u64) -> u64) {
        for (name, from, to) in &self.numbers {
            words.insert(name.clone(), draw(*from, *to).to_string());
        }
        for (name, parts) in &self.sums {
            let number = |p: &String| words.get(p).and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
            let sum: u64 = parts.iter().map(number).sum();
            words.insert(name.clone(), sum.to_string());
        }
    }

    /// The words of the first way that this machine has.
    pub fn pick(&self, world: &dyn World) -> Option<Words> {
        match self.picks.is_empty() {
            true => Some(Words::new()),
            false => self.picks.iter().find(|p| p.values().all(|v| is_there(world, v))).cloned(),
        }
    }
}

/// Whether the machine has an attach point; what is none is there.
fn is_there(world: &dyn World, value: &str) -> bool {
    let Some((provider, rest)) = value.split_once(':') else { return true };
    let Some(kind) = probes::find(provider).filter(|_| !rest.contains([' ', '('])) else { return true };
    let features = world.features();
    let can_attach = match kind.provider {
        Provider::Kprobe | Provider::Kretprobe => features.has(Feature::Kprobe),
        Provider::Fentry | Provider::Fexit => {
            features.has(Feature::Fentry) && features.direct_reads(ProgType::Tracing)
        }
        _ => true,
    };
    let parts: Vec<String> = rest.split(':').map(str::to_owned).collect();
    can_attach && !(kind.list)(world, &parts).is_empty()
}

/// The text with its words filled in.
pub fn fill(text: &str, words: &Words) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let word = rest.find('>').and_then(|close| words.get(&rest[1..close]).map(|w| (close, w)));
        match word {
            Some((close, word)) => {
                out.push_str(word);
                rest = &rest[close + 1..];
            }
            None => {
                out.push('<');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// Paragraphs as lines of at most `width` characters; lines that start with a blank stay as they are.
pub fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    let flush = |line: &mut String, out: &mut String| {
        if !line.is_empty() {
            out.push_str(line);
            out.push('\n');
            line.clear();
        }
    };
    for source in text.lines() {
        if source.is_empty() || source.starts_with(' ') {
            flush(&mut line, &mut out);
            out.push_str(source);
            out.push('\n');
            continue;
        }
        for word in source.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                flush(&mut line, &mut out);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    flush(&mut line, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::fixture::FixtureWorld;

    const FILE: &str = "title: A\npick: p = kprobe:no_such | x = 1\npick: p = kprobe:vfs_read | x = args.fd\n\
                        number: n 3 9\nload: open <dir>/1 <n>\n\n== text\nTwo\nlines with <p>.\n\n  code <x>\n\n== hint\none\n\
                        == hint\ntwo\n== check\nvalue @x <n>\n";

    #[test]
    fn files_become_lessons() {
        let lesson = parse(FILE).unwrap();
        assert_eq!((lesson.title.as_str(), lesson.hints.len(), lesson.picks.len()), ("A", 2, 2));
        assert_eq!(lesson.numbers, [("n".to_owned(), 3, 9)]);
        assert_eq!(lesson.text, "Two\nlines with <p>.\n\n  code <x>");
        let words = lesson.pick(&FixtureWorld::new()).unwrap();
        assert_eq!(words["p"], "kprobe:vfs_read", "the first is not there");
        let text = wrap(&fill(&lesson.text, &words), 78);
        assert_eq!(text, "Two lines with kprobe:vfs_read.\n\n  code args.fd\n");
        for bad in ["x: 1", "number: n", "pick: a", "== what\n"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_machine_without_kprobes_needs_none() {
        let lesson = parse(FILE).unwrap();
        let world = FixtureWorld { without: vec![Feature::Kprobe], ..FixtureWorld::new() };
        assert_eq!(lesson.pick(&world), None);
    }

    #[test]
    fn what_is_no_word_stays() {
        let words: Words = [("a".to_owned(), "1".to_owned())].into();
        assert_eq!(fill("x < <a> && y > <b> <", &words), "x < 1 && y > <b> <");
        assert_eq!(wrap("aa bb cc", 5), "aa bb\ncc\n");
    }
}
