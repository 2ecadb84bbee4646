//! Integers of C with their types.
//!
//! Always holds: a value fits its type, which is `int`, `unsigned`, `long` or `unsigned long` of LP64.

/// An integer and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Sign- or zero-extended from its width.
    v: i64,
    is_long: bool,
    is_unsigned: bool,
}

impl Value {
    /// An `int`, or a `long` if it needs one.
    pub fn int(v: i64) -> Value {
        Value { v, is_long: i64::from(v as i32) != v, is_unsigned: false }
    }

    /// A `size_t`.
    pub fn size(v: i64) -> Value {
        Value { v, is_long: true, is_unsigned: true }
    }

    /// The type that C gives a literal: the first of its row that holds it.
    pub fn literal(text: &str) -> Option<Value> {
        let bare = text.trim_end_matches(['u', 'U', 'l', 'L']);
        let suffix = text[bare.len()..].to_ascii_lowercase();
        let (digits, radix) = match (bare.get(..2), bare.strip_prefix('0')) {
            (Some("0x" | "0X"), _) => (&bare[2..], 16),
            (Some("0b" | "0B"), _) => (&bare[2..], 2),
            (_, Some(octal)) if !octal.is_empty() => (octal, 8),
            _ => (bare, 10),
        };
        let v = u64::from_str_radix(digits, radix).ok()?;
        let may_be_unsigned = radix != 10;
        let is_long = suffix.contains('l')
            || v > u64::from(u32::MAX)
            || v > i32::MAX as u64 && !suffix.contains('u') && !may_be_unsigned;
        let top = if is_long { i64::MAX as u64 } else { i32::MAX as u64 };
        let is_unsigned = suffix.contains('u') || v > top;
        Some(Value { v: v as i64, is_long, is_unsigned })
    }

    /// All its bits; what is above `i64::MAX` comes out negative.
    pub fn as_i64(self) -> i64 {
        self.v
    }

    /// Whether [`Self::as_i64`] is to be read as unsigned.
    pub fn is_u64(self) -> bool {
        self.is_long && self.is_unsigned
    }

    pub fn is_true(self) -> bool {
        self.v != 0
    }

    /// With 64 bits and its sign.
    pub fn widened(self) -> Value {
        Value { is_long: true, ..self }
    }

    /// A literal where all integers have 64 bits.
    pub fn wide_literal(text: &str) -> Option<Value> {
        let value = Value::literal(text)?;
        Some(Value { is_unsigned: text.ends_with(['u', 'U']) || value.v < 0, ..value.widened() })
    }

    /// As a value of its type.
    fn fit(self) -> Value {
        let v = match (self.is_long, self.is_unsigned) {
            (true, _) => self.v,
            (false, true) => i64::from(self.v as u32),
            (false, false) => i64::from(self.v as i32),
        };
        Value { v, ..self }
    }

    /// As a value of another integer type, which is then promoted.
    pub fn cast(self, bits: u8, is_signed: bool) -> Value {
        let v = match (bits, is_signed) {
            (8, true) => i64::from(self.v as i8),
            (8, false) => i64::from(self.v as u8),
            (16, true) => i64::from(self.v as i16),
            (16, false) => i64::from(self.v as u16),
            (32, true) => i64::from(self.v as i32),
            (32, false) => i64::from(self.v as u32),
            _ => self.v,
        };
        Value { v, is_long: bits > 32, is_unsigned: !is_signed && bits >= 32 }
    }

    /// Both as their common type.
    pub fn usual(self, other: Value) -> (Value, Value) {
        let is_long = self.is_long || other.is_long;
        let counts = |v: Value| v.is_unsigned && v.is_long == is_long;
        let is_unsigned = counts(self) || counts(other);
        (Value { is_long, is_unsigned, ..self }.fit(), Value { is_long, is_unsigned, ..other }.fit())
    }

    pub fn negated(self) -> Value {
        Value { v: self.v.wrapping_neg(), ..self }.fit()
    }

    pub fn inverted(self) -> Value {
        Value { v: !self.v, ..self }.fit()
    }

    /// `None` for a division by zero.
    pub fn apply(self, op: &str, right: Value) -> Option<Value> {
        match op {
            "<<" => return Some(Value { v: self.v.wrapping_shl(right.v as u32), ..self }.fit()),
            ">>" if self.is_u64() => {
                return Some(Value { v: (self.v as u64).wrapping_shr(right.v as u32) as i64, ..self });
            }
            ">>" => return Some(Value { v: self.v.wrapping_shr(right.v as u32), ..self }.fit()),
            _ => {}
        }
        let (a, b) = self.usual(right);
        let (l, r, is_u64) = (a.v, b.v, a.is_u64());
        let less = |x: i64, y: i64| if is_u64 { (x as u64) < y as u64 } else { x < y };
        let v = match op {
            "||" => return Some(Value::int(i64::from(self.is_true() || right.is_true()))),
            "&&" => return Some(Value::int(i64::from(self.is_true() && right.is_true()))),
            "==" => return Some(Value::int(i64::from(l == r))),
            "!=" => return Some(Value::int(i64::from(l != r))),
            "<" => return Some(Value::int(i64::from(less(l, r)))),
            "<=" => return Some(Value::int(i64::from(!less(r, l)))),
            ">" => return Some(Value::int(i64::from(less(r, l)))),
            ">=" => return Some(Value::int(i64::from(!less(l, r)))),
            "|" => l | r,
            "^" => l ^ r,
            "&" => l & r,
            "+" => l.wrapping_add(r),
            "-" => l.wrapping_sub(r),
            "*" => l.wrapping_mul(r),
            "/" | "%" if r == 0 => return None,
            "/" if is_u64 => (l as u64 / r as u64) as i64,
            "%" if is_u64 => (l as u64 % r as u64) as i64,
            "/" => l.wrapping_div(r),
            "%" => l.wrapping_rem(r),
            other => crate::bug!("{other} is no operator of a level"),
        };
        Some(Value { v, ..a }.fit())
    }
}
