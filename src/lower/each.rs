//! Loops whose body is a callback: over maps, for whose elements the kernel calls it, and, where the kernel has no
//! iterators, over ranges and as long as a condition holds.
//!
//! Comes in: the loop. Goes out: a function for its body, and the call that hands it a record of what it needs of
//! the function around. Always holds: the record lies on the stack, as the kernel wants it; scalars are copied into
//! it and back, other values are reached through their address; an element is copied before the body runs, so that
//! what the body does to the map does not change it; what a body assigns is unknown to the verifier before and after
//! its loop (`blur`).

use std::rc::Rc;

use super::func::{self, Field, Fx, Home, Loop, Of, Returns, Role};
use super::memory::Tails;
use super::stmt::ROUNDS_MAX;
use super::top::Top;
use super::walk::{self, Round};
use crate::base::IndexVec;
use crate::image::MapId;
use crate::image::wire::globals;
use crate::ir::{BinOp, Cc, FuncId, Kind, Off, Op, Size, Slot, Value};
use crate::isa::Helper;
use crate::lang::traits::{Operand, ReadSpace};
use crate::sema::hir::{Block, ExprKind, LocalId};
use crate::ty::Ty;

/// In a record: whether the program has been left and with which result, the context, where a range starts, the
/// record of the callback around, and then what is captured.
const LEFT_AT: i32 = 0;
const RESULT_AT: i32 = 8;
const CTX_AT: i32 = 16;
/// Of a range.
const FIRST_AT: i32 = 24;
const AROUND_AT: i32 = 32;
const CAPTURES_AT: i32 = 40;
/// Values up to this size are blurred word by word.
const BLURRED_BYTES_MAX: u32 = 64;

/// A local of the function around that a body mentions.
#[derive(Clone, Copy, Debug)]
struct Capture {
    local: LocalId,
    /// Offset in the record.
    at: i32,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    /// A scalar that the body only reads.
    Read,
    /// A scalar that the body assigns.
    ReadAndSet,
    /// A value in memory: the record holds its address.
    Address,
}

/// Which parts of its variable a body uses.
#[derive(Clone, Copy, Default, Debug)]
struct Used {
    key: bool,
    value: bool,
}

impl<'a> Fx<'_, 'a> {
    /// `for ($local : @map) { body }`
    pub fn for_map(&mut self, local: LocalId, map: MapId, body: &'a Block) {
        let (gone, done) = (self.block(), self.block());
        let target = self.acted_on(map, gone);
        let round = Round { own: Some(local), cond: None, body };
        self.blur(round);
        let (captures, top_at) = self.captures(round);
        let record = self.open_record_of(&captures, top_at);
        let params = [Kind::Map, Kind::MapValue, Kind::MapValue, Kind::MapValue];
        let (callback, ends) =
            self.callback(&params, round, (&captures, top_at), |f| f.take_element(local, map, body));
        let callback = self.b.ins(Op::FuncAddr(callback), Kind::Func);
        let (at, flags) = (self.b.slot_addr(record), self.b.iconst(0));
        self.b.call(Helper::FOR_EACH_MAP_ELEM, &[target, callback, at, flags]);
        self.close_record_of(record, &captures, &ends);
        self.blur(round);
        self.b.jump(done, Vec::new());
        self.b.enter(gone);
        self.b.jump(done, Vec::new());
        self.b.enter(done);
    }

    /// `n` rounds of a range that starts at `first`.
    pub fn for_rounds(&mut self, local: LocalId, (first, n): (Value, Value), body: &'a Block) {
        self.rounds(Round { own: Some(local), cond: None, body }, Some((first, n)), |f| {
            let (i, record) = (f.b.param(0), f.callback_record(0));
            let first = f.b.load(Size::B8, record, FIRST_AT);
            let now = f.b.bin(BinOp::Add, first, i);
            f.set_local(local, Operand::Val(now));
        });
    }

    /// Rounds that the kernel counts: those of a range, where it starts and how many, or as many as there may be.
    pub fn rounds(
        &mut self,
        round: Round<'a>,
        range: Option<(Value, Value)>,
        prepare: impl FnOnce(&mut Fx<'_, 'a>),
    ) {
        self.blur(round);
        let (captures, top_at) = self.captures(round);
        let record = self.open_record_of(&captures, top_at);
        if let Some((first, _)) = range {
            let at = self.b.slot_addr(record);
            self.b.store(Size::B8, at, FIRST_AT, first);
        }
        let (callback, ends) =
            self.callback(&[Kind::Int, Kind::MapValue], round, (&captures, top_at), prepare);
        let n = match range {
            Some((_, n)) => n,
            None => self.b.iconst(ROUNDS_MAX.into()),
        };
        let callback = self.b.ins(Op::FuncAddr(callback), Kind::Func);
        let (at, flags) = (self.b.slot_addr(record), self.b.iconst(0));
        self.b.call(Helper::LOOP, &[n, callback, at, flags]);
        self.close_record_of(record, &captures, &ends);
        self.blur(round);
    }

    /// After a loop: what the body has assigned, and whether it has left the function or the program.
    fn close_record_of(&mut self, record: Slot, captures: &[Capture], ends: &[func::How]) {
        self.take_back(record, captures);
        if ends.is_empty() {
            return;
        }
        let at = self.b.slot_addr(record);
        let left = self.b.load(Size::B8, at, LEFT_AT);
        let left = self.unknown(left);
        let zero = self.b.iconst(0);
        self.when(Cc::Ne, left, zero, |f| {
            if let Returns::Var(_) | Returns::InRecord = f.returns {
                let at = f.b.slot_addr(record);
                let v = f.b.load(Size::B8, at, RESULT_AT);
                let v = f.unknown(v);
                f.set_result(v);
            }
            if ends.contains(&func::How::Program) {
                let program = f.b.iconst(left_word(func::How::Program));
                f.when(Cc::Eq, left, program, Fx::leave);
            }
            if ends.contains(&func::How::Function) {
                f.go_back();
            }
        });
    }

    /// Notes a result in a register.
    pub fn set_result(&mut self, v: Value) {
        match self.returns {
            Returns::Nothing => {}
            Returns::Var(var) => {
                let kind = self.b.var_kind(var);
                let v = self.as_kind(v, kind);
                self.b.set(var, v);
            }
            Returns::InRecord => {
                let record = self.callback_record(0);
                self.b.store(Size::B8, record, RESULT_AT, v);
            }
            Returns::At(_) | Returns::AtInRecord => crate::bug!("a result in a register"),
        }
    }

    /// Where a result in memory goes.
    pub fn result_at(&mut self) -> Option<Value> {
        match self.returns {
            Returns::At(at) => Some(at),
            Returns::AtInRecord => Some(self.far(Field { up: 0, at: RESULT_AT })),
            Returns::Nothing | Returns::Var(_) | Returns::InRecord => None,
        }
    }

    /// Makes what a loop's body assigns unknown to the verifier. Otherwise it follows a counter that is compared
    /// round by round, until it gives up; and before 6.7 it looks at a callback once, as if it were called exactly
    /// once, and drops the branches that are not taken then.
    pub fn blur(&mut self, round: Round<'_>) {
        let inside = walk::mentions(round, self.local_decls);
        let is_set = walk::assigned(round, self.local_decls);
        let is_carried =
            |l: &LocalId| Some(*l) != round.own && is_set[*l] && inside[*l] < self.facts.n_mentions[*l];
        let carried: Vec<LocalId> = self.local_decls.indices().filter(is_carried).collect();
        for local in carried {
            let ty = &self.local_decls[local].ty;
            if self.in_memory(local) {
                self.blur_memory(self.size(ty), local);
            } else if let Operand::Val(v) = self.read_local(local) {
                let v = self.number_of(v, ty);
                let v = self.unknown(v);
                let v = self.plain(v, ty);
                self.set_var(local, v);
            }
        }
    }

    fn blur_memory(&mut self, len: u32, local: LocalId) {
        let at = self.local_slot(local);
        if len > BLURRED_BYTES_MAX {
            // What a helper has written is unknown.
            let len = self.b.iconst(len.into());
            self.read(ReadSpace::Kernel, at, at, len);
            return;
        }
        // Verifier: only a word that was stored as one is compared by its value when states are.
        let mut off = 0;
        while off < len {
            let fits = |s: &Size| off + s.bytes() <= len;
            let size = [Size::B8, Size::B4, Size::B2].into_iter().find(fits).unwrap_or(Size::B1);
            let word = self.b.load(size, at, off as i32);
            let word = self.unknown(word);
            self.b.store(size, at, off as i32, word);
            off += size.bytes();
        }
    }

    /// The same number, of which the verifier knows nothing.
    fn unknown(&mut self, v: Value) -> Value {
        let at = self.global(globals::ZERO);
        let zero = self.b.load(Size::B8, at, 0);
        self.b.bin(BinOp::Add, v, zero)
    }

    /// A scalar as a number: the verifier lets nobody calculate with a pointer that it knows.
    pub fn number_of(&mut self, v: Value, ty: &Ty) -> Value {
        match ty {
            Ty::Ptr { .. } => self.number_of_pointer(v),
            _ => v,
        }
    }

    /// The locals of this function that a loop mentions, and where the top of the stack lies if the loop is to know it.
    /// Locals of the functions around are in their records.
    fn captures(&self, round: Round<'_>) -> (Vec<Capture>, Option<i32>) {
        let inside = walk::mentions(round, self.local_decls);
        let is_set = walk::assigned(round, self.local_decls);
        let is_own = |l: LocalId| !matches!(self.locals[l], Home::Field(_) | Home::Far(_));
        let is_shared = |l: LocalId| {
            Some(l) != round.own && is_own(l) && inside[l] > 0 && inside[l] < self.facts.n_mentions[l]
        };
        let how = |l: LocalId| match (self.in_memory(l), is_set[l]) {
            (true, _) => How::Address,
            (false, true) => How::ReadAndSet,
            (false, false) => How::Read,
        };
        let shared = self.local_decls.indices().filter(|&l| is_shared(l));
        let captures: Vec<Capture> = shared
            .zip(0..)
            .map(|(local, n)| Capture { local, at: CAPTURES_AT + 8 * n, how: how(local) })
            .collect();
        let top_at = self.wants_top(round).then(|| CAPTURES_AT + 8 * captures.len() as i32);
        (captures, top_at)
    }

    /// The record of a loop, filled.
    fn open_record_of(&mut self, captures: &[Capture], top_at: Option<i32>) -> Slot {
        let n_words = captures.len() as u32 + u32::from(top_at.is_some());
        let top = top_at.map(|at| (at, self.top_of_stack()));
        let record = self.b.stack_slot(CAPTURES_AT as u32 + 8 * n_words, "record");
        let at = self.b.slot_addr(record);
        if let Some((top_at, top)) = top {
            self.b.store(Size::B8, at, top_at, top);
        }
        let (zero, ctx) = (self.b.iconst(0), self.ctx());
        self.b.store(Size::B8, at, LEFT_AT, zero);
        self.b.store(Size::B8, at, CTX_AT, ctx);
        match self.result_at() {
            Some(result) => self.b.store(Size::B8, at, RESULT_AT, result),
            None => self.b.store(Size::B8, at, RESULT_AT, zero),
        }
        if let Role::Callback { record, .. } = self.role {
            self.b.store(Size::B8, at, AROUND_AT, record);
        }
        for c in captures {
            match c.how {
                How::Address => {
                    let address = self.local_slot(c.local);
                    self.b.store(Size::B8, at, c.at, address);
                }
                How::Read | How::ReadAndSet => {
                    let Operand::Val(v) = self.read_local(c.local) else { crate::bug!("a scalar in memory") };
                    self.store_captured(c.local, v, at, c.at);
                }
            }
        }
        record
    }

    /// Puts a scalar into a record. A pointer that the verifier knows becomes a number: it may not be changed there.
    pub fn store_captured(&mut self, local: LocalId, v: Value, record: Value, at: i32) {
        let ty = &self.local_decls[local].ty;
        let v = self.number_of(v, ty);
        self.store(ty, Operand::Val(v), record, at, Tails::Any);
    }

    /// What the body has assigned.
    fn take_back(&mut self, record: Slot, captures: &[Capture]) {
        for c in captures.iter().filter(|c| c.how == How::ReadAndSet) {
            let ty = &self.local_decls[c.local].ty;
            let (at, kind) = (self.b.slot_addr(record), self.kind_of(ty));
            let v = self.load_scalar(ty, at, Off::Imm(c.at), kind);
            self.set_var(c.local, v);
        }
    }

    /// The record of the callback that this function is, or of one further out.
    pub fn callback_record(&mut self, up: u32) -> Value {
        let mut at = match self.role {
            Role::Callback { record, .. } => record,
            Role::Program | Role::Function { .. } => crate::bug!("{} is no callback", self.b.func.name),
        };
        for _ in 0..up {
            at = self.load_address(at, AROUND_AT);
        }
        at
    }

    /// The address that a record holds.
    pub fn far(&mut self, field: Field) -> Value {
        let record = self.callback_record(field.up);
        self.load_address(record, field.at)
    }

    fn load_address(&mut self, record: Value, at: i32) -> Value {
        self.b.ins(Op::Load { size: Size::B8, sext: false, addr: record, off: Off::Imm(at) }, Kind::MapValue)
    }

    /// Notes that the function, or the program, is to end.
    pub fn mark_left(&mut self, record: Value, how: func::How) {
        let word = self.b.iconst(left_word(how));
        self.b.store(Size::B8, record, LEFT_AT, word);
        if !self.ends.contains(&how) {
            self.ends.push(how);
        }
    }

    /// The function of a round, and what may be left in it.
    fn callback(
        &mut self,
        params: &[Kind],
        round: Round<'a>,
        (captures, top_at): (&[Capture], Option<i32>),
        prepare: impl FnOnce(&mut Fx<'_, 'a>),
    ) -> (FuncId, Vec<func::How>) {
        let name = self.m.callback_name(self.program);
        let further = |home: &Home| match *home {
            Home::Field(f) => Home::Field(Field { up: f.up + 1, ..f }),
            Home::Far(f) => Home::Far(Field { up: f.up + 1, ..f }),
            Home::Unborn | Home::Var(_) | Home::Slot(_) | Home::Given(_) => Home::Unborn,
        };
        let returns = match self.returns {
            Returns::Nothing => Returns::Nothing,
            Returns::Var(_) | Returns::InRecord => Returns::InRecord,
            Returns::At(_) | Returns::AtInRecord => Returns::AtInRecord,
        };
        let homes: IndexVec<LocalId, Home> = self.locals.iter().map(further).collect();
        let of = Of {
            probe: self.probe,
            program: self.program,
            locals: self.local_decls,
            facts: Rc::clone(&self.facts),
            span: round.body.span,
        };
        let mut f = Fx::new(self.m, &name, params, of);
        // The kernel hands the record over last.
        let (record, stop) = (f.b.param(params.len() - 1), f.block());
        f.role = Role::Callback { record, stop };
        f.ctx =
            f.b.ins(Op::Load { size: Size::B8, sext: false, addr: record, off: Off::Imm(CTX_AT) }, Kind::Ctx);
        f.locals = homes;
        f.returns = returns;
        if let Some(at) = top_at {
            f.top = Top::Begins(f.b.load(Size::B8, record, at));
        }
        for c in captures {
            let field = Field { up: 0, at: c.at };
            f.locals[c.local] = match c.how {
                How::Address => Home::Far(field),
                How::Read | How::ReadAndSet => Home::Field(field),
            };
        }
        f.locals_of(round);
        prepare(&mut f);
        f.loops.push(Loop { next: f.exit, end: stop, iterator: None });
        f.run_block(round.body);
        let ends = std::mem::take(&mut f.ends);
        (f.finish(), ends)
    }

    /// Copies the element that the kernel hands over, as far as the body uses it.
    fn take_element(&mut self, local: LocalId, map: MapId, body: &Block) {
        let ty = &self.local_decls[local].ty;
        let (key_ty, value_ty) = match &ty.fields()[..] {
            [key, value] => (key.clone(), value.clone()),
            other => crate::bug!("an element of {} parts", other.len()),
        };
        let def = &self.map_def(map).value;
        let used = used_parts(body, local);
        let at = self.local_slot(local);
        let value_at = ty.field_offsets(&self.m.types)[1] as i32;
        if used.key && used.value {
            self.zero_padding(ty, at, 0);
        }
        let (target, key, value) = (self.b.param(0), self.b.param(1), self.b.param(2));
        let is_aggregation = matches!(def, Ty::Agg { .. });
        if used.key || used.value && is_aggregation {
            let key = self.load(&key_ty, key, 0);
            self.store(&key_ty, key, at, 0, Tails::Zero);
        }
        match def {
            _ if !used.value => {}
            // The kernel hands over this CPU's part alone. Where the element has gone, so has its turn.
            Ty::Agg { kind, signed } => {
                let gone = self.exit;
                let sum = self.read_over_cpus((target, at), (*kind, *signed), gone);
                self.store(&value_ty, Operand::Val(sum), at, value_at, Tails::Zero);
            }
            _ => {
                if self.holds_dirty(&value_ty) {
                    self.dirty.insert(value);
                }
                let v = self.load(&value_ty, value, 0);
                self.store(&value_ty, v, at, value_at, Tails::Zero);
            }
        }
    }
}

/// What a record says where something has been left; 0 where nothing has.
fn left_word(how: func::How) -> i64 {
    match how {
        func::How::Function => 1,
        func::How::Program => 2,
    }
}

/// Parts of a loop's variable that its body reads.
fn used_parts(body: &Block, local: LocalId) -> Used {
    let (mut n_whole, mut used) = (0, Used::default());
    walk::block(
        body,
        &mut |e| match &e.kind {
            ExprKind::Local(l) | ExprKind::AddrOfLocal(l) if *l == local => n_whole += 1,
            ExprKind::Get { base, i } if matches!(base.kind, ExprKind::Local(l) if l == local) => {
                // The walk goes on to the base.
                n_whole -= 1;
                used.key |= *i == 0;
                used.value |= *i == 1;
            }
            _ => {}
        },
        &mut |_| {},
    );
    if n_whole > 0 { Used { key: true, value: true } } else { used }
}
