//! C texts to types, on the small machine of the fixture.

use super::*;
use crate::base::{Diags, FileId, Source, SourceMap, Span};
use crate::ty::{Ty, TypeTable, print};
use crate::world::fixture::FixtureWorld;

fn read(text: &str) -> (Definitions, Vec<&'static str>) {
    let (world, mut diags) = (FixtureWorld::new(), Diags::default());
    let mut sources = SourceMap::new();
    sources.add(Source::new("a.h", text));
    let mut prep = Prep::new(&world);
    let mut cx = Cx { sources: &mut sources, diags: &mut diags };
    prep.feed(text, Span::new(FileId(0), 0, text.len()), &mut cx);
    let (_, defs) = define(prep, TypeTable::new(), &Words::default(), &world, &mut cx);
    for d in &diags.list {
        assert!(d.span.hi as usize <= text.len() && d.span.lo <= d.span.hi, "{:?}", d);
    }
    (defs, diags.list.iter().map(|d| d.code.id).collect())
}

/// Size of a struct, then name, type and offset in bits of each member.
fn strukt(text: &str, name: &str) -> String {
    let (defs, codes) = read(text);
    assert!(codes.is_empty(), "{text}: {codes:?}");
    let Some(Tag::Struct(_, id)) = defs.tags.get(name) else { panic!("{text}: no {name}") };
    let def = &defs.types.structs[*id];
    let members = def.members.iter().flatten().map(|m| {
        let width = m.bitfield_bits.map_or(String::new(), |w| format!(":{w}"));
        format!(" {} {}{width}@{}", print::name(&m.ty, &defs.types), m.name, m.offset_bits)
    });
    format!("{}{}", def.size, members.collect::<String>())
}

use crate::expand::Tag;

#[test]
fn members_lie_as_in_c() {
    for (text, want) in [
        ("struct a { char c; int i; short s; };", "12 int8 c@0 int32 i@32 int16 s@64"),
        ("struct a { char c; int i; } __attribute__((packed))", "5 int8 c@0 int32 i@8"),
        ("struct __attribute__((packed)) a { char c; long l; };", "9 int8 c@0 int64 l@8"),
        (
            "struct a { unsigned long long x, *y; unsigned char z[3]; };",
            "24 uint64 x@0 uint64 * y@64 uint8[3] z@128",
        ),
        ("struct a { int x[2][3]; char n[4 * 2 + 1]; };", "36 int32[3][2] x@0 int8[9] n@192"),
        ("struct a { u32 a:3, b:5; u32 :0; u32 c:1; };", "8 uint32 a:3@0 uint32 b:5@3 uint32 c:1@32"),
        ("struct a { u8 a:6; u8 b:4; };", "2 uint8 a:6@0 uint8 b:4@8"),
        ("struct a { u8 a:6; u8 b:4; } __packed;", "2 uint8 a:6@0 uint8 b:4@6"),
        ("struct a { char c; int i __attribute__((aligned(16))); };", "32 int8 c@0 int32 i@128"),
        ("struct a { int (*f)(int, void *); void (*g[2])(void); };", "24 void * f@0 void *[2] g@64"),
        ("struct a { struct a *next; const char *name; };", "16 struct a * next@0 int8 * name@64"),
        (
            "struct a { int n; struct { u8 x; u16 y; }; union { u8 p; u64 q; } u; };",
            "16 int32 n@0 struct {…} @32 union {…} u@64",
        ),
        (
            "typedef unsigned int uu; struct a { uu x; uint16_t y; size_t z; };",
            "16 uint32 x@0 uint16 y@32 uint64 z@64",
        ),
        (
            "#define N 4\nstruct a {\n#ifdef N\n int x[N];\n#else\n int y;\n#endif\n char z[]; };",
            "16 int32[4] x@0 int8[0] z@128",
        ),
        ("enum e { A = 3, B, C = B * 2 }; struct a { enum e e; char n[C]; };", "12 enum e e@0 int8[8] n@32"),
        (
            "struct b { long l; }; struct a { char c; struct b b; char n[sizeof(struct b)]; };",
            "24 int8 c@0 struct b b@64 int8[8] n@128",
        ),
        ("#define N 1 /* over\n lines */ // and /* one\nstruct a { char n[N]; };", "1 int8[1] n@0"),
        ("union a { int i; char c[5]; };", "8 int32 i@0 int8[5] c@0"),
        (
            "#pragma pack(push, 2)\nstruct a { char c; int i; };\n#pragma pack(pop)\nstruct b { char c; int i; };",
            "6 int8 c@0 int32 i@16",
        ),
        (
            "#define P(...) __attribute__((packed, ##__VA_ARGS__))\nstruct a { char c; int i; } P();",
            "5 int8 c@0 int32 i@8",
        ),
        ("typedef int t __attribute__((mode(__DI__))); struct a { char c; t t; };", "16 int8 c@0 int64 t@64"),
        (
            "struct a { long double d; double _Complex c; _Alignas(32) char x; unsigned __int128 i; };",
            "64 uint8[16] d@0 uint8[16] c@128 int8 x@256 uint8[16] i@384",
        ),
        ("enum __attribute__((packed)) e { A, B }; struct a { enum e e; char c; };", "2 enum e e@0 int8 c@8"),
        (
            "__extension__ typedef struct b { int x; } b; struct a { __typeof__(b) y; char n[_Alignof(b)]; };",
            "8 struct b y@0 int8[4] n@32",
        ),
        ("struct a { char n[(int)sizeof(long) / (unsigned char)258]; };", "4 int8[4] n@0"),
        ("typedef struct b t; struct b { int x; }; struct a { t y[2]; };", "8 struct b[2] y@0"),
        ("struct a { int x; _Static_assert(1, \"so\"); int y; };", "8 int32 x@0 int32 y@32"),
        ("struct a { char n[AF_INET6 + sizeof(int *)]; } // comment", "18 int8[18] n@0"),
        (
            "struct a { unsigned long int x; long unsigned y; signed char z; _Bool b; };",
            "24 uint64 x@0 uint64 y@64 int8 z@128 bool b@136",
        ),
    ] {
        assert_eq!(strukt(text, "a"), want, "{text}");
    }
}

#[test]
fn typedefs_and_enumerators() {
    let (defs, codes) =
        read("typedef struct { int a; } s_t, *s_p; enum { X = -1, Y, Z = 1 << 4 }; typedef int arr[4];");
    assert!(codes.is_empty(), "{codes:?}");
    let names = |t: &TypeTable| {
        defs.typedefs.iter().map(|(n, ty)| format!("{n} {}", print::name(ty, t))).collect::<Vec<_>>()
    };
    assert_eq!(names(&defs.types), ["arr int32[4]", "s_p struct {…} *", "s_t struct {…}"]);
    let values: Vec<i64> = ["X", "Y", "Z"].iter().map(|n| defs.enumerators[*n].0).collect();
    assert_eq!(values, [-1, 0, 16]);
    assert!(matches!(defs.enumerators["X"].1, Ty::Enum(id) if defs.types.enums[id].signed));
}

#[test]
fn mistakes_have_their_place_and_cost_their_own_declaration() {
    for (text, want) in [
        ("struct a { nonsense_t x; }; struct b { int y; };", "E0205"),
        ("struct a { int x };", "E0218"),
        ("struct a { int x:40; };", "E0218"),
        ("struct a { struct a x; };", "E0218"),
        ("struct a { int x[-1]; };", "E0218"),
        ("struct a { int x[1 / 0]; };", "E0218"),
        ("struct a { int x[SOME]; };", "E0218"),
        ("struct a { int x; }; struct a { int x; };", "E0207"),
        ("enum a { X, X };", "E0207"),
        ("int f(void) { return 1; }", "E0218"),
        ("struct a { int x[1000000000]; };", "E0218"),
        ("#if 1\nstruct a { int x; };", "E0214"),
        ("#else", "E0214"),
        ("#import x", "E0214"),
        ("#include \"nowhere.h\"", "E0217"),
        ("#error no", "E0214"),
    ] {
        assert_eq!(read(text).1, [want], "{text}");
    }
    assert!(read("struct a { nonsense_t x; }; struct b { int y; };").0.tags.contains_key("b"));
}

#[test]
fn names_with_parameters_are_replaced() {
    for (text, want) in [
        ("#define F(a, b) b a\nstruct a { F(x, int); };", "4 int32 x@0"),
        ("#define F(a) a##_t a##1\nstruct a { F(size); };", "8 uint64 size1@0"),
        ("#define G(n) int##n##_t\n#define N 16\n#define F(n) G(n)\nstruct a { F(N) x; };", "2 int16 x@0"),
        ("#define f(x) x[2]\n#define g f\nstruct a { int g(y); };", "8 int32[2] y@0"),
        ("#define EMPTY\n#define F(x, y) x EMPTY y\nstruct a { F(int\n, z); };", "4 int32 z@0"),
        ("#define V(t, ...) t __VA_ARGS__\nstruct a { V(int, x, y); };", "8 int32 x@0 int32 y@32"),
        ("#define L(a...) a\nstruct a { L(int x, y); };", "8 int32 x@0 int32 y@32"),
        ("#define J(a, b) a##b\nstruct a { int J(,x), J(y,); };", "8 int32 x@0 int32 y@32"),
        ("#define C(x) x/**/y\nstruct a { int C(); };", "4 int32 y@0"),
        (
            "#define F(x) (x)\n#if F(1) && defined F && !defined(G) && 'a' == 97\nstruct a { int x; };\n#endif",
            "4 int32 x@0",
        ),
        (
            "#if 0\n'\n/*\n#endif\n*/\n#elif 2 > 1u\nstruct a { int x; };\n#else\n#error no\n#endif",
            "4 int32 x@0",
        ),
        ("#ifdef __x86_64__\nstruct a { char n[__SIZEOF_POINTER__]; };\n#endif", "8 int8[8] n@0"),
    ] {
        assert_eq!(strukt(text, "a"), want, "{text}");
    }
    assert_eq!(read("#define F(x) x\nstruct a { F(int x; };").1, ["E0214"]);
}

/// What a script with these files comes to; the last of them is the script.
fn with_files(files: &[(&str, &str)]) -> (Definitions, Vec<String>) {
    let mut world = FixtureWorld::new();
    let Some(((_, text), headers)) = files.split_last() else { panic!("no script") };
    for (path, text) in headers {
        world.files.insert((*path).to_owned(), (*text).to_owned());
    }
    let mut sources = SourceMap::new();
    let file = sources.add(Source::new("stdin", *text));
    let (script, _) = crate::syntax::parse::parse(file, text);
    let (out, diags) = crate::expand::expand(script, &mut sources, &world, &[]);
    let said =
        diags.list.iter().map(|d| format!("{:?} {}: {}", d.severity, sources.place(d.span).0, d.message));
    (out.defs, said.collect())
}

#[test]
fn headers_of_the_system_are_read() {
    let (defs, said) = with_files(&[
        (
            "/usr/include/a.h",
            "#ifndef A_H\n#define A_H\n#include <stddef.h>\n#include \"b.h\"\nstruct a { size_t n; b_t b; };\n#endif",
        ),
        (
            "/usr/include/b.h",
            "#include \"a.h\"\n#include_next <b.h>\ntypedef struct opaque *b_t;\nextern int f(b_t) __asm__(\"g\");\nstatic inline int h(void) { return 1; }",
        ),
        ("stdin", "#include <a.h>\nbegin { }"),
    ]);
    assert_eq!(said, ["Warning /usr/include/b.h: there is no header b.h here"]);
    let Some(Tag::Struct(_, id)) = defs.tags.get("a") else { panic!("no struct a") };
    assert_eq!(defs.types.structs[*id].size, 16);
    assert!(defs.typedefs.contains_key("max_align_t"));
}

#[test]
fn what_a_header_has_wrong_is_kept_with_its_name() {
    let (defs, said) = with_files(&[
        (
            "/usr/include/a.h",
            "struct bad { nonsense_t x; };\ntypedef weird w_t;\nstruct good { int x; };\n#error mind this",
        ),
        ("stdin", "#include <a.h>\nbegin { }"),
    ]);
    assert_eq!(said, ["Warning /usr/include/a.h: #error mind this"]);
    assert_eq!(defs.skipped.keys().collect::<Vec<_>>(), ["bad", "w_t"]);
    assert_eq!(defs.skipped["bad"].message, "there is no type nonsense_t");
    assert!(defs.tags.contains_key("good"));
}

#[test]
fn the_scripts_own_definitions_win() {
    let header = ("/usr/include/a.h", "struct s { char c; };\nenum { N = 1 };\ntypedef char t;\n#define K 1");
    let own = "struct s { long l; };\nenum { N = 2 };\ntypedef long t;\n#define K 2\n";
    for script in [format!("#include <a.h>\n{own}begin {{ }}"), format!("{own}#include <a.h>\nbegin {{ }}")] {
        let (defs, said) = with_files(&[header, ("stdin", &script)]);
        assert_eq!(said, Vec::<String>::new(), "{script}");
        let Some(Tag::Struct(_, id)) = defs.tags.get("s") else { panic!("no struct s") };
        assert_eq!((defs.types.structs[*id].size, defs.enumerators["N"].0), (8, 2), "{script}");
        assert_eq!(defs.typedefs["t"], Ty::I64, "{script}");
    }
}

#[test]
fn headers_of_the_kernel_are_read_where_btf_lacks_a_type() {
    let header = ("/usr/include/linux/a.h", "struct only_here { int x; };\nstruct task_struct { int x; };");
    let script = "#include <linux/a.h>\nbegin { print(sizeof(struct only_here)); }";
    let (defs, said) = with_files(&[header, ("stdin", script)]);
    assert_eq!((said, defs.tags.len()), (vec![], 1));
    let (defs, said) = with_files(&[header, ("stdin", "#include <linux/a.h>\nbegin { }")]);
    assert_eq!(defs.tags.len(), 0);
    assert!(said[0].contains("no effect"), "{said:?}");
    let own = "#include <linux/a.h>\nstruct mine { struct only_here x[2]; };\nbegin { }";
    let (defs, said) = with_files(&[header, ("stdin", own)]);
    let Some(Tag::Struct(_, id)) = defs.tags.get("mine") else { panic!("no struct mine: {said:?}") };
    assert_eq!(defs.types.structs[*id].size, 8);
}

#[test]
fn headers_that_include_one_another_end() {
    let (_, said) = with_files(&[
        ("/usr/include/a.h", "#include \"a.h\"\n#include \"a.h\"\nstruct a { int x; };"),
        ("stdin", "#include <a.h>\nbegin { }"),
    ]);
    assert_eq!(said, ["Error /usr/include/a.h: too many headers include one another"]);
    let (_, said) = with_files(&[
        ("a.h", "#include \"b.h\"\nstruct a { struct b b; };"),
        ("b.h", "#include \"a.h\"\nstruct b { int x; };"),
        ("stdin", "#include \"a.h\"\nstruct c { struct a a; };\nbegin { }"),
    ]);
    assert_eq!(said, Vec::<String>::new());
}

#[test]
fn hostile_texts_end() {
    let deep = |open: &str, close: &str| {
        format!("struct a {{ int x{}1{}; }};", open.repeat(5000), close.repeat(5000))
    };
    let doubling: String = (0..60).map(|i| format!("#define A{} A{i} A{i}\n", i + 1)).collect();
    let calls: String = (0..60).map(|i| format!("#define F{}(x) F{i}(x x)\n", i + 1)).collect();
    let chain: String = (0..3000).map(|i| format!("#define B{i} B{}\n", i + 1)).collect();
    for text in [
        deep("[(", ")]"),
        deep("[-(", ")]"),
        format!("struct a {{ int {}x; }};", "*".repeat(100_000)),
        format!("struct a {{ int {}x{}; }};", "(".repeat(5000), ")".repeat(5000)),
        "struct a { ".repeat(5000),
        format!("#define A0 int\n{doubling}struct a {{ A60 x; }};"),
        "#define A A\nstruct a { A x; };".to_owned(),
        format!("{calls}struct a {{ int F60(x); }};"),
        format!("#define F(x) x x\nstruct a {{ int {}x{}; }};", "F(".repeat(3000), ")".repeat(3000)),
        format!("#define F(x) F(x) x\nstruct a {{ {}x }};", "F(".repeat(3000)),
        format!("struct a {{ int x{}1{}; }};", "[sizeof(int".repeat(3000), ")]".repeat(3000)),
        format!("{chain}struct a {{ B0 x; }};"),
        "#if ".to_owned() + &"(".repeat(5000),
        "struct a { int x; /*".to_owned(),
        "\u{7f}'é\\\"".repeat(1000),
    ] {
        assert!(!read(&text).1.is_empty(), "{}", &text[..40.min(text.len())]);
    }
    let long: String =
        (0..20_000).map(|i| format!("struct s{i} {{ int x; struct s{} *p; }};\n", i + 1)).collect();
    assert!(read(&long).1.is_empty());
}
