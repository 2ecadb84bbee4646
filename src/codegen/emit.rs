//! Writes a function's instructions: machine instructions with their registers, the allocator's moves, jumps.
//!
//! Always holds: jumps are relative and in range (else the function is refused by [`TooLong`]); calls of other
//! functions still name them by `FuncId`, to be linked; a block that only jumps on takes no instruction.

use regalloc2::{Allocation, Edit, InstOrEdit, Output};

use super::frame::Frame;
use super::lines::Lines;
use super::vcode::{Base, Callee, Machine, Second, Sym, VCode};
use crate::base::Span;
use crate::image::{CoreKind, LineInfo, Reloc, RelocKind};
use crate::ir::{AtomicOp, BinOp, Cc, Func, Width};
use crate::isa::Insn;
use crate::isa::insn::{self, Alu, Atomic, Form, Jump, R10, Src};

/// One function's code, not linked: `RelocKind::Func` and `FuncAddr` hold `FuncId`s.
#[derive(Clone, Debug)]
pub struct Code {
    pub insns: Vec<Insn>,
    pub relocs: Vec<Reloc>,
    pub lines: Vec<LineInfo>,
    /// Bytes of its own frame.
    pub frame_bytes: u32,
}

/// A jump is longer than its 16 bits.
#[derive(Debug)]
pub struct TooLong;

/// The registers of one instruction's operands.
struct Regs<'a>(&'a [Allocation]);

impl Regs<'_> {
    fn at(&self, n: usize) -> u8 {
        match self.0[n].as_reg() {
            Some(r) => r.hw_enc() as u8,
            None => crate::bug!("an operand in no register"),
        }
    }
    fn second(&self, b: Second, n: usize) -> Src {
        match b {
            Second::Reg => Src::Reg(self.at(n)),
            Second::Imm(imm) => Src::Imm(imm),
        }
    }
}

struct Emit<'a> {
    code: &'a VCode,
    output: &'a Output,
    frame: &'a Frame,
    insns: Vec<Insn>,
    relocs: Vec<Reloc>,
    lines: Lines,
    /// First instruction of each block.
    starts: Vec<u32>,
    /// Jumps and the blocks that they lead to.
    jumps: Vec<(usize, usize)>,
    /// Where a jump to a block really leads.
    forward: Vec<usize>,
}

/// The instructions of `func`.
pub fn emit(func: &Func, code: &VCode, output: &Output, frame: &Frame) -> Result<Code, TooLong> {
    let mut e = Emit {
        code,
        output,
        frame,
        insns: Vec::with_capacity(code.insts.len() + output.edits.len()),
        relocs: Vec::new(),
        lines: Lines::new(func.span),
        starts: vec![0; code.blocks.len()],
        jumps: Vec::new(),
        forward: forwards(code, output),
    };
    let order: Vec<usize> = (0..code.blocks.len()).filter(|&b| e.forward[b] == b).collect();
    for (i, &b) in order.iter().enumerate() {
        e.block(b, order.get(i + 1).copied());
    }
    for (at, to) in std::mem::take(&mut e.jumps) {
        let distance = i64::from(e.starts[to]) - at as i64 - 1;
        e.insns[at].off = i16::try_from(distance).map_err(|_| TooLong)?;
    }
    Ok(Code { insns: e.insns, relocs: e.relocs, lines: e.lines.finish(), frame_bytes: frame.bytes(output) })
}

/// Blocks that do nothing but jump are where they jump to.
fn forwards(code: &VCode, output: &Output) -> Vec<usize> {
    let only_jumps = |b: usize| {
        let mut steps = output.block_insts_and_edits(code, regalloc2::Block::new(b));
        steps.all(|s| match s {
            InstOrEdit::Inst(i) => code.insts[i.index()].what == Machine::Jump,
            InstOrEdit::Edit(_) => false,
        })
    };
    let once: Vec<usize> = (0..code.blocks.len())
        .map(|b| if only_jumps(b) { code.blocks[b].succs[0].index() } else { b })
        .collect();
    let mut all = Vec::with_capacity(once.len());
    for b in 0..once.len() {
        let mut to = b;
        // A ring of empty blocks stays where it is.
        let mut n_steps = 0;
        while once[to] != to && n_steps < once.len() {
            to = once[to];
            n_steps += 1;
        }
        all.push(if once[to] == to { to } else { b });
    }
    all
}

impl Emit<'_> {
    fn block(&mut self, b: usize, next: Option<usize>) {
        self.starts[b] = self.insns.len() as u32;
        let (code, output) = (self.code, self.output);
        for step in output.block_insts_and_edits(code, regalloc2::Block::new(b)) {
            match step {
                InstOrEdit::Edit(Edit::Move { from, to }) => self.edit(*from, *to),
                InstOrEdit::Inst(i) => {
                    let span = code.insts[i.index()].span;
                    self.inst(b, i.index(), next, span);
                }
            }
        }
    }

    /// A move between registers and spill slots; the way it stands for is that of its neighbour.
    fn edit(&mut self, from: Allocation, to: Allocation) {
        self.lines.note(self.insns.len() as u32, Span::none());
        let form = match (from.as_reg(), to.as_reg()) {
            (Some(a), Some(d)) => {
                Form::Alu { op: Alu::Mov, wide: true, dst: d.hw_enc() as u8, src: Src::Reg(a.hw_enc() as u8) }
            }
            (Some(a), None) => {
                let src = Src::Reg(a.hw_enc() as u8);
                Form::Store { bytes: 8, base: R10, off: self.spill(to), src }
            }
            (None, Some(d)) => {
                let off = self.spill(from);
                Form::Load { bytes: 8, sext: false, dst: d.hw_enc() as u8, base: R10, off }
            }
            (None, None) => crate::bug!("a move from stack to stack"),
        };
        self.push(form);
    }

    fn spill(&self, at: Allocation) -> i16 {
        match at.as_stack() {
            Some(slot) => self.frame.spill_off(slot.index()),
            None => crate::bug!("a move to nowhere"),
        }
    }

    fn push(&mut self, form: Form) {
        self.insns.push(form.encode());
    }

    fn reloc(&mut self, kind: RelocKind) {
        self.relocs.push(Reloc { at: self.insns.len() as u32, kind });
    }

    /// A jump to `to`, unless it comes next anyway.
    fn goto(&mut self, to: usize, next: Option<usize>) {
        if Some(to) != next {
            self.jumps.push((self.insns.len(), to));
            self.push(Form::Goto { off: 0 });
        }
    }

    fn inst(&mut self, block: usize, i: usize, next: Option<usize>, span: Span) {
        let regs = Regs(self.output.inst_allocs(regalloc2::Inst::new(i)));
        self.lines.note(self.insns.len() as u32, span);
        let code = self.code;
        match &code.insts[i].what {
            Machine::Args => {}
            Machine::Imm(imm) => self.number(regs.at(0), *imm),
            Machine::Sym(sym) => self.symbol(regs.at(0), *sym),
            Machine::Core { imm, kind, access } => {
                self.reloc(RelocKind::Core { kind: *kind, access: *access });
                self.push(mov(regs.at(0), Src::Imm(*imm)));
            }
            Machine::FrameAddr { slot, off } => {
                let (dst, off) = (regs.at(0), self.frame.slot_off(*slot, *off));
                self.push(mov(dst, Src::Reg(R10)));
                self.push(Form::Alu { op: Alu::Add, wide: true, dst, src: Src::Imm(off.into()) });
            }
            Machine::Mov { w } => {
                let (dst, src) = (regs.at(0), Src::Reg(regs.at(1)));
                self.push(Form::Alu { op: Alu::Mov, wide: *w == Width::W64, dst, src });
            }
            Machine::Alu { op, w, b } => {
                let (dst, src) = (regs.at(0), regs.second(*b, 2));
                self.push(Form::Alu { op: alu(*op), wide: *w == Width::W64, dst, src });
            }
            Machine::Neg => self.push(Form::Neg { wide: true, dst: regs.at(0) }),
            Machine::Swap { bits } => self.push(Form::Swap { dst: regs.at(0), big: true, bits: *bits }),
            Machine::Umin { max } => {
                // Verifier: the bound holds for the compared register alone, so nothing comes between.
                let (a, b) = (regs.at(0), Src::Imm(*max));
                self.push(Form::If { op: Jump::Le, wide: true, a, b, off: 1 });
                self.push(mov(a, b));
            }
            Machine::Set { cc, b } => {
                let (a, b) = (regs.at(1), regs.second(*b, 2));
                self.push(mov(regs.at(0), Src::Imm(1)));
                self.push(Form::If { op: jump(*cc), wide: true, a, b, off: 1 });
                self.push(mov(regs.at(0), Src::Imm(0)));
            }
            what @ (Machine::Load { .. } | Machine::Store { .. } | Machine::Atomic { .. }) => {
                self.memory(what, &regs);
            }
            Machine::Call(callee) => self.call(*callee),
            // Verifier: it keeps a state only where a way joins another, and 2 jumps and 8 instructions after the
            // last that it kept. It drops jumps to the next instruction when it is done.
            Machine::Checkpoint => (0..8).for_each(|_| self.push(Form::Goto { off: 0 })),
            Machine::Jump => self.goto(self.target(block, 0), next),
            Machine::Branch { cc, b } => {
                let (a, b) = (regs.at(0), regs.second(*b, 1));
                self.branch(*cc, a, b, (self.target(block, 0), self.target(block, 1)), next);
            }
            Machine::Ret => self.push(Form::Exit),
        }
    }

    fn memory(&mut self, what: &Machine, regs: &Regs<'_>) {
        let frame = self.frame;
        let place = |base: Base, off: i16, n: usize| match base {
            Base::Reg => (regs.at(n), off),
            Base::Frame(slot) => (R10, frame.slot_off(slot, off)),
        };
        match *what {
            Machine::Load { size, base, off, field } => {
                let (base, off) = place(base, off, 1);
                if let Some(access) = field {
                    self.reloc(RelocKind::Core { kind: CoreKind::ByteOffset, access });
                }
                let dst = regs.at(0);
                self.push(Form::Load { bytes: size.bytes() as u8, sext: false, dst, base, off });
            }
            Machine::Store { size, base, off, v } => {
                let src = regs.second(v, usize::from(base == Base::Reg));
                let (base, off) = place(base, off, 0);
                self.push(Form::Store { bytes: size.bytes() as u8, base, off, src });
            }
            Machine::Atomic { op, size, base, off } => {
                let (v, n) = match op {
                    AtomicOp::Add => (0, 1),
                    AtomicOp::FetchAdd | AtomicOp::Xchg => (1, 2),
                    AtomicOp::CmpXchg => (1, 3),
                };
                let (base, off) = place(base, off, n);
                let (op, src) = (atomic(op), regs.at(v));
                self.push(Form::Atomic { op, bytes: size.bytes() as u8, base, off, src });
            }
            _ => crate::bug!("{what:?} is no access"),
        }
    }

    fn target(&self, block: usize, n: usize) -> usize {
        self.forward[self.code.blocks[block].succs[n].index()]
    }

    fn branch(&mut self, cc: Cc, a: u8, b: Src, (then, els): (usize, usize), next: Option<usize>) {
        if then == els {
            self.goto(then, next);
            return;
        }
        let (cc, to, other) = if Some(then) == next { (cc.negate(), els, then) } else { (cc, then, els) };
        self.jumps.push((self.insns.len(), to));
        self.push(Form::If { op: jump(cc), wide: true, a, b, off: 0 });
        self.goto(other, next);
    }

    fn number(&mut self, dst: u8, imm: i64) {
        match (i32::try_from(imm), u32::try_from(imm)) {
            (Ok(imm), _) => self.push(mov(dst, Src::Imm(imm))),
            (_, Ok(imm)) => {
                self.push(Form::Alu { op: Alu::Mov, wide: false, dst, src: Src::Imm(imm as i32) });
            }
            _ => self.insns.extend(insn::ld_imm64(dst, imm)),
        }
    }

    fn symbol(&mut self, dst: u8, sym: Sym) {
        let (kind, src, upper) = match sym {
            Sym::Map(map) => (RelocKind::MapPtr(map), insn::PSEUDO_MAP_FD, 0),
            Sym::MapValue { map, off } => {
                (RelocKind::MapValue { map, off }, insn::PSEUDO_MAP_VALUE, off as i32)
            }
            Sym::Func(f) => (RelocKind::FuncAddr(f.0), insn::PSEUDO_FUNC, 0),
        };
        self.reloc(kind);
        self.push(Form::LdImm64 { dst, src, imm: 0 });
        self.insns.push(Insn { imm: upper, ..Insn::default() });
    }

    fn call(&mut self, callee: Callee) {
        let (src, imm) = match callee {
            Callee::Helper(h) => (0, h.0 as i32),
            Callee::Kfunc(name) => {
                self.reloc(RelocKind::Kfunc(name.into()));
                (insn::PSEUDO_KFUNC_CALL, 0)
            }
            Callee::Func(f) => {
                self.reloc(RelocKind::Func(f.0));
                (insn::PSEUDO_CALL, 0)
            }
        };
        self.push(Form::Call { src, imm });
    }
}

fn mov(dst: u8, src: Src) -> Form {
    Form::Alu { op: Alu::Mov, wide: true, dst, src }
}

fn alu(op: BinOp) -> Alu {
    match op {
        BinOp::Add => Alu::Add,
        BinOp::Sub => Alu::Sub,
        BinOp::Mul => Alu::Mul,
        BinOp::Udiv => Alu::Div,
        BinOp::Urem => Alu::Mod,
        BinOp::And => Alu::And,
        BinOp::Or => Alu::Or,
        BinOp::Xor => Alu::Xor,
        BinOp::Shl => Alu::Lsh,
        BinOp::Lshr => Alu::Rsh,
        BinOp::Ashr => Alu::Arsh,
    }
}

fn jump(cc: Cc) -> Jump {
    match cc {
        Cc::Eq => Jump::Eq,
        Cc::Ne => Jump::Ne,
        Cc::Ult => Jump::Lt,
        Cc::Ule => Jump::Le,
        Cc::Ugt => Jump::Gt,
        Cc::Uge => Jump::Ge,
        Cc::Slt => Jump::Slt,
        Cc::Sle => Jump::Sle,
        Cc::Sgt => Jump::Sgt,
        Cc::Sge => Jump::Sge,
    }
}

fn atomic(op: AtomicOp) -> Atomic {
    match op {
        AtomicOp::Add => Atomic::Add,
        AtomicOp::FetchAdd => Atomic::FetchAdd,
        AtomicOp::Xchg => Atomic::Xchg,
        AtomicOp::CmpXchg => Atomic::CmpXchg,
    }
}
