use super::*;
use crate::ty::{Space, StackTy};

fn show(v: &Value, place: Place) -> String {
    String::from_utf8(to_bytes(v, place, "..")).expect("UTF-8")
}

fn value(v: &Value) -> String {
    show(v, Place::Value)
}

fn text(s: &str) -> Value {
    Value::Str { bytes: s.into(), truncated: false }
}

fn frame(addr: u64, symbol: Option<(&str, u64)>, module: &str) -> Frame {
    Frame { addr, symbol: symbol.map(|(n, o)| (n.to_owned(), o)), module: module.into(), ..Frame::default() }
}

fn frames(mode: StackMode, symbols: Vec<Frame>) -> Value {
    let ty = StackTy { space: Space::User, mode, limit: 127 };
    Value::Stack(Stack { ty, pid: 1, frames: symbols.iter().map(|f| f.addr).collect(), symbols })
}

#[test]
fn compound_values() {
    let pair = Value::Tuple(vec![Value::Int(5), Value::Int(6)]);
    assert_eq!(value(&Value::Tuple(vec![Value::Int(1), Value::Int(2), text("abc")])), "(1, 2, abc)");
    assert_eq!(value(&Value::Array(vec![Value::Int(1), Value::Int(2), Value::Int(3)])), "[1,2,3]");
    assert_eq!(
        value(&Value::Record(vec![("a".into(), Value::Int(1)), ("b".into(), pair)])),
        "{ .a = 1, .b = (5, 6) }"
    );
    assert_eq!(value(&Value::Record(Vec::new())), "{}");
    assert_eq!(value(&Value::Ptr(0x1f)), "0x1f");
    assert_eq!(value(&Value::Bool(true)), "true");
    assert_eq!(value(&Value::None), "null");
    assert_eq!(value(&Value::Text("root".into())), "root");
    assert_eq!(value(&Value::Username(77)), "77");
    let stats = Stats { count: 221, total: -2210, signed: true };
    assert_eq!(value(&Value::Stats(stats)), "{ .count = 221, .average = -10, .total = -2210 }");
    assert_eq!(value(&Value::Avg(stats)), "-10");
    let unsigned = Stats { count: 2, total: -1, signed: false };
    assert_eq!(value(&Value::Avg(unsigned)), (u64::MAX / 2).to_string());
}

#[test]
fn stacks() {
    let symbols = || vec![frame(0x100d, Some(("uf", 13)), "/bin/prog"), frame(5, None, "")];
    let plain = frames(StackMode::Bpftrace, symbols());
    assert_eq!(value(&plain), "\n        uf+13\n        0x5\n");
    assert_eq!(show(&plain, Place::Key), "\n    uf+13\n    0x5\n");
    assert_eq!(value(&frames(StackMode::Perf, symbols())), "\n\t100d uf+13 (/bin/prog)\n\t5 ([unknown])\n");
    assert_eq!(value(&frames(StackMode::Raw, symbols())), "\n100d\n5\n");
    let id = "ab".repeat(20);
    let built = Frame { build_id: Some((id.clone(), 0x10)), ..frame(9, None, "") };
    assert_eq!(value(&frames(StackMode::BuildId, vec![built])), format!("\n{id} 0x10\n"));
}

#[test]
fn debug_information_in_frames() {
    let at = |line| Some(("/p/f.c".to_owned(), line));
    let symbols = || Frame {
        place: at(14),
        inlined: vec![("g".into(), at(9)), ("h".into(), None)],
        ..frame(0x100d, Some(("f", 13)), "/bin/prog")
    };
    assert_eq!(
        value(&frames(StackMode::Bpftrace, vec![symbols()])),
        "\n        [inlined] g@/p/f.c:9\n        [inlined] h\n        f+13@/p/f.c:14\n"
    );
    assert_eq!(
        value(&frames(StackMode::Perf, vec![symbols()])),
        "\n\t100d g (inlined)\n\t100d h (inlined)\n\t100d f+13 (/bin/prog)\n"
    );
}

#[test]
fn stacks_without_names() {
    let ty = StackTy { space: Space::Kernel, mode: StackMode::Bpftrace, limit: 3 };
    let bare = Value::Stack(Stack { ty, pid: 0, frames: vec![0x10, 0x20], symbols: Vec::new() });
    assert_eq!(value(&bare), "\n        0x10\n        0x20\n");
}

#[test]
fn keys() {
    let mut out = Vec::new();
    let nested = Value::Tuple(vec![Value::Int(2), Value::Int(3)]);
    write_key(&mut out, &Value::Tuple(vec![Value::Int(1), nested, text("abc")]), b", ", "..");
    assert_eq!(out, b"1, (2, 3), abc");
}

#[test]
fn bucket_bounds() {
    let log = |bits: u8, n: usize| {
        let h = Hist { kind: HistKind::Log2 { bits }, counts: vec![0; n] };
        h.buckets().into_iter().map(|b| label(b, LabelScale::Binary)).collect::<Vec<_>>()
    };
    let plain = log(0, 66);
    assert_eq!(&plain[..5], ["(..., 0)", "[0]", "[1]", "[2, 4)", "[4, 8)"]);
    assert_eq!(plain[12], "[1K, 2K)");
    assert_eq!(plain[65], "[8E, 16E)");
    let fine = log(2, 1 + 4 + 62 * 4);
    assert_eq!(&fine[..8], ["(..., 0)", "[0]", "[1]", "[2]", "[3]", "[4]", "[5]", "[6]"]);
    assert_eq!(&fine[9..13], ["[8, 10)", "[10, 12)", "[12, 14)", "[14, 16)"]);
    assert_eq!(fine[252], "[14E, 16E)");
    let linear = |min, max, step, n: usize| {
        let h = Hist { kind: HistKind::Linear { min, max, step }, counts: vec![0; n] };
        h.buckets().into_iter().map(|b| label(b, LabelScale::Plain)).collect::<Vec<_>>()
    };
    assert_eq!(
        linear(0, 10, 2, 7),
        ["(..., 0)", "[0, 2)", "[2, 4)", "[4, 6)", "[6, 8)", "[8, 10)", "[10, ...)"]
    );
    assert_eq!(linear(0, 3, 1, 5), ["(..., 0)", "[0]", "[1]", "[2]", "[3, ...)"]);
    assert_eq!(linear(0, 10, 4, 5), ["(..., 0)", "[0, 4)", "[4, 8)", "[8, 10)", "[10, ...)"]);
}
