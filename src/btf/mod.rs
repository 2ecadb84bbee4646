//! BTF, the kernel's description of its own types: read, asked, written.
//!
//! Comes in: the bytes of `/sys/kernel/btf/*` (mapped or read by `sys`, or from a snapshot). Goes out: types in
//! a [`crate::ty::TypeTable`], signatures of functions, and BTF of our own for programs and ELF objects
//! (`image::core` matches types by name). Always holds: whatever the bytes are, reading them ends in an error or an answer.

pub mod kernel;
pub mod query;
pub mod read;
pub mod write;

pub use kernel::{Kernel, ModuleSource, Proto};
pub use read::Btf;

/// `BTF_KIND_*` (include/uapi/linux/btf.h).
pub mod kind {
    pub const INT: u8 = 1;
    pub const PTR: u8 = 2;
    pub const ARRAY: u8 = 3;
    pub const STRUCT: u8 = 4;
    pub const UNION: u8 = 5;
    pub const ENUM: u8 = 6;
    pub const FWD: u8 = 7;
    pub const TYPEDEF: u8 = 8;
    pub const VOLATILE: u8 = 9;
    pub const CONST: u8 = 10;
    pub const RESTRICT: u8 = 11;
    pub const FUNC: u8 = 12;
    pub const FUNC_PROTO: u8 = 13;
    pub const VAR: u8 = 14;
    pub const DATASEC: u8 = 15;
    pub const FLOAT: u8 = 16;
    pub const DECL_TAG: u8 = 17;
    pub const TYPE_TAG: u8 = 18;
    pub const ENUM64: u8 = 19;

    /// Bytes that follow the 12-byte header of a type with `vlen` entries; `None` for an unknown kind.
    pub fn tail_bytes(kind: u8, vlen: usize) -> Option<usize> {
        Some(match kind {
            INT | VAR | DECL_TAG => 4,
            ARRAY => 12,
            STRUCT | UNION | DATASEC | ENUM64 => 12 * vlen,
            ENUM | FUNC_PROTO => 8 * vlen,
            PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
            _ => return None,
        })
    }
}
