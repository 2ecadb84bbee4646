//! What is known of a type while bodies are checked again and again.
//!
//! Comes in: the types of what is assigned, one by one. Goes out: the type that holds them all. Always holds: within
//! a round types only widen; what a round has found is what the next one reads, so that the order of statements
//! does not matter once a round has found nothing new.

use super::spaces::Pointed;
use super::types::join;
use crate::base::Span;
use crate::ty::Ty;

/// Rounds after which types are no longer found anew but only widened, which ends what oscillates.
const ROUNDS_FRESH: u32 = 12;
/// More rounds than this nothing needs: widths and lengths have far fewer steps.
pub const ROUNDS_MAX: u32 = 64;

/// How firmly a value has its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Firm {
    /// It is what it is.
    Yes,
    /// A literal that is not negative: takes the sign of what it meets.
    Flexible,
}

/// The type of a variable, of a map's key or of its values.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    firm: Option<Ty>,
    flexible: Option<Ty>,
    /// Where the first of this round was.
    first: Option<Span>,
    /// What the round before found.
    then: Option<Ty>,
    /// Given by a declaration or by a map of the session: never widens.
    fixed: bool,
    /// Where it points, if it is a declared pointer.
    pub pointed: Pointed,
    /// The last round found another type than the one before.
    unsettled: bool,
}

/// What a slot has and does not go with what was to be added.
#[derive(Clone, Debug)]
pub struct Clash {
    pub have: Ty,
    pub first: Option<Span>,
}

impl Slot {
    /// A slot whose type is given.
    pub fn fixed(ty: Ty) -> Slot {
        Slot {
            firm: Some(ty.clone()),
            flexible: None,
            first: None,
            then: Some(ty),
            fixed: true,
            pointed: Pointed::default(),
            unsettled: false,
        }
    }

    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    pub fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// The type as far as it is known.
    pub fn ty(&self) -> Option<Ty> {
        if self.fixed {
            return self.then.as_ref().map(|ty| self.pointed.typed(ty));
        }
        self.then.clone().or_else(|| self.now())
    }

    /// Takes in the type of a value. An unknown one says nothing.
    pub fn add(&mut self, ty: &Ty, firm: Firm, span: Span) -> Result<(), Clash> {
        if ty.is_error() || self.fixed {
            return Ok(());
        }
        let have = match firm {
            Firm::Yes => &mut self.firm,
            Firm::Flexible => &mut self.flexible,
        };
        let joined = match have {
            None => Some(ty.clone()),
            Some(have) => join(have, ty),
        };
        let clash = |have: &Option<Ty>, first| Clash { have: have.clone().unwrap_or(Ty::Error), first };
        let Some(joined) = joined else { return Err(clash(have, self.first)) };
        let before = have.replace(joined);
        if self.now().is_none() {
            // The firm and the flexible do not go together: keep what was there first.
            match firm {
                Firm::Yes => self.firm = before,
                Firm::Flexible => self.flexible = before,
            }
            return Err(clash(&self.now(), self.first));
        }
        self.first.get_or_insert(span);
        Ok(())
    }

    /// The type that holds all of this round.
    fn now(&self) -> Option<Ty> {
        match (&self.firm, &self.flexible) {
            (Some(t), None) | (None, Some(t)) => Some(t.clone()),
            (Some(Ty::Int { bits: a, signed: false }), Some(Ty::Int { bits: b, .. })) => {
                Some(Ty::uint(*a.max(b)))
            }
            (Some(Ty::Ptr { to, space }), Some(Ty::Int { .. })) => {
                Some(Ty::Ptr { to: to.clone(), space: *space })
            }
            (Some(a), Some(b)) => join(a, b),
            (None, None) => None,
        }
    }

    /// Takes a type that nothing contradicts, for the next round to read; true if there was none.
    pub fn presume(&mut self, ty: &Ty) -> bool {
        let is_unknown = self.then.is_none();
        self.then.get_or_insert_with(|| ty.clone());
        is_unknown
    }

    /// Ends a round; true if it found another type than the one before. What grows by itself, as `$s` in
    /// `$s = str_concat($s, "x")`, ends at `str_bytes_max`.
    pub fn end_round(&mut self, round: u32, str_bytes_max: u32) -> bool {
        if self.fixed {
            return self.pointed.end_round();
        }
        let mut now = self.now();
        if round >= ROUNDS_FRESH
            && let (Some(then), Some(found)) = (&self.then, &now)
        {
            now = join(then, found).or_else(|| Some(then.clone()));
            if let Some(ty) = &mut now {
                outgrow(ty, then, str_bytes_max);
            }
        }
        let is_new = now != self.then;
        *self = Slot { then: now, unsettled: is_new, ..Slot::default() };
        is_new
    }
}

/// Doubles strings that are longer than they were, up to what a string may have.
fn outgrow(ty: &mut Ty, then: &Ty, max: u32) {
    match (ty, then) {
        (Ty::Str { n }, Ty::Str { n: before }) if *n > *before => *n = n.saturating_mul(2).min(max).max(*n),
        (Ty::Tuple(parts), Ty::Tuple(before)) if parts.len() == before.len() => {
            let grown = |(p, before): (&Ty, &Ty)| {
                let mut p = p.clone();
                outgrow(&mut p, before, max);
                p
            };
            *parts = parts.iter().zip(before.iter()).map(grown).collect();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STR_BYTES_MAX: u32 = 1024;

    fn added(types: &[(Ty, Firm)]) -> Option<Ty> {
        let mut slot = Slot::default();
        for (ty, firm) in types {
            slot.add(ty, *firm, Span::none()).ok()?;
        }
        slot.ty()
    }

    #[test]
    fn literals_take_the_sign_of_what_they_meet() {
        let five = (Ty::int(8), Firm::Flexible);
        assert_eq!(added(&[five.clone(), (Ty::U64, Firm::Yes)]), Some(Ty::U64));
        assert_eq!(added(&[(Ty::U64, Firm::Yes), five.clone()]), Some(Ty::U64));
        assert_eq!(added(&[five.clone(), (Ty::I64, Firm::Yes)]), Some(Ty::I64));
        assert_eq!(added(&[(Ty::U64, Firm::Yes), (Ty::int(8), Firm::Yes)]), Some(Ty::I64));
        assert_eq!(added(&[five, (Ty::Str { n: 3 }, Firm::Yes)]), None);
    }

    #[test]
    fn a_round_that_finds_the_same_ends_it() {
        let mut slot = Slot::default();
        slot.add(&Ty::Str { n: 3 }, Firm::Yes, Span::none()).expect("first");
        assert!(slot.end_round(0, STR_BYTES_MAX));
        slot.add(&Ty::Str { n: 3 }, Firm::Yes, Span::none()).expect("again");
        assert!(!slot.end_round(1, STR_BYTES_MAX));
        slot.add(&Ty::Str { n: 9 }, Firm::Yes, Span::none()).expect("longer");
        assert!(slot.end_round(2, STR_BYTES_MAX));
        assert_eq!(slot.ty(), Some(Ty::Str { n: 9 }));
    }

    #[test]
    fn what_oscillates_ends() {
        let mut slot = Slot::default();
        let mut changes = 0;
        for round in 0..ROUNDS_MAX {
            let ty = if round % 2 == 0 { Ty::U64 } else { Ty::int(32) };
            slot.add(&ty, Firm::Yes, Span::none()).expect("ints join");
            changes += u32::from(slot.end_round(round, STR_BYTES_MAX));
        }
        assert!(changes < 20, "{changes}");
        assert_eq!(slot.ty(), Some(Ty::I64));
    }

    #[test]
    fn what_grows_ends() {
        let mut slot = Slot::default();
        let mut n = 1;
        let mut round = 0;
        loop {
            let Some(Ty::Str { n: before }) = slot.ty().or(Some(Ty::Str { n })) else { panic!("{slot:?}") };
            n = (before + 8).min(STR_BYTES_MAX);
            slot.add(&Ty::Str { n }, Firm::Yes, Span::none()).expect("strings join");
            if !slot.end_round(round, STR_BYTES_MAX) {
                break;
            }
            round += 1;
        }
        assert!(round < ROUNDS_FRESH + 6, "{round}");
        assert_eq!(slot.ty(), Some(Ty::Str { n: STR_BYTES_MAX }));
    }
}
