//! The bare words of a script: what its C definitions may have to say something of.

use crate::syntax::ast::{Expr, ExprKind, Item, TypeExpr, TypeKind};
use crate::syntax::visit::{self, Visitor};
use std::collections::BTreeSet;

/// Words by what they can mean.
#[derive(Debug, Default)]
pub struct Words {
    /// After `struct`, `union` and `enum`.
    pub tags: BTreeSet<String>,
    /// Names of types.
    pub types: BTreeSet<String>,
    /// Names of values and functions.
    pub values: BTreeSet<String>,
    pub fields: BTreeSet<String>,
}

/// Those of all items.
pub fn of(items: &[Item]) -> Words {
    let mut words = Words::default();
    items.iter().for_each(|item| words.item(item));
    words
}

impl Visitor for Words {
    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Ident(name) => drop(self.values.insert(name.clone())),
            ExprKind::Call { name, .. } => drop(self.values.insert(name.name.clone())),
            ExprKind::Field { name, .. } => drop(self.fields.insert(name.name.clone())),
            _ => {}
        }
        visit::walk_expr(self, e);
    }
    fn ty(&mut self, t: &TypeExpr) {
        match &t.kind {
            TypeKind::Name(name) => drop(self.types.insert(name.clone())),
            TypeKind::Struct(name) | TypeKind::Union(name) | TypeKind::Enum(name) => {
                self.tags.insert(name.clone());
            }
            _ => {}
        }
        visit::walk_type(self, t);
    }
}
