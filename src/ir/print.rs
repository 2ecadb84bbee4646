//! The textual form, written. `parse` reads it back; `-d ir` shows it.
//!
//! ```text
//! func main fail 0:
//!   slot m0 16 align 8 key
//!   slot m1 8 align 8 on-stack iterator
//! b0(v0: ctx):
//!   v1 = load.4 v0 + 8
//!   v2: stack = slot m0
//!   store.8 v2 + 0, v1
//!   br.eq v1, v0, b1(v1), b2
//! ```
//! A value's kind is shown unless it is a number.

use std::fmt::{self, Display, Formatter};

use super::names::{ATOMIC_OPS, BIN_OPS, CCS, CORE_KINDS, KINDS, UN_OPS, name};
use super::{Block, Func, InstData, Kind, Module, Off, Op, Room, Target, Term, Value, Width};

/// All functions, the entries with the names of their programs.
pub fn module(m: &Module) -> String {
    let mut out = String::new();
    for (id, func) in m.funcs.iter_enumerated() {
        if !out.is_empty() {
            out.push('\n');
        }
        for e in m.entries.iter().filter(|e| e.func == id) {
            if let Some(p) = m.image.programs.get(e.program) {
                out.push_str(&format!("; {}\n", p.title));
            }
        }
        out.push_str(&format!("; {id}\n{func}"));
    }
    out
}

impl Display for Func {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "func {}", self.name)?;
        if let Some(loss) = self.scratch_loss {
            write!(f, " loss {}", loss.0)?;
        }
        writeln!(f, " fail {}:", self.fail_ret)?;
        for (s, data) in self.slots.iter_enumerated() {
            let room = match data.room {
                Room::Any => "",
                Room::Stack => "on-stack ",
            };
            writeln!(f, "  slot {s} {} align {} {room}{}", data.size, data.align, data.name)?;
        }
        block(self, self.entry, f)?;
        for b in self.blocks.indices().filter(|&b| b != self.entry) {
            block(self, b, f)?;
        }
        Ok(())
    }
}

fn block(func: &Func, b: Block, f: &mut Formatter<'_>) -> fmt::Result {
    let data = &func.blocks[b];
    write!(f, "{b}")?;
    if !data.params.is_empty() {
        let params: Vec<String> = data.params.iter().map(|&p| definition(func, p)).collect();
        write!(f, "({})", params.join(", "))?;
    }
    writeln!(f, ":")?;
    for &i in &data.insts {
        let inst: &InstData = &func.insts[i];
        match inst.result {
            Some(v) => writeln!(f, "  {} = {}", definition(func, v), Text(&inst.op))?,
            None => writeln!(f, "  {}", Text(&inst.op))?,
        }
    }
    match &data.term {
        Term::Jump(t) => writeln!(f, "  jump {}", Text(t)),
        Term::Branch { cc, a, b, then, els } => {
            writeln!(f, "  br.{} {a}, {b}, {}, {}", name(CCS, *cc), Text(then), Text(els))
        }
        Term::Ret(v) => writeln!(f, "  ret {v}"),
        Term::None => writeln!(f, "  unfinished"),
    }
}

fn definition(func: &Func, v: Value) -> String {
    match func.values[v].kind {
        Kind::Int => v.to_string(),
        kind => format!("{v}: {}", name(KINDS, kind)),
    }
}

struct Text<'a, T>(&'a T);

impl Display for Text<'_, Target> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.block {
            Some(b) => write!(f, "{b}")?,
            None => f.write_str("?")?,
        }
        if !self.0.args.is_empty() {
            write!(f, "({})", list(&self.0.args))?;
        }
        Ok(())
    }
}

impl Display for Text<'_, Op> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let width = |w: &Width| if *w == Width::W32 { ".32" } else { "" };
        match self.0 {
            Op::Const(c) => write!(f, "const {c}"),
            Op::Bin { op, w, a, b } => write!(f, "{}{} {a}, {b}", name(BIN_OPS, *op), width(w)),
            Op::Un { op, a } => write!(f, "{} {a}", name(UN_OPS, *op)),
            Op::Cmp { cc, a, b } => write!(f, "cmp.{} {a}, {b}", name(CCS, *cc)),
            Op::Umin { v, max } => write!(f, "umin {v}, {max}"),
            Op::NonNull { p } => write!(f, "nonnull {p}"),
            Op::Retype { p, .. } => write!(f, "retype {p}"),
            Op::Load { size, sext, addr, off } => {
                let op = if *sext { "loads" } else { "load" };
                match off {
                    Off::Imm(off) => write!(f, "{op}.{} {addr} + {off}", size.bytes()),
                    Off::Field(access) => write!(f, "{op}.{} {addr} + {access}", size.bytes()),
                }
            }
            Op::Store { size, addr, off, v } => write!(f, "store.{} {addr} + {off}, {v}", size.bytes()),
            Op::Atomic { op, size, addr, off, v, expected } => {
                write!(f, "atomic.{}.{} {addr} + {off}, {v}", name(ATOMIC_OPS, *op), size.bytes())?;
                expected.iter().try_for_each(|e| write!(f, ", {e}"))
            }
            Op::SlotAddr(s) => write!(f, "slot {s}"),
            Op::MapPtr(m) => write!(f, "map {m}"),
            Op::MapValue { map, off } => write!(f, "mapval {map} + {off}"),
            Op::Call { helper, args } => match helper.row() {
                Some(row) => write!(f, "call {}({})", row.name, list(args)),
                None => write!(f, "call #{}({})", helper.0, list(args)),
            },
            Op::CallKfunc { name, args } => write!(f, "kfunc {name}({})", list(args)),
            Op::CallFunc { func, args } => write!(f, "callfn {func}({})", list(args)),
            Op::FuncAddr(func) => write!(f, "fnaddr {func}"),
            Op::Core { kind, access } => write!(f, "core {} {access}", name(CORE_KINDS, *kind)),
            Op::Checkpoint => f.write_str("checkpoint"),
            Op::Zero { addr, off, len } => write!(f, "zero {addr} + {off}, {len}"),
            Op::Copy { dst, dst_off, src, src_off, len } => {
                write!(f, "copy {dst} + {dst_off}, {src} + {src_off}, {len}")
            }
        }
    }
}

fn list(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}
