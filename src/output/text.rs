//! Events and maps as text.

use super::{BenchEnd, Keyed, MapText, Message, Printer, TestEnd, TextCall, divided, hist, report, series};
use crate::image::Percentile;
use crate::value::Value;
use crate::value::text::{self, Place};

/// Text for people. `trailer` marks strings that were cut off.
#[derive(Debug)]
pub struct Text {
    pub trailer: String,
    /// What follows a histogram.
    pub percentiles: Vec<Percentile>,
}

impl Text {
    /// Without percentiles.
    pub fn plain(trailer: &str) -> Text {
        Text { trailer: trailer.to_owned(), percentiles: Vec::new() }
    }
}

impl Printer for Text {
    /// Said on stderr, not here.
    fn attached(&self, _: &mut Vec<u8>, _: usize) {}

    fn text(&self, out: &mut Vec<u8>, _: TextCall, bytes: &[u8]) {
        out.extend(bytes);
    }

    fn value(&self, out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Hist(h) => hist::write(out, h, &self.percentiles),
            other => text::write(out, other, Place::Value, &self.trailer),
        }
        out.push(b'\n');
    }

    fn map(&self, out: &mut Vec<u8>, map: &MapText<'_>) {
        for (key, value) in map.entries {
            out.extend(map.name.as_bytes());
            if map.keyed == Keyed::Yes {
                out.push(b'[');
                text::write_key(out, key, b", ", &self.trailer);
                out.push(b']');
            }
            out.push(b':');
            match divided(value, map.div).as_ref() {
                Value::Hist(h) => {
                    out.push(b'\n');
                    hist::write(out, h, &self.percentiles);
                }
                Value::Series(s) => {
                    out.push(b'\n');
                    series::write(out, s);
                }
                // Its text begins with a line break.
                stack @ Value::Stack(_) => text::write(out, stack, Place::Value, &self.trailer),
                other => {
                    out.push(b' ');
                    text::write(out, other, Place::Value, &self.trailer);
                }
            }
            out.push(b'\n');
        }
    }

    fn end_of_run(&self, out: &mut Vec<u8>) {
        out.extend(b"\n\n");
    }

    fn message(&self, _: &mut Vec<u8>, _: &Message<'_>) {}

    fn lost_events(&self, _: &mut Vec<u8>, _: u64) {}

    fn tests(&self, out: &mut Vec<u8>, n: usize) {
        report::tests(out, n);
    }

    fn test_starts(&self, out: &mut Vec<u8>, name: &str) {
        report::test_starts(out, name);
    }

    fn test_ended(&self, out: &mut Vec<u8>, test: &TestEnd) {
        report::test_ended(out, test);
    }

    fn tests_ended(&self, out: &mut Vec<u8>, tests: &[TestEnd]) {
        report::tests_ended(out, tests);
    }

    fn benchmarks(&self, out: &mut Vec<u8>, benches: &[BenchEnd]) {
        report::benchmarks(out, benches);
    }
}

#[cfg(test)]
mod tests;
