//! Machine instructions over virtual registers: what `select` makes, `regalloc` places and `emit` writes.
//!
//! Always holds: the operands of an instruction are listed in the order that [`Machine`] states, definitions
//! first; blocks stand in the order of the function's blocks, critical edges split.

use regalloc2::{Operand, VReg};

use crate::base::Span;
use crate::image::{AccessId, CoreKind, MapId};
use crate::ir::{AtomicOp, BinOp, Cc, FuncId, Size, Slot, Width};
use crate::isa::Helper;

/// Where an access starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Base {
    /// An address in a register, which is an operand.
    Reg,
    /// A slot of the frame.
    Frame(Slot),
}

/// The second operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Second {
    Reg,
    Imm(i32),
}

/// An address that is known at load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sym {
    Map(MapId),
    MapValue { map: MapId, off: u32 },
    Func(FuncId),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Callee {
    Helper(Helper),
    Kfunc(&'static str),
    Func(FuncId),
}

/// What an instruction does; the comment lists its operands.
#[derive(Clone, Debug, PartialEq)]
pub enum Machine {
    /// The parameters arrive: defs in R1, R2, …
    Args,
    /// def
    Imm(i64),
    /// def
    Sym(Sym),
    /// def
    Core { imm: i32, kind: CoreKind, access: AccessId },
    /// def: the address of byte `off` of a slot
    FrameAddr { slot: Slot, off: i16 },
    /// def, use
    Mov { w: Width },
    /// def (in the register of the first use), use, use if `b` is one
    Alu { op: BinOp, w: Width, b: Second },
    /// def (in the register of the use), use
    Neg,
    /// def (in the register of the use), use: to big-endian order
    Swap { bits: i32 },
    /// def (in the register of the use), use
    Umin { max: i32 },
    /// def (apart from the uses), use, use if `b` is one: 0 or 1
    Set { cc: Cc, b: Second },
    /// def, use if `base` is one
    Load { size: Size, base: Base, off: i16, field: Option<AccessId> },
    /// use if `base` is one, use if `v` is one
    Store { size: Size, base: Base, off: i16, v: Second },
    /// def (in the register of the value; for `CmpXchg` in R0; none for `Add`), use of the value,
    /// use of `expected` in R0 for `CmpXchg`, use if `base` is one
    Atomic { op: AtomicOp, size: Size, base: Base, off: i16 },
    /// def in R0 unless unused, uses in R1, R2, …
    Call(Callee),
    /// nothing
    Checkpoint,
    /// nothing
    Jump,
    /// use, use if `b` is one; goes to the first successor if it holds, else to the second
    Branch { cc: Cc, b: Second },
    /// use in R0
    Ret,
}

#[derive(Clone, Debug)]
pub struct VInst {
    pub what: Machine,
    pub span: Span,
    /// Range of `VCode::operands`.
    pub operands: (u32, u32),
}

#[derive(Clone, Debug, Default)]
pub struct VBlock {
    /// Range of `VCode::insts`.
    pub insts: (u32, u32),
    pub succs: Vec<regalloc2::Block>,
    pub preds: Vec<regalloc2::Block>,
    pub params: Vec<VReg>,
    /// Arguments for the parameters of the only successor.
    pub args: Vec<VReg>,
}

/// One function's code.
#[derive(Clone, Debug, Default)]
pub struct VCode {
    pub insts: Vec<VInst>,
    pub operands: Vec<Operand>,
    pub blocks: Vec<VBlock>,
    pub n_vregs: usize,
}

impl VCode {
    pub fn operands(&self, i: usize) -> &[Operand] {
        let (lo, hi) = self.insts[i].operands;
        &self.operands[lo as usize..hi as usize]
    }
}
