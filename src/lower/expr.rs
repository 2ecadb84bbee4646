//! Expressions.
//!
//! Always holds: scalars come out as `Operand::Val`, extended to 64 bits; all else but `void` as `Operand::Mem`.

use super::func::{Fx, Wanted};
use super::memory::{Tails, cleans_in_place};
use crate::image::LossKind;
use crate::ir::{BinOp, Block, Cc, Kind, Size, UnOp, Value};
use crate::lang::traits::Operand;
use crate::sema::hir::{self, Arg, Expr, ExprKind, Target, Yields};
use crate::ty::Ty;

impl<'a> Fx<'_, 'a> {
    /// The value of a scalar expression.
    pub fn val(&mut self, e: &'a Expr) -> Value {
        let dest = self.dest.take();
        let v = match self.expr(e) {
            Operand::Val(v) => v,
            other => crate::bug!("{other:?} is no scalar at {:?}", e.span),
        };
        self.dest = dest;
        v
    }

    /// The value of an expression that is computed for its effect.
    pub fn discard(&mut self, e: &'a Expr) {
        self.dest = None;
        match &e.kind {
            ExprKind::Call(c) => {
                let span = self.b.span();
                self.b.set_span(e.span);
                self.call(c, e, super::call::Use::Discarded);
                self.b.set_span(span);
            }
            _ => {
                self.expr(e);
            }
        }
    }

    /// The value of an expression.
    pub fn expr(&mut self, e: &'a Expr) -> Operand {
        let span = self.b.span();
        self.b.set_span(e.span);
        let v = self.expr_kind(e);
        self.b.set_span(span);
        v
    }

    fn expr_kind(&mut self, e: &'a Expr) -> Operand {
        match &e.kind {
            ExprKind::Int(n) => Operand::Val(self.number(*n, &e.ty)),
            ExprKind::Bool(v) => Operand::Val(self.b.iconst((*v).into())),
            ExprKind::Str(text) => self.text(text, &e.ty),
            ExprKind::Local(local) => self.read_local(*local),
            ExprKind::Map { map, key } => self.read_map(*map, key.as_deref(), &e.ty),
            ExprKind::Neg(a) => self.unary(UnOp::Neg, a, &e.ty),
            ExprKind::BitNot(a) => {
                let v = self.val(a);
                let flipped = self.b.bin_imm(BinOp::Xor, v, -1);
                Operand::Val(self.truncate(flipped, &e.ty))
            }
            ExprKind::Arith { op, l, r } => Operand::Val(self.arith(*op, l, r, &e.ty)),
            ExprKind::PtrAdd { ptr, index, elem_bytes } => {
                Operand::Val(self.pointer_add(ptr, index, *elem_bytes, &e.ty))
            }
            ExprKind::Not(_) | ExprKind::And(..) | ExprKind::Or(..) => Operand::Val(self.truth(e)),
            ExprKind::Compare { op, l, r } if l.ty.is_scalar() => {
                let (cc, a, b) = self.scalar_compare(*op, l, r);
                Operand::Val(self.b.cmp(cc, a, b))
            }
            ExprKind::Compare { .. } => Operand::Val(self.truth(e)),
            ExprKind::Cond { cond, then, els } => self.cond(cond, &e.ty, |f| f.expr(then), |f| f.expr(els)),
            ExprKind::Elvis { a, b } => self.elvis(a, b, &e.ty),
            ExprKind::Cast(from) => self.cast(from, &e.ty),
            ExprKind::Deref(_) | ExprKind::Member { .. } | ExprKind::Args => self.place_value(e),
            ExprKind::Index { base, index } => match base.ty {
                Ty::Array { .. } => self.place_value(e),
                _ => self.byte_of(base, index),
            },
            ExprKind::Get { base, i } => self.field(base, *i),
            ExprKind::Tuple(fields) => self.tuple(fields, &e.ty),
            ExprKind::Call(c) => self.call(c, e, super::call::Use::Value),
            ExprKind::CallFn { func, args } => self.call_fn(*func, args, &e.ty),
            ExprKind::Block(block) => self.block_value(block),
            ExprKind::If { cond, then, els } => {
                self.cond(cond, &e.ty, |f| f.block_value(then), |f| f.block_value(els))
            }
            ExprKind::Step { target, by, yields } => Operand::Val(self.step(target, *by, *yields)),
            ExprKind::AddrOfLocal(local) => {
                let at = self.local_slot(*local);
                Operand::Val(at)
            }
            ExprKind::AddrOfMap { map, key } => Operand::Val(self.map_address(*map, key.as_deref())),
        }
    }

    fn number(&mut self, n: i64, ty: &Ty) -> Value {
        let v = self.b.iconst(n);
        self.plain(v, ty)
    }

    fn unary(&mut self, op: UnOp, a: &'a Expr, ty: &Ty) -> Operand {
        let v = self.val(a);
        let v = self.b.un(op, v);
        Operand::Val(self.truncate(v, ty))
    }

    /// Puts the value of `e` at `dst + off`.
    pub fn expr_to(&mut self, e: &'a Expr, dst: Value, off: i32, tails: Tails) {
        if e.ty.is_scalar() || matches!(e.ty, Ty::Agg { .. }) {
            let v = self.val(e);
            let ty = if e.ty.is_scalar() { &e.ty } else { &Ty::U64 };
            self.store(ty, Operand::Val(v), dst, off, tails);
            return;
        }
        let before = self.dest.take();
        let was_dirty = self.dirty.remove(&dst);
        let by_itself = match e.ty {
            Ty::Str { n } => tails == Tails::Any || cleans_in_place(off, n),
            _ => true,
        };
        self.dest = by_itself.then_some((dst, off));
        let v = self.expr(e);
        self.dest = before;
        let is_there = v == Operand::Mem { ptr: dst, off };
        match e.ty {
            Ty::Str { n } if is_there && tails == Tails::Zero && self.dirty.contains(&dst) => {
                self.copy_clean(dst, off, dst, off, n);
                self.dirty.remove(&dst);
            }
            _ => self.store(&e.ty, v, dst, off, tails),
        }
        if was_dirty {
            self.dirty.insert(dst);
        }
    }

    // --- strings and tuples ----------------------------------------------------------------------------

    /// A string literal of type `ty`.
    fn text(&mut self, text: &[u8], ty: &Ty) -> Operand {
        let n = self.size(ty) as usize;
        let mut bytes = text.to_vec();
        bytes.truncate(n.saturating_sub(1));
        bytes.resize(n, 0);
        match self.dest {
            Some((dst, off)) if n <= 64 && off % 8 == 0 => {
                self.dest = None;
                self.store_bytes(&bytes, dst, off);
                Operand::Mem { ptr: dst, off }
            }
            _ => self.constant(&bytes),
        }
    }

    /// Constant bytes in memory.
    pub fn constant(&mut self, bytes: &[u8]) -> Operand {
        let (map, at) = self.m.constant(bytes);
        Operand::Mem { ptr: self.b.map_value(map, at), off: 0 }
    }

    /// Stores constant bytes word by word; `off` divides by 8.
    fn store_bytes(&mut self, bytes: &[u8], dst: Value, off: i32) {
        let mut at = 0;
        while at < bytes.len() {
            let n = [8, 4, 2, 1].into_iter().find(|n| at + n <= bytes.len()).unwrap_or(1);
            let word = bytes[at..at + n].iter().rev().fold(0u64, |w, b| w << 8 | u64::from(*b));
            let v = self.b.iconst(word as i64);
            if let Some(size) = Size::of(n as u32) {
                self.b.store(size, dst, off + at as i32, v);
            }
            at += n;
        }
    }

    fn byte_of(&mut self, base: &'a Expr, index: &'a Expr) -> Operand {
        let n = self.size(&base.ty);
        let Operand::Mem { ptr, off } = self.memory(base) else { crate::bug!("a string in a register") };
        if let ExprKind::Int(i) = index.kind {
            if !(0..i64::from(n)).contains(&i) {
                return Operand::Val(self.b.iconst(0));
            }
            return self.load(&Ty::int(8), ptr, off + i as i32);
        }
        // Verifier: a variable offset into the stack is for helpers alone.
        let index = self.val(index);
        let limit = self.b.iconst(n.into());
        let word = self.word();
        let v = self.choose(
            (Cc::Ult, index, limit),
            Kind::Int,
            |f| {
                let i = f.b.umin(index, n.max(1) - 1);
                let start = f.b.add_imm(ptr, off.into());
                let at = f.b.bin(BinOp::Add, start, i);
                let one = f.b.iconst(1);
                f.read(crate::lang::traits::ReadSpace::Kernel, word, at, one);
                f.b.load(Size::B1, word, 0)
            },
            |f| {
                f.lose(LossKind::Index);
                f.b.iconst(0)
            },
        );
        Operand::Val(self.b.un(UnOp::Sext8, v))
    }

    /// An expression of memory, without a wish where it goes.
    pub fn memory(&mut self, e: &'a Expr) -> Operand {
        let dest = self.dest.take();
        let v = self.expr(e);
        self.dest = dest;
        v
    }

    fn field(&mut self, base: &'a Expr, i: u32) -> Operand {
        let fields = base.ty.fields();
        let offsets = base.ty.field_offsets(&self.m.types);
        let Operand::Mem { ptr, off } = self.memory(base) else { crate::bug!("a tuple in a register") };
        self.load(&fields[i as usize], ptr, off + offsets[i as usize] as i32)
    }

    fn tuple(&mut self, fields: &'a [Expr], ty: &Ty) -> Operand {
        let (dst, off) = self.out(self.size(ty), "tuple");
        self.zero_padding(ty, dst, off);
        let offsets = ty.field_offsets(&self.m.types);
        for (field, at) in fields.iter().zip(offsets) {
            self.expr_to(field, dst, off + at as i32, Tails::Zero);
        }
        Operand::Mem { ptr: dst, off }
    }

    // --- ways ------------------------------------------------------------------------------------------

    /// One of two values of the type.
    fn cond(
        &mut self,
        cond: &'a Expr,
        ty: &Ty,
        then: impl FnOnce(&mut Self) -> Operand,
        els: impl FnOnce(&mut Self) -> Operand,
    ) -> Operand {
        let dest = self.dest.take();
        let (yes, no) = (self.block(), self.block());
        self.branch(cond, yes, no);
        self.b.enter(yes);
        self.two_ways(ty, dest, no, then, els)
    }

    /// Goes on in the current block with `then`, in `no` with `els`; joins the values.
    fn two_ways(
        &mut self,
        ty: &Ty,
        dest: Option<(Value, i32)>,
        no: Block,
        then: impl FnOnce(&mut Self) -> Operand,
        els: impl FnOnce(&mut Self) -> Operand,
    ) -> Operand {
        let join = self.block();
        let lens = self.lens.clone();
        if *ty == Ty::Void {
            then(self);
            self.b.jump(join, Vec::new());
            self.b.enter(no);
            els(self);
            self.b.jump(join, Vec::new());
            self.b.enter(join);
            self.lens = lens;
            return Operand::None;
        }
        if !ty.is_scalar() && !matches!(ty, Ty::Agg { .. }) {
            self.dest = dest;
            let choice = self.want(self.size(ty), "choice");
            let mut is_dirty = self.way_to_memory(ty, choice, join, then);
            self.b.enter(no);
            is_dirty |= self.way_to_memory(ty, choice, join, els);
            self.b.enter(join);
            self.lens = lens;
            let (ptr, off) = self.wanted(choice);
            if is_dirty {
                self.dirty.insert(ptr);
            }
            return Operand::Mem { ptr, off };
        }
        let a = self.scalar(then);
        let (a_end, a_kind) = (self.b.current(), self.b.kind(a));
        self.b.enter(no);
        let b = self.scalar(els);
        let kind = join_kind(a_kind, self.b.kind(b)).unwrap_or_else(|| self.kind_of(ty));
        let out = self.b.block_param(join, kind);
        let b = self.as_kind(b, kind);
        self.b.jump(join, vec![b]);
        self.b.switch_to(a_end);
        let a = self.as_kind(a, kind);
        self.b.jump(join, vec![a]);
        self.b.enter(join);
        self.lens = lens;
        Operand::Val(out)
    }

    /// Puts one way's value where it is wanted and goes on to the join; tells whether it is dirty.
    fn way_to_memory(
        &mut self,
        ty: &Ty,
        at: Wanted,
        join: Block,
        f: impl FnOnce(&mut Self) -> Operand,
    ) -> bool {
        let (dst, off) = self.wanted(at);
        self.dest = Some((dst, off));
        let v = f(self);
        self.dest = None;
        self.store(ty, v, dst, off, Tails::Any);
        self.b.jump(join, Vec::new());
        self.dirty.contains(&dst)
    }

    fn scalar(&mut self, f: impl FnOnce(&mut Self) -> Operand) -> Value {
        match f(self) {
            Operand::Val(v) => v,
            other => crate::bug!("{other:?} is no scalar"),
        }
    }

    /// `a ?: b`
    fn elvis(&mut self, a: &'a Expr, b: &'a Expr, ty: &Ty) -> Operand {
        let dest = self.dest.take();
        let v = self.expr(a);
        let (yes, no) = (self.block(), self.block());
        match v {
            Operand::Val(v) => self.b.branch_true(v, yes, no),
            Operand::Mem { ptr, off } => {
                let first = self.b.load(Size::B1, ptr, off);
                self.b.branch_true(first, yes, no);
            }
            Operand::None => crate::bug!("?: of nothing"),
        }
        self.b.enter(yes);
        self.two_ways(ty, dest, no, |_| v, |f| f.expr(b))
    }

    /// A block's statements, then its value.
    pub fn block_value(&mut self, block: &'a hir::Block) -> Operand {
        let dest = self.dest.take();
        self.stmts(&block.stmts);
        self.dest = dest;
        match &block.value {
            Some(e) => self.expr(e),
            None => Operand::None,
        }
    }

    fn step(&mut self, target: &'a Target, by: i64, yields: Yields) -> Value {
        match target {
            Target::Local(local) => {
                let ty = &self.local_decls[*local].ty;
                let Operand::Val(before) = self.read_local(*local) else { crate::bug!("++ of no scalar") };
                let sum = self.b.bin_imm(BinOp::Add, before, by);
                let after = self.truncate(sum, ty);
                self.set_local(*local, Operand::Val(after));
                match yields {
                    Yields::Before => before,
                    Yields::After => after,
                }
            }
            Target::Map { map, key } => self.step_map(*map, key.as_deref(), by, yields),
        }
    }

    /// Assigns to a local.
    pub fn set_local(&mut self, local: hir::LocalId, v: Operand) {
        if self.in_memory(local) {
            let at = self.local_slot(local);
            let ty = &self.local_decls[local].ty;
            self.store(ty, v, at, 0, Tails::Any);
        } else if let Operand::Val(v) = v {
            self.set_var(local, v);
        }
    }

    /// The expression of an argument.
    pub fn arg_expr(arg: &'a Arg) -> Option<&'a Expr> {
        match arg {
            Arg::Expr(e) => Some(e),
            Arg::Map { .. } | Arg::Text(_) | Arg::Ty(_) => None,
        }
    }
}

/// The kind that values of two kinds can share.
fn join_kind(a: Kind, b: Kind) -> Option<Kind> {
    match (a, b) {
        (Kind::Btf | Kind::BtfOrNull, Kind::Btf | Kind::BtfOrNull) => Some(Kind::BtfOrNull),
        (a, b) => (a == b).then_some(a),
    }
}
