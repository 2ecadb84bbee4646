//! What stands beside a type and changes how it lies in memory, or nothing.

use super::declare::{Declarer, Res, fail};
use super::layout::Attrs;
use super::lex::Token;
use crate::base::Span;

/// Words that say nothing about how a value lies in memory.
const IGNORED: &[&str] = &[
    "const",
    "volatile",
    "restrict",
    "__restrict",
    "__restrict__",
    "__const",
    "__const__",
    "__volatile",
    "__volatile__",
    "register",
    "auto",
    "extern",
    "static",
    "inline",
    "__inline",
    "__inline__",
    "__extension__",
    "_Noreturn",
    "_Thread_local",
    "__thread",
    "__user",
    "__kernel",
    "__rcu",
    "__percpu",
    "__iomem",
    "__force",
    "__bitwise",
    "_Atomic",
];

/// Words with a bracket behind them that say nothing either.
const IGNORED_CALLS: &[&str] = &["__asm__", "__asm", "asm", "_Pragma", "__pragma", "__declspec"];

impl Declarer<'_> {
    /// `__attribute__((…))` and its like, if any stand here.
    pub fn attributes(&mut self) -> Res<Attrs> {
        let mut attrs = Attrs::default();
        while let Some(word) = self.word() {
            match word {
                "__packed" => attrs.is_packed = true,
                "typedef" => attrs.is_typedef = true,
                "__attribute__" | "__attribute" => {
                    self.pos += 1;
                    self.attribute(&mut attrs)?;
                    continue;
                }
                "_Alignas" | "alignas" => {
                    self.pos += 1;
                    let at = self.here();
                    let range = self.skip_brackets()?;
                    let tokens = self.tokens.clone();
                    let n = match self.type_of(&tokens[range.clone()]) {
                        Some(laid) => i64::from(laid.align),
                        None => self.constant(&tokens[range], at)?,
                    };
                    attrs.aligned(n, at)?;
                    continue;
                }
                w if IGNORED_CALLS.contains(&w) => {
                    self.pos += 1;
                    if self.is("(") {
                        self.skip_brackets()?;
                    }
                    continue;
                }
                w if IGNORED.contains(&w) => {}
                _ => break,
            }
            self.pos += 1;
        }
        Ok(attrs)
    }

    fn attribute(&mut self, attrs: &mut Attrs) -> Res<()> {
        if !self.is("(") {
            return fail(self.here(), "__attribute__ wants ((…))");
        }
        let range = self.skip_brackets()?;
        let tokens = self.tokens.clone();
        let tokens = &tokens[range];
        for (i, t) in tokens.iter().enumerate() {
            let name = t.word().unwrap_or_default();
            match name.strip_prefix("__").and_then(|w| w.strip_suffix("__")).unwrap_or(name) {
                "packed" => attrs.is_packed = true,
                "aligned" => {
                    let inner = bracket(&tokens[i + 1..]);
                    let n = if inner.is_empty() { 16 } else { self.constant(inner, t.span)? };
                    attrs.aligned(n, t.span)?;
                }
                "vector_size" => {
                    let n = self.constant(bracket(&tokens[i + 1..]), t.span)?;
                    attrs.vector_bytes = u32::try_from(n).ok().filter(|n| n.is_power_of_two());
                }
                "mode" => {
                    let mode = bracket(&tokens[i + 1..]).first().and_then(Token::word).unwrap_or_default();
                    attrs.mode_bytes = match mode.trim_matches('_') {
                        "QI" | "byte" => Some(1),
                        "HI" => Some(2),
                        "SI" | "SF" => Some(4),
                        "DI" | "DF" | "word" | "pointer" => Some(8),
                        "TI" | "TF" | "XF" => Some(16),
                        "TC" | "XC" => Some(32),
                        other => return fail(t.span, format!("there is no mode {other} known here")),
                    };
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Attrs {
    /// As `aligned(n)`.
    fn aligned(&mut self, n: i64, at: Span) -> Res<()> {
        match u32::try_from(n) {
            Ok(0) => {}
            Ok(n) if n.is_power_of_two() && n <= 1 << 28 => self.align = self.align.max(n),
            _ => return fail(at, "an alignment is a power of two up to 2^28"),
        }
        Ok(())
    }
}

/// What stands in the bracket that the tokens start with.
fn bracket(tokens: &[Token]) -> &[Token] {
    if !tokens.first().is_some_and(|t| t.is("(")) {
        return &[];
    }
    let mut depth = 0;
    for (i, t) in tokens.iter().enumerate() {
        depth += i32::from(t.is("(")) - i32::from(t.is(")"));
        if depth == 0 {
            return &tokens[1..i];
        }
    }
    &tokens[1..]
}
