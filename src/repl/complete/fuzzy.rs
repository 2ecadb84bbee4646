//! Which names a typed text means, best first.
//!
//! Comes in: names and what was typed. Goes out: the names that fit. Always holds: where some name starts with
//! the text, only such names are offered, so that what they have in common can be completed; else names that
//! contain it, and only where there are none, names that have its letters in order.

/// How well a name fits; smaller is better. Within a rank, the shorter name is the likelier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    Prefix,
    /// Contains it at the start of a word.
    Word,
    Inside,
    /// Has its letters in order.
    Letters,
}

/// A set of letters, for throwing out most names at once.
pub fn letters(text: &str) -> u64 {
    text.bytes().fold(0, |set, b| set | bit(b))
}

fn bit(b: u8) -> u64 {
    match b {
        b'a'..=b'z' => 1 << (b - b'a'),
        b'A'..=b'Z' => 1 << (b - b'A'),
        b'0'..=b'9' => 1 << (26 + b - b'0'),
        b'_' => 1 << 36,
        b':' => 1 << 37,
        _ => 1 << 38,
    }
}

/// How `name` fits `typed`, which is in lower case.
pub fn rank(name: &str, typed: &str) -> Option<Rank> {
    let (n, t) = (name.as_bytes(), typed.as_bytes());
    if t.len() > n.len() {
        return None;
    }
    if n[..t.len()].eq_ignore_ascii_case(t) {
        return Some(Rank::Prefix);
    }
    let mut inside = None;
    for at in 1..=n.len() - t.len() {
        if n[at..at + t.len()].eq_ignore_ascii_case(t) {
            if !n[at - 1].is_ascii_alphanumeric() {
                return Some(Rank::Word);
            }
            inside = Some(Rank::Inside);
        }
    }
    inside.or_else(|| has_in_order(n, t).then_some(Rank::Letters))
}

/// Whether the letters of `typed` stand in `name` in order.
fn has_in_order(name: &[u8], typed: &[u8]) -> bool {
    let mut left = typed.iter();
    let mut next = left.next();
    for b in name {
        match next {
            Some(want) if b.eq_ignore_ascii_case(want) => next = left.next(),
            Some(_) => {}
            None => break,
        }
    }
    next.is_none()
}

/// The names that fit, in order, and how many more there are than `limit`.
pub fn pick<'a>(names: impl Iterator<Item = &'a str>, typed: &str, limit: usize) -> (Vec<&'a str>, usize) {
    let lower = typed.to_ascii_lowercase();
    let fits = names.filter_map(|name| rank(name, &lower).map(|rank| (rank, name)));
    best(fits.collect(), limit)
}

/// The best of what fits, in order, and how many more there are.
pub fn best(mut fits: Vec<(Rank, &str)>, limit: usize) -> (Vec<&str>, usize) {
    if fits.iter().any(|(rank, _)| *rank == Rank::Prefix) {
        fits.retain(|(rank, _)| *rank == Rank::Prefix);
        // In the order of the alphabet, as lists of one prefix are read.
        fits.sort_unstable_by(|a, b| a.1.cmp(b.1));
    } else {
        // Letters alone are a guess, for when there is nothing better.
        if fits.iter().any(|(rank, _)| *rank < Rank::Letters) {
            fits.retain(|(rank, _)| *rank < Rank::Letters);
        }
        fits.sort_unstable_by(|a, b| (a.0, a.1.len(), a.1).cmp(&(b.0, b.1.len(), b.1)));
    }
    fits.dedup();
    let more = fits.len().saturating_sub(limit);
    fits.truncate(limit);
    (fits.into_iter().map(|(_, name)| name).collect(), more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        assert_eq!(rank("vfs_read", "vfs"), Some(Rank::Prefix));
        assert_eq!(rank("vmlinux:vfs_read", "vfs"), Some(Rank::Word));
        assert_eq!(rank("sys_enter_openat", "penat"), Some(Rank::Inside));
        assert_eq!(rank("sys_enter_openat", "seopen"), Some(Rank::Letters));
        assert_eq!(rank("sys_enter_openat", "xyz"), None);
        assert_eq!(rank("a", "ab"), None);
        assert_eq!(rank("a", ""), Some(Rank::Prefix));
    }

    #[test]
    fn a_prefix_shuts_out_the_rest() {
        let names = ["vfs_read", "do_vfs", "vfs_open", "xvfs"];
        assert_eq!(pick(names.into_iter(), "vfs", 9).0, ["vfs_open", "vfs_read"]);
        assert_eq!(pick(names.into_iter(), "read", 9).0, ["vfs_read"]);
        assert_eq!(pick(names.into_iter(), "VFS_", 9).0, ["vfs_open", "vfs_read"]);
        assert_eq!(pick(names.into_iter(), "v", 1), (vec!["vfs_open"], 1));
    }

    #[test]
    fn the_set_of_letters_never_hides_a_match() {
        for (name, typed) in [("sys_enter_openat", "seopen"), ("VFS:Read9", "vfs:9"), ("a.b-c", "a-")] {
            assert!(rank(name, typed).is_some());
            assert_eq!(letters(name) & letters(typed), letters(typed), "{name}");
        }
    }
}
