//! An event of the ledger as every output shows it.

use crate::wire;
use e2l_ledger::attributes::CONFLICT;
use e2l_ledger::event::{Event, Facts};
use e2l_ledger::{Digest, Role, ValidationCode};
use serde::Serialize;
use std::collections::BTreeMap;

/// One event of the ledger, with the fields of its JSON object in their order (DESIGN section 10). Times are
/// nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRecord {
    /// Id of the transaction.
    pub tx_id: Digest,
    /// Height of its block.
    pub height: u64,
    /// Index in the block.
    pub index: u32,
    /// What became of the transaction.
    pub validation_code: ValidationCode,
    /// `container`, `service` or `collector`.
    pub r#type: &'static str,
    /// What happened.
    pub action: String,
    /// Id of the container or service.
    pub actor_id: String,
    /// Labels and facts that the engine attached.
    pub attributes: BTreeMap<String, String>,
    /// `local` or `swarm`.
    pub scope: String,
    /// The engine's time.
    pub time_nano: i64,
    /// When the collector read it.
    pub received_nano: i64,
    /// Time of its block.
    pub block_time_nano: i64,
    /// `actor/name` of the collector that sent it; `None` when another role did.
    pub collector: Option<String>,
    /// Its number among the events of the collector's incarnation.
    pub sequence: u64,
    /// `observed`, `inferred` or `gap`.
    pub observed: &'static str,
    /// What inspection said, where the collector asked: labels cannot forge it.
    pub facts: Option<Facts>,
    /// What its attributes claim and inspection denied, as its collector says; `None` where nothing was denied.
    pub conflict: Option<String>,
    /// Whether it is the Swarm task that its labels claim: `confirmed`, `contradicted` or `unconfirmed`. Whoever reads the
    /// ledger finds out: no event says it. `None` where nothing is claimed, or was not looked for.
    pub swarm: Option<&'static str>,
    /// Who says what of that.
    pub swarm_why: Option<String>,
    /// Whether it came outside the collection window.
    pub late: bool,
    /// Block time minus the engine's time, milliseconds.
    pub delay_ms: i64,
    /// CommonName of the sender.
    pub sender: String,
    /// The sender's actor.
    pub actor: String,
    /// `final`, or `sealed` when every voting actor of its height has endorsed it.
    pub finality: &'static str,
    /// Actors that endorsed its block, as the answering peer knows.
    pub endorsed_by: Vec<String>,
}

/// Why a peer's event cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the peer sent event {index} of block {height} in a form that cannot be read: {why}; upgrade e2l if the peer is newer"
)]
pub struct RecordError {
    /// Height of its block.
    pub height: u64,
    /// Index in the block.
    pub index: u32,
    /// What is wrong.
    pub why: String,
}

impl TryFrom<wire::LedgerEvent> for EventRecord {
    type Error = RecordError;

    /// # Errors
    /// The canonical event, the transaction id or the validation code cannot be read.
    fn try_from(sent: wire::LedgerEvent) -> Result<Self, RecordError> {
        let (height, index) = (sent.height, sent.index);
        let fail = |why: String| RecordError { height, index, why };
        let id = <[u8; 32]>::try_from(sent.transaction_id.as_ref())
            .map_err(|_| fail(format!("its id has {} bytes, not 32", sent.transaction_id.len())))?;
        let validation_code =
            code(sent.code).ok_or_else(|| fail(format!("validation code {} is unknown", sent.code)))?;
        let event = Event::decode(&sent.event).map_err(|error| fail(error.to_string()))?;
        let from_collector = sent.role == Role::Collector.as_str();
        Ok(Self {
            tx_id: Digest(id),
            height,
            index,
            validation_code,
            r#type: event.kind.as_str(),
            action: event.action,
            actor_id: event.actor_id,
            conflict: event.attributes.get(CONFLICT).cloned(),
            swarm: None,
            swarm_why: None,
            attributes: event.attributes,
            scope: event.scope,
            time_nano: event.time_nano,
            received_nano: event.received_nano,
            block_time_nano: sent.block_time_nano,
            collector: from_collector.then(|| format!("{}/{}", sent.actor, sent.sender)),
            sequence: event.sequence,
            observed: event.observation.as_str(),
            facts: event.facts,
            late: sent.late,
            delay_ms: sent.delay_ms,
            sender: sent.sender,
            actor: sent.actor,
            finality: if sent.sealed { "sealed" } else { "final" },
            endorsed_by: sent.endorsed_by,
        })
    }
}

fn code(number: u32) -> Option<ValidationCode> {
    ValidationCode::ALL
        .iter()
        .copied()
        .find(|code| u32::from(*code as u8) == number)
}
