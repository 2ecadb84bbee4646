//! Strings, buffers, addresses as values, sizes.

use crate::lang::lowering::text as lower;
use crate::lang::sig::{Builtin, CallData, Const, Param, ParamKind, Ret};
use crate::lang::traits::{CheckCx, Clock};
use crate::ty::{Space, Ty};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of what strerror() yields.
const ERROR_BYTES: u32 = 64;
/// A buffer's length word counts against max_strlen.
const BUF_HEADER_BYTES: u64 = 4;

pub static ROWS: &[Builtin] = &[
    Builtin::func(
        "str",
        &[Param::required("address", ParamKind::Any), Param::optional("length", ParamKind::Int)],
        Ret::Check(str_),
        lower::str,
        "The string at an address, up to its NUL, `length` bytes or max_strlen; a longer one is cut and printed with the trailer (..).",
        "tracepoint:syscalls:sys_enter_openat { @[str(args.filename)] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "buf",
        &[Param::required("address", ParamKind::Any), Param::optional("length", ParamKind::Int)],
        Ret::Check(buf),
        lower::buf,
        "Bytes at an address, at most max_strlen - 4; %r prints them. The length is optional for arrays.",
        "tracepoint:syscalls:sys_enter_write { printf(\"%r\\n\", buf(args.buf, args.count)); exit(); }",
    ),
    Builtin::func(
        "ntop",
        &[Param::required("address", ParamKind::Any), Param::optional("address_of_family", ParamKind::Any)],
        Ret::Check(ntop),
        lower::ntop,
        "An internet address as text: of an integer or 4 bytes (IPv4), of 16 bytes (IPv6), or ntop(family, address).",
        "begin { printf(\"%s\\n\", ntop(pton(\"127.0.0.1\"))); }",
    ),
    Builtin::func(
        "pton",
        &[Param::required("text", ParamKind::Text)],
        Ret::Check(pton),
        lower::pton,
        "Bytes of an internet address, in network order.",
        "begin { printf(\"%s\\n\", ntop(pton(\"::1\"))); }",
    ),
    Builtin::func(
        "macaddr",
        &[Param::required("address", ParamKind::Any)],
        Ret::Check(macaddr),
        lower::macaddr,
        "A hardware address of 6 bytes, printed as XX:XX:XX:XX:XX:XX.",
        "rawtracepoint:net_dev_xmit { printf(\"%s\\n\", macaddr(args.dev.dev_addr)); exit(); }",
    ),
    Builtin::func(
        "strncmp",
        &[
            Param::required("a", ParamKind::Str),
            Param::required("b", ParamKind::Str),
            Param::required("length", ParamKind::ConstInt),
        ],
        Ret::Check(strncmp),
        lower::strncmp,
        "0 if the first `length` bytes of two strings are the same, else 1.",
        "tracepoint:syscalls:sys_enter_openat /strncmp(comm, \"ba\", 2) == 0/ { @ = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "strlen",
        &[Param::required("text", ParamKind::Str)],
        Ret::Is(Ty::U64),
        lower::strlen,
        "Length of a string in bytes.",
        "tracepoint:syscalls:sys_enter_openat { @ = max(strlen(str(args.filename))); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "bswap",
        &[Param::required("n", ParamKind::Int)],
        Ret::Check(bswap),
        lower::bswap,
        "Reverses the bytes of an integer of 16, 32 or 64 bits.",
        "begin { printf(\"%x\\n\", bswap((uint16)0x1234)); }",
    ),
    Builtin::func(
        "kptr",
        &[Param::required("pointer", ParamKind::Ptr)],
        Ret::Check(|cx| in_space(cx, Space::Kernel)),
        lower::kptr,
        "The same pointer, read from kernel memory.",
        "uprobe:libc:malloc { printf(\"%d\\n\", *(int32 *)kptr(curtask)); exit(); }",
    ),
    Builtin::func(
        "uptr",
        &[Param::required("pointer", ParamKind::Ptr)],
        Ret::Check(|cx| in_space(cx, Space::User)),
        lower::uptr,
        "The same pointer, read from the current process's memory.",
        "rawtracepoint:sys_enter { printf(\"%s\\n\", str(uptr(arg1))); exit(); }",
    ),
    Builtin::func(
        "cgroup_path",
        &[Param::required("id", ParamKind::Int), Param::optional("filter", ParamKind::Text)],
        Ret::Check(cgroup_path),
        lower::cgroup_path,
        "Path of a cgroup, looked up when it is printed: hierarchy:path, only of hierarchies that match the filter.",
        "tracepoint:sched:sched_process_exec { printf(\"%s\\n\", cgroup_path(cgroup)); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "strftime",
        &[Param::required("format", ParamKind::Text), Param::required("ns", ParamKind::Int)],
        Ret::Check(strftime),
        lower::strftime,
        "A time of nsecs as text, by strftime's conversions and %f (microseconds), %k (nanoseconds), %l (milliseconds).",
        "interval:ms:100 { printf(\"%s\\n\", strftime(\"%H:%M:%S.%l\", nsecs)); exit(); }",
    ),
    Builtin::func(
        "sizeof",
        &[Param::required("type", ParamKind::Type)],
        Ret::Check(sizeof),
        lower::sizeof,
        "Bytes of a type, or of an expression's type.",
        "begin { printf(\"%d\\n\", sizeof(struct task_struct)); }",
    ),
    Builtin::func(
        "offsetof",
        &[Param::required("type", ParamKind::Type), Param::required("member", ParamKind::Word)],
        Ret::Check(offsetof),
        lower::offsetof,
        "Bytes from the start of a struct to a member.",
        "begin { printf(\"%d\\n\", offsetof(struct task_struct, comm)); }",
    ),
    Builtin::func(
        "strerror",
        &[Param::required("errno", ParamKind::Int)],
        Ret::Check(strerror),
        lower::strerror,
        "Text of an error number.",
        "tracepoint:syscalls:sys_exit_openat /args.ret < 0/ { @[strerror(-args.ret)] = count(); } interval:s:1 { exit(); }",
    ),
];

fn bad(cx: &mut dyn CheckCx, i: usize, message: String) -> (Ty, CallData) {
    let arg = cx.arg(i);
    if !arg.ty.is_error() {
        cx.bad_argument(arg.span, message);
    }
    (Ty::Error, CallData::None)
}

/// The most bytes that argument `i` allows: its value where that is known, at most `max`. An unknown one is
/// made unsigned. `None`: it has been reported.
fn length(cx: &mut dyn CheckCx, i: usize, max: u64) -> Option<u64> {
    if cx.n_args() <= i {
        return Some(max);
    }
    let arg = cx.arg(i);
    match arg.int {
        Some(n) if n < 0 => {
            cx.bad_argument(arg.span, format!("a length cannot be negative ({n})"));
            None
        }
        Some(n) if n as u64 > max => {
            let what = format!("{n} bytes are more than the limit: {max} are taken");
            cx.warn(arg.span, what, Some("set max_strlen in the config block".into()));
            cx.coerce(i, Ty::U64);
            Some(max)
        }
        Some(n) => {
            cx.coerce(i, Ty::U64);
            Some(n as u64)
        }
        None => {
            cx.coerce(i, Ty::U64);
            Some(max)
        }
    }
}

fn str_(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let limit = cx.config().max_strlen;
    let Some(n) = length(cx, 1, limit - 1) else { return (Ty::Error, CallData::None) };
    let arg = cx.arg(0);
    let n = match &arg.ty {
        Ty::Ptr { .. } => n + 1,
        Ty::Int { .. } => {
            cx.coerce(0, Ty::ptr(Ty::int(8), Space::Any));
            n + 1
        }
        Ty::Str { n: have } => (n + 1).min(u64::from(*have)),
        Ty::Array { elem, n: have } if matches!(**elem, Ty::Int { bits: 8, .. }) => {
            (n + 1).min(u64::from(*have) + 1)
        }
        _ => {
            return bad(cx, 0, "str() takes a pointer, an address or an array of bytes".into());
        }
    };
    (Ty::Str { n: n as u32 }, CallData::None)
}

fn buf(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let limit = cx.config().max_strlen.saturating_sub(BUF_HEADER_BYTES).max(1);
    let Some(n) = length(cx, 1, limit) else { return (Ty::Error, CallData::None) };
    cx.as_bytes(0);
    let arg = cx.arg(0);
    let n = match &arg.ty {
        Ty::Ptr { .. } | Ty::Int { .. } if cx.n_args() < 2 => {
            return bad(cx, 0, "buf() of an address needs a length".into());
        }
        Ty::Ptr { .. } => n,
        Ty::Int { .. } => {
            cx.coerce(0, Ty::ptr(Ty::uint(8), Space::Any));
            n
        }
        Ty::Str { .. } | Ty::Array { .. } => n.min(u64::from(arg.ty.size(cx.types()))),
        _ => return bad(cx, 0, "buf() takes a pointer, an address, a string or an array".into()),
    };
    (Ty::Buf { n: n as u32 }, CallData::None)
}

/// `ntop(address)`, `ntop(family, address)`: data 1 if the family comes first.
fn ntop(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let at = cx.n_args() - 1;
    if at == 1 {
        match cx.arg(0).ty {
            Ty::Int { .. } | Ty::Enum(_) => cx.coerce(0, Ty::U64),
            _ => return bad(cx, 0, "the family is an integer: AF_INET is 2, AF_INET6 10".into()),
        }
    }
    cx.as_bytes(at);
    let ty = cx.arg(at).ty;
    match &ty {
        Ty::Int { .. } => cx.coerce(at, Ty::U32),
        Ty::Array { elem, n: 4 | 16 } if matches!(**elem, Ty::Int { bits: 8, .. }) => {}
        Ty::Ptr { .. } if at == 1 => {}
        _ => {
            let what = "ntop() takes an integer or an array of 4 or 16 bytes".into();
            return bad(cx, at, what);
        }
    }
    (Ty::Inet, CallData::Ints(vec![at as i64]))
}

fn pton(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Some(text) = cx.arg(0).text else { return (Ty::Error, CallData::None) };
    let bytes = Ty::uint(8);
    if text.parse::<Ipv4Addr>().is_ok() {
        return (Ty::array(bytes, 4), CallData::Text(text));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return (Ty::array(bytes, 16), CallData::Text(text));
    }
    bad(cx, 0, format!("{text} is no internet address"))
}

fn macaddr(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    cx.as_bytes(0);
    match cx.arg(0).ty {
        Ty::Ptr { .. } => (Ty::Mac, CallData::None),
        Ty::Array { elem, n: 6.. } if matches!(*elem, Ty::Int { bits: 8, .. }) => (Ty::Mac, CallData::None),
        _ => bad(cx, 0, "macaddr() takes a pointer or an array of 6 bytes".into()),
    }
}

fn strncmp(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let max = cx.config().max_strlen as i64;
    match cx.arg_int_in(2, 0, 0, max) {
        Some(n) => (Ty::U64, CallData::Ints(vec![n])),
        None => (Ty::Error, CallData::None),
    }
}

fn bswap(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    match cx.arg(0).ty {
        Ty::Int { bits, signed } => {
            if signed {
                cx.coerce(0, Ty::uint(bits));
            }
            (Ty::uint(bits), CallData::None)
        }
        _ => bad(cx, 0, "bswap() takes an integer".into()),
    }
}

fn in_space(cx: &mut dyn CheckCx, space: Space) -> (Ty, CallData) {
    match cx.arg(0).ty {
        Ty::Ptr { to, .. } => (Ty::Ptr { to, space }, CallData::None),
        _ => {
            let ty = Ty::ptr(Ty::int(8), space);
            cx.coerce(0, ty.clone());
            (ty, CallData::None)
        }
    }
}

fn cgroup_path(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    cx.coerce(0, Ty::U64);
    let filter = if cx.n_args() > 1 { cx.arg(1).text } else { None };
    (Ty::CgroupPath, CallData::Text(filter.unwrap_or_default()))
}

fn strftime(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if cx.arg(1).int.is_some_and(|ns| ns < 0) {
        return bad(cx, 1, "a time cannot be negative".into());
    }
    let clock = cx.arg(1).clock.unwrap_or(Clock::Boot);
    if clock == Clock::Monotonic {
        let why = "a monotonic time has no date, for it stands still in suspend: use nsecs, or nsecs(tai)";
        return bad(cx, 1, why.into());
    }
    let Some(format) = cx.arg(0).text else { return (Ty::Error, CallData::None) };
    cx.coerce(1, Ty::U64);
    (Ty::Timestamp, CallData::Time(format, clock))
}

fn sizeof(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let ty = cx.arg(0).ty;
    if ty.is_error() {
        return (Ty::Error, CallData::None);
    }
    let n = ty.size(cx.types());
    (Ty::U64, CallData::Const(Const::Int(i64::from(n))))
}

fn offsetof(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let (ty, member) = (cx.arg(0).ty, cx.arg(1));
    let Some(path) = member.text else { return (Ty::Error, CallData::None) };
    match cx.member_offset(&ty, &path, member.span) {
        Some(n) => (Ty::U64, CallData::Const(Const::Int(n))),
        None => (Ty::Error, CallData::None),
    }
}

fn strerror(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    cx.coerce(0, Ty::I64);
    (Ty::Str { n: ERROR_BYTES }, CallData::None)
}
