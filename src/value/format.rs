//! printf: values to text by a parsed format.
