//! printf: values to text by a parsed format.
//!
//! Comes in: a [`Format`] that the checker has matched with its arguments, the values, and what marks a string
//! that was cut off. Goes out: bytes.
//! Always holds: a value that a conversion cannot show becomes `!{error}` in its place; nothing fails.

use super::Value;
use super::gfp;
use super::text::{self, Place};
use std::io::Write;

/// A parsed format string.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Format {
    pub pieces: Vec<Piece>,
    /// Allocation flags of the kernel that the format is for, where it prints such; see [`gfp`].
    pub gfp: Vec<(u64, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Text(Vec<u8>),
    Conv(Conv),
}

/// One `%` conversion. Arguments are taken from the event's fields in order: a `*` takes one before the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    pub minus: bool,
    pub plus: bool,
    pub space: bool,
    pub alt: bool,
    pub zero: bool,
    pub width: Option<Count>,
    pub precision: Option<Count>,
    /// `hh`, `h`, `l`, `ll`, `j`, `z`, `t` or empty.
    pub length: &'static str,
    /// `d`, `u`, `x`, `s`, `r`, `rx`, `rh`, `gr`, …
    pub conv: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Count {
    Fixed(u32),
    /// `*`
    Arg,
}

/// The widest field and the most digits that a `*` argument can ask for: an argument read from the traced
/// machine may be anything.
const PAD_BYTES_MAX: i128 = 65_536;

const BAD: &[u8] = b"!{error}";

/// Appends the text of `format` with `args`.
pub fn write(out: &mut Vec<u8>, format: &Format, args: &[Value], trailer: &str) {
    let mut args = args.iter();
    for piece in &format.pieces {
        match piece {
            Piece::Text(bytes) => out.extend(bytes),
            Piece::Conv(conv) => conversion(out, conv, &mut args, (format, trailer)),
        }
    }
}

/// A field's look, with `*` replaced.
struct Field {
    left: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

fn conversion<'a>(
    out: &mut Vec<u8>,
    conv: &Conv,
    args: &mut impl Iterator<Item = &'a Value>,
    (format, trailer): (&Format, &str),
) {
    let width = conv.width.map(|c| count(c, args));
    let precision = conv.precision.map(|c| count(c, args)).filter(|p| *p >= 0);
    let field = Field {
        // As in C, a negative width argument is a minus flag, a negative precision none.
        left: conv.minus || width.is_some_and(|w| w < 0),
        zero: conv.zero,
        width: width.unwrap_or(0).unsigned_abs() as usize,
        precision: precision.map(|p| p as usize),
    };
    let Some(value) = args.next() else {
        out.extend(BAD);
        return;
    };
    match conv.conv {
        "d" | "i" => match int_of(value) {
            Some(n) => number(out, conv, &field, cast(n, conv.length, true), Radix::Decimal),
            None => pad(out, &field, BAD),
        },
        "u" => unsigned(out, conv, &field, value, Radix::Decimal),
        "x" => unsigned(out, conv, &field, value, Radix::Hex),
        "X" => unsigned(out, conv, &field, value, Radix::HexUpper),
        "o" => unsigned(out, conv, &field, value, Radix::Octal),
        "p" => match int_of(value) {
            Some(n) => {
                let as_pointer = Conv { alt: true, plus: false, ..conv.clone() };
                number(out, &as_pointer, &field, i128::from(n as u64), Radix::Hex);
            }
            None => pad(out, &field, BAD),
        },
        "c" => match int_of(value) {
            Some(n) => pad(out, &field, &[n as u8]),
            None => pad(out, &field, BAD),
        },
        "gr" => match int_of(value) {
            Some(n) => pad(out, &field, gfp::text(n as u64, &format.gfp).as_bytes()),
            None => pad(out, &field, BAD),
        },
        "r" | "rx" | "rh" => buffer(out, conv.conv, &field, value, trailer),
        "s" => {
            let bytes = text::to_bytes(value, Place::Value, trailer);
            let n = field.precision.unwrap_or(bytes.len()).min(bytes.len());
            pad(out, &field, &bytes[..n]);
        }
        _ => pad(out, &field, BAD),
    }
}

fn count<'a>(c: Count, args: &mut impl Iterator<Item = &'a Value>) -> i128 {
    match c {
        Count::Fixed(n) => i128::from(n).min(PAD_BYTES_MAX),
        Count::Arg => {
            let n = args.next().and_then(int_of).unwrap_or(0);
            // As in C, it is an `int`.
            i128::from(n as i32).clamp(-PAD_BYTES_MAX, PAD_BYTES_MAX)
        }
    }
}

/// The number in a value, sign included.
fn int_of(v: &Value) -> Option<i128> {
    match v {
        Value::Bool(b) => Some(i128::from(*b)),
        Value::Int(n) => Some(i128::from(*n)),
        Value::Uint(n) | Value::Ptr(n) | Value::Ksym(n) | Value::CgroupPath(n) | Value::Username(n) => {
            Some(i128::from(*n))
        }
        Value::Usym { addr, .. } => Some(i128::from(*addr)),
        Value::Enum { value, .. } => Some(i128::from(*value)),
        Value::Avg(s) => int_of(&s.average()),
        Value::None
        | Value::Str { .. }
        | Value::Buf(_)
        | Value::Inet(_)
        | Value::Mac(_)
        | Value::Stack(_)
        | Value::Timestamp { .. }
        | Value::Text(_)
        | Value::Array(_)
        | Value::Tuple(_)
        | Value::Record(_)
        | Value::Hist(_)
        | Value::Series(_)
        | Value::Stats(_) => None,
    }
}

/// The C cast that a length modifier stands for; 32 bits without one.
fn cast(n: i128, length: &str, signed: bool) -> i128 {
    match (length, signed) {
        ("hh", true) => i128::from(n as i8),
        ("hh", false) => i128::from(n as u8),
        ("h", true) => i128::from(n as i16),
        ("h", false) => i128::from(n as u16),
        ("", true) => i128::from(n as i32),
        ("", false) => i128::from(n as u32),
        (_, true) => i128::from(n as i64),
        (_, false) => i128::from(n as u64),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Radix {
    Decimal,
    Octal,
    Hex,
    HexUpper,
}

fn unsigned(out: &mut Vec<u8>, conv: &Conv, field: &Field, value: &Value, radix: Radix) {
    match int_of(value) {
        Some(n) => {
            let without_sign = Conv { plus: false, ..conv.clone() };
            number(out, &without_sign, field, cast(n, conv.length, false), radix);
        }
        None => pad(out, field, BAD),
    }
}

/// A number as C's printf shows it.
fn number(out: &mut Vec<u8>, conv: &Conv, field: &Field, n: i128, radix: Radix) {
    let sign = match n < 0 {
        true => "-",
        false if conv.plus => "+",
        false => "",
    };
    let magnitude = n.unsigned_abs();
    let (prefix, digits) = match radix {
        Radix::Decimal => ("", magnitude.to_string()),
        Radix::Octal => ("0", format!("{magnitude:o}")),
        Radix::Hex => ("0x", format!("{magnitude:x}")),
        Radix::HexUpper => ("0X", format!("{magnitude:X}")),
    };
    // The zero in front of an octal number is a digit like those that a precision asks for.
    let has_zero = radix == Radix::Octal && field.precision.is_some_and(|p| p > digits.len());
    let prefix = if conv.alt && n != 0 && !has_zero { prefix } else { "" };
    let n_fixed = sign.len() + prefix.len();
    let n_digits = match field.precision {
        Some(p) => p,
        None if field.zero && !field.left => field.width.saturating_sub(n_fixed),
        None => 0,
    };
    let mut text = Vec::with_capacity(n_fixed + n_digits.max(digits.len()));
    text.extend(sign.as_bytes());
    text.extend(prefix.as_bytes());
    text.resize(n_fixed + n_digits.saturating_sub(digits.len()), b'0');
    text.extend(digits.as_bytes());
    pad(out, field, &text);
}

/// Fills up to the field's width with blanks.
fn pad(out: &mut Vec<u8>, field: &Field, text: &[u8]) {
    let n_blank = field.width.saturating_sub(text.len());
    if !field.left {
        out.resize(out.len() + n_blank, b' ');
    }
    out.extend(text);
    if field.left {
        out.resize(out.len() + n_blank, b' ');
    }
}

/// `%r` escapes what is not printable, `%rx` everything; `%rh` is pairs of digits. Precision limits the bytes.
fn buffer(out: &mut Vec<u8>, conv: &str, field: &Field, value: &Value, trailer: &str) {
    let bytes = match value {
        Value::Buf(bytes) | Value::Str { bytes, .. } => bytes.clone(),
        other => text::to_bytes(other, Place::Value, trailer),
    };
    let bytes = &bytes[..field.precision.unwrap_or(bytes.len()).min(bytes.len())];
    let mut text = Vec::new();
    match conv {
        "r" => text::escaped(&mut text, bytes),
        "rx" => hex(&mut text, bytes, "\\x", ""),
        _ => hex(&mut text, bytes, "", " "),
    }
    pad(out, field, &text);
}

fn hex(out: &mut Vec<u8>, bytes: &[u8], before: &str, between: &str) {
    for (i, b) in bytes.iter().enumerate() {
        let between = if i > 0 { between } else { "" };
        if write!(out, "{between}{before}{b:02x}").is_err() {
            crate::bug!("writing to memory failed");
        }
    }
}

#[cfg(test)]
mod tests;
