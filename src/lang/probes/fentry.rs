//! `fentry:[MODULE:]FUNCTION` and `fexit:[MODULE:]FUNCTION`: kernel functions with typed arguments.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx, fields};
use crate::base::diag::nearest;
use crate::base::{Diag, codes};
use crate::image::{Attach, When};
use crate::world::{BpfFunction, Feature, World, glob};

/// Functions in which maps and rings are changed, so that a probe there can meet itself.
const DANGEROUS: &[&str] =
    &["_raw_spin_lock", "_raw_spin_lock_irqsave", "_raw_spin_unlock_irqrestore", "queued_spin_lock_slowpath"];

pub static FENTRY: ProbeKind = ProbeKind {
    provider: Provider::Fentry,
    name: "fentry",
    aliases: &["f", "kfunc"],
    syntax: "fentry:[MODULE:]FUNCTION or fentry:bpf:[ID:]FUNCTION",
    doc: "The start of a kernel function, with its arguments by name and type: args.file. With bpf, of a BPF program that is loaded.",
    example: "fentry:vfs_read { printf(\"%s\\n\", str(args.file.f_path.dentry.d_name.name)); exit(); }",
    resolve: |cx, parts| resolve(cx, parts, When::Entry),
    list: |world, pattern| list(world, pattern, "fentry"),
};

pub static FEXIT: ProbeKind = ProbeKind {
    provider: Provider::Fexit,
    name: "fexit",
    aliases: &["fr", "kretfunc"],
    syntax: "fexit:[MODULE:]FUNCTION or fexit:bpf:[ID:]FUNCTION",
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
        [module, func] if module.text == "bpf" => return of_programs(cx, None, func, when),
        [module, id, func] if module.text == "bpf" => return of_programs(cx, Some(id), func, when),
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
    for (_, name) in found.iter().filter(|(_, name)| DANGEROUS.contains(&name.as_str())) {
        let message = format!("{name} runs in the midst of what probes themselves need");
        let d = Diag::warning(&codes::PROBE_DANGEROUS, func.span, message);
        cx.diags
            .push(d.hint("runs that begin inside one another are skipped and counted; trace its callers"));
    }
    found.into_iter().filter_map(|(module, func)| point(cx, module, func, when)).collect()
}

/// `fentry:bpf:[ID:]NAME`: functions of BPF programs.
fn of_programs(cx: &mut ResolveCx<'_>, id: Option<&ApText>, func: &ApText, when: When) -> Vec<Point> {
    if !cx.world.features().has(Feature::Fentry) {
        return cx.unsupported("this kernel has no fentry and fexit", "");
    }
    let number = id.map(|id| id.text.parse::<u32>());
    if let (Some(Err(_)), Some(id)) = (&number, id) {
        cx.error(&codes::PROBE_SYNTAX, id.span, "the number of a BPF program is wanted");
        return Vec::new();
    }
    if cx.uses.args {
        cx.unsupported("functions of BPF programs have no args", "use arg0, arg1, …");
        return Vec::new();
    }
    let answer = cx.world.bpf_functions();
    let Some(all) = cx.answer("BPF programs cannot be looked up", answer) else { return Vec::new() };
    let number = number.and_then(Result::ok);
    let is_it = |name: &str| if func.quoted { name == func.text } else { glob(&func.text, name) };
    let found = all.iter().filter(|f| number.is_none_or(|n| n == f.program) && is_it(&f.name));
    let attach = |f: &BpfFunction| Attach::BpfFunction {
        program: f.program,
        name: f.name.clone(),
        btf_id: f.btf_id,
        when,
    };
    let points: Vec<Point> = found.map(|f| Point { attach: attach(f), ctx: Ctx::RawArgs }).collect();
    if points.is_empty() {
        let near = nearest(&func.text, all.iter().map(|f| f.name.as_str())).map(str::to_owned);
        let message = match number {
            Some(n) => format!("BPF program {n} has no function {}", func.text),
            None => format!("no BPF program has a function {}", func.text),
        };
        return cx.missing(func.span, message, near);
    }
    points
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

fn list_programs(world: &dyn World, pattern: &[String], name: &str) -> Vec<String> {
    let (id, func) = match pattern {
        [] => ("*", "*"),
        [func] => ("*", func.as_str()),
        [id, func, ..] => (id.as_str(), func.as_str()),
    };
    let all = world.bpf_functions().unwrap_or_default().into_iter();
    let found = all.filter(|f| glob(id, &f.program.to_string()) && glob(func, &f.name));
    found.map(|f| format!("{name}:bpf:{}:{}", f.program, f.name)).collect()
}

fn list(world: &dyn World, pattern: &[String], name: &str) -> Vec<String> {
    if let [module, rest @ ..] = pattern
        && module == "bpf"
    {
        return list_programs(world, rest, name);
    }
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
