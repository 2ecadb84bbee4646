//! The arithmetic of types: what holds both of two, what a map stores, what an aggregation reads as.
//!
//! Always holds: `join` is commutative up to the order of a record's fields, and joining a type with itself
//! gives that type; `Ty::Error` joins with everything.

use crate::ty::{AggKind, Space, Ty};
use std::sync::Arc;

/// Parts of a tuple, those of the tuples in it included.
pub const PARTS_MAX: usize = 1000;

/// The smallest signed type that holds a literal.
pub fn of_literal(v: i64) -> Ty {
    let bits = [8u8, 16, 32].into_iter().find(|b| v >= -(1 << (b - 1)) && v < 1 << (b - 1));
    Ty::int(bits.unwrap_or(64))
}

/// The type that holds values of both, if there is one.
pub fn join(a: &Ty, b: &Ty) -> Option<Ty> {
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (Ty::Error, t) | (t, Ty::Error) => Some(t.clone()),
        (Ty::Int { bits: x, signed: s }, Ty::Int { bits: y, signed: t }) => {
            Some(join_ints((*x, *s), (*y, *t)))
        }
        (Ty::Bool, t @ Ty::Int { .. }) | (t @ Ty::Int { .. }, Ty::Bool) => Some(t.clone()),
        (Ty::Enum(_), t @ Ty::Int { .. }) | (t @ Ty::Int { .. }, Ty::Enum(_)) => join(t, &Ty::int(64)),
        (Ty::Str { n: x }, Ty::Str { n: y }) => Some(Ty::Str { n: *x.max(y) }),
        (Ty::Buf { n: x }, Ty::Buf { n: y }) => Some(Ty::Buf { n: *x.max(y) }),
        (Ty::Tuple(x), Ty::Tuple(y)) if x.len() == y.len() => {
            let fields: Option<Vec<Ty>> = x.iter().zip(y.iter()).map(|(x, y)| join(x, y)).collect();
            fields.map(|f| Ty::Tuple(f.into()))
        }
        (Ty::Record(x), Ty::Record(y)) if x.len() == y.len() => join_records(x, y),
        (Ty::Ptr { to: x, space: s }, Ty::Ptr { to: y, space: t }) => {
            let space = if s == t { *s } else { Space::Any };
            let to = match (&**x, &**y) {
                (x, y) if x == y => x.clone(),
                (Ty::Void, _) | (_, Ty::Void) => Ty::Void,
                _ => return None,
            };
            Some(Ty::ptr(to, space))
        }
        (Ty::Agg { kind: x, signed: s }, Ty::Agg { kind: y, signed: t }) if x == y => {
            Some(Ty::Agg { kind: *x, signed: *s || *t })
        }
        _ => None,
    }
}

fn join_ints((x, s): (u8, bool), (y, t): (u8, bool)) -> Ty {
    if s == t {
        return Ty::Int { bits: x.max(y), signed: s };
    }
    let (signed, unsigned) = if s { (x, y) } else { (y, x) };
    // A signed type holds an unsigned one only if it is wider; of two 64-bit ones neither holds the other.
    let bits = if signed > unsigned { signed } else { unsigned.saturating_mul(2).min(64) };
    Ty::int(bits)
}

/// Records of the same names in any order; the first one's order stays.
fn join_records(x: &Arc<[(String, Ty)]>, y: &Arc<[(String, Ty)]>) -> Option<Ty> {
    let field = |(name, t): &(String, Ty)| {
        let (_, other) = y.iter().find(|(n, _)| n == name)?;
        Some((name.clone(), join(t, other)?))
    };
    let fields: Option<Vec<_>> = x.iter().map(field).collect();
    fields.map(|f| Ty::Record(f.into()))
}

/// Whether 64-bit ints of both signs meet, in a tuple, too, so that neither type holds the other.
pub fn loses_sign(a: &Ty, b: &Ty) -> bool {
    if let (Ty::Tuple(x), Ty::Tuple(y)) = (a, b) {
        return x.iter().zip(y.iter()).any(|(x, y)| loses_sign(x, y));
    }
    let wide = |t: &Ty| matches!(t, Ty::Int { bits: 64, signed: false });
    wide(a) && b.signed() || wide(b) && a.signed()
}

/// What a map keeps of values of a type: integers are 64 bits wide.
pub fn stored(ty: Ty) -> Ty {
    match ty {
        Ty::Int { signed, .. } => Ty::Int { bits: 64, signed },
        other => other,
    }
}

/// A key's or value's type in a session, where later clauses may bring wider integers.
pub fn general(ty: Ty) -> Ty {
    match ty {
        Ty::Int { signed, .. } => Ty::Int { bits: 64, signed },
        Ty::Tuple(f) => Ty::Tuple(f.iter().cloned().map(general).collect()),
        Ty::Record(f) => Ty::Record(f.iter().map(|(n, t)| (n.clone(), general(t.clone()))).collect()),
        other => other,
    }
}

/// What an aggregation reads as, if it can be read.
pub fn read_as(ty: &Ty) -> Option<Ty> {
    match ty {
        Ty::Agg { kind, signed } => match kind {
            AggKind::Count | AggKind::Sum | AggKind::Min | AggKind::Max | AggKind::Avg => {
                Some(Ty::Int { bits: 64, signed: *signed })
            }
            AggKind::Stats | AggKind::Hist { .. } | AggKind::Lhist { .. } | AggKind::Tseries { .. } => None,
        },
        other => Some(other.clone()),
    }
}

/// Whether something in it is not known yet.
pub fn has_error(ty: &Ty) -> bool {
    match ty {
        Ty::Error => true,
        Ty::Tuple(f) => f.iter().any(has_error),
        Ty::Record(f) => f.iter().any(|(_, t)| has_error(t)),
        Ty::Ptr { to, .. } => has_error(to),
        Ty::Array { elem, .. } => has_error(elem),
        _ => false,
    }
}

/// Whether a tuple or record of these parts is small enough to be worked with. The parts are: so this is quick.
pub fn is_small<'t>(parts: impl IntoIterator<Item = &'t Ty>) -> bool {
    fn n_parts(ty: &Ty) -> usize {
        match ty {
            Ty::Tuple(f) => 1 + f.iter().map(n_parts).sum::<usize>(),
            Ty::Record(f) => 1 + f.iter().map(|(_, t)| n_parts(t)).sum::<usize>(),
            _ => 1,
        }
    }
    parts.into_iter().map(n_parts).sum::<usize>() <= PARTS_MAX
}

/// Whether values of one type can be stored where the other is declared: nothing but zeros and NULs is lost.
pub fn fits(from: &Ty, into: &Ty) -> bool {
    match (from, into) {
        (Ty::Tuple(x), Ty::Tuple(y)) => x.len() == y.len() && x.iter().zip(y.iter()).all(|(x, y)| fits(x, y)),
        (Ty::Ptr { .. }, Ty::Ptr { to, .. }) if **to == Ty::Void => true,
        (Ty::Ptr { to: x, .. }, Ty::Ptr { to: y, .. }) => x == y,
        _ => join(from, into).is_some_and(|j| j == *into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_get_the_smallest_type() {
        for (v, bits) in [(1, 8), (127, 8), (128, 16), (-128, 8), (40000, 32), (1 << 31, 64), (i64::MIN, 64)]
        {
            assert_eq!(of_literal(v), Ty::int(bits), "{v}");
        }
    }

    #[test]
    fn ints_join() {
        for (a, b, want) in [
            (Ty::int(8), Ty::int(32), Ty::int(32)),
            (Ty::uint(32), Ty::int(64), Ty::int(64)),
            (Ty::uint(32), Ty::int(32), Ty::int(64)),
            (Ty::uint(8), Ty::int(8), Ty::int(16)),
            (Ty::U64, Ty::int(8), Ty::I64),
            (Ty::Bool, Ty::U32, Ty::U32),
        ] {
            assert_eq!(join(&a, &b), Some(want.clone()), "{a:?} {b:?}");
            assert_eq!(join(&b, &a), Some(want), "{b:?} {a:?}");
        }
    }

    #[test]
    fn composites_join_by_parts() {
        let t = |a: Ty, b: Ty| Ty::Tuple([a, b].into());
        let s = |n| Ty::Str { n };
        assert_eq!(join(&t(Ty::int(8), s(3)), &t(Ty::U32, s(9))), Some(t(Ty::I64, s(9))));
        assert_eq!(join(&t(Ty::int(8), s(3)), &t(s(3), s(3))), None);
        assert_eq!(join(&Ty::int(8), &s(1)), None);
        let r = |f: &[(&str, Ty)]| Ty::Record(f.iter().map(|(n, t)| ((*n).into(), t.clone())).collect());
        let ab = r(&[("a", Ty::int(8)), ("b", Ty::U64)]);
        let ba = r(&[("b", Ty::U64), ("a", Ty::int(16))]);
        assert_eq!(join(&ab, &ba), Some(r(&[("a", Ty::int(16)), ("b", Ty::U64)])));
        assert_eq!(join(&ab, &r(&[("a", Ty::int(8)), ("c", Ty::U64)])), None);
    }

    #[test]
    fn pointers_and_aggregations() {
        let p = |t: Ty| Ty::ptr(t, Space::Kernel);
        assert_eq!(join(&p(Ty::Void), &p(Ty::U32)), Some(p(Ty::Void)));
        assert_eq!(join(&p(Ty::U64), &p(Ty::U32)), None);
        let agg = |kind, signed| Ty::Agg { kind, signed };
        assert_eq!(join(&agg(AggKind::Sum, false), &agg(AggKind::Sum, true)), Some(agg(AggKind::Sum, true)));
        assert_eq!(join(&agg(AggKind::Sum, true), &agg(AggKind::Min, true)), None);
        assert_eq!(read_as(&agg(AggKind::Stats, true)), None);
    }
}
