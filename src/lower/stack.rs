//! Stacks: walked by a helper, kept once each in a side map under a 128-bit hash.
//!
//! Comes in: the type of a stack. Goes out: its value in memory: the hash, and for user stacks the process. Always
//! holds: a stack that could not be walked or kept is counted, and its value is a hash without frames.

use super::func::Fx;
use super::top::{self, Top};
use crate::image::wire::globals;
use crate::image::{LossKind, MapId, ProgType, Role};
use crate::ir::{BinOp, Block, Cc, Kind, Size, Value, Var};
use crate::isa::Helper;
use crate::isa::limits::STACK_BYTES_MAX;
use crate::lang::traits::Operand;
use crate::ty::{Space, StackTy, Ty};

/// `BPF_F_USER_STACK`
const USER_STACK: i64 = 1 << 8;
/// Bytes of `struct bpf_pidns_info`: pid, tgid.
const PIDNS_INFO_BYTES: u32 = 8;
/// `BPF_NOEXIST`
const NOEXIST: i64 = 1;
/// Odd numbers with bits set at random (the fractions of the golden ratio and of the square root of 2).
const MIX_A: i64 = 0x9e37_79b9_7f4a_7c15_u64 as i64;
const MIX_B: i64 = 0x6a09_e667_f3bc_c909;

/// Frames of BPF's own before a stack.
#[derive(Clone, Copy, Debug)]
enum Own {
    /// Known, and left out of what the helper yields.
    Counted(u32),
    /// Found out at run time, and left out by the helper.
    Found(Value),
}

impl Own {
    /// Frames for which there is to be room.
    fn room(self) -> u32 {
        match self {
            Own::Counted(n) => n,
            Own::Found(_) => top::FRAMES_BEFORE_MAX,
        }
    }

    /// Frames that the helper yields.
    fn kept(self) -> u32 {
        match self {
            Own::Counted(n) => n,
            Own::Found(_) => 0,
        }
    }
}

impl Fx<'_, '_> {
    /// The stack of the type, as a value in memory.
    pub fn stack(&mut self, ty: StackTy) -> Operand {
        let (dst, off) = self.out(self.size(&Ty::Stack(ty)), "stack");
        let map = self.m.own_map(Role::Stacks(ty));
        let own = match (ty.space, self.top) {
            (Space::Kernel, Top::Counted) => Own::Counted(self.own_frames()),
            (Space::Kernel, Top::Begins(top)) => Own::Found(self.frames_before(top)),
            (Space::User | Space::Any, _) => Own::Counted(0),
        };
        let frames = self.temp(8 + 8 * (own.room() + u32::from(ty.limit)), "frames");
        let n_bytes = self.walk_stack(ty, frames, own);
        let skip = own.kept();
        // The side map's value is the number of frames, which lies where the last frame was that is left out, and
        // then the frames.
        let value = self.b.add_imm(frames, 8 * i64::from(skip));
        self.hash_frames(value, n_bytes, u32::from(ty.limit), (dst, off));
        self.keep_frames(map, (dst, off), value, n_bytes);
        if ty.space == Space::User {
            let tgid = self.tgid();
            self.b.store(Size::B8, dst, off + 16, tgid);
        }
        Operand::Mem { ptr: dst, off }
    }

    /// Walks to behind the first word of `frames`; yields the bytes of the frames that count. There are none
    /// where the task has no such stack: a kernel thread's user stack, the kernel's while user code runs.
    fn walk_stack(&mut self, ty: StackTy, frames: Value, own: Own) -> Value {
        let to = self.b.add_imm(frames, 8);
        let bytes = 8 * (own.room() + u32::from(ty.limit));
        if bytes <= STACK_BYTES_MAX {
            // Verifier: 5.10 wants memory on the stack initialised here.
            self.clear(to, 0, bytes);
        }
        let size = self.b.iconst(bytes.into());
        let flags = match own {
            // The low byte is the number of frames that the helper leaves out.
            Own::Found(n) => n,
            Own::Counted(_) => self.b.iconst(if ty.space == Space::User { USER_STACK } else { 0 }),
        };
        let skip = own.kept();
        let ctx = self.ctx();
        let r = self.b.call(Helper::GET_STACK, &[ctx, to, size, flags]);
        let left_out = self.b.iconst(8 * i64::from(skip));
        let n = self.choose(
            (Cc::Sgt, r, left_out),
            Kind::Int,
            |f| f.b.bin_imm(BinOp::Sub, r, 8 * i64::from(skip)),
            |f| f.b.iconst(0),
        );
        self.b.umin(n, 8 * u32::from(ty.limit))
    }

    /// Frames of BPF's own machinery on top of the stack that a program sees: itself, and what called it. The
    /// helper's own way to leave out frames took them from the limit before 5.18.
    pub fn own_frames(&self) -> u32 {
        match self.prog_type {
            ProgType::RawTracepoint | ProgType::Tracing => 2,
            ProgType::Kprobe
            | ProgType::Tracepoint
            | ProgType::PerfEvent
            | ProgType::Syscall
            | ProgType::Xdp => 0,
        }
    }

    /// Two lanes of multiply and shift over the frames. Verifier: the place is known in each round, because it
    /// moves by constants from a constant.
    pub fn hash_frames(&mut self, value: Value, n_bytes: Value, limit: u32, (dst, off): (Value, i32)) {
        let seed_at = self.global(globals::SEED);
        let seed = self.b.load(Size::B8, seed_at, 0);
        let (a, b, at) = (self.b.var(Kind::Int), self.b.var(Kind::Int), self.b.var(Kind::Int));
        self.b.set(a, seed);
        let other = self.b.bin(BinOp::Xor, seed, n_bytes);
        self.b.set(b, other);
        let zero = self.b.iconst(0);
        self.b.set(at, zero);
        let (head, more, body, end) = (self.block(), self.block(), self.block(), self.block());
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let now = self.b.get(at);
        let max = self.b.iconst(8 * i64::from(limit));
        self.b.branch(Cc::Ult, now, max, more, end);
        self.b.enter(more);
        self.b.branch(Cc::Ult, now, n_bytes, body, end);
        self.b.enter(body);
        let p = self.b.bin(BinOp::Add, value, now);
        let word = self.b.load(Size::B8, p, 8);
        self.mix(a, word, MIX_A, 32);
        self.mix(b, word, MIX_B, 29);
        let next = self.b.add_imm(now, 8);
        self.b.set(at, next);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
        for (var, by, shift, at) in [(a, MIX_B, 31, 0), (b, MIX_A, 33, 8)] {
            let v = self.b.get(var);
            let v = self.b.bin_imm(BinOp::Mul, v, by);
            let high = self.b.bin_imm(BinOp::Lshr, v, shift);
            let v = self.b.bin(BinOp::Xor, v, high);
            self.b.store(Size::B8, dst, off + at, v);
        }
    }

    fn mix(&mut self, lane: Var, word: Value, by: i64, shift: i64) {
        let v = self.b.get(lane);
        let v = self.b.bin(BinOp::Xor, v, word);
        let v = self.b.bin_imm(BinOp::Mul, v, by);
        let high = self.b.bin_imm(BinOp::Lshr, v, shift);
        let v = self.b.bin(BinOp::Xor, v, high);
        self.b.set(lane, v);
    }

    /// Puts the frames into the side map if they are not there.
    pub fn keep_frames(&mut self, map: MapId, (dst, off): (Value, i32), value: Value, n_bytes: Value) {
        let key = self.b.add_imm(dst, off.into());
        let ptr = self.b.map_ptr(map);
        let found = self.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[ptr, key], Kind::MapValueOrNull);
        let zero = self.b.iconst(0);
        self.when(Cc::Eq, found, zero, |f| {
            let n = f.b.bin_imm(BinOp::Lshr, n_bytes, 3);
            f.b.store(Size::B8, value, 0, n);
            let ptr = f.b.map_ptr(map);
            let flags = f.b.iconst(NOEXIST);
            let r = f.b.call(Helper::MAP_UPDATE_ELEM, &[ptr, key, value, flags]);
            // Another CPU may have been faster (EEXIST).
            let (zero, exists, bad) = (f.b.iconst(0), f.b.iconst(-17), f.block());
            let on = f.block();
            f.b.branch(Cc::Slt, r, zero, bad, on);
            f.b.enter(bad);
            f.when(Cc::Ne, r, exists, |f| f.lose(LossKind::Stack));
            f.b.jump(on, Vec::new());
            f.b.enter(on);
        });
    }

    /// Thread and process of the current task in awl's namespace, 0 where it does not see them.
    pub fn own_ids(&mut self) -> (Value, Value) {
        let ids = self.temp(PIDNS_INFO_BYTES, "ids");
        let [dev, ino] = [globals::PIDNS_DEV, globals::PIDNS_INO].map(|at| {
            let at = self.global(at);
            self.b.load(Size::B8, at, 0)
        });
        let len = self.b.iconst(PIDNS_INFO_BYTES.into());
        // A failure leaves zeros.
        self.b.call(Helper::GET_NS_CURRENT_PID_TGID, &[dev, ino, ids, len]);
        (self.b.load(Size::B4, ids, 0), self.b.load(Size::B4, ids, 4))
    }

    /// What the side map keeps of the stack with that key.
    pub fn stack_frames(&mut self, ty: StackTy, key: Value, gone: Block) -> Value {
        let map = self.m.own_map(Role::Stacks(ty));
        let ptr = self.b.map_ptr(map);
        let found = self.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[ptr, key], Kind::MapValueOrNull);
        self.present(found, gone)
    }

    /// The process of the current task, as awl knows it.
    pub fn tgid(&mut self) -> Value {
        if crate::world::has_other_ids(self.m.world) {
            return self.own_ids().1;
        }
        let both = self.b.call(Helper::GET_CURRENT_PID_TGID, &[]);
        self.b.bin_imm(BinOp::Lshr, both, 32)
    }
}
