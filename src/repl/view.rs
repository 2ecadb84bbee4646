//! What the editor's thread knows of the session: for completion, hints and keys.
//!
//! Always holds: it is a copy, renewed by the main thread after each answer.

use std::sync::{Arc, Mutex, PoisonError};

use super::complete::Index;
use super::input::Completeness;
use crate::Base;
use crate::lang::Config;
use crate::world::World;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The maps that live, and the table of the types that they speak of.
    pub base: Base,
    /// Settings of the command line and the environment.
    pub config: Config,
    /// Numbers of the clauses, and their text.
    pub clauses: Vec<(u32, String)>,
    /// Macros and definitions entered so far, as text.
    pub preamble: String,
    /// What one key (Alt-Enter) puts on the prompt: the example of the help shown last.
    pub example: Option<String>,
    /// Whether the answer to a question is awaited: any line is complete.
    pub asks: Asks,
}

/// What the prompt is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asks {
    /// The next thing to do.
    #[default]
    Anything,
    /// The answer to a question.
    Answer,
}

/// The view as both threads share it.
#[derive(Clone, Debug, Default)]
pub struct SharedView(Arc<Mutex<View>>);

impl SharedView {
    pub fn get(&self) -> View {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads without a copy.
    pub fn with<T>(&self, read: impl FnOnce(&View) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether Enter hands over this text.
    pub fn completeness(&self, text: &str) -> Completeness {
        match self.with(|v| v.asks) {
            Asks::Answer => Completeness::Whole,
            Asks::Anything => super::input::completeness(text),
        }
    }
}

/// What completion, hints and highlighting work with.
pub struct Cx<'a> {
    /// The machine, of the editor's own thread.
    pub world: &'a dyn World,
    /// The names of its probes.
    pub index: &'a Index,
    pub view: &'a View,
}
