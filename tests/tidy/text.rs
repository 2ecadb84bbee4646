//! A Rust file as the rules read it: its lines as written, and the same lines without comments, without
//! the insides of literals, and with unit tests marked.
//!
//! Always holds: `lines` and `code` have the same length, so that an index names the same line in both.

/// One source file.
pub struct SourceText {
    /// The path from the root of the package.
    pub path: String,
    /// The lines as written.
    pub lines: Vec<String>,
    /// The lines with comments and the contents of string and character literals blanked.
    pub code: Vec<String>,
    /// The index of the first line of the unit tests; the number of lines if there are none.
    pub tests_from: usize,
}

impl SourceText {
    /// Reads the text of the file at `path`.
    pub fn new(path: &str, body: &str) -> SourceText {
        let lines: Vec<String> = body.lines().map(str::to_owned).collect();
        let code: Vec<String> = blank(body).lines().map(str::to_owned).collect();
        let is_tests_file = path.ends_with("/tests.rs") || path.contains("/tests/");
        let tests_from = if is_tests_file { 0 } else { unit_tests_start(&code) };
        SourceText { path: path.to_owned(), lines, code, tests_from }
    }

    /// The lines of code that are no unit test, numbered from 1.
    pub fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().take(self.tests_from).enumerate().map(|(i, line)| (i + 1, line.as_str()))
    }

    /// The folder under `src` that the file is in; none for `lib.rs` and `main.rs`.
    pub fn module(&self) -> Option<&str> {
        let (module, _) = self.path.strip_prefix("src/")?.split_once('/')?;
        Some(module)
    }
}

/// The line of the `#[cfg(test)]` that stands before the `mod` of the unit tests.
fn unit_tests_start(code: &[String]) -> usize {
    let starts = |i: usize, what: &str| code.get(i).is_some_and(|line| line.starts_with(what));
    (0..code.len())
        .find(|&i| {
            let mut item = i + 1;
            while starts(item, "#[") {
                item += 1;
            }
            starts(i, "#[cfg(test)]") && starts(item, "mod ")
        })
        .unwrap_or(code.len())
}

/// Replaces comments and the insides of literals by blanks; line breaks stay.
fn blank(body: &str) -> String {
    let chars: Vec<char> = body.chars().collect();
    let mut out = String::with_capacity(body.len());
    let mut i = 0;
    while i < chars.len() {
        let end = opaque_end(&chars, i);
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

/// The end of the comment or literal that starts at `at`; `at` itself if none starts there.
fn opaque_end(chars: &[char], at: usize) -> usize {
    let at_is = |i: usize, c: char| chars.get(i) == Some(&c);
    let after_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if at_is(at + 1, '/') => find(chars, at, |i| at_is(i, '\n')),
        '/' if at_is(at + 1, '*') => block_comment_end(chars, at),
        '"' => quoted_end(chars, at + 1, '"'),
        'r' if !after_word || at_is(at.wrapping_sub(1), 'b') => raw_string_end(chars, at),
        // A lifetime has no quote after its first character.
        '\'' if at_is(at + 1, '\\') || at_is(at + 2, '\'') => quoted_end(chars, at + 1, '\''),
        _ => at,
    }
}

/// The first index from `from` on where `is_end` holds; the end of the text if there is none.
fn find(chars: &[char], from: usize, is_end: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|&i| is_end(i)).unwrap_or(chars.len())
}

/// One past the quote that ends a literal with escapes whose inside starts at `from`.
fn quoted_end(chars: &[char], from: usize, quote: char) -> usize {
    let mut i = from;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// One past a nested block comment.
fn block_comment_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut i = at;
    while i < chars.len() {
        let pair = (chars[i], chars.get(i + 1).copied());
        match pair {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            break;
        }
    }
    i.min(chars.len())
}

/// One past a raw string that starts at `at` with its `r`; `at` if there is none.
fn raw_string_end(chars: &[char], at: usize) -> usize {
    let n_hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
    if chars.get(at + 1 + n_hashes) != Some(&'"') {
        return at;
    }
    let closes = |i: usize| {
        chars[i] == '"' && chars[i + 1..].iter().take(n_hashes).filter(|&&c| c == '#').count() == n_hashes
    };
    (find(chars, at + 2 + n_hashes, closes) + 1 + n_hashes).min(chars.len())
}
