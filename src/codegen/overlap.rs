//! Lets memory objects that are never needed at the same time share memory.
//!
//! Comes in: a function whose slots do not fit the stack as they are. Goes out: the same function with fewer
//! slots in use. Always holds: between two accesses to a slot, on any way from one to the other, no other slot
//! that shares its memory is accessed. A slot whose address is kept in memory, or that a pointer shares with
//! another, keeps its own. Small slots share with small ones alone, lest they leave the stack with a big one.

use crate::base::{Idx, IndexVec};
use crate::ir::cfg::Cfg;
use crate::ir::{Block, Func, Inst, Op, Slot, Value};

/// Bytes of the slots that belong on the stack.
const SMALL_BYTES_MAX: u32 = 128;

/// Lets slots of `func` share memory.
pub fn share(func: &mut Func) {
    let roots = Roots::new(func);
    let apart = interference(func, &roots);
    // Slots that share, by the first of them; with all that one of them must stay apart from.
    let mut groups: Vec<(Slot, Set)> = Vec::new();
    let mut home: IndexVec<Slot, Slot> = func.slots.indices().collect();
    for slot in func.slots.indices().filter(|&s| !roots.pinned.has(s)) {
        let is_small = |s: Slot| func.slots[s].size <= SMALL_BYTES_MAX;
        let room = |s: Slot| (is_small(s), func.slots[s].room);
        let fits = |(first, apart): &&mut (Slot, Set)| room(*first) == room(slot) && !apart.has(slot);
        match groups.iter_mut().find(fits) {
            Some((first, all_apart)) => {
                home[slot] = *first;
                all_apart.add_all(&apart[slot]);
            }
            None => groups.push((slot, apart[slot].clone())),
        }
    }
    for slot in func.slots.indices() {
        let (first, size) = (home[slot], func.slots[slot].size);
        if first != slot {
            func.slots[first].size = func.slots[first].size.max(size);
            func.slots[slot].size = 0;
        }
    }
    for inst in func.insts.iter_mut() {
        if let Op::SlotAddr(s) = &mut inst.op {
            *s = home[*s];
        }
    }
}

/// A set of slots.
#[derive(Clone, PartialEq, Debug)]
struct Set(Vec<u64>);

impl Set {
    fn new(func: &Func) -> Set {
        Set(vec![0; func.slots.len().div_ceil(64)])
    }
    fn has(&self, s: Slot) -> bool {
        self.0[s.index() / 64] >> (s.index() % 64) & 1 != 0
    }
    fn add(&mut self, s: Slot) {
        self.0[s.index() / 64] |= 1 << (s.index() % 64);
    }
    /// Whether something is new.
    fn add_all(&mut self, other: &Set) -> bool {
        let mut changed = false;
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            changed |= *b & !*a != 0;
            *a |= b;
        }
        changed
    }
}

/// Which slot each value points into.
struct Roots {
    of: IndexVec<Value, Option<Slot>>,
    /// Slots that must keep their own memory.
    pinned: Set,
}

impl Roots {
    fn new(func: &Func) -> Roots {
        let mut r = Roots { of: func.values.indices().map(|_| None).collect(), pinned: Set::new(func) };
        while r.round(func) {}
        for inst in func.insts.iter() {
            if let Op::Store { v, .. } | Op::Atomic { v, .. } = inst.op
                && let Some(s) = r.of[v]
            {
                r.pinned.add(s);
            }
        }
        r
    }

    /// Carries pointers one step on through arithmetic and parameters; whether something changed.
    fn round(&mut self, func: &Func) -> bool {
        let mut changed = false;
        for inst in func.insts.iter() {
            let Some(result) = inst.result else { continue };
            match inst.op {
                Op::SlotAddr(s) => changed |= self.point(result, Some(s)),
                Op::Bin { a, b, .. } => {
                    changed |= self.point(result, self.of[a]);
                    changed |= self.point(result, self.of[b]);
                }
                Op::NonNull { p } | Op::Retype { p, .. } => changed |= self.point(result, self.of[p]),
                _ => {}
            }
        }
        for data in func.blocks.iter() {
            for t in data.term.targets() {
                for (&arg, &param) in t.args.iter().zip(&func.blocks[t.block()].params) {
                    changed |= self.point(param, self.of[arg]);
                }
            }
        }
        changed
    }

    fn point(&mut self, v: Value, to: Option<Slot>) -> bool {
        match (self.of[v], to) {
            (_, None) => false,
            (None, Some(_)) => {
                self.of[v] = to;
                true
            }
            (Some(a), Some(b)) if a != b && !(self.pinned.has(a) && self.pinned.has(b)) => {
                self.pinned.add(a);
                self.pinned.add(b);
                true
            }
            _ => false,
        }
    }
}

/// The slots that an instruction reads or writes.
fn accessed(func: &Func, roots: &Roots, i: Inst) -> Vec<Slot> {
    let mut list = Vec::new();
    let touches = match &func.insts[i].op {
        Op::Load { .. } | Op::Store { .. } | Op::Atomic { .. } | Op::Zero { .. } | Op::Copy { .. } => true,
        other => other.is_call(),
    };
    if touches {
        func.insts[i].op.each_use(|v| list.extend(roots.of[v]));
    }
    list
}

/// For each slot those that are in use where it is.
fn interference(func: &Func, roots: &Roots) -> IndexVec<Slot, Set> {
    let cfg = Cfg::new(func);
    let accesses: IndexVec<Block, Vec<(usize, Slot)>> = func
        .blocks
        .iter()
        .map(|data| {
            let at = data.insts.iter().enumerate();
            at.flat_map(|(n, &i)| accessed(func, roots, i).into_iter().map(move |s| (n, s))).collect()
        })
        .collect();
    let before = flow(func, &cfg, &accesses, Way::Forward);
    let after = flow(func, &cfg, &accesses, Way::Back);
    let mut apart: IndexVec<Slot, Set> = func.slots.indices().map(|_| Set::new(func)).collect();
    for &b in &cfg.rpo {
        let ranges = ranges(func, &accesses[b], &before[b], &after[b]);
        for (n, &(s, from, to)) in ranges.iter().enumerate() {
            for &(t, t_from, t_to) in &ranges[n + 1..] {
                if from <= t_to && t_from <= to {
                    apart[s].add(t);
                    apart[t].add(s);
                }
            }
        }
    }
    apart
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Forward,
    Back,
}

/// The slots that are accessed before each block (or after it, going back) on some way.
fn flow(
    func: &Func,
    cfg: &Cfg,
    accesses: &IndexVec<Block, Vec<(usize, Slot)>>,
    way: Way,
) -> IndexVec<Block, Set> {
    let mut sets: IndexVec<Block, Set> = func.blocks.indices().map(|_| Set::new(func)).collect();
    let mut order = cfg.rpo.clone();
    if way == Way::Back {
        order.reverse();
    }
    let mut changed = true;
    while changed {
        changed = false;
        for &b in &order {
            let mut out = sets[b].clone();
            accesses[b].iter().for_each(|&(_, s)| out.add(s));
            let next: Vec<Block> = match way {
                Way::Forward => func.blocks[b].term.succs().collect(),
                Way::Back => cfg.preds[b].clone(),
            };
            for n in next {
                changed |= sets[n].add_all(&out);
            }
        }
    }
    sets
}

/// Where in a block each slot is in use: slot, first and last instruction.
fn ranges(func: &Func, accesses: &[(usize, Slot)], before: &Set, after: &Set) -> Vec<(Slot, usize, usize)> {
    let mut list: Vec<(Slot, usize, usize)> = Vec::new();
    for &(n, s) in accesses {
        match list.iter_mut().find(|r| r.0 == s) {
            Some(r) => r.2 = n,
            None => list.push((s, n, n)),
        }
    }
    for (s, from, to) in &mut list {
        *from = if before.has(*s) { 0 } else { *from };
        *to = if after.has(*s) { usize::MAX } else { *to };
    }
    for (word, (b, a)) in before.0.iter().zip(&after.0).enumerate() {
        let mut through = b & a;
        while through != 0 {
            let s = Slot::new(word * 64 + through.trailing_zeros() as usize);
            through &= through - 1;
            if s.index() < func.slots.len() && !list.iter().any(|r| r.0 == s) {
                list.push((s, 0, usize::MAX));
            }
        }
    }
    list
}

/// Who shares with whom.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    /// The slots that addresses name afterwards, in order of the instructions.
    fn shared(slots: usize, body: &str) -> Vec<u32> {
        let heads: String = (0..slots).map(|n| format!("slot m{n} 16 align 8 s\n")).collect();
        let mut func = parse::func(&format!("func f:\n{heads}b0(v0: ctx):\nv1 = const 1\n{body}")).unwrap();
        share(&mut func);
        let named = |i: &crate::ir::InstData| match i.op {
            Op::SlotAddr(s) => Some(s.0),
            _ => None,
        };
        func.insts.iter().filter_map(named).collect()
    }

    #[test]
    fn one_after_the_other() {
        let body = "v2: stack = slot m0\nv3: stack = slot m1\nstore.8 v2 + 0, v1\nv4 = load.8 v2 + 0\n\
                    store.8 v3 + 0, v4\nv5 = load.8 v3 + 0\nret v5\n";
        assert_eq!(shared(2, body), [0, 0]);
        let at_once = body.replace("v4 = load.8 v2", "store.8 v3 + 8, v1\nv4 = load.8 v2");
        assert_eq!(shared(2, &at_once), [0, 1]);
    }

    #[test]
    fn both_in_a_loop() {
        let body = "v2: stack = slot m0\nv3: stack = slot m1\njump b1\nb1:\nstore.8 v2 + 0, v1\n\
                    store.8 v3 + 0, v1\nbr.eq v1, v0, b1, b2\nb2:\nret v1\n";
        assert_eq!(shared(2, body), [0, 1], "what the next turn reads may have been written in this");
    }

    #[test]
    fn two_sides_of_a_branch() {
        let body = "v2: stack = slot m0\nv3: stack = slot m1\nv4: stack = slot m2\nstore.8 v4 + 0, v1\n\
                    br.eq v0, v1, b1, b2\nb1:\nstore.8 v2 + 0, v1\nv5 = load.8 v2 + 0\njump b3\n\
                    b2:\nstore.8 v3 + 0, v1\nv6 = load.8 v3 + 0\njump b3\nb3:\nv7 = load.8 v4 + 0\nret v7\n";
        assert_eq!(shared(3, body), [0, 0, 2]);
    }

    #[test]
    fn pointers_that_are_kept_or_mixed() {
        let kept = "v2: stack = slot m0\nv3: stack = slot m1\nv4: stack = slot m2\nstore.8 v2 + 0, v3\n\
                    v5 = load.8 v2 + 0\nstore.8 v4 + 0, v1\nret v5\n";
        assert_eq!(shared(3, kept), [0, 1, 0], "m1 may be read through m0 as long as the function runs");
        let mixed = "v2: stack = slot m0\nv3: stack = slot m1\nbr.eq v0, v1, b1(v2), b1(v3)\nb1(v4: stack):\n\
                     store.8 v4 + 0, v1\nret v1\n";
        assert_eq!(shared(2, mixed), [0, 1]);
    }
}
