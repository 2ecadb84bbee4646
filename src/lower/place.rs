//! Places: what a pointer and a path of members and elements name, and reads of them.
//!
//! A place is read directly where its base allows it (own memory, the context, a kernel object that the verifier
//! knows by BTF), else by `probe_read`; a chain of embedded members is one access. Always holds: a BTF pointer
//! that may be null has been compared with null before it is read through; what a null on the way yields is
//! zero. Bit fields and elements at a variable index are read by `probe_read`: the verifier refuses them
//! otherwise.

use super::access::{Path, Step};
use super::func::{Fx, Wanted};
use crate::image::{CoreKind, LossKind};
use crate::ir::{BinOp, Block, Cc, Kind, Off, Size, Value};
use crate::lang::traits::{Operand, ReadSpace};
use crate::sema::hir::{Expr, ExprKind};
use crate::ty::{StructId, Ty};

/// Byte arrays up to this size are loaded piece by piece, longer ones read by a helper.
const DIRECT_BYTES_MAX: u32 = 64;

/// Where something is.
#[derive(Clone, Debug)]
pub struct Place {
    pub base: Value,
    pub at: At,
    /// BTF tag of the member that it is.
    pub tag: Option<String>,
}

/// How far from the base.
#[derive(Clone, Debug)]
pub enum At {
    Bytes(i32),
    /// A bit field of a struct whose offsets are numbers.
    Bits {
        offset_bits: u32,
        bits: u8,
    },
    Path(Path),
}

/// What an expression of place form is.
#[derive(Clone, Debug)]
pub enum Found {
    Place(Place),
    /// A value that is nowhere: an argument in a register of the context.
    Value(Operand),
}

/// Where evaluation goes on when a pointer on the way is null.
#[derive(Debug, Default)]
pub struct Nulls {
    block: Option<Block>,
}

impl<'a> Fx<'_, 'a> {
    /// Whether an expression names a place.
    pub fn is_place(e: &Expr) -> bool {
        match &e.kind {
            ExprKind::Deref(_) => true,
            ExprKind::Member { .. } | ExprKind::Args => true,
            ExprKind::Index { base, .. } => matches!(base.ty, Ty::Array { .. }),
            _ => false,
        }
    }

    /// The value of a place expression.
    pub fn place_value(&mut self, e: &'a Expr) -> Operand {
        if let Ty::Str { n } = e.ty {
            return self.string_of(e, n);
        }
        let dest = self.dest.take();
        let mut nulls = Nulls::default();
        let found = self.find(e, &mut nulls);
        if e.ty.is_scalar() {
            return Operand::Val(self.scalar_of(found, e, nulls));
        }
        match found {
            Found::Value(v) => v,
            Found::Place(place) => {
                if let (Some((ptr, off)), None) = (self.readable(&place), nulls.block)
                    && dest.is_none()
                    && self.b.kind(ptr) != Kind::Ctx
                {
                    return Operand::Mem { ptr, off };
                }
                self.dest = dest;
                let len = self.size(&e.ty);
                let to = self.want(len, "value");
                let at = self.wanted(to);
                self.read_place(&place, &e.ty, at, &mut nulls);
                self.or_cleared(to, at, len, nulls)
            }
        }
    }

    fn scalar_of(&mut self, found: Found, e: &Expr, mut nulls: Nulls) -> Value {
        let v = match found {
            Found::Value(Operand::Val(v)) => v,
            Found::Value(other) => crate::bug!("{other:?} is no scalar"),
            Found::Place(place) => self.read_scalar(&place, &e.ty, &mut nulls),
        };
        self.or_zero(v, nulls)
    }

    /// `v`, or zero where a null was met on the way to it.
    pub fn or_zero(&mut self, v: Value, nulls: Nulls) -> Value {
        match nulls.block {
            Some(gone) => self.or_zero_from(v, gone),
            None => v,
        }
    }

    /// `v`, or zero on the ways that lead to `gone`, which goes on here.
    pub fn or_zero_from(&mut self, v: Value, gone: Block) -> Value {
        let kind = self.b.kind(v);
        let join = self.block();
        let out = self.b.block_param(join, kind);
        self.b.jump(join, vec![v]);
        self.b.enter(gone);
        let zero = self.b.iconst(0);
        let zero = self.as_kind(zero, kind);
        self.b.jump(join, vec![zero]);
        self.b.enter(join);
        out
    }

    /// What was read to an address, cleared where a null was met on the way to it.
    pub fn or_cleared(&mut self, to: Wanted, (dst, off): (Value, i32), len: u32, nulls: Nulls) -> Operand {
        let Some(block) = nulls.block else { return Operand::Mem { ptr: dst, off } };
        let join = self.block();
        self.b.jump(join, Vec::new());
        self.b.enter(block);
        let (other, other_off) = self.wanted(to);
        self.clear(other, other_off, len);
        self.b.jump(join, Vec::new());
        self.b.enter(join);
        // The length is known on one of the ways only.
        self.lens.remove(&(dst, off));
        let (ptr, off) = self.wanted(to);
        if self.dirty.contains(&dst) {
            self.dirty.insert(ptr);
        }
        Operand::Mem { ptr, off }
    }

    /// Where a place expression is, computed up to the last pointer.
    pub fn find(&mut self, e: &'a Expr, nulls: &mut Nulls) -> Found {
        match &e.kind {
            ExprKind::Deref(p) => {
                let base = self.pointer(p, nulls);
                Found::Place(self.start(base, &e.ty))
            }
            ExprKind::Member { base, path } => match &base.kind {
                ExprKind::Args => self.args_member(path, &e.ty),
                _ => match self.find(base, nulls) {
                    Found::Place(place) => Found::Place(self.member(place, &base.ty, path)),
                    Found::Value(Operand::Mem { ptr, off }) => {
                        let place = Place { base: ptr, at: At::Bytes(off), tag: None };
                        Found::Place(self.member(place, &base.ty, path))
                    }
                    Found::Value(other) => crate::bug!("a member of {other:?}"),
                },
            },
            ExprKind::Index { base, index } if matches!(base.ty, Ty::Array { .. }) => {
                let found = self.find(base, nulls);
                self.element(found, &base.ty, index)
            }
            ExprKind::Args => Found::Value(self.args_value(&e.ty)),
            _ => Found::Value(self.expr(e)),
        }
    }

    /// A pointer that is read through: a null in a chain leads to `nulls` without being passed on.
    fn pointer(&mut self, e: &'a Expr, nulls: &mut Nulls) -> Value {
        if Fx::is_place(e) {
            return match self.find(e, nulls) {
                Found::Place(place) => self.read_scalar(&place, &e.ty, nulls),
                Found::Value(Operand::Val(v)) => v,
                Found::Value(other) => crate::bug!("{other:?} is no pointer"),
            };
        }
        self.val(e)
    }

    /// The place that a pointer to `ty` points to.
    pub fn start(&mut self, base: Value, ty: &Ty) -> Place {
        let at = match ty {
            Ty::Struct(id) if self.m.is_btf(*id) => At::Path(Path::new(*id)),
            _ => At::Bytes(0),
        };
        Place { base, at, tag: None }
    }

    fn member(&mut self, place: Place, of: &Ty, path: &[u32]) -> Place {
        let Ty::Struct(id) = of else { crate::bug!("a member of {of:?}") };
        let found = self.m.member_at(*id, path);
        self.member_of(place, *id, &found)
    }

    /// A member of the struct at a place.
    pub fn member_of(&mut self, place: Place, id: StructId, found: &super::access::FoundMember) -> Place {
        let tag = found.member.tag.clone();
        let at = match place.at {
            At::Path(p) if self.m.is_btf(id) => At::Path(p.member(id, found)),
            At::Path(p) => {
                crate::bug!("{} is inside a kernel struct {}", self.m.struct_def(id).name, p.root)
            }
            At::Bits { .. } => crate::bug!("a member of a bit field"),
            At::Bytes(off) => match found.member.bitfield_bits {
                Some(bits) => At::Bits { offset_bits: off as u32 * 8 + found.offset_bits, bits },
                None => At::Bytes(off + (found.offset_bits / 8) as i32),
            },
        };
        Place { base: place.base, at, tag }
    }

    /// Whether a member is there, as the kernel says when it loads the program; `None` if that is no question.
    pub fn member_exists(&mut self, e: &Expr) -> Option<Value> {
        let ExprKind::Member { base, path } = &e.kind else { return None };
        let Ty::Struct(id) = base.ty else { return None };
        let found = self.m.member_at(id, path);
        let access = self.m.access(&Path::new(id).member(id, &found), &found.member.ty)?;
        Some(self.b.core(CoreKind::Exists, access))
    }

    fn element(&mut self, found: Found, array: &Ty, index: &'a Expr) -> Found {
        let Ty::Array { elem, n } = array else { crate::bug!("an element of {array:?}") };
        let place = match found {
            Found::Place(p) => p,
            Found::Value(Operand::Mem { ptr, off }) => Place { base: ptr, at: At::Bytes(off), tag: None },
            Found::Value(other) => crate::bug!("an element of {other:?}"),
        };
        let bytes = self.size(elem);
        if let ExprKind::Int(i) = index.kind
            && let Ok(i) = u32::try_from(i)
            && (i < *n || *n == 0)
        {
            let at = match place.at {
                At::Path(p) => At::Path(p.index(i, bytes)),
                At::Bytes(off) => At::Bytes(off + (i * bytes) as i32),
                At::Bits { .. } => crate::bug!("an element of a bit field"),
            };
            return Found::Place(Place { base: place.base, at, tag: None });
        }
        let index = self.val(index);
        Found::Place(self.variable_element(&place, index, *n, bytes))
    }

    /// An element at an index that is known at run time only. Outside of the array, the place is at null, which
    /// reads as zeros.
    fn variable_element(&mut self, place: &Place, index: Value, n: u32, bytes: u32) -> Place {
        let start = self.address(place);
        let own = matches!(self.b.kind(start), Kind::Stack | Kind::MapValue);
        let kind = match self.b.kind(start) {
            Kind::User => Kind::User,
            _ => Kind::Kernel,
        };
        let start = self.as_kind(start, kind);
        let limit = self.b.iconst(i64::from(if n == 0 { u32::MAX } else { n }));
        let base = self.choose(
            (Cc::Ult, index, limit),
            kind,
            |f| {
                // Verifier: the offset of a pointer to own memory must be bounded.
                let i = if own { f.b.umin(index, n.max(1) - 1) } else { index };
                let off = f.b.bin_imm(BinOp::Mul, i, bytes.into());
                f.b.bin(BinOp::Add, start, off)
            },
            |f| {
                f.lose(LossKind::Index);
                f.b.iconst(0)
            },
        );
        Place { base, at: At::Bytes(0), tag: None }
    }

    /// Base and offset of a place whose bytes can be loaded directly at a known offset.
    fn readable(&self, place: &Place) -> Option<(Value, i32)> {
        match (self.b.kind(place.base), &place.at) {
            (Kind::Stack | Kind::MapValue | Kind::Ctx, At::Bytes(off)) => Some((place.base, *off)),
            _ => None,
        }
    }

    /// The address of the place that an expression is, or of what it points to; goes to `gone` where a pointer on
    /// the way is null.
    pub fn address_of(&mut self, e: &'a Expr, gone: Block) -> Value {
        let mut nulls = Nulls { block: Some(gone) };
        if let Ty::Ptr { .. } = e.ty {
            let p = self.val(e);
            return self.checked(p, &mut nulls);
        }
        match self.find(e, &mut nulls) {
            Found::Place(place) => {
                let base = self.checked(place.base, &mut nulls);
                self.address(&Place { base, ..place })
            }
            Found::Value(_) => crate::bug!("a value that is nowhere"),
        }
    }

    /// The address of a place. Not of a bit field.
    pub fn address(&mut self, place: &Place) -> Value {
        match &place.at {
            At::Bytes(off) => self.b.add_imm(place.base, (*off).into()),
            At::Bits { .. } => crate::bug!("the address of a bit field"),
            At::Path(p) if p.steps.is_empty() => place.base,
            At::Path(p) => {
                let ty = last_ty(p);
                match self.m.access(p, &ty) {
                    Some(access) => {
                        let off = self.b.core(CoreKind::ByteOffset, access);
                        self.b.bin(BinOp::Add, place.base, off)
                    }
                    None => self.b.add_imm(place.base, i64::from(p.offset_bits / 8)),
                }
            }
        }
    }

    /// `base`, compared with null where that must be.
    pub fn checked(&mut self, base: Value, nulls: &mut Nulls) -> Value {
        if !matches!(self.b.kind(base), Kind::BtfOrNull | Kind::MapValueOrNull) {
            return base;
        }
        let null_block = match nulls.block {
            Some(b) => b,
            None => {
                let b = self.block();
                nulls.block = Some(b);
                b
            }
        };
        let on = self.block();
        let zero = self.b.iconst(0);
        self.b.branch(Cc::Eq, base, zero, null_block, on);
        self.b.enter(on);
        self.b.non_null(base)
    }

    /// The scalar at a place.
    pub fn read_scalar(&mut self, place: &Place, ty: &Ty, nulls: &mut Nulls) -> Value {
        let bits = match &place.at {
            At::Path(p) => p.bitfield_bits,
            At::Bits { bits, .. } => Some(*bits),
            At::Bytes(_) => None,
        };
        if let Some(bits) = bits {
            return self.read_bitfield(place, ty, bits);
        }
        let base = self.checked(place.base, nulls);
        let place = Place { base, ..place.clone() };
        match self.b.kind(base) {
            Kind::Btf => {
                let kind = self.btf_kind(ty, place.tag.as_deref());
                let off = self.offset(&place, ty);
                self.load_scalar(ty, base, off, kind)
            }
            Kind::Stack | Kind::MapValue | Kind::Ctx => {
                let kind = self.kind_of(ty);
                let off = self.offset(&place, ty);
                self.load_scalar(ty, base, off, kind)
            }
            _ => {
                let (space, src) = (self.space_of_base(base), self.address(&place));
                let word = self.word();
                let len = self.b.iconst(i64::from(self.size(ty)));
                self.read(space, word, src, len);
                let kind = self.kind_of(ty);
                self.load_scalar(ty, word, Off::Imm(0), kind)
            }
        }
    }

    fn offset(&mut self, place: &Place, ty: &Ty) -> Off {
        match &place.at {
            At::Bytes(off) => Off::Imm(*off),
            At::Bits { offset_bits, .. } => Off::Imm((offset_bits / 8) as i32),
            At::Path(p) => match self.m.access(p, ty) {
                Some(access) => Off::Field(access),
                None => Off::Imm((p.offset_bits / 8) as i32),
            },
        }
    }

    fn space_of_base(&self, base: Value) -> ReadSpace {
        match self.b.kind(base) {
            Kind::User => ReadSpace::User,
            Kind::Int
            | Kind::Ctx
            | Kind::Stack
            | Kind::Map
            | Kind::MapValue
            | Kind::MapValueOrNull
            | Kind::Btf
            | Kind::BtfOrNull
            | Kind::Kernel
            | Kind::Func => ReadSpace::Kernel,
        }
    }

    /// The word that holds the field, shifted left and then right.
    fn read_bitfield(&mut self, place: &Place, ty: &Ty, bits: u8) -> Value {
        let type_bytes = self.size(ty);
        let (offset_bits, access) = match &place.at {
            At::Path(p) => (p.offset_bits, self.m.access(p, ty)),
            At::Bits { offset_bits, .. } => (*offset_bits, None),
            At::Bytes(_) => crate::bug!("a bit field without bits"),
        };
        let bytes = super::access::bitfield_word_bytes(offset_bits, bits.into(), type_bytes);
        let size = Size::of(bytes).unwrap_or(Size::B8);
        let start = offset_bits / (bytes * 8) * bytes;
        let src = match access {
            Some(a) => {
                let off = self.b.core(CoreKind::ByteOffset, a);
                self.b.bin(BinOp::Add, place.base, off)
            }
            None => self.b.add_imm(place.base, start.into()),
        };
        let word = self.word();
        let len = self.b.iconst(bytes.into());
        self.read(self.space_of_base(place.base), word, src, len);
        let raw = self.b.load(size, word, 0);
        let (left, right) = match access {
            Some(a) => (self.b.core(CoreKind::LshiftU64, a), self.b.core(CoreKind::RshiftU64, a)),
            None => {
                let used = offset_bits - start * 8 + u32::from(bits);
                (self.b.iconst(i64::from(64 - used)), self.b.iconst(64 - i64::from(bits)))
            }
        };
        let top = self.b.bin(BinOp::Shl, raw, left);
        self.b.bin(if self.is_signed(ty) { BinOp::Ashr } else { BinOp::Lshr }, top, right)
    }

    /// Reads the bytes of a struct, array or string at a place.
    pub fn read_place(&mut self, place: &Place, ty: &Ty, (dst, off): (Value, i32), nulls: &mut Nulls) {
        let base = self.checked(place.base, nulls);
        let place = Place { base, ..place.clone() };
        let len = self.size(ty);
        if let Some((src, from)) = self.readable(&place) {
            self.copy(dst, off, src, from, len);
            return;
        }
        if self.b.kind(base) == Kind::Btf && self.load_pieces(&place, ty, dst, off) {
            return;
        }
        let (space, src) = (self.space_of_base(base), self.address(&place));
        let to = self.b.add_imm(dst, off.into());
        let len = self.b.iconst(len.into());
        self.read(space, to, src, len);
    }

    /// Loads an array of bytes or scalars in pieces as wide as they can be; false where that cannot be.
    pub fn load_pieces(&mut self, place: &Place, ty: &Ty, dst: Value, off: i32) -> bool {
        let (At::Path(path), len) = (&place.at, self.size(ty)) else { return false };
        let elem_bytes = match array_elem(&last_ty(path)) {
            Some(elem) if elem.is_scalar() => self.size(&elem),
            _ => return false,
        };
        if len == 0 || len > DIRECT_BYTES_MAX || self.m.struct_def(path.root).name.is_empty() {
            return false;
        }
        let mut at = 0;
        while at < len {
            let fits = |s: &Size| {
                let n = s.bytes();
                at + n <= len && (n == elem_bytes || elem_bytes == 1) && (at + off as u32).is_multiple_of(n)
            };
            let Some(size) = [Size::B8, Size::B4, Size::B2, Size::B1].into_iter().find(fits) else {
                return false;
            };
            let piece = path.index(at / elem_bytes, elem_bytes);
            let Some(access) = self.m.access(&piece, &Ty::uint(size.bytes() as u8 * 8)) else { return false };
            let v = self.b.load_field(size, false, place.base, access, Kind::Int);
            self.b.store(size, dst, off + at as i32, v);
            at += size.bytes();
        }
        true
    }
}

/// The type at the end of a path.
pub fn last_ty(path: &Path) -> Ty {
    let mut at = Ty::Struct(path.root);
    for step in &path.steps {
        at = match step {
            Step::Member { ty, .. } => ty.clone(),
            Step::Index { .. } => array_elem(&at).unwrap_or(Ty::U64),
        };
    }
    at
}

fn array_elem(ty: &Ty) -> Option<Ty> {
    match ty {
        Ty::Array { elem, .. } => Some((**elem).clone()),
        Ty::Str { .. } => Some(Ty::int(8)),
        _ => None,
    }
}
