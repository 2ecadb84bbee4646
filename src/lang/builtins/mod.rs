//! Builtin values and functions, a row each, in groups.
//!
//! Always holds: names and aliases are unique over all groups; `args` has a row for the manual, but is an
//! expression of its own (`hir::ExprKind::Args`), as the rows that fold to a constant never reach lowering.

mod effects;
mod machine;
mod maps;
mod meta;
mod output;
mod probe;
mod script;
mod strings;
mod task;
mod text;

pub use maps::PRINT_CLEAR;
pub use output::SIGNAL_NAMES;
pub use probe::{FRAME, THREAD};
pub use strings::MATCH;

use super::sig::Builtin;

/// A group of rows, as the manual orders them.
#[derive(Debug)]
pub struct Group {
    pub title: &'static str,
    pub rows: &'static [Builtin],
}

/// All groups.
pub static GROUPS: &[Group] = &[
    Group { title: "task", rows: task::ROWS },
    Group { title: "probe", rows: probe::ROWS },
    Group { title: "machine", rows: machine::ROWS },
    Group { title: "output", rows: output::ROWS },
    Group { title: "effects", rows: effects::ROWS },
    Group { title: "maps", rows: maps::ROWS },
    Group { title: "meta", rows: meta::ROWS },
    Group { title: "script", rows: script::ROWS },
    Group { title: "text", rows: text::ROWS },
    Group { title: "strings", rows: strings::ROWS },
];

/// The row of that name or alias; `arg0`, `arg1`, … all have the row `argN`.
pub fn find(name: &str) -> Option<&'static Builtin> {
    if arg_number(name).is_some() {
        return all().find(|r| r.name == probe::ARGN);
    }
    let known = all().chain(probe::HIDDEN).chain(maps::HIDDEN);
    known.into_iter().find(|r| (r.name == name && name != probe::ARGN) || r.aliases.contains(&name))
}

/// The N of `argN`.
pub fn arg_number(name: &str) -> Option<u32> {
    numbered(name, "arg")
}

/// The N of `prefixN`.
pub fn numbered(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let plain = digits.len() == 1 || !digits.starts_with('0');
    if is_number && plain { digits.parse().ok() } else { None }
}

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Builtin> {
    GROUPS.iter().flat_map(|g| g.rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::sig::Need;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = all().flat_map(|r| r.aliases.iter().chain([&r.name])).copied().collect();
        let n = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n);
    }

    #[test]
    fn optional_parameters_come_last() {
        for row in all() {
            let rank = |n: &Need| match n {
                Need::Required => 0,
                Need::Optional => 1,
                Need::Rest => 2,
            };
            assert!(row.params.windows(2).all(|w| rank(&w[0].need) <= rank(&w[1].need)), "{}", row.name);
            assert!(!row.doc.is_empty() && row.example.contains('{'), "{}", row.name);
        }
    }

    #[test]
    fn argument_numbers() {
        assert_eq!(arg_number("arg0"), Some(0));
        assert_eq!(arg_number("arg12"), Some(12));
        for no in ["arg", "args", "arg01", "argN", "arg-1"] {
            assert_eq!(arg_number(no), None, "{no}");
        }
        assert!(find("arg3").is_some_and(|r| r.name == "argN"));
        assert!(find("argN").is_none());
    }
}
