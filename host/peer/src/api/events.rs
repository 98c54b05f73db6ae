//! The ledger as a stream of events.

use super::ledger::unsound;
use crate::node::{Executed, Node};
use crate::soundness::{Unsound, sound_block};
use e2l_client::wire::{EventFilter, EventsReply, EventsRequest, LedgerEvent};
use e2l_client::{Endorsers, block_events};
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Events in one message.
const PAGE: usize = 500;
/// Events after which a message is sent, whatever is left of the stride: full blocks have a thousand each.
const ENOUGH: usize = 4 * PAGE;
/// Blocks looked at between two messages, so that a caller of a rare filter sees progress.
const STRIDE: u64 = 256;

/// Events from a height on, in ledger order, and then as they become final if the caller follows.
pub fn stream(node: Arc<Node>, request: EventsRequest) -> ReceiverStream<Result<EventsReply, Status>> {
    let (replies, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        if let Err(status) = run(&node, request, &replies).await {
            // A caller that has gone needs no reason.
            let _ = replies.send(Err(status)).await;
        }
    });
    ReceiverStream::new(receiver)
}

type Replies = mpsc::Sender<Result<EventsReply, Status>>;

async fn run(node: &Arc<Node>, request: EventsRequest, replies: &Replies) -> Result<(), Status> {
    let filter = request.filter.unwrap_or_default();
    let mut finalized = node.watch_finalized();
    let mut next = request.from_height.max(1);
    let mut left = if request.limit == 0 {
        u64::MAX
    } else {
        request.limit
    };
    if request.newest {
        let Some(now) = finalized.borrow_and_update().clone() else {
            return Ok(());
        };
        let events = newest(node.clone(), now.at.clone(), filter.clone(), left).await?;
        let reply = reply(events, &now.at, now.at.header.height, true);
        if replies.send(Ok(reply)).await.is_err() || !request.follow {
            return Ok(());
        }
        next = now.at.header.height + 1;
        left = u64::MAX;
    }
    loop {
        let Some(now) = finalized.borrow_and_update().clone() else {
            return Ok(());
        };
        let height = now.at.header.height;
        while next <= height && left > 0 {
            let stride = next..=height.min(next + STRIDE - 1);
            let enough = usize::try_from(left).unwrap_or(usize::MAX).min(ENOUGH);
            let (mut events, last) = range(node.clone(), filter.clone(), stride, enough).await?;
            let complete = next - 1;
            let cut = events.len() as u64 > left;
            events.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= events.len() as u64;
            next = last + 1;
            let looked_at = if cut { complete } else { last };
            for reply in pages(events, &now.at, (complete, looked_at), last == height) {
                if replies.send(Ok(reply)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !request.follow || left == 0 {
            return Ok(());
        }
        tokio::select! {
            changed = finalized.changed() => if changed.is_err() { return Ok(()) },
            () = replies.closed() => return Ok(()),
        }
    }
}

fn pages(
    events: Vec<LedgerEvent>,
    at: &Executed,
    (complete, looked_at): (u64, u64),
    caught_up: bool,
) -> impl Iterator<Item = EventsReply> {
    let mut rest = events;
    let mut pages = Vec::new();
    while rest.len() > PAGE {
        let tail = rest.split_off(PAGE);
        // Only the last page says how far the caller may resume from: the block it ends in is then complete.
        pages.push(reply(std::mem::replace(&mut rest, tail), at, complete, false));
    }
    pages.push(reply(rest, at, looked_at, caught_up));
    pages.into_iter()
}

fn reply(events: Vec<LedgerEvent>, at: &Executed, as_of_height: u64, caught_up: bool) -> EventsReply {
    EventsReply {
        events,
        as_of_height,
        as_of_time_nano: at.header.time_nano,
        caught_up,
    }
}

/// Reads blocks on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    node: Arc<Node>,
    work: impl FnOnce() -> Result<T, Unsound> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|_| Status::unavailable("this peer is stopping: ask another"))?;
    done.map_err(|error| unsound(&node, error))
}

/// Events of these blocks, or of as many of them as have enough; and the last block that was looked at.
async fn range(
    node: Arc<Node>,
    filter: EventFilter,
    heights: RangeInclusive<u64>,
    enough: usize,
) -> Result<(Vec<LedgerEvent>, u64), Status> {
    blocking(node.clone(), move || {
        let (mut found, mut last) = (Vec::new(), *heights.start());
        for height in heights {
            of_block(&node, &filter, height, &mut found)?;
            last = height;
            if found.len() >= enough {
                break;
            }
        }
        Ok((found, last))
    })
    .await
}

async fn newest(
    node: Arc<Node>,
    at: Arc<Executed>,
    filter: EventFilter,
    limit: u64,
) -> Result<Vec<LedgerEvent>, Status> {
    blocking(node.clone(), move || {
        let mut blocks = Vec::new();
        let mut count = 0u64;
        for height in (1..=at.header.height).rev() {
            let mut found = Vec::new();
            of_block(&node, &filter, height, &mut found)?;
            count += found.len() as u64;
            blocks.push(found);
            if count >= limit {
                break;
            }
        }
        let mut events: Vec<LedgerEvent> = blocks.into_iter().rev().flatten().collect();
        let surplus = events
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        events.drain(..surplus);
        Ok(events)
    })
    .await
}

fn of_block(
    node: &Node,
    filter: &EventFilter,
    height: u64,
    found: &mut Vec<LedgerEvent>,
) -> Result<(), Unsound> {
    let Some((block, _)) = sound_block(node, height)? else {
        return Err(crate::node::missing(height).into());
    };
    let (actors, sealed) =
        node.with_finality(|finality| (finality.endorsed_by(height), finality.is_sealed(height)));
    let endorsers = Endorsers { actors, sealed };
    let config = node.anchor.config_at(height);
    found.extend(block_events(&block, filter, &config.limits, &endorsers));
    Ok(())
}
