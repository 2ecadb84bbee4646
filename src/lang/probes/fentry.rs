//! `fentry:[MODULE:]FUNCTION` and `fexit:[MODULE:]FUNCTION`: kernel functions with typed arguments.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx, fields};
use crate::base::codes;
use crate::base::diag::nearest;
use crate::image::{Attach, When};
use crate::world::{Feature, World};

pub static FENTRY: ProbeKind = ProbeKind {
    provider: Provider::Fentry,
    name: "fentry",
    aliases: &["f", "kfunc"],
    syntax: "fentry:[MODULE:]FUNCTION",
    doc: "The start of a kernel function, with its arguments by name and type: args.file.",
    example: "fentry:vfs_read { printf(\"%s\\n\", str(args.file.f_path.dentry.d_name.name)); exit(); }",
    resolve: |cx, parts| resolve(cx, parts, When::Entry),
    list: |world, pattern| list(world, pattern, "fentry"),
};

pub static FEXIT: ProbeKind = ProbeKind {
    provider: Provider::Fexit,
    name: "fexit",
    aliases: &["fr", "kretfunc"],
    syntax: "fexit:[MODULE:]FUNCTION",
    doc: "The return of a kernel function, with its arguments and the typed retval.",
    example: "fexit:vfs_read { @[args.file.f_inode.i_ino] = sum(retval); } interval:s:1 { exit(); }",
    resolve: |cx, parts| resolve(cx, parts, When::Return),
    list: |world, pattern| list(world, pattern, "fexit"),
};

fn resolve(cx: &mut ResolveCx<'_>, parts: &[ApText], when: When) -> Vec<Point> {
    let provider = match when {
        When::Entry => Provider::Fentry,
        When::Return => Provider::Fexit,
    };
    let (module, func) = match parts {
        [module, ..] if module.text == "bpf" && parts.len() > 1 => {
            return cx.unsupported("fentry and fexit of BPF programs are not in this version", "");
        }
        [func] if !func.text.is_empty() => ("", func),
        [module, func] if !func.text.is_empty() => (module.text.as_str(), func),
        _ => return cx.malformed(provider, "a kernel function is wanted"),
    };
    if !cx.world.features().has(Feature::Fentry) {
        return cx.unsupported("this kernel has no fentry and fexit", "kprobe and kretprobe may do");
    }
    let answer = cx.world.fentry_functions(module, &func.text);
    let Some(found) = cx.answer("kernel functions cannot be looked up", answer) else { return Vec::new() };
    if found.is_empty() {
        let near = cx.near(|world| {
            let all = world.fentry_functions(module, "*").unwrap_or_default();
            nearest(&func.text, all.iter().map(|(_, n)| n.as_str())).map(str::to_owned)
        });
        let message = format!("{} cannot be traced: the kernel's BTF has no such function", func.text);
        return cx.missing(func.span, message, near);
    }
    if found.len() > 1 && module.is_empty() && !func.is_pattern() {
        let modules: Vec<&str> = found.iter().map(|(m, _)| m.as_str()).collect();
        let message = format!("{} is in several modules: {}", func.text, modules.join(", "));
        cx.error(&codes::PROBE_AMBIGUOUS, func.span, message);
        return Vec::new();
    }
    found.into_iter().filter_map(|(module, func)| point(cx, module, func, when)).collect()
}

fn point(cx: &mut ResolveCx<'_>, module: String, func: String, when: When) -> Option<Point> {
    let module = if module == "vmlinux" { String::new() } else { module };
    let wants_types = cx.uses.args || cx.uses.argn || cx.uses.retval;
    let ctx = if wants_types {
        let Some(sig) = cx.world.function(cx.types, &module, &func) else {
            cx.unsupported(format!("the arguments of {func} are not in the kernel's BTF"), "");
            return None;
        };
        let args = fields::of_args(cx.types, &sig);
        let ret = (when == When::Return).then(|| (sig.ret.clone(), sig.params.len() as u32));
        Ctx::BtfArgs { args, ret }
    } else {
        Ctx::RawArgs
    };
    Some(Point { attach: Attach::Fentry { module, func, when }, ctx })
}

fn list(world: &dyn World, pattern: &[String], name: &str) -> Vec<String> {
    let (module, func) = match pattern {
        [] => ("", "*"),
        [func] => ("", func.as_str()),
        [module, func, ..] => (module.as_str(), func.as_str()),
    };
    let full = |(module, func): (String, String)| {
        let module = if module.is_empty() { "vmlinux".into() } else { module };
        format!("{name}:{module}:{func}")
    };
    world.fentry_functions(module, func).unwrap_or_default().into_iter().map(full).collect()
}
