//! Commands about the prompt itself.

use super::Repl;

/// `:quit`
pub fn quit(repl: &mut Repl, _: &str) {
    repl.leave(0);
}
