//! What became of a clause.

use super::terminal::Terminal;
use std::process::Command;

#[test]
fn code_in_all_its_forms() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    t.answer("tracepoint:sched:sched_switch /pid == 1/ { @sum[cpu] = sum(nsecs); }");
    let said = t.answer(":ir 1");
    assert!(said.contains("func sched_switch") && said.contains("map_lookup_elem"), "{said}");
    let raw = t.answer(":ir 1 raw");
    assert!(raw.lines().count() >= said.lines().count(), "{raw}");
    let said = t.answer(":asm 1");
    assert!(said.contains(" in the kernel") && said.contains("call bpf_map_lookup_elem#1"), "{said}");
    assert!(said.contains("; prompt:1: tracepoint:sched:sched_switch"), "the script's line: {said}");
    let said = t.answer(":verifier 1");
    assert!(said.contains("R1=ctx()") && said.contains("map_value_or_null"), "{said}");
    assert!(said.contains("@ prompt:1") && said.contains("processed "), "{said}");
    t.leave();
}

#[test]
fn a_clause_that_is_not_there() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    for command in [":ir", ":asm", ":verifier"] {
        assert!(t.answer(&format!("{command} 7")).contains("there is no clause 7"));
        assert!(t.answer(command).contains("the number of a clause is missing"));
    }
    t.leave();
}

/// A picture of this machine stands for one on which nothing can be attached.
#[test]
fn without_attaching_the_prompt_still_teaches() {
    let snapshot = concat!(env!("CARGO_TARGET_TMPDIR"), "/learn-world");
    let made = Command::new(env!("CARGO_BIN_EXE_awl")).args(["world", snapshot]).output().expect("awl runs");
    if !made.status.success() {
        return eprintln!("skipped: no snapshot: {}", String::from_utf8_lossy(&made.stderr));
    }
    let mut t = Terminal::start_any(&["--world", snapshot], &[]);
    assert!(t.prompt().contains("nothing can be attached"));
    let said = t.answer("tracepoint:sched:sched_switch { @count[cpu] = count(); }");
    assert!(said.contains("not attached"), "{said}");
    assert!(t.answer(":ir 1").contains("func sched_switch"));
    assert!(t.answer(":asm 1").contains("call bpf_map_lookup_elem#1"));
    let said = t.answer(":verifier 1");
    assert!(said.contains("is not attached"), "{said}");
    assert!(t.answer(":type curtask.mm").contains("struct mm_struct * (8 bytes"));
    assert!(t.answer(":args tracepoint:syscalls:sys_enter_openat").contains(" filename"));
    assert!(t.answer(":struct path").contains("struct dentry *dentry;"));
    let said = t.answer(":learn 3");
    assert!(said.contains("3. Maps") && said.contains("can be read, but not done"), "{said}");
    t.keys("tracepoint:sched:sched_swi");
    t.keys_until("\t", "tracepoint:sched:sched_switch");
    t.take_back();
    t.leave();
}
