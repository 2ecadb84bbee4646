//! `uprobe:BINARY:FUNCTION[+OFFSET]`, `uprobe:BINARY:ADDRESS`, `uretprobe:BINARY:FUNCTION`.

use super::kprobe::{number, split_offset};
use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx, UserRegs};
use crate::base::diag::nearest;
use crate::image::{Attach, When};
use crate::world::{Missing, World};

pub static UPROBE: ProbeKind = ProbeKind {
    provider: Provider::Uprobe,
    name: "uprobe",
    aliases: &["u"],
    syntax: "uprobe:BINARY:FUNCTION[+OFFSET] or uprobe:BINARY:ADDRESS",
    doc: "A function of a program or library, or an instruction of it; arguments are arg0, arg1, …. BINARY is a path, a command or a library's name (libc).",
    example: "uprobe:libc:malloc { @bytes = hist(arg0); } interval:s:1 { exit(); }",
    resolve: |cx, parts| resolve(cx, parts, When::Entry),
    list: |world, pattern| list(world, pattern, "uprobe"),
};

pub static URETPROBE: ProbeKind = ProbeKind {
    provider: Provider::Uretprobe,
    name: "uretprobe",
    aliases: &["ur"],
    syntax: "uretprobe:BINARY:FUNCTION",
    doc: "The return of a function of a program or library; retval is what it returns.",
    example: "uretprobe:libc:malloc /retval == 0/ { @failed = count(); } interval:s:1 { exit(); }",
    resolve: |cx, parts| resolve(cx, parts, When::Return),
    list: |world, pattern| list(world, pattern, "uretprobe"),
};

fn resolve(cx: &mut ResolveCx<'_>, parts: &[ApText], when: When) -> Vec<Point> {
    let provider = match when {
        When::Entry => Provider::Uprobe,
        When::Return => Provider::Uretprobe,
    };
    let (target, func) = match parts {
        [_, lang, _] if lang.text == "cpp" => {
            return cx.unsupported("uprobes by C++ name are not in this version", "give the mangled name");
        }
        [target, _] if target.text.contains('@') && !target.quoted => {
            return cx.unsupported("uprobes by source line are not in this version", "");
        }
        [target, func] if !target.text.is_empty() && !func.text.is_empty() => (target, func),
        _ => return cx.malformed(provider, "a binary and a function are wanted"),
    };
    if when == When::Return && (number(&func.text).is_some() || func.text.contains('+') && !func.quoted) {
        return cx.malformed(provider, "only a function returns, not an address in it");
    }
    let answer = cx.world.binaries(&target.text, cx.config.pid);
    let Some(paths) = cx.answer(&format!("{} cannot be looked up", target.text), answer) else {
        return Vec::new();
    };
    if paths.is_empty() {
        let message = format!("there is no program or library {}", target.text);
        return cx.missing(target.span, message, None);
    }
    let n_before = cx.diags.list.len();
    let mut points = Vec::new();
    for path in &paths {
        points.extend(in_binary(cx, path, func, when));
    }
    if points.is_empty() && cx.diags.list.len() == n_before {
        return no_function(cx, &paths, target, func);
    }
    points
}

/// The points in one binary; none where it lacks the function.
fn in_binary(cx: &mut ResolveCx<'_>, path: &str, func: &ApText, when: When) -> Vec<Point> {
    let ctx = Ctx::Regs { when, user: UserRegs::User };
    let point = |symbol: &str, offset: u64| Point {
        attach: Attach::Uprobe { path: path.into(), symbol: symbol.into(), offset, when },
        ctx: ctx.clone(),
    };
    if let Some(addr) = number(&func.text) {
        return match cx.world.user_file_offset(path, addr) {
            Ok(offset) => vec![point("", offset)],
            Err(Missing::No) => {
                let message = format!("{path} has no code at {addr:#x}");
                cx.missing(func.span, message, None)
            }
            Err(unreadable) => {
                cx.answer::<()>(&format!("{path} cannot be read"), Err(unreadable));
                Vec::new()
            }
        };
    }
    let Some((name, plus)) =
        (if func.quoted { Some((func.text.as_str(), 0)) } else { split_offset(&func.text) })
    else {
        return cx.malformed(Provider::Uprobe, "the offset is no number");
    };
    let answer = cx.world.user_functions(path, name);
    let found = cx.answer(&format!("{path} cannot be read"), answer).unwrap_or_default();
    // Several names of the same code are one point: the first.
    let mut offsets = Vec::new();
    let mut points = Vec::new();
    for symbol in found {
        if !offsets.contains(&symbol.file_offset) {
            offsets.push(symbol.file_offset);
            let shown = if plus == 0 { symbol.name.clone() } else { format!("{}+{plus}", symbol.name) };
            points.push(point(&shown, symbol.file_offset.wrapping_add(plus)));
        }
    }
    points
}

fn no_function(cx: &mut ResolveCx<'_>, paths: &[String], target: &ApText, func: &ApText) -> Vec<Point> {
    let (name, _) = split_offset(&func.text).unwrap_or((&func.text, 0));
    let all = paths.first().and_then(|p| cx.world.user_functions(p, "*").ok()).unwrap_or_default();
    let near = nearest(name, all.iter().map(|s| s.name.as_str())).map(str::to_owned);
    let place = if paths.len() == 1 { &paths[0] } else { &target.text };
    let message = match all.is_empty() {
        true => format!("{place} has no function {name}: it has no symbols at all"),
        false => format!("{place} has no function {name}"),
    };
    cx.missing(func.span, message, near)
}

fn list(world: &dyn World, pattern: &[String], name: &str) -> Vec<String> {
    let (target, func) = match pattern {
        [] => return Vec::new(),
        [target] => (target.as_str(), "*"),
        [target, func, ..] => (target.as_str(), func.as_str()),
    };
    let mut names = Vec::new();
    for path in world.binaries(target, None).unwrap_or_default() {
        let symbols = world.user_functions(&path, func).unwrap_or_default();
        names.extend(symbols.into_iter().map(|s| format!("{name}:{path}:{}", s.name)));
    }
    names
}
