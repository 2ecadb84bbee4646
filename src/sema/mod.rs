//! Syntax tree to checked script: names, types, attach points.

pub mod hir;
