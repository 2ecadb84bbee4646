//! Functions of the script: `fn f($a: T): R { … }`.
//!
//! Comes in: their heads once, their bodies in each round. Goes out: `hir::Func`s, and calls of them. Always holds: a
//! function knows of no probe; every way through one that has a result returns it; none calls itself.

use super::attach::Group;
use super::convert::{self, error};
use super::infer::Slot;
use super::locals::Body;
use super::{Checker, Current, hir};
use crate::base::{Diag, Idx, IndexVec, Span, codes};
use crate::lang::aggs;
use crate::lang::builtins;
use crate::lang::probes::{Ctx, Provider};
use crate::syntax::ast::{self, Arg};
use crate::ty::Ty;
use hir::{Block, Expr, ExprKind, FnId, Func, Stmt, StmtKind};

/// Parameters of a function, at most.
const PARAMS_MAX: usize = 32;

/// What is known of a function from its head.
#[derive(Clone, Debug)]
pub struct Head {
    name: String,
    span: Span,
    params: Vec<Slot>,
    ret: Slot,
    /// The functions that it calls, as this round found them.
    calls: Vec<(FnId, Span)>,
}

impl Head {
    fn result(&self) -> Ty {
        self.ret.ty().unwrap_or(Ty::Error)
    }

    /// Ends a round; true if it found something new.
    pub fn end_round(&mut self) -> bool {
        let params = self.params.iter_mut().fold(false, |changed, p| p.pointed.end_round() | changed);
        self.ret.pointed.end_round() | params
    }
}

impl Checker<'_> {
    /// Enters a function's head.
    pub fn declare_fn(&mut self, f: &ast::Func) {
        let (name, span) = (f.name.name.clone(), f.name.span);
        if let Some(before) = self.fns.iter().find(|h| h.name == name) {
            let before = before.span;
            self.diags.redeclared(span, &format!("{name}()"), before);
        } else if builtins::find(&name).is_some() || aggs::find(&name).is_some() || name == "args" {
            let d = Diag::error(&codes::REDECLARED, span, format!("{name} is a function of the language"));
            self.diags.push(d.hint("choose another name"));
        }
        if f.params.len() > PARAMS_MAX {
            let message = format!("a function has at most {PARAMS_MAX} parameters");
            self.diags.bad_argument(f.params[PARAMS_MAX].0.span, message);
        }
        let params = f.params.iter().map(|(_, ty)| Slot::fixed(self.value_type(ty, "a parameter"))).collect();
        let ret = match self.type_of(&f.ret) {
            Ty::Void => Ty::Void,
            _ => self.value_type(&f.ret, "a result"),
        };
        self.fns.push(Head { name, span, params, ret: Slot::fixed(ret), calls: Vec::new() });
    }

    /// A type that values can have.
    fn value_type(&mut self, written: &ast::TypeExpr, what: &str) -> Ty {
        match self.type_of(written) {
            ty @ (Ty::Void | Ty::Agg { .. } | Ty::Array { n: 0, .. }) => {
                let found = self.name(&ty);
                self.diags.bad_argument(written.span, format!("{what} cannot be {found}"));
                Ty::Error
            }
            ty => ty,
        }
    }

    /// Checks all bodies.
    pub fn fn_bodies(&mut self, script: &ast::Script, groups: &[Group]) -> IndexVec<FnId, Func> {
        self.fns.iter_mut().for_each(|h| h.calls.clear());
        let funcs = script.items.iter().filter_map(|item| match item {
            ast::Item::Func(f) => Some(f),
            ast::Item::Macro(_)
            | ast::Item::Import(_)
            | ast::Item::CDef(_)
            | ast::Item::MapDecl(_)
            | ast::Item::Config(_)
            | ast::Item::Probe(_)
            | ast::Item::Error(_) => None,
        });
        let all = funcs.zip(0..).map(|(f, i)| self.fn_body(FnId(i), groups.len() + i as usize, f)).collect();
        self.find_recursion();
        all
    }

    fn fn_body(&mut self, id: FnId, group: usize, f: &ast::Func) -> Func {
        let (span, ret) = (self.fns[id.index()].span, self.fns[id.index()].result());
        let (points, ctx, provider) = (Vec::new(), Ctx::None, Provider::Begin);
        self.probe = Current { group, provider, points, ctx, is_ghost: false, within: Some(id) };
        self.body = Body::default();
        self.body.open();
        let mut params = Vec::new();
        for (i, (name, _)) in f.params.iter().enumerate() {
            let slot = self.fns[id.index()].params[i].clone();
            let local = self.new_param(name, slot);
            self.mark_read(local);
            self.mark_assigned(local);
            params.push(local);
        }
        let body = self.block(&f.body);
        // What the body assigns counts as what is handed over.
        for (i, local) in params.iter().enumerate() {
            self.fns[id.index()].params[i].pointed = self.pointed_of(*local);
        }
        self.body.close();
        if ret != Ty::Void && !ret.is_error() && !always_returns(&body) {
            let message = format!("{} may end without returning a value", f.name.name);
            let d = Diag::error(&codes::RETURN, f.name.span, message);
            self.diags.push(d.hint("write a return at its end"));
        }
        self.warn_unused();
        Func { name: f.name.name.clone(), params, ret, locals: self.finish_locals(), body, span }
    }

    /// `return e` in a function.
    pub fn fn_result(&mut self, id: FnId, value: Option<&ast::Expr>, span: Span) -> Option<Expr> {
        let (name, ret) = (self.fns[id.index()].name.clone(), self.fns[id.index()].result());
        let value = value.map(|e| self.expr(e));
        if let Some(value) = &value {
            let pointed = self.fns[id.index()].ret.pointed;
            self.fns[id.index()].ret.pointed = self.point(&format!("what {name}() returns"), pointed, value);
        }
        match (value, ret) {
            (None, Ty::Void | Ty::Error) => None,
            (None, ret) => {
                let wanted = self.name(&ret);
                let d = Diag::error(&codes::RETURN, span, format!("{name} returns {wanted}"));
                self.diags.push(d.hint("write a value after return"));
                None
            }
            (Some(value), Ty::Void) => {
                let d = Diag::error(&codes::RETURN, value.span, format!("{name} returns nothing"));
                self.diags.push(d.hint(format!("say what it returns: fn {name}(…): int64")));
                None
            }
            (Some(value), ret) => Some(self.fit_declared("the result", &ret, value)),
        }
    }

    /// The script's function of that name.
    pub fn find_fn(&self, name: &str) -> Option<FnId> {
        self.fns.iter().position(|h| h.name == name).map(FnId::new)
    }

    /// Names of the script's functions.
    pub fn fn_names(&self) -> Vec<String> {
        self.fns.iter().map(|h| h.name.clone()).collect()
    }

    /// `f(…)` of a function of the script.
    pub fn call_of_fn(&mut self, func: FnId, args: &[Arg], span: Span) -> Expr {
        let (name, ret) = (self.fns[func.index()].name.clone(), self.fns[func.index()].result());
        let params = self.fns[func.index()].params.clone();
        if let Some(caller) = self.probe.within {
            self.fns[caller.index()].calls.push((func, span));
        }
        let values: Vec<Expr> = args.iter().map(|a| self.fn_arg(&name, a)).collect();
        if values.len() != params.len() {
            let wanted = match params.len() {
                0 => "no arguments".to_owned(),
                1 => "1 argument".to_owned(),
                n => format!("{n} arguments"),
            };
            self.diags.argument_count(span, &format!("{name}()"), &wanted, values.len());
            return error(span);
        }
        let what = format!("a parameter of {name}()");
        let mut args = Vec::new();
        for (i, (value, param)) in values.into_iter().zip(&params).enumerate() {
            let pointed = self.fns[func.index()].params[i].pointed;
            self.fns[func.index()].params[i].pointed = self.point(&what, pointed, &value);
            args.push(self.fit_declared(&what, &param.ty().unwrap_or(Ty::Error), value));
        }
        if ret.is_error() || args.iter().any(|a| a.ty.is_error()) {
            return error(span);
        }
        Expr { kind: ExprKind::CallFn { func, args }, ty: ret, span }
    }

    fn fn_arg(&mut self, name: &str, arg: &Arg) -> Expr {
        match arg {
            Arg::Expr(e) => self.expr(e),
            Arg::Type(t) => {
                self.diags.bad_argument(t.span, format!("{name}() takes a value here, not a type"));
                convert::error(t.span)
            }
        }
    }

    /// Reports functions that call themselves, each circle once.
    fn find_recursion(&mut self) {
        let mut done = vec![false; self.fns.len()];
        for start in 0..self.fns.len() {
            let mut way = Vec::new();
            self.follow(FnId::new(start), &mut way, &mut done);
        }
    }

    fn follow(&mut self, at: FnId, way: &mut Vec<FnId>, done: &mut [bool]) {
        if done[at.index()] {
            return;
        }
        way.push(at);
        for (to, span) in self.fns[at.index()].calls.clone() {
            let Some(from) = way.iter().position(|f| *f == to) else {
                self.follow(to, way, done);
                continue;
            };
            let name = |f: &FnId| self.fns[f.index()].name.as_str();
            let through: Vec<&str> = way[from + 1..].iter().map(name).collect();
            let message = match through.as_slice() {
                [] => format!("{} calls itself", name(&to)),
                through => format!("{} calls itself by way of {}", name(&to), through.join(", ")),
            };
            let d = Diag::error(&codes::RECURSION, span, message);
            self.diags.push(d.hint("the kernel has no recursion: use a loop"));
        }
        way.pop();
        done[at.index()] = true;
    }
}

/// Whether every way through a block ends with a `return`.
fn always_returns(b: &Block) -> bool {
    b.stmts.iter().any(|s: &Stmt| match &s.kind {
        StmtKind::Return(_) => true,
        StmtKind::Expr(e) | StmtKind::Ignored(e) => super::stmts::leaves_program(e),
        StmtKind::Block(b) => always_returns(b),
        StmtKind::If { then, els, .. } => always_returns(then) && els.as_ref().is_some_and(always_returns),
        StmtKind::Declare(_)
        | StmtKind::SetLocal { .. }
        | StmtKind::SetMap { .. }
        | StmtKind::UpdateMap { .. }
        | StmtKind::Aggregate { .. }
        | StmtKind::While { .. }
        | StmtKind::ForRange { .. }
        | StmtKind::ForMap { .. }
        | StmtKind::Break
        | StmtKind::Continue => false,
    })
}
