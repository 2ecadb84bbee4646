//! Maps: shared, shown, watched, changed, dropped.

use crate::session::{Awl, READY};
use crate::{Needs, Test};

pub const TESTS: &[Test] = &[
    ("shared-by-clauses", Needs::Root, shared),
    ("entries", Needs::Root, entries),
    ("change-of-type-is-offered", Needs::Root, change),
    ("drop", Needs::Root, drop_map),
    ("watch", Needs::Root, watch),
];

fn shared() {
    let mut awl = Awl::start();
    awl.answers("begin { @n = (uint8)200 }", "1: begin");
    awl.answers("interval:ms:20 { @n += 100 }", "2: interval");
    // Values are 64 bits wide, whatever assigned them first.
    awl.answers(":maps", "@n: uint64");
    awl.sees("used by 1, 2");
    awl.answers(":rm 1 2", READY);
    let n = awl.answers("@n", "@n: (\\d+) : uint64");
    assert!(n.parse::<u64>().is_ok_and(|n| n >= 200), "{n}");
    awl.answers("begin { printf(\"n>%d\\n\", @n >= 200) }", "n>1");
    assert_eq!(awl.leaves(), 0);
}

fn entries() {
    let mut awl = Awl::start();
    awl.answers("begin { @c[1, \"a\"] = count(); @h[3] = hist(5); @i[\"k\"] = 9 }", "1: begin");
    awl.answers("@c", "@c\\[1, a\\]: 1 : count_t by \\(int64,string");
    awl.answers("@c[1, \"a\"]", "1 : int64");
    awl.answers("@h[3]", "\\[4, 8\\) +1");
    awl.sees(" : hist_t");
    awl.answers("@h[4]", "no such key");
    awl.answers("@i[\"k\"]", "9 : int64");
    awl.answers("@nothing", "E0203");
    assert_eq!(awl.leaves(), 0);
}

fn change() {
    let mut awl = Awl::start();
    awl.answers("@x = 5", READY);
    awl.answers("interval:ms:20 { printf(\"x is %s.\\n\", str(0)); print(@x); }", "@x: 5");
    awl.answers("@x = \"other\"", "E0301");
    awl.sees("change @x from int64 to string\\[6\\]\\? clause 1 is recompiled.*\\[y/N\\]");
    awl.answers("n", "unchanged");
    awl.answers("@x", "@x: 5 : int64");
    awl.answers("@x = \"other\"", "\\[y/N\\]");
    awl.answers("y", "@x: other");
    awl.answers(":ls", "  1 on");
    // What no one can want is explained only.
    awl.answers("begin { @y = 1 }", "2: begin");
    awl.answers("begin { @y = \"text\" }", "E0301");
    awl.sees("@y cannot change its type: change clause 2 first");
    awl.answers(":undo", "taken back");
    assert_eq!(awl.leaves(), 0);
}

fn drop_map() {
    let mut awl = Awl::start();
    awl.answers("begin { @x[1] = 2 }", "1: begin");
    awl.answers(":drop @x", "in use by clause 1");
    awl.answers(":rm 1", READY);
    awl.answers(":drop @x", READY);
    awl.answers("@x", "E0203");
    awl.answers(":undo", "taken back: :drop @x");
    awl.answers("@x", "@x\\[1\\]: 2 : int64 by int64");
    awl.answers(":drop @z", "there is no map @z");
    awl.answers(":drop", "name of a map is missing");
    assert_eq!(awl.leaves(), 0);
}

fn watch() {
    let mut awl = Awl::start();
    awl.answers("interval:ms:20 { @n = count() }", "1: interval");
    awl.types(":watch @n 50ms");
    // Drawn anew in its place: up two lines, and cleared.
    for _ in 0..3 {
        awl.sees("\x1b\\[2A\r\x1b\\[J\\[each 50 ms, Ctrl-C ends\\]\r\n@n: \\d+\r\n");
    }
    awl.keys("\x03");
    awl.sees("\\?2004h");
    awl.answers("30 + 4", "34 : int64");
    awl.answers(":watch @q", "there is no map @q");
    awl.answers(":watch @n soon", "neither a map nor an interval");
    assert_eq!(awl.leaves(), 0);
}
