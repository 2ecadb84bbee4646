//! Builtin values and functions, a row each, in groups.

mod task;

use super::sig::Builtin;

/// A group of rows, as the manual orders them.
#[derive(Debug)]
pub struct Group {
    pub title: &'static str,
    pub rows: &'static [Builtin],
}

/// All groups.
pub static GROUPS: &[Group] = &[Group { title: "task", rows: task::ROWS }];

/// The row of that name or alias.
pub fn find(name: &str) -> Option<&'static Builtin> {
    all().find(|r| r.name == name || r.aliases.contains(&name))
}

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Builtin> {
    GROUPS.iter().flat_map(|g| g.rows)
}
