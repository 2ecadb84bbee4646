//! Tree to tree: macros, positional parameters and C definitions are replaced by what they stand for.
//!
//! Comes in: the tree as written, and the parameters of the command line. Goes out: the tree without macros, their
//! calls, `$1`, `$#`, `#define` names and C lines. Always holds: what replaces something has its place in the file where its text
//! stands, and an origin that leads to where it was used.

mod budget;
mod c;
mod defines;
mod definitions;
mod files;
mod imports;
mod library;
mod macros;
mod outlive;
mod params;
mod substitute;
mod words;

pub use c::{value_of as c_value_of, version_code as c_version_code};
pub use definitions::{Definitions, Skipped, Tag};
pub use substitute::shown;

use crate::base::{Diags, SourceMap};
use crate::syntax::ast::{Item, Script};
use crate::ty::TypeTable;
use crate::world::World;
use budget::Budget;
use std::collections::BTreeSet;

/// What comes of a script.
#[derive(Debug)]
pub struct Expanded {
    pub script: Script,
    /// What it defines in C.
    pub defs: Definitions,
}

/// Expands a script; `args` are the positional parameters.
pub fn expand(
    script: Script,
    sources: &mut SourceMap,
    world: &dyn World,
    args: &[String],
) -> (Expanded, Diags) {
    expand_onto(TypeTable::new(), script, sources, world, args)
}

/// As [`expand`]; the script's types join `types`.
pub fn expand_onto(
    types: TypeTable,
    script: Script,
    sources: &mut SourceMap,
    world: &dyn World,
    args: &[String],
) -> (Expanded, Diags) {
    let mut diags = Diags::default();
    let mut items = Vec::new();
    let mut loader = imports::Loader::new(world, sources, &mut diags);
    loader.items(script.items, &mut items);
    let prep = loader.prep;
    let words = words::of(&items);
    let mut cx = c::Cx { sources, diags: &mut diags };
    let (defines, mut defs) = c::define(prep, types, &words, world, &mut cx);
    let own = own_calls(&items);
    for define in defines.values().filter(|d| d.has_params) {
        match defines::as_macro(define) {
            // What the script says itself comes before what headers of the system say.
            Some(form) if define.is_foreign && own.contains(&form.name.name) => {}
            Some(form) => items.push(Item::Macro(form)),
            None => drop(defs.uncallable.insert(define.name.clone())),
        }
    }
    let mut budget = Budget::new();
    for item in &mut items {
        if let Item::Error(_) = item {
            continue;
        }
        defines::replace(item, &defines, sources, &mut budget, &mut diags);
    }
    let mut items = without_macros(items, sources, &mut budget, &mut diags);
    // After the macros, so that `str(x)` of a macro sees that its `x` is a parameter.
    items.iter_mut().for_each(|item| params::replace(item, args, &mut diags));
    items.iter_mut().for_each(|item| outlive::declare(item, &mut diags));
    diags.say_of_user(sources);
    (Expanded { script: Script { items, ..script }, defs }, diags)
}

/// Names of macros and functions.
fn own_calls(items: &[Item]) -> BTreeSet<String> {
    let name = |item: &Item| match item {
        Item::Macro(m) => Some(m.name.name.clone()),
        Item::Func(f) => Some(f.name.name.clone()),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}

/// The items with macro calls expanded, and no macros.
fn without_macros(
    items: Vec<Item>,
    sources: &mut SourceMap,
    budget: &mut Budget,
    diags: &mut Diags,
) -> Vec<Item> {
    let (mut table, mut rest) = (macros::Table::default(), Vec::new());
    for item in items {
        match item {
            Item::Macro(m) => table.add(m, diags),
            other => {
                if let Item::Func(f) = &other {
                    table.add_fn(&f.name.name);
                }
                rest.push(other);
            }
        }
    }
    let mut library = library::Library::default();
    for item in &mut rest {
        macros::expand(item, &table, &mut library, sources, budget, diags);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Source;
    use crate::syntax::ast::{Expr, ExprKind};
    use crate::syntax::parse::parse;
    use crate::syntax::visit::{self, Visitor};
    use crate::world::fixture::FixtureWorld;

    /// The expressions that are literals, in order, and the codes of what is said.
    fn expanded(text: &str, args: &[&str]) -> (Script, Vec<String>, Vec<&'static str>) {
        let mut sources = SourceMap::new();
        let file = sources.add(Source::new("stdin", text));
        let (script, diags) = parse(file, text);
        assert!(!diags.has_errors(), "{text}: {:?}", diags.list);
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let (Expanded { script, .. }, diags) = expand(script, &mut sources, &FixtureWorld::new(), &args);
        let mut found = Literals(Vec::new());
        script.items.iter().for_each(|i| found.item(i));
        (script, found.0, diags.list.iter().map(|d| d.code.id).collect())
    }

    struct Literals(Vec<String>);
    impl Visitor for Literals {
        fn expr(&mut self, e: &Expr) {
            match &e.kind {
                ExprKind::Int(n) => self.0.push(n.to_string()),
                ExprKind::Str(s) => self.0.push(format!("{:?}", String::from_utf8_lossy(s))),
                ExprKind::Ident(name) => self.0.push(name.clone()),
                _ => {}
            }
            visit::walk_expr(self, e);
        }
    }

    fn literals(text: &str, args: &[&str]) -> Vec<String> {
        let (_, literals, codes) = expanded(text, args);
        assert!(codes.is_empty(), "{text}: {codes:?}");
        literals
    }

    #[test]
    fn parameters_are_numbers_or_strings() {
        let text = "begin { f($1, $2, str($1), str($2 + 1), $#, $3, $4); }";
        let want = ["12", "\"abc\"", "\"12\"", "\"bc\"", "4", "16", "5"];
        assert_eq!(literals(text, &["12", "abc", "0x10", "-5"]), want);
    }

    #[test]
    fn parameters_that_are_not_given() {
        let (_, found, codes) = expanded("begin { f($1, str($2)); }", &[]);
        assert_eq!((found, codes), (vec!["0".to_owned(), "\"\"".to_owned()], vec!["W0212", "W0212"]));
        let (.., codes) = expanded("uprobe:$1:f { }", &[]);
        assert_eq!(codes, ["E0213"]);
    }

    #[test]
    fn parameters_in_attach_points() {
        let (script, ..) = expanded("uprobe:$1:f_$2, uprobe:\"$1\":f { }", &["/bin/x", "9"]);
        let Item::Probe(p) = &script.items[0] else { panic!() };
        let texts: Vec<Vec<&str>> =
            p.points.iter().map(|p| p.parts.iter().map(|p| p.text.as_str()).collect()).collect();
        assert_eq!(texts, [["uprobe", "/bin/x", "f_9"], ["uprobe", "$1", "f"]]);
    }

    #[test]
    fn defines_are_replaced_where_they_are_expressions() {
        let text = "#define A 5\n#define B (A + C)\n#define C 7\n#define F(x) x\nbegin { f(A, B, D); }";
        assert_eq!(literals(text, &[]), ["5", "5", "7", "D"]);
        let (.., codes) = expanded("#define A B\n#define B A\nbegin { f(A); }", &[]);
        assert_eq!(codes, ["E0214"]);
        let (.., codes) = expanded("#define A (5\nbegin { f(A, A); }", &[]);
        assert!(codes.iter().all(|c| c.starts_with("E01")) && !codes.is_empty(), "{codes:?}");
    }

    #[test]
    fn macros_are_replaced_by_their_bodies() {
        let text = "macro one() { 1 } macro add(a, b) { a + b } macro twice(x) { add(x, x) }
            begin { f(one, one(), add(2, 3), twice(one())); }";
        assert_eq!(literals(text, &[]), ["1", "1", "2", "3", "1", "1"]);
    }

    /// The variables and maps of a script, in order.
    fn names(text: &str) -> Vec<String> {
        struct Names(Vec<String>);
        impl Visitor for Names {
            fn expr(&mut self, e: &Expr) {
                match &e.kind {
                    ExprKind::Var(name) => self.0.push(format!("${name}")),
                    ExprKind::Map { name, .. } => self.0.push(format!("@{name}")),
                    _ => {}
                }
                visit::walk_expr(self, e);
            }
        }
        let (script, _, codes) = expanded(text, &[]);
        assert!(codes.is_empty(), "{text}: {codes:?}");
        let mut found = Names(Vec::new());
        script.items.iter().for_each(|i| found.item(i));
        found.0
    }

    #[test]
    fn macros_keep_their_variables_to_themselves() {
        let text = "macro m($v, @m, e) { $x = e; $v += $x; @m[$x] = $v; }
            begin { $x = 1; m($x, @n, $x); m($y, @o, 2); }";
        let want =
            ["$x", "$x#1", "$x", "$x", "$x#1", "@n", "$x#1", "$x", "$x#2", "$y", "$x#2", "@o", "$x#2", "$y"];
        assert_eq!(names(text), want);
    }

    #[test]
    fn forms_are_chosen_by_kind_and_count() {
        let text = "macro f(e) { 1 } macro f($v) { 2 } macro f(@m) { 3 } macro f(a, b) { 4 }
            begin { g(f(5 + 5), f($x), f(@y), f(@y[1]), f($x, @y)); }";
        assert_eq!(literals(text, &[]), ["1", "2", "3", "1", "4"]);
        let (.., codes) = expanded("macro f($v) { 2 } begin { g(f(1)); }", &[]);
        assert_eq!(codes, ["E0215"]);
        let (.., codes) = expanded("macro f(a) { 2 } macro f(b) { 3 } begin { g(f(1)); }", &[]);
        assert_eq!(codes, ["E0207"]);
        // Builtins have forms beside those of the script.
        assert_eq!(literals("macro comm(a, b) { 7 } begin { g(comm(1, 2), comm); }", &[]), ["7", "comm"]);
        // So have macros of the library, which itself sees none of the script's.
        assert_eq!(literals("macro ppid(a, b) { 7 } begin { g(ppid(1, 2), ppid); }", &[]), ["7", "curtask"]);
        assert_eq!(literals("macro is_integer(a) { 7 } begin { g(is_integer(3)); }", &[]), ["7"]);
        let text = "macro is_str(a) { 7 } begin { assert_str(comm); }";
        assert!(!literals(text, &[]).contains(&"7".to_owned()));
    }

    #[test]
    fn macros_that_cannot_be() {
        for (text, want) in [
            ("macro a() { b() } macro b() { a() } begin { a(); }", vec!["E0216"]),
            ("macro a() { return 1; } begin { a(); }", vec!["E0310"]),
            ("macro a() { break; } begin { a(); }", vec!["E0310"]),
            ("macro a() { while 1 { break; } } begin { a(); }", vec![]),
            ("macro a() { @x = 1; } begin { a(); }", vec!["E0215"]),
        ] {
            assert_eq!(expanded(text, &[]).2, want, "{text}");
        }
    }

    #[test]
    fn expansion_has_its_bounds() {
        let doubling: String = (0..60).map(|i| format!("macro m{}(x) {{ m{i}(x + x) }} ", i + 1)).collect();
        let (.., codes) = expanded(&format!("macro m0(x) {{ x }} {doubling} begin {{ f(m60(1)); }}"), &[]);
        assert_eq!(codes, ["E0219"]);
        let defines: String = (0..60).map(|i| format!("#define A{} (A{i} + A{i})\n", i + 1)).collect();
        let (.., codes) = expanded(&format!("#define A0 1\n{defines}begin {{ f(A60); }}"), &[]);
        assert_eq!(codes, ["E0219"]);
        let (open, close) = ("(".repeat(150), ")".repeat(150));
        let deep = format!(
            "macro m(x) {{ {}x }} begin {{ f({}); }}",
            "!".repeat(300),
            "m(".repeat(9) + "1" + &")".repeat(9)
        );
        assert!(expanded(&deep, &[]).2.contains(&"E0106"));
        let _ = expanded(&format!("macro m(x) {{ {open}x{close} }} begin {{ f(m(m(m(m(1))))); }}"), &[]);
        let long: String = (0..5000).map(|i| format!("macro m{i}() {{ m{}() }} ", i + 1)).collect();
        assert_eq!(expanded(&format!("{long} begin {{ m0(); }}"), &[]).2, ["E0216"]);
    }

    #[test]
    fn types_can_be_arguments() {
        let text = "macro m(p, t) { ((typeof(t) *)p)->pid }
            begin { f(m(5, typeof(struct task_struct)), m(6, curtask)); }";
        let (script, found, codes) = expanded(text, &[]);
        assert_eq!((found, codes), (["5", "curtask", "6"].map(str::to_owned).to_vec(), vec![]));
        let text = format!("{:?}", script.items);
        assert!(text.contains("Typeof(Type(TypeExpr { kind: Struct(\"task_struct\")"), "{text}");
        // A variable in such an argument is the caller's.
        assert_eq!(names("macro m(t) { sizeof(t) } begin { m(typeof($x)); }"), ["$x"]);
    }

    #[test]
    fn the_library_is_there() {
        let (script, ..) = expanded("begin { $f = find(@m, 3, $v); print(is_err(0)); }", &[]);
        let Item::Probe(p) = &script.items[0] else { panic!() };
        assert!(!format!("{:?}", p.body).contains("Call { name: Ident { name: \"find\""));
    }

    #[test]
    fn a_member_may_be_called_as_a_macro_of_the_library() {
        let text = "begin { f(offsetof(struct s, ppid), container_of(5, struct s, username.find)); }";
        let (script, _, codes) = expanded(text, &[]);
        let text = format!("{:?}", script.items);
        assert!(codes.is_empty() && text.contains("\"ppid\"") && !text.contains("curtask"), "{text}");
        assert!(text.contains("\"username\"") && !text.contains("username_t"), "{text}");
        let text = "macro m() { pid } begin { f(offsetof(struct s, m)); }";
        assert_eq!(literals(text, &[]), ["pid"]);
    }

    #[test]
    fn imports_are_read_once_and_beside_the_file() {
        let dir = std::env::temp_dir().join(format!("awl-imports-{}", std::process::id()));
        let path = |name: &str| dir.join(name).display().to_string();
        std::fs::create_dir_all(dir.join("lib")).unwrap();
        std::fs::write(path("lib/a.bt"), "import \"../b.bt\"; import \"c.h\"; macro a() { B }").unwrap();
        std::fs::write(path("b.bt"), "import \"lib/a.bt\"; begin { f(5); }").unwrap();
        std::fs::write(path("lib/c.h"), "#include \"c.h\"\n#define B 7\nstruct s { int x; };").unwrap();
        std::fs::write(path("bad.bt"), "begin { f(; }").unwrap();
        let run = |text: &str| {
            let mut sources = SourceMap::new();
            let file = sources.add(Source::new(path("main.bt"), text));
            let (script, _) = parse(file, text);
            let arch = crate::isa::arch::native().name.to_owned();
            let snapshot = crate::world::snapshot::Snapshot { arch, ..Default::default() };
            let world = crate::world::snapshot::SnapshotWorld::from_snapshot(snapshot).unwrap();
            let (out, diags) = expand(script, &mut sources, &world, &[]);
            let mut found = Literals(Vec::new());
            out.script.items.iter().for_each(|i| found.item(i));
            (found.0, diags.list)
        };
        let (found, diags) = run(
            "import \"lib\"; import \"b.bt\"; import \"stdlib/base\"; import \"stdlib/strings.bt\"; begin { f(a()); }",
        );
        assert!(diags.is_empty(), "{diags:?}");
        assert_eq!(found, ["5", "7"]);
        let (_, diags) = run("import \"bad.bt\"; begin { }");
        assert!(diags.iter().all(|d| d.span.origin != crate::base::OriginId(0)) && !diags.is_empty());
        for text in
            ["import \"none.bt\"; begin { }", "import \"stdlib/x\"; begin { }", "import \"x.c\"; begin { }"]
        {
            assert_eq!(run(text).1.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["E0217"], "{text}");
        }
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir.join("lib"), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(run("import \"lib\"; begin { }").1[0].code.id, "E0217");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn lines_for_another_machine_are_left_out() {
        let text = "#ifndef BPFTRACE_HAVE_BTF\n#include <x.h>\nstruct a { int b; };\n#else\n#define A 1\n#endif\nbegin { f(A); }";
        assert_eq!(literals(text, &[]), ["1"]);
        let (.., codes) = expanded("#include <linux/x.h>\nbegin { }", &[]);
        assert_eq!(codes, ["W0211"]);
        let (.., codes) = expanded("struct a { int b; };\nbegin { }", &[]);
        assert!(codes.is_empty(), "{codes:?}");
        let (.., codes) = expanded("#ifdef X\nbegin { }", &[]);
        assert_eq!(codes, ["E0214"]);
        let text = "#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 4)\n#define A 1\n#else\n#define A 2\n#endif\nbegin { f(A); }";
        assert_eq!(literals(text, &[]), ["2"]);
        let text = "#define V 5\n#if V > 5\n#define A 1\n#elif V == (2 + 3) && defined(V)\n#define A 2\n#else\n#define A 3\n#endif\nbegin { f(A); }";
        assert_eq!(literals(text, &[]), ["2"]);
    }
}
