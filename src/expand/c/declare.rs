//! C declarations to types.
//!
//! Comes in: the tokens after preprocessing. Goes out: structs, unions, enums, typedefs and enumerators. Always
//! holds: a mistake is reported at its place and costs its own declaration; brackets nest `DEPTH_MAX` deep at most.

use super::constant::{self, Env};
use super::layout::{Attrs, Laid, Raw, kernel_align, lay_out};
use super::lex::{Kind, Token};
use crate::base::{Diag, Diags, Span, codes};
use crate::expand::{Definitions, Tag};
use crate::lang::constants;
use crate::lang::probes::fields::c_int;
use crate::ty::{EnumDef, EnumId, Space, StructDef, StructId, StructKind, StructOrigin, Ty, TypeTable};
use crate::world::World;
use std::collections::BTreeMap;

const DEPTH_MAX: u32 = 64;
/// A type has at most so many bytes.
const BYTES_MAX: u64 = 1 << 28;
const ERRORS_MAX: usize = 20;

/// Words that say nothing about how a value lies in memory.
const IGNORED: &[&str] = &[
    "const",
    "volatile",
    "restrict",
    "__restrict",
    "__const",
    "__volatile__",
    "register",
    "extern",
    "static",
    "inline",
    "__inline",
    "__inline__",
    "__extension__",
    "__user",
    "__kernel",
    "__rcu",
    "__percpu",
    "__iomem",
    "__force",
    "__bitwise",
    "_Atomic",
];
const INT_WORDS: &[&str] = &["char", "short", "int", "long", "signed", "unsigned", "__signed__"];

/// The types that the tokens define.
pub fn declare(tokens: &[Token], types: TypeTable, world: &dyn World, diags: &mut Diags) -> Definitions {
    let defs = Definitions { types, ..Definitions::default() };
    let (aligns, typedefs) = Default::default();
    let end = tokens.last().map_or(Span::none(), |t| t.span);
    let mut d = Declarer { tokens, pos: 0, end, world, defs, aligns, typedefs, complete: BTreeMap::new() };
    let mut n_errors = 0;
    while d.pos < tokens.len() {
        let from = d.pos;
        if let Err(diag) = d.declaration() {
            diags.push(*diag);
            n_errors += 1;
            if n_errors >= ERRORS_MAX {
                break;
            }
            d.pos = from;
            d.skip();
        }
    }
    d.defs
}

struct Declarer<'a> {
    tokens: &'a [Token],
    pos: usize,
    /// For what is missing at the end.
    end: Span,
    world: &'a dyn World,
    defs: Definitions,
    aligns: BTreeMap<StructId, u32>,
    typedefs: BTreeMap<String, Laid>,
    /// Structs whose members are known, with their places.
    complete: BTreeMap<StructId, Span>,
}

type Res<T> = Result<T, Box<Diag>>;

fn fail<T>(span: Span, message: impl Into<String>) -> Res<T> {
    Err(Box::new(Diag::error(&codes::C_DEFINITION, span, message)))
}

impl Env for Declarer<'_> {
    fn value(&mut self, name: &str) -> Option<i64> {
        if let Some((v, _)) = self.defs.enumerators.get(name) {
            return Some(*v);
        }
        let of_kernel = self.world.enumerator(&mut self.defs.types, name).map(|(v, _)| v);
        of_kernel.or_else(|| constants::find(name))
    }

    fn size_of(&mut self, tokens: &[Token]) -> Option<i64> {
        let (pos, end) = (self.pos, self.tokens.len());
        // The tokens are a part of all tokens, which the declarator below reads.
        let bytes = tokens.as_ptr().addr().checked_sub(self.tokens.as_ptr().addr())?;
        let at = bytes / size_of::<Token>();
        self.pos = at;
        let laid = self.specifiers(0).and_then(|(base, _)| self.declarator(base, 0));
        let is_whole = self.pos == at + tokens.len() && self.pos <= end;
        self.pos = pos;
        laid.ok().filter(|_| is_whole).map(|(_, laid)| laid.bytes as i64)
    }
}

impl Declarer<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.pos)
    }

    fn here(&self) -> Span {
        self.peek().map_or(self.end, |t| t.span)
    }

    fn is(&self, punct: &str) -> bool {
        self.peek().is_some_and(|t| t.is(punct))
    }

    fn eat(&mut self, punct: &str) -> bool {
        let hit = self.is(punct);
        self.pos += usize::from(hit);
        hit
    }

    fn want(&mut self, punct: &str) -> Res<()> {
        if self.eat(punct) { Ok(()) } else { fail(self.here(), format!("{punct} is missing before this")) }
    }

    fn word(&self) -> Option<&str> {
        self.peek().and_then(Token::word)
    }

    fn name(&mut self) -> Option<(String, Span)> {
        let (name, span) = (self.word()?.to_owned(), self.here());
        self.pos += 1;
        Some((name, span))
    }

    /// To after the next `;` outside brackets.
    fn skip(&mut self) {
        let mut depth = 0u32;
        while let Some(t) = self.peek() {
            match t.kind {
                Kind::Punct("{" | "(" | "[") => depth += 1,
                Kind::Punct("}" | ")" | "]") => depth = depth.saturating_sub(1),
                _ => {}
            }
            let is_end = depth == 0 && t.is(";");
            self.pos += 1;
            if is_end {
                return;
            }
        }
    }

    /// After the partner of the bracket here.
    fn skip_brackets(&mut self) -> Res<std::ops::Range<usize>> {
        let (open, from) = (self.here(), self.pos + 1);
        let mut depth = 0u32;
        while let Some(t) = self.peek() {
            match t.kind {
                Kind::Punct("{" | "(" | "[") => depth += 1,
                Kind::Punct("}" | ")" | "]") => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.pos += 1;
            if depth == 0 {
                return Ok(from..self.pos - 1);
            }
        }
        fail(open, "this bracket is not closed")
    }

    fn declaration(&mut self) -> Res<()> {
        if self.eat(";") {
            return Ok(());
        }
        let is_typedef = self.word() == Some("typedef");
        self.pos += usize::from(is_typedef);
        let (base, _) = self.specifiers(0)?;
        if self.eat(";") {
            return Ok(());
        }
        loop {
            let at = self.here();
            let (name, mut laid) = self.declarator(base.clone(), 0)?;
            let attrs = self.attributes()?;
            laid.align = laid.align.max(attrs.align);
            match name {
                Some((name, _)) if is_typedef => {
                    self.defs.typedefs.insert(name.clone(), laid.ty.clone());
                    self.typedefs.insert(name, laid);
                }
                Some(_) if self.is("{") => return fail(at, "a function of C cannot be compiled"),
                Some(_) if self.is("=") => return fail(at, "C variables mean nothing here"),
                Some(_) => {}
                None => return fail(at, "a name is missing here"),
            }
            if !self.eat(",") {
                return self.want(";");
            }
        }
    }

    /// `__attribute__((…))` and its like, if any stand here.
    fn attributes(&mut self) -> Res<Attrs> {
        let mut attrs = Attrs::default();
        while let Some(word) = self.word() {
            match word {
                "__packed" => attrs.is_packed = true,
                "__attribute__" | "__attribute" => {
                    self.pos += 1;
                    self.attribute(&mut attrs)?;
                    continue;
                }
                w if IGNORED.contains(&w) => {}
                _ => break,
            }
            self.pos += 1;
        }
        Ok(attrs)
    }

    fn attribute(&mut self, attrs: &mut Attrs) -> Res<()> {
        if !self.is("(") {
            return fail(self.here(), "__attribute__ wants ((…))");
        }
        let range = self.skip_brackets()?;
        let tokens = &self.tokens[range];
        for (i, t) in tokens.iter().enumerate() {
            match t.word() {
                Some("packed" | "__packed__") => attrs.is_packed = true,
                Some("aligned" | "__aligned__") => {
                    let close = |t: &Token| t.is(")");
                    let inner = match tokens.get(i + 1) {
                        Some(open) if open.is("(") => {
                            let n = tokens[i + 2..].iter().position(close).unwrap_or(0);
                            &tokens[i + 2..i + 2 + n]
                        }
                        _ => &[],
                    };
                    let n = if inner.is_empty() { 16 } else { self.constant(inner, t.span)? };
                    match u32::try_from(n) {
                        Ok(n) if n.is_power_of_two() && n <= 4096 => attrs.align = attrs.align.max(n),
                        _ => return fail(t.span, "an alignment is a power of two up to 4096"),
                    }
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    fn constant(&mut self, tokens: &[Token], at: Span) -> Res<i64> {
        match constant::evaluate(tokens, at, self) {
            Ok(v) => Ok(v),
            Err((span, message)) => fail(span, message),
        }
    }

    /// The type that declarators start from, and attributes beside it.
    fn specifiers(&mut self, depth: u32) -> Res<(Laid, Attrs)> {
        if depth > DEPTH_MAX {
            return fail(self.here(), "nested too deeply");
        }
        let at = self.here();
        let mut attrs = self.attributes()?;
        let mut ints: Vec<String> = Vec::new();
        let mut found: Option<Laid> = None;
        while let Some(word) = self.word().map(str::to_owned) {
            match word.as_str() {
                "struct" | "union" if found.is_none() && ints.is_empty() => {
                    self.pos += 1;
                    let is_union = word == "union";
                    let kind = if is_union { StructKind::Union } else { StructKind::Struct };
                    found = Some(self.strukt(kind, depth)?);
                }
                "enum" if found.is_none() && ints.is_empty() => {
                    self.pos += 1;
                    found = Some(self.enumeration()?);
                }
                w if INT_WORDS.contains(&w) && found.is_none() => {
                    self.pos += 1;
                    ints.push(if w == "__signed__" { "signed".into() } else { w.into() });
                }
                w if found.is_none() && ints.is_empty() => {
                    found = Some(self.named(w)?);
                    self.pos += 1;
                    if word == "long" {
                        break;
                    }
                }
                _ => break,
            }
            let more = self.attributes()?;
            attrs.is_packed |= more.is_packed;
            attrs.align = attrs.align.max(more.align);
        }
        if !ints.is_empty() {
            if self.word() == Some("double") {
                self.pos += 1;
                return Ok((Laid::new(Ty::array(Ty::uint(8), 16), 16, 16), attrs));
            }
            let words: Vec<&str> = ints.iter().map(String::as_str).collect();
            let ty = c_int(&words).unwrap_or(Ty::int(32));
            found = Some(Laid::scalar(ty, &self.defs.types));
        }
        match found {
            Some(laid) => Ok((laid, attrs)),
            None => fail(at, "a type is wanted here"),
        }
    }

    /// A type of one word.
    fn named(&mut self, name: &str) -> Res<Laid> {
        let opaque = |n: u32| Laid::new(Ty::array(Ty::uint(8), n), u64::from(n), n);
        let known = match name {
            "void" => Laid { is_incomplete: true, ..Laid::new(Ty::Void, 0, 1) },
            "bool" | "_Bool" => Laid::new(Ty::Bool, 1, 1),
            "float" => opaque(4),
            "double" => opaque(8),
            "__int128" | "__int128_t" | "__uint128_t" => opaque(16),
            _ => {
                if let Some(laid) = self.typedefs.get(name) {
                    return Ok(laid.clone());
                }
                let Some(ty) = c_int(&[name]).or_else(|| of_library(name)) else {
                    return self.of_kernel(name);
                };
                Laid::scalar(ty, &self.defs.types)
            }
        };
        Ok(known)
    }

    fn of_kernel(&mut self, name: &str) -> Res<Laid> {
        let Some(ty) = self.world.typedef(&mut self.defs.types, name) else {
            let message = format!("there is no type {name}");
            return Err(Box::new(Diag::error(&codes::UNKNOWN_TYPE, self.here(), message)));
        };
        Ok(self.laid(ty))
    }

    fn laid(&mut self, ty: Ty) -> Laid {
        let bytes = u64::from(ty.size(&self.defs.types));
        let align = match &ty {
            Ty::Struct(id) if self.aligns.contains_key(id) => self.aligns[id],
            other => kernel_align(self.world, &mut self.defs.types, other, 8),
        };
        let is_incomplete = match &ty {
            Ty::Struct(id) if self.defs.types.structs[*id].origin == StructOrigin::Script => {
                !self.complete.contains_key(id)
            }
            _ => false,
        };
        Laid { is_incomplete, ..Laid::new(ty, bytes, align) }
    }

    /// After `struct` or `union`.
    fn strukt(&mut self, kind: StructKind, depth: u32) -> Res<Laid> {
        let mut attrs = self.attributes()?;
        let name = self.name();
        let more = self.attributes()?;
        attrs = Attrs { is_packed: attrs.is_packed || more.is_packed, align: attrs.align.max(more.align) };
        if !self.is("{") {
            let Some((name, _)) = name else { return fail(self.here(), "a name or { is wanted here") };
            let of_kernel = |d: &mut Self| d.world.strukt(&mut d.defs.types, Some(kind), &name);
            let known = self.defs.strukt(kind, &name).or_else(|| of_kernel(self));
            let id = known.unwrap_or_else(|| self.enter(kind, &name));
            return Ok(self.laid(Ty::Struct(id)));
        }
        let at = name.as_ref().map_or(self.here(), |(_, span)| *span);
        let name = name.map_or(String::new(), |(n, _)| n);
        let id = match self.defs.strukt(kind, &name) {
            Some(id) if !name.is_empty() => id,
            Some(_) | None => self.enter(kind, &name),
        };
        if let Some(before) = self.complete.get(&id) {
            let d = Diag::error(&codes::REDECLARED, at, format!("{name} is defined twice"));
            return Err(Box::new(d.note(*before, "the first one")));
        }
        self.pos += 1;
        let raws = self.members(depth)?;
        let more = self.attributes()?;
        attrs = Attrs { is_packed: attrs.is_packed || more.is_packed, align: attrs.align.max(more.align) };
        let (members, bytes, align) = lay_out(kind, raws, attrs);
        if bytes > BYTES_MAX {
            return fail(at, "this struct is too big");
        }
        self.defs.types.structs[id].members = Some(members);
        self.defs.types.structs[id].size = bytes as u32;
        self.aligns.insert(id, align);
        self.complete.insert(id, at);
        Ok(Laid::new(Ty::Struct(id), bytes, align))
    }

    /// A struct without members so far.
    fn enter(&mut self, kind: StructKind, name: &str) -> StructId {
        let origin = StructOrigin::Script;
        let def = StructDef { name: name.to_owned(), kind, size: 0, origin, members: Some(Vec::new()) };
        let id = self.defs.types.structs.push(def);
        if !name.is_empty() {
            self.defs.tags.insert(name.to_owned(), Tag::Struct(kind, id));
        }
        id
    }

    /// Up to after the `}`.
    fn members(&mut self, depth: u32) -> Res<Vec<Raw>> {
        let mut raws: Vec<Raw> = Vec::new();
        while !self.eat("}") {
            if self.eat(";") {
                continue;
            }
            let (base, attrs) = self.specifiers(depth + 1)?;
            if self.eat(";") {
                let is_anonymous =
                    matches!(base.ty, Ty::Struct(id) if self.defs.types.structs[id].name.is_empty());
                if is_anonymous {
                    raws.push(Raw { name: String::new(), laid: base, width: None, attrs });
                }
                continue;
            }
            loop {
                let raw = self.member(&base, attrs, depth)?;
                raws.push(raw);
                if !self.eat(",") {
                    break;
                }
            }
            self.want(";")?;
        }
        Ok(raws)
    }

    fn member(&mut self, base: &Laid, attrs: Attrs, depth: u32) -> Res<Raw> {
        let at = self.here();
        let (name, laid) = match self.is(":") {
            true => (None, base.clone()),
            false => self.declarator(base.clone(), depth + 1)?,
        };
        let width = match self.eat(":") {
            false => None,
            true => Some(self.width(&laid, at)?),
        };
        let more = self.attributes()?;
        let attrs =
            Attrs { is_packed: attrs.is_packed || more.is_packed, align: attrs.align.max(more.align) };
        if laid.is_incomplete {
            return fail(at, "the type of this member is not complete: use a pointer to it");
        }
        match (&name, width) {
            (None, None) => fail(at, "a member's name is missing here"),
            (_, _) => Ok(Raw { name: name.map_or(String::new(), |(n, _)| n), laid, width, attrs }),
        }
    }

    fn width(&mut self, laid: &Laid, at: Span) -> Res<u8> {
        let from = self.pos;
        while self.peek().is_some_and(|t| !(t.is(";") || t.is(",") || t.word() == Some("__attribute__"))) {
            self.pos += 1;
        }
        let tokens = self.tokens;
        let n = self.constant(&tokens[from..self.pos], at)?;
        let is_int = matches!(laid.ty, Ty::Int { .. } | Ty::Bool | Ty::Enum(_));
        match u8::try_from(n) {
            Ok(n) if is_int && u64::from(n) <= laid.bytes * 8 => Ok(n),
            Ok(_) | Err(_) => fail(at, "a bit field is an integer, and no wider than its type"),
        }
    }

    /// `*name[3]`, `(*f)(int)`: the name and its type.
    fn declarator(&mut self, mut base: Laid, depth: u32) -> Res<(Option<(String, Span)>, Laid)> {
        if depth > DEPTH_MAX {
            return fail(self.here(), "nested too deeply");
        }
        self.attributes()?;
        let mut n_stars = 0;
        while self.eat("*") {
            n_stars += 1;
            if n_stars > DEPTH_MAX {
                return fail(self.here(), "nested too deeply");
            }
            base = Laid::new(Ty::ptr(base.ty, Space::Any), 8, 8);
            self.attributes()?;
        }
        let inner = if self.is("(") { Some(self.pos) } else { None };
        let name = match inner {
            Some(_) => {
                self.skip_brackets()?;
                None
            }
            None => self.name(),
        };
        let laid = self.suffixes(base)?;
        let Some(from) = inner else { return Ok((name, laid)) };
        let after = self.pos;
        self.pos = from + 1;
        let found = self.declarator(laid, depth + 1)?;
        self.want(")")?;
        self.pos = after;
        Ok(found)
    }

    /// `[3][4]` and parameters.
    fn suffixes(&mut self, base: Laid) -> Res<Laid> {
        let mut dims = Vec::new();
        let at = self.here();
        loop {
            if self.is("(") {
                self.skip_brackets()?;
                // A function has no size; what points to it is a void *.
                return Ok(Laid { is_incomplete: true, ..Laid::new(Ty::Void, 0, 1) });
            }
            if !self.is("[") {
                break;
            }
            let span = self.here();
            let range = self.skip_brackets()?;
            let tokens = self.tokens;
            let n = if range.is_empty() { 0 } else { self.constant(&tokens[range], span)? };
            dims.push((n, span));
            if dims.len() > DEPTH_MAX as usize {
                return fail(span, "nested too deeply");
            }
        }
        let mut laid = base;
        if laid.is_incomplete && !dims.is_empty() {
            return fail(at, "the type of the elements is not complete");
        }
        for (n, span) in dims.into_iter().rev() {
            let bytes = u64::try_from(n).ok().and_then(|n| laid.bytes.checked_mul(n));
            match (bytes, u32::try_from(n)) {
                (Some(bytes), Ok(n)) if bytes <= BYTES_MAX => {
                    laid = Laid::new(Ty::array(laid.ty, n), bytes, laid.align);
                }
                _ => return fail(span, format!("an array cannot have {n} elements of this size")),
            }
        }
        Ok(laid)
    }

    /// After `enum`.
    fn enumeration(&mut self) -> Res<Laid> {
        self.attributes()?;
        let name = self.name();
        if !self.is("{") {
            let Some((name, span)) = name else { return fail(self.here(), "a name or { is wanted here") };
            let of_kernel = |d: &mut Self| d.world.enumeration(&mut d.defs.types, &name);
            let Some(id) = self.defs.enumeration(&name).or_else(|| of_kernel(self)) else {
                let message = format!("there is no enum {name}");
                return Err(Box::new(Diag::error(&codes::UNKNOWN_TYPE, span, message)));
            };
            return Ok(Laid::scalar(Ty::Enum(id), &self.defs.types));
        }
        let at = name.as_ref().map_or(self.here(), |(_, span)| *span);
        let name = name.map_or(String::new(), |(n, _)| n);
        if !name.is_empty() && self.defs.tags.contains_key(&name) {
            let d = Diag::error(&codes::REDECLARED, at, format!("{name} is defined twice"));
            return Err(Box::new(d));
        }
        self.pos += 1;
        let def = EnumDef { name: name.clone(), size: 4, signed: false, variants: Vec::new() };
        let id = self.defs.types.enums.push(def);
        if !name.is_empty() {
            self.defs.tags.insert(name, Tag::Enum(id));
        }
        self.variants(id)?;
        self.attributes()?;
        Ok(Laid::scalar(Ty::Enum(id), &self.defs.types))
    }

    fn variants(&mut self, id: EnumId) -> Res<()> {
        let mut next = 0i64;
        while !self.eat("}") {
            let Some((name, span)) = self.name() else {
                return fail(self.here(), "an enumerator is wanted here");
            };
            if self.eat("=") {
                let from = self.pos;
                while self.peek().is_some_and(|t| !(t.is(",") || t.is("}") || t.is(";"))) {
                    self.pos += if self.is("(") { self.skip_brackets().map(|_| 0)? } else { 1 };
                }
                let tokens = self.tokens;
                next = self.constant(&tokens[from..self.pos], span)?;
            }
            if self.defs.enumerators.insert(name.clone(), (next, Ty::Enum(id))).is_some() {
                let d = Diag::error(&codes::REDECLARED, span, format!("{name} is defined twice"));
                return Err(Box::new(d));
            }
            let def = &mut self.defs.types.enums[id];
            def.variants.push((name, next));
            def.signed |= next < 0;
            let fits = i64::from(next as i32) == next || u32::try_from(next).is_ok();
            def.size = if fits { def.size } else { 8 };
            next = next.wrapping_add(1);
            if !self.is("}") {
                self.want(",")?;
            }
        }
        Ok(())
    }
}

/// Types of the C library's headers that not every kernel's BTF names.
fn of_library(name: &str) -> Option<Ty> {
    let bits = |text: &str| text.parse::<u8>().ok().filter(|b| matches!(b, 8 | 16 | 32 | 64));
    if let Some(bare) = name.strip_suffix("_t") {
        if let Some(n) = bare.strip_prefix("uint").and_then(bits) {
            return Some(Ty::uint(n));
        }
        if let Some(n) = bare.strip_prefix("int").and_then(bits) {
            return Some(Ty::int(n));
        }
    }
    match name {
        "size_t" | "uintptr_t" => Some(Ty::U64),
        "ssize_t" | "intptr_t" | "ptrdiff_t" | "off_t" | "time_t" => Some(Ty::I64),
        "pid_t" => Some(Ty::int(32)),
        "uid_t" | "gid_t" | "socklen_t" | "mode_t" => Some(Ty::U32),
        _ => None,
    }
}
