//! Registers for a function's machine instructions, by regalloc2.
//!
//! Comes in: [`VCode`]; goes out: regalloc2's answer. Always holds: R10 is never written; R0 to R5 hold nothing
//! across a call; what is spilled takes 8 bytes. In debug builds and tests its checker looks at every answer.

use regalloc2::{
    Block, Function, Inst, InstRange, MachineEnv, Operand, PRegSet, RegAllocError, RegClass, RegallocOptions,
    VReg,
};

use super::select::preg;
use super::vcode::{Machine, VCode};

/// What is kept from one function to the next.
pub struct Allocator {
    env: MachineEnv,
    ctx: regalloc2::Ctx,
}

impl Default for Allocator {
    fn default() -> Self {
        Allocator { env: environment(), ctx: regalloc2::Ctx::default() }
    }
}

impl Allocator {
    /// Places all registers of `code`.
    pub fn run(&mut self, name: &str, code: &VCode) -> &regalloc2::Output {
        let options = RegallocOptions { validate_ssa: cfg!(debug_assertions), ..Default::default() };
        if let Err(e) = regalloc2::run_with_ctx(code, &self.env, &options, &mut self.ctx) {
            refused(name, &e);
        }
        #[cfg(debug_assertions)]
        {
            let mut checker = regalloc2::checker::Checker::new(code, &self.env);
            checker.prepare(&self.ctx.output);
            if let Err(e) = checker.run() {
                crate::bug!("{name}: wrong registers: {e:?}");
            }
        }
        &self.ctx.output
    }
}

fn refused(name: &str, e: &RegAllocError) -> ! {
    crate::bug!("{name}: no registers: {e}")
}

/// R0 to R5 first: R6 to R9 are worth more, for they survive calls.
fn environment() -> MachineEnv {
    let set = |range: std::ops::RangeInclusive<u8>| range.fold(PRegSet::empty(), |set, r| set.with(preg(r)));
    MachineEnv {
        preferred_regs_by_class: [set(0..=5), PRegSet::empty(), PRegSet::empty()],
        non_preferred_regs_by_class: [set(6..=9), PRegSet::empty(), PRegSet::empty()],
        scratch_by_class: [None, None, None],
        fixed_stack_slots: Vec::new(),
    }
}

impl Function for VCode {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }
    fn num_blocks(&self) -> usize {
        self.blocks.len()
    }
    fn entry_block(&self) -> Block {
        Block::new(0)
    }
    fn block_insns(&self, block: Block) -> InstRange {
        let (lo, hi) = self.blocks[block.index()].insts;
        InstRange::new(Inst::new(lo as usize), Inst::new(hi as usize))
    }
    fn block_succs(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].succs
    }
    fn block_preds(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].preds
    }
    fn block_params(&self, block: Block) -> &[VReg] {
        &self.blocks[block.index()].params
    }
    fn is_ret(&self, insn: Inst) -> bool {
        self.insts[insn.index()].what == Machine::Ret
    }
    fn is_branch(&self, insn: Inst) -> bool {
        matches!(self.insts[insn.index()].what, Machine::Jump | Machine::Branch { .. })
    }
    fn branch_blockparams(&self, block: Block, _insn: Inst, _succ_idx: usize) -> &[VReg] {
        // Ways out of a branch carry nothing once critical edges are split.
        &self.blocks[block.index()].args
    }
    fn inst_operands(&self, insn: Inst) -> &[Operand] {
        self.operands(insn.index())
    }
    fn inst_clobbers(&self, insn: Inst) -> PRegSet {
        match self.insts[insn.index()].what {
            Machine::Call(_) => {
                let mut set = (1..=5).fold(PRegSet::empty(), |set, r| set.with(preg(r)));
                let defines_r0 = self.operands(insn.index()).first().is_some_and(is_def);
                if !defines_r0 {
                    set.add(preg(0));
                }
                set
            }
            _ => PRegSet::empty(),
        }
    }
    fn num_vregs(&self) -> usize {
        self.n_vregs
    }
    fn spillslot_size(&self, _regclass: RegClass) -> usize {
        1
    }
}

fn is_def(o: &Operand) -> bool {
    o.kind() == regalloc2::OperandKind::Def
}
