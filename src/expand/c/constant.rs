//! Constant expressions of C: in `#if`, sizes of arrays, values of enumerators, widths of bit fields.
//!
//! Always holds: brackets and operators nest `DEPTH_MAX` deep at most; arithmetic wraps at 64 bits.

use super::lex::{Kind, Token};
use crate::base::Span;

const DEPTH_MAX: u32 = 100;

/// What is wrong, and where.
pub type Bad = (Span, String);

/// What words mean.
pub trait Env {
    fn value(&mut self, name: &str) -> Option<i64>;
    /// The size that the tokens between the brackets of `sizeof(…)` mean.
    fn size_of(&mut self, tokens: &[Token]) -> Option<i64>;
}

/// The value of all of `tokens`; `at` is the place of the whole.
pub fn evaluate(tokens: &[Token], at: Span, env: &mut dyn Env) -> Result<i64, Bad> {
    let mut p = Parser { tokens, pos: 0, at, env };
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

impl Parser<'_> {
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

    fn conditional(&mut self, depth: u32) -> Result<i64, Bad> {
        if depth > DEPTH_MAX {
            return Err((self.here(), "nested too deeply".into()));
        }
        let cond = self.binary(0, depth)?;
        if !self.eat("?") {
            return Ok(cond);
        }
        let then = self.conditional(depth + 1)?;
        self.want(":")?;
        let els = self.conditional(depth + 1)?;
        Ok(if cond != 0 { then } else { els })
    }

    fn binary(&mut self, level: usize, depth: u32) -> Result<i64, Bad> {
        let Some(ops) = LEVELS.get(level) else { return self.unary(depth) };
        let mut left = self.binary(level + 1, depth)?;
        while let Some(&op) = ops.iter().find(|op| self.peek().is_some_and(|t| t.is(op))) {
            let at = self.here();
            self.pos += 1;
            let right = self.binary(level + 1, depth)?;
            left = apply(op, left, right).ok_or((at, "division by zero".to_owned()))?;
        }
        Ok(left)
    }

    fn unary(&mut self, depth: u32) -> Result<i64, Bad> {
        if depth > DEPTH_MAX {
            return Err((self.here(), "nested too deeply".into()));
        }
        let Some(t) = self.tokens.get(self.pos) else {
            return Err((self.at, "a constant is missing here".into()));
        };
        self.pos += 1;
        match &t.kind {
            Kind::Number(v) => Ok(*v),
            Kind::Punct("-") => Ok(self.unary(depth + 1)?.wrapping_neg()),
            Kind::Punct("+") => self.unary(depth + 1),
            Kind::Punct("~") => Ok(!self.unary(depth + 1)?),
            Kind::Punct("!") => Ok(i64::from(self.unary(depth + 1)? == 0)),
            Kind::Punct("(") => {
                let value = self.conditional(depth + 1)?;
                self.want(")")?;
                Ok(value)
            }
            Kind::Word(w) if w == "sizeof" => self.size_of(t.span),
            Kind::Word(w) if w == "KERNEL_VERSION" => self.kernel_version(depth),
            Kind::Word(w) => {
                let unknown = || (t.span, format!("the value of {w} is not known"));
                self.env.value(w).ok_or_else(unknown)
            }
            Kind::Text | Kind::Punct(_) | Kind::Other => Err((t.span, "a constant is wanted here".into())),
        }
    }

    fn size_of(&mut self, at: Span) -> Result<i64, Bad> {
        self.want("(")?;
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
        let inner = &self.tokens[from..self.pos - 1];
        self.env.size_of(inner).ok_or((at, "the size of this is not known".into()))
    }

    fn kernel_version(&mut self, depth: u32) -> Result<i64, Bad> {
        self.want("(")?;
        let a = self.conditional(depth + 1)?;
        self.want(",")?;
        let b = self.conditional(depth + 1)?;
        self.want(",")?;
        let c = self.conditional(depth + 1)?;
        self.want(")")?;
        Ok(a.wrapping_mul(65536).wrapping_add(b.wrapping_mul(256)).wrapping_add(c.min(255)))
    }
}

/// `None` for a division by zero.
fn apply(op: &str, l: i64, r: i64) -> Option<i64> {
    Some(match op {
        "||" => i64::from(l != 0 || r != 0),
        "&&" => i64::from(l != 0 && r != 0),
        "|" => l | r,
        "^" => l ^ r,
        "&" => l & r,
        "==" => i64::from(l == r),
        "!=" => i64::from(l != r),
        "<" => i64::from(l < r),
        "<=" => i64::from(l <= r),
        ">" => i64::from(l > r),
        ">=" => i64::from(l >= r),
        "<<" => l.wrapping_shl(r as u32),
        ">>" => l.wrapping_shr(r as u32),
        "+" => l.wrapping_add(r),
        "-" => l.wrapping_sub(r),
        "*" => l.wrapping_mul(r),
        "/" if r != 0 => l.wrapping_div(r),
        "%" if r != 0 => l.wrapping_rem(r),
        "/" | "%" => return None,
        other => crate::bug!("{other} is no operator of a level"),
    })
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

    #[test]
    fn releases() {
        assert_eq!(version_code("6.12.4-amd64"), Some(0x06_0c_04));
        assert_eq!(version_code("7.0-rc1"), Some(0x07_00_00));
        assert_eq!(version_code("5.10.300"), Some(0x05_0a_ff));
        assert_eq!(version_code("linux"), None);
    }
}
