//! The intermediate representation: SSA over 64-bit values, blocks with parameters.
//!
//! Comes in from `lower`; goes to `opt` and `codegen`. Always holds (checked by [`verify`]):
//! every use is dominated by its definition; block arguments match block parameters in number;
//! memory is only accessed through pointers whose [`Kind`] allows it; field accesses stay symbolic
//! ([`AccessId`]) until the image is loaded or written.

pub mod builder;
pub mod cfg;
mod names;
pub mod ops;
pub mod parse;
pub mod print;
pub mod verify;
pub mod visit;

pub use builder::{Builder, Var};
pub use ops::{AtomicOp, BinOp, Cc, CoreKind, Kind, Off, Op, Size, Term, UnOp, Width};

use crate::base::{IndexVec, Span};
use crate::image::{Image, LossId, ProgramId};
use crate::newtype_index;

newtype_index!(
    /// An SSA value of a function.
    Value, "v"
);
newtype_index!(
    /// A basic block of a function.
    Block, "b"
);
newtype_index!(
    /// An instruction of a function.
    Inst, "i"
);
newtype_index!(
    /// A memory object of a function: bytes of its stack frame or, when too big, of claimed scratch memory.
    Slot, "m"
);
newtype_index!(
    /// A function of a module.
    FuncId, "f"
);

pub use crate::image::AccessId;

/// A block and the values for its parameters.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Target {
    pub block: Option<Block>,
    pub args: Vec<Value>,
}

impl Target {
    pub fn new(block: Block, args: Vec<Value>) -> Target {
        Target { block: Some(block), args }
    }
    /// The block; a target without one exists only inside the builder.
    pub fn block(&self) -> Block {
        match self.block {
            Some(b) => b,
            None => crate::bug!("jump without a target"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct InstData {
    pub op: Op,
    /// Every op but stores and the like has a result.
    pub result: Option<Value>,
    /// The script text that it stands for; becomes line info.
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct ValueData {
    pub kind: Kind,
}

/// Where a memory object may lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// On the stack or, when there is no room, in scratch memory.
    Any,
    /// On the stack alone: the kernel wants it there (iterators, what a callback is handed).
    Stack,
}

#[derive(Clone, Debug)]
pub struct SlotData {
    /// Bytes.
    pub size: u32,
    /// Alignment in bytes, at most 8.
    pub align: u32,
    pub room: Room,
    /// For dumps.
    pub name: &'static str,
}

#[derive(Clone, Debug)]
pub struct BlockData {
    pub params: Vec<Value>,
    pub insts: Vec<Inst>,
    pub term: Term,
    pub term_span: Span,
}

/// A function: a program's entry, or a BPF-to-BPF function or callback.
#[derive(Clone, Debug)]
pub struct Func {
    /// A C identifier, unique in the module.
    pub name: String,
    /// The values of `entry`'s parameters are the arguments (R1 to R5). An entry function has one: the context.
    pub entry: Block,
    pub blocks: IndexVec<Block, BlockData>,
    pub insts: IndexVec<Inst, InstData>,
    pub values: IndexVec<Value, ValueData>,
    pub slots: IndexVec<Slot, SlotData>,
    /// Where the clause or `fn` stands.
    pub span: Span,
    /// Counted when no scratch memory could be claimed.
    pub scratch_loss: Option<LossId>,
    /// What a program returns when it cannot run (scratch exhausted).
    pub fail_ret: i64,
}

/// A program of the image and the function where it starts.
#[derive(Clone, Debug)]
pub struct Entry {
    pub program: ProgramId,
    pub func: FuncId,
}

/// All code of a script, and the image that it will go into: maps, events, attach points are there already,
/// its programs' instructions are empty until `codegen`.
#[derive(Clone, Debug)]
pub struct Module {
    pub funcs: IndexVec<FuncId, Func>,
    pub entries: Vec<Entry>,
    pub image: Image,
}
