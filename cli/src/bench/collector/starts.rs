//! Whether containers start later because somebody watches: starts with and without a collector, in pairs that follow each
//! other, since a machine's mood changes more from minute to minute than a collector changes anything.

use crate::bench::collector::engine::Engine;
use crate::error::CliResult;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// Start times of one side of a pair, milliseconds.
pub type Starts = Vec<f64>;

/// Starts so many containers one after the other; how long the engine took for each, milliseconds.
///
/// # Errors
/// The engine refuses.
pub async fn time_starts(socket: &Path, count: u32) -> CliResult<Starts> {
    let mut engine = Engine::at(socket);
    let mut starts = Starts::new();
    for _ in 0..count {
        let id = engine.create().await?;
        let began = Instant::now();
        let started = engine.start(&id).await;
        let took = began.elapsed().as_secs_f64() * 1e3;
        engine.remove(&id).await?;
        started?;
        starts.push(took);
    }
    Ok(starts)
}

/// What pairs of starts say. All in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct StartTimes {
    /// Pairs.
    pub pairs: usize,
    /// Median of the starts with a collector.
    pub with_ms: f64,
    /// Median of those without.
    pub without_ms: f64,
    /// Median of the pairs' differences, with minus without.
    pub difference_ms: f64,
    /// A quarter of the differences is below.
    pub difference_q1_ms: f64,
    /// A quarter of them is above.
    pub difference_q3_ms: f64,
}

impl StartTimes {
    /// From pairs, each with and without.
    pub fn of(pairs: &[(Starts, Starts)]) -> Self {
        let all = |side: fn(&(Starts, Starts)) -> &Starts| {
            quantile(
                pairs.iter().flat_map(|pair| side(pair).iter().copied()).collect(),
                0.5,
            )
        };
        let difference =
            |pair: &(Starts, Starts)| quantile(pair.0.clone(), 0.5) - quantile(pair.1.clone(), 0.5);
        let differences: Vec<f64> = pairs.iter().map(difference).collect();
        Self {
            pairs: pairs.len(),
            with_ms: all(|pair| &pair.0),
            without_ms: all(|pair| &pair.1),
            difference_ms: quantile(differences.clone(), 0.5),
            difference_q1_ms: quantile(differences.clone(), 0.25),
            difference_q3_ms: quantile(differences, 0.75),
        }
    }
}

/// Between two values in proportion; 0 of none.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return 0.0;
    };
    let place = share * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    values[low] + (values[high] - values[low]) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_compared_with_itself() {
        // The machine grows slower; each start with a collector takes one millisecond more than its partner.
        let pairs: Vec<(Starts, Starts)> = (0..5)
            .map(|pair| f64::from(pair) * 100.0)
            .map(|mood| (vec![mood + 11.0, mood + 13.0], vec![mood + 10.0, mood + 12.0]))
            .collect();
        let times = StartTimes::of(&pairs);
        assert_eq!((times.pairs, times.difference_ms), (5, 1.0));
        assert_eq!((times.difference_q1_ms, times.difference_q3_ms), (1.0, 1.0));
        assert_eq!((times.with_ms, times.without_ms), (212.0, 211.0));
        assert_eq!(StartTimes::of(&[]).with_ms, 0.0);
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(vec![4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        assert_eq!(quantile(vec![1.0, 2.0, 3.0, 4.0, 5.0], 0.25), 2.0);
        assert_eq!(quantile(vec![7.0], 0.75), 7.0);
    }
}
