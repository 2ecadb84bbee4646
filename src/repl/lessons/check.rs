//! What a lesson's task asks for, held against what happened on the kernel.
//!
//! Comes in: checks as a lesson writes them, and what was seen: the maps, and the lines that were printed while the
//! lesson's program worked. Goes out: nothing, or what is missing, as a sentence. Always holds: what was typed
//! plays no part.

use crate::value::{Value, text};

/// The keys and values of a map.
pub type Entries = Vec<(Value, Value)>;

/// What was seen of an attempt.
pub struct Seen<'a> {
    /// Lines of output while the program worked.
    pub lines: &'a [String],
    /// The entries of a map; `None` if there is no such map.
    pub map: &'a dyn Fn(&str) -> Option<Entries>,
    /// Whether the verifier took the program of the puzzle.
    pub accepted: Option<bool>,
}

/// The first check that does not hold, as a sentence without its full stop.
pub fn missing(checks: &[String], seen: &Seen) -> Option<String> {
    checks.iter().find_map(|c| one(c, seen).err())
}

fn one(check: &str, seen: &Seen) -> Result<(), String> {
    let words: Vec<&str> = check.split_whitespace().collect();
    match words.as_slice() {
        ["printed", what] => printed(seen, what),
        ["value", map, want] => value(seen, map, number(want)),
        ["entry", map, key, want] => entry(seen, map, key, number(want)),
        ["total", map, want] => total(seen, map, number(want)),
        ["bucket", map, at, want] => bucket(seen, map, number(at), number(want)),
        ["above", map, from, want] => above(seen, map, number(from), number(want)),
        ["stacks", map, want] => stacks(seen, map, number(want)),
        ["empty", map] => empty(seen, map),
        ["accepted"] => match seen.accepted {
            Some(true) => Ok(()),
            Some(false) => Err("the kernel refuses this one".into()),
            None => Err("no instruction has been tried yet: :try INSTRUCTION".into()),
        },
        _ => crate::bug!("a lesson has no check {check}"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| crate::bug!("a lesson's check wants a number, not {text}"))
}

fn printed(seen: &Seen, what: &str) -> Result<(), String> {
    if seen.lines.iter().any(|l| l.contains(what)) {
        return Ok(());
    }
    Err(match seen.lines.len() {
        0 => "nothing was printed while the program worked".into(),
        n => format!("of the {n} lines that were printed meanwhile, none names {what}"),
    })
}

fn entries(seen: &Seen, map: &str) -> Result<Vec<(Value, Value)>, String> {
    (seen.map)(map).ok_or_else(|| format!("there is no map {map} yet"))
}

fn amount(value: &Value) -> Option<u64> {
    match value {
        Value::Int(n) => u64::try_from(*n).ok(),
        Value::Uint(n) => Some(*n),
        Value::Stats(s) | Value::Avg(s) => Some(s.count),
        Value::Hist(h) => Some(h.total()),
        _ => None,
    }
}

fn value(seen: &Seen, map: &str, want: u64) -> Result<(), String> {
    match entries(seen, map)?.as_slice() {
        [] => Err(format!("{map} is still empty: nothing was counted")),
        [(Value::None, v)] => match amount(v) {
            Some(n) if n == want => Ok(()),
            Some(n) => Err(format!("{map} says {n}, and it should be {want}")),
            None => Err(format!("{map} holds no number")),
        },
        _ => Err(format!("{map} has keys, and one number without a key is wanted")),
    }
}

fn entry(seen: &Seen, map: &str, key: &str, want: u64) -> Result<(), String> {
    let entries = entries(seen, map)?;
    let found = entries.iter().find(|(k, _)| shown(k) == key);
    match found.map(|(_, v)| amount(v)) {
        Some(Some(n)) if n == want => Ok(()),
        Some(Some(n)) => Err(format!("{map}[{key}] is {n}, and it should be {want}")),
        Some(None) => Err(format!("{map}[{key}] is no number")),
        None => match entries.first() {
            None => Err(format!("{map} is still empty: nothing was counted")),
            Some((Value::None, _)) => Err(format!("{map} has no key, and one for {key} is wanted")),
            Some((other, _)) => Err(format!("{map} has no key {key}; it has for example {}", shown(other))),
        },
    }
}

fn shown(key: &Value) -> String {
    let mut out = Vec::new();
    text::write_key(&mut out, key, b",", "");
    String::from_utf8_lossy(&out).into_owned()
}

/// The histograms of a map, as buckets.
fn histogram(seen: &Seen, map: &str) -> Result<Vec<text::Bucket>, String> {
    let entries = entries(seen, map)?;
    let mut buckets = Vec::new();
    for (_, value) in &entries {
        match value {
            Value::Hist(h) => buckets.extend(h.buckets()),
            _ => return Err(format!("{map} is no histogram")),
        }
    }
    if buckets.iter().all(|b| b.count == 0) {
        return Err(format!("{map} is still empty: nothing was observed"));
    }
    Ok(buckets)
}

fn total(seen: &Seen, map: &str, want: u64) -> Result<(), String> {
    let n: u64 = histogram(seen, map)?.iter().map(|b| b.count).sum();
    if n == want { Ok(()) } else { Err(format!("{map} has {n} values in all, and it should have {want}")) }
}

fn count_where(buckets: &[text::Bucket], holds: impl Fn(&text::Bucket) -> bool) -> u64 {
    buckets.iter().filter(|b| holds(b)).map(|b| b.count).sum()
}

fn bucket(seen: &Seen, map: &str, at: u64, want: u64) -> Result<(), String> {
    let at = i128::from(at);
    let holds = |b: &text::Bucket| b.min.is_none_or(|m| m <= at) && b.max.is_none_or(|m| at <= m);
    let n = count_where(&histogram(seen, map)?, holds);
    if n == want {
        return Ok(());
    }
    Err(format!("the bucket of {map} that {at} belongs to has {n}, and it should have {want}"))
}

fn above(seen: &Seen, map: &str, from: u64, want: u64) -> Result<(), String> {
    let n = count_where(&histogram(seen, map)?, |b| b.min.is_some_and(|m| m >= i128::from(from)));
    if n == want {
        return Ok(());
    }
    Err(format!("{n} values of {map} are {from} or more, and {want} should be"))
}

/// Stacks shallower than this say nothing.
const FRAMES_MIN: usize = 3;

fn stacks(seen: &Seen, map: &str, want: u64) -> Result<(), String> {
    let entries = entries(seen, map)?;
    if entries.is_empty() {
        return Err(format!("{map} is still empty: nothing was counted"));
    }
    let frames = |key: &Value| match key {
        Value::Stack(s) => Some(s.frames.len()),
        _ => None,
    };
    if entries.iter().all(|(k, _)| frames(k).is_none()) {
        return Err(format!("the keys of {map} are no stacks"));
    }
    let n = entries.iter().filter(|(k, _)| frames(k).is_some_and(|n| n >= FRAMES_MIN)).count() as u64;
    if n >= want {
        Ok(())
    } else {
        Err(format!("{map} has {n} different stacks, and there should be {want}"))
    }
}

fn empty(seen: &Seen, map: &str) -> Result<(), String> {
    match entries(seen, map)?.len() {
        0 => Ok(()),
        n => Err(format!("{map} still has {n} entries: delete each when it has been used")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Hist, HistKind, Stack};

    fn verdict(check: &str, map: Option<Vec<(Value, Value)>>, lines: &[&str]) -> Option<String> {
        let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        let find = |name: &str| map.clone().filter(|_| name == "@x");
        missing(&[check.to_owned()], &Seen { lines: &lines, map: &find, accepted: Some(false) })
    }

    fn text_key(key: &str) -> Value {
        Value::Str { bytes: key.as_bytes().to_vec(), truncated: false }
    }

    #[test]
    fn lines() {
        assert_eq!(verdict("printed /a/1", None, &["cat opens /a/1"]), None);
        assert!(verdict("printed /a/1", None, &["cat"]).unwrap().contains("none names /a/1"));
        assert!(verdict("printed /a/1", None, &[]).unwrap().contains("nothing was printed"));
    }

    #[test]
    fn numbers_and_keys() {
        let scalar = |n| Some(vec![(Value::None, Value::Uint(n))]);
        assert_eq!(verdict("value @x 5", scalar(5), &[]), None);
        assert_eq!(verdict("value @x 5", scalar(6), &[]).unwrap(), "@x says 6, and it should be 5");
        assert_eq!(verdict("value @x 5", None, &[]).unwrap(), "there is no map @x yet");
        assert_eq!(verdict("value @y 5", scalar(5), &[]).unwrap(), "there is no map @y yet");
        let keyed = Some(vec![(text_key("a"), Value::Uint(2)), (text_key("b"), Value::Int(3))]);
        assert_eq!(verdict("entry @x b 3", keyed.clone(), &[]), None);
        assert_eq!(verdict("entry @x b 4", keyed.clone(), &[]).unwrap(), "@x[b] is 3, and it should be 4");
        assert!(verdict("entry @x c 4", keyed.clone(), &[]).unwrap().contains("for example a"));
        assert!(verdict("value @x 5", keyed, &[]).unwrap().contains("has keys"));
        assert_eq!(verdict("empty @x", Some(vec![]), &[]), None);
        assert!(verdict("empty @x", scalar(1), &[]).is_some());
    }

    #[test]
    fn histograms() {
        let mut counts = vec![0u64; 66];
        // 8 to 15, 1024 to 2047
        (counts[5], counts[12]) = (4, 2);
        let hist = Value::Hist(Hist { kind: HistKind::Log2 { bits: 0 }, counts });
        let map = Some(vec![(Value::None, hist)]);
        assert_eq!(verdict("total @x 6", map.clone(), &[]), None);
        assert_eq!(verdict("bucket @x 9 4", map.clone(), &[]), None);
        assert_eq!(verdict("bucket @x 2000 2", map.clone(), &[]), None);
        assert_eq!(verdict("above @x 1024 2", map.clone(), &[]), None);
        assert!(verdict("above @x 1024 3", map.clone(), &[]).is_some());
        assert!(verdict("bucket @x 100 2", map, &[]).is_some());
        assert!(
            verdict("total @x 6", Some(vec![(Value::None, Value::Int(6))]), &[])
                .unwrap()
                .contains("no histogram")
        );
    }

    #[test]
    fn stacks_by_their_depth() {
        let ty = crate::ty::StackTy {
            space: crate::ty::Space::Kernel,
            mode: crate::ty::StackMode::Bpftrace,
            limit: 127,
        };
        let stack =
            |frames: &[u64]| Value::Stack(Stack { ty, pid: 0, frames: frames.to_vec(), symbols: vec![] });
        let map = Some(vec![(stack(&[1, 2, 3]), Value::Uint(1)), (stack(&[4, 2, 3]), Value::Uint(1))]);
        assert_eq!(verdict("stacks @x 2", map.clone(), &[]), None);
        assert!(verdict("stacks @x 3", map, &[]).is_some());
        assert!(
            verdict("stacks @x 1", Some(vec![(text_key("a"), Value::Uint(1))]), &[])
                .unwrap()
                .contains("no stacks")
        );
    }

    #[test]
    fn the_verifiers_word() {
        assert_eq!(verdict("accepted", None, &[]).unwrap(), "the kernel refuses this one");
    }
}
