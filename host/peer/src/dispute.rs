//! What has stopped finality. It stays until the actors have decided: it is kept across restarts, and ends when this
//! peer's operator accepts it, or when one of the two peers has the other's chain (docs/decisions/0016-disputes.md).

use crate::finality::{Disputed, Divergence, Own};
use e2l_store::{LedgerStore, StoreError};
use serde::{Deserialize, Serialize};

/// A divergence that stops finality, or did until the operator accepted it. Times are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Whose vote, at which height, says what.
    pub divergence: Divergence,
    /// When it was found.
    pub found_nano: i64,
    /// When the operator decided to go on on this peer's chain.
    pub accepted_nano: Option<i64>,
}

/// Why a dispute cannot be accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// There is none.
    #[error("there is no dispute about height {height}: {}", known(.heights))]
    None {
        /// Height that was named.
        height: u64,
        /// Heights of disputes.
        heights: Vec<u64>,
    },
    /// This peer alone is on its side.
    #[error(
        "at height {0} the others computed something else from the same proposal: going on would make nothing final; \
         restore this peer's ledger (docs/operations/recovery.md)"
    )]
    Outvoted(u64),
    /// It cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn known(heights: &[u64]) -> String {
    match heights {
        [] => "nothing has stopped finality on this peer".to_owned(),
        heights => format!("there are disputes about {heights:?}"),
    }
}

impl Dispute {
    /// What is kept under one name: one dispute with an actor over each kind of thing.
    pub fn name(divergence: &Divergence) -> String {
        format!("{}/{}", divergence.what, divergence.actor)
    }

    /// All that a store holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(store: &LedgerStore) -> Result<Vec<Self>, StoreError> {
        let records = store.disputes()?;
        Ok(records
            .iter()
            .filter_map(|(_, record)| serde_json::from_slice(record).ok())
            .collect())
    }

    /// Keeps it; durable on return.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, store: &LedgerStore) -> Result<(), StoreError> {
        // A struct of numbers and texts always has a JSON form.
        let record = serde_json::to_vec(self).unwrap_or_default();
        store.save_dispute(&Self::name(&self.divergence), &record)
    }

    /// Whether it is about the chain that has `own` at its height, and not about one that was replaced since.
    pub fn is_about(&self, own: Option<&Own>) -> bool {
        let digest = own.map(|own| match self.divergence.what {
            Disputed::Proposal => own.proposal,
            Disputed::Header => own.header,
        });
        digest == Some(self.divergence.own)
    }

    /// What the operator is told.
    pub fn alarm(&self) -> String {
        let Divergence {
            actor, height, what, ..
        } = &self.divergence;
        let way_out = match what {
            Disputed::Proposal => format!(
                "if this peer's chain is to go on, start it once with --accept-dispute {height}; if the other's is, \
                 restore this peer's ledger"
            ),
            Disputed::Header => "restore this peer's ledger".to_owned(),
        };
        format!(
            "this peer finalizes nothing more until the actors have decided about {actor}'s {what} of height {height}: \
             {way_out} (docs/operations/recovery.md)"
        )
    }
}
