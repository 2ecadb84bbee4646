//! `#define` names to what they stand for.
//!
//! Always holds: a name is replaced where it stands as an expression of its own, as many times as it is met,
//! never inside its own text, and not where it is a macro's parameter.

use super::budget::{self, Budget, DEPTH_MAX};
use super::c::{Define, Defines};
use crate::base::{Diag, Diags, Origin, OriginId, SourceMap, Span, codes};
use crate::lang::{aggs, builtins};
use crate::syntax::ast::{
    Block, Expr, ExprKind, Ident, Item, Macro, MacroParam, Probe, Stmt, TypeExpr, UnOp,
};
use crate::syntax::parse::parse_expr;
use crate::syntax::visit::{self, VisitorMut};

/// Definitions inside one another, at most.
const CHAIN_MAX: usize = 64;

/// Replaces the names in an item.
pub fn replace(
    item: &mut Item,
    defines: &Defines,
    sources: &mut SourceMap,
    budget: &mut Budget,
    diags: &mut Diags,
) {
    if defines.is_empty() {
        return;
    }
    let hidden = match item {
        Item::Macro(m) => m.params.iter().filter_map(word).collect(),
        _ => Vec::new(),
    };
    Replacer { defines, sources, budget, diags, hidden, inside: Vec::new(), depth: 0 }.item(item);
}

/// `#define F(x) (x + 1)` as a macro, if its text is an expression without variables and maps, and no builtin has
/// the name.
pub fn as_macro(define: &Define) -> Option<Macro> {
    let inner = define.text.strip_prefix('(')?;
    let (names, text) = inner.split_once(')')?;
    if builtins::find(&define.name).is_some()
        || aggs::find(&define.name).is_some()
        || text.contains(['$', '@'])
    {
        return None;
    }
    let span = define.span;
    let is_name = |n: &&str| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let names = if names == [""] { Vec::new() } else { names };
    if !names.iter().all(is_name) {
        return None;
    }
    let params = names.iter().map(|n| MacroParam::Expr(Ident { name: (*n).to_owned(), span })).collect();
    let at = span.lo + (define.text.len() - text.len()) as u32;
    let (mut tail, diags) = parse_expr(span.file, text, at);
    if diags.has_errors() {
        return None;
    }
    Tag(span.origin).expr(&mut tail);
    let body = Block { stmts: Vec::new(), tail: Some(Box::new(tail)), span };
    Some(Macro { name: Ident { name: define.name.clone(), span }, params, body, span })
}

/// The bare word that a parameter is.
fn word(p: &MacroParam) -> Option<String> {
    match p {
        MacroParam::Expr(p) => Some(p.name.clone()),
        MacroParam::Var(_) | MacroParam::Map(_) => None,
    }
}

struct Replacer<'a> {
    defines: &'a Defines,
    sources: &'a mut SourceMap,
    budget: &'a mut Budget,
    diags: &'a mut Diags,
    hidden: Vec<String>,
    /// Names whose text is being replaced.
    inside: Vec<String>,
    /// Levels around the place.
    depth: u32,
}

impl VisitorMut for Replacer<'_> {
    fn block(&mut self, b: &mut Block) {
        self.depth += 1;
        visit::walk_block_mut(self, b);
        self.depth -= 1;
    }

    fn expr(&mut self, e: &mut Expr) {
        self.depth += 1;
        match &e.kind {
            ExprKind::Ident(name) => {
                // `#define EPOLLIN EPOLLIN` says that there is an enumerator of that name.
                let is_hit = |d: &&Define| !d.has_params && !d.text.is_empty() && d.text != *name;
                if let Some(define) = self.defines.get(name).filter(is_hit)
                    && !self.hidden.contains(name)
                {
                    self.replace(e, define);
                }
            }
            _ => visit::walk_expr_mut(self, e),
        }
        self.depth -= 1;
    }
}

impl Replacer<'_> {
    fn replace(&mut self, e: &mut Expr, define: &Define) {
        let (span, name) = (e.span, &define.name);
        e.kind = ExprKind::Error;
        if self.inside.contains(name) || self.inside.len() >= CHAIN_MAX {
            let chain = [self.inside.as_slice(), std::slice::from_ref(name)].concat().join(" -> ");
            let message = format!("the definition of {name} leads back to itself: {chain}");
            self.diags.push(Diag::error(&codes::C_LINE, span, message));
            return;
        }
        if let Some(value) = define.value {
            *e = constant(value, span);
            return;
        }
        // Its text is read for each use, which takes its time even where it makes few nodes.
        if !self.budget.take(1 + define.text.len() as u64 / 8) {
            return self.budget.say(span, self.diags);
        }
        let (mut value, diags) = parse_expr(define.span.file, &define.text, define.span.lo);
        if define.is_foreign && diags.has_errors() {
            let message = format!("what {name} stands for is no constant that awl can read");
            let d = Diag::error(&codes::C_LINE, span, message).note(define.span, "it stands for this");
            return self.diags.push(d);
        }
        self.diags.append(diags);
        let size = budget::of_expr(&value);
        if !self.budget.take(size.nodes) {
            return self.budget.say(span, self.diags);
        }
        if self.depth + size.depth > DEPTH_MAX {
            return budget::too_deep(span, self.diags);
        }
        let origin = self.sources.origins.push(Origin { name: name.clone(), used_at: span });
        Tag(origin).expr(&mut value);
        self.inside.push(name.clone());
        self.depth -= 1;
        self.expr(&mut value);
        self.depth += 1;
        self.inside.pop();
        *e = value;
    }
}

/// A constant of a header; the second is whether it is a `u64`.
fn constant((value, is_u64): (i64, bool), span: Span) -> Expr {
    let int = |n: u64| Expr { kind: ExprKind::Int(n), span };
    if value >= 0 || is_u64 {
        return int(value as u64);
    }
    Expr { kind: ExprKind::Unary { op: UnOp::Neg, e: Box::new(int(value.unsigned_abs())) }, span }
}

/// Gives a tree an origin.
pub struct Tag(pub OriginId);

impl VisitorMut for Tag {
    fn item(&mut self, item: &mut Item) {
        let span = match item {
            Item::CDef(d) => &mut d.span,
            Item::Import(i) => &mut i.span,
            Item::Config(c) => {
                c.entries.iter_mut().for_each(|e| e.key.span.origin = self.0);
                &mut c.span
            }
            Item::MapDecl(d) => {
                (d.map.span.origin, d.kind.span.origin) = (self.0, self.0);
                &mut d.span
            }
            Item::Macro(m) => &mut m.name.span,
            Item::Func(f) => &mut f.name.span,
            Item::Probe(p) => &mut p.span,
            Item::Error(span) => span,
        };
        span.origin = self.0;
        visit::walk_item_mut(self, item);
    }
    fn probe(&mut self, p: &mut Probe) {
        for point in &mut p.points {
            point.span.origin = self.0;
            point.parts.iter_mut().for_each(|part| part.span.origin = self.0);
        }
        visit::walk_probe_mut(self, p);
    }
    fn block(&mut self, b: &mut Block) {
        b.span.origin = self.0;
        visit::walk_block_mut(self, b);
    }
    fn stmt(&mut self, s: &mut Stmt) {
        visit::places_of_stmt(s, &mut |span| span.origin = self.0);
        visit::walk_stmt_mut(self, s);
    }
    fn expr(&mut self, e: &mut Expr) {
        visit::places_of_expr(e, &mut |span| span.origin = self.0);
        visit::walk_expr_mut(self, e);
    }
    fn ty(&mut self, t: &mut TypeExpr) {
        t.span.origin = self.0;
        visit::walk_type_mut(self, t);
    }
}
