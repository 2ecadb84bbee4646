//! Values as text: what `print`, `%s` and maps show.
//!
//! Comes in: a value whose names are looked up, and what marks a string that was cut off (`str_trunc_trailer`).
//! Goes out: bytes, for strings of the traced machine need not be UTF-8.
//! Always holds: every value has a text; nothing here fails.

use super::{Frame, Hist, HistKind, Series, Stack, Stats, Value};
use crate::ty::StackMode;
use std::io::Write;
use std::net::IpAddr;

/// Where a value stands, which decides how far its stack frames are indented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Key,
    Value,
}

impl Place {
    fn indent(self) -> &'static str {
        match self {
            Place::Key => "    ",
            Place::Value => "        ",
        }
    }
}

/// A bucket of a histogram; both bounds belong to it, `None` is without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub min: Option<i128>,
    pub max: Option<i128>,
    pub count: u64,
}

impl Hist {
    /// All buckets, in order.
    pub fn buckets(&self) -> Vec<Bucket> {
        let bucket = |(i, &count): (usize, &u64)| {
            let (min, max) = match self.kind {
                HistKind::Log2 { bits } => log2_bounds(i as u32, u32::from(bits)),
                HistKind::Linear { min, max, step } => linear_bounds(i, self.counts.len(), (min, max, step)),
            };
            Bucket { min, max, count }
        };
        self.counts.iter().enumerate().map(bucket).collect()
    }

    /// Observations in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &c| sum.wrapping_add(c))
    }
}

/// Bucket `i` holds negatives, then one value each up to 2^bits - 1, then 2^bits buckets a power of two.
fn log2_bounds(i: u32, bits: u32) -> (Option<i128>, Option<i128>) {
    let n_small = 1u32 << bits;
    if i == 0 {
        return (None, Some(-1));
    }
    if i <= n_small {
        return (Some(i128::from(i - 1)), Some(i128::from(i - 1)));
    }
    let at = i - 1 - n_small;
    let power = (bits + at / n_small).min(64);
    let width = 1i128 << (power - bits);
    let min = (1i128 << power) + i128::from(at % n_small) * width;
    (Some(min), Some(min + width - 1))
}

fn linear_bounds(i: usize, n: usize, (min, max, step): (i64, i64, i64)) -> (Option<i128>, Option<i128>) {
    let (min, max, step) = (i128::from(min), i128::from(max), i128::from(step));
    if i == 0 {
        return (None, Some(min - 1));
    }
    if i + 1 >= n {
        return (Some(max), None);
    }
    let lo = min + step * (i as i128 - 1);
    (Some(lo), Some((lo + step).min(max) - 1))
}

impl Stats {
    /// Total / count, truncated; 0 of nothing.
    pub fn average(&self) -> Value {
        match (self.count, self.signed) {
            (0, true) => Value::Int(0),
            (0, false) => Value::Uint(0),
            (n, true) => Value::Int((i128::from(self.total) / i128::from(n)) as i64),
            (n, false) => Value::Uint(self.total as u64 / n),
        }
    }
    /// The total by its sign.
    pub fn total_value(&self) -> Value {
        if self.signed { Value::Int(self.total) } else { Value::Uint(self.total as u64) }
    }
}

/// The text of a value.
pub fn to_bytes(v: &Value, place: Place, trailer: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, v, place, trailer);
    out
}

/// Appends the text of a value.
pub fn write(out: &mut Vec<u8>, v: &Value, place: Place, trailer: &str) {
    match v {
        Value::None => out.extend(b"null"),
        Value::Bool(b) => put(out, format_args!("{b}")),
        Value::Int(n) => put(out, format_args!("{n}")),
        Value::Uint(n) => put(out, format_args!("{n}")),
        Value::Str { bytes, truncated } => {
            out.extend(bytes);
            if *truncated {
                out.extend(trailer.as_bytes());
            }
        }
        Value::Buf(bytes) => escaped(out, bytes),
        Value::Inet(IpAddr::V4(a)) => put(out, format_args!("{a}")),
        Value::Inet(IpAddr::V6(a)) => put(out, format_args!("{a}")),
        Value::Mac(m) => mac(out, m),
        Value::Text(name) => out.extend(name.as_bytes()),
        Value::Ksym(addr) | Value::Usym { addr, .. } => put(out, format_args!("{addr:#x}")),
        Value::Stack(s) => stack(out, s, place),
        Value::Timestamp { ns: n, .. } | Value::CgroupPath(n) | Value::Username(n) => {
            put(out, format_args!("{n}"));
        }
        Value::Ptr(p) => put(out, format_args!("{p:#x}")),
        Value::Enum { name: Some(name), .. } => out.extend(name.as_bytes()),
        Value::Enum { value, name: None } => put(out, format_args!("{value}")),
        Value::Array(items) => {
            out.push(b'[');
            list(out, items, b",", place, trailer);
            out.push(b']');
        }
        Value::Tuple(items) => {
            out.push(b'(');
            list(out, items, b", ", place, trailer);
            out.push(b')');
        }
        Value::Record(fields) => record(out, fields, place, trailer),
        Value::Hist(h) => hist(out, h),
        Value::Stats(s) => record(out, &stats_fields(s), place, trailer),
        Value::Avg(s) => write(out, &s.average(), place, trailer),
        Value::Series(s) => series(out, s),
    }
}

/// Appends a map's key: a tuple's parts without its parentheses.
pub fn write_key(out: &mut Vec<u8>, key: &Value, separator: &[u8], trailer: &str) {
    match key {
        Value::Tuple(parts) => list(out, parts, separator, Place::Key, trailer),
        other => write(out, other, Place::Key, trailer),
    }
}

/// What a `stats()` value shows.
pub fn stats_fields(s: &Stats) -> Vec<(String, Value)> {
    vec![
        ("count".into(), Value::Uint(s.count)),
        ("average".into(), s.average()),
        ("total".into(), s.total_value()),
    ]
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    if out.write_fmt(text).is_err() {
        crate::bug!("writing to memory failed");
    }
}

fn list(out: &mut Vec<u8>, items: &[Value], separator: &[u8], place: Place, trailer: &str) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.extend(separator);
        }
        write(out, item, place, trailer);
    }
}

fn record(out: &mut Vec<u8>, fields: &[(String, Value)], place: Place, trailer: &str) {
    if fields.is_empty() {
        out.extend(b"{}");
        return;
    }
    out.extend(b"{ ");
    for (i, (name, value)) in fields.iter().enumerate() {
        if i > 0 {
            out.extend(b", ");
        }
        put(out, format_args!(".{name} = "));
        write(out, value, place, trailer);
    }
    out.extend(b" }");
}

/// Printable ASCII as it is, everything else as `\xNN`.
pub fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for &b in bytes {
        match b {
            32..=126 => out.push(b),
            _ => put(out, format_args!("\\x{b:02x}")),
        }
    }
}

fn mac(out: &mut Vec<u8>, m: &[u8; 6]) {
    for (i, b) in m.iter().enumerate() {
        let colon = if i > 0 { ":" } else { "" };
        put(out, format_args!("{colon}{b:02X}"));
    }
}

/// A line break, then a line a frame; more lines where functions are inlined.
fn stack(out: &mut Vec<u8>, s: &Stack, place: Place) {
    out.push(b'\n');
    for (i, &addr) in s.frames.iter().enumerate() {
        let unknown = Frame { addr, ..Frame::default() };
        let f = s.symbols.get(i).unwrap_or(&unknown);
        match s.ty.mode {
            StackMode::Bpftrace => plain_frame(out, f, place.indent()),
            StackMode::Perf => perf_frame(out, f),
            StackMode::Raw => put(out, format_args!("{addr:x}\n")),
            StackMode::BuildId => match &f.build_id {
                Some((id, offset)) => put(out, format_args!("{id} {offset:#x}\n")),
                None => put(out, format_args!("{addr:x}\n")),
            },
        }
    }
}

fn plain_frame(out: &mut Vec<u8>, f: &Frame, indent: &str) {
    for (name, place) in &f.inlined {
        put(out, format_args!("{indent}[inlined] {name}"));
        source_place(out, place);
        out.push(b'\n');
    }
    match &f.symbol {
        Some((name, offset)) => put(out, format_args!("{indent}{name}+{offset}")),
        None => put(out, format_args!("{indent}{:#x}", f.addr)),
    }
    source_place(out, &f.place);
    out.push(b'\n');
}

fn source_place(out: &mut Vec<u8>, place: &Option<(String, u32)>) {
    if let Some((path, line)) = place {
        put(out, format_args!("@{path}:{line}"));
    }
}

fn perf_frame(out: &mut Vec<u8>, f: &Frame) {
    let addr = f.addr;
    for (name, _) in &f.inlined {
        put(out, format_args!("\t{addr:x} {name} (inlined)\n"));
    }
    match (&f.symbol, f.module.as_str()) {
        (Some((name, offset)), "") => put(out, format_args!("\t{addr:x} {name}+{offset}\n")),
        (Some((name, offset)), module) => put(out, format_args!("\t{addr:x} {name}+{offset} ({module})\n")),
        (None, "") => put(out, format_args!("\t{addr:x} ([unknown])\n")),
        (None, module) => put(out, format_args!("\t{addr:x} [unknown] ({module})\n")),
    }
}

/// A histogram where there is room for one line only.
fn hist(out: &mut Vec<u8>, h: &Hist) {
    out.push(b'{');
    let used = h.buckets().into_iter().filter(|b| b.count > 0);
    for (i, b) in used.enumerate() {
        let comma = if i > 0 { ", " } else { " " };
        put(out, format_args!("{comma}{}: {}", label(b, LabelScale::Plain), b.count));
    }
    out.extend(b" }");
}

/// A time series where there is room for one line only.
fn series(out: &mut Vec<u8>, s: &Series) {
    out.push(b'{');
    for (i, (time, value)) in s.dated().enumerate() {
        let comma = if i > 0 { ", " } else { " " };
        put(out, format_args!("{comma}{time}: {value}"));
    }
    out.extend(b" }");
}

/// Whether round bounds are written as `1K`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LabelScale {
    Plain,
    Binary,
}

/// `(..., 0)`, `[3]`, `[2, 4)`, `[10, ...)`.
pub fn label(b: Bucket, scale: LabelScale) -> String {
    let bound = |n: i128| match scale {
        LabelScale::Plain => n.to_string(),
        LabelScale::Binary => binary(n),
    };
    // The upper bound is shown exclusive.
    match (b.min, b.max) {
        (None, None) => "(..., ...)".into(),
        (None, Some(max)) => format!("(..., {})", bound(max + 1)),
        (Some(min), None) => format!("[{}, ...)", bound(min)),
        (Some(min), Some(max)) if min == max => format!("[{}]", bound(min)),
        (Some(min), Some(max)) => format!("[{}, {})", bound(min), bound(max + 1)),
    }
}

/// A multiple of 1024 with its suffix: `1K`, `3M`; other numbers as they are.
fn binary(n: i128) -> String {
    const SUFFIXES: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let (mut n, mut i) = (n, 0);
    while n != 0 && n % 1024 == 0 && i + 1 < SUFFIXES.len() {
        n /= 1024;
        i += 1;
    }
    format!("{n}{}", SUFFIXES[i])
}

#[cfg(test)]
mod tests;
