//! One eBPF instruction slot (8 bytes; a 64-bit immediate load takes two). RFC 9669.
//!
//! Comes in: a [`Form`], which says what an instruction does. Goes out: the [`Insn`] as the kernel takes it
//! (`encode`), the way back (`decode`), and text (`print`). Always holds: `decode(encode(f)) == f`. Operators
//! are rows of [`ALU`], [`JUMPS`] and [`ATOMICS`]; everything else derives from them.

use std::fmt::Write;

use super::Helper;

/// The instruction as the kernel takes it (`struct bpf_insn`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Insn {
    pub code: u8,
    /// Destination register in the low four bits, source register in the high four.
    pub regs: u8,
    pub off: i16,
    pub imm: i32,
}

const _: () = assert!(size_of::<Insn>() == 8);

impl Insn {
    pub fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
        Insn { code, regs: dst | src << 4, off, imm }
    }
    pub fn dst(self) -> u8 {
        self.regs & 15
    }
    pub fn src(self) -> u8 {
        self.regs >> 4
    }
    /// Little-endian bytes, as in an ELF section.
    pub fn to_bytes(self) -> [u8; 8] {
        let mut b = [self.code, self.regs, 0, 0, 0, 0, 0, 0];
        b[2..4].copy_from_slice(&self.off.to_le_bytes());
        b[4..8].copy_from_slice(&self.imm.to_le_bytes());
        b
    }
    /// The slot that `to_bytes` wrote.
    pub fn from_bytes(b: [u8; 8]) -> Insn {
        Insn {
            code: b[0],
            regs: b[1],
            off: i16::from_le_bytes([b[2], b[3]]),
            imm: i32::from_le_bytes([b[4], b[5], b[6], b[7]]),
        }
    }
    /// Whether this is the first slot of a 64-bit immediate load; the second holds nothing but an `imm`.
    pub fn is_wide(self) -> bool {
        self.code == LD_IMM64
    }
}

/// The frame pointer.
pub const R10: u8 = 10;

/// `src` of a 64-bit immediate load whose `imm` is a map's descriptor (`BPF_PSEUDO_MAP_FD`).
pub const PSEUDO_MAP_FD: u8 = 1;
/// The address inside a map's only value: descriptor, then offset (`BPF_PSEUDO_MAP_VALUE`).
pub const PSEUDO_MAP_VALUE: u8 = 2;
/// The address of a function of the program (`BPF_PSEUDO_FUNC`).
pub const PSEUDO_FUNC: u8 = 4;
/// `src` of a call of a function of the program (`BPF_PSEUDO_CALL`).
pub const PSEUDO_CALL: u8 = 1;
/// `src` of a call of a kernel function (`BPF_PSEUDO_KFUNC_CALL`).
pub const PSEUDO_KFUNC_CALL: u8 = 2;

// Instruction classes, the low three bits of `code`.
const LDX: u8 = 1;
const ST: u8 = 2;
const STX: u8 = 3;
const ALU32: u8 = 4;
const JMP: u8 = 5;
const JMP32: u8 = 6;
const ALU64: u8 = 7;
/// The second operand is a register.
const X: u8 = 8;
// Modes of loads and stores.
const MEM: u8 = 0x60;
const MEMSX: u8 = 0x80;
const ATOMIC: u8 = 0xc0;
const LD_IMM64: u8 = 0x18;
// Operators outside the tables.
const NEG: u8 = 0x80;
const END: u8 = 0xd0;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;

macro_rules! operators {
    ($(#[$doc:meta])* $name:ident, $table:ident, $code:ty; $($op:ident $bits:literal $text:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum $name { $($op),* }
        /// All rows: operator, its bits in the encoding, its text.
        pub static $table: &[($name, $code, &str)] = &[$(($name::$op, $bits, $text)),*];
        impl $name {
            /// The bits of the encoding.
            pub fn bits(self) -> $code {
                match self { $($name::$op => $bits),* }
            }
            /// As printed.
            pub fn text(self) -> &'static str {
                match self { $($name::$op => $text),* }
            }
            /// The operator of these bits.
            pub fn of(bits: $code) -> Option<$name> {
                $table.iter().find(|r| r.1 == bits).map(|r| r.0)
            }
        }
    };
}

operators! {
    /// Arithmetic with two operands; the first is the destination.
    Alu, ALU, u8;
    Add 0x00 "+=";
    Sub 0x10 "-=";
    Mul 0x20 "*=";
    Div 0x30 "/=";
    Or 0x40 "|=";
    And 0x50 "&=";
    Lsh 0x60 "<<=";
    Rsh 0x70 ">>=";
    Mod 0x90 "%=";
    Xor 0xa0 "^=";
    Mov 0xb0 "=";
    Arsh 0xc0 "s>>=";
}

operators! {
    /// What a conditional jump compares by.
    Jump, JUMPS, u8;
    Eq 0x10 "==";
    Gt 0x20 ">";
    Ge 0x30 ">=";
    Set 0x40 "&";
    Ne 0x50 "!=";
    Sgt 0x60 "s>";
    Sge 0x70 "s>=";
    Lt 0xa0 "<";
    Le 0xb0 "<=";
    Slt 0xc0 "s<";
    Sle 0xd0 "s<=";
}

operators! {
    /// Read-modify-write of memory; the bits stand in `imm`.
    Atomic, ATOMICS, i32;
    Add 0x00 "add";
    FetchAdd 0x01 "fetch_add";
    Or 0x40 "or";
    And 0x50 "and";
    Xor 0xa0 "xor";
    Xchg 0xe1 "xchg";
    CmpXchg 0xf1 "cmpxchg";
}

/// A register or an immediate, sign-extended to 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Src {
    Reg(u8),
    Imm(i32),
}

/// What one instruction does. `wide`: all 64 bits, else the low 32 with the upper half of the result 0.
/// `bytes` is 1, 2, 4 or 8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Alu {
        op: Alu,
        wide: bool,
        dst: u8,
        src: Src,
    },
    Neg {
        wide: bool,
        dst: u8,
    },
    /// The low `bits` (16, 32, 64) to big-endian order, or to little-endian; the rest becomes 0.
    Swap {
        dst: u8,
        big: bool,
        bits: i32,
    },
    /// The first of two slots; `src` is 0 or `PSEUDO_*`.
    LdImm64 {
        dst: u8,
        src: u8,
        imm: i32,
    },
    Load {
        bytes: u8,
        sext: bool,
        dst: u8,
        base: u8,
        off: i16,
    },
    Store {
        bytes: u8,
        base: u8,
        off: i16,
        src: Src,
    },
    /// `bytes` is 4 or 8.
    Atomic {
        op: Atomic,
        bytes: u8,
        base: u8,
        off: i16,
        src: u8,
    },
    Goto {
        off: i16,
    },
    If {
        op: Jump,
        wide: bool,
        a: u8,
        b: Src,
        off: i16,
    },
    /// A helper's number if `src` is 0, else see `PSEUDO_CALL`, `PSEUDO_KFUNC_CALL`.
    Call {
        src: u8,
        imm: i32,
    },
    Exit,
}

impl Form {
    /// The instruction slot.
    pub fn encode(self) -> Insn {
        let with_src = |code: u8, dst: u8, src: Src, off: i16| match src {
            Src::Reg(r) => Insn::new(code | X, dst, r, off, 0),
            Src::Imm(i) => Insn::new(code, dst, 0, off, i),
        };
        match self {
            Form::Alu { op, wide, dst, src } => with_src(alu_class(wide) | op.bits(), dst, src, 0),
            Form::Neg { wide, dst } => Insn::new(alu_class(wide) | NEG, dst, 0, 0, 0),
            Form::Swap { dst, big, bits } => {
                Insn::new(ALU32 | END | if big { X } else { 0 }, dst, 0, 0, bits)
            }
            Form::LdImm64 { dst, src, imm } => Insn::new(LD_IMM64, dst, src, 0, imm),
            Form::Load { bytes, sext, dst, base, off } => {
                Insn::new(LDX | if sext { MEMSX } else { MEM } | size_bits(bytes), dst, base, off, 0)
            }
            Form::Store { bytes, base, off, src } => match src {
                Src::Reg(r) => Insn::new(STX | MEM | size_bits(bytes), base, r, off, 0),
                Src::Imm(i) => Insn::new(ST | MEM | size_bits(bytes), base, 0, off, i),
            },
            Form::Atomic { op, bytes, base, off, src } => {
                Insn::new(STX | ATOMIC | size_bits(bytes), base, src, off, op.bits())
            }
            Form::Goto { off } => Insn::new(JMP, 0, 0, off, 0),
            Form::If { op, wide, a, b, off } => {
                with_src(if wide { JMP } else { JMP32 } | op.bits(), a, b, off)
            }
            Form::Call { src, imm } => Insn::new(JMP | CALL, 0, src, 0, imm),
            Form::Exit => Insn::new(JMP | EXIT, 0, 0, 0, 0),
        }
    }

    /// What the slot does; `None` for what awl never writes and for the second slot of a wide load.
    pub fn decode(i: Insn) -> Option<Form> {
        let src = if i.code & X != 0 { Src::Reg(i.src()) } else { Src::Imm(i.imm) };
        let (op, dst, off) = (i.code & 0xf0, i.dst(), i.off);
        let (mode, bytes) = (i.code & 0xe0, size_of_bits(i.code));
        let form = match i.code & 7 {
            0 if i.is_wide() => Form::LdImm64 { dst, src: i.src(), imm: i.imm },
            LDX if mode == MEM || mode == MEMSX => {
                Form::Load { bytes, sext: mode == MEMSX, dst, base: i.src(), off }
            }
            ST if mode == MEM => Form::Store { bytes, base: dst, off, src: Src::Imm(i.imm) },
            STX if mode == MEM => Form::Store { bytes, base: dst, off, src: Src::Reg(i.src()) },
            STX if mode == ATOMIC => {
                Form::Atomic { op: Atomic::of(i.imm)?, bytes, base: dst, off, src: i.src() }
            }
            ALU32 if op == END => Form::Swap { dst, big: i.code & X != 0, bits: i.imm },
            class @ (ALU32 | ALU64) if op == NEG => Form::Neg { wide: class == ALU64, dst },
            class @ (ALU32 | ALU64) => Form::Alu { op: Alu::of(op)?, wide: class == ALU64, dst, src },
            JMP if op == 0 => Form::Goto { off },
            JMP if op == CALL => Form::Call { src: i.src(), imm: i.imm },
            JMP if op == EXIT => Form::Exit,
            class @ (JMP | JMP32) => Form::If { op: Jump::of(op)?, wide: class == JMP, a: dst, b: src, off },
            _ => return None,
        };
        Some(form)
    }

    /// As the kernel's verifier prints it, but for what only a running kernel knows. `upper` is the `imm` of
    /// the second slot of a wide load.
    pub fn print(self, upper: i32) -> String {
        let reg = |wide: bool, r: u8| format!("{}{r}", if wide { 'r' } else { 'w' });
        let value = |wide: bool, s: Src| match s {
            Src::Reg(r) => reg(wide, r),
            Src::Imm(i) => i.to_string(),
        };
        let memory =
            |bytes: u8, base: u8, off: i16| format!("*(u{} *)(r{base} {off:+})", u32::from(bytes) * 8);
        match self {
            Form::Alu { op, wide, dst, src } => {
                format!("{} {} {}", reg(wide, dst), op.text(), value(wide, src))
            }
            Form::Neg { wide, dst } => format!("{0} = -{0}", reg(wide, dst)),
            Form::Swap { dst, big, bits } => {
                format!("r{dst} = {}{bits} r{dst}", if big { "be" } else { "le" })
            }
            Form::LdImm64 { dst, src, imm } => {
                let full = i64::from(upper) << 32 | i64::from(imm as u32);
                match src {
                    PSEUDO_MAP_FD => format!("r{dst} = map[{imm}]"),
                    PSEUDO_MAP_VALUE => format!("r{dst} = map[{imm}] value +{upper}"),
                    PSEUDO_FUNC => format!("r{dst} = func pc{imm:+}"),
                    _ => format!("r{dst} = {full:#x} ll"),
                }
            }
            Form::Load { bytes, sext, dst, base, off } => {
                let m = memory(bytes, base, off);
                format!("r{dst} = {}", if sext { m.replacen('u', "s", 1) } else { m })
            }
            Form::Store { bytes, base, off, src } => {
                format!("{} = {}", memory(bytes, base, off), value(true, src))
            }
            Form::Atomic { op, bytes, base, off, src } => print_atomic(op, &memory(bytes, base, off), src),
            Form::Goto { off } => format!("goto pc{off:+}"),
            Form::If { op, wide, a, b, off } => {
                format!("if {} {} {} goto pc{off:+}", reg(wide, a), op.text(), value(wide, b))
            }
            Form::Call { src, imm } => print_call(src, imm),
            Form::Exit => "exit".into(),
        }
    }
}

fn print_atomic(op: Atomic, memory: &str, src: u8) -> String {
    match op {
        Atomic::Add => format!("lock {memory} += r{src}"),
        Atomic::Or => format!("lock {memory} |= r{src}"),
        Atomic::And => format!("lock {memory} &= r{src}"),
        Atomic::Xor => format!("lock {memory} ^= r{src}"),
        Atomic::FetchAdd | Atomic::Xchg => format!("r{src} = {}({memory}, r{src})", op.text()),
        Atomic::CmpXchg => format!("r0 = {}({memory}, r0, r{src})", op.text()),
    }
}

fn print_call(src: u8, imm: i32) -> String {
    let mut s = String::from("call ");
    let written = match (src, Helper(imm as u32).row()) {
        (PSEUDO_CALL, _) => write!(s, "pc{imm:+}"),
        (PSEUDO_KFUNC_CALL, _) => write!(s, "kernel-function#{imm}"),
        (_, Some(row)) => write!(s, "bpf_{}#{imm}", row.name),
        (_, None) => write!(s, "helper#{imm}"),
    };
    if written.is_err() {
        crate::bug!("text cannot be written");
    }
    s
}

/// The 64-bit immediate load of a number, both slots.
pub fn ld_imm64(dst: u8, imm: i64) -> [Insn; 2] {
    let low = Form::LdImm64 { dst, src: 0, imm: imm as i32 }.encode();
    [low, Insn::new(0, 0, 0, 0, (imm >> 32) as i32)]
}

fn alu_class(wide: bool) -> u8 {
    if wide { ALU64 } else { ALU32 }
}

fn size_bits(bytes: u8) -> u8 {
    match bytes {
        4 => 0x00,
        2 => 0x08,
        1 => 0x10,
        8 => 0x18,
        n => crate::bug!("access of {n} bytes"),
    }
}

fn size_of_bits(code: u8) -> u8 {
    match code & 0x18 {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    }
}

/// Tables and both ways of the encoding.
#[cfg(test)]
mod tests {
    use super::*;

    fn forms() -> Vec<Form> {
        let mut all = vec![
            Form::Neg { wide: true, dst: 3 },
            Form::Neg { wide: false, dst: 3 },
            Form::Swap { dst: 1, big: true, bits: 16 },
            Form::Swap { dst: 1, big: false, bits: 64 },
            Form::LdImm64 { dst: 2, src: PSEUDO_MAP_FD, imm: 7 },
            Form::Goto { off: -3 },
            Form::Call { src: 0, imm: 14 },
            Form::Call { src: PSEUDO_CALL, imm: 9 },
            Form::Exit,
        ];
        for src in [Src::Reg(4), Src::Imm(-5)] {
            for wide in [true, false] {
                all.extend(ALU.iter().map(|r| Form::Alu { op: r.0, wide, dst: 1, src }));
                all.extend(JUMPS.iter().map(|r| Form::If { op: r.0, wide, a: 1, b: src, off: 12 }));
            }
        }
        for bytes in [1, 2, 4, 8] {
            for sext in [false, true] {
                all.push(Form::Load { bytes, sext, dst: 1, base: 2, off: -8 });
            }
            for src in [Src::Reg(4), Src::Imm(-5)] {
                all.push(Form::Store { bytes, base: 10, off: -8, src });
            }
        }
        for bytes in [4, 8] {
            all.extend(ATOMICS.iter().map(|r| Form::Atomic { op: r.0, bytes, base: 1, off: 8, src: 2 }));
        }
        all
    }

    #[test]
    fn decode_undoes_encode() {
        for f in forms() {
            let i = f.encode();
            assert_eq!(Insn::from_bytes(i.to_bytes()), i);
            assert_eq!(Form::decode(i), Some(f), "{i:?}");
        }
    }

    #[test]
    fn encodings_and_texts_are_distinct() {
        let mut codes: Vec<[u8; 8]> = forms().iter().map(|f| f.encode().to_bytes()).collect();
        let mut texts: Vec<String> = forms().iter().map(|f| f.print(0)).collect();
        let n = codes.len();
        codes.sort();
        codes.dedup();
        texts.sort();
        texts.dedup();
        assert_eq!((codes.len(), texts.len()), (n, n));
    }

    #[test]
    fn known_encodings() {
        let bytes = |f: Form| f.encode().to_bytes();
        let mov = Form::Alu { op: Alu::Mov, wide: true, dst: 1, src: Src::Imm(5) };
        assert_eq!(bytes(mov), [0xb7, 1, 0, 0, 5, 0, 0, 0]);
        let store = Form::Store { bytes: 8, base: 10, off: -8, src: Src::Reg(1) };
        assert_eq!(bytes(store), [0x7b, 0x1a, 0xf8, 0xff, 0, 0, 0, 0]);
        let jump = Form::If { op: Jump::Le, wide: true, a: 2, b: Src::Imm(63), off: 1 };
        assert_eq!(bytes(jump), [0xb5, 2, 1, 0, 63, 0, 0, 0]);
        assert_eq!(bytes(Form::Exit), [0x95, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ld_imm64(1, -2)[1].imm, -1);
    }

    #[test]
    fn prints_like_the_kernel() {
        assert_eq!(store_text(), "*(u32 *)(r10 -8) = 7");
        assert_eq!(Form::Call { src: 0, imm: 1 }.print(0), "call bpf_map_lookup_elem#1");
        let i = Form::If { op: Jump::Ne, wide: true, a: 1, b: Src::Reg(2), off: 3 };
        assert_eq!(i.print(0), "if r1 != r2 goto pc+3");
        assert_eq!(Form::LdImm64 { dst: 1, src: 0, imm: -1 }.print(1), "r1 = 0x1ffffffff ll");
    }

    fn store_text() -> String {
        Form::Store { bytes: 4, base: 10, off: -8, src: Src::Imm(7) }.print(0)
    }
}
