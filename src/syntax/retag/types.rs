//! Where a run of tokens is a type: the look-ahead that tells a cast from brackets.

use super::{NONE, Pass};
use crate::syntax::token::Token;

/// How much of a type a run of tokens is.
pub(super) struct Scan {
    /// One past its last token.
    pub(super) end: usize,
    /// Nothing but a type: `struct x`, `typeof(…)`, `x *`.
    pub(super) only_type: bool,
    /// A name that is known to be a type's.
    pub(super) known: bool,
    pub(super) array: bool,
}

impl Pass<'_, '_> {
    /// The longest type that starts at token `i`.
    pub(super) fn scan_type(&self, i: usize) -> Option<Scan> {
        use Token::*;
        let mut scan = match self.kind(i)? {
            Struct | Union | Enum => {
                let named = self.kind(i + 1).is_some_and(|k| k == Ident || k.is_keyword());
                named.then_some(Scan { end: i + 2, only_type: true, known: false, array: false })?
            }
            Typeof => {
                let mate = self.mate(i + 1)?;
                Scan { end: mate + 1, only_type: true, known: false, array: false }
            }
            Ident => {
                let name = self.text(i);
                let known = is_type_name(name) && !self.macro_params.contains(&name);
                Scan { end: i + 1, only_type: false, known, array: false }
            }
            LParen => self.scan_tuple(i)?,
            _ => return None,
        };
        loop {
            match (self.kind(scan.end), self.kind(scan.end + 1), self.kind(scan.end + 2)) {
                (Some(Star), _, _) if self.star_is_pointer(scan.end, scan.only_type || scan.known) => {
                    scan.end += 1;
                    scan.only_type = true;
                }
                (Some(LBracket), Some(RBracket), _) => scan.end += 2,
                (Some(LBracket), Some(Int), Some(RBracket)) => scan.end += 3,
                _ => return Some(scan),
            }
            scan.array |= self.kind(scan.end - 1) == Some(RBracket);
        }
    }

    /// After a mere name, `*` makes a pointer only if no operand follows.
    fn star_is_pointer(&self, star: usize, sure: bool) -> bool {
        let stars = self.tokens[star..].iter().take_while(|t| t.kind == Token::Star).count();
        let after = self.kind(star + stars);
        sure || matches!(after, Some(Token::RParen | Token::Comma | Token::LBracket))
    }

    fn mate(&self, open: usize) -> Option<usize> {
        let is_paren = self.kind(open) == Some(Token::LParen);
        let mate = *self.mates.get(open)?;
        (is_paren && mate != NONE).then_some(mate as usize)
    }

    /// `(T, T)`: a type if one of them can be nothing else.
    fn scan_tuple(&self, i: usize) -> Option<Scan> {
        let close = self.mate(i)?;
        let mut out = Scan { end: close + 1, only_type: false, known: false, array: false };
        let mut at = i + 1;
        let mut n_commas = 0;
        while at < close {
            let scan = self.scan_type(at)?;
            out.only_type |= scan.only_type;
            out.known |= scan.known;
            if scan.end != close && self.kind(scan.end) != Some(Token::Comma) {
                return None;
            }
            n_commas += usize::from(scan.end != close);
            at = scan.end + 1;
        }
        // One in brackets is no tuple.
        (n_commas > 0).then_some(out)
    }
}

/// Names that are types wherever they stand.
fn is_type_name(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "bool",
        "buffer",
        "char",
        "inet",
        "int",
        "int16",
        "int32",
        "int64",
        "int8",
        "long",
        "s16",
        "s32",
        "s64",
        "s8",
        "short",
        "signed",
        "string",
        "timestamp",
        "u16",
        "u32",
        "u64",
        "u8",
        "uint16",
        "uint32",
        "uint64",
        "uint8",
        "unsigned",
        "void",
        "__s16",
        "__s32",
        "__s64",
        "__s8",
        "__u16",
        "__u32",
        "__u64",
        "__u8",
    ];
    NAMES.contains(&name) || (name.len() > 2 && name.ends_with("_t"))
}

/// Builtins whose name in brackets is a value, so that `(pid)*2` multiplies.
pub(super) fn is_builtin(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "args",
        "cgroup",
        "comm",
        "cpid",
        "cpu",
        "ctx",
        "curtask",
        "elapsed",
        "func",
        "gid",
        "jiffies",
        "kstack",
        "leader_comm",
        "leader_tid",
        "ncpus",
        "nsecs",
        "numaid",
        "pcomm",
        "pid",
        "ppid",
        "probe",
        "probetype",
        "rand",
        "retval",
        "tid",
        "uid",
        "username",
        "usermode",
        "ustack",
    ];
    NAMES.contains(&name)
        || name.strip_prefix("arg").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}
