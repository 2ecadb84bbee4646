//! C between the probes: preprocessor lines and definitions, without a C compiler.
//!
//! Comes in: the C items of a script, and headers beside it. Goes out: its `#define`s, and its types in C's layout.
//! Always holds: of `#if … #else … #endif` only the lines that count are looked at; what is not understood is
//! reported at its place, and no input makes it panic or loop.

mod constant;
mod declare;
mod layout;
mod lex;
mod prep;
#[cfg(test)]
mod tests;

pub use constant::version_code;
pub use prep::{Define, Defines, Prep};

use super::Definitions;
use crate::base::{Diags, FileId, Span};
use crate::ty::TypeTable;
use crate::world::World;

/// The value of a constant expression of C, in which words mean what `value` says; `None` if it is none.
pub fn value_of(text: &str, value: &mut dyn FnMut(&str) -> Option<i64>) -> Option<i64> {
    struct Words<'f>(&'f mut dyn FnMut(&str) -> Option<i64>);
    impl constant::Env for Words<'_> {
        fn value(&mut self, name: &str) -> Option<i64> {
            (self.0)(name)
        }
        fn size_of(&mut self, _: &[lex::Token]) -> Option<i64> {
            None
        }
    }
    let tokens = lex::tokens(text, FileId(0), 0);
    constant::evaluate(&tokens, Span::none(), &mut Words(value)).ok()
}

/// The types that the C text which `prep` has read defines, after those that are there.
pub fn define(
    prep: Prep<'_>,
    types: TypeTable,
    world: &dyn World,
    diags: &mut Diags,
) -> (Defines, Definitions) {
    let (defines, tokens) = prep.finish(diags);
    (defines, declare::declare(&tokens, types, world, diags))
}
