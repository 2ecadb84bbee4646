//! Wrong scripts: what is said, and where.

use super::parse;
use crate::base::FileId;

/// Each error of `text` as `message @ the text under the caret`.
fn errors(text: &str) -> Vec<String> {
    let (_, diags) = parse(FileId(0), text);
    diags.list.iter().map(|d| format!("{} @ {}", d.message, &text[d.span.range()])).collect()
}

/// `text` has exactly these errors.
#[track_caller]
fn says(text: &str, expected: &[&str]) {
    assert_eq!(errors(text), expected, "{text}");
}

/// The hint of the only error.
fn hint(text: &str) -> String {
    let (_, diags) = parse(FileId(0), text);
    assert_eq!(diags.list.len(), 1, "{text}: {:?}", diags.list);
    diags.list[0].hint.clone().unwrap_or_default()
}

/// Texts of the other places that the only error names.
fn notes(text: &str) -> Vec<String> {
    let (_, diags) = parse(FileId(0), text);
    assert_eq!(diags.list.len(), 1, "{text}: {:?}", diags.list);
    diags.list[0].notes.iter().map(|(s, t)| format!("{t} @ {}..{}", s.lo, s.hi)).collect()
}

#[test]
fn several_in_one_run() {
    says(
        "kprobe:f { $x = ; $y = 1 +; @z[1 = 2; }\nkprobe:g { $x = 1; foo(; }",
        &[
            "expected an expression, found `;` @ ;",
            "expected an expression, found `;` @ ;",
            "`=` is a statement, not part of an expression @ =",
            "expected `)`, found `;` @ ;",
        ],
    );
    says(
        "begin { $x = ; if (x ==) { $y = ; } $z = ; }",
        &[
            "expected an expression, found `;` @ ;",
            "expected an expression, found `)` @ )",
            "expected an expression, found `;` @ ;",
            "expected an expression, found `;` @ ;",
        ],
    );
}

#[test]
fn brackets() {
    says("kprobe:f { printf(\"a\" }", &["expected `)`, found `}` @ }"]);
    says("kprobe:f { printf(\"a\"; exit(); }", &["expected `)`, found `;` @ ;"]);
    assert_eq!(notes("kprobe:f { printf(\"a\"; exit(); }"), ["to close this @ 17..18"]);
    says("kprobe:f { @x[1; exit(); }", &["expected `]`, found `;` @ ;"]);
    says("kprobe:f { } }\nkprobe:g { }", &["unmatched `}` @ }"]);
    says("kprobe:f { $x = (uint64 $y; }", &["expected an operator, `(`, `)` or `,`, found `$y` @ $y"]);
}

#[test]
fn unclosed_braces() {
    // The next item survives, with its own errors.
    says(
        "kprobe:f {\n  if (x) {\n    exit();\n\nkprobe:g { $x = ; }",
        &["unclosed `{` @ {", "expected an expression, found `;` @ ;"],
    );
    let text = "kprobe:f {\n  if (x) {\n    while (y) {\n      exit();\n  }\n}\nkprobe:g { }";
    says(text, &["unclosed `{` @ {"]);
    assert_eq!(
        notes(text),
        ["perhaps this one is meant, @ 36..37", "since this `}` is indented differently @ 54..55"]
    );
    says("begin { if (x) { exit(); }", &["unclosed `{` @ {"]);
    says("struct x { int a;\nkprobe:f { }", &["unclosed `{` @ {"]);
    says("struct x { int a; struct { int b; };", &["unclosed `{` @ {"]);
    let many = "kprobe:f {\n".repeat(3);
    says(&many, &["unclosed `{` @ {"; 3]);
}

#[test]
fn strings_and_comments() {
    says("begin { $x = \"abc;\n $y = 1;\n}", &["unterminated string @ \"abc;"]);
    says("begin { printf(\"abc);\n exit(); }", &["unterminated string @ \"abc);"]);
    says("begin { print(1); } /* abc", &["unterminated comment @ /*"]);
    says("begin { print(1); /* abc }", &["unterminated comment @ /*"]);
    says(
        "begin { $x = \"a\\qb\\777\"; }",
        &["invalid escape character `q` @ \\q", "octal escape above \\377 @ \\777"],
    );
    says("begin { $x = 'a'; }", &["single quotes mean nothing here @ 'a'"]);
    says("begin { $y = “hi”; }", &["curly quotes mean nothing here @ “hi”"]);
    says("uprobe:\"/a b:f { }\n{ }", &["unterminated string @ \"/a b:f { }"]);
}

#[test]
fn characters() {
    says("begin { # foo\n }", &["unexpected `#` @ #"]);
    assert!(hint("begin { # foo\n }").contains("preprocessor"));
    says("begin { $ = 3; }", &["unexpected `$` @ $"]);
    says("begin { @1 = 3; }", &["a map's name cannot start with a digit @ @1"]);
    says("begin { é }", &["unexpected `é` @ é"]);
    says("begin { \x01\x02 }", &["unexpected `\\u{1}\\u{2}` @ \x01\x02"]);
}

#[test]
fn numbers() {
    says("begin { $x = 5sec; }", &["invalid integer suffix `sec` @ sec"]);
    says(
        "begin { $x = 1.5 + 0b12; }",
        &["there are no floating-point numbers @ 1.5", "`2` is no binary digit @ 2"],
    );
    says(
        "begin { $x = 1_; $0 }",
        &["trailing underscore in integer literal @ _", "`$0` is no positional parameter @ $0"],
    );
    says("begin { $x.0x1 }", &["`0x1` is no index of a tuple @ 0x1"]);
}

#[test]
fn conditions_and_assignments() {
    for text in [
        "begin { if (x = 1) { } }",
        "begin { if x = 1 { } }",
        "begin { while ($x = 1) { } }",
        "begin /x = 1/ { }",
    ] {
        let (_, diags) = parse(FileId(0), text);
        assert_eq!(diags.list.len(), 1, "{text}: {:?}", diags.list);
        assert_eq!(diags.list[0].message, "`=` in a condition");
        assert_eq!(hint(text), "compare with `==`");
    }
    says("begin { $x = $a = 1; }", &["`=` is a statement, not part of an expression @ ="]);
    says("begin { f($a += 1); }", &["`+=` is a statement, not part of an expression @ +="]);
    says(
        "begin { 1 = 2; f() = 3; $x + 1 = 2; }",
        &[
            "invalid assignment target @ 1",
            "invalid assignment target @ f()",
            "invalid assignment target @ $x + 1",
        ],
    );
    says(
        "begin { f()++; --3; }",
        &[
            "increment and decrement need a variable or a map @ f()",
            "increment and decrement need a variable or a map @ 3",
        ],
    );
    says("begin { $x === 3; $x := 3; }", &["one `=` too many @ =", "`:=` means nothing here @ :"]);
}

#[test]
fn semicolons() {
    says(
        "begin { $x = 1\n $y = f(2)\n if ($x) { }\n print($x)\n}",
        &["expected `;` @ 1", "expected `;` @ )"],
    );
    says("begin { $x = 1 $y = 2 }", &["expected `;` or an operator, found `$y` @ $y"]);
    says(
        "begin { $x++\n $y--\n break\n exit() }",
        &["expected `;` @ +", "expected `;` @ -", "expected `;` @ k"],
    );
    says("config = { a = 1\n b = 2 }", &["expected `;` @ 1"]);
    // A new line alone is no mistake.
    for good in [
        "$x =\n 1",
        "if $x\n { }",
        "f(\n$x\n)",
        "let $x: struct\n foo",
        "$x\n+ $y",
        "return\n$x",
        "(uint8)\n$x",
    ] {
        says(&format!("begin {{ {good} }}"), &[]);
    }
}

#[test]
fn headers() {
    says("kprobe:f", &["this probe has no actions @ f"]);
    says("kprobe:f,", &["expected an attach point or `{` after this @ ,"]);
    says("kprobe:f,,kprobe:g { }", &["expected an attach point or `{`, found `,` @ ,"]);
    says("{ exit() }", &["expected an attach point before `{` @ {"]);
    says("/pid/ { exit() }", &["expected an attach point before the predicate @ /"]);
    says("kprobe:f kprobe:g { }", &["expected `,`, a predicate or `{`, found `kprobe:g` @ kprobe:g"]);
    says("kprobe : f { }", &["white space inside an attach point @ :"]);
    says(
        "kprobe:f printf(\"x\"); }",
        &["expected `,`, a predicate or `{`, found `printf(\"x\")` @ printf(\"x\")"],
    );
    says("kprobe:f /pid == 1 { exit(); }", &["expected `/` to close the predicate @ {"]);
    says("kprobe:f /pid == 1/ exit(); }", &["expected `{` after the predicate @ exit"]);
    says("kprobe:f /pid == 1; }\nbegin { }", &["the predicate is not closed @ ;"]);
    says("kprobe:f // { }", &["this probe has no actions @ f"]);
    says("kprobe:f / / { }", &["expected an expression, found `/` @ /"]);
}

#[test]
fn words() {
    says(
        "begin { fi (x) { print(1); } esle { print(2); } exit() }",
        &["unexpected `fi` @ fi", "unexpected `esle` @ esle"],
    );
    assert_eq!(hint("begin { retrun 1; }"), "did you mean `return`?");
    assert_eq!(hint("begin { whiel (1) { } }"), "did you mean `while`?");
    assert_eq!(hint("begin { if (x) { a; } elif (y) { b; } }"), "write `else if`");
    assert_eq!(hint("begin { foreach ($x : @) { } exit(); }"), "write `for ($kv : @map) { … }`");
    assert_eq!(hint("begin { $x = a and b; }"), "write `&&`");
    assert_eq!(hint("begin { int x = 3; }"), "write `let $x = …`");
    says("begin { else { b; } }", &["`else` without `if` @ else"]);
    says(
        "begin { for ($i = 0; $i < 10; $i++) { print($i); } exit(); }",
        &["a `for` loop goes over a map or a range @ ="],
    );
    says("begin { for (i : 0..10) { } }", &["expected a $variable, found `i` @ i"]);
    says(
        "begin { printf \"hello\"; }",
        &["expected `(` after `printf`, found the string \"hello\" @ \"hello\""],
    );
    says("begin { let @x = 1; }", &["maps are declared outside probes @ @x"]);
    says("let $x = 1;", &["outside probes, `let` declares a map @ $x"]);
    says("begin { let if = 1; }", &["expected a $variable, found the keyword `if` @ if"]);
}

#[test]
fn items() {
    says(
        "begin { }\nconfig = { a = 1 }\nimport \"x\";\nstruct y { int z; };",
        &[
            "config must appear before probes and functions @ config = { a = 1 }",
            "root imports must appear before probes and functions @ import \"x\"",
            "C definitions must appear before probes and functions @ struct y { int z; };",
        ],
    );
    says(
        "config = { }\nconfig = { }\n#define A 1\nbegin { }",
        &[
            "duplicate config block @ config = { }",
            "C definitions must appear before config, imports and probes @ #define A 1",
        ],
    );
    says("config = { a = 1; b }", &["expected `=`, found `}` @ }"]);
    says(
        "config = { a 1; b = ; c = 2 }",
        &["expected `=`, found the number `1` @ 1", "expected an expression, found `;` @ ;"],
    );
    says("macro f(1) { }", &["expected a name, a $variable, a @map or `)`, found the number `1` @ 1"]);
    says(
        "fn g($a) { }\nfn h($a : ) : int8 { }",
        &["expected `:`, found `)` @ )", "expected a type, found `)` @ )"],
    );
    says("import x;\nimport \"x\"", &["expected a string, found `x` @ x", "expected `;` after this @ \""]);
    says(
        "let @a = ;\nlet @b = hash(1\nbegin { }",
        &["expected a name, found `;` @ ;", "expected `)` or `,` after this @ 1"],
    );
    says("#!/bin/awl\n#!/bin/awl\nbegin { }", &[]);
}

#[test]
fn not_too_many() {
    let text = "begin { $x = ; }\n".repeat(1000);
    let all = errors(&text);
    assert_eq!(all.len(), super::ERRORS_MAX + 1);
    assert!(all[super::ERRORS_MAX].starts_with("too many syntax errors"));
}
