//! What is on the ledger, event by event: nothing lost, nothing twice.

use crate::bench::stage::Stage;
use crate::error::{CliError, CliResult};
use e2l_client::{EventRecord, wire};
use futures::StreamExt;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Events of all collectors, read back with proof.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Accounts {
    /// That the collectors took.
    pub taken: u64,
    /// Taken and not on the ledger.
    pub lost: u64,
    /// On the ledger more than once.
    pub duplicated: u64,
}

impl Accounts {
    /// Reads the whole ledger. `taken` events were numbered by each collector from 1 on.
    ///
    /// # Errors
    /// The ledger cannot be read back, or is not proven.
    pub async fn take(stage: &Stage, taken: u64) -> CliResult<Self> {
        let mut seen = Seen::default();
        let request = wire::EventsRequest {
            from_height: 1,
            ..wire::EventsRequest::default()
        };
        let mut replies = stage.session.events(request, true).await?;
        while let Some(reply) = replies.next().await {
            for event in reply?.events {
                let record = EventRecord::try_from(event)
                    .map_err(|error| CliError::usage(error, "build e2l and e2l-peer from the same source"))?;
                seen.note(&record.sender, &record.actor, record.sequence);
            }
        }
        Ok(seen.account(taken))
    }
}

#[derive(Default)]
struct Seen {
    sequences: BTreeMap<(String, String), BTreeSet<u64>>,
    duplicated: u64,
}

impl Seen {
    fn note(&mut self, sender: &str, actor: &str, sequence: u64) {
        let collector = (sender.to_owned(), actor.to_owned());
        if !self.sequences.entry(collector).or_default().insert(sequence) {
            self.duplicated += 1;
        }
    }

    fn account(&self, taken: u64) -> Accounts {
        let distinct: u64 = self.sequences.values().map(|of_one| of_one.len() as u64).sum();
        Accounts {
            taken,
            lost: taken.saturating_sub(distinct),
            duplicated: self.duplicated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_twice_is_counted() {
        let mut seen = Seen::default();
        for (sender, sequence) in [
            ("collector-1", 1),
            ("collector-1", 2),
            ("collector-2", 1),
            ("collector-1", 2),
        ] {
            seen.note(sender, "provider", sequence);
        }
        seen.note("collector-1", "user", 1);
        let expected = Accounts {
            taken: 6,
            lost: 2,
            duplicated: 1,
        };
        assert_eq!(seen.account(6), expected);
    }
}
