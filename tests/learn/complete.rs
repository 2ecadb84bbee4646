//! Tab, hints and what finds things, at the prompt.

use super::terminal::Terminal;

/// Types, presses Tab, takes the line back; what was shown.
fn tab(t: &mut Terminal, typed: &str, wanted: &str) {
    t.keys(typed);
    // The lists are made in the background: until they are there, Tab has nothing to offer.
    t.keys_until("\t", wanted);
    t.take_back();
}

#[test]
fn tab_completes() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    tab(&mut t, "tracep", "tracepoint:");
    tab(&mut t, "tracepoint:sched:sched_swi", "tracepoint:sched:sched_switch");
    tab(&mut t, "t:schedswitch", "sched:sched_switch");
    tab(&mut t, "curtask.real_par", "curtask.real_parent");
    tab(&mut t, "t:syscalls:sys_enter_openat { printf(\"%s\", str(args.filen", "args.filename");
    tab(&mut t, "begin { @x = coun", "count(");
    tab(&mut t, "begin { print(leader_c", "leader_comm");
    tab(&mut t, "begin { $counter = 1; $cou", "$counter");
    tab(&mut t, "config = { max_strl", "max_strlen");
    tab(&mut t, ":struct task_struc", "task_struct");
    tab(&mut t, ":he", ":help");
    tab(&mut t, ":help max_strl", "max_strlen");
    t.leave();
}

#[test]
fn tab_knows_the_session() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    t.answer("interval:s:100 { @sleepers[tid] = count(); }");
    tab(&mut t, "begin { @slee", "@sleepers");
    t.answer("interval:s:200 { @sleepers[tid] = count(); }");
    tab(&mut t, ":rm ", "interval:s:200");
    t.leave();
}

#[test]
fn hints_stand_behind_the_cursor() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    t.keys("curtask.mm");
    t.until_shows("struct mm_struct *");
    t.take_back();
    t.keys("begin { printf(");
    t.until_shows("printf(format, values…)");
    t.take_back();
    t.keys("begin { assert(pid > 1, ");
    t.until_shows("assert(condition, message) [message]");
    t.take_back();
    t.leave();
}

#[test]
fn things_are_found() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    let said = t.answer(":probes sched_switch");
    assert!(said.contains("tracepoint:sched:sched_switch"), "{said}");
    let said = t.answer(":args tracepoint:syscalls:sys_enter_openat");
    assert!(said.contains(" filename"), "{said}");
    let said = t.answer(":struct path");
    assert!(said.contains("struct dentry *dentry;") && said.contains("16 bytes"), "{said}");
    let said = t.answer(":type curtask.mm");
    assert!(said.contains("struct mm_struct * (8 bytes"), "{said}");
    let said = t.answer(":probes no_such_probe_at_all");
    assert!(said.contains("no probe matches"), "{said}");
    t.leave();
}

#[test]
fn everything_is_explained() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    for (topic, wanted) in [
        ("strftime", "strftime("),
        ("hist", "hist("),
        ("ppid", "ppid, ppid(task)"),
        ("tracepoint", "tracepoint:CATEGORY:EVENT"),
        ("max_strlen", "default: 1024"),
        ("E0401", "E0401"),
        (":verifier", ":verifier N"),
    ] {
        let said = t.answer(&format!(":help {topic}"));
        assert!(said.contains(wanted), "{topic}: {said}");
    }
    // The example of what was explained last is a key away.
    for (topic, example) in [("count", "count()"), ("has_cpid", "if (has_cpid)")] {
        t.answer(&format!(":help {topic}"));
        t.keys("\x1b\r");
        t.until_shows(example);
        t.take_back();
    }
    t.leave();
}
