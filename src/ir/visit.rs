//! What an operation uses, and what else it does besides its result.
//!
//! Passes and code generation learn of operands here alone, so that a new operation is one row in `ops`, an
//! arm here and an arm in `codegen::select`.

use super::{Block, Kind, Op, Target, Term, Value};
use crate::isa::Helper;

/// What an operation may do besides giving its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing, and its result depends on its operands alone: two of the same are one.
    Pure,
    /// Nothing, but the result depends on memory or time: unused ones may go, others stay in order.
    Reads,
    /// Writes memory that only this run of the function sees.
    Private,
    /// Seen by other programs or by user space.
    Public,
}

/// Helpers whose answer stays the same within one run of a program.
const CONSTANT_IN_A_RUN: &[Helper] = &[
    Helper::GET_CURRENT_PID_TGID,
    Helper::GET_CURRENT_UID_GID,
    Helper::GET_CURRENT_TASK,
    Helper::GET_CURRENT_TASK_BTF,
    Helper::GET_SMP_PROCESSOR_ID,
    Helper::GET_NUMA_NODE_ID,
    Helper::GET_CURRENT_CGROUP_ID,
    Helper::GET_ATTACH_COOKIE,
    Helper::GET_FUNC_IP,
];

/// Helpers that change nothing and whose answer may change.
const ONLY_READS: &[Helper] = &[
    Helper::KTIME_GET_NS,
    Helper::KTIME_GET_BOOT_NS,
    Helper::KTIME_GET_TAI_NS,
    Helper::JIFFIES64,
    Helper::GET_PRANDOM_U32,
    Helper::RINGBUF_QUERY,
    Helper::STRNCMP,
    Helper::TASK_PT_REGS,
];

/// Helpers that write at most to memory that they are handed.
const WRITES_ARGUMENTS: &[Helper] = &[
    Helper::PROBE_READ,
    Helper::PROBE_READ_KERNEL,
    Helper::PROBE_READ_KERNEL_STR,
    Helper::PROBE_READ_STR,
    Helper::PROBE_READ_USER,
    Helper::PROBE_READ_USER_STR,
    Helper::GET_CURRENT_COMM,
    Helper::GET_STACK,
    Helper::GET_NS_CURRENT_PID_TGID,
    Helper::PERF_PROG_READ_VALUE,
    Helper::D_PATH,
    Helper::MAP_LOOKUP_ELEM,
    Helper::MAP_LOOKUP_PERCPU_ELEM,
];

/// What a call of `helper` does.
pub fn helper_effect(helper: Helper) -> Effect {
    if CONSTANT_IN_A_RUN.contains(&helper) {
        Effect::Pure
    } else if ONLY_READS.contains(&helper) {
        Effect::Reads
    } else if WRITES_ARGUMENTS.contains(&helper) {
        Effect::Private
    } else {
        Effect::Public
    }
}

impl Op {
    /// What it does besides its result. `kind_of` tells the kind of its operands.
    pub fn effect(&self, kind_of: impl Fn(Value) -> Kind) -> Effect {
        let write = |addr: &Value| match kind_of(*addr) {
            Kind::Stack => Effect::Private,
            Kind::Int
            | Kind::Ctx
            | Kind::Map
            | Kind::MapValue
            | Kind::MapValueOrNull
            | Kind::Btf
            | Kind::BtfOrNull
            | Kind::Kernel
            | Kind::User
            | Kind::Func => Effect::Public,
        };
        match self {
            Op::Const(_)
            | Op::Bin { .. }
            | Op::Un { .. }
            | Op::Cmp { .. }
            | Op::Umin { .. }
            | Op::NonNull { .. }
            | Op::Retype { .. }
            | Op::SlotAddr(_)
            | Op::MapPtr(_)
            | Op::MapValue { .. }
            | Op::FuncAddr(_)
            | Op::Core { .. } => Effect::Pure,
            Op::Load { .. } => Effect::Reads,
            Op::Store { addr, .. } | Op::Zero { addr, .. } => write(addr),
            // It has to stay where it is.
            Op::Checkpoint => Effect::Private,
            Op::Copy { dst, .. } => write(dst),
            Op::Atomic { addr, .. } => write(addr),
            Op::Call { helper, .. } => helper_effect(*helper),
            Op::CallKfunc { .. } | Op::CallFunc { .. } => Effect::Public,
        }
    }

    /// Whether code for it clobbers R0 to R5.
    pub fn is_call(&self) -> bool {
        matches!(self, Op::Call { .. } | Op::CallKfunc { .. } | Op::CallFunc { .. })
    }

    /// Calls `f` with each operand, in order.
    pub fn each_use(&self, mut f: impl FnMut(Value)) {
        // A copy is cheap but for calls, which are looked at in place.
        match self {
            Op::Call { args, .. } | Op::CallKfunc { args, .. } | Op::CallFunc { args, .. } => {
                args.iter().for_each(|&v| f(v));
            }
            other => other.clone().each_use_mut(|v| f(*v)),
        }
    }

    /// Calls `f` with each operand, in order, to be replaced.
    pub fn each_use_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        match self {
            Op::Const(_)
            | Op::SlotAddr(_)
            | Op::MapPtr(_)
            | Op::MapValue { .. }
            | Op::FuncAddr(_)
            | Op::Checkpoint
            | Op::Core { .. } => {}
            Op::Bin { a, b, .. } | Op::Cmp { a, b, .. } => {
                f(a);
                f(b);
            }
            Op::Un { a, .. } => f(a),
            Op::Umin { v, .. } => f(v),
            Op::NonNull { p } | Op::Retype { p, .. } => f(p),
            Op::Load { addr, .. } | Op::Zero { addr, .. } => f(addr),
            Op::Store { addr, v, .. } => {
                f(addr);
                f(v);
            }
            Op::Atomic { addr, v, expected, .. } => {
                f(addr);
                f(v);
                expected.iter_mut().for_each(f);
            }
            Op::Call { args, .. } | Op::CallKfunc { args, .. } | Op::CallFunc { args, .. } => {
                args.iter_mut().for_each(f);
            }
            Op::Copy { dst, src, .. } => {
                f(dst);
                f(src);
            }
        }
    }
}

impl Term {
    /// The blocks that may come next, as jumps with their arguments.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let (a, b) = match self {
            Term::Jump(t) => (Some(t), None),
            Term::Branch { then, els, .. } => (Some(then), Some(els)),
            Term::Ret(_) | Term::None => (None, None),
        };
        a.into_iter().chain(b)
    }
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        let (a, b) = match self {
            Term::Jump(t) => (Some(t), None),
            Term::Branch { then, els, .. } => (Some(then), Some(els)),
            Term::Ret(_) | Term::None => (None, None),
        };
        a.into_iter().chain(b)
    }
    /// The blocks that may come next; one twice if both ways lead there.
    pub fn succs(&self) -> impl Iterator<Item = Block> {
        self.targets().map(Target::block)
    }
    /// Calls `f` with what it compares or returns.
    pub fn each_operand(&self, mut f: impl FnMut(Value)) {
        match self {
            Term::Branch { a, b, .. } => {
                f(*a);
                f(*b);
            }
            Term::Ret(v) => f(*v),
            Term::Jump(_) | Term::None => {}
        }
    }
    /// Calls `f` with each value that it uses: operands, then arguments of the targets.
    pub fn each_use(&self, mut f: impl FnMut(Value)) {
        self.each_operand(&mut f);
        self.targets().flat_map(|t| &t.args).for_each(|&v| f(v));
    }
    pub fn each_use_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        match self {
            Term::Branch { a, b, .. } => {
                f(a);
                f(b);
            }
            Term::Ret(v) => f(v),
            Term::Jump(_) | Term::None => {}
        }
        self.targets_mut().flat_map(|t| &mut t.args).for_each(f);
    }
}
