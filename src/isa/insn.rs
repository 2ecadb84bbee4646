//! One eBPF instruction slot (8 bytes; a 64-bit immediate load takes two). RFC 9669.

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
}
