//! Operators: what they take, what they yield, and what is known already.
//!
//! Always holds: both operands of a node have its type (a shift's right one any integer); results are 64 bits wide;
//! operations on literals are computed here as the program would.

use super::convert::{as_int, boolean, error, firm, int};
use super::infer::Firm;
use super::{Checker, hir, types};
use crate::base::Span;
use crate::syntax::ast::{BinOp, UnOp};
use crate::ty::Ty;
use hir::{Arith, Compare, Expr, ExprKind};

/// What a binary operator is to the checked tree.
enum Class {
    Arith(Arith),
    Compare(Compare),
    And,
    Or,
    Match,
}

fn class(op: BinOp) -> Class {
    match op {
        BinOp::Add => Class::Arith(Arith::Add),
        BinOp::Sub => Class::Arith(Arith::Sub),
        BinOp::Mul => Class::Arith(Arith::Mul),
        BinOp::Div => Class::Arith(Arith::Div),
        BinOp::Rem => Class::Arith(Arith::Rem),
        BinOp::And => Class::Arith(Arith::And),
        BinOp::Or => Class::Arith(Arith::Or),
        BinOp::Xor => Class::Arith(Arith::Xor),
        BinOp::Shl => Class::Arith(Arith::Shl),
        BinOp::Shr => Class::Arith(Arith::Shr),
        BinOp::Eq => Class::Compare(Compare::Eq),
        BinOp::Ne => Class::Compare(Compare::Ne),
        BinOp::Lt => Class::Compare(Compare::Lt),
        BinOp::Le => Class::Compare(Compare::Le),
        BinOp::Gt => Class::Compare(Compare::Gt),
        BinOp::Ge => Class::Compare(Compare::Ge),
        BinOp::LogAnd => Class::And,
        BinOp::LogOr => Class::Or,
        BinOp::Match => Class::Match,
    }
}

/// The arithmetic operator that an assignment `op=` means.
pub fn arith(op: BinOp) -> Option<Arith> {
    match class(op) {
        Class::Arith(a) => Some(a),
        Class::Compare(_) | Class::And | Class::Or | Class::Match => None,
    }
}

impl Checker<'_> {
    pub fn binary(&mut self, op: BinOp, op_span: Span, l: Expr, r: Expr, span: Span) -> Expr {
        if l.ty.is_error() || r.ty.is_error() {
            return error(span);
        }
        match class(op) {
            Class::Arith(arith) => self.arith(arith, op, op_span, l, r, span),
            Class::Compare(compare) => self.compare(compare, op, op_span, l, r, span),
            Class::And | Class::Or => self.logic(matches!(op, BinOp::LogAnd), l, r, span),
            Class::Match => self.matches(l, r, op_span, span),
        }
    }

    fn logic(&mut self, is_and: bool, l: Expr, r: Expr, span: Span) -> Expr {
        let (l, r) = (self.truth(l), self.truth(r));
        if l.ty.is_error() || r.ty.is_error() {
            return error(span);
        }
        if let (ExprKind::Bool(a), ExprKind::Bool(b)) = (&l.kind, &r.kind) {
            return boolean(if is_and { *a && *b } else { *a || *b }, span);
        }
        let (l, r) = (Box::new(l), Box::new(r));
        let kind = if is_and { ExprKind::And(l, r) } else { ExprKind::Or(l, r) };
        Expr { kind, ty: Ty::Bool, span }
    }

    fn arith(&mut self, arith: Arith, op: BinOp, op_span: Span, l: Expr, r: Expr, span: Span) -> Expr {
        match (&l.ty, &r.ty, arith) {
            (Ty::Ptr { .. }, Ty::Int { .. }, Arith::Add) => return self.pointer_plus(l, r, span),
            (Ty::Int { .. }, Ty::Ptr { .. }, Arith::Add) => return self.pointer_plus(r, l, span),
            (Ty::Ptr { .. }, Ty::Int { .. }, Arith::Sub) => {
                let back = self.negative(r, op_span);
                return self.pointer_plus(l, back, span);
            }
            (Ty::Ptr { to: a, .. }, Ty::Ptr { to: b, .. }, Arith::Sub) if a == b => {
                return self.pointer_distance(l, r, op_span, span);
            }
            _ => {}
        }
        let (Some(l), Some(r)) = (self.number(l, op, op_span), self.number(r, op, op_span)) else {
            return error(span);
        };
        self.lint_arith(arith, &r, op_span);
        let ty = result_ty(arith, &l, &r);
        if types::loses_sign(&l.ty, &r.ty)
            && !matches!(arith, Arith::Shl | Arith::Shr | Arith::Sub)
            && firm(&l) == Firm::Yes
            && firm(&r) == Firm::Yes
            && as_int(&r).is_none()
        {
            self.diags.signs_mixed(op_span);
        }
        let l = self.convert(l, &ty);
        let r = match arith {
            Arith::Shl | Arith::Shr => r,
            _ => self.convert(r, &ty),
        };
        if let (Some(a), Some(b)) = (as_int(&l), as_int(&r))
            && let Some(v) = fold(arith, a, b, ty.signed())
        {
            return int(v, ty, span);
        }
        Expr { kind: ExprKind::Arith { op: arith, l: Box::new(l), r: Box::new(r) }, ty, span }
    }

    /// How many elements lie between two pointers of one type, as in C.
    fn pointer_distance(&mut self, l: Expr, r: Expr, op_span: Span, span: Span) -> Expr {
        let elem_bytes = match &l.ty {
            Ty::Ptr { to, .. } => to.size(&self.types).max(1),
            _ => 1,
        };
        let (l, r) = (self.convert(l, &Ty::I64), self.convert(r, &Ty::I64));
        let bytes = self.arith(Arith::Sub, BinOp::Sub, op_span, l, r, span);
        match elem_bytes {
            1 => bytes,
            n => self.arith(Arith::Div, BinOp::Div, op_span, bytes, int(n.into(), Ty::I64, span), span),
        }
    }

    /// An operand of arithmetic as an integer, or `None` after a report.
    pub fn number(&mut self, e: Expr, op: BinOp, op_span: Span) -> Option<Expr> {
        let ty = match &e.ty {
            Ty::Int { .. } => return Some(e),
            Ty::Bool => Ty::int(8),
            Ty::Enum(id) => {
                let def = &self.types.enums[*id];
                Ty::Int { bits: (def.size * 8).clamp(8, 64) as u8, signed: def.signed }
            }
            Ty::Ksym | Ty::Username | Ty::CgroupPath => Ty::U64,
            Ty::Error => return None,
            other => {
                let found = self.name(other);
                let message = format!("{} works on integers, not on {found}", op.text());
                self.diags.bad_operand(op_span, message);
                return None;
            }
        };
        Some(self.convert(e, &ty))
    }

    fn compare(&mut self, compare: Compare, op: BinOp, op_span: Span, l: Expr, r: Expr, span: Span) -> Expr {
        let Some(ty) = self.comparable(compare, &l, &r) else {
            let (a, b) = (self.name(&l.ty), self.name(&r.ty));
            let message = format!("{} cannot compare {a} with {b}", op.text());
            self.diags.bad_operand(op_span, message);
            return error(span);
        };
        self.lint_compare(compare, &l, &r, op_span);
        let (l, r) = (self.convert(l, &ty), self.convert(r, &ty));
        let known = match (&l.kind, &r.kind) {
            (ExprKind::Str(a), ExprKind::Str(b)) => Some(a.cmp(b)),
            _ => match (as_int(&l), as_int(&r)) {
                (Some(a), Some(b)) if ty.signed() => Some(a.cmp(&b)),
                (Some(a), Some(b)) => Some((a as u64).cmp(&(b as u64))),
                _ => None,
            },
        };
        if let Some(order) = known {
            return boolean(holds(compare, order), span);
        }
        Expr { kind: ExprKind::Compare { op: compare, l: Box::new(l), r: Box::new(r) }, ty: Ty::Bool, span }
    }

    /// The type in which two values are compared.
    fn comparable(&mut self, compare: Compare, l: &Expr, r: &Expr) -> Option<Ty> {
        let is_equality = matches!(compare, Compare::Eq | Compare::Ne);
        match (&l.ty, &r.ty) {
            (Ty::Bool, Ty::Bool) => is_equality.then_some(Ty::Bool),
            (Ty::Enum(a), Ty::Enum(b)) if a == b => Some(l.ty.clone()),
            (a, b) if is_int_like(a) && is_int_like(b) => Some(self.common_int(l, r)),
            (Ty::Ptr { .. }, Ty::Ptr { .. }) => {
                // What is compared is the address.
                Some(if l.ty == r.ty { l.ty.clone() } else { Ty::U64 })
            }
            (Ty::Ptr { .. }, Ty::Int { .. }) => Some(l.ty.clone()),
            (Ty::Int { .. }, Ty::Ptr { .. }) => Some(r.ty.clone()),
            (Ty::Str { .. } | Ty::Buf { .. }, _) => types::join(&l.ty, &r.ty).filter(|_| is_equality),
            (Ty::Ksym, Ty::Ksym | Ty::Int { .. }) | (Ty::Int { .. }, Ty::Ksym) => Some(Ty::U64),
            (Ty::Array { elem, .. }, _) if matches!(**elem, Ty::Int { .. }) => {
                (is_equality && l.ty == r.ty).then(|| l.ty.clone())
            }
            (Ty::Tuple(_) | Ty::Record(_), _) => types::join(&l.ty, &r.ty).filter(|_| is_equality),
            (Ty::Stack(_) | Ty::Usym | Ty::Mac | Ty::Inet | Ty::Username | Ty::CgroupPath, _) => {
                (is_equality && l.ty == r.ty).then(|| l.ty.clone())
            }
            _ => None,
        }
    }

    /// 64 bits, unsigned if both are or the signed one is a literal that is not negative.
    fn common_int(&self, l: &Expr, r: &Expr) -> Ty {
        let unsigned = |e: &Expr| match &e.ty {
            Ty::Int { signed, .. } => !signed || firm(e) == Firm::Flexible,
            Ty::Enum(id) => !self.types.enums[*id].signed,
            _ => true,
        };
        let both_flexible = firm(l) == Firm::Flexible && firm(r) == Firm::Flexible;
        Ty::Int { bits: 64, signed: both_flexible || !(unsigned(l) && unsigned(r)) }
    }

    pub fn unary(&mut self, op: UnOp, e: Expr, span: Span) -> Expr {
        if e.ty.is_error() {
            return error(span);
        }
        match op {
            UnOp::Neg => self.negative(e, span),
            UnOp::Not => {
                let e = self.truth(e);
                match e.kind {
                    ExprKind::Bool(b) => boolean(!b, span),
                    _ if e.ty.is_error() => error(span),
                    _ => Expr { kind: ExprKind::Not(Box::new(e)), ty: Ty::Bool, span },
                }
            }
            UnOp::BitNot => {
                let Some(e) = self.operand(e, "~", span) else { return error(span) };
                let ty = Ty::Int { bits: 64, signed: e.ty.signed() };
                let e = self.convert(e, &ty);
                match as_int(&e) {
                    Some(v) => int(!v, ty, span),
                    None => Expr { kind: ExprKind::BitNot(Box::new(e)), ty, span },
                }
            }
            UnOp::Deref => self.deref(e, span),
            UnOp::AddrOf => {
                self.diags.not_a_place(span, "& takes the address of a variable or a map");
                error(span)
            }
        }
    }

    /// `-e`
    pub fn negative(&mut self, e: Expr, span: Span) -> Expr {
        let Some(e) = self.operand(e, "-", span) else { return error(span) };
        match as_int(&e) {
            Some(v) if matches!(e.kind, ExprKind::Int(_)) => {
                let v = v.wrapping_neg();
                int(v, types::of_literal(v), span)
            }
            _ => {
                let e = self.convert(e, &Ty::I64);
                Expr { kind: ExprKind::Neg(Box::new(e)), ty: Ty::I64, span }
            }
        }
    }

    fn operand(&mut self, e: Expr, op: &str, span: Span) -> Option<Expr> {
        if is_int_like(&e.ty) {
            return self.number(e, BinOp::Sub, span);
        }
        if !e.ty.is_error() {
            let found = self.name(&e.ty);
            self.diags.bad_operand(span, format!("{op} works on integers, not on {found}"));
        }
        None
    }

    /// The values of both branches of a choice in one type, or `None` after a report.
    pub fn branches(&mut self, a: Expr, b: Expr, span: Span) -> Option<(Expr, Expr)> {
        if a.ty.is_error() || b.ty.is_error() {
            return None;
        }
        let ty = match (&a.ty, &b.ty) {
            (Ty::Int { .. }, Ty::Int { .. }) if firm(&a) != firm(&b) => {
                let (flexible, other) = if firm(&a) == Firm::Flexible { (&a, &b) } else { (&b, &a) };
                match (&flexible.ty, &other.ty) {
                    (Ty::Int { bits: x, .. }, Ty::Int { bits: y, signed }) => {
                        Some(Ty::Int { bits: *x.max(y), signed: *signed })
                    }
                    _ => None,
                }
            }
            (Ty::Ptr { .. }, Ty::Int { .. }) if as_int(&b) == Some(0) => Some(a.ty.clone()),
            (Ty::Int { .. }, Ty::Ptr { .. }) if as_int(&a) == Some(0) => Some(b.ty.clone()),
            (x, y) => types::join(x, y),
        };
        let Some(ty) = ty else {
            let (x, y) = (self.name(&a.ty), self.name(&b.ty));
            self.diags.bad_operand(span, format!("the branches have no common type: {x} and {y}"));
            return None;
        };
        Some((self.convert(a, &ty), self.convert(b, &ty)))
    }
}

fn is_int_like(ty: &Ty) -> bool {
    matches!(ty, Ty::Int { .. } | Ty::Bool | Ty::Enum(_))
}

/// 64 bits: unsigned if both operands are, never so for a difference; a shift goes by its left operand.
fn result_ty(op: Arith, l: &Expr, r: &Expr) -> Ty {
    let unsigned = |e: &Expr| !e.ty.signed() || firm(e) == Firm::Flexible;
    let both_literal = firm(l) == Firm::Flexible && firm(r) == Firm::Flexible;
    let signed = match op {
        Arith::Sub => true,
        Arith::Shl | Arith::Shr => l.ty.signed(),
        _ => both_literal || !(unsigned(l) && unsigned(r)),
    };
    Ty::Int { bits: 64, signed }
}

/// What the program would compute. `None`: a division by zero, which it must report.
fn fold(op: Arith, a: i64, b: i64, signed: bool) -> Option<i64> {
    let (ua, ub) = (a as u64, b as u64);
    Some(match op {
        Arith::Add => a.wrapping_add(b),
        Arith::Sub => a.wrapping_sub(b),
        Arith::Mul => a.wrapping_mul(b),
        Arith::Div | Arith::Rem if b == 0 => return None,
        Arith::Div if signed => a.wrapping_div(b),
        Arith::Div => (ua / ub) as i64,
        Arith::Rem if signed => a.wrapping_rem(b),
        Arith::Rem => (ua % ub) as i64,
        Arith::And => a & b,
        Arith::Or => a | b,
        Arith::Xor => a ^ b,
        // The processor takes the low six bits of the count.
        Arith::Shl => a.wrapping_shl(b as u32),
        Arith::Shr if signed => a.wrapping_shr(b as u32),
        Arith::Shr => ua.wrapping_shr(b as u32) as i64,
    })
}

fn holds(compare: Compare, order: std::cmp::Ordering) -> bool {
    match compare {
        Compare::Eq => order.is_eq(),
        Compare::Ne => order.is_ne(),
        Compare::Lt => order.is_lt(),
        Compare::Le => order.is_le(),
        Compare::Gt => order.is_gt(),
        Compare::Ge => order.is_ge(),
    }
}
