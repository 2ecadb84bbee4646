//! How long an attach point is.
//!
//! It ends at white space, `{`, `,` or `||` outside quotes. A `/` belongs to a path and else starts a predicate or
//! a comment: a part is a path if it starts like one, or where the provider's target is a file.

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
                if !in_path(provider, part, &s[part_start..at]) {
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
