//! Names as C++ and Rust programmers write them.

use crate::world::{glob, is_glob};

/// The name behind a symbol's: of C++ with its parameters, of Rust without its hash. `None` for a plain name.
pub fn demangled(symbol: &str) -> Option<String> {
    if let Ok(name) = rustc_demangle::try_demangle(symbol) {
        return Some(format!("{name:#}"));
    }
    if !symbol.starts_with("_Z") {
        return None;
    }
    let parsed = cpp_demangle::Symbol::new(symbol).ok()?;
    parsed.demangle().ok()
}

/// Whether a symbol is the one that is meant: by its whole name, or by what stands before its parameters.
pub fn is_named(symbol: &str, wanted: &str) -> bool {
    let name = demangled(symbol).unwrap_or_else(|| symbol.to_owned());
    [name.as_str(), without_parameters(&name)].contains(&wanted)
}

/// The same by a pattern.
pub fn is_like(symbol: &str, pattern: &str) -> bool {
    let name = demangled(symbol).unwrap_or_else(|| symbol.to_owned());
    is_glob(pattern) && [name.as_str(), without_parameters(&name)].iter().any(|n| glob(pattern, n))
}

/// `ns::f` of `ns::f(int, (anonymous namespace)::t) const`.
fn without_parameters(name: &str) -> &str {
    let Some(end) = name.rfind(')') else { return name };
    let mut depth = 0;
    for (i, c) in name[..=end].char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &name[..i];
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let add = "_ZN3lib5Queue3addEiPKc";
        assert_eq!(demangled(add).as_deref(), Some("lib::Queue::add(int, char const*)"));
        assert!(is_named(add, "lib::Queue::add") && is_named(add, "lib::Queue::add(int, char const*)"));
        assert!(!is_named(add, "lib::Queue") && !is_named(add, "add"));
        assert!(is_like(add, "lib::*") && is_like(add, "*::add") && !is_like(add, "lib::Queue::add"));
        let rust = "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE";
        assert!(is_named(rust, "core::fmt::Write::write_fmt"));
        assert!(is_named("main", "main") && demangled("main").is_none());
    }
}
