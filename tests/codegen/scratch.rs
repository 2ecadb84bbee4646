//! Memory objects that do not fit the stack: claimed, used, given back, counted when there is none.

use awl::image::{MapId, MapKind, Role};
use awl::ir::{BinOp, Builder, Cc, FuncId, Kind, Module, Size};

use crate::harness::{
    IO, IO_BYTES, Kernel, OUT, Optimise, clobber, entry, generate, input, load, module, output, ret, run,
    words,
};

/// Fills a big slot from the inputs, calls, reads it back.
fn big(b: &mut Builder, size: u32) {
    let slot = b.slot(size, 8, "big");
    let p = b.slot_addr(slot);
    let x = input(b, 1);
    b.store(Size::B8, p, 0, x);
    b.store(Size::B8, p, size as i32 - 8, x);
    clobber(b);
    let (first, last) = (b.load(Size::B8, p, 0), b.load(Size::B8, p, size as i32 - 8));
    let sum = b.bin(BinOp::Add, first, last);
    output(b, 0, sum);
}

/// Uses the big slot only if the first input is not 0; several returns.
fn guarded(size: u32) -> Module {
    let mut b = entry();
    let [body, skip, odd, even] = std::array::from_fn(|_| b.new_block());
    let x = input(&mut b, 0);
    b.branch_true(x, body, skip);
    b.enter(skip);
    ret(&mut b, 1);
    b.enter(body);
    big(&mut b, size);
    let low = b.bin_imm(BinOp::And, x, 1);
    b.branch_true(low, odd, even);
    b.enter(odd);
    ret(&mut b, 3);
    b.enter(even);
    ret(&mut b, 2);
    b.func.fail_ret = 99;
    b.func.scratch_loss = Some(awl::image::LossId(0));
    let mut m = module(vec![b.finish()]);
    let losses = awl::image::Map {
        name: ".losses".into(),
        kind: MapKind::Array,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        flags: 0,
        role: Role::Losses,
    };
    m.image.maps.push(losses);
    m.image.losses.push(awl::image::LossSite {
        kind: awl::image::LossKind::Scratch,
        program: awl::image::ProgramId(0),
        span: awl::base::Span::none(),
    });
    m
}

const LOSSES: MapId = MapId(2);
const SCRATCH: MapId = MapId(3);

pub fn claimed_and_freed() {
    for size in [600u32, 4096, 20_000] {
        for (flag, returned) in [(0, 1), (5, 3), (6, 2)] {
            assert_eq!(run(&guarded(size), &[flag, 21])[0], if flag == 0 { 0 } else { 42 });
            for kernel in Kernel::all() {
                let image = generate(&guarded(size), Optimise::Yes, &kernel);
                assert_eq!(image.maps[SCRATCH].role, Role::Scratch);
                assert!(image.programs.raw[0].stack_bytes <= 64);
                let loaded = load(&image);
                let mut io = vec![0u8; IO_BYTES as usize];
                io[0] = flag as u8;
                io[8] = 21;
                for _ in 0..10 {
                    loaded.write(IO, 0, &io);
                    assert_eq!(loaded.run(), returned, "atomic fetch: {}", kernel.atomic_fetch);
                }
                // Every slot of every CPU is free again.
                for slot in 0..4 {
                    let value = loaded.read(SCRATCH, slot);
                    let one_cpu = value.len() / n_cpus(&value, &image.maps[SCRATCH]);
                    assert!(value.chunks(one_cpu).all(|cpu| words(&cpu[..8]) == [0]), "slot {slot}");
                }
                assert_eq!(words(&loaded.read(LOSSES, 0)), [0]);
            }
        }
    }
}

fn n_cpus(value: &[u8], map: &awl::image::Map) -> usize {
    value.len() / map.value_size.next_multiple_of(8) as usize
}

/// With slots taken the next free one is used; with all taken the loss is counted and the program returns.
pub fn exhausted() {
    for kernel in Kernel::all() {
        let image = generate(&guarded(600), Optimise::Yes, &kernel);
        let loaded = load(&image);
        let mut io = vec![0u8; IO_BYTES as usize];
        (io[0], io[8]) = (2, 21);
        for n_taken in 0..=4u32 {
            for slot in 0..4 {
                let mut value = loaded.read(SCRATCH, slot);
                let one_cpu = value.len() / n_cpus(&value, &image.maps[SCRATCH]);
                value.chunks_mut(one_cpu).for_each(|cpu| cpu[0] = u8::from(slot < n_taken));
                loaded.write(SCRATCH, slot, &value);
            }
            loaded.write(IO, 0, &io);
            let expected = if n_taken == 4 { (99, 0, 1) } else { (2, 42, 0) };
            let returned = loaded.run();
            let out = words(&loaded.read(IO, 0)[OUT as usize..])[0];
            let losses = words(&loaded.read(LOSSES, 0))[0];
            assert_eq!((returned, out, losses), expected, "{n_taken} taken");
        }
    }
}

/// The stack of a chain of calls stays within 512 bytes: each function on it takes its share, what does not
/// fit goes to scratch memory.
pub fn chain_of_calls() {
    let mut funcs = Vec::new();
    for n in 0..4u32 {
        let name = format!("f{n}");
        let mut b = Builder::new(name, &[Kind::Int], awl::base::Span::none());
        let slot = b.slot(160, 8, "bytes");
        let p = b.slot_addr(slot);
        b.zero(p, 0, 160);
        let x = b.param(0);
        b.store(Size::B8, p, 152, x);
        let below = if n == 0 { x } else { b.call_func(FuncId(n - 1), &[x]) };
        let mine = b.load(Size::B8, p, 152);
        let sum = b.bin(BinOp::Add, below, mine);
        b.ret(sum);
        funcs.push(b.finish());
    }
    let mut b = entry();
    let x = input(&mut b, 0);
    let sum = b.call_func(FuncId(3), &[x]);
    output(&mut b, 0, sum);
    ret(&mut b, 0);
    funcs.push(b.finish());
    let m = module(funcs);
    assert_eq!(run(&m, &[7])[0], 35);
    let image = generate(&m, Optimise::No, &Kernel::native());
    assert!(image.programs.raw[0].stack_bytes <= 512);
}

/// A big slot that is used in a loop is claimed once, before it.
pub fn in_a_loop() {
    let mut b = entry();
    let n = b.var(Kind::Int);
    let total = b.var(Kind::Int);
    let zero = b.iconst(0);
    b.set(n, zero);
    b.set(total, zero);
    let [head, body, done] = std::array::from_fn(|_| b.new_block());
    b.jump(head, Vec::new());
    b.switch_to(head);
    let (i, limit) = (b.get(n), b.iconst(10));
    b.branch(Cc::Ult, i, limit, body, done);
    b.enter(body);
    let slot = b.slot(700, 8, "big");
    let p = b.slot_addr(slot);
    b.store(Size::B8, p, 600, i);
    clobber(&mut b);
    let back = b.load(Size::B8, p, 600);
    let t = b.get(total);
    let sum = b.bin(BinOp::Add, t, back);
    b.set(total, sum);
    let i = b.get(n);
    let next = b.add_imm(i, 1);
    b.set(n, next);
    b.jump(head, Vec::new());
    b.enter(head);
    b.enter(done);
    let t = b.get(total);
    output(&mut b, 0, t);
    ret(&mut b, 0);
    let m = module(vec![b.finish()]);
    assert_eq!(run(&m, &[])[0], 45);
}

/// What is not needed at the same time shares memory, on the stack and in scratch memory.
pub fn shared_memory() {
    let mut b = entry();
    for n in 0..60 {
        let x = input(&mut b, n % 16);
        // A small one for each, and for some a big one that is used at the same time.
        let small = b.slot(24, 8, "small");
        let p = b.slot_addr(small);
        b.zero(p, 0, 24);
        b.store(Size::B8, p, 16, x);
        let big = (n % 2 == 0).then(|| {
            let slot = b.slot(2048, 8, "big");
            let q = b.slot_addr(slot);
            b.store(Size::B8, q, 2040, x);
            q
        });
        clobber(&mut b);
        let mut back = b.load(Size::B8, p, 16);
        if let Some(q) = big {
            let other = b.load(Size::B8, q, 2040);
            back = b.bin(BinOp::Add, back, other);
        }
        output(&mut b, n % 60, back);
    }
    ret(&mut b, 0);
    let m = module(vec![b.finish()]);
    let inputs: Vec<u64> = (1..17).map(|i| i * 1000).collect();
    let out = run(&m, &inputs);
    assert_eq!(out[..4], [2000, 2000, 6000, 4000]);
    let image = generate(&m, Optimise::Yes, &Kernel::native());
    assert!(image.programs.raw[0].stack_bytes < 128, "{}", image.programs.raw[0].stack_bytes);
    let pool = image.maps.iter().find(|map| map.role == Role::Scratch).expect("scratch memory");
    assert_eq!(pool.value_size, 8 + 2048);
}
