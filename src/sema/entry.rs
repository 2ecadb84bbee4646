//! `entry(e)` in a probe on a return: what `e` was when that call began.
//!
//! Comes in: the tree after `expand`. Goes out: a tree in which such a clause has another before it, on the matching
//! entries, that keeps the values, and reads them itself. Always holds: a return whose entry was not seen runs
//! nothing. Values are kept by thread and place on its stack, so that calls within calls have each their own; a
//! system call, of which a thread has one at a time, keeps them in a variable of the thread where the kernel has
//! such. Where `entry()` cannot be it is left as it is, and its row says why.

use crate::base::{SourceMap, Span};
use crate::image::Storage;
use crate::lang::builtins;
use crate::lang::probes::{self, Provider};
use crate::syntax::ast::{
    ApPart, Arg, AttachPoint, BinOp, Block, Expr, ExprKind, Ident, If, Item, Probe, Script, Stmt, StmtKind,
};
use crate::syntax::visit::{self, Visitor, VisitorMut};
use crate::world::World;

/// How the names of such maps start, which no script can write.
pub const MAP_PREFIX: &str = "entry() ";
/// The variable that holds what was kept.
const KEPT: &str = "entry()";
/// Calls that are going on at the same time, and the same where a value is large.
pub const CALLS_MAX: u32 = 16 << 10;
pub const LARGE_CALLS_MAX: u32 = 4 << 10;
/// Values up to this are not large.
pub const SMALL_BYTES_MAX: u32 = 128;

/// A map that keeps values from entry to return.
#[derive(Clone, Debug)]
pub struct Keep {
    /// Without its `@`.
    pub name: String,
    pub storage: Storage,
    /// The first `entry()` that it serves.
    pub span: Span,
}

/// The script without `entry()`; `None` if it has none. `n_before` numbers of maps are taken.
pub fn without(
    script: &Script,
    sources: &SourceMap,
    world: &dyn World,
    n_before: u32,
) -> Option<(Script, Vec<Keep>)> {
    let has_calls = |i: &Item| matches!(i, Item::Probe(p) if !calls_of(p).is_empty());
    // A function of the script of that name is meant before ours.
    let is_theirs = |i: &Item| matches!(i, Item::Func(f) if f.name.name == "entry");
    if !script.items.iter().any(has_calls) || script.items.iter().any(is_theirs) {
        return None;
    }
    let (mut items, mut keeps) = (Vec::new(), Vec::new());
    for item in &script.items {
        let Item::Probe(probe) = item else {
            items.push(item.clone());
            continue;
        };
        let name = format!("{MAP_PREFIX}{}", n_before as usize + keeps.len());
        let mut probe = probe.clone();
        if let Some(keep) = split(&mut probe, name, sources, world, &mut items) {
            keeps.push(keep);
        }
        items.push(Item::Probe(probe));
    }
    let (shebang, comments) = (script.shebang, script.comments.clone());
    Some((Script { shebang, items, comments }, keeps))
}

/// Replaces the calls in a clause; pushes the clause that keeps their values, if they need one.
fn split(
    probe: &mut Probe,
    name: String,
    sources: &SourceMap,
    world: &dyn World,
    items: &mut Vec<Item>,
) -> Option<Keep> {
    let calls = calls_of(probe);
    let span = *calls.first()?;
    let (points, kinds): (Vec<_>, Vec<_>) =
        probe.points.iter().map(entry_of).collect::<Option<Vec<_>>>()?.into_iter().unzip();
    // A trampoline has the arguments still as they were.
    let is_direct = kinds.iter().all(|k| *k == Provider::Fexit);
    let mut replacer = Replacer { sources, is_direct, kept: Vec::new() };
    replacer.probe(probe);
    let kept = replacer.kept;
    if kept.is_empty() {
        return None;
    }
    let is_one_a_thread = kinds.iter().all(|k| *k == Provider::Tracepoint);
    let storage = match is_one_a_thread && crate::world::has_task_storage(world) {
        true => Storage::Thread,
        false => Storage::LruHash,
    };
    let place = Place { name: name.clone(), storage, span };
    items.push(Item::Probe(Probe {
        name: None,
        points,
        pred: probe.pred.as_ref().and_then(of_process),
        body: place.block(vec![StmtKind::Assign {
            target: place.element(),
            op: None,
            value: packed(kept, span),
        }]),
        span: probe.span,
    }));
    place.read_first(probe);
    Some(Keep { name, storage, span })
}

/// The attach point of the entries that belong to returns.
fn entry_of(point: &AttachPoint) -> Option<(AttachPoint, Provider)> {
    let mut entry = point.clone();
    let kind = probes::find(&point.parts.first()?.text)?.provider;
    let name = match kind {
        Provider::Kretprobe => "kprobe",
        Provider::Uretprobe => "uprobe",
        Provider::Fexit => "fentry",
        Provider::Tracepoint => {
            let event: &mut ApPart = entry.parts.last_mut()?;
            event.text = format!("sys_enter{}", event.text.strip_prefix("sys_exit")?);
            "tracepoint"
        }
        _ => return None,
    };
    entry.parts.first_mut()?.text = name.to_owned();
    Some((entry, kind))
}

/// The places of the calls of `entry()`, the outermost ones.
fn calls_of(probe: &Probe) -> Vec<Span> {
    struct Calls(Vec<Span>);
    impl Visitor for Calls {
        fn expr(&mut self, e: &Expr) {
            match argument_of(e) {
                Some(_) => self.0.push(e.span),
                None => visit::walk_expr(self, e),
            }
        }
    }
    let mut calls = Calls(Vec::new());
    calls.probe(probe);
    calls.0
}

fn argument_of(e: &Expr) -> Option<&Expr> {
    match &e.kind {
        ExprKind::Call { name, args } if name.name == "entry" => match args.as_slice() {
            [Arg::Expr(e)] => Some(e),
            _ => None,
        },
        _ => None,
    }
}

/// Puts reads of what was kept in the place of calls.
struct Replacer<'a> {
    sources: &'a SourceMap,
    is_direct: bool,
    kept: Vec<Expr>,
}

impl VisitorMut for Replacer<'_> {
    fn expr(&mut self, e: &mut Expr) {
        let Some(argument) = argument_of(e).cloned() else { return visit::walk_expr_mut(self, e) };
        if self.is_direct && is_argument(&argument) {
            *e = argument;
            return;
        }
        let known = self.kept.iter().position(|k| self.is_same(k, &argument));
        let index = known.unwrap_or_else(|| {
            self.kept.push(argument);
            self.kept.len() - 1
        });
        let (span, kept) = (e.span, Expr { kind: ExprKind::Var(KEPT.into()), span: e.span });
        e.kind = ExprKind::TupleIndex { e: Box::new(kept), index: index as u64, index_span: span };
    }
}

impl Replacer<'_> {
    /// Whether both are written the same; what macros made may be something else in the same words.
    fn is_same(&self, a: &Expr, b: &Expr) -> bool {
        let is_plain = |s: Span| s == Span { origin: Span::none().origin, ..s };
        is_plain(a.span) && is_plain(b.span) && self.sources.text(a.span) == self.sources.text(b.span)
    }
}

/// `args.x`, `arg0`
fn is_argument(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Field { e, .. } => matches!(&e.kind, ExprKind::Ident(name) if name == "args"),
        ExprKind::Ident(name) => builtins::arg_number(name).is_some(),
        _ => false,
    }
}

/// What of a predicate holds at the entry already if it holds at the return: conditions on the process and
/// thread alone.
fn of_process(pred: &Expr) -> Option<Expr> {
    if is_of_process(pred) {
        return Some(pred.clone());
    }
    let ExprKind::Binary { op: BinOp::LogAnd, l, r, op_span } = &pred.kind else { return None };
    match (of_process(l), of_process(r)) {
        (Some(l), Some(r)) => {
            let kind = ExprKind::Binary { op: BinOp::LogAnd, l: l.into(), r: r.into(), op_span: *op_span };
            Some(Expr { kind, span: pred.span })
        }
        (one, other) => one.or(other),
    }
}

fn is_of_process(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Int(_) | ExprKind::Bool(_) => true,
        ExprKind::Ident(name) => matches!(name.as_str(), "pid" | "tid"),
        ExprKind::Unary { e, .. } => is_of_process(e),
        ExprKind::Binary { l, r, .. } => is_of_process(l) && is_of_process(r),
        _ => false,
    }
}

/// Several values as one.
fn packed(values: Vec<Expr>, span: Span) -> Expr {
    Expr { kind: ExprKind::Tuple(values), span }
}

/// Where values are kept.
struct Place {
    name: String,
    storage: Storage,
    span: Span,
}

impl Place {
    fn expr(&self, kind: ExprKind) -> Expr {
        Expr { kind, span: self.span }
    }

    fn ident(&self, name: &str) -> Ident {
        Ident { name: name.into(), span: self.span }
    }

    /// Thread and place on its stack; a variable of the thread needs none.
    fn key(&self) -> Option<Vec<Expr>> {
        let word = |name: &str| self.expr(ExprKind::Ident(name.into()));
        let names = [builtins::THREAD, builtins::FRAME];
        (self.storage != Storage::Thread).then(|| names.map(word).into())
    }

    /// `@m[k]`
    fn element(&self) -> Expr {
        self.expr(ExprKind::Map { name: self.name.clone(), key: self.key() })
    }

    fn block(&self, kinds: Vec<StmtKind>) -> Block {
        let stmts = kinds.into_iter().map(|kind| Stmt { kind, span: self.span }).collect();
        Block { stmts, tail: None, span: self.span }
    }

    /// `f / p / { b }` becomes `f { $kept = @m[k]; if (delete(@m, k)) { if (p) { b } } }`.
    fn read_first(&self, probe: &mut Probe) {
        let map = self.expr(ExprKind::Map { name: self.name.clone(), key: None });
        let key = self.key().map(|parts| Arg::Expr(self.expr(ExprKind::Tuple(parts))));
        let args = std::iter::once(Arg::Expr(map)).chain(key).collect();
        let was_there = self.expr(ExprKind::Call { name: self.ident("delete"), args });
        let target = self.expr(ExprKind::Var(KEPT.into()));
        let body = std::mem::replace(&mut probe.body, self.block(Vec::new()));
        let body = match probe.pred.take() {
            Some(pred) => self.block(vec![self.when(pred, body)]),
            None => body,
        };
        probe.body = self.block(vec![
            StmtKind::Assign { target, op: None, value: self.element() },
            self.when(was_there, body),
        ]);
    }

    fn when(&self, cond: Expr, then: Block) -> StmtKind {
        StmtKind::If(If { comptime: false, cond: Box::new(cond), then, els: None, span: self.span })
    }
}
