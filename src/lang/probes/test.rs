//! `test:NAME` and `bench:NAME`: probes that awl runs itself where `--test` or `--bench` asks for them.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx};
use crate::image::Attach;

pub static TEST: ProbeKind = ProbeKind {
    provider: Provider::Test,
    name: "test",
    aliases: &[],
    syntax: "test:NAME",
    doc: "A test, run by --test (--probe-filter picks some by their names): it passes if it returns 0, calls no errorf() and does not exit with another status than 0. Else it is compiled and left alone.",
    example: "test:sums { assert(1 + 1 == 2, \"1 + 1 is not 2\"); }",
    resolve: |cx, parts| resolve(cx, parts, Provider::Test, Attach::Test),
    list: |_, _| Vec::new(),
};

pub static BENCH: ProbeKind = ProbeKind {
    provider: Provider::Bench,
    name: "bench",
    aliases: &[],
    syntax: "bench:NAME",
    doc: "A benchmark, run by --bench as often as it takes to be measured; one that returns 1 is skipped. Else it is compiled and left alone.",
    example: "bench:count { @[pid] = count(); }",
    resolve: |cx, parts| resolve(cx, parts, Provider::Bench, Attach::Bench),
    list: |_, _| Vec::new(),
};

fn resolve(
    cx: &mut ResolveCx<'_>,
    parts: &[ApText],
    provider: Provider,
    attach: fn(String) -> Attach,
) -> Vec<Point> {
    match parts {
        [name] if name.is_pattern() => cx.malformed(provider, "a name has no wildcards"),
        [name] if !name.text.is_empty() => {
            vec![Point { attach: attach(name.text.clone()), ctx: Ctx::None }]
        }
        _ => cx.malformed(provider, "a name is wanted"),
    }
}
