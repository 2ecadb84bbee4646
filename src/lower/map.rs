//! Maps: keys, lookups, writes, deletion.
//!
//! Always holds: a lookup's result is compared with null before use; a write that the kernel refuses is counted;
//! an aggregation's storage starts as zeros, made once without overwriting what another CPU has made.

use super::func::Fx;
use super::maps::{PART_BYTES, set_flag_at, value_bytes};
use super::memory::Tails;
use crate::image::{LossKind, MapId, Storage};
use crate::ir::{Block, Cc, Kind, Size, Value};
use crate::isa::Helper;
use crate::lang::traits::Operand;
use crate::sema::hir::{self, Expr};
use crate::ty::Ty;

/// `BPF_NOEXIST`
const NOEXIST: i64 = 1;

/// `BPF_LOCAL_STORAGE_GET_F_CREATE`
const STORAGE_CREATE: i64 = 1;

/// What becomes of a value that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    Stays,
    /// It is made of zeros.
    Made,
}

impl<'a> Fx<'_, 'a> {
    pub fn map_def(&self, map: MapId) -> &'a hir::Map {
        &self.m.hir.maps[map]
    }

    /// The key of an access in memory, as helpers take it; `None` for a map that has none. Where values are kept in
    /// parts, the number of the part is still to be stored, at `part_at`.
    pub fn key(&mut self, map: MapId, key: Option<&'a Expr>) -> Option<Value> {
        let ty = self.map_def(map).key.as_ref();
        let part_at = self.part_at(map);
        let Some(ty) = ty else {
            return part_at.map(|_| self.temp(PART_BYTES, "part"));
        };
        let Some(e) = key else { crate::bug!("{} lacks its key", self.map_def(map).name) };
        let bytes = self.size(ty);
        let slot = self.temp(part_at.map_or(bytes, |at| at + PART_BYTES), "key");
        self.expr_to(e, slot, 0, Tails::Zero);
        if let Some(at) = part_at.filter(|at| *at > bytes) {
            self.clear(slot, bytes as i32, at - bytes);
        }
        Some(slot)
    }

    /// A key in memory that stands for "no key": a number 0.
    fn no_key(&mut self) -> Value {
        match self.constant(&[0; 8]) {
            Operand::Mem { ptr, .. } => ptr,
            other => crate::bug!("a constant is {other:?}"),
        }
    }

    /// The map that helpers act on: for a swapped map the inner one of the moment. Where there is none, goes to
    /// `gone`.
    pub fn acted_on(&mut self, map: MapId, gone: Block) -> Value {
        let outer = self.b.map_ptr(map);
        if self.map_def(map).storage != Storage::Swapped {
            return outer;
        }
        let zero_key = self.no_key();
        let inner = self.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[outer, zero_key], Kind::MapValueOrNull);
        let inner = self.present(inner, gone);
        self.b.retype(inner, Kind::Map)
    }

    /// What helpers that look elements up are called with.
    pub fn target_and_key(&mut self, map: MapId, key: Option<Value>, gone: Block) -> (Value, Value) {
        let target = self.acted_on(map, gone);
        let key = match key {
            Some(k) => k,
            None => self.no_key(),
        };
        (target, key)
    }

    /// A looked-up pointer that is not null, else goes to `gone`.
    pub fn present(&mut self, p: Value, gone: Block) -> Value {
        let zero = self.b.iconst(0);
        let on = self.block();
        self.b.branch(Cc::Eq, p, zero, gone, on);
        self.b.enter(on);
        self.b.non_null(p)
    }

    /// The value of an element. Goes to `gone` where there is none: for a map without key, where it is not set.
    pub fn find_element(&mut self, map: MapId, key: Option<Value>, gone: Block) -> Value {
        let def = self.map_def(map);
        match def.storage {
            Storage::Global => {
                let at = self.b.map_value(map, 0);
                let flag_at = set_flag_at(&def.value, &self.m.types);
                let set = self.b.load(Size::B8, at, flag_at as i32);
                let (zero, on) = (self.b.iconst(0), self.block());
                self.b.branch(Cc::Eq, set, zero, gone, on);
                self.b.enter(on);
                at
            }
            Storage::Thread => {
                let at = self.thread_storage(map, Absent::Stays, gone);
                let flag_at = set_flag_at(&def.value, &self.m.types);
                let set = self.b.load(Size::B8, at, flag_at as i32);
                let (zero, on) = (self.b.iconst(0), self.block());
                self.b.branch(Cc::Eq, set, zero, gone, on);
                self.b.enter(on);
                at
            }
            Storage::PercpuArray
            | Storage::Hash
            | Storage::PercpuHash
            | Storage::LruHash
            | Storage::LruPercpuHash
            | Storage::Swapped => {
                let (target, key) = self.target_and_key(map, key, gone);
                let p = self.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[target, key], Kind::MapValueOrNull);
                self.present(p, gone)
            }
        }
    }

    /// The value of the current thread. Goes to `gone` if it has none.
    pub fn thread_storage(&mut self, map: MapId, absent: Absent, gone: Block) -> Value {
        let target = self.b.map_ptr(map);
        let task = self.b.call_kind(Helper::GET_CURRENT_TASK_BTF, &[], Kind::Btf);
        let no_value = self.b.iconst(0);
        let flags = self.b.iconst(match absent {
            Absent::Stays => 0,
            Absent::Made => STORAGE_CREATE,
        });
        let args = [target, task, no_value, flags];
        let p = self.b.call_kind(Helper::TASK_STORAGE_GET, &args, Kind::MapValueOrNull);
        self.present(p, gone)
    }

    /// The value of an element, made of zeros where it is not there yet. Goes to `full` if it cannot be made.
    pub fn make_element(&mut self, map: MapId, key: Option<Value>, full: Block) -> Value {
        let def = self.map_def(map);
        let bytes = value_bytes(&def.value, &self.m.types);
        match def.storage {
            Storage::Global => {
                let at = self.b.map_value(map, 0);
                self.mark_set(at, &def.value);
                at
            }
            Storage::Thread => {
                let at = self.thread_storage(map, Absent::Made, full);
                self.mark_set(at, &def.value);
                at
            }
            Storage::PercpuArray => {
                let at = self.find_element(map, None, full);
                self.mark_set(at, &def.value);
                at
            }
            Storage::Hash
            | Storage::PercpuHash
            | Storage::LruHash
            | Storage::LruPercpuHash
            | Storage::Swapped => {
                let (target, key) = self.target_and_key(map, key, full);
                let first = self.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[target, key], Kind::MapValueOrNull);
                let (found, absent, there) = (self.block(), self.block(), self.block());
                let at = self.b.block_param(there, Kind::MapValue);
                let zero = self.b.iconst(0);
                self.b.branch(Cc::Ne, first, zero, found, absent);
                self.b.enter(found);
                let p = self.b.non_null(first);
                self.b.jump(there, vec![p]);
                self.b.enter(absent);
                let zeros = self.zeros(bytes);
                let flags = self.b.iconst(NOEXIST);
                // Another CPU may have been faster, so only the second lookup tells.
                self.b.call(Helper::MAP_UPDATE_ELEM, &[target, key, zeros, flags]);
                let second = self.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[target, key], Kind::MapValueOrNull);
                let p = self.present(second, full);
                self.b.jump(there, vec![p]);
                self.b.enter(there);
                at
            }
        }
    }

    fn zeros(&mut self, bytes: u32) -> Value {
        match self.constant(&vec![0; bytes as usize]) {
            Operand::Mem { ptr, .. } => ptr,
            other => crate::bug!("a constant is {other:?}"),
        }
    }

    fn mark_set(&mut self, at: Value, ty: &Ty) {
        let one = self.b.iconst(1);
        let flag_at = set_flag_at(ty, &self.m.types);
        self.b.store(Size::B8, at, flag_at as i32, one);
    }

    /// Runs `f` with the value of an element that is there from now on; counts a loss where it cannot be.
    pub fn with_element(&mut self, map: MapId, key: Option<Value>, f: impl FnOnce(&mut Self, Value)) {
        let (full, done) = (self.block(), self.block());
        let at = self.make_element(map, key, full);
        f(self, at);
        self.b.jump(done, Vec::new());
        self.b.enter(full);
        self.lose(LossKind::MapFull(map));
        self.b.jump(done, Vec::new());
        self.b.enter(done);
    }

    /// `@m[k] = v`; the value is computed before the key, which shows where one of them changes what the other reads.
    pub fn set_map(&mut self, map: MapId, key: Option<&'a Expr>, value: &'a Expr) {
        let def = self.map_def(map);
        let in_place = matches!(def.storage, Storage::Global | Storage::PercpuArray | Storage::Thread);
        if in_place && value.ty.is_scalar() {
            let v = self.val(value);
            self.with_element(map, None, |f, at| {
                f.store(&value.ty, Operand::Val(v), at, 0, Tails::Any);
            });
            return;
        }
        let slot = self.temp(value_bytes(&def.value, &self.m.types), "map value");
        self.expr_to(value, slot, 0, Tails::Any);
        let key = self.key(map, key);
        self.put_element(map, key, slot, &def.value);
    }

    /// Writes a whole value from memory.
    pub fn put_element(&mut self, map: MapId, key: Option<Value>, from: Value, ty: &Ty) {
        match (self.map_def(map).storage, key) {
            (Storage::Global | Storage::PercpuArray | Storage::Thread, _) => {
                let bytes = value_bytes(ty, &self.m.types);
                self.with_element(map, None, |f, at| f.copy(at, 0, from, 0, bytes));
            }
            (_, key) => {
                let (failed, done) = (self.block(), self.block());
                let (target, key) = self.target_and_key(map, key, failed);
                let any = self.b.iconst(0);
                let r = self.b.call(Helper::MAP_UPDATE_ELEM, &[target, key, from, any]);
                let zero = self.b.iconst(0);
                self.b.branch(Cc::Slt, r, zero, failed, done);
                self.b.enter(failed);
                self.lose(LossKind::MapFull(map));
                self.b.jump(done, Vec::new());
                self.b.enter(done);
            }
        }
    }

    /// Deletes an element; yields 1 if it was there.
    pub fn delete_element(&mut self, map: MapId, key: Option<Value>) -> Value {
        let gone = self.block();
        match self.map_def(map).storage {
            // A thread's memory stays until it ends: freeing it costs more than all its uses.
            Storage::Global | Storage::Thread => {
                let at = self.find_element(map, None, gone);
                let bytes = set_flag_at(&self.map_def(map).value, &self.m.types) + 8;
                self.clear(at, 0, bytes);
            }
            Storage::PercpuArray => self.clear_all_cpus(map, gone),
            Storage::Hash
            | Storage::PercpuHash
            | Storage::LruHash
            | Storage::LruPercpuHash
            | Storage::Swapped => {
                if let Some(at) = self.part_at(map) {
                    self.delete_parts(map, key, at, gone);
                } else {
                    let (target, key) = self.target_and_key(map, key, gone);
                    let r = self.b.call(Helper::MAP_DELETE_ELEM, &[target, key]);
                    let (zero, on) = (self.b.iconst(0), self.block());
                    self.b.branch(Cc::Ne, r, zero, gone, on);
                    self.b.enter(on);
                }
            }
        }
        let one = self.b.iconst(1);
        self.or_zero_from(one, gone)
    }

    /// 1 if the element is there.
    pub fn has_element(&mut self, map: MapId, key: Option<Value>) -> Value {
        let gone = self.block();
        match self.part_at(map) {
            Some(at) => self.find_parts(map, key, at, gone),
            None => {
                self.find_element(map, key, gone);
            }
        }
        let one = self.b.iconst(1);
        self.or_zero_from(one, gone)
    }
}
