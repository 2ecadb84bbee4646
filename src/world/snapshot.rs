//! A machine's answers in a file, to compile elsewhere.
