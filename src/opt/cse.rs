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
    let writes_ctx = writes_ctx(func);
    let mut c =
        Cse { replace: Replace::new(func), func, known: HashMap::new(), noted: Vec::new(), writes_ctx };
    // Blocks that dominate where the walk is: how far the notes went before them, and where they end.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (n, &b) in cfg.dom_walk.iter().enumerate() {
        while let Some((n_noted, _)) = open.pop_if(|(_, end)| *end <= n) {
            c.forget(n_noted);
        }
        open.push((c.noted.len(), n + cfg.n_dominated(b)));
        c.block(b);
    }
    c.replace.apply(c.func);
}

struct Cse<'a> {
    func: &'a mut Func,
    replace: Replace,
    /// Operations whose value is there wherever the walk is.
    known: HashMap<(Op, Kind), Value>,
    /// The same, in the order in which they were found.
    noted: Vec<(Op, Kind)>,
    writes_ctx: bool,
}

impl Cse<'_> {
    /// Drops what was found since there were `n_noted` notes.
    fn forget(&mut self, n_noted: usize) {
        for key in self.noted.drain(n_noted..) {
            self.known.remove(&key);
        }
    }

    fn block(&mut self, b: Block) {
        // Loads of kernel objects since the last effect that others see.
        let mut loads: HashMap<(Op, Kind), Value> = HashMap::new();
        let mut insts = std::mem::take(&mut self.func.blocks[b].insts);
        insts.retain(|&i| {
            let replace = &self.replace;
            self.func.insts[i].op.each_use_mut(|v| *v = replace.get(*v));
            let inst = &self.func.insts[i];
            let kind_of = |v: Value| self.func.values[v].kind;
            let effect = inst.op.effect(kind_of);
            if effect == Effect::Public {
                loads.clear();
            }
            let Some(result) = inst.result else { return true };
            let load_kind = load_kind(&inst.op, kind_of);
            let is_shared = effect == Effect::Pure || load_kind == Some(Kind::Ctx) && !self.writes_ctx;
            let table = if is_shared {
                &mut self.known
            } else if load_kind == Some(Kind::Btf) {
                &mut loads
            } else {
                return true;
            };
            let key = (inst.op.clone(), kind_of(result));
            if let Some(&same) = table.get(&key) {
                self.replace.set(result, same);
                return false;
            }
            if is_shared {
                self.noted.push(key.clone());
            }
            table.insert(key, result);
            true
        });
        self.func.blocks[b].insts = insts;
    }
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
