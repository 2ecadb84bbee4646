//! `iter:KIND`: all objects of a kind that the kernel knows, once each; `ctx` has the object.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx};
use crate::base::codes;
use crate::base::diag::nearest;
use crate::image::Attach;
use crate::ty::{StructKind, TypeTable};
use crate::world::{Feature, World, glob};

/// The contexts of iterators are structs of such names, and the places to attach functions of the others.
const STRUCT_PREFIX: &str = "bpf_iter__";
const FUNCTION_PREFIX: &str = "bpf_iter_";
/// Iterators that can be told to go over one process.
pub const OF_TASKS: &[&str] = &["task", "task_file", "task_vma"];

pub static ROW: ProbeKind = ProbeKind {
    provider: Provider::Iter,
    name: "iter",
    aliases: &["it"],
    syntax: "iter:KIND (task, task_file, task_vma, …)",
    doc: "Runs once for each object of a kind, then awl ends: tasks, open files, memory areas and what else the kernel has iterators of. ctx has the object: ctx.task, ctx.file, ctx.vma (-lv lists its fields). Only begin and end can stand beside it; -p goes over one process.",
    example: "iter:task { printf(\"%s %d\\n\", ctx.task.comm, ctx.task.pid); }",
    resolve,
    list,
};

fn resolve(cx: &mut ResolveCx<'_>, parts: &[ApText]) -> Vec<Point> {
    let name = match parts {
        [name] if name.is_pattern() => return cx.malformed(Provider::Iter, "an iterator has no wildcards"),
        [name] if !name.text.is_empty() => name,
        [_, pin] => {
            let message =
                "an iterator cannot be pinned: what it prints goes to awl, not to a reader of a file";
            cx.error(&codes::PROBE_SYNTAX, pin.span, message);
            return Vec::new();
        }
        _ => return cx.malformed(Provider::Iter, "the kind of objects is wanted"),
    };
    if !cx.world.features().has(Feature::Iter) {
        return cx.unsupported("this kernel has no iterators", "");
    }
    let strukt =
        cx.world.strukt(cx.types, Some(StructKind::Struct), &format!("{STRUCT_PREFIX}{}", name.text));
    let (Some(strukt), true) = (strukt, has_function(cx.world, &name.text)) else {
        let all = kinds(cx.world);
        let near = nearest(&name.text, all.iter().map(String::as_str)).map(str::to_owned);
        return cx.missing(name.span, format!("this kernel has no iterator {}", name.text), near);
    };
    if cx.config.pid.is_some() && !OF_TASKS.contains(&name.text.as_str()) {
        let message = format!("-p cannot choose for iter:{}, which does not go over tasks", name.text);
        cx.error(&codes::PROBE_SYNTAX, name.span, message);
        return Vec::new();
    }
    vec![Point { attach: Attach::Iter { name: name.text.clone() }, ctx: Ctx::Iter(strukt) }]
}

/// The function that the program of an iterator is loaded for.
pub fn function(name: &str) -> String {
    format!("{FUNCTION_PREFIX}{name}")
}

fn has_function(world: &dyn World, name: &str) -> bool {
    world.function(&mut TypeTable::new(), "", &function(name)).is_some()
}

/// All kinds, in the order of their names.
fn kinds(world: &dyn World) -> Vec<String> {
    let names = world.struct_names().into_iter();
    let mut kinds: Vec<String> =
        names.filter_map(|n| n.strip_prefix(STRUCT_PREFIX).map(str::to_owned)).collect();
    kinds.retain(|k| has_function(world, k));
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn list(world: &dyn World, pattern: &[String]) -> Vec<String> {
    let wanted = pattern.first().map_or("*", String::as_str);
    let found = kinds(world).into_iter().filter(|k| glob(wanted, k));
    found.map(|k| format!("iter:{k}")).collect()
}
