//! What can be written at the cursor, from the rows, the machine and the session.
//!
//! Comes in: the input, the place of the cursor, and what is known. Goes out: candidates, best first. Always
//! holds: nothing is written anywhere; a list that was cut says so by its last entry, which changes nothing.

pub mod fuzzy;
pub mod hint;
pub mod index;
pub mod place;
mod probe;
pub mod typed;
mod words;

pub use index::Index;

use super::commands::{self, Takes};
use super::view::Cx;
use place::Place;

/// More candidates than these are not shown.
const CANDIDATES_MAX: usize = 200;

/// A thing that can be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What takes the place of the word.
    pub text: String,
    /// How the list shows it.
    pub shown: String,
}

/// What can take the place of the text from `start` to the cursor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    pub start: usize,
    pub candidates: Vec<Candidate>,
}

impl Candidate {
    fn plain(text: impl Into<String>) -> Candidate {
        let text = text.into();
        Candidate { shown: text.clone(), text }
    }

    fn with(text: impl Into<String>, note: &str) -> Candidate {
        let text = text.into();
        let shown = if note.is_empty() { text.clone() } else { format!("{text}  {note}") };
        Candidate { text, shown }
    }
}

/// Completes at `pos`.
pub fn complete(text: &str, pos: usize, cx: &Cx<'_>) -> Completion {
    let pos = (0..=pos.min(text.len())).rev().find(|&p| text.is_char_boundary(p)).unwrap_or(0);
    let found = place::find(text, pos);
    let at = |start: usize, candidates: Vec<Candidate>| Completion { start, candidates };
    match found {
        Place::Nothing => Completion::default(),
        Place::Command { start, word } => at(start, words::commands(word)),
        Place::Argument { command, start, args } => argument(cx, command, start, args),
        Place::Point { start, text } => {
            let (offset, candidates) = probe::point(cx, text);
            at(start + offset, candidates)
        }
        Place::First { start, word } => at(start, words::first(cx, word)),
        Place::Setting { start, word } => at(start, words::settings(word)),
        Place::SettingValue { start, setting, word } => at(start, words::setting_values(setting, word)),
        Place::Tag { start, word } => at(start, words::structs(cx, word)),
        Place::Member { start, word, base, code } => at(start, words::members(cx, &code, base, word)),
        Place::Sigil { start, word } => at(start, words::sigils(cx, text, start, word)),
        Place::Word { start, word, code } => at(start, words::words(cx, &code, word)),
    }
}

/// What a command takes.
fn argument(cx: &Cx<'_>, command: &str, start: usize, args: &str) -> Completion {
    let Some(row) = command.strip_prefix(':').and_then(|name| commands::find(name).ok()) else {
        return Completion::default();
    };
    // Of arguments that blanks part, the last is being written.
    let last = args.rfind(char::is_whitespace).map_or(0, |n| n + 1);
    let (at, word) = (start + last, &args[last..]);
    let candidates = match row.takes {
        Takes::Nothing => Vec::new(),
        Takes::Words(list) => words::fitting(list.iter().copied(), word),
        Takes::File => words::files(args),
        Takes::Clause => words::clauses(cx, word),
        Takes::Topic => words::topics(word),
        Takes::Struct => words::structs(cx, word),
        Takes::Map => words::maps(cx, word),
        Takes::Probe => {
            let (offset, candidates) = probe::point(cx, word);
            return Completion { start: at + offset, candidates };
        }
        Takes::Expression => {
            let inner = complete(args, args.len(), cx);
            return Completion { start: start + inner.start, ..inner };
        }
    };
    Completion { start: if row.takes == Takes::File { start } else { at }, candidates }
}

/// Adds a last entry to a list that was cut: it keeps what was typed, so that nothing wrong is completed.
fn cut(mut candidates: Vec<Candidate>, more: usize, typed: &str) -> Vec<Candidate> {
    if more > 0 {
        candidates.push(Candidate { text: typed.to_owned(), shown: format!("… and {more} more: type on") });
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Base;
    use crate::image::Storage;
    use crate::repl::view::View;
    use crate::sema::hir;
    use crate::ty::Ty;
    use crate::world::fixture::FixtureWorld;

    /// The line with `|` as the cursor; what could stand there.
    fn at(text: &str) -> (usize, Vec<String>) {
        let world = FixtureWorld::new();
        let index = Index::of(&world);
        let map = hir::Map {
            name: "@counts".into(),
            key: Some(Ty::U64),
            value: Ty::U64,
            storage: Storage::Hash,
            max_entries: 1,
            span: crate::base::Span::none(),
        };
        let view = View {
            base: Base { maps: vec![map], ..Base::default() },
            clauses: vec![(3, "tracepoint:x:y".to_owned()), (12, "begin".to_owned())],
            ..View::default()
        };
        let cx = Cx { world: &world, index: &index, view: &view };
        let pos = text.find('|').unwrap_or(text.len());
        let done = complete(&text.replacen('|', "", 1), pos, &cx);
        (done.start, done.candidates.into_iter().map(|c| c.text).collect())
    }

    fn offers(text: &str) -> Vec<String> {
        at(text).1
    }

    #[test]
    fn probes_by_part_prefix_and_letters() {
        assert_eq!(at("tracepoint:sch"), (11, vec!["sched:".to_owned()]));
        assert_eq!(at("t:sched:sched_sw"), (2, vec!["sched:sched_switch".to_owned()]));
        assert_eq!(offers("t:openat"), ["syscalls:sys_exit_openat", "syscalls:sys_enter_openat"]);
        assert_eq!(offers("t:schswi"), ["sched:sched_switch"]);
        assert_eq!(offers("kprobe:vfs_"), ["vfs_open", "vfs_read", "vfs_write"]);
        assert_eq!(offers("fentry:vfs_re"), ["vmlinux:vfs_read"]);
        assert_eq!(at("begin, kprobe:vfs_r"), (14, vec!["vfs_read".to_owned()]));
        assert!(offers("interval:").contains(&"s:".to_owned()));
        assert_eq!(offers("nosuch:x"), [] as [&str; 0]);
    }

    #[test]
    fn uprobes_by_symbol() {
        assert_eq!(at("uprobe:libc:mal"), (12, vec!["malloc".to_owned()]));
        assert_eq!(offers("uprobe:libc:llo"), ["calloc", "malloc"]);
    }

    #[test]
    fn fields_along_a_path() {
        assert_eq!(offers("curtask.mm."), ["owner", "pgd"]);
        assert_eq!(offers("t:syscalls:sys_enter_openat { printf(\"%s\", str(args.fi|)); }"), ["filename"]);
        assert_eq!(offers("t:sched:sched_switch {\n  $t = curtask;\n  @[$t.com"), ["comm"]);
        assert_eq!(offers(":type curtask.rea"), ["real_parent"]);
        assert_eq!(at(":type curtask.rea").0, 14);
    }

    #[test]
    fn first_words() {
        assert_eq!(offers("trace"), ["tracepoint:"]);
        assert_eq!(offers("curt"), ["curtask"]);
        // Nothing starts with it: the probes of that name.
        assert_eq!(
            offers("openat"),
            ["tracepoint:syscalls:sys_exit_openat", "tracepoint:syscalls:sys_enter_openat"]
        );
        assert!(offers("").contains(&"kprobe:".to_owned()));
    }

    #[test]
    fn words_of_a_body() {
        assert!(offers("begin { print").contains(&"printf(".to_owned()));
        assert_eq!(offers("begin { @x = cou"), ["count("]);
        assert!(!offers("begin { ret").contains(&"retval".to_owned()), "not of begin");
        assert!(offers("kretprobe:vfs_read { ret").contains(&"retval".to_owned()));
        assert_eq!(offers("begin { whi"), ["while"]);
        assert_eq!(offers("begin { static_as"), ["static_assert("]);
        assert_eq!(offers("begin { leader_c"), ["leader_comm"]);
        assert!(offers("begin { __ta").is_empty(), "the library's own");
    }

    #[test]
    fn variables_and_maps() {
        assert_eq!(offers("begin { $count = 1; $cold = 2; $co"), ["$cold", "$count"]);
        assert_eq!(offers("begin { $a| ; $after = 1; }"), ["$after"]);
        assert_eq!(offers("begin { @c"), ["@counts"]);
        assert_eq!(offers("begin { @cats = 1; @c"), ["@cats", "@counts"]);
        assert_eq!(offers("@"), ["@counts"]);
        assert_eq!(offers("begin {} end { $x = 1; } begin { $"), [] as [&str; 0], "of another clause");
    }

    #[test]
    fn settings_and_structs() {
        assert_eq!(offers("config = { stack_"), ["stack_mode"]);
        assert_eq!(offers("config = { stack_mode = "), ["bpftrace", "build_id", "perf", "raw"]);
        assert!(offers("config = { cpp_demangle = ").contains(&"true".to_owned()));
        assert_eq!(offers("begin { $x = (struct task"), ["task_struct"]);
    }

    #[test]
    fn commands_with_their_arguments() {
        assert_eq!(offers(":he"), [":help"]);
        assert!(offers(":").contains(&":rm".to_owned()));
        assert_eq!(offers(":help prin"), ["print", "print_maps_on_exit", "printf"]);
        assert_eq!(offers(":rm "), ["3", "12"]);
        assert_eq!(offers(":rm 1"), ["12"]);
        assert_eq!(offers(":learn "), ["list", "next", "quit"]);
        assert_eq!(at(":args kprobe:vfs_r"), (13, vec!["vfs_read".to_owned()]));
        assert!(offers(":probes openat").contains(&"tracepoint:syscalls:sys_enter_openat".to_owned()));
        assert_eq!(offers("begin, trac"), ["tracepoint:"]);
    }

    #[test]
    fn a_cut_list_completes_nothing_wrong() {
        let all = cut(vec![Candidate::plain("vfs_a")], 7, "vfs");
        assert_eq!((all[1].text.as_str(), all[1].shown.as_str()), ("vfs", "… and 7 more: type on"));
    }

    #[test]
    fn any_place_of_any_text() {
        let text =
            "config = { a = 1; }\nt:a:b /x.y[1] == \"ü\"/ { @a[curtask.mm] = str(args.x, 4); /* é */ }";
        for pos in 0..=text.len() + 1 {
            let (world, view) = (FixtureWorld::new(), View::default());
            complete(text, pos, &Cx { world: &world, index: &Index::of(&world), view: &view });
        }
    }
}
