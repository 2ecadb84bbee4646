//! The user's files: history and `.awlrc`.

/// Lines of history that are kept.
pub const HISTORY_MAX: usize = 5000;
