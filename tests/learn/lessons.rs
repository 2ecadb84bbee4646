//! Every lesson: its model answer solves it, and a wrong one does not.

use super::terminal::Terminal;
use awl::repl::lessons;
use awl::sys::world::LinuxWorld;

/// Does lesson `n`: the wrong answer, then the right one. Progress is shown by the list.
fn do_lesson(n: usize) {
    let Some(mut t) = Terminal::start(&[]) else { return };
    let answers = lessons::answers(n - 1, &LinuxWorld::new());
    let opened = t.answer(&format!(":learn {n}"));
    let Some(answers) = answers else {
        assert!(opened.contains("has none of the probes"), "{opened}");
        eprintln!("skipped: this machine has none of the probes of lesson {n}");
        return t.leave();
    };
    assert!(opened.contains(&format!("{n}. {}", answers.title)) && opened.contains("Task: "), "{opened}");
    let mut said = String::new();
    for line in &answers.wrong {
        said = t.answer(line);
    }
    assert!(said.contains("Not yet: ") && !said.contains("Solved."), "{said}");
    assert!(!t.answer(":learn list").contains("done"));
    for line in &answers.model {
        said = t.answer(line);
    }
    assert!(said.contains("Solved.") && !said.contains("Not yet: "), "{said}");
    let list = t.answer(":learn list");
    let done = list.lines().filter(|l| l.contains("  done  ")).count();
    assert!(done == 1 && list.contains(&format!("{n}  done  {}", answers.title)), "{list}");
    let closed = t.answer(":learn quit");
    assert!(closed.contains("the lesson is closed"), "{closed}");
    let left = t.answer(":ls");
    assert!(left.contains("no clause"), "what the lesson attached is gone: {left}");
    t.leave();
}

#[test]
fn lesson_1_probes() {
    do_lesson(1);
}

#[test]
fn lesson_2_predicates() {
    do_lesson(2);
}

#[test]
fn lesson_3_maps() {
    do_lesson(3);
}

#[test]
fn lesson_4_histograms() {
    do_lesson(4);
}

#[test]
fn lesson_5_latency() {
    do_lesson(5);
}

#[test]
fn lesson_6_stacks() {
    do_lesson(6);
}

#[test]
fn lesson_7_types() {
    do_lesson(7);
}

#[test]
fn lesson_8_verifier() {
    do_lesson(8);
}

#[test]
fn what_is_typed_does_not_solve_a_lesson() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    t.answer(":learn 2");
    // The map holds a number, but none that the kernel has counted.
    let said = t.answer("interval:s:100 { @big = count(); }");
    assert!(said.contains("Not yet: "), "{said}");
    let said = t.answer("BEGIN { @big = 12; }");
    assert!(!said.contains("Solved."), "{said}");
    t.leave();
}

#[test]
fn hints_end_with_an_example_on_a_key() {
    let Some(mut t) = Terminal::start(&[]) else { return };
    assert!(t.answer(":hint").contains("no lesson is open"));
    assert!(t.answer(":try exit").contains("belongs to the lesson about the verifier"));
    assert!(t.answer(":learn 99").contains("there is no lesson 99"));
    t.answer(":learn next");
    let hints: Vec<String> = (0..3).map(|_| t.answer(":hint")).collect();
    assert!(hints[0].contains("printf takes") && hints[2].contains("Alt-Enter"), "{hints:?}");
    // Alt-Enter puts the example on the prompt, Enter enters it.
    t.keys("\x1b\r");
    t.until_shows("opens %s");
    // What it prints never ends.
    t.keys("\r");
    t.until_shows("Solved.");
    t.leave();
}
