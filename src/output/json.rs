//! Events and maps as JSON, one object a line.
//!
//! Always holds: each line is valid JSON; bytes that are not UTF-8 become U+FFFD; an integer that a double cannot
//! hold exactly is a string.

use super::{
    BenchEnd, BenchResult, Keyed, MapText, Message, MessageKind, Printer, TestEnd, TextCall, divided, hist,
};
use crate::base::Severity;
use crate::ty::{AggKind, Ty};
use crate::value::text::{self, Place};
use crate::value::{Hist, Series, Value};

/// One JSON object a line. `trailer` marks strings that were cut off.
#[derive(Debug)]
pub struct Json {
    pub trailer: String,
}

impl Printer for Json {
    fn attached(&self, out: &mut Vec<u8>, n_probes: usize) {
        let line = format!(
            "{{\"type\": \"attached_probes\", \"count\": {n_probes}, \"data\": {{\"probes\": {n_probes}}}}}\n"
        );
        out.extend(line.as_bytes());
    }

    fn text(&self, out: &mut Vec<u8>, call: TextCall, bytes: &[u8]) {
        let name = match call {
            TextCall::Printf => "printf",
            TextCall::Time => "time",
            TextCall::Cat => "cat",
            TextCall::Join => "join",
            TextCall::System => "syscall",
        };
        open(out, name);
        string(out, bytes);
        out.extend(b"}\n");
    }

    fn value(&self, out: &mut Vec<u8>, v: &Value) {
        open(out, "value");
        self.any(out, v);
        out.extend(b"}\n");
    }

    fn map(&self, out: &mut Vec<u8>, map: &MapText<'_>) {
        if map.entries.is_empty() {
            return;
        }
        open(out, kind(map.value));
        out.push(b'{');
        string(out, map.name.as_bytes());
        out.extend(b": ");
        match (map.keyed, map.entries) {
            (Keyed::No, [(_, value), ..]) => self.any(out, &divided(value, map.div)),
            (_, entries) => self.entries(out, entries, map.div),
        }
        out.extend(b"}}\n");
    }

    /// Nothing: an empty line is no JSON.
    fn end_of_run(&self, _: &mut Vec<u8>) {}

    fn message(&self, out: &mut Vec<u8>, m: &Message<'_>) {
        let kind = match m.kind {
            MessageKind::Errorf => "errorf",
            MessageKind::Warnf => "warnf",
            MessageKind::Runtime => "runtime_error",
            MessageKind::Helper { .. } => "helper_error",
        };
        out.extend(format!("{{\"type\": \"{kind}\", \"msg\": ").as_bytes());
        string(out, m.text.as_bytes());
        if let MessageKind::Helper { name, retcode } = m.kind {
            out.extend(format!(", \"helper\": \"{name}\", \"retcode\": {retcode}").as_bytes());
        }
        if m.kind == MessageKind::Runtime {
            let severity = match m.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            out.extend(format!(", \"severity\": \"{severity}\"").as_bytes());
        }
        if let Some((file, line, col)) = m.place {
            out.extend(b", \"filename\": ");
            string(out, file.as_bytes());
            out.extend(format!(", \"line\": {line}, \"col\": {col}").as_bytes());
        }
        out.extend(b"}\n");
    }

    fn lost_events(&self, out: &mut Vec<u8>, n: u64) {
        let line = format!("{{\"type\": \"lost_events\", \"count\": {n}, \"data\": {{\"events\": {n}}}}}\n");
        out.extend(line.as_bytes());
    }

    fn tests(&self, _: &mut Vec<u8>, _: usize) {}

    fn test_starts(&self, _: &mut Vec<u8>, _: &str) {}

    fn test_ended(&self, out: &mut Vec<u8>, test: &TestEnd) {
        open(out, "test_result");
        out.push(b'{');
        string(out, test.name.as_bytes());
        let (ns, passed) = (test.took.as_nanos(), test.passed);
        out.extend(format!(": {{\"duration\": {ns}, \"passed\": {passed}, \"output\": ").as_bytes());
        string(out, &test.output);
        out.extend(b"}}}\n");
    }

    fn tests_ended(&self, _: &mut Vec<u8>, _: &[TestEnd]) {}

    fn benchmarks(&self, out: &mut Vec<u8>, benches: &[BenchEnd]) {
        for bench in benches {
            let BenchResult::Measured { average_ns, n_runs } = bench.result else { continue };
            open(out, "benchmark_result");
            out.push(b'{');
            string(out, bench.name.as_bytes());
            out.extend(format!(": {{\"average\": {average_ns}, \"iters\": {n_runs}}}}}}}\n").as_bytes());
        }
    }
}

impl Json {
    fn entries(&self, out: &mut Vec<u8>, entries: &[(Value, Value)], div: u32) {
        out.push(b'{');
        for (i, (key, value)) in entries.iter().enumerate() {
            if i > 0 {
                out.extend(b", ");
            }
            let mut text = Vec::new();
            text::write_key(&mut text, key, b",", &self.trailer);
            string(out, &text);
            out.extend(b": ");
            self.any(out, &divided(value, div));
        }
        out.push(b'}');
    }

    fn any(&self, out: &mut Vec<u8>, v: &Value) {
        match v {
            Value::None => out.extend(b"null"),
            Value::Bool(b) => out.extend(if *b { &b"true"[..] } else { b"false" }),
            Value::Int(n) => integer(out, i128::from(*n)),
            Value::Uint(n) | Value::Ptr(n) => integer(out, i128::from(*n)),
            Value::Enum { value, .. } => integer(out, i128::from(*value)),
            Value::Array(items) | Value::Tuple(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.any(out, item);
                }
                out.push(b']');
            }
            Value::Record(fields) => self.object(out, fields),
            Value::Stats(s) => self.object(out, &text::stats_fields(s)),
            Value::Avg(s) => self.any(out, &s.average()),
            Value::Hist(h) => buckets(out, h),
            Value::Series(s) => points(out, s),
            Value::Str { .. }
            | Value::Buf(_)
            | Value::Inet(_)
            | Value::Mac(_)
            | Value::Ksym(_)
            | Value::Usym { .. }
            | Value::Stack(_)
            | Value::Timestamp { .. }
            | Value::CgroupPath(_)
            | Value::Username(_)
            | Value::Text(_) => string(out, &text::to_bytes(v, Place::Value, &self.trailer)),
        }
    }

    fn object(&self, out: &mut Vec<u8>, fields: &[(String, Value)]) {
        out.push(b'{');
        for (i, (name, value)) in fields.iter().enumerate() {
            if i > 0 {
                out.extend(b", ");
            }
            string(out, name.as_bytes());
            out.extend(b": ");
            self.any(out, value);
        }
        out.push(b'}');
    }
}

/// The type that a map's record bears.
fn kind(value: &Ty) -> &'static str {
    match value {
        Ty::Agg { kind, .. } => match kind {
            AggKind::Hist { .. } | AggKind::Lhist { .. } => "hist",
            AggKind::Stats | AggKind::Avg => "stats",
            AggKind::Tseries { .. } => "tseries",
            AggKind::Count | AggKind::Sum | AggKind::Min | AggKind::Max => "map",
        },
        _ => "map",
    }
}

/// `{"type": "x", "data": `
fn open(out: &mut Vec<u8>, name: &str) {
    out.extend(format!("{{\"type\": \"{name}\", \"data\": ").as_bytes());
}

fn integer(out: &mut Vec<u8>, n: i128) {
    let text = if (n as f64) as i128 == n { n.to_string() } else { format!("\"{n}\"") };
    out.extend(text.as_bytes());
}

fn buckets(out: &mut Vec<u8>, h: &Hist) {
    out.push(b'[');
    for (i, b) in hist::used(h).into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.push(b'{');
        for (name, bound) in [("min", b.min), ("max", b.max)] {
            if let Some(bound) = bound {
                out.extend(format!("\"{name}\": ").as_bytes());
                integer(out, bound);
                out.extend(b", ");
            }
        }
        out.extend(b"\"count\": ");
        integer(out, i128::from(b.count));
        out.push(b'}');
    }
    out.push(b']');
}

fn points(out: &mut Vec<u8>, s: &Series) {
    out.push(b'[');
    for (i, (start, value)) in s.dated().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        out.extend(format!("{comma}{{\"interval_start\":\"{start}\",\"value\":").as_bytes());
        integer(out, value);
        out.push(b'}');
    }
    out.push(b']');
}

/// A JSON string.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' => out.extend(b"\\\""),
            '\\' => out.extend(b"\\\\"),
            '\n' => out.extend(b"\\n"),
            '\t' => out.extend(b"\\t"),
            '\r' => out.extend(b"\\r"),
            c if c.is_control() => out.extend(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            c => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
