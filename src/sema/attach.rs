//! Clauses to groups of concrete attach points.
//!
//! Comes in: a clause's attach points as written. Goes out: groups, each to become a probe of its own. Always
//! holds: all points of a group have one provider, program type and context; a clause that says `probe` has one
//! point a group; no point is twice in a clause. Of alternatives (`A || B`) the first that exists is taken; whether
//! the machine can attach to it is seen at load.

use std::collections::BTreeSet;

use super::{Checker, uses};
use crate::base::{Diag, Span, codes};
use crate::image::{MissingProbes, ProgType};
use crate::lang::probes::{self, Absence, ApText, Ctx, Point, Provider, ResolveCx, Uses};
use crate::syntax::ast::{self, Want};

/// Names of providers that are accepted from older scripts. (`BEGIN` is none: every case will do.)
const OLD_NAMES: &[&str] = &["kfunc", "kretfunc"];

/// Attach points that share a program.
#[derive(Clone, Debug)]
pub struct Group {
    /// Index of the clause among the script's items.
    pub item: usize,
    /// Number of the clause among the probes.
    pub clause: u32,
    pub title: String,
    pub span: Span,
    pub provider: Provider,
    pub points: Vec<Point>,
    /// Nothing could be resolved: the body is checked all the same, to find its mistakes.
    pub is_ghost: bool,
}

/// The groups of all clauses, in the order of the script.
pub fn groups(cx: &mut Checker<'_>, script: &ast::Script) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut clause_number = 0;
    for (item, probe) in script.items.iter().enumerate() {
        let ast::Item::Probe(clause) = probe else { continue };
        let found = of_clause(cx, clause);
        let span = ap_span(clause);
        let title = clause.name.as_ref().map(|n| n.name.clone());
        let title = title.unwrap_or_else(|| cx.sources.text(span).trim().to_owned());
        for (provider, points, is_ghost) in found {
            let title = title.clone();
            groups.push(Group { item, clause: clause_number, title, span, provider, points, is_ghost });
        }
        clause_number += 1;
    }
    check_limits(cx, &groups);
    check_names(cx, &groups);
    check_iterators(cx, &groups);
    groups
}

/// The place of a clause's attach points.
fn ap_span(clause: &ast::Probe) -> Span {
    match (clause.points.first(), clause.points.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        _ => clause.span,
    }
}

type Found = Vec<(Provider, Vec<Point>, bool)>;

fn of_clause(cx: &mut Checker<'_>, clause: &ast::Probe) -> Found {
    let uses = uses::of(clause);
    let mut resolved = Vec::new();
    let mut provider = Provider::Begin;
    for choice in clause.points.chunk_by(|_, next| next.want == Want::Instead) {
        let Some((kind, points)) = choose(cx, choice, &uses) else { continue };
        provider = kind;
        let is_optional = choice.iter().any(|p| p.want == Want::Optional);
        let names = points.iter().map(|p| p.attach.name());
        if is_optional {
            cx.optional.0.extend(names);
        } else {
            cx.optional.1.extend(names);
        }
        resolved.extend(points.into_iter().map(|p| (kind, p)));
    }
    if resolved.is_empty() {
        // What a body says of its maps holds even if its probe may be, and is, left out.
        return vec![(provider, Vec::new(), true)];
    }
    let mut groups: Vec<(Provider, ProgType, Ctx, Vec<Point>)> = Vec::new();
    for (kind, point) in resolved {
        let ty = point.attach.prog_type();
        let same = groups.iter_mut().find(|(k, t, ctx, points)| {
            (*k, *t, ctx) == (kind, ty, &mut point.ctx.clone()) && (!uses.probe || points.contains(&point))
        });
        match same {
            Some((.., points)) if points.contains(&point) => {}
            Some((.., points)) => points.push(point),
            None => groups.push((kind, ty, point.ctx.clone(), vec![point])),
        }
    }
    groups.into_iter().map(|(kind, _, _, points)| (kind, points, false)).collect()
}

/// The first of an attach point and its alternatives that exists. `None` after an error.
fn choose(cx: &mut Checker<'_>, choice: &[ast::AttachPoint], uses: &Uses) -> Option<(Provider, Vec<Point>)> {
    let [first, rest @ ..] = choice else { return None };
    if first.want == Want::Needed && rest.is_empty() {
        return resolve(cx, first, uses, Absence::Told);
    }
    let mut absent = Vec::new();
    let mut provider = None;
    for ap in choice {
        let outside = std::mem::take(&mut cx.diags);
        let found = resolve(cx, ap, uses, Absence::Allowed);
        let said = std::mem::replace(&mut cx.diags, outside);
        match found {
            Some((kind, points)) if points.is_empty() && said.list.iter().all(is_absence) => {
                provider.get_or_insert(kind);
                absent.extend(said.list);
            }
            found => {
                let left_out =
                    absent.into_iter().map(|d| Diag::remark(&codes::PROBE_ABSENT, d.span, d.message));
                cx.diags.list.extend(left_out);
                cx.diags.append(said);
                return found;
            }
        }
    }
    if first.want == Want::Optional {
        let left_out = absent.into_iter().map(|d| Diag::remark(&codes::PROBE_ABSENT, d.span, d.message));
        cx.diags.list.extend(left_out);
    } else {
        none_of(cx, choice, absent);
    }
    provider.map(|kind| (kind, Vec::new()))
}

/// Whether a diagnostic says that something is not there, rather than that it is wrong.
fn is_absence(d: &Diag) -> bool {
    [&codes::PROBE_MISSING, &codes::PROBE_MISSING_WARNING, &codes::PROBE_UNSUPPORTED].contains(&d.code)
}

/// Reports that no alternative exists, as the setting `missing_probes` wants it.
fn none_of(cx: &mut Checker<'_>, choice: &[ast::AttachPoint], absent: Vec<Diag>) {
    let (Some(first), Some(last)) = (choice.first(), choice.last()) else { return };
    let span = first.span.to(last.span);
    let message = "none of these attach points exists";
    let d = match cx.config.run.missing_probes {
        MissingProbes::Ignore => return,
        MissingProbes::Warn => Diag::warning(&codes::PROBE_MISSING_WARNING, span, message),
        MissingProbes::Error => {
            Diag::error(&codes::PROBE_MISSING, span, message).hint("write optional before them to do without")
        }
    };
    cx.diags.push(absent.into_iter().fold(d, |d, a| d.note(a.span, a.message)));
}

/// One attach point as written; `None` if its provider is unknown.
fn resolve(
    cx: &mut Checker<'_>,
    ap: &ast::AttachPoint,
    uses: &Uses,
    absence: Absence,
) -> Option<(Provider, Vec<Point>)> {
    let (provider, rest) = ap.parts.split_first()?;
    let kind = probes::find_or_report(&provider.text, provider.span, &mut cx.diags)?;
    if let Some(old) = OLD_NAMES.iter().find(|old| **old == provider.text) {
        cx.old_spelling(provider.span, old, kind.name);
    }
    let text = |p: &ast::ApPart| ApText { text: p.text.clone(), quoted: p.quoted, span: p.span };
    let parts: Vec<ApText> = rest.iter().map(text).collect();
    let mut resolve_cx = ResolveCx {
        world: cx.world,
        types: &mut cx.types,
        diags: &mut cx.diags,
        config: &cx.config,
        span: ap.span,
        uses,
        absence,
    };
    Some((kind.provider, (kind.resolve)(&mut resolve_cx, &parts)))
}

/// An iterator runs to its end at once: nothing that waits for events can stand beside it.
fn check_iterators(cx: &mut Checker<'_>, groups: &[Group]) {
    if !groups.iter().any(|g| g.provider == Provider::Iter) {
        return;
    }
    let runs_beside = |p: Provider| matches!(p, Provider::Iter | Provider::Begin | Provider::End);
    for group in groups.iter().filter(|g| !g.is_ghost && !runs_beside(g.provider)) {
        let message =
            format!("{} cannot stand beside an iterator, which runs to its end at once", group.title);
        let d = Diag::error(&codes::PROBE_SYNTAX, group.span, message);
        cx.diags.push(d.hint("put it into a script of its own"));
    }
}

/// Each test and each benchmark is picked, and spoken of, by its name.
fn check_names(cx: &mut Checker<'_>, groups: &[Group]) {
    let mut seen = BTreeSet::new();
    for group in groups {
        for point in group.points.iter().filter(|p| p.attach.is_on_demand()) {
            let name = point.attach.name();
            if !seen.insert(name.clone()) {
                let d = Diag::error(&codes::PROBE_NAME, group.span, format!("there is a {name} already"));
                cx.diags.push(d.hint("give it another name"));
            }
        }
    }
}

fn check_limits(cx: &mut Checker<'_>, groups: &[Group]) {
    let n_points: usize = groups.iter().map(|g| g.points.len()).sum();
    let checks = [
        (n_points, cx.config.max_probes, "attach points", "max_probes"),
        (groups.len(), cx.config.max_bpf_progs, "programs", "max_bpf_progs"),
    ];
    for (n, max, what, setting) in checks {
        if n as u64 > max {
            let worst = groups.iter().max_by_key(|g| g.points.len());
            let span = worst.map_or(Span::none(), |g| g.span);
            let message = format!("the script has {n} {what}, and the limit is {max}");
            let d = Diag::error(&codes::TOO_MANY_PROBES, span, message);
            cx.diags.push(d.hint(format!("set {setting} in the config block to allow more")));
        }
    }
}
