//! Lessons, completion and what explains: at the prompt, through a pseudo-terminal, on the live kernel.
//!
//! Comes in: what a person would type. Goes out: what awl shows. One session at a time, for sessions observe the whole
//! machine. Where nothing can be attached, the tests that need it are skipped out loud.

#[path = "learn/complete.rs"]
mod complete;
#[path = "learn/inspect.rs"]
mod inspect;
#[path = "learn/lessons.rs"]
mod lessons;
#[path = "learn/terminal.rs"]
mod terminal;
