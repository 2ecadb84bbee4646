//! Tree to tree: positional parameters and C definitions are replaced by what they stand for.
//!
//! Comes in: the tree as written, and the parameters of the command line. Goes out: the tree without `$1`, `$#`,
//! `#define` names and C lines. Always holds: what replaces something has its place in the file where its text
//! stands, and an origin that leads to where it was used. Imports and macros stay; `sema` refuses them.

mod cdefs;
mod defines;
mod definitions;
mod params;

pub use definitions::{Definitions, Tag};

use crate::base::{Diags, SourceMap};
use crate::syntax::ast::{Item, Script};

/// Expands a script; `args` are the positional parameters.
pub fn expand(mut script: Script, sources: &mut SourceMap, args: &[String]) -> (Script, Diags) {
    let mut diags = Diags::default();
    let defines = cdefs::take(&mut script, &mut diags);
    let mut items = std::mem::take(&mut script.items);
    for item in &mut items {
        if let Item::Error(_) = item {
            continue;
        }
        defines::replace(item, &defines, sources, &mut diags);
        params::replace(item, args, &mut diags);
    }
    script.items = items;
    (script, diags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Source;
    use crate::syntax::ast::{Expr, ExprKind};
    use crate::syntax::parse::parse;
    use crate::syntax::visit::{self, Visitor};

    /// The expressions that are literals, in order, and the codes of what is said.
    fn expanded(text: &str, args: &[&str]) -> (Script, Vec<String>, Vec<&'static str>) {
        let mut sources = SourceMap::new();
        let file = sources.add(Source::new("stdin", text));
        let (script, diags) = parse(file, text);
        assert!(!diags.has_errors(), "{text}: {:?}", diags.list);
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let (script, diags) = expand(script, &mut sources, &args);
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
    fn lines_for_another_machine_are_left_out() {
        let text = "#ifndef BPFTRACE_HAVE_BTF\n#include <x.h>\nstruct a { int b; };\n#else\n#define A 1\n#endif\nbegin { f(A); }";
        assert_eq!(literals(text, &[]), ["1"]);
        let (.., codes) = expanded("#include <linux/x.h>\nbegin { }", &[]);
        assert_eq!(codes, ["W0211"]);
        let (.., codes) = expanded("struct a { int b; };\nbegin { }", &[]);
        assert_eq!(codes, ["E0208"]);
        let (.., codes) = expanded("#ifdef X\nbegin { }", &[]);
        assert_eq!(codes, ["E0214"]);
        let (.., codes) = expanded("#if VERSION > 5\n#endif\nbegin { }", &[]);
        assert_eq!(codes, ["E0208"]);
    }
}
