//! What a peer has kept about itself and others. A record that is damaged is left out and reported; it hides no other.

use crate::incident::Incident;
use crate::node::Node;
use crate::repair::Damage;
use e2l_client::wire::{self, EvidenceReply, IncidentsReply, IncidentsRequest};
use e2l_ledger::Canonical;
use e2l_ledger::proof::Evidence;
use e2l_store::{Kept, LedgerStore, StoreError};

/// Incidents in an answer.
const PAGE: usize = 500;

/// The last incidents before one, oldest first, with the name to ask for those before them.
///
/// # Errors
/// The store cannot be read.
pub fn incidents(node: &Node, request: &IncidentsRequest) -> Result<IncidentsReply, StoreError> {
    let before = Some(request.before.as_str()).filter(|name| !name.is_empty());
    let limit = match request.limit as usize {
        0 => PAGE,
        limit => limit.min(PAGE),
    };
    let kept = node.store.incidents_before(before, limit)?;
    let more = kept.readable.len() == limit;
    let before = kept.readable.first().filter(|_| more);
    Ok(IncidentsReply {
        before: before.map(|(name, _)| name.clone()).unwrap_or_default(),
        incidents: readable_incidents(node, kept).into_iter().map(reply).collect(),
    })
}

/// The incidents among records; reports those that are none.
pub fn readable_incidents(node: &Node, kept: Kept) -> Vec<Incident> {
    let Kept { readable, damaged } = kept;
    report(node, damaged, "its checksum does not hold");
    let read = readable.into_iter().filter_map(|(name, record)| {
        let incident = serde_json::from_slice(&record).ok();
        if incident.is_none() {
            report(
                node,
                vec![LedgerStore::incident_record(&name)],
                "it is no incident",
            );
        }
        incident
    });
    read.collect()
}

/// Evidence that convicts somebody; reports what does not.
///
/// # Errors
/// The store cannot be read.
pub fn evidence(node: &Node) -> Result<EvidenceReply, StoreError> {
    let Kept { readable, damaged } = node.store.kept_evidence()?;
    report(node, damaged, "its checksum does not hold");
    let holds = |(name, bytes): &(String, Vec<u8>)| {
        let evidence = Evidence::decode(bytes).ok();
        let holds = evidence.is_some_and(|evidence| evidence.verify(&node.anchor).is_ok());
        if !holds {
            report(
                node,
                vec![LedgerStore::evidence_record(name)],
                "it convicts nobody",
            );
        }
        holds
    };
    let evidence = readable.into_iter().filter(holds);
    Ok(EvidenceReply {
        evidence: evidence.map(|(_, bytes)| bytes.into()).collect(),
    })
}

fn report(node: &Node, names: Vec<String>, why: &str) {
    for name in names {
        node.damage.report(Damage::to_record(name, "read", why));
    }
}

fn reply(incident: Incident) -> wire::Incident {
    wire::Incident {
        found_nano: incident.found_nano,
        what: incident.what,
        height: incident.height,
        last_height: incident.last_height.max(incident.height),
        found_by: incident.found_by,
        why: incident.why,
        quarantined: incident.quarantined as u64,
        repaired_from: incident.repaired_from.unwrap_or_default(),
        repaired_nano: incident.repaired_nano.unwrap_or_default(),
    }
}
