//! Percentiles of a histogram: the buckets in which they lie.
//!
//! Comes in: a histogram, and which percentiles are wanted. Goes out: a line. Always holds: a percentile is the bucket
//! of the smallest observation that at least that part of all observations does not exceed; an empty histogram has none.

use super::hist;
use crate::image::Percentile;
use crate::value::Hist;
use crate::value::text::{Bucket, LabelScale, label};

/// Appends the line, if there is anything to say.
pub fn write(out: &mut Vec<u8>, h: &Hist, wanted: &[Percentile], scale: LabelScale) {
    let buckets = hist::used(h);
    let found: Vec<String> = wanted
        .iter()
        .filter_map(|p| Some(format!("p{} {}", p.text, label(at(&buckets, p.ppm)?, scale))))
        .collect();
    if !found.is_empty() {
        out.extend(found.join(", ").as_bytes());
        out.push(b'\n');
    }
}

/// The bucket of a percentile, in millionths.
fn at(buckets: &[Bucket], ppm: u32) -> Option<Bucket> {
    let total: u128 = buckets.iter().map(|b| u128::from(b.count)).sum();
    let rank = (total * u128::from(ppm)).div_ceil(1_000_000).max(1);
    let mut seen = 0;
    buckets.iter().copied().find(|b| {
        seen += u128::from(b.count);
        seen >= rank
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::HistKind;

    #[test]
    fn buckets_of_percentiles() {
        let kind = HistKind::Linear { min: 0, max: 100, step: 1 };
        // A hundred observations, 0 to 99, one each.
        let mut counts = vec![1; 102];
        (counts[0], counts[101]) = (0, 0);
        let line = |wanted: &str, counts: &[u64]| {
            let mut out = Vec::new();
            let wanted = Percentile::parse_all(wanted).unwrap();
            write(&mut out, &Hist { kind, counts: counts.to_vec() }, &wanted, LabelScale::Plain);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(line("50 90 99.9 100", &counts), "p50 [49], p90 [89], p99.9 [99], p100 [99]\n");
        assert_eq!(line("0,1", &counts), "p0 [0], p1 [0]\n");
        assert_eq!(line("50", &[0; 102]), "");
        let mut skewed = vec![0; 102];
        (skewed[1], skewed[51]) = (999, 1);
        assert_eq!(line("50 99.9 99.99", &skewed), "p50 [0], p99.9 [0], p99.99 [50]\n");
    }
}
