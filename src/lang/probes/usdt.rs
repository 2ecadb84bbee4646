//! `usdt:BINARY:[PROVIDER:]NAME`: places that a program's author has marked, with arguments.
//!
//! A probe may stand at several places, and its arguments lie elsewhere at each: places with the same arguments
//! share a program, the others get one each.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx};
use crate::base::diag::nearest;
use crate::image::Attach;
use crate::isa::usdt::{Place, UsdtArg};
use crate::world::{UsdtProbe, World};

pub static ROW: ProbeKind = ProbeKind {
    provider: Provider::Usdt,
    name: "usdt",
    aliases: &["U"],
    syntax: "usdt:BINARY:[PROVIDER:]NAME",
    doc: "A place that the author of a program or library has marked (sys/sdt.h); arguments are arg0, arg1, …, with the sizes and signs that were declared. BINARY is as for uprobe; `*` is all that runs, or all that the process of -p has mapped.",
    example: "optional usdt:libc:memory_* { @[probe] = count(); } interval:s:1 { exit(); }",
    resolve,
    list,
};

fn resolve(cx: &mut ResolveCx<'_>, parts: &[ApText]) -> Vec<Point> {
    let any = ApText { text: "*".into(), quoted: false, span: cx.span };
    let (target, provider, name) = match parts {
        [target, name] if !name.text.is_empty() => (target, &any, name),
        [target, provider, name] if !name.text.is_empty() => (target, provider, name),
        _ => return cx.malformed(Provider::Usdt, "a binary and the name of a probe are wanted"),
    };
    // `usdt::name` of the process of -p.
    let wanted = match target.text.as_str() {
        "" if cx.config.pid.is_some() => "*",
        "" => return cx.malformed(Provider::Usdt, "a binary is wanted"),
        text => text,
    };
    let answer = cx.world.binaries(wanted, cx.config.pid);
    let Some(paths) = cx.answer(&format!("{wanted} cannot be looked up"), answer) else {
        return Vec::new();
    };
    if paths.is_empty() {
        let message = format!("there is no program or library {wanted}");
        return cx.missing(target.span, message, None);
    }
    let mut points = Vec::new();
    for path in &paths {
        let answer = cx.world.usdt_probes(path, &pattern(provider), &pattern(name));
        let found = match (answer, paths.len()) {
            // Of many files, those that are no binaries are not meant.
            (answer, 2..) => answer.unwrap_or_default(),
            (answer, _) => match cx.answer(&format!("{path} cannot be read"), answer) {
                Some(found) => found,
                None => return Vec::new(),
            },
        };
        points.extend(found.into_iter().map(|probe| point(cx, path, probe)));
    }
    if points.is_empty() {
        return nothing(cx, &paths, wanted, (provider, name));
    }
    points
}

/// A name of a probe may have any characters; quoted, they stand for themselves.
fn pattern(part: &ApText) -> String {
    if !part.quoted {
        return part.text.clone();
    }
    let escaped = part.text.chars().map(|c| match c {
        '*' | '?' | '[' => format!("[{c}]"),
        c => c.to_string(),
    });
    escaped.collect()
}

fn point(cx: &ResolveCx<'_>, path: &str, probe: UsdtProbe) -> Point {
    let attach = Attach::Usdt {
        path: path.to_owned(),
        provider: probe.provider,
        name: probe.name,
        offset: probe.file_offset,
        ref_ctr_offset: probe.ref_ctr_offset,
    };
    // Arguments that the clause does not read make no difference between places.
    let args = match cx.uses.argn {
        true => {
            let is_read = |i: &usize| cx.uses.arg_numbers.contains(&(*i as u32));
            let args = probe.args.into_iter().enumerate();
            args.map(|(i, arg)| is_read(&i).then_some(arg)).collect()
        }
        false => Vec::new(),
    };
    Point { attach, ctx: Ctx::Usdt(args) }
}

fn nothing(
    cx: &mut ResolveCx<'_>,
    paths: &[String],
    target: &str,
    (provider, name): (&ApText, &ApText),
) -> Vec<Point> {
    let all = |path: &String| cx.world.usdt_probes(path, "*", "*").unwrap_or_default();
    let all: Vec<UsdtProbe> = paths.iter().flat_map(all).collect();
    let place = if paths.len() == 1 { &paths[0] } else { target };
    let what = match provider.text.as_str() {
        "*" => name.text.clone(),
        provider => format!("{provider}:{}", name.text),
    };
    if all.is_empty() {
        return cx.missing(name.span, format!("{place} has no USDT probes"), None);
    }
    let near = match provider.text.as_str() {
        "*" => nearest(&name.text, all.iter().map(|p| p.name.as_str())).map(str::to_owned),
        _ => {
            let full: Vec<String> = all.iter().map(|p| format!("{}:{}", p.provider, p.name)).collect();
            nearest(&what, full.iter().map(String::as_str)).map(str::to_owned)
        }
    };
    cx.missing(name.span, format!("{place} has no USDT probe {what}"), near)
}

/// What a script cannot read of an argument, in words.
pub fn unreadable(arg: &UsdtArg) -> Option<String> {
    match &arg.place {
        Place::Unknown(text) => Some(format!("lies where it cannot be read: {text}")),
        Place::Symbol { name, .. } => Some(format!("lies at a symbol that is not there: {name}")),
        Place::Const(_) | Place::Reg { .. } | Place::Mem { .. } => None,
    }
}

fn list(world: &dyn World, pattern: &[String]) -> Vec<String> {
    let (target, provider, name) = match pattern {
        [] => return Vec::new(),
        [target] => (target.as_str(), "*", "*"),
        [target, name] => (target.as_str(), "*", name.as_str()),
        [target, provider, name, ..] => (target.as_str(), provider.as_str(), name.as_str()),
    };
    let mut names = Vec::new();
    for path in world.binaries(target, None).unwrap_or_default() {
        let probes = world.usdt_probes(&path, provider, name).unwrap_or_default();
        names.extend(probes.into_iter().map(|p| format!("usdt:{path}:{}:{}", p.provider, p.name)));
    }
    names
}
