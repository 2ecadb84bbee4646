//! Predecessors, dominators, orders of blocks, and the edits of the graph that code generation needs.
//!
//! Comes in: a function whose blocks all have ends. Always holds: an unreachable block has no order, no
//! dominator and is nobody's predecessor here.

use super::{Block, BlockData, Func, Target, Term, Value};
use crate::base::{Idx, IndexVec};

/// The graph of a function's blocks as it was when [`Cfg::new`] looked.
#[derive(Debug)]
pub struct Cfg {
    /// Reachable blocks, each before those that it dominates.
    pub rpo: Vec<Block>,
    /// Place in `rpo`.
    pub order: IndexVec<Block, Option<u32>>,
    /// Reachable predecessors; one twice if both its ways lead here.
    pub preds: IndexVec<Block, Vec<Block>>,
    /// Immediate dominator; `None` for the entry and for unreachable blocks.
    pub idom: IndexVec<Block, Option<Block>>,
    /// Reachable blocks in a walk of the dominator tree: each is followed by those that it dominates.
    pub dom_walk: Vec<Block>,
    /// The part of `dom_walk` that a block and what it dominates take.
    dom_range: IndexVec<Block, (u32, u32)>,
}

impl Cfg {
    pub fn new(func: &Func) -> Cfg {
        let rpo = reverse_postorder(func);
        let mut order: IndexVec<Block, Option<u32>> = func.blocks.indices().map(|_| None).collect();
        let mut preds: IndexVec<Block, Vec<Block>> = func.blocks.indices().map(|_| Vec::new()).collect();
        for (i, &b) in rpo.iter().enumerate() {
            order[b] = Some(i as u32);
            for s in func.blocks[b].term.succs() {
                preds[s].push(b);
            }
        }
        let idom = dominators(&rpo, &order, &preds);
        let (dom_walk, dom_range) = walk_dominators(&rpo, &idom);
        Cfg { rpo, order, preds, idom, dom_walk, dom_range }
    }

    pub fn is_reachable(&self, b: Block) -> bool {
        self.order[b].is_some()
    }

    /// Whether every way to `b` leads through `a`. Both reachable.
    pub fn dominates(&self, a: Block, b: Block) -> bool {
        let ((a, a_end), (b, _)) = (self.dom_range[a], self.dom_range[b]);
        a <= b && b < a_end
    }

    /// How many blocks, in a row of `dom_walk` that starts with `b`, `b` dominates.
    pub fn n_dominated(&self, b: Block) -> usize {
        let (from, to) = self.dom_range[b];
        (to - from) as usize
    }

    /// The last block that dominates both.
    pub fn common_dominator(&self, a: Block, b: Block) -> Block {
        let (mut a, mut b) = (a, b);
        while a != b {
            let (x, y) = if self.order[a] > self.order[b] { (&mut a, &b) } else { (&mut b, &a) };
            match self.idom[*x] {
                Some(up) => *x = up,
                None => return *y,
            }
        }
        a
    }

    /// Whether a way leads from `b` back to `b`.
    pub fn in_loop(&self, func: &Func, b: Block) -> bool {
        let mut seen: IndexVec<Block, bool> = func.blocks.indices().map(|_| false).collect();
        let mut work: Vec<Block> = func.blocks[b].term.succs().collect();
        while let Some(x) = work.pop() {
            if x == b {
                return true;
            }
            if !std::mem::replace(&mut seen[x], true) {
                work.extend(func.blocks[x].term.succs());
            }
        }
        false
    }
}

/// Where each value is defined: its block. Parameters belong to their block.
pub fn defining_blocks(func: &Func) -> IndexVec<Value, Option<Block>> {
    let mut at: IndexVec<Value, Option<Block>> = func.values.indices().map(|_| None).collect();
    for (b, data) in func.blocks.iter_enumerated() {
        for &p in &data.params {
            at[p] = Some(b);
        }
        for &i in &data.insts {
            if let Some(v) = func.insts[i].result {
                at[v] = Some(b);
            }
        }
    }
    at
}

/// Removes unreachable blocks and numbers the rest in reverse postorder, the entry first.
pub fn compact(func: &mut Func) {
    let rpo = reverse_postorder(func);
    let mut new: IndexVec<Block, Option<Block>> = func.blocks.indices().map(|_| None).collect();
    for (i, &b) in rpo.iter().enumerate() {
        new[b] = Some(Block::new(i));
    }
    let empty =
        || BlockData { params: Vec::new(), insts: Vec::new(), term: Term::None, term_span: func.span };
    let mut blocks = IndexVec::new();
    for &b in &rpo {
        let mut data = std::mem::replace(&mut func.blocks[b], empty());
        for t in data.term.targets_mut() {
            t.block = new[t.block()];
        }
        blocks.push(data);
    }
    func.blocks = blocks;
    func.entry = Block(0);
}

/// Puts a block on every way from a block with two successors to one with several predecessors, and on ways
/// that carry arguments out of a branch.
pub fn split_critical_edges(func: &mut Func) {
    let cfg = Cfg::new(func);
    for &b in &cfg.rpo {
        if !matches!(func.blocks[b].term, Term::Branch { .. }) {
            continue;
        }
        let span = func.blocks[b].term_span;
        let mut term = std::mem::replace(&mut func.blocks[b].term, Term::None);
        for t in term.targets_mut() {
            if cfg.preds[t.block()].len() > 1 || !t.args.is_empty() {
                let onward = std::mem::take(t);
                let params = Vec::new();
                let edge = BlockData { params, insts: Vec::new(), term: Term::Jump(onward), term_span: span };
                *t = Target::new(func.blocks.push(edge), Vec::new());
            }
        }
        func.blocks[b].term = term;
    }
}

/// The way taken by a branch comes right after it where possible, so that it falls through.
fn reverse_postorder(func: &Func) -> Vec<Block> {
    let mut seen: IndexVec<Block, bool> = func.blocks.indices().map(|_| false).collect();
    let mut post = Vec::with_capacity(func.blocks.len());
    let succs = |b: Block| {
        let mut s: Vec<Block> = func.blocks[b].term.succs().collect();
        s.reverse();
        s.into_iter()
    };
    let mut stack = vec![(func.entry, succs(func.entry))];
    seen[func.entry] = true;
    while let Some((b, rest)) = stack.last_mut() {
        match rest.next() {
            Some(s) if !seen[s] => {
                seen[s] = true;
                stack.push((s, succs(s)));
            }
            Some(_) => {}
            None => {
                post.push(*b);
                stack.pop();
            }
        }
    }
    post.reverse();
    post
}

/// Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm.
fn dominators(
    rpo: &[Block],
    order: &IndexVec<Block, Option<u32>>,
    preds: &IndexVec<Block, Vec<Block>>,
) -> IndexVec<Block, Option<Block>> {
    let mut idom: IndexVec<Block, Option<Block>> = order.indices().map(|_| None).collect();
    let Some(&entry) = rpo.first() else { return idom };
    idom[entry] = Some(entry);
    let mut changed = true;
    while changed {
        changed = false;
        for &b in &rpo[1..] {
            let mut new: Option<Block> = None;
            for &p in preds[b].iter().filter(|&&p| idom[p].is_some()) {
                new = Some(match new {
                    None => p,
                    Some(n) => meet(&idom, order, n, p),
                });
            }
            if new != idom[b] {
                idom[b] = new;
                changed = true;
            }
        }
    }
    idom[entry] = None;
    idom
}

/// The dominator tree in preorder, and each block's part of it; dominated blocks in the order of `rpo`.
fn walk_dominators(
    rpo: &[Block],
    idom: &IndexVec<Block, Option<Block>>,
) -> (Vec<Block>, IndexVec<Block, (u32, u32)>) {
    let mut n_below: IndexVec<Block, u32> = idom.indices().map(|_| 1).collect();
    for &b in rpo.iter().rev() {
        if let Some(up) = idom[b] {
            n_below[up] += n_below[b];
        }
    }
    let mut walk = rpo.to_vec();
    let mut ranges: IndexVec<Block, (u32, u32)> = idom.indices().map(|_| (0, 0)).collect();
    // Where the next block that each dominates goes.
    let mut next: IndexVec<Block, u32> = idom.indices().map(|_| 0).collect();
    for &b in rpo {
        let from = match idom[b] {
            Some(up) => {
                next[up] += n_below[b];
                next[up] - n_below[b]
            }
            None => 0,
        };
        next[b] = from + 1;
        ranges[b] = (from, from + n_below[b]);
        walk[from as usize] = b;
    }
    (walk, ranges)
}

fn meet(
    idom: &IndexVec<Block, Option<Block>>,
    order: &IndexVec<Block, Option<u32>>,
    a: Block,
    b: Block,
) -> Block {
    let (mut a, mut b) = (a, b);
    while a != b {
        let lower = if order[a] > order[b] { &mut a } else { &mut b };
        match idom[*lower] {
            Some(up) => *lower = up,
            None => crate::bug!("{lower} has no dominator"),
        }
    }
    a
}

/// Graphs by hand.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::ir::{Builder, Cc, Kind};

    /// entry → (left | right) → join → loop ↺ → exit; one block is unreachable.
    fn diamond() -> Func {
        let mut b = Builder::new("f", &[Kind::Ctx], Span::none());
        let blocks: Vec<Block> = (0..6).map(|_| b.new_block()).collect();
        let [left, right, join, head, exit, dead] = blocks[..] else { panic!() };
        let zero = b.iconst(0);
        b.branch(Cc::Eq, zero, zero, left, right);
        for side in [left, right, dead] {
            b.enter(side);
            b.jump(join, Vec::new());
        }
        b.enter(join);
        b.jump(head, Vec::new());
        b.switch_to(head);
        b.branch(Cc::Ne, zero, zero, head, exit);
        b.enter(head);
        b.enter(exit);
        b.ret(zero);
        b.finish()
    }

    #[test]
    fn dominators_of_a_diamond() {
        let f = diamond();
        let cfg = Cfg::new(&f);
        let [left, right, join, head, exit, dead] = [1, 2, 3, 4, 5, 6].map(Block);
        assert_eq!(cfg.idom[join], Some(f.entry));
        assert_eq!(cfg.idom[exit], Some(head));
        assert!(cfg.dominates(f.entry, exit) && cfg.dominates(join, exit) && !cfg.dominates(left, join));
        assert_eq!(cfg.common_dominator(left, right), f.entry);
        assert_eq!(cfg.common_dominator(head, exit), head);
        assert!(!cfg.is_reachable(dead) && cfg.preds[join] == [left, right]);
        assert!(cfg.in_loop(&f, head) && !cfg.in_loop(&f, join));
        assert_eq!(cfg.rpo[1], left, "the taken way falls through");
    }

    #[test]
    fn splitting_and_compacting() {
        let mut f = diamond();
        split_critical_edges(&mut f);
        compact(&mut f);
        let cfg = Cfg::new(&f);
        assert_eq!((cfg.rpo.len(), f.entry), (7, Block(0)), "one edge block more, one dead block less");
        assert!(cfg.rpo.iter().enumerate().all(|(i, b)| b.index() == i));
        for (b, data) in f.blocks.iter_enumerated() {
            if data.term.succs().count() == 2 {
                assert!(data.term.succs().all(|s| cfg.preds[s].len() == 1), "{b}");
            }
        }
    }
}
