//! Functions on maps.

use crate::lang::lowering::maps as lower;
use crate::lang::sig::{Builtin, CallData, Effect, Form, Needs, Param, ParamKind, Ret};
use crate::lang::traits::CheckCx;
use crate::ty::Ty;

const MAP: &[Param] = &[Param::required("map", ParamKind::Map)];
const PRINT: &[Param] = &[
    Param::required("value", ParamKind::Printable),
    Param::optional("top", ParamKind::ConstInt),
    Param::optional("div", ParamKind::ConstInt),
];

pub static ROWS: &[Builtin] = &[
    Builtin::func(
        "print",
        PRINT,
        Ret::Check(print),
        lower::print,
        "Prints a value, a map's element, or a whole map: its last `top` entries (0: all), numbers divided by `div`. A map is printed as it is when the message is read.",
        "begin { @[1] = 10; @[2] = 20; print(@, 1); print((1, \"two\")); }",
    ),
    Builtin::func(
        "clear",
        MAP,
        Ret::Is(Ty::Void),
        lower::clear,
        "Deletes all entries of a map. After print() of the same map in the same block the two are one action, which loses no update of an aggregation.",
        "tracepoint:sched:sched_switch { @ = count(); } interval:s:1 { print(@); clear(@); exit(); }",
    ),
    Builtin::func(
        "zero",
        MAP,
        Ret::Is(Ty::Void),
        lower::zero,
        "Sets all values of a map to 0 and keeps its keys.",
        "tracepoint:sched:sched_switch { @[cpu] = count(); } interval:s:1 { print(@); zero(@); exit(); }",
    ),
    Builtin {
        name: "delete",
        aliases: &[],
        form: Form::Func,
        params: &[Param::required("element", ParamKind::MapElem)],
        ret: Ret::Is(Ty::Bool),
        needs: Needs::NOTHING,
        effect: Effect::Acts,
        lower: lower::delete,
        doc: "Deletes an entry, delete(@m, key), or the value of a map without keys, delete(@m). True if it was there; where nobody looks at that, a key that is not there is warned of, and `_ = delete(@m, key)` says that it may be missing.",
        example: "begin { @[1] = 10; delete(@, 1); }",
    },
    Builtin::func(
        "has_key",
        &[Param::required("element", ParamKind::MapElem)],
        Ret::Check(has_key),
        lower::has_key,
        "Whether a map has an entry of that key: has_key(@m, key).",
        "begin { @[1] = 10; if (has_key(@, 1)) { printf(\"yes\\n\"); } }",
    ),
    Builtin::func(
        "len",
        &[Param::required("map", ParamKind::MapOrAny)],
        Ret::Check(len),
        lower::len,
        "Number of entries of a map with keys, or of frames of a stack.",
        "begin { @[1] = 10; printf(\"%d\\n\", len(@)); }",
    ),
];

/// `print(@m); clear(@m);` side by side, as one action. Has no name in the language.
pub static PRINT_CLEAR: Builtin = Builtin {
    name: "print_clear",
    aliases: &[],
    form: Form::Func,
    params: PRINT,
    ret: Ret::Check(print),
    needs: Needs::NOTHING,
    effect: Effect::Usual,
    lower: lower::print_clear,
    doc: "Prints a map and clears it in one action.",
    example: "tracepoint:sched:sched_switch { @ = count(); } interval:s:1 { print(@); clear(@); exit(); }",
};

/// What `find()` of the library is made of. Not for scripts, and not in the manual.
pub static HIDDEN: &[Builtin] = &[Builtin::func(
    "__copy_value",
    &[Param::required("element", ParamKind::MapElem), Param::required("variable", ParamKind::Ptr)],
    Ret::Check(copy),
    lower::copy,
    "Copies the value of an entry into a variable of its type: __copy_value(@m, key, &$x). True if it was there.",
    "begin { @[1] = 10; let $x : int64; if (__copy_value(@, 1, &$x)) { printf(\"%d\\n\", $x); } }",
)];

fn copy(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let (element, to) = (cx.arg(0), cx.arg(1));
    // An aggregation is read as an integer.
    let value = match element.ty {
        Ty::Agg { .. } => Ty::I64,
        other => other,
    };
    match &to.ty {
        _ if value.is_error() => (Ty::Bool, CallData::None),
        Ty::Ptr { to: place, .. } if to.is_variable && (**place == value || is_word(place, &value)) => {
            (Ty::Bool, CallData::None)
        }
        _ => {
            cx.bad_argument(to.span, "this takes the address of a variable of the map's type".into());
            (Ty::Error, CallData::None)
        }
    }
}

/// Both are integers of 64 bits.
fn is_word(a: &Ty, b: &Ty) -> bool {
    [a, b].iter().all(|t| matches!(t, Ty::Int { bits: 64, .. }))
}

fn print(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let value = cx.arg(0);
    let is_map = value.map.is_some() && !value.is_element;
    if !is_map && cx.n_args() > 1 {
        let span = cx.arg(1).span;
        cx.bad_argument(span, "only a whole map takes top and div".into());
        return (Ty::Error, CallData::None);
    }
    if matches!(value.ty, Ty::Void | Ty::Word) {
        cx.bad_argument(value.span, "this has no value to print".into());
        return (Ty::Error, CallData::None);
    }
    let top = cx.arg_int_in(1, 0, 0, i64::from(u32::MAX));
    let div = cx.arg_int_in(2, 0, 0, i64::from(u32::MAX));
    match (top, div) {
        (Some(top), Some(div)) => (Ty::Void, CallData::Ints(vec![top, div])),
        _ => (Ty::Error, CallData::None),
    }
}

fn has_key(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let arg = cx.arg(0);
    if let Some(map) = arg.map
        && cx.map_types(map) == (None, Ty::Error)
    {
        return (Ty::Bool, CallData::None);
    }
    if arg.map.is_some_and(|m| cx.map_types(m).0.is_none()) {
        cx.bad_argument(arg.span, "has_key() works on maps with keys".into());
        return (Ty::Error, CallData::None);
    }
    (Ty::Bool, CallData::None)
}

fn len(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let arg = cx.arg(0);
    let keyed = arg.map.map(|m| cx.map_types(m).0.is_some());
    if let Some(map) = arg.map
        && crate::lang::aggs::n_parts(&cx.map_types(map).1) > 1
    {
        let why =
            "len() cannot count what a long time series has: it is kept in parts, a part for some intervals";
        cx.bad_argument(arg.span, why.into());
        return (Ty::Error, CallData::None);
    }
    match (keyed, &arg.ty) {
        (Some(true), _) | (None, Ty::Stack(_)) => (Ty::I64, CallData::None),
        (None, Ty::Error) => (Ty::Error, CallData::None),
        (Some(false), _) => {
            cx.bad_argument(arg.span, "len() works on maps with keys; this one has none".into());
            (Ty::Error, CallData::None)
        }
        (None, Ty::Str { .. }) => {
            cx.bad_argument(arg.span, "len() works on maps and stacks: use strlen() for strings".into());
            (Ty::Error, CallData::None)
        }
        (None, _) => {
            cx.bad_argument(arg.span, "len() works on maps and stacks".into());
            (Ty::Error, CallData::None)
        }
    }
}
