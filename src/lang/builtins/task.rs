//! The current task and its identity.

use crate::base::{Diag, codes};
use crate::isa::limits::COMM_BYTES;
use crate::lang::lowering::task as lower;
use crate::lang::probes::Provider;
use crate::lang::sig::{Builtin, CallData, Effect, Form, Needs, Param, ParamKind, Ret};
use crate::lang::traits::CheckCx;
use crate::ty::{Space, StructKind, Ty};

/// Where user registers are at hand.
const WITH_REGS: &[Provider] = &[
    Provider::Kprobe,
    Provider::Kretprobe,
    Provider::Uprobe,
    Provider::Uretprobe,
    Provider::Usdt,
    Provider::Profile,
    Provider::Interval,
    Provider::Software,
    Provider::Hardware,
    Provider::Watchpoint,
];

const NAMESPACE: &[Param] = &[Param::optional("namespace", ParamKind::Word)];
const COMM: Ty = Ty::Str { n: COMM_BYTES };

pub static ROWS: &[Builtin] = &[
    Builtin {
        name: "pid",
        aliases: &[],
        form: Form::Value,
        params: NAMESPACE,
        ret: Ret::Check(namespaced),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::pid,
        doc: "Process id (the thread group's) of the current task, in awl's PID namespace (pid(curr_ns)) or the initial one (pid(init)).",
        example: "tracepoint:syscalls:sys_enter_openat { @[pid] = count(); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "tid",
        aliases: &[],
        form: Form::Value,
        params: NAMESPACE,
        ret: Ret::Check(namespaced),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::tid,
        doc: "Thread id of the current task, in awl's PID namespace (tid(curr_ns)) or the initial one (tid(init)).",
        example: "tracepoint:syscalls:sys_enter_openat { @[tid] = count(); } interval:s:1 { exit(); }",
    },
    Builtin::value(
        "uid",
        Ret::Is(Ty::U64),
        lower::uid,
        "User id of the current task, as the initial user namespace numbers it.",
        "tracepoint:syscalls:sys_enter_openat { @[uid] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::value(
        "gid",
        Ret::Is(Ty::U64),
        lower::gid,
        "Group id of the current task, as the initial user namespace numbers it.",
        "tracepoint:syscalls:sys_enter_openat { @[gid] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin {
        name: "comm",
        aliases: &[],
        form: Form::Value,
        params: &[Param::optional("pid", ParamKind::Int)],
        ret: Ret::Check(comm),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::comm,
        doc: "Name of the current task, at most 15 bytes. comm(pid): of the task with that id in the initial PID namespace, N/A where there is none; where the kernel lets the probe call bpf_task_from_pid.",
        example: "tracepoint:syscalls:sys_enter_openat { @[comm] = count(); } interval:s:1 { exit(); }",
    },
    Builtin::value(
        "curtask",
        Ret::Check(curtask),
        lower::curtask,
        "The current task: a pointer to its struct task_struct.",
        "interval:ms:100 { printf(\"%s %d\\n\", curtask.comm, curtask.real_parent.tgid); exit(); }",
    ),
    Builtin {
        name: "task",
        aliases: &[],
        form: Form::Func,
        params: &[Param { name: "pid", kind: ParamKind::Int, need: crate::lang::sig::Need::Required }],
        ret: Ret::Check(task),
        needs: Needs::NOTHING,
        effect: Effect::Usual,
        lower: lower::task,
        doc: "The task with that id in the initial PID namespace: a pointer to its struct task_struct, 0 where there is none. Where the kernel lets the probe call bpf_task_from_pid.",
        example: "interval:ms:100 { printf(\"%s\\n\", task(1).comm); exit(); }",
    },
    Builtin::value(
        "cgroup",
        Ret::Is(Ty::U64),
        lower::cgroup,
        "Id of the current task's cgroup in the v2 hierarchy; cgroup_path() prints its path.",
        "tracepoint:syscalls:sys_enter_openat { @[cgroup] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::value(
        "cpid",
        Ret::Is(Ty::U32),
        lower::cpid,
        "Process id of the command that -c started; 0 without one.",
        "tracepoint:syscalls:sys_enter_openat /pid == cpid/ { @ = count(); } interval:s:1 { exit(); }",
    ),
    Builtin {
        name: "usermode",
        aliases: &[],
        form: Form::Value,
        params: &[],
        ret: Ret::Is(Ty::uint(8)),
        needs: Needs::probes(WITH_REGS),
        effect: Effect::Usual,
        lower: lower::usermode,
        doc: "1 where the probe interrupted user code, else 0.",
        example: "profile:hz:99 { @[usermode] = count(); } interval:s:1 { exit(); }",
    },
];

/// `pid`, `pid(init)`, `pid(curr_ns)`.
fn namespaced(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.n_args() == 0 {
        return (Ty::U32, CallData::None);
    }
    let arg = cx.arg(0);
    match arg.text.as_deref() {
        Some(word @ ("init" | "curr_ns")) => (Ty::U32, CallData::Text(word.into())),
        other => {
            let found = other.unwrap_or("something else").to_owned();
            cx.bad_argument(arg.span, format!("a namespace is curr_ns or init, not {found}"));
            (Ty::Error, CallData::None)
        }
    }
}

/// `comm`, `comm(pid)`.
fn comm(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.n_args() == 0 {
        return (COMM, CallData::None);
    }
    if !finds_tasks(cx, "comm") {
        return (Ty::Error, CallData::None);
    }
    cx.coerce(0, Ty::int(32));
    (Ty::Str { n: lower::NAME_BYTES }, CallData::None)
}

/// Whether programs of this probe can find tasks by their ids; reports it if not.
fn finds_tasks(cx: &mut dyn CheckCx, what: &str) -> bool {
    let ty = cx.probe().points.first().map(|p| p.attach.prog_type());
    if ty.is_none_or(|ty| cx.world().features().kfunc(lower::TASK_FROM_PID, ty)) {
        return true;
    }
    let (span, name) = (cx.span(), lower::TASK_FROM_PID);
    let message =
        format!("{what}(pid) needs {name}, which this kernel does not let programs of this probe call");
    let d = Diag::error(&codes::KERNEL_LACKS, span, message);
    cx.push(d.hint("tracepoint, rawtracepoint and profile probes can, on kernels from 6.12 on"));
    false
}

/// `task(pid)`
fn task(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if !finds_tasks(cx, "task") {
        return (Ty::Error, CallData::None);
    }
    cx.coerce(0, Ty::int(32));
    let id = cx.task_struct();
    (id.map_or(Ty::Error, |id| Ty::ptr(Ty::Struct(id), Space::Kernel)), CallData::None)
}

fn curtask(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if let Some(id) = cx.task_struct() {
        return (Ty::ptr(Ty::Struct(id), Space::Kernel), CallData::None);
    }
    let span = cx.span();
    cx.bad_argument(span, "the kernel has no type information (BTF) of struct task_struct".into());
    (Ty::Error, CallData::None)
}

impl dyn CheckCx + '_ {
    /// The kernel's `struct task_struct`.
    fn task_struct(&mut self) -> Option<crate::ty::StructId> {
        self.kernel_struct(Some(StructKind::Struct), "task_struct")
    }
}
