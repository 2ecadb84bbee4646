//! User stacks by call frame information: frames are found by the tables of `image::unwind`, a round of `bpf_loop`
//! each.
//!
//! Comes in: the type of a stack. Goes out: its value, as `stack.rs` makes it. Always holds: a stack that ends before
//! its time is counted, with the reason; where that is for want of a table, user space is asked for it, once until it
//! has answered.

use super::func::Fx;
use super::{Mx, event};
use crate::image::unwind::{
    Cut, FRAMES_MAX, ROWS_MAX, Rule, SEARCH_ROUNDS, Want, process, range, row, sigframe,
};
use crate::image::wire::globals;
use crate::image::{EventKind, LossKind, MapId, Role};
use crate::ir::{BinOp, Block, Builder, Cc, FuncId, Kind, Off, Op, Size, UnOp, Value};
use crate::isa::Helper;
use crate::isa::limits::STACK_BYTES_MAX;
use crate::lang::probes::{Ctx, UserRegs};
use crate::lang::traits::Operand;
use crate::ty::{StackTy, StructKind, Ty};

/// In the memory of an unwinding: registers of the frame at hand, whether its address is that of an instruction (1)
/// or the one behind a call (0), frames so far, how it ended, the range that was found last; then the frames, as the
/// side map keeps them.
mod state {
    pub const IP: i32 = 0;
    pub const SP: i32 = 8;
    pub const BP: i32 = 16;
    pub const IS_EXACT: i32 = 24;
    pub const N_FRAMES: i32 = 32;
    pub const END: i32 = 40;
    pub const RANGE: i32 = 48;
    pub const FRAMES: i32 = 56;
}

/// Of `state::END`: all is well; other numbers are those of [`Cut`], counted from 1.
const WELL: i64 = 0;
/// In the record that a round is handed.
const STATE_AT: i32 = 0;
const PROCESS_AT: i32 = 8;
/// Halvings that find one of a process's ranges.
const RANGE_ROUNDS: u32 = process::RANGES_MAX.ilog2() + 1;
const WORD_BYTES: i64 = 8;

fn cut_code(cut: Cut) -> i64 {
    Cut::ALL.iter().zip(1..).find(|(c, _)| **c == cut).map_or(WELL, |(_, code)| code)
}

impl Fx<'_, '_> {
    /// The user stack by call frame information, as a value in memory.
    pub fn unwound_stack(&mut self, ty: StackTy) -> Operand {
        let (dst, off) = self.out(self.size(&Ty::Stack(ty)), "stack");
        let map = self.m.own_map(Role::Stacks(ty));
        // One of them without the other means nothing.
        self.m.own_map(Role::UnwindRows);
        let limit = u32::from(ty.limit).min(FRAMES_MAX);
        // Verifier: a callback writes to places that vary only in memory that is not on the stack.
        let bytes = (state::FRAMES as u32 + 8 + 8 * limit).max(STACK_BYTES_MAX + 8);
        let state = self.temp(bytes, "unwinding");
        let (zero, well) = (self.b.iconst(0), self.b.iconst(WELL));
        self.b.store(Size::B8, state, state::N_FRAMES, zero);
        self.b.store(Size::B8, state, state::END, well);
        let task = self.task();
        // Kernel threads have none.
        if let Some(Operand::Val(mm)) = self.kernel_field(task, "task_struct", TASK_MEMBERS[0]) {
            let mm = self.as_kind(mm, Kind::Int);
            self.when(Cc::Ne, mm, zero, |f| f.unwind(state, limit));
        }
        self.tell_cuts(state);
        let n = self.b.load(Size::B8, state, state::N_FRAMES);
        let n_bytes = self.b.bin_imm(BinOp::Shl, n, 3);
        let n_bytes = self.b.umin(n_bytes, 8 * limit);
        let value = self.b.add_imm(state, state::FRAMES.into());
        self.hash_frames(value, n_bytes, limit, (dst, off));
        self.keep_frames(map, (dst, off), value, n_bytes);
        let tgid = self.tgid();
        self.b.store(Size::B8, dst, off + 16, tgid);
        Operand::Mem { ptr: dst, off }
    }

    /// Notes the first frame, and finds the others.
    fn unwind(&mut self, state: Value, limit: u32) {
        let [ip, sp, bp] = self.user_registers();
        let one = self.b.iconst(1);
        for (at, v) in [
            (state::IP, ip),
            (state::SP, sp),
            (state::BP, bp),
            (state::IS_EXACT, one),
            (state::N_FRAMES, one),
            (state::FRAMES + 8, ip),
        ] {
            self.b.store(Size::B8, state, at, v);
        }
        let (unknown, on) = (self.block(), self.block());
        let process = self.known_process(unknown);
        if limit > 1 {
            let zero = self.b.iconst(0);
            self.b.store(Size::B8, state, state::RANGE, zero);
            let step = self.m.unwind_step(limit, self.b.span());
            let record = self.b.stack_slot(16, "record");
            let at = self.b.slot_addr(record);
            self.b.store(Size::B8, at, STATE_AT, state);
            self.b.store(Size::B8, at, PROCESS_AT, process);
            // A return address that another probe has put its own in the place of takes a round more.
            let n = self.b.iconst(2 * i64::from(limit));
            let step = self.b.ins(Op::FuncAddr(step), Kind::Func);
            let flags = self.b.iconst(0);
            self.b.call(Helper::LOOP, &[n, step, at, flags]);
        }
        self.b.jump(on, Vec::new());
        self.b.enter(unknown);
        let code = self.b.iconst(cut_code(Cut::Process));
        self.b.store(Size::B8, state, state::END, code);
        self.b.jump(on, Vec::new());
        self.b.enter(on);
    }

    /// Instruction, stack and frame pointer of the user code that runs, or that has called the kernel.
    fn user_registers(&mut self) -> [Value; 3] {
        let names = [self.m.world.arch().ip, self.m.world.arch().sp, BP_NAME];
        let has_them = matches!(self.context(), Ctx::Regs { user: UserRegs::User, .. } | Ctx::Usdt(_));
        if has_them {
            return names.map(|name| {
                let Some(at) = self.m.world.arch().reg(name) else { crate::bug!("no register {name}") };
                let ctx = self.ctx();
                self.b.load(Size::B8, ctx, at as i32)
            });
        }
        let task = self.b.call_kind(Helper::GET_CURRENT_TASK_BTF, &[], Kind::Btf);
        let regs = self.b.call_kind(Helper::TASK_PT_REGS, &[task], Kind::Btf);
        let regs = if self.reads_directly() { regs } else { self.b.retype(regs, Kind::Kernel) };
        names.map(|name| self.register_of(regs, name))
    }

    /// What is known of the current process. Goes to `unknown` if that is nothing, or of another program.
    fn known_process(&mut self, unknown: Block) -> Value {
        let (map, tgid) = (self.m.own_map(Role::UnwindProcesses), self.tgid());
        let key = self.temp(8, "process");
        self.b.store(Size::B4, key, 0, tgid);
        let map = self.b.map_ptr(map);
        let found = self.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[map, key], Kind::MapValueOrNull);
        let process = self.present(found, unknown);
        let exec = self.program_number();
        let (known, zero) = (self.b.load(Size::B8, process, process::EXEC as i32), self.b.iconst(0));
        let (fresh, old, ready) = (self.block(), self.block(), self.block());
        self.b.branch(Cc::Eq, known, zero, fresh, old);
        self.b.enter(fresh);
        self.b.store(Size::B8, process, process::EXEC as i32, exec);
        self.b.jump(ready, Vec::new());
        self.b.enter(old);
        self.b.branch(Cc::Eq, known, exec, ready, unknown);
        self.b.enter(ready);
        process
    }

    /// As in `process::EXEC`.
    fn program_number(&mut self) -> Value {
        let task = self.task();
        match self.kernel_field(task, "task_struct", TASK_MEMBERS[1]) {
            Some(Operand::Val(n)) => self.b.add_imm(n, 1),
            _ => crate::bug!("the task's counter has been looked for"),
        }
    }

    /// Counts a stack that ended early, and asks for the table that it wanted.
    fn tell_cuts(&mut self, state: Value) {
        let (end, well) = (self.b.load(Size::B8, state, state::END), self.b.iconst(WELL));
        self.when(Cc::Ne, end, well, |f| {
            for cut in Cut::ALL {
                let code = f.b.iconst(cut_code(cut));
                f.when(Cc::Eq, end, code, |f| {
                    f.lose(LossKind::Cut(cut));
                    if let Some(want) = cut.want() {
                        f.ask_for(want);
                    }
                });
            }
        });
    }

    fn ask_for(&mut self, want: Want) {
        let asked_at = self.global(want.asked_at());
        let (asked, zero) = (self.b.load(Size::B4, asked_at, 0), self.b.iconst(0));
        self.when(Cc::Eq, asked, zero, |f| {
            let (asked_at, one, tgid) = (f.global(want.asked_at()), f.b.iconst(1), f.tgid());
            f.b.store(Size::B4, asked_at, 0, one);
            let exec = f.program_number();
            let [tgid, exec] = [tgid, exec].map(|v| event::Source::Value(Operand::Val(v)));
            f.emit(EventKind::Unwind(want), vec![(Ty::U32, tgid), (Ty::U64, exec)]);
        });
    }
}

/// What is read of the current task: whether it has user code, and how often it has become another program.
pub const TASK_MEMBERS: [&str; 2] = ["mm", "self_exec_id"];
/// The frame pointer by its name in `isa::arch`; tables are x86_64's alone.
const BP_NAME: &str = "bp";

impl Mx<'_> {
    /// The function that finds one more frame, for stacks of at most so many.
    fn unwind_step(&mut self, limit: u32, span: crate::base::Span) -> FuncId {
        if let Some(&known) = self.unwind_steps.get(&limit) {
            return known;
        }
        let (rows, globals) = (self.own_map(Role::UnwindRows), self.own_map(Role::Globals));
        let returns = self.return_instances();
        let mut b = Builder::new(format!("unwind_step{limit}"), &[Kind::Int, Kind::MapValue], span);
        let record = b.param(1);
        let pointer = |b: &mut Builder, at: i32| {
            b.ins(Op::Load { size: Size::B8, sext: false, addr: record, off: Off::Imm(at) }, Kind::MapValue)
        };
        let (state, process) = (pointer(&mut b, STATE_AT), pointer(&mut b, PROCESS_AT));
        let (stop, end, unmapped) = (b.new_block(), b.new_block(), b.new_block());
        let code = b.block_param(end, Kind::Int);
        let word = b.stack_slot(8, "word");
        let zero_at = b.map_value(globals, globals::ZERO);
        let unknown_zero = b.load(Size::B8, zero_at, 0);
        let mut step = Step { b, state, process, rows, stop, end, unmapped, word, unknown_zero };
        step.build(limit);
        step.b.enter(unmapped);
        match returns {
            Some(returns) => step.restore_return(&returns, limit),
            None => step.cut(Cut::Code),
        }
        step.b.enter(end);
        step.b.store(Size::B8, state, state::END, code);
        step.b.jump(stop, Vec::new());
        step.b.enter(stop);
        let one = step.b.iconst(1);
        step.b.ret(one);
        let func = self.funcs.push(step.b.finish());
        self.unwind_steps.insert(limit, func);
        func
    }
}

/// Where the kernel keeps the return addresses that return probes have taken, as offsets in bytes: of the list in a
/// task, and in its entries (kernel/events/uprobes.c).
struct Returns {
    of_task: i64,
    first: i64,
    /// Where the return address was.
    stack: i64,
    address: i64,
    next: i64,
}

/// Return probes that are under way in a task, at most (`MAX_URETPROBE_DEPTH`).
const RETURNS_MAX: i64 = 64;

impl Mx<'_> {
    /// `None` where the kernel has no such probes, or keeps them otherwise.
    fn return_instances(&mut self) -> Option<Returns> {
        let mut offset = |strukt: &str, name: &str| {
            let id = self.world.strukt(&mut self.types, Some(StructKind::Struct), strukt)?;
            Some(i64::from(self.member_named(id, name)?.offset_bits / 8))
        };
        Some(Returns {
            of_task: offset("task_struct", "utask")?,
            first: offset("uprobe_task", "return_instances")?,
            stack: offset("return_instance", "stack")?,
            address: offset("return_instance", "orig_ret_vaddr")?,
            next: offset("return_instance", "next")?,
        })
    }
}

/// The function of a round in the making.
struct Step {
    b: Builder,
    state: Value,
    process: Value,
    rows: MapId,
    /// Ends the loop.
    stop: Block,
    /// The same, with the reason as its parameter.
    end: Block,
    /// For an address that lies in no range.
    unmapped: Block,
    word: crate::ir::Slot,
    /// 0, which the verifier does not know.
    unknown_zero: Value,
}

/// What a search found.
struct Found {
    ip: Value,
    row: Value,
}

impl Step {
    fn build(&mut self, limit: u32) {
        let (n, most) = (self.reg(state::N_FRAMES), self.b.iconst(limit.into()));
        let (on, stop) = (self.b.new_block(), self.stop);
        self.b.branch(Cc::Ult, n, most, on, stop);
        self.b.enter(on);
        let found = self.find_row();
        let number = self.b.bin_imm(BinOp::Lshr, found.row, row::NUMBER_SHIFT.into());
        let number = self.b.bin_imm(BinOp::And, number, row::NUMBER_MASK);
        let rule = self.b.bin_imm(BinOp::Lshr, found.row, row::RULE_SHIFT.into());
        let rule = self.b.bin_imm(BinOp::And, rule, row::RULE_MASK);
        let (sp, bp) = (self.reg(state::SP), self.reg(state::BP));
        let (framed, found_all) = (self.b.new_block(), self.b.new_block());
        let cfa = self.b.block_param(framed, Kind::Int);
        let [new_ip, new_sp, new_bp, is_exact] =
            std::array::from_fn(|_| self.b.block_param(found_all, Kind::Int));
        let bytes = self.b.bin_imm(BinOp::Shl, number, 3);
        self.on(rule, Rule::Sp, |s| {
            let cfa = s.b.bin(BinOp::Add, sp, bytes);
            s.b.jump(framed, vec![cfa]);
        });
        self.on(rule, Rule::Bp, |s| {
            let cfa = s.b.bin(BinOp::Add, bp, bytes);
            s.b.jump(framed, vec![cfa]);
        });
        self.on(rule, Rule::Plt, |s| {
            let at = s.b.bin_imm(BinOp::And, found.ip, 15);
            let is_pushed = s.b.cmp(Cc::Uge, at, number);
            let more = s.b.bin_imm(BinOp::Shl, is_pushed, 3);
            let cfa = s.b.bin(BinOp::Add, sp, more);
            let cfa = s.b.add_imm(cfa, WORD_BYTES);
            s.b.jump(framed, vec![cfa]);
        });
        self.on(rule, Rule::AtBp, |s| {
            let off = s.b.un(UnOp::Sext16, number);
            let off = s.b.bin_imm(BinOp::Mul, off, WORD_BYTES);
            let at = s.b.bin(BinOp::Add, bp, off);
            let cfa = s.read(at);
            s.forward(cfa, sp);
            let (below, next_bp) = (s.b.add_imm(cfa, -WORD_BYTES), s.read(bp));
            let (ip, not_exact) = (s.read(below), s.b.iconst(0));
            s.b.jump(found_all, vec![ip, cfa, next_bp, not_exact]);
        });
        self.on(rule, Rule::Signal, |s| {
            let at = |s: &mut Step, off| {
                let at = s.b.add_imm(sp, off);
                s.read(at)
            };
            let (ip, next_sp) = (at(s, sigframe::IP), at(s, sigframe::SP));
            let (next_bp, exact) = (at(s, sigframe::BP), s.b.iconst(1));
            s.b.jump(found_all, vec![ip, next_sp, next_bp, exact]);
        });
        self.on(rule, Rule::End, |s| {
            let stop = s.stop;
            s.b.jump(stop, Vec::new());
        });
        self.on(rule, Rule::None, |s| s.cut(Cut::Code));
        self.cut(Cut::Rule);

        self.b.enter(framed);
        self.forward(cfa, sp);
        let below = self.b.add_imm(cfa, -WORD_BYTES);
        let ip = self.read(below);
        let next_bp = self.caller_bp(found.row, cfa, bp);
        let not_exact = self.b.iconst(0);
        self.b.jump(found_all, vec![ip, cfa, next_bp, not_exact]);

        self.b.enter(found_all);
        self.keep(n, limit, [new_ip, new_sp, new_bp, is_exact]);
    }

    /// The next frame's registers, and the frame behind `n` others.
    fn keep(&mut self, n: Value, limit: u32, [ip, sp, bp, is_exact]: [Value; 4]) {
        // Where a thread starts there is nothing to return to.
        let (zero, on, stop) = (self.b.iconst(0), self.b.new_block(), self.stop);
        self.b.branch(Cc::Eq, ip, zero, stop, on);
        self.b.enter(on);
        let state = self.state;
        for (at, v) in [(state::IP, ip), (state::SP, sp), (state::BP, bp), (state::IS_EXACT, is_exact)] {
            self.b.store(Size::B8, state, at, v);
        }
        let n = self.b.umin(n, limit - 1);
        let at = self.b.bin_imm(BinOp::Shl, n, 3);
        let at = self.b.bin(BinOp::Add, state, at);
        self.b.store(Size::B8, at, state::FRAMES + 8, ip);
        let n = self.b.add_imm(n, 1);
        self.b.store(Size::B8, state, state::N_FRAMES, n);
        let zero = self.b.iconst(0);
        self.b.ret(zero);
    }

    /// The row of the frame at hand.
    fn find_row(&mut self) -> Found {
        let (ip, is_exact) = (self.reg(state::IP), self.reg(state::IS_EXACT));
        // A call may be the last instruction of its function.
        let look = self.b.add_imm(ip, -1);
        let look = self.b.bin(BinOp::Add, look, is_exact);
        let range = self.find_range(look);
        let bias = self.b.load(Size::B8, range, range::BIAS as i32);
        let first_row = self.b.load(Size::B4, range, range::FIRST_ROW as i32);
        let n_rows = self.b.load(Size::B4, range, range::N_ROWS as i32);
        let wanted = self.b.bin(BinOp::Sub, look, bias);
        let (rows, lost) = (self.b.map_ptr(self.rows), self.b.new_block());
        let row = self.b.var(Kind::Int);
        let none = self.b.iconst(0);
        self.b.set(row, none);
        let n_rows = self.b.umin(n_rows, ROWS_MAX);
        let after = self.search(n_rows, SEARCH_ROUNDS, |s, middle, above, not_above| {
            let key = s.b.slot_addr(s.word);
            let index = s.b.bin(BinOp::Add, first_row, middle);
            s.b.store(Size::B4, key, 0, index);
            let p = s.b.call_kind(Helper::MAP_LOOKUP_ELEM, &[rows, key], Kind::MapValueOrNull);
            let (zero, on) = (s.b.iconst(0), s.b.new_block());
            s.b.branch(Cc::Eq, p, zero, lost, on);
            s.b.enter(on);
            let p = s.b.non_null(p);
            let word = s.b.load(Size::B8, p, 0);
            let pc = s.b.un(UnOp::Zext32, word);
            let take = s.b.new_block();
            s.b.branch(Cc::Ugt, pc, wanted, above, take);
            s.b.enter(take);
            s.b.set(row, word);
            s.b.jump(not_above, Vec::new());
        });
        let row = self.b.get(row);
        let here = self.b.current();
        self.b.enter(lost);
        self.cut(Cut::Code);
        self.b.switch_to(here);
        let (zero, on, first) = (self.b.iconst(0), self.b.new_block(), self.b.new_block());
        self.b.branch(Cc::Ne, after, zero, on, first);
        self.b.enter(first);
        self.cut(Cut::Code);
        self.b.enter(on);
        Found { ip, row }
    }

    /// The range in which an address lies.
    fn find_range(&mut self, look: Value) -> Value {
        let process = self.process;
        let found = self.b.new_block();
        let range = self.b.block_param(found, Kind::MapValue);
        let search = self.b.new_block();
        // The caller is mostly of the same binary.
        let last = self.reg(state::RANGE);
        let last = self.range_at(last);
        let (start, end) = (self.b.load(Size::B8, last, 0), self.b.load(Size::B8, last, range::END as i32));
        let in_last = self.b.new_block();
        self.b.branch(Cc::Ult, look, start, search, in_last);
        self.b.enter(in_last);
        let same = self.b.new_block();
        self.b.branch(Cc::Ult, look, end, same, search);
        self.b.enter(same);
        self.b.jump(found, vec![last]);

        self.b.enter(search);
        let n = self.b.load(Size::B4, process, process::N_RANGES as i32);
        let n = self.b.umin(n, process::RANGES_MAX);
        let after = self.search(n, RANGE_ROUNDS, |s, middle, above, not_above| {
            let at = s.range_at(middle);
            let start = s.b.load(Size::B8, at, range::START as i32);
            s.b.branch(Cc::Ugt, start, look, above, not_above);
        });
        let (zero, below, unmapped) = (self.b.iconst(0), self.b.new_block(), self.unmapped);
        self.b.branch(Cc::Ne, after, zero, below, unmapped);
        self.b.enter(below);
        let index = self.b.add_imm(after, -1);
        let at = self.range_at(index);
        let (end, inside) = (self.b.load(Size::B8, at, range::END as i32), self.b.new_block());
        self.b.branch(Cc::Ult, look, end, inside, unmapped);
        self.b.enter(inside);
        let state = self.state;
        self.b.store(Size::B8, state, state::RANGE, index);
        self.b.jump(found, vec![at]);
        self.b.enter(found);
        range
    }

    /// The address of a range by its index.
    fn range_at(&mut self, index: Value) -> Value {
        let index = self.b.umin(index, process::RANGES_MAX - 1);
        let off = self.b.bin_imm(BinOp::Shl, index, range::BYTES.ilog2().into());
        let ranges = self.b.add_imm(self.process, process::RANGES.into());
        self.b.bin(BinOp::Add, ranges, off)
    }

    /// Of `n` sorted elements, the index of the first one that is above what is looked for; n if none is. `compare`
    /// looks at one of them and goes to the first block if it is above, else to the second.
    fn search(
        &mut self,
        n: Value,
        n_rounds: u32,
        compare: impl FnOnce(&mut Step, Value, Block, Block),
    ) -> Value {
        let (low, high, round) = (self.b.var(Kind::Int), self.b.var(Kind::Int), self.b.var(Kind::Int));
        let zero = self.b.iconst(0);
        // Verifier: bounds that it knows would be others on each way through the rounds, and it would follow all.
        let first = self.blurred(zero);
        let n = self.blurred(n);
        self.b.set(low, first);
        self.b.set(high, n);
        self.b.set(round, zero);
        let [head, more, body, above, not_above, next, done] = std::array::from_fn(|_| self.b.new_block());
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let (i, most) = (self.b.get(round), self.b.iconst(n_rounds.into()));
        self.b.branch(Cc::Ult, i, most, more, done);
        self.b.enter(more);
        self.b.checkpoint();
        let (l, h) = (self.b.get(low), self.b.get(high));
        self.b.branch(Cc::Ult, l, h, body, done);
        self.b.enter(body);
        let sum = self.b.bin(BinOp::Add, l, h);
        let middle = self.b.bin_imm(BinOp::Lshr, sum, 1);
        compare(self, middle, above, not_above);
        self.b.enter(above);
        let h = self.blurred(middle);
        self.b.set(high, h);
        self.b.jump(next, Vec::new());
        self.b.enter(not_above);
        let l = self.b.add_imm(middle, 1);
        let l = self.blurred(l);
        self.b.set(low, l);
        self.b.jump(next, Vec::new());
        self.b.enter(next);
        let i = self.b.add_imm(i, 1);
        self.b.set(round, i);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(done);
        self.b.checkpoint();
        self.b.get(low)
    }

    /// The same number, of which the verifier knows nothing.
    fn blurred(&mut self, v: Value) -> Value {
        self.b.bin(BinOp::Add, v, self.unknown_zero)
    }

    /// Where a return probe has put an address of its own in the place of the frame's: takes back what was there, and
    /// goes on with it in the next round.
    fn restore_return(&mut self, returns: &Returns, limit: u32) {
        let (ip, sp) = (self.reg(state::IP), self.reg(state::SP));
        let slot = self.b.add_imm(sp, -WORD_BYTES);
        let task = self.b.call_kind(Helper::GET_CURRENT_TASK, &[], Kind::Kernel);
        let of_task = self.read_kernel(task, returns.of_task);
        self.unless_null(of_task);
        let first = self.read_kernel(of_task, returns.first);
        let (round, entry) = (self.b.var(Kind::Int), self.b.var(Kind::Int));
        let zero = self.b.iconst(0);
        self.b.set(round, zero);
        self.b.set(entry, first);
        let [head, more, here, found, next] = std::array::from_fn(|_| self.b.new_block());
        let none = self.b.new_block();
        self.b.jump(head, Vec::new());
        self.b.switch_to(head);
        let (i, most) = (self.b.get(round), self.b.iconst(RETURNS_MAX));
        self.b.branch(Cc::Ult, i, most, more, none);
        self.b.enter(none);
        self.cut(Cut::Code);
        self.b.enter(more);
        self.b.checkpoint();
        let at = self.b.get(entry);
        self.unless_null(at);
        let (stack, address) = (self.read_kernel(at, returns.stack), self.read_kernel(at, returns.address));
        self.b.branch(Cc::Eq, stack, slot, here, next);
        self.b.enter(here);
        // Of several on one call, the first has what was there.
        self.b.branch(Cc::Ne, address, ip, found, next);
        self.b.enter(next);
        let following = self.read_kernel(at, returns.next);
        self.b.set(entry, following);
        let i = self.b.add_imm(i, 1);
        self.b.set(round, i);
        self.b.jump(head, Vec::new());
        self.b.seal(head);
        self.b.enter(found);
        let (state, n) = (self.state, self.reg(state::N_FRAMES));
        self.b.store(Size::B8, state, state::IP, address);
        let n = self.b.umin(n, limit);
        let at = self.b.bin_imm(BinOp::Shl, n, 3);
        let at = self.b.bin(BinOp::Add, state, at);
        self.b.store(Size::B8, at, state::FRAMES, address);
        let zero = self.b.iconst(0);
        self.b.ret(zero);
    }

    fn unless_null(&mut self, v: Value) {
        let (zero, on, null) = (self.b.iconst(0), self.b.new_block(), self.b.new_block());
        self.b.branch(Cc::Ne, v, zero, on, null);
        self.b.enter(null);
        self.cut(Cut::Code);
        self.b.enter(on);
    }

    /// A word of the kernel's memory.
    fn read_kernel(&mut self, at: Value, off: i64) -> Value {
        let at = self.b.add_imm(at, off);
        let (word, len) = (self.b.slot_addr(self.word), self.b.iconst(WORD_BYTES));
        let at = self.b.retype(at, Kind::Kernel);
        // What cannot be read is 0.
        self.b.call(Helper::PROBE_READ_KERNEL, &[word, len, at]);
        let word = self.b.slot_addr(self.word);
        self.b.load(Size::B8, word, 0)
    }

    /// The frame pointer of the caller.
    fn caller_bp(&mut self, row: Value, cfa: Value, bp: Value) -> Value {
        let words = self.b.bin_imm(BinOp::Lshr, row, row::BP_SHIFT.into());
        let (zero, saved, done) = (self.b.iconst(0), self.b.new_block(), self.b.new_block());
        let kept = self.b.new_block();
        let out = self.b.block_param(done, Kind::Int);
        self.b.branch(Cc::Ne, words, zero, saved, kept);
        self.b.enter(kept);
        self.b.jump(done, vec![bp]);
        self.b.enter(saved);
        let bytes = self.b.bin_imm(BinOp::Shl, words, 3);
        let at = self.b.bin(BinOp::Sub, cfa, bytes);
        let v = self.read(at);
        self.b.jump(done, vec![v]);
        self.b.enter(done);
        out
    }

    /// Goes on where the caller's frame is above this one.
    fn forward(&mut self, cfa: Value, sp: Value) {
        let (on, back) = (self.b.new_block(), self.b.new_block());
        self.b.branch(Cc::Ugt, cfa, sp, on, back);
        self.b.enter(back);
        self.cut(Cut::Memory);
        self.b.enter(on);
    }

    /// A word of the process.
    fn read(&mut self, at: Value) -> Value {
        let (word, len) = (self.b.slot_addr(self.word), self.b.iconst(WORD_BYTES));
        let at = self.b.retype(at, Kind::User);
        let r = self.b.call(Helper::PROBE_READ_USER, &[word, len, at]);
        let (zero, on, failed) = (self.b.iconst(0), self.b.new_block(), self.b.new_block());
        self.b.branch(Cc::Eq, r, zero, on, failed);
        self.b.enter(failed);
        self.cut(Cut::Memory);
        self.b.enter(on);
        let word = self.b.slot_addr(self.word);
        self.b.load(Size::B8, word, 0)
    }

    /// Ends the unwinding before its time. Nothing follows in this block.
    fn cut(&mut self, cut: Cut) {
        let (code, end) = (self.b.iconst(cut_code(cut)), self.end);
        self.b.jump(end, vec![code]);
    }

    /// A word of the state.
    fn reg(&mut self, at: i32) -> Value {
        let state = self.state;
        self.b.load(Size::B8, state, at)
    }

    /// Runs `f`, which does not come back, where the rule is that one.
    fn on(&mut self, rule: Value, wanted: Rule, f: impl FnOnce(&mut Step)) {
        let (yes, no) = (self.b.new_block(), self.b.new_block());
        let code = self.b.iconst(wanted as i64);
        self.b.branch(Cc::Eq, rule, code, yes, no);
        self.b.enter(yes);
        f(self);
        self.b.enter(no);
    }
}
