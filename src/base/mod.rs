//! What every layer shares: source text and spans, typed indices, diagnostics.
//!
//! Comes in: nothing (this is the lowest layer). Always holds: a `Span` points into the `SourceMap`
//! that made it, on character boundaries.

pub mod codes;
pub mod diag;
pub mod index;
pub mod render;
pub mod span;

pub use diag::{Diag, Diags, Severity};
pub use index::{Idx, IndexVec};
pub use span::{By, FileId, Origin, OriginId, Source, SourceMap, Span};

/// Reports a bug of awl itself: a state that the program's own invariants exclude.
#[macro_export]
macro_rules! bug {
    ($($arg:tt)*) => { panic!("bug in awl: {}", format_args!($($arg)*)) };
}
