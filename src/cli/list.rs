//! `-l`: what can be probed, and what the types look like.
//!
//! Comes in: patterns and a [`World`]. Goes out: lines, in a fixed order without duplicates.

use crate::base::{Diags, Span};
use crate::isa::usdt::UsdtArg;
use crate::lang::Config;
use crate::lang::probes::{self, Absence, ApText, Ctx, ProbeKind, ResolveCx, Uses};
use crate::ty::{self, Member, StructId, StructKind, Ty, TypeTable};
use crate::world::{Missing, World, glob, is_glob};

/// Whether what probes offer is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    Names,
    /// `-v`
    Arguments,
}

/// What a list yields.
#[derive(Debug, Default)]
pub struct Listing {
    pub lines: Vec<String>,
    /// Why nothing was found: lower case; and something to do.
    pub problem: Option<(String, String)>,
}

/// Lists for a pattern as the user wrote it; commas part several.
pub fn list(world: &dyn World, pattern: &str, detail: Detail) -> Listing {
    let mut out = Listing::default();
    for pattern in pattern.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        if let Some((kind, name)) = type_pattern(pattern) {
            let mut lines = type_lines(world, kind, name);
            // Where the definition is from.
            if let (Detail::Arguments, Some(first)) = (detail, lines.first_mut()) {
                first.insert_str(0, "vmlinux: ");
            }
            out.lines.extend(lines);
        } else {
            for probe in probes_matching(world, pattern) {
                let arguments =
                    if detail == Detail::Arguments { arguments(world, &probe) } else { Vec::new() };
                out.lines.push(probe);
                out.lines.extend(arguments);
            }
        }
    }
    if out.lines.is_empty() {
        out.problem = Some(why_nothing(world, pattern));
    }
    out
}

/// `struct x`, `union x`, `enum x`
fn type_pattern(pattern: &str) -> Option<(TypeKeyword, &str)> {
    let (word, name) = pattern.split_once(' ')?;
    let kind = match word {
        "struct" => TypeKeyword::Struct(StructKind::Struct),
        "union" => TypeKeyword::Struct(StructKind::Union),
        "enum" => TypeKeyword::Enum,
        _ => return None,
    };
    Some((kind, name.trim()))
}

#[derive(Clone, Copy)]
enum TypeKeyword {
    Struct(StructKind),
    Enum,
}

fn probes_matching(world: &dyn World, pattern: &str) -> Vec<String> {
    let mut lines = Vec::new();
    match pattern.split_once(':') {
        Some((provider, rest)) => {
            let parts: Vec<String> = rest.split(':').map(str::to_owned).collect();
            let parts = if rest.is_empty() { Vec::new() } else { parts };
            for kind in kinds(provider) {
                let mut found = (kind.list)(world, &parts);
                // Some types list all that they have, whatever the pattern says.
                found.retain(|l| !is_glob(provider) || glob(pattern, l.trim_end_matches(':')));
                lines.extend(found);
            }
        }
        // A probe type alone: all of it.
        None if probes::find(pattern).is_some() => {
            lines.extend(kinds(pattern).into_iter().flat_map(|kind| (kind.list)(world, &[])));
        }
        None => {
            let all = probes::KINDS.iter().flat_map(|kind| (kind.list)(world, &[]));
            let last = |line: &str| line.trim_end_matches(':').rsplit(':').next().map(str::to_owned);
            let is_match = |line: &String| match is_glob(pattern) {
                true => glob(pattern, line),
                false => last(line).is_some_and(|l| l == pattern),
            };
            lines.extend(all.filter(is_match));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|l| seen.insert(l.clone()));
    lines
}

fn kinds(provider: &str) -> Vec<&'static ProbeKind> {
    if is_glob(provider) {
        return probes::KINDS.iter().copied().filter(|k| glob(provider, k.name)).collect();
    }
    probes::find(provider).into_iter().collect()
}

/// The highest number of an argument of a USDT probe.
const USDT_ARG_MAX: u32 = 255;

/// What `args` and `retval` are at a probe: indented lines `type name`.
pub fn arguments(world: &dyn World, probe: &str) -> Vec<String> {
    let Some((provider, rest)) = probe.split_once(':') else { return Vec::new() };
    let Some(kind) = probes::find(provider) else { return Vec::new() };
    let part = |text: &str| ApText { text: text.to_owned(), quoted: true, span: Span::none() };
    let parts: Vec<ApText> = rest.split(':').filter(|p| !p.is_empty()).map(part).collect();
    let (mut types, mut diags) = (TypeTable::new(), Diags::default());
    let arg_numbers = (0..=USDT_ARG_MAX).collect();
    let uses = Uses { args: true, retval: true, argn: true, arg_numbers, ..Uses::default() };
    let config = Config::default();
    let mut cx = ResolveCx {
        world,
        types: &mut types,
        diags: &mut diags,
        config: &config,
        span: Span::none(),
        uses: &uses,
        absence: Absence::Allowed,
    };
    let Some(point) = (kind.resolve)(&mut cx, &parts).into_iter().next() else { return Vec::new() };
    let (fields, ret) = match point.ctx {
        Ctx::Record(fields) | Ctx::SysEnter(fields) | Ctx::SysExit(fields) => (fields, None),
        Ctx::BtfArgs { args, ret } => (args, ret),
        Ctx::Iter(strukt) => return iterator_fields(world, &mut types, strukt),
        Ctx::Usdt(args) => return args.iter().flatten().enumerate().map(usdt_argument).collect(),
        Ctx::Regs { args: Some(args), .. } => (args, None),
        Ctx::None | Ctx::Regs { .. } | Ctx::RawArgs | Ctx::Perf => return Vec::new(),
    };
    let members = types.structs[fields].members.clone().unwrap_or_default();
    let line = |name: &str, ty: &Ty| format!("    {} {name}", ty::print::name(ty, &types));
    let mut lines: Vec<String> = members.iter().map(|m| line(&m.name, &m.ty)).collect();
    if let Some((ty, _)) = ret.filter(|(ty, _)| *ty != Ty::Void) {
        lines.push(line("retval", &ty));
    }
    lines
}

/// What `ctx` of an iterator points to.
fn iterator_fields(world: &dyn World, types: &mut TypeTable, strukt: StructId) -> Vec<String> {
    let mut lines = Vec::new();
    world.load_struct(types, strukt);
    for m in types.structs[strukt].members.clone().unwrap_or_default() {
        let named = match anonymous(types, &m) {
            Some((inner, _)) => {
                world.load_struct(types, inner);
                types.structs[inner].members.clone().unwrap_or_default()
            }
            None => vec![m],
        };
        let shown = named.iter().filter(|m| !m.name.is_empty() && m.name != "meta");
        lines.extend(shown.map(|m| format!("    {}", declaration(&m.ty, &format!("ctx.{}", m.name), types))));
    }
    lines
}

/// `int32 arg0`, or what stands in the way of reading it.
fn usdt_argument((i, arg): (usize, &UsdtArg)) -> String {
    match probes::usdt::unreadable(arg) {
        None => {
            let ty = Ty::Int { bits: arg.bytes * 8, signed: arg.signed };
            format!("    {} arg{i}", ty::print::name(&ty, &TypeTable::new()))
        }
        Some(why) => format!("    arg{i} {why}"),
    }
}

fn type_lines(world: &dyn World, kind: TypeKeyword, name: &str) -> Vec<String> {
    let mut types = TypeTable::new();
    match kind {
        TypeKeyword::Enum => {
            let Some(id) = world.enumeration(&mut types, name) else { return Vec::new() };
            let def = &types.enums[id];
            let mut lines = vec![format!("enum {} {{", def.name)];
            lines.extend(def.variants.iter().map(|(n, v)| format!("\t{n} = {v},")));
            lines.push("};".to_owned());
            lines
        }
        TypeKeyword::Struct(kind) if is_glob(name) => {
            let matching = |n: &String| glob(name, n);
            let names: Vec<String> = world.struct_names().into_iter().filter(matching).collect();
            let is_kind = |n: &String| world.strukt(&mut TypeTable::new(), Some(kind), n).is_some();
            names.into_iter().filter(is_kind).map(|n| format!("{} {n}", keyword(kind))).collect()
        }
        TypeKeyword::Struct(kind) => {
            let Some(id) = world.strukt(&mut types, Some(kind), name) else { return Vec::new() };
            let mut lines = vec![format!("{} {name} {{", keyword(kind))];
            members(world, &mut types, id, 1, &mut lines);
            lines.push("};".to_owned());
            lines
        }
    }
}

fn keyword(kind: StructKind) -> &'static str {
    match kind {
        StructKind::Struct => "struct",
        StructKind::Union => "union",
    }
}

/// Deeper anonymous structs than this are a mistake of the type information.
const DEPTH_MAX: usize = 16;

fn members(world: &dyn World, types: &mut TypeTable, id: StructId, depth: usize, lines: &mut Vec<String>) {
    world.load_struct(types, id);
    let indent = "\t".repeat(depth);
    for m in types.structs[id].members.clone().unwrap_or_default() {
        let bits = m.bitfield_bits.map_or(String::new(), |b| format!(":{b}"));
        match anonymous(types, &m) {
            Some((inner, kind)) if depth < DEPTH_MAX => {
                lines.push(format!("{indent}{kind} {{"));
                members(world, types, inner, depth + 1, lines);
                let name = if m.name.is_empty() { String::new() } else { format!(" {}", m.name) };
                lines.push(format!("{indent}}}{name};"));
            }
            _ => lines.push(format!("{indent}{}{bits};", declaration(&m.ty, &m.name, types))),
        }
    }
}

/// The struct without a name that a member consists of.
fn anonymous(types: &TypeTable, m: &Member) -> Option<(StructId, &'static str)> {
    match m.ty {
        Ty::Struct(id) if types.structs[id].name.is_empty() => Some((id, keyword(types.structs[id].kind))),
        _ => None,
    }
}

/// `struct dentry *d`, `uint8 a[4]`
pub fn declaration(ty: &Ty, name: &str, types: &TypeTable) -> String {
    match ty {
        Ty::Ptr { to, .. } => declaration(to, &format!("*{name}"), types),
        Ty::Array { elem, n } => declaration(elem, &format!("{name}[{n}]"), types),
        Ty::Str { n } => format!("char {name}[{n}]"),
        other => format!("{} {name}", ty::print::name(other, types)),
    }
}

/// Says why a list is empty: something cannot be read, or there is nothing like it.
fn why_nothing(world: &dyn World, pattern: &str) -> (String, String) {
    let tracepoints = world.tracepoints("*", "*").err();
    let functions = world.kprobe_functions("", "vfs_read").err();
    let provider = pattern.split(':').next().and_then(probes::find).map(|k| k.provider);
    let about_tracepoints = provider.is_none_or(|p| p == probes::Provider::Tracepoint);
    let about_functions =
        provider.is_none_or(|p| matches!(p, probes::Provider::Kprobe | probes::Provider::Kretprobe));
    let answers = [(about_tracepoints, tracepoints), (about_functions, functions)];
    for (is_about, missing) in answers {
        if let (true, Some(Missing::Unreadable { why, hint })) = (is_about, missing) {
            return (why, hint);
        }
    }
    if let Some((kind, name)) = type_pattern(pattern) {
        let names = world.struct_names();
        let near = crate::base::diag::nearest(name, names.iter().map(String::as_str));
        let word = match kind {
            TypeKeyword::Struct(kind) => keyword(kind),
            TypeKeyword::Enum => "enum",
        };
        return (
            format!("this kernel has no {word} {name}"),
            near.map_or(String::new(), |n| format!("did you mean {n}?")),
        );
    }
    let hint = match is_glob(pattern) {
        true => String::new(),
        false => format!("try -l '*{}*'", pattern.rsplit(':').next().unwrap_or(pattern)),
    };
    (format!("no probe matches {pattern}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::fixture::FixtureWorld;

    fn lines(pattern: &str, detail: Detail) -> Vec<String> {
        list(&FixtureWorld::new(), pattern, detail).lines
    }

    #[test]
    fn probes_by_pattern() {
        let all = lines("tracepoint:*:*", Detail::Names);
        assert!(all.contains(&"tracepoint:syscalls:sys_enter_openat".to_owned()), "{all:?}");
        assert_eq!(
            lines("t:syscalls:sys_enter_openat", Detail::Names),
            ["tracepoint:syscalls:sys_enter_openat"]
        );
        assert_eq!(lines("*sys_enter_openat*", Detail::Names), lines("*:*:sys_enter_openat", Detail::Names));
        let bare = lines("sys_enter_openat", Detail::Names);
        assert!(bare.contains(&"tracepoint:syscalls:sys_enter_openat".to_owned()), "{bare:?}");
        let two = lines("tracepoint:syscalls:sys_enter_openat,kprobe:vfs_read", Detail::Names);
        assert_eq!(two.len(), 2, "{two:?}");
    }

    #[test]
    fn arguments_are_indented() {
        let got = lines("tracepoint:syscalls:sys_enter_openat", Detail::Arguments);
        assert_eq!(got[0], "tracepoint:syscalls:sys_enter_openat");
        assert!(got[1..].iter().all(|l| l.starts_with("    ")), "{got:?}");
        assert!(got.iter().any(|l| l.ends_with(" filename")), "{got:?}");
    }

    #[test]
    fn types() {
        let got = lines("struct path", Detail::Names);
        assert_eq!(got.first().map(String::as_str), Some("struct path {"), "{got:?}");
        assert_eq!(got.last().map(String::as_str), Some("};"));
        assert!(got.iter().any(|l| l == "\tstruct dentry *dentry;"), "{got:?}");
    }

    #[test]
    fn nothing_is_explained() {
        let l = list(&FixtureWorld::new(), "tracepoint:nosuch:nosuch", Detail::Names);
        assert!(l.lines.is_empty());
        let (why, hint) = l.problem.unwrap();
        assert_eq!(
            (why.as_str(), hint.as_str()),
            ("no probe matches tracepoint:nosuch:nosuch", "try -l '*nosuch*'")
        );
    }
}
