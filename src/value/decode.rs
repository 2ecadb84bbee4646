//! Bytes to values, by type.
