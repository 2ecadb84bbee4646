//! Random programs from fixed seeds: the interpreter, plain code and optimised code must agree.
//!
//! Statements over a few variables: arithmetic on edge numbers, memory of the stack and of a map, bounded
//! offsets, calls that clobber, functions, branches, bounded loops. Whatever can be undefined is not generated.

use awl::base::Span;
use awl::ir::{AtomicOp, BinOp, Builder, Cc, FuncId, Kind, Module, Op, Size, Slot, UnOp, Value, Var, Width};

use crate::harness::{IO, OUT, clobber, entry, input, module, output, run};
use crate::xorshift::Random;

/// Variables of a program; as many outputs.
const N_VARS: usize = 12;
const N_INPUTS: u32 = 16;
/// Bytes that statements read and write of their slot.
const SLOT_BYTES: u32 = 64;

const EDGES: [i64; 16] = [
    0,
    1,
    -1,
    2,
    7,
    31,
    32,
    63,
    64,
    255,
    0x7fff_ffff,
    0x8000_0000,
    -0x8000_0000,
    0xffff_ffff,
    i64::MIN,
    0x0123_4567_89ab_cdef,
];

pub fn programs() {
    for seed in 1..=120 {
        program(seed);
    }
}

/// One program of this seed, on two sets of inputs.
fn program(seed: u64) {
    let mut g = Gen { rng: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), n_branches: 0 };
    let m = g.module();
    for _ in 0..2 {
        let inputs: Vec<u64> = (0..N_INPUTS).map(|_| g.edge() as u64).collect();
        let result = std::panic::catch_unwind(|| run(&m, &inputs));
        if let Err(why) = result {
            eprintln!("seed {seed}, inputs {inputs:x?}:\n{}", awl::ir::print::module(&m));
            std::panic::resume_unwind(why);
        }
    }
}

struct Gen {
    rng: Random,
    n_branches: u32,
}

/// What statements work on.
struct Scope {
    vars: Vec<Var>,
    slot: Slot,
}

impl Gen {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.below(from.len())]
    }
    fn edge(&mut self) -> i64 {
        let e = self.pick(&EDGES);
        if self.rng.below(3) == 0 { self.rng.next() as i64 } else { e }
    }

    fn module(&mut self) -> Module {
        let mut funcs = Vec::new();
        for n in 0..2 {
            let mut b = Builder::new(format!("leaf{n}"), &[Kind::Int, Kind::Int], Span::none());
            let (mut x, y) = (b.param(0), b.param(1));
            for _ in 0..4 {
                let c = b.iconst(self.pick(&EDGES));
                let other = self.pick(&[x, y, c]);
                x = self.bin(&mut b, x, other);
            }
            b.ret(x);
            funcs.push(b.finish());
        }
        let mut b = entry();
        // Now and then one that must go to scratch memory.
        let bytes = if self.rng.below(4) == 0 { 10 * SLOT_BYTES } else { SLOT_BYTES };
        let scope =
            Scope { vars: (0..N_VARS).map(|_| b.var(Kind::Int)).collect(), slot: b.slot(bytes, 8, "bytes") };
        for (n, &var) in (0..).zip(&scope.vars) {
            let v = if self.rng.below(4) == 0 { b.iconst(self.pick(&EDGES)) } else { input(&mut b, n) };
            b.set(var, v);
        }
        let p = b.slot_addr(scope.slot);
        b.zero(p, 0, SLOT_BYTES);
        let n = 8 + self.rng.below(14);
        self.statements(&mut b, &scope, n, 0);
        for (n, &var) in (0..).zip(&scope.vars) {
            let v = b.get(var);
            output(&mut b, n, v);
        }
        let v = b.get(scope.vars[0]);
        b.ret(v);
        funcs.push(b.finish());
        module(funcs)
    }

    fn get(&mut self, b: &mut Builder, scope: &Scope) -> Value {
        let var = self.pick(&scope.vars);
        b.get(var)
    }

    fn operand(&mut self, b: &mut Builder, scope: &Scope) -> Value {
        if self.rng.below(3) == 0 { b.iconst(self.edge()) } else { self.get(b, scope) }
    }

    fn bin(&mut self, b: &mut Builder, x: Value, y: Value) -> Value {
        let op = self.pick(&[
            BinOp::Add,
            BinOp::Sub,
            BinOp::Mul,
            BinOp::Udiv,
            BinOp::Urem,
            BinOp::And,
            BinOp::Or,
            BinOp::Xor,
            BinOp::Shl,
            BinOp::Lshr,
            BinOp::Ashr,
        ]);
        let w = self.pick(&[Width::W64, Width::W64, Width::W32]);
        b.bin_w(op, w, x, y)
    }

    fn cc(&mut self) -> Cc {
        self.pick(&[Cc::Eq, Cc::Ne, Cc::Ult, Cc::Ule, Cc::Ugt, Cc::Uge, Cc::Slt, Cc::Sle, Cc::Sgt, Cc::Sge])
    }

    fn un_op(&mut self) -> UnOp {
        self.pick(&[
            UnOp::Neg,
            UnOp::Sext8,
            UnOp::Sext16,
            UnOp::Sext32,
            UnOp::Zext8,
            UnOp::Zext16,
            UnOp::Zext32,
            UnOp::Bswap16,
            UnOp::Bswap32,
            UnOp::Bswap64,
        ])
    }

    fn statements(&mut self, b: &mut Builder, scope: &Scope, n: usize, depth: u32) {
        for _ in 0..n {
            match self.rng.below(20) {
                0 | 1 if depth < 3 && self.n_branches < 7 => self.branch(b, scope, depth),
                2 if depth == 0 => self.looped(b, scope),
                3 => self.memory(b, scope),
                4 => self.bytes(b, scope),
                5 => self.shared(b, scope),
                _ => {
                    let v = self.value(b, scope);
                    b.set(self.pick(&scope.vars), v);
                }
            }
        }
    }

    fn value(&mut self, b: &mut Builder, scope: &Scope) -> Value {
        let x = self.get(b, scope);
        match self.rng.below(12) {
            0 => {
                let op = self.un_op();
                b.un(op, x)
            }
            1 | 2 => {
                let (cc, y) = (self.cc(), self.operand(b, scope));
                b.cmp(cc, x, y)
            }
            3 => clobber(b),
            4 => {
                let y = self.operand(b, scope);
                let f = FuncId(self.rng.below(2) as u32);
                b.call_func(f, &[x, y])
            }
            5 => {
                // A bounded index, perhaps kept over a call.
                let i = b.umin(x, 7);
                let bytes = b.bin_imm(BinOp::Shl, i, 3);
                let io = b.map_value(IO, 0);
                if self.rng.below(2) == 0 {
                    clobber(b);
                }
                let at = b.bin(BinOp::Add, io, bytes);
                b.load(Size::B8, at, 8 * self.rng.below(4) as i32)
            }
            6 => b.umin(x, self.rng.below(1000) as u32),
            _ => {
                let y = self.operand(b, scope);
                if self.rng.below(4) == 0 { self.bin(b, y, x) } else { self.bin(b, x, y) }
            }
        }
    }

    /// A store to or a load from the slot.
    fn memory(&mut self, b: &mut Builder, scope: &Scope) {
        let size = self.pick(&[Size::B1, Size::B2, Size::B4, Size::B8]);
        let off = self.rng.below((SLOT_BYTES / size.bytes()) as usize) as i32 * size.bytes() as i32;
        let start = b.slot_addr(scope.slot);
        let p = b.add_imm(start, 0.max(off as i64 - 8));
        let off = off.min(8);
        if self.rng.below(2) == 0 {
            let v = self.operand(b, scope);
            b.store(size, p, off, v);
        } else {
            let sext = self.rng.below(2) == 0;
            let off = awl::ir::Off::Imm(off);
            let v = b.ins(Op::Load { size, sext, addr: p, off }, Kind::Int);
            b.set(self.pick(&scope.vars), v);
        }
    }

    /// A copy from the map into the slot, or zeros.
    fn bytes(&mut self, b: &mut Builder, scope: &Scope) {
        let off = self.rng.below(40) as i32;
        let len = 1 + self.rng.below(24) as u32;
        let p = b.slot_addr(scope.slot);
        if self.rng.below(3) == 0 {
            b.zero(p, off, len);
        } else {
            let io = b.map_value(IO, 0);
            b.copy(p, off, io, self.rng.below(64) as i32, len);
        }
    }

    /// An atomic operation on a word of the outputs.
    fn shared(&mut self, b: &mut Builder, scope: &Scope) {
        let io = b.map_value(IO, OUT);
        let (size, off) = (self.pick(&[Size::B4, Size::B8]), 128 + 8 * self.rng.below(4) as i32);
        let v = self.operand(b, scope);
        let op = self.pick(&[AtomicOp::Add, AtomicOp::FetchAdd, AtomicOp::Xchg, AtomicOp::CmpXchg]);
        let op = if crate::bpf::has_atomic_fetch() { op } else { AtomicOp::Add };
        match op {
            AtomicOp::Add => b.atomic_add(size, io, off, v),
            _ => {
                let expected = (op == AtomicOp::CmpXchg).then(|| self.operand(b, scope));
                // The comparison is of as many bytes as the access has.
                let expected = expected.map(|e| if size == Size::B4 { b.un(UnOp::Zext32, e) } else { e });
                let op = Op::Atomic { op, size, addr: io, off, v, expected };
                let old = b.ins(op, Kind::Int);
                b.set(self.pick(&scope.vars), old);
            }
        }
    }

    fn branch(&mut self, b: &mut Builder, scope: &Scope, depth: u32) {
        self.n_branches += 1;
        let [then, els, join] = std::array::from_fn(|_| b.new_block());
        let x = self.get(b, scope);
        let y = self.operand(b, scope);
        let cc = self.cc();
        if self.rng.below(2) == 0 {
            b.branch(cc, x, y, then, els);
        } else {
            let flag = b.cmp(cc, x, y);
            b.branch_true(flag, then, els);
        }
        for side in [then, els] {
            b.enter(side);
            let n = self.rng.below(4);
            self.statements(b, scope, n, depth + 1);
            b.jump(join, Vec::new());
        }
        b.enter(join);
    }

    fn looped(&mut self, b: &mut Builder, scope: &Scope) {
        let n = b.var(Kind::Int);
        let zero = b.iconst(0);
        b.set(n, zero);
        let [head, body, done] = std::array::from_fn(|_| b.new_block());
        b.jump(head, Vec::new());
        b.switch_to(head);
        let (i, limit) = (b.get(n), b.iconst(1 + self.rng.below(3) as i64));
        b.branch(Cc::Ult, i, limit, body, done);
        b.enter(body);
        let n_statements = 1 + self.rng.below(4);
        self.statements(b, scope, n_statements, 2);
        let i = b.get(n);
        let next = b.add_imm(i, 1);
        b.set(n, next);
        b.jump(head, Vec::new());
        b.enter(head);
        b.enter(done);
    }
}
