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

pub use prep::{Define, Defines, Prep};

use super::Definitions;
use crate::base::Diags;
use crate::ty::TypeTable;
use crate::world::World;

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
