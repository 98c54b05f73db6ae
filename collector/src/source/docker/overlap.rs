//! How a subscription goes on from what the engine remembered just before.

use super::super::EngineEvent;
use super::dialect::Dialect;
use super::memory::print_of;
use crate::recent::Fingerprint;
use std::collections::HashSet;

/// What an event of the stream says of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// It goes on.
    GoesOn,
    /// The stream repeats what was remembered.
    Repeats,
    /// Events may have been forgotten between.
    Broken,
}

/// See the module.
pub struct Overlap {
    dialect: Dialect,
    remembered: Option<HashSet<Fingerprint>>,
}

impl Overlap {
    /// With what was remembered.
    pub fn new(dialect: Dialect, remembered: &[EngineEvent]) -> Self {
        let prints = remembered.iter();
        let prints: HashSet<_> = prints.filter_map(|event| print_of(event.clone())).collect();
        Self {
            dialect,
            remembered: (!prints.is_empty()).then_some(prints),
        }
    }

    /// Where the next event of the stream belongs.
    pub fn join(&mut self, event: &EngineEvent) -> Joint {
        let Some(remembered) = &mut self.remembered else {
            return Joint::GoesOn;
        };
        let print = print_of(event.clone());
        let known = print.is_none_or(|print| remembered.contains(&print));
        match (self.dialect, known) {
            // A log repeats itself up to where it was read.
            (Dialect::Podman, true) => Joint::Repeats,
            // All that is remembered comes again, so that its first event tells, and those that are known are repeats.
            (Dialect::Docker, false) => {
                self.remembered = None;
                Joint::Broken
            }
            (Dialect::Docker, true) | (Dialect::Podman, false) => {
                self.remembered = None;
                Joint::GoesOn
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> EngineEvent {
        let line = format!(
            r#"{{"Type":"container","Action":"start","Actor":{{"ID":"a"}},"timeNano":{}}}"#,
            number + 1
        );
        EngineEvent::parse(&line).unwrap()
    }

    #[test]
    fn an_engine_that_forgets_must_repeat_what_it_remembered_and_a_log_goes_on_behind_it() {
        let remembered: Vec<_> = (0..5).map(event).collect();
        let joints = |dialect: Dialect, numbers: &[u64]| {
            let mut overlap = Overlap::new(dialect, &remembered);
            let joints = numbers.iter().map(|number| overlap.join(&event(*number)));
            joints.collect::<Vec<_>>()
        };
        use Joint::{Broken, GoesOn, Repeats};
        assert_eq!(joints(Dialect::Docker, &[1, 2, 7]), [GoesOn, GoesOn, GoesOn]);
        assert_eq!(joints(Dialect::Docker, &[7, 8]), [Broken, GoesOn]);
        assert_eq!(
            joints(Dialect::Podman, &[3, 4, 7, 4]),
            [Repeats, Repeats, GoesOn, GoesOn]
        );
        let mut nothing = Overlap::new(Dialect::Docker, &[]);
        assert_eq!(nothing.join(&event(1)), GoesOn);
    }
}
