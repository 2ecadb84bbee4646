//! Removes block parameters that are given the same value on every way.
//!
//! The builder makes one for each variable that is read where ways meet; most variables were assigned before.

use super::replace::Replace;
use crate::base::IndexVec;
use crate::ir::{Block, Func, Value};

pub fn run(func: &mut Func) {
    if func.blocks.iter_enumerated().all(|(b, data)| b == func.entry || data.params.is_empty()) {
        return;
    }
    let mut replace = Replace::new(func);
    let reachable = reachable(func);
    loop {
        let trivial = trivial_params(func, &reachable, &replace);
        if trivial.is_empty() {
            break;
        }
        for (b, n, v) in trivial.into_iter().rev() {
            let param = func.blocks[b].params.remove(n);
            replace.set(param, v);
            for data in func.blocks.iter_mut() {
                for t in data.term.targets_mut().filter(|t| t.block == Some(b)) {
                    t.args.remove(n);
                }
            }
        }
    }
    replace.apply(func);
}

fn reachable(func: &Func) -> IndexVec<Block, bool> {
    let cfg = crate::ir::cfg::Cfg::new(func);
    func.blocks.indices().map(|b| cfg.is_reachable(b)).collect()
}

/// Parameters with a single value besides themselves: block, place, value. In order of block and place.
///
/// Only one a block and round, lest two stand for each other.
fn trivial_params(
    func: &Func,
    reachable: &IndexVec<Block, bool>,
    replace: &Replace,
) -> Vec<(Block, usize, Value)> {
    let mut only: IndexVec<Block, Vec<Given>> =
        func.blocks.iter().map(|d| vec![Given::Nothing; d.params.len()]).collect();
    for (_, data) in func.blocks.iter_enumerated().filter(|&(b, _)| reachable[b]) {
        for t in data.term.targets() {
            let to = t.block();
            for (n, &arg) in t.args.iter().enumerate() {
                let arg = replace.get(arg);
                if arg != func.blocks[to].params[n] {
                    only[to][n] = only[to][n].and(arg);
                }
            }
        }
    }
    let mut found = Vec::new();
    for (b, given) in only.iter_enumerated().filter(|&(b, _)| b != func.entry) {
        let first = given.iter().enumerate().find_map(|(n, g)| match g {
            Given::One(v) => Some((b, n, *v)),
            Given::Nothing | Given::Several => None,
        });
        found.extend(first);
    }
    // A value that is itself about to be replaced waits for the next round.
    let going: Vec<Value> = found.iter().map(|&(b, n, _)| func.blocks[b].params[n]).collect();
    let mut kept: Vec<(Block, usize, Value)> =
        found.iter().copied().filter(|(_, _, v)| !going.contains(v)).collect();
    if kept.is_empty() {
        kept.extend(found.first());
    }
    kept
}

#[derive(Clone, Copy)]
enum Given {
    Nothing,
    One(Value),
    Several,
}

impl Given {
    fn and(self, v: Value) -> Given {
        match self {
            Given::Nothing => Given::One(v),
            Given::One(w) if w == v => self,
            Given::One(_) | Given::Several => Given::Several,
        }
    }
}

/// Before and after.
#[cfg(test)]
mod tests {
    use crate::opt::testing::after;

    #[test]
    fn one_value_on_all_ways() {
        let body = "b0(v0: ctx):\nv1 = const 1\nv2 = const 2\nbr.eq v1, v2, b1, b2\nb1:\njump b3(v1, v1)\n\
                    b2:\njump b3(v1, v2)\nb3(v3, v4):\nv5 = add v3, v4\nret v5\n";
        let out = after(super::run, body);
        assert!(out.contains("jump b3(v2)\nb3(v4):\nv5 = add v1, v4\n"), "{out}");
    }

    #[test]
    fn a_loop_that_hands_on_what_it_got() {
        let body = "b0(v0: ctx):\nv1 = const 1\nv2 = const 2\njump b1(v1, v2)\n\
                    b1(v3, v4):\nv5 = add v4, v3\nbr.ult v5, v2, b1(v3, v5), b2\nb2:\nret v3\n";
        let out = after(super::run, body);
        assert!(
            out.contains("jump b1(v2)\nb1(v4):\nv5 = add v4, v1\nbr.ult v5, v2, b1(v5), b2\nb2:\nret v1\n"),
            "{out}"
        );
    }
}
