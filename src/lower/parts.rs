//! Values that are kept in parts (`aggs::ByTime`): each an element of its own, with its number behind the key.
//!
//! Always holds: a part's number stands at `part_at`, 8-byte aligned, and what lies between key and number is zero.

use super::func::Fx;
use super::maps::part_at;
use crate::image::MapId;
use crate::ir::{BinOp, Block, Cc, Kind, Size, Value};
use crate::isa::Helper;
use crate::lang::aggs;

impl Fx<'_, '_> {
    /// Where a key has the number of a value's part, if values of the map are kept in parts.
    pub fn part_at(&self, map: MapId) -> Option<u32> {
        let def = self.map_def(map);
        (aggs::n_parts(&def.value) > 1).then(|| part_at(def.key.as_ref(), &self.m.types))
    }

    /// Runs `f` for each part of a value that there may be, with the key of that part.
    fn each_part(&mut self, map: MapId, key: Value, at: u32, f: impl FnOnce(&mut Self)) {
        let n = aggs::n_parts(&self.map_def(map).value);
        let part = self.b.var(Kind::Int);
        let zero = self.b.iconst(0);
        self.b.set(part, zero);
        let (head, body, end) = (self.block(), self.block(), self.block());
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let now = self.b.get(part);
        let n = self.b.iconst(n.into());
        self.b.branch(Cc::Ult, now, n, body, end);
        self.b.enter(body);
        self.b.store(Size::B8, key, at as i32, now);
        f(self);
        let next = self.b.add_imm(now, 1);
        self.b.set(part, next);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
    }

    /// Deletes all parts of a value; goes to `gone` if there was none.
    pub fn delete_parts(&mut self, map: MapId, key: Option<Value>, at: u32, gone: Block) {
        let Some(key) = key else { crate::bug!("{} lacks its part", self.map_def(map).name) };
        let target = self.acted_on(map, gone);
        let any = self.b.var(Kind::Int);
        let zero = self.b.iconst(0);
        self.b.set(any, zero);
        self.each_part(map, key, at, |f| {
            let r = f.b.call(Helper::MAP_DELETE_ELEM, &[target, key]);
            // Verifier: without a branch, of which it would follow both sides in each round. Not 0 is negative.
            let was_absent = f.b.bin_imm(BinOp::Lshr, r, 63);
            let was_there = f.b.bin_imm(BinOp::Xor, was_absent, 1);
            let before = f.b.get(any);
            let now = f.b.bin(BinOp::Or, before, was_there);
            f.b.set(any, now);
        });
        let n = self.b.get(any);
        let (zero, on) = (self.b.iconst(0), self.block());
        self.b.branch(Cc::Eq, n, zero, gone, on);
        self.b.enter(on);
    }

    /// Goes to `gone` if no part of a value is there.
    pub fn find_parts(&mut self, map: MapId, key: Option<Value>, at: u32, gone: Block) {
        let Some(key) = key else { crate::bug!("{} lacks its part", self.map_def(map).name) };
        let target = self.acted_on(map, gone);
        let found = self.block();
        self.each_part(map, key, at, |f| {
            let p = f.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[target, key], Kind::MapValueOrNull);
            let (zero, on) = (f.b.iconst(0), f.block());
            f.b.branch(Cc::Ne, p, zero, found, on);
            f.b.enter(on);
        });
        self.b.jump(gone, Vec::new());
        self.b.enter(found);
    }
}
