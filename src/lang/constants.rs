//! Constants of the kernel's ABI by name: `AF_INET`, `O_CREAT`, `ENOENT`, …
//!
//! Comes in: a name. Goes out: its value. Always holds: the table is `stdlib/constants.h`, each name once; it has
//! nothing that differs between kernels.

use std::collections::BTreeMap;
use std::sync::OnceLock;

static TEXT: &str = include_str!("../../stdlib/constants.h");

/// The value of a constant.
pub fn find(name: &str) -> Option<i64> {
    table().get(name).copied()
}

/// All names, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().keys().copied()
}

fn table() -> &'static BTreeMap<&'static str, i64> {
    static TABLE: OnceLock<BTreeMap<&'static str, i64>> = OnceLock::new();
    TABLE.get_or_init(|| rows().filter_map(|(name, value)| Some((name, number(value)?))).collect())
}

/// Name and value as written.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    TEXT.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '))
}

fn number(text: &str) -> Option<i64> {
    match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(hex), _) => i64::from_str_radix(hex, 16).ok(),
        (None, Some(octal)) if !octal.is_empty() => i64::from_str_radix(octal, 8).ok(),
        (None, _) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_value_and_its_own_name() {
        for (name, value) in rows() {
            assert!(number(value).is_some(), "{name} {value}");
        }
        assert_eq!(rows().count(), table().len());
        let other =
            |line: &&str| !(line.starts_with("#define ") || line.starts_with("//") || line.is_empty());
        assert_eq!(TEXT.lines().find(other), None);
    }

    #[test]
    fn values() {
        for (name, value) in [
            ("AF_INET6", 10),
            ("ENOENT", 2),
            ("SIGKILL", 9),
            ("IPPROTO_TCP", 6),
            ("O_CREAT", 0o100),
            ("S_IFDIR", 0o40000),
            ("DT_DIR", 4),
            ("TCP_ESTABLISHED", 1),
            ("AT_FDCWD", -100),
            ("CLONE_NEWNS", 0x20000),
        ] {
            assert_eq!(find(name), Some(value), "{name}");
        }
        assert_eq!(find("HZ"), None);
    }
}
