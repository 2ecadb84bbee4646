//! The values of number and string literals.
//!
//! Comes in: a literal's text. Goes out: its value, or what is wrong and which bytes of it are.

use std::ops::Range;

/// What is wrong with a literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Bytes of the literal's text.
    pub at: Range<usize>,
    pub message: String,
    pub hint: Option<&'static str>,
}

fn bad<T>(at: Range<usize>, message: impl Into<String>, hint: Option<&'static str>) -> Result<T, Bad> {
    Err(Bad { at, message: message.into(), hint })
}

const SUFFIXES: &str = "suffixes are ns us ms s m h d (durations) and u l ll ul ull";

/// Nanoseconds of the units of time.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Types that a C suffix claims, and the largest value that it may stand on.
const C_SUFFIXES: &[(&str, u64)] = &[
    ("u", u32::MAX as u64),
    ("l", i64::MAX as u64),
    ("ll", i64::MAX as u64),
    ("ul", u64::MAX),
    ("lu", u64::MAX),
    ("ull", u64::MAX),
    ("llu", u64::MAX),
];

/// The value of an integer literal; a duration gives nanoseconds.
pub fn int(text: &str) -> Result<u64, Bad> {
    let lower = text.to_ascii_lowercase();
    let (radix, start, name) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, 2, "hexadecimal"),
        [b'0', b'b', ..] => (2, 2, "binary"),
        [b'0', b'0'..=b'9' | b'_', ..] => (8, 1, "octal"),
        _ => (10, 0, "decimal"),
    };
    // Where the digits end, decided by all decimal digits, so that `08` is a wrong digit and no suffix.
    let is_digit = |b: &u8| b.is_ascii_digit() || *b == b'_' || radix == 16 && b.is_ascii_hexdigit();
    let end = start + lower[start..].bytes().take_while(|b| is_digit(b)).count();
    let (digits, suffix) = (&lower[start..end], &lower[end..]);
    if digits.is_empty() {
        return bad(0..text.len(), format!("{name} literal without digits"), None);
    }
    if digits.ends_with('_') {
        return bad(end - 1..end, "trailing underscore in integer literal", None);
    }
    if let Some(i) = digits.bytes().position(|b| b != b'_' && !(b as char).is_digit(radix)) {
        let at = start + i;
        return bad(at..at + 1, format!("`{}` is no {name} digit", &lower[at..at + 1]), None);
    }
    if radix == 10
        && let Some(exponent) = suffix.strip_prefix('e')
    {
        return scientific(text, digits, exponent);
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    let Ok(value) = u64::from_str_radix(&digits, radix) else {
        return bad(0..text.len(), "integer literal does not fit into 64 bits", None);
    };
    suffixed(text, value, suffix, radix)
}

fn suffixed(text: &str, value: u64, suffix: &str, radix: u32) -> Result<u64, Bad> {
    if suffix.is_empty() {
        return Ok(value);
    }
    let at = text.len() - suffix.len()..text.len();
    if let Some((_, max)) = C_SUFFIXES.iter().find(|(s, _)| *s == suffix) {
        if value > *max {
            return bad(0..text.len(), format!("{value} is too large for the suffix `{suffix}`"), None);
        }
        return Ok(value);
    }
    if let Some((_, ns)) = UNITS.iter().find(|(s, _)| *s == suffix && radix == 10) {
        return match value.checked_mul(*ns) {
            Some(v) => Ok(v),
            None => bad(0..text.len(), "duration does not fit into 64 bits of nanoseconds", None),
        };
    }
    bad(at.clone(), format!("invalid integer suffix `{}`", &text[at]), Some(SUFFIXES))
}

/// `2e3`: one digit from 1 to 9, and an exponent that does not start with 0.
fn scientific(text: &str, digits: &str, exponent: &str) -> Result<u64, Bad> {
    const HINT: Option<&str> = Some("write it like 2e6: one digit from 1 to 9, `e`, and a positive exponent");
    let all = 0..text.len();
    let exponent_ok =
        !exponent.starts_with('0') && !exponent.is_empty() && exponent.bytes().all(|b| b.is_ascii_digit());
    if digits.len() != 1 || digits == "0" || !exponent_ok {
        return bad(all, format!("invalid scientific literal `{text}`"), HINT);
    }
    let value = exponent.parse::<u32>().ok().and_then(|e| 10u64.checked_pow(e)).and_then(|p| {
        let digit = digits.bytes().next()? - b'0';
        p.checked_mul(u64::from(digit))
    });
    match value {
        Some(v) => Ok(v),
        None => bad(all, "integer literal does not fit into 64 bits", None),
    }
}

/// The bytes of a string literal, given with its quotes, and what is wrong with its escapes (bytes of the
/// whole literal); a wrong escape leaves the character that follows it.
pub fn string(text: &str) -> (Vec<u8>, Vec<Bad>) {
    let body = text.strip_prefix('"').unwrap_or(text);
    let body = body.strip_suffix('"').unwrap_or(body).as_bytes();
    let (mut out, mut bads) = (Vec::with_capacity(body.len()), Vec::new());
    let mut i = 0;
    while let Some(&b) = body.get(i) {
        if b != b'\\' {
            out.push(b);
            i += 1;
            continue;
        }
        match escape(&body[i + 1..]) {
            Ok((byte, n)) => {
                out.push(byte);
                i += 1 + n;
            }
            Err((message, n)) => {
                // One for the opening quote.
                let at = i + 1..i + 2 + n;
                bads.push(Bad {
                    at,
                    message,
                    hint: Some("escapes are \\n \\t \\r \\\" \\\\ \\0-\\377 \\xHH"),
                });
                i += 1;
            }
        }
    }
    (out, bads)
}

/// The byte that the text after a backslash stands for, and how much of it that takes.
fn escape(rest: &[u8]) -> Result<(u8, usize), (String, usize)> {
    match rest {
        [b'n', ..] => Ok((b'\n', 1)),
        [b't', ..] => Ok((b'\t', 1)),
        [b'r', ..] => Ok((b'\r', 1)),
        [c @ (b'"' | b'\\'), ..] => Ok((*c, 1)),
        [b'0'..=b'7', ..] => {
            let n = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            let value = rest[..n].iter().fold(0u32, |v, b| v * 8 + u32::from(b - b'0'));
            u8::try_from(value).map(|v| (v, n)).map_err(|_| ("octal escape above \\377".to_owned(), n))
        }
        [b'x' | b'X', hex @ ..] => {
            let n = hex.iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
            if n == 0 {
                return Err(("\\x needs one or two hexadecimal digits".to_owned(), 1));
            }
            let value = hex[..n].iter().fold(0, |v, b| v * 16 + (*b as char).to_digit(16).unwrap_or(0));
            Ok((value as u8, 1 + n))
        }
        _ => {
            let c = String::from_utf8_lossy(rest).chars().next().unwrap_or(' ');
            Err((format!("invalid escape character `{c}`"), c.len_utf8().min(rest.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let good = [
            ("0", 0),
            ("00", 0),
            ("123", 123),
            ("1_000_000", 1_000_000),
            ("0123", 0o123),
            ("0x1F", 31),
            ("0X1f", 31),
            ("0xdead_beef", 0xdead_beef),
            ("0b1010", 10),
            ("0B1", 1),
            ("2e3", 2000),
            ("1e19", 10_000_000_000_000_000_000),
            ("18446744073709551615", u64::MAX),
            ("0xffffffffffffffff", u64::MAX),
            ("1u", 1),
            ("1U", 1),
            ("5ull", 5),
            ("5ULL", 5),
            ("0x10ul", 16),
            ("4294967295u", 4294967295),
            ("1ns", 1),
            ("1us", 1_000),
            ("2ms", 2_000_000),
            ("5s", 5_000_000_000),
            ("3m", 180_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1d", 86_400_000_000_000),
        ];
        for (text, value) in good {
            assert_eq!(int(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn wrong_integers() {
        let wrong = [
            ("1_", 1..2, "trailing underscore"),
            ("0x", 0..2, "without digits"),
            ("0b", 0..2, "without digits"),
            ("08", 1..2, "`8` is no octal digit"),
            ("0b12", 3..4, "`2` is no binary digit"),
            ("18446744073709551616", 0..20, "does not fit"),
            ("4294967296u", 0..11, "too large for the suffix `u`"),
            ("9223372036854775808ll", 0..21, "too large for the suffix `ll`"),
            ("5sec", 1..4, "invalid integer suffix `sec`"),
            ("12abc", 2..5, "invalid integer suffix `abc`"),
            ("10e3", 0..4, "invalid scientific"),
            ("1e0", 0..3, "invalid scientific"),
            ("1e", 0..2, "invalid scientific"),
            ("0e3", 0..3, "invalid scientific"),
            ("1e20", 0..4, "does not fit"),
            ("1e99999999999", 0..13, "does not fit"),
            ("300000000000d", 0..13, "duration does not fit"),
        ];
        for (text, at, message) in wrong {
            let e = int(text).expect_err(text);
            assert_eq!(e.at, at, "{text}");
            assert!(e.message.contains(message), "{text}: {}", e.message);
        }
    }

    #[test]
    fn strings() {
        assert_eq!(string(r#""a\n\t\r\"\\b""#), (b"a\n\t\r\"\\b".to_vec(), vec![]));
        assert_eq!(string(r#""\0\12\377\1234""#).0, vec![0, 10, 255, 0o123, b'4']);
        assert_eq!(string(r#""\x41\X4a\xfg""#).0, vec![0x41, 0x4a, 0x0f, b'g']);
        assert_eq!(string("\"é\"").0, "é".as_bytes());
        let (out, bads) = string(r#""a\qb\400""#);
        assert_eq!(out, b"aqb400");
        assert_eq!((bads[0].at.clone(), bads[0].message.as_str()), (2..4, "invalid escape character `q`"));
        assert_eq!(bads[1].at, 5..9);
        assert_eq!(string(r#""\x""#).1.len(), 1);
        assert_eq!(string("\"\\é\"").1[0].at, 2 - 1..4);
    }
}
