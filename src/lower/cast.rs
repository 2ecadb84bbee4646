//! Conversions between types.
//!
//! Always holds: a scalar is extended to 64 bits according to its type before and after.

use super::func::Fx;
use super::memory::Tails;
use super::place::{At, Found, Nulls, Place};
use crate::ir::{BinOp, Cc, Kind, Size, UnOp, Value};
use crate::isa::Helper;
use crate::lang::traits::{Operand, ReadSpace};
use crate::sema::hir::Expr;
use crate::ty::Ty;

/// Byte arrays up to this size become strings by loads.
const DIRECT_STRING_BYTES_MAX: u32 = 16;

impl<'a> Fx<'_, 'a> {
    /// `e` as a value of type `to`.
    pub fn cast(&mut self, e: &'a Expr, to: &Ty) -> Operand {
        if e.ty == *to {
            return self.expr(e);
        }
        match (&e.ty, to) {
            (Ty::Array { elem, .. }, Ty::Str { n }) if self.size(elem) == 1 => self.string_of(e, *n),
            (Ty::Array { .. }, Ty::Int { .. }) => {
                let dest = self.dest.take();
                let v = self.expr(e);
                self.dest = dest;
                self.int_of_bytes(v, self.size(&e.ty), to)
            }
            (Ty::Int { .. }, Ty::Array { .. }) => self.bytes_of_int(e, to),
            (Ty::Str { n: from }, Ty::Str { n }) => self.resize_str(e, *from, *n),
            (Ty::Buf { n: from }, Ty::Buf { n }) => self.resize_buf(e, *from, *n),
            (from, to) if to.is_scalar() || matches!(to, Ty::Agg { .. }) => {
                let v = self.val(e);
                Operand::Val(self.cast_scalar(v, from, to))
            }
            (from, to) if same_shape(from, to) => self.cast_fields(e, to),
            // The bytes are the same.
            _ => self.expr(e),
        }
    }

    /// A scalar of one type as one of another.
    pub fn cast_scalar(&mut self, v: Value, from: &Ty, to: &Ty) -> Value {
        match (from, to) {
            (_, Ty::Bool) if *from == Ty::Bool => v,
            (_, Ty::Bool) => {
                let zero = self.b.iconst(0);
                self.b.cmp(Cc::Ne, v, zero)
            }
            (Ty::Ptr { to: a, .. }, Ty::Ptr { to: b, .. }) => {
                let is_btf = matches!(self.b.kind(v), Kind::Btf | Kind::BtfOrNull);
                if is_btf && a == b { v } else { self.pointer_as(v, to) }
            }
            (_, Ty::Ptr { .. }) => self.plain(v, to),
            (Ty::Ptr { .. }, _) => {
                let n = self.number_of_pointer(v);
                self.extend(n, &Ty::U64, to)
            }
            _ => self.extend(v, from, to),
        }
    }

    /// A pointer as one to something else. The verifier goes on to know it as what it was.
    fn pointer_as(&mut self, v: Value, to: &Ty) -> Value {
        match self.b.kind(v) {
            Kind::Stack | Kind::MapValue | Kind::MapValueOrNull | Kind::Ctx => v,
            _ => self.plain(v, to),
        }
    }

    /// The number that a pointer is. Verifier: there is no arithmetic on pointers that it knows, and only a
    /// helper makes a number of one.
    pub fn number_of_pointer(&mut self, v: Value) -> Value {
        match self.b.kind(v) {
            Kind::Int | Kind::Kernel | Kind::User => self.as_kind(v, Kind::Int),
            _ => {
                let from = self.temp(8, "pointer");
                self.b.store(Size::B8, from, 0, v);
                let word = self.word();
                let eight = self.b.iconst(8);
                self.b.call(Helper::PROBE_READ_KERNEL, &[word, eight, from]);
                self.b.load(Size::B8, word, 0)
            }
        }
    }

    fn extend(&mut self, v: Value, from: &Ty, to: &Ty) -> Value {
        let (from_bytes, to_bytes) = (self.size(from), self.size(to));
        let (from_signed, to_signed) = (self.is_signed(from), self.is_signed(to));
        let fits = to_bytes >= 8
            || to_bytes > from_bytes && (!from_signed || to_signed)
            || to_bytes == from_bytes && from_signed == to_signed;
        if fits {
            return self.as_kind(v, Kind::Int);
        }
        let op = match (to_bytes, to_signed) {
            (1, true) => UnOp::Sext8,
            (1, false) => UnOp::Zext8,
            (2, true) => UnOp::Sext16,
            (2, false) => UnOp::Zext16,
            (4, true) => UnOp::Sext32,
            (4, false) => UnOp::Zext32,
            (n, _) => crate::bug!("a scalar of {n} bytes"),
        };
        self.b.un(op, v)
    }

    /// The low bits of a raw register as a value of the type.
    pub fn truncate(&mut self, v: Value, to: &Ty) -> Value {
        match to {
            Ty::Bool => {
                let low = self.b.un(UnOp::Zext8, v);
                let zero = self.b.iconst(0);
                self.b.cmp(Cc::Ne, low, zero)
            }
            Ty::Ptr { .. } => v,
            _ => self.extend(v, &Ty::U64, to),
        }
    }

    /// Little-endian, zero-extended from the bytes there are.
    fn int_of_bytes(&mut self, v: Operand, n_bytes: u32, to: &Ty) -> Operand {
        let Operand::Mem { ptr, off } = v else { return v };
        let wanted = self.size(to).min(n_bytes);
        let mut sum: Option<Value> = None;
        let mut at = 0;
        while at < wanted {
            let size = [Size::B8, Size::B4, Size::B2, Size::B1]
                .into_iter()
                .find(|s| at + s.bytes() <= wanted && (off + at as i32) % s.bytes() as i32 == 0)
                .unwrap_or(Size::B1);
            let piece = self.b.load(size, ptr, off + at as i32);
            let placed = if at == 0 { piece } else { self.b.bin_imm(BinOp::Shl, piece, i64::from(at) * 8) };
            sum = Some(match sum {
                None => placed,
                Some(s) => self.b.bin(BinOp::Or, s, placed),
            });
            at += size.bytes();
        }
        let n = match sum {
            Some(s) => s,
            None => self.b.iconst(0),
        };
        Operand::Val(self.truncate(n, to))
    }

    /// An integer as an array of the same size.
    fn bytes_of_int(&mut self, e: &'a Expr, to: &Ty) -> Operand {
        let dest = self.dest.take();
        let v = self.val(e);
        self.dest = dest;
        let (dst, off) = self.out(self.size(to), "bytes");
        let (n_bytes, mut at) = (self.size(to) as i32, 0);
        while at < n_bytes {
            // Verifier: stores to the stack are aligned, and an array of bytes in a tuple may lie anywhere.
            let fits = |s: &Size| at + s.bytes() as i32 <= n_bytes && (off + at) % s.bytes() as i32 == 0;
            let size = [Size::B8, Size::B4, Size::B2].into_iter().find(fits).unwrap_or(Size::B1);
            let piece = if at == 0 { v } else { self.b.bin_imm(BinOp::Lshr, v, i64::from(at) * 8) };
            self.b.store(size, dst, off + at, piece);
            at += size.bytes() as i32;
        }
        Operand::Mem { ptr: dst, off }
    }

    /// A byte array as a string of `n` bytes.
    pub fn string_of(&mut self, e: &'a Expr, n: u32) -> Operand {
        let dest = self.dest.take();
        let mut nulls = Nulls::default();
        let place = match self.find(e, &mut nulls) {
            Found::Place(p) => p,
            Found::Value(Operand::Mem { ptr, off }) => Place { base: ptr, at: At::Bytes(off), tag: None },
            Found::Value(other) => crate::bug!("{other:?} is no array"),
        };
        self.dest = dest;
        let to = self.want(n, "string");
        let at = self.wanted(to);
        self.read_string(&place, self.size(&e.ty), at, n, &mut nulls);
        self.or_cleared(to, at, n, nulls)
    }

    /// Reads the string at a place that has room for `room` bytes (0: unknown).
    pub fn read_string(
        &mut self,
        place: &Place,
        room: u32,
        (dst, off): (Value, i32),
        n: u32,
        nulls: &mut Nulls,
    ) {
        let base = self.checked(place.base, nulls);
        let place = Place { base, ..place.clone() };
        let kind = self.b.kind(base);
        let is_short = (room == n || room + 1 == n) && room <= DIRECT_STRING_BYTES_MAX;
        let is_own = matches!(kind, Kind::Ctx | Kind::Stack | Kind::MapValue);
        let done = match &place.at {
            At::Bytes(from) if is_short && is_own && from % 4 == 0 => {
                self.b.copy(dst, off, base, *from, room);
                true
            }
            At::Path(_) if is_short && kind == Kind::Btf => {
                self.load_pieces(&place, &Ty::array(Ty::int(8), room), dst, off)
            }
            _ => false,
        };
        if done {
            self.clear(dst, off + room as i32, n - room);
            if !self.is_padded(&place) {
                self.dirty.insert(dst);
            }
            return;
        }
        let space = if kind == Kind::User { ReadSpace::User } else { ReadSpace::Kernel };
        let src = self.address(&place);
        let to = self.b.add_imm(dst, off.into());
        // What is read must end where the array does, and the NUL is put behind a full one.
        let limit = if room == 0 { n } else { n.min(room + 1) };
        let len = self.read_str(space, to, src, limit);
        self.dirty.insert(dst);
        self.lens.insert((dst, off), len);
    }

    /// Task names have been padded with zeros since 5.17, which is the kernel that brought `bpf_loop`.
    fn is_padded(&self, place: &Place) -> bool {
        let At::Path(path) = &place.at else { return false };
        let is_task = self.m.struct_def(path.root).name == "task_struct";
        let is_comm =
            matches!(path.steps.last(), Some(super::access::Step::Member { name, .. }) if name == "comm");
        is_task && is_comm && path.steps.len() == 1 && self.m.world.features().helper(Helper::LOOP)
    }

    /// A string in a longer or shorter piece of memory.
    fn resize_str(&mut self, e: &'a Expr, from: u32, n: u32) -> Operand {
        let dest = self.dest.take();
        let Operand::Mem { ptr, off: at } = self.expr(e) else { crate::bug!("a string in a register") };
        self.dest = dest;
        let (dst, off) = self.out(n, "string");
        let is_dirty = self.dirty.contains(&ptr);
        if n > from {
            self.store(&e.ty, Operand::Mem { ptr, off: at }, dst, off, Tails::Any);
            self.clear(dst, off + from as i32, n - from);
        } else {
            self.copy(dst, off, ptr, at, n);
            let nul = self.b.iconst(0);
            self.b.store(Size::B1, dst, off + n as i32 - 1, nul);
        }
        if is_dirty {
            self.dirty.insert(dst);
        }
        Operand::Mem { ptr: dst, off }
    }

    fn resize_buf(&mut self, e: &'a Expr, from: u32, n: u32) -> Operand {
        let dest = self.dest.take();
        let Operand::Mem { ptr, off: at } = self.expr(e) else { crate::bug!("a buffer in a register") };
        self.dest = dest;
        let (dst, off) = self.out(n + 4, "buffer");
        if n > from {
            self.clear(dst, off + (4 + from) as i32, n - from);
        }
        self.copy(dst, off, ptr, at, 4 + n.min(from));
        if n < from {
            let len = self.b.load(Size::B4, ptr, at);
            let len = self.b.umin(len, n);
            self.b.store(Size::B4, dst, off, len);
        }
        Operand::Mem { ptr: dst, off }
    }

    /// A tuple or record whose fields are converted one by one.
    fn cast_fields(&mut self, e: &'a Expr, to: &Ty) -> Operand {
        let dest = self.dest.take();
        let Operand::Mem { ptr, off: at } = self.expr(e) else { crate::bug!("a tuple in a register") };
        self.dest = dest;
        let (dst, off) = self.out(self.size(to), "tuple");
        self.zero_padding(to, dst, off);
        self.convert_fields(&e.ty, (ptr, at), to, (dst, off));
        Operand::Mem { ptr: dst, off }
    }

    fn convert_fields(&mut self, from: &Ty, (ptr, at): (Value, i32), to: &Ty, (dst, off): (Value, i32)) {
        let (from_fields, to_fields) = (from.fields(), to.fields());
        let (from_offs, to_offs) = (from.field_offsets(&self.m.types), to.field_offsets(&self.m.types));
        for i in 0..to_fields.len().min(from_fields.len()) {
            let source = source_field(from, to, i);
            let (a, b) = (&from_fields[source], &to_fields[i]);
            let (src, to_off) = ((ptr, at + from_offs[source] as i32), off + to_offs[i] as i32);
            match (a, b) {
                _ if a == b => {
                    self.store(b, Operand::Mem { ptr: src.0, off: src.1 }, dst, to_off, Tails::Any);
                }
                (Ty::Str { n: short }, Ty::Str { n }) => {
                    self.copy(dst, to_off, src.0, src.1, (*short).min(*n));
                    if n > short {
                        self.clear(dst, to_off + *short as i32, n - short);
                    } else {
                        let nul = self.b.iconst(0);
                        self.b.store(Size::B1, dst, to_off + *n as i32 - 1, nul);
                    }
                }
                _ if b.is_scalar() => {
                    let Operand::Val(v) = self.load(a, src.0, src.1) else { continue };
                    let v = self.cast_scalar(v, a, b);
                    self.store(b, Operand::Val(v), dst, to_off, Tails::Any);
                }
                _ if same_shape(a, b) => {
                    self.zero_padding(b, dst, to_off);
                    self.convert_fields(a, src, b, (dst, to_off));
                }
                _ => {
                    let len = self.size(a).min(self.size(b));
                    self.copy(dst, to_off, src.0, src.1, len);
                }
            }
        }
    }
}

/// The field of `from` that becomes field `i` of `to`: in records the one of its name.
fn source_field(from: &Ty, to: &Ty, i: usize) -> usize {
    match (from, to) {
        (Ty::Record(from), Ty::Record(to)) => from.iter().position(|(name, _)| *name == to[i].0).unwrap_or(i),
        _ => i,
    }
}

/// Both tuples, or both records, of as many fields.
fn same_shape(a: &Ty, b: &Ty) -> bool {
    match (a, b) {
        (Ty::Tuple(x), Ty::Tuple(y)) => x.len() == y.len(),
        (Ty::Record(x), Ty::Record(y)) => x.len() == y.len(),
        _ => false,
    }
}
