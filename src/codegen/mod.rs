//! Code generation: the IR's functions become the programs of the image.
//!
//! Comes in: a verified [`ir::Module`]. Goes out: its image, with every program's instructions, relocations,
//! functions, lines and stack filled. Always holds: registers allocated; the stack of every chain of calls,
//! callbacks included, within 512 bytes, or the script is refused by name; jumps in range; no unreachable
//! instruction.

pub mod asm;
mod calls;
mod emit;
mod errors;
mod frame;
mod lines;
mod link;
mod overlap;
mod prepare;
mod regalloc;
mod scratch;
mod select;
mod vcode;

use std::borrow::Cow;

use crate::base::{Diags, IndexVec};
use crate::image::{Image, Map, MapId, MapKind, Role};
use crate::ir::{self, Func, FuncId, Room, Slot};
use crate::isa::limits::PERCPU_VALUE_BYTES_MAX;
use crate::world::{Feature, Features};
pub use asm::disassemble;
use calls::Calls;
use emit::Code;
use frame::Frame;
use regalloc::Allocator;
use scratch::{Claim, Pool};

/// Generates the code of all programs.
pub fn generate(module: ir::Module, features: &dyn Features) -> (Image, Diags) {
    let ir::Module { mut funcs, entries, image } = module;
    for func in funcs.iter_mut() {
        prepare::expand_long_moves(func);
    }
    let calls = Calls::new(&funcs);
    let mut g = Generator {
        claim: if features.has(Feature::AtomicFetch) { Claim::Exchange } else { Claim::TestAndStore },
        codes: funcs.indices().map(|_| None).collect(),
        stack: funcs.indices().map(|_| 0).collect(),
        image,
        allocator: Allocator::default(),
        n_scratch_slots: scratch::n_slots(&funcs, &calls),
        diags: Diags::default(),
    };
    g.check_depth(&funcs, &calls);
    if g.diags.has_errors() {
        return (g.image, g.diags);
    }
    for &f in &calls.bottom_up {
        g.func(&funcs, &calls, f);
    }
    if !g.diags.has_errors() {
        for e in &entries {
            let linked = link::link(&funcs, &g.codes, e.func);
            let program = &mut g.image.programs[e.program];
            program.insns = linked.insns;
            program.relocs = linked.relocs;
            program.funcs = linked.funcs;
            program.lines = linked.lines;
            program.stack_bytes = g.stack[e.func];
            if program.insns.len() > link::PROGRAM_INSNS_MAX {
                g.diags.program_too_long(program.span, program.insns.len());
            }
        }
    }
    (g.image, g.diags)
}

struct Generator {
    claim: Claim,
    codes: IndexVec<FuncId, Option<Code>>,
    /// Bytes of stack of the deepest chain of calls from here on.
    stack: IndexVec<FuncId, u32>,
    image: Image,
    allocator: Allocator,
    n_scratch_slots: u32,
    diags: Diags,
}

impl Generator {
    fn check_depth(&mut self, funcs: &IndexVec<FuncId, Func>, calls: &Calls) {
        for (f, &n) in calls.n_above.iter_enumerated() {
            if n == calls::DEPTH_MAX + 1 {
                self.diags.calls_too_deep(funcs[f].span, &funcs[f].name);
            }
        }
    }

    /// Generates one function whose callees are done.
    fn func(&mut self, funcs: &IndexVec<FuncId, Func>, calls: &Calls, f: FuncId) {
        let below = calls.callees[f].iter().map(|&c| self.stack[c]).max().unwrap_or(0);
        let budget = calls.budget(f, below);
        let mut func = Cow::Borrowed(&funcs[f]);
        if !frame::too_big(&func.slots, budget).is_empty() {
            overlap::share(func.to_mut());
        }
        let func = func.as_ref();
        let mut slot_budget = budget;
        loop {
            let big = frame::too_big(&func.slots, slot_budget);
            let (code, spilled_over) = match self.attempt(func, &big, budget) {
                Attempt::Fits(code) => (code, 0),
                Attempt::Over(code, n) => (code, n),
                Attempt::Refused => return,
            };
            let can_shrink =
                func.slots.indices().any(|s| func.slots[s].room == Room::Any && !big.contains(&s));
            if spilled_over > 0 && can_shrink {
                slot_budget = slot_budget.saturating_sub(spilled_over);
                continue;
            }
            if spilled_over > 0 && !self.diags.has_errors() {
                self.diags.stack_exhausted(func.span, &func.name, below + frame::counted(code.frame_bytes));
            }
            self.stack[f] = below + frame::counted(code.frame_bytes);
            self.codes[f] = Some(code);
            return;
        }
    }

    /// Code with the slots `big` in scratch memory, and whether its frame keeps within `budget`.
    fn attempt(&mut self, func: &Func, big: &[Slot], budget: u32) -> Attempt {
        let mut work = func.clone();
        ir::cfg::compact(&mut work);
        if !big.is_empty() {
            let Some(pool) = self.pool(func, big) else { return Attempt::Refused };
            scratch::claim(&mut work, big, pool);
        }
        ir::cfg::split_critical_edges(&mut work);
        ir::cfg::compact(&mut work);
        if cfg!(debug_assertions) {
            let wrong = ir::verify::verify_func(&work);
            if !wrong.is_empty() {
                crate::bug!("{}: {}", func.name, wrong.join("; "));
            }
        }
        let code = select::select(&work, &self.image.accesses);
        let output = self.allocator.run(&func.name, &code);
        let frame = Frame::new(&work.slots, big);
        match emit::emit(&work, &code, output, &frame) {
            Ok(code) if code.frame_bytes <= budget => Attempt::Fits(code),
            Ok(code) => {
                let over = code.frame_bytes - budget;
                Attempt::Over(code, over)
            }
            Err(emit::TooLong) => {
                self.diags.function_too_long(func.span, &func.name);
                Attempt::Refused
            }
        }
    }

    /// The scratch map, made or widened so that it holds the slots `big`.
    fn pool(&mut self, func: &Func, big: &[Slot]) -> Option<Pool> {
        let bytes = scratch::bytes(func, big);
        if bytes > PERCPU_VALUE_BYTES_MAX {
            self.diags.scratch_too_big(func.span, &func.name, bytes);
            return None;
        }
        let find = |maps: &IndexVec<MapId, Map>, role: &Role| {
            maps.iter_enumerated().find(|(_, m)| m.role == *role).map(|(id, _)| id)
        };
        let maps = &mut self.image.maps;
        let map = find(maps, &Role::Scratch).unwrap_or_else(|| {
            maps.push(Map {
                name: ".scratch".into(),
                kind: MapKind::PercpuArray,
                key_size: 4,
                value_size: 0,
                max_entries: self.n_scratch_slots,
                flags: 0,
                role: Role::Scratch,
            })
        });
        maps[map].value_size = maps[map].value_size.max(bytes);
        Some(Pool {
            map,
            claim: self.claim,
            n_slots: self.n_scratch_slots,
            losses: find(maps, &Role::Losses),
        })
    }
}

enum Attempt {
    Fits(Code),
    /// By how many bytes its frame is too big.
    Over(Code, u32),
    /// It has been said.
    Refused,
}
