//! `#define` names to what they stand for.
//!
//! Always holds: a name is replaced where it stands as an expression of its own, as many times as it is met, and
//! never inside its own text.

use super::cdefs::Define;
use crate::base::{Diag, Diags, Origin, OriginId, SourceMap, Span, codes};
use crate::syntax::ast::{Expr, ExprKind, Item};
use crate::syntax::parse::parse_expr;
use crate::syntax::visit::{self, VisitorMut};

/// Definitions inside one another, at most.
const DEPTH_MAX: usize = 64;

/// Replaces the names in an item.
pub fn replace(item: &mut Item, defines: &[Define], sources: &mut SourceMap, diags: &mut Diags) {
    if !defines.is_empty() {
        Replacer { defines, sources, diags, inside: Vec::new() }.item(item);
    }
}

struct Replacer<'a> {
    defines: &'a [Define],
    sources: &'a mut SourceMap,
    diags: &'a mut Diags,
    /// Names whose text is being replaced.
    inside: Vec<String>,
}

impl VisitorMut for Replacer<'_> {
    fn expr(&mut self, e: &mut Expr) {
        let ExprKind::Ident(name) = &e.kind else { return visit::walk_expr_mut(self, e) };
        let Some(define) = self.defines.iter().find(|d| d.name == *name && !d.text.is_empty()) else {
            return;
        };
        if self.inside.contains(name) || self.inside.len() >= DEPTH_MAX {
            let chain = [self.inside.as_slice(), std::slice::from_ref(name)].concat().join(" -> ");
            let message = format!("the definition of {name} leads back to itself: {chain}");
            self.diags.push(Diag::error(&codes::C_LINE, e.span, message));
            e.kind = ExprKind::Error;
            return;
        }
        let name = name.clone();
        let (mut value, diags) = parse_expr(define.span.file, &define.text, define.span.lo);
        self.diags.append(diags);
        let origin = self.sources.origins.push(Origin { name: name.clone(), used_at: e.span });
        Tag(origin).expr(&mut value);
        self.inside.push(name);
        self.expr(&mut value);
        self.inside.pop();
        *e = value;
    }
}

/// Gives the expressions of a tree an origin.
struct Tag(OriginId);

impl VisitorMut for Tag {
    fn expr(&mut self, e: &mut Expr) {
        e.span = Span { origin: self.0, ..e.span };
        visit::walk_expr_mut(self, e);
    }
}
