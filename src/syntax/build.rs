//! The grammar's hands: from places of tokens to nodes of the tree.
//!
//! Comes in: places of tokens in the text of one item. Goes out: nodes whose spans cover their text,
//! brackets around an expression included (so `(a)` spans three bytes), and reports of what the grammar
//! lets through: literals out of range, `=` in a condition, targets that cannot be assigned.

use super::ast::*;
use super::retag::Input;
use super::token::{Lexed, Token};
use super::{errors, literal};
use crate::base::{Diag, Diags, Span};
use lalrpop_util::{ErrorRecovery, ParseError};
use std::cell::Cell;

/// What the grammar's start symbol yields.
pub enum Parsed {
    Item(Item),
    Expr(Expr),
}

/// Operands and the operators between them, as written.
pub struct Chain {
    pub first: Expr,
    pub rest: Vec<(BinOp, Span, Expr)>,
}

/// What the actions of the grammar share.
pub struct Cx<'s> {
    pub input: &'s Input<'s>,
    pub tokens: &'s [Lexed],
    pub diags: &'s mut Diags,
    /// How many tokens the parser has taken, and how many it had when it last made a node.
    pub taken: &'s Cell<usize>,
    pub made: &'s Cell<usize>,
    /// How many mistakes were met.
    pub mistakes: &'s Cell<usize>,
}

type Mistake = ErrorRecovery<u32, Token, ()>;

impl<'s> Cx<'s> {
    /// The place in the file of bytes of the text.
    pub fn span(&self, lo: u32, hi: u32) -> Span {
        self.made.set(self.taken.get());
        self.input.span(lo, hi.max(lo))
    }

    fn text(&self, lo: u32, hi: u32) -> &'s str {
        self.input.text.get(lo as usize..hi as usize).unwrap_or("")
    }

    fn lo_of(&self, span: Span) -> u32 {
        span.lo.saturating_sub(self.input.base)
    }

    /// Reports what the parser skipped.
    pub fn bad(&mut self, mistake: Mistake) {
        self.report(&mistake.error);
    }

    /// Reports what the parser met.
    pub fn report(&mut self, error: &ParseError<u32, Token, ()>) {
        self.mistakes.set(self.mistakes.get() + 1);
        errors::unexpected(self.diags, self.input, self.tokens, error);
    }

    /// Reports what the parser skipped, and stands for it.
    pub fn bad_expr(&mut self, mistake: Mistake) -> Expr {
        let (lo, hi) = match &mistake.error {
            ParseError::UnrecognizedToken { token, .. } | ParseError::ExtraToken { token } => {
                (token.0, token.2)
            }
            ParseError::InvalidToken { location } | ParseError::UnrecognizedEof { location, .. } => {
                (*location, *location)
            }
            ParseError::User { .. } => (0, 0),
        };
        self.bad(mistake);
        self.node(ExprKind::Error, lo, hi)
    }

    // Words

    pub fn ident(&self, l: u32, r: u32) -> Ident {
        Ident { name: self.text(l, r).to_owned(), span: self.span(l, r) }
    }

    /// The name after `$` or `@`.
    pub fn after_sigil(&self, l: u32, r: u32) -> Ident {
        Ident { name: self.text(l + 1, r).to_owned(), span: self.span(l, r) }
    }

    pub fn map_name(&mut self, l: u32, r: u32) -> Ident {
        let id = self.after_sigil(l, r);
        if id.name.starts_with(|c: char| c.is_ascii_digit()) {
            errors::map_name(self.diags, id.span, &id.name);
        }
        id
    }

    // Items

    /// An attach point, split at `:` outside quotes.
    pub fn point(&mut self, l: u32, r: u32) -> AttachPoint {
        let text = self.text(l, r);
        let mut parts = Vec::new();
        let (mut part, mut quoted, mut start) = (String::new(), false, 0);
        let mut chars = text.char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                ':' => {
                    let span = self.span(l + start as u32, l + i as u32);
                    parts.push(ApPart { text: std::mem::take(&mut part), quoted, span });
                    (quoted, start) = (false, i + 1);
                }
                '"' => {
                    quoted = true;
                    if !quoted_text(&mut chars, &mut part) {
                        errors::unclosed_string(self.diags, self.input.span(l + i as u32, r));
                    }
                }
                c => part.push(c),
            }
        }
        let span = self.span(l + start as u32, r);
        parts.push(ApPart { text: part, quoted, span });
        AttachPoint { parts, want: Want::Needed, span: self.span(l, r) }
    }

    /// An attach point, whether it may be missing, and what stands in for it then.
    pub fn choice(&self, mark: Want, first: AttachPoint, rest: Vec<AttachPoint>) -> Vec<AttachPoint> {
        let rest = rest.into_iter().map(|p| AttachPoint { want: Want::Instead, ..p });
        std::iter::once(AttachPoint { want: mark, ..first }).chain(rest).collect()
    }

    /// Reports a predicate without its closing slash.
    pub fn open_predicate(&mut self, open: u32, at: u32) {
        let (open, at) = (self.span(open, open + 1), self.span(at, at + 1));
        errors::open_predicate(self.diags, open, at);
    }

    /// The result type of a function; `void` if none is written.
    pub fn ret_type(&self, ty: Option<TypeExpr>, at: u32) -> TypeExpr {
        ty.unwrap_or_else(|| self.ty(TypeKind::Name("void".to_owned()), at, at))
    }

    // Statements

    pub fn stmt(&self, kind: StmtKind, l: u32, r: u32) -> Stmt {
        Stmt { kind, span: self.span(l, r) }
    }

    /// A block. Its last statement becomes its value if it is an expression without `;`, or an `if` with
    /// `else` or a block, all of whose branches have a value.
    pub fn block(&self, mut stmts: Vec<Stmt>, last: Option<Stmt>, l: u32, r: u32) -> Block {
        let span = self.span(l, r);
        let mut tail = None;
        // A `;` after `}` makes a statement of it.
        let ends_in_brace = stmts.last().is_some_and(|s| {
            let after = self.tokens.partition_point(|t| self.input.base + t.lo < s.span.hi);
            self.tokens.get(after).is_some_and(|t| t.kind == Token::RBrace)
        });
        let from_stmts = last.is_none() && ends_in_brace;
        match if from_stmts { stmts.pop() } else { last } {
            Some(Stmt { kind: StmtKind::Expr(e), .. }) if !from_stmts => tail = Some(Box::new(e)),
            Some(Stmt { kind: StmtKind::If(i), span }) if if_has_value(&i) => {
                tail = Some(Box::new(Expr { kind: ExprKind::If(Box::new(i)), span }));
            }
            Some(Stmt { kind: StmtKind::Block(b), span }) if b.tail.is_some() => {
                tail = Some(Box::new(Expr { kind: ExprKind::Block(b), span }));
            }
            other => stmts.extend(other),
        }
        Block { stmts, tail, span }
    }

    pub fn assign(&mut self, target: Expr, op: Option<BinOp>, value: Expr, l: u32, r: u32) -> Stmt {
        let kind = match (&target.kind, op) {
            (ExprKind::Ident(n), None) if n == "_" => StmtKind::Discard(value),
            _ => {
                if !may_be_assigned(&target.kind) {
                    errors::assign_target(self.diags, &target);
                }
                StmtKind::Assign { target, op, value }
            }
        };
        self.stmt(kind, l, r)
    }

    /// An `if`; `if comptime c` makes its condition's `comptime` the statement's.
    pub fn if_(&mut self, cond: Expr, then: Block, els: Option<Else>, l: u32, r: u32) -> If {
        let cond = self.condition(cond);
        let bare = self.text(self.lo_of(cond.span), r).starts_with("comptime");
        let (comptime, cond) = match cond.kind {
            ExprKind::Comptime(e) if bare => (true, e),
            kind => (false, Box::new(Expr { kind, span: cond.span })),
        };
        If { comptime, cond, then, els: els.map(Box::new), span: self.span(l, r) }
    }

    /// Reports `(a = 1)` where a condition stands.
    pub fn condition(&mut self, e: Expr) -> Expr {
        if let ExprKind::Record(fields) = &e.kind
            && let [(name, value)] = fields.as_slice()
        {
            let between = Span { lo: name.span.hi, hi: value.span.lo, ..e.span };
            errors::assign_in_condition(self.diags, between);
            return Expr { kind: ExprKind::Error, span: e.span };
        }
        e
    }

    // Expressions

    pub fn node(&self, kind: ExprKind, l: u32, r: u32) -> Expr {
        Expr { kind, span: self.span(l, r) }
    }

    pub fn ty(&self, kind: TypeKind, l: u32, r: u32) -> TypeExpr {
        TypeExpr { kind, span: self.span(l, r) }
    }

    /// The span of an expression in brackets includes them.
    pub fn parenthesised(&self, e: Expr, l: u32, r: u32) -> Expr {
        Expr { kind: e.kind, span: self.span(l, r) }
    }

    /// A chain and what `?` adds to it. `comptime` before a chain covers all of it.
    pub fn expr(&self, (mut chain, cond): (Chain, Option<(Option<Expr>, Expr)>), l: u32, r: u32) -> Expr {
        if chain.rest.is_empty() && cond.is_none() {
            return chain.first;
        }
        let first = chain.first.span;
        if matches!(chain.first.kind, ExprKind::Comptime(_))
            && self.text(self.lo_of(first), r).starts_with("comptime")
            && let ExprKind::Comptime(e) = chain.first.kind
        {
            chain.first = *e;
            let l_inner = self.lo_of(chain.first.span);
            let inner = self.expr((chain, cond), l_inner, r);
            return self.node(ExprKind::Comptime(Box::new(inner)), l, r);
        }
        let e = climb(chain);
        match cond {
            None => e,
            Some((then, els)) => {
                let (cond, then, els) = (Box::new(e), then.map(Box::new), Box::new(els));
                self.node(ExprKind::Cond { cond, then, els }, l, r)
            }
        }
    }

    pub fn inc_dec(&mut self, op: IncDec, fix: Fix, e: Expr, l: u32, r: u32) -> Expr {
        if !may_be_assigned(&e.kind) {
            errors::inc_dec_target(self.diags, &e);
        }
        self.node(ExprKind::IncDec { op, fix, e: Box::new(e) }, l, r)
    }

    /// `e.0`; the index starts at `il`.
    pub fn tuple_index(&mut self, e: Expr, l: u32, il: u32, r: u32) -> Expr {
        let text = self.text(il, r);
        let index_span = self.span(il, r);
        let is_float = matches!(e.kind, ExprKind::Int(_)) && e.span.hi + 1 == index_span.lo;
        if is_float {
            errors::float(self.diags, e.span.to(index_span));
            return self.node(ExprKind::Error, l, r);
        }
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        let Some(index) = text.parse().ok().filter(|_| plain) else {
            errors::tuple_index(self.diags, index_span, text);
            return self.node(ExprKind::Error, l, r);
        };
        self.node(ExprKind::TupleIndex { e: Box::new(e), index, index_span }, l, r)
    }

    // Literals

    pub fn int(&mut self, l: u32, r: u32) -> Expr {
        match literal::int(self.text(l, r)) {
            Ok(v) => self.node(ExprKind::Int(v), l, r),
            Err(bad) => {
                self.bad_literal(&crate::base::codes::NUMBER, l, bad);
                self.node(ExprKind::Error, l, r)
            }
        }
    }

    /// An integer where no expression can stand; 0 if it is wrong.
    pub fn int_value(&mut self, l: u32, r: u32) -> u64 {
        literal::int(self.text(l, r)).unwrap_or_else(|bad| {
            self.bad_literal(&crate::base::codes::NUMBER, l, bad);
            0
        })
    }

    fn str_bytes(&mut self, l: u32, r: u32) -> Vec<u8> {
        let (bytes, bads) = literal::string(self.text(l, r));
        for bad in bads {
            self.bad_literal(&crate::base::codes::ESCAPE, l, bad);
        }
        bytes
    }

    pub fn str(&mut self, l: u32, r: u32) -> Expr {
        let bytes = self.str_bytes(l, r);
        self.node(ExprKind::Str(bytes), l, r)
    }

    pub fn str_text(&mut self, l: u32, r: u32) -> String {
        String::from_utf8_lossy(&self.str_bytes(l, r)).into_owned()
    }

    fn bad_literal(&mut self, code: &'static crate::base::codes::Code, l: u32, bad: literal::Bad) {
        let span = self.input.span(l + bad.at.start as u32, l + bad.at.end as u32);
        let mut d = Diag::error(code, span, bad.message);
        d.hint = bad.hint.map(str::to_owned);
        errors::push(self.diags, d);
    }

    pub fn positional(&mut self, l: u32, r: u32) -> Expr {
        match self.text(l + 1, r).parse::<u32>() {
            Ok(n) if n > 0 => self.node(ExprKind::Positional(n), l, r),
            _ => {
                errors::positional(self.diags, self.input.span(l, r), self.text(l, r));
                self.node(ExprKind::Error, l, r)
            }
        }
    }
}

/// Appends the text up to the closing quote; false if there is none.
fn quoted_text(chars: &mut std::str::CharIndices<'_>, out: &mut String) -> bool {
    while let Some((_, c)) = chars.next() {
        match c {
            '"' => return true,
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    false
}

/// Every branch ends in a value.
fn if_has_value(i: &If) -> bool {
    let els = match i.els.as_deref() {
        None => false,
        Some(Else::Block(b)) => b.tail.is_some(),
        Some(Else::If(i)) => if_has_value(i),
    };
    els && i.then.tail.is_some()
}

/// What is certainly no place to store to is refused here; what needs types to tell is not.
fn may_be_assigned(e: &ExprKind) -> bool {
    match e {
        ExprKind::Var(_)
        | ExprKind::Map { .. }
        | ExprKind::Ident(_)
        | ExprKind::Field { .. }
        | ExprKind::TupleIndex { .. }
        | ExprKind::Index { .. }
        | ExprKind::Unary { op: UnOp::Deref, .. }
        | ExprKind::Error => true,
        ExprKind::Int(_)
        | ExprKind::Bool(_)
        | ExprKind::Str(_)
        | ExprKind::Positional(_)
        | ExprKind::PositionalCount
        | ExprKind::Unary { .. }
        | ExprKind::IncDec { .. }
        | ExprKind::Binary { .. }
        | ExprKind::Cond { .. }
        | ExprKind::Cast { .. }
        | ExprKind::Call { .. }
        | ExprKind::Tuple(_)
        | ExprKind::Record(_)
        | ExprKind::If(_)
        | ExprKind::Block(_)
        | ExprKind::Comptime(_) => false,
    }
}

/// How tightly an operator binds; a larger number binds tighter.
pub fn precedence(op: BinOp) -> u8 {
    match op {
        BinOp::LogOr => 1,
        BinOp::LogAnd => 2,
        BinOp::Or => 3,
        BinOp::Xor => 4,
        BinOp::And => 5,
        BinOp::Eq | BinOp::Ne | BinOp::Match => 6,
        BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => 7,
        BinOp::Shl | BinOp::Shr => 8,
        BinOp::Add | BinOp::Sub => 9,
        BinOp::Mul | BinOp::Div | BinOp::Rem => 10,
    }
}

/// The tree of a chain: all operators associate to the left. Operands wait on a stack until an operator
/// follows that binds no tighter than the one before them.
fn climb(chain: Chain) -> Expr {
    let mut operands = vec![chain.first];
    let mut ops: Vec<(BinOp, Span)> = Vec::new();
    for (op, span, e) in chain.rest {
        while let Some((top, _)) = ops.last()
            && precedence(*top) >= precedence(op)
        {
            fold_top(&mut operands, &mut ops);
        }
        ops.push((op, span));
        operands.push(e);
    }
    while !ops.is_empty() {
        fold_top(&mut operands, &mut ops);
    }
    operands.pop().unwrap_or_else(|| crate::bug!("an operator chain lost its operands"))
}

fn fold_top(operands: &mut Vec<Expr>, ops: &mut Vec<(BinOp, Span)>) {
    if let (Some((op, op_span)), Some(r), Some(l)) = (ops.pop(), operands.pop(), operands.pop()) {
        let span = l.span.to(r.span);
        let kind = ExprKind::Binary { op, l: Box::new(l), r: Box::new(r), op_span };
        operands.push(Expr { kind, span });
    }
}
