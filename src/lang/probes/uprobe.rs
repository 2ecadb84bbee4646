//! `uprobe:BINARY:FUNCTION[+OFFSET]`, `uprobe:BINARY:ADDRESS`, `uprobe:BINARY:cpp:"NAME"`,
//! `uprobe:BINARY@FILE:LINE[:COLUMN]`, `uretprobe:BINARY:FUNCTION`.

use super::kprobe::{number, split_offset};
use std::collections::BTreeSet;

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx, UserRegs, fields};
use crate::base::diag::nearest;
use crate::image::{Attach, When};
use crate::ty::StructId;
use crate::world::{Missing, UserSymbol, World};

pub static UPROBE: ProbeKind = ProbeKind {
    provider: Provider::Uprobe,
    name: "uprobe",
    aliases: &["u"],
    syntax: "uprobe:BINARY:FUNCTION[+OFFSET], uprobe:BINARY:ADDRESS, uprobe:BINARY:cpp:\"NAME\" or uprobe:BINARY@FILE:LINE[:COLUMN]",
    doc: "A function of a program or library, or an instruction of it; arguments are arg0, arg1, …, or args.name where the binary has debug information. cpp takes names as C++ and Rust programmers write them. BINARY is a path, a command or a library's name (libc).",
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
    let place = match parts {
        [_, lang, name] if lang.text == "cpp" && !name.text.is_empty() => Wanted::SourceName(name),
        [target, rest @ ..] if !target.quoted && target.text.contains('@') && !rest.is_empty() => {
            match source_line(target, rest) {
                Some(line) => Wanted::Line(line),
                None => {
                    return cx.malformed(provider, "a source file, a line and perhaps a column are wanted");
                }
            }
        }
        [target, func] if !target.text.is_empty() && !func.text.is_empty() => match number(&func.text) {
            Some(addr) => Wanted::Address(func, addr),
            None => Wanted::Symbol(func),
        },
        _ => return cx.malformed(provider, "a binary and a function are wanted"),
    };
    let is_inside = match &place {
        Wanted::Symbol(func) => func.text.contains('+') && !func.quoted,
        Wanted::SourceName(_) => false,
        Wanted::Line(_) | Wanted::Address(..) => true,
    };
    if when == When::Return && is_inside {
        return cx.malformed(provider, "only a function returns, not an address in it");
    }
    let target = match &place {
        Wanted::Line(line) => line.binary.clone(),
        _ => parts[0].text.clone(),
    };
    let answer = cx.world.binaries(&target, cx.config.pid);
    let Some(paths) = cx.answer(&format!("{target} cannot be looked up"), answer) else {
        return Vec::new();
    };
    if paths.is_empty() {
        let message = format!("there is no program or library {target}");
        return cx.missing(parts[0].span, message, None);
    }
    let mut points = Vec::new();
    let n_errors = cx.diags.list.len();
    for path in &paths {
        points.extend(in_binary(cx, path, &place, (when, paths.len())));
    }
    if points.is_empty() && cx.diags.list.len() == n_errors {
        return match &place {
            Wanted::Symbol(func) | Wanted::SourceName(func) => no_function(cx, &paths, &target, func),
            Wanted::Line(_) | Wanted::Address(..) => Vec::new(),
        };
    }
    points
}

/// What is wanted of a binary.
enum Wanted<'a> {
    Symbol(&'a ApText),
    /// A name as the programmer wrote it.
    SourceName(&'a ApText),
    Address(&'a ApText, u64),
    Line(SourceLine),
}

/// `BINARY@FILE:LINE[:COLUMN]`
struct SourceLine {
    binary: String,
    file: String,
    line: u64,
    column: Option<u64>,
}

fn source_line(target: &ApText, rest: &[ApText]) -> Option<SourceLine> {
    let (binary, file) = target.text.rsplit_once('@')?;
    let (line, column) = match rest {
        [line] => (line.text.parse().ok()?, None),
        [line, column] => (line.text.parse().ok()?, Some(column.text.parse().ok()?)),
        _ => return None,
    };
    if binary.is_empty() || file.is_empty() {
        return None;
    }
    Some(SourceLine { binary: binary.to_owned(), file: file.to_owned(), line, column })
}

/// The points in one of `n` binaries; none where it lacks what is wanted.
fn in_binary(cx: &mut ResolveCx<'_>, path: &str, wanted: &Wanted, (when, n): (When, usize)) -> Vec<Point> {
    match wanted {
        Wanted::Address(text, addr) => at_address(cx, path, (text, *addr), when),
        Wanted::Line(line) => at_line(cx, path, line),
        Wanted::SourceName(name) => {
            let answer = cx.world.user_functions_by_source_name(path, &name.text);
            let found =
                if n > 1 { answer.ok() } else { cx.answer(&format!("{path} cannot be read"), answer) };
            at_functions(cx, path, found.unwrap_or_default(), (when, 0))
        }
        Wanted::Symbol(func) => {
            let split = if func.quoted { Some((func.text.as_str(), 0)) } else { split_offset(&func.text) };
            let Some((name, plus)) = split else {
                return cx.malformed(Provider::Uprobe, "the offset is no number");
            };
            let answer = cx.world.user_functions(path, name);
            // Of many files, those that are no binaries are not meant.
            let found =
                if n > 1 { answer.ok() } else { cx.answer(&format!("{path} cannot be read"), answer) };
            at_functions(cx, path, found.unwrap_or_default(), (when, plus))
        }
    }
}

fn at_functions(
    cx: &mut ResolveCx<'_>,
    path: &str,
    found: Vec<UserSymbol>,
    (when, plus): (When, u64),
) -> Vec<Point> {
    // Several names of the same code are one point: the first.
    let mut offsets = BTreeSet::new();
    let mut points = Vec::new();
    for symbol in found {
        if !offsets.insert(symbol.file_offset) {
            continue;
        }
        let wants_args = cx.uses.args && when == When::Entry && plus == 0;
        let args = if wants_args { arguments(cx, path, &symbol) } else { None };
        if wants_args && args.is_none() {
            continue;
        }
        let shown = if plus == 0 { symbol.name.clone() } else { format!("{}+{plus}", symbol.name) };
        let offset = symbol.file_offset.wrapping_add(plus);
        let attach = Attach::Uprobe { path: path.into(), symbol: shown, offset, when };
        points.push(Point { attach, ctx: Ctx::Regs { when, user: UserRegs::User, args } });
    }
    points
}

/// The struct of a function's arguments, or a report that nothing is known of them.
fn arguments(cx: &mut ResolveCx<'_>, path: &str, symbol: &UserSymbol) -> Option<StructId> {
    match cx.world.user_parameters(cx.types, path, symbol.addr) {
        Some(params) => {
            let n_registers = cx.world.arch().args.len() as u32;
            Some(fields::of_user_args(cx.types, &params, n_registers))
        }
        None => {
            let message = format!(
                "the arguments of {} are not known: {path} has no debug information of it",
                symbol.name
            );
            cx.unsupported(
                message,
                "use arg0, arg1, …, or name the folder of its debug files with --debuginfo",
            );
            None
        }
    }
}

fn at_address(cx: &mut ResolveCx<'_>, path: &str, (text, addr): (&ApText, u64), when: When) -> Vec<Point> {
    match cx.world.user_file_offset(path, addr) {
        Ok(offset) => vec![plain(path, String::new(), offset, when)],
        Err(Missing::No) => {
            let message = format!("{path} has no code at {addr:#x}");
            cx.missing(text.span, message, None)
        }
        Err(unreadable) => {
            cx.answer::<()>(&format!("{path} cannot be read"), Err(unreadable));
            Vec::new()
        }
    }
}

fn plain(path: &str, symbol: String, offset: u64, when: When) -> Point {
    let attach = Attach::Uprobe { path: path.into(), symbol, offset, when };
    Point { attach, ctx: Ctx::Regs { when, user: UserRegs::User, args: None } }
}

/// Where the code of a line starts, once in each function that has some of it.
fn at_line(cx: &mut ResolveCx<'_>, path: &str, wanted: &SourceLine) -> Vec<Point> {
    let SourceLine { file, line, column, .. } = wanted;
    let answer = cx.world.user_line(path, file, *line, *column);
    let Some(place) = cx.answer(&format!("{file}:{line} cannot be looked up"), answer) else {
        return Vec::new();
    };
    let mut functions = cx.world.user_functions(path, "*").unwrap_or_default();
    functions.sort_by_key(|f| f.addr);
    let mut seen = BTreeSet::new();
    let mut points = Vec::new();
    let column = column.map_or(String::new(), |c| format!(":{c}"));
    for addr in &place.addrs {
        let function = functions.partition_point(|f| f.addr <= *addr);
        if let (true, Ok(offset)) = (seen.insert(function), cx.world.user_file_offset(path, *addr)) {
            points.push(plain(path, format!("@{file}:{line}{column}"), offset, When::Entry));
        }
    }
    if points.is_empty() {
        let span = cx.span;
        if !place.sees_source {
            return cx.missing(
                span,
                format!("{path} was not made of {file}, says its debug information"),
                None,
            );
        }
        let near: Vec<String> =
            place.before.iter().chain(&place.after).map(|l| format!("{file}:{l}")).collect();
        let near = (!near.is_empty()).then(|| near.join(" or "));
        return cx.missing(span, format!("{file}:{line}{column} has no code in {path}"), near);
    }
    points
}

fn no_function(cx: &mut ResolveCx<'_>, paths: &[String], target: &str, func: &ApText) -> Vec<Point> {
    let (name, _) = split_offset(&func.text).unwrap_or((&func.text, 0));
    let all = paths.first().and_then(|p| cx.world.user_functions(p, "*").ok()).unwrap_or_default();
    let near = nearest(name, all.iter().map(|s| s.name.as_str())).map(str::to_owned);
    let place = if paths.len() == 1 { &paths[0] } else { target };
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
