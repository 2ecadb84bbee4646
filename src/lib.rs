//! awl: from the tracing language that bpftrace's users write to eBPF, without LLVM.

pub mod base;
pub mod syntax;
pub mod ty;
