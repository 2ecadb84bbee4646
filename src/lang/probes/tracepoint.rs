//! `tracepoint:CATEGORY:EVENT`.
//!
//! The kernel's own way (a perf event with a record) costs 50-70 ms at detach, so a tracepoint is attached
//! another way where the clause can be served: system calls by one program on `sys_enter` or `sys_exit`, and
//! others as raw tracepoints if the clause reads nothing of their record. A kernel that preempts programs on raw
//! tracepoints loses events there, by the thousand where several tasks are busy: it gets perf events, which
//! it does not preempt.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx, fields};
use crate::base::codes;
use crate::base::diag::nearest;
use crate::image::attach::SyscallHook;
use crate::image::{Attach, When};
use crate::ty::{Space, StructId};
use crate::world::{Feature, Missing, World, is_glob};

pub static ROW: ProbeKind = ProbeKind {
    provider: Provider::Tracepoint,
    name: "tracepoint",
    aliases: &["t"],
    syntax: "tracepoint:CATEGORY:EVENT",
    doc: "A static place in the kernel; args has the fields of its record.",
    example: "tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args.filename)); } interval:s:1 { exit(); }",
    resolve,
    list,
};

fn resolve(cx: &mut ResolveCx<'_>, parts: &[ApText]) -> Vec<Point> {
    let (category, event) = match parts {
        // `t:*foo*` means `t:*:*foo*`.
        [event] if event.is_pattern() => ("*", event),
        [category, event] if !event.text.is_empty() => (category.text.as_str(), event),
        _ => return cx.malformed(Provider::Tracepoint, "a tracepoint is a category and an event"),
    };
    let answer = cx.world.tracepoints(category, &event.text);
    let Some(found) = cx.answer("tracepoints cannot be looked up", answer) else { return Vec::new() };
    if found.is_empty() {
        let near = cx.near(|world| near(world, category, &event.text));
        return cx.missing(cx.span, format!("there is no tracepoint {category}:{}", event.text), near);
    }
    found.into_iter().filter_map(|(category, name)| point(cx, category, name)).collect()
}

/// The nearest tracepoint, first among those of the category.
fn near(world: &dyn World, category: &str, event: &str) -> Option<String> {
    let of_category = world.tracepoints(category, "*").unwrap_or_default();
    if of_category.is_empty() && is_glob(event) {
        let all = world.tracepoints("*", "*").unwrap_or_default();
        return nearest(category, all.iter().map(|(c, _)| c.as_str())).map(|c| format!("{c}:{event}"));
    }
    if let Some(near) = nearest(event, of_category.iter().map(|(_, n)| n.as_str())) {
        return Some(format!("{category}:{near}"));
    }
    let all = world.tracepoints("*", event).unwrap_or_default();
    let all: Vec<String> = all.into_iter().map(|(c, n)| format!("{c}:{n}")).collect();
    let full = format!("{category}:{event}");
    nearest(&full, all.iter().map(String::as_str)).map(str::to_owned).or_else(|| all.into_iter().next())
}

fn point(cx: &mut ResolveCx<'_>, category: String, name: String) -> Option<Point> {
    if category == "syscalls"
        && let Some(point) = syscall(cx, &name)
    {
        return point;
    }
    let is_raw = cx.world.features().has(Feature::SteadyRawTp)
        && cx.world.raw_tracepoints(&name).iter().any(|(module, _)| module.is_empty());
    if is_raw && let Some(ctx) = without_record(cx, &category, &name) {
        return Some(Point { attach: Attach::RawTracepoint { category, name }, ctx });
    }
    let ctx = if cx.uses.args {
        Ctx::Record(record(cx, &category, &name, Space::Kernel)?)
    } else {
        Ctx::Record(cx.no_fields())
    };
    Some(Point { attach: Attach::Tracepoint { category, name }, ctx })
}

/// The context of a raw tracepoint that serves a clause which reads nothing of the record, or only what the
/// raw tracepoint's arguments are anyway.
fn without_record(cx: &mut ResolveCx<'_>, category: &str, name: &str) -> Option<Ctx> {
    if !cx.uses.args {
        return Some(Ctx::RawArgs);
    }
    let only = |field: &str| cx.uses.fields.as_ref().is_some_and(|f| f.iter().all(|x| x == field));
    match (category, name) {
        ("raw_syscalls", "sys_enter") if only("id") => {
            record(cx, category, name, Space::User).map(Ctx::SysEnter)
        }
        ("raw_syscalls", "sys_exit") if only("ret") => {
            record(cx, category, name, Space::User).map(Ctx::SysExit)
        }
        _ => None,
    }
}

/// A system call's tracepoint; the outer `None`: it is attached as any other.
fn syscall(cx: &mut ResolveCx<'_>, event: &str) -> Option<Option<Point>> {
    let (when, name) = match (event.strip_prefix("sys_enter_"), event.strip_prefix("sys_exit_")) {
        (Some(name), _) => (When::Entry, name),
        (_, Some(name)) => (When::Return, name),
        (None, None) => return None,
    };
    let nr = cx.world.syscall_nr(name)?;
    let fields = if cx.uses.args {
        match record(cx, "syscalls", event, Space::User) {
            Some(fields) => fields,
            None => return Some(None),
        }
    } else {
        cx.no_fields()
    };
    let ctx = match when {
        When::Entry => Ctx::SysEnter(fields),
        When::Return => Ctx::SysExit(fields),
    };
    let hook = match cx.world.features() {
        features if !features.has(Feature::SteadyRawTp) => SyscallHook::Record,
        features if features.has(Feature::TpBtf) => SyscallHook::Btf,
        _ => SyscallHook::Raw,
    };
    Some(Some(Point { attach: Attach::SyscallTp { when, name: name.into(), nr, hook }, ctx }))
}

/// The struct of the event's fields, or `None` after a report.
fn record(cx: &mut ResolveCx<'_>, category: &str, name: &str, space: Space) -> Option<StructId> {
    let format = match cx.world.tracepoint_format(category, name) {
        Ok(mut format) => {
            if category == "syscalls" {
                // What arguments point to, as text: added (7.0) when programs have run already.
                format.fields.retain(|f| !f.ctype.starts_with("__data_loc"));
            }
            format
        }
        Err(Missing::No) => {
            let message = format!("tracepoint {category}:{name} has no format");
            cx.error(&codes::PROBE_UNREADABLE, cx.span, message);
            return None;
        }
        Err(unreadable) => {
            let what = format!("the fields of {category}:{name} cannot be read");
            cx.answer::<()>(&what, Err(unreadable));
            return None;
        }
    };
    let string_bytes = cx.config.max_strlen as u32;
    Some(fields::of_format(cx.world, cx.types, &format, space, string_bytes))
}

fn list(world: &dyn World, pattern: &[String]) -> Vec<String> {
    let (category, event) = match pattern {
        [] => ("*", "*"),
        [event] => ("*", event.as_str()),
        [category, event, ..] => (category.as_str(), event.as_str()),
    };
    let found = world.tracepoints(category, event).unwrap_or_default();
    found.into_iter().map(|(c, n)| format!("tracepoint:{c}:{n}")).collect()
}
