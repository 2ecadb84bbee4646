//! Files: history, `.awlrc`, scripts loaded and saved.

use std::process::Command;

use crate::session::{Awl, Home, READY, binary};
use crate::{Needs, Test};

pub const TESTS: &[Test] = &[
    ("load", Needs::Root, load),
    ("save", Needs::Root, save),
    ("history", Needs::Nothing, history),
    ("awlrc", Needs::Nothing, startup),
    ("parameters", Needs::Root, parameters),
];

fn load() {
    let mut awl = Awl::start();
    let path = awl.home.write("tool.bt", "#!/usr/bin/env awl\nbegin { printf(\"loaded %d\\n\", 2 + 3); }\n");
    awl.answers(&format!(":load {path}"), "loaded 5");
    let path =
        awl.home.write("list", "macro five() { 5 }\n:maps\nbegin {\n  printf(\"five %d\\n\", five);\n}\n");
    awl.answers(&format!(":load {path}"), "five 5");
    let path = awl.home.write("bad.bt", "begin { printf(; }\n");
    awl.answers(&format!(":load {path}"), "bad.bt:1:");
    awl.answers(":load nowhere.bt", "nowhere.bt cannot be read: no such file");
    assert_eq!(awl.leaves(), 0);
}

fn save() {
    let mut awl = Awl::start();
    awl.answers(":save out.bt", "nothing to save");
    awl.answers("macro two() { 2 }", "noted");
    awl.answers("begin { printf(\"s=%d\\n\", two + 40); exit(); }", "called exit");
    awl.answers("config = { max_strlen = 64 }", "noted");
    awl.answers(":on 1", "called exit");
    awl.answers("interval:ms:10 { exit(); }", "called exit");
    awl.answers("begin { printf(\"s=%d\\n\", two + 40); }", "3: begin");
    awl.answers("interval:s:100 { @t = count(); }", "4: interval");
    awl.answers(":save out.bt", "saved; `awl out.bt` runs it");
    let text = std::fs::read_to_string(awl.home.path("out.bt")).expect("the script");
    assert!(text.starts_with("config = {\n  max_strlen = 64;\n}\nmacro two() { 2 }\n"), "{text}");
    assert!(!text.contains("exit"), "{text}");
    let run =
        Command::new(binary()).arg("--dry-run").arg(awl.home.path("out.bt")).output().expect("awl runs");
    assert!(run.status.success(), "{run:?}");
    awl.answers(":save out.bt", "write over out.bt\\?");
    awl.answers("n", "not saved");
    awl.answers(":save /nowhere/x.bt", "cannot be written");
    // What only the prompt did is missing from the script, which is said.
    awl.answers("@seen = 5", READY);
    awl.answers("interval:s:100 { print(@seen) }", "5: interval");
    awl.answers(":save two.bt", "does not run by itself yet");
    assert_eq!(awl.leaves(), 0);
}

fn history() {
    let mut awl = Awl::start();
    awl.answers(":help quit", "leaves|Leaves");
    awl.answers(":help rm", "Takes clauses out");
    assert_eq!(awl.leaves(), 0);
    let home = std::mem::replace(&mut awl.home, Home::new());
    let kept = std::fs::read_to_string(home.path(".awl_history")).expect("the history");
    assert_eq!(kept, ":help quit\n:help rm\n");
    let mut awl = Awl::with(&[], home);
    // Two lines up.
    awl.keys("\x1b[A\x1b[A");
    awl.sees(":help quit");
    awl.answers("", "Leaves");
    assert_eq!(awl.leaves(), 0);
}

fn startup() {
    let home = Home::new();
    home.write(".awlrc", "macro answer() { 42 }\n:help drop\n");
    let mut awl = Awl::with(&[], home);
    awl.sees("Forgets maps");
    assert_eq!(awl.leaves(), 0);
    // One that everybody can write to is not run.
    let home = std::mem::replace(&mut awl.home, Home::new());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(home.path(".awlrc"), mode).expect("permissions");
    let mut awl = Awl::with(&[], home);
    awl.sees("awlrc is not used: others can write to it");
    assert_eq!(awl.leaves(), 0);
}

fn parameters() {
    let mut awl = Awl::with(&["--unsafe", "--", "7", "word"], Home::new());
    awl.answers("$1 + 1", "8 : int64");
    awl.answers("str($2)", "\"word\" : string");
    awl.answers("system(\"echo from-$((6*7))\")", "from-42");
    assert_eq!(awl.leaves(), 0);
    let pid = std::process::id().to_string();
    let mut awl = Awl::with(&["-p", &pid], Home::new());
    awl.answers("tracepoint:syscalls:sys_enter_getppid { @n = count() }", "1: tracepoint");
    crate::session::call_getppid(30);
    awl.comes_to("@n", |n| n.parse() == Ok(30), "@n: (\\d+) : count_t");
    assert_eq!(awl.leaves(), 0);
}
