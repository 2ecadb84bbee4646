//! What the machine has: `:probes`, `:args`, `:struct`, `:type`.
//!
//! Comes in: the machine, and what is asked for. Goes out: lines of text, or why there are none. Always holds: a list
//! that is cut says how much of it is missing.

use super::Repl;
use super::complete::hint::describe;
use super::complete::place::Code;
use super::complete::{Index, typed};
use super::view::{Cx, View};
use crate::base::diag::nearest;
use crate::cli::list::{self, Detail};
use crate::lang::probes::{self, Provider};
use crate::ty::{Member, StructId, StructKind, Ty, TypeTable, print};
use crate::world::{Missing, World, is_glob};

/// Lines of a list that are shown.
const LINES_MAX: usize = 60;

/// What was found; else why nothing was, and what to do.
pub type Found = Result<String, (String, String)>;

impl Repl {
    /// Says what was found.
    pub fn found(&mut self, found: Found) {
        match found {
            Ok(text) => self.screen.say(&text),
            Err((why, hint)) => self.complain(why, Some(hint).filter(|h| !h.is_empty())),
        }
    }
}

/// `:probes PATTERN`
pub fn probes(repl: &mut Repl, arg: &str) {
    let found = matching(repl.world.as_ref(), arg);
    repl.found(found);
}

/// `:args PROBE`
pub fn args(repl: &mut Repl, arg: &str) {
    let found = arguments(repl.world.as_ref(), arg);
    if found.is_ok() {
        repl.offer_example(&format!("{arg} {{ print(args); }}"));
    }
    repl.found(found);
}

/// `:struct NAME`
pub fn strukt(repl: &mut Repl, arg: &str) {
    let found = definition(repl.world.as_ref(), arg);
    repl.found(found);
}

/// `:type EXPRESSION`
pub fn type_of(repl: &mut Repl, arg: &str) {
    let view = View { base: repl.base.clone(), config: repl.config.clone(), ..repl.view.get() };
    let index = Index::default();
    let cx = Cx { world: repl.world.as_ref(), index: &index, view: &view };
    let found = type_text(&cx, arg);
    repl.found(found);
}

fn no_arg(what: &str, example: &str) -> Found {
    Err((format!("{what} is missing"), format!("for example {example}")))
}

/// Probes by pattern; a plain word stands for all that contain it.
pub fn matching(world: &dyn World, pattern: &str) -> Found {
    if pattern.is_empty() {
        return no_arg("a pattern", ":probes openat, or :probes tracepoint:sched:*");
    }
    let mut listing = list::list(world, pattern, Detail::Names);
    let is_word = !is_glob(pattern) && !pattern.contains([':', ' ']);
    if is_word && probes::find(pattern).is_none() {
        listing = list::list(world, &format!("*{pattern}*"), Detail::Names);
    }
    match listing.problem {
        Some((why, hint)) => Err((why, hint.replace("try -l", "try :probes").replace('\'', ""))),
        None => Ok(format!("{}{}", cut(listing.lines), unreadable(world, pattern))),
    }
}

/// What a list lacks because it cannot be read: tracepoints, where tracefs is for root alone.
fn unreadable(world: &dyn World, pattern: &str) -> String {
    let provider = pattern.split_once(':').map(|(p, _)| p);
    let is_about =
        provider.is_none_or(|p| probes::find(p).is_none_or(|k| k.provider == Provider::Tracepoint));
    match world.tracepoints("*", "*") {
        Err(Missing::Unreadable { why, .. }) if is_about => format!("\n(tracepoints are not listed: {why})"),
        Ok(_) | Err(_) => String::new(),
    }
}

fn cut(mut lines: Vec<String>) -> String {
    let more = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    let mut text = lines.join("\n");
    if more > 0 {
        text.push_str(&format!("\n… and {more} more; a longer pattern shows fewer"));
    }
    text
}

/// What `args`, `retval` and their kin are at a probe.
pub fn arguments(world: &dyn World, probe: &str) -> Found {
    if probe.is_empty() {
        return no_arg("a probe", ":args tracepoint:syscalls:sys_enter_openat");
    }
    let listing = list::list(world, probe, Detail::Names);
    // Points that cannot be listed can be asked about all the same: software:faults:100.
    let first = listing.lines.first().filter(|_| is_glob(probe)).map_or(probe, String::as_str);
    let name = first.split(':').next().unwrap_or("");
    let Some(kind) = probes::find(name) else {
        let near = nearest(name, probes::KINDS.iter().map(|k| k.name));
        return Err((
            format!("there is no probe type {name}"),
            near.map_or(String::new(), |n| format!("did you mean {n}?")),
        ));
    };
    let lines = list::arguments(world, first);
    if !lines.is_empty() {
        return Ok(format!("{first}\n{}", lines.join("\n")));
    }
    if let (Some((why, hint)), true) = (listing.problem, kind.syntax.contains(':')) {
        let listed = (kind.list)(world, &[]);
        // A type that lists its events by their beginning takes more than that.
        if !listed.iter().any(|l| probe.starts_with(l.as_str())) {
            return Err((why, hint.replace("try -l", "try :probes").replace('\'', "")));
        }
    }
    Ok(format!("{first}\n{}", without_args(world, kind.provider, first)))
}

/// What there is at a probe that has no `args`.
fn without_args(world: &dyn World, provider: Provider, probe: &str) -> String {
    match provider {
        Provider::Kprobe => {
            let function = probe.rsplit(':').next().unwrap_or("");
            let mut types = TypeTable::new();
            match world.function(&mut types, "", function) {
                Some(sig) if !sig.params.is_empty() => {
                    let param = |(i, (n, t)): (usize, &(String, Ty))| {
                        format!("    arg{i}: {} {n}", print::name(t, &types))
                    };
                    sig.params.iter().enumerate().map(param).collect::<Vec<_>>().join("\n")
                }
                Some(_) => "    the function has no arguments".to_owned(),
                None => "    arg0, arg1, …: the arguments, as numbers; their types are not known".to_owned(),
            }
        }
        Provider::Kretprobe | Provider::Uretprobe => {
            "    retval: what the function returns, as a number".to_owned()
        }
        Provider::Uprobe => "    arg0, arg1, …: the arguments, as numbers".to_owned(),
        _ => "    no arguments".to_owned(),
    }
}

/// A struct, union or enum as the kernel has it, with offsets and sizes.
pub fn definition(world: &dyn World, name: &str) -> Found {
    if name.is_empty() {
        return no_arg("the name of a struct", ":struct task_struct");
    }
    let (kind, bare) = match name.split_once(' ') {
        Some(("struct", n)) => (Some(StructKind::Struct), n.trim()),
        Some(("union", n)) => (Some(StructKind::Union), n.trim()),
        Some((_, n)) => (None, n.trim()),
        None => (None, name),
    };
    let mut types = TypeTable::new();
    if is_glob(bare) {
        let found = list::list(world, &format!("struct {bare}"), Detail::Names);
        return match found.problem {
            Some(problem) => Err(problem),
            None => Ok(cut(found.lines)),
        };
    }
    if let Some(id) = world.strukt(&mut types, kind, bare) {
        return Ok(layout(world, &mut types, id, bare));
    }
    let listing = list::list(world, &format!("enum {bare}"), Detail::Names);
    if listing.problem.is_none() {
        return Ok(listing.lines.join("\n"));
    }
    let names = world.struct_names();
    let why = match names.is_empty() {
        true => "this machine's kernel tells no types (it has no BTF)".to_owned(),
        false => format!("this kernel has no struct, union or enum {bare}"),
    };
    let near = nearest(bare, names.iter().map(String::as_str));
    Err((why, near.map_or(String::new(), |n| format!("did you mean {n}?"))))
}

fn keyword(kind: StructKind) -> &'static str {
    match kind {
        StructKind::Struct => "struct",
        StructKind::Union => "union",
    }
}

fn layout(world: &dyn World, types: &mut TypeTable, id: StructId, name: &str) -> String {
    let (kind, size) = (keyword(types.structs[id].kind), types.structs[id].size);
    let mut out = format!("offset  size  {kind} {name} {{\n");
    members(world, types, id, (0, 1), &mut out);
    out.push_str(&format!("{:12}  }};  {size} bytes\n", ""));
    out
}

/// Deeper anonymous structs than this are a mistake of the type information.
const DEPTH_MAX: usize = 16;

fn members(
    world: &dyn World,
    types: &mut TypeTable,
    id: StructId,
    (base, depth): (u32, usize),
    out: &mut String,
) {
    world.load_struct(types, id);
    let indent = "    ".repeat(depth);
    for m in types.structs[id].members.clone().unwrap_or_default() {
        let at = base + m.offset_bits;
        let inner = match m.ty {
            Ty::Struct(inner) if types.structs[inner].name.is_empty() && depth < DEPTH_MAX => Some(inner),
            _ => None,
        };
        match inner {
            Some(inner) => {
                out.push_str(&format!("{:12}  {indent}{} {{\n", "", keyword(types.structs[inner].kind)));
                members(world, types, inner, (at, depth + 1), out);
                let name = if m.name.is_empty() { String::new() } else { format!(" {}", m.name) };
                out.push_str(&format!("{:12}  {indent}}}{name};\n", ""));
            }
            None => out.push_str(&line(types, &m, at, &indent)),
        }
    }
}

/// `   24     8      int8 *name;`; of a bit field also its first bit, and its bits as its size.
fn line(types: &TypeTable, m: &Member, at: u32, indent: &str) -> String {
    let declared = list::declaration(&m.ty, &m.name, types);
    match m.bitfield_bits {
        Some(bits) => {
            let place = format!("{}.{}", at / 8, at % 8);
            format!("{place:>6} {:>5}  {indent}{declared}:{bits};\n", format!("{bits}b"))
        }
        None => format!("{:>6} {:>5}  {indent}{declared};\n", at / 8, m.ty.size(types)),
    }
}

/// The type of an expression, and where it has fields, these.
pub fn type_text(cx: &Cx<'_>, expr: &str) -> Found {
    if expr.is_empty() {
        return no_arg("an expression", ":type curtask.mm");
    }
    let Some(typed) = typed::type_of(cx, &Code::default(), expr) else {
        return Err((
            format!("{expr} has no type here"),
            "enter it by itself to see what is wrong with it".to_owned(),
        ));
    };
    let said = describe(&typed);
    let fields = typed.fields(cx.world);
    let fields: Vec<String> = fields.iter().map(|f| format!("    {} {}", f.ty, f.name)).collect();
    Ok(if fields.is_empty() { said } else { format!("{said}\n{}", cut(fields)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::fixture::FixtureWorld;

    #[test]
    fn probes_by_word_and_pattern() {
        let world = FixtureWorld::new();
        let text = matching(&world, "openat").unwrap();
        assert!(text.lines().any(|l| l == "tracepoint:syscalls:sys_exit_openat"), "{text}");
        assert!(matching(&world, "t:sched:*").unwrap().contains("sched_switch"));
        let (why, hint) = matching(&world, "t:sched:nosuch").unwrap_err();
        assert_eq!(
            (why.as_str(), hint.as_str()),
            ("no probe matches t:sched:nosuch", "try :probes *nosuch*")
        );
        assert!(matching(&world, "").is_err());
        let many = cut((0..100).map(|n| n.to_string()).collect());
        assert!(many.ends_with("\n59\n… and 40 more; a longer pattern shows fewer"));
    }

    #[test]
    fn arguments_of_all_kinds() {
        let world = FixtureWorld::new();
        let of = |probe: &str| arguments(&world, probe);
        assert!(of("t:syscalls:sys_enter_openat").unwrap().contains(" filename"));
        assert!(of("kprobe:vfs_read").unwrap().contains("arg0: struct file * file"));
        assert!(of("kretprobe:vfs_read").unwrap().contains("retval"));
        assert!(of("interval:s:1").unwrap().contains("no arguments"));
        assert!(of("begin").unwrap().contains("no arguments"));
        assert!(of("t:syscalls:nosuch").is_err());
        assert_eq!(of("kprob:x").unwrap_err().1, "did you mean kprobe?");
    }

    #[test]
    fn structs_with_offsets() {
        let world = FixtureWorld::new();
        let text = definition(&world, "task_struct").unwrap();
        for want in [
            "     0     4      int32 pid;",
            "    24     8      struct task_struct *real_parent;",
            "  40.0    1b      uint32 frozen:1;",
            "    48     4          int32 exit_code;",
            "              };  256 bytes",
        ] {
            assert!(text.lines().any(|l| l == want), "{want}: {text}");
        }
        assert!(definition(&world, "struct path").unwrap().contains("dentry"));
        assert!(definition(&world, "enum task_state").unwrap().contains("TASK_STOPPED = 4"));
        assert_eq!(definition(&world, "task_strict").unwrap_err().1, "did you mean task_struct?");
        assert!(definition(&world, "*_struct").unwrap().contains("struct mm_struct"));
    }

    #[test]
    fn types_with_their_fields() {
        let (world, view, index) = (FixtureWorld::new(), View::default(), Index::default());
        let cx = Cx { world: &world, index: &index, view: &view };
        let text = type_text(&cx, "curtask.mm").unwrap();
        assert!(text.starts_with("struct mm_struct * (8 bytes"), "{text}");
        assert!(text.contains("    struct task_struct * owner\n"), "{text}");
        assert_eq!(type_text(&cx, "1 + 2").unwrap(), "int64 (8 bytes)");
        assert!(type_text(&cx, "nosuch").is_err());
    }
}
