//! What the ledger knows of collectors, for those who ask.

use crate::collectors::{Seen, collectors};
use crate::node::{Executed, Node};
use e2l_client::wire::{CollectorStatus, CollectorsReply};
use e2l_store::StoreError;

/// All of them as of a final height.
///
/// # Errors
/// The store cannot be read, or what is read is damaged.
pub fn reply(node: &Node, at: &Executed) -> Result<CollectorsReply, StoreError> {
    let seen = collectors(node, at)?;
    Ok(CollectorsReply {
        collectors: seen.into_iter().map(|one| status(node, one)).collect(),
        height: at.header.height,
        time_nano: at.header.time_nano,
    })
}

fn status(node: &Node, one: Seen) -> CollectorStatus {
    let silent = node.silent.contains(&one.member);
    let (heartbeat, heartbeat_time_nano) = match one.heartbeat {
        Some((event, time_nano)) => (event.encode(), time_nano),
        None => (Vec::new(), 0),
    };
    CollectorStatus {
        member: one.member.to_string(),
        incarnation: one.head.incarnation,
        last_batch: one.head.sequence,
        last_height: one.last.0,
        last_time_nano: one.last.1,
        heartbeat: heartbeat.into(),
        heartbeat_time_nano,
        silent,
        statements: one.statements,
    }
}
