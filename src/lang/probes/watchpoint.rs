//! `watchpoint:ADDRESS:LENGTH:MODE`: reads, writes or execution of a few bytes, by the processor's debug registers.

use super::kprobe::number;
use super::{ApText, Ctx, Point, ProbeKind, Provider, ResolveCx};
use crate::base::codes;
use crate::image::Attach;

/// What the processor can watch for.
const MODES: &[&str] = &["rw", "w", "x"];
/// How many bytes it can watch.
const LENGTHS: &[u64] = &[1, 2, 4, 8];

pub static ROW: ProbeKind = ProbeKind {
    provider: Provider::Watchpoint,
    name: "watchpoint",
    aliases: &["w"],
    syntax: "watchpoint:ADDRESS:LENGTH:MODE",
    doc: "Fires when 1, 2, 4 or 8 bytes at an address are written (w), read or written (rw) or executed (x): of the process of -p or -c, else of the kernel.",
    example: "watchpoint:0x10000000:8:rw { printf(\"%s\\n\", comm); exit(); }",
    resolve,
    list: |_, _| Vec::new(),
};

fn resolve(cx: &mut ResolveCx<'_>, parts: &[ApText]) -> Vec<Point> {
    let [addr, len, mode] = parts else {
        return cx.malformed(Provider::Watchpoint, "an address, a length and a mode are wanted");
    };
    let Some(address) = number(&addr.text) else {
        cx.error(&codes::PROBE_SYNTAX, addr.span, "the address is no number");
        return Vec::new();
    };
    let Some(n) = len.text.parse().ok().filter(|n| LENGTHS.contains(n)) else {
        cx.error(&codes::PROBE_SYNTAX, len.span, "the length is 1, 2, 4 or 8");
        return Vec::new();
    };
    // In any order, as `wr` for `rw`.
    let mut letters: Vec<char> = mode.text.chars().collect();
    letters.sort_unstable();
    let Some(mode_text) = MODES.iter().find(|m| m.chars().eq(letters.iter().copied())) else {
        cx.error(&codes::PROBE_SYNTAX, mode.span, format!("the mode is one of {}", MODES.join(", ")));
        return Vec::new();
    };
    if *mode_text == "x" && n != 8 {
        cx.error(&codes::PROBE_SYNTAX, len.span, "execution is watched with a length of 8");
        return Vec::new();
    }
    if !address.is_multiple_of(n) {
        cx.error(&codes::PROBE_SYNTAX, addr.span, format!("the address is no multiple of the length ({n})"));
        return Vec::new();
    }
    let attach = Attach::Watchpoint { addr: address, len: n as u32, mode: (*mode_text).into() };
    vec![Point { attach, ctx: Ctx::Perf }]
}
