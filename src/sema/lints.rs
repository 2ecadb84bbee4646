//! What is no mistake of the language and probably one of its writer.
//!
//! Comes in: checked operands. Goes out: warnings. Always holds: what a lint says is so whatever the machine does, and a
//! condition that is literal as a whole is meant as it is.

use super::convert::{as_int, firm};
use super::infer::Firm;
use super::{Checker, hir, types};
use crate::base::{OriginId, Span};
use crate::ty::Ty;
use hir::{Arith, Compare, Expr, ExprKind};

/// Least and greatest value.
type Range = (i128, i128);

impl Checker<'_> {
    /// A comparison that does not depend on what is compared.
    pub fn lint_compare(&mut self, compare: Compare, l: &Expr, r: &Expr, op_span: Span) {
        if is_made(op_span) {
            return;
        }
        if let (Ty::Str { .. }, Ty::Str { .. }) = (&l.ty, &r.ty) {
            return self.lint_strings(compare, l, r, op_span);
        }
        let (Some(a), Some(b)) = (self.range(l), self.range(r)) else { return };
        if as_int(l).is_some() && as_int(r).is_some() {
            return;
        }
        if types::loses_sign(&l.ty, &r.ty) {
            // Both are taken as signed, so that a big unsigned number is a negative one.
            let both_firm = firm(l) == Firm::Yes && firm(r) == Firm::Yes;
            if both_firm && as_int(l).is_none() && as_int(r).is_none() {
                self.diags.signs_mixed(op_span);
            }
            if both_firm {
                return;
            }
        }
        let Some(result) = decided(compare, a, b) else { return };
        let (shown, other, range) = if as_int(r).is_some() { (l, r, a) } else { (r, l, b) };
        let shown_ty = self.name(&shown.ty);
        let why = match as_int(other) {
            Some(_) => format!("{shown_ty} is from {} to {}", range.0, range.1),
            None => "their types have no value in common".to_owned(),
        };
        let unsigned = matches!(shown.ty, Ty::Int { signed: false, bits: 32 | 64 });
        let hint = (unsigned && as_int(other).is_some_and(|v| v <= 0)).then(|| {
            format!("if it can be negative, write ({}) before it", shown_ty.trim_start_matches('u'))
        });
        self.diags.always(op_span, result, why, hint);
    }

    /// A string is never equal to a literal that is longer than it can be.
    fn lint_strings(&mut self, compare: Compare, l: &Expr, r: &Expr, op_span: Span) {
        let (text, n) = match (&l.kind, &r.kind, &l.ty, &r.ty) {
            (ExprKind::Str(_), ExprKind::Str(_), ..) => return,
            (ExprKind::Str(text), _, _, Ty::Str { n }) | (_, ExprKind::Str(text), Ty::Str { n }, _) => {
                (text, *n)
            }
            _ => return,
        };
        if text.len() >= n as usize && n > 0 {
            let why = format!("the string has {} bytes at most, and this has {}", n - 1, text.len());
            self.diags.always(op_span, compare == Compare::Ne, why, None);
        }
    }

    /// What an integer can be, by its type.
    fn range(&self, e: &Expr) -> Option<Range> {
        if let (Some(v), Ty::Int { .. } | Ty::Bool) = (as_int(e), &e.ty) {
            let v = if v < 0 && !e.ty.signed() && e.ty != Ty::Bool { i128::from(v as u64) } else { v.into() };
            return Some((v, v));
        }
        match e.ty {
            Ty::Bool => Some((0, 1)),
            Ty::Int { bits, signed: true } => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            Ty::Int { bits, signed: false } => Some((0, (1 << bits) - 1)),
            _ => None,
        }
    }

    /// Arithmetic with a literal that it does not go with.
    pub fn lint_arith(&mut self, op: Arith, r: &Expr, op_span: Span) {
        let Some(v) = as_int(r).filter(|_| !is_made(op_span)) else { return };
        match op {
            Arith::Div | Arith::Rem if v == 0 => {
                let message = "division by zero: the result is that of a division by 1";
                self.diags.odd_arithmetic(op_span, message.into());
            }
            Arith::Shl | Arith::Shr if !(0..64).contains(&v) => {
                let message = format!("a shift by {v} is one by {}: only the low six bits count", v & 63);
                self.diags.odd_arithmetic(op_span, message);
            }
            _ => {}
        }
    }
}

/// Whether it comes from a macro, which may be meant for several types, or from an import.
fn is_made(span: Span) -> bool {
    span.origin != OriginId(0)
}

/// The result, if it is the same for all values of the ranges.
fn decided(compare: Compare, (a_min, a_max): Range, (b_min, b_max): Range) -> Option<bool> {
    let apart = a_max < b_min || b_max < a_min;
    let less = |min_l: i128, max_l: i128, min_r: i128, max_r: i128| {
        if max_l < min_r {
            Some(true)
        } else if min_l >= max_r {
            Some(false)
        } else {
            None
        }
    };
    match compare {
        Compare::Eq => apart.then_some(false),
        Compare::Ne => apart.then_some(true),
        Compare::Lt => less(a_min, a_max, b_min, b_max),
        Compare::Ge => less(a_min, a_max, b_min, b_max).map(|v| !v),
        Compare::Gt => less(b_min, b_max, a_min, a_max),
        Compare::Le => less(b_min, b_max, a_min, a_max).map(|v| !v),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_of_ranges() {
        let (byte, small) = ((0, 255), (-128, 127));
        let at = |v| (v, v);
        for (compare, a, b, want) in [
            (Compare::Eq, byte, at(300), Some(false)),
            (Compare::Ne, byte, at(300), Some(true)),
            (Compare::Eq, byte, at(255), None),
            (Compare::Lt, byte, at(0), Some(false)),
            (Compare::Ge, byte, at(0), Some(true)),
            (Compare::Lt, byte, at(256), Some(true)),
            (Compare::Lt, byte, at(255), None),
            (Compare::Le, byte, at(255), Some(true)),
            (Compare::Gt, byte, at(255), Some(false)),
            (Compare::Gt, at(256), byte, Some(true)),
            (Compare::Gt, small, at(127), Some(false)),
            (Compare::Eq, byte, small, None),
        ] {
            assert_eq!(decided(compare, a, b), want, "{compare:?} {a:?} {b:?}");
        }
    }
}
