//! Walks over the checked tree, and what they find out before a function is lowered.

use crate::base::{Idx, IndexVec};
use crate::sema::hir::{Arg, Block, Expr, ExprKind, Local, LocalId, Stmt, StmtKind, Target};

/// Calls `f` on `e` and every expression in it, outer ones first.
pub fn exprs<'a>(e: &'a Expr, f: &mut impl FnMut(&'a Expr)) {
    let mut stmts = |_: &'a Stmt| {};
    expr(e, f, &mut stmts);
}

/// What a loop does in a round; or all that a function does.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// The loop's own variable.
    pub own: Option<LocalId>,
    /// Comes before the body.
    pub cond: Option<&'a Expr>,
    pub body: &'a Block,
}

impl<'a> Round<'a> {
    /// Just a body.
    pub fn of(body: &'a Block) -> Round<'a> {
        Round { own: None, cond: None, body }
    }

    fn walk(self, f: &mut impl FnMut(&'a Expr), g: &mut impl FnMut(&'a Stmt)) {
        if let Some(e) = self.cond {
            expr(e, f, g);
        }
        block(self.body, f, g);
    }
}

/// Calls `f` on every expression of a round.
pub fn round<'a>(round: Round<'a>, f: &mut impl FnMut(&'a Expr)) {
    round.walk(f, &mut |_| {});
}

/// Calls `f` on every expression and `g` on every statement of a block.
pub fn block<'a>(b: &'a Block, f: &mut impl FnMut(&'a Expr), g: &mut impl FnMut(&'a Stmt)) {
    for s in &b.stmts {
        stmt(s, f, g);
    }
    if let Some(e) = &b.value {
        expr(e, f, g);
    }
}

fn stmt<'a>(s: &'a Stmt, f: &mut impl FnMut(&'a Expr), g: &mut impl FnMut(&'a Stmt)) {
    g(s);
    match &s.kind {
        StmtKind::Expr(e) | StmtKind::Ignored(e) => expr(e, f, g),
        StmtKind::SetLocal { value, .. } => expr(value, f, g),
        StmtKind::SetMap { key, value, .. } | StmtKind::UpdateMap { key, value, .. } => {
            key.iter().for_each(|k| expr(k, f, g));
            expr(value, f, g);
        }
        StmtKind::Aggregate { key, args, .. } => {
            key.iter().chain(args).for_each(|k| expr(k, f, g));
        }
        StmtKind::If { cond, then, els } => {
            expr(cond, f, g);
            block(then, f, g);
            els.iter().for_each(|b| block(b, f, g));
        }
        StmtKind::While { cond, body } => {
            expr(cond, f, g);
            block(body, f, g);
        }
        StmtKind::ForRange { from, to, body, .. } => {
            expr(from, f, g);
            expr(to, f, g);
            block(body, f, g);
        }
        StmtKind::ForMap { body, .. } | StmtKind::Block(body) => block(body, f, g),
        StmtKind::Return(e) => e.iter().for_each(|e| expr(e, f, g)),
        StmtKind::Declare(_) | StmtKind::Break | StmtKind::Continue => {}
    }
}

/// Calls `f` on `e` and every expression in it, and `g` on every statement.
pub fn expr<'a>(e: &'a Expr, f: &mut impl FnMut(&'a Expr), g: &mut impl FnMut(&'a Stmt)) {
    f(e);
    match &e.kind {
        ExprKind::Int(_)
        | ExprKind::Bool(_)
        | ExprKind::Str(_)
        | ExprKind::Local(_)
        | ExprKind::Args
        | ExprKind::AddrOfLocal(_) => {}
        ExprKind::Map { key, .. } | ExprKind::AddrOfMap { key, .. } => {
            key.iter().for_each(|k| expr(k, f, g));
        }
        ExprKind::Step { target, .. } => match target {
            Target::Local(_) => {}
            Target::Map { key, .. } => key.iter().for_each(|k| expr(k, f, g)),
        },
        ExprKind::Neg(a)
        | ExprKind::Not(a)
        | ExprKind::BitNot(a)
        | ExprKind::Cast(a)
        | ExprKind::Deref(a)
        | ExprKind::Member { base: a, .. }
        | ExprKind::Get { base: a, .. } => expr(a, f, g),
        ExprKind::Arith { l: a, r: b, .. }
        | ExprKind::Compare { l: a, r: b, .. }
        | ExprKind::PtrAdd { ptr: a, index: b, .. }
        | ExprKind::Index { base: a, index: b }
        | ExprKind::And(a, b)
        | ExprKind::Or(a, b)
        | ExprKind::Elvis { a, b } => {
            expr(a, f, g);
            expr(b, f, g);
        }
        ExprKind::Cond { cond, then, els } => {
            [cond, then, els].into_iter().for_each(|x| expr(x, f, g));
        }
        ExprKind::If { cond, then, els } => {
            expr(cond, f, g);
            block(then, f, g);
            block(els, f, g);
        }
        ExprKind::Tuple(list) | ExprKind::CallFn { args: list, .. } => {
            list.iter().for_each(|x| expr(x, f, g));
        }
        ExprKind::Call(c) => c.args.iter().for_each(|a| match a {
            Arg::Expr(x) => expr(x, f, g),
            Arg::Map { key, .. } => key.iter().for_each(|k| expr(k, f, g)),
            Arg::Text(_) | Arg::Ty(_) => {}
        }),
        ExprKind::Block(b) => block(b, f, g),
    }
}

/// How often each local is mentioned.
pub fn mentions(round: Round<'_>, locals: &IndexVec<LocalId, Local>) -> IndexVec<LocalId, u32> {
    let mut n: IndexVec<LocalId, u32> = locals.indices().map(|_| 0).collect();
    let mut set = Vec::new();
    round.walk(
        &mut |e| match &e.kind {
            ExprKind::Local(l) | ExprKind::AddrOfLocal(l) => n[*l] += 1,
            ExprKind::Step { target: Target::Local(l), .. } => n[*l] += 1,
            _ => {}
        },
        &mut |s| match &s.kind {
            StmtKind::Declare(local)
            | StmtKind::SetLocal { local, .. }
            | StmtKind::ForRange { local, .. }
            | StmtKind::ForMap { local, .. } => set.push(*local),
            _ => {}
        },
    );
    set.into_iter().for_each(|l| n[l] += 1);
    n
}

/// The locals that are given a value.
pub fn assigned(round: Round<'_>, locals: &IndexVec<LocalId, Local>) -> IndexVec<LocalId, bool> {
    let mut is_set: IndexVec<LocalId, bool> = locals.indices().map(|_| false).collect();
    let mut stepped = Vec::new();
    round.walk(
        &mut |e| {
            if let ExprKind::Step { target: Target::Local(l), .. } = &e.kind {
                stepped.push(*l);
            }
        },
        &mut |s| match &s.kind {
            StmtKind::Declare(local)
            | StmtKind::SetLocal { local, .. }
            | StmtKind::ForRange { local, .. }
            | StmtKind::ForMap { local, .. } => is_set[*local] = true,
            _ => {}
        },
    );
    stepped.into_iter().for_each(|l| is_set[l] = true);
    is_set
}

/// The locals of a body that are mentioned outside its loops over maps, too.
pub fn mentioned_outside_callbacks(
    body: Round<'_>,
    locals: &IndexVec<LocalId, Local>,
    facts: &Facts,
) -> IndexVec<LocalId, bool> {
    let total = mentions(body, locals);
    let mut is_here: IndexVec<LocalId, bool> = total.iter().map(|&n| n > 0).collect();
    body.walk(&mut |_| {}, &mut |s| {
        if let StmtKind::ForMap { local, body, .. } = &s.kind {
            let inside = mentions(Round::of(body), locals);
            for (l, n) in inside.iter_enumerated() {
                is_here[l] &= *n == 0 || *n < facts.n_mentions[l];
            }
            is_here[*local] = false;
        }
    });
    is_here
}

/// What is known of a function's locals before it is lowered.
#[derive(Debug)]
pub struct Facts {
    /// How often each is mentioned.
    pub n_mentions: IndexVec<LocalId, u32>,
    /// How often each is assigned.
    pub n_sets: IndexVec<LocalId, u32>,
    /// Its address is taken.
    pub is_addressed: IndexVec<LocalId, bool>,
    /// It may be read before it has a value.
    pub is_read_early: IndexVec<LocalId, bool>,
}

impl Facts {
    /// Looks at a function's body.
    pub fn of(body: &Block, locals: &IndexVec<LocalId, Local>, params: &[LocalId]) -> Facts {
        let (n_sets, is_addressed) = sets(body, locals);
        let mut early = Early { is_set: locals.indices().map(|_| false).collect(), found: Vec::new() };
        params.iter().for_each(|&p| early.is_set[p] = true);
        early.block(body);
        let mut is_read_early: IndexVec<LocalId, bool> = locals.indices().map(|_| false).collect();
        early.found.into_iter().for_each(|l| is_read_early[l] = true);
        let mut n_mentions = mentions(Round::of(body), locals);
        params.iter().for_each(|&p| n_mentions[p] += 1);
        Facts { n_mentions, n_sets, is_addressed, is_read_early }
    }
}

/// How often each local is assigned, and whether its address is taken.
fn sets(
    body: &Block,
    locals: &IndexVec<LocalId, Local>,
) -> (IndexVec<LocalId, u32>, IndexVec<LocalId, bool>) {
    let mut n_sets: IndexVec<LocalId, u32> = locals.indices().map(|_| 0).collect();
    let mut is_addressed: IndexVec<LocalId, bool> = locals.indices().map(|_| false).collect();
    let mut stepped = Vec::new();
    block(
        body,
        &mut |e| match &e.kind {
            ExprKind::AddrOfLocal(l) => is_addressed[*l] = true,
            ExprKind::Step { target: Target::Local(l), .. } => stepped.push(*l),
            _ => {}
        },
        &mut |s| match &s.kind {
            StmtKind::SetLocal { local, .. }
            | StmtKind::ForRange { local, .. }
            | StmtKind::ForMap { local, .. } => n_sets[*local] += 1,
            _ => {}
        },
    );
    stepped.into_iter().for_each(|l| n_sets[l] += 1);
    (n_sets, is_addressed)
}

/// Follows assignments along all ways.
struct Early {
    /// On every way to here.
    is_set: IndexVec<LocalId, bool>,
    found: Vec<LocalId>,
}

impl Early {
    fn block(&mut self, b: &Block) {
        for s in &b.stmts {
            self.stmt(s);
        }
        b.value.iter().for_each(|e| self.expr(e));
    }

    fn stmt(&mut self, s: &Stmt) {
        match &s.kind {
            StmtKind::Declare(l) => self.is_set[*l] = true,
            StmtKind::SetLocal { local, value } => {
                self.expr(value);
                self.is_set[*local] = true;
            }
            StmtKind::If { cond, then, els } => {
                self.expr(cond);
                self.ways(|x| x.block(then), |x| els.iter().for_each(|b| x.block(b)));
            }
            StmtKind::While { cond, body } => {
                self.expr(cond);
                self.ways(|x| x.block(body), |_| {});
            }
            StmtKind::ForRange { local, from, to, body } => {
                self.expr(from);
                self.expr(to);
                self.is_set[*local] = true;
                self.ways(|x| x.block(body), |_| {});
            }
            StmtKind::ForMap { local, body, .. } => {
                self.is_set[*local] = true;
                self.ways(|x| x.block(body), |_| {});
            }
            StmtKind::Block(b) => self.block(b),
            StmtKind::SetMap { key, value, .. } | StmtKind::UpdateMap { key, value, .. } => {
                key.iter().for_each(|k| self.expr(k));
                self.expr(value);
            }
            StmtKind::Aggregate { key, args, .. } => key.iter().chain(args).for_each(|e| self.expr(e)),
            StmtKind::Expr(e) | StmtKind::Ignored(e) => self.expr(e),
            StmtKind::Return(e) => e.iter().for_each(|e| self.expr(e)),
            StmtKind::Break | StmtKind::Continue => {}
        }
    }

    /// Reads in an expression. An assignment inside of one counts for nothing.
    fn expr(&mut self, e: &Expr) {
        let mut read = Vec::new();
        exprs(e, &mut |x| match &x.kind {
            ExprKind::Local(l) | ExprKind::AddrOfLocal(l) => read.push(*l),
            ExprKind::Step { target: Target::Local(l), .. } => read.push(*l),
            _ => {}
        });
        self.found.extend(read.into_iter().filter(|l| !self.is_set[*l]));
    }

    fn ways(&mut self, then: impl FnOnce(&mut Self), els: impl FnOnce(&mut Self)) {
        let before = self.is_set.clone();
        then(self);
        let after = std::mem::replace(&mut self.is_set, before);
        els(self);
        for i in 0..after.len() {
            let l = LocalId::new(i);
            self.is_set[l] &= after[l];
        }
    }
}
