//! Statements.
//!
//! Always holds: what follows a `return`, `break` or `continue` stands in a block that nothing reaches.

use super::func::{Fx, Home, Loop};
use super::memory::Tails;
use crate::ir::{Cc, Kind};
use crate::lang::traits::Operand;
use crate::sema::hir::{self, Expr, ExprKind, LocalId, Stmt, StmtKind, Target};

impl<'a> Fx<'_, 'a> {
    pub fn stmts(&mut self, stmts: &'a [Stmt]) {
        for s in stmts {
            self.stmt(s);
        }
    }

    /// A block whose value, if it has one, is not looked at.
    pub fn run_block(&mut self, block: &'a hir::Block) {
        self.stmts(&block.stmts);
        if let Some(e) = &block.value {
            self.effect(e);
        }
    }

    fn stmt(&mut self, s: &'a Stmt) {
        let span = self.b.span();
        self.b.set_span(s.span);
        self.with_temps(|f| f.stmt_kind(s));
        self.b.set_span(span);
    }

    fn stmt_kind(&mut self, s: &'a Stmt) {
        match &s.kind {
            StmtKind::Expr(e) => self.effect(e),
            StmtKind::Declare(local) => self.declare(*local),
            StmtKind::SetLocal { local, value } => self.assign(*local, value),
            StmtKind::SetMap { map, key, value } => self.set_map(*map, key.as_ref(), value),
            StmtKind::UpdateMap { map, key, op, value } => self.update_map(*map, key.as_ref(), *op, value),
            StmtKind::Aggregate { map, key, agg, args } => self.aggregate(*map, key.as_ref(), agg, args),
            StmtKind::If { cond, then, els } => self.if_stmt(cond, then, els.as_ref()),
            StmtKind::While { cond, body } => self.while_stmt(cond, body),
            StmtKind::ForRange { local, from, to, body } => self.for_range(*local, from, to, body),
            StmtKind::ForMap { .. } => crate::bug!("`for` over a map has been refused"),
            StmtKind::Break => {
                let end = self.innermost().end;
                self.go(end);
            }
            StmtKind::Continue => {
                let next = self.innermost().next;
                self.go(next);
            }
            StmtKind::Return(value) => {
                if let Some(e) = value {
                    self.effect(e);
                }
                self.leave();
            }
            StmtKind::Block(block) => self.run_block(block),
        }
    }

    fn innermost(&self) -> Loop {
        match self.loops.last() {
            Some(l) => *l,
            None => crate::bug!("break or continue outside of a loop"),
        }
    }

    /// An expression whose value nobody looks at.
    fn effect(&mut self, e: &'a Expr) {
        match &e.kind {
            ExprKind::Step { target: Target::Map { map, key }, by, .. } => {
                self.step_map_only(*map, key.as_deref(), *by);
            }
            ExprKind::Cast(from) => self.effect(from),
            _ => self.discard(e),
        }
    }

    fn declare(&mut self, local: LocalId) {
        if self.in_memory(local) {
            let at = self.local_slot(local);
            let len = self.size(&self.local_decls[local].ty);
            self.clear(at, 0, len);
        } else {
            let zero = self.b.iconst(0);
            if let Home::Var(_) = self.locals[local] {
                self.set_var(local, zero);
            }
        }
    }

    fn assign(&mut self, local: LocalId, value: &'a Expr) {
        if self.in_memory(local) {
            // The value may mention the local, so it is not computed in its place if it is more than a read.
            let at = self.local_slot(local);
            if mentions(value, local) {
                let v = self.memory(value);
                let ty = &self.local_decls[local].ty;
                self.store(ty, v, at, 0, Tails::Any);
            } else {
                self.expr_to(value, at, 0, Tails::Any);
            }
        } else {
            let v = self.val(value);
            self.set_local(local, Operand::Val(v));
        }
    }

    fn if_stmt(&mut self, cond: &'a Expr, then: &'a hir::Block, els: Option<&'a hir::Block>) {
        let (yes, on) = (self.block(), self.block());
        let no = if els.is_some() { self.block() } else { on };
        self.branch(cond, yes, no);
        let lens = self.lens.clone();
        self.b.enter(yes);
        self.run_block(then);
        self.b.jump(on, Vec::new());
        if let Some(els) = els {
            self.lens = lens.clone();
            self.b.enter(no);
            self.run_block(els);
            self.b.jump(on, Vec::new());
        }
        self.lens = lens;
        self.b.enter(on);
    }

    fn while_stmt(&mut self, cond: &'a Expr, body: &'a hir::Block) {
        let (head, inside, end) = (self.block(), self.block(), self.block());
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        self.branch(cond, inside, end);
        self.loop_body(inside, Loop { next: head, end }, body);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
    }

    fn for_range(&mut self, local: LocalId, from: &'a Expr, to: &'a Expr, body: &'a hir::Block) {
        let first = self.val(from);
        let limit = self.val(to);
        let (head, inside, next, end) = (self.block(), self.block(), self.block(), self.block());
        let counter = self.b.var(Kind::Int);
        self.b.set(counter, first);
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let now = self.b.get(counter);
        let less = if self.is_signed(&from.ty) { Cc::Slt } else { Cc::Ult };
        self.b.branch(less, now, limit, inside, end);
        self.b.enter(inside);
        self.set_local(local, Operand::Val(now));
        let begin = self.block();
        self.b.jump(begin, Vec::new());
        self.loop_body(begin, Loop { next, end }, body);
        self.b.jump(next, Vec::new());
        self.b.enter(next);
        let more = self.b.add_imm(now, 1);
        self.b.set(counter, more);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
    }

    fn loop_body(&mut self, inside: crate::ir::Block, around: Loop, body: &'a hir::Block) {
        let lens = self.lens.clone();
        self.loops.push(around);
        self.b.enter(inside);
        self.run_block(body);
        self.loops.pop();
        self.lens = lens;
    }
}

/// Whether an expression may read a local: it does by its name, or through its address.
fn mentions(e: &Expr, local: LocalId) -> bool {
    let mut found = false;
    super::walk::exprs(e, &mut |x| {
        found |= matches!(x.kind, ExprKind::Local(l) | ExprKind::AddrOfLocal(l) if l == local)
            || matches!(x.kind, ExprKind::Deref(_));
    });
    found
}
