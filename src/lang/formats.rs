//! printf conversions: a row each, and the parser of format strings.
