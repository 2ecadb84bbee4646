//! `rawtracepoint:[MODULE:]EVENT`: a tracepoint with its arguments as the kernel passes them.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx, fields};
use crate::base::diag::nearest;
use crate::image::Attach;
use crate::world::{Feature, World, glob};

pub static ROW: ProbeKind = ProbeKind {
    provider: Provider::Rawtracepoint,
    name: "rawtracepoint",
    aliases: &["rt"],
    syntax: "rawtracepoint:[MODULE:]EVENT",
    doc: "A static place in the kernel with its arguments as the kernel passes them: arg0, …, or args by name.",
    example: "rawtracepoint:sched_switch { @[args.prev.comm, args.next.pid] = count(); } interval:s:1 { exit(); }",
    resolve,
    list,
};

fn resolve(cx: &mut ResolveCx<'_>, parts: &[ApText]) -> Vec<Point> {
    let (module, event) = match parts {
        [event] if !event.text.is_empty() => (None, event),
        [module, event] => (Some(module.text.as_str()), event),
        _ => return cx.malformed(Provider::Rawtracepoint, "a raw tracepoint is an event"),
    };
    let found = matching(cx.world, module, &event.text);
    if found.is_empty() {
        let all = cx.world.raw_tracepoints("*");
        let near = nearest(&event.text, all.iter().map(|(_, n)| n.as_str())).map(str::to_owned);
        return cx.missing(cx.span, format!("there is no raw tracepoint {}", event.text), near);
    }
    found.into_iter().filter_map(|(module, name)| point(cx, module, name)).collect()
}

/// `vmlinux` and the empty name both mean the kernel itself.
fn matching(world: &dyn World, module: Option<&str>, event: &str) -> Vec<(String, String)> {
    let mut found = world.raw_tracepoints(event);
    if let Some(pattern) = module {
        found.retain(|(m, _)| glob(pattern, if m.is_empty() { "vmlinux" } else { m }));
    }
    found
}

/// Typed arguments need a `tp_btf` program for each event; without them one raw tracepoint program serves all.
fn point(cx: &mut ResolveCx<'_>, module: String, name: String) -> Option<Point> {
    if !cx.uses.args && module.is_empty() {
        let attach = Attach::RawTracepoint { category: String::new(), name };
        return Some(Point { attach, ctx: Ctx::RawArgs });
    }
    if !cx.world.features().has(Feature::TpBtf) {
        cx.unsupported("this kernel has no typed raw tracepoints (tp_btf)", "use arg0, arg1, … and casts");
        return None;
    }
    let Some(sig) = cx.world.raw_tracepoint_args(cx.types, &name) else {
        cx.unsupported(format!("the arguments of {name} are not in the kernel's BTF"), "use arg0, arg1, …");
        return None;
    };
    let args = fields::of_args(cx.types, &sig);
    Some(Point { attach: Attach::TpBtf { module, name }, ctx: Ctx::BtfArgs { args, ret: None } })
}

fn list(world: &dyn World, pattern: &[String]) -> Vec<String> {
    let (module, event) = match pattern {
        [] => (None, "*"),
        [event] => (None, event.as_str()),
        [module, event, ..] => (Some(module.as_str()), event.as_str()),
    };
    let name = |(module, name): (String, String)| {
        let module = if module.is_empty() { "vmlinux".into() } else { module };
        format!("rawtracepoint:{module}:{name}")
    };
    matching(world, module, event).into_iter().map(name).collect()
}
