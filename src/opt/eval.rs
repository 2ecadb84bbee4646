//! What operations on numbers give, and bounds that are plain from the operation.
//!
//! The interpreter of the tests (`tests/codegen/interp.rs`) says the same a second time; random programs hold
//! the two, and the kernel, against each other.

use crate::ir::{BinOp, Cc, UnOp, Width};

/// `a op b` as the instruction computes it.
pub fn binary(op: BinOp, w: Width, a: i64, b: i64) -> i64 {
    match w {
        Width::W64 => {
            let (x, y) = (a as u64, b as u64);
            let r = match op {
                BinOp::Add => x.wrapping_add(y),
                BinOp::Sub => x.wrapping_sub(y),
                BinOp::Mul => x.wrapping_mul(y),
                BinOp::Udiv => x.checked_div(y).unwrap_or(0),
                BinOp::Urem => x.checked_rem(y).unwrap_or(x),
                BinOp::And => x & y,
                BinOp::Or => x | y,
                BinOp::Xor => x ^ y,
                BinOp::Shl => x << (y & 63),
                BinOp::Lshr => x >> (y & 63),
                BinOp::Ashr => (a >> (y & 63)) as u64,
            };
            r as i64
        }
        Width::W32 => {
            let (x, y) = (a as u32, b as u32);
            let r = match op {
                BinOp::Add => x.wrapping_add(y),
                BinOp::Sub => x.wrapping_sub(y),
                BinOp::Mul => x.wrapping_mul(y),
                BinOp::Udiv => x.checked_div(y).unwrap_or(0),
                BinOp::Urem => x.checked_rem(y).unwrap_or(x),
                BinOp::And => x & y,
                BinOp::Or => x | y,
                BinOp::Xor => x ^ y,
                BinOp::Shl => x << (y & 31),
                BinOp::Lshr => x >> (y & 31),
                BinOp::Ashr => ((a as i32) >> (y & 31)) as u32,
            };
            i64::from(r)
        }
    }
}

pub fn unary(op: UnOp, a: i64) -> i64 {
    match op {
        UnOp::Neg => a.wrapping_neg(),
        UnOp::Sext8 => i64::from(a as i8),
        UnOp::Sext16 => i64::from(a as i16),
        UnOp::Sext32 => i64::from(a as i32),
        UnOp::Zext8 => i64::from(a as u8),
        UnOp::Zext16 => i64::from(a as u16),
        UnOp::Zext32 => i64::from(a as u32),
        UnOp::Bswap16 => i64::from((a as u16).swap_bytes()),
        UnOp::Bswap32 => i64::from((a as u32).swap_bytes()),
        UnOp::Bswap64 => a.swap_bytes(),
    }
}

pub fn compare(cc: Cc, a: i64, b: i64) -> bool {
    let (x, y) = (a as u64, b as u64);
    match cc {
        Cc::Eq => a == b,
        Cc::Ne => a != b,
        Cc::Ult => x < y,
        Cc::Ule => x <= y,
        Cc::Ugt => x > y,
        Cc::Uge => x >= y,
        Cc::Slt => a < b,
        Cc::Sle => a <= b,
        Cc::Sgt => a > b,
        Cc::Sge => a >= b,
    }
}

/// How a number that is at most `max` (unsigned) compares with `c`, if that is the same for all of them.
pub fn compare_bounded(cc: Cc, max: u64, c: i64) -> Option<bool> {
    let limit = c as u64;
    let is_small = i64::try_from(max).is_ok();
    match cc {
        Cc::Eq => (limit > max).then_some(false),
        Cc::Ne => (limit > max).then_some(true),
        Cc::Ult if limit == 0 => Some(false),
        Cc::Uge if limit == 0 => Some(true),
        Cc::Ult => (max < limit).then_some(true),
        Cc::Ule => (max <= limit).then_some(true),
        Cc::Ugt => (max <= limit).then_some(false),
        Cc::Uge => (max < limit).then_some(false),
        // Not negative, so the sign of the limit decides, or the limit itself.
        Cc::Slt if is_small && c <= 0 => Some(false),
        Cc::Sge if is_small && c <= 0 => Some(true),
        Cc::Sle if is_small && c < 0 => Some(false),
        Cc::Sgt if is_small && c < 0 => Some(true),
        Cc::Slt => (is_small && max < limit).then_some(true),
        Cc::Sle => (is_small && max <= limit).then_some(true),
        Cc::Sgt => (is_small && max <= limit).then_some(false),
        Cc::Sge => (is_small && max < limit).then_some(false),
    }
}

/// The bits that a zero extension keeps.
pub fn kept_bits(op: UnOp) -> Option<u64> {
    match op {
        UnOp::Zext8 => Some(0xff),
        UnOp::Zext16 => Some(0xffff),
        UnOp::Zext32 => Some(0xffff_ffff),
        UnOp::Neg
        | UnOp::Sext8
        | UnOp::Sext16
        | UnOp::Sext32
        | UnOp::Bswap16
        | UnOp::Bswap32
        | UnOp::Bswap64 => None,
    }
}

/// Bytes of which an extension, signed or not, keeps all.
pub fn extended_bytes(op: UnOp) -> Option<u32> {
    match op {
        UnOp::Sext8 | UnOp::Zext8 => Some(1),
        UnOp::Sext16 | UnOp::Zext16 => Some(2),
        UnOp::Sext32 | UnOp::Zext32 => Some(4),
        UnOp::Neg | UnOp::Bswap16 | UnOp::Bswap32 | UnOp::Bswap64 => None,
    }
}

/// Bounds against every number.
#[cfg(test)]
mod tests {
    use super::*;

    const CCS: [Cc; 10] =
        [Cc::Eq, Cc::Ne, Cc::Ult, Cc::Ule, Cc::Ugt, Cc::Uge, Cc::Slt, Cc::Sle, Cc::Sgt, Cc::Sge];

    #[test]
    fn bounds_agree_with_all_numbers_within() {
        for cc in CCS {
            for max in 0..6u64 {
                for c in -3..9i64 {
                    let all: Vec<bool> = (0..=max).map(|v| compare(cc, v as i64, c)).collect();
                    let same = all.iter().all(|&r| r == all[0]);
                    match compare_bounded(cc, max, c) {
                        Some(r) => assert!(all.iter().all(|&x| x == r), "{cc:?} {max} {c}"),
                        // Equality with the only number there is is left to others.
                        None => assert!(!same || max == 0 || c == 0, "{cc:?} {max} {c}"),
                    }
                }
            }
            assert_eq!(compare_bounded(cc, u64::MAX, 5), None, "{cc:?}");
        }
    }
}
