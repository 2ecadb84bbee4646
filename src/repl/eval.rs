//! Expressions, computed in the kernel and shown with their types.
//!
//! Comes in: an expression, as the value of a `begin` probe's body. Goes out: what it is there and then. A pointer
//! to a struct shows the struct's fields, so that one can walk on from them. Always holds: what is shown was made by
//! a program that ran once in this process, or stands in a map.

use std::time::Duration;

use super::Repl;
use super::build::{Built, base_of};
use super::edit::Target;
use super::events::Events;
use super::list::cut;
use super::screen::harmless;
use crate::base::{FileId, SourceMap, codes};
use crate::output::hist;
use crate::sema::hir;
use crate::syntax::ast::{self, Expr, ExprKind, Ident, Item, Script};
use crate::syntax::visit::{self, Visitor};
use crate::ty::{Ty, print};
use crate::value::Value;
use crate::value::text::{self, Place};
use crate::{Stage, lang};

/// What an expression is, before it is run.
#[derive(Clone)]
struct Shape {
    ty: Ty,
    /// As messages call it.
    name: String,
    is_struct_ptr: bool,
    /// What only printing reads: a histogram of a key, or the like.
    is_entry: bool,
}

/// Builtins that are about the process at hand.
const ABOUT_SELF: &[&str] =
    &["curtask", "comm", "pid", "tid", "uid", "gid", "username", "cgroup", "ustack", "dw_ustack"];

impl Repl {
    /// Shows an expression.
    pub fn evaluate(&mut self, sources: SourceMap, file: FileId, script: Script) {
        let Some(e) = super::input::value(&script).cloned() else { return };
        if let ExprKind::Map { name, key: None } = &e.kind
            && self.show_map(&format!("@{name}"))
        {
            return;
        }
        let (built, shape) = self.build_print(&sources, file, &script, e.clone());
        let errors: Vec<&str> = built.diags.list.iter().map(|d| d.code.id).collect();
        if errors.contains(&codes::NO_VALUE.id) {
            return self.run_once(sources, file, script.items);
        }
        let is_entry = shape.as_ref().is_some_and(|s| s.is_entry) || errors.contains(&codes::AGGREGATION.id);
        if let (true, ExprKind::Map { name, key: Some(key) }) = (is_entry, &e.kind) {
            return self.show_entry(&sources, file, &script, name, key);
        }
        if built.image.is_none() {
            return self.show(&built.sources, &built.diags);
        }
        let Some(shape) = shape else { return self.run_once(sources, file, script.items) };
        if self.session.is_none() {
            self.screen.say(&format!("it is of type {}; to compute it:", shape.name));
            return self.complain_obstacle();
        }
        if shape.is_struct_ptr {
            return self.show_struct(&sources, file, &script, e, &shape);
        }
        let Some(value) = self.value_of(&built) else { return };
        let shown = format!("{} : {}{}", shown(&value, &shape.ty), shape.name, self_note(&e));
        self.screen.say(&shown);
    }

    /// Compiles the expression as what a probe prints, and finds its type.
    fn build_print(
        &self,
        sources: &SourceMap,
        file: FileId,
        script: &Script,
        e: Expr,
    ) -> (Built, Option<Shape>) {
        let mut shape = None;
        let config = lang::Config { count_hits: false, ..self.settings() };
        let (file, base) = (file, (&self.base, &config));
        let items = printing(script, e.clone());
        let mut see = |stage: Stage| {
            if let Stage::Hir(program) = stage {
                shape = shape_of(program);
            }
        };
        let mut built = self.build_in(sources.clone(), file, items, base, &mut see);
        if built.diags.list.iter().any(|d| d.code.id == codes::KERNEL_LACKS.id) {
            // What programs of the usual type may not call, those on packets perhaps may.
            let items = on_demand(printing(script, e));
            let other = self.build_in(sources.clone(), file, items, base, &mut see);
            if other.image.is_some() {
                built = other;
            }
        }
        (built, shape)
    }

    /// Runs what was built, once; the value that it printed. `None` after something was said.
    fn value_of(&mut self, built: &Built) -> Option<Value> {
        let image = built.image.clone()?;
        let session = self.session.as_mut()?;
        let added = match session.add(image.clone(), self.world.as_ref()) {
            Ok(added) => added,
            Err(e) => {
                self.show_failure(&e, Some(&image));
                return None;
            }
        };
        // What fails brings no value, which is said.
        let _ = session.run_on_demand(added.id);
        let mut value = None;
        let mut events = Events::default();
        let polled = session.poll(Duration::ZERO, &mut |e| match (&e.body, &e.origin) {
            (crate::runtime::Body::Value(v), Some(o)) if o.clause == added.id => value = Some((*v).clone()),
            _ => events.take(&e),
        });
        session.remove(added.id);
        self.absorb(events);
        if let Err(e) = polled {
            self.complain(format!("the answer cannot be read: {e}"), None);
        }
        // Its types stay: the next text finds them under the same numbers.
        self.base.types = base_of(&image).types;
        if value.is_none() {
            self.complain("the program ran, and no answer came".into(), None);
        }
        value
    }

    /// A pointer with the fields of what it points to.
    fn show_struct(&mut self, sources: &SourceMap, file: FileId, script: &Script, e: Expr, shape: &Shape) {
        let note = self_note(&e);
        let (at, _) = self.build_print(sources, file, script, e.clone());
        let Some(address) = self.value_of(&at) else { return };
        let head = format!("{} : {}{note}", shown(&address, &shape.ty), shape.name);
        if matches!(address, Value::Ptr(0) | Value::Uint(0) | Value::Int(0)) {
            return self.screen.say(&head);
        }
        let span = e.span;
        let place = Expr { kind: ExprKind::Unary { op: ast::UnOp::Deref, e: Box::new(e) }, span };
        let (built, _) = self.build_print(sources, file, script, place);
        let value = if built.image.is_some() { self.value_of(&built) } else { None };
        let (_, columns) = self.size();
        let fields = value.map_or(String::new(), |v| fields(&v, columns));
        self.screen.say(&format!("{head}\n{fields}"));
    }

    /// Shows a whole map. `false` if there is none of that name.
    fn show_map(&mut self, name: &str) -> bool {
        let Some(map) = self.base.maps.iter().find(|m| m.name == name) else { return false };
        let value = print::name(&map.value, &self.base.types);
        let key = map.key.as_ref().map(|k| print::name(k, &self.base.types));
        let ty = key.map_or(value.clone(), |key| format!("{value} by {key}"));
        match self.map_text(name) {
            Some(text) if text.trim().is_empty() => self.screen.say(&format!("{name} : {ty}, empty")),
            Some(text) => self.screen.say(&with_type(&text, &ty)),
            None => self.screen.say(&format!("{name} : {ty}")),
        }
        true
    }

    /// Shows an entry of a map whose values programs cannot read.
    fn show_entry(&mut self, sources: &SourceMap, file: FileId, script: &Script, name: &str, key: &[Expr]) {
        let e = match key {
            [one] => one.clone(),
            several => Expr { kind: ExprKind::Tuple(several.to_vec()), span: several[0].span },
        };
        let (built, _) = self.build_print(sources, file, script, e);
        if built.image.is_none() {
            return self.show(&built.sources, &built.diags);
        }
        let Some(key) = self.value_of(&built) else { return };
        let name = format!("@{name}");
        let view = self.session.as_ref().map(|s| s.read_map(&name));
        match view {
            Some(Ok(Some(mut view))) => {
                view.entries.retain(|(k, _)| same(k, &key));
                let value = print::name(&view.schema.value, &self.base.types);
                let mut out = Vec::new();
                super::maps::write(&mut out, &crate::output::text::Text::plain(".."), &view);
                let text = harmless(&String::from_utf8_lossy(&out)).into_owned();
                let text = if view.entries.is_empty() { "no such key\n".to_owned() } else { text };
                self.screen.say(&with_type(&text, &value));
            }
            Some(Err(e)) => self.complain(format!("{name} cannot be read: {e}"), None),
            Some(Ok(None)) | None => {}
        }
    }

    /// Runs statements once, here and now.
    pub fn run_once(&mut self, sources: SourceMap, file: FileId, items: Vec<Item>) {
        let config = lang::Config { count_hits: false, ..self.settings() };
        let built = self.build_in(sources, file, items, (&self.base, &config), &mut |_| {});
        self.show(&built.sources, &built.diags);
        let Some(image) = built.image else {
            let text = built.sources.files[file].text.clone();
            return self.offer_change("prompt", &text, Target::Once);
        };
        let Some(session) = &mut self.session else { return self.complain_obstacle() };
        match session.add(image.clone(), self.world.as_ref()) {
            Ok(added) => {
                self.pump(Duration::ZERO);
                if let Some(session) = &mut self.session {
                    session.remove(added.id);
                }
                self.base = base_of(&image);
                self.renew_base();
            }
            Err(e) => self.show_failure(&e, Some(&image)),
        }
    }
}

/// The items of a script whose only probe prints the expression.
fn printing(script: &Script, e: Expr) -> Vec<Item> {
    let mut items = script.items.clone();
    if let [Item::Probe(probe)] = items.as_mut_slice() {
        let span = e.span;
        let name = Ident { name: "print".into(), span };
        let call = Expr { kind: ExprKind::Call { name, args: vec![ast::Arg::Expr(e)] }, span };
        probe.body.tail = Some(Box::new(call));
    }
    items
}

/// The same probe, as one that runs only when it is asked to.
fn on_demand(mut items: Vec<Item>) -> Vec<Item> {
    if let [Item::Probe(probe)] = items.as_mut_slice()
        && let Some(part) = probe.points.first_mut().and_then(|p| p.parts.first_mut())
    {
        let name = ast::ApPart { text: "expression".into(), ..part.clone() };
        part.text = "bench".into();
        probe.points[0].parts.push(name);
    }
    items
}

/// What the program's only probe prints.
fn shape_of(program: &hir::Program) -> Option<Shape> {
    let probe = program.probes.iter().next()?;
    let (ty, is_entry) = probe.body.stmts.iter().rev().find_map(|s| match &s.kind {
        hir::StmtKind::Expr(e) => printed(e, program),
        _ => None,
    })?;
    let is_struct_ptr = matches!(&ty, Ty::Ptr { to, .. } if matches!(**to, Ty::Struct(_)));
    Some(Shape { name: print::name(&ty, &program.types), ty, is_struct_ptr, is_entry })
}

/// The type of what `print()` is given, and whether that is an entry of a map.
fn printed(e: &hir::Expr, program: &hir::Program) -> Option<(Ty, bool)> {
    let hir::ExprKind::Call(call) = &e.kind else { return None };
    if call.row.name != "print" {
        return None;
    }
    match call.args.first()? {
        hir::Arg::Expr(e) => Some((e.ty.clone(), false)),
        hir::Arg::Map { map, key } => Some((program.maps[*map].value.clone(), key.is_some())),
        hir::Arg::Text(_) | hir::Arg::Ty(_) => None,
    }
}

/// A value as text; strings in quotes.
fn shown(value: &Value, ty: &Ty) -> String {
    let mut out = Vec::new();
    match value {
        Value::Hist(h) => hist::write(&mut out, h, &[]),
        value => text::write(&mut out, value, Place::Value, ".."),
    }
    let text = harmless(&String::from_utf8_lossy(&out)).into_owned();
    match (value, ty) {
        (Value::Str { .. }, _) => format!("\"{text}\""),
        (Value::Uint(n), Ty::Ptr { .. }) => format!("{n:#x}"),
        _ => text,
    }
}

/// A map's text and its type: behind it, or below it where it has several lines.
fn with_type(text: &str, ty: &str) -> String {
    let text = text.trim_end();
    let between = if text.contains('\n') { "\n " } else { " " };
    format!("{text}{between}: {ty}")
}

/// The fields of a struct, one a line.
fn fields(value: &Value, columns: usize) -> String {
    let Value::Record(fields) = value else { return shown(value, &Ty::Error) };
    let line = |(name, value): &(String, Value)| {
        let text = shown(value, &Ty::Error);
        cut(&format!("  .{name} = {}", text.replace('\n', " ")), columns) + "\n"
    };
    fields.iter().map(line).collect()
}

/// Two values that are the same key, whatever the width of their types.
fn same(a: &Value, b: &Value) -> bool {
    let text = |v: &Value| {
        let mut out = Vec::new();
        text::write(&mut out, v, Place::Value, "..");
        out
    };
    text(a) == text(b)
}

/// Whose values these are, where an expression is about the process at hand.
fn self_note(e: &Expr) -> &'static str {
    struct Finder(bool);
    impl Visitor for Finder {
        fn expr(&mut self, e: &Expr) {
            if let ExprKind::Ident(name) = &e.kind {
                self.0 |= ABOUT_SELF.contains(&name.as_str());
            }
            visit::walk_expr(self, e);
        }
    }
    let mut finder = Finder(false);
    finder.expr(e);
    if finder.0 { " (of awl itself)" } else { "" }
}
