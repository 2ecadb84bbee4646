//! What the probe offers: arguments, return value, stacks, its name.

use crate::base::{Diag, codes};
use crate::image::{Attach, unwind};
use crate::isa::usdt::UsdtArg;
use crate::lang::lowering::probe as lower;
use crate::lang::probes::{self, Ctx, Point, Provider, usdt};
use crate::lang::sig::{Builtin, CallData, Const, Effect, Form, Needs, Param, ParamKind, Ret};
use crate::lang::traits::CheckCx;
use crate::ty::{Space, StackMode, StackTy, Ty, TypeTable};

/// The row of `arg0`, `arg1`, …; checking hands it the number as its only argument.
pub const ARGN: &str = "argN";
/// Frames of a stack without a limit of its own, and at most.
const FRAMES: i64 = 127;
const FRAMES_MAX: i64 = 1024;

const STACK: &[Param] =
    &[Param::optional("mode", ParamKind::WordOrInt), Param::optional("limit", ParamKind::ConstInt)];

/// The thread, and the place on its stack of the call that is traced, the same at entry and return. What `entry()`
/// becomes uses them; no script can write them.
pub const THREAD: &str = "entry() thread";
pub const FRAME: &str = "entry() frame";

pub static HIDDEN: &[Builtin] = &[
    Builtin::value(THREAD, Ret::Is(Ty::U64), lower::thread, "The thread.", "begin { }"),
    Builtin::value(FRAME, Ret::Is(Ty::U64), lower::frame, "The call's place on the stack.", "begin { }"),
];

pub static ROWS: &[Builtin] = &[
    Builtin {
        name: "args",
        aliases: &[],
        form: Form::Value,
        params: &[],
        ret: Ret::Is(Ty::Void),
        needs: Needs::probes(&[
            Provider::Tracepoint,
            Provider::Rawtracepoint,
            Provider::Fentry,
            Provider::Fexit,
            Provider::Uprobe,
        ]),
        effect: Effect::Usual,
        lower: |_| crate::bug!("args is no call"),
        doc: "The fields of a tracepoint or the arguments of a function with type information: args.name. -lv lists them.",
        example: "tracepoint:syscalls:sys_enter_openat { printf(\"%s\\n\", str(args.filename)); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: ARGN,
        aliases: &[],
        form: Form::Value,
        params: &[Param::required("n", ParamKind::ConstInt)],
        ret: Ret::Check(argn),
        needs: Needs::probes(&[
            Provider::Kprobe,
            Provider::Uprobe,
            Provider::Usdt,
            Provider::Rawtracepoint,
            Provider::Fentry,
            Provider::Fexit,
        ]),
        effect: Effect::Usual,
        lower: lower::argn,
        doc: "arg0, arg1, …: an argument of the function as 64 bits, from the registers (x86_64: six) or the tracepoint's arguments.",
        example: "uprobe:libc:malloc { @bytes = hist(arg0); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "retval",
        aliases: &[],
        form: Form::Value,
        params: &[],
        ret: Ret::Check(retval),
        needs: Needs::probes(&[Provider::Kretprobe, Provider::Uretprobe, Provider::Fexit]),
        effect: Effect::Usual,
        lower: lower::retval,
        doc: "What the function returned: 64 bits, or typed in fexit probes.",
        example: "uretprobe:libc:malloc /retval == 0/ { @failed = count(); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "entry",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("value", ParamKind::Any)],
        ret: Ret::Check(entry),
        needs: Needs::probes(&[
            Provider::Kretprobe,
            Provider::Uretprobe,
            Provider::Fexit,
            Provider::Tracepoint,
        ]),
        effect: Effect::Usual,
        lower: |_| crate::bug!("entry() is no call"),
        doc: "What the value was when this call began: in kretprobe, uretprobe, fexit and tracepoint:syscalls:sys_exit_*. \
              Any expression of the matching entry probe (args.x, arg0, nsecs, str(…)), several of them, also in the predicate. \
              It is right for calls within calls, and needs no map and no delete(). A return whose entry was \
              not seen, because it began before the probes were attached, runs nothing. For arguments in fexit it costs nothing; else a \
              probe on the entries is added and counted as one.",
        example: "tracepoint:syscalls:sys_exit_read /entry(args.fd) == 0/ { @us = hist((nsecs - entry(nsecs)) / 1000); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "ctx",
        aliases: &[],
        form: Form::Value,
        params: &[],
        ret: Ret::Check(ctx),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::ctx,
        doc: "Pointer to the program's context: registers, or the perf event's data.",
        example: "profile:hz:99 { printf(\"%p\\n\", ctx); exit(); }",
    },
    Builtin {
        name: "func",
        aliases: &[],
        form: Form::Value,
        params: &[],
        ret: Ret::Check(func),
        needs: Needs::probes(&[
            Provider::Kprobe,
            Provider::Kretprobe,
            Provider::Fentry,
            Provider::Fexit,
            Provider::Uprobe,
            Provider::Uretprobe,
        ]),
        effect: Effect::Usual,
        lower: lower::func,
        doc: "The function that is traced.",
        example: "uprobe:libc:malloc { @[func] = count(); } interval:s:1 { exit(); }",
    },
    Builtin::value(
        "probe",
        Ret::Check(probe_name),
        lower::probe,
        "Full name of the attach point that fired.",
        "tracepoint:sched:sched_wakeup* { @[probe] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::value(
        "probetype",
        Ret::Check(|cx| {
            let name = probes::row(cx.probe().provider).name;
            (text_ty(name), CallData::Const(Const::Str(name.into())))
        }),
        lower::probetype,
        "Type of the probe: tracepoint, uprobe, …",
        "begin { printf(\"%s\\n\", probetype); }",
    ),
    Builtin {
        name: "kstack",
        aliases: &[],
        form: Form::Value,
        params: STACK,
        ret: Ret::Check(|cx| stack(cx, Space::Kernel, FRAMES_MAX)),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::kstack,
        doc: "The kernel's stack: kstack, kstack(frames), kstack(mode, frames). Modes: bpftrace, perf, raw. 127 frames by default, 1024 at most.",
        example: "profile:hz:99 { @[kstack(5)] = count(); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "ustack",
        aliases: &[],
        form: Form::Value,
        params: STACK,
        ret: Ret::Check(|cx| stack(cx, Space::User, FRAMES_MAX)),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::ustack,
        doc: "The current process's stack, by frame pointers: ustack, ustack(frames), ustack(mode, frames). Modes: bpftrace, perf, raw, build_id.",
        example: "profile:hz:99 { @[comm, ustack(5)] = count(); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "dw_ustack",
        aliases: &[],
        form: Form::Value,
        params: STACK,
        ret: Ret::Check(dw_ustack),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::dw_ustack,
        doc: "The current process's stack by its unwind information (.eh_frame), for programs built without frame \
              pointers: dw_ustack, dw_ustack(frames), dw_ustack(mode, frames), as ustack. 127 frames by default, 512 at \
              most. Of the processes that -p, -c or --dwarf-pid names, and of their children. Unstable (unstable_dw_ustack).",
        example: "config = { unstable_dw_ustack = enable } profile:hz:99 { @[dw_ustack] = count(); } interval:s:1 { exit(); }",
    },
];

/// Arguments of a raw tracepoint, at most.
const RAW_ARGS_MAX: usize = 12;

/// The arguments that each of a probe's raw tracepoints has, as far as BTF tells: the kernel refuses a program that
/// reads more.
fn n_raw_args(cx: &dyn CheckCx) -> i64 {
    let n_of = |point: &Point| match &point.attach {
        Attach::RawTracepoint { name, .. } => {
            cx.world().raw_tracepoint_args(&mut TypeTable::new(), name).map(|sig| sig.params.len())
        }
        _ => None,
    };
    let known = cx.probe().points.iter().filter_map(n_of);
    known.min().unwrap_or(RAW_ARGS_MAX).min(RAW_ARGS_MAX) as i64
}

fn argn(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Some(n) = cx.arg(0).int else { return (Ty::Error, CallData::None) };
    let n_max = match cx.probe().ctx {
        Ctx::Regs { .. } => cx.world().arch().args.len() as i64,
        Ctx::BtfArgs { args, ret } => {
            let (args, ret) = (*args, ret.clone());
            let n_args = cx.types().structs[args].members.as_ref().map_or(0, |m| m.len() as i64);
            if ret.is_some() { n_args.max(1) } else { n_args }
        }
        Ctx::Usdt(args) => {
            let args = args.clone();
            return usdt_arg(cx, n, &args);
        }
        // A tracepoint that is attached as a raw one shows nothing of that.
        Ctx::RawArgs if cx.probe().provider != Provider::Tracepoint => n_raw_args(cx),
        Ctx::RawArgs
        | Ctx::SysEnter(_)
        | Ctx::SysExit(_)
        | Ctx::None
        | Ctx::Record(_)
        | Ctx::Iter(_)
        | Ctx::Perf => 0,
    };
    if n < n_max {
        return (Ty::U64, CallData::Ints(vec![n]));
    }
    let span = cx.span();
    let arguments = if n_max == 1 { "argument" } else { "arguments" };
    cx.bad_argument(span, format!("there is no arg{n}: this probe has {n_max} {arguments}"));
    (Ty::Error, CallData::None)
}

/// An argument with the size and sign that it was declared with.
fn usdt_arg(cx: &mut dyn CheckCx, n: i64, args: &[Option<UsdtArg>]) -> (Ty, CallData) {
    let found = usize::try_from(n).ok().and_then(|n| args.get(n));
    let message = match found {
        None if args.is_empty() => format!("there is no arg{n}: the probe has no arguments"),
        None => format!("there is no arg{n}: the probe has {} arguments", args.len()),
        Some(None) => crate::bug!("arg{n} is read, and was not looked for"),
        Some(Some(arg)) => match usdt::unreadable(arg) {
            None => {
                let ty = Ty::Int { bits: arg.bytes * 8, signed: arg.signed };
                return (ty, CallData::Ints(vec![n]));
            }
            Some(why) => format!("arg{n} {why}"),
        },
    };
    let span = cx.span();
    cx.bad_argument(span, message);
    (Ty::Error, CallData::None)
}

fn retval(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    match cx.probe().ctx {
        Ctx::BtfArgs { ret: Some((Ty::Void, _)), .. } => {
            let span = cx.span();
            cx.bad_argument(span, "the function returns nothing".into());
            (Ty::Error, CallData::None)
        }
        Ctx::BtfArgs { ret: Some((Ty::Ptr { to, space: Space::Any }, _)), .. } => {
            (Ty::Ptr { to: to.clone(), space: Space::Kernel }, CallData::None)
        }
        Ctx::BtfArgs { ret: Some((ty, _)), .. } => (ty.clone(), CallData::None),
        _ => (Ty::U64, CallData::None),
    }
}

/// Reached only where it could not be replaced.
fn entry(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let message = match cx.probe().provider {
        Provider::Tracepoint => {
            "entry() in tracepoints is for sys_exit_* alone, and for all of the probe's attach points"
        }
        _ => "entry() cannot stand within entry(), and all attach points of the probe must be returns",
    };
    let span = cx.span();
    cx.bad_argument(span, message.into());
    (Ty::Error, CallData::None)
}

fn ctx(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let probe = cx.probe();
    match (probe.ctx, probe.provider) {
        (_, Provider::Tracepoint) => {
            let span = cx.span();
            cx.bad_argument(span, "tracepoints have no ctx: use args".into());
            (Ty::Error, CallData::None)
        }
        (Ctx::Regs { .. } | Ctx::Usdt(_) | Ctx::Perf, _) => {
            let regs = cx.kernel_struct(None, "pt_regs").map_or(Ty::Void, Ty::Struct);
            (Ty::ptr(regs, Space::Kernel), CallData::None)
        }
        (Ctx::Iter(id), _) => (Ty::ptr(Ty::Struct(*id), Space::Kernel), CallData::None),
        _ => (Ty::ptr(Ty::Void, Space::Kernel), CallData::None),
    }
}

fn func(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    match cx.probe().provider {
        Provider::Uprobe | Provider::Uretprobe => (Ty::Usym, CallData::None),
        _ => (Ty::Ksym, CallData::None),
    }
}

/// The name of the only point: probes that say `probe` are split into one for each point.
fn probe_name(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let name = cx.probe().points.first().map(|p| p.attach.name()).unwrap_or_default();
    (text_ty(&name), CallData::Const(Const::Str(name)))
}

fn text_ty(text: &str) -> Ty {
    Ty::Str { n: text.len() as u32 + 1 }
}

fn dw_ustack(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let config = cx.config();
    let (has_process, used) =
        (config.pid.is_some() || config.has_child || config.has_dwarf_pids, config.unstable.dw_ustack);
    if !has_process {
        let message = "dw_ustack() needs to know whose stacks it is about";
        let d = Diag::error(&codes::NEEDS_PROCESS, cx.span(), message);
        cx.push(d.hint("name the process with -p PID, -c COMMAND or --dwarf-pid PID"));
        return (Ty::Error, CallData::None);
    }
    if !cx.may_use("dw_ustack", used) {
        return (Ty::Error, CallData::None);
    }
    stack(cx, Space::User, unwind::FRAMES_MAX.into())
}

fn stack(cx: &mut dyn CheckCx, space: Space, frames_max: i64) -> (Ty, CallData) {
    let mut mode = cx.config().stack_mode;
    let mut limit_at = 0;
    if cx.n_args() > 0
        && let Some(word) = cx.arg(0).text
    {
        limit_at = 1;
        let known = match word.as_str() {
            "bpftrace" => Some(StackMode::Bpftrace),
            "perf" => Some(StackMode::Perf),
            "raw" => Some(StackMode::Raw),
            "build_id" if space == Space::User => Some(StackMode::BuildId),
            _ => None,
        };
        let Some(known) = known else {
            let (span, modes) = (cx.arg(0).span, if space == Space::User { ", build_id" } else { "" });
            cx.bad_argument(span, format!("{word} is no stack mode: there are bpftrace, perf, raw{modes}"));
            return (Ty::Error, CallData::None);
        };
        mode = known;
    }
    if limit_at == 0 && cx.n_args() > 1 {
        let span = cx.arg(0).span;
        cx.bad_argument(span, "the mode comes before the number of frames".into());
        return (Ty::Error, CallData::None);
    }
    if mode == StackMode::BuildId && space == Space::Kernel {
        mode = StackMode::Bpftrace;
    }
    match cx.arg_int_in(limit_at, FRAMES, 1, frames_max) {
        Some(limit) => {
            let ty = StackTy { space, mode, limit: limit as u16 };
            (Ty::Stack(ty), CallData::Stack(ty))
        }
        None => (Ty::Error, CallData::None),
    }
}
