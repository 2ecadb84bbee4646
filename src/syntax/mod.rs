//! Text to tree: `lexer` (logos), `retag`, `parse` (lalrpop, `grammar/script.lalrpop`), `print` (the
//! formatter), `visit` (walks over the tree). Uses `base` only.

pub mod ast;
pub mod build;
mod errors;
pub mod lexer;
pub mod literal;
pub mod parse;
pub mod print;
pub mod retag;
pub mod token;
pub mod visit;
