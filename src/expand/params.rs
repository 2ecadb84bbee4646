//! `$1`, `$2`, …, `$#`: the parameters after the script on the command line.
//!
//! Always holds: a parameter that is a number is an integer, but a string inside `str()`; one that is not given
//! is 0 or empty, with a warning, and an error in an attach point.

use crate::base::{Diag, Diags, Span, codes};
use crate::syntax::ast::{ApPart, Arg, BinOp, Expr, ExprKind, Item, Probe, UnOp};
use crate::syntax::visit::{self, Visitor, VisitorMut};

/// Replaces the parameters in an item.
pub fn replace(item: &mut Item, args: &[String], diags: &mut Diags) {
    let asks_count = asks_count(item);
    Replacer { args, asks_count, diags }.item(item);
}

/// Whether `$#` is compared in it.
fn asks_count(item: &Item) -> bool {
    struct Find(bool);
    impl Visitor for Find {
        fn expr(&mut self, e: &Expr) {
            let is_count = |e: &Expr| matches!(e.kind, ExprKind::PositionalCount);
            self.0 |= matches!(&e.kind, ExprKind::Binary { l, r, .. } if is_count(l) || is_count(r));
            visit::walk_expr(self, e);
        }
    }
    let mut find = Find(false);
    find.item(item);
    find.0
}

struct Replacer<'a> {
    args: &'a [String],
    /// Who asks how many there are knows what to do without one.
    asks_count: bool,
    diags: &'a mut Diags,
}

impl VisitorMut for Replacer<'_> {
    fn probe(&mut self, probe: &mut Probe) {
        for part in probe.points.iter_mut().flat_map(|p| &mut p.parts) {
            if !part.quoted && part.text.contains('$') {
                self.part(part);
            }
        }
        visit::walk_probe_mut(self, probe);
    }

    fn expr(&mut self, e: &mut Expr) {
        let span = e.span;
        match &mut e.kind {
            ExprKind::Positional(n) => {
                let text = self.param(*n, span).unwrap_or("0");
                *e = value_of(text, span);
            }
            ExprKind::Binary { op: op @ (BinOp::Eq | BinOp::Ne), l, r, .. }
                if self.is_text_and_zero(l, r) =>
            {
                e.kind = ExprKind::Bool(*op == BinOp::Ne);
            }
            ExprKind::PositionalCount => e.kind = ExprKind::Int(self.args.len() as u64),
            ExprKind::Call { name, args } if name.name == "str" => {
                if let Some(Arg::Expr(first)) = args.first_mut()
                    && let Some(text) = self.text_of(first)
                {
                    first.kind = ExprKind::Str(text);
                }
                visit::walk_expr_mut(self, e);
            }
            _ => visit::walk_expr_mut(self, e),
        }
    }
}

impl Replacer<'_> {
    /// The parameter, or `None` after a warning.
    fn param(&mut self, n: u32, span: Span) -> Option<&str> {
        let found = (n as usize).checked_sub(1).and_then(|i| self.args.get(i));
        if found.is_none() && !self.asks_count {
            let message = format!("parameter ${n} is not given: it is 0, or empty as a string");
            self.diags.push(Diag::warning(&codes::PARAMETER, span, message));
        }
        found.map(String::as_str)
    }

    /// `$1 == 0` asks whether the parameter is given, also where it is no number.
    fn is_text_and_zero(&self, l: &Expr, r: &Expr) -> bool {
        match (&l.kind, &r.kind) {
            (ExprKind::Positional(n), ExprKind::Int(0)) | (ExprKind::Int(0), ExprKind::Positional(n)) => {
                let given = (*n as usize).checked_sub(1).and_then(|i| self.args.get(i));
                given.is_some_and(|text| matches!(value_of(text, l.span).kind, ExprKind::Str(_)))
            }
            _ => false,
        }
    }

    /// The bytes of `$1` or `$1 + 2` inside `str()`.
    fn text_of(&mut self, e: &Expr) -> Option<Vec<u8>> {
        match &e.kind {
            ExprKind::Positional(n) => Some(self.param(*n, e.span).unwrap_or("").into()),
            ExprKind::Binary { op: BinOp::Add, l, r, .. } => match (&l.kind, &r.kind) {
                (ExprKind::Positional(n), ExprKind::Int(skip)) => {
                    let text = self.param(*n, e.span).unwrap_or("");
                    let from = usize::try_from(*skip).unwrap_or(usize::MAX).min(text.len());
                    Some(text.as_bytes()[from..].to_vec())
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Parameters in a part of an attach point.
    fn part(&mut self, part: &mut ApPart) {
        let mut out = String::new();
        let mut rest = part.text.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            if let Some(after) = after.strip_prefix('#') {
                out.push_str(&self.args.len().to_string());
                rest = after;
                continue;
            }
            match after[..digits].parse::<usize>() {
                Ok(n) if n > 0 => match self.args.get(n - 1) {
                    Some(arg) => out.push_str(arg),
                    None => {
                        let message = format!("the attach point needs parameter ${n}, which is not given");
                        self.diags.push(Diag::error(&codes::PARAMETER_MISSING, part.span, message));
                    }
                },
                _ => out.push_str(&format!("${}", &after[..digits])),
            }
            rest = &after[digits..];
        }
        out.push_str(rest);
        part.text = out;
    }
}

/// A number if the text is one, else a string.
fn value_of(text: &str, span: Span) -> Expr {
    let (is_negative, bare) = match text.strip_prefix('-') {
        Some(bare) => (true, bare),
        None => (false, text),
    };
    match number(bare) {
        Some(n) if is_negative => {
            let e = Box::new(Expr { kind: ExprKind::Int(n), span });
            Expr { kind: ExprKind::Unary { op: UnOp::Neg, e }, span }
        }
        Some(n) => Expr { kind: ExprKind::Int(n), span },
        None => Expr { kind: ExprKind::Str(text.into()), span },
    }
}

/// Decimal, octal or hexadecimal, as C writes it.
fn number(text: &str) -> Option<u64> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}
