//! Arithmetic.
//!
//! Always holds: a division by zero yields 1 and is counted; a shift's count is taken modulo 64; results are
//! cut to their type.

use super::func::Fx;
use crate::image::LossKind;
use crate::ir::{BinOp, Cc, Kind, UnOp, Value};
use crate::sema::hir::{Arith, Expr, ExprKind};
use crate::ty::Ty;

impl<'a> Fx<'_, 'a> {
    /// `l op r` of type `ty`.
    pub fn arith(&mut self, op: Arith, l: &'a Expr, r: &'a Expr, ty: &Ty) -> Value {
        let a = self.val(l);
        let by = match r.kind {
            ExprKind::Int(n) => Some(n),
            _ => None,
        };
        let b = self.val(r);
        self.arith_of(op, a, b, by, ty)
    }

    /// The same of values; `by` is the right one if it is known.
    pub fn arith_of(&mut self, op: Arith, a: Value, b: Value, by: Option<i64>, ty: &Ty) -> Value {
        let signed = self.is_signed(ty);
        let v = match op {
            Arith::Add => self.b.bin(BinOp::Add, a, b),
            Arith::Sub => self.b.bin(BinOp::Sub, a, b),
            Arith::Mul => self.b.bin(BinOp::Mul, a, b),
            Arith::And => self.b.bin(BinOp::And, a, b),
            Arith::Or => self.b.bin(BinOp::Or, a, b),
            Arith::Xor => self.b.bin(BinOp::Xor, a, b),
            Arith::Shl => {
                let n = self.shift_count(b, by);
                self.b.bin(BinOp::Shl, a, n)
            }
            Arith::Shr => {
                let n = self.shift_count(b, by);
                self.b.bin(if signed { BinOp::Ashr } else { BinOp::Lshr }, a, n)
            }
            Arith::Div => return self.divide(BinOp::Udiv, a, b, by, ty),
            Arith::Rem => return self.divide(BinOp::Urem, a, b, by, ty),
        };
        match op {
            // These keep what fits the type in it.
            Arith::And | Arith::Or | Arith::Xor | Arith::Shr => v,
            Arith::Add | Arith::Sub | Arith::Mul | Arith::Shl | Arith::Div | Arith::Rem => {
                self.truncate(v, ty)
            }
        }
    }

    fn shift_count(&mut self, count: Value, known: Option<i64>) -> Value {
        match known {
            Some(n) => self.b.iconst(n & 63),
            None => self.b.bin_imm(BinOp::And, count, 63),
        }
    }

    fn divide(&mut self, op: BinOp, a: Value, b: Value, by: Option<i64>, ty: &Ty) -> Value {
        match by {
            Some(n) if n != 0 => return self.divide_by(op, a, b, Some(n), ty),
            Some(_) | None => {}
        }
        let zero = self.b.iconst(0);
        self.choose(
            (Cc::Ne, b, zero),
            Kind::Int,
            |f| f.divide_by(op, a, b, by, ty),
            |f| {
                f.lose(LossKind::DivByZero);
                f.b.iconst(1)
            },
        )
    }

    /// `a / b`, where `b` is not zero.
    pub fn divide_nonzero(&mut self, a: Value, b: Value, ty: &Ty) -> Value {
        self.divide_by(BinOp::Udiv, a, b, None, ty)
    }

    /// `b` is not zero. BPF divides unsigned numbers: signs are taken off before and put back after.
    fn divide_by(&mut self, op: BinOp, a: Value, b: Value, by: Option<i64>, ty: &Ty) -> Value {
        if !self.is_signed(ty) {
            return self.b.bin(op, a, b);
        }
        let sign_a = self.b.bin_imm(BinOp::Ashr, a, 63);
        let abs_a = self.absolute(a, sign_a);
        let (abs_b, sign) = match by {
            Some(n) => {
                let sign = if n < 0 { self.b.bin_imm(BinOp::Xor, sign_a, -1) } else { sign_a };
                (self.b.iconst(n.unsigned_abs() as i64), sign)
            }
            None => {
                let sign_b = self.b.bin_imm(BinOp::Ashr, b, 63);
                (self.absolute(b, sign_b), self.b.bin(BinOp::Xor, sign_a, sign_b))
            }
        };
        // The remainder has the sign of the dividend.
        let sign = if op == BinOp::Urem { sign_a } else { sign };
        let v = self.b.bin(op, abs_a, abs_b);
        let v = self.absolute(v, sign);
        self.truncate(v, ty)
    }

    /// `v`, negated where `sign` is all ones and not zero.
    fn absolute(&mut self, v: Value, sign: Value) -> Value {
        let flipped = self.b.bin(BinOp::Xor, v, sign);
        self.b.bin(BinOp::Sub, flipped, sign)
    }

    /// `ptr + index * elem_bytes`
    pub fn pointer_add(&mut self, ptr: &'a Expr, index: &'a Expr, elem_bytes: u32, ty: &Ty) -> Value {
        let p = self.val(ptr);
        let kind = self.b.kind(p);
        if let ExprKind::Int(n) = index.kind {
            let by = n.wrapping_mul(elem_bytes.into());
            // Verifier: it knows the pointer as one into its object, and what is beyond only as an address.
            let p = match kind {
                Kind::Btf | Kind::BtfOrNull if by != 0 => {
                    let n = self.number_of_pointer(p);
                    self.plain(n, ty)
                }
                _ => p,
            };
            return self.b.add_imm(p, by);
        }
        let i = self.val(index);
        let off = match elem_bytes {
            1 => i,
            n => self.b.bin_imm(BinOp::Mul, i, n.into()),
        };
        let n = self.number_of_pointer(p);
        let sum = self.b.bin(BinOp::Add, n, off);
        match kind {
            Kind::User => self.as_kind(sum, Kind::User),
            Kind::Stack | Kind::MapValue | Kind::MapValueOrNull | Kind::Ctx => {
                self.as_kind(sum, Kind::Kernel)
            }
            _ => self.plain(sum, ty),
        }
    }

    /// `-v`
    pub fn negate(&mut self, v: Value) -> Value {
        self.b.un(UnOp::Neg, v)
    }
}
