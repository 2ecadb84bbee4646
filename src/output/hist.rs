//! Histograms as blocks of text.
//!
//! Comes in: a histogram. Goes out: a line a bucket, from the first to the last that is not empty. Always holds:
//! the fullest bucket has a full bar.

use super::percentiles;
use crate::image::Percentile;
use crate::value::text::{Bucket, LabelScale, label};
use crate::value::{Hist, HistKind};

/// Characters of a full bar.
const BAR_WIDTH: u64 = 52;

/// The buckets from the first to the last that is not empty.
pub fn used(h: &Hist) -> Vec<Bucket> {
    let buckets = h.buckets();
    let first = buckets.iter().position(|b| b.count > 0);
    let last = buckets.iter().rposition(|b| b.count > 0);
    match (first, last) {
        (Some(first), Some(last)) => buckets[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

/// Appends the block: label, count, bar; then the percentiles that are wanted.
pub fn write(out: &mut Vec<u8>, h: &Hist, wanted: &[Percentile]) {
    let scale = match h.kind {
        HistKind::Log2 { .. } => LabelScale::Binary,
        HistKind::Linear { step, .. } if step % 1024 == 0 => LabelScale::Binary,
        HistKind::Linear { .. } => LabelScale::Plain,
    };
    let buckets = used(h);
    let max = buckets.iter().map(|b| b.count).max().unwrap_or(0).max(1);
    for b in buckets {
        let bar = (u128::from(b.count) * u128::from(BAR_WIDTH) / u128::from(max)) as usize;
        let (label, count, bar) = (label(b, scale), b.count, "@".repeat(bar));
        out.extend(format!("{label:<16}{count:>8} |{bar:<52}|\n").as_bytes());
    }
    percentiles::write(out, h, wanted, scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(h: &Hist) -> String {
        let mut out = Vec::new();
        write(&mut out, h, &[]);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn log2() {
        let mut counts = vec![0; 66];
        for (bucket, n) in [(0, 1), (3, 2), (4, 1), (6, 1)] {
            counts[bucket] = n;
        }
        let want = "\
(..., 0)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
[0]                    0 |                                                    |
[1]                    0 |                                                    |
[2, 4)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[4, 8)                 1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
[8, 16)                0 |                                                    |
[16, 32)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
";
        assert_eq!(show(&Hist { kind: HistKind::Log2 { bits: 0 }, counts }), want);
    }

    #[test]
    fn linear() {
        let kind = HistKind::Linear { min: 0, max: 10, step: 2 };
        let want = "\
(..., 0)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
[0, 2)                 0 |                                                    |
[2, 4)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[4, 6)                 0 |                                                    |
[6, 8)                 1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
[8, 10)                0 |                                                    |
[10, ...)              1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |
";
        assert_eq!(show(&Hist { kind, counts: vec![1, 0, 2, 0, 1, 0, 1] }), want);
        let kind = HistKind::Linear { min: 0, max: 20480, step: 1024 };
        let mut counts = vec![0; 22];
        counts[5] = 3;
        assert!(show(&Hist { kind, counts }).starts_with("[4K, 5K)               3 |@"));
        let kind = HistKind::Linear { min: 0, max: 10, step: 1 };
        let mut counts = vec![0; 12];
        counts[4] = 1;
        assert!(show(&Hist { kind, counts }).starts_with("[3]                    1 |@"));
    }

    #[test]
    fn empty() {
        assert_eq!(show(&Hist { kind: HistKind::Log2 { bits: 0 }, counts: vec![0; 66] }), "");
    }
}
