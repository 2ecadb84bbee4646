//! What a clause reads of its context, by its words alone: this decides how its points are attached.

use crate::lang::builtins::arg_number;
use crate::lang::probes::Uses;
use crate::syntax::ast::{self, Expr, ExprKind};
use crate::syntax::visit::{self, Visitor};

/// Of a clause's predicate and body.
pub fn of(clause: &ast::Probe) -> Uses {
    let mut walk = Walk { uses: Uses { fields: Some(Vec::new()), ..Uses::default() } };
    walk.probe(clause);
    walk.uses
}

struct Walk {
    uses: Uses,
}

impl Walk {
    fn word(&mut self, name: &str) {
        match name {
            // What is more than `args.x` may read anything.
            "args" => (self.uses.args, self.uses.fields) = (true, None),
            "retval" => self.uses.retval = true,
            "probe" => self.uses.probe = true,
            name => {
                let number = arg_number(name);
                self.uses.argn |= number.is_some();
                self.uses.arg_numbers.extend(number);
            }
        }
    }
}

impl Visitor for Walk {
    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Field { e: base, name, .. } if is_args(base) => {
                self.uses.args = true;
                if let Some(fields) = &mut self.uses.fields {
                    fields.push(name.name.clone());
                }
                return;
            }
            ExprKind::Ident(name) => self.word(name),
            ExprKind::Call { name, .. } => self.word(&name.name),
            _ => {}
        }
        visit::walk_expr(self, e);
    }
}

fn is_args(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Ident(name) => name == "args",
        ExprKind::Call { name, args } => name.name == "args" && args.is_empty(),
        _ => false,
    }
}
