use super::*;
use std::net::Ipv4Addr;

/// A conversion from its spelling: flags, width, precision, length, letter.
fn conv(spec: &str) -> Conv {
    let mut c = Conv {
        minus: false,
        plus: false,
        space: false,
        alt: false,
        zero: false,
        width: None,
        precision: None,
        length: "",
        conv: "",
    };
    let mut rest = spec;
    while let Some(f) = rest.chars().next().filter(|f| "-+ #0".contains(*f)) {
        match f {
            '-' => c.minus = true,
            '+' => c.plus = true,
            ' ' => c.space = true,
            '#' => c.alt = true,
            _ => c.zero = true,
        }
        rest = &rest[1..];
    }
    let take = |rest: &mut &str| {
        if let Some(r) = rest.strip_prefix('*') {
            *rest = r;
            return Some(Count::Arg);
        }
        let n = rest.chars().take_while(char::is_ascii_digit).count();
        let number = rest[..n].parse().ok().map(Count::Fixed);
        *rest = &rest[n..];
        number
    };
    c.width = take(&mut rest);
    if let Some(r) = rest.strip_prefix('.') {
        rest = r;
        c.precision = take(&mut rest);
    }
    c.length = ["hh", "h", "ll", "l", "j", "z", "t"].into_iter().find(|l| rest.starts_with(l)).unwrap_or("");
    rest = &rest[c.length.len()..];
    c.conv = ["d", "i", "u", "x", "X", "o", "p", "c", "s", "rx", "rh", "r", "gr"]
        .into_iter()
        .find(|k| *k == rest)
        .expect("a conversion");
    c
}

fn show(spec: &str, args: &[Value]) -> String {
    let format = Format { pieces: vec![Piece::Conv(conv(spec))], gfp: Vec::new() };
    let mut out = Vec::new();
    write(&mut out, &format, args, "..");
    String::from_utf8(out).expect("UTF-8")
}

fn str_value(s: &str) -> Value {
    Value::Str { bytes: s.into(), truncated: false }
}

#[test]
fn integers() {
    let big = Value::Uint(0x12345678abcdef);
    for (spec, v, want) in [
        ("d", big.clone(), "2024525295"),
        ("ld", big.clone(), "5124095577148911"),
        ("x", big.clone(), "78abcdef"),
        ("lx", big.clone(), "12345678abcdef"),
        ("hhx", Value::Int(0x1ff), "ff"),
        ("hd", Value::Int(0x18000), "-32768"),
        ("u", Value::Int(-1), "4294967295"),
        ("lu", Value::Int(-1), "18446744073709551615"),
        ("lld", Value::Int(-1), "-1"),
        ("5d", Value::Int(-3), "   -3"),
        ("-5d", Value::Int(3), "3    "),
        ("05d", Value::Int(-42), "-0042"),
        ("-05d", Value::Int(42), "42   "),
        ("+d", Value::Int(5), "+5"),
        ("+u", Value::Int(5), "5"),
        (" d", Value::Int(5), "5"),
        ("#x", Value::Int(255), "0xff"),
        ("#X", Value::Int(255), "0XFF"),
        ("#o", Value::Int(8), "010"),
        ("#x", Value::Int(0), "0"),
        ("#08x", Value::Int(255), "0x0000ff"),
        (".4d", Value::Int(7), "0007"),
        ("6.4d", Value::Int(-7), " -0007"),
        ("o", Value::Int(8), "10"),
        ("p", Value::Int(0), "0"),
        ("p", Value::Ptr(0xffff_8000_0000_0000), "0xffff800000000000"),
        ("10p", Value::Ptr(5), "       0x5"),
        ("c", Value::Int(65), "A"),
        ("3c", Value::Int(66), "  B"),
        ("d", Value::Bool(true), "1"),
        ("d", Value::Enum { value: 3, name: Some("X".into()) }, "3"),
        ("d", str_value("x"), "!{error}"),
    ] {
        assert_eq!(show(spec, std::slice::from_ref(&v)), want, "%{spec} of {v:?}");
    }
}

#[test]
fn text_of_anything() {
    for (spec, v, want) in [
        ("s", str_value("abc"), "abc"),
        ("10s", str_value("abc"), "       abc"),
        ("-10.2s", str_value("abcd"), "ab        "),
        ("-10.10s", str_value("abcdefghijklm"), "abcdefghij"),
        ("s", Value::Int(-7), "-7"),
        ("s", Value::Bool(false), "false"),
        ("s", Value::Enum { value: 3, name: Some("TCP_X".into()) }, "TCP_X"),
        ("s", Value::Enum { value: 9, name: None }, "9"),
        ("16s", Value::Inet(Ipv4Addr::new(127, 0, 0, 1).into()), "       127.0.0.1"),
        ("s", Value::Mac([0x18, 0xc0, 0x4d, 8, 0x2e, 0xbb]), "18:C0:4D:08:2E:BB"),
        ("s", Value::Text("kf".into()), "kf"),
        ("s", Value::Ksym(3), "0x3"),
        ("s", Value::Str { bytes: b"cut".to_vec(), truncated: true }, "cut.."),
    ] {
        assert_eq!(show(spec, std::slice::from_ref(&v)), want, "%{spec} of {v:?}");
    }
}

#[test]
fn widths_from_arguments() {
    assert_eq!(show("*d", &[Value::Int(5), Value::Int(42)]), "   42");
    assert_eq!(show("*d", &[Value::Int(-5), Value::Int(42)]), "42   ");
    assert_eq!(show(".*s", &[Value::Int(2), str_value("abcd")]), "ab");
    assert_eq!(show(".*s", &[Value::Int(-1), str_value("abcd")]), "abcd");
    assert_eq!(show("*.*s", &[Value::Int(4), Value::Int(2), str_value("abcd")]), "  ab");
    assert_eq!(show("*d", &[Value::Int(i64::from(i32::MAX)), Value::Int(1)]).len(), 65_536);
}

#[test]
fn buffers() {
    let b = Value::Buf(vec![b'H', b'i', 0, 0xff]);
    assert_eq!(show("r", std::slice::from_ref(&b)), "Hi\\x00\\xff");
    assert_eq!(show("rx", std::slice::from_ref(&b)), "\\x48\\x69\\x00\\xff");
    assert_eq!(show("rh", std::slice::from_ref(&b)), "48 69 00 ff");
}

#[test]
fn allocation_flags() {
    assert_eq!(show("gr", &[Value::Int(0)]), "0");
    assert_eq!(show("gr", &[Value::Int(0xcc0)]), "GFP_KERNEL");
    assert_eq!(show("gr", &[Value::Int(0xdc0)]), "GFP_KERNEL|__GFP_ZERO");
    assert_eq!(show("gr", &[Value::Int(0x820)]), "GFP_ATOMIC");
    assert_eq!(show("gr", &[Value::Int(0x40)]), "__GFP_IO");
    assert_eq!(show("gr", &[Value::Int(0x4000_0000)]), "0x40000000");
}

#[test]
fn missing_argument() {
    assert_eq!(show("d", &[]), "!{error}");
}
