//! Lowering of `builtins/text.rs`. Strings, buffers, addresses as values.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::strings::each_byte;
use super::{errno, folded, memory, number};
use crate::image::wire::globals;
use crate::ir::{BinOp, Block, Cc, Kind, Size, UnOp, Value};
use crate::lang::sig::CallData;
use crate::lang::traits::{Clock, LowerCx, Operand, ReadSpace};
use crate::ty::Ty;

/// `AF_INET`, `AF_INET6` (include/linux/socket.h)
const AF_INET: i64 = 2;
const AF_INET6: i64 = 10;
/// Bytes of the family that stands before an address.
const FAMILY_BYTES: i32 = 4;
const IPV6_BYTES: u32 = 16;

/// Of an address: read up to the NUL. Of a string or an array of bytes: a copy of its start.
pub fn str(cx: &mut dyn LowerCx) -> Operand {
    let Ty::Str { n } = cx.ret_ty() else { crate::bug!("str() is {:?}", cx.ret_ty()) };
    let (space, src) = match cx.arg_ty(0) {
        Ty::Ptr { .. } => (cx.space_of(0), number(cx, 0)),
        Ty::Str { n: have } if have == n && cx.n_args() < 2 => return cx.arg(0),
        _ => {
            let (ptr, off) = memory(cx, 0);
            (ReadSpace::Kernel, cx.b().add_imm(ptr, off.into()))
        }
    };
    let limit = match cx.arg_int(1) {
        None if cx.n_args() > 1 => Some(number(cx, 1)),
        _ => None,
    };
    let dst = cx.out(n, "str");
    match limit {
        Some(len) => {
            let with_nul = bounded_plus_one(cx, len, n);
            cx.read_str_upto(space, dst, src, with_nul, n)
        }
        None => cx.read_str(space, dst, src, n),
    };
    Operand::Mem { ptr: dst, off: 0 }
}

/// `len + 1`, at most `n`; a huge length does not wrap.
fn bounded_plus_one(cx: &mut dyn LowerCx, len: Value, n: u32) -> Value {
    let len = cx.b().umin(len, n - 1);
    cx.b().add_imm(len, 1)
}

/// The length, then the bytes, then zeros.
pub fn buf(cx: &mut dyn LowerCx) -> Operand {
    let Ty::Buf { n } = cx.ret_ty() else { crate::bug!("buf() is {:?}", cx.ret_ty()) };
    let (space, src) = match cx.arg_ty(0) {
        Ty::Ptr { .. } => (cx.space_of(0), number(cx, 0)),
        _ => {
            let (ptr, off) = memory(cx, 0);
            (ReadSpace::Kernel, cx.b().add_imm(ptr, off.into()))
        }
    };
    let limit = match cx.arg_int(1) {
        None if cx.n_args() > 1 => Some(number(cx, 1)),
        _ => None,
    };
    let dst = cx.out(n + 4, "buf");
    let data = cx.b().add_imm(dst, 4);
    let len = match limit {
        Some(len) => {
            cx.b().zero(dst, 4, n);
            cx.b().umin(len, n)
        }
        None => cx.b().iconst(n.into()),
    };
    cx.b().store(Size::B4, dst, 0, len);
    cx.read(space, data, src, len, n);
    Operand::Mem { ptr: dst, off: 0 }
}

/// The family, then 16 bytes of address: of IPv4 the first four.
pub fn ntop(cx: &mut dyn LowerCx) -> Operand {
    let at = match cx.data() {
        CallData::Ints(n) => n[0] as usize,
        _ => 0,
    };
    let family = if at == 1 { Some(number(cx, 0)) } else { None };
    let ty = cx.arg_ty(at);
    let source = cx.arg(at);
    let dst = cx.out(Ty::Inet.size(cx.types()), "inet");
    cx.b().zero(dst, FAMILY_BYTES, IPV6_BYTES);
    let n_bytes = match ty {
        Ty::Array { n, .. } | Ty::Str { n } => n.min(IPV6_BYTES),
        _ => 4,
    };
    let default = cx.b().iconst(if n_bytes == IPV6_BYTES { AF_INET6 } else { AF_INET });
    let family = family.unwrap_or(default);
    cx.b().store(Size::B4, dst, 0, family);
    match (source, &ty) {
        (Operand::Val(p), Ty::Ptr { .. }) => {
            let space = cx.space_of(at);
            let data = cx.b().add_imm(dst, FAMILY_BYTES.into());
            let len = address_bytes(cx, family);
            cx.read(space, data, p, len, IPV6_BYTES);
        }
        (Operand::Val(v), _) => cx.b().store(Size::B4, dst, FAMILY_BYTES, v),
        (Operand::Mem { ptr, off }, _) => cx.b().copy(dst, FAMILY_BYTES, ptr, off, n_bytes),
        (Operand::None, _) => {}
    }
    Operand::Mem { ptr: dst, off: 0 }
}

/// 16 for IPv6, else 4.
fn address_bytes(cx: &mut dyn LowerCx, family: Value) -> Value {
    let v6 = cx.b().iconst(AF_INET6);
    let is_v6 = cx.b().cmp(Cc::Eq, family, v6);
    let more = cx.b().bin_imm(BinOp::Mul, is_v6, 12);
    cx.b().add_imm(more, 4)
}

pub fn pton(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Text(text) = cx.data() else { crate::bug!("pton() without its address") };
    let bytes = match (text.parse::<Ipv4Addr>(), text.parse::<Ipv6Addr>()) {
        (Ok(v4), _) => v4.octets().to_vec(),
        (_, Ok(v6)) => v6.octets().to_vec(),
        _ => crate::bug!("{text} is no address"),
    };
    cx.literal(&bytes)
}

pub fn macaddr(cx: &mut dyn LowerCx) -> Operand {
    let bytes = Ty::Mac.size(cx.types());
    match (cx.arg_ty(0), cx.arg(0)) {
        (Ty::Ptr { .. }, Operand::Val(p)) => {
            let space = cx.space_of(0);
            let dst = cx.out(bytes, "mac");
            let len = cx.b().iconst(bytes.into());
            cx.read(space, dst, p, len, bytes);
            Operand::Mem { ptr: dst, off: 0 }
        }
        (_, source) => source,
    }
}

/// Byte by byte: they differ, or both ended, or all were the same.
pub fn strncmp(cx: &mut dyn LowerCx) -> Operand {
    let n = match cx.data() {
        CallData::Ints(n) => n[0] as u32,
        _ => 0,
    };
    let (a_room, b_room) = (room(cx, 0), room(cx, 1));
    let (a, b) = (memory(cx, 0), memory(cx, 1));
    let (same, differ) = (cx.b().new_block(), cx.b().new_block());
    let n = n.min(a_room).min(b_room);
    each_byte(cx, n, |cx, i| {
        let (x, y) = (byte_at(cx, a, i), byte_at(cx, b, i));
        let (on, more) = (cx.b().new_block(), cx.b().new_block());
        cx.b().branch(Cc::Ne, x, y, differ, on);
        cx.b().enter(on);
        let zero = cx.b().iconst(0);
        cx.b().branch(Cc::Eq, x, zero, same, more);
        cx.b().enter(more);
    });
    cx.b().jump(same, Vec::new());
    Operand::Val(one_of(cx, differ, same))
}

/// Bytes of a string argument.
pub fn room(cx: &mut dyn LowerCx, i: usize) -> u32 {
    cx.arg_ty(i).size(cx.types())
}

/// 1 from `yes`, 0 from `no`.
fn one_of(cx: &mut dyn LowerCx, yes: Block, no: Block) -> Value {
    let join = cx.b().new_block();
    let out = cx.b().block_param(join, Kind::Int);
    for (block, v) in [(yes, 1), (no, 0)] {
        cx.b().enter(block);
        let v = cx.b().iconst(v);
        cx.b().jump(join, vec![v]);
    }
    cx.b().enter(join);
    out
}

/// Byte `i` of what is at a place.
pub fn byte_at(cx: &mut dyn LowerCx, (ptr, off): (Value, i32), i: Value) -> Value {
    let at = cx.b().bin(BinOp::Add, ptr, i);
    cx.b().load(Size::B1, at, off)
}

/// A helper that copies a string tells its length.
pub fn strlen(cx: &mut dyn LowerCx) -> Operand {
    let n = room(cx, 0);
    let (ptr, off) = memory(cx, 0);
    let src = cx.b().add_imm(ptr, off.into());
    let copy = cx.temp(n, "copy");
    let len = cx.read_str(ReadSpace::Kernel, copy, src, n);
    // Not below 1, for the NUL counts.
    let len = cx.b().umin(len, n);
    let join = cx.b().new_block();
    let out = cx.b().block_param(join, Kind::Int);
    let (some, none) = (cx.b().new_block(), cx.b().new_block());
    let zero = cx.b().iconst(0);
    cx.b().branch(Cc::Ne, len, zero, some, none);
    cx.b().enter(some);
    let less = cx.b().bin_imm(BinOp::Sub, len, 1);
    cx.b().jump(join, vec![less]);
    cx.b().enter(none);
    cx.b().jump(join, vec![zero]);
    cx.b().enter(join);
    Operand::Val(out)
}

pub fn bswap(cx: &mut dyn LowerCx) -> Operand {
    let v = number(cx, 0);
    let op = match cx.ret_ty() {
        Ty::Int { bits: 16, .. } => UnOp::Bswap16,
        Ty::Int { bits: 32, .. } => UnOp::Bswap32,
        Ty::Int { bits: 64, .. } => UnOp::Bswap64,
        _ => return Operand::Val(v),
    };
    Operand::Val(cx.b().un(op, v))
}

pub fn kptr(cx: &mut dyn LowerCx) -> Operand {
    in_space(cx, Kind::Kernel)
}

pub fn uptr(cx: &mut dyn LowerCx) -> Operand {
    in_space(cx, Kind::User)
}

fn in_space(cx: &mut dyn LowerCx, kind: Kind) -> Operand {
    let v = number(cx, 0);
    Operand::Val(cx.b().retype(v, kind))
}

pub fn cgroup_path(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(number(cx, 0))
}

pub fn strftime(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Time(format, clock) = cx.data() else { crate::bug!("strftime() without its format") };
    let mut ns = number(cx, 1);
    if clock == Clock::Tai {
        // Values hold times of the boot clock.
        let at = cx.global(globals::TAI_OFFSET);
        let offset = cx.b().load(Size::B8, at, 0);
        ns = cx.b().bin(BinOp::Sub, ns, offset);
    }
    let index = cx.string_index(&format);
    let dst = cx.out(16, "timestamp");
    cx.b().store(Size::B8, dst, 0, ns);
    let index = cx.b().iconst(index.into());
    cx.b().store(Size::B8, dst, 8, index);
    Operand::Mem { ptr: dst, off: 0 }
}

pub fn sizeof(_: &mut dyn LowerCx) -> Operand {
    folded("sizeof")
}

pub fn offsetof(_: &mut dyn LowerCx) -> Operand {
    folded("offsetof")
}

/// A row of the table of texts; the last one is for numbers that have none.
pub fn strerror(cx: &mut dyn LowerCx) -> Operand {
    let Ty::Str { n } = cx.ret_ty() else { crate::bug!("strerror() is {:?}", cx.ret_ty()) };
    let mut table = Vec::new();
    for text in errno::TEXTS.iter().chain(&["Unknown error"]) {
        let mut row = text.as_bytes().to_vec();
        row.resize(n as usize, 0);
        table.extend(row);
    }
    let e = number(cx, 0);
    // Verifier: the offset is bounded where it is added; negative numbers are huge ones.
    let row = cx.b().umin(e, errno::TEXTS.len() as u32);
    let Operand::Mem { ptr, off } = cx.literal(&table) else { crate::bug!("a literal in a register") };
    let at = cx.b().bin_imm(BinOp::Mul, row, n.into());
    Operand::Mem { ptr: cx.b().bin(BinOp::Add, ptr, at), off }
}
