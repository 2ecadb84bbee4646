//! The diagnostics of the syntax: one constructor each; `unexpected` words what the parser did not expect.

mod unexpected;

pub use unexpected::unexpected;

use super::ast::{Expr, ExprKind};
use crate::base::codes;
use crate::base::{Diag, Diags, Span};

/// More errors than this in one text are not looked for.
pub const ERRORS_MAX: usize = 50;

/// Adds a diagnostic, unless there are so many that nobody reads them: a text of a million mistakes must not
/// make a million messages.
pub fn push(diags: &mut Diags, d: Diag) {
    if diags.list.len() < 2 * ERRORS_MAX {
        diags.push(d);
    }
}

pub fn unclosed_string(diags: &mut Diags, span: Span) {
    let d =
        Diag::error(&codes::UNTERMINATED, span, "unterminated string").label("no closing `\"` on this line");
    push(diags, d.hint("close it with `\"`; write a line break as \\n"));
}

pub fn unclosed_comment(diags: &mut Diags, span: Span) {
    let start = Span { hi: span.lo + 2, ..span };
    push(
        diags,
        Diag::error(&codes::UNTERMINATED, start, "unterminated comment")
            .label("no `*/` follows")
            .hint("close it with `*/`"),
    );
}

pub fn char_literal(diags: &mut Diags, span: Span, text: &str) {
    let (message, hint) = match text.starts_with('\'') {
        true => (
            "single quotes mean nothing here",
            "write a string in double quotes, or a character as its number",
        ),
        false => ("curly quotes mean nothing here", "use the plain quote `\"`"),
    };
    push(diags, Diag::error(&codes::BAD_TOKEN, span, message).hint(hint));
}

pub fn bad_bytes(diags: &mut Diags, span: Span, text: &str) {
    let shown: String = text.chars().take(8).flat_map(|c| c.escape_debug()).collect();
    let d = Diag::error(&codes::BAD_TOKEN, span, format!("unexpected `{shown}`"));
    let hint = match text.chars().next() {
        Some('‘' | '’') => Some("use plain double quotes"),
        Some('–' | '—' | '−') => Some("use the plain minus `-`"),
        Some('#') => Some("preprocessor lines stand outside blocks, before the probes"),
        Some('$') => Some("a variable is `$` and a name: $x"),
        Some('\u{a0}') => Some("this is a no-break space: type a plain one"),
        _ => None,
    };
    push(
        diags,
        match hint {
            Some(h) => d.hint(h),
            None => d,
        },
    );
}

pub fn too_deep(diags: &mut Diags, span: Span) {
    let d = Diag::error(&codes::TOO_DEEP, span, "nested too deeply or too many operators in one expression");
    push(diags, d.hint("split it into several statements with variables between them"));
}

pub fn missing_semi(diags: &mut Diags, span: Span) {
    push(diags, Diag::error(&codes::SYNTAX, span, "expected `;`").label("`;` is missing after this"));
}

pub fn map_name(diags: &mut Diags, span: Span, name: &str) {
    let d = Diag::error(&codes::BAD_TOKEN, span, "a map's name cannot start with a digit");
    push(diags, d.hint(format!("write @_{name}, or @[{name}] if you mean a key")));
}

pub fn positional(diags: &mut Diags, span: Span, text: &str) {
    let message = format!("`{text}` is no positional parameter");
    push(
        diags,
        Diag::error(&codes::NUMBER, span, message).hint("they are $1, $2 and so on; $# is their number"),
    );
}

pub fn float(diags: &mut Diags, span: Span) {
    let d = Diag::error(&codes::NUMBER, span, "there are no floating-point numbers");
    push(diags, d.hint("use a smaller unit, such as 1500ms for 1.5s"));
}

pub fn tuple_index(diags: &mut Diags, span: Span, text: &str) {
    let d = Diag::error(&codes::NUMBER, span, format!("`{text}` is no index of a tuple"));
    push(diags, d.hint("an index is a plain decimal number, from 0"));
}

pub fn open_predicate(diags: &mut Diags, open: Span, at: Span) {
    let d = Diag::error(&codes::UNCLOSED, at, "expected `/` to close the predicate");
    push(diags, d.note(open, "the predicate starts here").hint("a predicate is /condition/ before `{`"));
}

pub fn unclosed_item(diags: &mut Diags, open: Span, suspect: Option<(Span, Span)>) {
    let mut d = Diag::error(&codes::UNCLOSED, open, "unclosed `{`").label("no `}` closes this");
    if let Some((o, c)) = suspect {
        d = d.note(o, "perhaps this one is meant,").note(c, "since this `}` is indented differently");
    }
    push(diags, d.hint("add the missing `}`"));
}

pub fn unclosed_definition(diags: &mut Diags, open: Span) {
    push(diags, Diag::error(&codes::UNCLOSED, open, "unclosed `{`").label("no `}` closes this definition"));
}

pub fn assign_target(diags: &mut Diags, target: &Expr) {
    let d = Diag::error(&codes::ASSIGN_TARGET, target.span, "invalid assignment target");
    let d = d.label(format!("{} cannot be assigned", describe(&target.kind)));
    push(
        diags,
        match target.kind {
            ExprKind::Binary { .. } | ExprKind::Unary { .. } | ExprKind::Cond { .. } => {
                d.hint("assign to a $variable or a @map; compare with `==`")
            }
            _ => d.hint("assign to a $variable or a @map"),
        },
    );
}

pub fn inc_dec_target(diags: &mut Diags, e: &Expr) {
    let d = Diag::error(&codes::ASSIGN_TARGET, e.span, "increment and decrement need a variable or a map");
    push(diags, d.label(format!("{} cannot be changed", describe(&e.kind))));
}

pub fn assign_in_condition(diags: &mut Diags, between: Span) {
    let d = Diag::error(&codes::SYNTAX, between, "`=` in a condition");
    push(diags, d.label("this would assign").hint("compare with `==`"));
}

pub fn order(diags: &mut Diags, span: Span, what: &str) {
    push(diags, Diag::error(&codes::ORDER, span, format!("{what} must appear before probes and functions")));
}

pub fn late_definition(diags: &mut Diags, span: Span) {
    push(
        diags,
        Diag::error(&codes::ORDER, span, "C definitions must appear before config, imports and probes"),
    );
}

pub fn second_config(diags: &mut Diags, span: Span, first: Span) {
    let d = Diag::error(&codes::ORDER, span, "duplicate config block").note(first, "the first is here");
    push(diags, d.hint("put all settings into one block"));
}

pub fn too_many(diags: &mut Diags, span: Span) {
    diags.list.truncate(ERRORS_MAX);
    push(
        diags,
        Diag::error(&codes::TOO_MANY, span, "too many syntax errors; the rest of the text was not read"),
    );
}

pub fn too_long(diags: &mut Diags, span: Span) {
    push(diags, Diag::error(&codes::TOO_LONG, span, "the text is longer than 1 GiB"));
}

pub fn lost(diags: &mut Diags, span: Span) {
    push(diags, Diag::error(&codes::SYNTAX, span, "cannot make sense of the text from here on"));
}

fn describe(kind: &ExprKind) -> &'static str {
    match kind {
        ExprKind::Int(_) | ExprKind::Bool(_) | ExprKind::Str(_) => "a literal",
        ExprKind::Positional(_) | ExprKind::PositionalCount => "a positional parameter",
        ExprKind::Call { .. } => "the result of a call",
        ExprKind::Cast { .. } => "the result of a cast",
        ExprKind::Tuple(_) | ExprKind::Record(_) => "a tuple or record",
        ExprKind::Binary { .. }
        | ExprKind::Unary { .. }
        | ExprKind::IncDec { .. }
        | ExprKind::Cond { .. } => "the result of an operator",
        ExprKind::Ident(_)
        | ExprKind::Var(_)
        | ExprKind::Map { .. }
        | ExprKind::Field { .. }
        | ExprKind::TupleIndex { .. }
        | ExprKind::Index { .. }
        | ExprKind::If(_)
        | ExprKind::Block(_)
        | ExprKind::Comptime(_)
        | ExprKind::Error => "this",
    }
}
