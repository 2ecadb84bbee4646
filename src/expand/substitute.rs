//! A macro's body for one call: parameters become arguments, variables get names of their own.
//!
//! Comes in: a copy of the body, and what its parameters stand for. Goes out: the body as the call means it.
//! Always holds: what is written in the body has the call's origin, what is written in an argument keeps its
//! place; a variable of the body meets no variable of the caller, for its name carries the number of the call.

use super::budget::{self, Budget};
use crate::base::OriginId;
use crate::syntax::ast::{
    Arg, Block, Expr, ExprKind, ForOver, Ident, Macro, MacroParam, Stmt, StmtKind, TypeExpr, TypeKind,
};
use crate::syntax::visit::{self, VisitorMut};
use std::collections::BTreeMap;

/// What the parameters of one call stand for.
pub struct Substitution<'b> {
    vars: BTreeMap<String, String>,
    maps: BTreeMap<String, String>,
    args: BTreeMap<String, (Arg, u64)>,
    origin: OriginId,
    budget: &'b mut Budget,
}

impl<'b> Substitution<'b> {
    /// Binds the arguments, which fit the parameters.
    pub fn new(form: &Macro, args: Vec<Arg>, origin: OriginId, budget: &'b mut Budget) -> Self {
        let (vars, maps, bound) = Default::default();
        let mut s = Substitution { vars, maps, args: bound, origin, budget };
        for (param, arg) in form.params.iter().zip(args) {
            match (param, arg) {
                (MacroParam::Var(p), Arg::Expr(Expr { kind: ExprKind::Var(v), .. })) => {
                    s.vars.insert(p.name.clone(), v);
                }
                (MacroParam::Map(p), Arg::Expr(Expr { kind: ExprKind::Map { name, .. }, .. })) => {
                    s.maps.insert(p.name.clone(), name);
                }
                (MacroParam::Var(p) | MacroParam::Map(p) | MacroParam::Expr(p), arg) => {
                    let nodes = match &arg {
                        Arg::Expr(e) => budget::of_expr(e).nodes,
                        Arg::Type(_) => 1,
                    };
                    s.args.insert(p.name.clone(), (arg, nodes));
                }
            }
        }
        s
    }

    /// A variable of the body by its name in the caller.
    fn rename(&self, name: &mut String) {
        *name = match self.vars.get(name) {
            Some(of_caller) => of_caller.clone(),
            None => format!("{}#{}", shown(name), self.origin.0),
        };
    }

    /// The argument that a bare word stands for; `None` also where the budget is spent.
    fn argument(&mut self, name: &str) -> Option<Arg> {
        let (arg, nodes) = self.args.get(name)?;
        self.budget.take(*nodes).then(|| arg.clone())
    }

    /// `typeof(p)` of a parameter that stands for a type is that type; whether it is one.
    fn type_argument(&mut self, arg: &mut Arg) -> bool {
        if let Arg::Expr(Expr { kind: ExprKind::Ident(name), .. }) = arg
            && let Some((Arg::Type(t), _)) = self.args.get(name)
        {
            *arg = Arg::Type(t.clone());
            return true;
        }
        false
    }
}

impl VisitorMut for Substitution<'_> {
    fn block(&mut self, b: &mut Block) {
        b.span.origin = self.origin;
        visit::walk_block_mut(self, b);
    }

    fn stmt(&mut self, s: &mut Stmt) {
        let origin = self.origin;
        visit::places_of_stmt(s, &mut |span| span.origin = origin);
        if let StmtKind::Let { var, .. } | StmtKind::For { var, .. } = &mut s.kind {
            self.rename(&mut var.name);
        }
        visit::walk_stmt_mut(self, s);
    }

    fn expr(&mut self, e: &mut Expr) {
        let origin = self.origin;
        visit::places_of_expr(e, &mut |span| span.origin = origin);
        if !self.budget.take(1) {
            e.kind = ExprKind::Error;
            return;
        }
        match &mut e.kind {
            ExprKind::Ident(name) => {
                let name = std::mem::take(name);
                match self.argument(&name) {
                    Some(Arg::Expr(arg)) => *e = arg,
                    Some(Arg::Type(t)) => e.kind = typeof_call(t, e.span),
                    None if self.args.contains_key(&name) => e.kind = ExprKind::Error,
                    None => e.kind = ExprKind::Ident(name),
                }
                return;
            }
            ExprKind::Var(name) => self.rename(name),
            ExprKind::Map { name, .. } => {
                if let Some(of_caller) = self.maps.get(name) {
                    *name = of_caller.clone();
                }
            }
            ExprKind::Call { name: _, args } => {
                for arg in args {
                    // What the caller wrote is the caller's.
                    if self.type_argument(arg) {
                        continue;
                    }
                    match arg {
                        Arg::Expr(e) => self.expr(e),
                        Arg::Type(t) => self.ty(t),
                    }
                }
                return;
            }
            _ => {}
        }
        visit::walk_expr_mut(self, e);
    }

    fn ty(&mut self, t: &mut TypeExpr) {
        t.span.origin = self.origin;
        if let TypeKind::Name(name) = &t.kind
            && let Some((arg, _)) = self.args.get(name)
        {
            t.kind = TypeKind::Typeof(Box::new(arg.clone()));
        } else {
            visit::walk_type_mut(self, t);
        }
        if let TypeKind::Typeof(arg) = &mut t.kind {
            self.type_argument(arg);
            while let Arg::Expr(Expr { kind: ExprKind::Call { name, args }, .. }) = &**arg
                && name.name == "typeof"
                && let [inner] = args.as_slice()
            {
                **arg = inner.clone();
            }
        }
    }
}

fn typeof_call(t: TypeExpr, span: crate::base::Span) -> ExprKind {
    let name = Ident { name: "typeof".into(), span };
    ExprKind::Call { name, args: vec![Arg::Type(t)] }
}

/// A variable's name as it was written.
pub fn shown(name: &str) -> &str {
    name.split_once('#').map_or(name, |(name, _)| name)
}

/// What a macro may not have: ways out of it, and maps that nobody handed to it.
pub struct Outlaws<'m> {
    form: &'m Macro,
    n_loops: u32,
    pub found: Vec<(crate::base::Span, Outlaw)>,
}

/// See [`Outlaws`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlaw {
    Jump(&'static str),
    Map(String),
}

impl<'m> Outlaws<'m> {
    pub fn of(form: &'m Macro) -> Vec<(crate::base::Span, Outlaw)> {
        let mut v = Outlaws { form, n_loops: 0, found: Vec::new() };
        visit::Visitor::block(&mut v, &form.body);
        v.found
    }
}

impl visit::Visitor for Outlaws<'_> {
    fn stmt(&mut self, s: &Stmt) {
        let jump = match &s.kind {
            StmtKind::Return(_) => Some("return"),
            StmtKind::Break if self.n_loops == 0 => Some("break"),
            StmtKind::Continue if self.n_loops == 0 => Some("continue"),
            _ => None,
        };
        self.found.extend(jump.map(|word| (s.span, Outlaw::Jump(word))));
        let is_loop = matches!(s.kind, StmtKind::While { .. } | StmtKind::For { .. });
        if let StmtKind::For { over: ForOver::Map(e), body, .. } = &s.kind {
            self.expr(e);
            self.n_loops += 1;
            self.block(body);
            self.n_loops -= 1;
            return;
        }
        self.n_loops += u32::from(is_loop);
        visit::walk_stmt(self, s);
        self.n_loops -= u32::from(is_loop);
    }

    fn expr(&mut self, e: &Expr) {
        if let ExprKind::Map { name, .. } = &e.kind {
            let is_param = |p: &MacroParam| matches!(p, MacroParam::Map(m) if m.name == *name);
            let is_known = |(_, o): &(_, Outlaw)| matches!(o, Outlaw::Map(n) if n == name);
            if !self.form.params.iter().any(is_param) && !self.found.iter().any(is_known) {
                self.found.push((e.span, Outlaw::Map(name.clone())));
            }
        }
        visit::walk_expr(self, e);
    }
}
