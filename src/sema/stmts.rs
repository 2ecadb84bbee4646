//! Statements and blocks.
//!
//! Always holds: a block's variables are out of reach after it; `print(@m)` followed by `clear(@m)` is one action
//! where the map can do that; what follows a statement that always leaves is reported and kept.

use super::convert::{error, int};
use super::exprs::update_op;
use super::guards::{self, Guard};
use super::{Checker, hir};
use crate::base::{Diag, Span, codes};
use crate::lang::aggs;
use crate::lang::sig::Effect;
use crate::syntax::ast::{self, Else, ForOver, StmtKind as S};
use crate::ty::Ty;
use hir::{Block, Expr, ExprKind, Stmt, StmtKind};

impl Checker<'_> {
    /// A block as a statement: its last expression is one too.
    pub fn block(&mut self, b: &ast::Block) -> Block {
        self.body.open();
        let stmts = self.statements(b);
        self.body.close();
        Block { stmts, value: None, span: b.span }
    }

    fn statements(&mut self, b: &ast::Block) -> Vec<Stmt> {
        let tail = b.tail.as_deref().map(|e| ast::Stmt { kind: S::Expr(e.clone()), span: e.span });
        let all: Vec<&ast::Stmt> = b.stmts.iter().chain(tail.as_ref()).collect();
        let mut stmts = Vec::new();
        let mut at = 0;
        let mut has_left = false;
        while at < all.len() && !self.is_full() {
            if has_left {
                self.diags.unreachable(all[at].span);
                has_left = false;
            }
            if let Some(next) = all.get(at + 1)
                && let Some(pair) = self.print_and_clear(all[at], next)
            {
                stmts.extend(pair);
                at += 2;
                continue;
            }
            let n_before = stmts.len();
            self.stmt(all[at], &mut stmts);
            has_left = stmts[n_before..].last().is_some_and(leaves) && at + 1 < all.len();
            at += 1;
        }
        stmts
    }

    fn stmt(&mut self, s: &ast::Stmt, out: &mut Vec<Stmt>) {
        let span = s.span;
        let kind = match &s.kind {
            S::Expr(e) => self.effect(e),
            S::Discard(e) => Some(StmtKind::Ignored(self.expr(e))),
            S::Let { var, ty, init } => self.declare(var, ty.as_ref(), init.as_ref()),
            S::Assign { target, op, value } if is_underscore(target) && op.is_none() => {
                Some(StmtKind::Ignored(self.expr(value)))
            }
            S::Assign { target, op, value } => self.assign(target, *op, value, span),
            S::If(i) => return self.if_stmt(i, out),
            S::While { cond, body } => {
                let cond = self.condition(cond);
                let body = self.loop_body(body);
                Some(StmtKind::While { cond, body })
            }
            S::For { var, over, body } => self.for_loop(var, over, body),
            S::Unroll { count, body } => return self.unroll(count, body, out),
            S::Break | S::Continue => {
                let (word, kind) = match s.kind {
                    S::Break => ("break", StmtKind::Break),
                    _ => ("continue", StmtKind::Continue),
                };
                if self.body.n_loops == 0 {
                    self.diags.bad_jump(span, word);
                    return;
                }
                Some(kind)
            }
            S::Return(value) => Some(StmtKind::Return(match self.probe.within {
                Some(func) => self.fn_result(func, value.as_ref(), span),
                None => value.as_ref().map(|e| self.returned(e)),
            })),
            S::Import(i) => {
                // The file is here already: expansion has read it.
                self.diags.import_statement(i.span, self.config.unstable.import_statement);
                None
            }
            S::Block(b) => Some(StmtKind::Block(self.block(b))),
            S::Error => None,
        };
        out.extend(kind.map(|kind| Stmt { kind, span }));
    }

    fn returned(&mut self, e: &ast::Expr) -> Expr {
        let value = self.expr(e);
        match value.ty {
            Ty::Int { .. } | Ty::Bool | Ty::Enum(_) => self.convert(value, &Ty::I64),
            Ty::Error => value,
            ref other => {
                let found = self.name(other);
                self.diags.bad_operand(e.span, format!("a probe returns an integer, not {found}"));
                error(e.span)
            }
        }
    }

    /// An expression as a statement.
    fn effect(&mut self, e: &ast::Expr) -> Option<StmtKind> {
        match &e.kind {
            ast::ExprKind::Block(b) => {
                let block = self.block(b);
                return (!block.stmts.is_empty()).then_some(StmtKind::Block(block));
            }
            ast::ExprKind::If(i) => {
                let mut out = Vec::new();
                self.if_stmt(i, &mut out);
                let span = e.span;
                return Some(StmtKind::Block(Block { stmts: out, value: None, span }));
            }
            _ => {}
        }
        if let Some((name, at)) = aggregation_compared(e) {
            self.diags.compares(e.span);
            self.note_assigned(name, at);
            return None;
        }
        let value = self.any(e);
        let value = self.read(value, e.span);
        if value.ty.is_error() {
            return None;
        }
        // What is done for its effect may yield a value by the way.
        let has_effect = match &value.kind {
            ExprKind::Step { .. } => true,
            ExprKind::Call(call) => call.row.effect != Effect::Usual,
            _ => false,
        };
        if !has_effect && value.ty != Ty::Void {
            self.diags.discarded(e.span, is_comparison_of_target(e));
        }
        Some(StmtKind::Expr(value))
    }

    /// `let $x: T = e`
    fn declare(
        &mut self,
        var: &ast::Ident,
        ty: Option<&ast::TypeExpr>,
        init: Option<&ast::Expr>,
    ) -> Option<StmtKind> {
        // The value comes first: it cannot see the variable.
        let value = init.map(|e| self.expr(e));
        let declared = ty.map(|t| (self.type_of(t), t.span));
        let declared = match declared {
            Some((ty @ (Ty::Void | Ty::Agg { .. }), span)) => {
                let found = self.name(&ty);
                self.diags.bad_argument(span, format!("a variable cannot be {found}"));
                Some(Ty::Error)
            }
            Some((ty, _)) => Some(ty),
            None => None,
        };
        let is_typed = declared.as_ref().is_some_and(|t| !t.is_error());
        let id = self.new_local(var, declared.filter(|t| !t.is_error()));
        match value {
            Some(value) => {
                let value = self.fit_local(id, value);
                Some(StmtKind::SetLocal { local: id, value })
            }
            None if is_typed || self.local_ty(id) != Ty::Error => Some(StmtKind::Declare(id)),
            None => Some(StmtKind::Declare(id)),
        }
    }

    fn assign(
        &mut self,
        target: &ast::Expr,
        op: Option<ast::BinOp>,
        value: &ast::Expr,
        span: Span,
    ) -> Option<StmtKind> {
        match &target.kind {
            ast::ExprKind::Var(name) => self.assign_local(name, target.span, op, value, span),
            ast::ExprKind::Map { name, key } => self.assign_map(name, key.as_deref(), target.span, op, value),
            ast::ExprKind::Error => {
                self.expr(value);
                None
            }
            ast::ExprKind::TupleIndex { .. } | ast::ExprKind::Field { .. } => {
                self.diags.not_a_place(target.span, "tuples, records and structs cannot be changed");
                None
            }
            ast::ExprKind::Ident(name) if !self.is_value_name(name) => {
                let message = "only variables and maps can be assigned".to_owned();
                let d = Diag::error(&codes::NOT_A_PLACE, target.span, message);
                self.diags.push(d.hint(format!("write ${name} for a variable, @{name} for a map")));
                // What is meant is plain: uses of it are no mistakes of their own.
                self.body.miss(name);
                self.expr(value);
                None
            }
            _ => {
                self.diags.not_a_place(target.span, "only variables and maps can be assigned");
                None
            }
        }
    }

    fn assign_local(
        &mut self,
        name: &str,
        at: Span,
        op: Option<ast::BinOp>,
        value: &ast::Expr,
        span: Span,
    ) -> Option<StmtKind> {
        let value = match op {
            None => self.expr(value),
            Some(op) => {
                let is_read = self.body.find(name).is_some();
                let before = self.read_local(name, at);
                let value = self.expr(value);
                if !is_read {
                    return None;
                }
                self.binary(op, span, before, value, span)
            }
        };
        let found = self.body.find(name);
        let id = found.unwrap_or_else(|| self.new_local(&ast::Ident { name: name.into(), span: at }, None));
        let value = match op {
            // A declared width stays: the result wraps, as in C.
            Some(_) if self.is_declared(id) && value.ty.is_int() && self.local_ty(id).is_int() => {
                self.mark_assigned(id);
                let ty = self.local_ty(id);
                self.convert(value, &ty)
            }
            _ => self.fit_local(id, value),
        };
        (!value.ty.is_error()).then_some(StmtKind::SetLocal { local: id, value })
    }

    fn assign_map(
        &mut self,
        name: &str,
        key: Option<&[ast::Expr]>,
        at: Span,
        op: Option<ast::BinOp>,
        value: &ast::Expr,
    ) -> Option<StmtKind> {
        self.note_assigned(name, at);
        if op.is_none()
            && let Some((agg, call)) = super::aggs::of(value)
        {
            return self.aggregate(name, key, at, agg, call);
        }
        let entry = self.map_entry(name, key, at);
        let value = match op {
            None => self.any(value),
            Some(_) => self.expr(value),
        };
        let (map, key) = entry?;
        if value.ty.is_error() {
            return None;
        }
        let Some(op) = op else {
            let value = self.copied(value)?;
            let value = self.fit_map(map, value);
            return (!value.ty.is_error()).then_some(StmtKind::SetMap { map, key, value });
        };
        let value = self.number(value, op, at)?;
        let arith = update_op(op);
        self.lint_arith(arith, &value, value.span);
        let ty = self.updated(map, arith, &value)?;
        let value = match arith {
            hir::Arith::Shl | hir::Arith::Shr => value,
            _ => self.convert(value, &ty),
        };
        Some(StmtKind::UpdateMap { map, key, op: arith, value })
    }

    /// A value for a map: an aggregation must be read by a cast first.
    fn copied(&mut self, value: Expr) -> Option<Expr> {
        if let Ty::Agg { .. } = value.ty {
            let name = self.name(&value.ty);
            let message = format!("{name} cannot be copied from one map to another");
            let hint = super::types::read_as(&value.ty).map(|ty| {
                let ty = self.name(&ty);
                format!("read it as an integer: ({ty})@map")
            });
            self.diags.aggregation(value.span, message, hint);
            return None;
        }
        let value = self.readable(value);
        (!value.ty.is_error()).then_some(value)
    }

    fn if_stmt(&mut self, i: &ast::If, out: &mut Vec<Stmt>) {
        let span = i.span;
        if i.comptime {
            let taken = self.comptime_condition(&i.cond);
            let block = match (taken, i.els.as_deref()) {
                (Some(true), _) => Some(self.block(&i.then)),
                (Some(false), Some(els)) => Some(self.else_block(els)),
                (Some(false) | None, _) => None,
            };
            let block = block.filter(|b| !b.stmts.is_empty());
            out.extend(block.map(|b| Stmt { kind: StmtKind::Block(b), span }));
            return;
        }
        let guard = guards::guard_of(&i.cond);
        let cond = self.condition(&i.cond);
        if guard == Guard::Field {
            return out.extend(self.guarded_if(cond, i));
        }
        let then = self.block(&i.then);
        let els = i.els.as_deref().map(|e| self.else_block(e));
        out.push(Stmt { kind: StmtKind::If { cond, then, els }, span });
    }

    /// `if` on what the kernel has: a branch that reads what it lacks is left out.
    fn guarded_if(&mut self, cond: Expr, i: &ast::If) -> Option<Stmt> {
        let span = i.span;
        let block = |b: Block| Stmt { kind: StmtKind::Block(b), span };
        match (guards::known(&cond), i.els.as_deref()) {
            (Some(true), _) => return Some(block(self.block(&i.then))),
            (Some(false), els) => return els.map(|e| block(self.else_block(e))),
            (None, _) => {}
        }
        let (a, b) = guards::branches(Guard::Field, &cond);
        let then = self.guarded(a, |cx| cx.block(&i.then));
        let Some(els) = i.els.as_deref() else {
            let then = then?;
            return Some(Stmt { kind: StmtKind::If { cond, then, els: None }, span });
        };
        match (then, self.guarded(b, |cx| cx.else_block(els))) {
            (Some(then), Some(els)) => Some(Stmt { kind: StmtKind::If { cond, then, els: Some(els) }, span }),
            (Some(one), None) | (None, Some(one)) => Some(block(one)),
            (None, None) => None,
        }
    }

    fn else_block(&mut self, els: &Else) -> Block {
        match els {
            Else::Block(b) => self.block(b),
            Else::If(i) => {
                let mut stmts = Vec::new();
                self.if_stmt(i, &mut stmts);
                Block { stmts, value: None, span: i.span }
            }
        }
    }

    fn loop_body(&mut self, body: &ast::Block) -> Block {
        self.body.n_loops += 1;
        let body = self.block(body);
        self.body.n_loops -= 1;
        body
    }

    fn for_loop(&mut self, var: &ast::Ident, over: &ForOver, body: &ast::Block) -> Option<StmtKind> {
        match over {
            ForOver::Range { from, to } => {
                let (from, to) = (self.bound(from), self.bound(to));
                self.body.open();
                let local = self.new_local(var, Some(Ty::I64));
                self.mark_read(local);
                self.mark_assigned(local);
                let body = self.loop_body(body);
                self.body.close();
                Some(StmtKind::ForRange { local, from, to, body })
            }
            ForOver::Map(e) => self.for_map(var, e, body),
        }
    }

    fn bound(&mut self, e: &ast::Expr) -> Expr {
        let value = self.expr(e);
        match value.ty {
            Ty::Int { .. } | Ty::Bool | Ty::Enum(_) => self.convert(value, &Ty::I64),
            Ty::Error => value,
            ref other => {
                let found = self.name(other);
                self.diags.bad_operand(e.span, format!("the bound of a range is an integer, not {found}"));
                error(e.span)
            }
        }
    }

    fn for_map(&mut self, var: &ast::Ident, over: &ast::Expr, body: &ast::Block) -> Option<StmtKind> {
        let ast::ExprKind::Map { name, key: None } = &over.kind else {
            self.diags.bad_operand(over.span, "a for loop goes over a map (@m) or a range (0..10)".into());
            return None;
        };
        let map = self.map(name, over.span);
        let (key, value) = self.maps.types(map);
        if value.is_error() {
            self.note_unknown(map, over.span);
        }
        let value = match super::types::read_as(&value) {
            Some(value) => value,
            None => {
                let found = self.name(&value);
                let message = format!("a map of {found} cannot be gone through");
                self.diags.aggregation(over.span, message, None);
                Ty::Error
            }
        };
        if key.is_none() && !value.is_error() {
            let message = format!("@{name} has no keys to go through");
            self.diags.map_key(over.span, message, None);
        }
        let known = key.filter(|k| !k.is_error() && !value.is_error());
        let ty = known.map(|key| Ty::Tuple([key, value].into()));
        self.body.open();
        let local = self.new_local(var, None);
        self.mark_read(local);
        self.mark_assigned(local);
        if let Some(ty) = &ty {
            let item = Expr { kind: ExprKind::Local(local), ty: ty.clone(), span: var.span };
            self.fit_local(local, item);
        }
        let body = self.loop_body(body);
        self.body.close();
        ty.map(|_| StmtKind::ForMap { local, map, body })
    }

    /// `{ …; e }` as a value: just that of `e` where the statements before it do nothing.
    pub fn block_value(&mut self, b: &ast::Block) -> Expr {
        let (mut block, ty) = self.valued(b);
        if block.stmts.is_empty()
            && let Some(value) = block.value.take()
        {
            return *value;
        }
        Expr { kind: ExprKind::Block(Box::new(block)), ty, span: b.span }
    }

    /// A block with the value of its last expression; `void` without one.
    fn valued(&mut self, b: &ast::Block) -> (Block, Ty) {
        self.body.open();
        let without_tail = ast::Block { stmts: b.stmts.clone(), tail: None, span: b.span };
        let mut stmts = self.statements(&without_tail);
        let value = b.tail.as_deref().map(|e| self.any(e));
        self.body.close();
        match value {
            Some(value) if value.ty == Ty::Void => {
                let span = value.span;
                stmts.push(Stmt { kind: StmtKind::Expr(value), span });
                (Block { stmts, value: None, span: b.span }, Ty::Void)
            }
            Some(value) => {
                let value = self.readable(value);
                let ty = value.ty.clone();
                (Block { stmts, value: Some(Box::new(value)), span: b.span }, ty)
            }
            None => (Block { stmts, value: None, span: b.span }, Ty::Void),
        }
    }

    /// `if c { a } else { b }` as a value.
    pub fn if_value(&mut self, i: &ast::If) -> Expr {
        let span = i.span;
        if i.comptime {
            return match (self.comptime_condition(&i.cond), i.els.as_deref()) {
                (Some(true), _) => self.block_value(&i.then),
                (Some(false), Some(Else::Block(b))) => self.block_value(b),
                (Some(false), Some(Else::If(i))) => self.if_value(i),
                (Some(false), None) => Expr { ty: Ty::Void, ..int(0, Ty::Void, span) },
                (None, _) => error(span),
            };
        }
        let guard = guards::guard_of(&i.cond);
        let cond = self.condition(&i.cond);
        let known = if guard == Guard::Field { guards::known(&cond) } else { None };
        match (known, i.els.as_deref()) {
            (Some(true), _) => return self.block_value(&i.then),
            (Some(false), Some(Else::Block(b))) => return self.block_value(b),
            (Some(false), Some(Else::If(i))) => return self.if_value(i),
            (Some(false), None) => return Expr { ty: Ty::Void, ..int(0, Ty::Void, span) },
            (None, _) => {}
        }
        if guard == Guard::Field
            && let Some(value) = self.only_possible(&cond, i)
        {
            return value;
        }
        let (then, then_ty) = self.valued(&i.then);
        let (els, els_ty) = match i.els.as_deref() {
            Some(Else::Block(b)) => self.valued(b),
            Some(Else::If(i)) => {
                let e = self.if_value(i);
                let ty = e.ty.clone();
                (only(e), ty)
            }
            None => (Block { stmts: Vec::new(), value: None, span }, Ty::Void),
        };
        if cond.ty.is_error() || then_ty.is_error() || els_ty.is_error() {
            return error(span);
        }
        if then_ty == Ty::Void || els_ty == Ty::Void {
            // One branch has no value, so there is none.
            let kind = ExprKind::If { cond: Box::new(cond), then: Box::new(then), els: Box::new(els) };
            return Expr { kind, ty: Ty::Void, span };
        }
        self.if_with_value(cond, then, els, span)
    }

    /// The value of the branch that is left where the other reads what the kernel lacks.
    fn only_possible(&mut self, cond: &Expr, i: &ast::If) -> Option<Expr> {
        let Some(Else::Block(els)) = i.els.as_deref() else { return None };
        match guards::branches(Guard::Field, cond) {
            (_, Guard::Field) => {
                let is_possible = self.guarded(Guard::Field, |cx| cx.valued(els)).is_some();
                (!is_possible).then(|| self.block_value(&i.then))
            }
            (Guard::Field, _) => {
                let is_possible = self.guarded(Guard::Field, |cx| cx.valued(&i.then)).is_some();
                (!is_possible).then(|| self.block_value(els))
            }
            (Guard::None, Guard::None) => None,
        }
    }

    fn if_with_value(&mut self, cond: Expr, mut then: Block, mut els: Block, span: Span) -> Expr {
        let (Some(a), Some(b)) = (then.value.take(), els.value.take()) else { return error(span) };
        let Some((a, b)) = self.branches(*a, *b, span) else { return error(span) };
        let ty = a.ty.clone();
        then.value = Some(Box::new(a));
        els.value = Some(Box::new(b));
        let kind = ExprKind::If { cond: Box::new(cond), then: Box::new(then), els: Box::new(els) };
        Expr { kind, ty, span }
    }
}

/// A block of one expression.
fn only(e: Expr) -> Block {
    let span = e.span;
    if e.ty == Ty::Void {
        return Block { stmts: vec![Stmt { kind: StmtKind::Expr(e), span }], value: None, span };
    }
    Block { stmts: Vec::new(), value: Some(Box::new(e)), span }
}

/// Whether nothing is reached after it.
fn leaves(s: &Stmt) -> bool {
    match &s.kind {
        StmtKind::Break | StmtKind::Continue | StmtKind::Return(_) => true,
        StmtKind::Expr(e) | StmtKind::Ignored(e) => leaves_program(e),
        StmtKind::Block(b) => b.stmts.last().is_some_and(leaves),
        StmtKind::If { then, els, .. } => {
            let ends = |b: &Block| b.stmts.last().is_some_and(leaves);
            ends(then) && els.as_ref().is_some_and(ends)
        }
        StmtKind::Declare(_)
        | StmtKind::SetLocal { .. }
        | StmtKind::SetMap { .. }
        | StmtKind::UpdateMap { .. }
        | StmtKind::Aggregate { .. }
        | StmtKind::While { .. }
        | StmtKind::ForRange { .. }
        | StmtKind::ForMap { .. } => false,
    }
}

/// `$x == 5` and `@m == 5`, which may be meant to assign.
fn is_comparison_of_target(e: &ast::Expr) -> bool {
    use ast::ExprKind::{Binary, Map, Var};
    matches!(&e.kind, Binary { op: ast::BinOp::Eq, l, .. } if matches!(l.kind, Var(_) | Map { .. }))
}

/// The map of `@m == count()`, which is meant to assign.
fn aggregation_compared(e: &ast::Expr) -> Option<(&str, Span)> {
    let ast::ExprKind::Binary { op: ast::BinOp::Eq, l, r, .. } = &e.kind else { return None };
    match (&l.kind, &r.kind) {
        (ast::ExprKind::Map { name, .. }, ast::ExprKind::Call { name: agg, .. })
            if aggs::find(&agg.name).is_some() =>
        {
            Some((name, l.span))
        }
        _ => None,
    }
}

/// Whether an expression ends the program.
pub fn leaves_program(e: &Expr) -> bool {
    matches!(&e.kind, ExprKind::Call(call) if call.row.effect == Effect::Leaves)
}

fn is_underscore(e: &ast::Expr) -> bool {
    matches!(&e.kind, ast::ExprKind::Ident(name) if name == "_")
}
