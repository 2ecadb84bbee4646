//! What a kernel case may expect of the run of awl, and whether a run meets it.
//!
//! Comes in: fields whose key starts with `expect`, and what was printed. Goes out: for each expectation
//! that is not met, a sentence that says what was wanted. Whatever is expected can fail to be met: a
//! pattern must match, a range must hold, a value must be there.

use regex_lite::Regex;
use serde_json::Value;

/// What a run printed and how it ended.
#[derive(Debug, Default)]
pub struct Printed {
    pub stdout: String,
    pub stderr: String,
    /// The exit status; none if a signal ended it.
    pub status: Option<i32>,
}

/// The kinds of expectation: the key of the field, and what it checks.
type Kind = (&'static str, fn(&str, &Printed) -> Result<(), String>);

/// A row each. Where a field has several lines, each of them is expected, unless the row says otherwise.
const KINDS: &[Kind] = &[
    // The whole of stdout, without empty lines at its ends.
    ("expect", whole),
    // A line of stdout that is just so.
    ("expect-line", |want, p| each(want, |want| line_is(want, p))),
    // A pattern that some line of stdout matches.
    ("expect-regex", |want, p| each(want, |want| some_line_matches(want, &p.stdout))),
    // A pattern (all lines of the field together) that the whole of stdout matches somewhere.
    ("expect-text", text_matches),
    // A pattern that no line of stdout matches.
    ("expect-none", |want, p| each(want, |want| no_line_matches(want, &p.stdout))),
    // RANGE PATTERN: how many lines match.
    ("expect-count", |want, p| each(want, |want| count(want, p))),
    // RANGE PATTERN: the number captured by each match; there must be one.
    ("expect-value", |want, p| each(want, |want| value(want, p))),
    // RANGE PATTERN: the sum of the numbers captured.
    ("expect-sum", |want, p| each(want, |want| sum(want, p))),
    // A pattern whose captured numbers, two at least, are all the same.
    ("expect-same", |want, p| each(want, |want| same(want, p))),
    // A JSON value that some line of stdout is; see `json_meets`.
    ("expect-json", |want, p| each(want, |want| some_line_is_json(want, p))),
    // A pattern that some line of stderr matches.
    ("expect-stderr", |want, p| each(want, |want| some_line_matches(want, &p.stderr))),
    // The exit status; 0 unless told.
    ("expect-exit", exit),
];

/// Whether `key` names an expectation.
pub fn is_expectation(key: &str) -> bool {
    KINDS.iter().any(|(name, _)| *name == key)
}

/// Checks one expectation.
pub fn check(key: &str, want: &str, printed: &Printed) -> Result<(), String> {
    let (_, check) =
        KINDS.iter().find(|(name, _)| *name == key).ok_or_else(|| format!("no such key: {key}"))?;
    check(want, printed).map_err(|why| format!("{key}: {why}"))
}

/// Checks that stderr holds nothing but the line that says how many probes are attached, and what matches
/// `allowed` (nothing does if that is empty).
pub fn stderr_is_quiet(printed: &Printed, allowed: &str) -> Result<(), String> {
    let allowed = if allowed.is_empty() { None } else { Some(pattern(allowed)?) };
    let is_expected = |line: &str| {
        line.is_empty()
            || line.starts_with("Attached ")
            || allowed.as_ref().is_some_and(|re| re.is_match(line))
    };
    match printed.stderr.lines().find(|line| !is_expected(line)) {
        Some(line) => Err(format!("stderr says what the case does not expect: {line}")),
        None => Ok(()),
    }
}

fn each(want: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    let mut lines = want.lines().filter(|line| !line.is_empty()).peekable();
    if lines.peek().is_none() {
        return Err("expects nothing".to_owned());
    }
    lines.try_for_each(check)
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|e| format!("{text}: {e}"))
}

fn whole(want: &str, printed: &Printed) -> Result<(), String> {
    let lines =
        |text: &str| text.trim_matches('\n').lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
    let (want, got) = (lines(want), lines(&printed.stdout));
    if want == got {
        return Ok(());
    }
    let at = want.iter().zip(&got).position(|(w, g)| w != g).unwrap_or(want.len().min(got.len()));
    let shown = |lines: &[String]| lines.get(at).map_or("the end".to_owned(), |line| format!("{line:?}"));
    Err(format!("line {} should be {} and is {}", at + 1, shown(&want), shown(&got)))
}

fn line_is(want: &str, printed: &Printed) -> Result<(), String> {
    let is_there = printed.stdout.lines().any(|line| line.trim_end() == want.trim_end());
    if is_there { Ok(()) } else { Err(format!("no line {want:?}")) }
}

fn some_line_matches(want: &str, text: &str) -> Result<(), String> {
    let re = pattern(want)?;
    if text.lines().any(|line| re.is_match(line)) { Ok(()) } else { Err(format!("no line matches {want}")) }
}

fn no_line_matches(want: &str, text: &str) -> Result<(), String> {
    let re = pattern(want)?;
    text.lines().find(|line| re.is_match(line)).map_or(Ok(()), |line| Err(format!("{want} matches {line:?}")))
}

fn text_matches(want: &str, printed: &Printed) -> Result<(), String> {
    if pattern(want)?.is_match(&printed.stdout) { Ok(()) } else { Err(format!("nothing matches {want}")) }
}

fn count(want: &str, printed: &Printed) -> Result<(), String> {
    let (range, re) = range_and_pattern(want)?;
    let n = printed.stdout.lines().filter(|line| re.is_match(line)).count();
    range.holds(n as i128, "the number of lines that match")
}

fn value(want: &str, printed: &Printed) -> Result<(), String> {
    let (range, re) = range_and_pattern(want)?;
    let captured = captures(&re, &printed.stdout)?;
    if captured.is_empty() {
        return Err(format!("no line matches {want}"));
    }
    captured.into_iter().try_for_each(|n| range.holds(n, "the value"))
}

fn sum(want: &str, printed: &Printed) -> Result<(), String> {
    let (range, re) = range_and_pattern(want)?;
    range.holds(captures(&re, &printed.stdout)?.into_iter().sum(), "the sum")
}

fn same(want: &str, printed: &Printed) -> Result<(), String> {
    let captured = captures(&pattern(want)?, &printed.stdout)?;
    match captured.windows(2).find(|pair| pair[0] != pair[1]) {
        Some(pair) => Err(format!("{want} captures {} and {}", pair[0], pair[1])),
        None if captured.len() < 2 => Err(format!("{want} captures {} numbers", captured.len())),
        None => Ok(()),
    }
}

/// The numbers that the first group of `re` captures, in every line as often as it matches.
fn captures(re: &Regex, text: &str) -> Result<Vec<i128>, String> {
    let captured = text.lines().flat_map(|line| re.captures_iter(line));
    captured
        .map(|found| {
            let text = found.get(1).ok_or_else(|| format!("{re} captures nothing"))?.as_str();
            text.parse().map_err(|_| format!("{re} captures {text}, which is no number"))
        })
        .collect()
}

fn exit(want: &str, printed: &Printed) -> Result<(), String> {
    let want: i32 = want.parse().map_err(|_| format!("{want} is no exit status"))?;
    match printed.status {
        Some(status) if status == want => Ok(()),
        Some(status) => Err(format!("should be {want} and is {status}")),
        None => Err(format!("should be {want}, but a signal ended it")),
    }
}

/// `3`, `3..5` (both included), `3..`, `..5`.
#[derive(Debug, PartialEq)]
struct Range(Option<i128>, Option<i128>);

impl Range {
    fn parse(text: &str) -> Result<Range, String> {
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
        let bound = |text: &str| if text.is_empty() { Ok(None) } else { number(text).map(Some) };
        match text.split_once("..") {
            Some(("", "")) => Err("the range holds everything".to_owned()),
            Some((low, high)) => Ok(Range(bound(low)?, bound(high)?)),
            None => number(text).map(|n| Range(Some(n), Some(n))),
        }
    }
    fn holds(&self, n: i128, what: &str) -> Result<(), String> {
        let Range(low, high) = self;
        if low.is_none_or(|low| low <= n) && high.is_none_or(|high| n <= high) {
            return Ok(());
        }
        let show = |bound: &Option<i128>| bound.map_or(String::new(), |n| n.to_string());
        Err(format!("{what} should be in {}..{} and is {n}", show(low), show(high)))
    }
}

fn range_and_pattern(want: &str) -> Result<(Range, Regex), String> {
    let (range, re) = want.split_once(' ').ok_or("wants RANGE PATTERN")?;
    Ok((Range::parse(range)?, pattern(re.trim_start())?))
}

fn some_line_is_json(want: &str, printed: &Printed) -> Result<(), String> {
    let want: Value = serde_json::from_str(want).map_err(|e| format!("{want}: {e}"))?;
    for line in printed.stdout.lines().filter(|line| !line.is_empty()) {
        let got: Value = serde_json::from_str(line).map_err(|e| format!("a line is no JSON: {line}: {e}"))?;
        if json_meets(&want, &got)? {
            return Ok(());
        }
    }
    Err(format!("no line is {want}"))
}

/// Whether `got` is what `want` describes: the same value, but a string `~PATTERN` stands for all that
/// match, `#RANGE` for the numbers in it, a key `~PATTERN` for one key that matches, and a key `...` for
/// any further members.
fn json_meets(want: &Value, got: &Value) -> Result<bool, String> {
    match (want, got) {
        (Value::String(text), _) if text.starts_with('~') => {
            Ok(pattern(&text[1..])?.is_match(&json_text(got)))
        }
        (Value::String(text), _) if text.starts_with('#') => {
            let n = json_text(got).parse::<i128>();
            let range = Range::parse(&text[1..])?;
            Ok(n.is_ok_and(|n| range.holds(n, "").is_ok()))
        }
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
            for (want, got) in want.iter().zip(got) {
                if !json_meets(want, got)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(want), Value::Object(got)) => object_meets(want, got),
        _ => Ok(want == got),
    }
}

type Object = serde_json::Map<String, Value>;

fn object_meets(want: &Object, got: &Object) -> Result<bool, String> {
    let is_open = want.contains_key("...");
    let n_named = want.len() - usize::from(is_open);
    if got.len() < n_named || (!is_open && got.len() > n_named) {
        return Ok(false);
    }
    for (key, want) in want.iter().filter(|(key, _)| *key != "...") {
        let re = key.strip_prefix('~').map(pattern).transpose()?;
        let mut is_met = false;
        for (name, value) in got {
            let is_named = re.as_ref().map_or(name == key, |re| re.is_match(name));
            is_met |= is_named && json_meets(want, value)?;
        }
        if !is_met {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A string's content; anything else as it is written.
fn json_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
