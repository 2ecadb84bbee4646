//! Constant expressions of C: in `#if`, sizes of arrays, values of enumerators, widths of bit fields.
//!
//! Always holds: brackets and operators nest `DEPTH_MAX` deep at most; a value wraps at the width of its type; what
//! `?:`, `&&` and `||` leave out may divide by zero.

use super::lex::{Kind, Token};
use super::number::Value;
use crate::base::Span;

const DEPTH_MAX: u32 = 100;

/// What is wrong, and where.
pub type Bad = (Span, String);

/// What words mean.
pub trait Env {
    fn value(&mut self, name: &str) -> Option<i64>;
    /// The size that the tokens between the brackets of `sizeof(…)` mean.
    fn size_of(&mut self, tokens: &[Token]) -> Option<i64>;
    /// The alignment that the tokens between the brackets of `_Alignof(…)` mean.
    fn align_of(&mut self, _tokens: &[Token]) -> Option<i64> {
        None
    }
    /// Bits and sign of the type that the tokens between brackets name, if they name one.
    fn cast(&mut self, _tokens: &[Token]) -> Option<(u8, bool)> {
        None
    }
    /// As in `#if`: all integers have 64 bits.
    fn is_wide(&self) -> bool {
        false
    }
}

/// The value of all of `tokens`; `at` is the place of the whole.
pub fn evaluate(tokens: &[Token], at: Span, env: &mut dyn Env) -> Result<i64, Bad> {
    typed(tokens, at, env).map(|v| v.as_i64())
}

/// As [`evaluate`], with the type of the value.
pub fn typed(tokens: &[Token], at: Span, env: &mut dyn Env) -> Result<Value, Bad> {
    let mut p = Parser { tokens, pos: 0, at, env, n_unused: 0 };
    let value = p.conditional(0)?;
    match p.peek() {
        None => Ok(value),
        Some(t) => Err((t.span, "this constant expression is not understood from here".into())),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    pos: usize,
    at: Span,
    env: &'a mut dyn Env,
    /// Operands around the place whose values do not count.
    n_unused: u32,
}

/// Operators by rising precedence.
const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<", "<=", ">", ">="],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.pos)
    }

    fn here(&self) -> Span {
        self.peek().map_or(self.at, |t| t.span)
    }

    fn eat(&mut self, punct: &str) -> bool {
        let hit = self.peek().is_some_and(|t| t.is(punct));
        self.pos += usize::from(hit);
        hit
    }

    fn want(&mut self, punct: &str) -> Result<(), Bad> {
        if self.eat(punct) { Ok(()) } else { Err((self.here(), format!("{punct} is missing here"))) }
    }

    /// Reads an operand, whose value counts if `counts`.
    fn operand<T>(
        &mut self,
        counts: Counts,
        read: impl FnOnce(&mut Self) -> Result<T, Bad>,
    ) -> Result<T, Bad> {
        let n = u32::from(counts == Counts::No);
        self.n_unused += n;
        let value = read(self);
        self.n_unused -= n;
        value
    }

    fn conditional(&mut self, depth: u32) -> Result<Value, Bad> {
        if depth > DEPTH_MAX {
            return Err((self.here(), "nested too deeply".into()));
        }
        let cond = self.binary(0, depth)?;
        if !self.eat("?") {
            return Ok(cond);
        }
        let then = self.operand(Counts::of(cond.is_true()), |p| p.conditional(depth + 1))?;
        self.want(":")?;
        let els = self.operand(Counts::of(!cond.is_true()), |p| p.conditional(depth + 1))?;
        let (then, els) = then.usual(els);
        Ok(if cond.is_true() { then } else { els })
    }

    fn binary(&mut self, level: usize, depth: u32) -> Result<Value, Bad> {
        let Some(ops) = LEVELS.get(level) else { return self.unary(depth) };
        let mut left = self.binary(level + 1, depth)?;
        while let Some(&op) = ops.iter().find(|op| self.peek().is_some_and(|t| t.is(op))) {
            let at = self.here();
            self.pos += 1;
            let counts = match op {
                "||" => Counts::of(!left.is_true()),
                "&&" => Counts::of(left.is_true()),
                _ => Counts::Yes,
            };
            let right = self.operand(counts, |p| p.binary(level + 1, depth))?;
            left = match left.apply(op, right) {
                Some(v) => v,
                None if self.n_unused > 0 => Value::int(0),
                None => return Err((at, "division by zero".to_owned())),
            };
        }
        Ok(left)
    }

    fn unary(&mut self, depth: u32) -> Result<Value, Bad> {
        if depth > DEPTH_MAX {
            return Err((self.here(), "nested too deeply".into()));
        }
        let Some(t) = self.tokens.get(self.pos) else {
            return Err((self.at, "a constant is missing here".into()));
        };
        self.pos += 1;
        match &t.kind {
            Kind::Number(text) => self.literal(text, t.span),
            Kind::Punct("-") => Ok(self.unary(depth + 1)?.negated()),
            Kind::Punct("+") => self.unary(depth + 1),
            Kind::Punct("~") => Ok(self.unary(depth + 1)?.inverted()),
            Kind::Punct("!") => Ok(Value::int(i64::from(!self.unary(depth + 1)?.is_true()))),
            Kind::Punct("(") => self.bracket(depth),
            Kind::Word(w) => self.word(w, t.span, depth),
            Kind::Text | Kind::Punct(_) | Kind::Other => Err((t.span, "a constant is wanted here".into())),
        }
    }

    fn literal(&self, text: &str, at: Span) -> Result<Value, Bad> {
        let value = if self.env.is_wide() { Value::wide_literal(text) } else { Value::literal(text) };
        value.ok_or_else(|| (at, "an integer is wanted here".to_owned()))
    }

    fn word(&mut self, word: &str, at: Span, depth: u32) -> Result<Value, Bad> {
        match word {
            "__extension__" => self.unary(depth + 1),
            "sizeof" | "_Alignof" | "__alignof__" | "__alignof" | "alignof" => self.measure(word, at),
            "KERNEL_VERSION" => self.kernel_version(depth),
            _ => {
                let value = self.env.value(word).map(Value::int);
                let value = value.ok_or_else(|| (at, format!("the value of {word} is not known")))?;
                Ok(if self.env.is_wide() { value.widened() } else { value })
            }
        }
    }

    /// After `(`: a cast, or an expression in brackets.
    fn bracket(&mut self, depth: u32) -> Result<Value, Bad> {
        let from = self.pos;
        let is_named = self.peek().is_some_and(|t| t.word().is_some());
        if is_named && let Ok(inner) = self.up_to_close(self.at) {
            if let Some((bits, is_signed)) = self.env.cast(inner) {
                return Ok(self.unary(depth + 1)?.cast(bits, is_signed));
            }
            self.pos = from;
        }
        let value = self.conditional(depth + 1)?;
        self.want(")")?;
        Ok(value)
    }

    /// The tokens up to the bracket that closes the one before; goes on after it.
    fn up_to_close(&mut self, at: Span) -> Result<&'a [Token], Bad> {
        let from = self.pos;
        let mut depth = 1;
        while depth > 0 {
            match self.peek() {
                Some(t) if t.is("(") => depth += 1,
                Some(t) if t.is(")") => depth -= 1,
                Some(_) => {}
                None => return Err((at, "( without its )".into())),
            }
            self.pos += 1;
        }
        Ok(&self.tokens[from..self.pos - 1])
    }

    /// After `sizeof` or `_Alignof`.
    fn measure(&mut self, word: &str, at: Span) -> Result<Value, Bad> {
        self.want("(")?;
        let inner = self.up_to_close(at)?;
        let n = match word {
            "sizeof" => self.env.size_of(inner).ok_or((at, "the size of this is not known".into())),
            _ => self.env.align_of(inner).ok_or((at, "the alignment of this is not known".into())),
        };
        n.map(Value::size)
    }

    fn kernel_version(&mut self, depth: u32) -> Result<Value, Bad> {
        self.want("(")?;
        let a = self.conditional(depth + 1)?.as_i64();
        self.want(",")?;
        let b = self.conditional(depth + 1)?.as_i64();
        self.want(",")?;
        let c = self.conditional(depth + 1)?.as_i64();
        self.want(")")?;
        let code = a.wrapping_mul(65536).wrapping_add(b.wrapping_mul(256)).wrapping_add(c.min(255));
        Ok(Value::int(code).widened())
    }
}

/// Whether the value of an operand matters.
#[derive(Clone, Copy, PartialEq)]
enum Counts {
    Yes,
    No,
}

impl Counts {
    fn of(counts: bool) -> Counts {
        if counts { Counts::Yes } else { Counts::No }
    }
}

/// `6.12.4-amd64` as `KERNEL_VERSION(6, 12, 4)`.
pub fn version_code(release: &str) -> Option<i64> {
    let number = |part: Option<&str>| {
        let part = part?;
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse::<i64>().ok()
    };
    let mut parts = release.splitn(3, '.');
    let (major, minor) = (number(parts.next())?, number(parts.next())?);
    let patch = number(parts.next()).unwrap_or(0);
    Some(major * 65536 + minor * 256 + patch.min(255))
}

#[cfg(test)]
mod tests {
    use super::version_code;
    use crate::expand::c_value_of;

    #[test]
    fn releases() {
        assert_eq!(version_code("6.12.4-amd64"), Some(0x06_0c_04));
        assert_eq!(version_code("7.0-rc1"), Some(0x07_00_00));
        assert_eq!(version_code("5.10.300"), Some(0x05_0a_ff));
        assert_eq!(version_code("linux"), None);
    }

    #[test]
    fn values_have_the_types_of_c() {
        for (text, want) in [
            ("~0U", Some(0xffff_ffff)),
            ("~0", Some(-1)),
            ("~0UL >> 63", Some(1)),
            ("-1 < 0U", Some(0)),
            ("-1 < 0", Some(1)),
            ("-1L < 0U", Some(1)),
            ("0x80000000", Some(0x8000_0000)),
            ("2147483647 + 1U", Some(0x8000_0000)),
            ("1 << 31", Some(-0x8000_0000)),
            ("1U << 31", Some(0x8000_0000)),
            ("-8 / 3u", Some(0x5555_5552)),
            ("-8 >> 1", Some(-4)),
            ("'a' + '\\n' + '\\x10'", Some(97 + 10 + 16)),
            ("0 && 1 / 0", Some(0)),
            ("1 || 1 % 0", Some(1)),
            ("1 ? 2 : 1 / 0", Some(2)),
            ("1 / 0", None),
            ("1.5", None),
            ("0777", Some(511)),
            ("0b101", Some(5)),
            ("10ULL", Some(10)),
            ("08", None),
        ] {
            assert_eq!(c_value_of(text, &mut |_| None), want, "{text}");
        }
    }
}
