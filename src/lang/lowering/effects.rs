//! Lowering of `builtins/effects.rs`. What acts on the machine beyond output.

use super::{memory, number};
use crate::image::EventKind;
use crate::image::wire::packet;
use crate::ir::{BinOp, Cc, Kind, Size, Value};
use crate::isa::Helper;
use crate::isa::limits::STACK_BYTES_MAX;
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand, ReadSpace};
use crate::ty::Ty;

/// `BPF_F_CURRENT_CPU`
const CURRENT_CPU: i64 = 0xffff_ffff;

/// The kernel reads strings at the addresses that it is given.
pub fn debugf(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Text(format) = cx.data() else { crate::bug!("debugf() without its format") };
    let mut values = Vec::new();
    for i in 1..cx.n_args() {
        values.push(match cx.arg(i) {
            Operand::Val(v) => v,
            Operand::Mem { ptr, off } => cx.b().add_imm(ptr, off.into()),
            Operand::None => cx.b().iconst(0),
        });
    }
    let Operand::Mem { ptr, off } = cx.literal(format.as_bytes()) else {
        crate::bug!("a literal in a register")
    };
    let text = cx.b().add_imm(ptr, off.into());
    let bytes = cx.b().iconst(format.len() as i64 + 1);
    let mut args = vec![text, bytes];
    args.extend(values);
    cx.b().call(Helper::TRACE_PRINTK, &args);
    Operand::None
}

pub fn override_(cx: &mut dyn LowerCx) -> Operand {
    let value = number(cx, 0);
    let ctx = cx.ctx();
    cx.b().call(Helper::OVERRIDE_RETURN, &[ctx, value]);
    Operand::None
}

/// What a pointer points to is copied first, for the helper takes only memory of the program.
pub fn write_user(cx: &mut dyn LowerCx) -> Operand {
    let CallData::Ints(most) = cx.data() else { crate::bug!("write_user() without its length") };
    let most = most[0] as u32;
    let to = number(cx, 0);
    let from = match cx.arg_ty(1) {
        Ty::Ptr { .. } => Err(number(cx, 1)),
        _ => Ok(memory(cx, 1)),
    };
    let len = number(cx, 2);
    // Verifier: the length is bounded before it is compared.
    let len = cx.b().umin(len, most);
    let (some, join) = (cx.b().new_block(), cx.b().new_block());
    let done = cx.b().block_param(join, Kind::Int);
    let (zero, one) = (cx.b().iconst(0), cx.b().iconst(1));
    let empty = cx.b().new_block();
    cx.b().branch(Cc::Eq, len, zero, empty, some);
    cx.b().enter(empty);
    cx.b().jump(join, vec![one]);
    cx.b().enter(some);
    let source = match from {
        Ok((ptr, off)) => cx.b().add_imm(ptr, off.into()),
        Err(pointer) => copied(cx, pointer, len, most),
    };
    let r = cx.b().call(Helper::PROBE_WRITE_USER, &[to, source, len]);
    let zero = cx.b().iconst(0);
    let worked = cx.b().cmp(Cc::Eq, r, zero);
    cx.b().jump(join, vec![worked]);
    cx.b().enter(join);
    Operand::Val(done)
}

fn copied(cx: &mut dyn LowerCx, pointer: Value, len: Value, most: u32) -> Value {
    let space = cx.space_of(1);
    let copy = cx.temp(most.max(1), "copy");
    cx.b().zero(copy, 0, most.max(1));
    cx.read(space, copy, pointer, len, most);
    copy
}

/// Empty where the kernel cannot tell.
pub fn path(cx: &mut dyn LowerCx) -> Operand {
    let Ty::Str { n } = cx.ret_ty() else { crate::bug!("path() is {:?}", cx.ret_ty()) };
    let whole = cx.temp(n, "path");
    if n <= STACK_BYTES_MAX {
        // Verifier: what a helper gets of the stack has been written.
        cx.b().zero(whole, 0, n);
    }
    let (gone, done) = (cx.b().new_block(), cx.b().new_block());
    let at = cx.arg_address(0, gone);
    let len = cx.b().iconst(n.into());
    let r = cx.b().call(Helper::D_PATH, &[at, whole, len]);
    let zero = cx.b().iconst(0);
    cx.b().branch(Cc::Sgt, r, zero, done, gone);
    cx.b().enter(gone);
    let nul = cx.b().iconst(0);
    cx.b().store(Size::B1, whole, 0, nul);
    cx.b().jump(done, Vec::new());
    cx.b().enter(done);
    // The helper leaves rests of the path behind its NUL.
    let dst = cx.out(n, "path string");
    cx.read_str(ReadSpace::Kernel, dst, whole, n);
    Operand::Mem { ptr: dst, off: 0 }
}

/// The helper copies from the packet's start: what comes before IP goes along, and is left out by the reader.
pub fn skboutput(cx: &mut dyn LowerCx) -> Operand {
    let Some(path) = cx.arg_text(0) else { crate::bug!("skboutput() without its file") };
    let skb = number(cx, 1);
    let len = number(cx, 2);
    let at = number(cx, 3);
    // Bounded one by one, so that their sum is right.
    let (len, at) = (cx.b().umin(len, packet::CAPTURED_MAX), cx.b().umin(at, packet::CAPTURED_MAX));
    let end = cx.b().bin(BinOp::Add, len, at);
    let end = cx.b().umin(end, packet::CAPTURED_MAX);
    let whole = match cx.kernel_field(skb, "sk_buff", "len") {
        Some(Operand::Val(v)) => v,
        _ => cx.b().iconst(0),
    };
    let (short, join) = (cx.b().new_block(), cx.b().new_block());
    let captured = cx.b().block_param(join, Kind::Int);
    let long = cx.b().new_block();
    cx.b().branch(Cc::Ult, whole, end, short, long);
    cx.b().enter(short);
    cx.b().jump(join, vec![whole]);
    cx.b().enter(long);
    cx.b().jump(join, vec![end]);
    cx.b().enter(join);
    let meta = cx.temp(packet::BYTES, "packet");
    let (map, site) = cx.packet_site(&path);
    let site = cx.b().iconst(site);
    let ns = cx.b().call(Helper::KTIME_GET_BOOT_NS, &[]);
    for (field, value) in
        [(packet::SITE, site), (packet::CAPTURED, captured), (packet::WHOLE, whole), (packet::IP_AT, at)]
    {
        cx.b().store(Size::B4, meta, field as i32, value);
    }
    cx.b().store(Size::B8, meta, packet::NS as i32, ns);
    let high = cx.b().bin_imm(BinOp::Shl, captured, 32);
    let here = cx.b().iconst(CURRENT_CPU);
    let flags = cx.b().bin(BinOp::Or, high, here);
    let bytes = cx.b().iconst(packet::BYTES.into());
    let r = cx.b().call(Helper::SKB_OUTPUT, &[skb, map, flags, meta, bytes]);
    // As 32 bits.
    let r = cx.b().bin_imm(BinOp::Shl, r, 32);
    Operand::Val(cx.b().bin_imm(BinOp::Lshr, r, 32))
}

pub fn unwatch(cx: &mut dyn LowerCx) -> Operand {
    let addr = number(cx, 0);
    let addr = cx.b().retype(addr, Kind::Int);
    cx.emit(EventKind::Unwatch, &[(Ty::U64, Operand::Val(addr))]);
    Operand::None
}

pub fn socket_cookie(cx: &mut dyn LowerCx) -> Operand {
    let socket = number(cx, 0);
    Operand::Val(cx.b().call(Helper::GET_SOCKET_COOKIE, &[socket]))
}
