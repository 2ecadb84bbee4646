//! `while`: rounds of which nobody knows how many there will be.
//!
//! Always holds: where the kernel can count the rounds, its verifier need not follow them one by one, and a loop
//! that would not end is cut short after as many as the kernel does, which is counted as a loss. On a kernel that
//! has neither iterators nor `bpf_loop` the verifier follows the jumps, as it does everywhere if there are few rounds.

use super::func::{Fx, Home, Loop, Role};
use super::stmt::{FOLLOWED_MAX, ROUNDS_MAX, Way, constant, way_of_rounds};
use super::walk::{self, Round};
use crate::image::LossKind;
use crate::ir::Cc;
use crate::sema::hir::{Arith, Block, Compare, Expr, ExprKind, LocalId, Stmt, StmtKind, Target};

impl<'a> Fx<'_, 'a> {
    pub fn while_stmt(&mut self, cond: &'a Expr, body: &'a Block) {
        let way = match is_plain(cond) && !self.is_short(cond, body) {
            true => way_of_rounds(self.m.world, self.prog_type),
            false => Way::Jumps,
        };
        match way {
            Way::Iterator => self.while_iterator(cond, body),
            Way::Callback => {
                let round = Round { own: None, cond: Some(cond), body };
                self.rounds(round, None, |f| {
                    f.with_temps(|f| f.begin_round(cond));
                });
            }
            Way::Jumps | Way::None => self.while_jumps(cond, body),
        }
    }

    /// Whether the loop has few rounds, and is known to.
    fn is_short(&mut self, cond: &Expr, body: &Block) -> bool {
        let Some(count) = Count::of(cond, body) else { return false };
        let Home::Var(var) = self.locals[count.local] else { return false };
        // A narrow one could start anew before it gets there.
        if self.size(&self.local_decls[count.local].ty) != 8 {
            return false;
        }
        let first = self.b.get(var);
        let Some(first) = self.b.constant_of(first) else { return false };
        first >= 0 && count.limit.saturating_sub(first) / count.by <= FOLLOWED_MAX as i64
    }

    fn while_jumps(&mut self, cond: &'a Expr, body: &'a Block) {
        let (head, inside, end) = (self.block(), self.block(), self.block());
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        self.branch(cond, inside, end);
        self.b.enter(inside);
        self.loop_body(Loop { next: head, end, iterator: None }, body);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
    }

    /// By the kernel's iterator. The condition comes before the iterator is asked: where no round is left, one more
    /// was wanted.
    fn while_iterator(&mut self, cond: &'a Expr, body: &'a Block) {
        self.blur(Round { own: None, cond: Some(cond), body });
        let rounds = self.b.iconst(ROUNDS_MAX.into());
        let slot = self.open_iterator(rounds);
        let (head, more, inside) = (self.block(), self.block(), self.block());
        let (cut, end) = (self.block(), self.block());
        let around = Loop { next: head, end, iterator: Some(slot) };
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        // The condition may leave the program.
        self.loops.push(around);
        self.branch(cond, more, end);
        self.loops.pop();
        self.b.enter(more);
        let p = self.next_of_iterator(slot);
        let zero = self.b.iconst(0);
        self.b.branch(Cc::Ne, p, zero, inside, cut);
        self.b.enter(cut);
        self.lose(LossKind::Rounds);
        self.b.jump(end, Vec::new());
        self.b.enter(inside);
        self.loop_body(around, body);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
        self.drop_iterator(slot);
    }

    /// In a callback: ends the loop unless the condition holds. The last round that the kernel does is spent on
    /// finding out whether one more is wanted.
    fn begin_round(&mut self, cond: &'a Expr) {
        let Role::Callback { stop, .. } = self.role else {
            crate::bug!("{} is no callback", self.b.func.name)
        };
        let more = self.block();
        self.branch(cond, more, stop);
        self.b.enter(more);
        let (i, last) = (self.b.param(0), self.b.iconst((ROUNDS_MAX - 1).into()));
        self.when(Cc::Uge, i, last, |f| {
            f.lose(LossKind::Rounds);
            f.go(stop);
        });
    }
}

/// A `while` that counts a variable up to a constant, and has no branches: with those the verifier could have more
/// and more ways to follow.
#[derive(Clone, Copy, Debug)]
struct Count {
    local: LocalId,
    limit: i64,
    by: i64,
}

impl Count {
    fn of(cond: &Expr, body: &Block) -> Option<Count> {
        let ExprKind::Compare { op: Compare::Lt | Compare::Le, l, r } = &cond.kind else { return None };
        let ExprKind::Local(local) = l.kind else { return None };
        let limit = constant(r)?;
        let by = body.stmts.iter().find_map(|s| step(s, local))?;
        let is_near = (0..=i64::from(ROUNDS_MAX)).contains(&limit);
        let is_count = by > 0 && is_near && is_straight(body) && n_sets(body, local) == 1;
        is_count.then_some(Count { local, limit, by })
    }
}

/// How far a statement steps a variable, if it does.
fn step(s: &Stmt, local: LocalId) -> Option<i64> {
    let is_it = |e: &Expr| matches!(e.kind, ExprKind::Local(l) if l == local);
    let by = |e: &Expr| match &e.kind {
        ExprKind::Step { target: Target::Local(l), by, .. } if *l == local => Some(*by),
        ExprKind::Arith { op: Arith::Add, l, r } if is_it(l) => constant(r),
        _ => None,
    };
    match &s.kind {
        StmtKind::Expr(e) if matches!(e.kind, ExprKind::Step { .. }) => by(e),
        StmtKind::SetLocal { local: l, value } if *l == local => by(value),
        _ => None,
    }
}

/// Whether a body goes one way, from its start to its end.
fn is_straight(body: &Block) -> bool {
    let (mut has_choices, mut has_ways) = (false, false);
    let is_choice = |e: &Expr| {
        matches!(
            e.kind,
            ExprKind::Cond { .. }
                | ExprKind::If { .. }
                | ExprKind::Elvis { .. }
                | ExprKind::And(..)
                | ExprKind::Or(..)
        )
    };
    let is_way = |s: &Stmt| {
        matches!(
            s.kind,
            StmtKind::If { .. }
                | StmtKind::While { .. }
                | StmtKind::ForRange { .. }
                | StmtKind::ForMap { .. }
                | StmtKind::Break
                | StmtKind::Continue
                | StmtKind::Return(_)
        )
    };
    walk::block(body, &mut |e| has_choices |= is_choice(e), &mut |s| has_ways |= is_way(s));
    !has_choices && !has_ways
}

/// How often a body gives the variable a value.
fn n_sets(body: &Block, local: LocalId) -> usize {
    let (mut n_steps, mut n_values) = (0, 0);
    let is_step = |e: &Expr| matches!(e.kind, ExprKind::Step { target: Target::Local(l), .. } if l == local);
    let is_value = |s: &Stmt| matches!(s.kind, StmtKind::SetLocal { local: l, .. } if l == local);
    walk::block(body, &mut |e| n_steps += usize::from(is_step(e)), &mut |s| {
        n_values += usize::from(is_value(s))
    });
    n_steps + n_values
}

/// Whether the kernel may count the rounds: there is a first one, and nothing in the condition leaves a loop, which
/// would be one further out.
fn is_plain(cond: &Expr) -> bool {
    let mut is_plain = !matches!(cond.kind, ExprKind::Bool(false));
    walk::expr(cond, &mut |_| {}, &mut |s| {
        is_plain &= !matches!(s.kind, StmtKind::Break | StmtKind::Continue);
    });
    is_plain
}
