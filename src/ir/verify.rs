//! Checks a module's invariants.
