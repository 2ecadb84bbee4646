//! Patterns known at compile time, matched by a machine that steps once a byte.
//!
//! Comes in: a glob, or a text to look for. Goes out: code that runs a set of states (a word, one bit for each
//! number of elements matched so far) over a string. Always holds: one loop, whose only branch leaves nothing that
//! differs but its counter, so that the verifier walks it once; at most [`ELEMENTS_MAX`] elements.

use super::bytes;
use super::text::byte_at;
use crate::ir::{BinOp, Cc, Size, Value, Var};
use crate::lang::traits::{LowerCx, Operand};

/// Elements of a pattern, not counting `*`: the highest bit is that of the state after the last one.
pub const ELEMENTS_MAX: usize = 63;

/// The states' moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// For each byte: the states that it moves on.
    moves: Vec<u64>,
    /// The states that stay whatever comes: a `*` stands there.
    stays: u64,
    /// The state after the last element.
    accepts: u64,
}

/// The elements of a pattern, from its first to its last.
#[derive(Debug, Default)]
struct Elements {
    sets: Vec<[bool; 256]>,
    stays: u64,
}

impl Elements {
    fn star(&mut self) {
        // Too many elements are refused at the end.
        self.stays |= 1u64.checked_shl(self.sets.len() as u32).unwrap_or(0);
    }

    fn push(&mut self, is_in: impl Fn(u8) -> bool) {
        let mut set = [false; 256];
        for b in 1..=255u8 {
            set[usize::from(b)] = is_in(b);
        }
        self.sets.push(set);
    }

    fn machine(self) -> Option<Machine> {
        if self.sets.len() > ELEMENTS_MAX {
            return None;
        }
        let mut moves = vec![0u64; 256];
        for (i, set) in self.sets.iter().enumerate() {
            for b in (0..256).filter(|b| set[*b]) {
                moves[b] |= 1 << i;
            }
        }
        Some(Machine { moves, stays: self.stays, accepts: 1 << self.sets.len() })
    }
}

/// Where a text must stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Start,
    End,
    Anywhere,
}

impl Machine {
    /// Of a glob of `*`, `?` and classes; `None`: it has too many elements.
    pub fn of_glob(glob: &[u8]) -> Option<Machine> {
        let mut elements = Elements::default();
        let mut rest = glob;
        while let [first, tail @ ..] = rest {
            rest = tail;
            match first {
                b'*' => elements.star(),
                b'?' => elements.push(|_| true),
                b'[' => match class_end(tail) {
                    Some(end) => {
                        let (class, after) = (&tail[..end], &tail[end + 1..]);
                        elements.push(|b| in_class(class, b));
                        rest = after;
                    }
                    None => elements.push(|b| b == b'['),
                },
                c => elements.push(|b| b == *c),
            }
        }
        elements.machine()
    }

    /// Of a text; `None`: it is too long.
    pub fn of_text(text: &[u8], place: Place) -> Option<Machine> {
        let mut elements = Elements::default();
        if place != Place::Start {
            elements.star();
        }
        for c in text {
            elements.push(|b| b == *c);
        }
        if place != Place::End {
            elements.star();
        }
        elements.machine()
    }

    /// Whether a string matches, as the code has it.
    #[cfg(test)]
    fn matches(&self, text: &[u8]) -> bool {
        let step = |d: u64, b: &u8| (d & self.moves[usize::from(*b)]) << 1 | d & self.stays;
        text.iter().fold(1, step) & self.accepts != 0
    }

    /// 1 if the string of `n` bytes matches, else 0.
    pub fn run(&self, cx: &mut dyn LowerCx, text: (Value, i32), n: u32) -> Value {
        let (states, open) = (bytes::var(cx, 1), bytes::var(cx, 1));
        self.each_step(cx, text, n, (states, open), &mut |_, _| {});
        let at_end = cx.b().get(states);
        let accepted = cx.b().bin_imm(BinOp::And, at_end, self.accepts as i64);
        let zero = cx.b().iconst(0);
        cx.b().cmp(Cc::Ne, accepted, zero)
    }

    /// How many bytes were read when the last element was first matched, or -1.
    pub fn find_end(&self, cx: &mut dyn LowerCx, text: (Value, i32), n: u32) -> Value {
        let (states, open, count) = (bytes::var(cx, 1), bytes::var(cx, 1), bytes::var(cx, 0));
        let last = i64::from(self.accepts.trailing_zeros());
        self.each_step(cx, text, n, (states, open), &mut |cx, now| {
            let was_open = cx.b().get(open);
            let before = cx.b().get(count);
            let after = cx.b().bin(BinOp::Add, before, was_open);
            cx.b().set(count, after);
            let moved = cx.b().bin_imm(BinOp::Lshr, now, last);
            let accepted = cx.b().bin_imm(BinOp::And, moved, 1);
            let rejected = bytes::not(cx, accepted);
            bytes::keep_if(cx, open, rejected);
        });
        let at_end = cx.b().get(states);
        let moved = cx.b().bin_imm(BinOp::Lshr, at_end, last);
        let accepted = cx.b().bin_imm(BinOp::And, moved, 1);
        let rejected = bytes::not(cx, accepted);
        // All ones, which is -1, where it was not found.
        let none = bytes::mask(cx, rejected);
        let end = cx.b().get(count);
        cx.b().bin(BinOp::Or, end, none)
    }

    /// Steps over the bytes while `open`, which the NUL closes; leaves where no state is left.
    fn each_step(
        &self,
        cx: &mut dyn LowerCx,
        text: (Value, i32),
        n: u32,
        (states, open): (Var, Var),
        after: &mut dyn FnMut(&mut dyn LowerCx, Value),
    ) {
        let table: Vec<u8> = self.moves.iter().flat_map(|m| m.to_le_bytes()).collect();
        let Operand::Mem { ptr: table, off: table_off } = cx.literal(&table) else {
            crate::bug!("a literal in a register")
        };
        let stays = self.stays as i64;
        let done = cx.b().new_block();
        let step = &mut |cx: &mut dyn LowerCx, i: Value| {
            let byte = byte_at(cx, text, i);
            let some = bytes::is_some(cx, byte);
            let is_open = bytes::keep_if(cx, open, some);
            let row = cx.b().bin_imm(BinOp::Shl, byte, 3);
            let row = cx.b().bin(BinOp::Add, table, row);
            let moves = cx.b().load(Size::B8, row, table_off);
            let now = cx.b().get(states);
            let moved = cx.b().bin(BinOp::And, now, moves);
            let moved = cx.b().bin_imm(BinOp::Shl, moved, 1);
            let stay = cx.b().bin_imm(BinOp::And, now, stays);
            let next = cx.b().bin(BinOp::Or, moved, stay);
            // Behind the end nothing moves any more.
            let change = cx.b().bin(BinOp::Xor, next, now);
            let mask = bytes::mask(cx, is_open);
            let change = cx.b().bin(BinOp::And, change, mask);
            let next = cx.b().bin(BinOp::Xor, now, change);
            cx.b().set(states, next);
            after(cx, next);
        };
        bytes::each_byte_until(cx, n, done, step, &mut |cx| {
            let (now, is_open) = (cx.b().get(states), cx.b().get(open));
            let mask = bytes::mask(cx, is_open);
            cx.b().bin(BinOp::And, now, mask)
        });
    }
}

/// Where the class that starts here has its `]`; the first byte, and one after `!`, can be a `]` itself.
fn class_end(tail: &[u8]) -> Option<usize> {
    tail.iter().skip(1).position(|b| *b == b']').map(|i| i + 1)
}

fn in_class(class: &[u8], b: u8) -> bool {
    let (negated, set) = match class {
        [b'!' | b'^', set @ ..] if !set.is_empty() => (true, set),
        set => (false, set),
    };
    let (mut found, mut i) = (false, 0);
    while i < set.len() {
        if i + 2 < set.len() && set[i + 1] == b'-' {
            found |= (set[i]..=set[i + 2]).contains(&b);
            i += 3;
        } else {
            found |= set[i] == b;
            i += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::glob;

    #[test]
    fn machines_match_what_globs_match() {
        let globs = [
            "",
            "*",
            "nginx*",
            "*sh",
            "b?sh",
            "*a*b*",
            "[a-c]x",
            "[!a-c]x",
            "a[",
            "**",
            "?*",
            "*.so.[0-9]",
            "[]]",
        ];
        let texts = [
            "",
            "n",
            "nginx",
            "nginx: worker",
            "bash",
            "sh",
            "bsh",
            "ab",
            "xaybz",
            "ba",
            "ax",
            "dx",
            "a[",
            "a",
            "libc.so.6",
            "libc.so.x",
            "]",
        ];
        for g in globs {
            let machine = Machine::of_glob(g.as_bytes()).expect("few elements");
            for t in texts {
                assert_eq!(machine.matches(t.as_bytes()), glob(g, t), "{g} on {t}");
            }
        }
    }

    #[test]
    fn texts_are_not_globs() {
        let at = |text: &str, place| Machine::of_text(text.as_bytes(), place).expect("short");
        assert!(at("a*", Place::Start).matches(b"a*b") && !at("a*", Place::Start).matches(b"ab"));
        assert!(at("ab", Place::End).matches(b"abab") && !at("ab", Place::End).matches(b"aba"));
        assert!(at("aab", Place::Anywhere).matches(b"aaab!") && !at("aab", Place::Anywhere).matches(b"abab"));
        assert!(at("", Place::Anywhere).matches(b""));
    }

    #[test]
    fn too_many_elements_are_refused() {
        assert!(Machine::of_glob(&[b'?'; ELEMENTS_MAX]).is_some());
        assert!(Machine::of_glob(&[b'?'; ELEMENTS_MAX + 1]).is_none());
        let mut long = [b'a'; 70];
        long[69] = b'*';
        assert!(Machine::of_glob(&long).is_none());
    }
}
