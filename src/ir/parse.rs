//! The textual form, read.
