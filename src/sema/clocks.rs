//! Whose time a number is, where that can be seen: `nsecs(…)`, what is added to it, and variables that hold such.
//!
//! Always holds: a variable that is given times of two clocks, or something else too, has none.

use super::{Checker, hir};
use crate::lang::sig::CallData;
use crate::lang::traits::Clock;
use hir::{Arith, Expr, ExprKind, LocalId};

impl Checker<'_> {
    /// The clock of a time.
    pub fn clock_of(&self, e: &Expr) -> Option<Clock> {
        match &e.kind {
            ExprKind::Call(call) if call.row.name == "nsecs" => match &call.data {
                CallData::Text(word) => Clock::of_word(word),
                _ => Some(Clock::Boot),
            },
            ExprKind::Local(id) => self.body.clocks.get(id).copied().flatten(),
            ExprKind::Cast(inner) => self.clock_of(inner),
            // A difference of two times is none.
            ExprKind::Arith { op: Arith::Add | Arith::Sub, l, r } => {
                match (self.clock_of(l), self.clock_of(r)) {
                    (Some(clock), None) | (None, Some(clock)) => Some(clock),
                    (Some(_), Some(_)) | (None, None) => None,
                }
            }
            _ => None,
        }
    }

    /// Takes note of what a variable is given.
    pub fn note_clock(&mut self, id: LocalId, value: &Expr) {
        let clock = self.clock_of(value);
        let held = self.body.clocks.entry(id).or_insert(clock);
        if *held != clock {
            *held = None;
        }
    }
}
