//! How long an attach point is.
//!
//! It ends at white space, `{`, `,` or `||` outside quotes. A `/` belongs to a path and else starts a predicate or
//! a comment: a part is a path if it starts like one, or where the provider's target is a file. Functions of Go have the
//! path of their package in their names: `net/http.(*Server).Serve`.

/// Providers whose first target is the path of a file, in lower case.
const PATH_PROVIDERS: &[&str] = &["uprobe", "uretprobe", "usdt", "u", "ur"];

/// Length of the attach point at the start of `s`; at least 1 if `s` is not empty.
pub(super) fn point_len(s: &str) -> usize {
    let bytes = s.as_bytes();
    let (mut at, mut part, mut part_start) = (0, 0, 0);
    let mut provider_end = None;
    while let Some(&b) = bytes.get(at) {
        match b {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c | b'{' | b',' | b'}' | b';' => break,
            b'=' if part == 0 && at > 0 => break,
            // Alternatives. The path of a file may hold any bytes.
            b'|' if s[at..].starts_with("||") && !s[..at].contains('/') => break,
            b'"' => {
                at = quoted_end(bytes, at);
                continue;
            }
            b':' => {
                provider_end.get_or_insert(at);
                part += 1;
                part_start = at + 1;
            }
            b'/' => {
                let provider = &s[..provider_end.unwrap_or(0)];
                let is_package = part > 1 && in_package(&s[at + 1..]);
                if !is_package && !in_path(provider, part, &s[part_start..at]) {
                    break;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at.max(s.chars().next().map_or(0, char::len_utf8))
}

/// Whether a `/` after `so_far`, the text of part number `part` up to it, belongs to that part.
fn in_path(provider: &str, part: usize, so_far: &str) -> bool {
    match part {
        0 => false,
        1 if PATH_PROVIDERS.iter().any(|p| p.eq_ignore_ascii_case(provider)) => true,
        _ => so_far.is_empty() || so_far.starts_with(['/', '.', '~', '"']),
    }
}

/// What a predicate may start with and a field follow.
const ROOTS: &[&str] = &["args", "curtask", "retval", "ctx"];

/// Whether what follows a `/` goes on with the path of a package: words up to a dot that a name follows.
fn in_package(rest: &str) -> bool {
    let is_path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'%');
    let path = &rest[..rest.bytes().take_while(|b| is_path(*b)).count()];
    let first = path.split('.').next().unwrap_or(path);
    let name = path.rsplit('/').next().unwrap_or(path);
    let ends_in_package = rest[path.len()..].starts_with('(') && name.ends_with('.');
    let ends_in_name =
        name.split_once('.').is_some_and(|(package, name)| !package.is_empty() && !name.is_empty());
    first.starts_with(|c: char| c.is_ascii_alphabetic())
        && !ROOTS.contains(&first)
        && (ends_in_package || ends_in_name)
}

/// One past the closing quote of the string at `at`; the end of the line if it is not closed.
fn quoted_end(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'"' => return i + 1,
            b'\n' => return i,
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_of_packages_and_of_predicates() {
        for (text, point) in [
            ("uprobe:/a/b:net/http.(*Server).Serve /pid/ {", "uprobe:/a/b:net/http.(*Server).Serve"),
            ("u:b:example.com/x-y/z.F{", "u:b:example.com/x-y/z.F"),
            ("uprobe:b:main.main/pid == 1/{", "uprobe:b:main.main"),
            ("uprobe:b:f/args.x/{", "uprobe:b:f"),
            ("uprobe:b:f/arg0 > 1/", "uprobe:b:f"),
            ("kprobe:f/curtask.pid/", "kprobe:f"),
        ] {
            assert_eq!(&text[..point_len(text)], point);
        }
    }
}
