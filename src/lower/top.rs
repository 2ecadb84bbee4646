//! Where the probed stack begins, for kernel stacks that are taken in callbacks and in functions of the script: how
//! many frames of BPF's own lie before it there depends on the way that led there, and on the kernel.
//!
//! Comes in: what a function or callback does. Goes out: the return address with which the probed stack begins, handed
//! over to it. Always holds: only programs whose stacks have frames of BPF's own need it (`Fx::own_frames`).

use super::func::Fx;
use super::walk::{self, Round};
use crate::ir::{Cc, Kind, Size, Value};
use crate::isa::Helper;
use crate::sema::hir::{self, Expr, ExprKind, FnId};
use crate::ty::{Space, StackTy, Ty};

/// What a function knows of the top of the probed stack.
#[derive(Clone, Copy, Debug)]
pub enum Top {
    /// It is the program itself: `Fx::own_frames` lie before it.
    Counted,
    /// It begins with this address.
    Begins(Value),
}

/// Frames that may lie before the probed stack: the kernel lets functions call each other 8 deep, and a callback is
/// called by a function of the kernel.
pub const FRAMES_BEFORE_MAX: u32 = 18;

/// Whether a function takes a kernel stack, or one that it calls.
pub fn fn_takes_stack(hir: &hir::Program, func: FnId) -> bool {
    takes_stack(hir, Round::of(&hir.fns[func].body))
}

/// The same of a loop's round.
fn takes_stack(hir: &hir::Program, round: Round<'_>) -> bool {
    let mut found = false;
    let mut look = |e: &Expr| match (&e.kind, &e.ty) {
        (ExprKind::Call(_), Ty::Stack(StackTy { space: Space::Kernel, .. })) => found = true,
        (ExprKind::CallFn { func, .. }, _) => found |= fn_takes_stack(hir, *func),
        _ => {}
    };
    walk::round(round, &mut look);
    found
}

impl Fx<'_, '_> {
    /// Whether a callback for this loop is to know the top of the stack.
    pub fn wants_top(&self, round: Round<'_>) -> bool {
        self.own_frames() > 0 && takes_stack(self.m.hir, round)
    }

    /// The address with which the probed stack begins; 0 where there is none.
    pub fn top_of_stack(&mut self) -> Value {
        if let Top::Begins(v) = self.top {
            return v;
        }
        let n = self.own_frames();
        let bytes = 8 * (n + 1);
        let frames = self.temp(bytes, "top");
        let r = self.walk_kernel_stack(frames, bytes);
        let whole = self.b.iconst(bytes.into());
        let last = 8 * n as i32;
        self.choose((Cc::Eq, r, whole), Kind::Int, |f| f.b.load(Size::B8, frames, last), |f| f.b.iconst(0))
    }

    /// How many frames lie before the one with that address; all that are looked at where it is not found.
    pub fn frames_before(&mut self, top: Value) -> Value {
        let bytes = 8 * FRAMES_BEFORE_MAX;
        let frames = self.temp(bytes, "frames before");
        self.walk_kernel_stack(frames, bytes);
        let n = self.b.var(Kind::Int);
        let (none, done) = (self.b.iconst(FRAMES_BEFORE_MAX.into()), self.block());
        self.b.set(n, none);
        for i in 0..FRAMES_BEFORE_MAX {
            let frame = self.b.load(Size::B8, frames, 8 * i as i32);
            let (here, on) = (self.block(), self.block());
            self.b.branch(Cc::Eq, frame, top, here, on);
            self.b.enter(here);
            let i = self.b.iconst(i.into());
            self.b.set(n, i);
            self.b.jump(done, Vec::new());
            self.b.enter(on);
        }
        self.b.jump(done, Vec::new());
        self.b.enter(done);
        self.b.get(n)
    }

    /// Yields the bytes of frames, negative where there is no stack.
    fn walk_kernel_stack(&mut self, frames: Value, bytes: u32) -> Value {
        // Verifier: 5.10 wants memory on the stack initialised here.
        self.clear(frames, 0, bytes);
        let (ctx, size, flags) = (self.ctx(), self.b.iconst(bytes.into()), self.b.iconst(0));
        self.b.call(Helper::GET_STACK, &[ctx, frames, size, flags])
    }
}
