//! The chart of one run.

use crate::bench::svg::{Chart, Panel, Series};
use crate::bench::timeline::Second;

const BLUE: &str = "#2563eb";
const GREEN: &str = "#059669";
const ORANGE: &str = "#ea580c";

/// Throughput and latency over time.
pub fn chart(title: String, subtitle: String, seconds: &[Second]) -> String {
    // A second's values stand in its middle.
    let begins = std::iter::once(0.0).chain(seconds.iter().map(|second| second.at));
    let middles: Vec<f64> = begins
        .zip(seconds)
        .map(|(from, second)| (from + second.at) / 2.0)
        .collect();
    let points = |value: &dyn Fn(&Second) -> Option<f64>| {
        let values = seconds.iter().map(value);
        middles.iter().copied().zip(values).collect()
    };
    let line = |name, colour, filled, points| Series {
        name,
        colour,
        filled,
        points,
    };
    let throughput = line(
        "final on all peers",
        BLUE,
        true,
        points(&|s| Some(s.events_per_second)),
    );
    let p50 = line("p50", GREEN, false, points(&|s| s.latency_p50_ms));
    let p99 = line("p99", ORANGE, false, points(&|s| s.latency_p99_ms));
    let chart = Chart {
        title,
        subtitle,
        axis: "seconds since the first send",
        panels: vec![
            Panel {
                title: "Throughput, events per second",
                logarithmic: false,
                series: vec![throughput],
            },
            Panel {
                title: "Latency until final, milliseconds (logarithmic)",
                logarithmic: true,
                series: vec![p50, p99],
            },
        ],
    };
    chart.render()
}
