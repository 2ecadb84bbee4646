//! `begin`, `end`, `self:signal:NAME`: probes that awl runs itself.

use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx};
use crate::base::codes;
use crate::image::Attach;

/// `SIGUSR1`: the only signal that the language has for `self`.
const SIGUSR1: i32 = 10;

pub static BEGIN: ProbeKind = ProbeKind {
    provider: Provider::Begin,
    name: "begin",
    aliases: &[],
    syntax: "begin",
    doc: "Runs once, before anything is attached.",
    example: "begin { printf(\"hello\\n\"); }",
    resolve: |cx, parts| alone(cx, parts, Provider::Begin, Attach::Begin),
    list: |_, _| vec!["begin".into()],
};

pub static END: ProbeKind = ProbeKind {
    provider: Provider::End,
    name: "end",
    aliases: &[],
    syntax: "end",
    doc: "Runs once, after everything is detached and before maps are printed.",
    example: "begin { exit(); } end { printf(\"bye\\n\"); }",
    resolve: |cx, parts| alone(cx, parts, Provider::End, Attach::End),
    list: |_, _| vec!["end".into()],
};

pub static OWN: ProbeKind = ProbeKind {
    provider: Provider::Own,
    name: "self",
    aliases: &[],
    syntax: "self:signal:SIGUSR1",
    doc: "Runs when awl itself receives the signal.",
    example: "self:signal:SIGUSR1 { printf(\"%d\\n\", elapsed); } interval:s:1 { exit(); }",
    resolve: own,
    list: |_, _| vec!["self:signal:SIGUSR1".into()],
};

fn alone(cx: &mut ResolveCx<'_>, parts: &[ApText], provider: Provider, attach: Attach) -> Vec<Point> {
    if parts.is_empty() {
        return vec![Point { attach, ctx: Ctx::None }];
    }
    cx.malformed(provider, "begin and end take nothing after their name")
}

fn own(cx: &mut ResolveCx<'_>, parts: &[ApText]) -> Vec<Point> {
    match parts {
        [what, signal] if what.text == "signal" => {
            if signal.text == "SIGUSR1" {
                return vec![Point { attach: Attach::Signal(SIGUSR1), ctx: Ctx::None }];
            }
            cx.error(&codes::PROBE_SYNTAX, signal.span, "the only signal of self probes is SIGUSR1");
            Vec::new()
        }
        _ => cx.malformed(Provider::Own, "self probes are of a signal"),
    }
}
