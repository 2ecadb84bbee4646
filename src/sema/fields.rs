//! Members of structs, elements of arrays, parts of tuples and records.
//!
//! Always holds: a member's path leads through anonymous members to the named one; an array of characters reads as
//! a string; a pointer that says nothing of its memory points where the struct that it was read from lies.

use super::convert::{self, as_int, error};
use super::exprs::is_literal;
use super::{Checker, hir};
use crate::base::Span;
use crate::syntax::ast;
use crate::ty::table::essential;
use crate::ty::{Space, StructId, StructOrigin, Ty};
use hir::{Expr, ExprKind};

/// Anonymous members inside one another, at most.
const DEPTH_MAX: u32 = 16;

/// Where the kernel's headers have a field of sockets by a macro: `sk_family` is `__sk_common.skc_family`
/// (include/net/sock.h), `inet_dport` is `sk.__sk_common.skc_dport` (include/net/inet_sock.h).
fn of_socket(name: &str) -> Option<(&'static [&'static str], String)> {
    let (holder, rest): (&[&str], _) = match name.split_once('_')? {
        ("sk", rest) => (&["__sk_common"], rest),
        ("tw", rest) => (&["__tw_common"], rest),
        ("inet", rest @ ("daddr" | "rcv_saddr" | "dport" | "num")) => (&["sk", "__sk_common"], rest),
        _ => return None,
    };
    Some((holder, format!("skc_{rest}")))
}

impl Checker<'_> {
    /// `e.name`, through any number of pointers.
    pub fn field(&mut self, base: Expr, name: &ast::Ident, span: Span) -> Expr {
        let base = self.through_pointers(base);
        match base.ty.clone() {
            Ty::Error => error(span),
            Ty::Struct(id) => self.member(base, id, name, span),
            Ty::Record(fields) => match fields.iter().position(|(n, _)| *n == name.name) {
                Some(i) => {
                    let ty = fields[i].1.clone();
                    if let (true, ExprKind::Tuple(parts)) = (is_literal(&base), &base.kind) {
                        return Expr { span, ..parts[i].clone() };
                    }
                    Expr { kind: ExprKind::Get { base: Box::new(base), i: i as u32 }, ty, span }
                }
                None => {
                    let known = fields.iter().map(|(n, _)| n.as_str());
                    self.diags.unknown_field(name.span, "the record", &name.name, known);
                    error(span)
                }
            },
            other => {
                let found = self.name(&other);
                let message = format!("{found} has no fields, so no {}", name.name);
                self.diags.bad_operand(name.span, message);
                error(span)
            }
        }
    }

    pub fn has_member(&mut self, id: StructId, name: &str) -> bool {
        self.find_member(id, name, DEPTH_MAX).is_some()
    }

    fn member(&mut self, base: Expr, id: StructId, name: &ast::Ident, span: Span) -> Expr {
        if matches!(base.kind, ExprKind::Args) && name.name.starts_with("common_") {
            let message = format!("{} is the kernel's own and cannot be read", name.name);
            self.diags.bad_operand(name.span, message);
            return error(span);
        }
        let Some((path, ty)) = self.find_member(id, &name.name, DEPTH_MAX) else {
            if let Some(parts) = self.renamed(id, &name.name) {
                let named = |part: &String| ast::Ident { name: part.clone(), span: name.span };
                return parts.iter().map(named).fold(base, |e, part| self.field(e, &part, span));
            }
            let of = match base.kind {
                ExprKind::Args => "args".to_owned(),
                _ => match &self.types.structs[id] {
                    def if def.origin == StructOrigin::Flavor => {
                        format!("the kernel's {}", essential(&def.name))
                    }
                    _ => self.name(&base.ty),
                },
            };
            let known = self.member_names(id);
            self.diags.unknown_field(name.span, &of, &name.name, known.iter().map(String::as_str));
            return error(span);
        };
        let ty = in_space(ty, self.space_of(&base));
        let e = Expr { kind: ExprKind::Member { base: Box::new(base), path }, ty, span };
        as_value(e)
    }

    /// The path to a member, also through anonymous ones, and its type.
    fn find_member(&mut self, id: StructId, name: &str, depth: u32) -> Option<(Vec<u32>, Ty)> {
        let depth = depth.checked_sub(1)?;
        self.world.load_struct(&mut self.types, id);
        let members = self.types.structs[id].members.as_ref()?;
        if let Some(i) = members.iter().position(|m| m.name == name) {
            return Some((vec![i as u32], members[i].ty.clone()));
        }
        let anonymous = members.iter().enumerate().filter(|(_, m)| m.name.is_empty());
        let inner: Vec<(u32, StructId)> = anonymous
            .filter_map(|(i, m)| if let Ty::Struct(s) = m.ty { Some((i as u32, s)) } else { None })
            .collect();
        inner.into_iter().find_map(|(i, s)| {
            let (mut path, ty) = self.find_member(s, name, depth)?;
            path.insert(0, i);
            Some((path, ty))
        })
    }

    fn member_names(&self, id: StructId) -> Vec<String> {
        let members = self.types.structs[id].members.iter().flatten();
        members.map(|m| m.name.clone()).collect()
    }

    /// Follows pointers down to what is no pointer.
    fn through_pointers(&mut self, mut e: Expr) -> Expr {
        while let Ty::Ptr { to, .. } = &e.ty {
            let to = (**to).clone();
            if matches!(to, Ty::Void | Ty::Error) {
                break;
            }
            let (ty, span) = (in_space(to, self.space_of_pointer(&e)), e.span);
            e = Expr { kind: ExprKind::Deref(Box::new(e)), ty, span };
        }
        e
    }

    fn space_of_pointer(&self, e: &Expr) -> Space {
        match &e.ty {
            Ty::Ptr { space, .. } => *space,
            _ => Space::Any,
        }
    }

    /// In which memory a place lies.
    fn space_of(&self, place: &Expr) -> Space {
        match &place.kind {
            ExprKind::Deref(p) => self.space_of_pointer(p),
            ExprKind::Member { base, .. } | ExprKind::Index { base, .. } => self.space_of(base),
            _ => Space::Any,
        }
    }

    /// `*p`
    pub fn deref(&mut self, p: Expr, span: Span) -> Expr {
        match p.ty.clone() {
            Ty::Error => error(span),
            // An address reads as a word.
            Ty::Int { .. } => {
                let p = self.convert(p, &Ty::ptr(Ty::U64, Space::Any));
                Expr { kind: ExprKind::Deref(Box::new(p)), ty: Ty::U64, span }
            }
            Ty::Ptr { to, .. } if *to == Ty::Void => {
                let message = "a void * cannot be read: cast it to another pointer first".into();
                self.diags.bad_operand(span, message);
                error(span)
            }
            Ty::Ptr { to, space } => {
                let ty = in_space((*to).clone(), space);
                as_value(Expr { kind: ExprKind::Deref(Box::new(p)), ty, span })
            }
            other => {
                let found = self.name(&other);
                let message = format!("* reads what a pointer points to, and this is {found}");
                self.diags.bad_operand(span, message);
                error(span)
            }
        }
    }

    /// `e.0`
    pub fn tuple_index(&mut self, base: Expr, index: u64, index_span: Span, span: Span) -> Expr {
        let n = match &base.ty {
            Ty::Error => return error(span),
            Ty::Tuple(f) => f.len() as u32,
            other => {
                let found = self.name(other);
                self.diags.bad_operand(index_span, format!(".{index} is of tuples, and this is {found}"));
                return error(span);
            }
        };
        let Ty::Tuple(fields) = base.ty.clone() else { return error(span) };
        match fields.get(index as usize) {
            Some(ty) => {
                let kind = ExprKind::Get { base: Box::new(base), i: index as u32 };
                Expr { kind, ty: ty.clone(), span }
            }
            None => {
                self.diags.bad_index(index_span, index as i64, n, "the tuple");
                error(span)
            }
        }
    }

    /// `e[i]`
    pub fn index(&mut self, base: Expr, index: Expr, span: Span) -> Expr {
        if base.ty.is_error() || index.ty.is_error() {
            return error(span);
        }
        let index = match &index.ty {
            Ty::Int { .. } => index,
            Ty::Enum(_) | Ty::Bool => self.convert(index, &Ty::I64),
            other => {
                let found = self.name(other);
                self.diags.bad_operand(index.span, format!("an index is an integer, not {found}"));
                return error(span);
            }
        };
        let base = convert::place_of(base);
        let known = as_int(&index);
        match base.ty.clone() {
            Ty::Array { elem, n } => {
                if let Some(i) = known.filter(|&i| i < 0 || n > 0 && i >= i64::from(n)) {
                    self.diags.bad_index(index.span, i, n, "the array");
                    return error(span);
                }
                let ty = in_space((*elem).clone(), self.space_of(&base));
                as_value(element(base, index, ty, span))
            }
            Ty::Str { n } => {
                if let Some(i) = known.filter(|&i| i < 0 || i >= i64::from(n)) {
                    self.diags.bad_index(index.span, i, n, "the string");
                    return error(span);
                }
                element(base, index, Ty::int(8), span)
            }
            Ty::Ptr { .. } => {
                let at = self.pointer_plus(base, index, span);
                self.deref(at, span)
            }
            Ty::Tuple(_) => match known {
                Some(i) if i >= 0 => self.tuple_index(base, i as u64, index.span, span),
                _ => {
                    self.diags.not_constant(index.span, "the index of a tuple is a literal");
                    error(span)
                }
            },
            other => {
                let found = self.name(&other);
                self.diags.bad_operand(base.span, format!("{found} has no elements"));
                error(span)
            }
        }
    }

    /// `p + i`, in units of what `p` points to.
    pub fn pointer_plus(&mut self, p: Expr, index: Expr, span: Span) -> Expr {
        let Ty::Ptr { to, .. } = p.ty.clone() else { return error(span) };
        let elem_bytes = to.size(&self.types);
        if elem_bytes == 0 {
            let found = self.name(&p.ty);
            let message = format!("{found} has no size to count in: cast it to another pointer first");
            self.diags.bad_operand(span, message);
            return error(span);
        }
        let ty = p.ty.clone();
        let index = self.convert(index, &Ty::I64);
        Expr { kind: ExprKind::PtrAdd { ptr: Box::new(p), index: Box::new(index), elem_bytes }, ty, span }
    }

    /// What a header calls the field in truth: `st_mtime` is `st_mtim.tv_sec`.
    fn renamed(&mut self, id: StructId, name: &str) -> Option<Vec<String>> {
        if let Some(parts) = self.defs.renamed.get(name) {
            return self.find_member(id, parts.first()?, DEPTH_MAX).map(|_| parts.clone());
        }
        let (holder, last) = of_socket(name)?;
        let mut at = id;
        for part in holder {
            let (_, Ty::Struct(inner)) = self.find_member(at, part, DEPTH_MAX)? else { return None };
            at = inner;
        }
        self.find_member(at, &last, DEPTH_MAX)?;
        Some(holder.iter().map(|p| (*p).to_owned()).chain([last]).collect())
    }

    /// Bytes from the start of a struct to a member path; `None` after a report.
    pub fn offset_of_path(&mut self, ty: &Ty, path: &str, span: Span) -> Option<i64> {
        let mut ty = ty.clone();
        let mut bits = 0u64;
        for name in path.split('.') {
            let Ty::Struct(mut id) = ty else {
                let found = self.name(&ty);
                if !ty.is_error() {
                    self.diags.bad_operand(span, format!("{found} has no members"));
                }
                return None;
            };
            let Some((path, last)) = self.find_member(id, name, DEPTH_MAX) else {
                let (of, known) = (self.name(&Ty::Struct(id)), self.member_names(id));
                self.diags.unknown_field(span, &of, name, known.iter().map(String::as_str));
                return None;
            };
            for i in path {
                let member = self.types.structs[id].members.as_ref().map(|m| &m[i as usize])?;
                bits += u64::from(member.offset_bits);
                if let Ty::Struct(inner) = member.ty {
                    id = inner;
                }
            }
            ty = last;
        }
        Some((bits / 8) as i64)
    }
}

fn element(base: Expr, index: Expr, ty: Ty, span: Span) -> Expr {
    Expr { kind: ExprKind::Index { base: Box::new(base), index: Box::new(index) }, ty, span }
}

/// A pointer read from memory points there too unless it says otherwise.
fn in_space(ty: Ty, space: Space) -> Ty {
    match ty {
        Ty::Ptr { to, space: Space::Any } => Ty::Ptr { to, space },
        other => other,
    }
}

/// An array of characters reads as a string, which has room for a NUL behind a full one.
fn as_value(e: Expr) -> Expr {
    match &e.ty {
        Ty::Array { elem, n } if **elem == Ty::int(8) && *n > 0 => {
            let (ty, span) = (Ty::Str { n: *n + 1 }, e.span);
            Expr { kind: ExprKind::Cast(Box::new(e)), ty, span }
        }
        _ => e,
    }
}
