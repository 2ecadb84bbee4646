//! `software` and `hardware`: perf events that count, a probe each time the count is full.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx};
use crate::base::codes;
use crate::base::diag::nearest;
use crate::image::Attach;

/// Name, short name or empty, `config` of `perf_event_attr`, count without one given.
type Event = (&'static str, &'static str, u64, u64);

/// `enum perf_sw_ids` (include/uapi/linux/perf_event.h).
const SOFTWARE_EVENTS: &[Event] = &[
    ("alignment-faults", "", 7, 1),
    ("bpf-output", "", 10, 1),
    ("context-switches", "cs", 3, 1000),
    ("cpu-clock", "cpu", 0, 1_000_000),
    ("cpu-migrations", "", 4, 1),
    ("dummy", "", 9, 1),
    ("emulation-faults", "", 8, 1),
    ("major-faults", "", 6, 1),
    ("minor-faults", "", 5, 100),
    ("page-faults", "faults", 2, 100),
    ("task-clock", "", 1, 1),
];

/// `enum perf_hw_id` (include/uapi/linux/perf_event.h).
const HARDWARE_EVENTS: &[Event] = &[
    ("backend-stalls", "", 8, 1_000_000),
    ("branch-instructions", "branches", 4, 100_000),
    ("branch-misses", "", 5, 100_000),
    ("bus-cycles", "", 6, 100_000),
    ("cache-misses", "", 3, 1_000_000),
    ("cache-references", "", 2, 1_000_000),
    ("cpu-cycles", "cycles", 0, 1_000_000),
    ("frontend-stalls", "", 7, 1_000_000),
    ("instructions", "", 1, 1_000_000),
    ("ref-cycles", "", 9, 1_000_000),
];

pub static SOFTWARE: ProbeKind = ProbeKind {
    provider: Provider::Software,
    name: "software",
    aliases: &["s"],
    syntax: "software:EVENT[:COUNT]",
    doc: "Fires at every COUNTth event that the kernel counts: page-faults, context-switches, cpu-clock, …",
    example: "software:page-faults:1 { @[comm] = count(); } interval:s:1 { exit(); }",
    resolve: |cx, parts| {
        resolve(cx, parts, Provider::Software, SOFTWARE_EVENTS, |name, config, period| Attach::Software {
            name,
            config,
            period,
        })
    },
    list: |_, pattern| list("software", SOFTWARE_EVENTS, pattern),
};

pub static HARDWARE: ProbeKind = ProbeKind {
    provider: Provider::Hardware,
    name: "hardware",
    aliases: &["h"],
    syntax: "hardware:EVENT[:COUNT]",
    doc: "Fires at every COUNTth event that the processor counts: cpu-cycles, cache-misses, …",
    example: "hardware:cache-misses:1000000 { @[comm] = count(); } interval:s:1 { exit(); }",
    resolve: |cx, parts| {
        resolve(cx, parts, Provider::Hardware, HARDWARE_EVENTS, |name, config, period| Attach::Hardware {
            name,
            config,
            period,
        })
    },
    list: |_, pattern| list("hardware", HARDWARE_EVENTS, pattern),
};

fn resolve(
    cx: &mut ResolveCx<'_>,
    parts: &[ApText],
    provider: Provider,
    events: &[Event],
    attach: fn(String, u64, u64) -> Attach,
) -> Vec<Point> {
    let (event, count) = match parts {
        [event] => (event, None),
        [event, count] if count.text.is_empty() => (event, None),
        [event, count] => (event, Some(count)),
        _ => return cx.malformed(provider, "an event and perhaps a count are wanted"),
    };
    let Some(&(name, _, config, usual)) = events
        .iter()
        .find(|(name, short, ..)| *name == event.text || (*short == event.text && !short.is_empty()))
    else {
        if event.is_pattern() {
            return cx.malformed(provider, "an event is named without wildcards");
        }
        let names = events.iter().flat_map(|e| [e.0, e.1]).filter(|n| !n.is_empty());
        let near = nearest(&event.text, names).map(str::to_owned);
        return cx.missing(event.span, format!("there is no event {}", event.text), near);
    };
    let period = match count.map(|c| (super::number(&c.text), c.span)) {
        None => usual,
        Some((Some(n), _)) if n > 0 => n,
        Some((_, span)) => {
            cx.error(&codes::PROBE_SYNTAX, span, "the count is a number above 0");
            return Vec::new();
        }
    };
    vec![Point { attach: attach(name.into(), config, period), ctx: Ctx::Perf }]
}

fn list(provider: &str, events: &[Event], pattern: &[String]) -> Vec<String> {
    let pattern = pattern.first().map_or("*", String::as_str);
    let matching = events.iter().filter(|e| crate::world::glob(pattern, e.0));
    matching.map(|e| format!("{provider}:{}:", e.0)).collect()
}
