//! `unroll(n) { … }`: the body as often as it says.
//!
//! Always holds: short ones stand there n times, which the verifier likes best; where that would make a long program,
//! a loop does the same.

use super::{Checker, convert, hir};
use crate::syntax::ast;
use crate::syntax::visit::{self, Visitor};
use crate::ty::Ty;
use hir::{Expr, ExprKind, Stmt, StmtKind};

/// Repetitions of `unroll`, at most.
const UNROLL_MAX: i64 = 100;
/// Repetitions of `unroll`s inside one another, at most.
const UNROLLED_MAX: i64 = 10_000;
/// Expressions that an `unroll` may come to before a loop takes its place.
const EXPRS_MAX: i64 = 1000;

impl Checker<'_> {
    pub fn unroll(&mut self, count: &ast::Expr, body: &ast::Block, out: &mut Vec<Stmt>) {
        let n = self.expr(count);
        let span = count.span.to(body.span);
        let n = match convert::as_int(&n) {
            Some(n) if (1..=UNROLL_MAX).contains(&n) => n,
            Some(n) => {
                let message = format!("unroll repeats 1 to {UNROLL_MAX} times, not {n}");
                self.diags.bad_argument(count.span, message);
                1
            }
            None => {
                if !n.ty.is_error() {
                    self.diags.not_constant(count.span, "unroll takes a literal");
                }
                1
            }
        };
        let n_before = self.body.n_unrolled;
        self.body.n_unrolled = n_before.saturating_mul(n);
        if self.body.n_unrolled > UNROLLED_MAX && n_before <= UNROLLED_MAX {
            let message = format!("unrolled more than {UNROLLED_MAX} times in all");
            self.diags.bad_argument(count.span, message);
        }
        let block = self.block(body);
        let is_too_much = self.body.n_unrolled > UNROLLED_MAX;
        self.body.n_unrolled = n_before;
        if is_too_much {
            return;
        }
        let weight = Weight::of(body);
        if weight.n_exprs.saturating_mul(n) <= EXPRS_MAX || weight.leaves {
            return out.extend((0..n).map(|_| Stmt { kind: StmtKind::Block(block.clone()), span }));
        }
        self.body.open();
        let local = self.new_local(&ast::Ident { name: "unroll()".into(), span: count.span }, Some(Ty::I64));
        self.mark_read(local);
        self.mark_assigned(local);
        self.body.close();
        let bound = |n| Expr { kind: ExprKind::Int(n), ty: Ty::I64, span: count.span };
        let kind = StmtKind::ForRange { local, from: bound(0), to: bound(n), body: block };
        out.push(Stmt { kind, span });
    }
}

/// How much a body comes to, and whether it leaves a loop around the `unroll`.
#[derive(Default)]
struct Weight {
    n_exprs: i64,
    leaves: bool,
    n_loops: u32,
}

impl Weight {
    fn of(body: &ast::Block) -> Weight {
        let mut weight = Weight::default();
        weight.block(body);
        weight
    }
}

impl Visitor for Weight {
    fn expr(&mut self, e: &ast::Expr) {
        self.n_exprs += 1;
        visit::walk_expr(self, e);
    }

    fn stmt(&mut self, s: &ast::Stmt) {
        match &s.kind {
            ast::StmtKind::Break | ast::StmtKind::Continue => self.leaves |= self.n_loops == 0,
            ast::StmtKind::While { .. } | ast::StmtKind::For { .. } => {
                self.n_loops += 1;
                visit::walk_stmt(self, s);
                self.n_loops -= 1;
            }
            ast::StmtKind::Unroll { count, body } => {
                let inner = Weight::of(body);
                let n = match count.kind {
                    ast::ExprKind::Int(n) => n.min(UNROLL_MAX as u64) as i64,
                    _ => 1,
                };
                let repeated = inner.n_exprs.saturating_mul(n);
                self.n_exprs += if repeated <= EXPRS_MAX || inner.leaves { repeated } else { inner.n_exprs };
                self.leaves |= inner.leaves && self.n_loops == 0;
            }
            _ => visit::walk_stmt(self, s),
        }
    }
}
