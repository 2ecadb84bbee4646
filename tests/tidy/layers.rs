//! Which module may use which: the table, and the check of the paths in a file against it.
//!
//! Always holds: a module uses only what stands before it in its own bank or in the shared one; the
//! command line alone sees both banks.

use crate::text::SourceText;

/// What both banks stand on, lowest first.
const SHARED: &[&str] = &["base", "ty", "isa", "value", "btf", "image", "ir", "world", "lang"];
/// From text to image. `syntax` stands on `base` alone.
const COMPILE: &[&str] = &["syntax", "expand", "sema", "lower", "opt", "codegen"];
/// From image to output.
const RUN: &[&str] = &["sys", "attach", "runtime", "output"];
/// What calls `compile()` and runs the result.
const TOP: &[&str] = &["cli", "repl"];

/// The modules that `module` may use besides itself; none if it stands in no layer.
pub fn layer_of(module: &str) -> Option<Vec<&'static str>> {
    if module == "syntax" {
        return Some(vec!["base"]);
    }
    for (bank, below) in [(SHARED, &[][..]), (COMPILE, SHARED), (RUN, SHARED)] {
        if let Some(at) = bank.iter().position(|m| *m == module) {
            return Some(below.iter().chain(&bank[..at]).copied().collect());
        }
    }
    TOP.contains(&module).then(|| [SHARED, COMPILE, RUN, TOP].concat())
}

/// The paths `crate::x` that the layer of the file does not allow.
pub fn check(file: &SourceText) -> Vec<(usize, String)> {
    let Some(module) = file.module() else { return Vec::new() };
    let Some(allowed) = layer_of(module) else {
        return vec![(1, format!("{module} stands in no layer"))];
    };
    let known = [SHARED, COMPILE, RUN, TOP].concat();
    let mut breaches = Vec::new();
    for (line, used) in crate_paths(file) {
        let is_module = known.contains(&used.as_str());
        let is_top = TOP.contains(&module);
        if is_module && used != module && !allowed.contains(&used.as_str()) {
            breaches.push((line, format!("{module} uses {used}, which is not below it")));
        } else if used == "compile" && !is_top {
            breaches.push((line, format!("{module} calls compile(), which the command line alone may")));
        }
    }
    breaches
}

/// The first names after `crate::` in the product code, those in braces included.
fn crate_paths(file: &SourceText) -> Vec<(usize, String)> {
    let code: String = file.code[..file.tests_from].join("\n");
    let mut found = Vec::new();
    for (at, matched) in code.match_indices("crate::") {
        let rest = &code[at + matched.len()..];
        let line = code[..at].matches('\n').count() + 1;
        match rest.strip_prefix('{') {
            None => found.push((line, first_word(rest))),
            Some(group) => {
                let names = group_heads(group);
                found.extend(names.into_iter().map(|(n_lines, name)| (line + n_lines, name)));
            }
        }
    }
    found
}

/// The first name of each path of a `use` group whose text starts after its brace, with the number of
/// lines before it.
fn group_heads(group: &str) -> Vec<(usize, String)> {
    let mut heads = Vec::new();
    let (mut depth, mut n_lines, mut at_head) = (0, 0, true);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '\n' => n_lines += 1,
            ',' if depth == 0 => at_head = true,
            _ if at_head && !c.is_whitespace() => {
                heads.push((n_lines, first_word(&group[i..])));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

/// The identifier at the start of `text`.
fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
