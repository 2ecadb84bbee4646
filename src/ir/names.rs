//! The printed names of operators and kinds: tables that `print` reads one way and `parse` the other.

use super::{AtomicOp, BinOp, Cc, CoreKind, Kind, UnOp};

pub static KINDS: &[(Kind, &str)] = &[
    (Kind::Int, "int"),
    (Kind::Ctx, "ctx"),
    (Kind::Stack, "stack"),
    (Kind::Map, "map"),
    (Kind::MapValue, "val"),
    (Kind::MapValueOrNull, "val?"),
    (Kind::Btf, "btf"),
    (Kind::BtfOrNull, "btf?"),
    (Kind::Kernel, "kernel"),
    (Kind::User, "user"),
    (Kind::Func, "func"),
];

pub static BIN_OPS: &[(BinOp, &str)] = &[
    (BinOp::Add, "add"),
    (BinOp::Sub, "sub"),
    (BinOp::Mul, "mul"),
    (BinOp::Udiv, "udiv"),
    (BinOp::Urem, "urem"),
    (BinOp::And, "and"),
    (BinOp::Or, "or"),
    (BinOp::Xor, "xor"),
    (BinOp::Shl, "shl"),
    (BinOp::Lshr, "lshr"),
    (BinOp::Ashr, "ashr"),
];

pub static UN_OPS: &[(UnOp, &str)] = &[
    (UnOp::Neg, "neg"),
    (UnOp::Sext8, "sext8"),
    (UnOp::Sext16, "sext16"),
    (UnOp::Sext32, "sext32"),
    (UnOp::Zext8, "zext8"),
    (UnOp::Zext16, "zext16"),
    (UnOp::Zext32, "zext32"),
    (UnOp::Bswap16, "bswap16"),
    (UnOp::Bswap32, "bswap32"),
    (UnOp::Bswap64, "bswap64"),
];

pub static CCS: &[(Cc, &str)] = &[
    (Cc::Eq, "eq"),
    (Cc::Ne, "ne"),
    (Cc::Ult, "ult"),
    (Cc::Ule, "ule"),
    (Cc::Ugt, "ugt"),
    (Cc::Uge, "uge"),
    (Cc::Slt, "slt"),
    (Cc::Sle, "sle"),
    (Cc::Sgt, "sgt"),
    (Cc::Sge, "sge"),
];

pub static ATOMIC_OPS: &[(AtomicOp, &str)] = &[
    (AtomicOp::Add, "add"),
    (AtomicOp::FetchAdd, "fetch_add"),
    (AtomicOp::Xchg, "xchg"),
    (AtomicOp::CmpXchg, "cmpxchg"),
];

pub static CORE_KINDS: &[(CoreKind, &str)] = &[
    (CoreKind::ByteOffset, "byte_offset"),
    (CoreKind::ByteSize, "byte_size"),
    (CoreKind::Exists, "exists"),
    (CoreKind::Signed, "signed"),
    (CoreKind::LshiftU64, "lshift"),
    (CoreKind::RshiftU64, "rshift"),
    (CoreKind::TypeExists, "type_exists"),
    (CoreKind::TypeSize, "type_size"),
];

/// The name of a row.
pub fn name<T: Copy + PartialEq + std::fmt::Debug>(
    table: &'static [(T, &'static str)],
    of: T,
) -> &'static str {
    match table.iter().find(|r| r.0 == of) {
        Some(r) => r.1,
        None => crate::bug!("{of:?} has no name"),
    }
}

/// The row of a name.
pub fn find<T: Copy>(table: &'static [(T, &'static str)], name: &str) -> Option<T> {
    table.iter().find(|r| r.1 == name).map(|r| r.0)
}
