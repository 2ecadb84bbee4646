//! Bytes to values, by type.
//!
//! Comes in: bytes of a record's field, a key or a map's value, and their `Ty`. Goes out: a `Value`. Always holds:
//! decoding is total; bytes that are missing read as zero.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Stack, Value};
use crate::ty::table::{Member, StructDef};
use crate::ty::{Space, StackTy, StructKind, Ty, TypeTable};

/// Answers what bytes alone do not say.
pub trait Frames {
    /// The frames of a stack by its hash, innermost first; empty if it was lost.
    fn frames(&self, ty: StackTy, hash: [u8; 16]) -> Vec<u64>;
}

/// For values that hold no stacks.
pub struct NoFrames;

impl Frames for NoFrames {
    fn frames(&self, _ty: StackTy, _hash: [u8; 16]) -> Vec<u64> {
        Vec::new()
    }
}

/// What decoding needs to know besides the type.
#[derive(Clone, Copy)]
pub struct Decoder<'a> {
    pub types: &'a TypeTable,
    pub frames: &'a dyn Frames,
    /// Bytes of the longest string, with its NUL.
    pub max_strlen: u32,
}

impl Decoder<'_> {
    /// The value of type `ty` at the start of `bytes`.
    pub fn decode(&self, ty: &Ty, bytes: &[u8]) -> Value {
        match ty {
            Ty::Error | Ty::Void | Ty::Word => Value::None,
            Ty::Bool => Value::Bool(uint(bytes, 1) != 0),
            Ty::Int { bits, signed } => int(bytes, u32::from(*bits) / 8, *signed),
            Ty::Str { n } => self.string(bytes, *n),
            Ty::Buf { n } => {
                let used = (uint(bytes, 4) as usize).min(*n as usize);
                Value::Buf(slice(bytes, 4, used))
            }
            Ty::Inet => inet(bytes),
            Ty::Mac => {
                let mut mac = [0; 6];
                mac.copy_from_slice(&slice(bytes, 0, 6));
                Value::Mac(mac)
            }
            Ty::Ksym => Value::Ksym(uint(bytes, 8)),
            Ty::Username => Value::Username(uint(bytes, 8)),
            Ty::CgroupPath => Value::CgroupPath(uint(bytes, 8)),
            Ty::Usym => Value::Usym { addr: uint(bytes, 8), pid: uint(tail(bytes, 8), 4) as u32 },
            Ty::Stack(s) => self.stack(*s, bytes),
            Ty::Timestamp => Value::Timestamp { ns: uint(bytes, 8), format: uint(tail(bytes, 8), 4) as u32 },
            Ty::Ptr { .. } => Value::Ptr(uint(bytes, 8)),
            Ty::Array { elem, n } => {
                let size = elem.size(self.types) as usize;
                let items = (0..*n as usize).map(|i| self.decode(elem, tail(bytes, i * size)));
                Value::Array(items.collect())
            }
            Ty::Struct(id) => self.strukt(&self.types.structs[*id], bytes),
            Ty::Enum(id) => {
                let def = &self.types.enums[*id];
                let value = sized(bytes, def.size, def.signed);
                let name = def.variants.iter().find(|(_, v)| *v == value).map(|(n, _)| n.clone());
                Value::Enum { value, name }
            }
            Ty::Tuple(fields) => {
                let offsets = ty.field_offsets(self.types);
                let of = |(ty, at): (&Ty, &u32)| self.decode(ty, tail(bytes, *at as usize));
                Value::Tuple(fields.iter().zip(&offsets).map(of).collect())
            }
            Ty::Record(fields) => {
                let offsets = ty.field_offsets(self.types);
                let of = |((name, ty), at): (&(String, Ty), &u32)| {
                    (name.clone(), self.decode(ty, tail(bytes, *at as usize)))
                };
                Value::Record(fields.iter().zip(&offsets).map(of).collect())
            }
            // Read across the CPUs, in a tuple or an argument: a number by then.
            Ty::Agg { signed, .. } => int(bytes, 8, *signed),
        }
    }

    fn string(&self, bytes: &[u8], n: u32) -> Value {
        let room = &bytes[..bytes.len().min(n as usize)];
        let used = room.iter().position(|&b| b == 0).unwrap_or(room.len());
        let is_longest = n == self.max_strlen && used + 1 >= n as usize;
        Value::Str { bytes: room[..used].to_vec(), truncated: is_longest }
    }

    fn stack(&self, ty: StackTy, bytes: &[u8]) -> Value {
        let mut hash = [0; 16];
        hash.copy_from_slice(&slice(bytes, 0, 16));
        let pid = match ty.space {
            Space::User => uint(tail(bytes, 16), 8) as u32,
            Space::Kernel | Space::Any => 0,
        };
        Value::Stack(Stack { ty, pid, frames: self.frames.frames(ty, hash), symbols: Vec::new() })
    }

    fn strukt(&self, def: &StructDef, bytes: &[u8]) -> Value {
        let mut fields = Vec::new();
        for member in def.members.iter().flatten() {
            let value = self.member(member, bytes);
            match value {
                // The members of an anonymous struct or union count as the outer one's.
                Value::Record(inner) if member.name.is_empty() => fields.extend(inner),
                value => fields.push((member.name.clone(), value)),
            }
        }
        debug_assert!(matches!(def.kind, StructKind::Struct | StructKind::Union));
        Value::Record(fields)
    }

    /// What C has there: an array of characters is a string, as it is where a script reads it.
    fn of_memory(&self, ty: &Ty, bytes: &[u8]) -> Value {
        match ty {
            Ty::Array { elem, n } if **elem == Ty::int(8) && *n > 0 => {
                let room = &bytes[..bytes.len().min(*n as usize)];
                let used = room.iter().position(|&b| b == 0).unwrap_or(room.len());
                Value::Str { bytes: room[..used].to_vec(), truncated: false }
            }
            Ty::Array { elem, n } => {
                let size = elem.size(self.types) as usize;
                let items = (0..*n as usize).map(|i| self.of_memory(elem, tail(bytes, i * size)));
                Value::Array(items.collect())
            }
            _ => self.decode(ty, bytes),
        }
    }

    fn member(&self, member: &Member, bytes: &[u8]) -> Value {
        let at = tail(bytes, member.offset_bits as usize / 8);
        let Some(bits) = member.bitfield_bits.filter(|&b| b > 0) else {
            return self.of_memory(&member.ty, at);
        };
        let signed = match &member.ty {
            Ty::Int { signed, .. } => *signed,
            Ty::Enum(id) => self.types.enums[*id].signed,
            _ => false,
        };
        let value = bit_field(at, member.offset_bits % 8, u32::from(bits.min(64)), signed);
        match &member.ty {
            Ty::Bool => Value::Bool(value != 0),
            Ty::Enum(id) => {
                let variants = &self.types.enums[*id].variants;
                let name = variants.iter().find(|(_, v)| *v == value).map(|(n, _)| n.clone());
                Value::Enum { value, name }
            }
            _ if signed => Value::Int(value),
            _ => Value::Uint(value as u64),
        }
    }
}

/// `bits` bits from bit `shift` (below 8) of the first byte on.
fn bit_field(bytes: &[u8], shift: u32, bits: u32, signed: bool) -> i64 {
    let low = u128::from(uint(bytes, 8)) | u128::from(uint(tail(bytes, 8), 8)) << 64;
    let value = (low >> shift) as u64;
    let unused = 64 - bits;
    if signed { (value << unused) as i64 >> unused } else { (value << unused >> unused) as i64 }
}

fn inet(bytes: &[u8]) -> Value {
    const AF_INET6: u64 = 10;
    let addr = slice(bytes, 4, 16);
    if uint(bytes, 4) == AF_INET6 {
        let mut octets = [0; 16];
        octets.copy_from_slice(&addr);
        Value::Inet(IpAddr::V6(Ipv6Addr::from(octets)))
    } else {
        Value::Inet(IpAddr::V4(Ipv4Addr::new(addr[0], addr[1], addr[2], addr[3])))
    }
}

fn int(bytes: &[u8], size: u32, signed: bool) -> Value {
    if signed { Value::Int(sized(bytes, size, true)) } else { Value::Uint(uint(bytes, size)) }
}

/// The integer of `size` bytes, sign-extended if `signed`.
fn sized(bytes: &[u8], size: u32, signed: bool) -> i64 {
    let unused = 64 - 8 * size.clamp(1, 8);
    let value = uint(bytes, size) as i64;
    if signed { value << unused >> unused } else { value }
}

/// The little-endian integer of up to 8 bytes.
fn uint(bytes: &[u8], size: u32) -> u64 {
    let mut word = [0; 8];
    let n = bytes.len().min(size as usize).min(8);
    word[..n].copy_from_slice(&bytes[..n]);
    u64::from_le_bytes(word)
}

fn tail(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or(&[])
}

/// `len` bytes from `at` on; what is missing is zero.
fn slice(bytes: &[u8], at: usize, len: usize) -> Vec<u8> {
    let mut out = tail(bytes, at).to_vec();
    out.resize(len, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ty::table::{DataLoc, EnumDef, StructOrigin};
    use crate::ty::{AggKind, StackMode};

    fn decode(ty: &Ty, bytes: &[u8]) -> Value {
        decode_with(&TypeTable::new(), ty, bytes)
    }

    fn decode_with(types: &TypeTable, ty: &Ty, bytes: &[u8]) -> Value {
        Decoder { types, frames: &NoFrames, max_strlen: 8 }.decode(ty, bytes)
    }

    fn text(s: &str, truncated: bool) -> Value {
        Value::Str { bytes: s.as_bytes().to_vec(), truncated }
    }

    #[test]
    fn integers_by_width_and_sign() {
        let bytes = [0xfe, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        assert_eq!(decode(&Ty::int(8), &bytes), Value::Int(-2));
        assert_eq!(decode(&Ty::uint(16), &bytes), Value::Uint(0xfffe));
        assert_eq!(decode(&Ty::int(32), &bytes), Value::Int(-2));
        assert_eq!(decode(&Ty::U64, &bytes), Value::Uint(0x0403_0201_ffff_fffe));
        assert_eq!(decode(&Ty::Bool, &bytes), Value::Bool(true));
    }

    #[test]
    fn bytes_that_are_missing_are_zero() {
        assert_eq!(decode(&Ty::U64, &[1, 2]), Value::Uint(0x201));
        assert_eq!(decode(&Ty::I64, &[]), Value::Int(0));
        assert_eq!(decode(&Ty::Buf { n: 4 }, &[9, 0, 0, 0, 7]), Value::Buf(vec![7, 0, 0, 0]));
        assert_eq!(decode(&Ty::Mac, &[1]), Value::Mac([1, 0, 0, 0, 0, 0]));
        let tuple = Ty::Tuple([Ty::int(8), Ty::U64].into());
        assert_eq!(decode(&tuple, &[5]), Value::Tuple(vec![Value::Int(5), Value::Uint(0)]));
    }

    #[test]
    fn strings_end_at_nul_and_say_when_cut() {
        assert_eq!(decode(&Ty::Str { n: 4 }, b"ab\0x"), text("ab", false));
        assert_eq!(decode(&Ty::Str { n: 4 }, b"abc\0"), text("abc", false));
        assert_eq!(decode(&Ty::Str { n: 8 }, b"abcdefg\0"), text("abcdefg", true));
        assert_eq!(decode(&Ty::Str { n: 8 }, b"abcdef\0"), text("abcdef", false));
    }

    #[test]
    fn tuples_are_laid_out_as_in_c() {
        let ty = Ty::Tuple([Ty::U32, Ty::Str { n: 3 }, Ty::U64].into());
        let bytes = [1, 0, 0, 0, b'a', 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        let want = Value::Tuple(vec![Value::Uint(1), text("a", false), Value::Uint(9)]);
        assert_eq!(decode(&ty, &bytes), want);
    }

    fn member(name: &str, ty: Ty, offset_bits: u32, bitfield_bits: Option<u8>) -> Member {
        Member { name: name.into(), ty, offset_bits, bitfield_bits, data_loc: DataLoc::No, tag: None }
    }

    #[test]
    fn structs_with_bit_fields_enums_and_anonymous_members() {
        let mut types = TypeTable::new();
        let e = types.enums.push(EnumDef {
            name: "e".into(),
            size: 4,
            signed: true,
            variants: vec![("MINUS".into(), -1)],
        });
        let of = |members| StructDef {
            name: String::new(),
            kind: StructKind::Struct,
            size: 12,
            origin: StructOrigin::Script,
            members: Some(members),
        };
        let inner = types.structs.push(of(vec![member("x", Ty::int(8), 0, None)]));
        let outer = types.structs.push(of(vec![
            member("lo", Ty::U32, 0, Some(3)),
            member("hi", Ty::int(32), 3, Some(5)),
            member("", Ty::Struct(inner), 8, None),
            member("e", Ty::Enum(e), 32, None),
        ]));
        let got = decode_with(&types, &Ty::Struct(outer), &[0b1111_1101, 7, 0, 0, 255, 255, 255, 255]);
        let want = Value::Record(vec![
            ("lo".into(), Value::Uint(5)),
            ("hi".into(), Value::Int(-1)),
            ("x".into(), Value::Int(7)),
            ("e".into(), Value::Enum { value: -1, name: Some("MINUS".into()) }),
        ]);
        assert_eq!(got, want);
    }

    #[test]
    fn addresses_of_both_families() {
        let v4 = [2, 0, 0, 0, 127, 0, 0, 1];
        assert_eq!(decode(&Ty::Inet, &v4), Value::Inet(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let mut v6 = vec![10, 0, 0, 0];
        v6.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        assert_eq!(decode(&Ty::Inet, &v6), Value::Inet(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    }

    struct OneStack;
    impl Frames for OneStack {
        fn frames(&self, ty: StackTy, hash: [u8; 16]) -> Vec<u64> {
            vec![u64::from(ty.limit), u64::from(hash[0])]
        }
    }

    #[test]
    fn stacks_are_looked_up_by_hash() {
        let ty = StackTy { space: Space::User, mode: StackMode::Raw, limit: 5 };
        let types = TypeTable::new();
        let decoder = Decoder { types: &types, frames: &OneStack, max_strlen: 8 };
        let mut bytes = [0; 24];
        bytes[0] = 3;
        bytes[16] = 42;
        let want = Stack { ty, pid: 42, frames: vec![5, 3], symbols: Vec::new() };
        assert_eq!(decoder.decode(&Ty::Stack(ty), &bytes), Value::Stack(want));
        assert_eq!(decode(&Ty::Agg { kind: AggKind::Count, signed: true }, &[3]), Value::Int(3));
    }
}
