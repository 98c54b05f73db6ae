//! CPU of a process by what its threads are for: they are told apart by their names.

use std::collections::BTreeMap;
use std::time::Duration;

/// Time of threads that ended before they were looked at.
pub const ENDED: &str = "threads that ended";

/// Latest CPU time of each thread that was seen, with its name.
#[derive(Debug, Clone, Default)]
pub struct Threads(BTreeMap<u32, (String, Duration)>);

impl Threads {
    /// Looks at the threads of a process.
    pub fn look(&mut self, pid: u32) {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
            return;
        };
        for task in tasks.filter_map(Result::ok) {
            let read = |name: &str| std::fs::read_to_string(task.path().join(name)).ok();
            let id = task.file_name().to_str().and_then(|id| id.parse().ok());
            // A thread may end between two of these lines.
            if let (Some(id), Some(name), Some(time)) = (id, read("comm"), read("schedstat").and_then(on_cpu))
            {
                self.0.insert(id, (stage_of(&name), time));
            }
        }
    }

    /// CPU of all threads that were seen, also of those that have ended since.
    pub fn total(&self) -> Duration {
        self.0.values().map(|(_, time)| *time).sum()
    }

    /// CPU by stage, of a process that used `total`: what no living thread accounts for was of threads that ended.
    pub fn by_stage(&self, total: Duration) -> BTreeMap<String, Duration> {
        let mut stages = BTreeMap::<String, Duration>::new();
        for (stage, time) in self.0.values() {
            *stages.entry(stage.clone()).or_default() += *time;
        }
        let seen: Duration = stages.values().sum();
        if total > seen {
            stages.insert(ENDED.to_owned(), total - seen);
        }
        stages
    }
}

/// The first field of `schedstat`: nanoseconds on a CPU.
pub fn on_cpu(schedstat: String) -> Option<Duration> {
    let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// A thread's name without its number: `rocksdb:low3` is one of `rocksdb:low`.
fn stage_of(name: &str) -> String {
    let name = name.trim_end();
    let stage = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '-');
    if stage.is_empty() { name } else { stage }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_no_part_of_a_stage() {
        for (name, stage) in [
            ("rocksdb:low3\n", "rocksdb:low"),
            ("serve-1\n", "serve"),
            ("execute\n", "execute"),
            ("raft-flush\n", "raft-flush"),
            ("7\n", "7"),
        ] {
            assert_eq!(stage_of(name), stage);
        }
    }

    #[test]
    fn what_no_thread_accounts_for_was_of_threads_that_ended() {
        let second = Duration::from_secs(1);
        let threads = Threads(BTreeMap::from([
            (1, ("execute".to_owned(), second)),
            (2, ("serve".to_owned(), second)),
            (3, ("serve".to_owned(), second)),
        ]));
        let stages = threads.by_stage(second * 4);
        assert_eq!(stages["serve"], second * 2);
        assert_eq!(stages[ENDED], second);
        assert!(!threads.by_stage(second * 3).contains_key(ENDED));
    }

    #[test]
    fn a_named_thread_of_this_process_is_found() {
        let (began, begun) = std::sync::mpsc::channel();
        let (running, stop) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("a-stage-7".to_owned());
        let handle = thread
            .spawn(move || {
                // It has its name from here on.
                began.send(()).unwrap();
                stop.recv()
            })
            .unwrap();
        begun.recv().unwrap();
        let mut threads = Threads::default();
        threads.look(std::process::id());
        assert!(threads.by_stage(Duration::ZERO).contains_key("a-stage"));
        drop(running);
        assert!(handle.join().unwrap().is_err());
    }
}
