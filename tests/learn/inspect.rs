//! What became of a clause.

use super::terminal::Terminal;

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
