//! `profile` and `interval`: timers, on every processor or on one.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx};
use crate::base::codes;
use crate::image::Attach;
use crate::image::attach::Rate;

/// The shortest period.
const PERIOD_MIN_NS: u64 = 1000;

pub static PROFILE: ProbeKind = ProbeKind {
    provider: Provider::Profile,
    name: "profile",
    aliases: &["p"],
    syntax: "profile:hz:99, profile:ms:10 or profile:10ms",
    doc: "Fires at a rate on every processor, whatever it runs: hz, s, ms, us.",
    example: "profile:hz:99 { @[kstack] = count(); } interval:s:1 { exit(); }",
    resolve: |cx, parts| rate(cx, parts, Provider::Profile, Attach::Profile),
    list: |_, _| units("profile"),
};

pub static INTERVAL: ProbeKind = ProbeKind {
    provider: Provider::Interval,
    name: "interval",
    aliases: &["i"],
    syntax: "interval:s:1, interval:ms:100 or interval:100ms",
    doc: "Fires at a rate on one processor: hz, s, ms, us.",
    example: "interval:ms:100 { printf(\"tick\\n\"); exit(); }",
    resolve: |cx, parts| rate(cx, parts, Provider::Interval, Attach::Interval),
    list: |_, _| units("interval"),
};

fn units(name: &str) -> Vec<String> {
    ["hz", "s", "ms", "us"].iter().map(|unit| format!("{name}:{unit}:")).collect()
}

fn rate(
    cx: &mut ResolveCx<'_>,
    parts: &[ApText],
    provider: Provider,
    attach: fn(Rate) -> Attach,
) -> Vec<Point> {
    let rate = match parts {
        [period] => split_unit(&period.text).and_then(|(n, unit)| period_of(unit, n)),
        [unit, n] if unit.text == "hz" => super::number(&n.text).map(Rate::Hz),
        [unit, n] if matches!(unit.text.as_str(), "s" | "ms" | "us" | "ns") => {
            super::number(&n.text).and_then(|n| period_of(&unit.text, n))
        }
        _ => None,
    };
    match rate {
        None => cx.malformed(provider, "this is no rate"),
        Some(Rate::Hz(0)) => cx.malformed(provider, "a rate of 0 never fires"),
        Some(Rate::PeriodNs(ns)) if ns < PERIOD_MIN_NS => {
            let message = format!("the shortest period is {PERIOD_MIN_NS} ns (1us); found {ns} ns");
            cx.error(&codes::PROBE_SYNTAX, cx.span, message);
            Vec::new()
        }
        Some(rate) => vec![Point { attach: attach(rate), ctx: Ctx::Perf }],
    }
}

/// `100ms` as (100, "ms"); no unit: nanoseconds.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = if digits == text.len() { "ns" } else { &text[digits..] };
    text[..digits].parse().ok().map(|n| (n, unit))
}

fn period_of(unit: &str, n: u64) -> Option<Rate> {
    let ns: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    n.checked_mul(ns).map(Rate::PeriodNs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        assert_eq!(split_unit("100ms"), Some((100, "ms")));
        assert_eq!(split_unit("5000"), Some((5000, "ns")));
        assert_eq!(split_unit("ms"), None);
        assert_eq!(period_of("ms", 100), Some(Rate::PeriodNs(100_000_000)));
        assert_eq!(period_of("hz", 1), None);
        assert_eq!(period_of("d", u64::MAX), None);
    }
}
