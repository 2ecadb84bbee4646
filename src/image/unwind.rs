//! Unwind tables as programs read them: what a process has mapped where, and for each place of a binary's code how
//! the caller's frame is found from this one's.
//!
//! Comes in: from the runtime, what it found in binaries and in /proc. Goes out: the bytes that `lower::unwind` makes
//! programs search. Always holds: rows and ranges lie in the order of their addresses. Byte offsets are little-endian
//! words of the host; registers are x86_64's.

use super::wire::globals;

/// A row: one 64-bit word. From its address on, up to that of the next row, its rule holds.
pub mod row {
    /// Bits 0..32: the address, counted from [`super::range::BIAS`].
    pub const PC_BITS: u32 = 32;
    /// Bits 32..48: a number that the rule has, mostly in words of 8 bytes.
    pub const NUMBER_SHIFT: u32 = 32;
    pub const NUMBER_MASK: i64 = 0xffff;
    /// Bits 48..51: [`super::Rule`].
    pub const RULE_SHIFT: u32 = 48;
    pub const RULE_MASK: i64 = 7;
    /// Bits 51..64: where the caller's frame pointer lies, in words below the canonical frame address; 0: it is in
    /// its register yet.
    pub const BP_SHIFT: u32 = 51;
    pub const BP_MAX: u64 = (1 << (64 - BP_SHIFT)) - 1;
    pub const BYTES: u32 = 8;
}

/// How the canonical frame address (CFA) is found: the stack pointer as it was before the call. The return address
/// lies right below it, except where said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Nothing is known of this place.
    None = 0,
    /// There is no caller.
    End = 1,
    /// The stack pointer plus so many words.
    Sp = 2,
    /// The frame pointer plus so many words.
    Bp = 3,
    /// In the linker's stubs of 16 bytes: a word above the stack pointer, two from the byte of the stub on that the
    /// number says.
    Plt = 4,
    /// In the word that many words (signed) from the frame pointer: functions that align their stack. The caller's
    /// frame pointer is where the frame pointer points.
    AtBp = 5,
    /// What the kernel calls a signal handler with: registers lie at fixed places above the stack pointer.
    Signal = 6,
    /// A rule that is none of these.
    Other = 7,
}

/// Bytes above the stack pointer at which the kernel puts registers before it calls a signal handler (`struct
/// rt_sigframe` without its return address, arch/x86/include/uapi/asm/sigcontext.h).
pub mod sigframe {
    pub const BP: i64 = 120;
    pub const SP: i64 = 160;
    pub const IP: i64 = 168;
}

/// A row's words.
pub fn pack_row(pc: u32, rule: Rule, number: u16, bp_words: u64) -> u64 {
    u64::from(pc)
        | u64::from(number) << row::NUMBER_SHIFT
        | (rule as u64) << row::RULE_SHIFT
        | bp_words.min(row::BP_MAX) << row::BP_SHIFT
}

/// A value of the map of processes, whose key is the process id as `u32`.
pub mod process {
    /// `u32`: ranges that follow.
    pub const N_RANGES: u32 = 0;
    /// `u64`: how often the task had become another program, plus 1 (`task_struct.self_exec_id`): what is known of the
    /// one is wrong for the next. 0: not known; the first program to see it fills it in.
    pub const EXEC: u32 = 8;
    pub const RANGES: u32 = 16;
    /// Ranges of a process, at most.
    pub const RANGES_MAX: u32 = 512;
    pub const BYTES: u32 = RANGES + RANGES_MAX * super::range::BYTES;
}

/// Code that a process has mapped from a binary.
pub mod range {
    /// `u64`: its first address.
    pub const START: u32 = 0;
    /// `u64`: the first address behind it.
    pub const END: u32 = 8;
    /// `u64`: what is taken from an address before it is looked up in the rows.
    pub const BIAS: u32 = 16;
    /// `u32`: index of the binary's first row.
    pub const FIRST_ROW: u32 = 24;
    /// `u32`
    pub const N_ROWS: u32 = 28;
    pub const BYTES: u32 = 32;
}

/// Rows of a binary, at most, and the halvings that find one of them.
pub const ROWS_MAX: u32 = 1 << 24;
pub const SEARCH_ROUNDS: u32 = ROWS_MAX.ilog2() + 1;
/// Processes of which is known what they have mapped, at most.
pub const PROCESSES_MAX: u32 = 1024;
/// The same where they take memory from the start.
pub const PROCESSES_PREALLOCATED_MAX: u32 = 64;
/// Frames of a stack, at most.
pub const FRAMES_MAX: u32 = 512;

/// Why a stack ends before it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Nothing is known of the process.
    Process,
    /// There is no table for the code.
    Code,
    /// The table has a rule that awl does not follow.
    Rule,
    /// The stack cannot be read, or makes no sense.
    Memory,
}

impl Cut {
    pub const ALL: [Cut; 4] = [Cut::Process, Cut::Code, Cut::Rule, Cut::Memory];
}

/// What a program asks for, where a stack was cut for want of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// What the process has mapped.
    Process,
    /// The table of code that was not there when the process was looked at.
    Code,
}

impl Want {
    pub const ALL: [Want; 2] = [Want::Process, Want::Code];

    /// The word of `wire::globals` that says whether it has been asked for.
    pub fn asked_at(self) -> u32 {
        match self {
            Want::Process => globals::UNWIND_ASKED,
            Want::Code => globals::UNWIND_ASKED + 4,
        }
    }
}

impl Cut {
    /// What would have helped.
    pub fn want(self) -> Option<Want> {
        match self {
            Cut::Process => Some(Want::Process),
            Cut::Code => Some(Want::Code),
            Cut::Rule | Cut::Memory => None,
        }
    }
}

const _: () = assert!(process::RANGES.is_multiple_of(8) && range::BYTES.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_parts() {
        let word = pack_row(0xffff_fff0, Rule::Signal, 0x8001, row::BP_MAX) as i64;
        assert_eq!(word as u32, 0xffff_fff0);
        assert_eq!((word >> row::NUMBER_SHIFT) & row::NUMBER_MASK, 0x8001);
        assert_eq!((word >> row::RULE_SHIFT) & row::RULE_MASK, Rule::Signal as i64);
        assert_eq!(word as u64 >> row::BP_SHIFT, row::BP_MAX);
    }
}
