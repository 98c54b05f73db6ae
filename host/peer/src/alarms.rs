//! Alarms in force.

use parking_lot::Mutex;
use std::collections::BTreeSet;

/// Most that are kept: whoever causes them without end must not fill memory and status.
const MOST: usize = 100;

/// What needs somebody's attention, each one sentence.
#[derive(Debug, Default)]
pub struct Alarms(Mutex<Messages>);

impl Alarms {
    /// Raises an alarm: logged once, shown in the status until the peer restarts.
    pub fn raise(&self, message: String) {
        if self.0.lock().add(message.clone()) {
            tracing::error!(alarm = %message, "ALARM");
        }
    }

    /// An alarm grows: the old words, empty for none, give way to the new ones.
    pub fn replace(&self, old: &str, message: String) {
        if old != message {
            self.0.lock().remove(old);
            self.raise(message);
        }
    }

    /// An alarm's cause is gone.
    pub fn end(&self, message: &str) {
        if self.0.lock().remove(message) {
            tracing::info!(alarm = %message, "the alarm is over");
        }
    }

    /// Alarms in force, a bounded number; the last one says how many are left out.
    pub fn shown(&self) -> Vec<String> {
        self.0.lock().shown()
    }
}

#[derive(Debug, Default)]
struct Messages {
    kept: BTreeSet<String>,
    left_out: usize,
}

impl Messages {
    /// Adds one; says whether it is new, as one that is left out always seems.
    fn add(&mut self, message: String) -> bool {
        if self.kept.contains(&message) {
            return false;
        }
        if self.kept.len() < MOST {
            self.kept.insert(message);
        } else {
            self.left_out += 1;
        }
        true
    }

    /// Removes one; says whether it was kept.
    fn remove(&mut self, message: &str) -> bool {
        self.kept.remove(message)
    }

    /// All that are kept, and how many were not.
    fn shown(&self) -> Vec<String> {
        let mut shown: Vec<String> = self.kept.iter().cloned().collect();
        if self.left_out > 0 {
            shown.push(format!(
                "{} more alarms since the start: see this peer's log",
                self.left_out
            ));
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_bounded_and_says_what_is_left_out() {
        let mut messages = Messages::default();
        assert!(messages.add("0".to_owned()));
        assert!(!messages.add("0".to_owned()), "once is enough");
        for number in 1..MOST + 5 {
            assert!(messages.add(number.to_string()));
        }
        let shown = messages.shown();
        assert_eq!(shown.len(), MOST + 1);
        assert!(shown[MOST].starts_with("5 more"), "{}", shown[MOST]);
        assert!(messages.remove("0"));
        assert!(!messages.remove("0"));
    }
}
