//! Lowering of `builtins/maps.rs`. Functions on maps.

use crate::image::{EventKind, LossKind, MapId};
use crate::ir::{Cc, Size};
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand};

pub fn print(cx: &mut dyn LowerCx) -> Operand {
    match cx.arg_map(0) {
        Some(map) if cx.arg_is_element(0) => print_element(cx, map),
        Some(map) => {
            let (top, div) = top_and_div(cx);
            cx.emit(EventKind::PrintMap { map, top, div }, &[]);
        }
        None => cx.emit_args(EventKind::PrintValue, 0),
    }
    Operand::None
}

fn print_element(cx: &mut dyn LowerCx, map: MapId) {
    let (Some(ptr), Some(ty)) = (cx.arg_key(0), cx.map_key_ty(map)) else {
        crate::bug!("an element of a map without keys")
    };
    cx.emit(EventKind::PrintElement { map }, &[(ty, Operand::Mem { ptr, off: 0 })]);
}

pub fn print_clear(cx: &mut dyn LowerCx) -> Operand {
    let map = map(cx);
    let (top, div) = top_and_div(cx);
    cx.emit(EventKind::PrintClear { map, top, div }, &[]);
    Operand::None
}

fn top_and_div(cx: &mut dyn LowerCx) -> (u32, u32) {
    match cx.data() {
        CallData::Ints(n) if n.len() == 2 => (n[0] as u32, n[1] as u32),
        _ => (0, 0),
    }
}

fn map(cx: &mut dyn LowerCx) -> MapId {
    match cx.arg_map(0) {
        Some(map) => map,
        None => crate::bug!("a map function without a map"),
    }
}

pub fn clear(cx: &mut dyn LowerCx) -> Operand {
    let map = map(cx);
    cx.emit(EventKind::Clear { map }, &[]);
    Operand::None
}

pub fn zero(cx: &mut dyn LowerCx) -> Operand {
    let map = map(cx);
    cx.emit(EventKind::Zero { map }, &[]);
    Operand::None
}

pub fn delete(cx: &mut dyn LowerCx) -> Operand {
    let map = map(cx);
    let key = cx.arg_key(0);
    let was_there = cx.map_delete(map, key);
    if cx.is_discarded() {
        let (gone, on) = (cx.b().new_block(), cx.b().new_block());
        let zero = cx.b().iconst(0);
        cx.b().branch(Cc::Eq, was_there, zero, gone, on);
        cx.b().enter(gone);
        cx.lose(LossKind::NoSuchKey(map));
        cx.b().jump(on, Vec::new());
        cx.b().enter(on);
    }
    Operand::Val(was_there)
}

pub fn has_key(cx: &mut dyn LowerCx) -> Operand {
    let map = map(cx);
    let key = cx.arg_key(0);
    Operand::Val(cx.map_has(map, key))
}

pub fn copy(cx: &mut dyn LowerCx) -> Operand {
    let map = map(cx);
    let key = cx.arg_key(0);
    let to = super::number(cx, 1);
    Operand::Val(cx.map_copy(map, key, to))
}

/// Of a map, or of a stack: the number of its frames is in the side map.
pub fn len(cx: &mut dyn LowerCx) -> Operand {
    if let Some(map) = cx.arg_map(0) {
        return Operand::Val(cx.map_len(map));
    }
    let (ptr, off) = super::memory(cx, 0);
    let crate::ty::Ty::Stack(ty) = cx.arg_ty(0) else { crate::bug!("len() of {:?}", cx.arg_ty(0)) };
    let gone = cx.b().new_block();
    let join = cx.b().new_block();
    let out = cx.b().block_param(join, crate::ir::Kind::Int);
    let key = cx.b().add_imm(ptr, off.into());
    let frames = cx.stack_frames(ty, key, gone);
    let n = cx.b().load(Size::B8, frames, 0);
    cx.b().jump(join, vec![n]);
    cx.b().enter(gone);
    let zero = cx.b().iconst(0);
    cx.b().jump(join, vec![zero]);
    cx.b().enter(join);
    Operand::Val(out)
}
