//! Folds what is known: arithmetic on constants, identities, comparisons and branches that are decided.
//!
//! One walk in reverse postorder, so that operands are looked at before their users. Constants stand on the
//! right of what commutes afterwards, subtractions of constants are additions.
//!
//! Verifier: a bound (`Umin`) goes only where the operation that made the value bounds it for the verifier too.

use super::eval;
use super::replace::Replace;
use crate::base::IndexVec;
use crate::ir::cfg::Cfg;
use crate::ir::{BinOp, Cc, Func, Inst, InstData, Kind, Off, Op, Size, Term, UnOp, Value, ValueData, Width};

pub fn run(func: &mut Func) {
    let cfg = Cfg::new(func);
    let replace = Replace::new(func);
    let mut f = Fold { def: func.values.indices().map(|_| None).collect(), func, replace, out: Vec::new() };
    for &b in &cfg.rpo {
        for i in std::mem::take(&mut f.func.blocks[b].insts) {
            f.inst(i);
        }
        let mut term = std::mem::replace(&mut f.func.blocks[b].term, Term::None);
        let replace = &f.replace;
        term.each_use_mut(|v| *v = replace.get(*v));
        f.func.blocks[b].term = f.term(term);
        f.func.blocks[b].insts = std::mem::take(&mut f.out);
    }
    f.replace.apply(f.func);
}

/// What an instruction turns into.
enum Folded {
    /// It is this value.
    Is(Value),
    /// It is this operation.
    Op(Op),
    Stays,
}

struct Fold<'a> {
    func: &'a mut Func,
    /// The operation that defines a value, once the walk has been there.
    def: IndexVec<Value, Option<Inst>>,
    replace: Replace,
    /// Instructions of the block so far.
    out: Vec<Inst>,
}

/// Facts about values.
impl Fold<'_> {
    fn op_of(&self, v: Value) -> Option<&Op> {
        self.def.get(v).copied().flatten().map(|i| &self.func.insts[i].op)
    }
    fn const_of(&self, v: Value) -> Option<i64> {
        match self.op_of(v) {
            Some(Op::Const(c)) => Some(*c),
            _ => None,
        }
    }
    fn kind(&self, v: Value) -> Kind {
        self.func.values[v].kind
    }
    fn is_int(&self, v: Value) -> bool {
        self.kind(v) == Kind::Int
    }
    /// A value with a constant.
    fn konst(&mut self, c: i64) -> Value {
        let v = self.func.values.push(ValueData { kind: Kind::Int });
        let i = self.func.insts.push(InstData { op: Op::Const(c), result: Some(v), span: self.func.span });
        self.def.raw.resize(self.func.values.len(), None);
        self.def[v] = Some(i);
        self.out.push(i);
        v
    }

    /// The biggest number that `v` can be, unsigned, as the verifier knows too.
    fn max_of(&self, v: Value) -> u64 {
        if !self.is_int(v) {
            return u64::MAX;
        }
        match self.op_of(v) {
            Some(Op::Const(c)) => *c as u64,
            Some(Op::Cmp { .. }) => 1,
            Some(Op::Umin { max, .. }) => u64::from(*max),
            Some(Op::Load { size, sext: false, .. }) => u64::MAX >> (64 - 8 * size.bytes()),
            Some(Op::Un { op, .. }) => eval::kept_bits(*op).unwrap_or(u64::MAX),
            Some(Op::Bin { op: BinOp::And, b, w, .. }) => match self.const_of(*b) {
                Some(c) if *w == Width::W64 => c as u64,
                Some(c) => u64::from(c as u32),
                None => width_max(*w),
            },
            Some(Op::Bin { op: BinOp::Lshr, b, w: Width::W64, .. }) => match self.const_of(*b) {
                Some(c) => u64::MAX >> (c & 63),
                None => u64::MAX,
            },
            Some(Op::Bin { w, .. }) => width_max(*w),
            _ => u64::MAX,
        }
    }

    /// Never null: what the verifier holds for such, too.
    fn is_never_null(&self, v: Value) -> bool {
        matches!(self.kind(v), Kind::Stack | Kind::MapValue | Kind::Ctx)
    }

    /// Whether a comparison is decided.
    fn decided(&self, cc: Cc, a: Value, b: Value) -> Option<bool> {
        match (self.const_of(a), self.const_of(b)) {
            (Some(x), Some(y)) => Some(eval::compare(cc, x, y)),
            (None, Some(0)) if self.is_never_null(a) => match cc {
                Cc::Eq => Some(false),
                Cc::Ne => Some(true),
                Cc::Ult | Cc::Ule | Cc::Ugt | Cc::Uge | Cc::Slt | Cc::Sle | Cc::Sgt | Cc::Sge => None,
            },
            (None, Some(c)) => eval::compare_bounded(cc, self.max_of(a), c),
            _ if a == b && self.is_int(a) => Some(eval::compare(cc, 0, 0)),
            _ => None,
        }
    }

    /// Constants to the right; a test of a comparison is that comparison or its opposite.
    fn condition(&self, cc: Cc, a: Value, b: Value) -> (Cc, Value, Value) {
        let (mut cc, mut a, mut b) = (cc, a, b);
        loop {
            if self.const_of(a).is_some() && self.const_of(b).is_none() {
                (cc, a, b) = (cc.swap(), b, a);
            }
            let is_true = match (cc, self.const_of(b)) {
                (Cc::Ne, Some(0)) | (Cc::Eq, Some(1)) => true,
                (Cc::Eq, Some(0)) | (Cc::Ne, Some(1)) => false,
                _ => return (cc, a, b),
            };
            match self.op_of(a) {
                Some(&Op::Cmp { cc: inner, a: x, b: y }) => {
                    cc = if is_true { inner } else { inner.negate() };
                    (a, b) = (x, y);
                }
                _ => return (cc, a, b),
            }
        }
    }
}

/// The walk.
impl Fold<'_> {
    fn inst(&mut self, i: Inst) {
        let replace = &self.replace;
        self.func.insts[i].op.each_use_mut(|v| *v = replace.get(*v));
        let result = self.func.insts[i].result;
        match self.fold(&self.func.insts[i].op.clone(), result) {
            Folded::Op(op) => self.func.insts[i].op = op,
            Folded::Is(v) => {
                if let Some(r) = result {
                    self.replace.set(r, v);
                    return;
                }
            }
            Folded::Stays => {}
        }
        if let Some(r) = result {
            self.def[r] = Some(i);
        }
        self.out.push(i);
    }

    fn term(&mut self, term: Term) -> Term {
        let Term::Branch { cc, a, b, then, els } = term else { return term };
        let (cc, a, b) = self.condition(cc, a, b);
        match self.decided(cc, a, b) {
            Some(true) => Term::Jump(then),
            Some(false) => Term::Jump(els),
            None if then == els => Term::Jump(then),
            None => Term::Branch { cc, a, b, then, els },
        }
    }

    fn fold(&mut self, op: &Op, result: Option<Value>) -> Folded {
        match *op {
            Op::Bin { op, w, a, b } => self.bin(op, w, a, b),
            Op::Un { op, a } => self.un(op, a),
            Op::Cmp { cc, a, b } => {
                let (new, x, y) = self.condition(cc, a, b);
                match self.decided(new, x, y) {
                    Some(r) => Folded::Op(Op::Const(r.into())),
                    // A number that is 0 or 1 is what it says.
                    None if new == Cc::Ne && self.const_of(y) == Some(0) && self.max_of(x) == 1 => {
                        Folded::Is(x)
                    }
                    None if (new, x, y) != (cc, a, b) => Folded::Op(Op::Cmp { cc: new, a: x, b: y }),
                    None => Folded::Stays,
                }
            }
            Op::Umin { v, max } => match self.const_of(v) {
                Some(c) => Folded::Op(Op::Const((c as u64).min(max.into()) as i64)),
                None if self.max_of(v) <= max.into() => Folded::Is(v),
                None => Folded::Stays,
            },
            Op::Retype { p, kind } if self.kind(p) == kind => Folded::Is(p),
            Op::NonNull { p } if result.is_some_and(|r| self.kind(r) == self.kind(p)) => Folded::Is(p),
            Op::Load { size, sext, addr, off: Off::Imm(off) } => match self.base(addr, off) {
                Some((addr, off)) => Folded::Op(Op::Load { size, sext, addr, off: Off::Imm(off) }),
                None => Folded::Stays,
            },
            Op::Store { size, addr, off, v } => self.store(size, addr, off, v),
            _ => Folded::Stays,
        }
    }

    /// The address without the constant that was added to it.
    fn base(&self, addr: Value, off: i32) -> Option<(Value, i32)> {
        match self.op_of(addr) {
            Some(&Op::Bin { op: BinOp::Add, w: Width::W64, a, b }) => {
                let sum = self.const_of(b)?.checked_add(off.into())?;
                let fits = i16::try_from(sum).is_ok();
                fits.then_some((a, sum as i32))
            }
            _ => None,
        }
    }

    /// Bits that are not stored need not be right.
    fn store(&mut self, size: Size, addr: Value, off: i32, v: Value) -> Folded {
        let narrower = match self.op_of(v) {
            Some(&Op::Un { op, a }) if eval::extended_bytes(op).is_some_and(|n| n >= size.bytes()) => Some(a),
            _ => None,
        };
        // A pointer's low bytes alone are not a number that may be stored.
        let v2 = narrower.filter(|&a| self.is_int(a)).unwrap_or(v);
        let (addr2, off2) = self.base(addr, off).unwrap_or((addr, off));
        if (v2, addr2) == (v, addr) {
            return Folded::Stays;
        }
        Folded::Op(Op::Store { size, addr: addr2, off: off2, v: v2 })
    }

    fn un(&mut self, op: UnOp, a: Value) -> Folded {
        if let Some(c) = self.const_of(a) {
            return Folded::Op(Op::Const(eval::unary(op, c)));
        }
        let max = self.max_of(a);
        match (op, eval::kept_bits(op)) {
            (_, Some(kept)) if max <= kept => Folded::Is(a),
            (UnOp::Sext8, _) if max <= 0x7f => Folded::Is(a),
            (UnOp::Sext16, _) if max <= 0x7fff => Folded::Is(a),
            (UnOp::Sext32, _) if max <= 0x7fff_ffff => Folded::Is(a),
            _ => match self.op_of(a) {
                // An extension of an extension of no fewer bytes, or the same again.
                Some(&Op::Un { op: inner, a: x })
                    if match (eval::extended_bytes(op), eval::extended_bytes(inner)) {
                        (Some(outer), Some(inner)) => outer <= inner,
                        _ => false,
                    } =>
                {
                    Folded::Op(Op::Un { op, a: x })
                }
                _ => Folded::Stays,
            },
        }
    }

    fn bin(&mut self, op: BinOp, w: Width, a: Value, b: Value) -> Folded {
        let (a, b, swapped) = match (self.const_of(a), self.const_of(b), commutes(op)) {
            (Some(_), None, true) => (b, a, true),
            _ => (a, b, false),
        };
        let unchanged = || if swapped { Folded::Op(Op::Bin { op, w, a, b }) } else { Folded::Stays };
        let Some(c) = self.const_of(b) else { return self.same_operands(op, w, a, b) };
        if let Some(x) = self.const_of(a) {
            return Folded::Op(Op::Const(eval::binary(op, w, x, c)));
        }
        let c = match (op, w) {
            (BinOp::Shl | BinOp::Lshr | BinOp::Ashr, Width::W64) => c & 63,
            (BinOp::Shl | BinOp::Lshr | BinOp::Ashr, Width::W32) => c & 31,
            (_, Width::W32) => i64::from(c as u32),
            (_, Width::W64) => c,
        };
        let all = width_max(w) as i64;
        let itself = if w == Width::W64 { Folded::Is(a) } else { Folded::Op(Op::Un { op: UnOp::Zext32, a }) };
        let power = (c as u64).is_power_of_two().then(|| i64::from((c as u64).trailing_zeros()));
        match (op, c, power) {
            (BinOp::Add | BinOp::Sub | BinOp::Or | BinOp::Xor, 0, _) => itself,
            (BinOp::Shl | BinOp::Lshr | BinOp::Ashr | BinOp::Urem, 0, _) => itself,
            (BinOp::Mul | BinOp::And | BinOp::Udiv, 0, _) => Folded::Op(Op::Const(0)),
            (BinOp::Mul | BinOp::Udiv, 1, _) => itself,
            (BinOp::Urem, 1, _) => Folded::Op(Op::Const(0)),
            (BinOp::And, c, _) if c == all => itself,
            (BinOp::And, c, _) if w == Width::W64 && is_mask(c) && self.max_of(a) <= c as u64 => {
                Folded::Is(a)
            }
            (BinOp::Mul, _, Some(n)) => self.with_const(BinOp::Shl, w, a, n),
            (BinOp::Udiv, _, Some(n)) => self.with_const(BinOp::Lshr, w, a, n),
            (BinOp::Urem, _, Some(_)) => self.with_const(BinOp::And, w, a, c.wrapping_sub(1)),
            (BinOp::Sub, c, _) if w == Width::W64 => self.with_const(BinOp::Add, w, a, c.wrapping_neg()),
            (BinOp::Add | BinOp::And | BinOp::Or | BinOp::Xor | BinOp::Mul, c, _) => {
                self.reassociate(op, w, a, c).unwrap_or_else(unchanged)
            }
            _ => unchanged(),
        }
    }

    fn with_const(&mut self, op: BinOp, w: Width, a: Value, c: i64) -> Folded {
        let b = self.konst(c);
        Folded::Op(Op::Bin { op, w, a, b })
    }

    /// `(x op c1) op c2` is `x op (c1 op c2)`.
    fn reassociate(&mut self, op: BinOp, w: Width, a: Value, c: i64) -> Option<Folded> {
        let &Op::Bin { op: inner, w: inner_w, a: x, b } = self.op_of(a)? else { return None };
        let c1 = self.const_of(b)?;
        if inner != op || inner_w != w {
            return None;
        }
        Some(self.with_const(op, w, x, eval::binary(op, w, c1, c)))
    }

    fn same_operands(&self, op: BinOp, w: Width, a: Value, b: Value) -> Folded {
        if a != b || w != Width::W64 || !self.is_int(a) {
            return Folded::Stays;
        }
        match op {
            BinOp::Sub | BinOp::Xor => Folded::Op(Op::Const(0)),
            BinOp::And | BinOp::Or => Folded::Is(a),
            BinOp::Add | BinOp::Mul | BinOp::Udiv | BinOp::Urem => Folded::Stays,
            BinOp::Shl | BinOp::Lshr | BinOp::Ashr => Folded::Stays,
        }
    }
}

fn commutes(op: BinOp) -> bool {
    match op {
        BinOp::Add | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor => true,
        BinOp::Sub | BinOp::Udiv | BinOp::Urem | BinOp::Shl | BinOp::Lshr | BinOp::Ashr => false,
    }
}

fn width_max(w: Width) -> u64 {
    match w {
        Width::W32 => u32::MAX.into(),
        Width::W64 => u64::MAX,
    }
}

/// Ones at the bottom alone.
fn is_mask(c: i64) -> bool {
    (c as u64) & (c as u64).wrapping_add(1) == 0
}

/// Before and after.
#[cfg(test)]
mod tests {
    use crate::opt::testing::after;

    /// The return value of a body whose inputs are v1 = load.8, v2 = load.1.
    #[track_caller]
    fn folded(body: &str) -> String {
        let head = "b0(v0: ctx):\nv1 = load.8 v0 + 0\nv2 = load.1 v0 + 8\n";
        let mut func = crate::ir::parse::func(&format!("func f fail 0:\n{head}{body}")).expect("it parses");
        super::run(&mut func);
        crate::opt::dce::run(&mut func);
        assert!(crate::ir::verify::verify_func(&func).is_empty());
        let text = func.to_string();
        let lines = text.lines().map(str::trim).filter(|l| !l.contains("load") && !l.contains("v0: ctx"));
        lines.skip(1).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn constants() {
        assert_eq!(
            folded("v3 = const 6\nv4 = const 7\nv5 = mul v3, v4\nv6 = neg v5\nret v6\n"),
            "v6 = const -42; ret v6"
        );
        assert_eq!(folded("v3 = const 300\nv4 = umin v3, 64\nret v4\n"), "v4 = const 64; ret v4");
        assert_eq!(
            folded("v3 = const -1\nv4 = const 1\nv5 = add.32 v3, v4\nret v5\n"),
            "v5 = const 0; ret v5"
        );
    }

    #[test]
    fn identities() {
        assert_eq!(folded("v3 = const 0\nv4 = add v3, v1\nv5 = sub v4, v3\nret v5\n"), "ret v1");
        assert_eq!(folded("v3 = zext8 v2\nv4 = sext32 v3\nv5 = umin v4, 255\nret v5\n"), "ret v2");
        assert_eq!(folded("v3 = sub v1, v1\nret v3\n"), "v3 = const 0; ret v3");
        assert_eq!(folded("v3 = const 0\nv4 = or.32 v1, v3\nret v4\n"), "v4 = zext32 v1; ret v4");
        assert_eq!(folded("v3 = umin v2, 254\nret v3\n"), "v3 = umin v2, 254; ret v3");
    }

    #[test]
    fn cheaper_operations() {
        assert_eq!(
            folded("v3 = const 8\nv4 = mul v1, v3\nret v4\n"),
            "v5 = const 3; v4 = shl v1, v5; ret v4"
        );
        assert_eq!(
            folded("v3 = const 16\nv4 = urem v1, v3\nret v4\n"),
            "v5 = const 15; v4 = and v1, v5; ret v4"
        );
        assert_eq!(
            folded("v3 = const 5\nv4 = sub v1, v3\nv5 = const 8\nv6 = add v4, v5\nret v6\n"),
            "v8 = const 3; v6 = add v1, v8; ret v6"
        );
    }

    #[test]
    fn branches_and_comparisons() {
        let branch = |cond: &str| {
            let out = folded(&format!("v3 = const 0\n{cond}b1:\nret v1\nb2:\nret v2\n"));
            out.split("; ").find(|l| l.starts_with("br") || l.starts_with("jump")).unwrap_or("").to_owned()
        };
        assert_eq!(branch("v4 = cmp.ult v1, v2\nbr.ne v4, v3, b1, b2\n"), "br.ult v1, v2, b1, b2");
        assert_eq!(
            branch("v4 = cmp.ult v1, v2\nv5 = cmp.eq v4, v3\nbr.eq v5, v3, b1, b2\n"),
            "br.ult v1, v2, b1, b2"
        );
        assert_eq!(branch("v4 = const 256\nbr.ult v2, v4, b1, b2\n"), "jump b1");
        assert_eq!(branch("v4 = const 9\nbr.ult v4, v1, b1, b2\n"), "br.ugt v1, v4, b1, b2");
        assert_eq!(
            folded("v3 = const 0\nv4 = cmp.eq v1, v3\nv5 = cmp.ne v4, v3\nret v5\n"),
            "v3 = const 0; v5 = cmp.eq v1, v3; ret v5"
        );
    }

    #[test]
    fn pointers_keep_their_checks() {
        let body = "slot m0 8 align 8 key\nb0(v0: ctx):\nv1: map = map map0\nv2: stack = slot m0\nv3 = const 0\n\
                    store.8 v2 + 0, v3\nv4: val? = call map_lookup_elem(v1, v2)\nbr.eq v4, v3, b1, b2\n\
                    b1:\nret v3\nb2:\nv5: val = nonnull v4\nbr.eq v5, v3, b1, b3\nb3:\nret v3\n";
        let out = after(super::run, body);
        assert!(
            out.contains("br.eq v4, v3, b1, b2") && out.contains("v5: val = nonnull v4\njump b3"),
            "{out}"
        );
    }

    #[test]
    fn addresses_and_stores() {
        let body = "slot m0 64 align 8 x\nb0(v0: ctx):\nv1: stack = slot m0\nv2 = const 16\nv3: stack = add v1, v2\n\
                    v4 = load.8 v0 + 0\nv5 = zext32 v4\nstore.4 v3 + 4, v5\nstore.8 v3 + 8, v5\nret v2\n";
        let out = after(super::run, body);
        assert!(out.contains("store.4 v1 + 20, v4\nstore.8 v1 + 24, v5\n"), "{out}");
    }
}
