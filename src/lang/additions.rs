//! What awl adds to the language of bpftrace's scripts, for the manual.
//!
//! Always holds: nothing here changes what a script means that bpftrace accepts. Each row stands in the README's
//! section "What awl adds", too.

/// Something that is no builtin, aggregation, probe type or setting by itself.
#[derive(Debug)]
pub struct Addition {
    /// `awl help NAME`
    pub name: &'static str,
    pub syntax: &'static str,
    /// What it does, and why it is written like this.
    pub doc: &'static str,
    /// A script that runs.
    pub example: &'static str,
}

/// All of them, in the README's order.
pub static ADDITIONS: &[Addition] = &[
    Addition {
        name: "optional",
        syntax: "optional PROBE, PROBE || PROBE",
        doc: "An attach point after the word optional is attached if it exists, and else left out in silence (-v says \
          so). Of alternatives with || between them, the first that exists is attached; if none does, that is an error, but \
          not after optional. Both work for all probe types and within lists: `optional a || b, c`. A word and an operator \
          were chosen because ? and * are wildcards in names, and no attach point could hold white space or ||; a path that \
          does is quoted, or has a / before it. A body is checked for what is attached; what a left-out body does to maps \
          still decides the types of these.",
        example: "tracepoint:block:block_io_start || tracepoint:block:block_rq_issue || begin { @[probe] = count(); } optional tracepoint:sched:no_such_event { @n = count(); } interval:s:1 { exit(); }",
    },
    Addition {
        name: "counting",
        syntax: "@x++, @x -= n",
        doc: "Adding to and subtracting from an integer of a map (++, --, += and -=, with and without key) is atomic: \
          no update is lost, whatever the number of CPUs. Where the value of @x++ is used, too, as in $n = @x++, it is unique to this \
          update (from Linux 5.12 on; before, the sum is right and the value may be that of another CPU at the same time). Other operators \
          (@x *= 2, @x |= 1) read and write in two steps. What is only counted is cheaper in an aggregation, count() or sum(), \
          which each CPU has for itself.",
        example: "tracepoint:syscalls:sys_enter_read { @n++; @by[comm] += args.count; $ticket = @next++; @last = $ticket; } interval:s:1 { exit(); }",
    },
    Addition {
        name: "thread",
        syntax: "let @x = thread();",
        doc: "A map that holds a value for each thread: @x is that of the thread that the probe runs in, 0 where none is set. \
          It needs no key, is shared by all probes of the script, costs a fraction of @x[tid], and goes when its thread goes, so \
          that nothing is left over where a call never returns. The values may be of any type but an aggregation. \
          delete(@x) forgets the value and says whether there was one. The threads cannot be listed: print(), clear(), zero() \
          and len() are refused, and nothing is printed at the end. The spelling is that of the other kinds of maps, hash() \
          and its like. Needs Linux 5.12.",
        example: "let @start = thread(); tracepoint:syscalls:sys_enter_read { @start = nsecs; } tracepoint:syscalls:sys_exit_read /@start/ { @us = hist((nsecs - @start) / 1000); @start = 0; } interval:s:1 { exit(); }",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_them_all() {
        let readme = include_str!("../../README.md");
        let section = readme.split("\n## ").find(|s| s.starts_with("What awl adds")).unwrap();
        for row in ADDITIONS {
            assert!(section.contains(&format!("`{}`", row.syntax)), "{} is not in the README", row.syntax);
        }
    }
}
