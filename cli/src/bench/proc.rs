//! What the kernel says about a process.

use std::time::Duration;

/// One look at a process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcSample {
    /// User and system time so far.
    pub cpu: Duration,
    /// Resident set now, bytes; 0 once it has ended.
    pub rss: u64,
    /// Largest resident set so far, bytes; 0 once it has ended.
    pub peak_rss: u64,
    /// Bytes that it has made the kernel write to the disk; 0 where the kernel does not tell.
    pub written: u64,
    /// Whether it has ended and waits to be reaped.
    pub ended: bool,
}

impl ProcSample {
    /// Reads `/proc/PID`; `None` when there is no such process.
    pub fn read(pid: u32) -> Option<Self> {
        let file = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
        let stat = file("stat").ok()?;
        let status = file("status").unwrap_or_default();
        let io = file("io").unwrap_or_default();
        Some(Self {
            rss: kilobytes(&status, "VmRSS:").unwrap_or_default(),
            peak_rss: kilobytes(&status, "VmHWM:").unwrap_or_default(),
            written: number(&io, "write_bytes:").unwrap_or_default(),
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
        ended: matches!(fields.first(), Some(&"Z" | &"X")),
        ..ProcSample::default()
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

fn kilobytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn number(io: &str, field: &str) -> Option<u64> {
    let line = io.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().parse().ok()
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
    fn fields_of_status_and_io() {
        let status = "Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t   1204 kB\n";
        assert_eq!(kilobytes(status, "VmHWM:"), Some(1204 * 1024));
        assert_eq!(kilobytes("Name:\tx\n", "VmHWM:"), None);
        let io = "wchar: 9\nwrite_bytes: 4096\ncancelled_write_bytes: 1\n";
        assert_eq!(number(io, "write_bytes:"), Some(4096));
    }

    #[test]
    fn this_process_is_there() {
        let sample = ProcSample::read(std::process::id()).unwrap();
        assert!(sample.peak_rss > 100_000 && sample.rss > 100_000);
        assert!(!sample.ended);
    }
}
