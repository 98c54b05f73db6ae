//! The events of a block: the same for the peer that serves them and for the client that verifies them.

use crate::event_filter::passes;
use crate::wire::{EventFilter, LedgerEvent};
use e2l_ledger::event::Event;
use e2l_ledger::{Block, Call, Limits, Member, TransactionResult, ValidationCode};

/// Who endorsed a block, as whoever lists its events knows.
#[derive(Debug, Clone)]
pub struct Endorsers {
    /// Actors, sorted.
    pub actors: Vec<String>,
    /// Whether these are all voting actors.
    pub sealed: bool,
}

/// The events of a block that are in force (of any code where the filter says so) and pass the filter, in order.
pub fn block_events(
    block: &Block,
    filter: &EventFilter,
    limits: &Limits,
    endorsers: &Endorsers,
) -> Vec<LedgerEvent> {
    let mut found = Vec::new();
    for (index, sender, call, result) in calls(block) {
        let wanted = result.code == ValidationCode::Valid || filter.any_code;
        if !wanted || call.function != "createEvent" {
            continue;
        }
        let Ok(event) = Event::decode(&call.argument) else {
            continue;
        };
        if !passes(filter, &event, sender) {
            continue;
        }
        let delay_ms = block.header.time_nano.saturating_sub(event.time_nano) / 1_000_000;
        found.push(LedgerEvent {
            transaction_id: result.id.0.to_vec().into(),
            height: block.header.height,
            index,
            code: u32::from(result.code as u8),
            event: call.argument.clone().into(),
            sender: sender.name.clone(),
            actor: sender.actor.clone(),
            role: sender.role.as_str().to_owned(),
            block_time_nano: block.header.time_nano,
            late: delay_ms.unsigned_abs() > limits.collection_window_ms,
            delay_ms,
            sealed: endorsers.sealed,
            endorsed_by: endorsers.actors.clone(),
        });
    }
    found
}

/// The executed calls of a block with index, sender and result; refused envelopes have none.
fn calls(block: &Block) -> impl Iterator<Item = (u32, &Member, &Call, &TransactionResult)> {
    let executed = block.outcomes().filter(|outcome| !outcome.refused);
    executed.flat_map(|outcome| {
        let called = outcome.envelope.calls().iter().zip(outcome.results).enumerate();
        called.filter_map(move |(offset, (call, result))| {
            let index = u32::try_from(outcome.first + offset).ok()?;
            Some((index, outcome.envelope.sender(), call, result))
        })
    })
}
