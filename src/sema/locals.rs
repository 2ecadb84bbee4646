//! Variables: scopes, declarations, their types.
//!
//! Always holds: a name means one variable at a place; a variable's type is what all its assignments need, but
//! what a declaration says is not widened.

use super::infer::{Firm, Slot};
use super::spaces::Pointed;
use super::{Checker, convert, hir, types};
use crate::base::{IndexVec, Span};
use crate::expand::shown;
use crate::lang::builtins;
use crate::lang::traits::Clock;
use crate::syntax::ast;
use crate::ty::Ty;
use hir::LocalId;
use std::collections::{BTreeMap, BTreeSet};

/// What belongs to the body being checked.
pub struct Body {
    locals: IndexVec<LocalId, hir::Local>,
    is_read: Vec<bool>,
    is_assigned: Vec<bool>,
    /// Of the times that variables hold.
    pub clocks: BTreeMap<LocalId, Option<Clock>>,
    /// Names in reach, innermost block last.
    scopes: Vec<BTreeMap<String, LocalId>>,
    /// Loops around the place.
    pub n_loops: u32,
    /// How often the place is repeated by the `unroll`s around it.
    pub n_unrolled: i64,
    /// Names that were looked for in vain, each reported once.
    missed: BTreeSet<String>,
}

impl Default for Body {
    fn default() -> Self {
        Body {
            locals: IndexVec::new(),
            is_read: Vec::new(),
            is_assigned: Vec::new(),
            clocks: BTreeMap::new(),
            scopes: Vec::new(),
            n_loops: 0,
            n_unrolled: 1,
            missed: BTreeSet::new(),
        }
    }
}

impl Body {
    pub fn find(&self, name: &str) -> Option<LocalId> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).copied()
    }

    /// Notes a name that is reported already.
    pub fn miss(&mut self, name: &str) {
        self.missed.insert(name.to_owned());
    }

    /// Whether that was noted of a name.
    pub fn has_missed(&self, name: &str) -> bool {
        self.missed.contains(name)
    }

    pub fn open(&mut self) {
        self.scopes.push(BTreeMap::new());
    }

    pub fn close(&mut self) {
        self.scopes.pop();
    }

    fn names(&self) -> Vec<String> {
        self.scopes.iter().flat_map(BTreeMap::keys).cloned().collect()
    }
}

impl Checker<'_> {
    /// A new variable in the innermost block. Reports one of that name in reach.
    pub fn new_local(&mut self, var: &ast::Ident, declared: Option<Ty>) -> LocalId {
        if let Some(before) = self.body.find(&var.name) {
            let before = self.body.locals[before].span;
            self.diags.redeclared(var.span, &format!("${}", shown(&var.name)), before);
        }
        let key = (self.probe.group, var.span);
        let slot = self.vars.entry(key).or_default();
        if let Some(ty) = declared
            && !slot.is_fixed()
        {
            *slot = Slot::fixed(ty);
        }
        let local = hir::Local { name: shown(&var.name).to_owned(), ty: Ty::Error, span: var.span };
        let id = self.body.locals.push(local);
        self.body.is_read.push(false);
        self.body.is_assigned.push(false);
        if let Some(scope) = self.body.scopes.last_mut() {
            scope.insert(var.name.clone(), id);
        }
        id
    }

    /// A parameter of a function, as far as its calls are known.
    pub fn new_param(&mut self, var: &ast::Ident, slot: Slot) -> LocalId {
        let id = self.new_local(var, None);
        if !slot.ty().is_none_or(|ty| ty.is_error()) {
            *self.var_slot(id) = slot;
        }
        id
    }

    /// What is known of where a declared pointer points.
    pub fn pointed_of(&mut self, id: LocalId) -> Pointed {
        self.var_slot(id).pointed
    }

    fn var_slot(&mut self, id: LocalId) -> &mut Slot {
        let key = (self.probe.group, self.body.locals[id].span);
        self.vars.entry(key).or_default()
    }

    /// The type as far as it is known.
    pub fn local_ty(&mut self, id: LocalId) -> Ty {
        self.var_slot(id).ty().unwrap_or(Ty::Error)
    }

    /// Whether its type is declared.
    pub fn is_declared(&mut self, id: LocalId) -> bool {
        self.var_slot(id).is_fixed()
    }

    pub fn mark_read(&mut self, id: LocalId) {
        self.body.is_read[id.0 as usize] = true;
    }

    /// Notes that something gives the variable a value, whatever comes of it.
    pub fn mark_assigned(&mut self, id: LocalId) {
        self.body.is_assigned[id.0 as usize] = true;
    }

    /// `$x` as a value.
    pub fn read_local(&mut self, name: &str, span: Span) -> hir::Expr {
        let Some(id) = self.body.find(name) else {
            if self.body.missed.insert(name.to_owned()) {
                let known = self.body.names();
                let builtin = builtins::find(name).map(|_| shown(name));
                self.diags.unknown_variable(span, shown(name), known.iter().map(String::as_str), builtin);
            }
            return convert::error(span);
        };
        self.mark_read(id);
        let ty = self.local_ty(id);
        hir::Expr { kind: hir::ExprKind::Local(id), ty, span }
    }

    /// Widens a variable's type for a value, or reports that it cannot be; the value as the variable holds it.
    pub fn fit_local(&mut self, id: LocalId, value: hir::Expr) -> hir::Expr {
        self.mark_assigned(id);
        self.note_clock(id, &value);
        if value.ty.is_error() {
            return value;
        }
        let name = format!("${}", self.body.locals[id].name);
        let have = self.var_slot(id).ty();
        if self.var_slot(id).is_fixed() {
            let pointed = self.var_slot(id).pointed;
            self.var_slot(id).pointed = self.point(&name, pointed, &value);
            let have = have.unwrap_or(Ty::Error);
            return self.fit_declared(&name, &have, value);
        }
        let (ty, firm) = (value.ty.clone(), convert::firm(&value));
        if let Err(clash) = self.var_slot(id).add(&ty, firm, value.span) {
            let first = clash.first.or(Some(self.body.locals[id].span));
            self.mismatch(&name, &value, &clash.have, first);
            return convert::error(value.span);
        }
        let ty = self.local_ty(id);
        if types::loses_sign(&value.ty, &ty) && convert::firm(&value) == Firm::Yes {
            self.diags.signs_mixed(value.span);
        }
        self.convert(value, &ty)
    }

    /// A value for what has a declared type.
    pub fn fit_declared(&mut self, name: &str, have: &Ty, value: hir::Expr) -> hir::Expr {
        if convert::holds(have, &value) {
            return self.convert(value, have);
        }
        if !have.is_error() {
            self.mismatch(name, &value, have, None);
        }
        convert::error(value.span)
    }

    pub fn mismatch(&mut self, what: &str, value: &hir::Expr, have: &Ty, first: Option<Span>) {
        let found = match convert::as_int(value) {
            // What does not fit is the number, not its type.
            Some(n) if have.is_int() && value.ty.is_int() => n.to_string(),
            _ => self.name(&value.ty),
        };
        let have = self.name(have);
        self.diags.type_mismatch(value.span, what, &found, &have, first);
    }

    /// Warns of variables that are not read, and of those that are read and never assigned; these are integers.
    pub fn warn_unused(&mut self) {
        let mut unassigned = Vec::new();
        for (id, local) in self.body.locals.iter_enumerated() {
            let (is_read, is_assigned) =
                (self.body.is_read[id.0 as usize], self.body.is_assigned[id.0 as usize]);
            if !is_assigned {
                unassigned.push(id);
            }
            if self.probe.is_ghost {
                continue;
            }
            if !is_read {
                self.diags.unused_variable(local.span, &local.name);
            } else if !is_assigned {
                self.diags.unassigned_variable(local.span, &local.name);
            }
        }
        for id in unassigned {
            let span = self.body.locals[id].span;
            // What a macro repeats has one type: if that is another one, it stays.
            self.var_slot(id).add(&Ty::I64, Firm::Flexible, span).ok();
        }
    }

    /// The variables with their types of this round.
    pub fn finish_locals(&mut self) -> IndexVec<LocalId, hir::Local> {
        let mut locals = std::mem::take(&mut self.body.locals);
        for local in locals.iter_mut() {
            let slot = self.vars.get(&(self.probe.group, local.span));
            local.ty = slot.and_then(Slot::ty).unwrap_or(Ty::Error);
        }
        locals
    }
}
