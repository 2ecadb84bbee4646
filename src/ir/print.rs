//! The textual form, written.
