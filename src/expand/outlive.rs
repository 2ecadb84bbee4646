//! Variables that are used after the block that assigns them.
//!
//! Until 2024 a variable lived as long as its probe, and scripts of that time assign one in the branches of an `if`
//! and print it after that. Always holds: such a variable is declared at the start of its body, with a warning; a
//! script that needs no such declaration stays as it is, and what `let` declares ends with its block.

use super::substitute::shown;
use crate::base::{Diag, Diags, Span, codes};
use crate::syntax::ast::{Block, Expr, ExprKind, ForOver, Ident, Item, Stmt, StmtKind};
use crate::syntax::visit::{self, Visitor};
use std::collections::{BTreeMap, BTreeSet};

/// Declares what outlives its block.
pub fn declare(item: &mut Item, diags: &mut Diags) {
    let mut finder = Finder::default();
    finder.item(item);
    let body = match item {
        Item::Probe(p) => &mut p.body,
        Item::Func(f) => &mut f.body,
        _ => return,
    };
    let Finder { late, declared, .. } = finder;
    let late: Vec<Late> = late.into_iter().filter(|l| !declared.contains(&l.name)).collect();
    let [first, ..] = &late[..] else { return };
    let names: Vec<String> = late.iter().map(|l| format!("${}", shown(&l.name))).collect();
    let lets: Vec<String> = names.iter().map(|n| format!("let {n};")).collect();
    let message = format!("used after the block that assigns it: {}", names.join(", "));
    let d = Diag::warning(&codes::OUTLIVES, first.assigned, message).note(first.used, "used here");
    diags.push(d.hint(format!("put before the block: {}", lets.join(" "))));
    let declarations = late.into_iter().map(|l| Stmt {
        kind: StmtKind::Let { var: Ident { name: l.name, span: l.assigned }, ty: None, init: None },
        span: l.assigned,
    });
    body.stmts.splice(0..0, declarations);
}

/// A variable that outlives its block.
struct Late {
    name: String,
    assigned: Span,
    used: Span,
}

#[derive(Default)]
struct Finder {
    /// Names in reach and where they were first assigned, if without `let`; innermost block last.
    scopes: Vec<BTreeMap<String, Option<Span>>>,
    /// Assigned in blocks that have ended.
    ended: BTreeMap<String, Span>,
    late: Vec<Late>,
    /// Names that some `let` or loop declares.
    declared: BTreeSet<String>,
}

impl Finder {
    fn is_in_reach(&self, name: &str) -> bool {
        self.scopes.iter().any(|s| s.contains_key(name))
    }

    fn enter(&mut self, name: &str, assigned: Option<Span>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), assigned);
        }
        if assigned.is_none() {
            self.declared.insert(name.to_owned());
        }
    }

    fn read(&mut self, name: &str, used: Span) {
        if self.is_in_reach(name) {
            return;
        }
        if let Some(&assigned) = self.ended.get(name) {
            self.late.push(Late { name: name.to_owned(), assigned, used });
            if let Some(outermost) = self.scopes.first_mut() {
                outermost.insert(name.to_owned(), None);
            }
        }
    }
}

impl Visitor for Finder {
    fn item(&mut self, item: &Item) {
        self.scopes.push(BTreeMap::new());
        if let Item::Func(f) = item {
            f.params.iter().for_each(|(p, _)| self.enter(&p.name, None));
        }
        visit::walk_item(self, item);
    }

    fn block(&mut self, block: &Block) {
        self.scopes.push(BTreeMap::new());
        visit::walk_block(self, block);
        for (name, assigned) in self.scopes.pop().into_iter().flatten() {
            if let Some(assigned) = assigned {
                self.ended.entry(name).or_insert(assigned);
            }
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { var, .. } => {
                visit::walk_stmt(self, stmt);
                self.enter(&var.name, None);
            }
            StmtKind::Assign { target: Expr { kind: ExprKind::Var(name), span }, op: None, value } => {
                self.expr(value);
                if !self.is_in_reach(name) {
                    self.enter(name, Some(*span));
                }
            }
            StmtKind::For { var, over, body } => {
                match over {
                    ForOver::Map(e) => self.expr(e),
                    ForOver::Range { from, to } => {
                        self.expr(from);
                        self.expr(to);
                    }
                }
                self.scopes.push(BTreeMap::new());
                self.enter(&var.name, None);
                self.block(body);
                self.scopes.pop();
            }
            _ => visit::walk_stmt(self, stmt),
        }
    }

    fn expr(&mut self, e: &Expr) {
        if let ExprKind::Var(name) = &e.kind {
            self.read(name, e.span);
        }
        visit::walk_expr(self, e);
    }
}
