//! Checks a module's invariants. What is checked:
//!
//! 1. every block ends, and its targets exist and take as many arguments as they have parameters;
//! 2. the entry has no predecessors, and at most five parameters;
//! 3. every value is defined once, by one instruction or as one block's parameter;
//! 4. every use is dominated by its definition (unreachable blocks are exempt);
//! 5. an operation has a result exactly if its row says so, of the kind that its row implies;
//! 6. memory is accessed directly only through `Ctx`, `Stack`, `MapValue` and `Btf` pointers, written only
//!    through `Stack` and `MapValue` (and `Ctx`, where the kernel allows it);
//! 7. slots, maps, functions, accesses and losses that are named exist; calls have at most five arguments, and
//!    as many as the function or helper takes;
//! 8. atomics are 4 or 8 bytes wide, and `expected` is given for `CmpXchg` alone; bounds fit 31 bits;
//! 9. no function calls itself, directly or through others.

use super::cfg::{Cfg, defining_blocks};
use super::{AtomicOp, Block, Func, FuncId, Kind, Module, Off, Op, Size, Term, Value};
use crate::base::{Idx, IndexVec};
use crate::isa::limits::CALL_ARGS_MAX;

/// All breaches, each as text that names its place. Empty: the module is well formed.
pub fn verify(module: &Module) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for func in module.funcs.iter() {
        let at = |m: String| format!("{}: {m}", func.name);
        found.extend(verify_func(func).into_iter().map(at));
        found.extend(references(module, func).into_iter().map(at));
    }
    for e in &module.entries {
        if module.funcs.get(e.func).is_none() || module.image.programs.get(e.program).is_none() {
            found.push(format!("entry of {} names what is not there", e.program));
        }
    }
    if found.is_empty() {
        found.extend(recursion(module));
    }
    found
}

/// The checks that need no module: 1 to 6 and 8.
pub fn verify_func(func: &Func) -> Vec<String> {
    let mut found = blocks(func);
    if !found.is_empty() {
        return found;
    }
    found.extend(definitions(func));
    for (b, data) in func.blocks.iter_enumerated() {
        for &i in &data.insts {
            let inst = &func.insts[i];
            if let Some(m) = operation(func, &inst.op, inst.result) {
                found.push(format!("{b}: {:?}: {m}", inst.op));
            }
        }
    }
    found
}

fn blocks(func: &Func) -> Vec<String> {
    let mut found = Vec::new();
    if func.blocks.get(func.entry).is_none() {
        return vec!["no entry".into()];
    }
    if func.blocks[func.entry].params.len() > CALL_ARGS_MAX {
        found.push("too many parameters".into());
    }
    for (b, data) in func.blocks.iter_enumerated() {
        if matches!(data.term, Term::None) {
            found.push(format!("{b} has no end"));
        }
        for t in data.term.targets() {
            let Some(to) = t.block.and_then(|to| func.blocks.get(to)) else {
                found.push(format!("{b} leads nowhere"));
                continue;
            };
            if to.params.len() != t.args.len() {
                found.push(format!(
                    "{b} gives {} arguments to {}, which takes {}",
                    t.args.len(),
                    t.block(),
                    to.params.len()
                ));
            }
            if t.block == Some(func.entry) {
                found.push(format!("{b} leads to the entry"));
            }
        }
    }
    found
}

/// Numbers 3 and 4.
fn definitions(func: &Func) -> Vec<String> {
    let mut found = Vec::new();
    let mut n_defs: IndexVec<Value, u32> = func.values.indices().map(|_| 0).collect();
    let results = |b: Block| func.blocks[b].insts.iter().filter_map(|&i| func.insts[i].result);
    for b in func.blocks.indices() {
        for v in func.blocks[b].params.iter().copied().chain(results(b)) {
            match func.values.get(v) {
                Some(_) => n_defs[v] += 1,
                None => found.push(format!("{v} does not exist")),
            }
        }
    }
    if !found.is_empty() {
        return found;
    }
    found.extend(n_defs.iter_enumerated().filter(|&(_, &n)| n > 1).map(|(v, n)| format!("{v}: {n} times")));
    let cfg = Cfg::new(func);
    let def_block = defining_blocks(func);
    let mut seen: IndexVec<Value, bool> = func.values.indices().map(|_| false).collect();
    for &b in &cfg.rpo {
        let mut check = |v: Value, seen: &IndexVec<Value, bool>| {
            let is_defined =
                def_block.get(v).copied().flatten().is_some_and(|d| {
                    if d == b { seen[v] } else { cfg.is_reachable(d) && cfg.dominates(d, b) }
                });
            if !is_defined {
                found.push(format!("{b}: {v} is used where it may not be defined"));
            }
        };
        for &p in &func.blocks[b].params {
            seen[p] = true;
        }
        for &i in &func.blocks[b].insts {
            func.insts[i].op.each_use(|v| check(v, &seen));
            if let Some(v) = func.insts[i].result {
                seen[v] = true;
            }
        }
        func.blocks[b].term.each_use(|v| check(v, &seen));
    }
    found
}

/// Numbers 5, 6 and 8, for operands that are known to exist.
fn operation(func: &Func, op: &Op, result: Option<Value>) -> Option<String> {
    let kind = |v: Value| func.values.get(v).map_or(Kind::Int, |d| d.kind);
    let readable = |v: Value| match kind(v) {
        Kind::Ctx | Kind::Stack | Kind::MapValue | Kind::Btf => None,
        k => Some(format!("{v} is {k:?}, which is not read directly")),
    };
    let writable = |v: Value| match kind(v) {
        Kind::Ctx | Kind::Stack | Kind::MapValue => None,
        k => Some(format!("{v} is {k:?}, which is not written")),
    };
    let result_is = |k: Kind| match result {
        Some(v) if kind(v) == k => None,
        Some(v) => Some(format!("{v} is {:?}, not {k:?}", kind(v))),
        None => Some("no result".into()),
    };
    let no_result = || result.map(|v| format!("{v} is the result of what has none"));
    let some_result = || result.is_none().then(|| "no result".to_string());
    match op {
        Op::Umin { max, .. } if i32::try_from(*max).is_err() => Some("a bound over 31 bits".into()),
        Op::Const(_) | Op::Un { .. } | Op::Cmp { .. } | Op::Umin { .. } | Op::Core { .. } => {
            result_is(Kind::Int)
        }
        Op::Bin { .. } | Op::NonNull { .. } => some_result(),
        Op::Retype { kind, .. } => result_is(*kind),
        Op::Load { addr, .. } => some_result().or_else(|| readable(*addr)),
        Op::Store { addr, .. } | Op::Zero { addr, .. } => no_result().or_else(|| writable(*addr)),
        Op::Checkpoint => no_result(),
        Op::Copy { dst, src, .. } => no_result().or_else(|| writable(*dst)).or_else(|| readable(*src)),
        Op::Atomic { op, size, addr, expected, .. } => {
            if !matches!(size, Size::B4 | Size::B8) {
                return Some("atomics are 4 or 8 bytes wide".into());
            }
            if expected.is_some() != (*op == AtomicOp::CmpXchg) {
                return Some("`expected` belongs to CmpXchg".into());
            }
            let r = if *op == AtomicOp::Add { no_result() } else { result_is(Kind::Int) };
            r.or_else(|| writable(*addr))
        }
        Op::SlotAddr(s) if func.slots.get(*s).is_none() => Some(format!("{s} does not exist")),
        Op::SlotAddr(_) => result_is(Kind::Stack),
        Op::MapPtr(_) => result_is(Kind::Map),
        Op::MapValue { .. } => result_is(Kind::MapValue),
        Op::FuncAddr(_) => result_is(Kind::Func),
        Op::Call { args, .. } | Op::CallKfunc { args, .. } | Op::CallFunc { args, .. } => {
            (args.len() > CALL_ARGS_MAX).then(|| "too many arguments".into()).or_else(some_result)
        }
    }
}

/// Number 7.
fn references(module: &Module, func: &Func) -> Vec<String> {
    let mut found = Vec::new();
    let image = &module.image;
    if func.scratch_loss.is_some_and(|l| image.losses.get(l).is_none()) {
        found.push("its loss does not exist".into());
    }
    for inst in func.insts.iter() {
        let bad = match &inst.op {
            Op::MapPtr(m) | Op::MapValue { map: m, .. } => image.maps.get(*m).is_none(),
            Op::Load { off: Off::Field(a), .. } | Op::Core { access: a, .. } => {
                image.accesses.get(*a).is_none()
            }
            Op::FuncAddr(f) => module.funcs.get(*f).is_none(),
            Op::CallFunc { func, args } => {
                module.funcs.get(*func).is_none_or(|f| f.blocks[f.entry].params.len() != args.len())
            }
            Op::Call { helper, args } => helper.row().is_none_or(|row| args.len() != usize::from(row.n_args)),
            _ => false,
        };
        if bad {
            found.push(format!(
                "{:?} names what is not there, or gives it a wrong number of arguments",
                inst.op
            ));
        }
    }
    found
}

/// Number 9.
fn recursion(module: &Module) -> Option<String> {
    let mut state: IndexVec<FuncId, u8> = module.funcs.indices().map(|_| 0).collect();
    fn walk(module: &Module, f: FuncId, state: &mut IndexVec<FuncId, u8>) -> Option<FuncId> {
        match state[f] {
            1 => return Some(f),
            2 => return None,
            _ => state[f] = 1,
        }
        for inst in module.funcs[f].insts.iter() {
            if let Op::CallFunc { func: to, .. } | Op::FuncAddr(to) = inst.op
                && let Some(found) = walk(module, to, state)
            {
                return Some(found);
            }
        }
        state[f] = 2;
        None
    }
    let found = (0..module.funcs.len()).find_map(|i| walk(module, FuncId::new(i), &mut state))?;
    Some(format!("{} calls itself", module.funcs[found].name))
}
