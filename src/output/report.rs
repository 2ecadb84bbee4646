//! What `--test` and `--bench` print: lines as Google's test framework has them, and a table.

use std::time::Duration;

/// A test that has run.
#[derive(Clone, PartialEq, Debug)]
pub struct TestEnd {
    pub name: String,
    pub passed: bool,
    pub took: Duration,
    /// What it printed, where that was kept.
    pub output: Vec<u8>,
}

/// A benchmark that has run.
#[derive(Clone, PartialEq, Debug)]
pub struct BenchEnd {
    pub name: String,
    pub result: BenchResult,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BenchResult {
    Measured { average_ns: u32, n_runs: u32 },
    Skipped,
    Failed,
}

pub fn tests(out: &mut Vec<u8>, n: usize) {
    line(out, "==========", &format!("Running {}.", tests_of(n)));
}

pub fn test_starts(out: &mut Vec<u8>, name: &str) {
    line(out, " RUN      ", name);
}

pub fn test_ended(out: &mut Vec<u8>, test: &TestEnd) {
    // Output without a line break at its end must not take the result's line.
    if out.last().is_some_and(|b| *b != b'\n') {
        out.push(b'\n');
    }
    let mark = if test.passed { "       OK " } else { "  FAILED  " };
    line(out, mark, &format!("{} ({})", test.name, time(test.took)));
}

pub fn tests_ended(out: &mut Vec<u8>, tests: &[TestEnd]) {
    let failed: Vec<&TestEnd> = tests.iter().filter(|t| !t.passed).collect();
    let took: Duration = tests.iter().map(|t| t.took).sum();
    line(out, "==========", &format!("{} ran. ({} total)", tests_of(tests.len()), time(took)));
    line(out, "  PASSED  ", &format!("{}.", tests_of(tests.len() - failed.len())));
    if !failed.is_empty() {
        line(out, "  FAILED  ", &format!("{}, listed below:", tests_of(failed.len())));
    }
    for test in failed {
        line(out, "  FAILED  ", &test.name);
    }
}

/// A table: names, mean times, runs.
pub fn benchmarks(out: &mut Vec<u8>, benches: &[BenchEnd]) {
    const HEAD: [&str; 3] = ["Benchmark", "Time(ns)", "Iterations"];
    let rows: Vec<[String; 3]> = benches
        .iter()
        .map(|b| {
            let (ns, n) = match b.result {
                BenchResult::Measured { average_ns, n_runs } => (average_ns.to_string(), n_runs.to_string()),
                BenchResult::Skipped => ("skipped".to_owned(), "-".to_owned()),
                BenchResult::Failed => ("failed".to_owned(), "-".to_owned()),
            };
            [b.name.clone(), ns, n]
        })
        .collect();
    let width =
        |i: usize| rows.iter().map(|r| r[i].chars().count()).chain([HEAD[i].len()]).max().unwrap_or(0);
    let (name, ns, n) = (width(0), width(1), width(2));
    let mut row = |r: [&str; 3]| {
        let [a, b, c] = r;
        out.extend(format!("{a:<name$}  {b:>ns$}  {c:>n$}\n").as_bytes());
    };
    row(HEAD);
    row([&"-".repeat(name), &"-".repeat(ns), &"-".repeat(n)]);
    for r in &rows {
        row([&r[0], &r[1], &r[2]]);
    }
}

fn line(out: &mut Vec<u8>, mark: &str, text: &str) {
    out.extend(format!("[{mark}] {text}\n").as_bytes());
}

fn tests_of(n: usize) -> String {
    if n == 1 { "1 test".to_owned() } else { format!("{n} tests") }
}

/// In the unit that leaves at most three digits.
fn time(t: Duration) -> String {
    match t.as_nanos() {
        ns if ns < 1_000 => format!("{ns} ns"),
        ns if ns < 1_000_000 => format!("{} us", ns / 1_000),
        ns if ns < 1_000_000_000 => format!("{} ms", ns / 1_000_000),
        ns => format!("{} s", ns / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report() {
        let test = |name: &str, passed, us| TestEnd {
            name: name.into(),
            passed,
            took: Duration::from_micros(us),
            output: Vec::new(),
        };
        let all = [test("a", true, 12), test("b", false, 3_000)];
        let mut out = Vec::new();
        tests(&mut out, 2);
        test_starts(&mut out, "a");
        out.extend(b"printed");
        test_ended(&mut out, &all[0]);
        tests_ended(&mut out, &all);
        let want = "[==========] Running 2 tests.\n[ RUN      ] a\nprinted\n[       OK ] a (12 us)\n\
                    [==========] 2 tests ran. (3 ms total)\n[  PASSED  ] 1 test.\n\
                    [  FAILED  ] 1 test, listed below:\n[  FAILED  ] b\n";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }

    #[test]
    fn a_table() {
        let benches = [
            BenchEnd {
                name: "a_long_name".into(),
                result: BenchResult::Measured { average_ns: 12, n_runs: 4096 },
            },
            BenchEnd { name: "b".into(), result: BenchResult::Skipped },
        ];
        let mut out = Vec::new();
        benchmarks(&mut out, &benches);
        let want = "Benchmark    Time(ns)  Iterations\n-----------  --------  ----------\n\
                    a_long_name        12        4096\nb             skipped           -\n";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}
