//! What is measured.

use crate::bench::collector::CollectorArgs;
use crate::bench::figures::{figure, grouped};
use crate::bench::suite::SuiteArgs;
use crate::error::{CliError, CliResult};
use std::path::PathBuf;
use std::time::Duration;

/// How long a benchmark runs when neither --events nor --duration says.
const DEFAULT_SECONDS: u64 = 20;

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct BenchArgs {
    /// More than one load.
    #[command(subcommand)]
    pub command: Option<BenchCommand>,
    /// One load.
    #[command(flatten)]
    pub load: LoadArgs,
}

/// More than one load.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum BenchCommand {
    /// Measure everything, one after the other, and write a directory of reports
    Suite(SuiteArgs),
    /// Measure what one collector costs beside this machine's Docker Engine, and how much it can take
    Collector(CollectorArgs),
}

/// One load.
#[derive(Debug, Clone, clap::Args)]
pub struct LoadArgs {
    /// Collectors, spread over the three actors
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=300))]
    pub collectors: u32,
    /// Events a second of all collectors together [default: closed loop, as fast as they become final]
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,
    /// Stop after so many events of all collectors together
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    pub events: Option<u64>,
    /// Stop after so many seconds [default: 20]
    #[arg(long, value_name = "SECS")]
    pub duration: Option<u64>,
    /// Containers that the events are about, of all collectors together
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub containers: u32,
    /// Until the collectors are stopped; for what ends in another way.
    #[arg(skip)]
    pub endless: bool,
    /// Keep network, ledgers and logs in this new directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Write throughput and latency over time as a chart to this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

impl Default for LoadArgs {
    fn default() -> Self {
        Self {
            collectors: 3,
            rate: None,
            events: None,
            duration: None,
            containers: 1000,
            endless: false,
            dir: None,
            svg: None,
        }
    }
}

impl LoadArgs {
    /// Checks what the parser cannot.
    ///
    /// # Errors
    /// A rate that is none; fewer events than collectors.
    pub fn check(&self) -> CliResult<()> {
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err(CliError::usage(
                "--rate must be above 0",
                "leave it out for a closed loop",
            ));
        }
        if self
            .events
            .is_some_and(|events| events < u64::from(self.collectors))
        {
            return Err(CliError::usage(
                "--events is less than --collectors",
                "give every collector at least one event",
            ));
        }
        if self.duration == Some(0) {
            return Err(CliError::usage(
                "--duration 0 measures nothing",
                "give at least a second",
            ));
        }
        Ok(())
    }

    /// Events of collector `index`, where their number is set.
    pub fn share(&self, index: u32) -> Option<u64> {
        let collectors = u64::from(self.collectors);
        self.events
            .map(|all| all / collectors + u64::from(u64::from(index) < all % collectors))
    }

    /// How long events are made, where their number is not set.
    pub fn time(&self) -> Option<Duration> {
        match self.events {
            _ if self.endless => None,
            Some(_) => None,
            None => Some(Duration::from_secs(self.duration.unwrap_or(DEFAULT_SECONDS))),
        }
    }

    /// The load in words.
    pub fn words(&self) -> String {
        let load = match self.rate {
            Some(rate) => format!("open loop, {} events/s offered", figure(rate)),
            None => "closed loop".to_owned(),
        };
        let collectors = match self.collectors {
            1 => "1 collector".to_owned(),
            many => format!("{many} collectors"),
        };
        let containers = grouped(u64::from(self.containers));
        format!("{load}, {collectors}, {containers} containers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let args = LoadArgs {
            events: Some(11),
            ..LoadArgs::default()
        };
        let shares: Vec<u64> = (0..3).map(|i| args.share(i).unwrap()).collect();
        assert_eq!(shares, [4, 4, 3]);
        assert_eq!(args.time(), None);
    }
}
