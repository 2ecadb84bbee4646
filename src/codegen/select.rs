//! Instruction selection: a function of the IR to machine instructions over virtual registers.
//!
//! Comes in: a function that `prepare` has made ready (slots on the stack, critical edges split, blocks in
//! order). Always holds: what is cheap to make again (numbers, addresses of slots and maps) is made where it is
//! used and lives at most to the next call, so that it is never spilled; offsets, numbers and comparisons are
//! folded into the instructions that take them; what nobody needs is left out.

use regalloc2::{Operand, PReg, RegClass, VReg};

use super::vcode::{Base, Callee, Machine, Second, Sym, VBlock, VCode, VInst};
use crate::base::{Idx, IndexVec, Span};
use crate::image::{Access, AccessId};
use crate::ir::visit::Effect;
use crate::ir::{
    AtomicOp, BinOp, Block, Cc, CoreKind, Func, Inst, Off, Op, Size, Slot, Target, Term, UnOp, Value, Width,
};
use crate::isa::Helper;

/// Helpers that are called without their wrapper, and before kernel 6.4 return an `int`: -2 arrives as
/// 0xfffffffe there.
const RETURN_INT: &[Helper] = &[Helper::MAP_UPDATE_ELEM, Helper::MAP_DELETE_ELEM];

/// A value that is made again where it is used.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Remat {
    Const(i64),
    Frame { slot: Slot, off: i16 },
    Sym(Sym),
    Core { kind: CoreKind, access: AccessId },
}

/// A base and an offset that fits an instruction.
#[derive(Clone, Copy)]
enum Addr {
    Value(Value, i16),
    Frame(Slot, i16),
    /// The offset must be added first.
    Far(Value, i32),
}

pub(super) struct Select<'a> {
    pub func: &'a Func,
    accesses: &'a IndexVec<AccessId, Access>,
    /// What `NonNull` and `Retype` rename.
    alias: IndexVec<Value, Value>,
    def: IndexVec<Value, Option<Inst>>,
    /// Values that must be in a register.
    needed: IndexVec<Value, bool>,
    vregs: IndexVec<Value, Option<VReg>>,
    /// Rematerialised values that are in a register here.
    cache: Vec<(Value, VReg)>,
    span: Span,
    code: VCode,
}

/// The code of `func`.
pub fn select(func: &Func, accesses: &IndexVec<AccessId, Access>) -> VCode {
    let mut s = Select {
        func,
        accesses,
        alias: func.values.indices().collect(),
        def: func.values.indices().map(|_| None).collect(),
        needed: func.values.indices().map(|_| false).collect(),
        vregs: func.values.indices().map(|_| None).collect(),
        cache: Vec::new(),
        span: func.span,
        code: VCode::default(),
    };
    s.definitions();
    s.demands();
    for b in func.blocks.indices() {
        s.block(b);
    }
    s.preds();
    s.code
}

/// What is needed where.
impl Select<'_> {
    /// Blocks stand in reverse postorder, so definitions come before what renames them.
    fn definitions(&mut self) {
        for data in self.func.blocks.iter() {
            for &i in &data.insts {
                let inst = &self.func.insts[i];
                let Some(v) = inst.result else { continue };
                self.def[v] = Some(i);
                if let Op::NonNull { p } | Op::Retype { p, .. } = inst.op {
                    self.alias[v] = self.alias[p];
                }
            }
        }
    }

    fn demands(&mut self) {
        for b in self.func.blocks.indices().rev() {
            let data = &self.func.blocks[b];
            for &p in &data.params {
                self.needed[p] = true;
            }
            match &data.term {
                Term::Branch { cc, a, b, .. } => {
                    let (_, a, b) = self.condition(*cc, *a, *b);
                    self.demand(a);
                    self.demand(b);
                }
                Term::Ret(v) => self.demand(*v),
                Term::Jump(_) | Term::None => {}
            }
            data.term.targets().flat_map(|t| &t.args).for_each(|&v| self.demand(v));
            for &i in data.insts.iter().rev() {
                if !self.is_skipped(i) {
                    self.demand_operands(&self.func.insts[i].op);
                }
            }
        }
    }

    fn demand_operands(&mut self, op: &Op) {
        match op {
            Op::Load { addr, off: Off::Imm(off), .. } => self.demand_addr(*addr, *off, 0),
            Op::Zero { addr, off, len } => self.demand_addr(*addr, *off, *len),
            Op::Store { addr, off, v, .. } => {
                self.demand_addr(*addr, *off, 0);
                self.demand(*v);
            }
            Op::Atomic { addr, off, v, expected, .. } => {
                self.demand_addr(*addr, *off, 0);
                self.demand(*v);
                expected.iter().for_each(|&e| self.demand(e));
            }
            Op::Copy { dst, dst_off, src, src_off, len } => {
                self.demand_addr(*dst, *dst_off, *len);
                self.demand_addr(*src, *src_off, *len);
            }
            other => other.each_use(|v| self.demand(v)),
        }
    }

    fn demand(&mut self, v: Value) {
        if self.remat(v).is_none() {
            let v = self.alias[v];
            self.needed[v] = true;
        }
    }

    fn demand_addr(&mut self, v: Value, off: i32, len: u32) {
        match self.addr(v, off, len) {
            Addr::Value(v, _) | Addr::Far(v, _) => self.demand(v),
            Addr::Frame(..) => {}
        }
    }

    /// Whether an instruction makes no code of its own.
    fn is_skipped(&self, i: Inst) -> bool {
        let inst = &self.func.insts[i];
        let Some(v) = inst.result else { return false };
        if matches!(inst.op, Op::NonNull { .. } | Op::Retype { .. }) || self.remat(v).is_some() {
            return true;
        }
        let effect = inst.op.effect(|v| self.func.values[v].kind);
        effect <= Effect::Reads && !self.needed[v]
    }

    fn op_of(&self, v: Value) -> Option<&Op> {
        self.def[self.alias[v]].map(|i| &self.func.insts[i].op)
    }

    fn const_of(&self, v: Value) -> Option<i64> {
        match self.op_of(v) {
            Some(Op::Const(c)) => Some(*c),
            _ => None,
        }
    }

    fn remat(&self, v: Value) -> Option<Remat> {
        match *self.op_of(v)? {
            Op::Const(c) => Some(Remat::Const(c)),
            Op::SlotAddr(slot) => Some(Remat::Frame { slot, off: 0 }),
            Op::MapPtr(map) => Some(Remat::Sym(Sym::Map(map))),
            Op::MapValue { map, off } => Some(Remat::Sym(Sym::MapValue { map, off })),
            Op::FuncAddr(f) => Some(Remat::Sym(Sym::Func(f))),
            Op::Core { kind, access } => Some(Remat::Core { kind, access }),
            Op::Bin { .. } => match self.addr(v, 0, 0) {
                Addr::Frame(slot, off) => Some(Remat::Frame { slot, off }),
                Addr::Value(..) | Addr::Far(..) => None,
            },
            _ => None,
        }
    }

    /// `v + off` with every constant that was added to it on the way taken into the offset, which leaves room
    /// for `len` bytes.
    fn addr(&self, v: Value, off: i32, len: u32) -> Addr {
        let fits = |off: i64| i16::try_from(off + i64::from(len)).and_then(|_| i16::try_from(off)).ok();
        let (mut v, mut off) = (self.alias[v], i64::from(off));
        loop {
            let step = match self.op_of(v) {
                Some(Op::SlotAddr(slot)) => match fits(off) {
                    Some(off) => return Addr::Frame(*slot, off),
                    None => None,
                },
                Some(Op::Bin { op: BinOp::Add, w: Width::W64, a, b }) => match self.const_of(*b) {
                    Some(c) => Some((*a, c)),
                    None => self.const_of(*a).map(|c| (*b, c)),
                },
                Some(Op::Bin { op: BinOp::Sub, w: Width::W64, a, b }) => {
                    self.const_of(*b).and_then(|c| Some((*a, c.checked_neg()?)))
                }
                _ => None,
            };
            let further = step.and_then(|(base, c)| Some((base, off.checked_add(c)?)));
            match further {
                Some((base, sum)) if fits(sum).is_some() => (v, off) = (self.alias[base], sum),
                _ => break,
            }
        }
        match fits(off) {
            Some(off) => Addr::Value(v, off),
            None => Addr::Far(v, off as i32),
        }
    }

    /// A test for zero of a comparison is that comparison: the verifier learns from nothing else.
    fn condition(&self, cc: Cc, a: Value, b: Value) -> (Cc, Value, Value) {
        let (mut cc, mut a, mut b) = (cc, a, b);
        while let (Cc::Eq | Cc::Ne, Some(0), Some(&Op::Cmp { cc: inner, a: x, b: y })) =
            (cc, self.const_of(b), self.op_of(a))
        {
            cc = if cc == Cc::Ne { inner } else { inner.negate() };
            (a, b) = (x, y);
        }
        if self.const_of(a).is_some() { (cc.swap(), b, a) } else { (cc, a, b) }
    }
}

/// Registers and operands.
impl Select<'_> {
    fn fresh(&mut self) -> VReg {
        self.code.n_vregs += 1;
        VReg::new(self.code.n_vregs - 1, RegClass::Int)
    }

    /// The register that an instruction's result goes to.
    fn result(&mut self, v: Value) -> VReg {
        match self.vregs[v] {
            Some(r) => r,
            None => {
                let r = self.fresh();
                self.vregs[v] = Some(r);
                r
            }
        }
    }

    /// A register that holds `v` here.
    fn reg(&mut self, v: Value) -> VReg {
        let v = self.alias[v];
        match self.remat(v) {
            None => self.result(v),
            Some(what) => match self.cache.iter().find(|(w, _)| *w == v) {
                Some(&(_, r)) => r,
                None => {
                    let r = self.materialise(what);
                    self.cache.push((v, r));
                    r
                }
            },
        }
    }

    /// A register for an argument of a call, which lives no longer than that.
    fn arg(&mut self, v: Value) -> VReg {
        match self.remat(v) {
            Some(what) => self.materialise(what),
            None => self.reg(v),
        }
    }

    fn materialise(&mut self, what: Remat) -> VReg {
        let r = self.fresh();
        let what = match what {
            Remat::Const(c) => Machine::Imm(c),
            Remat::Frame { slot, off } => Machine::FrameAddr { slot, off },
            Remat::Sym(sym) => Machine::Sym(sym),
            Remat::Core { kind, access } => {
                Machine::Core { imm: core_value(kind, &self.accesses[access]), kind, access }
            }
        };
        self.push(what, &[Operand::reg_def(r)]);
        r
    }

    /// A number as an immediate if it fits, else a register.
    fn second(&mut self, v: Value) -> (Second, Option<Operand>) {
        match self.const_of(v).map(i32::try_from) {
            Some(Ok(imm)) => (Second::Imm(imm), None),
            _ => (Second::Reg, Some(Operand::reg_use(self.reg(v)))),
        }
    }

    /// Base and offset of an access, and the operand if the base is a register.
    fn base(&mut self, v: Value, off: i32, len: u32) -> (Base, i16, Option<Operand>) {
        match self.addr(v, off, len) {
            Addr::Frame(slot, off) => (Base::Frame(slot), off, None),
            Addr::Value(v, off) => (Base::Reg, off, Some(Operand::reg_use(self.reg(v)))),
            Addr::Far(v, off) => {
                let (from, to) = (self.reg(v), self.fresh());
                self.push_alu(BinOp::Add, Width::W64, to, from, Second::Imm(off), None);
                (Base::Reg, 0, Some(Operand::reg_use(to)))
            }
        }
    }

    fn push(&mut self, what: Machine, operands: &[Operand]) {
        let lo = self.code.operands.len() as u32;
        self.code.operands.extend_from_slice(operands);
        let hi = self.code.operands.len() as u32;
        self.code.insts.push(VInst { what, span: self.span, operands: (lo, hi) });
    }

    fn push_alu(&mut self, op: BinOp, w: Width, d: VReg, a: VReg, b: Second, b_reg: Option<Operand>) {
        let mut operands = vec![Operand::reg_reuse_def(d, 1), Operand::reg_use(a)];
        operands.extend(b_reg);
        self.push(Machine::Alu { op, w, b }, &operands);
    }

    /// An instruction with one operand whose result takes its register.
    fn push_unary(&mut self, what: Machine, d: VReg, a: VReg) {
        self.push(what, &[Operand::reg_reuse_def(d, 1), Operand::reg_use(a)]);
    }
}

/// Blocks and their ends.
impl Select<'_> {
    fn block(&mut self, b: Block) {
        let data = &self.func.blocks[b];
        let lo = self.code.insts.len() as u32;
        self.cache.clear();
        let mut vblock = VBlock::default();
        self.span = data.insts.first().map_or(data.term_span, |&i| self.func.insts[i].span);
        if b == self.func.entry {
            let defs: Vec<Operand> = (1u8..)
                .zip(&data.params)
                .map(|(r, &p)| Operand::reg_fixed_def(self.result(p), preg(r)))
                .collect();
            self.push(Machine::Args, &defs);
        } else {
            vblock.params = data.params.iter().map(|&p| self.result(p)).collect();
        }
        for &i in &data.insts {
            if !self.is_skipped(i) {
                self.span = self.func.insts[i].span;
                self.inst(i);
            }
        }
        self.span = data.term_span;
        vblock.succs = data.term.succs().map(|s| regalloc2::Block::new(s.index())).collect();
        match &data.term {
            Term::Jump(Target { args, .. }) => {
                vblock.args = args.iter().map(|&v| self.reg(v)).collect();
                self.push(Machine::Jump, &[]);
            }
            Term::Branch { cc, a, b, .. } => {
                let (cc, a, b) = self.condition(*cc, *a, *b);
                let a = Operand::reg_use(self.reg(a));
                let (b, b_reg) = self.second(b);
                let operands: Vec<Operand> = std::iter::once(a).chain(b_reg).collect();
                self.push(Machine::Branch { cc, b }, &operands);
            }
            Term::Ret(v) => {
                let v = self.arg(*v);
                self.push(Machine::Ret, &[Operand::reg_fixed_use(v, preg(0))]);
            }
            Term::None => crate::bug!("{}: {b} has no end", self.func.name),
        }
        vblock.insts = (lo, self.code.insts.len() as u32);
        self.code.blocks.push(vblock);
    }

    fn preds(&mut self) {
        for b in 0..self.code.blocks.len() {
            for s in self.code.blocks[b].succs.clone() {
                self.code.blocks[s.index()].preds.push(regalloc2::Block::new(b));
            }
        }
    }
}

/// One instruction.
impl Select<'_> {
    fn inst(&mut self, i: Inst) {
        let inst = &self.func.insts[i];
        match &inst.op {
            // Made where they are used, or renamed.
            Op::Const(_)
            | Op::SlotAddr(_)
            | Op::MapPtr(_)
            | Op::MapValue { .. }
            | Op::FuncAddr(_)
            | Op::Core { .. }
            | Op::NonNull { .. }
            | Op::Retype { .. } => {}
            Op::Bin { op, w, a, b } => self.bin(*op, *w, *a, *b, inst.result),
            Op::Un { op, a } => self.un(*op, *a, inst.result),
            Op::Cmp { cc, a, b } => {
                let (cc, a, b) =
                    if self.const_of(*a).is_some() { (cc.swap(), *b, *a) } else { (*cc, *a, *b) };
                let a = Operand::reg_use(self.reg(a));
                let (b, b_reg) = self.second(b);
                let d = Operand::reg_def_at_start(self.dest(inst.result));
                let operands: Vec<Operand> = [d, a].into_iter().chain(b_reg).collect();
                self.push(Machine::Set { cc, b }, &operands);
            }
            Op::Umin { v, max } => self.umin(*v, *max, inst.result),
            Op::Load { size, sext, addr, off } => self.load(*size, *sext, *addr, *off, inst.result),
            Op::Store { size, addr, off, v } => {
                let (base, off, base_reg) = self.base(*addr, *off, 0);
                let (v, v_reg) = self.second(*v);
                let operands: Vec<Operand> = base_reg.into_iter().chain(v_reg).collect();
                self.push(Machine::Store { size: *size, base, off, v }, &operands);
            }
            Op::Atomic { op, size, addr, off, v, expected } => {
                self.atomic(*op, *size, (*addr, *off), *v, *expected, inst.result);
            }
            Op::Call { helper, args } => self.call(Callee::Helper(*helper), args, inst.result),
            Op::CallKfunc { name, args } => self.call(Callee::Kfunc(name), args, inst.result),
            Op::CallFunc { func, args } => self.call(Callee::Func(*func), args, inst.result),
            Op::Checkpoint => self.push(Machine::Checkpoint, &[]),
            Op::Zero { addr, off, len } => {
                let (base, off, reg) = self.base(*addr, *off, *len);
                for (at, size) in chunks(off.into(), off.into(), *len) {
                    let what = Machine::Store { size, base, off: add(off, at), v: Second::Imm(0) };
                    self.push(what, reg.as_slice());
                }
            }
            Op::Copy { dst, dst_off, src, src_off, len } => {
                let (to, to_off, to_reg) = self.base(*dst, *dst_off, *len);
                let (from, from_off, from_reg) = self.base(*src, *src_off, *len);
                for (at, size) in chunks(to_off.into(), from_off.into(), *len) {
                    let tmp = self.fresh();
                    let load = Machine::Load { size, base: from, off: add(from_off, at), field: None };
                    let operands: Vec<Operand> =
                        std::iter::once(Operand::reg_def(tmp)).chain(from_reg).collect();
                    self.push(load, &operands);
                    let store = Machine::Store { size, base: to, off: add(to_off, at), v: Second::Reg };
                    let operands: Vec<Operand> = to_reg.into_iter().chain([Operand::reg_use(tmp)]).collect();
                    self.push(store, &operands);
                }
            }
        }
    }

    fn dest(&mut self, result: Option<Value>) -> VReg {
        match result {
            Some(v) => self.result(v),
            None => crate::bug!("{}: an operation lacks its result", self.func.name),
        }
    }

    fn bin(&mut self, op: BinOp, w: Width, a: Value, b: Value, result: Option<Value>) {
        let d = self.dest(result);
        let commutes = matches!(op, BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor);
        let (a, b) = if commutes && self.const_of(a).is_some() { (b, a) } else { (a, b) };
        let Some(c) = self.const_of(b) else {
            let (a, b) = (self.reg(a), self.reg(b));
            self.push_alu(op, w, d, a, Second::Reg, Some(Operand::reg_use(b)));
            return;
        };
        // The verifier refuses shifts beyond the width and division by a constant 0.
        let c = match (op, w) {
            (BinOp::Shl | BinOp::Lshr | BinOp::Ashr, Width::W64) => c & 63,
            (BinOp::Shl | BinOp::Lshr | BinOp::Ashr, Width::W32) => c & 31,
            (_, Width::W32) => i64::from(c as i32),
            (_, Width::W64) => c,
        };
        let a = self.reg(a);
        match (op, c, i32::try_from(c)) {
            (BinOp::Udiv, 0, _) => self.push(Machine::Imm(0), &[Operand::reg_def(d)]),
            (BinOp::Urem, 0, _) => {
                self.push(Machine::Mov { w }, &[Operand::reg_def(d), Operand::reg_use(a)]);
            }
            (BinOp::And, 0xffff_ffff, _) => {
                let w = Width::W32;
                self.push(Machine::Mov { w }, &[Operand::reg_def(d), Operand::reg_use(a)]);
            }
            (_, _, Ok(imm)) => self.push_alu(op, w, d, a, Second::Imm(imm), None),
            (_, _, Err(_)) => {
                let b = self.reg(b);
                self.push_alu(op, w, d, a, Second::Reg, Some(Operand::reg_use(b)));
            }
        }
    }

    fn un(&mut self, op: UnOp, a: Value, result: Option<Value>) {
        let (d, a) = (self.dest(result), self.reg(a));
        match op {
            UnOp::Neg => self.push_unary(Machine::Neg, d, a),
            UnOp::Bswap16 => self.push_unary(Machine::Swap { bits: 16 }, d, a),
            UnOp::Bswap32 => self.push_unary(Machine::Swap { bits: 32 }, d, a),
            UnOp::Bswap64 => self.push_unary(Machine::Swap { bits: 64 }, d, a),
            UnOp::Zext8 => self.push_alu(BinOp::And, Width::W64, d, a, Second::Imm(0xff), None),
            UnOp::Zext16 => self.push_alu(BinOp::And, Width::W64, d, a, Second::Imm(0xffff), None),
            UnOp::Zext32 => {
                let operands = [Operand::reg_def(d), Operand::reg_use(a)];
                self.push(Machine::Mov { w: Width::W32 }, &operands);
            }
            UnOp::Sext8 => self.sign_extend(d, a, 8),
            UnOp::Sext16 => self.sign_extend(d, a, 16),
            UnOp::Sext32 => self.sign_extend(d, a, 32),
        }
    }

    /// Two shifts: sign-extending moves and loads are younger than kernel 6.1.
    fn sign_extend(&mut self, d: VReg, a: VReg, bits: i32) {
        let high = self.fresh();
        self.push_alu(BinOp::Shl, Width::W64, high, a, Second::Imm(64 - bits), None);
        self.push_alu(BinOp::Ashr, Width::W64, d, high, Second::Imm(64 - bits), None);
    }

    /// Verifier: the bound is learnt for the register that is compared. It is the result itself, in one
    /// instruction as far as the allocator is concerned, so that whatever is spilled later is bounded already.
    fn umin(&mut self, v: Value, max: u32, result: Option<Value>) {
        let (d, v) = (self.dest(result), self.reg(v));
        match i32::try_from(max) {
            Ok(max) => self.push_unary(Machine::Umin { max }, d, v),
            Err(_) => crate::bug!("{}: a bound of {max}", self.func.name),
        }
    }

    fn load(&mut self, size: Size, sext: bool, addr: Value, off: Off, result: Option<Value>) {
        let d = self.dest(result);
        let raw = if sext && size != Size::B8 { self.fresh() } else { d };
        let (base, off, base_reg, field) = match off {
            Off::Imm(off) => {
                let (base, off, reg) = self.base(addr, off, 0);
                (base, off, reg, None)
            }
            Off::Field(access) => self.field_base(addr, access),
        };
        let operands: Vec<Operand> = std::iter::once(Operand::reg_def(raw)).chain(base_reg).collect();
        self.push(Machine::Load { size, base, off, field }, &operands);
        if raw != d {
            self.sign_extend(d, raw, size.bytes() as i32 * 8);
        }
    }

    /// The offset of a symbolic access stands alone in its instruction, to be relocated there.
    fn field_base(
        &mut self,
        addr: Value,
        access: AccessId,
    ) -> (Base, i16, Option<Operand>, Option<AccessId>) {
        let bytes = core_value(CoreKind::ByteOffset, &self.accesses[access]);
        let from = self.reg(addr);
        if let Ok(off) = i16::try_from(bytes) {
            return (Base::Reg, off, Some(Operand::reg_use(from)), Some(access));
        }
        let off = self.materialise(Remat::Core { kind: CoreKind::ByteOffset, access });
        let to = self.fresh();
        self.push_alu(BinOp::Add, Width::W64, to, from, Second::Reg, Some(Operand::reg_use(off)));
        (Base::Reg, 0, Some(Operand::reg_use(to)), None)
    }

    fn atomic(
        &mut self,
        op: AtomicOp,
        size: Size,
        (addr, off): (Value, i32),
        v: Value,
        expected: Option<Value>,
        result: Option<Value>,
    ) {
        let (base, off, base_reg) = self.base(addr, off, 0);
        // A result that takes the register of a number to be used again would have to be copied.
        let v = self.arg(v);
        let mut operands = Vec::new();
        match (op, expected) {
            (AtomicOp::Add, _) => operands.push(Operand::reg_use(v)),
            (AtomicOp::FetchAdd | AtomicOp::Xchg, _) => {
                operands.extend([Operand::reg_reuse_def(self.dest(result), 1), Operand::reg_use(v)]);
            }
            (AtomicOp::CmpXchg, Some(e)) => {
                let e = self.arg(e);
                operands.extend([
                    Operand::reg_fixed_def(self.dest(result), preg(0)),
                    Operand::reg_use(v),
                    Operand::reg_fixed_use(e, preg(0)),
                ]);
            }
            (AtomicOp::CmpXchg, None) => crate::bug!("CmpXchg without an expected value"),
        }
        operands.extend(base_reg);
        self.push(Machine::Atomic { op, size, base, off }, &operands);
    }

    fn call(&mut self, callee: Callee, args: &[Value], result: Option<Value>) {
        let uses: Vec<Operand> =
            (1u8..).zip(args).map(|(r, &v)| Operand::reg_fixed_use(self.arg(v), preg(r))).collect();
        let wanted = result.filter(|&v| self.needed[v]).map(|v| self.result(v));
        let is_int = matches!(callee, Callee::Helper(h) if RETURN_INT.contains(&h));
        let raw = wanted.map(|d| if is_int { self.fresh() } else { d });
        let def = raw.map(|r| Operand::reg_fixed_def(r, preg(0)));
        let operands: Vec<Operand> = def.into_iter().chain(uses).collect();
        self.push(Machine::Call(callee), &operands);
        self.cache.clear();
        if let (true, Some(d), Some(raw)) = (is_int, wanted, raw) {
            self.sign_extend(d, raw, 32);
        }
    }
}

/// The hardware register of this number.
pub fn preg(r: u8) -> PReg {
    PReg::new(r.into(), RegClass::Int)
}

/// What a question about a field is answered by as of the compiling kernel.
fn core_value(kind: CoreKind, a: &Access) -> i32 {
    let answer = match kind {
        CoreKind::ByteOffset => word_offset(a),
        CoreKind::ByteSize | CoreKind::TypeSize => a.size,
        CoreKind::Exists | CoreKind::TypeExists => a.exists.into(),
        CoreKind::Signed => a.signed.into(),
        CoreKind::LshiftU64 | CoreKind::RshiftU64 => bit_field_shifts(kind, a),
    };
    match i32::try_from(answer) {
        Ok(v) => v,
        Err(_) => crate::bug!("{kind:?} is {answer}"),
    }
}

/// The word of `size` bytes that holds a bit field starts at a multiple of its size.
fn word_offset(a: &Access) -> u32 {
    let bytes = a.offset_bits / 8;
    match a.bitfield_bits {
        Some(_) if a.size > 0 => bytes / a.size * a.size,
        _ => bytes,
    }
}

/// Little-endian: shifts that bring the field to the top of 64 bits, then to the bottom.
fn bit_field_shifts(kind: CoreKind, a: &Access) -> u32 {
    let width = a.bitfield_bits.map_or(a.size * 8, u32::from);
    let first = a.offset_bits - word_offset(a) * 8;
    if kind == CoreKind::LshiftU64 { 64 - (first + width).min(64) } else { 64 - width.min(64) }
}

/// The accesses that cover `len` bytes whose offsets (from an address that 8 divides) are given: each as its
/// distance from the start, as wide as both offsets allow.
fn chunks(a: i32, b: i32, len: u32) -> Vec<(i16, Size)> {
    let mut list = Vec::new();
    let mut at = 0u32;
    while at < len {
        let size = [Size::B8, Size::B4, Size::B2, Size::B1].into_iter().find(|s| {
            let n = s.bytes();
            let aligned = |off: i32| (off + at as i32).rem_euclid(n as i32) == 0;
            at + n <= len && aligned(a) && aligned(b)
        });
        let size = size.unwrap_or(Size::B1);
        list.push((at as i16, size));
        at += size.bytes();
    }
    list
}

fn add(off: i16, at: i16) -> i16 {
    match off.checked_add(at) {
        Some(sum) => sum,
        None => crate::bug!("offset {off} + {at}"),
    }
}
