//! C texts to types, on the small machine of the fixture.

use super::*;
use crate::base::{FileId, Source, SourceMap, Span};
use crate::ty::{Ty, TypeTable, print};
use crate::world::fixture::FixtureWorld;

fn read(text: &str) -> (Definitions, Vec<&'static str>) {
    let (world, mut diags) = (FixtureWorld::new(), Diags::default());
    let mut sources = SourceMap::new();
    sources.add(Source::new("a.h", text));
    let mut prep = Prep::new(&world);
    prep.feed(text, Span::new(FileId(0), 0, text.len()), &mut sources, &mut diags);
    let (_, defs) = define(prep, crate::ty::TypeTable::new(), &world, &mut diags);
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
fn hostile_texts_end() {
    let deep = |open: &str, close: &str| {
        format!("struct a {{ int x{}1{}; }};", open.repeat(5000), close.repeat(5000))
    };
    let doubling: String = (0..60).map(|i| format!("#define A{} A{i} A{i}\n", i + 1)).collect();
    for text in [
        deep("[(", ")]"),
        deep("[-(", ")]"),
        format!("struct a {{ int {}x; }};", "*".repeat(100_000)),
        format!("struct a {{ int {}x{}; }};", "(".repeat(5000), ")".repeat(5000)),
        "struct a { ".repeat(5000),
        format!("#define A0 int\n{doubling}struct a {{ A60 x; }};"),
        "#define A A\nstruct a { A x; };".to_owned(),
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
