//! What the IR means: an interpreter that the generated code is compared with.
//!
//! Memory is made of regions at addresses of their own: the slots of each activation, and one region a map.

use std::collections::BTreeMap;

use awl::image::MapId;
use awl::ir::{AtomicOp, BinOp, Cc, Func, FuncId, Module, Off, Op, Size, Term, UnOp, Value, Width};
use awl::isa::Helper;

/// Steps after which a function is held to loop for ever.
const STEPS_MAX: u32 = 1_000_000;

pub struct Interp<'a> {
    module: &'a Module,
    /// Bytes by region; an address is the region's number in the upper half and an offset in the lower.
    regions: Vec<Vec<u8>>,
    maps: BTreeMap<MapId, u32>,
    n_steps: u32,
}

impl<'a> Interp<'a> {
    /// With the values of the maps that programs address directly.
    pub fn new(module: &'a Module, maps: &[(MapId, Vec<u8>)]) -> Interp<'a> {
        let mut i = Interp { module, regions: vec![Vec::new()], maps: BTreeMap::new(), n_steps: 0 };
        for (id, bytes) in maps {
            i.maps.insert(*id, i.regions.len() as u32);
            i.regions.push(bytes.clone());
        }
        i
    }

    pub fn map(&self, id: MapId) -> &[u8] {
        &self.regions[self.maps[&id] as usize]
    }

    /// Runs a function; what it returned.
    pub fn call(&mut self, f: FuncId, args: &[u64]) -> u64 {
        let func = &self.module.funcs[f];
        let mut slots = Vec::new();
        for s in func.slots.iter() {
            slots.push((self.regions.len() as u64) << 32);
            self.regions.push(vec![0xaa; s.size as usize]);
        }
        let mut values = vec![0u64; func.values.len()];
        let mut block = func.entry;
        for (p, a) in func.blocks[block].params.iter().zip(args) {
            values[p.0 as usize] = *a;
        }
        loop {
            for &i in &func.blocks[block].insts {
                self.n_steps += 1;
                assert!(self.n_steps < STEPS_MAX, "endless");
                let inst = &func.insts[i];
                let r = self.op(func, &inst.op, &values, &slots);
                if let Some(v) = inst.result {
                    values[v.0 as usize] = r;
                }
            }
            let get = |v: Value| values[v.0 as usize];
            let target = match &func.blocks[block].term {
                Term::Jump(t) => t,
                Term::Branch { cc, a, b, then, els } => {
                    if compare(*cc, get(*a), get(*b)) {
                        then
                    } else {
                        els
                    }
                }
                Term::Ret(v) => return get(*v),
                Term::None => panic!("no end"),
            };
            let args: Vec<u64> = target.args.iter().map(|&v| get(v)).collect();
            block = target.block();
            for (p, a) in func.blocks[block].params.iter().zip(args) {
                values[p.0 as usize] = a;
            }
        }
    }

    fn op(&mut self, _func: &Func, op: &Op, values: &[u64], slots: &[u64]) -> u64 {
        let get = |v: &Value| values[v.0 as usize];
        match op {
            Op::Const(c) => *c as u64,
            Op::Bin { op, w, a, b } => binary(*op, *w, get(a), get(b)),
            Op::Un { op, a } => unary(*op, get(a)),
            Op::Cmp { cc, a, b } => compare(*cc, get(a), get(b)).into(),
            Op::Umin { v, max } => get(v).min(u64::from(*max)),
            Op::NonNull { p } | Op::Retype { p, .. } => get(p),
            Op::Load { size, sext, addr, off: Off::Imm(off) } => {
                let raw = self.load(get(addr).wrapping_add(*off as u64), *size);
                match (sext, size) {
                    (true, Size::B1) => raw as i8 as u64,
                    (true, Size::B2) => raw as i16 as u64,
                    (true, Size::B4) => raw as i32 as u64,
                    _ => raw,
                }
            }
            Op::Load { off: Off::Field(_), .. } | Op::Core { .. } => panic!("fields are not interpreted"),
            Op::Store { size, addr, off, v } => {
                self.store(get(addr).wrapping_add(*off as u64), *size, get(v));
                0
            }
            Op::Atomic { op, size, addr, off, v, expected } => {
                let at = get(addr).wrapping_add(*off as u64);
                let old = self.load(at, *size);
                let new = match op {
                    AtomicOp::Add | AtomicOp::FetchAdd => old.wrapping_add(get(v)),
                    AtomicOp::Xchg => get(v),
                    AtomicOp::CmpXchg if expected.map(|e| get(&e)) == Some(old) => get(v),
                    AtomicOp::CmpXchg => old,
                };
                self.store(at, *size, new);
                old
            }
            Op::SlotAddr(s) => slots[s.0 as usize],
            Op::MapPtr(m) => u64::from(m.0),
            Op::MapValue { map, off } => (u64::from(self.maps[map]) << 32) + u64::from(*off),
            // The maps of these tests that helpers are called with are empty hash maps.
            Op::Call { helper: Helper::MAP_DELETE_ELEM, .. } => -2i64 as u64,
            Op::Call { helper, .. } => panic!("{helper:?} is not interpreted"),
            Op::CallFunc { func, args } => {
                let args: Vec<u64> = args.iter().map(get).collect();
                self.call(*func, &args)
            }
            Op::CallKfunc { .. } | Op::FuncAddr(_) => panic!("callbacks are not interpreted"),
            Op::Checkpoint => 0,
            Op::Zero { addr, off, len } => {
                let at = get(addr).wrapping_add(*off as u64);
                (0..u64::from(*len)).for_each(|i| self.store(at + i, Size::B1, 0));
                0
            }
            Op::Copy { dst, dst_off, src, src_off, len } => {
                let to = get(dst).wrapping_add(*dst_off as u64);
                let from = get(src).wrapping_add(*src_off as u64);
                for i in 0..u64::from(*len) {
                    let byte = self.load(from + i, Size::B1);
                    self.store(to + i, Size::B1, byte);
                }
                0
            }
        }
    }

    fn load(&self, at: u64, size: Size) -> u64 {
        let from = at as u32 as usize;
        let bytes = &self.regions[(at >> 32) as usize][from..from + size.bytes() as usize];
        bytes.iter().rev().fold(0, |v, &b| v << 8 | u64::from(b))
    }

    fn store(&mut self, at: u64, size: Size, v: u64) {
        let from = at as u32 as usize;
        let n = size.bytes() as usize;
        self.regions[(at >> 32) as usize][from..from + n].copy_from_slice(&v.to_le_bytes()[..n]);
    }
}

pub fn compare(cc: Cc, a: u64, b: u64) -> bool {
    let (x, y) = (a as i64, b as i64);
    match cc {
        Cc::Eq => a == b,
        Cc::Ne => a != b,
        Cc::Ult => a < b,
        Cc::Ule => a <= b,
        Cc::Ugt => a > b,
        Cc::Uge => a >= b,
        Cc::Slt => x < y,
        Cc::Sle => x <= y,
        Cc::Sgt => x > y,
        Cc::Sge => x >= y,
    }
}

fn binary(op: BinOp, w: Width, a: u64, b: u64) -> u64 {
    match w {
        Width::W64 => match op {
            BinOp::Add => a.wrapping_add(b),
            BinOp::Sub => a.wrapping_sub(b),
            BinOp::Mul => a.wrapping_mul(b),
            BinOp::Udiv => a.checked_div(b).unwrap_or(0),
            BinOp::Urem => a.checked_rem(b).unwrap_or(a),
            BinOp::And => a & b,
            BinOp::Or => a | b,
            BinOp::Xor => a ^ b,
            BinOp::Shl => a.wrapping_shl(b as u32),
            BinOp::Lshr => a.wrapping_shr(b as u32),
            BinOp::Ashr => (a as i64).wrapping_shr(b as u32) as u64,
        },
        Width::W32 => {
            let (a, b) = (a as u32, b as u32);
            u64::from(match op {
                BinOp::Add => a.wrapping_add(b),
                BinOp::Sub => a.wrapping_sub(b),
                BinOp::Mul => a.wrapping_mul(b),
                BinOp::Udiv => a.checked_div(b).unwrap_or(0),
                BinOp::Urem => a.checked_rem(b).unwrap_or(a),
                BinOp::And => a & b,
                BinOp::Or => a | b,
                BinOp::Xor => a ^ b,
                BinOp::Shl => a.wrapping_shl(b),
                BinOp::Lshr => a.wrapping_shr(b),
                BinOp::Ashr => (a as i32).wrapping_shr(b) as u32,
            })
        }
    }
}

fn unary(op: UnOp, a: u64) -> u64 {
    match op {
        UnOp::Neg => a.wrapping_neg(),
        UnOp::Sext8 => a as i8 as u64,
        UnOp::Sext16 => a as i16 as u64,
        UnOp::Sext32 => a as i32 as u64,
        UnOp::Zext8 => u64::from(a as u8),
        UnOp::Zext16 => u64::from(a as u16),
        UnOp::Zext32 => u64::from(a as u32),
        UnOp::Bswap16 => u64::from((a as u16).swap_bytes()),
        UnOp::Bswap32 => u64::from((a as u32).swap_bytes()),
        UnOp::Bswap64 => a.swap_bytes(),
    }
}
