//! Scripts to and from files.
//!
//! Always holds: a script that was saved runs by itself, or it is said what keeps it from that.

use std::fs;
use std::path::Path;

use super::build::Part;
use super::input::{Completeness, completeness};
use super::view::Asks;
use super::{Prompt, Repl, files};
use crate::base::{FileId, Source, SourceMap};
use crate::lang;
use crate::syntax::ast::Item;
use crate::syntax::parse::parse;

/// `:load FILE`
pub fn load(repl: &mut Repl, arg: &str) {
    if arg.is_empty() {
        return repl.complain("the name of a file is missing".into(), Some(":load tool.bt".into()));
    }
    match fs::read_to_string(arg) {
        Ok(text) => repl.run_text(arg, &text),
        Err(e) => repl.complain(format!("{arg} cannot be read: {}", files::words(&e)), None),
    }
}

impl Repl {
    /// Answers a file: a script as a whole, but one with commands in it text by text.
    pub fn run_text(&mut self, name: &str, text: &str) {
        if !text.lines().any(|l| l.starts_with(':')) {
            return self.answer_from(name, text);
        }
        for part in texts(text) {
            self.answer_from(name, &part);
            if self.is_leaving() {
                return;
            }
        }
    }
}

/// The texts that Enter would have handed over, line by line.
fn texts(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        if !open.is_empty() {
            open.push('\n');
        }
        open.push_str(line);
        if completeness(&open) == Completeness::Whole {
            texts.push(std::mem::take(&mut open));
        }
    }
    if !open.is_empty() {
        texts.push(open);
    }
    texts
}

/// `:save FILE`
pub fn save(repl: &mut Repl, arg: &str) {
    if arg.is_empty() {
        return repl.complain("the name of a file is missing".into(), Some(":save tool.bt".into()));
    }
    if repl.clauses.is_empty() {
        return repl.complain("there is nothing to save".into(), Some("enter a clause first".into()));
    }
    let path = arg.to_owned();
    if !Path::new(arg).exists() {
        return repl.write(&path);
    }
    repl.next_prompt = Some(Prompt {
        text: format!("write over {path}? [y/N] "),
        initial: String::new(),
        then: Box::new(move |repl, answer| match answer.trim() {
            "y" | "Y" | "yes" => repl.write(&path),
            _ => repl.screen.say("not saved"),
        }),
        asks: Asks::Answer,
    });
}

impl Repl {
    fn write(&mut self, path: &str) {
        let text = self.script();
        if let Err(e) = files::write_for_user(Path::new(path), &text) {
            return self.complain(format!("{path} cannot be written: {}", files::words(&e)), None);
        }
        self.screen.say(&format!("saved; `awl {path}` runs it"));
        let mut sources = SourceMap::new();
        let file = sources.add(Source::new(path, text));
        let config = lang::Config { session: false, count_hits: false, ..self.config.clone() };
        let compiled = crate::compile(sources, &[file], &config, self.world.as_ref());
        if compiled.image.is_none() {
            self.show(&compiled.sources, &compiled.diags);
            self.complain("the script does not run by itself yet".into(), None);
        }
    }

    /// All that is on, as one script, in the order that the language wants.
    fn script(&self) -> String {
        let mut out = Parts::default();
        for part in &self.preamble {
            out.add(part);
        }
        let mut text = String::new();
        let config: String = out.settings.iter().map(|(k, v)| format!("  {k} = {v};\n")).collect();
        text.push_str(&out.definitions);
        if !config.is_empty() {
            text.push_str(&format!("config = {{\n{config}}}\n"));
        }
        text.push_str(&out.imports);
        text.push_str(&out.rest);
        for clause in self.clauses.values().filter(|c| c.is_on) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(clause.text.trim());
            text.push('\n');
        }
        text
    }
}

/// What stands before the probes.
#[derive(Default)]
struct Parts {
    definitions: String,
    /// Names and values; the last value counts.
    settings: Vec<(String, String)>,
    imports: String,
    rest: String,
}

impl Parts {
    fn add(&mut self, part: &Part) {
        let (script, _) = parse(FileId(0), &part.text);
        let of = |span: crate::base::Span| part.text.get(span.range()).unwrap_or("").trim().to_owned();
        for item in &script.items {
            match item {
                Item::CDef(d) => self.definitions.push_str(&format!("{}\n", of(d.span))),
                Item::Config(c) => {
                    for entry in &c.entries {
                        self.settings.retain(|(k, _)| *k != entry.key.name);
                        self.settings.push((entry.key.name.clone(), of(entry.value.span)));
                    }
                }
                Item::Import(i) => {
                    self.imports.push_str(&format!("import \"{}\";\n", absolute(part, &i.path)))
                }
                Item::MapDecl(d) => self.rest.push_str(&format!("{}\n", of(d.span))),
                Item::Macro(m) => self.rest.push_str(&format!("{}\n", of(m.span))),
                Item::Func(f) => self.rest.push_str(&format!("{}\n", of(f.span))),
                Item::Probe(_) | Item::Error(_) => {}
            }
        }
    }
}

/// The path of an import, wherever the script that has it lies.
fn absolute(part: &Part, path: &str) -> String {
    if path == "stdlib" || path.starts_with("stdlib/") {
        return path.to_owned();
    }
    let beside = Path::new(&part.name).parent().map_or_else(|| Path::new(path).to_owned(), |d| d.join(path));
    // One that is not there keeps its name.
    let found = fs::canonicalize(&beside);
    found.map_or_else(|_| path.to_owned(), |p| p.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_apart_as_typed() {
        let text = "macro m(e) {\n  e + 1\n}\n:cost on\n\nbegin { print(m(1)); }\nbegin {";
        let want = ["macro m(e) {\n  e + 1\n}", ":cost on", "", "begin { print(m(1)); }", "begin {"];
        assert_eq!(texts(text), want);
    }

    #[test]
    fn the_last_setting_counts() {
        let mut parts = Parts::default();
        for text in ["config = { max_strlen = 32 }", "config = { max_strlen = 64; stack_mode = perf }"] {
            parts.add(&Part { name: "prompt".into(), text: text.into() });
        }
        let settings: Vec<String> = parts.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(settings, ["max_strlen=64", "stack_mode=perf"]);
    }
}
