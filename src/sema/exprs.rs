//! Expressions.
//!
//! Comes in: an expression as written. Goes out: a typed one, of type `Ty::Error` where something was reported.
//! Always holds: what `expr` yields has a value: no `void`, no bare word, no aggregation that cannot be read.

use super::convert::{self, as_int, boolean, error, int, string};
use super::guards::{self, Guard};
use super::{Checker, hir, ops, types};
use crate::base::Span;
use crate::lang::aggs;
use crate::lang::builtins::{self, numbered};
use crate::lang::library;
use crate::lang::probes::{Ctx, row};
use crate::syntax::ast::{self, ExprKind as A, Fix, IncDec, UnOp};
use crate::ty::{StructId, Ty};
use hir::{Expr, ExprKind, Target, Yields};

impl Checker<'_> {
    /// A value. An aggregation is read as an integer.
    pub fn expr(&mut self, e: &ast::Expr) -> Expr {
        let value = self.any(e);
        if matches!(value.ty, Ty::Void | Ty::Word) {
            self.diags.no_value(e.span, "this");
            return error(e.span);
        }
        self.read(value, e.span)
    }

    /// What `any` yielded, an aggregation read as an integer.
    pub fn read(&mut self, mut value: Expr, span: Span) -> Expr {
        match &value.ty {
            Ty::Agg { .. } => match types::read_as(&value.ty) {
                Some(ty) => {
                    value.ty = ty;
                    value
                }
                None => {
                    let name = self.name(&value.ty);
                    let message = format!("{name} can only be printed, cleared and deleted");
                    self.diags.aggregation(span, message, Some("use print()".into()));
                    error(span)
                }
            },
            _ => value,
        }
    }

    /// A condition as a bool.
    pub fn condition(&mut self, e: &ast::Expr) -> Expr {
        let e = self.expr(e);
        self.truth(e)
    }

    /// Whatever an expression is: also `void`, and a map that is an aggregation.
    pub fn any(&mut self, e: &ast::Expr) -> Expr {
        let span = e.span;
        match &e.kind {
            A::Int(n) => literal(*n, span),
            A::Bool(b) => boolean(*b, span),
            A::Str(bytes) => self.text(bytes, span),
            A::Ident(name) => self.ident(name, span),
            A::Var(name) => self.read_local(name, span),
            A::Map { name, key } => self.read_map(name, key.as_deref(), span),
            A::Positional(_) | A::PositionalCount => {
                self.diags.not_constant(span, "positional parameters have no value here");
                error(span)
            }
            A::Unary { op: UnOp::AddrOf, e } => self.address_of(e, span),
            A::Unary { op, e } => {
                let e = self.expr(e);
                self.unary(*op, e, span)
            }
            A::IncDec { op, fix, e } => self.step(*op, *fix, e, span),
            A::Binary { op, l, r, op_span } => {
                let guard = guards::guard_of_left(*op, l);
                let l = self.expr(l);
                if guard == Guard::Field && guards::known(&l) == guards::decides(*op) {
                    return l;
                }
                let r = self.expr(r);
                self.binary(*op, *op_span, l, r, span)
            }
            A::Cond { cond, then, els } => self.choice(cond, then.as_deref(), els, span),
            A::Cast { ty, e } => {
                let to = self.type_of(ty);
                let e = self.expr(e);
                self.cast(e, to, span)
            }
            A::Field { e, name, .. } => {
                let base = self.expr(e);
                self.field(base, name, span)
            }
            A::TupleIndex { e, index, index_span } => {
                let base = self.expr(e);
                self.tuple_index(base, *index, *index_span, span)
            }
            A::Index { e, index } => {
                let (base, index) = (self.expr(e), self.expr(index));
                self.index(base, index, span)
            }
            A::Call { name, args } => self.call(name, args, span),
            A::Tuple(parts) => self.tuple(parts, span),
            A::Record(fields) => self.record(fields, span),
            A::If(i) => self.if_value(i),
            A::Block(b) => self.block_value(b),
            A::Comptime(e) => self.comptime(e),
            A::Error => error(span),
        }
    }

    fn text(&mut self, bytes: &[u8], span: Span) -> Expr {
        let limit = self.config.max_strlen;
        if bytes.len() as u64 >= limit {
            let message = format!("the string has {} bytes, and the limit is {}", bytes.len(), limit - 1);
            self.diags.bad_argument(span, message);
            return error(span);
        }
        string(bytes, span)
    }

    /// A bare word: a builtin, or an enumerator of the kernel.
    fn ident(&mut self, name: &str, span: Span) -> Expr {
        if name == "args" {
            return self.args_struct(span);
        }
        if let Some(row) = builtins::find(name) {
            return self.bare(row, name, span);
        }
        if let Some(n) = numbered(name, "sarg") {
            return self.stack_argument(n, span);
        }
        if let Some(value) = self.constant(name, span) {
            return value;
        }
        if self.body.has_missed(name) {
            return error(span);
        }
        if self.body.find(name).is_some() {
            self.diags.unknown_name_but(span, name, format!("did you mean ${name}?"));
        } else if aggs::find(name).is_some() {
            self.diags.unknown_name_but(span, name, format!("write {name}(…), with its arguments"));
        } else if let Some(entry) = library::find(name) {
            self.diags.unknown_name_but(span, name, format!("write {}", entry.signature()));
        } else if let Some(id) = self.args_of_probe()
            && self.has_member(id, name)
        {
            self.diags.unknown_name_but(span, name, format!("did you mean args.{name}?"));
        } else {
            // `argN` stands for arg0, arg1, ….
            let names = builtins::all().map(|r| r.name).filter(|n| *n != "argN");
            self.unknown_word(name, span, names.chain(library::names()).chain(["args"]));
        }
        error(span)
    }

    /// Whether a bare word has a value.
    pub fn is_value_name(&mut self, name: &str) -> bool {
        name == "args"
            || builtins::find(name).is_some()
            || numbered(name, "sarg").is_some()
            || self.constant(name, Span::none()).is_some()
    }

    /// `args`
    pub fn args_struct(&mut self, span: Span) -> Expr {
        if self.probe.is_ghost {
            return error(span);
        }
        if self.probe.within.is_some() {
            self.diags.not_in_a_function(span, "args");
            return error(span);
        }
        let Some(id) = self.args_of_probe() else {
            let probe = row(self.probe.provider).name;
            let only = ["tracepoint", "rawtracepoint", "fentry", "fexit", "uprobe"];
            self.diags.not_in_this_probe(span, "args", probe, &only);
            return error(span);
        };
        Expr { kind: ExprKind::Args, ty: Ty::Struct(id), span }
    }

    fn args_of_probe(&self) -> Option<StructId> {
        match &self.probe.ctx {
            Ctx::Record(id) | Ctx::SysEnter(id) | Ctx::SysExit(id) => Some(*id),
            Ctx::BtfArgs { args, .. } | Ctx::Regs { args: Some(args), .. } => Some(*args),
            Ctx::None | Ctx::Regs { .. } | Ctx::RawArgs | Ctx::Usdt(_) | Ctx::Iter(_) | Ctx::Perf => None,
        }
    }

    /// `&$x`, `&@m`
    fn address_of(&mut self, e: &ast::Expr, span: Span) -> Expr {
        let space = crate::ty::Space::Kernel;
        match &e.kind {
            A::Var(name) => {
                let value = self.read_local(name, e.span);
                match value.kind {
                    ExprKind::Local(id) => {
                        // Who has the address may write there.
                        self.mark_assigned(id);
                        Expr { kind: ExprKind::AddrOfLocal(id), ty: Ty::ptr(value.ty, space), span }
                    }
                    _ => error(span),
                }
            }
            A::Map { name, key } => match self.read_map(name, key.as_deref(), e.span) {
                Expr { ty: Ty::Agg { .. }, .. } => {
                    self.diags.aggregation(span, "an aggregation has no address".into(), None);
                    error(span)
                }
                Expr { kind: ExprKind::Map { map, key }, ty, .. } => {
                    Expr { kind: ExprKind::AddrOfMap { map, key }, ty: Ty::ptr(ty, space), span }
                }
                _ => error(span),
            },
            _ => {
                self.diags.not_a_place(span, "& takes the address of a variable or a map");
                error(span)
            }
        }
    }

    /// `x++`
    fn step(&mut self, op: IncDec, fix: Fix, e: &ast::Expr, span: Span) -> Expr {
        let one = int(1, Ty::int(8), span);
        let (target, ty) = match &e.kind {
            A::Var(name) => {
                let before = self.read_local(name, e.span);
                let ExprKind::Local(id) = before.kind else { return error(span) };
                (Target::Local(id), self.step_local(id, before, span))
            }
            A::Map { name, key } => {
                self.note_assigned(name, e.span);
                let Some((map, key)) = self.map_entry(name, key.as_deref(), e.span) else {
                    return error(span);
                };
                let ty = self.updated(map, hir::Arith::Add, &one);
                (Target::Map { map, key: key.map(Box::new) }, ty)
            }
            _ => {
                self.diags.not_a_place(e.span, "only variables and maps can be counted up and down");
                return error(span);
            }
        };
        let Some(ty) = ty else { return error(span) };
        let size = match &ty {
            Ty::Ptr { to, .. } => i64::from(to.size(&self.types).max(1)),
            _ => 1,
        };
        let by = match op {
            IncDec::Inc => size,
            IncDec::Dec => -size,
        };
        let yields = match fix {
            Fix::Prefix => Yields::After,
            Fix::Postfix => Yields::Before,
        };
        Expr { kind: ExprKind::Step { target, by, yields }, ty, span }
    }

    /// The type of a variable that is counted: 64 bits wide unless declared otherwise.
    fn step_local(&mut self, id: hir::LocalId, before: Expr, span: Span) -> Option<Ty> {
        self.mark_assigned(id);
        match before.ty {
            Ty::Error => return None,
            Ty::Ptr { .. } => return Some(before.ty),
            Ty::Int { signed, .. } => {
                if !self.is_declared(id) {
                    let firm = if signed { 0 } else { -1 };
                    // Of the variable's sign: a literal of that sign widens it and changes nothing else.
                    let widest = int(firm, Ty::Int { bits: 64, signed }, span);
                    self.fit_local(id, widest);
                }
            }
            other => {
                let found = self.name(&other);
                self.diags.bad_operand(span, format!("++ and -- work on integers, not on {found}"));
                return None;
            }
        }
        Some(self.local_ty(id))
    }

    /// `c ? a : b` and `a ?: b`
    fn choice(&mut self, cond: &ast::Expr, then: Option<&ast::Expr>, els: &ast::Expr, span: Span) -> Expr {
        let Some(then) = then else {
            let (a, b) = (self.expr(cond), self.expr(els));
            let Some((a, b)) = self.branches(a, b, span) else { return error(span) };
            if self.truth(a.clone()).ty.is_error() {
                return error(span);
            }
            let ty = a.ty.clone();
            return Expr { kind: ExprKind::Elvis { a: Box::new(a), b: Box::new(b) }, ty, span };
        };
        let guard = guards::guard_of(cond);
        let cond = self.condition(cond);
        let known = if guard == Guard::Field { guards::known(&cond) } else { None };
        if let Some(known) = known {
            return self.any(if known { then } else { els });
        }
        let (a, b) = guards::branches(guard, &cond);
        let (then, els) = match (self.guarded(a, |cx| cx.any(then)), self.guarded(b, |cx| cx.any(els))) {
            (Some(then), Some(els)) => (then, els),
            (Some(one), None) | (None, Some(one)) => return one,
            (None, None) => return error(span),
        };
        if then.ty == Ty::Void && els.ty == Ty::Void {
            return self.void_choice(cond, then, els, span);
        }
        let (then, els) = (self.readable(then), self.readable(els));
        let Some((then, els)) = self.branches(then, els, span) else { return error(span) };
        if cond.ty.is_error() {
            return error(span);
        }
        if let ExprKind::Bool(known) = cond.kind {
            return if known { then } else { els };
        }
        let ty = then.ty.clone();
        let (cond, then, els) = (Box::new(cond), Box::new(then), Box::new(els));
        Expr { kind: ExprKind::Cond { cond, then, els }, ty, span }
    }

    /// `c ? printf("a") : printf("b")`
    fn void_choice(&mut self, cond: Expr, then: Expr, els: Expr, span: Span) -> Expr {
        let block = |e: Expr| {
            let span = e.span;
            let stmt = hir::Stmt { kind: hir::StmtKind::Expr(e), span };
            Box::new(hir::Block { stmts: vec![stmt], value: None, span })
        };
        let kind = ExprKind::If { cond: Box::new(cond), then: block(then), els: block(els) };
        Expr { kind, ty: Ty::Void, span }
    }

    /// What `any` yielded, as `expr` would have it.
    pub fn readable(&mut self, mut e: Expr) -> Expr {
        match types::read_as(&e.ty) {
            Some(Ty::Void | Ty::Word) | None => {
                self.diags.no_value(e.span, "this");
                error(e.span)
            }
            Some(ty) => {
                e.ty = ty;
                e
            }
        }
    }

    fn tuple(&mut self, parts: &[ast::Expr], span: Span) -> Expr {
        let parts: Vec<Expr> = parts.iter().map(|p| self.expr(p)).collect();
        if parts.iter().any(|p| p.ty.is_error()) {
            return error(span);
        }
        if !types::is_small(parts.iter().map(|p| &p.ty)) {
            return self.too_many_parts(span);
        }
        let ty = Ty::Tuple(parts.iter().map(|p| p.ty.clone()).collect());
        Expr { kind: ExprKind::Tuple(parts), ty, span }
    }

    pub fn too_many_parts(&mut self, span: Span) -> Expr {
        let message = format!("a tuple or record has at most {} parts in all", types::PARTS_MAX);
        self.diags.bad_operand(span, message);
        error(span)
    }

    fn record(&mut self, fields: &[(ast::Ident, ast::Expr)], span: Span) -> Expr {
        let mut names: Vec<(String, Ty)> = Vec::new();
        let mut parts = Vec::new();
        for (name, value) in fields {
            let value = self.expr(value);
            if names.iter().any(|(n, _)| *n == name.name) {
                self.diags.bad_operand(name.span, format!("the record has two fields {}", name.name));
                return error(span);
            }
            names.push((name.name.clone(), value.ty.clone()));
            parts.push(value);
        }
        if parts.iter().any(|p| p.ty.is_error()) {
            return error(span);
        }
        if !types::is_small(parts.iter().map(|p| &p.ty)) {
            return self.too_many_parts(span);
        }
        Expr { kind: ExprKind::Tuple(parts), ty: Ty::Record(names.into()), span }
    }

    fn comptime(&mut self, e: &ast::Expr) -> Expr {
        let value = self.expr(e);
        if !value.ty.is_error() && !is_literal(&value) {
            self.diags.not_constant(e.span, "this is not known at compile time");
            return error(e.span);
        }
        value
    }

    /// The value of a condition that must be known now; `None` after a report.
    pub fn comptime_condition(&mut self, cond: &ast::Expr) -> Option<bool> {
        let value = self.comptime(cond);
        let value = self.truth(value);
        if value.ty.is_error() { None } else { as_int(&value).map(|v| v != 0) }
    }

    /// The type that a map has after `op=`, or `None` after a report.
    pub fn updated(&mut self, map: crate::image::MapId, op: hir::Arith, value: &Expr) -> Option<Ty> {
        let (_, have) = self.maps.types(map);
        if let Ty::Agg { .. } = have {
            let name = self.name(&have);
            let message = format!("{name} grows only by its own function");
            self.diags.aggregation(value.span, message, None);
            return None;
        }
        // A difference is signed, but it does not make an unsigned map signed.
        let is_soft = op == hir::Arith::Sub || convert::firm(value) == super::infer::Firm::Flexible;
        let how = if is_soft { super::infer::Firm::Flexible } else { super::infer::Firm::Yes };
        let ty = match (&value.ty, is_soft) {
            (Ty::Int { .. }, true) => Ty::I64,
            (Ty::Int { signed, .. }, false) => Ty::Int { bits: 64, signed: *signed },
            _ => Ty::I64,
        };
        let ty = self.add_value(map, &ty, how, value)?;
        if !ty.is_int() && !ty.is_error() {
            let found = self.name(&ty);
            self.diags
                .bad_operand(value.span, format!("the map holds {found}, which cannot be counted with"));
            return None;
        }
        Some(ty)
    }
}

/// An integer literal in the smallest type that holds it.
fn literal(n: u64, span: Span) -> Expr {
    match i64::try_from(n) {
        Ok(v) => int(v, types::of_literal(v), span),
        Err(_) => int(n as i64, Ty::U64, span),
    }
}

/// Whether a value is known now.
pub fn is_literal(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Int(_) | ExprKind::Bool(_) | ExprKind::Str(_) => true,
        ExprKind::Tuple(parts) => parts.iter().all(is_literal),
        _ => false,
    }
}

/// The arithmetic operator of an assignment; `None` after a report.
pub fn update_op(op: ast::BinOp) -> hir::Arith {
    match ops::arith(op) {
        Some(arith) => arith,
        None => crate::bug!("{}= is no assignment", op.text()),
    }
}
