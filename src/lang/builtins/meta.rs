//! Questions about types and the kernel that are answered when the script is compiled.

use crate::lang::lowering::meta as lower;
use crate::lang::sig::{Builtin, CallData, Const, Param, ParamKind, Ret};
use crate::lang::traits::CheckCx;
use crate::ty::{Space, Ty, print};

const NAME: &[Param] = &[Param::required("function", ParamKind::Text)];

pub static ROWS: &[Builtin] = &[
    Builtin::func(
        "has_field",
        &[Param::required("member", ParamKind::Any)],
        Ret::Is(Ty::Bool),
        lower::has_field,
        "Whether the kernel has a member: has_field(curtask.mm). A branch of `if`, `? :`, `&&` or `||` that this \
         decides may read members that this kernel lacks. In an object made by -d elf the kernel that loads it \
         decides. The type of a member that the kernel here lacks is said by a struct that is named as the kernel's and \
         has three underscores and a word behind: struct task_struct___old { long state; };",
        "begin { printf(\"%d\\n\", has_field(curtask.__state) ? curtask.__state : curtask.state); }",
    ),
    Builtin::func(
        "is_literal",
        &[Param::required("value", ParamKind::Any)],
        Ret::Check(is_literal),
        lower::folded_question,
        "Whether a value is known when the script is compiled.",
        "begin { printf(\"%d\\n\", is_literal(2 + 3)); }",
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
        "fail",
        &[Param::required("message", ParamKind::Text), Param::rest("values")],
        Ret::Check(fail),
        lower::nothing,
        "A mistake with that message, if the call is compiled: for the branch of an `if comptime`. Its values are literals.",
        "begin { if comptime (ncpus == 0) { fail(\"%d processors\", ncpus); } }",
    ),
];

fn is_literal(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let value = cx.arg(0);
    (Ty::Bool, CallData::Const(Const::Bool(value.int.is_some() || value.literal.is_some())))
}

fn bad(cx: &mut dyn CheckCx, i: usize, message: String) -> (Ty, CallData) {
    let span = cx.arg(i).span;
    cx.bad_argument(span, message);
    (Ty::Error, CallData::None)
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
