//! Makes a function, block by block; turns variables into SSA values on the way.
//!
//! Variables (`Var`) are assigned and read by block, and block parameters appear where paths meet
//! (Braun et al., Simple and Efficient Construction of SSA Form, 2013). A block must be sealed once all its
//! predecessors are known.

use std::collections::BTreeMap;

use super::{
    AccessId, AtomicOp, BinOp, Block, BlockData, Cc, CoreKind, Func, FuncId, Inst, InstData, Kind, Off, Op,
    Room, Size, Slot, SlotData, Target, Term, UnOp, Value, ValueData, Width,
};
use crate::base::{IndexVec, Span};
use crate::image::MapId;
use crate::isa::Helper;
use crate::newtype_index;

newtype_index!(
    /// A variable of the builder: a scalar that may be assigned more than once.
    Var, "x"
);

/// Builds one function.
#[derive(Debug)]
pub struct Builder {
    pub func: Func,
    cur: Block,
    span: Span,
    n_vars: u32,
    var_kinds: Vec<Kind>,
    defs: BTreeMap<(Block, Var), Value>,
    preds: IndexVec<Block, Vec<Block>>,
    sealed: IndexVec<Block, bool>,
    /// Parameters that wait for the block's predecessors.
    pending: IndexVec<Block, Vec<(Var, Value)>>,
}

impl Builder {
    /// A function with parameters of these kinds; the builder stands in its entry block.
    pub fn new(name: impl Into<String>, params: &[Kind], span: Span) -> Builder {
        let mut b = Builder {
            func: Func {
                name: name.into(),
                entry: Block(0),
                blocks: IndexVec::new(),
                insts: IndexVec::new(),
                values: IndexVec::new(),
                slots: IndexVec::new(),
                span,
                scratch_loss: None,
                fail_ret: 0,
            },
            cur: Block(0),
            span,
            n_vars: 0,
            var_kinds: Vec::new(),
            defs: BTreeMap::new(),
            preds: IndexVec::new(),
            sealed: IndexVec::new(),
            pending: IndexVec::new(),
        };
        let entry = b.new_block();
        for &k in params {
            let v = b.value(k);
            b.func.blocks[entry].params.push(v);
        }
        b.seal(entry);
        b
    }

    /// The finished function.
    pub fn finish(self) -> Func {
        for (b, data) in self.func.blocks.iter_enumerated() {
            if matches!(data.term, Term::None) {
                crate::bug!("{}: {b} has no end", self.func.name);
            }
            if !self.sealed[b] {
                crate::bug!("{}: {b} is not sealed", self.func.name);
            }
        }
        self.func
    }

    pub fn param(&self, i: usize) -> Value {
        self.func.blocks[self.func.entry].params[i]
    }
    pub fn kind(&self, v: Value) -> Kind {
        self.func.values[v].kind
    }
    /// Instructions made from now on stand for this text.
    pub fn set_span(&mut self, span: Span) {
        self.span = span;
    }
    pub fn span(&self) -> Span {
        self.span
    }

    // --- blocks ----------------------------------------------------------------------------------------

    pub fn new_block(&mut self) -> Block {
        let b = self.func.blocks.push(BlockData {
            params: Vec::new(),
            insts: Vec::new(),
            term: Term::None,
            term_span: self.span,
        });
        self.preds.push(Vec::new());
        self.sealed.push(false);
        self.pending.push(Vec::new());
        b
    }
    /// Continues in `b`.
    pub fn switch_to(&mut self, b: Block) {
        self.cur = b;
    }
    pub fn current(&self) -> Block {
        self.cur
    }
    /// Whether the current block has its end already (code after `return`).
    pub fn terminated(&self) -> bool {
        !matches!(self.func.blocks[self.cur].term, Term::None)
    }
    /// Adds a parameter that every jump to `b` gives a value for, in order. Before any jump to `b`.
    pub fn block_param(&mut self, b: Block, kind: Kind) -> Value {
        let v = self.value(kind);
        self.func.blocks[b].params.push(v);
        v
    }
    /// All predecessors of `b` are known.
    pub fn seal(&mut self, b: Block) {
        if self.sealed[b] {
            return;
        }
        self.sealed[b] = true;
        for (var, param) in std::mem::take(&mut self.pending[b]) {
            self.fill_param(b, var, param);
        }
    }
    /// `switch_to` and `seal`.
    pub fn enter(&mut self, b: Block) {
        self.seal(b);
        self.switch_to(b);
    }
    pub fn jump(&mut self, to: Block, args: Vec<Value>) {
        self.end(Term::Jump(Target::new(to, args)));
    }
    pub fn branch(&mut self, cc: Cc, a: Value, b: Value, then: Block, els: Block) {
        self.end(Term::Branch {
            cc,
            a,
            b,
            then: Target::new(then, Vec::new()),
            els: Target::new(els, Vec::new()),
        });
    }
    /// Branches on `v != 0`.
    pub fn branch_true(&mut self, v: Value, then: Block, els: Block) {
        let zero = self.iconst(0);
        self.branch(Cc::Ne, v, zero, then, els);
    }
    pub fn ret(&mut self, v: Value) {
        self.end(Term::Ret(v));
    }
    /// Ends the current block.
    pub fn end(&mut self, term: Term) {
        if self.terminated() {
            crate::bug!("{}: {} ends twice", self.func.name, self.cur);
        }
        let targets: Vec<Block> = match &term {
            Term::Jump(t) => vec![t.block()],
            Term::Branch { then, els, .. } => vec![then.block(), els.block()],
            Term::Ret(_) | Term::None => Vec::new(),
        };
        for t in targets {
            if self.sealed[t] {
                crate::bug!("{}: jump to sealed {t}", self.func.name);
            }
            self.preds[t].push(self.cur);
        }
        self.func.blocks[self.cur].term = term;
        self.func.blocks[self.cur].term_span = self.span;
    }

    // --- variables -------------------------------------------------------------------------------------

    /// A new variable. Reading it before an assignment gives 0.
    pub fn var(&mut self, kind: Kind) -> Var {
        self.n_vars += 1;
        self.var_kinds.push(kind);
        Var(self.n_vars - 1)
    }
    pub fn var_kind(&self, var: Var) -> Kind {
        self.var_kinds[var.0 as usize]
    }
    pub fn set(&mut self, var: Var, v: Value) {
        self.defs.insert((self.cur, var), v);
    }
    pub fn get(&mut self, var: Var) -> Value {
        self.get_in(self.cur, var)
    }

    fn get_in(&mut self, b: Block, var: Var) -> Value {
        if let Some(&v) = self.defs.get(&(b, var)) {
            return v;
        }
        let v = if !self.sealed[b] {
            let p = self.new_param(b, var);
            self.pending[b].push((var, p));
            p
        } else if self.preds[b].is_empty() {
            self.zero_at_entry(b)
        } else if self.preds[b].len() == 1 {
            let pred = self.preds[b][0];
            self.get_in(pred, var)
        } else {
            let p = self.new_param(b, var);
            self.defs.insert((b, var), p);
            self.fill_param(b, var, p);
            p
        };
        self.defs.insert((b, var), v);
        v
    }

    fn new_param(&mut self, b: Block, var: Var) -> Value {
        let v = self.value(self.var_kinds[var.0 as usize]);
        self.func.blocks[b].params.push(v);
        v
    }

    fn fill_param(&mut self, b: Block, var: Var, param: Value) {
        let Some(pos) = self.func.blocks[b].params.iter().position(|&p| p == param) else {
            crate::bug!("{b} lost its parameter {param}")
        };
        for pred in self.preds[b].clone() {
            let v = self.get_in(pred, var);
            let put = |t: &mut Target| {
                if t.block == Some(b) && t.args.len() == pos {
                    t.args.push(v);
                }
            };
            match &mut self.func.blocks[pred].term {
                Term::Jump(t) => put(t),
                Term::Branch { then, els, .. } => {
                    put(then);
                    put(els);
                }
                Term::Ret(_) | Term::None => crate::bug!("{pred} does not lead to {b}"),
            }
        }
    }

    fn zero_at_entry(&mut self, b: Block) -> Value {
        let v = self.value(Kind::Int);
        let i = self.func.insts.push(InstData { op: Op::Const(0), result: Some(v), span: self.span });
        self.func.blocks[b].insts.insert(0, i);
        v
    }

    // --- instructions ----------------------------------------------------------------------------------

    fn value(&mut self, kind: Kind) -> Value {
        self.func.values.push(ValueData { kind })
    }
    fn push(&mut self, op: Op, result: Option<Value>) -> Inst {
        if self.terminated() {
            crate::bug!("{}: {op:?} after the end of {}", self.func.name, self.cur);
        }
        let i = self.func.insts.push(InstData { op, result, span: self.span });
        self.func.blocks[self.cur].insts.push(i);
        i
    }
    /// An instruction with a result of the given kind.
    pub fn ins(&mut self, op: Op, kind: Kind) -> Value {
        let v = self.value(kind);
        self.push(op, Some(v));
        v
    }
    /// An instruction without a result.
    pub fn effect(&mut self, op: Op) {
        self.push(op, None);
    }
    /// Memory of `size` bytes; not initialised.
    pub fn slot(&mut self, size: u32, align: u32, name: &'static str) -> Slot {
        self.func.slots.push(SlotData { size, align, room: Room::Any, name })
    }
    /// The same that never leaves the stack; 8-aligned.
    pub fn stack_slot(&mut self, size: u32, name: &'static str) -> Slot {
        self.func.slots.push(SlotData { size, align: 8, room: Room::Stack, name })
    }

    pub fn iconst(&mut self, c: i64) -> Value {
        self.ins(Op::Const(c), Kind::Int)
    }
    /// The number that a value is, where it is one; no code.
    pub fn constant_of(&self, v: Value) -> Option<i64> {
        let made = self.func.insts.iter().rev().find(|i| i.result == Some(v))?;
        match made.op {
            Op::Const(c) => Some(c),
            _ => None,
        }
    }
    /// 64-bit arithmetic. Pointer plus or minus a number stays a pointer.
    pub fn bin(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        self.bin_w(op, Width::W64, a, b)
    }
    pub fn bin_w(&mut self, op: BinOp, w: Width, a: Value, b: Value) -> Value {
        let kind = match op {
            BinOp::Add | BinOp::Sub if w == Width::W64 => self.kind(a),
            _ => Kind::Int,
        };
        self.ins(Op::Bin { op, w, a, b }, kind)
    }
    pub fn bin_imm(&mut self, op: BinOp, a: Value, imm: i64) -> Value {
        let b = self.iconst(imm);
        self.bin(op, a, b)
    }
    pub fn add_imm(&mut self, a: Value, imm: i64) -> Value {
        if imm == 0 { a } else { self.bin_imm(BinOp::Add, a, imm) }
    }
    pub fn un(&mut self, op: UnOp, a: Value) -> Value {
        self.ins(Op::Un { op, a }, Kind::Int)
    }
    pub fn cmp(&mut self, cc: Cc, a: Value, b: Value) -> Value {
        self.ins(Op::Cmp { cc, a, b }, Kind::Int)
    }
    pub fn umin(&mut self, v: Value, max: u32) -> Value {
        self.ins(Op::Umin { v, max }, Kind::Int)
    }
    pub fn non_null(&mut self, p: Value) -> Value {
        let kind = match self.kind(p) {
            Kind::MapValueOrNull => Kind::MapValue,
            Kind::BtfOrNull => Kind::Btf,
            k => k,
        };
        self.ins(Op::NonNull { p }, kind)
    }
    pub fn retype(&mut self, p: Value, kind: Kind) -> Value {
        self.ins(Op::Retype { p, kind }, kind)
    }
    pub fn load(&mut self, size: Size, addr: Value, off: i32) -> Value {
        self.ins(Op::Load { size, sext: false, addr, off: Off::Imm(off) }, Kind::Int)
    }
    /// A load through a symbolic access; `kind` is that of the loaded value.
    pub fn load_field(&mut self, size: Size, sext: bool, addr: Value, access: AccessId, kind: Kind) -> Value {
        self.ins(Op::Load { size, sext, addr, off: Off::Field(access) }, kind)
    }
    pub fn store(&mut self, size: Size, addr: Value, off: i32, v: Value) {
        self.effect(Op::Store { size, addr, off, v });
    }
    pub fn atomic_add(&mut self, size: Size, addr: Value, off: i32, v: Value) {
        self.effect(Op::Atomic { op: AtomicOp::Add, size, addr, off, v, expected: None });
    }
    pub fn slot_addr(&mut self, slot: Slot) -> Value {
        self.ins(Op::SlotAddr(slot), Kind::Stack)
    }
    pub fn map_ptr(&mut self, map: MapId) -> Value {
        self.ins(Op::MapPtr(map), Kind::Map)
    }
    pub fn map_value(&mut self, map: MapId, off: u32) -> Value {
        self.ins(Op::MapValue { map, off }, Kind::MapValue)
    }
    /// A helper call with a number as its result.
    pub fn call(&mut self, helper: Helper, args: &[Value]) -> Value {
        self.call_kind(helper, args, Kind::Int)
    }
    pub fn call_kind(&mut self, helper: Helper, args: &[Value], kind: Kind) -> Value {
        self.ins(Op::Call { helper, args: args.to_vec() }, kind)
    }
    pub fn call_func(&mut self, func: FuncId, args: &[Value]) -> Value {
        self.ins(Op::CallFunc { func, args: args.to_vec() }, Kind::Int)
    }
    pub fn core(&mut self, kind: CoreKind, access: AccessId) -> Value {
        self.ins(Op::Core { kind, access }, Kind::Int)
    }
    pub fn zero(&mut self, addr: Value, off: i32, len: u32) {
        self.effect(Op::Zero { addr, off, len });
    }
    pub fn copy(&mut self, dst: Value, dst_off: i32, src: Value, src_off: i32, len: u32) {
        self.effect(Op::Copy { dst, dst_off, src, src_off, len });
    }
    /// What follows is the same to the verifier on every way that leads here, and shall be walked once.
    pub fn checkpoint(&mut self) {
        self.effect(Op::Checkpoint);
    }
}
