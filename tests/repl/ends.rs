//! Ways to end, and to go on: keys, signals, terminals that change or go.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::session::{Awl, Home, READY, binary, has_map, until};
use crate::{Needs, Test};

pub const TESTS: &[Test] = &[
    ("keys", Needs::Root, keys),
    ("end-probes-run", Needs::Root, end_probes),
    ("killed-while-attaching", Needs::Root, killed),
    ("ended-by-signal", Needs::Root, signal),
    ("terminal-goes", Needs::Root, vanished),
    ("terminal-changes-its-size", Needs::Root, resized),
    ("without-privilege", Needs::Root, unprivileged),
    ("no-terminal", Needs::Nothing, usage),
];

fn keys() {
    let mut awl = Awl::start();
    // Ctrl-C gives the line up.
    awl.keys("1 + nonsense");
    awl.sees("nonsense");
    awl.keys("\x03");
    awl.sees(READY);
    awl.answers("2 + 2", "4 : int64");
    assert_eq!(awl.leaves(), 0);
}

fn end_probes() {
    let mut awl = Awl::start();
    awl.answers("end { printf(\"bye %d\\n\", 4 * 4) }", "1: end");
    awl.keys("\x04");
    awl.sees("bye 16");
    assert_eq!(awl.ends(), 0);
}

/// The name of a map that no other test has.
fn own_map(name: &str) -> String {
    format!("@{name}{}", std::process::id())
}

fn killed() {
    let mut awl = Awl::start();
    let map = own_map("zk");
    awl.types(&format!("tracepoint:syscalls:sys_enter_*, tracepoint:sched:* {{ {map} = 1 }}"));
    // As soon as the first part of it is there.
    until("a map", || has_map(&map));
    awl.session.get_process_mut().kill(expectrl::process::unix::Signal::SIGKILL).expect("a signal");
    until("the end of the programs", || !has_map(&map));
}

fn signal() {
    let mut awl = Awl::start();
    let map = own_map("zs");
    awl.answers(&format!("interval:s:10 {{ {map} = 1 }}"), "1: interval");
    assert!(has_map(&map));
    awl.session.get_process_mut().kill(expectrl::process::unix::Signal::SIGTERM).expect("a signal");
    assert_eq!(awl.ends(), 0);
    until("the end of the programs", || !has_map(&map));
}

fn vanished() {
    let mut awl = Awl::start();
    let map = own_map("zv");
    awl.answers(&format!("interval:s:10 {{ {map} = 1 }}"), "1: interval");
    let pid = awl.pid();
    let home = std::mem::replace(&mut awl.home, Home::new());
    drop(awl);
    until("the end of awl", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    until("the end of the programs", || !has_map(&map));
    let kept = std::fs::read_to_string(home.path(".awl_history")).expect("the history");
    assert!(kept.contains(&map), "{kept}");
}

fn resized() {
    let mut awl = Awl::start();
    awl.answers("interval:ms:50 { @a_map_with_a_long_name[1] = count() }", "1: interval");
    for (columns, rows) in [(30, 5), (200, 60), (1, 1), (80, 24)] {
        awl.session.get_process_mut().set_window_size(columns, rows).expect("a size");
        awl.keys("10 + 11");
        awl.types("");
        awl.sees("21 : int64");
    }
    awl.session.get_process_mut().set_window_size(40, 10).expect("a size");
    awl.answers(":ls", "  1 on  +\\d+ +0  interval:ms:…");
    assert_eq!(awl.leaves(), 0);
}

fn unprivileged() {
    // Where anybody can run it.
    let home = Home::new();
    let program = home.path("awl");
    std::fs::copy(binary(), &program).expect("a copy");
    let open = |path: &std::path::Path, mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("permissions");
    };
    open(&home.0, 0o777);
    open(&program, 0o755);
    let mut awl = Awl::as_user(&program, 65534, home);
    awl.sees("nothing can be attached: awl needs root");
    awl.answers("begin { @x = 1 + 2 }", "1: begin: compiled, not attached");
    awl.answers("curtask.mm", "of type struct mm_struct \\*");
    awl.sees("awl needs root");
    awl.answers(":maps", "@x: int64");
    awl.answers(":ls", "  1 - ");
    awl.answers("1 +", "E0101");
    awl.answers("begin { @x = \"text\" + 1 }", "E0302");
    awl.answers(":watch @x", "awl needs root");
    awl.answers(":help count", "Counts");
    assert_eq!(awl.leaves(), 0);
}

fn usage() {
    let run = Command::new(binary()).stdin(Stdio::null()).output().expect("awl runs");
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&run.stderr).starts_with("usage:"));
    // Under the other name it prints its usage on a terminal, too.
    let home = Home::new();
    let link = home.path("bpftrace");
    std::os::unix::fs::symlink(binary(), &link).expect("a link");
    let mut awl = Awl::open(&link, &[], home, None);
    awl.sees("usage:");
    assert_eq!(awl.ends(), 1);
    let mut rest = String::new();
    let _ = awl.session.get_stream_mut().read_to_string(&mut rest);
}
