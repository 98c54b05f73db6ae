//! What goes wrong in a round.

use crate::stage::Stage;
use e2l_tests::HostClock;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// More than the engine remembers.
const BURST: usize = 300;
/// More than it keeps for a reader that is slow.
const FLOOD: usize = 2000;
/// How long a collector is frozen at least.
const FROZEN: Duration = Duration::from_secs(30);
/// How far a clock is set, seconds.
const HOUR: i64 = 3600;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of the collector; containers live on, and it is started again.
    CollectorKilled,
    /// SIGKILL of the engine; containers die meanwhile, and it is started again.
    EngineKilled,
    /// Both.
    BothKilled,
    /// More events than the engine remembers while the collector does not run.
    Overrun,
    /// Many more.
    Flooded,
    /// SIGSTOP of the collector during a burst.
    Frozen,
    /// The spool's disk has no room.
    DiskFull,
    /// SIGKILL of the collector while the disk has no room.
    KilledWithDiskFull,
    /// SIGKILL of the peer that it talks to.
    PeerKilled,
    /// The clock of the collector's host is set an hour forward, then an hour back, then right.
    ClockSet,
}

const ALL: [Fault; 10] = [
    Fault::CollectorKilled,
    Fault::EngineKilled,
    Fault::BothKilled,
    Fault::Overrun,
    Fault::Flooded,
    Fault::Frozen,
    Fault::DiskFull,
    Fault::KilledWithDiskFull,
    Fault::PeerKilled,
    Fault::ClockSet,
];

impl Fault {
    /// Each kind once, then any.
    pub fn of_round(round: u64, random: &mut fastrand::Rng) -> Self {
        let number = usize::try_from(round).unwrap_or_default();
        ALL.get(number)
            .copied()
            .unwrap_or_else(|| ALL[random.usize(0..ALL.len())])
    }

    /// Makes it happen, and mends it.
    pub fn happen(self, stage: &mut Stage) {
        stage.churn(3);
        match self {
            Self::CollectorKilled => {
                stage.kill_collector();
                stage.churn(4);
                stage.start_collector();
            }
            Self::EngineKilled => {
                engine_dies(stage);
                stage.assert_gap("the engine was restarted");
            }
            Self::BothKilled => {
                stage.kill_collector();
                engine_dies(stage);
                stage.start_collector();
            }
            Self::Overrun => overrun(stage, BURST),
            Self::Flooded => overrun(stage, FLOOD),
            Self::Frozen => frozen(stage),
            Self::DiskFull => {
                let ballast = fill(stage);
                more_than_a_page(stage);
                stage.churn(4);
                std::fs::remove_file(ballast).unwrap();
                stage.assert_gap("disk was full");
            }
            Self::KilledWithDiskFull => {
                let ballast = fill(stage);
                more_than_a_page(stage);
                stage.churn(4);
                stage.kill_collector();
                std::fs::remove_file(ballast).unwrap();
                stage.start_collector();
                stage.assert_gap("disk was full, and the collector ended");
            }
            Self::PeerKilled => {
                stage.network.kill_peer("provider");
                stage.churn(4);
                stage.network.start_peer("provider");
            }
            Self::ClockSet => set_clock(stage),
        }
        stage.churn(2);
    }
}

/// The engine is killed, then the process of a container; another lives on until the engine is back.
fn engine_dies(stage: &mut Stage) {
    let id = stage.one_alive();
    stage.create(&["/bin/sleep", "3600"]);
    let pid = stage.state(&id)["Pid"].as_i64().unwrap();
    stage.engine.kill();
    stage.engine.kill_process(pid);
    stage.engine.restart();
    stage.settle_all();
}

fn overrun(stage: &mut Stage, burst: usize) {
    let id = stage.one_alive();
    stage.kill_collector();
    stage.engine.run(&["kill", &id]);
    stage.settle_all();
    stage.churn(2);
    let renamed = stage.truth.there()[0].0.clone();
    stage.engine.rename_again_and_again(&renamed, burst);
    stage.start_collector();
    stage.assert_gap("not read for too long: the engine forgot events");
}

fn frozen(stage: &mut Stage) {
    let collector = stage.collector.take().unwrap();
    collector.freeze();
    let until = Instant::now() + FROZEN;
    stage.churn(3);
    let id = stage.one_alive();
    stage.engine.rename_again_and_again(&id, BURST);
    stage.churn(2);
    sleep(until.saturating_duration_since(Instant::now()));
    collector.go_on();
    stage.collector = Some(collector);
}

fn set_clock(stage: &mut Stage) {
    let clock = HostClock::new();
    stage.kill_collector();
    stage.start_collector_with(&clock);
    for ahead in [HOUR, -HOUR, 0] {
        stage.churn(2);
        clock.set(ahead);
        stage.churn(2);
    }
    // Forward, back by twice as much, and forward again.
    stage.assert_clock_stepped(HOUR, 2);
    stage.assert_clock_stepped(-2 * HOUR, 1);
    stage.kill_collector();
    stage.start_collector();
}

/// The last page of a full disk's file may have room.
fn more_than_a_page(stage: &mut Stage) {
    let id = stage.one_alive();
    stage.engine.rename_again_and_again(&id, 20);
}

/// Writes to the spool's disk until it takes no more; returns what was written.
fn fill(stage: &Stage) -> std::path::PathBuf {
    let path = stage.spool().join("ballast");
    write_until_full(&path);
    path
}

fn write_until_full(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}
