//! Walks over a tree.
//!
//! A visitor overrides what it wants to see; what it overrides calls the `walk_*` function of the same name
//! to go on below. Children come in the order of the text. `Visitor` reads, `VisitorMut` may change nodes in
//! place.

use super::ast::*;
use crate::base::Span;

macro_rules! visitor {
    ($(#[$doc:meta])* $Visitor:ident, $iter:ident, $deref:ident
        $walk_item:ident $walk_probe:ident $walk_block:ident $walk_stmt:ident $walk_if:ident $walk_expr:ident
        $walk_arg:ident $walk_type:ident, $($mutability:ident)?) => {
        $(#[$doc])*
        pub trait $Visitor {
            fn item(&mut self, item: &$($mutability)? Item) {
                $walk_item(self, item);
            }
            fn probe(&mut self, probe: &$($mutability)? Probe) {
                $walk_probe(self, probe);
            }
            fn block(&mut self, block: &$($mutability)? Block) {
                $walk_block(self, block);
            }
            fn stmt(&mut self, stmt: &$($mutability)? Stmt) {
                $walk_stmt(self, stmt);
            }
            fn expr(&mut self, expr: &$($mutability)? Expr) {
                $walk_expr(self, expr);
            }
            fn ty(&mut self, ty: &$($mutability)? TypeExpr) {
                $walk_type(self, ty);
            }
        }

        /// Visits what an item holds.
        pub fn $walk_item<V: $Visitor + ?Sized>(v: &mut V, item: &$($mutability)? Item) {
            match item {
                Item::CDef(_) | Item::Import(_) | Item::Error(_) => {}
                Item::Config(c) => c.entries.$iter().for_each(|e| v.expr(&$($mutability)? e.value)),
                Item::MapDecl(d) => d.args.$iter().for_each(|e| v.expr(e)),
                Item::Macro(m) => v.block(&$($mutability)? m.body),
                Item::Func(f) => {
                    f.params.$iter().for_each(|(_, t)| v.ty(t));
                    v.ty(&$($mutability)? f.ret);
                    v.block(&$($mutability)? f.body);
                }
                Item::Probe(p) => v.probe(p),
            }
        }

        /// Visits a probe's predicate and body.
        pub fn $walk_probe<V: $Visitor + ?Sized>(v: &mut V, probe: &$($mutability)? Probe) {
            if let Some(e) = &$($mutability)? probe.pred {
                v.expr(e);
            }
            v.block(&$($mutability)? probe.body);
        }

        /// Visits a block's statements and its value.
        pub fn $walk_block<V: $Visitor + ?Sized>(v: &mut V, block: &$($mutability)? Block) {
            block.stmts.$iter().for_each(|s| v.stmt(s));
            if let Some(e) = &$($mutability)? block.tail {
                v.expr(e);
            }
        }

        /// Visits what a statement holds.
        pub fn $walk_stmt<V: $Visitor + ?Sized>(v: &mut V, stmt: &$($mutability)? Stmt) {
            match &$($mutability)? stmt.kind {
                StmtKind::Expr(e) | StmtKind::Discard(e) | StmtKind::Return(Some(e)) => v.expr(e),
                StmtKind::Let { var: _, ty, init } => {
                    if let Some(t) = ty {
                        v.ty(t);
                    }
                    if let Some(e) = init {
                        v.expr(e);
                    }
                }
                StmtKind::Assign { target, op: _, value } => {
                    v.expr(target);
                    v.expr(value);
                }
                StmtKind::If(i) => $walk_if(v, i),
                StmtKind::While { cond: e, body } | StmtKind::Unroll { count: e, body } => {
                    v.expr(e);
                    v.block(body);
                }
                StmtKind::For { var: _, over, body } => {
                    match over {
                        ForOver::Map(e) => v.expr(e),
                        ForOver::Range { from, to } => {
                            v.expr(from);
                            v.expr(to);
                        }
                    }
                    v.block(body);
                }
                StmtKind::Block(b) => v.block(b),
                StmtKind::Break
                | StmtKind::Continue
                | StmtKind::Return(None)
                | StmtKind::Import(_)
                | StmtKind::Error => {}
            }
        }

        /// Visits the condition and the branches of an `if`.
        pub fn $walk_if<V: $Visitor + ?Sized>(v: &mut V, i: &$($mutability)? If) {
            v.expr(&$($mutability)? i.cond);
            v.block(&$($mutability)? i.then);
            match i.els.$deref() {
                None => {}
                Some(Else::If(i)) => $walk_if(v, i),
                Some(Else::Block(b)) => v.block(b),
            }
        }

        /// Visits what an expression holds.
        pub fn $walk_expr<V: $Visitor + ?Sized>(v: &mut V, expr: &$($mutability)? Expr) {
            match &$($mutability)? expr.kind {
                ExprKind::Int(_)
                | ExprKind::Bool(_)
                | ExprKind::Str(_)
                | ExprKind::Ident(_)
                | ExprKind::Var(_)
                | ExprKind::Map { name: _, key: None }
                | ExprKind::Positional(_)
                | ExprKind::PositionalCount
                | ExprKind::Error => {}
                ExprKind::Map { name: _, key: Some(es) } | ExprKind::Tuple(es) => {
                    es.$iter().for_each(|e| v.expr(e));
                }
                ExprKind::Unary { op: _, e }
                | ExprKind::IncDec { op: _, fix: _, e }
                | ExprKind::Field { e, name: _, arrow: _ }
                | ExprKind::TupleIndex { e, index: _, index_span: _ }
                | ExprKind::Comptime(e) => v.expr(e),
                ExprKind::Binary { op: _, l, r, op_span: _ } => {
                    v.expr(l);
                    v.expr(r);
                }
                ExprKind::Cond { cond, then, els } => {
                    v.expr(cond);
                    if let Some(e) = then {
                        v.expr(e);
                    }
                    v.expr(els);
                }
                ExprKind::Cast { ty, e } => {
                    v.ty(ty);
                    v.expr(e);
                }
                ExprKind::Index { e, index } => {
                    v.expr(e);
                    v.expr(index);
                }
                ExprKind::Call { name: _, args } => args.$iter().for_each(|a| $walk_arg(v, a)),
                ExprKind::Record(fields) => fields.$iter().for_each(|(_, e)| v.expr(e)),
                ExprKind::If(i) => $walk_if(v, i),
                ExprKind::Block(b) => v.block(b),
            }
        }

        /// Visits the expression or the type that an argument is.
        pub fn $walk_arg<V: $Visitor + ?Sized>(v: &mut V, arg: &$($mutability)? Arg) {
            match arg {
                Arg::Expr(e) => v.expr(e),
                Arg::Type(t) => v.ty(t),
            }
        }

        /// Visits the types and expressions that a type holds.
        pub fn $walk_type<V: $Visitor + ?Sized>(v: &mut V, ty: &$($mutability)? TypeExpr) {
            match &$($mutability)? ty.kind {
                TypeKind::Name(_)
                | TypeKind::Struct(_)
                | TypeKind::Union(_)
                | TypeKind::Enum(_)
                | TypeKind::Error => {}
                TypeKind::Ptr(t) | TypeKind::Array(t, _) => v.ty(t),
                TypeKind::Tuple(ts) => ts.$iter().for_each(|t| v.ty(t)),
                TypeKind::Record(fields) => fields.$iter().for_each(|(_, t)| v.ty(t)),
                TypeKind::Typeof(a) => $walk_arg(v, a),
            }
        }
    };
}

visitor!(
    /// Reads a tree.
    Visitor, iter, as_deref
    walk_item walk_probe walk_block walk_stmt walk_if walk_expr walk_arg walk_type,
);

visitor!(
    /// Changes a tree in place.
    VisitorMut, iter_mut, as_deref_mut
    walk_item_mut walk_probe_mut walk_block_mut walk_stmt_mut walk_if_mut walk_expr_mut walk_arg_mut walk_type_mut,
    mut
);

/// The places that an expression itself names, without those of what it holds.
pub fn places_of_expr(expr: &mut Expr, see: &mut dyn FnMut(&mut Span)) {
    see(&mut expr.span);
    match &mut expr.kind {
        ExprKind::Binary { op_span: span, .. } | ExprKind::TupleIndex { index_span: span, .. } => see(span),
        ExprKind::Field { name, .. } | ExprKind::Call { name, .. } => see(&mut name.span),
        ExprKind::Record(fields) => fields.iter_mut().for_each(|(name, _)| see(&mut name.span)),
        ExprKind::If(i) => places_of_if(i, see),
        _ => {}
    }
}

/// The places that a statement itself names, without those of what it holds.
pub fn places_of_stmt(stmt: &mut Stmt, see: &mut dyn FnMut(&mut Span)) {
    see(&mut stmt.span);
    match &mut stmt.kind {
        StmtKind::Let { var, .. } | StmtKind::For { var, .. } => see(&mut var.span),
        StmtKind::If(i) => places_of_if(i, see),
        StmtKind::Import(i) => see(&mut i.span),
        _ => {}
    }
}

fn places_of_if(i: &mut If, see: &mut dyn FnMut(&mut Span)) {
    see(&mut i.span);
    if let Some(Else::If(next)) = i.els.as_deref_mut() {
        places_of_if(next, see);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::FileId;
    use crate::syntax::parse::parse;

    const TEXT: &str = "config = { a = $1 } let @m = hash($2); macro m(x) { $3 + x }
        fn f($a : typeof($4)) : uint8 { return $5; }
        kprobe:f /$6/ { let $x : typeof($7) = $8; @y[$9, ($10, $11)] += ($12 ? $13 : $14 ?: $15);
            if $16 { $17 } else if $18 { $19; } else { $20 } while $21 { _ = $22; } for ($i : $23..$24) { @[$25]++ }
            for ($k : @m) { g($26, struct x, typeof($27)) } unroll($28) { { $29 } } (typeof($30))$31[$32].a.0;
            (a = $33, b = -$34); comptime $35; $x = if $36 { $37 } else { $38 }; { $39 } }";

    struct Positions(Vec<u32>);
    impl Visitor for Positions {
        fn expr(&mut self, e: &Expr) {
            if let ExprKind::Positional(n) = e.kind {
                self.0.push(n);
            }
            walk_expr(self, e);
        }
    }

    struct Raise;
    impl VisitorMut for Raise {
        fn expr(&mut self, e: &mut Expr) {
            if let ExprKind::Positional(n) = &mut e.kind {
                *n += 100;
            }
            walk_expr_mut(self, e);
        }
    }

    #[test]
    fn every_place_is_visited_in_order() {
        let (mut script, diags) = parse(FileId(0), TEXT);
        assert!(diags.list.is_empty(), "{:?}", diags.list);
        let seen = |script: &Script| {
            let mut v = Positions(Vec::new());
            script.items.iter().for_each(|i| v.item(i));
            v.0
        };
        assert_eq!(seen(&script), (1..=39).collect::<Vec<u32>>());
        script.items.iter_mut().for_each(|i| Raise.item(i));
        assert_eq!(seen(&script), (101..=139).collect::<Vec<u32>>());
    }
}
