//! Structs, unions and enums.
//!
//! Always holds: of two definitions of one name the script's own counts; among those of headers the first.

use super::declare::{BYTES_MAX, Declarer, Res, fail};
use super::headers::Trust;
use super::layout::{Attrs, Laid, Raw, kernel_align, lay_out, of_mode};
use crate::base::{Diag, Span, codes};
use crate::expand::Tag;
use crate::ty::{EnumDef, EnumId, StructDef, StructId, StructKind, StructOrigin, Ty};

impl Declarer<'_> {
    /// What C knows of the memory of a type.
    pub fn laid(&mut self, ty: Ty) -> Laid {
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
    pub fn strukt(&mut self, kind: StructKind, depth: u32) -> Res<Laid> {
        let mut attrs = self.attributes()?;
        let name = self.name();
        attrs = attrs.and(self.attributes()?);
        if !self.is("{") {
            let Some((name, span)) = name else { return fail(self.here(), "a name or { is wanted here") };
            let id = self.mentioned(kind, &name, span);
            return Ok(self.laid(Ty::Struct(id)));
        }
        let at = name.as_ref().map_or(self.here(), |(_, span)| *span);
        let name = name.map_or(String::new(), |(n, _)| n);
        let mut id = match self.defs.strukt(kind, &name) {
            Some(id) if !name.is_empty() => id,
            Some(_) | None => self.enter(kind, &name),
        };
        if let Some(&before) = self.complete.get(&id) {
            if self.trust(at) == Trust::Foreign {
                self.skip_brackets()?;
                self.attributes()?;
                return Ok(self.laid(Ty::Struct(id)));
            }
            if self.trust(before) == Trust::Own {
                let d = Diag::error(&codes::REDECLARED, at, format!("{name} is defined twice"));
                return Err(Box::new(d.note(before, "the first one")));
            }
            id = self.enter(kind, &name);
        }
        self.pos += 1;
        let raws = self.members(depth)?;
        attrs = attrs.and(self.attributes()?);
        let (members, bytes, align) = lay_out(kind, raws, attrs, self.pack);
        if bytes > BYTES_MAX {
            return fail(at, "this struct is too big");
        }
        self.defs.types.structs[id].members = Some(members);
        self.defs.types.structs[id].size = bytes as u32;
        self.aligns.insert(id, align);
        self.complete.insert(id, at);
        Ok(Laid::new(Ty::Struct(id), bytes, align))
    }

    /// `struct name` without members.
    fn mentioned(&mut self, kind: StructKind, name: &str, at: Span) -> StructId {
        if let Some(id) = self.defs.strukt(kind, name) {
            return id;
        }
        if self.trust(at) == Trust::Foreign {
            // It may be defined later on, and then is not the kernel's of that name.
            let id = self.enter(kind, name);
            self.named.insert(id);
            return id;
        }
        let of_kernel = self.world.strukt(&mut self.defs.types, Some(kind), name);
        of_kernel.unwrap_or_else(|| self.enter(kind, name))
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
            if self.eat(";") || self.takes_pack() {
                continue;
            }
            if let Some("_Static_assert" | "static_assert") = self.word() {
                self.pos += 1;
                self.skip_brackets()?;
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
        let attrs = attrs.and(self.attributes()?);
        let laid = of_mode(laid, attrs);
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
        let tokens = self.tokens.clone();
        let n = self.constant(&tokens[from..self.pos], at)?;
        let is_int = matches!(laid.ty, Ty::Int { .. } | Ty::Bool | Ty::Enum(_));
        match u8::try_from(n) {
            Ok(n) if is_int && u64::from(n) <= laid.bytes * 8 => Ok(n),
            Ok(_) | Err(_) => fail(at, "a bit field is an integer, and no wider than its type"),
        }
    }

    /// After `enum`.
    pub fn enumeration(&mut self) -> Res<Laid> {
        let mut attrs = self.attributes()?;
        let name = self.name();
        attrs = attrs.and(self.attributes()?);
        if !self.is("{") {
            let Some((name, span)) = name else { return fail(self.here(), "a name or { is wanted here") };
            return self.mentioned_enum(&name, span);
        }
        let at = name.as_ref().map_or(self.here(), |(_, span)| *span);
        let name = name.map_or(String::new(), |(n, _)| n);
        if let Some(tag) = self.defs.tags.get(&name).copied().filter(|_| !name.is_empty()) {
            let before = match tag {
                Tag::Enum(id) => self.enums.get(&id),
                Tag::Struct(_, id) => self.complete.get(&id),
            };
            let before = before.copied().unwrap_or(at);
            match tag {
                Tag::Enum(id) if self.trust(at) == Trust::Foreign => {
                    self.skip_brackets()?;
                    self.attributes()?;
                    return Ok(Laid::scalar(Ty::Enum(id), &self.defs.types));
                }
                _ if !self.gives_way(before, at) || self.trust(before) == Trust::Own => {
                    let d = Diag::error(&codes::REDECLARED, at, format!("{name} is defined twice"));
                    return Err(Box::new(d));
                }
                _ => {}
            }
        }
        self.pos += 1;
        let def = EnumDef { name: name.clone(), size: 4, signed: false, variants: Vec::new() };
        let id = self.defs.types.enums.push(def);
        self.enums.insert(id, at);
        if !name.is_empty() {
            self.defs.tags.insert(name, Tag::Enum(id));
        }
        self.variants(id)?;
        attrs = attrs.and(self.attributes()?);
        if attrs.is_packed {
            self.pack(id);
        }
        Ok(Laid::scalar(Ty::Enum(id), &self.defs.types))
    }

    /// `enum name` without enumerators.
    fn mentioned_enum(&mut self, name: &str, span: Span) -> Res<Laid> {
        let of_kernel = |d: &mut Self| d.world.enumeration(&mut d.defs.types, name);
        match self.defs.enumeration(name).or_else(|| of_kernel(self)) {
            Some(id) => Ok(Laid::scalar(Ty::Enum(id), &self.defs.types)),
            None if self.trust(span) == Trust::Foreign => Ok(Laid::scalar(Ty::U32, &self.defs.types)),
            None => {
                let message = format!("there is no enum {name}");
                Err(Box::new(Diag::error(&codes::UNKNOWN_TYPE, span, message)))
            }
        }
    }

    /// A packed enum is no larger than its values.
    fn pack(&mut self, id: EnumId) {
        let def = &mut self.defs.types.enums[id];
        let fits = |bits: u32| {
            let (low, high) = match def.signed {
                true => (-1i64 << (bits - 1), (1i64 << (bits - 1)) - 1),
                false => (0, (1i64 << bits) - 1),
            };
            def.variants.iter().all(|(_, v)| (low..=high).contains(v))
        };
        def.size = [8, 16, 32].into_iter().find(|bits| fits(*bits)).map_or(8, |bits| bits / 8);
    }

    fn variants(&mut self, id: EnumId) -> Res<()> {
        let mut next = 0i64;
        while !self.eat("}") {
            let Some((name, span)) = self.name() else {
                return fail(self.here(), "an enumerator is wanted here");
            };
            self.attributes()?;
            if self.eat("=") {
                let from = self.pos;
                while self.peek().is_some_and(|t| !(t.is(",") || t.is("}") || t.is(";"))) {
                    self.pos += if self.is("(") { self.skip_brackets().map(|_| 0)? } else { 1 };
                }
                let tokens = self.tokens.clone();
                next = self.constant(&tokens[from..self.pos], span)?;
            }
            match self.places.get(&name).copied() {
                Some(before) if self.trust(before) == Trust::Own && self.trust(span) == Trust::Own => {
                    let d = Diag::error(&codes::REDECLARED, span, format!("{name} is defined twice"));
                    return Err(Box::new(d));
                }
                Some(before) if !self.gives_way(before, span) => {}
                Some(_) | None => {
                    self.places.insert(name.clone(), span);
                    self.defs.enumerators.insert(name.clone(), (next, Ty::Enum(id)));
                }
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
