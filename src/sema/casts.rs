//! `(T)e`: what happens because the script says so.

use super::convert::{self, error};
use super::{Checker, hir, types};
use crate::base::Span;
use crate::ty::{Space, Ty};
use hir::{Expr, ExprKind};

impl Checker<'_> {
    /// `(to)e`
    pub fn cast(&mut self, e: Expr, to: Ty, span: Span) -> Expr {
        if e.ty.is_error() || to.is_error() {
            return error(span);
        }
        let to = match to {
            // What the number is, this probe knows: another that reads it from a map might not.
            Ty::Ptr { to, space: Space::Any } if is_number(&e.ty) && !matches!(e.ty, Ty::Ptr { .. }) => {
                Ty::Ptr { to, space: self.plain_space() }
            }
            to => to,
        };
        // Bytes, where the cast wants bytes: an array of characters is not cut at its NUL.
        let e = if matches!(to, Ty::Int { .. } | Ty::Array { .. }) { convert::place_of(e) } else { e };
        if let (Ty::Int { .. }, Ty::Array { .. }) = (&e.ty, &to) {
            return self.bytes_of_int(e, to, span);
        }
        match self.cast_ty(&e.ty, &to) {
            Some(ty) => {
                let e = Expr { span, ..e };
                if e.ty == ty { e } else { self.explicit(e, ty, span) }
            }
            None => {
                let (from, to) = (self.name(&e.ty), self.name(&to));
                self.diags.bad_cast(span, &from, &to);
                error(span)
            }
        }
    }

    /// The type that a cast yields, if there is such a cast.
    fn cast_ty(&self, from: &Ty, to: &Ty) -> Option<Ty> {
        let bytes = |t: &Ty| t.size(&self.types);
        let ok = match (from, to) {
            (Ty::Ptr { space, .. }, Ty::Ptr { to, space: Space::Any }) => {
                return Some(Ty::Ptr { to: to.clone(), space: *space });
            }
            (f, Ty::Int { .. } | Ty::Bool | Ty::Enum(_) | Ty::Ptr { .. }) if is_number(f) => true,
            (Ty::Ksym | Ty::Username | Ty::CgroupPath, Ty::Int { .. }) => true,
            (Ty::Int { .. }, Ty::Username) => true,
            (Ty::Array { .. }, Ty::Int { .. }) => matches!(bytes(from), 1 | 2 | 4 | 8),
            (Ty::Array { elem, .. }, Ty::Str { .. }) => bytes(elem) == 1,
            (Ty::Str { .. } | Ty::Array { .. }, Ty::Array { .. }) => return self.cast_to_array(from, to),
            (Ty::Str { .. }, Ty::Str { .. }) | (Ty::Buf { .. }, Ty::Buf { .. }) => true,
            (Ty::Tuple(x), Ty::Tuple(y)) => {
                x.len() == y.len() && x.iter().zip(y.iter()).all(|(x, y)| self.cast_ty(x, y).is_some())
            }
            (from, to) => types::join(from, to).is_some(),
        };
        ok.then(|| to.clone())
    }

    /// The same bytes as elements; `T[]` takes as many as there are.
    fn cast_to_array(&self, from: &Ty, to: &Ty) -> Option<Ty> {
        let Ty::Array { elem, n } = to else { return None };
        if !matches!(**elem, Ty::Int { .. } | Ty::Bool) {
            return None;
        }
        let (have, each) = (from.size(&self.types), elem.size(&self.types));
        let n = if *n == 0 { have / each } else { *n };
        (n * each == have).then(|| Ty::Array { elem: elem.clone(), n })
    }

    /// The bytes of an integer as elements: as many bytes as the array has, or as the integer for `T[]`.
    fn bytes_of_int(&mut self, e: Expr, to: Ty, span: Span) -> Expr {
        let have = e.ty.size(&self.types);
        let (each, n) = match &to {
            Ty::Array { elem, n } if matches!(**elem, Ty::Int { .. } | Ty::Bool) => {
                (elem.size(&self.types), *n)
            }
            _ => {
                let (from, to) = (self.name(&e.ty), self.name(&to));
                self.diags.bad_cast(span, &from, &to);
                return error(span);
            }
        };
        let n = if n == 0 && each > 0 { have / each } else { n };
        let bytes = n.saturating_mul(each);
        let fits = bytes >= have || convert::as_int(&e).is_some_and(|v| fits_bytes(v, bytes));
        if !matches!(bytes, 1 | 2 | 4 | 8) || !fits {
            let (from, to) = (self.name(&e.ty), self.name(&to));
            let hint =
                format!("the array takes {have} bytes in all, or cast to an integer of its size first");
            self.diags.bad_cast_but(span, &from, &to, hint);
            return error(span);
        }
        let Ty::Array { elem, .. } = to else { return error(span) };
        let signed = e.ty.signed();
        let e = self.convert(e, &Ty::Int { bits: (bytes * 8) as u8, signed });
        Expr { kind: ExprKind::Cast(Box::new(e)), ty: Ty::Array { elem, n }, span }
    }

    fn explicit(&mut self, e: Expr, ty: Ty, span: Span) -> Expr {
        let is_literal = matches!(e.kind, ExprKind::Int(_) | ExprKind::Bool(_) | ExprKind::Tuple(_));
        if is_literal && !matches!(ty, Ty::Array { .. }) {
            return self.convert(e, &ty);
        }
        Expr { kind: ExprKind::Cast(Box::new(e)), ty, span }
    }
}

/// Whether a number is one of so many bytes, signed or not.
fn fits_bytes(v: i64, bytes: u32) -> bool {
    match bytes {
        0 => false,
        1..8 => v >= -(1 << (bytes * 8 - 1)) && v < 1 << (bytes * 8),
        _ => true,
    }
}

fn is_number(ty: &Ty) -> bool {
    matches!(ty, Ty::Int { .. } | Ty::Bool | Ty::Enum(_) | Ty::Ptr { .. })
}
