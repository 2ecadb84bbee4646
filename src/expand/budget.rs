//! Bounds on what expansion makes: of nodes in all, and of levels.
//!
//! Always holds: a tree that expansion touched is at most `DEPTH_MAX` levels deep, as parsed trees are, for later
//! passes recurse over it; all expansions of a script together insert at most `NODES_MAX` nodes.

use crate::base::{Diag, Diags, Span, codes};
use crate::syntax::ast::{Block, Expr, TypeExpr};
use crate::syntax::retag;
use crate::syntax::visit::{self, Visitor};

pub const DEPTH_MAX: u32 = retag::DEPTH_MAX;
const NODES_MAX: u64 = 200_000;

/// Nodes that may still be inserted.
#[derive(Debug)]
pub struct Budget {
    left: u64,
    has_said: bool,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { left: NODES_MAX, has_said: false }
    }

    /// Whether `n` more nodes may be inserted; what no longer fits ends expansion.
    pub fn take(&mut self, n: u64) -> bool {
        self.left = self.left.saturating_sub(n);
        self.left > 0
    }

    /// Says once that expansion has ended.
    pub fn say(&mut self, span: Span, diags: &mut Diags) {
        if !self.has_said {
            self.has_said = true;
            let message = format!("the script expands to more than {NODES_MAX} nodes of syntax");
            diags.push(Diag::error(&codes::EXPANSION, span, message).label("grew too large here"));
        }
    }
}

/// Levels and nodes of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub depth: u32,
    pub nodes: u64,
}

pub fn of_expr(e: &Expr) -> Size {
    let mut m = Measure::default();
    m.expr(e);
    m.size
}

pub fn of_block(b: &Block) -> Size {
    let mut m = Measure::default();
    m.block(b);
    m.size
}

#[derive(Default)]
struct Measure {
    at: u32,
    size: Size,
}

impl Measure {
    fn level(&mut self, walk: impl FnOnce(&mut Self)) {
        self.at += 1;
        self.size.depth = self.size.depth.max(self.at);
        self.size.nodes += 1;
        walk(self);
        self.at -= 1;
    }
}

impl Visitor for Measure {
    fn expr(&mut self, e: &Expr) {
        self.level(|m| visit::walk_expr(m, e));
    }
    fn block(&mut self, b: &Block) {
        self.level(|m| visit::walk_block(m, b));
    }
    fn ty(&mut self, t: &TypeExpr) {
        self.level(|m| visit::walk_type(m, t));
    }
}

/// Says that what is inserted here makes the tree too deep.
pub fn too_deep(span: Span, diags: &mut Diags) {
    diags.push(Diag::error(&codes::TOO_DEEP, span, "nested too deeply after expansion"));
}
