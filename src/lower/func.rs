//! A function being lowered: its builder, the homes of its locals, its ways out.
//!
//! Always holds: a scalar local is a variable of the builder, any other (and one whose address is taken) a slot
//! of memory; one of the function around a callback is reached through the callback's record; `Fx::dirty` names the memory whose strings may have anything behind their NUL.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Mx;
use super::top::Top;
use super::walk::Facts;
use crate::base::{IndexVec, Span};
use crate::image::{self, LossId, LossKind, ProgType, ProgramId};
use crate::ir::{self, Block, Builder, Cc, Kind, Off, Size, Slot, Value, Var};
use crate::lang::probes::is_user_side;
use crate::lang::traits::{Operand, ReadSpace};
use crate::sema::hir::{self, LocalId};
use crate::ty::{Space, Ty};
use crate::world::Feature;

/// Strings up to this size have zeros behind their NUL wherever they are stored.
pub const CLEAN_BYTES_MAX: u32 = 64;

/// Where a local lives.
#[derive(Clone, Copy, Debug)]
pub enum Home {
    /// A scalar that has not been mentioned yet: the kind of its first value decides.
    Unborn,
    Var(Var),
    Slot(Slot),
    /// A scalar of a function around this callback.
    Field(Field),
    /// A value in memory of a function around this callback, which holds the value's address.
    Far(Field),
    /// A parameter in memory, by its address.
    Given(Value),
}

/// A word of the record of a callback, or of one that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// How many callbacks further out.
    pub up: u32,
    /// Offset in the record.
    pub at: i32,
}

/// What a function is, which decides how it is left.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// The entry of a program.
    Program,
    /// The callback of a loop over a map.
    Callback {
        /// What the function around handed over.
        record: Value,
        /// Ends the loop.
        stop: Block,
    },
    /// A function of the script.
    Function {
        /// Address of the caller's word that says that the program has been left, if it may be.
        left: Option<Value>,
    },
}

/// Memory for a value that more than one way can fill: the address of a slot is made on each of them.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    At(Value, i32),
    Slot(Slot),
}

/// A loop around the current statement.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    pub next: Block,
    pub end: Block,
    /// The kernel's iterator that it runs by.
    pub iterator: Option<Slot>,
}

/// What is left before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// By `return`.
    Function,
    /// By `exit()`.
    Program,
}

/// Where what `return` says goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returns {
    /// Nobody looks at it.
    Nothing,
    Var(Var),
    /// To memory at this address.
    At(Value),
    /// From a callback to the function around it.
    InRecord,
    /// To memory whose address the record of the callback holds.
    AtInRecord,
}

/// Whose function it is.
pub struct Of<'a> {
    pub probe: &'a hir::Probe,
    pub program: ProgramId,
    pub locals: &'a IndexVec<LocalId, hir::Local>,
    pub facts: Rc<Facts>,
    pub span: Span,
}

/// A function being lowered.
pub struct Fx<'m, 'a> {
    pub m: &'m mut Mx<'a>,
    pub b: Builder,
    pub probe: &'a hir::Probe,
    pub program: ProgramId,
    pub prog_type: ProgType,
    pub locals: IndexVec<LocalId, Home>,
    pub local_decls: &'a IndexVec<LocalId, hir::Local>,
    /// What is known of the locals; shared with the callbacks.
    pub facts: Rc<Facts>,
    pub role: Role,
    /// The program's context, where this function has it.
    pub ctx: Value,
    pub exit: Block,
    /// How this callback may be left beyond its loop.
    pub ends: Vec<How>,
    pub loops: Vec<Loop>,
    /// Pointers to memory whose strings may have anything behind their NUL.
    pub dirty: BTreeSet<Value>,
    /// What a helper said of the length of the string at a place.
    pub lens: BTreeMap<(Value, i32), Value>,
    /// Where the value being computed is wanted, if it is one of memory.
    pub dest: Option<(Value, i32)>,
    pub returns: Returns,
    /// Where kernel stacks begin.
    pub top: Top,
    /// An eight-byte slot for single reads.
    word: Option<Slot>,
    /// Slots of values that the current statements need, and those of statements that are done.
    temps: Vec<Slot>,
    free: Vec<Slot>,
}

impl<'m, 'a> Fx<'m, 'a> {
    /// The entry of a program, standing in its first block.
    pub fn program(m: &'m mut Mx<'a>, name: &str, probe: &'a hir::Probe, program: ProgramId) -> Fx<'m, 'a> {
        let facts = Rc::new(Facts::of(&probe.body, &probe.locals, &[]));
        let of = Of { probe, program, locals: &probe.locals, facts, span: probe.span };
        Fx::new(m, name, &[Kind::Ctx], of)
    }

    /// A function of a program, standing in its entry block. Its first parameter is taken for the context.
    pub fn new(m: &'m mut Mx<'a>, name: &str, params: &[Kind], of: Of<'a>) -> Fx<'m, 'a> {
        let Of { probe, program, locals, facts, span } = of;
        let mut b = Builder::new(name, params, span);
        let exit = b.new_block();
        let Some(point) = probe.points.first() else { crate::bug!("{} has no attach point", probe.title) };
        let scratch_loss = m.loss(LossKind::Scratch, program, span);
        b.func.scratch_loss = Some(scratch_loss);
        let ctx = b.param(0);
        Fx {
            m,
            b,
            probe,
            program,
            prog_type: point.attach.prog_type(),
            locals: locals.indices().map(|_| Home::Unborn).collect(),
            local_decls: locals,
            facts,
            role: Role::Program,
            ctx,
            exit,
            ends: Vec::new(),
            loops: Vec::new(),
            dirty: BTreeSet::new(),
            lens: BTreeMap::new(),
            dest: None,
            returns: Returns::Nothing,
            top: Top::Counted,
            word: None,
            temps: Vec::new(),
            free: Vec::new(),
        }
    }

    pub fn size(&self, ty: &Ty) -> u32 {
        ty.size(&self.m.types)
    }

    // --- kinds of pointers -----------------------------------------------------------------------------

    /// Which memory a space means here.
    pub fn read_space(&self, space: Space) -> ReadSpace {
        match space {
            Space::Kernel => ReadSpace::Kernel,
            Space::User => ReadSpace::User,
            Space::Any if is_user_side(&self.probe.points) => ReadSpace::User,
            Space::Any => ReadSpace::Kernel,
        }
    }

    /// The kind of a value of that type of which nothing else is known.
    pub fn kind_of(&self, ty: &Ty) -> Kind {
        match ty {
            Ty::Ptr { space, .. } => match self.read_space(*space) {
                ReadSpace::Kernel => Kind::Kernel,
                ReadSpace::User => Kind::User,
            },
            _ => Kind::Int,
        }
    }

    /// `v` as a value of that kind; no code.
    pub fn as_kind(&mut self, v: Value, kind: Kind) -> Value {
        if self.b.kind(v) == kind { v } else { self.b.retype(v, kind) }
    }

    /// `v` with the kind that every value of the type may have.
    pub fn plain(&mut self, v: Value, ty: &Ty) -> Value {
        let kind = self.kind_of(ty);
        self.as_kind(v, kind)
    }

    /// Whether BTF pointers that this program gets are read directly.
    pub fn reads_directly(&self) -> bool {
        !self.m.hir.config.indirect_reads && self.m.world.features().direct_reads(self.prog_type)
    }

    /// The kind of a pointer of this type that was read through a pointer of kind `Btf`, or that is an argument
    /// of BTF type.
    pub fn btf_kind(&self, ty: &Ty, tag: Option<&str>) -> Kind {
        let is_struct = match ty {
            Ty::Ptr { to, space: Space::Kernel | Space::Any } => match **to {
                Ty::Struct(s) => self.m.types.structs[s].origin.is_relocated(),
                _ => false,
            },
            _ => false,
        };
        let is_tagged = matches!(tag, Some("user" | "percpu"));
        if is_struct && !is_tagged { Kind::BtfOrNull } else { self.kind_of(ty) }
    }

    // --- blocks ----------------------------------------------------------------------------------------

    pub fn block(&mut self) -> Block {
        self.b.new_block()
    }

    /// Ends the program; what follows is never reached.
    pub fn leave(&mut self) {
        if let Role::Function { left } = self.role {
            let (Some(left), one) = (left, self.b.iconst(1)) else { crate::bug!("nobody knew of an exit") };
            self.b.store(Size::B8, left, 0, one);
        }
        self.end(How::Program);
    }

    /// Ends the function, or the one around this callback.
    pub fn go_back(&mut self) {
        self.end(How::Function);
    }

    fn end(&mut self, how: How) {
        let iterators: Vec<Slot> = self.loops.iter().filter_map(|l| l.iterator).collect();
        iterators.into_iter().for_each(|slot| self.drop_iterator(slot));
        match self.role {
            Role::Program | Role::Function { .. } => {
                let exit = self.exit;
                self.go(exit);
            }
            Role::Callback { record, stop } => {
                self.mark_left(record, how);
                self.go(stop);
            }
        }
    }

    /// Jumps, and continues in a block that nothing reaches.
    pub fn go(&mut self, to: Block) {
        self.b.jump(to, Vec::new());
        let dead = self.b.new_block();
        self.b.enter(dead);
    }

    /// Runs `f` only where the comparison holds.
    pub fn when(&mut self, cc: Cc, a: Value, b: Value, f: impl FnOnce(&mut Self)) {
        let (yes, on) = (self.block(), self.block());
        self.b.branch(cc, a, b, yes, on);
        self.b.enter(yes);
        f(self);
        self.b.jump(on, Vec::new());
        self.b.enter(on);
    }

    /// The value of one of two ways, told apart by a comparison.
    pub fn choose(
        &mut self,
        (cc, a, b): (Cc, Value, Value),
        kind: Kind,
        then: impl FnOnce(&mut Self) -> Value,
        els: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let (yes, no, join) = (self.block(), self.block(), self.block());
        let out = self.b.block_param(join, kind);
        self.b.branch(cc, a, b, yes, no);
        self.b.enter(yes);
        let v = then(self);
        let v = self.as_kind(v, kind);
        self.b.jump(join, vec![v]);
        self.b.enter(no);
        let v = els(self);
        let v = self.as_kind(v, kind);
        self.b.jump(join, vec![v]);
        self.b.enter(join);
        out
    }

    /// Counts a loss.
    pub fn lose(&mut self, kind: LossKind) {
        let span = self.b.span();
        let id: LossId = self.m.loss(kind, self.program, span);
        let map = self.m.own_map(image::Role::Losses);
        let at = self.b.map_value(map, id.0 * 8);
        let one = self.b.iconst(1);
        self.b.atomic_add(Size::B8, at, 0, one);
    }

    /// The address of byte `off` of awl's globals.
    pub fn global(&mut self, off: u32) -> Value {
        let map = self.m.own_map(image::Role::Globals);
        self.b.map_value(map, off)
    }

    // --- memory ----------------------------------------------------------------------------------------

    /// Memory for the rest of the statement, 8-aligned, not initialised.
    pub fn temp(&mut self, bytes: u32, name: &'static str) -> Value {
        let slot = self.temp_slot(bytes, name);
        self.b.slot_addr(slot)
    }

    pub fn temp_slot(&mut self, bytes: u32, name: &'static str) -> Slot {
        let bytes = bytes.max(1).next_multiple_of(8);
        let same_size = |s: &Slot| self.b.func.slots[*s].size == bytes;
        let slot = match self.free.iter().position(same_size) {
            Some(i) => self.free.swap_remove(i),
            None => self.b.slot(bytes, 8, name),
        };
        self.temps.push(slot);
        slot
    }

    /// Runs `f`, after which the memory that it took can be used again.
    pub fn with_temps(&mut self, f: impl FnOnce(&mut Self)) {
        let before = self.temps.len();
        f(self);
        let done = self.temps.split_off(before);
        self.free.extend(done);
    }

    /// The slot for single reads.
    pub fn word(&mut self) -> Value {
        let slot = match self.word {
            Some(s) => s,
            None => {
                let s = self.b.slot(8, 8, "word");
                self.word = Some(s);
                s
            }
        };
        self.b.slot_addr(slot)
    }

    /// Where a value of memory goes: where it is wanted, else to a slot for the statement.
    pub fn want(&mut self, bytes: u32, name: &'static str) -> Wanted {
        match self.dest.take() {
            Some((dst, off)) => Wanted::At(dst, off),
            None => Wanted::Slot(self.temp_slot(bytes, name)),
        }
    }

    /// Its address, made here.
    pub fn wanted(&mut self, at: Wanted) -> (Value, i32) {
        match at {
            Wanted::At(dst, off) => (dst, off),
            Wanted::Slot(slot) => (self.b.slot_addr(slot), 0),
        }
    }

    /// The same, for what is computed on one way.
    pub fn out(&mut self, bytes: u32, name: &'static str) -> (Value, i32) {
        match self.dest.take() {
            Some(at) => at,
            None => (self.temp(bytes, name), 0),
        }
    }

    // --- locals ----------------------------------------------------------------------------------------

    /// Whether a local is kept in memory.
    pub fn in_memory(&self, local: LocalId) -> bool {
        matches!(self.locals[local], Home::Slot(_) | Home::Far(_) | Home::Given(_))
            || !self.local_decls[local].ty.is_scalar()
    }

    /// The address of a local that is kept in memory.
    pub fn local_slot(&mut self, local: LocalId) -> Value {
        let slot = match self.locals[local] {
            Home::Slot(s) => s,
            Home::Far(at) => return self.far(at),
            Home::Given(at) => return at,
            Home::Field(_) => crate::bug!("${} is a scalar", self.local_decls[local].name),
            Home::Unborn | Home::Var(_) => {
                let bytes = self.size(&self.local_decls[local].ty).max(1).next_multiple_of(8);
                let s = self.b.slot(bytes, 8, "local");
                self.locals[local] = Home::Slot(s);
                s
            }
        };
        self.b.slot_addr(slot)
    }

    /// The variable of a scalar local. The kind of the first value holds if there is no other.
    pub fn local_var(&mut self, local: LocalId, first: Option<Kind>) -> Var {
        match self.locals[local] {
            Home::Var(v) => v,
            Home::Unborn => {
                let plain = self.kind_of(&self.local_decls[local].ty);
                let kind = match first {
                    Some(Kind::Btf | Kind::BtfOrNull) if self.facts.n_sets[local] == 1 => Kind::BtfOrNull,
                    Some(k @ (Kind::Kernel | Kind::User)) if self.facts.n_sets[local] == 1 => k,
                    Some(_) | None => plain,
                };
                let v = self.b.var(kind);
                self.locals[local] = Home::Var(v);
                v
            }
            Home::Slot(_) | Home::Field(_) | Home::Far(_) | Home::Given(_) => {
                crate::bug!("${} is in memory", self.local_decls[local].name)
            }
        }
    }

    /// The value of a local.
    pub fn read_local(&mut self, local: LocalId) -> Operand {
        let ty = &self.local_decls[local].ty;
        if self.in_memory(local) {
            let at = self.local_slot(local);
            if self.holds_dirty(ty) {
                self.dirty.insert(at);
            }
            return self.load(ty, at, 0);
        }
        if let Home::Field(at) = self.locals[local] {
            let (record, kind) = (self.callback_record(at.up), self.kind_of(ty));
            return Operand::Val(self.load_scalar(ty, record, Off::Imm(at.at), kind));
        }
        let var = self.local_var(local, None);
        Operand::Val(self.b.get(var))
    }

    /// Whether stored values of the type may have strings with anything behind their NUL.
    pub fn holds_dirty(&self, ty: &Ty) -> bool {
        matches!(ty, Ty::Str { n } if *n > CLEAN_BYTES_MAX)
    }

    /// Gives a scalar local a value.
    pub fn set_var(&mut self, local: LocalId, v: Value) {
        if let Home::Field(at) = self.locals[local] {
            let record = self.callback_record(at.up);
            self.store_captured(local, v, record, at.at);
            return;
        }
        let kind = self.b.kind(v);
        let var = self.local_var(local, Some(kind));
        let want = self.b.var_kind(var);
        let v = self.as_kind(v, want);
        self.b.set(var, v);
    }

    /// Whether atomics can yield what was there.
    pub fn has_atomic_fetch(&self) -> bool {
        self.m.world.features().has(Feature::AtomicFetch)
    }

    /// The finished function, which returns 0 or what `return` said; a callback that ends its loop, 1.
    pub fn finish(mut self) -> ir::FuncId {
        if !self.b.terminated() {
            let exit = self.exit;
            self.b.jump(exit, Vec::new());
        }
        let exit = self.exit;
        self.b.enter(exit);
        let result = match self.returns {
            Returns::Var(var) => self.b.get(var),
            Returns::Nothing | Returns::InRecord | Returns::At(_) | Returns::AtInRecord => self.b.iconst(0),
        };
        self.b.ret(result);
        if let Role::Callback { stop, .. } = self.role {
            self.b.enter(stop);
            let one = self.b.iconst(1);
            self.b.ret(one);
        }
        self.m.funcs.push(self.b.finish())
    }
}
