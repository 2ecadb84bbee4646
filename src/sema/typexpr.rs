//! Types as written.
//!
//! Comes in: a type expression. Goes out: the type, or `Ty::Error` after a report.

use super::Checker;
use super::hir::ExprKind as V;
use crate::base::Span;
use crate::lang::probes::fields::c_int;
use crate::syntax::ast::{Arg, Expr, ExprKind, TypeExpr, TypeKind};
use crate::ty::{AggKind, Space, StructKind, Ty};

/// Names of types for hints; `string` and its like take a length.
const NAMES: &[&str] = &[
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "void",
    "string",
    "buffer",
    "inet",
    "macaddr_t",
    "timestamp",
    "cgroup_path_t",
    "username_t",
    "ksym_t",
    "usym_t",
];

/// What a map can hold, by name; no variable has such a type.
const AGGREGATIONS: &[(&str, AggKind, bool)] = &[
    ("count_t", AggKind::Count, true),
    ("sum_t", AggKind::Sum, true),
    ("min_t", AggKind::Min, true),
    ("max_t", AggKind::Max, true),
    ("avg_t", AggKind::Avg, true),
    ("stats_t", AggKind::Stats, true),
    ("usum_t", AggKind::Sum, false),
    ("umin_t", AggKind::Min, false),
    ("umax_t", AggKind::Max, false),
    ("uavg_t", AggKind::Avg, false),
    ("ustats_t", AggKind::Stats, false),
];

impl Checker<'_> {
    /// The type that is written there.
    pub fn type_of(&mut self, t: &TypeExpr) -> Ty {
        match &t.kind {
            TypeKind::Name(name) => match self.named_type(name) {
                Some(ty) => ty,
                None => {
                    match self.struct_named(StructKind::Struct, name) {
                        Some(_) => self.diags.unknown_type_but(t.span, name, format!("write struct {name}")),
                        None => {
                            self.diags.unknown_type(t.span, name, NAMES.iter().copied());
                            self.explain_skipped(name);
                        }
                    }
                    Ty::Error
                }
            },
            TypeKind::Struct(name) => self.strukt(StructKind::Struct, name, t.span),
            TypeKind::Union(name) => self.strukt(StructKind::Union, name, t.span),
            TypeKind::Enum(name) => match self.enum_named(name) {
                Some(id) => Ty::Enum(id),
                None => {
                    self.diags.unknown_type(t.span, &format!("enum {name}"), []);
                    self.explain_skipped(name);
                    Ty::Error
                }
            },
            TypeKind::Ptr(to) => match self.part_type(to) {
                Ty::Error => Ty::Error,
                to => Ty::ptr(to, Space::Any),
            },
            TypeKind::Array(elem, n) => self.array_type(elem, *n, t.span),
            TypeKind::Tuple(fields) => {
                let fields: Vec<Ty> = fields.iter().map(|f| self.part_type(f)).collect();
                if fields.iter().any(Ty::is_error) { Ty::Error } else { Ty::Tuple(fields.into()) }
            }
            TypeKind::Record(fields) => {
                let fields: Vec<(String, Ty)> =
                    fields.iter().map(|(n, f)| (n.name.clone(), self.part_type(f))).collect();
                let failed = fields.iter().any(|(_, t)| t.is_error());
                if failed { Ty::Error } else { Ty::Record(fields.into()) }
            }
            TypeKind::Typeof(arg) => self.type_of_arg(arg),
            TypeKind::Error => Ty::Error,
        }
    }

    /// The type that an argument means: a type, or an expression that is not evaluated.
    pub fn type_of_arg(&mut self, arg: &Arg) -> Ty {
        match arg {
            Arg::Type(t) => self.type_of(t),
            Arg::Expr(e) => {
                if let Some(ty) = self.type_named_by(e) {
                    return ty;
                }
                let value = self.expr(e);
                match (&value.ty, &value.kind) {
                    // As long as the array, though what is read has room for a NUL behind a full one.
                    (Ty::Str { .. }, V::Cast(place)) if let Ty::Array { n, .. } = place.ty => Ty::Str { n },
                    _ => value.ty,
                }
            }
        }
    }

    /// The type of that name, where a bare word is no value.
    fn type_named_by(&mut self, e: &Expr) -> Option<Ty> {
        match &e.kind {
            ExprKind::Ident(name) if !self.is_value_name(name) => self.named_type(name),
            _ => None,
        }
    }

    fn array_type(&mut self, elem: &TypeExpr, n: Option<u64>, span: Span) -> Ty {
        let limit = 1 << 20;
        if n.is_some_and(|n| n > limit) {
            self.diags.bad_argument(span, format!("an array has at most {limit} elements"));
            return Ty::Error;
        }
        let n = n.map(|n| n as u32);
        if let (TypeKind::Name(name), Some(n)) = (&elem.kind, n) {
            match name.as_str() {
                "string" => return Ty::Str { n },
                "buffer" => return Ty::Buf { n },
                "inet" => return Ty::Inet,
                _ => {}
            }
        }
        match self.part_type(elem) {
            Ty::Error => Ty::Error,
            Ty::Void => {
                self.diags.bad_argument(elem.span, "void has no size: there is no array of it".into());
                Ty::Error
            }
            elem => Ty::array(elem, n.unwrap_or(0)),
        }
    }

    /// The type of what another type holds or points to.
    fn part_type(&mut self, t: &TypeExpr) -> Ty {
        match self.type_of(t) {
            ty @ Ty::Agg { .. } => {
                let found = self.name(&ty);
                self.diags
                    .bad_argument(t.span, format!("{found} is what a map holds, and no part of other types"));
                Ty::Error
            }
            ty => ty,
        }
    }

    fn strukt(&mut self, kind: StructKind, name: &str, span: Span) -> Ty {
        let is_spoilt = self.defs.skipped.contains_key(name);
        if let Some(id) = self.struct_named(kind, name).filter(|_| !is_spoilt) {
            return Ty::Struct(id);
        }
        let word = match kind {
            StructKind::Struct => "struct",
            StructKind::Union => "union",
        };
        let known = self.struct_names();
        self.diags.unknown_type(span, &format!("{word} {name}"), known.iter().map(String::as_str));
        self.explain_skipped(name);
        Ty::Error
    }

    /// Says of a type that was just reported why the header that has it does not count.
    fn explain_skipped(&mut self, name: &str) {
        if let (Some(skipped), Some(said)) = (self.defs.skipped.get(name), self.diags.list.last_mut()) {
            said.notes.push((skipped.span, format!("its definition is not understood: {}", skipped.message)));
            said.hint = Some("define it in the script, with the members that are needed".to_owned());
        }
    }

    /// The type of one word, if there is one.
    pub fn named_type(&mut self, name: &str) -> Option<Ty> {
        let limit = self.config.max_strlen as u32;
        let known = match name {
            "bool" => Ty::Bool,
            "int8" => Ty::int(8),
            "int16" => Ty::int(16),
            "int32" => Ty::int(32),
            "int64" => Ty::I64,
            "uint8" => Ty::uint(8),
            "uint16" => Ty::uint(16),
            "uint32" => Ty::U32,
            "uint64" => Ty::U64,
            "void" => Ty::Void,
            "string" => Ty::Str { n: limit },
            "buffer" => Ty::Buf { n: limit.saturating_sub(4) },
            "inet" => Ty::Inet,
            "macaddr_t" => Ty::Mac,
            "timestamp" => Ty::Timestamp,
            "cgroup_path_t" => Ty::CgroupPath,
            "username_t" => Ty::Username,
            "ksym_t" => Ty::Ksym,
            "usym_t" => Ty::Usym,
            _ => {
                let aggregation = || AGGREGATIONS.iter().find(|a| a.0 == name);
                if let Some(&(_, kind, signed)) = aggregation() {
                    return Some(Ty::Agg { kind, signed });
                }
                return c_int(&[name]).or_else(|| self.typedef_named(name));
            }
        };
        Some(known)
    }
}
