use super::*;
use crate::ty::{AggKind, Space, StackMode, StackTy, Ty};
use crate::value::{Hist, HistKind, Stack, Stats};

fn printed(name: &str, keyed: Keyed, value: &Ty, entries: &[(Value, Value)], div: u32) -> String {
    let mut out = Vec::new();
    Text::plain("..").map(&mut out, &MapText { name, keyed, value, entries, div });
    String::from_utf8(out).expect("UTF-8")
}

fn text(s: &str) -> Value {
    Value::Str { bytes: s.into(), truncated: false }
}

fn agg(kind: AggKind) -> Ty {
    Ty::Agg { kind, signed: true }
}

fn stack() -> Value {
    let ty = StackTy { space: Space::Kernel, mode: StackMode::Bpftrace, limit: 2 };
    Value::Stack(Stack { ty, pid: 0, frames: vec![0x10], symbols: Vec::new() })
}

#[test]
fn scalars_and_keys() {
    assert_eq!(printed("@x", Keyed::No, &Ty::I64, &[(Value::None, Value::Int(5))], 0), "@x: 5\n");
    let entries = [(text("key1"), Value::Int(2)), (text("key2"), Value::Int(3))];
    assert_eq!(printed("@m", Keyed::Yes, &Ty::I64, &entries, 1), "@m[key1]: 2\n@m[key2]: 3\n");
    let pair = Value::Tuple(vec![Value::Int(1), text("abc")]);
    assert_eq!(printed("@", Keyed::Yes, &Ty::I64, &[(pair, Value::Int(2))], 1), "@[1, abc]: 2\n");
    let inner = Value::Tuple(vec![Value::Int(1), Value::Int(2)]);
    let nested = Value::Tuple(vec![inner, text("x")]);
    assert_eq!(printed("@", Keyed::Yes, &Ty::I64, &[(nested, Value::Int(2))], 1), "@[(1, 2), x]: 2\n");
}

#[test]
fn unset_scalars() {
    assert_eq!(printed("@", Keyed::No, &Ty::I64, &[], 1), "");
}

#[test]
fn stats_and_division() {
    let stats = Value::Stats(Stats { count: 3, total: 6, signed: true });
    let show = |v: &Value, div| printed("@s", Keyed::No, &Ty::I64, &[(Value::None, v.clone())], div);
    assert_eq!(show(&stats, 1), "@s: { .count = 3, .average = 2, .total = 6 }\n");
    assert_eq!(show(&stats, 2), "@s: { .count = 3, .average = 1, .total = 6 }\n");
    assert_eq!(show(&Value::Avg(Stats { count: 2, total: 21, signed: true }), 5), "@s: 2\n");
    assert_eq!(show(&Value::Int(-7), 2), "@s: -3\n");
    assert_eq!(show(&Value::Uint(7), 2), "@s: 3\n");
    assert_eq!(show(&text("x"), 2), "@s: x\n");
    let lhist = Hist { kind: HistKind::Linear { min: 0, max: 2, step: 1 }, counts: vec![0, 4, 0, 0] };
    assert!(show(&Value::Hist(lhist), 4).contains("[0]                    4 |@"));
    let hist = Hist { kind: HistKind::Log2 { bits: 0 }, counts: vec![0, 8] };
    assert!(show(&Value::Hist(hist), 4).contains("[0]                    2 |@"));
}

#[test]
fn histograms_end_with_an_empty_line() {
    let h = Value::Hist(Hist { kind: HistKind::Log2 { bits: 0 }, counts: vec![0, 0, 2] });
    let bar = "@".repeat(52);
    let block = format!("[1]                    2 |{bar}|\n\n");
    let ty = agg(AggKind::Hist { bits: 0 });
    let entries = [(text("a"), h.clone()), (text("b"), h.clone())];
    assert_eq!(printed("@h", Keyed::Yes, &ty, &entries, 1), format!("@h[a]:\n{block}@h[b]:\n{block}"));
    assert_eq!(printed("@", Keyed::No, &ty, &[(Value::None, h)], 1), format!("@:\n{block}"));
}

#[test]
fn stacks_as_keys_and_values() {
    assert_eq!(printed("@", Keyed::Yes, &Ty::I64, &[(stack(), Value::Int(3))], 1), "@[\n    0x10\n]: 3\n");
    let key = Value::Tuple(vec![text("sh"), stack()]);
    assert_eq!(printed("@", Keyed::Yes, &Ty::I64, &[(key, Value::Int(3))], 1), "@[sh, \n    0x10\n]: 3\n");
    assert_eq!(printed("@z", Keyed::No, &Ty::I64, &[(Value::None, stack())], 1), "@z:\n        0x10\n\n");
}

#[test]
fn print_of_values() {
    let mut out = Vec::new();
    let p = Text::plain("..");
    p.value(&mut out, &Value::Int(3));
    p.value(&mut out, &Value::Str { bytes: b"abc".to_vec(), truncated: true });
    p.text(&mut out, TextCall::Printf, b"raw");
    p.end_of_run(&mut out);
    assert_eq!(out, b"3\nabc..\nraw\n\n");
}
