//! Floating point whose bits differ between processors unless the host makes them one.

use core::hint::black_box;

/// The bits of NaNs made in several ways; one distinct value if the host makes them canonical.
pub fn every_nan() -> Vec<u8> {
    let (zero, infinity) = (black_box(0.0f64), black_box(f64::INFINITY));
    let odd = black_box(f64::from_bits(0xfff0_0000_dead_beef));
    let doubles = [
        zero / zero,
        infinity - infinity,
        infinity * zero,
        odd + 1.0,
        odd * odd,
        1.0 - odd,
    ];
    let (zero, infinity) = (black_box(0.0f32), black_box(f32::INFINITY));
    let odd = black_box(f32::from_bits(0xff80_beef));
    let singles = [zero / zero, infinity - infinity, odd + 1.0, 1.0 / odd];
    let mut lines: Vec<String> = doubles.iter().map(|n| format!("{:016x}", n.to_bits())).collect();
    lines.extend(singles.iter().map(|n| format!("{:08x}", n.to_bits())));
    lines.dedup();
    lines.join(" ").into_bytes()
}
