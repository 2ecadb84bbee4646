//! Maps that only grow: an entry for each thread, read again and never deleted.
//!
//! Comes in: the tree after `expand`. Goes out: warnings. Always holds: a map that something deletes from, clears or
//! zeroes is not spoken of, nor one that forgets by itself.

use crate::base::diag::{Diag, Diags};
use crate::base::{Span, codes};
use crate::lang::aggs;
use crate::syntax::ast::{self, Expr, ExprKind, Item, Script, Stmt, StmtKind};
use crate::syntax::visit::{self, Visitor};
use std::collections::{BTreeMap, BTreeSet};

/// Functions that take entries out of a map.
const REMOVERS: &[&str] = &["delete", "clear", "zero"];

/// Warns of maps that keep an entry for each thread.
pub fn warn(script: &Script, diags: &mut Diags) {
    let mut seen = Seen::default();
    for item in &script.items {
        if let Item::MapDecl(decl) = item
            && decl.kind.name.contains("lru")
        {
            seen.removed.insert(decl.map.name.clone());
        }
        seen.item(item);
    }
    for (name, span) in &seen.written {
        if seen.read.contains(name) && !seen.removed.contains(name) {
            let message = format!("@{name} keeps an entry for each thread, and nothing deletes it");
            let d = Diag::warning(&codes::MAP_GROWS, *span, message);
            diags.push(d.hint(format!("delete(@{name}, tid) where the value has been used")));
        }
    }
}

#[derive(Default)]
struct Seen {
    /// The first place that writes a value under a thread's number.
    written: BTreeMap<String, Span>,
    read: BTreeSet<String>,
    removed: BTreeSet<String>,
}

impl Visitor for Seen {
    fn stmt(&mut self, s: &Stmt) {
        let StmtKind::Assign { target, op, value } = &s.kind else { return visit::walk_stmt(self, s) };
        let ExprKind::Map { name, key: Some(key) } = &target.kind else { return visit::walk_stmt(self, s) };
        let is_aggregation =
            matches!(&value.kind, ExprKind::Call { name, .. } if aggs::find(&name.name).is_some());
        if let ([part], None, false) = (key.as_slice(), op, is_aggregation)
            && is_thread(part)
        {
            self.written.entry(name.clone()).or_insert(target.span);
        }
        key.iter().for_each(|k| self.expr(k));
        self.expr(value);
    }

    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Map { name, key: Some(_) } => {
                self.read.insert(name.clone());
            }
            ExprKind::Call { name, args } if REMOVERS.contains(&name.name.as_str()) => {
                if let Some(ast::Arg::Expr(Expr { kind: ExprKind::Map { name, .. }, .. })) = args.first() {
                    self.removed.insert(name.clone());
                }
            }
            _ => {}
        }
        visit::walk_expr(self, e);
    }
}

fn is_thread(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Ident(name) => name == "tid",
        ExprKind::Call { name, args } => name.name == "tid" && args.is_empty(),
        _ => false,
    }
}
