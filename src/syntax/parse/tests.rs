use super::*;
use crate::syntax::ast::*;

fn ok(text: &str) -> Script {
    let (script, diags) = parse(FileId(0), text);
    let said: Vec<_> = diags.list.iter().map(|d| (&d.message, d.span)).collect();
    assert!(said.is_empty(), "{text}\n{said:#?}");
    script
}

fn probe(text: &str) -> Probe {
    match ok(text).items.pop() {
        Some(Item::Probe(p)) => p,
        other => panic!("{text}: {other:?}"),
    }
}

/// The statements of `begin { text }`, as short text.
fn body(text: &str) -> String {
    sexpr::block(&probe(&format!("begin {{ {text} }}")).body)
}

/// The tree of an expression, as short text.
fn expr(text: &str) -> String {
    let (e, diags) = parse_expr(FileId(0), text, 0);
    assert!(diags.list.is_empty(), "{text}: {:?}", diags.list);
    sexpr::expr(&e)
}

mod sexpr {
    //! Trees as short text.
    use crate::syntax::ast::*;

    pub fn block(b: &Block) -> String {
        let stmts: Vec<String> = b.stmts.iter().map(|s| format!("{};", stmt(s))).collect();
        let tail = b.tail.as_ref().map(|e| expr(e)).unwrap_or_default();
        format!("{{{}{tail}}}", stmts.join(""))
    }

    fn stmt(s: &Stmt) -> String {
        match &s.kind {
            StmtKind::Expr(e) => expr(e),
            StmtKind::Discard(e) => format!("_={}", expr(e)),
            StmtKind::Let { var, ty: t, init } => {
                let t = t.as_ref().map(|t| format!(":{}", ty(t))).unwrap_or_default();
                let init = init.as_ref().map(|e| format!("={}", expr(e))).unwrap_or_default();
                format!("let ${}{t}{init}", var.name)
            }
            StmtKind::Assign { target, op, value } => {
                format!("{}{}={}", expr(target), op.map_or("", BinOp::text), expr(value))
            }
            StmtKind::If(i) => if_(i),
            StmtKind::While { cond, body } => format!("while {}{}", expr(cond), block(body)),
            StmtKind::For { var, over, body } => {
                let over = match over {
                    ForOver::Map(e) => expr(e),
                    ForOver::Range { from, to } => format!("{}..{}", expr(from), expr(to)),
                };
                format!("for ${}:{over}{}", var.name, block(body))
            }
            StmtKind::Unroll { count, body } => format!("unroll {}{}", expr(count), block(body)),
            StmtKind::Break => "break".into(),
            StmtKind::Continue => "continue".into(),
            StmtKind::Return(e) => format!("return {}", e.as_ref().map(expr).unwrap_or_default()),
            StmtKind::Import(i) => format!("import {:?}", i.path),
            StmtKind::Block(b) => block(b),
            StmtKind::Error => "<error>".into(),
        }
    }

    fn if_(i: &If) -> String {
        let els = match i.els.as_deref() {
            None => String::new(),
            Some(Else::If(i)) => format!("else {}", if_(i)),
            Some(Else::Block(b)) => format!("else{}", block(b)),
        };
        let comptime = if i.comptime { "comptime " } else { "" };
        format!("if {comptime}{}{}{els}", expr(&i.cond), block(&i.then))
    }

    fn list(v: &[Expr]) -> String {
        v.iter().map(expr).collect::<Vec<_>>().join(",")
    }

    pub fn expr(e: &Expr) -> String {
        match &e.kind {
            ExprKind::Int(n) => n.to_string(),
            ExprKind::Bool(b) => b.to_string(),
            ExprKind::Str(s) => format!("{:?}", String::from_utf8_lossy(s)),
            ExprKind::Ident(n) => n.clone(),
            ExprKind::Var(n) => format!("${n}"),
            ExprKind::Map { name, key: None } => format!("@{name}"),
            ExprKind::Map { name, key: Some(k) } => format!("@{name}[{}]", list(k)),
            ExprKind::Positional(n) => format!("${n}"),
            ExprKind::PositionalCount => "$#".into(),
            ExprKind::Unary { op, e } => {
                let op = match op {
                    UnOp::Neg => "-",
                    UnOp::Not => "!",
                    UnOp::BitNot => "~",
                    UnOp::Deref => "*",
                    UnOp::AddrOf => "&",
                };
                format!("({op}{})", expr(e))
            }
            ExprKind::IncDec { op, fix, e } => {
                let op = if *op == IncDec::Inc { "++" } else { "--" };
                if *fix == Fix::Prefix { format!("({op}{})", expr(e)) } else { format!("({}{op})", expr(e)) }
            }
            ExprKind::Binary { op, l, r, .. } => format!("({}{}{})", expr(l), op.text(), expr(r)),
            ExprKind::Cond { cond, then, els } => {
                let then = then.as_ref().map(|e| expr(e)).unwrap_or_default();
                format!("({}?{then}:{})", expr(cond), expr(els))
            }
            ExprKind::Cast { ty: t, e } => format!("<{}>{}", ty(t), expr(e)),
            ExprKind::Field { e, name, arrow } => {
                format!("{}{}{}", expr(e), if *arrow { "->" } else { "." }, name.name)
            }
            ExprKind::TupleIndex { e, index, .. } => format!("{}.{index}", expr(e)),
            ExprKind::Index { e, index } => format!("{}[{}]", expr(e), expr(index)),
            ExprKind::Call { name, args } => {
                format!("{}({})", name.name, args.iter().map(arg).collect::<Vec<_>>().join(","))
            }
            ExprKind::Tuple(v) => format!("tuple({})", list(v)),
            ExprKind::Record(v) => {
                let v: Vec<_> = v.iter().map(|(n, e)| format!("{}={}", n.name, expr(e))).collect();
                format!("record({})", v.join(","))
            }
            ExprKind::If(i) => if_(i),
            ExprKind::Block(b) => block(b),
            ExprKind::Comptime(e) => format!("comptime({})", expr(e)),
            ExprKind::Error => "<error>".into(),
        }
    }

    fn arg(a: &Arg) -> String {
        match a {
            Arg::Expr(e) => expr(e),
            Arg::Type(t) => format!("<{}>", ty(t)),
        }
    }

    pub fn ty(t: &TypeExpr) -> String {
        match &t.kind {
            TypeKind::Name(n) => n.clone(),
            TypeKind::Struct(n) => format!("struct {n}"),
            TypeKind::Union(n) => format!("union {n}"),
            TypeKind::Enum(n) => format!("enum {n}"),
            TypeKind::Ptr(t) => format!("{}*", ty(t)),
            TypeKind::Array(t, n) => format!("{}[{}]", ty(t), n.map(|n| n.to_string()).unwrap_or_default()),
            TypeKind::Tuple(v) => format!("({})", v.iter().map(ty).collect::<Vec<_>>().join(",")),
            TypeKind::Record(_) => "record".into(),
            TypeKind::Typeof(a) => format!("typeof({})", arg(a)),
            TypeKind::Error => "<error>".into(),
        }
    }
}

#[test]
fn precedence() {
    assert_eq!(expr("1+2*3"), "(1+(2*3))");
    assert_eq!(expr("1*2+3"), "((1*2)+3)");
    assert_eq!(expr("a-b-c"), "((a-b)-c)");
    assert_eq!(expr("a||b&&c|d^e&f==g<h<<i+j*k"), "(a||(b&&(c|(d^(e&(f==(g<(h<<(i+(j*k))))))))))");
    assert_eq!(expr("a*b+c<<d<e==f&g^h|i&&j||k"), "((((((((((a*b)+c)<<d)<e)==f)&g)^h)|i)&&j)||k)");
    assert_eq!(expr("a?b:c?d:e"), "(a?b:(c?d:e))");
    assert_eq!(expr("a||b?:c"), "((a||b)?:c)");
    assert_eq!(expr("-a.b[1]++"), "(-(a.b[1]++))");
    assert_eq!(expr("!a == b"), "((!a)==b)");
    assert_eq!(expr("*a.b"), "(*a.b)");
    assert_eq!(expr("(a+b)*c"), "((a+b)*c)");
    assert_eq!(expr("comptime a + b"), "comptime((a+b))");
    assert_eq!(expr("(comptime a) + b"), "(comptime(a)+b)");
    assert_eq!(expr("1 + comptime a + b"), "((1+comptime(a))+b)");
}

#[test]
fn casts() {
    assert_eq!(expr("(uint64)x"), "<uint64>x");
    assert_eq!(expr("(struct task_struct *)curtask"), "<struct task_struct*>curtask");
    assert_eq!(
        expr("((struct task_struct *)curtask)->real_parent->tgid"),
        "<struct task_struct*>curtask->real_parent->tgid"
    );
    assert_eq!(expr("(int8)-1"), "<int8>(-1)");
    assert_eq!(expr("(foo)(x)"), "<foo>x");
    assert_eq!(expr("(foo)*x"), "<foo>(*x)");
    assert_eq!(expr("(pid)*x"), "(pid*x)");
    assert_eq!(expr("(arg0)*x"), "(arg0*x)");
    assert_eq!(expr("(PAGES)*4096"), "(PAGES*4096)");
    assert_eq!(expr("(foo)-1"), "(foo-1)");
    assert_eq!(expr("(size_t)-1"), "<size_t>(-1)");
    assert_eq!(expr("(foo)&x"), "(foo&x)");
    assert_eq!(expr("(uint8)&x"), "<uint8>(&x)");
    assert_eq!(expr("(foo *)x"), "<foo*>x");
    assert_eq!(expr("(a * b)"), "(a*b)");
    assert_eq!(expr("(a * b) * c"), "((a*b)*c)");
    assert_eq!(expr("(int32*[4]*)x"), "<int32*[4]*>x");
    assert_eq!(expr("(int8[])s"), "<int8[]>s");
    assert_eq!(expr("(typeof($x))3"), "<typeof($x)>3");
    assert_eq!(expr("(uint8)(uint16)(uint32)$x"), "<uint8><uint16><uint32>$x");
    assert_eq!(expr("((uint8, string))$t"), "<(uint8,string)>$t");
    assert_eq!(expr("(uint64)@x[1]"), "<uint64>@x[1]");
    assert_eq!(expr("(int64)count + 1"), "(<int64>count+1)");
    assert_eq!(expr("($x)(1)".trim_end_matches("(1)")), "$x");
    assert_eq!(expr("f((a)[1])"), "f(a[1])");
    let Some(Item::Macro(m)) = ok("macro f(x) { (x)*2 }").items.pop() else { panic!("macro") };
    assert_eq!(sexpr::block(&m.body), "{(x*2)}");
}

#[test]
fn type_arguments() {
    assert_eq!(expr("sizeof(struct x)"), "sizeof(<struct x>)");
    assert_eq!(expr("sizeof(struct x *)"), "sizeof(<struct x*>)");
    assert_eq!(expr("sizeof(uint64)"), "sizeof(<uint64>)");
    assert_eq!(expr("sizeof(foo)"), "sizeof(foo)");
    assert_eq!(expr("sizeof(foo[1])"), "sizeof(<foo[1]>)");
    assert_eq!(expr("sizeof((foo)[1])"), "sizeof(foo[1])");
    assert_eq!(expr("sizeof($x[1])"), "sizeof($x[1])");
    assert_eq!(expr("offsetof(struct x, a.b.c)"), "offsetof(<struct x>,a.b.c)");
    assert_eq!(expr("f(typeof(x))"), "f(<typeof(x)>)");
    assert_eq!(expr("f(foo*)"), "f(<foo*>)");
    assert_eq!(expr("f(foo[1])"), "f(foo[1])");
    assert_eq!(expr("f(a, struct x, b*c)"), "f(a,<struct x>,(b*c))");
    assert_eq!(expr("container_of($p, struct foo, bar)"), "container_of($p,<struct foo>,bar)");
}

#[test]
fn literals_tuples_records() {
    assert_eq!(expr("()"), "tuple()");
    assert_eq!(expr("(1,)"), "tuple(1)");
    assert_eq!(expr("(1,\"a\",)"), "tuple(1,\"a\")");
    assert_eq!(expr("(a = 1, b = \"x\")"), "record(a=1,b=\"x\")");
    assert_eq!(expr("(a == 1)"), "(a==1)");
    assert_eq!(expr("$t.0.1"), "$t.0.1");
    assert_eq!(expr("5s"), "5000000000");
    assert_eq!(expr("true && false"), "(true&&false)");
    assert_eq!(expr("$1 + $#"), "($1+$#)");
    assert_eq!(expr("@"), "@");
    assert_eq!(expr("@[1]"), "@[1]");
    assert_eq!(expr("@x[1, 2,]"), "@x[1,2]");
    assert_eq!(expr("@x[1][2]"), "@x[1][2]");
    assert_eq!(expr("args->x.config->if"), "args->x.config->if");
    assert_eq!(expr("comm =~ \"a\""), "(comm=~\"a\")");
    assert_eq!(expr("if a {1} else {2}"), "if a{1}else{2}");
    assert_eq!(expr("1 + {let $a = 2; $a}"), "(1+{let $a=2;$a})");
}

#[test]
fn statements() {
    assert_eq!(body("$x = 1; @y[$x] += 2"), "{$x=1;@y[$x]+=2;}");
    assert_eq!(body("$x =~$y;"), "{$x=(~$y);}");
    assert_eq!(body("_ = f();"), "{_=f();}");
    assert_eq!(
        body("let $x; let $y = 1; let $z: uint8; let $w : struct x * = 0;"),
        "{let $x;let $y=1;let $z:uint8;let $w:struct x*=0;}"
    );
    assert_eq!(body("if (a) { b } else if c { d; } else { e }"), "{if a{b}else if c{d;}else{e};}");
    assert_eq!(body("if (a) { b } else { c }"), "{if a{b}else{c}}");
    assert_eq!(body("if (a) { b } else { c };"), "{if a{b}else{c};}");
    assert_eq!(body("if (a) == 1 && $b { }"), "{if ((a==1)&&$b){};}");
    assert_eq!(body("if a {} -1; *$p; {}"), "{if a{};(-1);(*$p);{};}");
    assert_eq!(body("if comptime f(x) == 1 {}"), "{if comptime (f(x)==1){};}");
    assert_eq!(body("if (comptime f(x)) {}"), "{if comptime(f(x)){};}");
    assert_eq!(body("while ($i < 5) { $i++ }"), "{while ($i<5){($i++)};}");
    assert_eq!(body("for ($kv : @m) { print($kv); }"), "{for $kv:@m{print($kv);};}");
    assert_eq!(body("for $i : 0..10 {}"), "{for $i:0..10{};}");
    assert_eq!(
        body("for ($i : ($n - 1)..f(2)) { break; continue }"),
        "{for $i:($n-1)..f(2){break;continue;};}"
    );
    assert_eq!(body("unroll(3) { @++ } unroll ($1) {}"), "{unroll 3{(@++)};unroll $1{};}");
    assert_eq!(body("return; return 1;"), "{return ;return 1;}");
    assert_eq!(body("import \"x.bt\";"), "{import \"x.bt\";}");
    assert_eq!(body(";;1;;"), "{1;}");
    assert_eq!(body("{ 1; { 2 } }"), "{{1;{2}}}");
    assert_eq!(body("$x = {1} + {2};"), "{$x=({1}+{2});}");
    assert_eq!(body("$a / $b; $c /= 2; /* / */ 1 // /\n"), "{($a/$b);$c/=2;1}");
}

#[test]
fn items() {
    let s = ok(
        "#!/usr/bin/env awl\n#include <linux/x.h>\n#define A 1 \\\n 2\nstruct a { int x; char y[4]; };\n\
        union b { struct { int c; } d; } __attribute__((packed))\nenum e { A, B }\ntypedef struct { int z; } t;\n\
        config = { a = 1; b = \"c\"; d = true }\nimport \"stdlib/x\";\nlet @m = hash(100);\nlet @n = lruhash(5)\n\
        macro m($a, @b, c) { $a + c }\nfn f($a : uint8, $b : struct x *) : int64 { return 1; }\nbegin { }",
    );
    assert!(s.shebang.is_some());
    let kinds: Vec<&str> = s
        .items
        .iter()
        .map(|i| match i {
            Item::CDef(_) => "cdef",
            Item::Config(_) => "config",
            Item::Import(_) => "import",
            Item::MapDecl(_) => "map",
            Item::Macro(_) => "macro",
            Item::Func(_) => "fn",
            Item::Probe(_) => "probe",
            Item::Error(_) => "error",
        })
        .collect();
    assert_eq!(kinds.join(" "), "cdef cdef cdef cdef cdef cdef config import map map macro fn probe");
    let texts: Vec<&str> = s
        .items
        .iter()
        .filter_map(|i| if let Item::CDef(d) = i { Some(d.text.as_str()) } else { None })
        .collect();
    assert_eq!(texts[1], "#define A 1 \\\n 2");
    assert_eq!(texts[3], "union b { struct { int c; } d; } __attribute__((packed))");
    assert_eq!(texts[5], "typedef struct { int z; } t;");
}

#[test]
fn attach_points() {
    let parts = |text: &str| -> Vec<Vec<String>> {
        let p = probe(text);
        p.points.iter().map(|ap| ap.parts.iter().map(|p| p.text.clone()).collect()).collect()
    };
    assert_eq!(parts("BEGIN{}"), [["BEGIN"]]);
    assert_eq!(
        parts("kprobe:vfs_*,kretprobe:vfs_read , {}"),
        [["kprobe", "vfs_*"], ["kretprobe", "vfs_read"]]
    );
    assert_eq!(parts("uprobe:/bin/bash:readline {}"), [["uprobe", "/bin/bash", "readline"]]);
    assert_eq!(parts("uprobe:/usr/lib/*.so:f//c\n{}"), [["uprobe", "/usr/lib/*.so", "f"]]);
    assert_eq!(parts("uprobe:/bin//sh:f/*c*/{}"), [["uprobe", "/bin//sh", "f"]]);
    assert_eq!(parts("uprobe:\"/a b{\":f {}"), [["uprobe", "/a b{", "f"]]);
    assert_eq!(
        parts("uprobe:./x:cpp:\"ns::f(int, char)\" {}"),
        [["uprobe", "./x", "cpp", "ns::f(int, char)"]]
    );
    assert_eq!(parts("u:$1:f+0x10 {}"), [["u", "$1", "f+0x10"]]);
    assert_eq!(parts("iter:task:/sys/fs/bpf/x {}"), [["iter", "task", "/sys/fs/bpf/x"]]);
    assert_eq!(parts("watchpoint:0x1000:8:rw {}"), [["watchpoint", "0x1000", "8", "rw"]]);
    let p = probe("mine=kprobe:f { }");
    assert_eq!(p.name.map(|n| n.name), Some("mine".to_owned()));
    let p = probe("mine = kprobe:f { }");
    assert_eq!(p.name.map(|n| n.name), Some("mine".to_owned()));
    let p = probe("uprobe:\"$1\":$2 {}");
    assert_eq!(p.points[0].parts.iter().map(|p| p.quoted).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn optional_points_and_alternatives() {
    let wants = |text: &str| -> Vec<(String, Want)> {
        probe(text).points.iter().map(|p| (p.parts[0].text.clone(), p.want)).collect()
    };
    let want = |w: &[(&str, Want)]| w.iter().map(|(p, w)| ((*p).to_owned(), *w)).collect::<Vec<_>>();
    let (n, o, i) = (Want::Needed, Want::Optional, Want::Instead);
    assert_eq!(wants("optional a:b, c:d {}"), want(&[("a", o), ("c", n)]));
    assert_eq!(
        wants("a:b||c:d || e:f, optional\ng:h/**/||i:j{}"),
        want(&[("a", n), ("c", i), ("e", i), ("g", o), ("i", i)])
    );
    assert_eq!(wants("optional a:b/pid/{}"), want(&[("a", o)]));
    // The word alone is no mark, nor is one in quotes or in a path.
    assert_eq!(wants("optional {}"), want(&[("optional", n)]));
    assert_eq!(wants("optional, optional /1/ {}"), want(&[("optional", n), ("optional", n)]));
    let named = probe("optional = a:b {}");
    assert_eq!((named.name.map(|n| n.name), named.points.len()), (Some("optional".to_owned()), 1));
    assert_eq!(probe("u:/a||b:f {}").points.len(), 1);
    assert_eq!(probe("u:x:cpp:\"operator||\" {}").points.len(), 1);
}

#[test]
fn predicates() {
    for (text, pred) in [
        ("kprobe:f /pid == 1/ {}", "(pid==1)"),
        ("kprobe:f/pid == 1/ {}", "(pid==1)"),
        ("kprobe:f\n/ pid / 2 == 1 /\n{}", "((pid/2)==1)"),
        ("BEGIN/1/{}", "1"),
        ("uprobe:libc:malloc/arg0 > 1/{}", "(arg0>1)"),
        ("profile:hz:99/cpu == 0/{}", "(cpu==0)"),
        ("t:a:b /comm == \"/bin/{\"/ // c\n {}", "(comm==\"/bin/{\")"),
        ("t:a:b /if a {1} else {0}/ {}", "if a{1}else{0}"),
        ("t:a:b /@x[1] / 2 /* / { */ / {}", "(@x[1]/2)"),
        ("t:a:b /(a / 2) == 1/ {}", "((a/2)==1)"),
    ] {
        let p = probe(text);
        assert_eq!(p.pred.as_ref().map(sexpr::expr).as_deref(), Some(pred), "{text}");
    }
}

#[test]
fn spans_cover_text() {
    let text = "begin { $x = (1 + 2) * 3; }";
    let p = probe(text);
    let StmtKind::Assign { value, .. } = &p.body.stmts[0].kind else { panic!("assign") };
    assert_eq!(&text[value.span.range()], "(1 + 2) * 3");
    let ExprKind::Binary { l, op_span, .. } = &value.kind else { panic!("binary") };
    assert_eq!((&text[l.span.range()], &text[op_span.range()]), ("(1 + 2)", "*"));
    assert_eq!(&text[p.span.range()], text);
    let (e, _) = parse_expr(FileId(3), " a+b ", 100);
    assert_eq!(e.span, Span::new(FileId(3), 101, 104));
}

/// Lines as people write them.
#[test]
fn idioms() {
    for (text, want) in [
        (
            "$sk = ((struct sock *) arg0); $f = $sk->__sk_common.skc_family;",
            "{$sk=<struct sock*>arg0;$f=$sk->__sk_common.skc_family;}",
        ),
        ("@us = hist((nsecs - @start[tid]) / 1000);", "{@us=hist(((nsecs-@start[tid])/1000));}"),
        ("$x = *(uint8 *)($y + 1) | (uint64)*$p << 32;", "{$x=((*<uint8*>($y+1))|(<uint64>(*$p)<<32));}"),
        ("if (!(args.flags & 0x10)) { return; }", "{if (!(args.flags&16)){return ;};}"),
        (
            "if (args.ret == (uint32)-1 || (int32)retval < 0) { }",
            "{if ((args.ret==<uint32>(-1))||(<int32>retval<0)){};}",
        ),
        (
            "(1 << 3) * 2; (args.a) * 2; (@x) * 2; ($x) - 1; (arg0) & 1; (1) - 1",
            "{((1<<3)*2);(args.a*2);(@x*2);($x-1);(arg0&1);(1-1)}",
        ),
        (
            "@[ustack, func, probe] = count(); delete(@a[tid]); clear(@);",
            "{@[ustack,func,probe]=count();delete(@a[tid]);clear(@);}",
        ),
        (
            "printf(\"%s %d\\n\", str(((struct x *)arg0)->name), $1 > 0 ? -1 : 1)",
            "{printf(\"%s %d\\n\",str(<struct x*>arg0->name),(($1>0)?(-1):1))}",
        ),
        (
            "@c[str($2)]++; ++@n; @total += args.ret; $p->q[0]--",
            "{(@c[str($2)]++);(++@n);@total+=args.ret;($p->q[0]--)}",
        ),
        (
            "while ($i < (uint8)10) { $i++ } unroll (5) { $j = $j + 1; }",
            "{while ($i<<uint8>10){($i++)};unroll 5{$j=($j+1);};}",
        ),
        (
            "let $t = (pid, comm, (1, 2)); print($t.2.0); let $r = (a = 1,);",
            "{let $t=tuple(pid,comm,tuple(1,2));print($t.2.0);let $r=record(a=1);}",
        ),
        (
            "print((1, \"a\")); print(@x, 10, 1000); exit(1)",
            "{print(tuple(1,\"a\"));print(@x,10,1000);exit(1)}",
        ),
        (
            "nsecs(boot); kstack(perf, 3); strftime(\"%H\", nsecs); signal(\"KILL\")",
            "{nsecs(boot);kstack(perf,3);strftime(\"%H\",nsecs);signal(\"KILL\")}",
        ),
        ("$a = $b == 0 ? 1 : $b > 5 ? 2 : 3;", "{$a=(($b==0)?1:(($b>5)?2:3));}"),
        (
            "$x = (uint64)$a.b->c[1]; $y = (uint64)($a + 1) * 2",
            "{$x=<uint64>$a.b->c[1];$y=(<uint64>($a+1)*2);}",
        ),
        (
            "$t = (struct task_struct *)curtask;\n\n@[$t->comm] = count()",
            "{$t=<struct task_struct*>curtask;@[$t->comm]=count();}",
        ),
        ("@a = $x / $y; @b = $x/$y; @c = $x /* c */ / // d\n $y;", "{@a=($x/$y);@b=($x/$y);@c=($x/$y);}"),
    ] {
        assert_eq!(body(text), want);
    }
    for text in [
        "t:syscalls:sys_enter_openat,t:syscalls:sys_enter_open{@[comm]=count()}",
        "tracepoint:block:block_rq_issue /@start[args.dev, args.sector]/ { }",
        "kretprobe:vfs_read/@start[tid] && retval>0/{delete(@start[tid]);}",
        "usdt:/usr/sbin/mysqld:mysql:query__start { } uretprobe:/bin/bash:readline { }",
        "hardware:cache-misses:1e6 { } software:faults:100 { } s:cs: { }",
        "profile:hz:99 /pid/ { @[kstack] = count(); } interval:1s { exit(); } p:99 { }",
        "rawtracepoint:sched_switch { @[args.prev.comm, args.next.pid] = count(); }",
        "fentry:vmlinux:vfs_read,kfunc:tcp_* { args.file.f_path.dentry.d_name.name }",
        "watchpoint:0x10000000:8:rw { } iter:task_file:list { } self:signal:SIGUSR1 { } bench:a { }",
        "uprobe:/lib/x86_64-linux-gnu/libc.so.6:malloc,\nuprobe:libc:free /comm == \"a/{\"/\n{ }",
        "uprobe:/bin/app:\"foo(int, char const*)\" { } uprobe:./a.out:main+0x10{} u:/a@x.c:12:3 {}",
    ] {
        ok(text);
    }
}
