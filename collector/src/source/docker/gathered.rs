//! Lines that were read and not looked at yet: to take events one by one costs several times what it costs to take a few
//! together, since everything that it needs has left the processor's caches meanwhile.

use super::dialect::Dialect;
use super::facts;
use super::lines;
use bytes::BytesMut;
use std::time::{Duration, Instant};

/// Most lines that wait.
const MOST_LINES: usize = 64;
/// Most bytes of them.
const MOST_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Debug)]
pub struct Gathered {
    dialect: Dialect,
    within: Duration,
    lines: Vec<ReadLine>,
    bytes: usize,
    /// When lines were last taken.
    taken: Option<Instant>,
}

/// A line, and when it was read.
#[derive(Debug)]
pub struct ReadLine {
    /// The line.
    pub text: BytesMut,
    /// When, nanoseconds since the Unix epoch.
    pub received_nano: i64,
}

impl Gathered {
    /// Lines of an engine that are taken when the next comes after so long a time, or when none comes for so long. With zero, each
    /// is taken at once.
    pub fn within(dialect: Dialect, within: Duration) -> Self {
        Self {
            dialect,
            within,
            lines: Vec::new(),
            bytes: 0,
            taken: None,
        }
    }

    /// Another line. Whether what waits is to be taken now: a first one after a while has none before it and waits for
    /// nothing, one whose container is to be inspected may be about one that is soon gone, and nothing waits behind it.
    pub fn add(&mut self, line: ReadLine, now: Instant) -> bool {
        let action = self.dialect.dockers_word(lines::action(&line.text));
        let cannot_wait = facts::are_wanted_of(action);
        self.bytes += line.text.len();
        self.lines.push(line);
        let is_full = self.lines.len() >= MOST_LINES || self.bytes >= MOST_BYTES;
        let is_due = |taken: Instant| now.duration_since(taken) >= self.within;
        cannot_wait || self.taken.is_none_or(is_due) || is_full
    }

    /// How long to wait for another line before what waits is taken; `None` if nothing does.
    pub fn patience(&self) -> Option<Duration> {
        (!self.lines.is_empty()).then_some(self.within)
    }

    /// What waits, in its order.
    pub fn take(&mut self, now: Instant) -> Vec<ReadLine> {
        if !self.lines.is_empty() {
            self.taken = Some(now);
            self.bytes = 0;
        }
        std::mem::take(&mut self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_for_each_other_unless_one_cannot_or_is_the_first_after_a_while() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let mut gathered = Gathered::within(Dialect::Docker, Duration::from_millis(50));
        let add = |gathered: &mut Gathered, action: &str, milliseconds: u64| {
            let text = format!(r#"{{"Type":"container","Action":"{action}"}}"#);
            let line = ReadLine {
                text: text.as_bytes().into(),
                received_nano: milliseconds as i64,
            };
            let is_due = gathered.add(line, at(milliseconds));
            is_due.then(|| {
                let taken = gathered.take(at(milliseconds));
                taken.iter().map(|line| line.received_nano).collect::<Vec<_>>()
            })
        };
        assert_eq!(add(&mut gathered, "rename", 0), Some(vec![0]), "the first");
        assert_eq!(add(&mut gathered, "rename", 10), None);
        assert_eq!(gathered.patience(), Some(Duration::from_millis(50)));
        assert_eq!(add(&mut gathered, "rename", 20), None);
        assert_eq!(
            add(&mut gathered, "rename", 50),
            Some(vec![10, 20, 50]),
            "long enough"
        );
        assert_eq!(gathered.patience(), None);
        assert_eq!(add(&mut gathered, "rename", 60), None);
        assert_eq!(
            add(&mut gathered, "die", 61),
            Some(vec![60, 61]),
            "it cannot wait"
        );
        for number in 1..MOST_LINES {
            assert_eq!(add(&mut gathered, "exec_die", 62), None, "{number}");
        }
        assert_eq!(
            add(&mut gathered, "exec_die", 62).unwrap().len(),
            MOST_LINES,
            "a burst"
        );
        assert_eq!(
            add(&mut gathered, "rename", 200),
            Some(vec![200]),
            "after a while"
        );
        let mut podman = Gathered::within(Dialect::Podman, Duration::from_secs(1));
        assert!(add(&mut podman, "sync", 0).is_some());
        assert_eq!(add(&mut podman, "died", 1).unwrap(), [1]);
        let mut at_once = Gathered::within(Dialect::Docker, Duration::ZERO);
        assert!(add(&mut at_once, "rename", 0).is_some() && add(&mut at_once, "rename", 0).is_some());
    }
}
