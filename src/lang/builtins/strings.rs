//! Search in strings, parts of strings, names of numbers.

use crate::lang::lowering::globs::{ELEMENTS_MAX, Machine};
use crate::lang::lowering::search::PART_BYTES_MAX;
use crate::lang::lowering::strings as lower;
use crate::lang::sig::{Builtin, CallData, Const, Param, ParamKind, Ret};
use crate::lang::traits::CheckCx;
use crate::ty::Ty;

/// Bytes of the names of signals and system calls.
const NAME_BYTES: u32 = 64;

const PAIR: &[Param] = &[Param::required("text", ParamKind::Str), Param::required("part", ParamKind::Str)];
const NUMBER: &[Param] = &[Param::required("number", ParamKind::Int)];
const TEXT: &[Param] = &[Param::required("text", ParamKind::Str)];

pub static ROWS: &[Builtin] = &[
    Builtin::func(
        "strcontains",
        PAIR,
        Ret::Check(|cx| search(cx, Ty::Bool)),
        lower::strcontains,
        "Whether the second string is part of the first.",
        "tracepoint:syscalls:sys_enter_openat /strcontains(comm, \"as\")/ { @[comm] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "strstr",
        PAIR,
        Ret::Check(|cx| search(cx, Ty::I64)),
        lower::strstr,
        "Where the second string first stands in the first, in bytes from 0; -1 where it does not.",
        "begin { printf(\"%d\\n\", strstr(\"/usr/lib\", \"lib\")); }",
    ),
    Builtin::func(
        "startswith",
        PAIR,
        Ret::Is(Ty::Bool),
        lower::startswith,
        "Whether the first string starts with the second.",
        "tracepoint:syscalls:sys_enter_openat /startswith(str(args.filename), \"/proc/\")/ { @[comm] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "endswith",
        PAIR,
        Ret::Is(Ty::Bool),
        lower::endswith,
        "Whether the first string ends with the second.",
        "tracepoint:syscalls:sys_enter_openat /endswith(str(args.filename), \".so\")/ { @[comm] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "str_concat",
        &[Param::required("a", ParamKind::Str), Param::required("b", ParamKind::Str)],
        Ret::Check(str_concat),
        lower::str_concat,
        "Both strings in one, at most max_strlen.",
        "begin { printf(\"%s\\n\", str_concat(comm, \"!\")); }",
    ),
    Builtin::func(
        "substr",
        &[
            Param::required("text", ParamKind::Str),
            Param::required("from", ParamKind::Int),
            Param::optional("length", ParamKind::Int),
        ],
        Ret::Check(substr),
        lower::substr,
        "Part of a string: from a byte (the first is 0) to its end, or `length` bytes of it; empty beyond the end.",
        "begin { printf(\"%s\\n\", substr(\"filename\", 4, 3)); }",
    ),
    Builtin::func(
        "basename",
        TEXT,
        Ret::Check(same_size),
        lower::basename,
        "What follows the last / of a path.",
        "tracepoint:syscalls:sys_enter_openat { @[basename(str(args.filename))] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "dirname",
        TEXT,
        Ret::Check(|cx| {
            let n = cx.arg(0).ty.size(cx.types());
            (Ty::Str { n: n.max(2) }, CallData::None)
        }),
        lower::dirname,
        "What stands before the last / of a path: /usr/bin for /usr/bin/ls, / for /ls, and . where there is no /.",
        "tracepoint:syscalls:sys_enter_openat { @[dirname(str(args.filename))] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "memcmp",
        &[
            Param::required("a", ParamKind::Any),
            Param::required("b", ParamKind::Any),
            Param::required("length", ParamKind::ConstInt),
        ],
        Ret::Check(memcmp),
        lower::memcmp,
        "0 if the first `length` bytes of two strings, arrays, structs, tuples or of what two pointers point to are the same, else the difference of the first two that differ.",
        "begin { printf(\"%d\\n\", memcmp(\"abc\", \"abd\", 3)); }",
    ),
    Builtin::func(
        "signal_name",
        NUMBER,
        Ret::Check(name),
        lower::signal_name,
        "Name of a signal (SIGKILL for 9); empty for those without one.",
        "tracepoint:signal:signal_generate { @[signal_name(args.sig)] = count(); } interval:s:1 { exit(); }",
    ),
    Builtin::func(
        "syscall_name",
        NUMBER,
        Ret::Check(name),
        lower::syscall_name,
        "Name of a system call by its number on this processor; empty for those without one.",
        "tracepoint:raw_syscalls:sys_enter { @[syscall_name(args.id)] = count(); } interval:s:1 { exit(); }",
    ),
];

/// `text =~ "glob"`. Has no name in the language.
pub static MATCH: Builtin = Builtin::func(
    "=~",
    &[Param::required("text", ParamKind::Str), Param::required("pattern", ParamKind::Text)],
    Ret::Check(matches),
    lower::matches,
    "Whether a string matches a glob of *, ? and classes.",
    "tracepoint:syscalls:sys_enter_openat /comm =~ \"nginx*\"/ { @ = count(); } interval:s:1 { exit(); }",
);

fn matches(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let (text, pattern) = (cx.arg(0), cx.arg(1));
    let Some(glob) = pattern.literal else { return (Ty::Error, CallData::None) };
    // A string ends at its first NUL.
    let glob = glob.split(|b| *b == 0).next().unwrap_or_default();
    if Machine::of_glob(glob).is_none() {
        let what = format!("the pattern is too long: {ELEMENTS_MAX} characters besides * can be");
        cx.bad_argument(pattern.span, what);
        return (Ty::Error, CallData::None);
    }
    match (text.text, pattern.text) {
        (Some(t), Some(p)) if !t.contains('\0') && !p.contains('\0') => {
            (Ty::Bool, CallData::Const(Const::Bool(crate::world::glob(&p, &t))))
        }
        _ => (Ty::Bool, CallData::None),
    }
}

/// What is looked for has its bytes in a table, if it is no literal.
fn search(cx: &mut dyn CheckCx, ty: Ty) -> (Ty, CallData) {
    let part = cx.arg(1);
    let text = cx.arg(0);
    let n = part.ty.size(cx.types()).min(text.ty.size(cx.types()));
    if n > PART_BYTES_MAX {
        let message = format!("what is looked for has up to {} bytes; {} can be", n - 1, PART_BYTES_MAX - 1);
        cx.bad_argument(
            part.span,
            format!("{message}: cut it with str(x, {}) or substr()", PART_BYTES_MAX - 1),
        );
        return (Ty::Error, CallData::None);
    }
    (ty, CallData::None)
}

fn str_concat(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let both = u64::from(cx.arg(0).ty.size(cx.types())) + u64::from(cx.arg(1).ty.size(cx.types()));
    let n = both.saturating_sub(1).clamp(1, cx.config().max_strlen);
    (Ty::Str { n: n as u32 }, CallData::None)
}

fn substr(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    for i in 1..cx.n_args() {
        let arg = cx.arg(i);
        if arg.int.is_some_and(|v| v < 0) {
            let what = if i == 1 { "substr() counts from the start: its place" } else { "a length" };
            cx.bad_argument(arg.span, format!("{what} cannot be negative"));
            return (Ty::Error, CallData::None);
        }
        cx.coerce(i, Ty::U64);
    }
    let have = u64::from(cx.arg(0).ty.size(cx.types()));
    let n = match cx.arg(2).int {
        Some(len) => have.min((len as u64).saturating_add(1)),
        None => have,
    };
    (Ty::Str { n: n as u32 }, CallData::None)
}

fn same_size(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    (cx.arg(0).ty, CallData::None)
}

fn memcmp(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let max = cx.config().max_strlen as i64;
    let Some(n) = cx.arg_int_in(2, 0, 0, max) else { return (Ty::Error, CallData::None) };
    for i in 0..2 {
        cx.as_bytes(i);
        let arg = cx.arg(i);
        let room = match &arg.ty {
            Ty::Ptr { .. } => n,
            Ty::Str { .. } | Ty::Array { .. } | Ty::Struct(_) | Ty::Tuple(_) | Ty::Record(_) => {
                i64::from(arg.ty.size(cx.types()))
            }
            Ty::Error => return (Ty::Error, CallData::None),
            _ => {
                cx.bad_argument(
                    arg.span,
                    "memcmp() takes strings, arrays, structs, tuples and pointers".into(),
                );
                return (Ty::Error, CallData::None);
            }
        };
        if n > room {
            cx.bad_argument(arg.span, format!("this has {room} bytes, not {n}"));
            return (Ty::Error, CallData::None);
        }
    }
    (Ty::I64, CallData::Ints(vec![n]))
}

fn name(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    cx.coerce(0, Ty::I64);
    (Ty::Str { n: NAME_BYTES }, CallData::None)
}
