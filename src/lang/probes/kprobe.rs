//! `kprobe:[MODULE:]FUNCTION[+OFFSET]` and `kretprobe:[MODULE:]FUNCTION`.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx, UserRegs};
use crate::base::codes;
use crate::base::diag::nearest;
use crate::image::{Attach, When};
use crate::world::{Feature, World};

pub static KPROBE: ProbeKind = ProbeKind {
    provider: Provider::Kprobe,
    name: "kprobe",
    aliases: &["k"],
    syntax: "kprobe:[MODULE:]FUNCTION[+OFFSET]",
    doc: "The start of a kernel function, or an instruction of it; arguments are arg0, arg1, ….",
    example: "kprobe:vfs_read { @[comm] = hist(arg2); } interval:s:1 { exit(); }",
    resolve: |cx, parts| resolve(cx, parts, When::Entry),
    list: |world, pattern| list(world, pattern, "kprobe"),
};

pub static KRETPROBE: ProbeKind = ProbeKind {
    provider: Provider::Kretprobe,
    name: "kretprobe",
    aliases: &["kr"],
    syntax: "kretprobe:[MODULE:]FUNCTION",
    doc: "The return of a kernel function; retval is what it returns.",
    example: "kretprobe:vfs_read { @bytes = hist(retval); } interval:s:1 { exit(); }",
    resolve: |cx, parts| resolve(cx, parts, When::Return),
    list: |world, pattern| list(world, pattern, "kretprobe"),
};

fn provider(when: When) -> Provider {
    match when {
        When::Entry => Provider::Kprobe,
        When::Return => Provider::Kretprobe,
    }
}

fn resolve(cx: &mut ResolveCx<'_>, parts: &[ApText], when: When) -> Vec<Point> {
    let (module, target) = match parts {
        [target] if !target.text.is_empty() => ("", target),
        [module, target] if !target.text.is_empty() => (module.text.as_str(), target),
        _ => return cx.malformed(provider(when), "a kernel function is wanted"),
    };
    if !cx.world.features().has(Feature::Kprobe) {
        return cx.unsupported("this kernel has no kprobes", "");
    }
    if let Some(addr) = number(&target.text) {
        return address(cx, target, addr, when);
    }
    let Some((func, offset)) = split_offset(&target.text) else {
        return cx.malformed(provider(when), "the offset is no number");
    };
    if offset != 0 && when == When::Return {
        return cx.malformed(provider(when), "a return has no offset");
    }
    let answer = cx.world.kprobe_functions(module, func);
    let Some(found) = cx.answer("kernel functions cannot be looked up", answer) else { return Vec::new() };
    // Parts that the compiler has split off have the same name with a suffix; a pattern does not mean them.
    let is_part = |name: &str| target.is_pattern() && name.contains(".part.");
    let found: Vec<_> = found.into_iter().filter(|(_, name)| !is_part(name)).collect();
    if found.is_empty() {
        let near = cx.near(|world| {
            let all = world.kprobe_functions(module, "*").unwrap_or_default();
            nearest(func, all.iter().map(|(_, n)| n.as_str())).map(str::to_owned)
        });
        let message =
            format!("{func} cannot be traced: there is no such function, or it is inlined or marked notrace");
        return cx.missing(target.span, message, near);
    }
    let is_explicit = !module.is_empty();
    let point = |(module, func): (String, String)| Point {
        attach: Attach::Kprobe {
            module: if is_explicit { module } else { String::new() },
            func,
            offset,
            when,
        },
        ctx: Ctx::Regs { when, user: UserRegs::Kernel, args: None },
    };
    let mut points: Vec<Point> = found.into_iter().map(point).collect();
    // Without its module the kernel takes the first function of a name: once is enough.
    points.dedup();
    points
}

fn address(cx: &mut ResolveCx<'_>, target: &ApText, addr: u64, when: When) -> Vec<Point> {
    if !cx.config.unsafe_ {
        cx.error(&codes::UNSAFE, target.span, "probing a kernel address needs --unsafe");
        return Vec::new();
    }
    let ctx = Ctx::Regs { when, user: UserRegs::Kernel, args: None };
    vec![Point { attach: Attach::KprobeAddr { addr, when }, ctx }]
}

/// A decimal or hexadecimal number.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `f+0x10` as (`f`, 16); `None` if what follows the `+` is no number.
pub fn split_offset(text: &str) -> Option<(&str, u64)> {
    match text.rsplit_once('+') {
        None => Some((text, 0)),
        Some((func, offset)) => number(offset).map(|n| (func, n)),
    }
}

fn list(world: &dyn World, pattern: &[String], name: &str) -> Vec<String> {
    let (module, func) = match pattern {
        [] => ("", "*"),
        [func] => ("", func.as_str()),
        [module, func, ..] => (module.as_str(), func.as_str()),
    };
    let full = |(module, func): (String, String)| match module.as_str() {
        "" | "vmlinux" => format!("{name}:{func}"),
        module => format!("{name}:{module}:{func}"),
    };
    world.kprobe_functions(module, func).unwrap_or_default().into_iter().map(full).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets() {
        assert_eq!(split_offset("f"), Some(("f", 0)));
        assert_eq!(split_offset("f+0x10"), Some(("f", 16)));
        assert_eq!(split_offset("operator+4"), Some(("operator", 4)));
        assert_eq!(split_offset("f+x"), None);
        assert_eq!(number("0xffffffff81000000"), Some(0xffff_ffff_8100_0000));
    }
}
