//! What the kernel says about a process.

use std::path::Path;
use std::time::Duration;

/// One look at a process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcSample {
    /// User and system time so far.
    pub cpu: Duration,
    /// Largest resident set so far, bytes; 0 once it has ended.
    pub peak_rss: u64,
    /// Whether it has ended and waits to be reaped.
    pub ended: bool,
}

impl ProcSample {
    /// Reads `/proc/PID`; `None` when there is no such process.
    pub fn read(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        Some(Self {
            peak_rss: peak_rss(&status).unwrap_or_default(),
            ..parse_stat(&stat)?
        })
    }
}

/// `pid (name) state ...`; the name may hold blanks and brackets. utime and stime are fields 14 and 15.
fn parse_stat(stat: &str) -> Option<ProcSample> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ProcSample {
        cpu: Duration::from_nanos(ticks * 1_000_000_000 / ticks_per_second()),
        peak_rss: 0,
        ended: matches!(fields.first(), Some(&"Z" | &"X")),
    })
}

fn ticks_per_second() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|ticks| u64::try_from(ticks).ok())
        .filter(|ticks| *ticks > 0)
        .unwrap_or(100)
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Bytes that a directory's files take on the disk.
pub fn disk_bytes(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    let sizes = entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            // RocksDB reserves room for its write-ahead log beforehand; only what is written counts.
            Ok(meta) => meta.len().min(meta.blocks() * 512),
            // Removed by its owner meanwhile, as a compaction does.
            Err(_) => 0,
        });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_brackets_in_the_name() {
        let stat = "77 (a b) c) S 1 77 77 0 -1 4194560 5 0 0 0 250 50 0 0 20 0 9 0 1";
        let sample = parse_stat(stat).unwrap();
        let seconds = 300.0 / ticks_per_second() as f64;
        assert!((sample.cpu.as_secs_f64() - seconds).abs() < 1e-9);
        assert!(!sample.ended);
        assert!(
            parse_stat("77 (x) Z 1 77 77 0 -1 4194560 5 0 0 0 1 1")
                .unwrap()
                .ended
        );
        assert_eq!(parse_stat("77 (x) Z 1"), None);
    }

    #[test]
    fn peak_memory_of_a_status() {
        assert_eq!(
            peak_rss("Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t   1204 kB\n"),
            Some(1204 * 1024)
        );
        assert_eq!(peak_rss("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_is_there() {
        let sample = ProcSample::read(std::process::id()).unwrap();
        assert!(sample.peak_rss > 100_000);
        assert!(!sample.ended);
    }
}
