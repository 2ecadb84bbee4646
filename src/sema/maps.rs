//! Maps: names, keys, values, storage.
//!
//! Always holds: a map has keys everywhere or nowhere; its number is the order of first use, after the maps of the
//! session; integers in values are 64 bits wide.

use super::convert::{error, firm};
use super::entry::{self, Keep};
use super::infer::{Firm, Slot};
use super::{Checker, ERRORS_MAX, hir, types};
use crate::base::{Diag, Idx, IndexVec, Span, codes};
use crate::image::MapId;
use crate::image::maps::Storage;
use crate::lang::aggs;
use crate::syntax::ast;
use crate::ty::Ty;
use hir::{Expr, ExprKind};
use std::collections::BTreeMap;

/// Maps of a script, at most.
const MAPS_MAX: usize = 1000;

/// Maps of a script and what is known of them.
pub struct Maps {
    list: IndexVec<MapId, Info>,
    by_name: BTreeMap<String, MapId>,
}

struct Info {
    /// With its `@`.
    name: String,
    /// First use.
    span: Span,
    key: Slot,
    value: Slot,
    /// Whether it has keys, and where that was seen.
    keyed: Option<(bool, Span)>,
    /// `let @m = hash(100);`
    declared: Option<Declared>,
    /// It lives in the session.
    known: Option<hir::Map>,
    /// Somewhere it is printed and cleared in one action.
    is_swapped: bool,
    /// Something speaks of it besides its declaration.
    is_used: bool,
    /// Something assigns it, be it wrongly.
    is_assigned: bool,
    /// Where it was first read in this round while nothing was known of its values.
    read_unknown: Option<Span>,
}

#[derive(Clone)]
struct Declared {
    storage: Storage,
    max_entries: u32,
    span: Span,
}

/// Names of `let @m = …`, the storage, and whether it is for aggregations.
const KINDS: &[(&str, Storage, bool)] = &[
    ("hash", Storage::Hash, false),
    ("lruhash", Storage::LruHash, false),
    ("percpuhash", Storage::PercpuHash, true),
    ("percpulruhash", Storage::LruPercpuHash, true),
    ("thread", Storage::Thread, false),
];

impl Info {
    /// Whether the script cannot name it: it keeps values from entry to return.
    fn is_kept(&self) -> bool {
        self.name.strip_prefix('@').is_some_and(|n| n.starts_with(entry::MAP_PREFIX))
    }
}

impl Maps {
    pub fn new(known: &[hir::Map]) -> Maps {
        let info = |m: &hir::Map| Info {
            name: m.name.clone(),
            span: m.span,
            key: m.key.clone().map_or_else(Slot::default, Slot::fixed),
            value: Slot::fixed(m.value.clone()),
            keyed: Some((m.key.is_some(), m.span)),
            declared: None,
            known: Some(m.clone()),
            is_swapped: false,
            is_used: false,
            is_assigned: false,
            read_unknown: None,
        };
        let list: IndexVec<MapId, Info> = known.iter().map(info).collect();
        let by_name = list.iter_enumerated().map(|(id, m)| (m.name.clone(), id)).collect();
        Maps { list, by_name }
    }

    pub fn find(&self, name: &str) -> Option<MapId> {
        self.by_name.get(name).copied()
    }

    fn enter(&mut self, name: &str, span: Span) -> MapId {
        if let Some(id) = self.find(name) {
            return id;
        }
        let id = self.list.push(Info {
            name: name.into(),
            span,
            key: Slot::default(),
            value: Slot::default(),
            keyed: None,
            declared: None,
            known: None,
            is_swapped: false,
            is_used: false,
            is_assigned: false,
            read_unknown: None,
        });
        self.by_name.insert(name.into(), id);
        id
    }

    /// True if a type changed.
    pub fn end_round(&mut self, round: u32, str_bytes_max: u32) -> bool {
        let mut changed = false;
        for map in self.list.iter_mut() {
            changed |= map.key.end_round(round, str_bytes_max);
            changed |= map.value.end_round(round, str_bytes_max);
            map.read_unknown = None;
        }
        changed
    }

    /// Takes maps that are assigned what nothing is known of for maps of numbers; true if there were such.
    pub fn presume_numbers(&mut self) -> bool {
        let assigned = self.list.iter_mut().filter(|m| m.is_assigned);
        assigned.fold(false, |any, map| map.value.presume(&Ty::I64) | any)
    }

    /// Key and value, as far as they are known.
    pub fn types(&self, id: MapId) -> (Option<Ty>, Ty) {
        let map = &self.list[id];
        let key = match map.keyed {
            Some((true, _)) => Some(map.key.ty().unwrap_or(Ty::Error)),
            Some((false, _)) | None => None,
        };
        (key, map.value.ty().unwrap_or(Ty::Error))
    }
}

impl Checker<'_> {
    /// `let @m = hash(100);`
    pub fn declare_map(&mut self, decl: &ast::MapDecl) {
        let name = format!("@{}", decl.map.name);
        let Some(&(_, storage, _)) = KINDS.iter().find(|k| k.0 == decl.kind.name) else {
            let kinds: Vec<&str> = KINDS.iter().map(|k| k.0).collect();
            let message = format!("{} is no kind of map: there are {}", decl.kind.name, kinds.join(", "));
            return self.diags.bad_argument(decl.kind.span, message);
        };
        let max_entries = match decl.args.as_slice() {
            [] if storage == Storage::Thread => 0,
            other if storage == Storage::Thread => {
                return self.diags.argument_count(decl.span, "thread()", "no arguments", other.len());
            }
            [ast::Expr { kind: ast::ExprKind::Int(n), .. }] if (1..=u64::from(u32::MAX)).contains(n) => {
                *n as u32
            }
            [other] => {
                let message = "the number of entries is a literal above 0".into();
                return self.diags.bad_argument(other.span, message);
            }
            other => {
                let what = format!("{}()", decl.kind.name);
                return self.diags.argument_count(decl.span, &what, "the number of entries", other.len());
            }
        };
        let id = self.maps.enter(&name, decl.span);
        let before = match &self.maps.list[id] {
            Info { declared: Some(d), .. } => Some(d.span),
            Info { known: Some(k), .. } => Some(k.span),
            _ => None,
        };
        match before {
            Some(before) => self.diags.redeclared(decl.span, &name, before),
            None => {
                let map = &mut self.maps.list[id];
                map.declared = Some(Declared { storage, max_entries, span: decl.span });
                if storage == Storage::Thread {
                    map.keyed = Some((false, decl.span));
                }
            }
        }
    }

    /// A map of the compiler's own.
    pub fn declare_keep(&mut self, keep: &Keep) {
        let id = self.maps.enter(&format!("@{}", keep.name), keep.span);
        let map = &mut self.maps.list[id];
        map.declared =
            Some(Declared { storage: keep.storage, max_entries: entry::CALLS_MAX, span: keep.span });
        map.keyed = Some((keep.storage != Storage::Thread, keep.span));
    }

    /// A map by its name without `@`, whatever is done with it.
    pub fn map(&mut self, name: &str, span: Span) -> MapId {
        let id = self.maps.enter(&format!("@{name}"), span);
        self.maps.list[id].is_used = true;
        id
    }

    /// An entry of a map: fixes that it has keys or has none, and widens the type of the key.
    pub fn map_entry(
        &mut self,
        name: &str,
        key: Option<&[ast::Expr]>,
        span: Span,
    ) -> Option<(MapId, Option<Expr>)> {
        let id = self.map(name, span);
        let key = key.map(|parts| self.key_value(parts, span));
        let key = match key {
            Some(key) => {
                // A key of which nothing is known, in a probe that is left out, is one all the same.
                self.maps.list[id].keyed.get_or_insert((true, span));
                Some(self.with_key(id, key?, span)?)
            }
            None => {
                self.agree_keyed(id, false, span)?;
                None
            }
        };
        Some((id, key))
    }

    /// Whether it holds a value for each thread: `let @m = thread();`
    pub fn is_of_threads(&self, id: MapId) -> bool {
        let map = &self.maps.list[id];
        let storage = map.known.as_ref().map(|k| k.storage).or(map.declared.as_ref().map(|d| d.storage));
        storage == Some(Storage::Thread)
    }

    /// `None` after a report.
    fn agree_keyed(&mut self, id: MapId, keyed: bool, span: Span) -> Option<()> {
        if keyed && self.is_of_threads(id) {
            let map = &self.maps.list[id];
            let (message, first) =
                (format!("{} has a value for each thread, and no keys", map.name), map.span);
            self.diags.map_key(span, message, Some(first));
            return None;
        }
        let map = &mut self.maps.list[id];
        let (before, first) = *map.keyed.get_or_insert((keyed, span));
        if before == keyed {
            return Some(());
        }
        let name = &map.name;
        let message = match keyed {
            true => format!("{name} has no keys elsewhere and is used with one here"),
            false => format!("{name} has keys elsewhere and is used without one here"),
        };
        self.diags.map_key(span, message, Some(first));
        None
    }

    /// The key of a map, which stands at `at`, as its keys are kept.
    pub fn with_key(&mut self, id: MapId, key: Expr, at: Span) -> Option<Expr> {
        self.agree_keyed(id, true, at)?;
        if key.ty.is_error() || types::has_error(&key.ty) {
            return None;
        }
        let map = &mut self.maps.list[id];
        if map.key.is_fixed() {
            let (name, have) = (format!("a key of {}", map.name), map.key.ty().unwrap_or(Ty::Error));
            let key = self.fit_declared(&name, &have, key);
            return (!key.ty.is_error()).then_some(key);
        }
        let ty = if self.config.session { types::general(key.ty.clone()) } else { key.ty.clone() };
        if let Err(clash) = map.key.add(&ty, firm(&key), key.span) {
            let name = format!("a key of {}", map.name);
            self.mismatch(&name, &key, &clash.have, clash.first);
            return None;
        }
        let ty = map.key.ty().unwrap_or(Ty::Error);
        if firm(&key) == Firm::Yes && types::loses_sign(&key.ty, &ty) {
            self.diags.signs_mixed(key.span);
        }
        Some(self.convert(key, &ty))
    }

    /// What stands in `[…]`: several parts are a tuple.
    fn key_value(&mut self, parts: &[ast::Expr], span: Span) -> Option<Expr> {
        let mut exprs: Vec<Expr> = parts.iter().map(|p| self.key_part(p)).collect();
        if exprs.iter().any(|e| e.ty.is_error()) {
            return None;
        }
        if exprs.len() == 1 {
            return exprs.pop();
        }
        let span = match (parts.first(), parts.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => span,
        };
        if !types::is_small(exprs.iter().map(|e| &e.ty)) {
            return Some(self.too_many_parts(span));
        }
        let ty = Ty::Tuple(exprs.iter().map(|e| e.ty.clone()).collect());
        Some(Expr { kind: ExprKind::Tuple(exprs), ty, span })
    }

    pub fn key_part(&mut self, part: &ast::Expr) -> Expr {
        let e = self.expr(part);
        if let Ty::Array { n: 0, .. } = e.ty {
            let message = "an array without a length cannot be a key".into();
            self.diags.map_key(e.span, message, None);
            return error(e.span);
        }
        e
    }

    /// `@m` or `@m[k]` as a value; an aggregation keeps its type.
    pub fn read_map(&mut self, name: &str, key: Option<&[ast::Expr]>, span: Span) -> Expr {
        let Some((map, key)) = self.map_entry(name, key, span) else { return error(span) };
        let (_, ty) = self.maps.types(map);
        if ty.is_error() {
            self.note_unknown(map, span);
        }
        Expr { kind: ExprKind::Map { map, key: key.map(Box::new) }, ty, span }
    }

    /// Notes that a map is read of which nothing is known yet.
    pub fn note_unknown(&mut self, id: MapId, span: Span) {
        let map = &mut self.maps.list[id];
        if map.value.ty().is_none() {
            map.read_unknown.get_or_insert(span);
        }
    }

    /// Notes that a map is assigned, whatever comes of it.
    pub fn note_assigned(&mut self, name: &str, span: Span) {
        let id = self.map(name, span);
        self.maps.list[id].is_assigned = true;
    }

    /// Says, at the end of a round, what is read and never assigned.
    pub fn report_unassigned(&mut self) {
        let assigned = |m: &&Info| m.is_assigned || m.known.is_some();
        let known: Vec<&str> = self.maps.list.iter().filter(assigned).map(|m| m.name.as_str()).collect();
        let unknown = self.maps.list.iter().filter(|m| !assigned(m));
        let unknown = unknown.filter_map(|m| Some((m, m.read_unknown?)));
        for (map, span) in unknown.take(ERRORS_MAX) {
            self.diags.unknown_map(span, &map.name, known.iter().copied());
        }
    }

    /// Widens a map's value type for a value, or reports that it cannot be; the value as the map holds it.
    pub fn fit_map(&mut self, id: MapId, value: Expr) -> Expr {
        if value.ty.is_error() || types::has_error(&value.ty) {
            return error(value.span);
        }
        let ty = match self.config.session {
            true => types::general(value.ty.clone()),
            false => types::stored(value.ty.clone()),
        };
        match self.add_value(id, &ty, firm(&value), &value) {
            Some(ty) => self.convert(value, &ty),
            None => error(value.span),
        }
    }

    /// Adds a type to a map's values; the type that holds them all, or `None` after a report.
    pub fn add_value(&mut self, id: MapId, ty: &Ty, how: Firm, value: &Expr) -> Option<Ty> {
        let map = &mut self.maps.list[id];
        let name = map.name.clone();
        let have = map.value.ty();
        if map.value.is_fixed() {
            let have = have.unwrap_or(Ty::Error);
            let fits = types::fits(ty, &have) || super::convert::holds(&have, value);
            if !fits {
                self.mismatch(&name, value, &have, None);
            }
            return fits.then_some(have);
        }
        if let Err(clash) = map.value.add(ty, how, value.span) {
            self.mismatch_in_map(&name, value, ty, &clash.have, clash.first);
            return None;
        }
        let now = map.value.ty().unwrap_or(Ty::Error);
        // Maps keep all integers in 64 bits, but a narrow one loses nothing there.
        let before = if value.ty.is_int() { &value.ty } else { ty };
        if how == Firm::Yes && types::loses_sign(before, &now) {
            self.diags.signs_mixed(value.span);
        }
        Some(now)
    }

    fn mismatch_in_map(&mut self, name: &str, value: &Expr, ty: &Ty, have: &Ty, first: Option<Span>) {
        let shown = if matches!(ty, Ty::Agg { .. }) { ty } else { &value.ty };
        let (found, have) = (self.name(shown), self.name(have));
        self.diags.type_mismatch(value.span, name, &found, &have, first);
    }

    /// Whether `print(@m); clear(@m)` of this map can be one action; if so, it is kept accordingly.
    pub fn swap(&mut self, id: MapId) -> bool {
        let map = &mut self.maps.list[id];
        let can = match (&map.known, &map.declared) {
            (Some(known), _) => known.storage == Storage::Swapped,
            (None, Some(_)) => false,
            (None, None) => matches!(map.value.ty(), Some(Ty::Agg { .. })),
        };
        map.is_swapped |= can;
        can
    }

    /// Says that types are not settled after the last round.
    pub fn report_unsettled(&mut self) {
        let unsettled = self.maps.list.iter().find(|m| m.key.is_unsettled() || m.value.is_unsettled());
        let (span, name) = match unsettled {
            Some(map) => (map.span, map.name.as_str()),
            None => (Span::none(), "a variable"),
        };
        let message = format!("the type of {name} depends on too many others");
        let d = Diag::error(&codes::TYPE_MISMATCH, span, message);
        self.diags.push(d.hint("assign maps before they are read, or cast what is read"));
    }

    /// The maps as they end up.
    pub fn finish_maps(&mut self) -> IndexVec<MapId, hir::Map> {
        if self.maps.list.len() > MAPS_MAX {
            let (n, span) = (self.maps.list.len(), self.maps.list[MapId::new(MAPS_MAX)].span);
            let message = format!("the script has {n} maps, and the limit is {MAPS_MAX}");
            self.diags.push(Diag::error(&codes::TOO_MANY_MAPS, span, message));
        }
        let mut maps = IndexVec::new();
        for i in 0..self.maps.list.len() {
            let map = self.finish_map(MapId::new(i));
            maps.push(map);
        }
        maps
    }

    fn finish_map(&mut self, id: MapId) -> hir::Map {
        let (key, value) = self.maps.types(id);
        let map = &self.maps.list[id];
        if let Some(known) = &map.known {
            return known.clone();
        }
        if let (Some(d), false) = (&map.declared, map.is_used) {
            self.diags.unused_map(d.span, &map.name);
        }
        let is_agg = matches!(value, Ty::Agg { .. });
        if let Some(d) = &map.declared
            && !value.is_error()
            && KINDS.iter().any(|k| k.1 == d.storage && k.2 != is_agg)
        {
            let what = if d.storage == Storage::Thread {
                "a thread's value is no aggregation; count with ++ and +="
            } else if is_agg {
                "an aggregation needs percpuhash or percpulruhash"
            } else {
                "only aggregations go with percpuhash and percpulruhash"
            };
            let (span, message) = (d.span, format!("{} does not suit its values: {what}", map.name));
            self.diags.bad_argument(span, message);
        }
        let map = &self.maps.list[id];
        // Declared and never used, or an error has been reported.
        let value = if value.is_error() { Ty::I64 } else { value };
        let key = key.map(|k| if k.is_error() { Ty::U64 } else { k });
        let storage = match (&map.declared, is_agg, key.is_some()) {
            (Some(d), ..) if key.is_some() || d.storage == Storage::Thread => d.storage,
            (_, true, _) if map.is_swapped || self.config.session => Storage::Swapped,
            (_, true, has_key) if has_key || aggs::n_parts(&value) > 1 => Storage::PercpuHash,
            (_, true, _) => Storage::PercpuArray,
            (_, false, true) => Storage::Hash,
            (_, false, false) => Storage::Global,
        };
        let max_entries = match (&key, &map.declared) {
            (None, _) => 1,
            (Some(_), Some(d)) if map.is_kept() && value.size(&self.types) > entry::SMALL_BYTES_MAX => {
                entry::LARGE_CALLS_MAX
            }
            (Some(_), Some(d)) => d.max_entries,
            (Some(_), None) => self.config.max_map_keys.min(u64::from(u32::MAX)) as u32,
        };
        hir::Map { name: map.name.clone(), key, value, storage, max_entries, span: map.span }
    }
}
