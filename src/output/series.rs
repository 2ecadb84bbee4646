//! Time series as blocks of text.
//!
//! Comes in: a series whose times are looked up. Goes out: an axis, a row an interval from the first to the last
//! that has a value, and the axis again. Always holds: a value stands between the two borders or on one of them.

use crate::value::{Series, Span};

/// Columns from border to border.
const WIDTH: i128 = 52;

/// Appends the block.
pub fn write(out: &mut Vec<u8>, series: &Series) {
    let (Some(min), Some(max)) =
        (series.points.iter().map(|p| p.value).min(), series.points.iter().map(|p| p.value).max())
    else {
        return;
    };
    // One value alone stands in the middle.
    let (min, max) = if min == max { (min - 1, max + 1) } else { (min, max) };
    let (title, margin) = match series.span() {
        Span::Seconds => ("hh:mm:ss", 9),
        Span::Millis => ("hh:mm:ss.ms", 13),
        Span::Micros => ("hh:mm:ss.us", 16),
        Span::Nanos => ("hh:mm:ss.ns", 19),
    };
    let line = "_".repeat(WIDTH as usize - 1);
    let scale = format!("{:margin$}{min:<width$}{max}\n", "", width = WIDTH as usize);
    out.extend(scale.as_bytes());
    out.extend(format!("{title:<margin$}|{line}|\n").as_bytes());
    for (time, value) in series.rows() {
        out.extend(format!("{time} ").as_bytes());
        row(out, value, (min, max));
    }
    out.extend(format!("{:margin$}v{line}v\n", "").as_bytes());
    out.extend(scale.as_bytes());
}

/// Borders, a point where zero is if it is between them, a star for the value.
fn row(out: &mut Vec<u8>, value: Option<i128>, (min, max): (i128, i128)) {
    let column = |v: i128| ((v - min) * WIDTH / (max - min)) as usize;
    let mut line = vec![b' '; WIDTH as usize + 1];
    line[0] = b'|';
    line[WIDTH as usize] = b'|';
    if min < 0 && max > 0 {
        line[column(0)] = b'.';
    }
    let text = match value {
        Some(v) => {
            line[column(v)] = b'*';
            v.to_string()
        }
        None => "-".into(),
    };
    out.extend(line);
    out.extend(format!(" {text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Point, Stamp};

    fn show(interval_ns: u64, points: &[(u64, i128)]) -> String {
        let points: Vec<Point> =
            points.iter().map(|&(n, value)| Point { start_ns: n * interval_ns, value }).collect();
        let mut series = Series { interval_ns, points, times: Vec::new() };
        series
            .name_times(&mut |ns, _| format!("00:00:{:02}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1000));
        assert!(series.times.iter().all(|t: &Stamp| t.clock.len() == 12));
        let mut out = Vec::new();
        write(&mut out, &series);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_range_that_crosses_zero() {
        let got = show(100_000_000, &[(1, -5), (2, -4), (3, 0), (5, 5)]);
        let want = "             -5                                                  5
hh:mm:ss.ms  |___________________________________________________|
00:00:00.100 *                         .                         | -5
00:00:00.200 |    *                    .                         | -4
00:00:00.300 |                         *                         | 0
00:00:00.400 |                         .                         | -
00:00:00.500 |                         .                         * 5
             v___________________________________________________v
             -5                                                  5
";
        assert_eq!(got, want);
    }

    #[test]
    fn one_value_stands_in_the_middle() {
        let got = show(100_000_000, &[(5, 9)]);
        assert!(
            got.starts_with("             8                                                   10\n"),
            "{got}"
        );
        assert!(
            got.contains("00:00:00.500 |                         *                         | 9\n"),
            "{got}"
        );
    }

    #[test]
    fn nothing() {
        assert_eq!(show(100_000_000, &[]), "");
    }
}
