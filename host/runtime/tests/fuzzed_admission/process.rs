//! The process that does it: bounded by the kernel, and what it was at is in a file when it dies.

use nix::sys::resource::{Resource, setrlimit};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of one entry of the file.
const ENTRY: u64 = 8;

/// Bounds this process: memory that can be written to, and CPU seconds. Over them an allocation fails, or the kernel ends
/// the process.
pub fn bound(data_bytes: u64, cpu_seconds: u64) {
    setrlimit(Resource::RLIMIT_DATA, data_bytes, data_bytes).unwrap();
    setrlimit(Resource::RLIMIT_CPU, cpu_seconds, cpu_seconds).unwrap();
}

/// Begins to measure the most memory that this process has anew.
pub fn forget_peak() {
    // See proc(5): 5 resets the peak.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// The most memory that this process has had, bytes.
pub fn peak_bytes() -> u64 {
    field("VmHWM:")
}

/// The memory that this process has, bytes.
pub fn resident_bytes() -> u64 {
    field("VmRSS:")
}

fn field(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}

/// Which case each worker is at.
pub struct Places(File);

impl Places {
    pub fn open(path: &Path) -> Self {
        Self(
            OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .open(path)
                .unwrap(),
        )
    }

    pub fn note(&self, worker: u64, case: u64) {
        self.0.write_all_at(&case.to_le_bytes(), worker * ENTRY).unwrap();
    }

    /// What was noted last.
    pub fn read(path: &Path) -> Vec<u64> {
        let bytes = std::fs::read(path).unwrap_or_default();
        let entries = bytes.chunks_exact(ENTRY as usize);
        entries
            .map(|entry| u64::from_le_bytes(entry.try_into().unwrap()))
            .collect()
    }
}
