//! The operations, a row each, and their printed names.

use super::{AccessId, FuncId, Slot, Target, Value};
pub use crate::image::CoreKind;
use crate::image::MapId;
use crate::isa::Helper;

/// What a value is, which decides what may be done with it. The kernel's verifier knows much the same kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// A number, or an address that is only passed on.
    Int,
    /// The program's context.
    Ctx,
    /// Into a slot of this function.
    Stack,
    /// A map itself, for helpers.
    Map,
    /// A map's value, after the null check (or of an array's known element); also a reserved ring buffer record.
    MapValue,
    /// What a lookup or reserve returns, before the null check.
    MapValueOrNull,
    /// A kernel object that the verifier knows by BTF: loads are direct.
    Btf,
    /// The same before a null check.
    BtfOrNull,
    /// A kernel address: read by `probe_read_kernel`.
    Kernel,
    /// A user address: read by `probe_read_user`.
    User,
    /// A function's address, for callbacks.
    Func,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Width {
    W32,
    W64,
}

/// Bytes of a memory access.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Size {
    B1,
    B2,
    B4,
    B8,
}

impl Size {
    pub fn bytes(self) -> u32 {
        match self {
            Size::B1 => 1,
            Size::B2 => 2,
            Size::B4 => 4,
            Size::B8 => 8,
        }
    }
    /// The size of `n` bytes, if there is one.
    pub fn of(n: u32) -> Option<Size> {
        match n {
            1 => Some(Size::B1),
            2 => Some(Size::B2),
            4 => Some(Size::B4),
            8 => Some(Size::B8),
            _ => None,
        }
    }
}

/// Two-operand arithmetic. 32-bit forms zero the upper half of the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    /// Unsigned; by zero gives 0, as the instruction does.
    Udiv,
    /// Unsigned; by zero gives the dividend.
    Urem,
    And,
    Or,
    Xor,
    Shl,
    /// Logical.
    Lshr,
    /// Arithmetic.
    Ashr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum UnOp {
    Neg,
    /// Sign or zero extension of the low bits to 64.
    Sext8,
    Sext16,
    Sext32,
    Zext8,
    Zext16,
    Zext32,
    /// Byte swaps of the low bits; the rest becomes 0.
    Bswap16,
    Bswap32,
    Bswap64,
}

/// A comparison of 64-bit values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Cc {
    Eq,
    Ne,
    Ult,
    Ule,
    Ugt,
    Uge,
    Slt,
    Sle,
    Sgt,
    Sge,
}

impl Cc {
    /// The comparison that holds when this one does not.
    pub fn negate(self) -> Cc {
        match self {
            Cc::Eq => Cc::Ne,
            Cc::Ne => Cc::Eq,
            Cc::Ult => Cc::Uge,
            Cc::Ule => Cc::Ugt,
            Cc::Ugt => Cc::Ule,
            Cc::Uge => Cc::Ult,
            Cc::Slt => Cc::Sge,
            Cc::Sle => Cc::Sgt,
            Cc::Sgt => Cc::Sle,
            Cc::Sge => Cc::Slt,
        }
    }
    /// The comparison with its operands exchanged.
    pub fn swap(self) -> Cc {
        match self {
            Cc::Eq => Cc::Eq,
            Cc::Ne => Cc::Ne,
            Cc::Ult => Cc::Ugt,
            Cc::Ule => Cc::Uge,
            Cc::Ugt => Cc::Ult,
            Cc::Uge => Cc::Ule,
            Cc::Slt => Cc::Sgt,
            Cc::Sle => Cc::Sge,
            Cc::Sgt => Cc::Slt,
            Cc::Sge => Cc::Sle,
        }
    }
}

/// Read-modify-write of memory. All but `Add` need a kernel with atomic fetch (5.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum AtomicOp {
    /// No result.
    Add,
    FetchAdd,
    /// Result: the value that was there.
    Xchg,
    /// Stores `v` if the memory holds `expected`; result: the value that was there.
    CmpXchg,
}

/// The offset of a memory access.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Off {
    Imm(i32),
    /// The byte offset of a symbolic access.
    Field(AccessId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Const(i64),
    Bin {
        op: BinOp,
        w: Width,
        a: Value,
        b: Value,
    },
    Un {
        op: UnOp,
        a: Value,
    },
    /// 0 or 1.
    Cmp {
        cc: Cc,
        a: Value,
        b: Value,
    },
    /// The smaller of `v` (unsigned) and `max`: a value that the kernel's verifier knows to be bounded.
    /// Every variable size or offset goes through one.
    Umin {
        v: Value,
        max: u32,
    },
    /// `p`, which a branch has compared with null.
    NonNull {
        p: Value,
    },
    /// `p` as a pointer of another kind (`Btf` to `Kernel`, `Int` to `User`, …); no code.
    Retype {
        p: Value,
        kind: Kind,
    },
    /// Zero-extended unless `sext`.
    Load {
        size: Size,
        sext: bool,
        addr: Value,
        off: Off,
    },
    Store {
        size: Size,
        addr: Value,
        off: i32,
        v: Value,
    },
    /// `expected` is used by `CmpXchg` alone. B4 or B8.
    Atomic {
        op: AtomicOp,
        size: Size,
        addr: Value,
        off: i32,
        v: Value,
        expected: Option<Value>,
    },
    SlotAddr(Slot),
    /// A map, as helpers take it.
    MapPtr(MapId),
    /// The address of byte `off` of the value of a one-element array map (kernel 5.2).
    MapValue {
        map: MapId,
        off: u32,
    },
    Call {
        helper: Helper,
        args: Vec<Value>,
    },
    /// A kernel function by name; `image::Program::kfuncs` tells its BTF id at load.
    CallKfunc {
        name: &'static str,
        args: Vec<Value>,
    },
    CallFunc {
        func: FuncId,
        args: Vec<Value>,
    },
    FuncAddr(FuncId),
    /// A number that is known at load.
    Core {
        kind: CoreKind,
        access: AccessId,
    },
    /// `len` zero bytes. Stack and map memory alone; expanded inline, 8 bytes at a time where aligned.
    Zero {
        addr: Value,
        off: i32,
        len: u32,
    },
    /// `len` bytes, not overlapping; both directly accessible.
    Copy {
        dst: Value,
        dst_off: i32,
        src: Value,
        src_off: i32,
        len: u32,
    },
    /// Makes the kernel's verifier remember its state here, to tell it again on other ways that lead here. No code
    /// is left of it once loaded.
    Checkpoint,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    Jump(Target),
    Branch {
        cc: Cc,
        a: Value,
        b: Value,
        then: Target,
        els: Target,
    },
    Ret(Value),
    /// Only inside the builder: a block that is not finished.
    None,
}
