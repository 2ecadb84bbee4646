//! The only unsafe code: the kernel's interfaces, each behind a safe face.
//!
//! Comes in: plain data. Goes out: owned descriptors, mappings and bytes, or the errno as `io::Error`.

pub mod bpf;
pub mod bpfmap;
pub mod bpfprogs;
pub mod btf;
pub mod cfi;
pub mod collect;
pub mod demangle;
pub mod dwarf;
pub mod elf;
pub mod features;
pub mod hold;
pub mod kretprobe;
pub mod limits;
pub mod mem;
pub mod objects;
pub mod perf;
pub mod perfring;
pub mod poll;
pub mod proc;
pub mod process;
pub mod ringbuf;
pub mod signal;
pub mod taskwatch;
pub mod term;
pub mod time;
pub mod tracefs;
pub mod trial;
pub mod usdt;
pub mod wake;
pub mod work;
pub mod world;
