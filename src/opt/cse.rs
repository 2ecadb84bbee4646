//! Common subexpressions: what has been computed on every way to here is not computed again.
//!
//! Pure operations are shared over the whole function, those helper calls among them whose answer stays the
//! same within one run (`ir::visit`), and loads from the context, as long as the program does not write there.
//! Loads of kernel objects are shared within a block up to the next effect that others see.

use std::collections::HashMap;

use super::replace::Replace;
use crate::ir::cfg::Cfg;
use crate::ir::visit::Effect;
use crate::ir::{Block, Func, Kind, Op, Value};

pub fn run(func: &mut Func) {
    let cfg = Cfg::new(func);
    let mut replace = Replace::new(func);
    let writes_ctx = writes_ctx(func);
    let mut known: HashMap<(Op, Kind), Vec<(Block, Value)>> = HashMap::new();
    for &b in &cfg.rpo {
        let mut loads: HashMap<Op, Value> = HashMap::new();
        let mut kept = Vec::new();
        for i in std::mem::take(&mut func.blocks[b].insts) {
            func.insts[i].op.each_use_mut(|v| *v = replace.get(*v));
            let inst = &func.insts[i];
            let kind_of = |v: Value| func.values[v].kind;
            let effect = inst.op.effect(kind_of);
            if effect == Effect::Public {
                loads.clear();
            }
            let Some(result) = inst.result else {
                kept.push(i);
                continue;
            };
            let same = match (&inst.op, load_kind(&inst.op, kind_of)) {
                (op, Some(Kind::Btf)) => loads.insert(op.clone(), result),
                (op, Some(Kind::Ctx)) if !writes_ctx => {
                    lookup(&mut known, &cfg, (op.clone(), kind_of(result)), b, result)
                }
                (op, _) if effect == Effect::Pure => {
                    lookup(&mut known, &cfg, (op.clone(), kind_of(result)), b, result)
                }
                _ => None,
            };
            match same {
                Some(v) if kind_of(v) == kind_of(result) => {
                    if loads.contains_key(&func.insts[i].op) {
                        loads.insert(func.insts[i].op.clone(), v);
                    }
                    replace.set(result, v);
                }
                _ => kept.push(i),
            }
        }
        func.blocks[b].insts = kept;
    }
    replace.apply(func);
}

/// A value of the same operation that dominates `b`; else `result` is noted.
fn lookup(
    known: &mut HashMap<(Op, Kind), Vec<(Block, Value)>>,
    cfg: &Cfg,
    key: (Op, Kind),
    b: Block,
    result: Value,
) -> Option<Value> {
    let list = known.entry(key).or_default();
    let found = list.iter().find(|(at, _)| cfg.dominates(*at, b)).map(|&(_, v)| v);
    if found.is_none() {
        list.push((b, result));
    }
    found
}

/// The kind of pointer that a load goes through.
fn load_kind(op: &Op, kind_of: impl Fn(Value) -> Kind) -> Option<Kind> {
    match op {
        Op::Load { addr, .. } => Some(kind_of(*addr)),
        _ => None,
    }
}

fn writes_ctx(func: &Func) -> bool {
    func.insts.iter().any(|inst| match inst.op {
        Op::Store { addr, .. } | Op::Zero { addr, .. } | Op::Atomic { addr, .. } => {
            func.values[addr].kind == Kind::Ctx
        }
        Op::Copy { dst, .. } => func.values[dst].kind == Kind::Ctx,
        _ => false,
    })
}

/// Before and after.
#[cfg(test)]
mod tests {
    use crate::opt::testing::after;

    #[test]
    fn pure_values_are_shared_where_they_dominate() {
        let body = "b0(v0: ctx):\nv1 = call get_current_pid_tgid()\nv2 = const 32\nv3 = lshr v1, v2\n\
                    br.eq v3, v2, b1, b2\nb1:\nv4 = call get_current_pid_tgid()\nv5 = const 32\n\
                    v6 = lshr v4, v5\nv7 = mul v6, v5\nret v7\nb2:\nv8 = mul v3, v2\nret v8\n";
        let out = after(super::run, body);
        assert!(out.contains("b1:\nv7 = mul v3, v2\nret v7\nb2:\nv8 = mul v3, v2\nret v8\n"), "{out}");
    }

    #[test]
    fn time_is_read_again_and_so_is_the_stack() {
        let body = "slot m0 8 align 8 x\nb0(v0: ctx):\nv1 = call ktime_get_ns()\nv2: stack = slot m0\n\
                    store.8 v2 + 0, v1\nv3 = load.8 v2 + 0\nv4 = call ktime_get_ns()\nstore.8 v2 + 0, v4\n\
                    v5 = load.8 v2 + 0\nv6 = sub v5, v3\nret v6\n";
        assert_eq!(after(super::run, body), body);
    }

    #[test]
    fn context_is_loaded_once_unless_written() {
        let body = "b0(v0: ctx):\nv1 = load.8 v0 + 8\nv2 = load.8 v0 + 8\nv3 = add v1, v2\nret v3\n";
        assert!(after(super::run, body).contains("v3 = add v1, v1"));
        let written = body.replace("v2 = load", "store.8 v0 + 8, v1\nv2 = load");
        assert_eq!(after(super::run, &written), written);
    }

    #[test]
    fn kernel_objects_up_to_the_next_effect() {
        let body = "b0(v0: ctx):\nv1: btf = call get_current_task_btf()\nv2 = load.4 v1 + 8\nv3 = load.4 v1 + 8\n\
                    v4: val = mapval map0 + 0\nstore.8 v4 + 0, v2\nv5 = load.4 v1 + 8\nv6 = load.4 v1 + 8\n\
                    v7 = add v3, v5\nv8 = add v6, v7\nret v8\n";
        let out = after(super::run, body);
        assert!(out.contains("v7 = add v2, v5\nv8 = add v5, v7\n"), "{out}");
        assert_eq!(out.matches("load.4").count(), 2);
    }
}
