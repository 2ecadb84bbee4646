//! Who calls whom, and how much stack each function may use.
//!
//! Callbacks count as called by who hands them over, as the verifier counts them. Always holds: nothing calls
//! itself (the IR's verifier has seen to it).

use super::frame::counted;
use crate::base::IndexVec;
use crate::ir::{Func, FuncId, Op};
use crate::isa::limits::STACK_BYTES_MAX;

/// Functions in a chain of calls at most (`MAX_CALL_FRAMES`, include/linux/bpf_verifier.h).
pub const DEPTH_MAX: u32 = 8;

/// The graph of calls.
#[derive(Debug)]
pub struct Calls {
    /// Without repetition, in order of first call.
    pub callees: IndexVec<FuncId, Vec<FuncId>>,
    /// Callees before callers.
    pub bottom_up: Vec<FuncId>,
    /// Functions of the longest chain that leads to this one, itself included.
    pub n_above: IndexVec<FuncId, u32>,
}

impl Calls {
    pub fn new(funcs: &IndexVec<FuncId, Func>) -> Calls {
        let callees: IndexVec<FuncId, Vec<FuncId>> = funcs.iter().map(callees).collect();
        let mut done: IndexVec<FuncId, bool> = funcs.indices().map(|_| false).collect();
        let mut bottom_up = Vec::with_capacity(funcs.len());
        for f in funcs.indices() {
            visit(f, &callees, &mut done, &mut bottom_up);
        }
        let mut n_above: IndexVec<FuncId, u32> = funcs.indices().map(|_| 1).collect();
        for &f in bottom_up.iter().rev() {
            for &c in &callees[f] {
                n_above[c] = n_above[c].max(n_above[f] + 1);
            }
        }
        Calls { callees, bottom_up, n_above }
    }

    /// Bytes of stack that a frame of `f` may have when its callees take `below`: an equal share for each
    /// function on the way to it, all of what is left for one that nobody calls.
    pub fn budget(&self, f: FuncId, below: u32) -> u32 {
        let left = STACK_BYTES_MAX.saturating_sub(below);
        let share = left / self.n_above[f];
        // The verifier counts a frame in steps: what is beyond the last whole one is of no use.
        share / counted(1) * counted(1)
    }
}

fn callees(func: &Func) -> Vec<FuncId> {
    let mut list = Vec::new();
    for inst in func.insts.iter() {
        if let Op::CallFunc { func, .. } | Op::FuncAddr(func) = inst.op
            && !list.contains(&func)
        {
            list.push(func);
        }
    }
    list
}

fn visit(
    f: FuncId,
    callees: &IndexVec<FuncId, Vec<FuncId>>,
    done: &mut IndexVec<FuncId, bool>,
    out: &mut Vec<FuncId>,
) {
    if !std::mem::replace(&mut done[f], true) {
        for &c in &callees[f] {
            visit(c, callees, done, out);
        }
        out.push(f);
    }
}
