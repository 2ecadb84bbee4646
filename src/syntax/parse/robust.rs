//! Any text at all: no panic, no hang, and the promises about spans and depth hold.

use super::{parse, parse_expr};
use crate::base::render::{Color, render};
use crate::base::{FileId, Source, SourceMap, Span};
use crate::syntax::ast::*;
use crate::syntax::lexer::lex;
use crate::syntax::token::Token;
use crate::syntax::visit::{Visitor, walk_block, walk_expr, walk_item, walk_stmt, walk_type};
use std::time::Duration;

/// Scripts that use every construct, from which the mutations start.
pub const SCRIPTS: &[&str] = &[
    "#!/usr/bin/env awl\n#include <linux/sched.h>\n#define A 1\nstruct a { int x; char y[4]; };\n",
    "config = { a = 1; b = \"c\"; d = true }\nimport \"stdlib/x\";\nlet @m = hash(100);\n",
    "macro m($a, @b, c) { let $t = $a + c; @b[$t] = 1; $t }\nfn f($a : uint8, $b : struct x *) : int64 { return 1; }",
    "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }",
    "tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args.filename)); }",
    "kprobe:vfs_read,kretprobe:vfs_* /pid == 1 && comm =~ \"a*\"/ { @ = hist(arg0 / 1024); delete(@s[tid]); }",
    "uprobe:/bin/bash:readline/arg0 > 1/ { @[ustack(3), func] = lhist(retval, 0, 100, 10); }",
    "mine = uprobe:\"/a b\":cpp:\"x::y(int)\", u:$1:f+0x10, { $x = (struct task_struct *)curtask; $x->mm->owner.comm }",
    "interval:s:1 { print(@, 5); clear(@); if ($x) { a } else if (b) { c } else { d; } }",
    "begin { for ($kv : @m) { print($kv.0); break } for $i : 0..$n+1 { continue; } unroll(3) { @x++; --$y; } }",
    "END { while ($i < 5) { $i += 1; } let $z : uint64 = 1ms; _ = f((1,2,), (a = 1), ()); return 1 ?: 2; }",
    "begin { $x = if comptime is_ptr($y) { 1 } else { {2} }; $y = sizeof(struct x) + offsetof(foo, a.b[1]); }",
    "begin { *$p = !$a ^ ~$b | -c << 2 >> 1 % 3; @[1, \"é\\x41\\n\"] = $1 ? $# : 0xffu; /* c */ } // end\n",
];

/// Collects all spans, and whether there is an `Error` node.
#[derive(Default)]
struct All {
    spans: Vec<Span>,
    n_errors: usize,
    depth: usize,
    depth_max: usize,
}

impl Visitor for All {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Error(s) => {
                self.n_errors += 1;
                self.spans.push(*s);
            }
            Item::Probe(p) => {
                self.spans.push(p.span);
                self.spans
                    .extend(p.points.iter().flat_map(|p| p.parts.iter().map(|x| x.span).chain([p.span])));
            }
            Item::CDef(d) => self.spans.push(d.span),
            Item::Config(c) => self.spans.push(c.span),
            Item::Import(i) => self.spans.push(i.span),
            Item::MapDecl(m) => self.spans.push(m.span),
            Item::Macro(m) => self.spans.push(m.span),
            Item::Func(f) => self.spans.push(f.span),
        }
        walk_item(self, item);
    }
    fn block(&mut self, block: &Block) {
        self.spans.push(block.span);
        walk_block(self, block);
    }
    fn stmt(&mut self, stmt: &Stmt) {
        self.spans.push(stmt.span);
        self.n_errors += usize::from(matches!(stmt.kind, StmtKind::Error));
        walk_stmt(self, stmt);
    }
    fn expr(&mut self, e: &Expr) {
        self.depth += 1;
        self.depth_max = self.depth_max.max(self.depth);
        self.spans.push(e.span);
        match &e.kind {
            ExprKind::Error => self.n_errors += 1,
            ExprKind::Binary { op_span, .. } => self.spans.push(*op_span),
            ExprKind::TupleIndex { index_span, .. } => self.spans.push(*index_span),
            _ => {}
        }
        walk_expr(self, e);
        self.depth -= 1;
    }
    fn ty(&mut self, ty: &TypeExpr) {
        self.spans.push(ty.span);
        walk_type(self, ty);
    }
}

/// Parses, and asserts all that holds for any text.
fn check(text: &str) {
    let tokens = lex(text).tokens;
    let mut at = 0;
    for t in &tokens {
        assert_eq!(t.lo, at, "tokens tile the text {text:?}");
        assert!(t.hi > t.lo || t.kind == Token::PredMissing, "{t:?} in {text:?}");
        at = t.hi;
    }
    assert_eq!(at as usize, text.len(), "{text:?}");

    let mut map = SourceMap::new();
    let file = map.add(Source::new("x", text));
    let (script, diags) = parse(file, text);
    let mut all = All::default();
    script.items.iter().for_each(|i| all.item(i));
    all.spans.extend(script.comments.iter().map(|c| c.span).chain(script.shebang));
    all.spans.extend(diags.list.iter().flat_map(|d| d.notes.iter().map(|n| n.0).chain([d.span])));
    for s in &all.spans {
        let inside = s.lo <= s.hi && text.get(s.range()).is_some();
        assert!(inside, "span {s:?} in {text:?}");
    }
    assert!(all.n_errors == 0 || diags.has_errors(), "an error node without a diagnostic: {text:?}");
    assert!(all.depth_max <= 2 * crate::syntax::retag::DEPTH_MAX as usize, "{text:?}");
    render(&map, &diags, Color::Never);
    let (_, _) = parse_expr(file, text, 0);
}

/// Numbers from a fixed seed (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

const PIECES: &[&str] = &[
    "(", ")", "[", "]", "{", "}", "/", ";", ",", ":", "=", "==", "\"", "'", "$", "@", "#", "\\", "\n", " ",
    "*", "//", "/*", "*/", "if", "else", "for", "while", "let", "struct", "typeof(", "comptime", "$x", "@x",
    "1", "0x", "1e", "..", ".", "->", "++", "é", "\u{0}", "kprobe:f", "begin", "(uint8)", "import", "macro",
    "fn", "config", "=~", "?", "return",
];

/// Some bytes cut, doubled, moved or put in.
pub fn mutate(bytes: &mut Vec<u8>, r: &mut Random) {
    let at = r.below(bytes.len());
    let end = (at + r.below(12)).min(bytes.len());
    match r.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        2 => {
            let part: Vec<u8> = bytes.drain(at..end).collect();
            let to = r.below(bytes.len() + 1);
            bytes.splice(to..to, part);
        }
        3 if at < bytes.len() => bytes[at] = r.below(256) as u8,
        _ => {
            let piece = PIECES[r.below(PIECES.len())].bytes();
            bytes.splice(at..at, piece);
        }
    }
}

#[test]
fn mutations() {
    let mut r = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..4000 {
        let mut bytes: Vec<u8> = Vec::new();
        for _ in 0..1 + round % 2 {
            bytes.extend(SCRIPTS[r.below(SCRIPTS.len())].bytes());
        }
        for _ in 0..1 + r.below(8) {
            mutate(&mut bytes, &mut r);
        }
        check(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn prefixes() {
    for script in SCRIPTS {
        for (i, _) in script.char_indices() {
            check(&script[..i]);
        }
        check(script);
        let (_, diags) = parse(FileId(0), script);
        assert!(diags.list.is_empty(), "{script}: {:?}", diags.list);
    }
}

#[test]
fn garbage() {
    let mut r = Random(1);
    for len in [0, 1, 2, 10, 100, 1000] {
        for _ in 0..50 {
            let bytes: Vec<u8> = (0..len).map(|_| r.below(256) as u8).collect();
            check(&String::from_utf8_lossy(&bytes));
            let pieces: String = (0..len / 4).map(|_| PIECES[r.below(PIECES.len())]).collect();
            check(&pieces);
        }
    }
    check("\u{feff}#!/bin/awl\nbegin { }");
    check("\u{feff}");
}

/// The messages of a parse, in a thread with a smaller stack than a test has. Whether it ends is seen by not
/// waiting for it longer than a hundred times what it needs.
fn parse_big(text: String) -> Vec<String> {
    let (send, receive) = std::sync::mpsc::channel();
    let work = move || {
        let (script, diags) = parse(FileId(0), &text);
        let copy = script.items.clone();
        let mut all = All::default();
        copy.iter().for_each(|i| all.item(i));
        drop((script, copy));
        send.send(diags.list.into_iter().map(|d| d.message).collect()).expect("the test waits");
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).expect("a thread");
    receive.recv_timeout(Duration::from_secs(60)).expect("it ends, and soon")
}

#[test]
fn deep_nesting_is_an_error() {
    for (open, close) in [
        ("(", ")"),
        ("{", "}"),
        ("f(", ")"),
        ("@[", "]"),
        ("$x[", "]"),
        ("1?", ":2"),
        ("if 1 {", "}"),
        ("typeof(", ")"),
        ("sizeof((", "))"),
        ("(a,", ")"),
        ("!", ""),
        ("- ", ""),
        ("*", ""),
        ("(uint8)", ""),
        ("comptime ", ""),
        ("1+", ""),
        ("a.", ""),
        ("1?2:", ""),
        ("{1}+", ""),
        ("if 1 {} else ", ""),
    ] {
        for (k, too_deep) in [(90, false), (100_000, true)] {
            let text = format!("begin {{ {}a{} }}", open.repeat(k), close.repeat(k));
            let messages = parse_big(text);
            let said = messages.iter().any(|m| m.starts_with("nested too deeply"));
            assert_eq!(said, too_deep, "{k} times {open}: {messages:?}");
        }
    }
}

#[test]
fn long_chains_below_the_limit_are_no_error() {
    let terms = vec!["$x == 1"; 190].join(" || ");
    assert_eq!(parse_big(format!("begin {{ if ({terms}) {{ exit(); }} }}")), [""; 0]);
    let elses = " else if ($x) { 1 }".repeat(100);
    assert_eq!(parse_big(format!("begin {{ if (1) {{ 2 }}{elses} }}")), [""; 0]);
    let args = vec!["1 + 2"; 1000].join(", ");
    assert_eq!(parse_big(format!("begin {{ f({args}); }}")), [""; 0]);
}

#[test]
fn a_megabyte() {
    let fine = "  if ($x) { @[comm, pid] = count(); } else { printf(\"%d\\n\", $x + 1); }\n".repeat(14_000);
    for (text, errors) in [
        (format!("begin {{\n{fine}}}"), false),
        ("kprobe:f /pid == 1/ { @ = count(); }\n".repeat(28_000), false),
        (format!("begin {{ $x = \"{}\"; }}", "x".repeat(1 << 20)), false),
        (format!("begin {{ /* {} */ }}", "x /".repeat(350_000)), false),
        (format!("kprobe:{} {{ }}", "f".repeat(1 << 20)), false),
        (format!("{} {{ }}", "kprobe:f,".repeat(100_000)), false),
        ("x".repeat(1 << 20), true),
        ("kprobe:f {\n".repeat(95_000), true),
        ("struct a {\nb:c{}\n".repeat(60_000), true),
        ("}".repeat(1 << 20), true),
        ("a b c d ".repeat(130_000), true),
        (format!("begin {{ {} }}", "x y z ".repeat(170_000)), true),
        (format!("begin {{ {} }}", "{".repeat(150) + &"x y ".repeat(250_000)), true),
        (format!("begin {{ {} }}", "f(".repeat(150) + &"x y ".repeat(250_000)), true),
        (format!("begin {{ {} }}", "((a,".repeat(90) + &"b,".repeat(500_000)), true),
        ("begin { $x = ; }".repeat(65_000), true),
        (format!("begin {{ {} }}", "$x = ; ".repeat(150_000)), true),
        (format!("begin {{ {} }}", "@x[1 2] = f(3 4); ".repeat(58_000)), true),
        (format!("begin {{ {} }}", "'".repeat(1 << 20)), true),
        (format!("a:b /{} {{ }}", "/ ".repeat(500_000)), true),
        ("\u{1}".repeat(1 << 20), true),
        ("/*".repeat(500_000), true),
        ("\"".repeat(1 << 20), true),
        ("#".repeat(1 << 20), false),
        ("\n".repeat(1 << 20), false),
    ] {
        let start: String = text.chars().take(30).collect();
        let messages = parse_big(text);
        assert_eq!(!messages.is_empty(), errors, "{start}: {messages:?}");
        assert!(messages.len() <= 2 * super::ERRORS_MAX, "{start}: {}", messages.len());
    }
}
