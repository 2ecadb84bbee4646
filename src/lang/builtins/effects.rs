//! What acts on the machine beyond output: the traced process's memory and calls, the kernel's trace log,
//! watchpoints; and what the kernel tells of a socket.

use crate::image::wire::{Format, Piece};
use crate::isa::Helper;
use crate::lang::formats;
use crate::lang::lowering::effects as lower;
use crate::lang::probes::Provider;
use crate::lang::sig::{Builtin, CallData, Effect, Form, Need, Needs, Param, ParamKind, Ret};
use crate::lang::traits::CheckCx;
use crate::ty::{Space, Ty};

/// Values that the kernel's trace log takes in one line.
const DEBUG_VALUES_MAX: usize = 3;
/// What it prints.
const DEBUG_CONVERSIONS: &[&str] = &["d", "u", "x", "p", "s"];

pub static ROWS: &[Builtin] = &[
    Builtin::func(
        "debugf",
        &[
            Param { name: "format", kind: ParamKind::Format, need: Need::Required },
            Param { name: "values", kind: ParamKind::Any, need: Need::Rest },
        ],
        Ret::Check(debugf),
        lower::debugf,
        "Writes a line to the kernel's trace log (trace_pipe in tracefs), by %d %u %x %p %s and at most 3 values: for the search of faults in a script alone, as all the machine sees it.",
        "begin { debugf(\"pid %d\", pid); }",
    ),
    Builtin {
        name: "override",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("value", ParamKind::Int)],
        ret: Ret::Check(override_),
        needs: Needs { unsafe_: true, probes: &[Provider::Kprobe], helpers: &[Helper::OVERRIDE_RETURN] },
        effect: Effect::Usual,
        lower: lower::override_,
        doc: "Does not run the probed function: it returns this value. For functions that the kernel marks for the injection of errors; needs --unsafe.",
        example: "kprobe:should_failslab /comm == \"test\"/ { override(-12); }",
    },
    Builtin {
        name: "write_user",
        aliases: &[],
        form: Form::Func,
        params: &[
            Param::required("to", ParamKind::Ptr),
            Param::required("from", ParamKind::Any),
            Param::required("length", ParamKind::Int),
        ],
        ret: Ret::Check(write_user),
        needs: Needs { unsafe_: true, probes: &[], helpers: &[Helper::PROBE_WRITE_USER] },
        effect: Effect::Acts,
        lower: lower::write_user,
        doc: "Writes bytes into the current process's memory: of a string, an array, a struct, or what a pointer points to. True if it worked; needs --unsafe.",
        example: "tracepoint:syscalls:sys_enter_write /pid == cpid/ { if (!write_user(args.buf, \"x\", 1)) { @failed = count(); } } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "path",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("path", ParamKind::Any), Param::optional("length", ParamKind::ConstInt)],
        ret: Ret::Check(path),
        needs: Needs {
            unsafe_: false,
            probes: &[Provider::Fentry, Provider::Fexit, Provider::Iter],
            helpers: &[Helper::D_PATH],
        },
        effect: Effect::Usual,
        lower: lower::path,
        doc: "The full path of a struct path of the kernel, or of a pointer to one, in `length` bytes or max_strlen; empty where it is longer. The kernel allows it in some functions only, such as security_file_open and vfs_getattr.",
        example: "fentry:security_file_open { @[path(args.file.f_path)] = count(); } interval:s:1 { exit(); }",
    },
    Builtin {
        name: "skboutput",
        aliases: &[],
        form: Form::Func,
        params: &[
            Param::required("path", ParamKind::Text),
            Param::required("skb", ParamKind::Ptr),
            Param::required("length", ParamKind::Int),
            Param::required("offset", ParamKind::Int),
        ],
        ret: Ret::Check(skboutput),
        needs: Needs {
            unsafe_: false,
            probes: &[Provider::Fentry, Provider::Fexit, Provider::Rawtracepoint],
            helpers: &[],
        },
        effect: Effect::Usual,
        lower: lower::skboutput,
        doc: "Writes a packet, a struct sk_buff of the probe's arguments, into a PCAP file: `length` bytes from `offset` on, where its IP header is (14 where an Ethernet header comes first). Yields 0, or the negative number of an error.",
        example: "rawtracepoint:netif_receive_skb { _ = skboutput(\"received.pcap\", args.skb, args.skb.len, 0); } interval:s:1 { exit(); }",
    },
    Builtin::func(
        "unwatch",
        &[Param::required("address", ParamKind::Ptr)],
        Ret::Check(unwatch),
        lower::unwatch,
        "Takes back the watchpoints on an address, when the message is read.",
        "watchpoint:0x10000000:8:rw { printf(\"touched\\n\"); unwatch(0x10000000); } interval:s:1 { exit(); }",
    ),
    Builtin {
        name: "socket_cookie",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("socket", ParamKind::Ptr)],
        ret: Ret::Check(socket_cookie),
        needs: Needs {
            unsafe_: false,
            probes: &[Provider::Rawtracepoint, Provider::Fentry, Provider::Fexit],
            helpers: &[Helper::GET_SOCKET_COOKIE],
        },
        effect: Effect::Usual,
        lower: lower::socket_cookie,
        doc: "The number by which the kernel knows a socket as long as it lives, of a struct sock * that is an argument of the probe.",
        example: "rawtracepoint:inet_sock_set_state { @[socket_cookie(args.sk)] = count(); } interval:s:1 { exit(); }",
    },
];

fn bad(cx: &mut dyn CheckCx, i: usize, message: String) -> (Ty, CallData) {
    let span = cx.arg(i).span;
    cx.bad_argument(span, message);
    (Ty::Error, CallData::None)
}

fn debugf(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Some(format) = formats::check(cx) else { return (Ty::Error, CallData::None) };
    if cx.n_args() > DEBUG_VALUES_MAX + 1 {
        let what = format!("debugf() prints {DEBUG_VALUES_MAX} values at most");
        return bad(cx, DEBUG_VALUES_MAX + 1, what);
    }
    let Some(text) = kernel_format(&format) else {
        let known = DEBUG_CONVERSIONS.join(" %");
        return bad(cx, 0, format!("debugf() knows %{known}, with l and ll, and no widths"));
    };
    for i in 1..cx.n_args() {
        let ty = cx.arg(i).ty;
        match &ty {
            Ty::Int { signed, .. } => cx.coerce(i, Ty::Int { bits: 64, signed: *signed }),
            Ty::Bool | Ty::Enum(_) => cx.coerce(i, Ty::I64),
            Ty::Str { .. } | Ty::Ptr { .. } | Ty::Ksym => {}
            _ => return bad(cx, i, "debugf() prints integers, pointers and strings".into()),
        }
        let is_text = nth_conversion(&format, i - 1) == Some("s");
        if is_text != matches!(ty, Ty::Str { .. }) {
            return bad(cx, i, "debugf() prints strings by %s, and nothing else so".into());
        }
    }
    let span = cx.span();
    cx.warn(span, "debugf() writes to the log of the whole machine".into(), Some("printf() does not".into()));
    (Ty::Void, CallData::Text(text))
}

/// The format as the kernel takes it; `None` where it has what the kernel does not know.
fn kernel_format(format: &Format) -> Option<String> {
    let mut out = String::new();
    for piece in &format.pieces {
        match piece {
            Piece::Text(bytes) => out.push_str(&String::from_utf8_lossy(bytes).replace('%', "%%")),
            Piece::Conv(c) => {
                let plain = !(c.minus || c.plus || c.space || c.alt || c.zero);
                let is_known = plain && c.width.is_none() && c.precision.is_none();
                if !is_known || !DEBUG_CONVERSIONS.contains(&c.conv) || !["", "l", "ll"].contains(&c.length) {
                    return None;
                }
                out.push_str(&format!("%{}{}", c.length, c.conv));
            }
        }
    }
    Some(out)
}

fn nth_conversion(format: &Format, n: usize) -> Option<&'static str> {
    let convs = format.pieces.iter().filter_map(|p| match p {
        Piece::Conv(c) => Some(c.conv),
        Piece::Text(_) => None,
    });
    convs.into_iter().nth(n)
}

fn override_(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    cx.coerce(0, Ty::I64);
    (Ty::Void, CallData::None)
}

/// Data: the most bytes that are written.
fn write_user(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.arg(0).ty.is_int() {
        cx.coerce(0, Ty::ptr(Ty::int(8), Space::User));
    }
    cx.as_bytes(1);
    let from = cx.arg(1).ty;
    let room = match &from {
        Ty::Ptr { .. } => cx.config().max_strlen as i64,
        Ty::Str { .. } | Ty::Array { .. } | Ty::Struct(_) | Ty::Tuple(_) | Ty::Record(_) => {
            i64::from(from.size(cx.types()))
        }
        _ => {
            return bad(
                cx,
                1,
                "write_user() takes a pointer, a string, an array or a struct to write".into(),
            );
        }
    };
    let len = cx.arg(2);
    if let Some(n) = len.int
        && !(0..=room).contains(&n)
    {
        return bad(cx, 2, format!("{n} bytes cannot be written: there are {room}"));
    }
    cx.coerce(2, Ty::U64);
    (Ty::Bool, CallData::Ints(vec![len.int.unwrap_or(room)]))
}

fn path(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let max = cx.config().max_strlen as i64;
    let Some(n) = cx.arg_int_in(1, max, 1, max) else { return (Ty::Error, CallData::None) };
    let strukt = match cx.arg(0).ty {
        Ty::Ptr { to, .. } => (*to).clone(),
        other => other,
    };
    match strukt {
        Ty::Struct(id) if cx.types().structs[id].name == "path" => (Ty::Str { n: n as u32 }, CallData::None),
        _ => bad(cx, 0, "path() takes a struct path of the kernel, or a pointer to one".into()),
    }
}

fn skboutput(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.config().for_object {
        return bad(cx, 0, "skboutput() works with awl alone, which writes the file".into());
    }
    let is_packet = match cx.arg(1).ty {
        Ty::Error => return (Ty::Error, CallData::None),
        Ty::Ptr { to, .. } => matches!(*to, Ty::Struct(id) if cx.types().structs[id].name == "sk_buff"),
        _ => false,
    };
    if !is_packet {
        return bad(cx, 1, "skboutput() takes a pointer to a struct sk_buff of the kernel".into());
    }
    cx.coerce(2, Ty::U64);
    cx.coerce(3, Ty::U64);
    (Ty::U32, CallData::None)
}

fn unwatch(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.arg(0).ty.is_int() {
        cx.coerce(0, Ty::U64);
    }
    (Ty::Void, CallData::None)
}

fn socket_cookie(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Ty::Ptr { to, .. } = cx.arg(0).ty else {
        return bad(cx, 0, "socket_cookie() takes a pointer to a struct sock".into());
    };
    match *to {
        Ty::Struct(id) if cx.types().structs[id].name == "sock" => (Ty::U64, CallData::None),
        _ => bad(cx, 0, "socket_cookie() takes a pointer to a struct sock".into()),
    }
}
