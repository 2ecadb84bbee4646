//! Text to tree: `lex` (logos), `parse` (lalrpop), `print` (the formatter). Uses `base` only.

pub mod ast;
