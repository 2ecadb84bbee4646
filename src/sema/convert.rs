//! Values as other types: what happens by itself.
//!
//! Always holds: `convert` is only asked for what `holds` or `types::join` allow; literals change their type, all
//! else gets a `Cast`.

use super::infer::Firm;
use super::{Checker, hir, types};
use crate::base::Span;
use crate::ty::Ty;
use hir::{Expr, ExprKind};
use std::sync::Arc;

/// What stands where something was wrong.
pub fn error(span: Span) -> Expr {
    Expr { kind: ExprKind::Int(0), ty: Ty::Error, span }
}

pub fn int(v: i64, ty: Ty, span: Span) -> Expr {
    Expr { kind: ExprKind::Int(v), ty, span }
}

pub fn boolean(v: bool, span: Span) -> Expr {
    Expr { kind: ExprKind::Bool(v), ty: Ty::Bool, span }
}

pub fn string(bytes: impl Into<Arc<[u8]>>, span: Span) -> Expr {
    let bytes = bytes.into();
    let n = bytes.len() as u32 + 1;
    Expr { kind: ExprKind::Str(bytes), ty: Ty::Str { n }, span }
}

/// How firmly a value has its type.
pub fn firm(e: &Expr) -> Firm {
    match (&e.kind, &e.ty) {
        (ExprKind::Int(v), Ty::Int { signed: true, .. }) if *v >= 0 => Firm::Flexible,
        _ => Firm::Yes,
    }
}

/// The number, if it is known now.
pub fn as_int(e: &Expr) -> Option<i64> {
    match &e.kind {
        ExprKind::Int(v) if !e.ty.is_error() => Some(*v),
        ExprKind::Bool(b) => Some(i64::from(*b)),
        _ => None,
    }
}

/// Whether something declared as `ty` holds the value without loss.
pub fn holds(ty: &Ty, e: &Expr) -> bool {
    if let (Ty::Int { bits, signed }, Some(v), Ty::Int { .. }) = (ty, as_int(e), &e.ty) {
        let is_big = v < 0 && !e.ty.signed();
        return match (signed, bits) {
            (true, 64) => !is_big,
            (true, b) => !is_big && v >= -(1 << (b - 1)) && v < 1 << (b - 1),
            (false, 64) => v >= 0 || is_big,
            (false, b) => v >= 0 && v < 1 << b,
        };
    }
    // The kernel's names end with a NUL within their arrays: as long a string holds them.
    if let (Ty::Str { n }, Ty::Str { .. }, ExprKind::Cast(place)) = (ty, &e.ty, &e.kind)
        && let Ty::Array { n: room, .. } = place.ty
    {
        return *n >= room;
    }
    if let (Ty::Ptr { .. }, Some(0)) = (ty, as_int(e)) {
        return true;
    }
    if let (Ty::Tuple(want), ExprKind::Tuple(parts)) = (ty, &e.kind)
        && matches!(e.ty, Ty::Tuple(_))
    {
        return want.len() == parts.len() && want.iter().zip(parts).all(|(t, e)| holds(t, e));
    }
    e.ty.is_error() || types::fits(&e.ty, ty)
}

impl Checker<'_> {
    /// `e` as a value of type `to`.
    pub fn convert(&mut self, e: Expr, to: &Ty) -> Expr {
        if e.ty == *to || e.ty.is_error() || to.is_error() {
            return e;
        }
        let span = e.span;
        match (e.kind, to) {
            (ExprKind::Int(v), Ty::Int { bits, signed }) => int(wrap(v, *bits, *signed), to.clone(), span),
            (ExprKind::Int(v), Ty::Ptr { .. } | Ty::Enum(_)) => int(v, to.clone(), span),
            (ExprKind::Int(v), Ty::Bool) => boolean(v != 0, span),
            (ExprKind::Bool(b), Ty::Int { .. }) => int(i64::from(b), to.clone(), span),
            (ExprKind::Str(bytes), Ty::Str { n }) if bytes.len() < *n as usize => {
                Expr { kind: ExprKind::Str(bytes), ty: to.clone(), span }
            }
            (ExprKind::Tuple(parts), Ty::Tuple(f)) if parts.len() == f.len() => {
                let parts = parts.into_iter().zip(f.iter()).map(|(e, t)| self.convert(e, t)).collect();
                Expr { kind: ExprKind::Tuple(parts), ty: to.clone(), span }
            }
            (ExprKind::Tuple(parts), Ty::Record(want)) => self.convert_record(parts, &e.ty, want, span),
            (kind, _) => {
                let e = Expr { kind, ty: e.ty, span };
                Expr { kind: ExprKind::Cast(Box::new(e)), ty: to.clone(), span }
            }
        }
    }

    /// A record as written, its fields in the order of `want`.
    fn convert_record(
        &mut self,
        parts: Vec<Expr>,
        have: &Ty,
        want: &Arc<[(String, Ty)]>,
        span: Span,
    ) -> Expr {
        let Ty::Record(names) = have else { return error(span) };
        let mut parts: Vec<Option<Expr>> = parts.into_iter().map(Some).collect();
        let mut ordered = Vec::new();
        for (name, ty) in want.iter() {
            let at = names.iter().position(|(n, _)| n == name);
            let Some(part) = at.and_then(|i| parts[i].take()) else { return error(span) };
            ordered.push(self.convert(part, ty));
        }
        Expr { kind: ExprKind::Tuple(ordered), ty: Ty::Record(want.clone()), span }
    }

    /// As a condition: integers and pointers are true unless 0.
    pub fn truth(&mut self, e: Expr) -> Expr {
        match e.ty {
            Ty::Bool | Ty::Error => e,
            Ty::Int { .. } | Ty::Ptr { .. } | Ty::Enum(_) => self.convert(e, &Ty::Bool),
            _ => {
                let found = self.name(&e.ty);
                let message = format!("a condition is a bool, an integer or a pointer, not {found}");
                self.diags.bad_operand(e.span, message);
                error(e.span)
            }
        }
    }
}

/// The low bits of `v`, extended again by the sign.
pub fn wrap(v: i64, bits: u8, signed: bool) -> i64 {
    let shift = 64 - u32::from(bits);
    if signed { (v << shift) >> shift } else { (((v as u64) << shift) >> shift) as i64 }
}

/// The place of an array of characters again, where it reads as a string; else the expression itself.
pub fn place_of(e: Expr) -> Expr {
    match e.kind {
        ExprKind::Cast(place) if matches!((&e.ty, &place.ty), (Ty::Str { .. }, Ty::Array { .. })) => *place,
        _ => e,
    }
}
