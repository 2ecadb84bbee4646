//! Expressions and statements, computed in the kernel.

use crate::session::{Awl, READY};
use crate::{Needs, Test};

pub const TESTS: &[Test] = &[
    ("values-with-types", Needs::Root, values),
    ("awl-itself", Needs::Root, own),
    ("structs-are-walked", Needs::Root, structs),
    ("statements", Needs::Root, statements),
    ("stack-of-here", Needs::Root, stack),
];

fn values() {
    let mut awl = Awl::start();
    awl.answers("1 + 2", "3 : int64");
    awl.answers("(1, \"a\")", "\\(1, a\\) : \\(");
    awl.answers("1 == 1", "true : bool");
    awl.answers("\"abc\"", "\"abc\" : string\\[4\\]");
    awl.answers("sizeof(struct task_struct)", "\\d{4} : uint64");
    let first: u64 = awl.answers("nsecs", "(\\d+) : uint64").parse().unwrap();
    let second: u64 = awl.answers("nsecs", "(\\d+) : uint64").parse().unwrap();
    assert!(second > first);
    awl.answers("kaddr(\"schedule\")", "\\d{6,} : uint64");
    assert_eq!(awl.leaves(), 0);
}

fn own() {
    let mut awl = Awl::start();
    awl.answers("curtask.comm", "\"awl\" : string\\[17\\] \\(of awl itself\\)");
    let pid = awl.pid();
    // Another program type can find tasks by their ids.
    awl.answers("task(curtask.pid).comm", "\"awl\" : string\\[17\\]");
    awl.answers("task(curtask.pid).files.count.counter", "[1-9]\\d* : int32");
    awl.answers("task(-5)", "0x0 : struct task_struct \\*");
    awl.answers("pid", &format!("{pid} : uint32 \\(of awl itself\\)"));
    assert_eq!(awl.leaves(), 0);
}

fn structs() {
    let mut awl = Awl::start();
    awl.answers("curtask.mm", "0xffff[0-9a-f]+ : struct mm_struct \\*");
    awl.sees("  \\.mmap_base = \\d+");
    awl.answers("curtask.mm.map_count", "\\d+ : int32");
    awl.answers("curtask.mm.no_such", "E0206");
    assert_eq!(awl.leaves(), 0);
}

fn statements() {
    let mut awl = Awl::start();
    awl.answers("printf(\"p=%d\\n\", 3 * 5)", "p=15");
    awl.answers("$x = 3; printf(\"q=%d\\n\", $x * 6);", "q=18");
    awl.answers("@v = 7", READY);
    awl.answers("@v", "@v: 7 : int64");
    awl.answers("@v++", "7 : int64");
    awl.answers("@v", "@v: 8 : int64");
    awl.answers("clear(@v)", READY);
    awl.answers("@v", "@v : int64, empty");
    assert_eq!(awl.leaves(), 0);
}

fn stack() {
    let mut awl = Awl::start();
    awl.answers("kstack", "bpf\\+\\d+");
    awl.sees(" : kstack");
    assert_eq!(awl.leaves(), 0);
}
