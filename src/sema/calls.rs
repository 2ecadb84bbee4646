//! Calls: from a name to its row, what the row needs, what it yields.

use super::args::{Slot, Slots};
use super::{Checker, convert, guards, hir};
use crate::base::Span;
use crate::lang::builtins::{self, MATCH, PRINT_CLEAR, arg_number};
use crate::lang::library;
use crate::lang::probes::row;
use crate::lang::sig::{Builtin, CallData, Const, Form, Need, Ret};
use crate::lang::{aggs, probes::Provider};
use crate::syntax::ast::{self, Arg, ExprKind as A};
use crate::ty::{Space, Ty};
use crate::world;
use hir::{Expr, ExprKind, Stmt, StmtKind};

/// Builtins that work in all probes, but say something of the probe.
const OF_A_PROBE: &[&str] = &["ctx", "probe", "probetype"];

impl Checker<'_> {
    /// `f(…)`
    pub fn call(&mut self, name: &ast::Ident, args: &[Arg], span: Span) -> Expr {
        if name.name == "args" && args.is_empty() {
            return self.args_struct(span);
        }
        if name.name == guards::NAME {
            return self.has_field(args, span);
        }
        if let Some(func) = self.find_fn(&name.name) {
            return self.call_of_fn(func, args, span);
        }
        if let Some(agg) = aggs::find(&name.name) {
            return self.stray_aggregation(agg, span);
        }
        let Some(row) = builtins::find(&name.name) else {
            self.unknown_function(name);
            args.iter().for_each(|a| self.check_unknown(a));
            return convert::error(span);
        };
        if let Some(n) = arg_number(&name.name) {
            if !args.is_empty() {
                self.diags.argument_count(span, &name.name, "no arguments", args.len());
                return convert::error(span);
            }
            return self.arg_n(row, n, span);
        }
        match self.slots(row.name, row.params, args, span) {
            Some(slots) => self.checked(row, slots, span, name.span),
            None => convert::error(span),
        }
    }

    fn check_unknown(&mut self, arg: &Arg) {
        if let Arg::Expr(e) = arg
            && !matches!(e.kind, A::Ident(_) | A::Map { .. })
        {
            self.any(e);
        }
    }

    fn unknown_function(&mut self, name: &ast::Ident) {
        if self.defs.uncallable.contains(&name.name) {
            return self.diags.uncallable(name.span, &name.name);
        }
        let own = self.fn_names();
        let known = builtins::all().map(|r| r.name).chain(aggs::ALL.iter().map(|a| a.name));
        let known = known.chain(library::shown().map(|e| e.name)).chain(own.iter().map(String::as_str));
        self.diags.unknown_function(name.span, &name.name, known);
    }

    /// A builtin without parentheses.
    pub fn bare(&mut self, row: &'static Builtin, name: &str, span: Span) -> Expr {
        if let Some(n) = arg_number(name) {
            return self.arg_n(row, n, span);
        }
        let needs_arguments = row.params.iter().any(|p| p.need == Need::Required);
        if row.form == Form::Func && (needs_arguments || row.params.is_empty()) {
            let message = format!("{name} is a function");
            self.diags.bad_argument(span, format!("{message}: write {name}(…)"));
            return convert::error(span);
        }
        if row.form == Form::Func {
            self.diags.bad_argument(span, format!("{name} is a function: write {name}()"));
            return convert::error(span);
        }
        self.checked(row, Vec::new(), span, span)
    }

    /// `arg0`: its number is the row's argument.
    fn arg_n(&mut self, row: &'static Builtin, n: u32, span: Span) -> Expr {
        let number = convert::int(i64::from(n), Ty::I64, span);
        let slots = vec![Slot { arg: hir::Arg::Expr(number), span }];
        self.checked(row, slots, span, span)
    }

    /// `sarg0`: an argument that the caller left on the stack.
    pub fn stack_argument(&mut self, n: u32, span: Span) -> Expr {
        self.old_spelling(span, "sargN", "*(uint64 *)(reg(\"sp\") + offset)");
        let Some(row) = builtins::find("reg") else { crate::bug!("reg has no row") };
        let slot = Slot { arg: hir::Arg::Expr(convert::string(*b"sp", span)), span };
        let sp = self.checked(row, vec![slot], span, span);
        let at = i64::from(self.world.arch().stack_args_at) + 8 * i64::from(n);
        let at = self.binary(ast::BinOp::Add, span, sp, convert::int(at, Ty::I64, span), span);
        let pointer = self.cast(at, Ty::ptr(Ty::U64, Space::Any), span);
        self.deref(pointer, span)
    }

    /// A call whose arguments are of their parameters' kinds.
    fn checked(&mut self, row: &'static Builtin, slots: Vec<Slot>, span: Span, name_span: Span) -> Expr {
        if !self.has_needs(row, name_span) {
            return convert::error(span);
        }
        let is_of_probe = !row.needs.probes.is_empty() || OF_A_PROBE.contains(&row.name);
        if self.probe.is_ghost && is_of_probe {
            return convert::error(span);
        }
        let mut cx = Slots { cx: self, span, slots };
        let (ty, data) = match &row.ret {
            Ret::Is(ty) => (ty.clone(), CallData::None),
            Ret::Check(check) => check(&mut cx),
        };
        let slots = cx.slots;
        if ty.is_error() {
            return convert::error(span);
        }
        let args = slots.into_iter().map(|s| s.arg).collect();
        match data {
            CallData::Const(c) => constant(c, ty, span),
            data => Expr { kind: ExprKind::Call(hir::Call { row, args, data }), ty, span },
        }
    }

    /// Whether a row can be used here; reports why not.
    fn has_needs(&mut self, row: &'static Builtin, span: Span) -> bool {
        if row.needs.unsafe_ && !self.config.unsafe_ {
            self.diags.needs_unsafe(span, row.name);
            return false;
        }
        if self.probe.within.is_some() && (!row.needs.probes.is_empty() || OF_A_PROBE.contains(&row.name)) {
            self.diags.not_in_a_function(span, row.name);
            return false;
        }
        if !row.needs.probes.is_empty()
            && !self.probe.is_ghost
            && !row.needs.probes.contains(&self.probe.provider)
        {
            self.not_here(row, span);
            return false;
        }
        let missing = row.needs.helpers.iter().find(|h| !world::has(self.world, **h)).copied();
        if let Some(helper) = missing {
            let name = helper.row().map_or("a helper", |r| r.name);
            let message = format!(
                "{} needs bpf_{name}, which this kernel does not have, or is locked against",
                row.name
            );
            self.diags.bad_argument(span, message);
            return false;
        }
        true
    }

    fn not_here(&mut self, builtin: &Builtin, span: Span) {
        let known = |p: &&Provider| probes_have(**p);
        let only: Vec<&str> = builtin.needs.probes.iter().filter(known).map(|p| row(*p).name).collect();
        let probe = row(self.probe.provider).name;
        self.diags.not_in_this_probe(span, builtin.name, probe, &only);
    }

    /// `text =~ "glob"`
    pub fn matches(&mut self, text: Expr, glob: Expr, op_span: Span, span: Span) -> Expr {
        if !matches!(text.ty, Ty::Str { .. }) {
            let found = self.name(&text.ty);
            self.diags.bad_operand(op_span, format!("=~ matches strings, not {found}"));
            return convert::error(span);
        }
        if !matches!(glob.kind, ExprKind::Str(_)) {
            self.diags.bad_operand(op_span, "=~ takes a pattern in quotes on its right".into());
            return convert::error(span);
        }
        let slots = [text, glob].map(|e| Slot { span: e.span, arg: hir::Arg::Expr(e) });
        self.checked(&MATCH, slots.into(), span, op_span)
    }

    /// `print(@m, …); clear(@m);` as one action, if both are that and the map can do it.
    pub fn print_and_clear(&mut self, first: &ast::Stmt, second: &ast::Stmt) -> Option<Vec<Stmt>> {
        let (print_args, printed, _) = call_on_map(first, "print")?;
        let (clear_args, cleared, _) = call_on_map(second, "clear")?;
        if printed != cleared || clear_args.len() != 1 {
            return None;
        }
        let map = self.maps.find(&format!("@{printed}"))?;
        if !self.swap(map) {
            return None;
        }
        let span = first.span.to(second.span);
        let slots = self.slots("print", PRINT_CLEAR.params, print_args, first.span)?;
        let call = self.checked(&PRINT_CLEAR, slots, span, first.span);
        Some(vec![Stmt { kind: StmtKind::Expr(call), span }])
    }
}

/// What is known of a call, as the literal that it becomes.
fn constant(c: Const, ty: Ty, span: Span) -> Expr {
    match c {
        Const::Int(v) => convert::int(v, ty, span),
        Const::Bool(b) => convert::boolean(b, span),
        Const::Str(s) => convert::string(s.into_bytes(), span),
        Const::Record(fields) => {
            let parts = fields.into_iter().map(|(_, c)| {
                let ty = c.ty();
                constant(c, ty, span)
            });
            Expr { kind: ExprKind::Tuple(parts.collect()), ty, span }
        }
    }
}

/// Whether probes of the provider exist in this version.
fn probes_have(provider: Provider) -> bool {
    crate::lang::probes::KINDS.iter().any(|k| k.provider == provider)
}

/// The arguments of a call of `function` whose first one is a whole map, and that map's name.
fn call_on_map<'s>(stmt: &'s ast::Stmt, function: &str) -> Option<(&'s [Arg], &'s str, Span)> {
    let ast::StmtKind::Expr(ast::Expr { kind: A::Call { name, args }, span }) = &stmt.kind else {
        return None;
    };
    match args.first() {
        Some(Arg::Expr(ast::Expr { kind: A::Map { name: map, key: None }, .. })) if name.name == function => {
            Some((args, map, *span))
        }
        _ => None,
    }
}
