//! Records: what a program says to user space.
//!
//! Always holds: a record of fixed size is filled where it lies in the ring, one with a long string in memory of
//! the function and sent without the string's unused tail; what the ring cannot take is counted; the reader is
//! woken only if it says that it sleeps.

use super::func::{CLEAN_BYTES_MAX, Fx};
use super::header_bytes;
use super::memory::Tails;
use super::walk;
use crate::image::wire::{Field, globals, packet};
use crate::image::{EventKind, EventSite, LossKind, MapId, Role};
use crate::ir::{Cc, Kind, Size, Value};
use crate::isa::Helper;
use crate::lang::traits::{Operand, ReadSpace};
use crate::sema::hir::{Expr, ExprKind};
use crate::ty::Ty;

/// `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP`
const NO_WAKEUP: i64 = 1;
const FORCE_WAKEUP: i64 = 2;
/// `BPF_RB_PROD_POS`
const PRODUCER_POSITION: i64 = 3;

/// A value of a record.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    Expr(&'a Expr),
    Value(Operand),
}

impl<'a> Fx<'_, 'a> {
    /// Emits a record with these values.
    pub fn emit(&mut self, kind: EventKind, values: Vec<(Ty, Source<'a>)>) {
        let tys: Vec<Ty> = values.iter().map(|(ty, _)| field_ty(ty)).collect();
        let sources: Vec<Source<'a>> = values.into_iter().map(|(_, s)| self.ahead(s)).collect();
        let (record, last) = self.record(kind, tys);
        match last {
            Some(i) => self.send_cut(&record, &sources, i),
            None => self.send_whole(&record, &sources),
        }
    }

    /// Enters an event into the image. Yields also the field that may be cut.
    fn record(&mut self, kind: EventKind, tys: Vec<Ty>) -> (Record, Option<usize>) {
        let (offsets, size, last) = self.record_layout(header_bytes(&kind), &tys);
        let fields = tys.iter().zip(&offsets).map(|(ty, &offset)| Field { ty: ty.clone(), offset }).collect();
        let ring = self.m.ring_of(&kind);
        let is_control = kind.is_control();
        let span = self.b.span();
        let id = self.m.event(EventSite { kind, program: self.program, span, fields, size });
        let number = i64::from(self.m.image.event_base + id.0);
        (Record { tys, offsets, size, number, ring, is_control }, last)
    }

    /// See [`crate::lang::traits::LowerCx::packet_site`].
    pub fn packet_site(&mut self, path: &str) -> (Value, i64) {
        let map = self.m.own_map(Role::Packets);
        let kind = EventKind::Packet { path: path.to_owned() };
        let span = self.b.span();
        let site = EventSite { kind, program: self.program, span, fields: Vec::new(), size: packet::BYTES };
        let id = self.m.event(site);
        (self.b.map_ptr(map), i64::from(self.m.image.event_base + id.0))
    }

    /// Begins a record of one long buffer that is filled by hand at the address that this yields.
    pub fn open_record(&mut self, kind: EventKind, ty: Ty) -> (OpenRecord, Value) {
        let (record, _) = self.record(kind, vec![ty]);
        let dst = self.temp(record.size, "record");
        let position = self.position(&record);
        self.header(&record, dst, position);
        let at = self.b.add_imm(dst, record.offsets[0].into());
        (OpenRecord { record, dst }, at)
    }

    /// Sends it.
    pub fn close_record(&mut self, open: OpenRecord) {
        let used = self.used_of_buf(&open.record, open.dst, 0);
        self.output(&open.record, open.dst, 0, used);
    }

    /// Offsets of the fields, the size of all, and the field that may be cut: the longest string or buffer, if
    /// there is a long one.
    fn record_layout(&self, header: u32, tys: &[Ty]) -> (Vec<u32>, u32, Option<usize>) {
        let is_text = |ty: &Ty| matches!(ty, Ty::Str { .. } | Ty::Buf { .. });
        let long = (0..tys.len())
            .filter(|&i| is_text(&tys[i]) && self.size(&tys[i]) > CLEAN_BYTES_MAX)
            .max_by_key(|&i| (self.size(&tys[i]), i));
        let mut offsets = vec![0; tys.len()];
        let mut at = header;
        for i in (0..tys.len()).filter(|i| Some(*i) != long).chain(long) {
            // Strings as wide stores can go.
            let align = if is_text(&tys[i]) { 8 } else { tys[i].align(&self.m.types) };
            at = at.next_multiple_of(align);
            offsets[i] = at;
            at += self.size(&tys[i]);
        }
        (offsets, at, long)
    }

    /// Computes now what cannot be computed while a record is reserved: scalars, and what may leave the program.
    fn ahead(&mut self, source: Source<'a>) -> Source<'a> {
        match source {
            Source::Expr(e) if e.ty.is_scalar() || matches!(e.ty, Ty::Agg { .. }) => {
                Source::Value(Operand::Val(self.val(e)))
            }
            Source::Expr(e) if !is_plain(e) => Source::Value(self.memory(e)),
            other => other,
        }
    }

    fn fill(&mut self, ty: &Ty, source: Source<'a>, dst: Value, off: u32) {
        match source {
            Source::Expr(e) => self.expr_to(e, dst, off as i32, Tails::Any),
            Source::Value(v) => self.store(ty, v, dst, off as i32, Tails::Any),
        }
    }

    fn header(&mut self, record: &Record, dst: Value, position: Option<Value>) {
        let number = self.b.iconst(record.number);
        self.b.store(Size::B4, dst, 0, number);
        let cpu = self.b.call(Helper::GET_SMP_PROCESSOR_ID, &[]);
        self.b.store(Size::B4, dst, 4, cpu);
        if let Some(p) = position {
            self.b.store(Size::B8, dst, 8, p);
        }
    }

    /// Where the output ring stood when a control record was made.
    fn position(&mut self, record: &Record) -> Option<Value> {
        if !record.is_control {
            return None;
        }
        let output = self.m.own_map(Role::Output);
        let ring = self.b.map_ptr(output);
        let what = self.b.iconst(PRODUCER_POSITION);
        Some(self.b.call(Helper::RINGBUF_QUERY, &[ring, what]))
    }

    fn send_whole(&mut self, record: &Record, sources: &[Source<'a>]) {
        let position = self.position(record);
        let (full, done) = (self.block(), self.block());
        let ring = self.b.map_ptr(record.ring);
        let (size, flags) = (self.b.iconst(record.size.into()), self.b.iconst(0));
        let p = self.b.call_kind(Helper::RINGBUF_RESERVE, &[ring, size, flags], Kind::MapValueOrNull);
        let dst = self.present(p, full);
        self.header(record, dst, position);
        for (i, &source) in sources.iter().enumerate() {
            self.fill(&record.tys[i], source, dst, record.offsets[i]);
        }
        let flags = self.wakeup();
        self.b.call(Helper::RINGBUF_SUBMIT, &[dst, flags]);
        self.b.jump(done, Vec::new());
        self.b.enter(full);
        self.lose(LossKind::Event);
        self.b.jump(done, Vec::new());
        self.b.enter(done);
    }

    fn send_cut(&mut self, record: &Record, sources: &[Source<'a>], last: usize) {
        let dst = self.temp(record.size, "record");
        let position = self.position(record);
        self.header(record, dst, position);
        self.zero_gaps(record, dst);
        for (i, &source) in sources.iter().enumerate() {
            if i != last {
                self.fill(&record.tys[i], source, dst, record.offsets[i]);
            }
        }
        let off = record.offsets[last];
        let used = match record.tys[last] {
            Ty::Str { n } => {
                let len = self.fill_string(sources[last], dst, off, n);
                self.bounded_len(len, n)
            }
            _ => {
                self.fill(&record.tys[last], sources[last], dst, off);
                self.used_of_buf(record, dst, last)
            }
        };
        self.output(record, dst, last, used);
    }

    /// Bytes of a buffer that are used, its length word included.
    fn used_of_buf(&mut self, record: &Record, dst: Value, i: usize) -> Value {
        let len = self.b.load(Size::B4, dst, record.offsets[i] as i32);
        let len = self.b.umin(len, self.size(&record.tys[i]) - 4);
        self.b.add_imm(len, 4)
    }

    /// Sends a record up to what is used of its last field.
    fn output(&mut self, record: &Record, dst: Value, last: usize, used: Value) {
        let size = self.b.add_imm(used, record.offsets[last].into());
        let flags = self.wakeup();
        let ring = self.b.map_ptr(record.ring);
        let r = self.b.call(Helper::RINGBUF_OUTPUT, &[ring, dst, size, flags]);
        let zero = self.b.iconst(0);
        self.when(Cc::Slt, r, zero, |f| f.lose(LossKind::Event));
    }

    /// Puts a string in its place; yields its length with the NUL as a helper told it.
    fn fill_string(&mut self, source: Source<'a>, dst: Value, off: u32, n: u32) -> Value {
        let v = match source {
            Source::Value(v) => v,
            Source::Expr(e) => {
                let before = self.dest.replace((dst, off as i32));
                let v = self.expr(e);
                self.dest = before;
                v
            }
        };
        let Operand::Mem { ptr, off: from } = v else { crate::bug!("a string in a register") };
        match self.lens.get(&(dst, off as i32)) {
            Some(&len) if (ptr, from) == (dst, off as i32) => len,
            _ => {
                let to = self.b.add_imm(dst, off.into());
                let src = self.b.add_imm(ptr, from.into());
                self.read_str(ReadSpace::Kernel, to, src, n)
            }
        }
    }

    /// Verifier: what a helper reads of the stack has been written.
    fn zero_gaps(&mut self, record: &Record, dst: Value) {
        let header = if record.is_control { 16 } else { 8 };
        let mut fields: Vec<(u32, u32)> =
            record.offsets.iter().zip(&record.tys).map(|(&o, ty)| (o, self.size(ty))).collect();
        fields.sort_unstable();
        let mut end = header;
        for (at, size) in fields {
            if at > end {
                self.b.zero(dst, end as i32, at - end);
            }
            end = at + size;
        }
    }

    /// The flags of a submission: the reader is woken if it sleeps, and marked as awake.
    fn wakeup(&mut self) -> Value {
        let at = self.global(globals::READER_SLEEPS);
        let sleeps = self.b.load(Size::B4, at, 0);
        let zero = self.b.iconst(0);
        self.choose(
            (Cc::Ne, sleeps, zero),
            Kind::Int,
            |f| {
                let at = f.global(globals::READER_SLEEPS);
                let awake = f.b.iconst(0);
                f.b.store(Size::B4, at, 0, awake);
                f.b.iconst(FORCE_WAKEUP)
            },
            |f| f.b.iconst(NO_WAKEUP),
        )
    }
}

/// A record that is being filled by hand.
pub struct OpenRecord {
    record: Record,
    dst: Value,
}

/// A record being sent.
struct Record {
    tys: Vec<Ty>,
    offsets: Vec<u32>,
    /// The most that it can have.
    size: u32,
    number: i64,
    ring: MapId,
    is_control: bool,
}

/// The type under which a value travels: an aggregation as the number that was read.
fn field_ty(ty: &Ty) -> Ty {
    match ty {
        Ty::Agg { signed, .. } => Ty::Int { bits: 64, signed: *signed },
        other => other.clone(),
    }
}

/// Whether a value can be computed while a record is reserved: it neither leaves the program nor takes long.
fn is_plain(e: &Expr) -> bool {
    let mut plain = true;
    walk::exprs(e, &mut |x| {
        plain &= !matches!(x.kind, ExprKind::Block(_) | ExprKind::If { .. } | ExprKind::CallFn { .. });
        plain &= !matches!(x.ty, Ty::Stack(_));
    });
    plain
}
