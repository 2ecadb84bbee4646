//! What is fixed by the eBPF instruction set, the kernel's ABI and the processor: encodings, helpers, limits,
//! registers. Rows only; nothing here depends on a script or on a machine.

pub mod arch;
pub mod assemble;
pub mod helpers;
pub mod insn;
pub mod limits;
pub mod syscalls_x86_64;
pub mod usdt;

pub use helpers::Helper;
pub use insn::Insn;
