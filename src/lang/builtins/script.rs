//! What the command line and the config block say to the script.

use crate::base::{Diag, codes};
use crate::lang::config::SETTINGS;
use crate::lang::lowering::script as lower;
use crate::lang::sig::{Builtin, CallData, Const, Param, ParamKind, Ret};
use crate::lang::traits::{CheckCx, ScriptOption};
use crate::ty::Ty;

pub static ROWS: &[Builtin] = &[
    Builtin::func(
        "getopt",
        &[
            Param::required("name", ParamKind::Text),
            Param::optional("default", ParamKind::Any),
            Param::optional("description", ParamKind::Text),
        ],
        Ret::Check(getopt),
        lower::getopt,
        "A named parameter of the script, known at compile time: after --, `--name=value`, or `--name` for a switch. Its type is that of the default, false unless told. `-- --help` lists a script's parameters.",
        "begin { printf(\"%d\\n\", getopt(\"limit\", 10, \"how many\")); }",
    ),
    Builtin::value(
        "config",
        Ret::Check(config),
        lower::config,
        "All settings, a record: config.max_strlen.",
        "begin { printf(\"%d\\n\", config.max_strlen); }",
    ),
];

fn config(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let record = Const::Record(SETTINGS.iter().map(|s| (s.name.into(), (s.get)(cx.config()))).collect());
    (record.ty(), CallData::Const(record))
}

fn getopt(cx: &mut dyn CheckCx) -> (Ty, CallData) {
    let Some(name) = cx.arg(0).text else { return (Ty::Error, CallData::None) };
    if name.is_empty() || name.contains(['=', ' ']) {
        return bad(cx, 0, "a parameter's name has at least one character, and neither = nor blanks".into());
    }
    let (ty, default) = match default_value(cx) {
        Some(value) => value,
        None => return bad(cx, 1, "the default is a literal: a bool, an integer or a string".into()),
    };
    let doc = if cx.n_args() > 2 { cx.arg(2).text.unwrap_or_default() } else { String::new() };
    let given = cx.config().named.iter().rfind(|(n, _)| *n == name).map(|(_, value)| value.clone());
    let span = cx.span();
    let option = ScriptOption { name: name.clone(), default: default.clone(), doc, span };
    if let Some(before) = cx.declare_option(option) {
        let message = format!("--{name} has another default elsewhere");
        let d = Diag::error(&codes::OPTION, span, message);
        cx.push(d.note(before, "here"));
        return (Ty::Error, CallData::None);
    }
    let value = match given {
        None => default,
        Some(text) => match parsed(&default, &ty, text.as_deref()) {
            Ok(value) => value,
            Err(wanted) => {
                let given =
                    text.map_or_else(|| "is given without".into(), |t| format!("cannot be {t}: it takes"));
                let d = Diag::error(&codes::OPTION, span, format!("--{name} {given} {wanted}"));
                cx.push(d.hint(format!("write it after --, as --{name}=VALUE")));
                return (Ty::Error, CallData::None);
            }
        },
    };
    let ty = if matches!(value, Const::Str(_)) { value.ty() } else { ty };
    (ty, CallData::Const(value))
}

/// The type and the default; `None` if it is no literal.
fn default_value(cx: &mut dyn CheckCx) -> Option<(Ty, Const)> {
    if cx.n_args() < 2 {
        return Some((Ty::Bool, Const::Bool(false)));
    }
    let arg = cx.arg(1);
    match (&arg.ty, arg.int, arg.text) {
        (Ty::Bool, Some(b), _) => Some((Ty::Bool, Const::Bool(b != 0))),
        (Ty::Int { signed, .. }, Some(n), _) => Some((Ty::Int { bits: 64, signed: *signed }, Const::Int(n))),
        (Ty::Str { .. }, _, Some(text)) => Some((Ty::Str { n: text.len() as u32 + 1 }, Const::Str(text))),
        _ => None,
    }
}

/// What was given, in the default's kind; else what is wanted.
fn parsed(default: &Const, ty: &Ty, text: Option<&str>) -> Result<Const, &'static str> {
    match (default, text) {
        (Const::Bool(_), None | Some("true" | "1")) => Ok(Const::Bool(true)),
        (Const::Bool(_), Some("false" | "0")) => Ok(Const::Bool(false)),
        (Const::Bool(_), Some(_)) => Err("true or false"),
        (Const::Int(_), text) => text.and_then(|t| number(t, ty.signed())).map(Const::Int).ok_or("a number"),
        (Const::Str(_), Some(text)) => Ok(Const::Str(text.to_owned())),
        (Const::Str(_) | Const::Record(_), _) => Err("a text"),
    }
}

/// The bits of a number, written as in a script.
fn number(text: &str, signed: bool) -> Option<i64> {
    let (minus, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = digits.replace('_', "");
    let n = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => u64::from_str_radix(&digits[2..], 16),
        [b'0', b'b' | b'B', ..] => u64::from_str_radix(&digits[2..], 2),
        [b'0', _, ..] => u64::from_str_radix(&digits[1..], 8),
        [b'0'..=b'9', ..] => digits.parse(),
        _ => return None,
    };
    let n = i128::from(n.ok()?);
    let n = if minus { -n } else { n };
    if signed { i64::try_from(n).ok() } else { u64::try_from(n).ok().map(|n| n as i64) }
}

fn bad(cx: &mut dyn CheckCx, i: usize, message: String) -> (Ty, CallData) {
    let span = cx.arg(i).span;
    cx.bad_argument(span, message);
    (Ty::Error, CallData::None)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_of_the_command_line() {
        assert_eq!(number("12", true), Some(12));
        assert_eq!(number("-0x10", true), Some(-16));
        assert_eq!(number("1_000", true), Some(1000));
        assert_eq!(number("017", true), Some(15));
        assert_eq!(number("0", true), Some(0));
        assert_eq!(number("18446744073709551615", false), Some(-1));
        for no in ["", "-", "x", "1x", "0x", "18446744073709551615", "+5"] {
            assert_eq!(number(no, true), None, "{no}");
        }
        assert_eq!(number("-1", false), None);
    }
}
