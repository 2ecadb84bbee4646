//! What a declaration starts with: the words of a type.

use super::declare::{DEPTH_MAX, Declarer, Res, fail};
use super::layout::{Attrs, Laid, of_mode};
use crate::base::{Diag, codes};
use crate::lang::probes::fields::c_int;
use crate::ty::{StructKind, Ty};

const INT_WORDS: &[&str] = &["char", "short", "int", "long", "signed", "unsigned", "__signed__", "__signed"];

impl Declarer<'_> {
    /// The type that declarators start from, and attributes beside it.
    pub fn specifiers(&mut self, depth: u32) -> Res<(Laid, Attrs)> {
        if depth > DEPTH_MAX {
            return fail(self.here(), "nested too deeply");
        }
        let at = self.here();
        let mut attrs = self.attributes()?;
        let mut ints: Vec<String> = Vec::new();
        let (mut found, mut is_complex): (Option<Laid>, bool) = (None, false);
        while let Some(word) = self.word().map(str::to_owned) {
            let is_first = found.is_none() && ints.is_empty();
            match word.as_str() {
                "_Complex" | "__complex__" => {
                    self.pos += 1;
                    is_complex = true;
                }
                "struct" | "union" if is_first => {
                    self.pos += 1;
                    let is_union = word == "union";
                    let kind = if is_union { StructKind::Union } else { StructKind::Struct };
                    found = Some(self.strukt(kind, depth)?);
                }
                "enum" if is_first => {
                    self.pos += 1;
                    found = Some(self.enumeration()?);
                }
                "typeof" | "__typeof__" | "__typeof" if is_first => {
                    self.pos += 1;
                    found = Some(self.typeof_()?);
                }
                w if INT_WORDS.contains(&w) && found.is_none() => {
                    self.pos += 1;
                    let is_signed = matches!(w, "__signed__" | "__signed");
                    ints.push(if is_signed { "signed".into() } else { w.into() });
                }
                "double" | "__int128" if found.is_none() => {
                    self.pos += 1;
                    let n = if word == "double" && ints.is_empty() { 8 } else { 16 };
                    found = Some(opaque(n));
                    ints.clear();
                }
                w if is_first => {
                    found = Some(self.named(w)?);
                    self.pos += 1;
                }
                _ => break,
            }
            attrs = attrs.and(self.attributes()?);
        }
        if !ints.is_empty() {
            let words: Vec<&str> = ints.iter().map(String::as_str).collect();
            let ty = c_int(&words).unwrap_or(Ty::int(32));
            found = Some(Laid::scalar(ty, &self.defs.types));
        }
        match found {
            Some(laid) if is_complex => {
                Ok((Laid { align: laid.align, ..opaque(laid.bytes as u32 * 2) }, attrs))
            }
            Some(laid) if attrs.is_typedef => Ok((laid, attrs)),
            Some(laid) => Ok((of_mode(laid, attrs), attrs)),
            None => fail(at, "a type is wanted here"),
        }
    }

    /// After `typeof`.
    fn typeof_(&mut self) -> Res<Laid> {
        let at = self.here();
        let range = self.skip_brackets()?;
        let tokens = self.tokens.clone();
        match self.type_of(&tokens[range]) {
            Some(laid) => Ok(laid),
            None => fail(at, "the type of an expression is not known here"),
        }
    }

    /// A type of one word.
    fn named(&mut self, name: &str) -> Res<Laid> {
        let known = match name {
            "void" => Laid { is_incomplete: true, ..Laid::new(Ty::Void, 0, 1) },
            "bool" | "_Bool" => Laid::new(Ty::Bool, 1, 1),
            "_Float16" | "__bf16" => opaque(2),
            "float" | "_Float32" => opaque(4),
            "_Float64" | "_Float32x" => opaque(8),
            "_Float64x" | "_Float128" | "__float128" | "__float80" => opaque(16),
            "__int128_t" | "__uint128_t" => opaque(16),
            // x86_64: an array of one struct of 24 bytes.
            "__builtin_va_list" => Laid { align: 8, ..opaque(24) },
            _ => {
                match self.typedefs.get(name).cloned() {
                    // `typedef struct s t;` may come before what `struct s` has.
                    Some(Laid { ty: ty @ Ty::Struct(_), is_incomplete: true, .. }) => {
                        return Ok(self.laid(ty));
                    }
                    Some(laid) => return Ok(laid),
                    None => {}
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
}

/// A type of which only the size is known here.
fn opaque(n: u32) -> Laid {
    Laid::new(Ty::array(Ty::uint(8), n), u64::from(n), n)
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
