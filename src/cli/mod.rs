//! The command line: flags, and what they ask for.
//!
//! Comes in: words. Goes out: an exit status. Always holds: nothing but the script's output, and what was asked
//! for, goes to stdout; all messages go to stderr.

mod dump;
pub mod flags;
mod fmt;
pub mod help;
mod info;
pub mod list;
mod notify;
pub mod options;
pub mod out;
pub mod privilege;
pub mod run;
pub mod say;
pub mod source;
mod testing;

use crate::base::codes;
use crate::sys::collect;
use crate::sys::world::LinuxWorld;
use crate::world::Missing;
use list::Detail;
use options::{Action, Options, Problem};
use say::Say;
use std::io::{self, IsTerminal};

/// Exit status of what the kernel would not load or attach.
const FAILED_LOAD: u8 = 255;

/// The version of the language that is accepted, as bpftrace numbers it.
const LANGUAGE: &str = "0.27.0";

/// Runs the program: `args` are the words of the command line, the program's name first.
pub fn main(args: &[String]) -> u8 {
    let (name, words) = args.split_first().map_or(("awl", &[][..]), |(n, w)| (n.as_str(), w));
    let name = name.rsplit('/').next().unwrap_or(name);
    match words.first().map(String::as_str) {
        None if name == "bpftrace" || !is_on_terminal() => {
            say::line(&help::usage());
            return 1;
        }
        Some("help") => return help(words.get(1).map(String::as_str).filter(|w| !w.starts_with('-'))),
        Some(crate::repl::lessons::load::WORD) => return crate::repl::lessons::load::work(&words[1..]),
        Some("world") => return save_world(&words[1..]),
        None | Some(_) => {}
    }
    let options = match flags::parse(words) {
        Ok(options) => options,
        Err(problem) => {
            Say::plain().problem(problem);
            return 1;
        }
    };
    let say = Say::new(&options);
    match options.action {
        Action::Run => run::run(&options, say),
        Action::Check if options.times_compiler => dump::time_compiler(&options, say),
        Action::Check | Action::Dump => dump::dump(&options, say),
        Action::Layout => fmt::fmt(&options, say),
        Action::List => list(&options, say),
        Action::Info => print(&info::report(&LinuxWorld::new()), say),
        Action::Help => print(&help::usage(), say),
        Action::Version => print(&version(name), say),
        Action::Usage if name != "bpftrace" && is_on_terminal() => crate::repl::run(&options, say),
        Action::Usage => {
            say.problem(Problem::new("no script is given").hint("name a file, or give the text with -e"));
            1
        }
    }
}

/// Whether there is someone to talk to.
fn is_on_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

fn version(name: &str) -> String {
    let own = env!("CARGO_PKG_VERSION");
    match name {
        "bpftrace" => format!("bpftrace v{LANGUAGE} (awl v{own})\n"),
        _ => format!("awl v{own}\n"),
    }
}

fn help(topic: Option<&str>) -> u8 {
    let say = Say::plain();
    let Some(topic) = topic else { return print(&help::topics(), say) };
    match help::topic(topic) {
        Ok(text) => print(&text, say),
        Err(near) => {
            let hint = match near {
                Some(near) => format!("did you mean {near}?"),
                None => "awl help lists all topics".to_owned(),
            };
            say.problem(Problem::new(format!("there is no topic {topic}")).hint(hint));
            1
        }
    }
}

/// `awl world FILE`
fn save_world(words: &[String]) -> u8 {
    let say = Say::plain();
    let path = match words {
        [word] if word == "--help" || word == "-h" => return print(&help::usage(), say),
        [path] if !path.starts_with('-') => path,
        _ => {
            say.problem(Problem::new("awl world takes the name of a file to write, and nothing else"));
            return 1;
        }
    };
    let snapshot = match collect::snapshot(&LinuxWorld::new()) {
        Ok(snapshot) => snapshot,
        Err(Missing::No) => {
            say.error(&codes::SYSTEM, "this machine tells nothing of itself", None);
            return 1;
        }
        Err(Missing::Unreadable { why, hint }) => {
            say.error(&codes::SYSTEM, why, Some(hint).filter(|h| !h.is_empty()));
            return 1;
        }
    };
    match std::fs::write(path, snapshot.to_bytes()) {
        Ok(()) => 0,
        Err(e) => {
            say.error(&codes::NO_FILE, format!("{path} cannot be written: {}", system_text(&e)), None);
            1
        }
    }
}

fn list(options: &Options, say: Say) -> u8 {
    let detail = if options.verbose { Detail::Arguments } else { Detail::Names };
    let script = match (&options.script, options.patterns.as_slice()) {
        (Some(_), _) => true,
        (None, [file]) => file.contains(['/', '.']) && std::path::Path::new(file).is_file(),
        _ => false,
    };
    if script {
        let file = options.patterns.first().cloned().map(options::Script::File);
        let options = Options { script: options.script.clone().or(file), ..options.clone() };
        return dump::list_probes(&options, say, detail);
    }
    let world = match source::world(options, &say) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let patterns = if options.patterns.is_empty() { vec!["*".to_owned()] } else { options.patterns.clone() };
    let mut status = 0;
    for pattern in patterns {
        let listing = list::list(world.as_ref(), &pattern, detail);
        let text: String = listing.lines.iter().map(|l| format!("{l}\n")).collect();
        status = status.max(print(&text, say));
        if let Some((why, hint)) = listing.problem {
            say.error(&codes::USAGE, why, Some(hint).filter(|h| !h.is_empty()));
            status = 1;
        }
    }
    status
}

/// Prints to stdout; the exit status.
fn print(text: &str, say: Say) -> u8 {
    match say::print(text) {
        Ok(()) => 0,
        Err(e) => {
            say.error(&codes::NO_OUTPUT, format!("stdout cannot be written: {}", system_text(&e)), None);
            1
        }
    }
}

/// What the system calls an error, lower case and without its number.
fn system_text(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
