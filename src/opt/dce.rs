//! Removes what nobody needs: instructions without effect whose result is unused, and unused parameters.

use crate::base::IndexVec;
use crate::ir::visit::Effect;
use crate::ir::{Block, Func, Inst, Value};

pub fn run(func: &mut Func) {
    let live = live_values(func);
    let is_live = |func: &Func, i: Inst| match func.insts[i].result {
        Some(v) => live[v] || has_effect(func, i),
        None => true,
    };
    for b in func.blocks.indices() {
        let mut insts = std::mem::take(&mut func.blocks[b].insts);
        insts.retain(|&i| is_live(func, i));
        func.blocks[b].insts = insts;
        let mut term = std::mem::replace(&mut func.blocks[b].term, crate::ir::Term::None);
        for t in term.targets_mut() {
            if t.block() != func.entry {
                let mut params = func.blocks[t.block()].params.iter();
                t.args.retain(|_| params.next().is_none_or(|&p| live[p]));
            }
        }
        func.blocks[b].term = term;
    }
    let entry = func.entry;
    for (b, data) in func.blocks.raw.iter_mut().enumerate() {
        if b as u32 != entry.0 {
            data.params.retain(|&p| live[p]);
        }
    }
}

fn has_effect(func: &Func, i: Inst) -> bool {
    func.insts[i].op.effect(|v| func.values[v].kind) > Effect::Reads
}

/// Values that an effect, a branch or a return depends on.
fn live_values(func: &Func) -> IndexVec<Value, bool> {
    let mut live: IndexVec<Value, bool> = func.values.indices().map(|_| false).collect();
    let mut def: IndexVec<Value, Option<Inst>> = func.values.indices().map(|_| None).collect();
    let mut param: IndexVec<Value, Option<(Block, usize)>> = func.values.indices().map(|_| None).collect();
    let mut work: Vec<Value> = Vec::new();
    let mut into: IndexVec<Block, Vec<Block>> = func.blocks.indices().map(|_| Vec::new()).collect();
    for (b, data) in func.blocks.iter_enumerated() {
        for (n, &p) in data.params.iter().enumerate() {
            param[p] = Some((b, n));
        }
        for &i in &data.insts {
            if let Some(v) = func.insts[i].result {
                def[v] = Some(i);
            }
            if func.insts[i].result.is_none() || has_effect(func, i) {
                func.insts[i].op.each_use(|v| work.push(v));
            }
        }
        data.term.each_operand(|v| work.push(v));
        for s in data.term.succs() {
            into[s].push(b);
        }
    }
    while let Some(v) = work.pop() {
        if std::mem::replace(&mut live[v], true) {
            continue;
        }
        if let Some(i) = def[v] {
            func.insts[i].op.each_use(|u| work.push(u));
        }
        if let Some((b, n)) = param[v] {
            for &p in &into[b] {
                let targets = func.blocks[p].term.targets().filter(|t| t.block == Some(b));
                work.extend(targets.map(|t| t.args[n]));
            }
        }
    }
    live
}

/// Before and after.
#[cfg(test)]
mod tests {
    use crate::opt::testing::after;

    #[test]
    fn unused_values_go_effects_stay() {
        let body = "slot m0 8 align 8 key\nb0(v0: ctx):\nv1 = const 1\nv2 = load.8 v0 + 0\nv3 = add v1, v2\n\
                    v4: stack = slot m0\nstore.8 v4 + 0, v1\nv5: map = map map0\n\
                    v6 = call map_delete_elem(v5, v4)\nv7 = call get_current_pid_tgid()\nret v1\n";
        let out = after(super::run, body);
        for gone in ["v2", "v3", "v7"] {
            assert!(!out.contains(gone), "{gone}: {out}");
        }
        assert!(out.contains("v6 = call map_delete_elem(v5, v4)") && out.contains("store.8"), "{out}");
    }

    #[test]
    fn unused_parameters_go_with_their_arguments() {
        let body = "b0(v0: ctx):\nv1 = const 1\nv2 = const 2\njump b1(v1, v2)\n\
                    b1(v3, v4):\nv5 = add v4, v1\nbr.ult v4, v2, b1(v5, v5), b2\nb2:\nret v1\n";
        let out = after(super::run, body);
        assert!(out.contains("jump b1(v2)\nb1(v4):\n") && out.contains("b1(v5), b2"), "{out}");
    }
}
