//! Arguments of calls, and what rows may ask while they check them.
//!
//! Always holds: before a row's own check runs, every argument is of its parameter's kind.

use super::convert::{self, as_int};
use super::{Checker, hir, types};
use crate::base::{Diag, Span, codes};
use crate::image::MapId;
use crate::lang::Config;
use crate::lang::probes::ProbeView;
use crate::lang::sig::{Need, Param, ParamKind};
use crate::lang::traits::{ArgView, CheckCx, ScriptOption};
use crate::syntax::ast::{self, Arg, ExprKind as A};
use crate::ty::{StructId, StructKind, Ty, TypeTable};
use crate::world::World;
use hir::{Expr, ExprKind};

/// One argument on its way.
pub struct Slot {
    pub arg: hir::Arg,
    pub span: Span,
}

impl Slot {
    fn expr(e: Expr) -> Slot {
        Slot { span: e.span, arg: hir::Arg::Expr(e) }
    }
    /// The value, if it is one.
    pub fn into_expr(self) -> Option<Expr> {
        match self.arg {
            hir::Arg::Expr(e) => Some(e),
            hir::Arg::Map { .. } | hir::Arg::Text(_) | hir::Arg::Ty(_) => None,
        }
    }
}

/// A call whose row checks it.
pub struct Slots<'c, 'a> {
    pub cx: &'c mut Checker<'a>,
    pub span: Span,
    pub slots: Vec<Slot>,
}

impl Checker<'_> {
    /// The arguments by their parameters, or `None` after a report.
    pub fn slots(
        &mut self,
        name: &str,
        params: &'static [Param],
        args: &[Arg],
        span: Span,
    ) -> Option<Vec<Slot>> {
        // `delete(@m, k)` is `delete(@m[k])`.
        let is_elem = params.first().is_some_and(|p| p.kind == ParamKind::MapElem);
        let (key, args) = match args {
            [map @ Arg::Expr(_), Arg::Expr(key), rest @ ..] if is_elem => {
                (Some(key), [std::slice::from_ref(map), rest].concat())
            }
            args => (None, args.to_vec()),
        };
        if let Some(wanted) = wrong_count(params, args.len()) {
            self.diags.argument_count(span, &format!("{name}()"), &wanted, args.len());
            // What was written is checked all the same.
            args.iter().for_each(|a| self.check_stray(a));
            return None;
        }
        let mut slots = Vec::new();
        let mut failed = false;
        for (i, arg) in args.iter().enumerate() {
            let param = params.get(i).or(params.last())?;
            let key = if i == 0 { key } else { None };
            match self.slot(name, param, arg, key) {
                Some(slot) => slots.push(slot),
                None => failed = true,
            }
        }
        (!failed).then_some(slots)
    }

    fn check_stray(&mut self, arg: &Arg) {
        if let Arg::Expr(e) = arg
            && !matches!(e.kind, A::Ident(_) | A::Map { .. })
        {
            self.any(e);
        }
    }

    fn slot(&mut self, name: &str, param: &Param, arg: &Arg, key: Option<&ast::Expr>) -> Option<Slot> {
        if param.kind == ParamKind::Type {
            let span = arg_span(arg);
            let ty = self.type_of_arg(arg);
            return (!ty.is_error()).then_some(Slot { arg: hir::Arg::Ty(ty), span });
        }
        let e = match arg {
            Arg::Expr(e) => e,
            Arg::Type(t) => {
                self.diags.bad_argument(t.span, format!("{name}() takes a value here, not a type"));
                return None;
            }
        };
        match param.kind {
            ParamKind::Map => self.map_slot(name, e),
            ParamKind::MapElem => self.elem_slot(name, e, key),
            ParamKind::MapOrAny => match &e.kind {
                A::Map { key: None, .. } => self.map_slot(name, e),
                _ => self.value_slot(name, param, e),
            },
            ParamKind::Printable => match &e.kind {
                A::Map { key: None, .. } => self.map_slot(name, e),
                A::Map { name: map, .. } if self.is_no_value(map) => self.elem_slot(name, e, None),
                _ => self.value_slot(name, param, e),
            },
            ParamKind::Word => self.word_slot(name, param, e),
            ParamKind::WordOrInt if matches!(e.kind, A::Ident(_)) => self.word_slot(name, param, e),
            ParamKind::Format => self.format_slot(name, e),
            ParamKind::Any
            | ParamKind::Int
            | ParamKind::ConstInt
            | ParamKind::Ptr
            | ParamKind::Str
            | ParamKind::Text
            | ParamKind::WordOrInt => self.value_slot(name, param, e),
            ParamKind::Type => None,
        }
    }

    /// A whole map.
    fn map_slot(&mut self, name: &str, e: &ast::Expr) -> Option<Slot> {
        match &e.kind {
            A::Map { name: map, key: None } => {
                let name_of_map = map;
                let map = self.map(map, e.span);
                if self.is_of_threads(map) {
                    self.threads_cannot_be_listed(name, name_of_map, e.span);
                    return None;
                }
                if self.maps.types(map).1.is_error() {
                    self.note_unknown(map, e.span);
                }
                Some(Slot { arg: hir::Arg::Map { map, key: None }, span: e.span })
            }
            A::Error => None,
            A::Map { .. } => {
                self.diags.bad_argument(e.span, format!("{name}() takes a whole map, without a key"));
                None
            }
            _ => {
                self.diags.bad_argument(e.span, format!("{name}() takes a map, such as @m"));
                None
            }
        }
    }

    /// Reports a function on a whole map where there is a value for each thread.
    fn threads_cannot_be_listed(&mut self, function: &str, map: &str, span: Span) {
        let message =
            format!("{function}() goes through a map, and the threads that have an @{map} cannot be listed");
        let hint = match function {
            "print" => format!("printf(\"%d\\n\", @{map}) prints this thread's value"),
            "clear" | "zero" => {
                format!("delete(@{map}) forgets this thread's value; the others go with their threads")
            }
            _ => format!("count in a map of its own: @n[tid] = @{map}"),
        };
        self.diags.push(Diag::error(&codes::BAD_ARGUMENT, span, message).hint(hint));
    }

    /// Whether the map's elements can only be printed.
    fn is_no_value(&self, map: &str) -> bool {
        let ty = self.maps.find(&format!("@{map}")).map(|id| self.maps.types(id).1);
        ty.is_some_and(|ty| matches!(ty, Ty::Agg { .. }) && types::read_as(&ty).is_none())
    }

    /// An entry of a map: `@m[k]`, `@m` with `key` as the argument after it, or a map without keys.
    fn elem_slot(&mut self, name: &str, e: &ast::Expr, key: Option<&ast::Expr>) -> Option<Slot> {
        let A::Map { name: map, key: within } = &e.kind else {
            if !matches!(e.kind, A::Error) {
                self.diags.bad_argument(e.span, format!("{name}() takes a map and a key"));
            }
            return None;
        };
        let (map, key) = match (key, within) {
            (Some(key), None) => {
                let map = self.map(map, e.span);
                let key = self.key_part(key);
                (map, Some(self.with_key(map, key, e.span)?))
            }
            (Some(key), Some(_)) => {
                self.diags.bad_argument(key.span, format!("{name}() has a key already"));
                return None;
            }
            (None, within) => {
                if within.is_some() && name == "delete" {
                    self.old_spelling(e.span, "delete(@m[key])", "delete(@m, key)");
                }
                self.map_entry(map, within.as_deref(), e.span)?
            }
        };
        if self.maps.types(map).1.is_error() {
            self.note_unknown(map, e.span);
        }
        Some(Slot { arg: hir::Arg::Map { map, key }, span: e.span })
    }

    /// A bare word or a path of members.
    fn word_slot(&mut self, name: &str, param: &Param, e: &ast::Expr) -> Option<Slot> {
        let Some(path) = path_of(e) else {
            if !matches!(e.kind, A::Error) {
                let message = format!("{name}() takes a word here ({}), not an expression", param.name);
                self.diags.bad_argument(e.span, message);
            }
            return None;
        };
        Some(Slot { arg: hir::Arg::Text(path), span: e.span })
    }

    /// A format may be longer than other strings.
    fn format_slot(&mut self, name: &str, e: &ast::Expr) -> Option<Slot> {
        if let A::Str(bytes) = &e.kind {
            return Some(Slot::expr(convert::string(bytes.as_slice(), e.span)));
        }
        let value = self.expr(e);
        if value.ty.is_error() {
            return None;
        }
        if matches!(value.kind, ExprKind::Str(_)) {
            return Some(Slot::expr(value));
        }
        self.diags.bad_argument(e.span, format!("{name}() takes a format in quotes"));
        None
    }

    fn value_slot(&mut self, name: &str, param: &Param, e: &ast::Expr) -> Option<Slot> {
        let value = self.expr(e);
        if value.ty.is_error() {
            return None;
        }
        let (fits, wanted) = match param.kind {
            ParamKind::Int => (matches!(value.ty, Ty::Int { .. } | Ty::Bool | Ty::Enum(_)), "an integer"),
            ParamKind::ConstInt | ParamKind::WordOrInt => (as_int(&value).is_some(), "an integer literal"),
            ParamKind::Ptr => (
                matches!(value.ty, Ty::Ptr { .. } | Ty::Int { .. } | Ty::Ksym | Ty::Usym),
                "a pointer or an address",
            ),
            ParamKind::Str => (matches!(value.ty, Ty::Str { .. }), "a string"),
            ParamKind::Text => (matches!(value.kind, ExprKind::Str(_)), "a string literal"),
            _ => (true, ""),
        };
        if fits {
            return Some(Slot::expr(value));
        }
        let found = self.name(&value.ty);
        let message = format!("{name}() takes {wanted} as {}, not {found}", param.name);
        let d = Diag::error(&codes::BAD_ARGUMENT, e.span, message);
        let is_text = matches!(&value.ty, Ty::Ptr { to, .. } if **to == Ty::int(8));
        let hint = param.kind == ParamKind::Str && is_text;
        self.diags.push(if hint { d.hint("read the string at a pointer with str()") } else { d });
        None
    }
}

/// What is wanted, if the number of arguments is wrong.
fn wrong_count(params: &[Param], found: usize) -> Option<String> {
    let min = params.iter().filter(|p| p.need == Need::Required).count();
    let max = match params.last() {
        Some(p) if p.need == Need::Rest => usize::MAX,
        _ => params.len(),
    };
    if (min..=max).contains(&found) {
        return None;
    }
    let many = |n: usize| match n {
        0 => "no arguments".to_owned(),
        1 => "one argument".to_owned(),
        n => format!("{n} arguments"),
    };
    Some(match (min, max) {
        (min, max) if min == max => many(min),
        (min, usize::MAX) => format!("at least {}", many(min)),
        (0, max) => format!("at most {}", many(max)),
        (min, max) => format!("{min} to {max} arguments"),
    })
}

/// `a.b.c` as text.
fn path_of(e: &ast::Expr) -> Option<String> {
    match &e.kind {
        A::Ident(name) => Some(name.clone()),
        A::Field { e, name, .. } => path_of(e).map(|p| format!("{p}.{}", name.name)),
        _ => None,
    }
}

pub fn arg_span(arg: &Arg) -> Span {
    match arg {
        Arg::Expr(e) => e.span,
        Arg::Type(t) => t.span,
    }
}

impl CheckCx for Slots<'_, '_> {
    fn span(&self) -> Span {
        self.span
    }

    fn n_args(&self) -> usize {
        self.slots.len()
    }

    fn arg(&self, i: usize) -> ArgView {
        let nothing = ArgView {
            ty: Ty::Error,
            span: self.span,
            int: None,
            text: None,
            literal: None,
            map: None,
            is_element: false,
            is_variable: false,
            clock: None,
        };
        let Some(slot) = self.slots.get(i) else { return nothing };
        let view = ArgView { span: slot.span, ..nothing };
        match &slot.arg {
            hir::Arg::Expr(e) => {
                let literal = if let ExprKind::Str(bytes) = &e.kind { Some(bytes.clone()) } else { None };
                let text = literal.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
                let clock = self.cx.clock_of(e);
                let is_variable = matches!(e.kind, ExprKind::AddrOfLocal(_));
                ArgView { ty: e.ty.clone(), int: as_int(e), text, literal, is_variable, clock, ..view }
            }
            hir::Arg::Map { map, key } => {
                let ty = self.cx.maps.types(*map).1;
                ArgView { ty, map: Some(*map), is_element: key.is_some(), ..view }
            }
            hir::Arg::Text(text) => ArgView { ty: Ty::Word, text: Some(text.clone()), ..view },
            hir::Arg::Ty(ty) => ArgView { ty: ty.clone(), ..view },
        }
    }

    fn coerce(&mut self, i: usize, ty: Ty) {
        let Some(slot) = self.slots.get_mut(i) else { return };
        let hir::Arg::Expr(e) = &mut slot.arg else { return };
        let e = std::mem::replace(e, convert::error(slot.span));
        slot.arg = hir::Arg::Expr(self.cx.convert(e, &ty));
    }

    fn as_bytes(&mut self, i: usize) {
        let Some(slot) = self.slots.get_mut(i) else { return };
        let hir::Arg::Expr(e) = &mut slot.arg else { return };
        let e = std::mem::replace(e, convert::error(slot.span));
        slot.arg = hir::Arg::Expr(convert::place_of(e));
    }

    fn is_of_library(&self) -> bool {
        self.cx.sources.is_library(self.span)
    }

    fn gfp_names(&mut self) -> Vec<(u64, String)> {
        self.cx.gfp_names()
    }

    fn types(&mut self) -> &mut TypeTable {
        &mut self.cx.types
    }

    fn world(&self) -> &dyn World {
        self.cx.world
    }

    fn config(&self) -> &Config {
        &self.cx.config
    }

    fn probe(&self) -> ProbeView<'_> {
        self.cx.view()
    }

    fn push(&mut self, d: Diag) {
        self.cx.diags.push(d);
    }

    fn arg_int_in(&mut self, i: usize, default: i64, min: i64, max: i64) -> Option<i64> {
        if i >= self.slots.len() {
            return Some(default);
        }
        let arg = self.arg(i);
        let v = arg.int?;
        if (min..=max).contains(&v) {
            return Some(v);
        }
        let message = match max {
            i64::MAX => format!("{v} is too small: {min} is the least"),
            max => format!("{v} is out of range: {min} to {max} can be"),
        };
        self.cx.diags.bad_argument(arg.span, message);
        None
    }

    fn bad_argument(&mut self, span: Span, message: String) {
        self.cx.diags.bad_argument(span, message);
    }

    fn warn(&mut self, span: Span, message: String, hint: Option<String>) {
        let d = Diag::warning(&codes::LOSSY, span, message);
        self.cx.diags.push(if let Some(hint) = hint { d.hint(hint) } else { d });
    }

    fn map_types(&self, map: MapId) -> (Option<Ty>, Ty) {
        self.cx.maps.types(map)
    }

    fn kernel_struct(&mut self, kind: Option<StructKind>, name: &str) -> Option<StructId> {
        self.cx.world.strukt(&mut self.cx.types, kind, name)
    }

    fn has_function(&mut self, name: &str) -> bool {
        self.cx.world.function(&mut self.cx.types, "", name).is_some()
    }

    fn member_offset(&mut self, ty: &Ty, path: &str, span: Span) -> Option<i64> {
        self.cx.offset_of_path(ty, path, span)
    }

    fn declare_option(&mut self, option: ScriptOption) -> Option<Span> {
        let known = &mut self.cx.options;
        match known.iter_mut().find(|o| o.name == option.name) {
            Some(before) if before.default != option.default => Some(before.span),
            Some(before) => {
                if before.doc.is_empty() {
                    before.doc = option.doc;
                }
                None
            }
            None => {
                known.push(option);
                None
            }
        }
    }
}
