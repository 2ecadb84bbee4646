//! Claims scratch memory for the memory objects that do not fit the stack.
//!
//! Comes in: a function without unreachable blocks and the slots that must leave the stack. Goes out: the same
//! function, in which those slots lie in a slot of the scratch map that it claims. Always holds: the claim
//! comes as late as it may (after a predicate that needs none of it), but before the first effect that others
//! see and before any ring buffer record is reserved, so that a run either happens or is counted as lost; it
//! is given back on every way out. Per-CPU memory alone would be shared with the interrupts and tasks that
//! come in between; the claim word at its start says whether it is in use.

use super::calls::Calls;
use super::frame::padded;
use crate::base::IndexVec;
use crate::image::MapId;
use crate::ir::cfg::Cfg;
use crate::ir::visit::Effect;
use crate::ir::{
    AtomicOp, BinOp, Block, BlockData, Cc, Func, FuncId, Inst, InstData, Kind, Op, Room, Size, Slot,
    SlotData, Target, Term, Value, ValueData, Width,
};
use crate::isa::Helper;

/// Slots of the scratch map, per CPU, for each function in a chain of calls that may claim one: programs interrupt
/// each other that deep.
const N_SLOTS_EACH: u32 = 4;
/// Bytes of the claim word.
const CLAIM_BYTES: u32 = 8;

/// How a claim word is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Claim {
    /// By an exchange.
    Exchange,
    /// By a test and a store, on kernels without atomic exchange: there nothing preempts a program but
    /// interrupts, which nest strictly and give back what they claim.
    TestAndStore,
}

/// Where to claim and where to count.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    pub map: MapId,
    pub claim: Claim,
    /// Slots of the map.
    pub n_slots: u32,
    pub losses: Option<MapId>,
}

/// Slots that a scratch map needs for functions that call each other: a loop's callback claims while its caller does.
pub fn n_slots(funcs: &IndexVec<FuncId, Func>, calls: &Calls) -> u32 {
    let has_slots = |f: &FuncId| funcs[*f].slots.iter().any(|s| s.room == Room::Any);
    let depth = funcs.indices().filter(has_slots).map(|f| calls.n_above[f]).max();
    N_SLOTS_EACH * depth.unwrap_or(1)
}

/// Bytes of a scratch slot that holds `slots`, the claim word included.
pub fn bytes(func: &Func, slots: &[Slot]) -> u32 {
    slots.iter().fold(CLAIM_BYTES, |sum, &s| sum.saturating_add(padded(&func.slots[s])))
}

/// Moves the slots `big` of `func` to memory that it claims from `pool`.
pub fn claim(func: &mut Func, big: &[Slot], pool: Pool) {
    let cfg = Cfg::new(func);
    let (start, at) = place(func, &cfg, big);
    let mut region: IndexVec<Block, bool> =
        func.blocks.indices().map(|b| b != start && cfg.dominates(start, b)).collect();
    let tail = func.blocks[start].insts.split_off(at);
    let mut e = Edit { func, pool };
    let after = e.block();
    region.push(true);
    e.func.blocks[after].insts = tail;
    e.func.blocks[after].term = std::mem::replace(&mut e.func.blocks[start].term, Term::None);
    e.func.blocks[after].term_span = e.func.blocks[start].term_span;
    let base = e.claim_code(start, after);
    region.raw.resize(e.func.blocks.len(), false);
    e.release_everywhere(&region, base);
    e.move_slots(big, start, base);
}

/// Where the claim goes: a block and the instruction before which it stands.
fn place(func: &Func, cfg: &Cfg, big: &[Slot]) -> (Block, usize) {
    let derived = derived_pointers(func, big);
    let uses = |i: Inst| {
        let mut found = matches!(func.insts[i].op, Op::SlotAddr(s) if big.contains(&s));
        func.insts[i].op.each_use(|v| found |= derived[v]);
        found
    };
    let stores_pointer =
        |i: Inst| matches!(func.insts[i].op, Op::Store { v, .. } | Op::Atomic { v, .. } if derived[v]);
    let mut in_use: IndexVec<Block, bool> = func.blocks.indices().map(|_| false).collect();
    for (b, data) in func.blocks.iter_enumerated() {
        let mut in_term = false;
        data.term.each_use(|v| in_term |= derived[v]);
        in_use[b] = in_term || data.insts.iter().any(|&i| uses(i)) || data.params.iter().any(|&p| derived[p]);
        // Who holds a pointer in memory may use it until the function ends.
        if data.insts.iter().any(|&i| stores_pointer(i)) {
            return (func.entry, 0);
        }
    }
    let before_use = reaching(cfg, &in_use);
    let is_public = |i: Inst| func.insts[i].op.effect(|v| func.values[v].kind) == Effect::Public;
    let matters = |b: Block, i: Inst| uses(i) || before_use[b] && is_public(i);
    let mut start: Option<Block> = None;
    for &b in &cfg.rpo {
        if in_use[b] || func.blocks[b].insts.iter().any(|&i| matters(b, i)) {
            start = Some(start.map_or(b, |s| cfg.common_dominator(s, b)));
        }
    }
    let Some(mut start) = start else { return (func.entry, 0) };
    while cfg.in_loop(func, start) {
        match cfg.idom[start] {
            Some(up) => start = up,
            None => break,
        }
    }
    let insts = &func.blocks[start].insts;
    (start, insts.iter().position(|&i| matters(start, i)).unwrap_or(insts.len()))
}

/// Values that point into one of the slots, as far as arithmetic and block parameters carry them.
fn derived_pointers(func: &Func, big: &[Slot]) -> IndexVec<Value, bool> {
    let mut derived: IndexVec<Value, bool> = func.values.indices().map(|_| false).collect();
    let mut changed = true;
    while changed {
        changed = false;
        let mut mark = |v: Value, derived: &mut IndexVec<Value, bool>| {
            changed |= !std::mem::replace(&mut derived[v], true);
        };
        for inst in func.insts.iter() {
            let Some(r) = inst.result else { continue };
            let points = match inst.op {
                Op::SlotAddr(s) => big.contains(&s),
                Op::Bin { a, b, .. } => derived[a] || derived[b],
                Op::NonNull { p } | Op::Retype { p, .. } => derived[p],
                _ => false,
            };
            if points {
                mark(r, &mut derived);
            }
        }
        for data in func.blocks.iter() {
            for t in data.term.targets() {
                for (&a, &p) in t.args.iter().zip(&func.blocks[t.block()].params) {
                    if derived[a] {
                        mark(p, &mut derived);
                    }
                }
            }
        }
    }
    derived
}

/// Blocks from which a way leads to one of `to`, those included.
fn reaching(cfg: &Cfg, to: &IndexVec<Block, bool>) -> IndexVec<Block, bool> {
    let mut found = to.clone();
    let mut work: Vec<Block> = to.indices().filter(|&b| to[b]).collect();
    while let Some(b) = work.pop() {
        for &p in &cfg.preds[b] {
            if !std::mem::replace(&mut found[p], true) {
                work.push(p);
            }
        }
    }
    found
}

struct Edit<'a> {
    func: &'a mut Func,
    pool: Pool,
}

impl Edit<'_> {
    fn block(&mut self) -> Block {
        let term_span = self.func.span;
        self.func.blocks.push(BlockData {
            params: Vec::new(),
            insts: Vec::new(),
            term: Term::None,
            term_span,
        })
    }
    fn effect(&mut self, b: Block, op: Op) {
        let i = self.func.insts.push(InstData { op, result: None, span: self.func.span });
        self.func.blocks[b].insts.push(i);
    }
    fn ins(&mut self, b: Block, op: Op, kind: Kind) -> Value {
        let v = self.func.values.push(ValueData { kind });
        let i = self.func.insts.push(InstData { op, result: Some(v), span: self.func.span });
        self.func.blocks[b].insts.push(i);
        v
    }
    fn iconst(&mut self, b: Block, c: i64) -> Value {
        self.ins(b, Op::Const(c), Kind::Int)
    }
    fn jump(&mut self, b: Block, to: Block, args: Vec<Value>) {
        self.func.blocks[b].term = Term::Jump(Target::new(to, args));
    }
    fn branch(&mut self, b: Block, cc: Cc, (x, y): (Value, Value), then: Target, els: Block) {
        let els = Target::new(els, Vec::new());
        self.func.blocks[b].term = Term::Branch { cc, a: x, b: y, then, els };
    }

    /// Tries one slot of the pool after the other; goes on to `after` with the address of the claimed one,
    /// which is returned, or ends the function.
    fn claim_code(&mut self, start: Block, after: Block) -> Value {
        let [head, got, next, fail] = std::array::from_fn(|_| self.block());
        let key = self.func.slots.push(SlotData { size: 4, align: 4, room: Room::Any, name: "scratch slot" });
        let n = self.func.values.push(ValueData { kind: Kind::Int });
        let to = |b: Block| Target::new(b, Vec::new());
        self.func.blocks[head].params.push(n);
        let zero = self.iconst(start, 0);
        self.jump(start, head, vec![zero]);

        let key_at = self.ins(head, Op::SlotAddr(key), Kind::Stack);
        self.effect(head, Op::Store { size: Size::B4, addr: key_at, off: 0, v: n });
        let map = self.ins(head, Op::MapPtr(self.pool.map), Kind::Map);
        let lookup = Op::Call { helper: Helper::MAP_LOOKUP_ELEM, args: vec![map, key_at] };
        let p = self.ins(head, lookup, Kind::MapValueOrNull);
        let null = self.iconst(head, 0);
        self.branch(head, Cc::Eq, (p, null), to(fail), got);

        let base = self.ins(got, Op::NonNull { p }, Kind::MapValue);
        let one = self.iconst(got, 1);
        let free = self.iconst(got, 0);
        match self.pool.claim {
            Claim::Exchange => {
                let (op, size, off) = (AtomicOp::Xchg, Size::B8, 0);
                let xchg = Op::Atomic { op, size, addr: base, off, v: one, expected: None };
                let old = self.ins(got, xchg, Kind::Int);
                self.branch(got, Cc::Eq, (old, free), to(after), next);
            }
            Claim::TestAndStore => {
                let off = crate::ir::Off::Imm(0);
                let load = Op::Load { size: Size::B8, sext: false, addr: base, off };
                let old = self.ins(got, load, Kind::Int);
                let take = self.block();
                self.branch(got, Cc::Eq, (old, free), to(take), next);
                self.effect(take, Op::Store { size: Size::B8, addr: base, off: 0, v: one });
                self.jump(take, after, Vec::new());
            }
        }

        let step = self.iconst(next, 1);
        let more = self.ins(next, Op::Bin { op: BinOp::Add, w: Width::W64, a: n, b: step }, Kind::Int);
        let all = self.iconst(next, self.pool.n_slots.into());
        self.branch(next, Cc::Ult, (more, all), Target::new(head, vec![more]), fail);
        self.give_up(fail);
        base
    }

    /// Counts the loss and returns.
    fn give_up(&mut self, fail: Block) {
        if let (Some(loss), Some(map)) = (self.func.scratch_loss, self.pool.losses) {
            let counter = self.ins(fail, Op::MapValue { map, off: 8 * loss.0 }, Kind::MapValue);
            let one = self.iconst(fail, 1);
            let (op, size, off) = (AtomicOp::Add, Size::B8, 0);
            self.effect(fail, Op::Atomic { op, size, addr: counter, off, v: one, expected: None });
        }
        let ret = self.iconst(fail, self.func.fail_ret);
        self.func.blocks[fail].term = Term::Ret(ret);
    }

    /// Frees the claim before every return of the region and on every way that leaves it.
    fn release_everywhere(&mut self, region: &IndexVec<Block, bool>, base: Value) {
        for b in (0..region.len() as u32).map(Block).filter(|&b| region[b]) {
            let mut term = std::mem::replace(&mut self.func.blocks[b].term, Term::None);
            if matches!(term, Term::Ret(_)) {
                self.release(b, base);
            }
            for t in term.targets_mut().filter(|t| !region[t.block()]) {
                let edge = self.block();
                self.release(edge, base);
                self.func.blocks[edge].term = Term::Jump(std::mem::take(t));
                *t = Target::new(edge, Vec::new());
            }
            self.func.blocks[b].term = term;
        }
    }

    fn release(&mut self, b: Block, base: Value) {
        let zero = self.iconst(b, 0);
        self.effect(b, Op::Store { size: Size::B8, addr: base, off: 0, v: zero });
    }

    /// Rewrites the addresses of the slots, and the kinds of what is computed from them.
    fn move_slots(&mut self, big: &[Slot], start: Block, base: Value) {
        let derived = derived_pointers(self.func, big);
        for (v, _) in derived.iter_enumerated().filter(|&(_, &d)| d) {
            if self.func.values[v].kind == Kind::Stack {
                self.func.values[v].kind = Kind::MapValue;
            }
        }
        let mut off = CLAIM_BYTES;
        for &slot in big {
            let at = self.func.values.push(ValueData { kind: Kind::Int });
            let op = Op::Const(off.into());
            let i = self.func.insts.push(InstData { op, result: Some(at), span: self.func.span });
            self.func.blocks[start].insts.push(i);
            for inst in self.func.insts.iter_mut().filter(|i| i.op == Op::SlotAddr(slot)) {
                inst.op = Op::Bin { op: BinOp::Add, w: Width::W64, a: base, b: at };
            }
            off += padded(&self.func.slots[slot]);
        }
    }
}
