//! Straightens the graph: ways whose branch is decided by where they come from lead on at once, returns are
//! where they are jumped to from, and blocks with one way in join the block before.
//!
//! Conditions with `&&` and `||` arrive as parameters that are constant on some ways; this takes them apart.

use super::eval;
use super::replace::Replace;
use crate::base::IndexVec;
use crate::ir::cfg::{Cfg, compact};
use crate::ir::{Block, Func, Inst, InstData, Op, Target, Term, Value, ValueData};

/// Rounds of threading at most; each may open the way for the next.
const ROUNDS_MAX: usize = 8;

pub fn run(func: &mut Func) {
    for _ in 0..ROUNDS_MAX {
        let changed = thread(func);
        compact(func);
        merge(func);
        if !changed {
            break;
        }
    }
    copy_returns(func);
    compact(func);
}

/// Which instruction defines a value, if it is a constant.
fn constants(func: &Func) -> IndexVec<Value, Option<i64>> {
    let mut known: IndexVec<Value, Option<i64>> = func.values.indices().map(|_| None).collect();
    for inst in func.insts.iter() {
        if let (Op::Const(c), Some(v)) = (&inst.op, inst.result) {
            known[v] = Some(*c);
        }
    }
    known
}

/// Blocks that only branch, and whose parameters and constants nobody else uses.
fn deciders(func: &Func) -> IndexVec<Block, bool> {
    let mut home: IndexVec<Value, Option<Block>> = func.values.indices().map(|_| None).collect();
    let mut fine: IndexVec<Block, bool> = func
        .blocks
        .iter()
        .map(|data| {
            let only_consts = data.insts.iter().all(|&i| matches!(func.insts[i].op, Op::Const(_)));
            only_consts && matches!(data.term, Term::Branch { .. })
        })
        .collect();
    for (b, data) in func.blocks.iter_enumerated().filter(|&(b, _)| fine[b]) {
        let results = data.insts.iter().filter_map(|&i| func.insts[i].result);
        for v in data.params.iter().copied().chain(results) {
            home[v] = Some(b);
        }
    }
    for (b, data) in func.blocks.iter_enumerated() {
        let mut used = |v: Value| {
            if let Some(h) = home[v].filter(|&h| h != b) {
                fine[h] = false;
            }
        };
        for &i in &data.insts {
            func.insts[i].op.each_use(&mut used);
        }
        data.term.each_use(&mut used);
    }
    fine[func.entry] = false;
    fine
}

/// Leads ways past the branches that they decide; whether there was one.
fn thread(func: &mut Func) -> bool {
    let deciders = deciders(func);
    if !deciders.iter().any(|&d| d) {
        return false;
    }
    let known = constants(func);
    let mut changed = false;
    for b in func.blocks.indices() {
        let mut term = std::mem::replace(&mut func.blocks[b].term, Term::None);
        for t in term.targets_mut() {
            if t.block() != b
                && deciders[t.block()]
                && let Some(onward) = decide(func, &known, t)
            {
                *t = onward;
                changed = true;
            }
        }
        func.blocks[b].term = term;
    }
    changed
}

/// Where a way that leads to a block that only branches goes on, if that is decided.
fn decide(func: &Func, known: &IndexVec<Value, Option<i64>>, t: &Target) -> Option<Target> {
    let data = &func.blocks[t.block()];
    let Term::Branch { cc, a, b, then, els } = &data.term else { return None };
    let here = |v: Value| match data.params.iter().position(|&p| p == v) {
        Some(n) => t.args[n],
        None => v,
    };
    let (x, y) = (known[here(*a)]?, known[here(*b)]?);
    let onward = if eval::compare(*cc, x, y) { then } else { els };
    // Constants of the skipped block would not dominate where they are handed to.
    let own = |v: &Value| data.insts.iter().any(|&i| func.insts[i].result == Some(*v));
    if onward.args.iter().any(own) {
        return None;
    }
    Some(Target::new(onward.block(), onward.args.iter().map(|&v| here(v)).collect()))
}

/// Joins each block that has one way in, from a jump, with the block before it.
fn merge(func: &mut Func) {
    let cfg = Cfg::new(func);
    let mut replace = Replace::new(func);
    for &b in &cfg.rpo {
        while let Term::Jump(t) = &func.blocks[b].term {
            let to = t.block();
            if to == b || to == func.entry || cfg.preds[to].len() != 1 {
                break;
            }
            for (&p, &arg) in func.blocks[to].params.iter().zip(&t.args) {
                replace.set(p, arg);
            }
            let insts = std::mem::take(&mut func.blocks[to].insts);
            func.blocks[to].params.clear();
            func.blocks[b].insts.extend(insts);
            func.blocks[b].term_span = func.blocks[to].term_span;
            // The block left behind leads to itself, until it is removed as unreachable.
            let around = Term::Jump(Target::new(to, Vec::new()));
            func.blocks[b].term = std::mem::replace(&mut func.blocks[to].term, around);
        }
    }
    replace.apply(func);
    compact(func);
}

/// A jump to a block that only returns is a return.
fn copy_returns(func: &mut Func) {
    for b in func.blocks.indices() {
        let Term::Jump(t) = &func.blocks[b].term else { continue };
        let data = &func.blocks[t.block()];
        let Term::Ret(v) = data.term else { continue };
        let consts: Vec<Inst> = data.insts.clone();
        if t.block() == b || !consts.iter().all(|&i| matches!(func.insts[i].op, Op::Const(_))) {
            continue;
        }
        let span = data.term_span;
        let own = consts.iter().find(|&&i| func.insts[i].result == Some(v)).copied();
        let returned = match (own, data.params.iter().position(|&p| p == v)) {
            (Some(i), _) => {
                let copy = func.values.push(ValueData { kind: func.values[v].kind });
                let op = func.insts[i].op.clone();
                let new = func.insts.push(InstData { op, result: Some(copy), span });
                func.blocks[b].insts.push(new);
                copy
            }
            (None, Some(n)) => t.args[n],
            (None, None) => v,
        };
        func.blocks[b].term = Term::Ret(returned);
        func.blocks[b].term_span = span;
    }
}

/// Before and after.
#[cfg(test)]
mod tests {
    use crate::opt::testing::after;

    #[test]
    fn conditions_with_and_are_taken_apart() {
        // v1 < v2 && v2 < v3
        let body = "b0(v0: ctx):\nv1 = load.8 v0 + 0\nv2 = load.8 v0 + 8\nv3 = load.8 v0 + 16\nv4 = const 0\n\
                    br.ult v1, v2, b1, b3(v4)\nb1:\nv5 = cmp.ult v2, v3\njump b3(v5)\n\
                    b3(v6):\nbr.ne v6, v4, b4, b5\nb4:\nv7 = const 1\nret v7\nb5:\nv8 = const 2\nret v8\nb2:\nret v4\n";
        let out = after(super::run, body);
        assert!(
            out.contains("br.ult v1, v2, b1, b3\nb1:\nv5 = cmp.ult v2, v3\nbr.ne v5, v4, b2, b3\n"),
            "{out}"
        );
    }

    #[test]
    fn parameters_used_later_stay() {
        let body = "b0(v0: ctx):\nv1 = load.8 v0 + 0\nv4 = const 0\nbr.ult v1, v4, b1, b2(v4)\nb1:\njump b2(v1)\n\
                    b2(v6):\nbr.ne v6, v4, b3, b4\nb3:\nv7 = add v6, v1\nret v7\nb4:\nret v6\n";
        let out = after(super::run, body);
        assert!(out.contains("v7 = add v6, v1"), "{out}");
    }

    #[test]
    fn blocks_in_a_row_are_one() {
        let body =
            "b0(v0: ctx):\nv1 = const 1\njump b1(v1)\nb1(v2):\nv3 = add v2, v1\njump b2\nb2:\nret v3\n";
        assert_eq!(after(super::run, body), "b0(v0: ctx):\nv1 = const 1\nv3 = add v1, v1\nret v3\n");
    }

    #[test]
    fn returns_are_copied() {
        let body = "b0(v0: ctx):\nv1 = load.8 v0 + 0\nv2 = const 9\nbr.eq v1, v2, b1, b2\nb1:\n\
                    v3 = call ktime_get_ns()\njump b3(v3)\nb2:\nv4 = call jiffies64()\njump b3(v4)\nb3(v5):\nv6 = const 0\nret v6\n";
        let out = after(super::run, body);
        assert_eq!(out.matches("ret").count(), 2, "{out}");
        assert!(!out.contains("jump"), "{out}");
    }
}
