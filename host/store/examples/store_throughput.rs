//! What a block of 1,000 events costs in the store: CPU time and disk, per event.
//!
//! `cargo run -p e2l-store --example store_throughput [BLOCKS]`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Chain, genesis};
use e2l_store::{BlockWrite, LedgerStore, StoreOptions};
use std::path::Path;
use std::time::{Duration, Instant};

const EVENTS: u64 = 1000;

/// CPU time of this process, all threads, in microseconds (clock ticks are 10 ms).
fn cpu_micros() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10_000
}

/// CPU time of this thread alone, in nanoseconds.
fn thread_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

fn memory_kilobytes() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default()
        .to_owned()
}

fn bytes_on_disk(dir: &Path, suffix: &str) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    files
        .filter(|file| file.file_name().to_string_lossy().ends_with(suffix))
        .map(|file| file.metadata().unwrap().len())
        .sum()
}

fn main() {
    let blocks: u64 = std::env::args().nth(1).map_or(300, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let store = LedgerStore::open(dir.path(), &StoreOptions::default()).unwrap();
    let genesis = genesis("throughput");
    store.initialize(&genesis).unwrap();
    let mut chain = Chain::new(&genesis);
    let (mut wall, mut making, mut writing) = (Duration::ZERO, 0, 0);
    let before = (cpu_micros(), thread_nanos());
    for _ in 0..blocks {
        let begin = thread_nanos();
        let prepared = chain.events(&store.tip().unwrap(), EVENTS, 600);
        let (made, start) = (thread_nanos(), Instant::now());
        store
            .write_block(&BlockWrite {
                block: &prepared.block,
                state: prepared.state,
                logs: prepared.logs,
                packed: Vec::new(),
                raft_applied: b"",
                acknowledges: false,
                endorsement: None,
            })
            .unwrap();
        wall += start.elapsed();
        writing += thread_nanos() - made;
        making += made - begin;
    }
    let total = (cpu_micros() - before.0) as f64 - making as f64 / 1e3;
    let events = (blocks * EVENTS) as f64;
    println!("{blocks} blocks of {EVENTS} events of 600 bytes");
    println!(
        "writing: {:.2} CPU-us and {:.2} wall-us per event; with files and compaction: {:.2} CPU-us per event",
        writing as f64 / 1e3 / events,
        wall.as_micros() as f64 / events,
        total / events
    );
    let (files, log) = (
        bytes_on_disk(dir.path(), ".sst"),
        bytes_on_disk(dir.path(), ".log"),
    );
    println!(
        "disk: {:.0} bytes per event in files, {:.1} MB write-ahead log",
        files as f64 / events,
        log as f64 / 1e6
    );
    println!("memory: {}", memory_kilobytes());
    let start = (cpu_micros(), Instant::now());
    let view = store.view();
    let mut read = 0;
    while read < 100_000.min(blocks * EVENTS) {
        read += view.log_read(&common::all_log(), read, 500).unwrap().len() as u64;
    }
    println!(
        "reading the log of all events: {:.2} CPU-us, {:.2} wall-us per event",
        (cpu_micros() - start.0) as f64 / read as f64,
        start.1.elapsed().as_micros() as f64 / read as f64
    );
}
