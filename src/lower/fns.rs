//! Functions of the script: BPF-to-BPF functions, made anew for each program that calls them, for what a pointer
//! means and what may be read directly depends on the program.
//!
//! Comes in: a call. Goes out: its value, and the function if this program has not called it before. Always holds:
//! a function gets the context first; values in memory go and come by address, and what is handed over is a copy;
//! where more values are handed over than registers hold, their words lie on the stack.

use std::rc::Rc;

use super::func::{Fx, Home, Of, Returns, Role};
use super::memory::Tails;
use super::top::{self, Top};
use super::walk::{self, Facts, Round};
use crate::ir::{Cc, FuncId, Kind, Off, Op, Size, Slot, Value};
use crate::isa::limits::CALL_ARGS_MAX;
use crate::lang::sig::Effect;
use crate::lang::traits::Operand;
use crate::sema::hir::{self, Expr, ExprKind, FnId};
use crate::ty::Ty;

/// Whether the program may be left in a function, or in one that it calls.
fn may_leave(hir: &hir::Program, func: FnId) -> bool {
    let mut found = false;
    walk::block(
        &hir.fns[func].body,
        &mut |e| match &e.kind {
            ExprKind::Call(call) => found |= call.row.effect == Effect::Leaves,
            ExprKind::CallFn { func, .. } => found |= may_leave(hir, *func),
            _ => {}
        },
        &mut |_| {},
    );
    found
}

/// What a function gets besides its parameters.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// The address for the result.
    has_out: bool,
    /// The address of a word that says that the program has been left.
    has_left: bool,
    /// The address with which the probed stack begins.
    has_top: bool,
    n_params: usize,
}

impl Shape {
    fn of(f: &Fx<'_, '_>, func: FnId) -> Shape {
        let hir = f.m.hir;
        let def = &hir.fns[func];
        let has_out = !def.ret.is_scalar() && def.ret != Ty::Void;
        let has_top = f.own_frames() > 0 && top::fn_takes_stack(hir, func);
        Shape { has_out, has_left: may_leave(hir, func), has_top, n_params: def.params.len() }
    }

    /// Words before the parameters.
    fn n_hidden(self) -> usize {
        usize::from(self.has_out) + usize::from(self.has_left) + usize::from(self.has_top)
    }

    /// Values that are handed over besides the context.
    fn n_words(self) -> usize {
        self.n_hidden() + self.n_params
    }

    fn fits_registers(self) -> bool {
        self.n_words() < CALL_ARGS_MAX
    }
}

impl<'a> Fx<'_, 'a> {
    /// `f(…)` of a function of the script.
    pub fn call_fn(&mut self, func: FnId, args: &'a [Expr], ty: &Ty) -> Operand {
        let shape = Shape::of(self, func);
        let dest = self.dest.take();
        let mut words: Vec<Value> = args.iter().map(|e| self.handed_over(e)).collect();
        if shape.has_top {
            words.insert(0, self.top_of_stack());
        }
        let left = shape.has_left.then(|| self.fresh_word());
        if let Some(slot) = left {
            words.insert(0, self.b.slot_addr(slot));
        }
        self.dest = dest;
        let out = shape.has_out.then(|| self.out(self.size(ty), "result"));
        if let Some((dst, off)) = out {
            // A function that finds no scratch memory leaves it so.
            self.clear(dst, off, self.size(ty));
            words.insert(0, self.b.add_imm(dst, off.into()));
        }
        let callee = self.function(func);
        let args = self.arguments(shape, words);
        let kind = if ty.is_scalar() { self.kind_of(ty) } else { Kind::Int };
        let v = self.b.ins(Op::CallFunc { func: callee, args }, kind);
        if let Some(slot) = left {
            let at = self.b.slot_addr(slot);
            let (left, zero) = (self.b.load(Size::B8, at, 0), self.b.iconst(0));
            self.when(Cc::Ne, left, zero, Fx::leave);
        }
        match out {
            Some((ptr, off)) => {
                if self.holds_dirty(ty) {
                    self.dirty.insert(ptr);
                }
                Operand::Mem { ptr, off }
            }
            None if *ty == Ty::Void => Operand::None,
            None => Operand::Val(v),
        }
    }

    /// An argument as a word: a number, or the address of a copy.
    fn handed_over(&mut self, e: &'a Expr) -> Value {
        if e.ty.is_scalar() {
            let v = self.val(e);
            return self.number_of(v, &e.ty);
        }
        let at = self.temp(self.size(&e.ty), "argument");
        self.expr_to(e, at, 0, Tails::Any);
        at
    }

    /// A word on the stack that is 0.
    fn fresh_word(&mut self) -> Slot {
        let slot = self.b.stack_slot(8, "left");
        let (at, zero) = (self.b.slot_addr(slot), self.b.iconst(0));
        self.b.store(Size::B8, at, 0, zero);
        slot
    }

    fn arguments(&mut self, shape: Shape, words: Vec<Value>) -> Vec<Value> {
        let ctx = self.ctx();
        if shape.fits_registers() {
            return std::iter::once(ctx).chain(words).collect();
        }
        let slot = self.b.stack_slot(8 * words.len() as u32, "arguments");
        let at = self.b.slot_addr(slot);
        for (word, off) in words.into_iter().zip((0..).step_by(8)) {
            self.b.store(Size::B8, at, off, word);
        }
        vec![ctx, at]
    }

    /// The function as this program has it.
    fn function(&mut self, func: FnId) -> FuncId {
        let key = (func, self.program);
        if let Some(&known) = self.m.fns.get(&key) {
            return known;
        }
        let made = self.make_function(func);
        self.m.fns.insert(key, made);
        made
    }

    fn make_function(&mut self, func: FnId) -> FuncId {
        let shape = Shape::of(self, func);
        let def = &self.m.hir.fns[func];
        let name = format!("{}_fn_{}", self.m.image.programs[self.program].name, def.name);
        let word_kind = |i: usize| {
            let param = i.checked_sub(shape.n_hidden()).map(|i| &def.locals[def.params[i]].ty);
            match param {
                Some(ty) if ty.is_scalar() => self.kind_of(ty),
                None if shape.has_top && i + 1 == shape.n_hidden() => Kind::Int,
                Some(_) | None => Kind::MapValue,
            }
        };
        let words: Vec<Kind> = (0..shape.n_words()).map(word_kind).collect();
        let kinds: Vec<Kind> = match shape.fits_registers() {
            true => std::iter::once(Kind::Ctx).chain(words.iter().copied()).collect(),
            false => vec![Kind::Ctx, Kind::MapValue],
        };
        let facts = Rc::new(Facts::of(&def.body, &def.locals, &def.params));
        let of = Of { probe: self.probe, program: self.program, locals: &def.locals, facts, span: def.span };
        let mut f = Fx::new(self.m, &name, &kinds, of);
        f.enter_function(def, shape, &words);
        f.locals_of(Round::of(&def.body));
        f.run_block(&def.body);
        f.finish()
    }

    /// Takes what is handed over.
    fn enter_function(&mut self, def: &'a hir::Func, shape: Shape, kinds: &[Kind]) {
        let take = |f: &mut Self, i: usize| match shape.fits_registers() {
            true => f.b.param(1 + i),
            false => {
                let (addr, off) = (f.b.param(1), Off::Imm(8 * i as i32));
                f.b.ins(Op::Load { size: Size::B8, sext: false, addr, off }, kinds[i])
            }
        };
        let mut words: Vec<Value> = (0..kinds.len()).map(|i| take(self, i)).collect();
        self.returns = match (&def.ret, shape.has_out) {
            (_, true) => Returns::At(words.remove(0)),
            (Ty::Void, _) => Returns::Nothing,
            (ret, _) => {
                let (var, zero) = (self.b.var(self.kind_of(ret)), self.b.iconst(0));
                let zero = self.plain(zero, ret);
                self.b.set(var, zero);
                Returns::Var(var)
            }
        };
        let left = shape.has_left.then(|| words.remove(0));
        self.role = Role::Function { left };
        if shape.has_top {
            self.top = Top::Begins(words.remove(0));
        }
        for (&param, v) in def.params.iter().zip(words) {
            let ty = &def.locals[param].ty;
            match (ty.is_scalar(), self.facts.is_addressed[param]) {
                (false, _) => self.locals[param] = Home::Given(v),
                (true, true) => {
                    let slot = self.b.slot(8, 8, "local");
                    self.locals[param] = Home::Slot(slot);
                    self.set_local(param, Operand::Val(v));
                }
                (true, false) => self.set_var(param, v),
            }
        }
    }
}
