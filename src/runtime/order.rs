//! The order in which a map's entries are shown.
//!
//! Integers, counts and sums ascend by value, `min` and `max` by value compared unsigned, `avg` and `stats` by
//! average, histograms by their total; everything else ascends by key. Equal values ascend by key.

use std::cmp::Ordering;

use crate::ty::{AggKind, Ty};
use crate::value::{Stats, Value};

/// Sorts the entries of a map whose values have type `ty`.
pub fn sorted(mut entries: Vec<(Value, Value)>, ty: &Ty) -> Vec<(Value, Value)> {
    let unsigned = matches!(ty, Ty::Agg { kind: AggKind::Min | AggKind::Max, .. });
    entries.sort_by(|(ka, va), (kb, vb)| {
        let by_value = match (rank(va, unsigned), rank(vb, unsigned)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        };
        by_value.then_with(|| compare(ka, kb))
    });
    entries
}

/// What an entry is sorted by, where it is sorted by its value.
fn rank(value: &Value, unsigned: bool) -> Option<i128> {
    match value {
        Value::Int(n) if unsigned => Some(i128::from(*n as u64)),
        Value::Int(n) => Some(i128::from(*n)),
        Value::Uint(n) => Some(i128::from(*n)),
        Value::Avg(s) | Value::Stats(s) => Some(average(s)),
        Value::Hist(h) => Some(h.counts.iter().map(|&c| i128::from(c)).sum()),
        _ => None,
    }
}

fn average(s: &Stats) -> i128 {
    let total = if s.signed { i128::from(s.total) } else { i128::from(s.total as u64) };
    if s.count == 0 { 0 } else { total / i128::from(s.count) }
}

/// Orders keys: numbers by size, text and bytes bytewise, what has parts part by part.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return a.cmp(&b);
    }
    if let (Some(a), Some(b)) = (bytes(a), bytes(b)) {
        return a.cmp(b);
    }
    match (a, b) {
        (Value::Tuple(a), Value::Tuple(b)) | (Value::Array(a), Value::Array(b)) => parts(a.iter(), b.iter()),
        (Value::Record(a), Value::Record(b)) => parts(a.iter().map(|(_, v)| v), b.iter().map(|(_, v)| v)),
        (Value::Inet(a), Value::Inet(b)) => a.cmp(b),
        (Value::Stack(a), Value::Stack(b)) => (a.pid, &a.frames).cmp(&(b.pid, &b.frames)),
        (Value::Usym { addr: a, pid: p }, Value::Usym { addr: b, pid: q }) => (a, p).cmp(&(b, q)),
        // Keys of one map have one type.
        _ => Ordering::Equal,
    }
}

fn parts<'a>(a: impl Iterator<Item = &'a Value>, b: impl Iterator<Item = &'a Value>) -> Ordering {
    a.zip(b).map(|(a, b)| compare(a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(b) => Some(i128::from(*b)),
        Value::Int(n) | Value::Enum { value: n, .. } => Some(i128::from(*n)),
        Value::Uint(n) | Value::Ptr(n) | Value::Ksym(n) | Value::CgroupPath(n) | Value::Username(n) => {
            Some(i128::from(*n))
        }
        Value::Timestamp { ns, .. } => Some(i128::from(*ns)),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Str { bytes, .. } | Value::Buf(bytes) => Some(bytes),
        Value::Mac(mac) => Some(mac),
        Value::Text(text) => Some(text.as_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Value {
        Value::Str { bytes: s.as_bytes().to_vec(), truncated: false }
    }

    fn keys(entries: Vec<(Value, Value)>, ty: &Ty) -> Vec<Value> {
        sorted(entries, ty).into_iter().map(|(k, _)| k).collect()
    }

    #[test]
    fn integers_ascend_by_value_then_key() {
        let entries =
            vec![(text("b"), Value::Int(2)), (text("c"), Value::Int(-1)), (text("a"), Value::Int(2))];
        assert_eq!(keys(entries, &Ty::I64), [text("c"), text("a"), text("b")]);
    }

    #[test]
    fn min_and_max_compare_unsigned() {
        let entries = vec![(text("a"), Value::Int(-1)), (text("b"), Value::Int(5))];
        let ty = |kind| Ty::Agg { kind, signed: true };
        assert_eq!(keys(entries.clone(), &ty(AggKind::Min)), [text("b"), text("a")]);
        assert_eq!(keys(entries, &ty(AggKind::Sum)), [text("a"), text("b")]);
    }

    #[test]
    fn averages_and_strings() {
        let avg = |count, total| Value::Avg(Stats { count, total, signed: true });
        let entries = vec![(text("a"), avg(1, 10)), (text("b"), avg(10, 20))];
        let ty = Ty::Agg { kind: AggKind::Avg, signed: true };
        assert_eq!(keys(entries, &ty), [text("b"), text("a")]);
        let entries = vec![(Value::Int(3), text("a")), (Value::Int(-3), text("z"))];
        assert_eq!(keys(entries, &Ty::Str { n: 4 }), [Value::Int(-3), Value::Int(3)]);
    }

    #[test]
    fn tuples_by_their_parts() {
        let key = |n, s| Value::Tuple(vec![Value::Uint(n), text(s)]);
        assert_eq!(compare(&key(1, "b"), &key(1, "a")), Ordering::Greater);
        assert_eq!(compare(&key(0, "b"), &key(1, "a")), Ordering::Less);
        assert_eq!(compare(&key(1, "a"), &key(1, "a")), Ordering::Equal);
    }
}
