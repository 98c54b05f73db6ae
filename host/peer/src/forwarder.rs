//! Sends what this peer has taken to the leader, in order, and again to the next leader.

use crate::links::{Link, Links};
use crate::node::Node;
use crate::pool::Pooled;
use e2l_client::wire::{ForwardRequest, ForwardedEnvelope, Refusal, refusal::Reason};
use e2l_consensus::Leadership;
use e2l_ledger::{Canonical, Member};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Most bytes in one message; one envelope always goes.
const MAX_BYTES: usize = 4 << 20;
/// Pause after a leader could not take something.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a leader may lack what comes before a batch: it may still be executing it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs until the process ends.
pub async fn forward(node: Arc<Node>, links: Arc<Links>, mut leadership: watch::Receiver<Leadership>) {
    let mut changes = node.pool.changes();
    let mut gaps = HashMap::new();
    loop {
        changes.mark_unchanged();
        let now = leadership.borrow_and_update().clone();
        let link = now.leader.and_then(|leader| links.get(leader));
        let waiting = node.pool.to_forward(now.term, MAX_BYTES);
        match link {
            Some(link) if !waiting.is_empty() => {
                if !forward_some(&node, &link, now.term, waiting, &mut gaps).await {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            _ => {
                tokio::select! {
                    _ = changes.changed() => {}
                    _ = leadership.changed() => {}
                }
            }
        }
    }
}

/// Returns whether the leader took all of it.
async fn forward_some(
    node: &Node,
    link: &Link,
    term: u64,
    waiting: Vec<Pooled>,
    gaps: &mut HashMap<Member, Instant>,
) -> bool {
    let envelopes = waiting.iter().map(|pooled| ForwardedEnvelope {
        packed: pooled.packed().encode().into(),
        certificate: pooled.certificate.der().to_vec().into(),
        ..ForwardedEnvelope::default()
    });
    let reply = match link
        .forward(ForwardRequest {
            envelopes: envelopes.collect(),
        })
        .await
    {
        Ok(reply) => reply,
        Err(status) => {
            tracing::debug!(leader = %link.actor, status = %status.message(), "cannot forward");
            return false;
        }
    };
    // What follows a batch that was not taken cannot be taken either; other senders are not held up.
    let mut held_up: HashSet<Member> = HashSet::new();
    for (pooled, outcome) in waiting.iter().zip(reply.outcomes) {
        let sender = pooled.envelope.sender();
        if held_up.contains(sender) {
            continue;
        }
        match outcome.reason() {
            Reason::Unspecified => {
                gaps.remove(sender);
                node.pool.forwarded(&pooled.envelope.source(), term);
            }
            Reason::Busy | Reason::Unavailable => {
                held_up.insert(sender.clone());
            }
            Reason::SequenceGap if since(gaps, sender).elapsed() < PATIENCE => {
                held_up.insert(sender.clone());
            }
            _ => {
                gaps.remove(sender);
                refuse(node, pooled, &outcome);
                held_up.insert(sender.clone());
            }
        }
    }
    held_up.is_empty()
}

/// Since when the leader lacks what comes before this sender's batch.
fn since(gaps: &mut HashMap<Member, Instant>, sender: &Member) -> Instant {
    *gaps.entry(sender.clone()).or_insert_with(Instant::now)
}

fn refuse(node: &Node, pooled: &Pooled, refused: &Refusal) {
    tracing::warn!(sender = %pooled.envelope.sender(), why = %refused.message, "the leader refuses an envelope");
    for dropped in node.pool.drop_envelope(&pooled.envelope) {
        node.waiters.refuse(&dropped, refused);
    }
}
