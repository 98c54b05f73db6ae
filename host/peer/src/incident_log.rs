//! One incident for one cause: what is damaged side by side, or list by list at one time, is noted together, so that a
//! whole column that is gone is one entry and one alarm, and not one per block.

use crate::incident::Incident;
use crate::node::Node;
use crate::repair::{Damage, Damaged};
use crate::votes_in::now_nano;
use e2l_store::StoreError;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashSet};
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

/// Damage that is found so long after the last of a run is another incident.
const RUN: Duration = Duration::from_secs(10);

/// Incidents that may still grow.
#[derive(Debug, Default)]
pub struct IncidentLog(Mutex<Runs>);

impl IncidentLog {
    /// Notes damage, before it is repaired, and raises the alarm.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn opened(&self, node: &Node, damage: &Damage, quarantined: usize) -> Result<(), StoreError> {
        tracing::error!(what = %damage.what, why = %damage.why, found_by = damage.found_by, "damage was found");
        let mut runs = self.0.lock();
        let run = runs.open(damage, quarantined, Instant::now());
        let alarm = format!(
            "damaged: {}: {}; not served until it is repaired",
            run.incident.what, run.incident.why
        );
        node.alarms
            .replace(&std::mem::replace(&mut run.alarm, alarm.clone()), alarm);
        run.incident.save(&node.store, &run.name)
    }

    /// Notes that it is repaired, and records kept aside meanwhile.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn closed(
        &self,
        node: &Node,
        what: &Damaged,
        from: &str,
        quarantined: usize,
    ) -> Result<(), StoreError> {
        tracing::warn!(%what, from, "damage was repaired");
        let mut runs = self.0.lock();
        match runs.close(what, from, quarantined) {
            Some(run) => run.incident.save(&node.store, &run.name),
            None => Ok(()),
        }
    }
}

/// What is damaged together.
#[derive(Debug)]
struct Run {
    name: String,
    kind: Discriminant<Damaged>,
    /// The first that was found.
    first: Damaged,
    count: usize,
    open: HashSet<Damaged>,
    from: BTreeSet<String>,
    incident: Incident,
    alarm: String,
    touched: Instant,
}

#[derive(Debug, Default)]
struct Runs(Vec<Run>);

impl Runs {
    fn open(&mut self, damage: &Damage, quarantined: usize, now: Instant) -> &mut Run {
        self.0
            .retain(|run| !run.open.is_empty() || now.duration_since(run.touched) < RUN);
        let at = match self.0.iter().position(|run| run.takes(&damage.what)) {
            Some(at) => at,
            None => {
                self.0.push(Run::begin(damage, now));
                self.0.len() - 1
            }
        };
        let run = &mut self.0[at];
        run.add(&damage.what, quarantined, now);
        run
    }

    fn close(&mut self, what: &Damaged, from: &str, quarantined: usize) -> Option<&Run> {
        let run = self.0.iter_mut().find(|run| run.open.contains(what))?;
        run.open.remove(what);
        run.from.insert(from.to_owned());
        run.incident.quarantined += quarantined;
        if run.open.is_empty() {
            let from: Vec<&str> = run.from.iter().map(String::as_str).collect();
            run.incident.repaired_from = Some(from.join(", "));
            run.incident.repaired_nano = Some(now_nano());
        }
        Some(run)
    }
}

impl Run {
    fn begin(damage: &Damage, now: Instant) -> Self {
        let (found_nano, height) = (now_nano(), damage.what.height());
        Self {
            name: format!("{found_nano:020}-{height}"),
            kind: discriminant(&damage.what),
            first: damage.what.clone(),
            count: 0,
            open: HashSet::new(),
            from: BTreeSet::new(),
            incident: Incident {
                found_nano,
                what: String::new(),
                height,
                last_height: height,
                found_by: damage.found_by.to_owned(),
                why: damage.why.clone(),
                quarantined: 0,
                repaired_from: None,
                repaired_nano: None,
            },
            alarm: String::new(),
            touched: now,
        }
    }

    /// Blocks must lie side by side; lists and other records have no neighbours.
    fn takes(&self, what: &Damaged) -> bool {
        let height = what.height();
        let (first, last) = (self.incident.height, self.incident.last_height);
        let beside = height + 1 >= first && height <= last + 1;
        discriminant(what) == self.kind && (height == 0 || beside)
    }

    fn add(&mut self, what: &Damaged, quarantined: usize, now: Instant) {
        self.touched = now;
        self.count += usize::from(self.open.insert(what.clone()));
        let incident = &mut self.incident;
        incident.height = incident.height.min(what.height());
        incident.last_height = incident.last_height.max(what.height());
        incident.quarantined += quarantined;
        (incident.repaired_from, incident.repaired_nano) = (None, None);
        let (first, last) = (incident.height, incident.last_height);
        incident.what = match &self.first {
            Damaged::Block(_) if first < last => format!("blocks {first} to {last}"),
            Damaged::Index(_) if first < last => format!("indexes of blocks {first} to {last}"),
            other if self.count > 1 && other.height() == 0 => {
                format!("{other} and {} more", self.count - 1)
            }
            other => other.to_string(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(height: u64) -> Damage {
        Damage {
            what: Damaged::Block(height),
            found_by: "scrub",
            why: "it is not what was signed".to_owned(),
        }
    }

    #[test]
    fn neighbours_are_one_incident_that_is_repaired_when_all_of_it_is() {
        let (mut runs, now) = (Runs::default(), Instant::now());
        for height in [7, 6, 8] {
            runs.open(&block(height), 2, now);
        }
        runs.open(&block(20), 1, now);
        assert_eq!(runs.0.len(), 2, "what lies apart is an incident of its own");
        let incident = &runs.0[0].incident;
        assert_eq!(
            (
                incident.what.as_str(),
                incident.height,
                incident.last_height,
                incident.quarantined
            ),
            ("blocks 6 to 8", 6, 8, 6)
        );
        for (height, from) in [(6, "user"), (8, "provider")] {
            let run = runs.close(&Damaged::Block(height), from, 0).unwrap();
            assert_eq!(run.incident.repaired_from, None, "block 7 is still damaged");
        }
        let run = runs.close(&Damaged::Block(7), "user", 1).unwrap();
        assert_eq!(run.incident.repaired_from.as_deref(), Some("provider, user"));
        assert_eq!(run.incident.quarantined, 7);
        let index = Damage {
            what: Damaged::Index(7),
            ..block(7)
        };
        runs.open(&index, 0, now);
        assert_eq!(runs.0.len(), 3, "other damage at the same height is another");
        runs.open(&block(9), 0, now + RUN);
        assert_eq!(
            runs.0.iter().filter(|run| run.first == Damaged::Block(9)).count(),
            1,
            "later damage, too"
        );
    }
}
