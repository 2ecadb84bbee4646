//! Programs by hand, whose results are known.

use awl::ir::{AtomicOp, BinOp, Builder, Cc, Kind, Op, Size, UnOp, Value, Width};

use crate::harness::{Kernel, clobber, entry, input, module, output, ret, run};

/// Numbers at the edges of every width.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    63,
    127,
    128,
    0xff80,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x0123_4567_89ab_cdef,
    0x8000_0000_0000_0000,
    u64::MAX,
];

const BIN_OPS: [BinOp; 11] = [
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
];

const CCS: [Cc; 10] =
    [Cc::Eq, Cc::Ne, Cc::Ult, Cc::Ule, Cc::Ugt, Cc::Uge, Cc::Slt, Cc::Sle, Cc::Sgt, Cc::Sge];

/// A program that only computes outputs from its inputs.
fn outputs(inputs: &[u64], build: impl FnOnce(&mut Builder) -> Vec<Value>) -> Vec<u64> {
    let mut b = entry();
    let values = build(&mut b);
    for (n, v) in (0..).zip(values) {
        output(&mut b, n, v);
    }
    ret(&mut b, 0);
    run(&module(vec![b.finish()]), inputs)
}

/// Both operands in registers, then each as a constant.
pub fn arithmetic() {
    for (x, y) in EDGES.iter().flat_map(|&x| EDGES.iter().map(move |&y| (x, y))).step_by(3) {
        let out = outputs(&[x, y], |b| {
            let (a, c) = (input(b, 0), input(b, 1));
            let (ka, kc) = (b.iconst(x as i64), b.iconst(y as i64));
            let mut all = Vec::new();
            for op in BIN_OPS {
                for w in [Width::W64, Width::W32] {
                    for (p, q) in [(a, c), (a, kc)] {
                        all.push(b.bin_w(op, w, p, q));
                    }
                }
            }
            all.push(b.bin(BinOp::Sub, ka, c));
            all.push(b.bin(BinOp::Add, ka, kc));
            all
        });
        assert_eq!(out[0], x.wrapping_add(y));
        assert_eq!(out[2], u64::from((x as u32).wrapping_add(y as u32)));
        assert_eq!(out[12], x.checked_div(y).unwrap_or(0));
        assert_eq!(out[17], x.checked_rem(y).unwrap_or(x));
        assert_eq!(out[44], x.wrapping_sub(y));
    }
}

pub fn unary() {
    for x in EDGES {
        let out = outputs(&[x], |b| {
            let a = input(b, 0);
            let ops = [
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
            ];
            ops.map(|op| b.un(op, a)).to_vec()
        });
        assert_eq!(out[1], x as i8 as u64);
        assert_eq!(out[9], x.swap_bytes());
    }
}

/// Comparisons as values, in branches, and as values that branches test.
pub fn comparisons() {
    for (x, y) in EDGES.iter().flat_map(|&x| EDGES.iter().map(move |&y| (x, y))).step_by(5) {
        let mut b = entry();
        let (a, c, k) = (input(&mut b, 0), input(&mut b, 1), b.iconst(y as i64));
        for (n, cc) in (0..).zip(CCS) {
            let as_value = b.cmp(cc, a, k);
            let flipped = b.cmp(cc, k, a);
            let sum = b.bin(BinOp::Add, as_value, flipped);
            output(&mut b, n * 3, sum);
            let branched = b.var(Kind::Int);
            let zero = b.iconst(0);
            b.set(branched, zero);
            let [then, join, then2, join2] = std::array::from_fn(|_| b.new_block());
            b.branch(cc, a, c, then, join);
            b.enter(then);
            let one = b.iconst(1);
            b.set(branched, one);
            b.jump(join, Vec::new());
            b.enter(join);
            b.branch_true(as_value, then2, join2);
            b.enter(then2);
            let old = b.get(branched);
            let more = b.bin_imm(BinOp::Add, old, 10);
            b.set(branched, more);
            b.jump(join2, Vec::new());
            b.enter(join2);
            let v = b.get(branched);
            output(&mut b, n * 3 + 1, v);
        }
        ret(&mut b, 7);
        let out = run(&module(vec![b.finish()]), &[x, y]);
        assert_eq!(out[1], if x == y { 11 } else { 0 });
        assert_eq!(out[2 * 3 + 1], if x < y { 11 } else { 0 });
    }
}

/// More values live across calls than there are registers that survive them.
pub fn pressure() {
    let inputs: Vec<u64> = (0..24).map(|i| i * 0x1111_1111 + 7).collect();
    let out = outputs(&inputs, |b| {
        let values: Vec<Value> = (0..24).map(|n| input(b, n)).collect();
        let answer = clobber(b);
        let mixed: Vec<Value> = values.windows(2).map(|w| b.bin(BinOp::Mul, w[0], w[1])).collect();
        clobber(b);
        let mut sum = answer;
        for v in values.iter().chain(&mixed).rev() {
            sum = b.bin(BinOp::Xor, sum, *v);
            sum = b.bin_imm(BinOp::Mul, sum, 31);
        }
        [sum, answer].into_iter().chain(mixed).collect()
    });
    assert_eq!(out[1], -2i64 as u64);
    assert_eq!(out[2], inputs[0].wrapping_mul(inputs[1]));
}

/// A bounded index that is kept over calls, used as an offset and as a size.
pub fn bounds() {
    for x in [0u64, 5, 7, 8, 1 << 40] {
        let out = outputs(&[x, 10, 11, 12, 13, 14, 15, 16, 17, 18], |b| {
            let x = input(b, 0);
            let i = b.umin(x, 7);
            let more: Vec<Value> = (1..9).map(|n| input(b, n)).collect();
            clobber(b);
            let bytes = b.bin_imm(BinOp::Shl, i, 3);
            let io = b.map_value(crate::harness::IO, 0);
            let at = b.bin(BinOp::Add, io, bytes);
            clobber(b);
            let picked = b.load(Size::B8, at, 8);
            let total = more.into_iter().reduce(|x, y| b.bin(BinOp::Add, x, y));
            vec![i, picked, total.expect("eight"), x]
        });
        assert_eq!(&out[..4], [x.min(7), 10 + x.min(7), (10..18).sum(), x]);
    }
}

/// Loads and stores of every width, on the stack and in a map.
pub fn memory() {
    let out = outputs(&[0x8182_8384_8586_8788], |b| {
        let x = input(b, 0);
        let slot = b.slot(32, 8, "bytes");
        let p = b.slot_addr(slot);
        b.zero(p, 0, 32);
        let q = b.add_imm(p, 8);
        b.store(Size::B8, q, 0, x);
        b.store(Size::B2, p, 2, x);
        let mut all = Vec::new();
        for size in [Size::B1, Size::B2, Size::B4, Size::B8] {
            all.push(b.load(size, p, 8));
            let off = awl::ir::Off::Imm(8);
            all.push(b.ins(Op::Load { size, sext: true, addr: p, off }, Kind::Int));
        }
        all.push(b.load(Size::B8, p, 0));
        all
    });
    let x = 0x8182_8384_8586_8788u64;
    assert_eq!(&out[..4], [0x88, x as i8 as u64, 0x8788, x as i16 as u64]);
    assert_eq!(&out[4..9], [0x8586_8788, x as i32 as u64, x, x, 0x8788_0000]);
}

/// Copies and clears of all lengths, at offsets that do not go together.
pub fn moves() {
    for len in [1u32, 3, 4, 7, 8, 13, 16, 31, 48] {
        for off in [0, 1, 4] {
            let inputs: Vec<u64> = (0..8).map(|i| 0x0101_0101_0101_0101 * (i + 1)).collect();
            outputs(&inputs, |b| {
                let slot = b.slot(64, 8, "bytes");
                let p = b.slot_addr(slot);
                b.zero(p, 0, 64);
                let io = b.map_value(crate::harness::IO, 0);
                b.copy(p, off, io, 8 + off * 3, len);
                b.zero(p, 20, len.min(8));
                let out = b.map_value(crate::harness::IO, crate::harness::OUT);
                b.copy(out, 64, p, 0, 64);
                vec![b.load(Size::B8, p, 8)]
            });
        }
    }
}

/// Read-modify-write; what it gives back is what was there.
pub fn atomics() {
    if !crate::bpf::has_atomic_fetch() {
        println!("skipped: atomics: this kernel has no atomic fetch");
        return;
    }
    let out = outputs(&[5], |b| {
        let io = b.map_value(crate::harness::IO, 0);
        let (x, two, nine) = (input(b, 0), b.iconst(2), b.iconst(9));
        b.atomic_add(Size::B8, io, 0, two);
        let mut all = vec![input(b, 0)];
        let atomic = |b: &mut Builder, op, v, expected| {
            b.ins(Op::Atomic { op, size: Size::B8, addr: io, off: 0, v, expected }, Kind::Int)
        };
        all.push(atomic(b, AtomicOp::FetchAdd, x, None));
        all.push(atomic(b, AtomicOp::Xchg, nine, None));
        all.push(atomic(b, AtomicOp::CmpXchg, two, Some(two)));
        all.push(atomic(b, AtomicOp::CmpXchg, two, Some(nine)));
        all.push(input(b, 0));
        all.push(two);
        all
    });
    assert_eq!(&out[..7], [7, 7, 12, 9, 9, 2, 2]);
}

/// Functions that call functions; each is in the program once.
pub fn calls() {
    use awl::ir::FuncId;
    let mut inner = Builder::new("inner", &[Kind::Int, Kind::Int], awl::base::Span::none());
    let product = inner.bin(BinOp::Mul, inner.param(0), inner.param(1));
    let more = inner.bin_imm(BinOp::Add, product, 3);
    inner.ret(more);
    let mut outer = Builder::new("outer", &[Kind::Int], awl::base::Span::none());
    let p = outer.param(0);
    let square = outer.call_func(FuncId(0), &[p, p]);
    let r = outer.call_func(FuncId(0), &[square, p]);
    outer.ret(r);
    let mut b = entry();
    let (x, y) = (input(&mut b, 0), input(&mut b, 1));
    let first = b.call_func(FuncId(1), &[x]);
    let second = b.call_func(FuncId(0), &[first, y]);
    output(&mut b, 0, first);
    output(&mut b, 1, second);
    b.ret(second);
    let m = module(vec![inner.finish(), outer.finish(), b.finish()]);
    let out = run(&m, &[3, 5]);
    assert_eq!(&out[..2], [(9 + 3) * 3 + 3, ((9 + 3) * 3 + 3) * 5 + 3]);
    let image = crate::harness::generate(&m, crate::harness::Optimise::No, &Kernel::native());
    let names: Vec<&str> = image.programs.raw[0].funcs.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["main", "outer", "inner"]);
}

/// A bounded loop, whose variables meet at its head.
pub fn loops() {
    let mut b = entry();
    let n = b.var(Kind::Int);
    let (a, c) = (b.var(Kind::Int), b.var(Kind::Int));
    let (zero, one) = (b.iconst(0), b.iconst(1));
    b.set(n, zero);
    b.set(a, zero);
    b.set(c, one);
    let [head, body, done] = std::array::from_fn(|_| b.new_block());
    b.jump(head, Vec::new());
    b.switch_to(head);
    let (i, limit) = (b.get(n), b.iconst(20));
    b.branch(Cc::Ult, i, limit, body, done);
    b.enter(body);
    // The two change places as they go on: a swap for the allocator.
    let (x, y) = (b.get(a), b.get(c));
    let sum = b.bin(BinOp::Add, x, y);
    b.set(a, y);
    b.set(c, sum);
    let i = b.get(n);
    let next = b.add_imm(i, 1);
    b.set(n, next);
    b.jump(head, Vec::new());
    b.enter(head);
    b.enter(done);
    b.checkpoint();
    let (x, y) = (b.get(a), b.get(c));
    output(&mut b, 0, x);
    output(&mut b, 1, y);
    ret(&mut b, 0);
    assert_eq!(&run(&module(vec![b.finish()]), &[])[..2], [6765, 10946]);
}
