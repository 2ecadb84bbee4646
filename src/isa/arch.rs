//! What belongs to a processor: one [`Arch`] row each. Nothing elsewhere assumes one.

/// A processor's row.
#[derive(Debug)]
pub struct Arch {
    pub name: &'static str,
    /// `struct pt_regs`: (name as `reg()` takes it, byte offset, bytes).
    pub regs: &'static [(&'static str, u32)],
    /// Names (in `regs`) of the registers that carry a function's integer arguments.
    pub args: &'static [&'static str],
    /// Names of the registers that carry a system call's arguments.
    pub syscall_args: &'static [&'static str],
    /// Name of the register that keeps a system call's number while it runs.
    pub syscall_nr: &'static str,
    pub ret: &'static str,
    pub ip: &'static str,
    pub sp: &'static str,
    /// Bytes that a return takes off the stack.
    pub return_pops_bytes: u32,
    /// How its kernel runs programs of the narrower processor before it.
    pub narrow: Option<Narrow>,
    /// Bytes from the stack pointer at a function's start to its first argument on the stack.
    pub stack_args_at: u32,
    pub page_bytes: u32,
    /// Bytes of `struct pt_regs`.
    pub pt_regs_bytes: u32,
    /// `e_machine` of its ELF files.
    pub elf_machine: u16,
    /// Reads an operand of the assembler, as notes of USDT probes have them.
    pub usdt_place: fn(&str) -> Option<super::usdt::Place>,
    /// System calls by name, in the order of their names.
    pub syscalls: &'static [(&'static str, u32)],
    /// What C compilers define for it (`gcc -dM -E`): headers ask for that.
    pub c_macros: &'static str,
}

/// What tells code of half the width by its registers, and how it differs.
#[derive(Debug)]
pub struct Narrow {
    pub reg: &'static str,
    pub value: i64,
    pub return_pops_bytes: u32,
}

/// x86_64 (arch/x86/include/asm/ptrace.h; the System V ABI for arguments).
pub static X86_64: Arch = Arch {
    name: "x86_64",
    regs: &[
        ("r15", 0),
        ("r14", 8),
        ("r13", 16),
        ("r12", 24),
        ("bp", 32),
        ("bx", 40),
        ("r11", 48),
        ("r10", 56),
        ("r9", 64),
        ("r8", 72),
        ("ax", 80),
        ("cx", 88),
        ("dx", 96),
        ("si", 104),
        ("di", 112),
        ("orig_rax", 120),
        ("ip", 128),
        ("pc", 128),
        ("cs", 136),
        ("flags", 144),
        ("sp", 152),
        ("ss", 160),
    ],
    args: &["di", "si", "dx", "cx", "r8", "r9"],
    syscall_args: &["di", "si", "dx", "r10", "r8", "r9"],
    syscall_nr: "orig_rax",
    ret: "ax",
    ip: "ip",
    sp: "sp",
    return_pops_bytes: 8,
    // `__USER32_CS` (arch/x86/include/asm/segment.h).
    narrow: Some(Narrow { reg: "cs", value: 0x23, return_pops_bytes: 4 }),
    // The return address lies between.
    stack_args_at: 8,
    page_bytes: 4096,
    pt_regs_bytes: 168,
    elf_machine: 62,
    usdt_place: super::usdt::place_x86_64,
    syscalls: super::syscalls_x86_64::SYSCALLS,
    c_macros: include_str!("../../stdlib/c/x86_64.h"),
};

impl Arch {
    /// Byte offset in `struct pt_regs` of a register by its name.
    pub fn reg(&self, name: &str) -> Option<u32> {
        self.regs.iter().find(|(n, _)| *n == name).map(|&(_, off)| off)
    }
    /// The number of a system call.
    pub fn syscall(&self, name: &str) -> Option<u32> {
        let i = self.syscalls.binary_search_by(|(n, _)| (*n).cmp(name)).ok()?;
        Some(self.syscalls[i].1)
    }
}

/// The processor that awl was built for.
#[cfg(target_arch = "x86_64")]
pub fn native() -> &'static Arch {
    &X86_64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syscalls_are_in_order() {
        assert!(X86_64.syscalls.windows(2).all(|w| w[0].0 < w[1].0));
        let number = |name| X86_64.syscall(name);
        assert_eq!([number("read"), number("openat"), number("newfstat")], [Some(0), Some(257), Some(5)]);
        assert_eq!(number("open_sesame"), None);
    }
}
