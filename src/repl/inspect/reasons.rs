//! What the verifier's refusals mean, a row each.

/// Words of the log, and what they mean to whoever wrote the program.
static REASONS: &[(&str, &str)] = &[
    (
        "mem access 'map_value_or_null'",
        "a lookup yields the address of a value, or 0 where the key is not there; before memory is read \
         through it, every path must have compared it with 0",
    ),
    (
        "mem access 'scalar'",
        "the register holds a number there, not an address that the verifier knows to be good",
    ),
    (
        "mem access 'inv'",
        "the register holds a number there, not an address that the verifier knows to be good",
    ),
    (
        "mem access 'ptr_",
        "the address may be 0, or is not trusted; compare it with 0 first, or use probe_read",
    ),
    ("unreachable insn", "no path leads to that instruction; code that can never run is refused"),
    ("jump out of range", "a jump leads out of the program"),
    ("last insn is not an exit", "the program must end with exit or a jump"),
    ("!read_ok", "a register is read that nothing has been put into on this path"),
    ("invalid read from stack", "stack memory is read that nothing has been written to"),
    ("invalid indirect read from stack", "a helper gets stack memory that nothing has been written to"),
    ("back-edge", "a loop leads back without a bound that the verifier can see"),
    ("infinite loop detected", "the loop comes back to a state in which it has been before"),
    ("too large", "the verifier gave up after a million instructions, every path counted"),
    ("invalid bpf_context access", "the context has no field there, or none of that size"),
    ("min value is negative", "an offset or length might be negative; bound it from below first"),
    ("unbounded memory access", "an offset or length has no upper bound; compare it with one first"),
    ("value is outside of the allowed memory range", "an offset might lead past the end of the memory"),
    ("R0 leaks addr", "the program would give a kernel address away"),
    ("unknown func", "programs of this type cannot call that helper"),
    ("cannot pass map_type", "the helper does not work on maps of this kind"),
    ("combined stack size", "the functions on one call chain use more than 512 bytes of stack"),
];

/// What the refusal at the end of a log means.
pub fn meaning(log: &str) -> Option<&'static str> {
    // The reason stands near the end; what comes before are instructions and states.
    let tail: Vec<&str> = log.lines().rev().take(8).collect();
    let says = |words: &str| tail.iter().any(|line| line.contains(words));
    REASONS.iter().find(|(words, _)| says(words)).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_at_the_end() {
        let log =
            "0: (79) r1 = *(u64 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\nprocessed 7 insns\n";
        assert!(meaning(log).is_some_and(|m| m.contains("compared it with 0")));
        assert_eq!(meaning("processed 3 insns"), None);
    }
}
