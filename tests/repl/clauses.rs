//! Clauses: entered, listed, switched, edited, taken out, taken back.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::session::{Awl, Home, READY, call_getppid, on_getppid};
use crate::{Needs, Test};

pub const TESTS: &[Test] = &[
    ("output-above-the-prompt", Needs::Root, output),
    ("hits-off-on-rm-undo", Needs::Root, switches),
    ("edit-counts-each-event-once", Needs::Root, edit),
    ("edit-with-mistakes", Needs::Root, edit_with_mistakes),
    ("exit-switches-off-what-came-together", Needs::Root, exits),
    ("macros-settings-and-declared-maps", Needs::Root, preamble),
    ("pasted-script", Needs::Root, paste),
    ("several-lines", Needs::Root, lines),
    ("flood", Needs::Root, flood),
    ("mistakes", Needs::Root, mistakes),
    ("cost", Needs::Root, cost),
    ("unwound-stacks", Needs::Root, unwound),
    ("help-of-commands", Needs::Nothing, help),
];

fn output() {
    let mut awl = Awl::start();
    awl.answers("begin { printf(\"v=%d\\n\", 6 * 7) }", "v=42\r\n");
    awl.answers("interval:ms:50 { printf(\"w=%d\\n\", 6 * 8) }", "2: interval:ms:50");
    // While a line is being typed, output comes and the line stays.
    awl.keys("1 + 2");
    awl.sees("w=48");
    awl.sees("w=48");
    awl.answers("00", "201 : int64");
    assert_eq!(awl.leaves(), 0);
}

fn unwound() {
    let mut awl = Awl::start();
    awl.answers(&format!("{} {{ @n = max(len(dw_ustack)) }}", on_getppid()), "E0325");
    assert_eq!(awl.leaves(), 0);
    let mut awl = Awl::with(&["--dwarf-pid", &std::process::id().to_string()], Home::new());
    awl.answers("config = { unstable_dw_ustack = enable }", READY);
    // One after the other, so that the second uses the tables of the first.
    for (name, clause) in [("n", 1), ("m", 2)] {
        awl.answers(
            &format!("{} {{ @{name} = max(len(dw_ustack)) }}", on_getppid()),
            &format!("{clause}: tracepoint"),
        );
        call_getppid(3);
        let n = awl.answers(&format!("@{name}"), &format!("@{name}: (\\d+) : "));
        assert!(n.parse::<u64>().is_ok_and(|n| n > 4), "{n}");
    }
    assert_eq!(awl.leaves(), 0);
}

fn switches() {
    let mut awl = Awl::start();
    awl.answers(&format!("{} {{ @n = count() }}", on_getppid()), "1: tracepoint:syscalls:sys_enter_getppid");
    call_getppid(100);
    awl.answers(":ls", "  1 on  +100 +0  tracepoint");
    awl.answers(":off 1", READY);
    call_getppid(100);
    awl.answers(":ls", "  1 off +100 +0  tracepoint");
    awl.answers(":on 1", READY);
    awl.answers(":ls", "  1 on  +100 +0  tracepoint");
    call_getppid(10);
    awl.answers(":ls", "  1 on  +110 +0  tracepoint");
    awl.answers(":rm 1", READY);
    awl.answers(":ls", "there is no clause");
    awl.answers("@n", "@n: 110 : count_t");
    awl.answers(":undo", "taken back: :rm 1");
    call_getppid(5);
    awl.answers(":ls", "  1 on  +5 +0  tracepoint");
    awl.answers("@n", "@n: 115 : count_t");
    awl.answers(":rm 7", "there is no clause 7");
    awl.answers(":undo", "taken back: :on 1");
    awl.answers(":ls", "  1 off");
    assert_eq!(awl.leaves(), 0);
}

fn edit() {
    static STOP: AtomicBool = AtomicBool::new(false);
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let mut awl = Awl::start();
    awl.answers(&format!("{} {{ @a = count() }}", on_getppid()), "1: tracepoint");
    let caller = std::thread::spawn(|| {
        while !STOP.load(Ordering::Relaxed) {
            call_getppid(50);
            CALLS.fetch_add(50, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
    });
    const MAPS: [&str; 4] = ["@b", "@a", "@b", "@c"];
    const N_EDITS: u32 = MAPS.len() as u32;
    for map in MAPS {
        let before = CALLS.load(Ordering::Relaxed);
        crate::session::until("calls", || CALLS.load(Ordering::Relaxed) > before + 1000);
        awl.answers(":edit 1", "edit 1> ");
        // The whole line is replaced.
        awl.keys("\x15");
        awl.answers(&format!("{} {{ {map} = count() }}", on_getppid()), READY);
    }
    STOP.store(true, Ordering::Relaxed);
    caller.join().unwrap();
    let number = |text: String| text.parse::<u32>().unwrap_or_else(|_| panic!("{text}"));
    let sum: u32 = ["@a", "@b", "@c"]
        .map(|map| number(awl.answers(map, &format!("{map}: (\\d+) : count_t"))))
        .iter()
        .sum();
    // None is missed; one that was being handled as the clauses changed places counts in both, as the README says.
    let calls = CALLS.load(Ordering::Relaxed);
    assert!((calls..=calls + N_EDITS).contains(&sum), "{sum} of {calls}");
    awl.answers(":ls", &format!("  1 on  +{sum} +0"));
    assert_eq!(awl.leaves(), 0);
}

fn edit_with_mistakes() {
    let mut awl = Awl::start();
    awl.answers("interval:ms:20 { @n = count() }", "1: interval");
    awl.answers(":edit 1", "edit 1> ");
    awl.keys("\x15");
    // The old clause stays, and what was typed stands on the prompt again.
    awl.answers("interval:ms:20 { @n = cuont() }", "E0204");
    awl.sees("edit 1> ");
    awl.keys("\x03");
    awl.sees(READY);
    awl.answers(":ls", "  1 on .*count\\(\\)");
    awl.answers(":edit 1", "edit 1> ");
    awl.answers("\x15begin { } end { }", "stays one probe");
    // Between two questions Ctrl-C is a signal, and not for the line.
    awl.sees("edit 1> ");
    awl.keys("\x03");
    awl.sees(READY);
    awl.answers(":edit 1", "edit 1> ");
    awl.answers("", "unchanged");
    awl.answers(":edit", "number of a clause is missing");
    assert_eq!(awl.leaves(), 0);
}

fn exits() {
    let mut awl = Awl::start();
    awl.answers("interval:ms:20 { @other = count() }", "1: interval");
    let script = "begin { @k[1] = 2; }\ninterval:ms:100 { exit(); }\nend { printf(\"e=%d\\n\", 1 + 1); }";
    awl.types(&format!("\x1b[200~{script}\x1b[201~"));
    awl.sees("4: end");
    awl.sees("e=2\r\n");
    awl.sees("@k\\[1\\]: 2");
    awl.sees("3 called exit\\(0\\): off now: 2 3 4");
    awl.answers(":ls", "  1 on");
    awl.sees("  2 off");
    awl.sees("  4 off");
    // At the prompt itself, exit() leaves.
    awl.types("exit(3)");
    assert_eq!(awl.ends(), 3);
}

fn preamble() {
    let mut awl = Awl::start();
    awl.answers("macro twice(e) { e + e }", "noted");
    awl.answers("begin { printf(\"t=%d\\n\", twice(21)) }", "t=42");
    awl.answers("twice(4)", "8 : ");
    awl.answers("config = { max_strlen = 32 }", "noted");
    awl.answers("begin { @s = str(0) }", READY);
    awl.answers(":maps", "@s: string\\[32\\]");
    awl.answers("let @few = hash(3);", "noted");
    awl.answers("begin { @few[1] = 1 }", READY);
    awl.answers(":maps", "of 3 at most");
    awl.answers("struct pair { int a; int b; };", "noted");
    awl.answers("sizeof(struct pair)", "8 : ");
    awl.answers("config = { max_strlen = 3 }", "E0313");
    assert_eq!(awl.leaves(), 0);
}

fn paste() {
    let mut awl = Awl::start();
    // The first probe reads what the second assigns.
    let pid = std::process::id();
    let script = format!(
        "// a pair\ntracepoint:syscalls:sys_exit_getppid /pid == {pid}/ {{\n  if (@at[tid]) {{ @n = count(); }}\n  \
         delete(@at[tid]);\n}}\n\ntracepoint:syscalls:sys_enter_getppid /pid == {pid}/ {{\n  @at[tid] = nsecs;\n}}\n"
    );
    awl.types(&format!("\x1b[200~{script}\x1b[201~"));
    awl.sees("2: tracepoint:syscalls:sys_enter_getppid");
    call_getppid(50);
    awl.answers("@n", "@n: 50 : count_t");
    assert_eq!(awl.leaves(), 0);
}

fn lines() {
    let mut awl = Awl::start();
    awl.types("begin {");
    awl.types("  printf(\"l=%d\\n\",");
    awl.types("    7 * 11);");
    awl.answers("}", "l=77");
    // A header waits for its body; two empty lines end what is never finished.
    awl.types("interval:ms:10");
    awl.answers("{ @x = 1 }", "2: interval:ms:10");
    awl.types("begin {");
    awl.types("");
    awl.answers("", "E0103");
    assert_eq!(awl.leaves(), 0);
}

fn flood() {
    let mut awl = Awl::start();
    awl.answers(&format!("{} {{ printf(\"f=%d\\n\", 1000 + 1) }}", on_getppid()), "1: tracepoint");
    let caller = std::thread::spawn(|| call_getppid(300_000));
    awl.sees("f=1001");
    awl.sees("lines of output left out");
    awl.answers("20 + 3", "23 : int64");
    caller.join().unwrap();
    awl.answers(":rm 1", READY);
    awl.answers("20 + 4", "24 : int64");
    assert_eq!(awl.leaves(), 0);
}

fn mistakes() {
    let mut awl = Awl::start();
    awl.answers("1 +", "E0101");
    awl.answers("begin { printf(\"%d\\n\", + ) }", "E0101");
    awl.answers("tracepoint:no:such { }", "E04\\d\\d");
    awl.answers("begin { @x = curtask.no_such_field }", "E0206");
    awl.answers("nothing_of_that_name", "E0201");
    awl.answers(":hepl", "did you mean :help");
    awl.answers(":edit 9", "there is no clause 9");
    awl.answers("system(\"true\")", "E0312");
    awl.answers("2 * 4", "8 : int64");
    assert_eq!(awl.leaves(), 0);
}

fn cost() {
    let mut awl = Awl::start();
    awl.answers(&format!("{} {{ @n = count() }}", on_getppid()), "1: tracepoint");
    awl.answers(":cost", "nothing is counted");
    awl.answers(":cost on", "counting runs");
    call_getppid(200);
    let runs = awl.answers(":ls", "  1 on  +200 +0 +(\\d+) +\\d+  trace");
    assert!(runs.parse::<u32>().is_ok_and(|n| n >= 200), "{runs}");
    awl.answers(":cost", "total ms");
    awl.answers(":cost off", "no longer");
    awl.answers(":cost sideways", "on or off");
    assert_eq!(awl.leaves(), 0);
}

fn help() {
    let mut awl = Awl::start();
    awl.answers(":help", ":quit");
    awl.answers(":help off", "keep their number");
    awl.sees("awl> ");
    // One key puts the example on the prompt.
    awl.keys("\x1b\r");
    awl.sees(":off 1");
    awl.keys("\x03");
    awl.sees(READY);
    awl.types(":quit");
    assert_eq!(awl.ends(), 0);
}
