//! How often a clause of a prompt runs, counted by its own programs.
//!
//! Always holds: it is counted once a run, after the predicate; the map cannot be named by a script.

use super::{Checker, hir};
use crate::base::Span;
use crate::image::maps::{HITS, Storage};
use crate::lang::aggs;
use crate::ty::{AggKind, Ty};

/// The map of the counts.
pub fn map() -> hir::Map {
    hir::Map {
        name: HITS.into(),
        key: None,
        value: Ty::Agg { kind: AggKind::Count, signed: true },
        storage: Storage::PercpuArray,
        max_entries: 1,
        span: Span::none(),
    }
}

/// Counts a run at the start of a body, where that is wanted.
pub fn count(cx: &Checker, body: &mut hir::Block) {
    let Some(map) = cx.maps.find(HITS) else { return };
    let agg = aggs::row(AggKind::Count);
    let kind = hir::StmtKind::Aggregate { map, key: None, agg, args: Vec::new() };
    body.stmts.insert(0, hir::Stmt { kind, span: body.span });
}
