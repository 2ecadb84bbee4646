//! The run bank's heart: a session that holds loaded clauses, reads their events and their maps.
//!
//! Comes in: images. Goes out: [`Event`]s in the order in which they were emitted, and maps as values. Always holds:
//! the session owns every descriptor; `remove` and `Drop` undo everything, and nothing is ever pinned.

mod actions;
mod clause;
pub mod error;
pub mod event;
mod explain;
mod load;
mod losses;
mod maps;
mod names;
mod ondemand;
mod order;
mod packets;
mod procmaps;
mod prompt;
mod reaper;
mod relocate;
mod session;
mod shared;
mod stacks;
mod stream;
mod symbols;
mod target;
#[cfg(test)]
mod tests;
mod unwind;

pub use clause::ClauseId;
pub use error::{LoadError, Problem, Refusal};
pub use event::{Body, Event, Loss, LossCause, MapView, TextKind};
pub use explain::{Explained, Translation};
pub use ondemand::{BenchRun, Outcome, TestRun};
pub use prompt::{Cost, Forgotten, MapFacts};
pub use relocate::relocate;
pub use session::{Added, Config, Life, OnDemand, Session, Stop};
pub use target::{Target, split_command};
