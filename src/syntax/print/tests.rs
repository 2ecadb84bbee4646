use super::format;
use crate::base::FileId;
use crate::syntax::ast::Script;
use crate::syntax::parse::parse;
use crate::syntax::parse::robust::{Random, SCRIPTS, mutate};

/// The tree without the places.
fn tree(script: &Script) -> String {
    let text = format!("{:?}", script.items);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(i) = rest.find("Span {") {
        out.push_str(&rest[..i]);
        rest = rest[i..].split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

/// Formats `text`, and asserts what holds for every text that parses.
fn checked(text: &str) -> String {
    let out = format(text);
    let ((before, _), (after, diags)) = (parse(FileId(0), text), parse(FileId(0), &out));
    assert!(!diags.has_errors(), "no longer parses:\n{text}\n=>\n{out}\n{:?}", diags.list);
    assert_eq!(tree(&before), tree(&after), "another tree:\n{text}\n=>\n{out}");
    let comments = |s: &Script| s.comments.iter().map(|c| c.text.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(comments(&before), comments(&after), "comments:\n{text}\n=>\n{out}");
    assert_eq!(format(&out), out, "not stable:\n{text}\n=>\n{out}");
    out
}

#[track_caller]
fn gives(text: &str, want: &str) {
    assert_eq!(checked(text), want, "{text}");
}

#[test]
fn spaces() {
    gives("begin{if $a {f()}; - $b}", "begin { if $a { f() } -$b }\n");
    gives("begin{$x=1+2*-3;@y [1,2]=f( $x ,@z )}", "begin { $x = 1 + 2 * -3; @y[1, 2] = f($x, @z) }\n");
    gives(
        "begin{$x=(uint8)$y;$z=(struct a*)$w->b . c}",
        "begin { $x = (uint8)$y; $z = (struct a *)$w->b.c }\n",
    );
    gives(
        "begin{$x = - -1 + ~ $y ; $a=a? b :c?:d; $t . 0++; ++ $t}",
        "begin { $x = - -1 + ~$y; $a = a ? b : c ?: d; $t.0++; ++$t }\n",
    );
    gives(
        "begin{ *$p; $a * * $b; $x =~$y; $z=comm=~\"a\"; & $x; $a& &$b }",
        "begin { *$p; $a * *$b; $x = ~$y; $z = comm =~ \"a\"; &$x; $a & &$b }\n",
    );
    gives(
        "begin{let $x:uint8=1;for($i:0 .. 3){}for $k :@m{}unroll (3){}}",
        "begin { let $x: uint8 = 1; for ($i : 0..3) {} for $k : @m {} unroll(3) {} }\n",
    );
    gives(
        "n = kprobe:f{ (a=1,b=(1,)); sizeof (struct x * *); if x{ 1 }else{ 2 } }",
        "n=kprobe:f { (a = 1, b = (1,)); sizeof(struct x **); if x { 1 } else { 2 } }\n",
    );
    gives("kprobe:f/ * $p == 1 / {}", "kprobe:f / *$p == 1/ {}\n");
    gives(
        "fn  f ( $a:uint8 , $b : struct x*):int64{return 1}",
        "fn f($a: uint8, $b: struct x *): int64 { return 1 }\n",
    );
    gives("macro m($a,@b,c){ $a+c }", "macro m($a, @b, c) { $a + c }\n");
    gives("import \"x\" ;let @a=hash( 100 ) ;", "import \"x\";\nlet @a = hash(100);\n");
}

#[test]
fn lines() {
    assert_eq!(super::format("#define A 1 \\\n\n\n\nbegin{}"), "#define A 1\n\nbegin {}\n");
    gives("#define A 1 \\\n  + 2\nbegin{}", "#define A 1 \\\n  + 2\nbegin {}\n");
    gives(
        "kprobe:f,\nkprobe:g\n/pid==1/\n{\n@=count(); $x=1;\n\n\n\nif($x){exit()}\nelse\n{\nexit(); }\n\n}\nbegin{}\n",
        "kprobe:f,\nkprobe:g\n/pid == 1/ {\n  @ = count();\n  $x = 1;\n\n  if ($x) {\n    exit()\n  } else {\n    exit();\n  }\n}\n\nbegin {}\n",
    );
    gives(
        "begin { printf(\"a\",\n1,\n  2\n); $x = $a\n+ $b; }",
        "begin {\n  printf(\"a\",\n      1,\n      2\n  );\n  $x = $a\n      + $b;\n}\n",
    );
    let long = "begin { if ($aaaaaaaaaaaaaaaaaaaa) { printf(\"aaaaaaaaaaaaaaaaaaaa\"); } else { @x++ } }";
    gives(
        long,
        "begin {\n  if ($aaaaaaaaaaaaaaaaaaaa) { printf(\"aaaaaaaaaaaaaaaaaaaa\"); } else { @x++ }\n}\n",
    );
    gives("config={a=1;\nb=2}", "config = {\n  a = 1;\n  b = 2\n}\n");
    gives("begin{;;}end{1;;;2}", "begin {}\nend { 1; 2 }\n");
    gives("begin { if a {1} else {2}; }", "begin { if a { 1 } else { 2 }; }\n");
    gives("begin { if a {1} else {2}; 3 }", "begin { if a { 1 } else { 2 } 3 }\n");
    gives(
        "#!/bin/awl\n\n\n\n#include <a>\nstruct x {\n  int   a;\n};\nbegin {}",
        "#!/bin/awl\n\n#include <a>\nstruct x {\n  int   a;\n};\nbegin {}\n",
    );
    gives("", "");
    gives("\n\n// only\n\n", "// only\n");
}

#[test]
fn comments_stay() {
    gives(
        "/* head */\n// two\nbegin { // open\n // own\n\n  $x = 1; // after\n  /* a */ $y = /* b */ 2 /* c */; // d\n // last\n} // end\n// file\n",
        "/* head */\n// two\nbegin { // open\n  // own\n\n  $x = 1; // after\n  /* a */\n  $y = /* b */ 2 /* c */; // d\n  // last\n} // end\n\n// file\n",
    );
    gives("kprobe:f // why\n{ exit() }", "kprobe:f // why\n{\n  exit()\n}\n");
    gives(
        "kprobe:f, // a\nkprobe:g /* b */ /pid/ /* c */ { /* d */ }",
        "kprobe:f, // a\nkprobe:g /* b */ /pid/ /* c */ { /* d */\n}\n",
    );
    gives("begin { f(1, // one\n 2); }", "begin {\n  f(1, // one\n      2);\n}\n");
    gives("begin { if (1) { } // a\n // b\n else { } }", "begin {\n  if (1) {} // a\n  // b\n  else {}\n}\n");
}

#[test]
fn what_does_not_parse_stays() {
    for text in ["begin { $x = ; }\n\n\n", "begin{", "\u{1}"] {
        assert_eq!(format(text), text);
    }
}

#[test]
fn scripts() {
    for text in SCRIPTS {
        checked(text);
        for other in [text.replace(' ', "\n"), text.replace("; ", ";").replace(" =", "=")] {
            if !parse(FileId(0), &other).1.has_errors() {
                checked(&other);
            }
        }
    }
}

#[test]
fn mutations_that_parse() {
    let mut r = Random(0x1234_5678_9abc_def1);
    let mut n_parsed = 0;
    for round in 0..6000 {
        let mut bytes: Vec<u8> = Vec::new();
        for _ in 0..1 + round % 2 {
            bytes.extend(SCRIPTS[r.below(SCRIPTS.len())].bytes());
        }
        for _ in 0..1 + r.below(2) {
            mutate(&mut bytes, &mut r);
        }
        let text = String::from_utf8_lossy(&bytes);
        if !parse(FileId(0), &text).1.has_errors() {
            checked(&text);
            n_parsed += 1;
        }
    }
    assert!(n_parsed > 300, "{n_parsed}");
}

#[test]
fn long_texts() {
    let line = "if ($x) { @[comm] = count(); } else { { $y = 1 } } ".repeat(2000);
    let out = format(&format!("begin {{ {line} }}"));
    assert_eq!(out.lines().count(), 2 + 2000);
    let nested = format!("begin {{ {}1{} }}", "if 1 { ".repeat(90), " }".repeat(90));
    assert_eq!(checked(&nested).lines().count(), 2 * (1 + 90) + 1);
}
