//! C declarations to types: what stands at the outermost level, and declarators.
//!
//! Comes in: the tokens after preprocessing. Goes out: structs, unions, enums, typedefs and enumerators. Always
//! holds: a mistake costs its own declaration, and is reported at its place, or kept with the names that it spoils
//! where a header of the system has it; brackets nest `DEPTH_MAX` deep at most.

use super::constant::{self, Env};
use super::headers::Trust;
use super::layout::{Laid, of_mode};
use super::lex::{Kind, Token};
use super::number::Value;
use super::prep::PACK;
use crate::base::{Diag, Diags, FileId, OriginId, Span, codes};
use crate::expand::{Definitions, Skipped};
use crate::lang::constants;
use crate::ty::{EnumId, Space, StructId, Ty, TypeTable};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub const DEPTH_MAX: u32 = 64;
/// A type has at most so many bytes.
pub const BYTES_MAX: u64 = 1 << 28;
const ERRORS_MAX: usize = 20;

/// Reads declarations.
#[derive(Clone)]
pub struct Declarer<'a> {
    pub tokens: Rc<[Token]>,
    pub pos: usize,
    /// Types inside one another's expressions around the place.
    n_inside: u32,
    /// For what is missing at the end.
    end: Span,
    pub world: &'a dyn World,
    pub defs: Definitions,
    /// Files whose mistakes count only where the script needs what they spoil.
    pub foreign: BTreeSet<FileId>,
    pub aligns: BTreeMap<StructId, u32>,
    pub typedefs: BTreeMap<String, Laid>,
    /// What `#pragma pack` says.
    pub pack: Option<u32>,
    /// Structs and enums whose members are known, with their places.
    pub complete: BTreeMap<StructId, Span>,
    pub enums: BTreeMap<EnumId, Span>,
    /// Where enumerators and typedefs are.
    pub places: BTreeMap<String, Span>,
    /// Structs that a header of the system has only named so far.
    pub named: BTreeSet<StructId>,
}

pub type Res<T> = Result<T, Box<Diag>>;

pub fn fail<T>(span: Span, message: impl Into<String>) -> Res<T> {
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
        self.type_of(tokens).filter(|laid| !laid.is_incomplete).map(|laid| laid.bytes as i64)
    }

    fn align_of(&mut self, tokens: &[Token]) -> Option<i64> {
        self.type_of(tokens).map(|laid| i64::from(laid.align))
    }

    fn cast(&mut self, tokens: &[Token]) -> Option<(u8, bool)> {
        if let Some(Token { kind: Kind::Word(w), .. }) = tokens.first()
            && self.defs.enumerators.contains_key(&**w)
        {
            return None;
        }
        match self.type_of(tokens)?.ty {
            Ty::Int { bits, signed } => Some((bits, signed)),
            Ty::Bool => Some((8, false)),
            Ty::Ptr { .. } => Some((64, false)),
            Ty::Enum(id) => Some((32, self.defs.types.enums[id].signed)),
            _ => None,
        }
    }
}

impl<'a> Declarer<'a> {
    /// One whose types come after those that are there.
    pub fn new(types: TypeTable, world: &'a dyn World) -> Declarer<'a> {
        Declarer {
            tokens: Rc::new([]),
            pos: 0,
            n_inside: 0,
            end: Span::none(),
            world,
            defs: Definitions { types, ..Definitions::default() },
            foreign: BTreeSet::new(),
            aligns: BTreeMap::new(),
            typedefs: BTreeMap::new(),
            pack: None,
            complete: BTreeMap::new(),
            enums: BTreeMap::new(),
            places: BTreeMap::new(),
            named: BTreeSet::new(),
        }
    }

    /// Reads all of the tokens.
    pub fn declare(&mut self, tokens: Vec<Token>, diags: &mut Diags) {
        self.end = tokens.last().map_or(Span::none(), |t| t.span);
        (self.tokens, self.pos) = (tokens.into(), 0);
        let mut n_errors = 0;
        while self.pos < self.tokens.len() && n_errors < ERRORS_MAX {
            let from = self.pos;
            let Err(diag) = self.declaration() else { continue };
            self.pos = from;
            self.skip();
            if self.trust(diag.span) == Trust::Foreign {
                self.note_skipped(from, &diag);
            } else {
                diags.push(*diag);
                n_errors += 1;
            }
        }
        self.forget_named();
    }

    pub fn trust(&self, span: Span) -> Trust {
        if self.foreign.contains(&span.file) { Trust::Foreign } else { Trust::Own }
    }

    /// The type that all of the tokens name.
    pub fn type_of(&mut self, tokens: &[Token]) -> Option<Laid> {
        let is_type = tokens
            .first()
            .and_then(Token::word)
            .is_some_and(|w| self.typedefs.contains_key(w) || !self.defs.enumerators.contains_key(w));
        if !is_type {
            return None;
        }
        if self.n_inside >= DEPTH_MAX {
            return None;
        }
        let outer = (std::mem::replace(&mut self.tokens, tokens.into()), self.pos);
        (self.pos, self.n_inside) = (0, self.n_inside + 1);
        let laid = self.specifiers(0).and_then(|(base, _)| self.declarator(base, 0));
        let is_whole = self.pos == self.tokens.len();
        (self.tokens, self.pos) = outer;
        self.n_inside -= 1;
        laid.ok().filter(|(name, _)| is_whole && name.is_none()).map(|(_, laid)| laid)
    }

    /// Structs that headers of the system name and nobody defines are the kernel's, if it has them.
    fn forget_named(&mut self) {
        for id in std::mem::take(&mut self.named) {
            let def = &self.defs.types.structs[id];
            let (kind, name) = (def.kind, def.name.clone());
            if !self.complete.contains_key(&id)
                && self.defs.strukt(kind, &name) == Some(id)
                && self.world.strukt(&mut self.defs.types, Some(kind), &name).is_some()
            {
                self.defs.tags.remove(&name);
            }
        }
    }

    /// Keeps why a declaration could not be read, by the names that it would have defined.
    fn note_skipped(&mut self, from: usize, diag: &Diag) {
        let tokens = &self.tokens[from..self.pos];
        let mut names = BTreeSet::new();
        for w in tokens.windows(3) {
            if let (Some("struct" | "union" | "enum"), Some(name)) = (w[0].word(), w[1].word())
                && w[2].is("{")
            {
                names.insert(name.to_owned());
            }
        }
        if tokens.iter().any(|t| t.word() == Some("typedef"))
            && let [.., name, _] = tokens
        {
            names.extend(name.word().map(str::to_owned));
        }
        for name in names {
            let skipped = Skipped { span: diag.span, message: diag.message.clone() };
            self.defs.skipped.entry(name).or_insert(skipped);
        }
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.pos)
    }

    pub fn here(&self) -> Span {
        self.peek().map_or(self.end, |t| t.span)
    }

    pub fn is(&self, punct: &str) -> bool {
        self.peek().is_some_and(|t| t.is(punct))
    }

    pub fn eat(&mut self, punct: &str) -> bool {
        let hit = self.is(punct);
        self.pos += usize::from(hit);
        hit
    }

    pub fn want(&mut self, punct: &str) -> Res<()> {
        if self.eat(punct) { Ok(()) } else { fail(self.here(), format!("{punct} is missing before this")) }
    }

    pub fn word(&self) -> Option<&str> {
        self.peek().and_then(Token::word)
    }

    pub fn name(&mut self) -> Option<(String, Span)> {
        let (name, span) = (self.word()?.to_owned(), self.here());
        self.pos += 1;
        Some((name, span))
    }

    /// To after the next `;` outside brackets, or after the body of a function.
    fn skip(&mut self) {
        let (mut depth, mut in_body) = (0u32, false);
        while let Some(t) = self.peek() {
            match t.kind {
                Kind::Punct("{") if depth == 0 => {
                    in_body = self.pos > 0 && self.tokens[self.pos - 1].is(")");
                    depth += 1;
                }
                Kind::Punct("{" | "(" | "[") => depth += 1,
                Kind::Punct("}" | ")" | "]") => depth = depth.saturating_sub(1),
                _ => {}
            }
            let is_end = depth == 0 && (t.is(";") || in_body && t.is("}"));
            self.pos += 1;
            if is_end {
                return;
            }
        }
    }

    /// After the partner of the bracket here.
    pub fn skip_brackets(&mut self) -> Res<std::ops::Range<usize>> {
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
        if self.takes_pack() {
            return Ok(());
        }
        if let Some("_Static_assert" | "static_assert") = self.word() {
            self.skip();
            return Ok(());
        }
        let from = self.pos;
        let (base, attrs) = self.specifiers(0)?;
        if self.eat(";") || self.pos > from && self.pos == self.tokens.len() {
            return Ok(());
        }
        loop {
            let at = self.here();
            let (name, laid) = self.declarator(base.clone(), 0)?;
            let attrs = attrs.and(self.attributes()?);
            let is_header = at.origin != OriginId(0);
            match name {
                Some((name, span)) if attrs.is_typedef => {
                    let mut laid = of_mode(laid, attrs);
                    // Of a typedef, this makes it less, too.
                    laid.align = if attrs.align > 0 { attrs.align } else { laid.align };
                    self.typedef(name, laid, span);
                }
                Some(_) if is_header && (self.is("{") || self.is("=")) => {
                    self.skip();
                    return Ok(());
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

    /// Whether a `#pragma pack` stands here, which then counts.
    pub fn takes_pack(&mut self) -> bool {
        let is_pack = self.eat(PACK);
        if is_pack && let Some(Kind::Number(n)) = self.peek().map(|t| &t.kind) {
            self.pack = n.parse().ok().filter(|n: &u32| n.is_power_of_two());
            self.pos += 1;
        }
        is_pack
    }

    fn typedef(&mut self, name: String, laid: Laid, at: Span) {
        let is_new = self.places.get(&name).is_none_or(|before| self.gives_way(*before, at));
        if is_new {
            self.places.insert(name.clone(), at);
            self.defs.typedefs.insert(name.clone(), laid.ty.clone());
            self.typedefs.insert(name, laid);
        }
    }

    /// Whether the first of two definitions of one name counts no more: the script's own win.
    pub fn gives_way(&self, before: Span, at: Span) -> bool {
        self.trust(at) == Trust::Own || self.trust(before) == Trust::Foreign
    }

    pub fn constant(&mut self, tokens: &[Token], at: Span) -> Res<i64> {
        self.value_of(tokens, at).map(Value::as_i64)
    }

    pub fn value_of(&mut self, tokens: &[Token], at: Span) -> Res<Value> {
        match constant::typed(tokens, at, self) {
            Ok(v) => Ok(v),
            Err((span, message)) => fail(span, message),
        }
    }

    /// `*name[3]`, `(*f)(int)`: the name and its type.
    pub fn declarator(&mut self, mut base: Laid, depth: u32) -> Res<(Option<(String, Span)>, Laid)> {
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
            let tokens = self.tokens.clone();
            let is_open = range.is_empty() || tokens[range.clone()].iter().all(|t| t.is("*"));
            let n = if is_open { 0 } else { self.constant(&tokens[range], span)? };
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
}
