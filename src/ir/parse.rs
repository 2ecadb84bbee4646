//! The textual form, read: one function or several. For tests of passes, and for those who look at them.
//!
//! Comes in: text as `print` writes it; `;` starts a comment. Goes out: functions without spans, or the
//! number of the first line that is wrong and why. Nothing is checked that `verify` checks.

use super::names::{ATOMIC_OPS, BIN_OPS, CCS, CORE_KINDS, KINDS, UN_OPS, find};
use super::{
    AccessId, Block, BlockData, Func, FuncId, InstData, Kind, Off, Op, Room, Size, Slot, SlotData, Target,
    Term, Value, ValueData, Width,
};
use crate::base::{Idx, IndexVec, Span};
use crate::image::{LossId, MapId};
use crate::isa::Helper;
use crate::isa::helpers;

/// The functions of a text.
pub fn funcs(text: &str) -> Result<Vec<Func>, String> {
    let mut list: Vec<Func> = Vec::new();
    let mut current: Option<Block> = None;
    for (n, raw) in (1..).zip(text.lines()) {
        let line = raw.split(';').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let mut p = Parser { rest: line };
        let at = |e: String| format!("line {n}: {e}");
        if p.word("func") {
            list.push(p.header().map_err(at)?);
            current = None;
        } else {
            let func = list.last_mut().ok_or_else(|| at("no function yet".into()))?;
            p.line(func, &mut current).map_err(at)?;
        }
        if !p.rest.is_empty() {
            return Err(at(format!("`{}` is left over", p.rest)));
        }
    }
    Ok(list)
}

/// The only function of a text.
pub fn func(text: &str) -> Result<Func, String> {
    let mut list = funcs(text)?;
    match (list.pop(), list.is_empty()) {
        (Some(func), true) => Ok(func),
        _ => Err("not one function".into()),
    }
}

/// What is left of a line.
struct Parser<'t> {
    rest: &'t str,
}

type Parsed<T> = Result<T, String>;

/// Words, numbers, names.
impl<'t> Parser<'t> {
    /// Takes `w` if it comes next as a whole word.
    fn word(&mut self, w: &str) -> bool {
        let found = self.rest.strip_prefix(w).filter(|r| !r.starts_with(is_word));
        if let Some(rest) = found {
            self.rest = rest.trim_start();
        }
        found.is_some()
    }
    /// Takes `s` if it comes next.
    fn eat(&mut self, s: &str) -> bool {
        let found = self.rest.strip_prefix(s);
        if let Some(rest) = found {
            self.rest = rest.trim_start();
        }
        found.is_some()
    }
    fn need(&mut self, s: &str) -> Parsed<()> {
        if self.eat(s) { Ok(()) } else { Err(format!("`{s}` expected at `{}`", self.rest)) }
    }
    fn name(&mut self) -> Parsed<&'t str> {
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if name.is_empty() { Err(format!("a name expected at `{}`", self.rest)) } else { Ok(name) }
    }
    fn number<T: std::str::FromStr>(&mut self) -> Parsed<T> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        digits.parse().map_err(|_| format!("`{digits}` is no number here"))
    }
    /// An index with its prefix: `v12`, `map3`.
    fn index<I: Idx>(&mut self, prefix: &str) -> Parsed<I> {
        let name = self.name()?;
        let digits = name.strip_prefix(prefix).and_then(|d| d.parse().ok());
        digits.map(I::new).ok_or_else(|| format!("`{name}` is no {prefix}…"))
    }
    fn row<T: Copy>(&mut self, table: &'static [(T, &'static str)]) -> Parsed<T> {
        let name = self.name()?;
        find(table, name).ok_or_else(|| format!("`{name}` is unknown"))
    }
    fn value(&mut self) -> Parsed<Value> {
        self.index("v")
    }
    fn size(&mut self) -> Parsed<Size> {
        self.need(".")?;
        let n = self.number()?;
        Size::of(n).ok_or_else(|| format!("no access has {n} bytes"))
    }
    fn values(&mut self) -> Parsed<Vec<Value>> {
        self.need("(")?;
        let mut list = Vec::new();
        while !self.eat(")") {
            list.push(self.value()?);
            self.eat(",");
        }
        Ok(list)
    }
    /// `v1 + 8`
    fn address(&mut self) -> Parsed<(Value, i32)> {
        let v = self.value()?;
        self.need("+")?;
        Ok((v, self.number()?))
    }
    fn target(&mut self) -> Parsed<Target> {
        let block = self.index("b")?;
        let args = if self.rest.starts_with('(') { self.values()? } else { Vec::new() };
        Ok(Target::new(block, args))
    }
}

/// Lines.
impl Parser<'_> {
    fn header(&mut self) -> Parsed<Func> {
        let name = self.name()?.to_owned();
        let scratch_loss = if self.word("loss") { Some(LossId(self.number()?)) } else { None };
        let fail_ret = if self.word("fail") { self.number()? } else { 0 };
        self.need(":")?;
        Ok(Func {
            name,
            entry: Block(0),
            blocks: IndexVec::new(),
            insts: IndexVec::new(),
            values: IndexVec::new(),
            slots: IndexVec::new(),
            span: Span::none(),
            scratch_loss,
            fail_ret,
        })
    }

    fn line(&mut self, func: &mut Func, current: &mut Option<Block>) -> Parsed<()> {
        let Some(b) = *current else {
            if self.word("slot") {
                return self.slot(func);
            }
            func.entry = self.block_header(func)?;
            *current = Some(func.entry);
            return Ok(());
        };
        let is_block = self.rest.starts_with('b') && self.rest.ends_with(':');
        if is_block {
            *current = Some(self.block_header(func)?);
            return Ok(());
        }
        if let Some(term) = self.term()? {
            func.blocks[b].term = term;
            return Ok(());
        }
        let has_result =
            self.rest.starts_with('v') && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
        let result = if has_result { Some(self.definition(func)?) } else { None };
        if has_result {
            self.need("=")?;
        }
        let kind = result.map_or(Kind::Int, |v| func.values[v].kind);
        let op = self.op(kind)?;
        let i = func.insts.push(InstData { op, result, span: Span::none() });
        func.blocks[b].insts.push(i);
        Ok(())
    }

    fn slot(&mut self, func: &mut Func) -> Parsed<()> {
        let slot: Slot = self.index("m")?;
        if slot != func.slots.next_index() {
            return Err(format!("{slot} is out of order"));
        }
        let size = self.number()?;
        self.need("align")?;
        let align = self.number()?;
        let room = match self.rest.strip_prefix("on-stack ") {
            Some(rest) => {
                self.rest = rest;
                Room::Stack
            }
            None => Room::Any,
        };
        // Names are kept for dumps alone; a parsed one lives as long as the program that reads dumps.
        let name = std::mem::take(&mut self.rest).to_owned().leak();
        func.slots.push(SlotData { size, align, room, name });
        Ok(())
    }

    fn block_header(&mut self, func: &mut Func) -> Parsed<Block> {
        let b: Block = self.index("b")?;
        while func.blocks.get(b).is_none() {
            let (params, insts) = (Vec::new(), Vec::new());
            func.blocks.push(BlockData { params, insts, term: Term::None, term_span: Span::none() });
        }
        if self.eat("(") {
            while !self.eat(")") {
                let p = self.definition(func)?;
                func.blocks[b].params.push(p);
                self.eat(",");
            }
        }
        self.need(":")?;
        Ok(b)
    }

    /// A value where it is defined, with its kind.
    fn definition(&mut self, func: &mut Func) -> Parsed<Value> {
        let v = self.value()?;
        let kind = if self.eat(":") {
            let name = self.name()?;
            let full = if self.eat("?") { format!("{name}?") } else { name.to_owned() };
            find(KINDS, &full).ok_or_else(|| format!("`{full}` is no kind"))?
        } else {
            Kind::Int
        };
        while func.values.get(v).is_none() {
            func.values.push(ValueData { kind: Kind::Int });
        }
        func.values[v].kind = kind;
        Ok(v)
    }

    fn term(&mut self) -> Parsed<Option<Term>> {
        if self.word("jump") {
            return Ok(Some(Term::Jump(self.target()?)));
        }
        if self.word("ret") {
            return Ok(Some(Term::Ret(self.value()?)));
        }
        if !self.eat("br.") {
            return Ok(None);
        }
        let cc = self.row(CCS)?;
        let a = self.value()?;
        self.need(",")?;
        let b = self.value()?;
        self.need(",")?;
        let then = self.target()?;
        self.need(",")?;
        Ok(Some(Term::Branch { cc, a, b, then, els: self.target()? }))
    }
}

/// Operations.
impl Parser<'_> {
    fn op(&mut self, kind: Kind) -> Parsed<Op> {
        let word = self.name()?;
        if let Some(op) = find(BIN_OPS, word) {
            let w = if self.eat(".32") { Width::W32 } else { Width::W64 };
            let a = self.value()?;
            self.need(",")?;
            return Ok(Op::Bin { op, w, a, b: self.value()? });
        }
        if let Some(op) = find(UN_OPS, word) {
            return Ok(Op::Un { op, a: self.value()? });
        }
        match word {
            "const" => Ok(Op::Const(self.number()?)),
            "cmp" => {
                self.need(".")?;
                let cc = self.row(CCS)?;
                let a = self.value()?;
                self.need(",")?;
                Ok(Op::Cmp { cc, a, b: self.value()? })
            }
            "umin" => {
                let v = self.value()?;
                self.need(",")?;
                Ok(Op::Umin { v, max: self.number()? })
            }
            "nonnull" => Ok(Op::NonNull { p: self.value()? }),
            "retype" => Ok(Op::Retype { p: self.value()?, kind }),
            "slot" => Ok(Op::SlotAddr(self.index("m")?)),
            "map" => Ok(Op::MapPtr(self.index("map")?)),
            "mapval" => {
                let map: MapId = self.index("map")?;
                self.need("+")?;
                Ok(Op::MapValue { map, off: self.number()? })
            }
            "fnaddr" => Ok(Op::FuncAddr(self.index("f")?)),
            "core" => Ok(Op::Core { kind: self.row(CORE_KINDS)?, access: self.index("access")? }),
            "call" => self.call(),
            // As for slots: names of parsed functions live on.
            "kfunc" => {
                let name = self.name()?.to_owned().leak();
                Ok(Op::CallKfunc { name, args: self.values()? })
            }
            "callfn" => {
                let func: FuncId = self.index("f")?;
                Ok(Op::CallFunc { func, args: self.values()? })
            }
            _ => self.memory(word),
        }
    }

    fn call(&mut self) -> Parsed<Op> {
        let helper = if self.eat("#") {
            Helper(self.number()?)
        } else {
            let name = self.name()?;
            let row = helpers::ALL.iter().find(|r| r.name == name);
            row.map(|r| r.helper).ok_or_else(|| format!("`{name}` is no helper"))?
        };
        Ok(Op::Call { helper, args: self.values()? })
    }

    fn memory(&mut self, word: &str) -> Parsed<Op> {
        match word {
            "load" | "loads" => {
                let (size, sext) = (self.size()?, word == "loads");
                let addr = self.value()?;
                self.need("+")?;
                let off = if self.rest.starts_with("access") {
                    Off::Field(self.index::<AccessId>("access")?)
                } else {
                    Off::Imm(self.number()?)
                };
                Ok(Op::Load { size, sext, addr, off })
            }
            "store" => {
                let size = self.size()?;
                let (addr, off) = self.address()?;
                self.need(",")?;
                Ok(Op::Store { size, addr, off, v: self.value()? })
            }
            "atomic" => {
                self.need(".")?;
                let (op, size) = (self.row(ATOMIC_OPS)?, self.size()?);
                let (addr, off) = self.address()?;
                self.need(",")?;
                let v = self.value()?;
                let expected = if self.eat(",") { Some(self.value()?) } else { None };
                Ok(Op::Atomic { op, size, addr, off, v, expected })
            }
            "zero" => {
                let (addr, off) = self.address()?;
                self.need(",")?;
                Ok(Op::Zero { addr, off, len: self.number()? })
            }
            "copy" => {
                let (dst, dst_off) = self.address()?;
                self.need(",")?;
                let (src, src_off) = self.address()?;
                self.need(",")?;
                Ok(Op::Copy { dst, dst_off, src, src_off, len: self.number()? })
            }
            "checkpoint" => Ok(Op::Checkpoint),
            _ => Err(format!("`{word}` is no operation")),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Round trips, and lines that are wrong.
#[cfg(test)]
mod tests {
    use super::*;

    const ALL_OPS: &str = "\
func every_op loss 2 fail -1:
  slot m0 16 align 8 key of a map
b0(v0: ctx, v1):
  v2 = const -5
  v3 = add v1, v2
  v4 = lshr.32 v1, v2
  v5 = bswap16 v4
  v6 = cmp.sge v5, v2
  v7 = umin v6, 63
  v8: stack = slot m0
  v9: map = map map3
  v10: val? = call map_lookup_elem(v9, v8)
  v11 = call #9999()
  br.ne v10, v2, b1(v2, v3), b2
b1(v12, v13):
  v14: val = nonnull v10
  v15: btf? = retype v0
  v16 = load.4 v14 + -8
  v17 = loads.2 v0 + access7
  store.8 v14 + 0, v16
  atomic.add.8 v14 + 8, v12
  v18 = atomic.xchg.4 v14 + 0, v12
  v19 = atomic.cmpxchg.8 v14 + 0, v12, v13
  v20: val = mapval map0 + 40
  v21: func = fnaddr f1
  v22 = callfn f1(v12)
  v23 = kfunc bpf_task_release(v0)
  v24 = core byte_offset access2
  zero v8 + 0, 16
  copy v8 + 4, v14 + 0, 12
  checkpoint
  jump b2
b2:
  ret v2
";

    #[test]
    fn what_is_printed_can_be_read() {
        let f = func(ALL_OPS).unwrap();
        assert_eq!(f.to_string(), ALL_OPS);
        assert_eq!(func(&f.to_string()).unwrap().to_string(), f.to_string());
        assert_eq!((f.blocks.len(), f.insts.len(), f.fail_ret), (3, 26, -1));
    }

    #[test]
    fn wrong_lines_are_named() {
        let wrong = |body: &str| func(&format!("func f:\nb0(v0: ctx):\n  {body}\n")).unwrap_err();
        assert_eq!(wrong("v1 = nothing v0"), "line 3: `nothing` is no operation");
        assert_eq!(wrong("v1 = add v0"), "line 3: `,` expected at ``");
        assert_eq!(wrong("ret v0 v1"), "line 3: `v1` is left over");
        assert_eq!(wrong("v1: what = const 1"), "line 3: `what` is no kind");
        assert_eq!(wrong("v1 = load.3 v0 + 0"), "line 3: no access has 3 bytes");
        assert_eq!(func("  ret v0").unwrap_err(), "line 1: no function yet");
    }
}
