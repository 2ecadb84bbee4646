use super::*;
use crate::output::MessageKind;
use crate::ty::{Space, StackMode, StackTy};
use crate::value::{HistKind, Stack, Stats};

fn line(print: impl FnOnce(&Json, &mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    print(&Json { trailer: "..".into() }, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    for l in text.lines() {
        serde_json::from_str::<serde_json::Value>(l).expect("valid JSON");
    }
    text
}

fn map(name: &str, keyed: Keyed, ty: &Ty, entries: &[(Value, Value)]) -> String {
    line(|j, out| j.map(out, &MapText { name, keyed, value: ty, entries, div: 1 }))
}

fn text(s: &str) -> Value {
    Value::Str { bytes: s.into(), truncated: false }
}

fn agg(kind: AggKind) -> Ty {
    Ty::Agg { kind, signed: true }
}

#[test]
fn maps() {
    assert_eq!(
        map("@x", Keyed::No, &Ty::I64, &[(Value::None, Value::Int(5))]),
        "{\"type\": \"map\", \"data\": {\"@x\": 5}}\n"
    );
    let entries = [(text("key1"), Value::Int(2)), (text("key2"), Value::Int(3))];
    assert_eq!(
        map("@map", Keyed::Yes, &Ty::I64, &entries),
        "{\"type\": \"map\", \"data\": {\"@map\": {\"key1\": 2, \"key2\": 3}}}\n"
    );
    let pair = Value::Tuple(vec![text("bpftrace"), Value::Int(2)]);
    assert_eq!(
        map("@complex", Keyed::Yes, &Ty::I64, &[(pair, Value::Int(5))]),
        "{\"type\": \"map\", \"data\": {\"@complex\": {\"bpftrace,2\": 5}}}\n"
    );
    assert_eq!(map("@x", Keyed::Yes, &Ty::I64, &[]), "");
}

#[test]
fn histograms() {
    let hist = |used: &[(usize, u64)]| {
        let mut counts = vec![0; 66];
        for (i, n) in used {
            counts[*i] = *n;
        }
        Value::Hist(Hist { kind: HistKind::Log2 { bits: 0 }, counts })
    };
    let ty = agg(AggKind::Hist { bits: 0 });
    assert_eq!(
        map("@", Keyed::No, &ty, &[(Value::None, hist(&[(0, 1), (1, 1)]))]),
        "{\"type\": \"hist\", \"data\": {\"@\": [{\"max\": -1, \"count\": 1},{\"min\": 0, \"max\": 0, \"count\": 1}]}}\n"
    );
    let entries = [(text("bpftrace"), hist(&[(3, 1)])), (text("curl"), hist(&[(10, 1)]))];
    assert_eq!(
        map("@", Keyed::Yes, &ty, &entries),
        "{\"type\": \"hist\", \"data\": {\"@\": {\"bpftrace\": [{\"min\": 2, \"max\": 3, \"count\": 1}], \"curl\": [{\"min\": 256, \"max\": 511, \"count\": 1}]}}}\n"
    );
    assert_eq!(
        map("@hist", Keyed::No, &ty, &[(Value::None, hist(&[]))]),
        "{\"type\": \"hist\", \"data\": {\"@hist\": []}}\n"
    );
    let kind = HistKind::Linear { min: 0, max: 100, step: 10 };
    let mut counts = vec![0; 12];
    counts[11] = 1;
    let lhist = Value::Hist(Hist { kind, counts });
    assert_eq!(
        map("@h", Keyed::No, &agg(AggKind::Lhist { min: 0, max: 100, step: 10 }), &[(Value::None, lhist)]),
        "{\"type\": \"hist\", \"data\": {\"@h\": [{\"min\": 100, \"count\": 1}]}}\n"
    );
}

#[test]
fn stats() {
    let stats = |count, total| Value::Stats(Stats { count, total, signed: true });
    let entries = [(text("curl"), stats(1, 2)), (text("zsh"), stats(1, 10))];
    assert_eq!(
        map("@stats", Keyed::Yes, &agg(AggKind::Stats), &entries),
        "{\"type\": \"stats\", \"data\": {\"@stats\": {\"curl\": {\"count\": 1, \"average\": 2, \"total\": 2}, \"zsh\": {\"count\": 1, \"average\": 10, \"total\": 10}}}}\n"
    );
    let avg = Value::Avg(Stats { count: 2, total: 9, signed: true });
    assert_eq!(
        map("@a", Keyed::No, &agg(AggKind::Avg), &[(Value::None, avg)]),
        "{\"type\": \"stats\", \"data\": {\"@a\": 4}}\n"
    );
}

#[test]
fn values() {
    let show = |v: Value| {
        let text = line(|j, out| j.value(out, &v));
        let inside = text.strip_prefix("{\"type\": \"value\", \"data\": ").expect("its start");
        inside.strip_suffix("}\n").expect("its end").to_owned()
    };
    assert_eq!(show(Value::Tuple(vec![Value::Int(1), Value::Int(2), text("s")])), "[1,2,\"s\"]");
    assert_eq!(show(Value::Uint(u64::MAX)), "\"18446744073709551615\"");
    assert_eq!(show(Value::Int(i64::MIN)), "-9223372036854775808");
    assert_eq!(show(Value::Int(i64::MAX)), "\"9223372036854775807\"");
    assert_eq!(show(Value::Uint(1 << 53)), "9007199254740992");
    assert_eq!(show(Value::Uint((1 << 53) + 1)), "\"9007199254740993\"");
    assert_eq!(show(Value::Enum { value: 2, name: Some("X".into()) }), "2");
    assert_eq!(show(Value::Ptr(31)), "31");
    assert_eq!(show(Value::Bool(true)), "true");
    assert_eq!(show(Value::None), "null");
    let record = vec![("a".to_owned(), Value::Int(1)), ("b".to_owned(), text("x"))];
    assert_eq!(show(Value::Record(record)), "{\"a\": 1, \"b\": \"x\"}");
    assert_eq!(
        show(Value::Str { bytes: b"a\"\\\n\x01\xff".to_vec(), truncated: true }),
        "\"a\\\"\\\\\\n\\u0001\u{fffd}..\""
    );
    let ty = StackTy { space: Space::Kernel, mode: StackMode::Bpftrace, limit: 2 };
    let stack = Stack { ty, pid: 0, frames: vec![0x10], symbols: Vec::new() };
    assert_eq!(show(Value::Stack(stack)), "\"\\n        0x10\\n\"");
}

#[test]
fn records_of_a_run() {
    assert_eq!(
        line(|j, out| j.attached(out, 1)),
        "{\"type\": \"attached_probes\", \"count\": 1, \"data\": {\"probes\": 1}}\n"
    );
    assert_eq!(
        line(|j, out| j.text(out, TextCall::Printf, b"hi\n")),
        "{\"type\": \"printf\", \"data\": \"hi\\n\"}\n"
    );
    assert_eq!(
        line(|j, out| j.lost_events(out, 7)),
        "{\"type\": \"lost_events\", \"count\": 7, \"data\": {\"events\": 7}}\n"
    );
    let m = Message {
        severity: Severity::Error,
        kind: MessageKind::Errorf,
        text: "bad",
        place: Some(("stdin", 1, 9)),
    };
    assert_eq!(
        line(|j, out| j.message(out, &m)),
        "{\"type\": \"errorf\", \"msg\": \"bad\", \"filename\": \"stdin\", \"line\": 1, \"col\": 9}\n"
    );
    assert_eq!(line(|j, out| j.end_of_run(out)), "");
}
