//! What the kernel hands to a program: arguments, registers, the fields of a record.
//!
//! Always holds: an argument that is a kernel object keeps its BTF type where programs of this kind read
//! through it directly; registers are read by offsets of `isa::arch`.

use super::func::Fx;
use super::memory::Tails;
use super::place::{At, Found, Place};
use crate::image::Attach;
use crate::image::attach::SyscallHook;
use crate::ir::{BinOp, Kind, Off, Op, Size, Value};
use crate::lang::probes::Ctx;
use crate::lang::traits::{Operand, ReadSpace};
use crate::ty::table::DataLoc;
use crate::ty::{Member, StructId, Ty};

/// Where the number is in the records of system calls.
const SYSCALL_NR_AT: u32 = 8;
/// Where the arguments start in the record of `sys_enter_*` and the result in that of `sys_exit_*`.
const SYSCALL_ARGS_AT: u32 = 16;

impl Fx<'_, '_> {
    /// The program's context.
    pub fn ctx(&self) -> Value {
        self.ctx
    }

    pub fn context(&self) -> &Ctx {
        match self.probe.points.first() {
            Some(p) => &p.ctx,
            None => crate::bug!("{} has no attach point", self.probe.title),
        }
    }

    /// Argument `i` of a context of `u64` values.
    pub fn raw_arg(&mut self, i: u32) -> Value {
        let ctx = self.ctx();
        self.b.load(Size::B8, ctx, 8 * i as i32)
    }

    /// The same as a plain number, also where the verifier knows it as a pointer.
    pub fn arg_number(&mut self, i: u32) -> Value {
        let is_pointer = match self.context() {
            Ctx::BtfArgs { args, .. } => {
                let members = self.m.struct_def(*args).members.as_deref().unwrap_or(&[]);
                members.get(i as usize).is_some_and(|m| matches!(m.ty, Ty::Ptr { .. }))
            }
            Ctx::SysEnter(_) | Ctx::SysExit(_) => i == 0,
            Ctx::None
            | Ctx::Regs { .. }
            | Ctx::Record(_)
            | Ctx::RawArgs
            | Ctx::Usdt(_)
            | Ctx::Iter(_)
            | Ctx::Perf => false,
        };
        let v = self.raw_arg(i);
        if !is_pointer {
            return v;
        }
        let p = self.b.retype(v, Kind::BtfOrNull);
        self.number_of_pointer(p)
    }

    /// The same as a value of type `ty`.
    pub fn typed_arg(&mut self, i: u32, ty: &Ty, tag: Option<&str>) -> Value {
        let kind = match ty {
            Ty::Ptr { .. } if self.reads_directly() => self.btf_kind(ty, tag),
            _ => self.kind_of(ty),
        };
        let ctx = self.ctx();
        let off = Off::Imm(8 * i as i32);
        let v = self.b.ins(Op::Load { size: Size::B8, sext: false, addr: ctx, off }, kind);
        match ty {
            Ty::Ptr { .. } => v,
            _ => self.truncate(v, ty),
        }
    }

    /// A member of `args`.
    pub fn args_member(&mut self, path: &[u32], ty: &Ty) -> Found {
        let (id, i) = match (self.context().clone(), path) {
            (Ctx::Record(id) | Ctx::SysEnter(id) | Ctx::SysExit(id), _) => (id, path[0]),
            (Ctx::BtfArgs { args, .. } | Ctx::Regs { args: Some(args), .. }, [i]) => (args, *i),
            (other, _) => crate::bug!("args of {other:?}"),
        };
        let found = self.m.member_at(id, path);
        match self.context().clone() {
            Ctx::Record(_) => Found::Place(self.record_field(&found.member, found.offset_bits)),
            Ctx::SysEnter(_) => Found::Value(Operand::Val(self.sys_enter_field(found.offset_bits / 8, ty))),
            Ctx::SysExit(_) => Found::Value(Operand::Val(self.sys_exit_field(found.offset_bits / 8, ty))),
            Ctx::Regs { .. } => Found::Value(Operand::Val(self.user_arg(found.offset_bits / 64, ty))),
            _ => {
                let tag = found.member.tag.as_deref();
                Found::Value(Operand::Val(self.typed_arg(i, ty, tag)))
            }
        }
    }

    /// An argument of a user function by the number of its register, or beyond them of its word on the stack.
    fn user_arg(&mut self, slot: u32, ty: &Ty) -> Value {
        let arch = self.m.world.arch();
        let ctx = self.ctx();
        let register = |name: &str| arch.reg(name).unwrap_or_else(|| crate::bug!("no register {name}"));
        let v = match arch.args.get(slot as usize) {
            Some(name) => self.b.load(Size::B8, ctx, register(name) as i32),
            None => {
                let sp = self.b.load(Size::B8, ctx, register(arch.sp) as i32);
                let beyond = i64::from(slot) - arch.args.len() as i64;
                let at = self.b.add_imm(sp, i64::from(arch.stack_args_at) + 8 * beyond);
                let (word, len) = (self.word(), self.b.iconst(8));
                self.read(ReadSpace::User, word, at, len);
                self.b.load(Size::B8, word, 0)
            }
        };
        let v = self.truncate(v, ty);
        self.plain(v, ty)
    }

    /// A field of a tracepoint's record.
    fn record_field(&mut self, member: &Member, offset_bits: u32) -> Place {
        let ctx = self.ctx();
        let at = (offset_bits / 8) as i32;
        let from = match member.data_loc {
            DataLoc::No => {
                let at = match member.bitfield_bits {
                    Some(bits) => At::Bits { offset_bits, bits },
                    None => At::Bytes(at),
                };
                return Place { base: ctx, at, tag: None };
            }
            DataLoc::Absolute => 0,
            DataLoc::Relative => i64::from(at) + 4,
        };
        let word = self.b.load(Size::B4, ctx, at);
        let off = self.b.bin_imm(BinOp::And, word, 0xffff);
        let start = self.b.add_imm(ctx, from);
        let base = self.b.bin(BinOp::Add, start, off);
        let base = self.b.retype(base, Kind::Kernel);
        Place { base, at: At::Bytes(0), tag: None }
    }

    /// How the probe hangs on system calls.
    fn syscall_hook(&self) -> SyscallHook {
        match self.probe.points.first().map(|p| &p.attach) {
            Some(Attach::SyscallTp { hook, .. }) => *hook,
            _ => SyscallHook::Raw,
        }
    }

    /// The number of the system call.
    pub fn syscall_nr(&mut self) -> Value {
        match (self.syscall_hook(), self.context()) {
            (SyscallHook::Record, _) => {
                // A long in the record of all calls, an int in that of a single one, which may end there.
                let ctx = self.ctx();
                self.b.load(Size::B4, ctx, SYSCALL_NR_AT as i32)
            }
            (_, Ctx::SysEnter(_)) => self.raw_arg(1),
            (_, Ctx::SysExit(_)) => self.syscall_reg(self.m.world.arch().syscall_nr),
            (_, other) => crate::bug!("a system call with {other:?}"),
        }
    }

    /// A register of `struct pt_regs` that the first argument of a raw tracepoint points to.
    fn syscall_reg(&mut self, name: &str) -> Value {
        let regs = self.raw_arg(0);
        match self.syscall_hook() == SyscallHook::Btf && self.reads_directly() {
            true => {
                let regs = self.b.retype(regs, Kind::Btf);
                self.register_of(regs, name)
            }
            false => self.register_of(regs, name),
        }
    }

    /// A register of a `struct pt_regs`, which is read directly if the verifier knows it.
    pub fn register_of(&mut self, regs: Value, name: &str) -> Value {
        let Some(off) = self.m.world.arch().reg(name) else { crate::bug!("no register {name}") };
        if self.b.kind(regs) == Kind::Btf {
            return self.b.load(Size::B8, regs, off as i32);
        }
        let at = self.b.add_imm(regs, off.into());
        let word = self.word();
        let len = self.b.iconst(8);
        self.read(ReadSpace::Kernel, word, at, len);
        self.b.load(Size::B8, word, 0)
    }

    fn sys_enter_field(&mut self, at: u32, ty: &Ty) -> Value {
        let v = if at < SYSCALL_ARGS_AT {
            self.syscall_nr()
        } else if self.syscall_hook() == SyscallHook::Record {
            let ctx = self.ctx();
            self.b.load(Size::B8, ctx, at as i32)
        } else {
            let i = ((at - SYSCALL_ARGS_AT) / 8) as usize;
            match self.m.world.arch().syscall_args.get(i) {
                Some(name) => self.syscall_reg(name),
                None => crate::bug!("a system call has no argument {i}"),
            }
        };
        let v = self.truncate(v, ty);
        self.plain(v, ty)
    }

    fn sys_exit_field(&mut self, at: u32, ty: &Ty) -> Value {
        let v = if at < SYSCALL_ARGS_AT {
            self.syscall_nr()
        } else if self.syscall_hook() == SyscallHook::Record {
            let ctx = self.ctx();
            self.b.load(Size::B8, ctx, at as i32)
        } else {
            self.raw_arg(1)
        };
        let v = self.truncate(v, ty);
        self.plain(v, ty)
    }

    /// `args` as a whole, in memory.
    pub fn args_value(&mut self, ty: &Ty) -> Operand {
        let Ty::Struct(id) = *ty else { crate::bug!("args is {ty:?}") };
        let bytes = self.size(ty);
        let (dst, off) = self.out(bytes, "args");
        self.clear(dst, off, bytes);
        let members = self.m.struct_def(id).members.clone().unwrap_or_default();
        for (i, member) in members.iter().enumerate() {
            self.args_field_to(id, i as u32, member, dst, off);
        }
        Operand::Mem { ptr: dst, off }
    }

    fn args_field_to(&mut self, id: StructId, i: u32, member: &Member, dst: Value, off: i32) {
        let to = off + (self.m.member_at(id, &[i]).offset_bits / 8) as i32;
        if member.data_loc != DataLoc::No || member.bitfield_bits.is_some() {
            return;
        }
        match self.args_member(&[i], &member.ty) {
            Found::Value(v) => self.store(&member.ty, v, dst, to, Tails::Zero),
            Found::Place(Place { base, at: At::Bytes(from), .. }) => {
                self.b.copy(dst, to, base, from, self.size(&member.ty));
            }
            Found::Place(_) => {}
        }
    }
}

impl super::Mx<'_> {
    /// Where the pointers to the object lie in the context of an iterator: all but the first, which is to the
    /// iteration itself.
    pub fn iter_objects(&mut self, id: StructId) -> Vec<i32> {
        let mut found = Vec::new();
        for m in self.members(id).iter().skip(1) {
            let is_pointer = match m.ty {
                Ty::Ptr { .. } => true,
                // `union { struct x *x; u64 :64; }`
                Ty::Struct(inner) => self.members(inner).iter().any(|m| matches!(m.ty, Ty::Ptr { .. })),
                _ => false,
            };
            if is_pointer {
                found.push((m.offset_bits / 8) as i32);
            }
        }
        found
    }

    fn members(&mut self, id: StructId) -> Vec<Member> {
        self.world.load_struct(&mut self.types, id);
        self.types.structs[id].members.clone().unwrap_or_default()
    }
}
