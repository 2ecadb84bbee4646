//! What explains: `:help` and its kin.

pub mod code;
pub mod reasons;

use super::Repl;
use super::commands::{self, COMMANDS};
use crate::cli::help::topic;
use crate::lang::{aggs, builtins, library, probes};

/// A script that shows a topic at work.
fn example(topic: &str) -> Option<&'static str> {
    let name = topic.trim_end_matches("()");
    let agg = aggs::find(name).map(|r| r.example);
    let row = builtins::all().find(|r| r.name == name).or_else(|| builtins::find(name)).map(|r| r.example);
    let of_library = library::find(name).map(|e| e.example);
    agg.or(row).or(of_library).or_else(|| probes::find(name).map(|r| r.example))
}

/// `:help [TOPIC]`
pub fn help(repl: &mut Repl, arg: &str) {
    let name = arg.trim_start_matches(':');
    if name.is_empty() {
        let mut text = String::from("commands:\n");
        for c in COMMANDS {
            let (first, _) = c.doc.split_once(". ").unwrap_or((c.doc.trim_end_matches('.'), ""));
            text.push_str(&format!("  {:22}{first}\n", format!(":{} {}", c.name, c.args)));
        }
        return repl.screen.say(&text);
    }
    if let Ok(c) = commands::find(name) {
        repl.offer_example(c.example);
        let usage = format!(":{} {}", c.name, c.args);
        return repl.screen.say(&format!("{}\n  {}\n  e.g. {}", usage.trim_end(), c.doc, c.example));
    }
    match topic(name) {
        Ok(text) => {
            if let Some(example) = example(name) {
                repl.offer_example(example);
            }
            repl.screen.say(&text);
        }
        Err(near) => {
            let hint = near.map_or(String::new(), |n| format!("; did you mean {n}?"));
            repl.complain(format!("there is no topic {name}{hint}"), None);
        }
    }
}
