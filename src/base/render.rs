//! Turns diagnostics into text, through codespan-reporting.
