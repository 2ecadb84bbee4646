//! `while`: rounds of which nobody knows how many there will be.
//!
//! Always holds: where the kernel can count the rounds, its verifier need not follow them one by one, and a loop
//! that would not end is cut short after as many as the kernel does, which is counted as a loss. On a kernel that
//! has neither iterators nor `bpf_loop` the verifier follows the jumps.

use super::func::{Fx, Loop, Role};
use super::stmt::{ROUNDS_MAX, Way, way_of_rounds};
use super::walk::{self, Round};
use crate::image::LossKind;
use crate::ir::Cc;
use crate::sema::hir::{Block, Expr, ExprKind, StmtKind};

impl<'a> Fx<'_, 'a> {
    pub fn while_stmt(&mut self, cond: &'a Expr, body: &'a Block) {
        let way = match is_plain(cond) {
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

/// Whether the kernel may count the rounds: there is a first one, and nothing in the condition leaves a loop, which
/// would be one further out.
fn is_plain(cond: &Expr) -> bool {
    let mut is_plain = !matches!(cond.kind, ExprKind::Bool(false));
    walk::expr(cond, &mut |_| {}, &mut |s| {
        is_plain &= !matches!(s.kind, StmtKind::Break | StmtKind::Continue);
    });
    is_plain
}
