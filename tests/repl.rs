//! Sessions at the prompt, through a pseudo-terminal, on the live kernel.
//!
//! Comes in: what a person would type. Goes out: what awl shows. One session at a time, for sessions observe the whole
//! machine. Where nothing can be attached, the tests that need it are skipped out loud.

#[path = "repl/complete.rs"]
mod complete;
#[path = "repl/inspect.rs"]
mod inspect;
#[path = "repl/lessons.rs"]
mod lessons;
#[path = "repl/terminal.rs"]
mod terminal;
