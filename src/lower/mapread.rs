//! Reads of maps: an element's value or zero, and an aggregation's over all CPUs.
//!
//! Always holds: what is read is copied at once, for an element may be deleted and its memory used again.

use super::func::Fx;
use super::map::Absent;
use super::maps::set_flag_at;
use super::memory::Tails;
use crate::image::{LossKind, MapId, Storage};
use crate::ir::{BinOp, Block, Cc, Kind, Off, Op, Size, Value, Var};
use crate::isa::Helper;
use crate::lang::traits::Operand;
use crate::sema::hir::Expr;
use crate::ty::{AggKind, Ty};

/// Sums up the kernel's own counters of a map's elements (6.6).
const COUNT_KFUNC: &str = "bpf_map_sum_elem_count";

impl<'a> Fx<'_, 'a> {
    /// `@m[k]`: the value, or zero where there is none.
    pub fn read_map(&mut self, map: MapId, key: Option<&'a Expr>, ty: &Ty) -> Operand {
        let dest = self.dest.take();
        let def = self.map_def(map);
        let key = self.key(map, key);
        if let Ty::Agg { kind, signed } = def.value {
            return Operand::Val(self.read_aggregation(map, key, kind, signed));
        }
        if ty.is_scalar() {
            return Operand::Val(self.read_element(map, key, ty));
        }
        self.dest = dest;
        let bytes = self.size(ty);
        let (dst, off) = self.out(bytes, "map value");
        let (gone, done) = (self.block(), self.block());
        let at = self.find_element(map, key, gone);
        self.store(ty, Operand::Mem { ptr: at, off: 0 }, dst, off, Tails::Any);
        self.b.jump(done, Vec::new());
        self.b.enter(gone);
        self.note_absent(map);
        self.clear(dst, off, bytes);
        self.b.jump(done, Vec::new());
        self.b.enter(done);
        if self.holds_dirty(ty) {
            self.dirty.insert(dst);
        }
        Operand::Mem { ptr: dst, off }
    }

    /// With `-k`, counts a lookup that found nothing.
    fn note_absent(&mut self, map: MapId) {
        if self.m.hir.config.tells_failed_reads {
            self.lose(LossKind::NoElement(map));
        }
    }

    /// A scalar element, or 0.
    pub fn read_element(&mut self, map: MapId, key: Option<Value>, ty: &Ty) -> Value {
        let kind = self.kind_of(ty);
        if self.map_def(map).storage == Storage::Global {
            // What is not set holds zeros.
            let at = self.b.map_value(map, 0);
            return self.load_scalar(ty, at, Off::Imm(0), kind);
        }
        let (gone, join) = (self.block(), self.block());
        let out = self.b.block_param(join, kind);
        let at = match self.map_def(map).storage {
            // Here, too.
            Storage::Thread => self.thread_storage(map, Absent::Stays, gone),
            _ => self.find_element(map, key, gone),
        };
        let v = self.load_scalar(ty, at, Off::Imm(0), kind);
        self.b.jump(join, vec![v]);
        self.b.enter(gone);
        self.note_absent(map);
        let zero = self.b.iconst(0);
        let zero = self.as_kind(zero, kind);
        self.b.jump(join, vec![zero]);
        self.b.enter(join);
        out
    }

    /// Copies an element's value to `dst`, which stays as it is where there is none; 1 if it is there. Of an aggregation
    /// the value is that over all CPUs.
    pub fn copy_element(&mut self, map: MapId, key: Option<Value>, dst: Value) -> Value {
        let gone = self.block();
        let value = &self.map_def(map).value;
        if let Ty::Agg { kind, signed } = *value {
            let element = self.target_and_key(map, key, gone);
            let v = self.read_over_cpus(element, (kind, signed), gone);
            self.b.store(Size::B8, dst, 0, v);
        } else {
            let at = self.find_element(map, key, gone);
            self.store(value, Operand::Mem { ptr: at, off: 0 }, dst, 0, Tails::Any);
            if self.holds_dirty(value) {
                self.dirty.insert(dst);
            }
        }
        let one = self.b.iconst(1);
        self.or_zero_from(one, gone)
    }

    /// The address of an element's value, null where there is none.
    pub fn map_address(&mut self, map: MapId, key: Option<&'a Expr>) -> Value {
        let key = self.key(map, key);
        let (gone, join) = (self.block(), self.block());
        let out = self.b.block_param(join, Kind::MapValueOrNull);
        let at = self.find_element(map, key, gone);
        let at = self.as_kind(at, Kind::MapValueOrNull);
        self.b.jump(join, vec![at]);
        self.b.enter(gone);
        let zero = self.b.iconst(0);
        let zero = self.as_kind(zero, Kind::MapValueOrNull);
        self.b.jump(join, vec![zero]);
        self.b.enter(join);
        out
    }

    // --- aggregations ----------------------------------------------------------------------------------

    /// The value of a castable aggregation over all CPUs; 0 where there is none.
    fn read_aggregation(&mut self, map: MapId, key: Option<Value>, kind: AggKind, signed: bool) -> Value {
        let gone = self.block();
        let element = self.target_and_key(map, key, gone);
        let v = self.read_over_cpus(element, (kind, signed), gone);
        self.or_zero_from(v, gone)
    }

    /// The value of the element of that map and key. Goes to `gone` where there is none.
    pub fn read_over_cpus(
        &mut self,
        element: (Value, Value),
        (kind, signed): (AggKind, bool),
        gone: Block,
    ) -> Value {
        let (total, count) = (self.b.var(Kind::Int), self.b.var(Kind::Int));
        let zero = self.b.iconst(0);
        self.b.set(total, zero);
        self.b.set(count, zero);
        self.each_cpu(element, gone, |f, at, next| match kind {
            AggKind::Count | AggKind::Sum => {
                f.add_word(total, at, 0);
            }
            AggKind::Avg | AggKind::Stats => {
                f.add_word(count, at, 0);
                f.add_word(total, at, 8);
            }
            AggKind::Min => f.keep_extreme(total, count, at, if signed { Cc::Slt } else { Cc::Ult }, next),
            AggKind::Max => f.keep_extreme(total, count, at, if signed { Cc::Sgt } else { Cc::Ugt }, next),
            AggKind::Hist { .. } | AggKind::Lhist { .. } | AggKind::Tseries { .. } => {
                crate::bug!("{kind:?} is not a number")
            }
        });
        let sum = self.b.get(total);
        if !matches!(kind, AggKind::Avg | AggKind::Stats) {
            return sum;
        }
        let n = self.b.get(count);
        let ty = Ty::Int { bits: 64, signed };
        let zero = self.b.iconst(0);
        self.choose((Cc::Ne, n, zero), Kind::Int, |f| f.divide_nonzero(sum, n, &ty), |f| f.b.iconst(0))
    }

    fn add_word(&mut self, var: Var, at: Value, off: i32) {
        let word = self.b.load(Size::B8, at, off);
        let before = self.b.get(var);
        let sum = self.b.bin(BinOp::Add, before, word);
        self.b.set(var, sum);
    }

    /// The CPU's value, if it has one, where it is the first or better than what was found so far.
    fn keep_extreme(&mut self, best: Var, found: Var, at: Value, better: Cc, next: Block) {
        let zero = self.b.iconst(0);
        let (is_set, compare, take) = (self.block(), self.block(), self.block());
        let set = self.b.load(Size::B8, at, 8);
        self.b.branch(Cc::Eq, set, zero, next, is_set);
        self.b.enter(is_set);
        let v = self.b.load(Size::B8, at, 0);
        let n = self.b.get(found);
        self.b.branch(Cc::Eq, n, zero, take, compare);
        self.b.enter(compare);
        let old = self.b.get(best);
        self.b.branch(better, v, old, take, next);
        self.b.enter(take);
        self.b.set(best, v);
        let one = self.b.iconst(1);
        self.b.set(found, one);
    }

    /// Runs `f` on each CPU's storage of the element of that map and key; its block argument goes on with the next
    /// CPU. Goes to `gone` where there is no such element.
    fn each_cpu(
        &mut self,
        (target, key): (Value, Value),
        gone: Block,
        f: impl FnOnce(&mut Self, Value, Block),
    ) {
        let end = self.block();
        let cpu = self.b.var(Kind::Int);
        let zero = self.b.iconst(0);
        self.b.set(cpu, zero);
        let (head, body, next) = (self.block(), self.block(), self.block());
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let now = self.b.get(cpu);
        let n_cpus = self.b.iconst(self.m.world.n_cpus().into());
        self.b.branch(Cc::Ult, now, n_cpus, body, end);
        self.b.enter(body);
        let p = self.b.call_kind(Helper::MAP_LOOKUP_PERCPU_ELEM, &[target, key, now], Kind::MapValueOrNull);
        let at = self.present(p, gone);
        f(self, at, next);
        self.b.jump(next, Vec::new());
        self.b.enter(next);
        let more = self.b.add_imm(now, 1);
        self.b.set(cpu, more);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
    }

    /// Zeros every CPU's value of a map without key. Goes to `gone` if no CPU had set it.
    pub fn clear_all_cpus(&mut self, map: MapId, gone: Block) {
        let ty = self.map_def(map).value.clone();
        let flag_at = set_flag_at(&ty, &self.m.types);
        let any = self.b.var(Kind::Int);
        let zero = self.b.iconst(0);
        self.b.set(any, zero);
        let element = self.target_and_key(map, None, gone);
        self.each_cpu(element, gone, |f, at, _| {
            f.add_word(any, at, flag_at as i32);
            f.clear(at, 0, flag_at + 8);
        });
        let n = self.b.get(any);
        let (zero, on) = (self.b.iconst(0), self.block());
        self.b.branch(Cc::Eq, n, zero, gone, on);
        self.b.enter(on);
    }

    /// The number of elements of a map with keys.
    pub fn count_elements(&mut self, map: MapId) -> Value {
        let (gone, join) = (self.block(), self.block());
        let out = self.b.block_param(join, Kind::Int);
        let (target, _) = self.target_and_key(map, None, gone);
        let n = if self.m.world.features().kfunc(COUNT_KFUNC, self.prog_type) {
            self.b.ins(Op::CallKfunc { name: COUNT_KFUNC, args: vec![target] }, Kind::Int)
        } else {
            let pass = self.m.pass();
            let callback = self.b.ins(Op::FuncAddr(pass), Kind::Func);
            let (no_ctx, flags) = (self.b.iconst(0), self.b.iconst(0));
            self.b.call(Helper::FOR_EACH_MAP_ELEM, &[target, callback, no_ctx, flags])
        };
        self.b.jump(join, vec![n]);
        self.b.enter(gone);
        let zero = self.b.iconst(0);
        self.b.jump(join, vec![zero]);
        self.b.enter(join);
        out
    }
}
