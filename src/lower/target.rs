//! What changes a map's value by itself: `@m += e`, `@m++`, aggregations.
//!
//! Always holds: adding is atomic, so that no CPU's part is lost.

use super::func::Fx;
use crate::image::MapId;
use crate::ir::{AtomicOp, BinOp, Kind, Op, Size, Value};
use crate::isa::Helper;
use crate::lang::aggs::{AggRow, Update};
use crate::lang::traits::Operand;
use crate::sema::hir::{Arith, Expr, ExprKind, Yields};
use crate::ty::Ty;

impl<'a> Fx<'_, 'a> {
    /// `@m[k] op= e`
    pub fn update_map(&mut self, map: MapId, key: Option<&'a Expr>, op: Arith, value: &'a Expr) {
        let ty = self.map_def(map).value.clone();
        let key = self.key(map, key);
        let by = match value.kind {
            ExprKind::Int(n) => Some(n),
            _ => None,
        };
        let v = self.val(value);
        let v = match op {
            Arith::Sub => self.negate(v),
            _ => v,
        };
        self.with_element(map, key, |f, at| match op {
            Arith::Add | Arith::Sub if f.size(&ty) == 8 => f.b.atomic_add(Size::B8, at, 0, v),
            _ => {
                let op = if op == Arith::Sub { Arith::Add } else { op };
                let Operand::Val(old) = f.load(&ty, at, 0) else { crate::bug!("{ty:?} is no number") };
                let new = f.arith_of(op, old, v, by, &ty);
                let size = f.scalar_size(&ty);
                f.b.store(size, at, 0, new);
            }
        });
    }

    /// `@m[k]++` and its like.
    pub fn step_map(&mut self, map: MapId, key: Option<&'a Expr>, by: i64, yields: Yields) -> Value {
        let ty = self.map_def(map).value.clone();
        let key = self.key(map, key);
        let out = self.b.var(Kind::Int);
        let zero = self.b.iconst(0);
        self.b.set(out, zero);
        self.with_element(map, key, |f, at| {
            let n = f.b.iconst(by);
            let before = if f.has_atomic_fetch() && f.size(&ty) == 8 {
                let op = AtomicOp::FetchAdd;
                f.b.ins(Op::Atomic { op, size: Size::B8, addr: at, off: 0, v: n, expected: None }, Kind::Int)
            } else {
                f.add_without_fetch(&ty, at, n)
            };
            let v = match yields {
                Yields::Before => before,
                Yields::After => f.b.bin(BinOp::Add, before, n),
            };
            f.b.set(out, v);
        });
        self.b.get(out)
    }

    /// The value that is yielded may be another CPU's; the sum is right all the same.
    fn add_without_fetch(&mut self, ty: &Ty, at: Value, n: Value) -> Value {
        let Operand::Val(before) = self.load(ty, at, 0) else { crate::bug!("{ty:?} is no number") };
        let size = self.scalar_size(ty);
        match size {
            Size::B4 | Size::B8 => self.b.atomic_add(size, at, 0, n),
            Size::B1 | Size::B2 => {
                let sum = self.b.bin(BinOp::Add, before, n);
                self.b.store(size, at, 0, sum);
            }
        }
        before
    }

    /// The same where nobody looks at the value.
    pub fn step_map_only(&mut self, map: MapId, key: Option<&'a Expr>, by: i64) {
        let ty = self.map_def(map).value.clone();
        let key = self.key(map, key);
        self.with_element(map, key, |f, at| {
            let n = f.b.iconst(by);
            f.add_without_fetch(&ty, at, n);
        });
    }

    /// `@m[k] = count()`
    pub fn aggregate(&mut self, map: MapId, key: Option<&'a Expr>, agg: &'static AggRow, args: &'a [Expr]) {
        let ty = self.map_def(map).value.clone();
        let key = self.key(map, key);
        let span = self.b.span();
        match &agg.update {
            Update::InPlace(update) => self.with_element(map, key, |f, at| {
                let mut cx = super::call::CallCx::of_aggregation(f, args, span);
                update(&mut cx, &ty, at);
            }),
            Update::ByTime(by) => {
                let now = self.b.call(Helper::KTIME_GET_BOOT_NS, &[]);
                if let (Some(key), Some(at), Ty::Agg { kind, .. }) = (key, self.part_at(map), &ty) {
                    let mut cx = super::call::CallCx::of_aggregation(self, args, span);
                    let part = (by.part)(&mut cx, *kind, now);
                    self.b.store(Size::B8, key, at as i32, part);
                }
                self.with_element(map, key, |f, at| {
                    let mut cx = super::call::CallCx::of_aggregation(f, args, span);
                    (by.update)(&mut cx, &ty, at, now);
                });
            }
        }
    }
}
