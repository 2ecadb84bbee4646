//! Calls of rows: what they may ask of the lowering.

use super::func::Fx;
use super::memory::Tails;
use super::place::Nulls;
use crate::base::Span;
use crate::image::{EventKind, LossKind, MapId};
use crate::ir::{Builder, Value};
use crate::lang::probes::ProbeView;
use crate::lang::traits::{LowerCx, Operand, ReadSpace};
use crate::lang::{CallData, Config};
use crate::sema::hir::{self, Arg, Expr, ExprKind};
use crate::ty::{Space, StructKind, Ty, TypeTable};
use crate::world::World;

/// What becomes of a call's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    Value,
    Discarded,
}

/// A call being lowered.
pub struct CallCx<'f, 'm, 'a> {
    f: &'f mut Fx<'m, 'a>,
    args: Args<'a>,
    data: CallData,
    ret: Ty,
    span: Span,
    used: Use,
    /// Where the result is wanted, and the address of that as the row has it.
    dest: Option<(Value, i32)>,
    given: Option<(Value, (Value, i32))>,
}

#[derive(Clone, Copy)]
enum Args<'a> {
    Call(&'a [Arg]),
    Aggregation(&'a [Expr]),
}

impl<'a> Fx<'_, 'a> {
    /// The value of a call.
    pub fn call(&mut self, call: &'a hir::Call, e: &'a Expr, used: Use) -> Operand {
        let dest = self.dest.take();
        let span = e.span;
        let (args, data, ret) = (Args::Call(&call.args), call.data.clone(), e.ty.clone());
        let mut cx = CallCx { f: self, args, data, ret, span, used, dest, given: None };
        let v = (call.row.lower)(&mut cx);
        let given = cx.given;
        match (v, given) {
            (Operand::Mem { ptr, off: 0 }, Some((made, (dst, off)))) if ptr == made => {
                self.rename(made, (dst, off));
                Operand::Mem { ptr: dst, off }
            }
            _ => v,
        }
    }

    /// What is known of the memory at one pointer holds for it as seen from another.
    fn rename(&mut self, made: Value, (dst, off): (Value, i32)) {
        if self.dirty.contains(&made) {
            self.dirty.insert(dst);
        }
        if let Some(&len) = self.lens.get(&(made, 0)) {
            self.lens.insert((dst, off), len);
        }
    }
}

impl<'f, 'm, 'a> CallCx<'f, 'm, 'a> {
    /// For the update of an aggregation.
    pub fn of_aggregation(f: &'f mut Fx<'m, 'a>, args: &'a [Expr], span: Span) -> CallCx<'f, 'm, 'a> {
        let (args, data, ret) = (Args::Aggregation(args), CallData::None, Ty::Void);
        CallCx { f, args, data, ret, span, used: Use::Discarded, dest: None, given: None }
    }

    fn expr(&self, i: usize) -> Option<&'a Expr> {
        match self.args {
            Args::Call(args) => args.get(i).and_then(Fx::arg_expr),
            Args::Aggregation(args) => args.get(i),
        }
    }

    fn raw(&self, i: usize) -> Option<&'a Arg> {
        match self.args {
            Args::Call(args) => args.get(i),
            Args::Aggregation(_) => None,
        }
    }
}

impl LowerCx for CallCx<'_, '_, '_> {
    fn b(&mut self) -> &mut Builder {
        &mut self.f.b
    }
    fn span(&self) -> Span {
        self.span
    }
    fn world(&self) -> &dyn World {
        self.f.m.world
    }
    fn config(&self) -> &Config {
        &self.f.m.hir.config
    }
    fn types(&self) -> &TypeTable {
        &self.f.m.types
    }
    fn probe(&self) -> ProbeView<'_> {
        let probe = self.f.probe;
        ProbeView { provider: probe.provider, points: &probe.points, ctx: self.f.context() }
    }

    fn n_args(&self) -> usize {
        match self.args {
            Args::Call(args) => args.len(),
            Args::Aggregation(args) => args.len(),
        }
    }
    fn arg_ty(&self, i: usize) -> Ty {
        match self.raw(i) {
            Some(Arg::Ty(ty)) => ty.clone(),
            Some(Arg::Map { map, .. }) => self.f.map_def(*map).value.clone(),
            _ => self.expr(i).map_or(Ty::Void, |e| e.ty.clone()),
        }
    }
    fn arg(&mut self, i: usize) -> Operand {
        match self.expr(i) {
            Some(e) => self.f.memory(e),
            None => Operand::None,
        }
    }
    fn arg_int(&self, i: usize) -> Option<i64> {
        let mut e = self.expr(i)?;
        loop {
            match &e.kind {
                ExprKind::Int(n) => return Some(*n),
                ExprKind::Cast(inner) if inner.ty.is_int() && e.ty.is_int() => e = inner,
                _ => return None,
            }
        }
    }
    fn arg_text(&self, i: usize) -> Option<String> {
        match (self.raw(i), self.expr(i).map(|e| &e.kind)) {
            (Some(Arg::Text(text)), _) => Some(text.clone()),
            (_, Some(ExprKind::Str(text))) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }
    fn arg_literal(&self, i: usize) -> Option<std::sync::Arc<[u8]>> {
        match &self.expr(i)?.kind {
            ExprKind::Str(text) => Some(text.clone()),
            _ => None,
        }
    }
    fn arg_map(&self, i: usize) -> Option<MapId> {
        match self.raw(i) {
            Some(Arg::Map { map, .. }) => Some(*map),
            _ => None,
        }
    }
    fn arg_is_element(&self, i: usize) -> bool {
        matches!(self.raw(i), Some(Arg::Map { key: Some(_), .. }))
    }
    fn arg_key(&mut self, i: usize) -> Option<Value> {
        match self.raw(i) {
            Some(Arg::Map { map, key }) => self.f.key(*map, key.as_ref()),
            _ => None,
        }
    }
    fn data(&self) -> CallData {
        self.data.clone()
    }
    fn ret_ty(&self) -> Ty {
        self.ret.clone()
    }
    fn is_discarded(&self) -> bool {
        self.used == Use::Discarded
    }

    fn temp(&mut self, bytes: u32, name: &'static str) -> Value {
        self.f.temp(bytes, name)
    }
    fn out(&mut self, bytes: u32, name: &'static str) -> Value {
        let Some((dst, off)) = self.dest.take() else { return self.f.temp(bytes, name) };
        let made = self.f.b.add_imm(dst, off.into());
        self.given = Some((made, (dst, off)));
        made
    }
    fn ctx(&mut self) -> Value {
        self.f.ctx()
    }
    fn global(&mut self, off: u32) -> Value {
        self.f.global(off)
    }
    fn literal(&mut self, text: &[u8]) -> Operand {
        let mut bytes = text.to_vec();
        bytes.push(0);
        self.f.constant(&bytes)
    }
    fn string_index(&mut self, text: &str) -> u32 {
        self.f.m.string(text)
    }
    fn context_arg(&mut self, i: u32, ty: &Ty) -> Operand {
        Operand::Val(match ty {
            Ty::Int { bits: 64, .. } => self.f.arg_number(i),
            _ => self.f.typed_arg(i, ty, None),
        })
    }
    fn reads_directly(&self) -> bool {
        self.f.reads_directly()
    }
    fn task(&mut self) -> Value {
        self.f.task()
    }
    fn own_ids(&mut self) -> (Value, Value) {
        self.f.own_ids()
    }
    fn kernel_field(&mut self, base: Value, strukt: &str, path: &str) -> Option<Operand> {
        let dest = self.dest.take();
        self.f.dest = dest;
        let v = self.f.kernel_field(base, strukt, path);
        self.f.dest = None;
        v
    }
    fn field_exists(&mut self, i: usize) -> Value {
        let exists = self.expr(i).and_then(|e| self.f.member_exists(e));
        exists.unwrap_or_else(|| self.f.b.iconst(1))
    }
    fn read(&mut self, space: ReadSpace, dst: Value, src: Value, len: Value, max: u32) {
        let len = self.f.b.umin(len, max);
        self.f.read(space, dst, src, len);
    }
    fn read_str(&mut self, space: ReadSpace, dst: Value, src: Value, n: u32) -> Value {
        self.f.read_str(space, dst, src, n)
    }
    fn read_str_upto(&mut self, space: ReadSpace, dst: Value, src: Value, len: Value, max: u32) -> Value {
        self.f.clear(dst, 0, max);
        let len = self.f.b.umin(len, max);
        let got = self.f.read_str_len(space, dst, src, len);
        self.f.dirty.insert(dst);
        self.f.lens.insert((dst, 0), got);
        got
    }
    fn space_of(&self, i: usize) -> ReadSpace {
        match self.arg_ty(i) {
            Ty::Ptr { space, .. } => self.f.read_space(space),
            _ => self.f.read_space(crate::ty::Space::Any),
        }
    }
    fn arg_address(&mut self, i: usize, gone: crate::ir::Block) -> Value {
        match self.expr(i) {
            Some(e) => self.f.address_of(e, gone),
            None => crate::bug!("argument {i} is no value"),
        }
    }
    fn space_of_ret(&self) -> ReadSpace {
        match self.ret {
            Ty::Ptr { space, .. } => self.f.read_space(space),
            _ => self.f.read_space(crate::ty::Space::Any),
        }
    }
    fn emit(&mut self, kind: EventKind, fields: &[(Ty, Operand)]) {
        let values = fields.iter().map(|(ty, v)| (ty.clone(), super::event::Source::Value(*v))).collect();
        self.f.emit(kind, values);
    }
    fn emit_args(&mut self, kind: EventKind, from: usize) {
        let values = (from..self.n_args())
            .filter_map(|i| self.expr(i))
            .map(|e| (e.ty.clone(), super::event::Source::Expr(e)))
            .collect();
        self.f.emit(kind, values);
    }
    fn emit_buf(&mut self, kind: EventKind, n: u32, fill: &mut dyn FnMut(&mut dyn LowerCx, Value)) {
        let (open, at) = self.f.open_record(kind, Ty::Buf { n });
        fill(self, at);
        self.f.close_record(open);
    }
    fn lose(&mut self, kind: LossKind) {
        self.f.lose(kind);
    }
    fn store(&mut self, ty: &Ty, v: Operand, dst: Value, off: i32) {
        self.f.store(ty, v, dst, off, Tails::Any);
    }
    fn stack(&mut self, ty: crate::ty::StackTy) -> Operand {
        self.f.dest = self.dest.take();
        let v = self.f.stack(ty);
        self.f.dest = None;
        v
    }
    fn unwound_stack(&mut self, ty: crate::ty::StackTy) -> Operand {
        self.f.dest = self.dest.take();
        let v = self.f.unwound_stack(ty);
        self.f.dest = None;
        v
    }
    fn stack_frames(&mut self, ty: crate::ty::StackTy, key: Value, gone: crate::ir::Block) -> Value {
        self.f.stack_frames(ty, key, gone)
    }
    fn return_now(&mut self) {
        self.f.leave();
    }
    fn map_key_ty(&self, map: MapId) -> Option<Ty> {
        self.f.map_def(map).key.clone()
    }
    fn map_delete(&mut self, map: MapId, key: Option<Value>) -> Value {
        self.f.delete_element(map, key)
    }
    fn map_has(&mut self, map: MapId, key: Option<Value>) -> Value {
        self.f.has_element(map, key)
    }
    fn map_copy(&mut self, map: MapId, key: Option<Value>, dst: Value) -> Value {
        self.f.copy_element(map, key, dst)
    }
    fn packet_site(&mut self, path: &str) -> (Value, i64) {
        self.f.packet_site(path)
    }
    fn map_len(&mut self, map: MapId) -> Value {
        self.f.count_elements(map)
    }
}

impl Fx<'_, '_> {
    /// Reads a member path of a kernel struct; `None` if this kernel has no such path.
    pub fn kernel_field(&mut self, base: Value, strukt: &str, path: &str) -> Option<Operand> {
        let dest = self.dest.take();
        let mut id = self.m.world.strukt(&mut self.m.types, Some(StructKind::Struct), strukt)?;
        let mut nulls = Nulls::default();
        let names: Vec<&str> = path.split('.').collect();
        let mut place = self.start(base, &Ty::Struct(id));
        let mut found = None;
        for (i, name) in names.iter().enumerate() {
            let member = self.m.member_named(id, name)?;
            place = self.member_of(place, id, &member);
            let ty = member.member.ty.clone();
            if i + 1 == names.len() {
                found = Some(ty);
                break;
            }
            match &ty {
                Ty::Struct(inner) => id = *inner,
                Ty::Ptr { to, .. } => {
                    let Ty::Struct(inner) = **to else { return None };
                    // The kernel's own objects point to its own, also where the probe is about user memory.
                    let ty = Ty::Ptr { to: to.clone(), space: Space::Kernel };
                    let p = self.read_scalar(&place, &ty, &mut nulls);
                    place = self.start(p, to);
                    id = inner;
                }
                _ => return None,
            }
        }
        let ty = found?;
        if ty.is_scalar() {
            let v = self.read_scalar(&place, &ty, &mut nulls);
            return Some(Operand::Val(self.or_zero(v, nulls)));
        }
        let bytes = self.size(&ty);
        self.dest = dest;
        let to = self.want(bytes, "kernel field");
        let at = self.wanted(to);
        let is_bytes = matches!(&ty, Ty::Array { elem, .. } if elem.size(&self.m.types) == 1);
        if is_bytes || matches!(ty, Ty::Str { .. }) {
            self.read_string(&place, bytes, at, bytes, &mut nulls);
        } else {
            self.read_place(&place, &ty, at, &mut nulls);
        }
        Some(self.or_cleared(to, at, bytes, nulls))
    }
}
