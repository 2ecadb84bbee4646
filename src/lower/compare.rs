//! Comparisons and conditions, as jumps where they decide and as 0 or 1 where they are values.
//!
//! Always holds: strings are compared up to their NUL and no further.

use super::func::Fx;
use crate::ir::{BinOp, Block, Cc, Kind, Size, Value};
use crate::lang::traits::Operand;
use crate::sema::hir::{Compare, Expr, ExprKind};
use crate::ty::Ty;

/// Memory up to this size is compared word by word without a loop.
const UNROLLED_BYTES_MAX: u32 = 64;

impl<'a> Fx<'_, 'a> {
    /// Goes to `yes` if `cond` is true, else to `no`.
    pub fn branch(&mut self, cond: &'a Expr, yes: Block, no: Block) {
        let span = self.b.span();
        self.b.set_span(cond.span);
        self.branch_kind(cond, yes, no);
        self.b.set_span(span);
    }

    fn branch_kind(&mut self, cond: &'a Expr, yes: Block, no: Block) {
        match &cond.kind {
            ExprKind::Bool(v) => self.b.jump(if *v { yes } else { no }, Vec::new()),
            ExprKind::Not(e) => self.branch(e, no, yes),
            ExprKind::And(l, r) => {
                let both = self.block();
                self.branch(l, both, no);
                self.b.enter(both);
                self.branch(r, yes, no);
            }
            ExprKind::Or(l, r) => {
                let other = self.block();
                self.branch(l, yes, other);
                self.b.enter(other);
                self.branch(r, yes, no);
            }
            ExprKind::Cast(from) if cond.ty == Ty::Bool && from.ty.is_scalar() => {
                let v = self.val(from);
                self.b.branch_true(v, yes, no);
            }
            ExprKind::Compare { op, l, r } if l.ty.is_scalar() => {
                let (cc, a, b) = self.scalar_compare(*op, l, r);
                self.b.branch(cc, a, b, yes, no);
            }
            ExprKind::Compare { op, l, r } => match op {
                Compare::Ne => self.branch_equal(l, r, no, yes),
                Compare::Eq | Compare::Lt | Compare::Le | Compare::Gt | Compare::Ge => {
                    self.branch_equal(l, r, yes, no);
                }
            },
            _ => {
                let v = self.val(cond);
                self.b.branch_true(v, yes, no);
            }
        }
    }

    /// A condition as 0 or 1.
    pub fn truth(&mut self, cond: &'a Expr) -> Value {
        let dest = self.dest.take();
        let (yes, no, join) = (self.block(), self.block(), self.block());
        let out = self.b.block_param(join, Kind::Int);
        self.branch(cond, yes, no);
        for (block, v) in [(yes, 1), (no, 0)] {
            self.b.enter(block);
            let v = self.b.iconst(v);
            self.b.jump(join, vec![v]);
        }
        self.b.enter(join);
        self.dest = dest;
        out
    }

    /// Condition and operands of a comparison of scalars.
    pub fn scalar_compare(&mut self, op: Compare, l: &'a Expr, r: &'a Expr) -> (Cc, Value, Value) {
        let signed = self.is_signed(&l.ty);
        let cc = match (op, signed) {
            (Compare::Eq, _) => Cc::Eq,
            (Compare::Ne, _) => Cc::Ne,
            (Compare::Lt, true) => Cc::Slt,
            (Compare::Lt, false) => Cc::Ult,
            (Compare::Le, true) => Cc::Sle,
            (Compare::Le, false) => Cc::Ule,
            (Compare::Gt, true) => Cc::Sgt,
            (Compare::Gt, false) => Cc::Ugt,
            (Compare::Ge, true) => Cc::Sge,
            (Compare::Ge, false) => Cc::Uge,
        };
        let a = self.val(l);
        let b = self.val(r);
        (cc, a, b)
    }

    fn branch_equal(&mut self, l: &'a Expr, r: &'a Expr, yes: Block, no: Block) {
        let (l, r) = (whole_string(l), whole_string(r));
        match (&l.kind, &r.kind) {
            (_, ExprKind::Str(text)) => return self.branch_is_text(l, text, yes, no),
            (ExprKind::Str(text), _) => return self.branch_is_text(r, text, yes, no),
            _ => {}
        }
        let a = self.memory(l);
        let b = self.memory(r);
        let (Operand::Mem { ptr: p, off: i }, Operand::Mem { ptr: q, off: j }) = (a, b) else {
            crate::bug!("{:?} in a register", l.ty)
        };
        let (Ty::Str { n }, Ty::Str { n: m }) = (&l.ty, &r.ty) else {
            let ty = l.ty.clone();
            self.values_differ(&ty, (p, i), (q, j), no);
            self.b.jump(yes, Vec::new());
            return;
        };
        self.strings_differ((p, i), (q, j), (*n).min(*m), no);
        self.b.jump(yes, Vec::new());
    }

    /// Compares with a literal: its bytes and its NUL are immediates.
    fn branch_is_text(&mut self, e: &'a Expr, text: &[u8], yes: Block, no: Block) {
        let n = self.size(&e.ty);
        let text = &text[..text.iter().position(|b| *b == 0).unwrap_or(text.len())];
        let Operand::Mem { ptr, off } = self.memory(e) else { crate::bug!("a string in a register") };
        let len = text.len() as u32 + 1;
        if len > n {
            self.b.jump(no, Vec::new());
            return;
        }
        let mut bytes = text.to_vec();
        bytes.push(0);
        if len > UNROLLED_BYTES_MAX {
            let Operand::Mem { ptr: q, off: j } = self.constant(&bytes) else { return };
            self.strings_differ((ptr, off), (q, j), len, no);
            self.b.jump(yes, Vec::new());
            return;
        }
        // A string without garbage behind its NUL can be compared in whole words: fewer and wider ones.
        let is_clean = !self.dirty.contains(&ptr);
        let padded = if is_clean { len.next_multiple_of(8).min(n) } else { len };
        bytes.resize(padded as usize, 0);
        let mut at = 0;
        while at < padded {
            let size = piece(padded - at, off + at as i32, 0);
            let word = bytes[at as usize..(at + size.bytes()) as usize]
                .iter()
                .rev()
                .fold(0u64, |w, b| w << 8 | u64::from(*b));
            let v = self.b.load(size, ptr, off + at as i32);
            let want = self.b.iconst(word as i64);
            self.differ(v, want, no);
            at += size.bytes();
        }
        self.b.jump(yes, Vec::new());
    }

    /// Goes to `no` if the two are different.
    fn differ(&mut self, a: Value, b: Value, no: Block) {
        let same = self.block();
        self.b.branch(Cc::Ne, a, b, no, same);
        self.b.enter(same);
    }

    /// Goes to `no` if values of the type are different, field by field.
    fn values_differ(&mut self, ty: &Ty, (p, i): (Value, i32), (q, j): (Value, i32), no: Block) {
        let fields = ty.fields();
        if !fields.is_empty() {
            let offsets = ty.field_offsets(&self.m.types);
            for (field, at) in fields.iter().zip(offsets) {
                self.values_differ(field, (p, i + at as i32), (q, j + at as i32), no);
            }
            return;
        }
        if let Ty::Str { n } = ty {
            return self.strings_differ((p, i), (q, j), *n, no);
        }
        let len = self.size(ty);
        if len > UNROLLED_BYTES_MAX {
            return self.words_differ((p, i), (q, j), len, no);
        }
        let mut at = 0;
        while at < len {
            let size = piece(len - at, i + at as i32, j + at as i32);
            let a = self.b.load(size, p, i + at as i32);
            let b = self.b.load(size, q, j + at as i32);
            self.differ(a, b, no);
            at += size.bytes();
        }
    }

    /// Goes to `no` if strings in `n` bytes each are different.
    fn strings_differ(&mut self, (p, i): (Value, i32), (q, j): (Value, i32), n: u32, no: Block) {
        let is_clean = !self.dirty.contains(&p) && !self.dirty.contains(&q);
        if n <= UNROLLED_BYTES_MAX && is_clean {
            let ty = Ty::array(Ty::uint(8), n);
            return self.values_differ(&ty, (p, i), (q, j), no);
        }
        let same = self.block();
        let size = piece(n, i, j);
        self.each_piece((p, i), (q, j), n / size.bytes(), size, |f, a, b| {
            // Verifier: no branches but these two, so that the loop stays cheap to check.
            let marks = f.nul_marks_of(a, size);
            let below = f.b.bin_imm(BinOp::Sub, marks, 1);
            let upto = f.b.bin(BinOp::Xor, marks, below);
            let diff = f.b.bin(BinOp::Xor, a, b);
            let seen = f.b.bin(BinOp::And, diff, upto);
            let zero = f.b.iconst(0);
            f.differ(seen, zero, no);
            let on = f.block();
            f.b.branch(Cc::Ne, marks, zero, same, on);
            f.b.enter(on);
        });
        // Strings end within their memory, so only one whose last bytes make no whole piece comes here.
        let rest = n % size.bytes();
        let at = (n - rest) as i32;
        let ty = Ty::array(Ty::uint(8), rest);
        self.values_differ(&ty, (p, i + at), (q, j + at), no);
        self.b.jump(same, Vec::new());
        self.b.enter(same);
    }

    fn nul_marks_of(&mut self, word: Value, size: Size) -> Value {
        if size == Size::B8 {
            return self.nul_marks(word);
        }
        // The bytes above are not part of the piece.
        let ones = -1i64 << (size.bytes() * 8);
        let filled = self.b.bin_imm(BinOp::Or, word, ones);
        self.nul_marks(filled)
    }

    fn words_differ(&mut self, (p, i): (Value, i32), (q, j): (Value, i32), len: u32, no: Block) {
        let size = piece(len, i, j);
        self.each_piece((p, i), (q, j), len / size.bytes(), size, |f, a, b| f.differ(a, b, no));
        let rest = len % size.bytes();
        let at = (len - rest) as i32;
        let ty = Ty::array(Ty::uint(8), rest);
        self.values_differ(&ty, (p, i + at), (q, j + at), no);
    }

    /// Runs `f` on `n` pieces of two places, in a loop. Verifier: both pointers move by constants, so that even
    /// one to the stack is known in each round.
    fn each_piece(
        &mut self,
        (p, i): (Value, i32),
        (q, j): (Value, i32),
        n: u32,
        size: Size,
        f: impl FnOnce(&mut Self, Value, Value),
    ) {
        let (p, q) = (self.b.add_imm(p, i.into()), self.b.add_imm(q, j.into()));
        let at = self.b.var(Kind::Int);
        let zero = self.b.iconst(0);
        self.b.set(at, zero);
        let (head, body, end) = (self.block(), self.block(), self.block());
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let now = self.b.get(at);
        let limit = self.b.iconst(i64::from(n * size.bytes()));
        self.b.branch(Cc::Ult, now, limit, body, end);
        self.b.enter(body);
        let (x, y) = (self.b.bin(BinOp::Add, p, now), self.b.bin(BinOp::Add, q, now));
        let (a, b) = (self.b.load(size, x, 0), self.b.load(size, y, 0));
        f(self, a, b);
        let next = self.b.add_imm(now, size.bytes().into());
        self.b.set(at, next);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(end);
    }
}

/// A string before it was put into longer memory, which changes nothing for a comparison.
fn whole_string(e: &Expr) -> &Expr {
    match (&e.kind, &e.ty) {
        (ExprKind::Cast(from), Ty::Str { n }) => match from.ty {
            Ty::Str { n: m } if m <= *n => whole_string(from),
            _ => e,
        },
        _ => e,
    }
}

/// The widest piece of `left` bytes that is aligned at both offsets.
fn piece(left: u32, i: i32, j: i32) -> Size {
    [Size::B8, Size::B4, Size::B2]
        .into_iter()
        .find(|s| s.bytes() <= left && i % s.bytes() as i32 == 0 && j % s.bytes() as i32 == 0)
        .unwrap_or(Size::B1)
}
