//! `has_field(e)`: whether the kernel has a member, and the branches that this decides.
//!
//! Always holds: a branch that is not taken because a member is missing is not checked. Where the member is there, the
//! branch for kernels without it may read what this one lacks, and is left out then; else the question stays one to the
//! kernel that loads the program. A branch that this kernel may take is checked like any other code.

use super::{Checker, convert, hir};
use crate::base::{Diag, Diags, Severity, Span, codes};
use crate::lang::builtins;
use crate::syntax::ast::{self, Arg, ExprKind as A};
use crate::syntax::visit::{self, Visitor};
use crate::ty::Ty;
use hir::{Expr, ExprKind};

/// The row's name.
pub const NAME: &str = "has_field";

/// Whether a condition asks for members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    None,
    Field,
}

/// Whether `has_field()` stands in it.
pub fn guard_of(cond: &ast::Expr) -> Guard {
    struct Find(Guard);
    impl Visitor for Find {
        fn expr(&mut self, e: &ast::Expr) {
            match &e.kind {
                A::Call { name, .. } if name.name == NAME => self.0 = Guard::Field,
                _ => visit::walk_expr(self, e),
            }
        }
    }
    let mut find = Find(Guard::None);
    find.expr(cond);
    find.0
}

/// The same for the left side of `&&` and `||`, whose right side may never be asked.
pub fn guard_of_left(op: ast::BinOp, l: &ast::Expr) -> Guard {
    if decides(op).is_some() { guard_of(l) } else { Guard::None }
}

/// The value of its left side that decides a logical operator.
pub fn decides(op: ast::BinOp) -> Option<bool> {
    match op {
        ast::BinOp::LogAnd => Some(false),
        ast::BinOp::LogOr => Some(true),
        _ => None,
    }
}

/// Which members are taken to be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Assume {
    Nothing,
    /// What the kernel here has.
    Here,
}

/// What a condition is on every kernel.
pub fn known(e: &Expr) -> Option<bool> {
    decided(e, Assume::Nothing)
}

/// How the branches of a condition are guarded: the one that the kernel here never takes may read what it lacks.
pub fn branches(guard: Guard, cond: &Expr) -> (Guard, Guard) {
    match (guard, decided(cond, Assume::Here)) {
        (Guard::Field, Some(true)) => (Guard::None, Guard::Field),
        (Guard::Field, Some(false)) => (Guard::Field, Guard::None),
        (Guard::Field, None) | (Guard::None, _) => (Guard::None, Guard::None),
    }
}

fn decided(e: &Expr, assume: Assume) -> Option<bool> {
    match &e.kind {
        ExprKind::Bool(b) => Some(*b),
        ExprKind::Call(call) if call.row.name == NAME && assume == Assume::Here => Some(true),
        ExprKind::Not(e) => decided(e, assume).map(|b| !b),
        ExprKind::And(a, b) => match (decided(a, assume), decided(b, assume)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), b) => b,
            (a, Some(true)) => a,
            (None, None) => None,
        },
        ExprKind::Or(a, b) => match (decided(a, assume), decided(b, assume)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), b) => b,
            (a, Some(false)) => a,
            (None, None) => None,
        },
        _ => None,
    }
}

impl Checker<'_> {
    /// `has_field(e)`
    pub fn has_field(&mut self, args: &[Arg], span: Span) -> Expr {
        let [Arg::Expr(e)] = args else {
            self.diags.argument_count(span, "has_field()", "one argument", args.len());
            return convert::error(span);
        };
        if !matches!(e.kind, A::Field { .. }) {
            self.diags.bad_argument(e.span, "has_field() takes a member, such as curtask.mm".into());
            return convert::error(span);
        }
        let outside = std::mem::take(&mut self.diags);
        let member = self.expr(e);
        let said = std::mem::replace(&mut self.diags, outside);
        if lacks_fields_only(&said) {
            self.leave_out(&said, "has_field() is false on every kernel that loads the object");
            return convert::boolean(false, span);
        }
        self.diags.append(said);
        let place = convert::place_of(member);
        match &place.kind {
            _ if place.ty.is_error() => convert::error(span),
            ExprKind::Member { base, .. } if self.is_of_kernel(&base.ty) => {
                let Some(row) = builtins::find(NAME) else { crate::bug!("{NAME} has no row") };
                let call = hir::Call { row, args: vec![hir::Arg::Expr(place)], data: Default::default() };
                Expr { kind: ExprKind::Call(call), ty: Ty::Bool, span }
            }
            // A tracepoint's record, a struct of the script, a record: it is there.
            _ => convert::boolean(true, span),
        }
    }

    fn is_of_kernel(&self, ty: &Ty) -> bool {
        match ty {
            Ty::Struct(id) => self.types.structs[*id].origin.is_relocated(),
            _ => false,
        }
    }

    /// Checks a branch behind a guard; `None` if it reads a member that the kernel lacks.
    pub fn guarded<T>(&mut self, guard: Guard, check: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if guard == Guard::None {
            return Some(check(self));
        }
        let outside = std::mem::take(&mut self.diags);
        let checked = check(self);
        let said = std::mem::replace(&mut self.diags, outside);
        if lacks_fields_only(&said) {
            self.leave_out(&said, "the branch that reads it is not in the object");
            return None;
        }
        self.diags.append(said);
        Some(checked)
    }

    /// Says what an object does without, because the kernel here cannot tell a member's type.
    fn leave_out(&mut self, said: &Diags, so: &str) {
        let Some(d) = said.list.iter().find(|d| d.severity == Severity::Error) else { return };
        if self.config.for_object {
            let d = Diag::warning(&codes::MEMBER_LEFT_OUT, d.span, format!("{} here: {so}", d.message));
            self.diags.push(d.hint(
                "declare what you need of it: struct task_struct___old { long state; }; and cast to that",
            ));
        }
    }
}

/// Whether the only mistakes are members that are not there.
fn lacks_fields_only(said: &Diags) -> bool {
    let mut errors = said.list.iter().filter(|d| d.severity == Severity::Error).peekable();
    errors.peek().is_some() && errors.all(|d| d.code == &codes::UNKNOWN_FIELD)
}
