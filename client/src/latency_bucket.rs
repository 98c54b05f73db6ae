//! The buckets that collectors count latencies in and that the benchmark adds up: their width grows with the value,
//! so a few hundred of them hold any latency.

/// Bits of a value that are kept: it is known to 1 part in 32.
const KEPT_BITS: u32 = 6;

/// Number of the bucket that holds a value. The first ones hold one value each, then each doubling has 32.
pub fn of(micros: u64) -> usize {
    let dropped = (u64::BITS - micros.leading_zeros()).saturating_sub(KEPT_BITS);
    ((dropped as usize) << (KEPT_BITS - 1)) + (micros >> dropped) as usize
}

/// The largest value in a bucket that [`of`] can return. It names the bucket wherever one is written.
pub fn largest(bucket: usize) -> u64 {
    let dropped = (bucket >> (KEPT_BITS - 1)).saturating_sub(1);
    let kept = (bucket - (dropped << (KEPT_BITS - 1))) as u64;
    (kept << dropped) | ((1_u64 << dropped) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_to_one_part_in_32() {
        let mut last = 0;
        for micros in (0..5000).chain([65_535, 65_536, 1 << 30, (1 << 40) + 12_345, u64::MAX]) {
            let bucket = of(micros);
            assert!(bucket >= last, "{micros}");
            last = bucket;
            let largest = largest(bucket);
            assert!(
                largest >= micros && largest - micros <= micros / 32,
                "{micros}: {largest}"
            );
            assert_eq!(of(largest), bucket, "{micros}");
        }
    }
}
