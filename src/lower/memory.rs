//! Memory that the program may access itself: values in and out of it, and reads into it of what is elsewhere.
//!
//! Always holds: accesses are as wide as alignment allows and no wider (the kernel's verifier wants them aligned
//! on the stack and in a context).

use super::func::{CLEAN_BYTES_MAX, Fx};
use crate::image::LossKind;
use crate::ir::{BinOp, Cc, Kind, Off, Op, Size, Value};
use crate::isa::Helper;
use crate::lang::traits::{Operand, ReadSpace};
use crate::ty::Ty;

/// Copies up to this size are made of loads and stores, longer ones by a helper.
const INLINE_COPY_BYTES_MAX: u32 = 128;

/// What may stand behind the NUL of the strings that are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tails {
    /// Zeros: the value becomes a key, or part of a tuple.
    Zero,
    /// Anything, if the string is long.
    Any,
}

/// Whether a string of `n` bytes at that offset is cleaned word by word: others are read anew, after zeros.
pub fn cleans_in_place(off: i32, n: u32) -> bool {
    n <= 16 && n.is_multiple_of(8) && off % 8 == 0
}

impl Fx<'_, '_> {
    /// The value of type `ty` at `ptr + off`: scalars in a register, others left where they are.
    pub fn load(&mut self, ty: &Ty, ptr: Value, off: i32) -> Operand {
        if !ty.is_scalar() && !matches!(ty, Ty::Agg { .. }) {
            return Operand::Mem { ptr, off };
        }
        let kind = self.kind_of(ty);
        Operand::Val(self.load_scalar(ty, ptr, Off::Imm(off), kind))
    }

    /// A scalar, extended according to its type.
    pub fn load_scalar(&mut self, ty: &Ty, addr: Value, off: Off, kind: Kind) -> Value {
        let size = self.scalar_size(ty);
        let sext = self.is_signed(ty) && size != Size::B8;
        let v = self.b.ins(Op::Load { size, sext, addr, off }, kind);
        if *ty != Ty::Bool {
            return v;
        }
        let zero = self.b.iconst(0);
        self.b.cmp(Cc::Ne, v, zero)
    }

    /// Bytes of a scalar.
    pub fn scalar_size(&self, ty: &Ty) -> Size {
        let bytes = self.size(ty);
        Size::of(bytes).unwrap_or_else(|| crate::bug!("{ty:?} of {bytes} bytes is no scalar"))
    }

    /// Whether values of the type are sign-extended.
    pub fn is_signed(&self, ty: &Ty) -> bool {
        match ty {
            Ty::Enum(e) => self.m.types.enums[*e].signed,
            _ => ty.signed(),
        }
    }

    /// Stores a value.
    pub fn store(&mut self, ty: &Ty, v: Operand, dst: Value, off: i32, tails: Tails) {
        match v {
            Operand::None => {}
            Operand::Val(v) => {
                let size = self.scalar_size(ty);
                self.b.store(size, dst, off, v);
            }
            Operand::Mem { ptr, off: from } if ptr == dst && from == off => {}
            Operand::Mem { ptr, off: from } => match ty {
                Ty::Str { n } if self.must_clean(ptr, *n, tails) => {
                    self.copy_clean(dst, off, ptr, from, *n);
                }
                _ => {
                    self.copy(dst, off, ptr, from, self.size(ty));
                    if tails == Tails::Any && self.dirty.contains(&ptr) {
                        self.dirty.insert(dst);
                    }
                }
            },
        }
    }

    fn must_clean(&self, src: Value, n: u32, tails: Tails) -> bool {
        self.dirty.contains(&src) && (tails == Tails::Zero || n <= CLEAN_BYTES_MAX)
    }

    /// Copies bytes between memory that is directly accessible.
    pub fn copy(&mut self, dst: Value, off: i32, src: Value, from: i32, len: u32) {
        if len <= INLINE_COPY_BYTES_MAX {
            self.b.copy(dst, off, src, from, len);
            return;
        }
        let len_v = self.b.iconst(len.into());
        let (to, from) = (self.b.add_imm(dst, off.into()), self.b.add_imm(src, from.into()));
        self.b.call(Helper::PROBE_READ_KERNEL, &[to, len_v, from]);
    }

    /// Copies a string of `n` bytes so that only zeros follow its NUL. Source and destination may be the same if
    /// `cleans_in_place`.
    pub fn copy_clean(&mut self, dst: Value, off: i32, src: Value, from: i32, n: u32) {
        if cleans_in_place(off, n) && from % 8 == 0 {
            self.copy_clean_words(dst, off, src, from, n);
            return;
        }
        self.clear(dst, off, n);
        let (to, from) = (self.b.add_imm(dst, off.into()), self.b.add_imm(src, from.into()));
        let len = self.b.iconst(n.into());
        self.b.call(Helper::PROBE_READ_KERNEL_STR, &[to, len, from]);
    }

    /// One or two words, without branches: what lies above the lowest zero byte is masked away.
    fn copy_clean_words(&mut self, dst: Value, off: i32, src: Value, from: i32, n: u32) {
        let mut keep: Option<Value> = None;
        for at in (0..n as i32).step_by(8) {
            let word = self.b.load(Size::B8, src, from + at);
            let (mask, is_open) = self.below_nul(word);
            let mut clean = self.b.bin(BinOp::And, word, mask);
            if let Some(before) = keep {
                let all = self.b.un(crate::ir::UnOp::Neg, before);
                clean = self.b.bin(BinOp::And, clean, all);
            }
            keep = Some(is_open);
            self.b.store(Size::B8, dst, off + at, clean);
        }
    }

    /// Of a word of a string: the mask of what stands before its first NUL, and 1 if there is none.
    fn below_nul(&mut self, word: Value) -> (Value, Value) {
        let marks = self.nul_marks(word);
        let negated = self.b.un(crate::ir::UnOp::Neg, marks);
        let lowest = self.b.bin(BinOp::And, marks, negated);
        let mask = self.b.bin_imm(BinOp::Sub, lowest, 1);
        let zero = self.b.iconst(0);
        let is_open = self.b.cmp(Cc::Eq, marks, zero);
        (mask, is_open)
    }

    /// Bit 7 of the first zero byte of a word, and perhaps of bytes above it; 0 if no byte is zero.
    pub fn nul_marks(&mut self, word: Value) -> Value {
        let less = self.b.bin_imm(BinOp::Sub, word, 0x0101_0101_0101_0101);
        let not = self.b.bin_imm(BinOp::Xor, word, -1);
        let both = self.b.bin(BinOp::And, less, not);
        self.b.bin_imm(BinOp::And, both, 0x8080_8080_8080_8080_u64 as i64)
    }

    /// Zeros the bytes of a tuple that belong to no field.
    pub fn zero_padding(&mut self, ty: &Ty, dst: Value, off: i32) {
        let fields = ty.fields();
        if fields.is_empty() {
            return;
        }
        let offsets = ty.field_offsets(&self.m.types);
        let mut end = 0;
        for (field, at) in fields.iter().zip(offsets) {
            if at > end {
                self.b.zero(dst, off + end as i32, at - end);
            }
            end = at + self.size(field);
        }
        if self.size(ty) > end {
            self.b.zero(dst, off + end as i32, self.size(ty) - end);
        }
    }

    /// Reads `len` bytes (at most `max`) of kernel or user memory into `dst`; a fault leaves zeros.
    pub fn read(&mut self, space: ReadSpace, dst: Value, src: Value, len: Value) {
        let helper = match space {
            ReadSpace::Kernel => Helper::PROBE_READ_KERNEL,
            ReadSpace::User => Helper::PROBE_READ_USER,
        };
        let r = self.b.call(helper, &[dst, len, src]);
        self.note_failed(helper, r);
    }

    /// With `-k`, counts a helper that says that it failed.
    fn note_failed(&mut self, helper: Helper, r: Value) {
        if self.m.hir.config.tells_failed_reads {
            let zero = self.b.iconst(0);
            self.when(Cc::Slt, r, zero, |f| f.lose(LossKind::Read(helper)));
        }
    }

    /// Reads a string of at most `n` bytes with its NUL; a fault leaves zeros. Yields its length with the NUL, or
    /// what is below 0 after a fault.
    pub fn read_str(&mut self, space: ReadSpace, dst: Value, src: Value, n: u32) -> Value {
        let n = self.b.iconst(n.into());
        let len = self.read_str_len(space, dst, src, n);
        self.dirty.insert(dst);
        self.lens.insert((dst, 0), len);
        len
    }

    /// The same of a length that the verifier knows to fit.
    pub fn read_str_len(&mut self, space: ReadSpace, dst: Value, src: Value, n: Value) -> Value {
        let helper = match space {
            ReadSpace::Kernel => Helper::PROBE_READ_KERNEL_STR,
            ReadSpace::User => Helper::PROBE_READ_USER_STR,
        };
        let r = self.b.call(helper, &[dst, n, src]);
        self.note_failed(helper, r);
        r
    }

    /// A length that a string helper returned, as one that the verifier knows to be at most `n`.
    pub fn bounded_len(&mut self, len: Value, n: u32) -> Value {
        let zero = self.b.iconst(0);
        let len = self.choose((Cc::Slt, len, zero), Kind::Int, |f| f.b.iconst(0), |_| len);
        self.b.umin(len, n)
    }

    /// Zeros memory.
    pub fn clear(&mut self, dst: Value, off: i32, len: u32) {
        if len <= INLINE_COPY_BYTES_MAX {
            self.b.zero(dst, off, len);
            return;
        }
        // No program can read address 0, and what a helper cannot read it fills with zeros.
        let to = self.b.add_imm(dst, off.into());
        let (len, nowhere) = (self.b.iconst(len.into()), self.b.iconst(0));
        self.b.call(Helper::PROBE_READ_KERNEL, &[to, len, nowhere]);
    }
}
