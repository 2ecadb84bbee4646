//! Rewrites of the IR before selection: clears and copies that are too long to be done in line.

use crate::base::Span;
use crate::ir::{BinOp, Func, Inst, InstData, Kind, Op, Value, ValueData, Width};
use crate::isa::Helper;

/// Bytes up to which memory is cleared or copied by single stores.
const INLINE_BYTES_MAX: u32 = 1024;

/// Clears and copies of more bytes become one call: `probe_read_kernel` copies from any kernel address, and
/// fills its destination with zeros when the source, here address 0, cannot be read.
pub fn expand_long_moves(func: &mut Func) {
    let is_long = |op: &Op| match op {
        Op::Zero { len, .. } | Op::Copy { len, .. } => *len > INLINE_BYTES_MAX,
        _ => false,
    };
    for b in func.blocks.indices() {
        if !func.blocks[b].insts.iter().any(|&i| is_long(&func.insts[i].op)) {
            continue;
        }
        for i in std::mem::take(&mut func.blocks[b].insts) {
            let span = func.insts[i].span;
            let mut out = Vec::new();
            match func.insts[i].op {
                Op::Zero { addr, off, len } if len > INLINE_BYTES_MAX => {
                    let to = add(func, &mut out, span, addr, off);
                    let from = new(func, &mut out, span, Op::Const(0), Kind::Int);
                    read(func, &mut out, span, [to, from], len);
                }
                Op::Copy { dst, dst_off, src, src_off, len } if len > INLINE_BYTES_MAX => {
                    let to = add(func, &mut out, span, dst, dst_off);
                    let from = add(func, &mut out, span, src, src_off);
                    read(func, &mut out, span, [to, from], len);
                }
                _ => out.push(i),
            }
            func.blocks[b].insts.extend(out);
        }
    }
}

fn read(func: &mut Func, out: &mut Vec<Inst>, span: Span, [to, from]: [Value; 2], len: u32) {
    let len = new(func, out, span, Op::Const(len.into()), Kind::Int);
    let args = vec![to, len, from];
    new(func, out, span, Op::Call { helper: Helper::PROBE_READ_KERNEL, args }, Kind::Int);
}

fn add(func: &mut Func, out: &mut Vec<Inst>, span: Span, a: Value, off: i32) -> Value {
    let b = new(func, out, span, Op::Const(off.into()), Kind::Int);
    let kind = func.values[a].kind;
    new(func, out, span, Op::Bin { op: BinOp::Add, w: Width::W64, a, b }, kind)
}

fn new(func: &mut Func, out: &mut Vec<Inst>, span: Span, op: Op, kind: Kind) -> Value {
    let v = func.values.push(ValueData { kind });
    out.push(func.insts.push(InstData { op, result: Some(v), span }));
    v
}
