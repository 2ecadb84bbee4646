//! Programs: one for each probe, with what comes before its body.
//!
//! Always holds: a program does nothing before all are attached or after `exit()` (but for those that awl runs
//! itself); one that serves system calls looks at the number first and skips 32-bit calls, as the kernel's own
//! tracepoints do; `-p` is checked where the kernel does not.

use super::Mx;
use super::func::{Fx, Home, Returns};
use super::walk::{self, Round};
use crate::image::wire::globals;
use crate::image::{Attach, Program};
use crate::ir::{self, BinOp, Cc, Kind, Size, Value};
use crate::isa::Helper;
use crate::lang::probes::{Ctx, Point, Provider};
use crate::lang::traits::Operand;
use crate::sema::hir;
use std::rc::Rc;

/// `TS_COMPAT` of `thread_info.status`: the task is in a 32-bit system call (arch/x86/include/asm/thread_info.h).
const COMPAT: i64 = 2;
/// System calls that are compared one by one; more are looked up.
const COMPARED_MAX: usize = 3;
/// Bytes of the name of a program, with its number.
const NAME_BYTES_MAX: usize = 48;

/// Lowers a probe to a program.
pub fn lower<'a>(m: &mut Mx<'a>, probe: &'a hir::Probe) {
    let name = program_name(m, probe);
    let Some(first) = probe.points.first() else { crate::bug!("{} has no attach point", probe.title) };
    let program = m.image.programs.push(Program {
        name: name.clone(),
        title: probe.title.clone(),
        clause: probe.clause,
        span: probe.span,
        ty: first.attach.prog_type(),
        attach: probe.attaches(),
        insns: Vec::new(),
        relocs: Vec::new(),
        funcs: Vec::new(),
        lines: Vec::new(),
        stack_bytes: 0,
    });
    let mut f = Fx::program(m, &name, probe, program);
    f.returns();
    f.right_syscall();
    f.gate();
    f.right_mode();
    f.right_process();
    f.right_object();
    f.locals_of(Round::of(&probe.body));
    f.run_block(&probe.body);
    let func = f.finish();
    m.entries.push(ir::Entry { program, func });
}

/// A C identifier, unique in the image, whose start tells the probe from others.
fn program_name(m: &Mx<'_>, probe: &hir::Probe) -> String {
    let full = probe.points.first().map(|p| p.attach.name()).unwrap_or_default();
    let short = full.rsplit(':').next().unwrap_or(&full);
    let is_telling = short.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && short.len() > 1;
    let text = if is_telling { short } else { full.as_str() };
    let mut base: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(NAME_BYTES_MAX).collect();
    if !base.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        base.insert(0, '_');
    }
    let taken = |name: &str| m.image.programs.iter().any(|p| p.name == name);
    let mut name = base.clone();
    let mut n = 2;
    while taken(&name) {
        name = format!("{base}_{n}");
        n += 1;
    }
    name
}

impl<'a> Fx<'_, 'a> {
    fn attach(&self) -> &'a Attach {
        match self.probe.points.first() {
            Some(p) => &p.attach,
            None => crate::bug!("{} has no attach point", self.probe.title),
        }
    }

    /// Leaves unless the comparison holds.
    fn require(&mut self, cc: Cc, a: Value, b: Value) {
        let (exit, on) = (self.exit, self.block());
        self.b.branch(cc, a, b, on, exit);
        self.b.enter(on);
    }

    /// Keeps what the script returns where awl looks at it.
    fn returns(&mut self) {
        if self.attach().is_on_demand() {
            let (var, zero) = (self.b.var(Kind::Int), self.b.iconst(0));
            self.b.set(var, zero);
            self.returns = Returns::Var(var);
        }
    }

    /// Leaves while programs are switched off.
    fn gate(&mut self) {
        match self.attach() {
            Attach::Begin | Attach::End | Attach::Signal(_) | Attach::Test(_) | Attach::Bench(_) => return,
            Attach::Tracepoint { .. }
            | Attach::RawTracepoint { .. }
            | Attach::TpBtf { .. }
            | Attach::SyscallTp { .. }
            | Attach::Kprobe { .. }
            | Attach::KprobeAddr { .. }
            | Attach::Fentry { .. }
            | Attach::Uprobe { .. }
            | Attach::Usdt { .. }
            | Attach::Iter { .. }
            | Attach::BpfFunction { .. }
            | Attach::Profile(_)
            | Attach::Interval(_)
            | Attach::Software { .. }
            | Attach::Hardware { .. }
            | Attach::Watchpoint { .. } => {}
        }
        let at = self.global(globals::GATE);
        let state = self.b.load(Size::B8, at, 0);
        let running = self.b.iconst(i64::from(self.m.hir.config.pass));
        self.require(Cc::Eq, state, running);
    }

    /// The system calls that the program is for; none if it is for something else.
    fn syscalls(&self) -> Vec<u32> {
        let number = |p: &Point| match p.attach {
            Attach::SyscallTp { nr, .. } => Some(nr),
            _ => None,
        };
        let mut numbers: Vec<u32> = self.probe.points.iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Leaves unless it is one of the system calls that the program is for. First of all, because a program on
    /// `sys_enter` runs at every call.
    fn right_syscall(&mut self) {
        let numbers = self.syscalls();
        if numbers.is_empty() {
            return;
        }
        let nr = self.syscall_nr();
        if numbers.len() <= COMPARED_MAX {
            self.one_of(nr, &numbers);
        } else {
            self.in_table(nr, &numbers);
        }
    }

    fn one_of(&mut self, nr: Value, numbers: &[u32]) {
        let found = self.block();
        for (i, n) in numbers.iter().enumerate() {
            let (n, is_last) = (self.b.iconst((*n).into()), i + 1 == numbers.len());
            let next = if is_last { self.exit } else { self.block() };
            self.b.branch(Cc::Eq, nr, n, found, next);
            if !is_last {
                self.b.enter(next);
            }
        }
        self.b.enter(found);
    }

    /// A bit for each number.
    fn in_table(&mut self, nr: Value, numbers: &[u32]) {
        let bytes = numbers.last().map_or(0, |max| max / 8 + 1);
        let mut table = vec![0u8; bytes as usize];
        for n in numbers {
            table[*n as usize / 8] |= 1 << (n % 8);
        }
        let limit = self.b.iconst(i64::from(bytes) * 8);
        self.require(Cc::Ult, nr, limit);
        let Operand::Mem { ptr, .. } = self.constant(&table) else { return };
        let i = self.b.bin_imm(BinOp::Lshr, nr, 3);
        // Verifier: the offset is bounded where it is added.
        let i = self.b.umin(i, bytes - 1);
        let at = self.b.bin(BinOp::Add, ptr, i);
        let bits = self.b.load(Size::B1, at, 0);
        let n = self.b.bin_imm(BinOp::And, nr, 7);
        let shifted = self.b.bin(BinOp::Lshr, bits, n);
        let bit = self.b.bin_imm(BinOp::And, shifted, 1);
        let zero = self.b.iconst(0);
        self.require(Cc::Ne, bit, zero);
    }

    /// Leaves in 32-bit calls, whose numbers mean other calls.
    fn right_mode(&mut self) {
        if self.syscalls().is_empty() {
            return;
        }
        let task = self.task();
        let Some(Operand::Val(status)) = self.kernel_field(task, "task_struct", "thread_info.status") else {
            return;
        };
        let compat = self.b.bin_imm(BinOp::And, status, COMPAT);
        let zero = self.b.iconst(0);
        self.require(Cc::Eq, compat, zero);
    }

    /// Leaves in other processes than that of `-p`, where attaching does not see to it.
    fn right_process(&mut self) {
        let Some(pid) = self.m.hir.config.pid else { return };
        match self.probe.provider {
            Provider::Kprobe
            | Provider::Kretprobe
            | Provider::Fentry
            | Provider::Fexit
            | Provider::Tracepoint
            | Provider::Rawtracepoint => {}
            Provider::Begin
            | Provider::End
            | Provider::Own
            | Provider::Test
            | Provider::Bench
            | Provider::Uprobe
            | Provider::Uretprobe
            | Provider::Usdt
            | Provider::Profile
            | Provider::Interval
            | Provider::Software
            | Provider::Hardware
            | Provider::Watchpoint
            | Provider::Iter => return,
        }
        let tgid = self.tgid();
        let pid = self.b.iconst(pid.into());
        self.require(Cc::Eq, tgid, pid);
    }

    /// In an iterator: tells the reader that the program has run, and leaves where there is no object any more,
    /// which the kernel says by a last run with null.
    fn right_object(&mut self) {
        let Ctx::Iter(id) = *self.context() else { return };
        let objects = self.m.iter_objects(id);
        let ctx = self.ctx();
        let meta = self.b.load(Size::B8, ctx, 0);
        let meta = self.b.retype(meta, Kind::Btf);
        if let Some(Operand::Val(seq)) = self.kernel_field(meta, "bpf_iter_meta", "seq") {
            // A byte for each run: a read of n bytes ends after n runs, so that their output can be fetched.
            let seq = self.b.retype(seq, Kind::Btf);
            if let Operand::Mem { ptr, .. } = self.constant(&[0]) {
                let one = self.b.iconst(1);
                self.b.call(Helper::SEQ_WRITE, &[seq, ptr, one]);
            }
        }
        let zero = self.b.iconst(0);
        for at in objects {
            let object = self.b.load(Size::B8, ctx, at);
            self.require(Cc::Ne, object, zero);
        }
    }

    /// Homes for the locals of a body that must have one from the start. Those of its loops over maps alone live in
    /// the callbacks.
    pub fn locals_of(&mut self, body: Round<'a>) {
        let facts = Rc::clone(&self.facts);
        let here = walk::mentioned_outside_callbacks(body, self.local_decls, &facts);
        for local in self.local_decls.indices().filter(|&l| here[l]) {
            if !matches!(self.locals[local], Home::Unborn) {
                continue;
            }
            if facts.is_addressed[local] {
                let bytes = self.size(&self.local_decls[local].ty).max(1).next_multiple_of(8);
                self.locals[local] = Home::Slot(self.b.slot(bytes, 8, "local"));
            }
            if self.in_memory(local) && facts.is_read_early[local] {
                let at = self.local_slot(local);
                let len = self.size(&self.local_decls[local].ty);
                self.clear(at, 0, len);
            }
        }
    }

    /// The current task: a BTF pointer where it can be read through.
    pub fn task(&mut self) -> Value {
        let features = self.m.world.features();
        if self.reads_directly() && features.helper(Helper::GET_CURRENT_TASK_BTF) {
            return self.b.call_kind(Helper::GET_CURRENT_TASK_BTF, &[], Kind::Btf);
        }
        self.b.call_kind(Helper::GET_CURRENT_TASK, &[], Kind::Kernel)
    }
}
