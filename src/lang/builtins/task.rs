//! The current task and its identity.

use crate::lang::lowering::task as lower;
use crate::lang::sig::{Builtin, Form, Needs, Ret};
use crate::ty::Ty;

pub static ROWS: &[Builtin] = &[
    Builtin {
        name: "pid",
        aliases: &[],
        form: Form::Value,
        params: &[],
        ret: Ret::Is(Ty::U32),
        needs: Needs::NOTHING,
        lower: lower::pid,
        doc: "Process id (the thread group's) of the current task.",
        example: "tracepoint:syscalls:sys_enter_openat { @[pid] = count(); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "tid",
        aliases: &[],
        form: Form::Value,
        params: &[],
        ret: Ret::Is(Ty::U32),
        needs: Needs::NOTHING,
        lower: lower::tid,
        doc: "Thread id of the current task.",
        example: "tracepoint:syscalls:sys_enter_openat { @[tid] = count(); } interval:s:1 { exit(); }",
    },
];
