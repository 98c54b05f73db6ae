//! The disputes of a peer, in memory and in its store.

use crate::dispute::{AcceptError, Dispute};
use crate::finality::{Disputed, Divergence, Finality, Own};
use crate::incident::Incident;
use crate::node::Node;
use crate::votes_in::now_nano;
use e2l_store::{LedgerStore, StoreError};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// All disputes, by name; with each actor at most one over proposals and one over headers.
pub struct DisputeBook(Mutex<BTreeMap<String, Dispute>>);

impl DisputeBook {
    /// What a store holds, told to finality. A dispute about a chain that this peer no longer has is over.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn load(
        store: &LedgerStore,
        finality: &mut Finality,
        own_at: impl Fn(u64) -> Result<Option<Own>, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut known = BTreeMap::new();
        for dispute in Dispute::load(store)? {
            let name = Dispute::name(&dispute.divergence);
            let Divergence { actor, height, .. } = &dispute.divergence;
            // A header that cannot be read now says nothing.
            if matches!(own_at(*height), Ok(own) if !dispute.is_about(own.as_ref())) {
                tracing::warn!(
                    actor,
                    height,
                    "this peer's ledger was replaced: a dispute is over"
                );
                store.end_dispute(&name)?;
                continue;
            }
            match dispute.accepted_nano {
                Some(_) => finality.accept(actor, *height),
                None => finality.dispute(dispute.divergence.clone()),
            }
            known.insert(name, dispute);
        }
        Ok(Self(Mutex::new(known)))
    }

    /// Says again what is still open.
    pub fn alarm(&self, node: &Node) {
        for dispute in self.0.lock().values() {
            if dispute.accepted_nano.is_none() {
                node.alarms.raise(dispute.alarm());
            }
        }
    }

    /// Keeps what has stopped finality, and forgets those accepted ones whose actors are not in `accepted` any more.
    pub fn keep(&self, node: &Node, found: Vec<Divergence>, accepted: &BTreeSet<String>) {
        let mut known = self.0.lock();
        known.retain(|name, dispute| {
            let over = dispute.accepted_nano.is_some() && !accepted.contains(&dispute.divergence.actor);
            if over && let Err(error) = node.store.end_dispute(name) {
                tracing::error!(%error, name, "that a dispute is over cannot be noted");
            }
            !over
        });
        for divergence in found {
            let name = Dispute::name(&divergence);
            if known.contains_key(&name) {
                continue;
            }
            let dispute = Dispute {
                divergence,
                found_nano: now_nano(),
                accepted_nano: None,
            };
            node.alarms.raise(dispute.alarm());
            if let Err(error) = dispute.save(&node.store) {
                node.alarms
                    .raise(format!("what stopped finality cannot be kept: {error}"));
            }
            known.insert(name, dispute);
        }
    }

    /// Accepts the disputes of a height; returns the actors that they are with. Durable on return.
    ///
    /// # Errors
    /// There is none, it is of a kind that cannot be accepted, or the store cannot be written.
    pub fn accept(&self, node: &Node, height: u64) -> Result<Vec<String>, AcceptError> {
        let mut known = self.0.lock();
        let mut open: Vec<&mut Dispute> = known
            .values_mut()
            .filter(|dispute| dispute.accepted_nano.is_none())
            .collect();
        let heights = open.iter().map(|dispute| dispute.divergence.height).collect();
        open.retain(|dispute| dispute.divergence.height == height);
        if open.is_empty() {
            return Err(AcceptError::None { height, heights });
        }
        if open
            .iter()
            .any(|dispute| dispute.divergence.what == Disputed::Header)
        {
            return Err(AcceptError::Outvoted(height));
        }
        let mut actors = Vec::new();
        for dispute in open {
            node.alarms.end(&dispute.alarm());
            dispute.accepted_nano = Some(now_nano());
            dispute.save(&node.store)?;
            record(node, dispute)?;
            actors.push(dispute.divergence.actor.clone());
        }
        Ok(actors)
    }
}

fn record(node: &Node, dispute: &Dispute) -> Result<(), StoreError> {
    let (divergence, now) = (&dispute.divergence, now_nano());
    let incident = Incident {
        found_nano: dispute.found_nano,
        what: format!("dispute with {}", divergence.actor),
        height: divergence.height,
        last_height: divergence.height,
        found_by: "operator".to_owned(),
        why: format!(
            "{}; the operator has decided that this peer goes on on its own chain",
            divergence.alarm()
        ),
        quarantined: 0,
        repaired_from: Some(node.me.member().actor.clone()),
        repaired_nano: Some(now),
    };
    incident.save(&node.store, &format!("{now:020}-dispute-{}", divergence.actor))
}
