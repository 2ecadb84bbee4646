//! `@m = count()` and its like.

use super::args::Slots;
use super::infer::Firm;
use super::{Checker, convert, hir};
use crate::base::Span;
use crate::lang::aggs::{self, AggRow};
use crate::syntax::ast;

/// A call as written.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    pub args: &'a [ast::Arg],
    pub span: Span,
}

/// The aggregation that an expression calls.
pub fn of(e: &ast::Expr) -> Option<(&'static AggRow, Written<'_>)> {
    let ast::ExprKind::Call { name, args } = &e.kind else { return None };
    aggs::find(&name.name).map(|row| (row, Written { args, span: e.span }))
}

impl Checker<'_> {
    /// `@m[k] = f(…)`
    pub fn aggregate(
        &mut self,
        name: &str,
        key: Option<&[ast::Expr]>,
        at: Span,
        agg: &'static AggRow,
        call: Written<'_>,
    ) -> Option<hir::StmtKind> {
        let entry = self.map_entry(name, key, at);
        let slots = self.slots(agg.name, agg.params, call.args, call.span)?;
        let mut cx = Slots { cx: self, span: call.span, slots };
        let ty = (agg.check)(&mut cx)?;
        let args = cx.slots.into_iter().map(|s| s.into_expr()).collect::<Option<Vec<_>>>()?;
        let (map, key) = entry?;
        // For messages, the call is a value of its type.
        let value = hir::Expr { ty: ty.clone(), ..convert::error(call.span) };
        self.add_value(map, &ty, Firm::Yes, &value)?;
        Some(hir::StmtKind::Aggregate { map, key, agg, args })
    }

    /// An aggregation that is not assigned to a map.
    pub fn stray_aggregation(&mut self, agg: &AggRow, span: Span) -> hir::Expr {
        let message = format!("{}() is assigned to a map and stands nowhere else", agg.name);
        let hint = format!("write @name = {}(…)", agg.name);
        self.diags.aggregation(span, message, Some(hint));
        convert::error(span)
    }
}
