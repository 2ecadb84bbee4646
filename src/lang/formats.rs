//! printf conversions: a row each, and the parser of format strings.
//!
//! Comes in: the bytes of a format literal. Goes out: [`Format`], in which every conversion is a row's. `*` takes
//! an integer argument before the value, for width and for precision.

use super::sig::Need;
use super::traits::CheckCx;
use crate::base::{Diag, codes};
use crate::image::wire::{Conv, Count, Format, Piece};
use crate::ty::{self, Ty};

/// What values a conversion prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// An integer, bool, enum or pointer.
    Number,
    /// What `buf()` yields.
    Buffer,
    /// Anything.
    Value,
}

/// A conversion's row.
#[derive(Debug)]
pub struct Conversion {
    /// After the `%`, flags, width and length.
    pub conv: &'static str,
    pub takes: Takes,
    pub doc: &'static str,
}

/// All rows; the longer names first where one starts another.
pub static CONVERSIONS: &[Conversion] = &[
    Conversion { conv: "d", takes: Takes::Number, doc: "signed decimal; 32 bits without a length" },
    Conversion { conv: "i", takes: Takes::Number, doc: "as %d" },
    Conversion { conv: "u", takes: Takes::Number, doc: "unsigned decimal; 32 bits without a length" },
    Conversion { conv: "o", takes: Takes::Number, doc: "octal" },
    Conversion { conv: "x", takes: Takes::Number, doc: "hexadecimal; 32 bits without a length" },
    Conversion { conv: "X", takes: Takes::Number, doc: "hexadecimal in upper case" },
    Conversion { conv: "c", takes: Takes::Number, doc: "a byte as a character" },
    Conversion { conv: "p", takes: Takes::Number, doc: "an address" },
    Conversion { conv: "gr", takes: Takes::Number, doc: "names of the kernel's GFP flags" },
    Conversion { conv: "s", takes: Takes::Value, doc: "any value as print() shows it" },
    Conversion { conv: "rx", takes: Takes::Buffer, doc: "a buffer, every byte as \\xNN" },
    Conversion {
        conv: "rh",
        takes: Takes::Buffer,
        doc: "a buffer, bytes in hexadecimal with spaces between",
    },
    Conversion {
        conv: "r",
        takes: Takes::Buffer,
        doc: "a buffer, printable bytes as they are, others as \\xNN",
    },
];

/// Length modifiers, the longer first.
const LENGTHS: &[&str] = &["hh", "h", "ll", "l", "j", "z", "t", "L"];
/// Widths and precisions at most: more is a mistake, and would fill the memory.
const COUNT_MAX: u32 = 4096;

/// Why a format cannot be.
#[derive(Clone, Debug, PartialEq)]
pub struct BadFormat {
    /// Where in the bytes.
    pub at: usize,
    pub message: String,
}

/// The row of a conversion of a parsed format.
pub fn row(conv: &Conv) -> &'static Conversion {
    match CONVERSIONS.iter().find(|r| r.conv == conv.conv) {
        Some(row) => row,
        None => crate::bug!("%{} has no row", conv.conv),
    }
}

/// Splits a format into text and conversions.
pub fn parse(format: &[u8]) -> Result<Format, BadFormat> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut at = 0;
    while at < format.len() {
        if format[at] != b'%' {
            text.push(format[at]);
            at += 1;
        } else {
            let mut reader = Reader { bytes: format, at: at + 1, start: at };
            match reader.conversion()? {
                Some(conv) => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(Piece::Conv(conv));
                }
                None => text.push(b'%'),
            }
            at = reader.at;
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(Format { pieces, gfp: Vec::new() })
}

/// Reads one conversion, from after its `%`.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    start: usize,
}

impl Reader<'_> {
    /// `None` for a percent sign, which takes no value: `%%`, and, as in C, with a width that changes nothing.
    fn conversion(&mut self) -> Result<Option<Conv>, BadFormat> {
        let mut conv = Conv {
            minus: false,
            plus: false,
            space: false,
            alt: false,
            zero: false,
            width: None,
            precision: None,
            length: "",
            conv: "",
        };
        while let Some(flag) = self.flag(&mut conv) {
            *flag = true;
            self.at += 1;
        }
        conv.width = self.count()?;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            // As in C, a point alone is a precision of 0.
            conv.precision = Some(self.count()?.unwrap_or(Count::Fixed(0)));
        }
        conv.length = self.one_of(LENGTHS.iter().copied()).unwrap_or("");
        let mut longest: Vec<&'static str> = CONVERSIONS.iter().map(|r| r.conv).collect();
        longest.sort_by_key(|c| std::cmp::Reverse(c.len()));
        let takes_counts = [conv.width, conv.precision].contains(&Some(Count::Arg));
        if !takes_counts && self.one_of(["%"].into_iter()).is_some() {
            return Ok(None);
        }
        match self.one_of(longest.into_iter()) {
            Some(name) => conv.conv = name,
            None => return Err(self.bad()),
        }
        Ok(Some(conv))
    }

    /// The flag that the next byte sets.
    fn flag<'c>(&self, conv: &'c mut Conv) -> Option<&'c mut bool> {
        match self.bytes.get(self.at)? {
            b'-' => Some(&mut conv.minus),
            b'+' => Some(&mut conv.plus),
            b' ' => Some(&mut conv.space),
            b'#' => Some(&mut conv.alt),
            b'0' => Some(&mut conv.zero),
            _ => None,
        }
    }

    fn count(&mut self) -> Result<Option<Count>, BadFormat> {
        if self.bytes.get(self.at) == Some(&b'*') {
            self.at += 1;
            return Ok(Some(Count::Arg));
        }
        let digits = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(None);
        }
        let n = self.bytes[self.at..self.at + digits]
            .iter()
            .fold(0u32, |n, d| n.saturating_mul(10).saturating_add(u32::from(d - b'0')));
        if n > COUNT_MAX {
            let message = format!("width or precision {n} is too large ({COUNT_MAX} at most)");
            return Err(BadFormat { at: self.at, message });
        }
        self.at += digits;
        Ok(Some(Count::Fixed(n)))
    }

    fn one_of(&mut self, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
        let rest = &self.bytes[self.at..];
        let found = names.into_iter().find(|n| rest.starts_with(n.as_bytes()))?;
        self.at += found.len();
        Some(found)
    }

    fn bad(&self) -> BadFormat {
        let end = (self.at + 1).min(self.bytes.len());
        let spec = String::from_utf8_lossy(&self.bytes[self.start..end]).into_owned();
        let message = match self.bytes.get(self.at) {
            None => format!("the format ends in the middle of a conversion ({spec}); a percent sign is %%"),
            Some(b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A') => {
                format!("{spec}: there are no floating-point numbers")
            }
            Some(_) => format!("{} is no conversion; a percent sign is %%", spec.escape_debug()),
        };
        BadFormat { at: self.start, message }
    }
}

/// Checks a call whose arguments are a format and its values, and arranges the conversions of the values.
pub fn check(cx: &mut dyn CheckCx) -> Option<Format> {
    let arg = cx.arg(0);
    let mut format = match parse(&arg.literal?) {
        Ok(format) => format,
        Err(bad) => {
            cx.bad_argument(arg.span, bad.message);
            return None;
        }
    };
    let mut at = 1;
    let mut is_right = true;
    for piece in &format.pieces {
        let Piece::Conv(conv) = piece else { continue };
        for _ in [conv.width, conv.precision].iter().filter(|c| **c == Some(Count::Arg)) {
            is_right &= take(cx, at, Takes::Number, "*");
            at += 1;
        }
        is_right &= take(cx, at, row(conv).takes, conv.conv);
        at += 1;
    }
    let (given, wanted) = (cx.n_args() - 1, at - 1);
    if given != wanted {
        let span = if given > wanted { cx.arg(at).span } else { arg.span };
        let few = if given > wanted { "too many" } else { "not enough" };
        let message = format!("{few} arguments for the format string ({given} supplied, {wanted} expected)");
        cx.bad_argument(span, message);
        return None;
    }
    if format.pieces.iter().any(|p| matches!(p, Piece::Conv(c) if c.conv == "gr")) {
        format.gfp = cx.gfp_names();
    }
    is_right.then_some(format)
}

/// Checks value `at` against what its conversion takes. A value that is absent is reported by the caller.
fn take(cx: &mut dyn CheckCx, at: usize, takes: Takes, conv: &str) -> bool {
    if at >= cx.n_args() {
        return true;
    }
    let arg = cx.arg(at);
    let fits = match (&arg.ty, takes) {
        (Ty::Error, _) => return false,
        (Ty::Void | Ty::Word, _) => false,
        (Ty::Agg { kind, .. }, _) => {
            matches!(kind, ty::AggKind::Count | ty::AggKind::Sum | ty::AggKind::Min)
                || matches!(kind, ty::AggKind::Max | ty::AggKind::Avg)
        }
        (_, Takes::Value) => true,
        (Ty::Int { .. } | Ty::Bool | Ty::Enum(_) | Ty::Ptr { .. } | Ty::Ksym | Ty::Username, _) => {
            takes == Takes::Number
        }
        (Ty::Buf { .. }, _) => takes == Takes::Buffer,
        _ => false,
    };
    if takes == Takes::Value && is_text_pointer(&arg.ty) {
        let message = "this shows the address, not the text there";
        cx.push(Diag::warning(&codes::ADDRESS_SHOWN, arg.span, message).hint("read the text: str(…)"));
    }
    if !fits {
        let name = ty::print::name(&arg.ty, cx.types());
        let wanted = match takes {
            Takes::Number => "an integer or a pointer",
            Takes::Buffer => "a buffer, as buf() yields",
            Takes::Value => "a value",
        };
        cx.bad_argument(arg.span, format!("%{conv} prints {wanted}, not {name}"));
    }
    fits
}

/// `char *`
fn is_text_pointer(ty: &Ty) -> bool {
    matches!(ty, Ty::Ptr { to, .. } if matches!(**to, Ty::Int { bits: 8, .. }))
}

/// Whether a call's parameters are a format and its values.
pub fn is_formatted(params: &[super::sig::Param]) -> bool {
    params.last().is_some_and(|p| p.need == Need::Rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convs(format: &str) -> Vec<Conv> {
        let pieces = parse(format.as_bytes()).expect("a format").pieces;
        pieces.into_iter().filter_map(|p| if let Piece::Conv(c) = p { Some(c) } else { None }).collect()
    }

    #[test]
    fn text_and_conversions() {
        let f = parse(b"a%%b %-16s|%08llx\n").expect("a format");
        assert_eq!(f.pieces.len(), 5);
        assert_eq!(f.pieces[0], Piece::Text(b"a%b ".to_vec()));
        let c = convs("%-16s|%08llx %.3s %*d %.*s %rx %r %gr %hhu %+d % d %#x");
        assert!(c[0].minus && c[0].width == Some(Count::Fixed(16)) && c[0].conv == "s");
        assert!(c[1].zero && c[1].length == "ll" && c[1].conv == "x");
        assert_eq!(c[2].precision, Some(Count::Fixed(3)));
        assert_eq!(c[3].width, Some(Count::Arg));
        assert_eq!(c[4].precision, Some(Count::Arg));
        assert_eq!([c[5].conv, c[6].conv, c[7].conv, c[8].length], ["rx", "r", "gr", "hh"]);
        assert!(c[9].plus && c[10].space && c[11].alt);
    }

    #[test]
    fn mistakes() {
        for (format, part) in [
            ("%f", "floating"),
            ("%y", "%y is no conversion"),
            ("50%", "middle of a conversion"),
            ("%99999d", "too large"),
        ] {
            let bad = parse(format.as_bytes()).expect_err(format);
            assert!(bad.message.contains(part), "{format}: {}", bad.message);
        }
    }

    #[test]
    fn a_longer_conversion_wins() {
        for row in CONVERSIONS {
            let text = format!("%{}", row.conv);
            assert_eq!(convs(&text)[0].conv, row.conv);
        }
    }
}
