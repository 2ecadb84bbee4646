//! Statements.
//!
//! Always holds: what follows a `return`, `break` or `continue` stands in a block that nothing reaches.

use super::func::{Fx, Home, Loop, Returns};
use super::memory::Tails;
use super::walk::{self, Round};
use crate::image::{LossKind, ProgType};
use crate::ir::{BinOp, Cc, Kind, Op, Size, Slot, Value};
use crate::isa::Helper;
use crate::lang::traits::Operand;
use crate::sema::hir::{self, Expr, ExprKind, LocalId, Stmt, StmtKind, Target};
use crate::world::World;

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
            StmtKind::Ignored(e) => {
                self.dest = None;
                self.expr(e);
            }
            StmtKind::Declare(local) => self.declare(*local),
            StmtKind::SetLocal { local, value } => self.assign(*local, value),
            StmtKind::SetMap { map, key, value } => self.set_map(*map, key.as_ref(), value),
            StmtKind::UpdateMap { map, key, op, value } => self.update_map(*map, key.as_ref(), *op, value),
            StmtKind::Aggregate { map, key, agg, args } => self.aggregate(*map, key.as_ref(), agg, args),
            StmtKind::If { cond, then, els } => self.if_stmt(cond, then, els.as_ref()),
            StmtKind::While { cond, body } => self.while_stmt(cond, body),
            StmtKind::ForRange { local, from, to, body } => self.for_range(*local, from, to, body),
            StmtKind::ForMap { local, map, body } => self.for_map(*local, *map, body),
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
                    self.returned(e);
                }
                self.go_back();
            }
            StmtKind::Block(block) => self.run_block(block),
        }
    }

    /// What a probe returns: most programs have nobody who looks at it.
    fn returned(&mut self, e: &'a Expr) {
        if self.returns == Returns::Nothing {
            return self.effect(e);
        }
        if let Some(at) = self.result_at() {
            return self.expr_to(e, at, 0, Tails::Any);
        }
        let v = self.val(e);
        let v = self.number_of(v, &e.ty);
        self.set_result(v);
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
            // A variable without a value is zero, but in a loop it may have one from the round before.
            let is_fresh = matches!(self.locals[local], Home::Unborn) && self.loops.is_empty();
            if !is_fresh {
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

    fn for_range(&mut self, local: LocalId, from: &'a Expr, to: &'a Expr, body: &'a hir::Block) {
        let way = way_of_range((from, to), body, self.m.world, self.prog_type);
        let first = self.val(from);
        let limit = self.val(to);
        let less = if self.is_signed(&from.ty) { Cc::Slt } else { Cc::Ult };
        match way {
            Way::Iterator => {
                let n = self.n_rounds(less, first, limit);
                self.blur(Round { own: Some(local), cond: None, body });
                return self.for_iterator(local, (first, n), body);
            }
            Way::Callback => {
                let n = self.n_rounds(less, first, limit);
                return self.for_rounds(local, (first, n), body);
            }
            Way::Jumps | Way::None => {}
        }
        let (head, inside, next, end) = (self.block(), self.block(), self.block(), self.block());
        let counter = self.b.var(Kind::Int);
        self.b.set(counter, first);
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let now = self.b.get(counter);
        self.b.branch(less, now, limit, inside, end);
        self.b.enter(inside);
        self.set_local(local, Operand::Val(now));
        self.loop_body(Loop { next, end, iterator: None }, body);
        self.b.jump(next, Vec::new());
        self.b.enter(next);
        let more = self.b.add_imm(now, 1);
        self.b.set(counter, more);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
    }

    /// Rounds of a range, as far as the kernel goes; the rest is counted as lost.
    fn n_rounds(&mut self, less: Cc, first: Value, limit: Value) -> Value {
        let n = self.choose(
            (less, first, limit),
            Kind::Int,
            |f| f.b.bin(BinOp::Sub, limit, first),
            |f| f.b.iconst(0),
        );
        let max = self.b.iconst(ROUNDS_MAX.into());
        self.when(Cc::Ugt, n, max, |f| f.lose(LossKind::Rounds));
        self.b.umin(n, ROUNDS_MAX)
    }

    /// A range by the kernel's iterator, which the verifier need not follow round by round.
    fn for_iterator(&mut self, local: LocalId, (first, n): (Value, Value), body: &'a hir::Block) {
        let slot = self.open_iterator(n);
        let (head, inside, end) = (self.block(), self.block(), self.block());
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let p = self.next_of_iterator(slot);
        let zero = self.b.iconst(0);
        self.b.branch(Cc::Ne, p, zero, inside, end);
        self.b.enter(inside);
        let p = self.b.non_null(p);
        let i = self.b.load(Size::B4, p, 0);
        let now = self.b.bin(BinOp::Add, first, i);
        self.set_local(local, Operand::Val(now));
        self.loop_body(Loop { next: head, end, iterator: Some(slot) }, body);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
        self.drop_iterator(slot);
    }

    /// An iterator of `n` rounds.
    pub fn open_iterator(&mut self, n: Value) -> Slot {
        let slot = self.b.stack_slot(8, "iterator");
        let it = self.b.slot_addr(slot);
        let zero = self.b.iconst(0);
        self.kfunc("bpf_iter_num_new", vec![it, zero, n], Kind::Int);
        slot
    }

    /// The address of the next round's number, or null.
    pub fn next_of_iterator(&mut self, slot: Slot) -> Value {
        let it = self.b.slot_addr(slot);
        self.kfunc("bpf_iter_num_next", vec![it], Kind::MapValueOrNull)
    }

    fn kfunc(&mut self, name: &'static str, args: Vec<Value>, kind: Kind) -> Value {
        self.b.ins(Op::CallKfunc { name, args }, kind)
    }

    /// Verifier: an iterator is given back on every way.
    pub fn drop_iterator(&mut self, slot: Slot) {
        let it = self.b.slot_addr(slot);
        self.kfunc("bpf_iter_num_destroy", vec![it], Kind::Int);
    }

    pub fn loop_body(&mut self, around: Loop, body: &'a hir::Block) {
        let lens = self.lens.clone();
        self.loops.push(around);
        self.run_block(body);
        self.loops.pop();
        self.lens = lens;
    }
}

/// Rounds of a range that the verifier can well follow one by one.
pub const FOLLOWED_MAX: u64 = 64;
/// Expressions in all rounds of such a loop, at most.
const FOLLOWED_EXPRS_MAX: i64 = 2000;
/// The most that the kernel does (`BPF_MAX_LOOPS`, include/linux/bpf.h).
pub const ROUNDS_MAX: u32 = 8 << 20;

/// How a range is gone through, or a `while`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Jumps, which the verifier follows round by round.
    Jumps,
    Iterator,
    /// A function that the kernel calls for each round.
    Callback,
    /// This kernel has none.
    None,
}

/// The way of a range on this kernel.
pub fn way_of_range((from, to): (&Expr, &Expr), body: &hir::Block, world: &dyn World, ty: ProgType) -> Way {
    if is_short_range(from, to, body) {
        return Way::Jumps;
    }
    match way_of_rounds(world, ty) {
        Way::None if constant(from).is_some() && constant(to).is_some() => Way::Jumps,
        way => way,
    }
}

/// How this kernel counts rounds that its verifier does not follow.
pub fn way_of_rounds(world: &dyn World, ty: ProgType) -> Way {
    if world.features().kfunc("bpf_iter_num_new", ty) {
        Way::Iterator
    } else if world.features().helper(Helper::LOOP) {
        Way::Callback
    } else {
        Way::None
    }
}

/// Whether a range has few rounds, and is known to, and its body comes to little in all of them.
fn is_short_range(from: &Expr, to: &Expr, body: &hir::Block) -> bool {
    let Some(n) = n_rounds_of(from, to) else { return false };
    n <= FOLLOWED_MAX as i64 && n.saturating_mul(n_exprs(body)) <= FOLLOWED_EXPRS_MAX
}

fn n_rounds_of(from: &Expr, to: &Expr) -> Option<i64> {
    Some(constant(to)?.saturating_sub(constant(from)?).max(0))
}

/// The expressions of a body, those of a loop in it as often as it goes round.
fn n_exprs(body: &hir::Block) -> i64 {
    let (mut n, mut again) = (0i64, 0i64);
    walk::block(body, &mut |_| n += 1, &mut |s| {
        if let StmtKind::ForRange { from, to, body, .. } = &s.kind {
            let mut n_inner = 0i64;
            walk::block(body, &mut |_| n_inner += 1, &mut |_| {});
            let n_more = n_rounds_of(from, to).unwrap_or(1).saturating_sub(1).max(0);
            again = again.saturating_add(n_inner.saturating_mul(n_more));
        }
    });
    n.saturating_add(again)
}

/// The number that an expression is, if it is one.
pub fn constant(e: &Expr) -> Option<i64> {
    match &e.kind {
        ExprKind::Int(n) => Some(*n),
        ExprKind::Cast(inner) if inner.ty.is_int() => constant(inner),
        _ => None,
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
