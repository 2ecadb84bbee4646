//! Which memory declared pointers point to. A declaration does not say: `let $t: struct task_struct * = …`, and the
//! parameters and results of functions.
//!
//! Comes in: the pointers that are stored or handed over. Goes out: their space, where they agree; a report where they
//! do not. Always holds: a pointer of no known space means that of the probe, which a function does not know.

use super::Checker;
use super::hir::Expr;
use crate::base::{Diag, Span, codes};
use crate::lang::probes::is_user_side;
use crate::ty::{Space, Ty};

/// What is known of one declared pointer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pointed {
    /// By the types of what was stored.
    said: Seen,
    /// With what the probe means by none.
    meant: Seen,
    /// Where the first was stored.
    first: Option<Span>,
    /// What the round before found.
    then: Option<Space>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Seen {
    #[default]
    Nothing,
    One(Space),
    Several,
}

impl Seen {
    fn add(&mut self, space: Space) {
        *self = match *self {
            Seen::Nothing => Seen::One(space),
            Seen::One(before) if before == space => *self,
            Seen::One(_) | Seen::Several => Seen::Several,
        };
    }
}

impl Pointed {
    /// Takes in where a stored pointer points. Gives back where the first was stored, if this is the one that does not
    /// go with those before.
    fn add(&mut self, (said, meant): (Space, Space), span: Span) -> Option<Span> {
        let was_mixed = self.is_mixed();
        self.said.add(said);
        self.meant.add(meant);
        let first = *self.first.get_or_insert(span);
        (self.is_mixed() && !was_mixed).then_some(first)
    }

    fn is_mixed(&self) -> bool {
        self.said == Seen::Several && self.meant == Seen::Several
    }

    fn now(&self) -> Option<Space> {
        match (self.said, self.meant) {
            (Seen::One(space), _) | (Seen::Several, Seen::One(space)) => Some(space),
            _ => None,
        }
    }

    /// Ends a round; true if it found something new.
    pub fn end_round(&mut self) -> bool {
        let (then, now) = (self.then, self.now());
        *self = Pointed { then: now, ..Pointed::default() };
        now != then
    }

    /// The declared type with what is known.
    pub fn typed(&self, declared: &Ty) -> Ty {
        match (declared, self.then.or(self.now())) {
            (Ty::Ptr { to, space: Space::Any }, Some(space)) => Ty::Ptr { to: to.clone(), space },
            _ => declared.clone(),
        }
    }
}

impl Checker<'_> {
    /// What a pointer of no known space points to here.
    pub fn plain_space(&self) -> Space {
        match self.probe.within {
            Some(_) => Space::Any,
            None if is_user_side(&self.probe.points) => Space::User,
            None => Space::Kernel,
        }
    }

    /// Notes that the declared pointer `what` takes a value; reports values of both memories.
    pub fn point(&mut self, what: &str, mut pointed: Pointed, value: &Expr) -> Pointed {
        let Ty::Ptr { space, .. } = value.ty else { return pointed };
        if self.probe.is_ghost {
            return pointed;
        }
        let meant = if space == Space::Any { self.plain_space() } else { space };
        if let Some(first) = pointed.add((space, meant), value.span) {
            let message = format!("{what} cannot point to memory of the kernel and to that of processes");
            let d = Diag::error(&codes::TYPE_MISMATCH, value.span, message);
            let d = if first == value.span { d } else { d.note(first, "to the other one here") };
            self.diags.push(d.hint("say which with kptr(…) or uptr(…), or use one for each"));
        }
        pointed
    }
}
