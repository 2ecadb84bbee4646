//! What a script may say, but the kernel that it is compiled for cannot do: said by name, at its place, before
//! anything is lowered.

use super::stmt::{Way, way_of_range};
use super::{unwind, walk};
use crate::base::codes;
use crate::base::{Diag, Diags, IndexVec, Span};
use crate::image::{MapId, Storage, When};
use crate::isa::Helper;
use crate::lang::aggs;
use crate::lang::lowering::probe::kernel_function;
use crate::lang::probes::Ctx;
use crate::sema::hir::{Arg, Block, Call, Expr, ExprKind, Map, Probe, Program, StmtKind};
use crate::ty::{StructId, StructKind, Ty, TypeTable};
use crate::world::{Feature, World};

/// Bytes of a key where keys cannot be big (`MAX_BPF_STACK` limits them before 5.18).
const KEY_BYTES_MAX: u32 = 512;
/// The kernel function that counts a map's elements.
const COUNT_KFUNC: &str = "bpf_map_sum_elem_count";

/// Everything in the script that this kernel cannot do.
pub fn check(program: &Program, world: &dyn World) -> Diags {
    let mut diags = Diags::default();
    if !world.features().has(Feature::BigKeys) {
        for map in program.maps.iter() {
            let bytes = map.key.as_ref().map_or(0, |k| k.size(&program.types));
            if bytes > KEY_BYTES_MAX {
                let what =
                    format!("keys of {} have {bytes} bytes, this kernel takes {KEY_BYTES_MAX}", map.name);
                lacks(
                    &mut diags,
                    map.span,
                    what,
                    "set max_strlen in the config block, or cut with str(x, n)",
                );
            }
        }
    }
    for map in program.maps.iter().filter(|m| m.storage == Storage::Thread) {
        if !crate::world::has_task_storage(world) {
            let what = "this kernel has no variables of threads (task storage, 5.12 has)";
            lacks(&mut diags, map.span, what.into(), "key a map by tid: @x[tid]");
        }
    }
    for probe in program.probes.iter() {
        let mut cx = Cx { probe, world, maps: &program.maps, diags: &mut diags };
        cx.block(&probe.body);
        program.fns.iter().for_each(|f| cx.block(&f.body));
    }
    // A function is looked at once for each probe.
    diags.dedup();
    diags
}

fn lacks(diags: &mut Diags, span: Span, what: String, hint: &str) {
    let d = Diag::error(&codes::KERNEL_LACKS, span, what);
    diags.push(if hint.is_empty() { d } else { d.hint(hint) });
}

struct Cx<'a> {
    probe: &'a Probe,
    world: &'a dyn World,
    maps: &'a IndexVec<MapId, Map>,
    diags: &'a mut Diags,
}

impl Cx<'_> {
    fn block(&mut self, body: &Block) {
        let (mut exprs, mut stmts) = (Vec::new(), Vec::new());
        walk::block(body, &mut |e| exprs.push(e), &mut |s| stmts.push(s));
        for s in stmts {
            match &s.kind {
                StmtKind::ForRange { from, to, body, .. } => self.range(s.span, (from, to), body),
                StmtKind::ForMap { map, .. } => self.each(*map, s.span),
                _ => {}
            }
        }
        for e in exprs {
            self.expr(e);
        }
    }

    /// A loop over a map.
    fn each(&mut self, map: MapId, span: Span) {
        let features = self.world.features();
        if !features.helper(Helper::FOR_EACH_MAP_ELEM) {
            let what = "this kernel has no loops over maps (5.13 has)";
            lacks(self.diags, span, what.into(), "print the map, or look up the keys that you know");
            return;
        }
        self.over_cpus(map, span);
    }

    /// Something that needs an aggregation's value of all CPUs.
    fn over_cpus(&mut self, map: MapId, span: Span) {
        let map = &self.maps[map];
        if !matches!(map.value, Ty::Agg { .. })
            || self.world.features().helper(Helper::MAP_LOOKUP_PERCPU_ELEM)
        {
            return;
        }
        let what = format!(
            "{} is kept per CPU, and this kernel lets a program see its own CPU alone (5.19 does)",
            map.name
        );
        lacks(self.diags, span, what, "print() it, or count with ++ and += instead of an aggregation");
    }

    fn range(&mut self, span: Span, bounds: (&Expr, &Expr), body: &Block) {
        let Some(point) = self.probe.points.first() else { return };
        if way_of_range(bounds, body, self.world, point.attach.prog_type()) == Way::None {
            let what = "this kernel has no loops whose bounds are not known at compile time (5.17 has)";
            lacks(self.diags, span, what.into(), "loop to a number, and break");
        }
    }

    fn expr(&mut self, e: &Expr) {
        if let ExprKind::Map { map, .. } = &e.kind {
            self.over_cpus(*map, e.span);
        }
        if let ExprKind::Call(call) = &e.kind {
            match call.row.name {
                "delete" => self.delete(call, e.span),
                "len" => self.len(call, e.span),
                "__copy_value" => self.copy(call, e.span),
                "func" => self.func(e.span),
                "dw_ustack" => self.dw_ustack(e.span),
                _ => {}
            }
        }
    }

    /// An aggregation without key is deleted on each CPU; one with keys goes as a whole.
    fn delete(&mut self, call: &Call, span: Span) {
        if let Some(Arg::Map { map, key: None }) = call.args.first()
            // Parts are elements with keys, whatever the map has.
            && aggs::n_parts(&self.maps[*map].value) == 1
        {
            self.over_cpus(*map, span);
        }
    }

    /// The value of an entry, as `find()` reads it.
    fn copy(&mut self, call: &Call, span: Span) {
        if let Some(Arg::Map { map, .. }) = call.args.first() {
            self.over_cpus(*map, span);
        }
    }

    fn len(&mut self, call: &Call, span: Span) {
        let (Some(Arg::Map { .. }), Some(point)) = (call.args.first(), self.probe.points.first()) else {
            return;
        };
        let features = self.world.features();
        let can = features.helper(Helper::FOR_EACH_MAP_ELEM)
            || features.kfunc(COUNT_KFUNC, point.attach.prog_type());
        if !can {
            lacks(self.diags, span, "this kernel cannot count a map's entries (5.13 can)".into(), "");
        }
    }

    /// The tables are searched in rounds that the kernel counts, for registers that it must show.
    fn dw_ustack(&mut self, span: Span) {
        let features = self.world.features();
        let has_helpers = [Helper::LOOP, Helper::TASK_PT_REGS].into_iter().all(|h| features.helper(h));
        let mut types = TypeTable::new();
        let task = self.world.strukt(&mut types, Some(StructKind::Struct), "task_struct");
        let mut knows = |name: &str| task.is_some_and(|id| has_member(self.world, &mut types, id, name));
        if !has_helpers || !unwind::TASK_MEMBERS.into_iter().all(&mut knows) {
            let what = "this kernel cannot search unwind tables (bpf_loop and bpf_task_pt_regs, 5.17 can)";
            lacks(
                self.diags,
                span,
                what.into(),
                "use ustack, on a program that is built with frame pointers",
            );
        }
    }

    fn func(&mut self, span: Span) {
        let Some(point) = self.probe.points.first() else { return };
        let is_known = match point.ctx {
            Ctx::Regs { when: When::Entry, .. } => true,
            _ => kernel_function(&self.probe.points).is_some(),
        };
        if !is_known && !self.world.features().helper(Helper::GET_FUNC_IP) {
            let what = "this kernel does not tell a return probe its function (5.15 does)";
            lacks(self.diags, span, what.into(), "attach to one function, or use probe");
        }
    }
}

/// Whether a struct has the member, also in a struct without a name.
fn has_member(world: &dyn World, types: &mut TypeTable, id: StructId, name: &str) -> bool {
    world.load_struct(types, id);
    let members = types.structs[id].members.clone().unwrap_or_default();
    members.iter().any(|m| match m.ty {
        Ty::Struct(inner) if m.name.is_empty() => has_member(world, types, inner, name),
        _ => m.name == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Source, SourceMap};
    use crate::lang::Config;
    use crate::world::fixture::FixtureWorld;

    #[test]
    fn variables_of_threads_need_task_storage() {
        let codes = |world: &FixtureWorld| -> Vec<&str> {
            let mut sources = SourceMap::new();
            let file = sources.add(Source::new("case", "let @x = thread(); begin { @x = 1; }"));
            let compiled = crate::compile(sources, &[file], &Config::default(), world);
            compiled.diags.list.iter().map(|d| d.code.id).collect()
        };
        assert_eq!(codes(&FixtureWorld::new()), Vec::<&str>::new());
        assert_eq!(
            codes(&FixtureWorld { without: vec![Feature::TaskStorage], ..FixtureWorld::new() }),
            ["E0505"]
        );
    }
}
