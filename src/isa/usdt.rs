//! Where the arguments of a statically defined user probe lie: the texts of `.note.stapsdt`, which are the
//! assembler's operands.
//!
//! Comes in: `-4@%edi 8@8(%rbp)`. Goes out: a [`UsdtArg`] each. Always holds: parsing is total; what is not
//! understood says so and is an error only where a script reads it.

/// An argument of a probe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsdtArg {
    /// 1, 2, 4 or 8.
    pub bytes: u8,
    pub signed: bool,
    pub place: Place,
}

/// Where it lies; registers go by their names in `Arch::regs`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    Const(i64),
    /// The register, shifted right by so many bits first.
    Reg {
        name: &'static str,
        shift: u8,
    },
    /// User memory at `base + index * scale + off`.
    Mem {
        base: Option<&'static str>,
        index: Option<(&'static str, u8)>,
        off: i64,
    },
    /// User memory at a symbol of the binary, plus an offset.
    Symbol {
        name: String,
        off: i64,
    },
    /// An operand that cannot be read: its text.
    Unknown(String),
}

/// The arguments of a note; `place` reads an operand of the processor.
pub fn args(text: &str, place: fn(&str) -> Option<Place>) -> Vec<UsdtArg> {
    text.split_ascii_whitespace().map(|word| arg(word, place)).collect()
}

fn arg(word: &str, place: fn(&str) -> Option<Place>) -> UsdtArg {
    let unknown = |bytes| UsdtArg { bytes, signed: false, place: Place::Unknown(word.to_owned()) };
    let Some((size, operand)) = word.split_once('@') else {
        // Notes of the first years have no sizes.
        let place = place(word).unwrap_or_else(|| Place::Unknown(word.to_owned()));
        return UsdtArg { bytes: 8, signed: true, place };
    };
    let (digits, signed) = match size.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (size, false),
    };
    // What is not these four has a suffix: a floating-point number or a vector.
    match digits.parse() {
        Ok(bytes @ (1 | 2 | 4 | 8)) => match place(operand) {
            Some(place) => UsdtArg { bytes, signed, place },
            None => unknown(bytes),
        },
        Ok(_) | Err(_) => unknown(8),
    }
}

/// The registers of x86_64: name in `Arch::regs`, names in the assembler.
const REGS_X86_64: &[(&str, &[&str])] = &[
    ("ax", &["rax", "eax", "ax", "al"]),
    ("bx", &["rbx", "ebx", "bx", "bl"]),
    ("cx", &["rcx", "ecx", "cx", "cl"]),
    ("dx", &["rdx", "edx", "dx", "dl"]),
    ("si", &["rsi", "esi", "si", "sil"]),
    ("di", &["rdi", "edi", "di", "dil"]),
    ("bp", &["rbp", "ebp", "bp", "bpl"]),
    ("sp", &["rsp", "esp", "sp", "spl"]),
    ("r8", &["r8", "r8d", "r8w", "r8b"]),
    ("r9", &["r9", "r9d", "r9w", "r9b"]),
    ("r10", &["r10", "r10d", "r10w", "r10b"]),
    ("r11", &["r11", "r11d", "r11w", "r11b"]),
    ("r12", &["r12", "r12d", "r12w", "r12b"]),
    ("r13", &["r13", "r13d", "r13w", "r13b"]),
    ("r14", &["r14", "r14d", "r14w", "r14b"]),
    ("r15", &["r15", "r15d", "r15w", "r15b"]),
    ("ip", &["rip", "eip"]),
];
/// The second bytes of the first four.
const HIGH_X86_64: &[(&str, &str)] = &[("ax", "ah"), ("bx", "bh"), ("cx", "ch"), ("dx", "dh")];

/// An operand as the AT&T assembler writes it: `%rdi`, `$42`, `-8(%rbp)`, `(%rax,%rbx,4)`, `symbol+4(%rip)`.
pub fn place_x86_64(text: &str) -> Option<Place> {
    if let Some(number) = text.strip_prefix('$') {
        return integer(number).map(Place::Const);
    }
    if let Some(name) = text.strip_prefix('%') {
        let high = HIGH_X86_64.iter().find(|(_, high)| *high == name);
        return match high {
            Some((name, _)) => Some(Place::Reg { name, shift: 8 }),
            None => register(text).map(|name| Place::Reg { name, shift: 0 }),
        };
    }
    let Some((off, inside)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) else {
        // An address without registers.
        return integer(text).map(|off| Place::Mem { base: None, index: None, off });
    };
    let mut parts = inside.split(',').map(str::trim);
    let base = match parts.next() {
        Some("") | None => None,
        Some(name) => Some(register(name)?),
    };
    let index = match (parts.next(), parts.next()) {
        (None, _) => None,
        (Some(name), None) => Some((register(name)?, 1)),
        (Some(name), Some(scale)) => Some((register(name)?, scale_of(scale)?)),
    };
    if parts.next().is_some() || base.is_none() && index.is_none() {
        return None;
    }
    match offset(off)? {
        (None, off) => Some(Place::Mem { base, index, off }),
        (Some(name), off) if base == Some("ip") && index.is_none() => Some(Place::Symbol { name, off }),
        (Some(_), _) => None,
    }
}

fn register(text: &str) -> Option<&'static str> {
    let name = text.strip_prefix('%')?;
    REGS_X86_64.iter().find(|(_, names)| names.contains(&name)).map(|(name, _)| *name)
}

fn scale_of(text: &str) -> Option<u8> {
    text.parse().ok().filter(|s| [1, 2, 4, 8].contains(s))
}

/// What stands before the bracket: a symbol, if any, and a number.
fn offset(text: &str) -> Option<(Option<String>, i64)> {
    if text.is_empty() {
        return Some((None, 0));
    }
    if let Some(n) = integer(text) {
        return Some((None, n));
    }
    let is_name = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '$'))
            && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '@'))
    };
    // `4+symbol`, `symbol+4`, `symbol-4`
    let at = text.rfind(['+', '-']).filter(|&at| at > 0);
    let (name, off) = match at {
        None => (text, 0),
        Some(at) => match (integer(&text[..at]), integer(text[at..].trim_start_matches('+'))) {
            (Some(n), None) => (&text[at + 1..], n),
            (None, Some(n)) => (&text[..at], n),
            _ => return None,
        },
    };
    is_name(name).then(|| (Some(name.to_owned()), off))
}

/// A decimal or hexadecimal number with its sign; what is beyond `i64` wraps.
fn integer(text: &str) -> Option<i64> {
    let (text, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let n = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => text.parse::<u64>().ok()?,
    } as i64;
    Some(if negative { n.wrapping_neg() } else { n })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> UsdtArg {
        let mut all = args(text, place_x86_64);
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0)
    }

    #[test]
    fn operands() {
        let mem = |base, index, off| Place::Mem { base, index, off };
        let reg = |name| Place::Reg { name, shift: 0 };
        for (text, bytes, signed, place) in [
            ("-4@%edi", 4, true, reg("di")),
            ("8@%rax", 8, false, reg("ax")),
            ("2@%r11w", 2, false, reg("r11")),
            ("1@%ah", 1, false, Place::Reg { name: "ax", shift: 8 }),
            ("-1@%sil", 1, true, reg("si")),
            ("-4@$-7", 4, true, Place::Const(-7)),
            ("8@$0xffffffffffffffff", 8, false, Place::Const(-1)),
            ("8@-16(%rbp)", 8, false, mem(Some("bp"), None, -16)),
            ("8@(%rsp)", 8, false, mem(Some("sp"), None, 0)),
            ("4@0x10(%rax,%rbx,4)", 4, false, mem(Some("ax"), Some(("bx", 4)), 16)),
            ("4@(%rax,%rbx)", 4, false, mem(Some("ax"), Some(("bx", 1)), 0)),
            ("8@8(,%rcx,8)", 8, false, mem(None, Some(("cx", 8)), 8)),
            ("8@4096", 8, false, mem(None, None, 4096)),
            ("4@counter(%rip)", 4, false, Place::Symbol { name: "counter".into(), off: 0 }),
            ("4@a.b+8(%rip)", 4, false, Place::Symbol { name: "a.b".into(), off: 8 }),
            ("4@12+ab(%rip)", 4, false, Place::Symbol { name: "ab".into(), off: 12 }),
            ("4@ab-4(%rip)", 4, false, Place::Symbol { name: "ab".into(), off: -4 }),
            ("%rdi", 8, true, reg("di")),
        ] {
            assert_eq!(one(text), UsdtArg { bytes, signed, place }, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood() {
        for text in [
            "8f@%xmm0",
            "16@%rax",
            "8@%xmm0",
            "8@%fs:-8",
            "8@x(%rax)",
            "4@(%rax,%rbx,3)",
            "8@()",
            "8@(%rax",
            "@",
            "-@%rax",
            "8@$",
            "8@a+b(%rip)",
            "8@(%rax,%rbx,4,5)",
        ] {
            assert!(matches!(one(text).place, Place::Unknown(_)), "{text}: {:?}", one(text));
        }
        assert_eq!(args("", place_x86_64), []);
        assert_eq!(args(" -4@%edi  8@$1 ", place_x86_64).len(), 2);
    }
}
