//! The checked script: every expression typed, every name resolved, every attach point concrete.
//!
//! Made by `sema::check`, read by `lower`. Always holds when there were no errors: operands already have the types that the node
//! says (conversions are `Cast` nodes), every call is a row, and lowering cannot fail.

use std::sync::Arc;

use crate::base::{IndexVec, Span};
use crate::image::maps::Storage;
use crate::image::{Attach, MapId};
use crate::lang::aggs::AggRow;
use crate::lang::probes::{Point, Provider};
use crate::lang::traits::ScriptOption;
use crate::lang::{Builtin, CallData, Config};
use crate::newtype_index;
use crate::ty::{Ty, TypeTable};

newtype_index!(
    /// A scratch variable of a probe or function.
    LocalId, "l"
);
newtype_index!(
    /// A probe: one clause's code for attach points that share a context.
    ProbeId, "probe"
);
newtype_index!(
    /// A `fn` of the script.
    FnId, "fn"
);

#[derive(Clone, Debug)]
pub struct Program {
    pub types: TypeTable,
    pub maps: IndexVec<MapId, Map>,
    pub probes: IndexVec<ProbeId, Probe>,
    pub fns: IndexVec<FnId, Func>,
    /// Names of attach points without which the script runs, too.
    pub optional: Vec<String>,
    /// Named parameters that the script takes.
    pub options: Vec<ScriptOption>,
    pub config: Config,
}

#[derive(Clone, Debug)]
pub struct Map {
    /// With its `@`.
    pub name: String,
    /// `None`: a scalar map.
    pub key: Option<Ty>,
    /// Integers are 64 bits wide here.
    pub value: Ty,
    pub storage: Storage,
    pub max_entries: u32,
    /// First use.
    pub span: Span,
}

/// A clause may become several of these: one for each group of attach points with the same program type and context.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Number of the clause in the script.
    pub clause: u32,
    /// The user's name for it, or the attach points as written.
    pub title: String,
    pub span: Span,
    pub provider: Provider,
    /// At least one; all have the same `Ctx` and program type.
    pub points: Vec<Point>,
    pub locals: IndexVec<LocalId, Local>,
    /// The predicate is its first `If`.
    pub body: Block,
}

impl Probe {
    pub fn attaches(&self) -> Vec<Attach> {
        self.points.iter().map(|p| p.attach.clone()).collect()
    }
}

#[derive(Clone, Debug)]
pub struct Func {
    pub name: String,
    pub params: Vec<LocalId>,
    pub ret: Ty,
    pub locals: IndexVec<LocalId, Local>,
    pub body: Block,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Local {
    /// Without its `$`.
    pub name: String,
    pub ty: Ty,
    pub span: Span,
}

/// Statements, then the value of a block expression.
#[derive(Clone, Debug)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    pub value: Option<Box<Expr>>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum StmtKind {
    /// Computed for its effect.
    Expr(Expr),
    /// `_ = e`: the same, and that its value is not wanted is said.
    Ignored(Expr),
    /// The local comes into being, zeroed.
    Declare(LocalId),
    SetLocal {
        local: LocalId,
        value: Expr,
    },
    SetMap {
        map: MapId,
        key: Option<Expr>,
        value: Expr,
    },
    /// `@m += e` and friends; for integers. `op` never a comparison.
    UpdateMap {
        map: MapId,
        key: Option<Expr>,
        op: Arith,
        value: Expr,
    },
    /// `@m[k] = count()`
    Aggregate {
        map: MapId,
        key: Option<Expr>,
        agg: &'static AggRow,
        args: Vec<Expr>,
    },
    If {
        cond: Expr,
        then: Block,
        els: Option<Block>,
    },
    While {
        cond: Expr,
        body: Block,
    },
    /// `from` to below `to`.
    ForRange {
        local: LocalId,
        from: Expr,
        to: Expr,
        body: Block,
    },
    /// `local` is the tuple `(key, value)`.
    ForMap {
        local: LocalId,
        map: MapId,
        body: Block,
    },
    Break,
    Continue,
    Return(Option<Expr>),
    Block(Block),
}

#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Ty,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    /// Also addresses and enumerators; the bits of the value, sign-extended according to the type.
    Int(i64),
    Bool(bool),
    /// Without NUL; `ty` is `Str` of at least its length + 1.
    Str(Arc<[u8]>),
    Local(LocalId),
    /// A map's value, or zero where there is none. An aggregation is read across all CPUs.
    Map {
        map: MapId,
        key: Option<Box<Expr>>,
    },
    Neg(Box<Expr>),
    /// Of a bool.
    Not(Box<Expr>),
    BitNot(Box<Expr>),
    /// Both operands are integers of the node's type, but a shift's right one may be any integer.
    /// Division and remainder are signed if the type is.
    Arith {
        op: Arith,
        l: Box<Expr>,
        r: Box<Expr>,
    },
    /// `ptr + index * elem_size` (`index` may be negative).
    PtrAdd {
        ptr: Box<Expr>,
        index: Box<Expr>,
        elem_bytes: u32,
    },
    /// Both operands have the same type, of any kind that compares; yields bool.
    Compare {
        op: Compare,
        l: Box<Expr>,
        r: Box<Expr>,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Cond {
        cond: Box<Expr>,
        then: Box<Expr>,
        els: Box<Expr>,
    },
    /// `a ?: b`: `a` where it is not zero.
    Elvis {
        a: Box<Expr>,
        b: Box<Expr>,
    },
    /// From `e.ty` to the node's type: integers (extend, truncate), bool, enums, pointers, strings and buffers
    /// to another length, tuples field by field, arrays of bytes to strings and integers, integers to arrays of as many bytes.
    Cast(Box<Expr>),
    /// What a pointer points to: a place if it is a struct or array, else the value read.
    Deref(Box<Expr>),
    /// Member of a struct place. The path goes through anonymous members: indices into `StructDef::members`,
    /// the struct of each next one being the type of the one before.
    Member {
        base: Box<Expr>,
        path: Vec<u32>,
    },
    /// Element of an array place or of a string (`int8`).
    Index {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    /// The `args` of the probe: a place of the context's struct type.
    Args,
    /// Field `i` of a tuple or record value.
    Get {
        base: Box<Expr>,
        i: u32,
    },
    /// A tuple, or a record with its fields in the type's order.
    Tuple(Vec<Expr>),
    Call(Call),
    CallFn {
        func: FnId,
        args: Vec<Expr>,
    },
    Block(Box<Block>),
    If {
        cond: Box<Expr>,
        then: Box<Block>,
        els: Box<Block>,
    },
    /// `++` and `--`: yields the value before or after.
    Step {
        target: Target,
        by: i64,
        yields: Yields,
    },
    AddrOfLocal(LocalId),
    AddrOfMap {
        map: MapId,
        key: Option<Box<Expr>>,
    },
}

#[derive(Clone, Debug)]
pub struct Call {
    pub row: &'static Builtin,
    pub args: Vec<Arg>,
    pub data: CallData,
}

#[derive(Clone, Debug)]
pub enum Arg {
    Expr(Expr),
    /// A map as such; with its key for `has_key(@m, k)`-like and `delete(@m[k])`-like arguments.
    Map {
        map: MapId,
        key: Option<Expr>,
    },
    /// A literal, word or member path that only checking and lowering read.
    Text(String),
    Ty(Ty),
}

#[derive(Clone, Debug)]
pub enum Target {
    Local(LocalId),
    Map { map: MapId, key: Option<Box<Expr>> },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Yields {
    Before,
    After,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    Shr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}
