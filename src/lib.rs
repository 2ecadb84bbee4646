//! awl: from the tracing language that bpftrace's users write to eBPF, without LLVM.

pub mod attach;
pub mod base;
pub mod btf;
pub mod cli;
pub mod codegen;
pub mod expand;
pub mod image;
pub mod ir;
pub mod isa;
pub mod lang;
pub mod lower;
pub mod opt;
pub mod output;
pub mod runtime;
pub mod sema;
pub mod syntax;
pub mod sys;
pub mod ty;
pub mod value;
pub mod world;
