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
        let (late, delay_ms) = lateness(event.time_nano, block.header.time_nano, limits);
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
            late,
            delay_ms,
            sealed: endorsers.sealed,
            endorsed_by: endorsers.actors.clone(),
        });
    }
    found
}

/// Whether an event lies outside the collection window of its block, and how long after its engine's time the block is, in
/// milliseconds; negative if the engine's clock was ahead. Both times are nanoseconds since the Unix epoch.
pub fn lateness(time_nano: i64, block_time_nano: i64, limits: &Limits) -> (bool, i64) {
    let delay_ms = block_time_nano.saturating_sub(time_nano) / 1_000_000;
    (delay_ms.unsigned_abs() > limits.collection_window_ms, delay_ms)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_late_beyond_the_window_of_its_block_whichever_clock_is_behind() {
        let limits = Limits {
            collection_window_ms: 10,
            ..Limits::default()
        };
        let of = |time_ms: i64| lateness(time_ms * 1_000_000, 1_000_000_000, &limits);
        assert_eq!(of(990), (false, 10));
        assert_eq!(of(989), (true, 11));
        assert_eq!(of(1010), (false, -10));
        assert_eq!(of(1011), (true, -11));
        assert!(lateness(i64::MIN, i64::MAX, &limits).0);
    }
}
