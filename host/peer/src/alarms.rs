//! Alarms in force.

use std::collections::BTreeSet;

/// Most that are kept: whoever causes them without end must not fill memory and status.
const MOST: usize = 100;

/// What needs somebody's attention, each one sentence.
#[derive(Debug, Default)]
pub struct Alarms {
    messages: BTreeSet<String>,
    left_out: usize,
}

impl Alarms {
    /// Raises one; says whether it is new, as one that is left out always seems.
    pub fn raise(&mut self, message: String) -> bool {
        if self.messages.contains(&message) {
            return false;
        }
        if self.messages.len() < MOST {
            self.messages.insert(message);
        } else {
            self.left_out += 1;
        }
        true
    }

    /// Ends one; says whether it was in force.
    pub fn end(&mut self, message: &str) -> bool {
        self.messages.remove(message)
    }

    /// All that are kept, and how many were not.
    pub fn shown(&self) -> Vec<String> {
        let mut shown: Vec<String> = self.messages.iter().cloned().collect();
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
        let mut alarms = Alarms::default();
        assert!(alarms.raise("0".to_owned()));
        assert!(!alarms.raise("0".to_owned()), "once is enough");
        for number in 1..MOST + 5 {
            assert!(alarms.raise(number.to_string()));
        }
        let shown = alarms.shown();
        assert_eq!(shown.len(), MOST + 1);
        assert!(shown[MOST].starts_with("5 more"), "{}", shown[MOST]);
        assert!(alarms.end("0"));
        assert!(!alarms.end("0"));
    }
}
