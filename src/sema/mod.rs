//! Syntax tree to checked script: names, types, attach points.
//!
//! Comes in: the tree after `expand`, the machine as a `World`, the settings, the maps that live in the session.
//! Goes out: `hir::Program` and what is wrong. Always holds: without errors every expression has a type, every
//! call is a row, every attach point is concrete, and lowering cannot fail. The program is only whole without
//! errors.
//!
//! Bodies are checked in rounds: what a round learns of variables and maps the next one starts with, until a round
//! learns nothing new. That last round's tree and diagnostics are the result.

mod aggs;
mod args;
mod attach;
mod calls;
mod casts;
mod clocks;
mod convert;
pub mod entry;
mod errors;
mod exprs;
mod fields;
mod flavors;
mod fns;
mod guards;
pub mod hir;
mod hits;
mod infer;
mod kernel;
mod leaks;
mod lints;
mod locals;
mod maps;
mod names;
mod ops;
mod settings;
mod spaces;
mod stmts;
#[cfg(test)]
mod tests;
pub mod types;
mod typexpr;
mod unroll;
mod uses;

use crate::base::codes;
use crate::base::diag::nearest;
use crate::base::{Diag, Diags, IndexVec, Severity, SourceMap, Span};
use crate::expand::Definitions;
use crate::lang::Config;
use crate::lang::probes::{Ctx, Point, ProbeView, Provider};
use crate::lang::traits::{HELP_PARAMETER, ScriptOption};
use crate::syntax::ast;
use crate::ty::{Ty, TypeTable, print};
use crate::world::World;
use attach::Group;
use infer::{ROUNDS_MAX, Slot};
use locals::Body;
use maps::Maps;
use std::collections::{BTreeMap, BTreeSet};

/// More errors than this are not looked for.
const ERRORS_MAX: usize = 50;

/// Checks a whole script. `known` are the maps of the session, which keep their numbers and types; `defs` is what
/// the script defines in C.
pub fn check(
    script: &ast::Script,
    sources: &SourceMap,
    world: &dyn World,
    config: Config,
    known: &[hir::Map],
    defs: &Definitions,
) -> (hir::Program, Diags) {
    let known = match config.count_hits {
        true => &[known, &[hits::map()]].concat(),
        false => known,
    };
    let rewritten = entry::without(script, sources, world, known.len() as u32);
    let (script, keeps) = rewritten.as_ref().map_or((script, &[][..]), |(s, keeps)| (s, keeps));
    let mut cx = Checker::new(sources, world, config, known, defs);
    flavors::settle(&mut cx.types, world, cx.config.for_object);
    keeps.iter().for_each(|keep| cx.declare_keep(keep));
    cx.settings(script);
    cx.items(script);
    let groups = attach::groups(&mut cx, script);
    let mut diags = std::mem::take(&mut cx.diags);
    if !cx.config.session {
        leaks::warn(script, &mut diags);
    }
    let (probes, fns) = cx.rounds(script, &groups, diags.has_errors());
    diags.append(std::mem::take(&mut cx.diags));
    if probes.is_empty() && !diags.has_errors() {
        let d = Diag::error(&codes::NO_PROBES, Span::none(), "the script has no probes to attach");
        diags.push(d.hint("write for example: begin { printf(\"hello\\n\"); }"));
    }
    let maps = cx.finish_maps();
    diags.append(std::mem::take(&mut cx.diags));
    diags.once_a_macro(cx.sources);
    diags.dedup();
    let (may, must) = &cx.optional;
    let optional = may.difference(must).cloned().collect();
    cx.unknown_options(&mut diags);
    let (types, config, options) = (cx.types, cx.config, cx.options);
    let program = hir::Program { types, maps, probes, fns, optional, options, config };
    (program, diags)
}

/// Probes and functions.
type Bodies = (IndexVec<hir::ProbeId, hir::Probe>, IndexVec<hir::FnId, hir::Func>);

/// All that checking works with.
struct Checker<'a> {
    sources: &'a SourceMap,
    world: &'a dyn World,
    /// What the script defines in C.
    defs: &'a Definitions,
    config: Config,
    types: TypeTable,
    /// Of this round.
    diags: Diags,
    maps: Maps,
    /// Types of variables, by probe and by the place of their declaration.
    vars: BTreeMap<(usize, Span), Slot>,
    /// The probe being checked.
    probe: Current,
    body: Body,
    /// The script's functions, by `FnId`.
    fns: Vec<fns::Head>,
    /// Names of attach points that may be missing, and of those that may not.
    optional: (BTreeSet<String>, BTreeSet<String>),
    /// Old spellings that have been told of in this round: each once.
    told: BTreeSet<&'static str>,
    /// Named parameters that the script takes, as this round found them.
    options: Vec<ScriptOption>,
}

/// The probe around what is being checked.
#[derive(Clone, Debug)]
struct Current {
    /// Index of its group.
    group: usize,
    provider: Provider,
    points: Vec<Point>,
    ctx: Ctx,
    /// Its attach points could not be resolved: nothing is known of its context, and nothing is said about it.
    is_ghost: bool,
    /// The function that is checked instead of a probe.
    within: Option<hir::FnId>,
}

impl<'a> Checker<'a> {
    fn new(
        sources: &'a SourceMap,
        world: &'a dyn World,
        config: Config,
        known: &[hir::Map],
        defs: &'a Definitions,
    ) -> Self {
        let probe = Current {
            group: 0,
            provider: Provider::Begin,
            points: Vec::new(),
            ctx: Ctx::None,
            is_ghost: true,
            within: None,
        };
        Checker {
            sources,
            world,
            defs,
            config,
            types: defs.types.clone(),
            diags: Diags::default(),
            maps: Maps::new(known),
            vars: BTreeMap::new(),
            probe,
            body: Body::default(),
            fns: Vec::new(),
            optional: Default::default(),
            told: BTreeSet::new(),
            options: Vec::new(),
        }
    }

    /// What stands between the probes.
    fn items(&mut self, script: &ast::Script) {
        for item in &script.items {
            match item {
                ast::Item::MapDecl(decl) => self.declare_map(decl),
                ast::Item::Func(f) => self.declare_fn(f),
                // Nothing of these is left after `expand`.
                ast::Item::Macro(m) => self.diags.unsupported(m.name.span, "macros are"),
                ast::Item::Import(i) => self.diags.unsupported(i.span, "imports are"),
                ast::Item::CDef(c) => self.diags.unsupported(c.span, "C definitions are"),
                ast::Item::Config(_) | ast::Item::Probe(_) | ast::Item::Error(_) => {}
            }
        }
    }

    /// Checks all bodies until their types are settled. Where errors are known, no type is presumed: what is unknown
    /// may be so by them.
    fn rounds(&mut self, script: &ast::Script, groups: &[Group], has_errors: bool) -> Bodies {
        let mut has_presumed = has_errors;
        for round in 0.. {
            self.diags = Diags::default();
            self.told.clear();
            self.options.clear();
            let mut probes = IndexVec::new();
            for (i, group) in groups.iter().enumerate() {
                if self.is_full() {
                    break;
                }
                let ast::Item::Probe(clause) = &script.items[group.item] else { continue };
                let probe = self.probe_of(i, group, clause);
                if !group.is_ghost {
                    probes.push(probe);
                }
            }
            let fns = self.fn_bodies(script, groups);
            self.report_unassigned();
            // Both are asked: each ends the round for its slots.
            let str_bytes_max = u32::try_from(self.config.max_strlen).unwrap_or(u32::MAX);
            let maps_changed = self.maps.end_round(round, str_bytes_max);
            let vars_changed = self
                .vars
                .values_mut()
                .fold(false, |changed, slot| slot.end_round(round, str_bytes_max) | changed);
            let fns_changed = self.fns.iter_mut().fold(false, |changed, head| head.end_round() | changed);
            let is_settled = !(maps_changed || vars_changed || fns_changed);
            if !is_settled && round == ROUNDS_MAX {
                self.report_unsettled();
            }
            // `let $x; $x += 2` and `@x = @x | 2`: what is known by itself alone is a number.
            if is_settled && !has_presumed && round < ROUNDS_MAX && !self.diags.has_errors() {
                has_presumed = true;
                let presumed = |any, slot: &mut Slot| slot.presume(&Ty::I64) | any;
                let maps_presumed = self.maps.presume_numbers();
                if self.vars.values_mut().fold(maps_presumed, presumed) {
                    continue;
                }
            }
            if is_settled || round == ROUNDS_MAX {
                return (probes, fns);
            }
        }
        Bodies::default()
    }

    /// Checks a clause's predicate and body for one group of its attach points.
    fn probe_of(&mut self, index: usize, group: &Group, clause: &ast::Probe) -> hir::Probe {
        self.probe = Current {
            group: index,
            provider: group.provider,
            points: group.points.clone(),
            ctx: group.points.first().map_or(Ctx::None, |p| p.ctx.clone()),
            is_ghost: group.is_ghost,
            within: None,
        };
        self.body = Body::default();
        let cond = clause.pred.as_ref().map(|p| self.condition(p));
        let mut body = self.block(&clause.body);
        hits::count(self, &mut body);
        if let Some(cond) = cond {
            let span = clause.span;
            let kind = hir::StmtKind::If { cond, then: body, els: None };
            body = hir::Block { stmts: vec![hir::Stmt { kind, span }], value: None, span };
        }
        self.warn_unused();
        hir::Probe {
            clause: group.clause,
            title: group.title.clone(),
            span: group.span,
            provider: group.provider,
            points: group.points.clone(),
            locals: self.finish_locals(),
            body,
        }
    }

    /// Named parameters that nothing asks for; `--help` is the command line's.
    fn unknown_options(&self, diags: &mut Diags) {
        let is_known = |name: &str| name == HELP_PARAMETER || self.options.iter().any(|o| o.name == name);
        let mut hint: Vec<String> = self.options.iter().map(|o| format!("--{}", o.name)).collect();
        hint.sort();
        for (name, _) in self.config.named.iter().filter(|(name, _)| !is_known(name)) {
            let d =
                Diag::error(&codes::OPTION, Span::none(), format!("the script takes no parameter --{name}"));
            diags.push(match nearest(name, self.options.iter().map(|o| o.name.as_str())) {
                Some(near) => d.hint(format!("did you mean --{near}?")),
                None if hint.is_empty() => d.hint("getopt() in the script makes one"),
                None => d.hint(format!("it takes {}", hint.join(", "))),
            });
        }
    }

    /// Warns of an old spelling, at its first place alone.
    fn old_spelling(&mut self, span: Span, old: &'static str, new: &str) {
        if self.told.insert(old) {
            self.diags.deprecated(span, old, new);
        }
    }

    /// Whether enough is wrong to stop looking.
    fn is_full(&self) -> bool {
        let n_errors = |d: &Diags| d.list.iter().filter(|d| d.severity == Severity::Error).count();
        self.diags.list.len() >= ERRORS_MAX && n_errors(&self.diags) >= ERRORS_MAX
    }

    fn view(&self) -> ProbeView<'_> {
        ProbeView { provider: self.probe.provider, points: &self.probe.points, ctx: &self.probe.ctx }
    }

    /// A type as messages show it.
    fn name(&self, ty: &Ty) -> String {
        print::name(ty, &self.types)
    }
}
