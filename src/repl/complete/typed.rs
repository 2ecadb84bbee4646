//! The type of an expression in the middle of what is being written, by the checker itself.
//!
//! Comes in: the code around the cursor. Goes out: a type, and what fields it has. Always holds: what is wrong
//! elsewhere in the input hides nothing that the checker still found out.

use super::super::view::Cx;
use super::place::Code;
use crate::base::{Source, SourceMap};
use crate::expand;
use crate::lang::probes;
use crate::sema::{self, hir};
use crate::syntax;
use crate::ty::{StructId, Ty, TypeTable, print};
use crate::world::{World, is_glob};

/// A type with the table that it speaks of.
#[derive(Debug)]
pub struct Typed {
    pub ty: Ty,
    pub types: TypeTable,
}

/// A field of a type.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    /// As messages show it.
    pub ty: String,
}

/// The name that lone expressions are checked in: any probe would do that has no context.
const LONE: &str = "begin";

/// The type of `expr` where `code` is written.
pub fn type_of(cx: &Cx<'_>, code: &Code<'_>, expr: &str) -> Option<Typed> {
    if expr.trim().is_empty() {
        return None;
    }
    let points = code.points.map_or(LONE.to_owned(), |p| first_point(cx.world, p));
    let mut text = format!("{}\n{points} {{{}\n", &cx.view.preamble, code.before);
    let lo = text.len() as u32;
    text.push_str(expr);
    text.push_str(";\n");
    text.push_str(&"}".repeat(1 + open_braces(code.before)));
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new("input", text));
    let types = cx.view.base.types.clone();
    let (script, _) = syntax::parse::parse(file, &sources.files[file].text);
    let (expanded, _) = expand::expand_onto(types, script, &mut sources, cx.world, &cx.view.config.params);
    let (defs, script) = (expanded.defs, expanded.script);
    let config = cx.view.config.clone();
    let (program, _) = sema::check(&script, &sources, cx.world, config, &cx.view.base.maps, &defs);
    let ty = program.probes.iter().find_map(|p| in_block(&p.body, lo))?;
    (ty != Ty::Error).then_some(Typed { ty, types: program.types })
}

/// Braces that a text leaves open.
fn open_braces(text: &str) -> usize {
    let tokens = syntax::lexer::lex_expr(text);
    tokens.iter().fold(0usize, |n, t| match t.kind {
        syntax::token::Token::LBrace => n + 1,
        syntax::token::Token::RBrace => n.saturating_sub(1),
        _ => n,
    })
}

/// One attach point of the clause: all of them would cost time, and their fields are the same or an error.
fn first_point(world: &dyn World, points: &str) -> String {
    let points = points.rsplit_once('=').map_or(points, |(_, p)| p);
    let first = points.split(',').map(str::trim).find(|p| !p.is_empty()).unwrap_or(LONE);
    let Some((provider, rest)) = first.split_once(':').filter(|_| is_glob(first)) else {
        return first.to_owned();
    };
    let parts: Vec<String> = rest.split(':').map(str::to_owned).collect();
    let listed = probes::find(provider).and_then(|k| (k.list)(world, &parts).into_iter().next());
    listed.unwrap_or_else(|| first.to_owned())
}

/// The type of the statement that starts at `lo`.
fn in_block(block: &hir::Block, lo: u32) -> Option<Ty> {
    block.stmts.iter().find_map(|s| in_stmt(s, lo))
}

fn in_stmt(stmt: &hir::Stmt, lo: u32) -> Option<Ty> {
    use hir::StmtKind::*;
    match &stmt.kind {
        Expr(e) | Ignored(e) if e.span.lo == lo || stmt.span.lo == lo => Some(e.ty.clone()),
        If { then, els, .. } => in_block(then, lo).or_else(|| els.as_ref().and_then(|b| in_block(b, lo))),
        While { body, .. } | ForRange { body, .. } | ForMap { body, .. } => in_block(body, lo),
        Block(body) => in_block(body, lo),
        Expr(_)
        | Ignored(_)
        | Declare(_)
        | SetLocal { .. }
        | SetMap { .. }
        | UpdateMap { .. }
        | Aggregate { .. }
        | Break
        | Continue
        | Return(_) => None,
    }
}

impl Typed {
    /// As messages show it.
    pub fn name(&self) -> String {
        print::name(&self.ty, &self.types)
    }

    /// What can stand after a dot.
    pub fn fields(mut self, world: &dyn World) -> Vec<Field> {
        let mut ty = self.ty.clone();
        while let Ty::Ptr { to, .. } = &ty {
            ty = (**to).clone();
        }
        let mut out = Vec::new();
        match &ty {
            Ty::Struct(id) => members(world, &mut self.types, *id, DEPTH_MAX, &mut out),
            Ty::Record(fields) => out.extend(fields.iter().map(|(n, t)| self.field(n.clone(), t))),
            Ty::Tuple(fields) => {
                out.extend(fields.iter().enumerate().map(|(i, t)| self.field(i.to_string(), t)))
            }
            _ => {}
        }
        out
    }

    fn field(&self, name: String, ty: &Ty) -> Field {
        Field { name, ty: print::name(ty, &self.types) }
    }
}

/// Anonymous members inside one another, at most.
const DEPTH_MAX: usize = 16;

fn members(world: &dyn World, types: &mut TypeTable, id: StructId, depth: usize, out: &mut Vec<Field>) {
    world.load_struct(types, id);
    for m in types.structs[id].members.clone().unwrap_or_default() {
        match &m.ty {
            Ty::Struct(inner) if m.name.is_empty() && depth > 0 => {
                members(world, types, *inner, depth - 1, out)
            }
            // The kernel's own part of a tracepoint's record.
            _ if m.name.is_empty() || m.name.starts_with("common_") => {}
            ty => out.push(Field { name: m.name.clone(), ty: print::name(ty, types) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::complete::Index;
    use crate::repl::view::View;
    use crate::world::fixture::FixtureWorld;

    fn with<T>(run: impl Fn(&Cx<'_>) -> T) -> T {
        let (world, view) = (FixtureWorld::new(), View::default());
        run(&Cx { world: &world, index: &Index::default(), view: &view })
    }

    fn name(points: Option<&str>, before: &str, expr: &str) -> Option<String> {
        with(|cx| type_of(cx, &Code { points, before, call: None }, expr).map(|t| t.name()))
    }

    #[test]
    fn variables_context_and_structs() {
        assert_eq!(name(None, "", "curtask").as_deref(), Some("struct task_struct *"));
        assert_eq!(name(None, "", "curtask.mm").as_deref(), Some("struct mm_struct *"));
        let t = Some("tracepoint:syscalls:sys_enter_openat");
        assert_eq!(name(t, "", "args.filename").as_deref(), Some("int8 *"));
        assert_eq!(name(t, " $x = curtask; if (1) {", "$x").as_deref(), Some("struct task_struct *"));
        assert_eq!(name(t, " $x = ; ", "args.flags").as_deref(), Some("uint64"), "a mistake elsewhere");
        assert_eq!(name(t, "", "nosuch"), None);
        assert_eq!(name(t, "", ""), None);
    }

    #[test]
    fn fields_of_what_has_some() {
        let fields = |points, before, expr| {
            let typed = with(|k| type_of(k, &Code { points, before, call: None }, expr));
            typed.map(|t| t.fields(&FixtureWorld::new())).unwrap_or_default()
        };
        let names = |f: Vec<Field>| f.into_iter().map(|f| f.name).collect::<Vec<_>>();
        let task = names(fields(None, "", "curtask"));
        assert!(task.contains(&"comm".into()) && task.contains(&"exit_code".into()), "{task:?}");
        let args = names(fields(Some("t:syscalls:sys_enter_open*"), "", "args"));
        assert!(
            args.contains(&"filename".into()) && !args.iter().any(|n| n.starts_with("common_")),
            "{args:?}"
        );
        assert_eq!(names(fields(None, " $t = (1, \"a\");", "$t")), ["0", "1"]);
        assert_eq!(names(fields(None, "", "pid")), [] as [&str; 0]);
    }
}
