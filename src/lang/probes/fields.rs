//! Fields of tracepoint records: the C text of a `format` file as types of the language.
//!
//! Always holds: a field whose C type is not understood is an integer or an array of bytes of its size; fields
//! `common_*` are left out, for they are the kernel's own.

use crate::ty::table::DataLoc;
use crate::ty::{Member, Space, StructDef, StructId, StructKind, StructOrigin, Ty, TypeTable};
use crate::world::{FormatField, FuncSig, TracepointFormat, World};

/// Words that say nothing about how a value is read.
const QUALIFIERS: &[&str] = &["const", "volatile", "restrict", "__user", "__kernel", "__rcu", "__restrict"];

/// The struct of a record's fields. Pointers without a space of their own point to `space`; strings of variable
/// length have at most `string_bytes`.
pub fn of_format(
    world: &dyn World,
    types: &mut TypeTable,
    format: &TracepointFormat,
    space: Space,
    string_bytes: u32,
) -> StructId {
    let fields = format.fields.iter().filter(|f| !f.name.starts_with("common_"));
    let members = fields.map(|f| member(world, types, f, space, string_bytes)).collect();
    enter(types, members, StructOrigin::Format)
}

/// The struct of a function's or BTF tracepoint's arguments: member `i` is argument `i`.
pub fn of_args(types: &mut TypeTable, sig: &FuncSig) -> StructId {
    let member = |(i, (name, ty)): (usize, &(String, Ty))| Member {
        name: name.clone(),
        ty: in_kernel(ty),
        offset_bits: 64 * i as u32,
        bitfield_bits: None,
        data_loc: DataLoc::No,
        tag: None,
    };
    let members = sig.params.iter().enumerate().map(member).collect();
    enter(types, members, StructOrigin::Args)
}

/// The struct of a user function's arguments by its calling convention: numbers and pointers go into registers one
/// after the other, then to the stack; small structs take the registers of their words. What does not lie in one of
/// these (floating-point numbers, structs) is left out.
pub fn of_user_args(types: &mut TypeTable, params: &[(String, Ty)], n_registers: u32) -> StructId {
    const WORD_BYTES: u32 = 8;
    let (mut register, mut stack) = (0, n_registers);
    let mut members = Vec::new();
    for (name, ty) in params {
        let words = ty.size(types).div_ceil(WORD_BYTES);
        let mut take = |n: u32, small: bool| {
            let next = if small && register + n <= n_registers { &mut register } else { &mut stack };
            *next += n;
            *next - n
        };
        match ty {
            Ty::Ptr { .. } | Ty::Int { .. } | Ty::Bool | Ty::Enum(_) => members.push(Member {
                name: name.clone(),
                ty: ty.clone(),
                offset_bits: 64 * take(1, true),
                bitfield_bits: None,
                data_loc: DataLoc::No,
                tag: None,
            }),
            Ty::Struct(_) => _ = take(words, words <= 2),
            // Floating-point registers hold what fits.
            _ if words <= 1 => {}
            _ => _ = take(words, false),
        }
    }
    enter(types, members, StructOrigin::Args)
}

/// The struct of that origin with these members, entered if it is new: equal records share one, so that their
/// probes can share a program.
pub fn enter(types: &mut TypeTable, members: Vec<Member>, origin: StructOrigin) -> StructId {
    let same = |s: &StructDef| s.origin == origin && s.members.as_ref() == Some(&members);
    if let Some((id, _)) = types.structs.iter_enumerated().find(|(_, s)| same(s)) {
        return id;
    }
    let end = |m: &Member| m.offset_bits / 8 + m.ty.size(types);
    let size = members.iter().map(end).max().unwrap_or(0);
    let kind = StructKind::Struct;
    types.structs.push(StructDef { name: String::new(), kind, size, origin, members: Some(members) })
}

/// Arguments that point without saying where point into the kernel.
fn in_kernel(ty: &Ty) -> Ty {
    match ty {
        Ty::Ptr { to, space: Space::Any } => Ty::Ptr { to: to.clone(), space: Space::Kernel },
        other => other.clone(),
    }
}

fn member(
    world: &dyn World,
    types: &mut TypeTable,
    field: &FormatField,
    space: Space,
    string_bytes: u32,
) -> Member {
    let (ctype, data_loc) = match field.ctype.trim() {
        t if t.starts_with("__data_loc") => (&t["__data_loc".len()..], DataLoc::Absolute),
        t if t.starts_with("__rel_loc") => (&t["__rel_loc".len()..], DataLoc::Relative),
        t => (t, DataLoc::No),
    };
    let c = CType::read(ctype);
    let ty = match data_loc {
        DataLoc::No => plain(world, types, &c, field, space),
        DataLoc::Absolute | DataLoc::Relative if c.base == ["char"] && c.stars == 0 => {
            Ty::Str { n: string_bytes }
        }
        DataLoc::Absolute | DataLoc::Relative => {
            let elem = named(world, types, &c.base).unwrap_or(Ty::uint(8));
            Ty::ptr(if c.stars > 0 { Ty::ptr(elem, space) } else { elem }, Space::Kernel)
        }
    };
    Member {
        name: field.name.clone(),
        ty,
        offset_bits: field.offset * 8,
        bitfield_bits: None,
        data_loc,
        tag: None,
    }
}

/// A field that lies in the record itself.
fn plain(world: &dyn World, types: &mut TypeTable, c: &CType<'_>, field: &FormatField, space: Space) -> Ty {
    if c.stars > 0 {
        let mut ty = named(world, types, &c.base).unwrap_or(Ty::Void);
        for _ in 0..c.stars {
            ty = Ty::ptr(ty, space);
        }
        return if c.n.is_some() { of_size(field, Some(ty), 8) } else { ty };
    }
    let is_text = c.base == ["char"] || c.base == ["signed", "char"];
    match c.n {
        Some(_) if is_text => Ty::Str { n: field.size },
        Some(n) if n > 0 && field.size.is_multiple_of(n) => {
            let elem = named(world, types, &c.base).filter(|t| t.size(types) == field.size / n);
            of_size(field, elem, field.size / n)
        }
        Some(_) => of_size(field, None, 1),
        None => match c.base.first() {
            // Ints go by what the file says of size and sign; names matter only for what is no int.
            Some(&("struct" | "union" | "enum")) | Some(&"bool") => named(world, types, &c.base)
                .filter(|t| t.size(types) == field.size)
                .unwrap_or_else(|| of_size(field, None, field.size)),
            _ => of_size(field, None, field.size),
        },
    }
}

/// `field` as elements of `bytes` each, of type `elem` where that is known.
fn of_size(field: &FormatField, elem: Option<Ty>, bytes: u32) -> Ty {
    let elem = elem.unwrap_or(match bytes {
        1 | 2 | 4 | 8 => Ty::Int { bits: bytes as u8 * 8, signed: field.signed },
        _ => Ty::uint(8),
    });
    let n = match elem {
        Ty::Int { bits, .. } => field.size / (u32::from(bits) / 8),
        _ => field.size / bytes.max(1),
    };
    let is_array = n != 1 || field.ctype.contains('[');
    if is_array { Ty::array(elem, n) } else { elem }
}

/// A C type as text, taken apart.
struct CType<'a> {
    /// Words without qualifiers: `["unsigned", "int"]`, `["struct", "file"]`.
    base: Vec<&'a str>,
    stars: u32,
    /// `[n]`; 0 for `[]` and what is no number.
    n: Option<u32>,
}

impl CType<'_> {
    fn read(text: &str) -> CType<'_> {
        let (text, n) = match text.split_once('[') {
            Some((before, after)) => (before, Some(after.trim_end_matches(']').trim().parse().unwrap_or(0))),
            None => (text, None),
        };
        let stars = text.matches('*').count() as u32;
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let base = words.filter(|w| !w.is_empty() && !QUALIFIERS.contains(w)).collect();
        CType { base, stars, n }
    }
}

/// What the words name: C's own ints, kernel structs and enums, typedefs.
fn named(world: &dyn World, types: &mut TypeTable, base: &[&str]) -> Option<Ty> {
    match base {
        ["struct", name] => world.strukt(types, Some(StructKind::Struct), name).map(Ty::Struct),
        ["union", name] => world.strukt(types, Some(StructKind::Union), name).map(Ty::Struct),
        ["enum", name] => world.enumeration(types, name).map(Ty::Enum),
        ["void"] => Some(Ty::Void),
        ["bool" | "_Bool"] => Some(Ty::Bool),
        words => c_int(words).or_else(|| match words {
            [name] => world.typedef(types, name),
            _ => None,
        }),
    }
}

/// C's integer types, and the kernel's short names for them.
pub fn c_int(words: &[&str]) -> Option<Ty> {
    if let [name] = words {
        let bare = name.trim_start_matches('_');
        let digits = bare.trim_start_matches(|c: char| c.is_alphabetic());
        if let (Some(kind @ ('u' | 's')), Ok(bits @ (8 | 16 | 32 | 64))) =
            (bare.chars().next(), digits.parse::<u8>())
            && bare.len() == digits.len() + 1
        {
            return Some(Ty::Int { bits, signed: kind == 's' });
        }
    }
    let known = ["char", "short", "int", "long", "signed", "unsigned"];
    if words.is_empty() || !words.iter().all(|w| known.contains(w)) {
        return None;
    }
    let signed = !words.contains(&"unsigned");
    let bits = match () {
        () if words.contains(&"char") => 8,
        () if words.contains(&"short") => 16,
        () if words.contains(&"long") => 64,
        () => 32,
    };
    Some(Ty::Int { bits, signed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::fixture::FixtureWorld;

    fn ty_of(ctype: &str, size: u32, signed: bool) -> (Ty, DataLoc) {
        let world = FixtureWorld::new();
        let mut types = TypeTable::new();
        let field = FormatField { ctype: ctype.into(), name: "f".into(), offset: 8, size, signed };
        let m = member(&world, &mut types, &field, Space::Kernel, 64);
        (m.ty, m.data_loc)
    }

    #[test]
    fn types_of_fields() {
        let char_ptr = Ty::ptr(Ty::int(8), Space::Kernel);
        for (ctype, size, signed, want) in [
            ("int", 4, true, Ty::int(32)),
            ("unsigned short", 2, false, Ty::uint(16)),
            ("pid_t", 4, true, Ty::int(32)),
            ("char[16]", 16, true, Ty::Str { n: 16 }),
            ("const char *", 8, false, char_ptr.clone()),
            ("const char *const *", 8, false, Ty::ptr(char_ptr, Space::Kernel)),
            ("__u8[4]", 4, false, Ty::array(Ty::uint(8), 4)),
            ("unsigned long[6]", 48, false, Ty::array(Ty::U64, 6)),
            ("u8[16]", 16, false, Ty::array(Ty::uint(8), 16)),
            ("bool", 1, false, Ty::Bool),
            ("struct nobody_knows", 12, false, Ty::array(Ty::uint(8), 12)),
            ("__data_loc char[]", 4, true, Ty::Str { n: 64 }),
            ("__data_loc u8[]", 4, false, Ty::ptr(Ty::uint(8), Space::Kernel)),
        ] {
            assert_eq!(ty_of(ctype, size, signed).0, want, "{ctype}");
        }
        assert_eq!(ty_of("__rel_loc char[]", 4, true).1, DataLoc::Relative);
    }

    #[test]
    fn equal_records_share_a_struct() {
        let world = FixtureWorld::new();
        let mut types = TypeTable::new();
        let field = |name: &str| FormatField {
            ctype: "long".into(),
            name: name.into(),
            offset: 16,
            size: 8,
            signed: true,
        };
        let format = |name| TracepointFormat { id: 1, fields: vec![field("common_type"), field(name)] };
        let a = of_format(&world, &mut types, &format("ret"), Space::User, 64);
        let b = of_format(&world, &mut types, &format("ret"), Space::User, 64);
        let c = of_format(&world, &mut types, &format("other"), Space::User, 64);
        assert_eq!((a, types.structs[a].members.as_ref().map(Vec::len)), (b, Some(1)));
        assert_ne!(a, c);
    }
}
