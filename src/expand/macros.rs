//! Macro calls to what they stand for.
//!
//! Comes in: the macros of a script, and its items. Goes out: items without macros and calls of them. Always holds:
//! arguments are expanded where they stand, before the macro sees them; a call of a macro inside its own expansion
//! is an error that shows the chain; macros of the script come before builtins, builtins and the script's functions
//! before the library; the library's own text means the library and builtins alone.

use super::budget::{self, Budget, DEPTH_MAX};
use super::library::{self, Library};
use super::substitute::{Outlaw, Outlaws, Substitution};
use crate::base::{Diag, Diags, Origin, SourceMap, Span, codes};
use crate::lang::sig::ParamKind;
use crate::lang::{aggs, builtins};
use crate::syntax::ast::{Arg, Block, Expr, ExprKind, Ident, Item, Macro, MacroParam};
use crate::syntax::visit::{self, VisitorMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Macros that call one another, at most.
const CHAIN_MAX: usize = 64;

/// All forms of each macro of the script.
#[derive(Default)]
pub struct Table {
    forms: BTreeMap<String, Vec<Rc<Macro>>>,
    /// Names of the script's functions, which come before the library.
    fns: BTreeSet<String>,
}

impl Table {
    /// Enters the name of a function.
    pub fn add_fn(&mut self, name: &str) {
        self.fns.insert(name.to_owned());
    }

    /// Enters a macro; says what it must not be.
    pub fn add(&mut self, form: Macro, diags: &mut Diags) {
        for (span, outlaw) in Outlaws::of(&form) {
            diags.push(match outlaw {
                Outlaw::Jump(word) => {
                    Diag::error(&codes::BAD_JUMP, span, format!("{word} would lead out of the macro"))
                }
                Outlaw::Map(name) => {
                    let message = format!("@{name} is no parameter of the macro {}", form.name.name);
                    let hint = format!("hand the map to it: macro {}(@{name}, …)", form.name.name);
                    Diag::error(&codes::MACRO, span, message).hint(hint)
                }
            });
        }
        for (i, param) in form.params.iter().enumerate() {
            let (sign, name) = named(param);
            let mut before = form.params[..i].iter().map(named);
            if let Some((_, before)) = before.find(|(s, n)| *s == sign && n.name == name.name) {
                let message = format!("{sign}{} is a parameter already", name.name);
                let d = Diag::error(&codes::REDECLARED, name.span, message);
                diags.push(d.note(before.span, "here"));
            }
        }
        let forms = self.forms.entry(form.name.name.clone()).or_default();
        let same = |f: &&Rc<Macro>| kinds(f) == kinds(&form);
        if let Some(before) = forms.iter().find(same) {
            let message = format!("the macro {} with these parameters is there already", form.name.name);
            let d = Diag::error(&codes::REDECLARED, form.name.span, message);
            diags.push(d.note(before.name.span, "the first one"));
            return;
        }
        forms.push(Rc::new(form));
    }
}

/// A parameter's sign and name.
fn named(param: &MacroParam) -> (&'static str, &Ident) {
    match param {
        MacroParam::Var(name) => ("$", name),
        MacroParam::Map(name) => ("@", name),
        MacroParam::Expr(name) => ("", name),
    }
}

/// The kinds of the parameters, which tell forms apart.
fn kinds(form: &Macro) -> Vec<&'static str> {
    form.params.iter().map(|p| named(p).0).collect()
}

/// Replaces the macro calls in an item.
pub fn expand(
    item: &mut Item,
    table: &Table,
    library: &mut Library,
    sources: &mut SourceMap,
    budget: &mut Budget,
    diags: &mut Diags,
) {
    Expander { table, library, sources, budget, diags, chain: Vec::new(), depth: 0 }.item(item);
}

struct Expander<'a> {
    table: &'a Table,
    library: &'a mut Library,
    sources: &'a mut SourceMap,
    budget: &'a mut Budget,
    diags: &'a mut Diags,
    /// The macros around the place: where they are defined, and their names.
    chain: Vec<(Span, String)>,
    /// Levels around the place.
    depth: u32,
}

impl VisitorMut for Expander<'_> {
    fn block(&mut self, b: &mut Block) {
        self.depth += 1;
        visit::walk_block_mut(self, b);
        self.depth -= 1;
    }

    fn expr(&mut self, e: &mut Expr) {
        self.depth += 1;
        // Arguments come first: they belong to the caller.
        match &mut e.kind {
            ExprKind::Call { name, args } => {
                for (i, arg) in args.iter_mut().enumerate() {
                    match arg {
                        Arg::Expr(e) if self.is_word(&name.name, i, e) => {}
                        Arg::Expr(e) => self.expr(e),
                        Arg::Type(t) => self.ty(t),
                    }
                }
            }
            _ => visit::walk_expr_mut(self, e),
        }
        match &mut e.kind {
            ExprKind::Ident(name) => {
                let name = Ident { name: name.clone(), span: e.span };
                if let Some(form) = self.form(&name, &[]) {
                    self.call(e, &form, Vec::new());
                }
            }
            ExprKind::Call { name, args } => {
                let name = name.clone();
                let args = args.clone();
                match self.form_of_call(&name, &args) {
                    Found::Form(form) => self.call(e, &form, args),
                    Found::Wrong => e.kind = ExprKind::Error,
                    Found::None => {}
                }
            }
            _ => {}
        }
        self.depth -= 1;
    }
}

enum Found {
    None,
    Form(Rc<Macro>),
    /// There are forms, and none fits; it has been said.
    Wrong,
}

impl Expander<'_> {
    fn form_of_call(&mut self, name: &Ident, args: &[Arg]) -> Found {
        if let Some(form) = self.form(name, args) {
            return Found::Form(form);
        }
        if self.is_taken(&name.name) {
            return Found::None;
        }
        let of_library = self.library.forms(&name.name, self.sources, self.diags);
        let of_script = self.table.forms.get(&name.name).map_or(&[][..], Vec::as_slice);
        let forms: Vec<_> = of_script.iter().chain(of_library).collect();
        if forms.is_empty() {
            return Found::None;
        }
        let args = match args.len() {
            0 => "no arguments".to_owned(),
            1 => "this argument".to_owned(),
            n => format!("these {n} arguments"),
        };
        let message = format!("no form of the macro {} takes {args}", name.name);
        let mut d = Diag::error(&codes::MACRO, name.span, message);
        for form in forms.iter().take(4) {
            d = d.note(form.name.span, format!("this one is {}({})", name.name, params(form)));
        }
        self.diags.push(d);
        Found::Wrong
    }

    /// The form that fits best: of the script, else of the library.
    fn form(&mut self, name: &Ident, args: &[Arg]) -> Option<Rc<Macro>> {
        if !self.sources.is_library(name.span) {
            let of_script = self.table.forms.get(&name.name).and_then(|forms| best(forms, args));
            if of_script.is_some() || self.is_taken(&name.name) {
                return of_script;
            }
        }
        best(self.library.forms(&name.name, self.sources, self.diags), args)
    }

    /// Whether argument `i` of a call is no expression, but a word such as the member of `offsetof()`, which the
    /// library may happen to have a macro of.
    fn is_word(&self, function: &str, i: usize, e: &Expr) -> bool {
        let takes_words = match builtins::find(function).and_then(|row| row.params.get(i)) {
            Some(param) => matches!(param.kind, ParamKind::Word | ParamKind::WordOrInt),
            None => function == "container_of" && i == 2,
        };
        takes_words && first_word(e).is_some_and(|name| !self.table.forms.contains_key(name))
    }

    /// Whether the name is that of something else than a macro of the library.
    fn is_taken(&self, name: &str) -> bool {
        is_builtin(name) || self.table.fns.contains(name)
    }

    /// Puts the expansion in the place of the call.
    fn call(&mut self, e: &mut Expr, form: &Rc<Macro>, args: Vec<Arg>) {
        let (span, name) = (e.span, &form.name);
        e.kind = ExprKind::Error;
        if self.chain.iter().any(|(at, _)| *at == name.span) || self.chain.len() >= CHAIN_MAX {
            self.endless(span, name);
            return;
        }
        let origin = self.sources.origins.push(Origin { name: name.name.clone(), used_at: span });
        let mut body = form.body.clone();
        Substitution::new(form, args, origin, self.budget).block(&mut body);
        if !self.budget.take(1) {
            return self.budget.say(span, self.diags);
        }
        if self.depth + budget::of_block(&body).depth > DEPTH_MAX {
            return budget::too_deep(span, self.diags);
        }
        self.chain.push((name.span, name.name.clone()));
        self.block(&mut body);
        self.chain.pop();
        match body.tail.take() {
            Some(tail) if body.stmts.is_empty() => *e = *tail,
            tail => {
                body.tail = tail;
                e.kind = ExprKind::Block(body);
            }
        }
    }

    fn endless(&mut self, span: Span, name: &Ident) {
        let mut chain: Vec<&str> = self.chain.iter().map(|(_, n)| n.as_str()).collect();
        chain.push(&name.name);
        let message = match chain.len() {
            n if n > CHAIN_MAX => format!("more than {CHAIN_MAX} macros call one another"),
            _ => format!("the macro {} leads back to itself: {}", name.name, chain.join(" -> ")),
        };
        self.diags.push(Diag::error(&codes::RECURSION, span, message));
    }
}

/// The `a` of `a` and `a.b.c`.
fn first_word(e: &Expr) -> Option<&str> {
    match &e.kind {
        ExprKind::Ident(name) => Some(name),
        ExprKind::Field { e, .. } => first_word(e),
        _ => None,
    }
}

fn is_builtin(name: &str) -> bool {
    builtins::find(name).is_some() || aggs::find(name).is_some() || library::is_operator(name)
}

/// The parameters as written.
fn params(form: &Macro) -> String {
    let param = |p: &MacroParam| match p {
        MacroParam::Var(i) => format!("${}", i.name),
        MacroParam::Map(i) => format!("@{}", i.name),
        MacroParam::Expr(i) => i.name.clone(),
    };
    form.params.iter().map(param).collect::<Vec<_>>().join(", ")
}

/// The form with most parameters of the very kind of their arguments; the first of equals.
fn best(forms: &[Rc<Macro>], args: &[Arg]) -> Option<Rc<Macro>> {
    let scored = forms.iter().filter_map(|f| Some((score(f, args)?, f)));
    let best = scored.reduce(|a, b| if b.0 > a.0 { b } else { a });
    best.map(|(_, form)| form.clone())
}

/// How well the arguments fit; `None` if they do not.
fn score(form: &Macro, args: &[Arg]) -> Option<usize> {
    if form.params.len() != args.len() {
        return None;
    }
    let fits = |(param, arg): (&MacroParam, &Arg)| match (param, arg) {
        (MacroParam::Expr(_), _) => Some(0),
        (MacroParam::Var(_), Arg::Expr(Expr { kind: ExprKind::Var(_), .. })) => Some(1),
        (MacroParam::Map(_), Arg::Expr(Expr { kind: ExprKind::Map { key: None, .. }, .. })) => Some(1),
        (MacroParam::Var(_) | MacroParam::Map(_), _) => None,
    };
    form.params.iter().zip(args).map(fits).sum()
}
