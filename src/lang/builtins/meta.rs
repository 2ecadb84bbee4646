//! Questions about types and the kernel that are answered when the script is compiled, and assertions.

use crate::image::wire::{Format, Piece};
use crate::lang::lowering::meta as lower;
use crate::lang::sig::{Builtin, CallData, Const, Param, ParamKind, Ret};
use crate::lang::traits::{ArgView, CheckCx};
use crate::ty::{Space, Ty, print};

const VALUE: &[Param] = &[Param::required("value", ParamKind::Any)];
const NAME: &[Param] = &[Param::required("function", ParamKind::Text)];
const CLAIM: &[Param] =
    &[Param::required("condition", ParamKind::Any), Param::required("message", ParamKind::Text)];

pub static ROWS: &[Builtin] = &[
    Builtin::func(
        "is_str",
        VALUE,
        Ret::Check(|cx| known(cx, |a| matches!(a.ty, Ty::Str { .. }))),
        lower::folded_question,
        "Whether a value is a string; known when the script is compiled.",
        "begin { printf(\"%d\\n\", is_str(comm)); }",
    ),
    Builtin::func(
        "is_ptr",
        VALUE,
        Ret::Check(|cx| known(cx, |a| matches!(a.ty, Ty::Ptr { .. }))),
        lower::folded_question,
        "Whether a value is a pointer; known when the script is compiled.",
        "begin { printf(\"%d\\n\", is_ptr(curtask)); }",
    ),
    Builtin::func(
        "is_array",
        VALUE,
        Ret::Check(|cx| known(cx, |a| matches!(a.ty, Ty::Array { .. }))),
        lower::folded_question,
        "Whether a value is an array; known when the script is compiled.",
        "begin { printf(\"%d\\n\", is_array(pton(\"::1\"))); }",
    ),
    Builtin::func(
        "is_integer",
        VALUE,
        Ret::Check(|cx| known(cx, |a| a.ty.is_int())),
        lower::folded_question,
        "Whether a value is an integer; known when the script is compiled.",
        "begin { printf(\"%d\\n\", is_integer(pid)); }",
    ),
    Builtin::func(
        "is_unsigned_integer",
        VALUE,
        Ret::Check(|cx| known(cx, |a| matches!(a.ty, Ty::Int { signed: false, .. }))),
        lower::folded_question,
        "Whether a value is an unsigned integer; known when the script is compiled.",
        "begin { printf(\"%d\\n\", is_unsigned_integer(pid)); }",
    ),
    Builtin::func(
        "has_field",
        &[Param::required("member", ParamKind::Any)],
        Ret::Is(Ty::Bool),
        lower::has_field,
        "Whether the kernel has a member: has_field(curtask.mm). A branch of `if`, `? :`, `&&` or `||` that this \
         decides may read members that this kernel lacks. In an object made by -d elf the kernel that loads it \
         decides, if the kernel here knows all members of both branches.",
        "begin { printf(\"%d\\n\", has_field(curtask.__state) ? curtask.__state : curtask.state); }",
    ),
    Builtin::func(
        "is_literal",
        VALUE,
        Ret::Check(|cx| known(cx, |a| a.int.is_some() || a.literal.is_some())),
        lower::folded_question,
        "Whether a value is known when the script is compiled.",
        "begin { printf(\"%d\\n\", is_literal(2 + 3)); }",
    ),
    Builtin::func(
        "is_err",
        &[Param::required("pointer", ParamKind::Ptr)],
        Ret::Check(is_err),
        lower::is_err,
        "Whether a pointer or number is an error of the kernel: -4095 to -1.",
        "begin { printf(\"%d\\n\", is_err((uint64)-2)); }",
    ),
    Builtin::func(
        "typeinfo",
        &[Param::required("type", ParamKind::Type)],
        Ret::Check(typeinfo),
        lower::folded_question,
        "What a type is, or an expression's type, as a record: btf_id (0 if the kernel's BTF does not have it), base_type (int, string, pointer …) and full_type. Needs unstable_typeinfo.",
        "config = { unstable_typeinfo = enable } begin { printf(\"%s\\n\", typeinfo(pid).full_type); }",
    ),
    Builtin::func(
        "container_of",
        &[
            Param::required("pointer", ParamKind::Ptr),
            Param::required("type", ParamKind::Type),
            Param::required("member", ParamKind::Word),
        ],
        Ret::Check(container_of),
        lower::container_of,
        "The struct of which a pointer points to a member.",
        "begin { $at = (uint64)curtask + offsetof(struct task_struct, comm); printf(\"%s\\n\", container_of($at, struct task_struct, comm).comm); }",
    ),
    Builtin::func(
        "kfunc_exist",
        NAME,
        Ret::Check(kfunc_exist),
        lower::folded_question,
        "Whether the kernel's BTF has a function of that name.",
        "begin { printf(\"%d\\n\", kfunc_exist(\"bpf_task_from_pid\")); }",
    ),
    Builtin::func(
        "kfunc_allowed",
        NAME,
        Ret::Check(kfunc_allowed),
        lower::folded_question,
        "Whether this probe's program may call the kernel function of that name.",
        "begin { printf(\"%d\\n\", kfunc_allowed(\"bpf_task_from_pid\")); }",
    ),
    Builtin::func(
        "assert",
        CLAIM,
        Ret::Check(assert),
        lower::assert,
        "Where the condition is false: prints the message as an error and ends the script with status 1.",
        "begin { assert(ncpus > 0, \"no processors\"); }",
    ),
    Builtin::func(
        "static_assert",
        CLAIM,
        Ret::Check(static_assert),
        lower::nothing,
        "A mistake with that message if the condition, which must be known at compile time, is false.",
        "begin { static_assert(sizeof(struct task_struct) > 0, \"no tasks\"); }",
    ),
    Builtin::func(
        "fail",
        &[Param::required("message", ParamKind::Text), Param::rest("values")],
        Ret::Check(fail),
        lower::nothing,
        "A mistake with that message, if the call is compiled: for the branch of an `if comptime`. Its values are literals.",
        "begin { if comptime (ncpus == 0) { fail(\"%d processors\", ncpus); } }",
    ),
];

fn known(cx: &mut dyn CheckCx, holds: fn(&ArgView) -> bool) -> (Ty, CallData) {
    cx.as_bytes(0);
    let answer = holds(&cx.arg(0));
    (Ty::Bool, CallData::Const(Const::Bool(answer)))
}

fn bad(cx: &mut dyn CheckCx, i: usize, message: String) -> (Ty, CallData) {
    let span = cx.arg(i).span;
    cx.bad_argument(span, message);
    (Ty::Error, CallData::None)
}

fn is_err(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    cx.coerce(0, Ty::I64);
    (Ty::Bool, CallData::None)
}

fn typeinfo(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    if !cx.may_use("typeinfo", cx.config().unstable.typeinfo) {
        return (Ty::Error, CallData::None);
    }
    let ty = cx.arg(0).ty;
    if ty.is_error() {
        return (Ty::Error, CallData::None);
    }
    let full = print::name(&ty, cx.types());
    let id = cx.btf_id(&ty).unwrap_or(0);
    let record = Const::Record(vec![
        ("btf_id".into(), Const::Int(i64::from(id))),
        ("base_type".into(), Const::Str(base_name(&ty).into())),
        ("full_type".into(), Const::Str(full)),
    ]);
    (record.ty(), CallData::Const(record))
}

/// What kind of type it is, in a word.
fn base_name(ty: &Ty) -> &'static str {
    match ty {
        Ty::Error | Ty::Word => "none",
        Ty::Void => "void",
        Ty::Bool => "bool",
        Ty::Int { .. } => "int",
        Ty::Str { .. } => "string",
        Ty::Buf { .. } => "buffer",
        Ty::Inet => "inet",
        Ty::Mac => "macaddr_t",
        Ty::Ksym => "ksym_t",
        Ty::Usym => "usym_t",
        Ty::Stack(s) if s.space == Space::User => "ustack_t",
        Ty::Stack(_) => "kstack_t",
        Ty::Timestamp => "timestamp",
        Ty::CgroupPath => "cgroup_path_t",
        Ty::Username => "username_t",
        Ty::Ptr { .. } => "pointer",
        Ty::Array { .. } => "array",
        Ty::Struct(_) => "struct",
        Ty::Enum(_) => "enum",
        Ty::Tuple(_) => "tuple",
        Ty::Record(_) => "record",
        Ty::Agg { .. } => "aggregation",
    }
}

fn container_of(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let (pointer, ty, member) = (cx.arg(0).ty, cx.arg(1).ty, cx.arg(2));
    let Some(path) = member.text else { return (Ty::Error, CallData::None) };
    let Some(off) = cx.member_offset(&ty, &path, member.span) else { return (Ty::Error, CallData::None) };
    let space = match pointer {
        Ty::Ptr { space, .. } => space,
        _ => Space::Any,
    };
    cx.coerce(0, Ty::U64);
    (Ty::ptr(ty, space), CallData::Ints(vec![off]))
}

fn kfunc_exist(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Some(name) = cx.arg(0).text else { return (Ty::Error, CallData::None) };
    let found = cx.has_function(&name);
    (Ty::Bool, CallData::Const(Const::Bool(found)))
}

fn kfunc_allowed(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Some(name) = cx.arg(0).text else { return (Ty::Error, CallData::None) };
    let ty = cx.probe().points.first().map(|p| p.attach.prog_type());
    let allowed = ty.is_some_and(|ty| cx.world().features().kfunc(&name, ty));
    (Ty::Bool, CallData::Const(Const::Bool(allowed)))
}

/// What is said is a format without conversions.
fn assert(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Some(message) = cx.arg(1).text else { return (Ty::Error, CallData::None) };
    match cx.arg(0).ty {
        Ty::Int { .. } | Ty::Bool | Ty::Ptr { .. } => cx.coerce(0, Ty::Bool),
        _ => return bad(cx, 0, "assert() takes a condition".into()),
    }
    let text = Piece::Text(format!("assert failed: {message}").into_bytes());
    (Ty::Void, CallData::Format(Format { pieces: vec![text] }))
}

fn static_assert(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let message = cx.arg(1).text.unwrap_or_default();
    match cx.arg(0).int {
        Some(0) => bad(cx, 0, format!("static assert failed: {message}")),
        Some(_) => (Ty::Void, CallData::None),
        None => bad(cx, 0, "static_assert() takes what is known at compile time".into()),
    }
}

fn fail(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Some(format) = cx.arg(0).text else { return (Ty::Error, CallData::None) };
    let mut values = Vec::new();
    for i in 1..cx.n_args() {
        let arg = cx.arg(i);
        match arg.int.map(|n| n.to_string()).or(arg.text) {
            Some(text) => values.push(text),
            None => return bad(cx, i, "fail() prints literals".into()),
        }
    }
    let span = cx.span();
    match filled(&format, &values) {
        Some(message) => cx.bad_argument(span, message),
        None => cx.bad_argument(span, format!("fail() has {} values for its format", values.len())),
    }
    (Ty::Error, CallData::None)
}

/// The message of `fail`: conversions are replaced one by one; `None` if the values are too few or too many.
fn filled(format: &str, values: &[String]) -> Option<String> {
    let (mut out, mut values) = (String::new(), values.iter());
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.find(|c| c.is_ascii_alphabetic() && *c != 'l' || *c == '%') {
            Some('%') => out.push('%'),
            Some(_) => out.push_str(values.next()?),
            None => return None,
        }
    }
    values.next().is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn messages_of_fail() {
        let values = |v: &[&str]| v.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        assert_eq!(filled("a %d%% of %s", &values(&["5", "x"])).as_deref(), Some("a 5% of x"));
        assert_eq!(filled("%lld", &values(&["5"])).as_deref(), Some("5"));
        assert_eq!(filled("%d", &[]), None);
        assert_eq!(filled("plain", &values(&["5"])), None);
        assert_eq!(filled("end %", &[]), None);
    }
}
