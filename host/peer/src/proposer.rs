//! The leader's work: cuts proposals from the pool, signs them and hands them to Raft, a few at a time.

use crate::node::Node;
use crate::pool::{Load, Pooled};
use crate::proposal_cache::Kept;
use crate::votes_in::now_nano;
use bytes::Bytes;
use e2l_consensus::{Leadership, RaftNode};
use e2l_execution::is_preparing;
use e2l_ledger::{
    Canonical, Digest, InspectedProposal, PackedProposal, ProposalHeader, SignedProposal, Signer,
};
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Proposals under way at once: one is executed while the next is replicated.
const IN_FLIGHT: usize = 3;
/// How long events may wait for the last block to be final, so that they share the next one: each block costs three
/// peers some milliseconds, whatever is in it.
const PACE: Duration = Duration::from_millis(20);
/// How often a leader that waits for finality, or for a block to fill, looks again.
const RECHECK: Duration = Duration::from_millis(5);

/// Runs until the process ends.
pub async fn propose(node: Arc<Node>, raft: Arc<RaftNode>, mut leadership: watch::Receiver<Leadership>) {
    let mut signed = Signed::default();
    loop {
        let now = leadership.borrow_and_update().clone();
        if now.is_leader() && node.me.votes_under(&node.config()) {
            // Everything of earlier terms must be executed here before the chain can be continued.
            match raft.linearizable().await {
                Ok(()) => lead(&node, &raft, now.term, &mut leadership, &mut signed).await,
                Err(error) => {
                    tracing::debug!(%error, "leadership is not confirmed yet");
                    tokio::time::sleep(RECHECK).await;
                }
            }
            continue;
        }
        if leadership.changed().await.is_err() {
            return;
        }
    }
}

/// The last proposal this peer signed. Two proposals of one term and height would be evidence against it. A
/// restarted peer is a follower, so a term's record need not outlive the process.
#[derive(Default)]
struct Signed {
    term: u64,
    height: u64,
}

/// Where the next proposal goes.
struct Head {
    height: u64,
    proposal: Digest,
    time_nano: i64,
}

async fn lead(
    node: &Node,
    raft: &RaftNode,
    term: u64,
    leadership: &mut watch::Receiver<Leadership>,
    signed: &mut Signed,
) {
    tracing::info!(term, "this peer leads");
    let tip = node.newest().header;
    if signed.term == term && signed.height > tip.height {
        node.alarms.raise(format!(
            "a proposal of term {term} became no block: this peer proposes no more in that term"
        ));
        // Only the next term can tell this one's proposals from new ones.
        let _ = leadership.changed().await;
        return;
    }
    let mut head = Head {
        height: tip.height,
        proposal: tip.proposal,
        time_nano: tip.time_nano,
    };
    let mut in_flight = FuturesUnordered::new();
    let mut changes = node.pool.changes();
    let mut finalized = node.watch_finalized();
    let mut oldest: Option<Instant> = None;
    node.pool.unpropose();
    loop {
        changes.mark_unchanged();
        finalized.mark_unchanged();
        let cut = if in_flight.len() < IN_FLIGHT {
            cut(node, term, in_flight.len(), &head, &mut oldest)
        } else {
            Cut::Wait
        };
        if let Cut::Now(envelopes) = cut {
            let inspected = build(node, term, &head, envelopes);
            let header = &inspected.proposal.header;
            head = Head {
                height: header.height,
                proposal: header.digest(),
                time_nano: header.time_nano,
            };
            *signed = Signed {
                term,
                height: head.height,
            };
            let bytes = Bytes::from(PackedProposal::packed_already(&inspected).encode());
            let limits = node.config().limits.clone();
            node.proposals.keep(bytes.clone(), Kept { inspected, limits });
            in_flight.push(raft.propose(bytes));
            continue;
        }
        let recheck = async {
            match cut {
                Cut::Soon => tokio::time::sleep(RECHECK).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(done) = in_flight.next() => {
                if let Err(error) = done {
                    tracing::info!(term, %error, "a proposal did not get through; this peer proposes no more in this term's turn");
                    node.pool.unpropose();
                    return;
                }
                // A void proposal leaves the chain where it was: begin again from there.
                if in_flight.is_empty() && node.newest().header.height < head.height {
                    return;
                }
            }
            _ = changes.changed(), if in_flight.len() < IN_FLIGHT => {}
            _ = finalized.changed(), if matches!(cut, Cut::Soon) => {}
            _ = leadership.changed() => {
                let now = leadership.borrow_and_update().clone();
                if !now.is_leader() || now.term != term {
                    tracing::info!(term, "this peer leads no more");
                    return;
                }
            }
            () = recheck => {}
        }
    }
}

enum Cut {
    Now(Vec<Pooled>),
    /// There is something, and it must wait for time or finality.
    Soon,
    Wait,
}

/// Cuts at once when everything before is final; otherwise only full blocks, so that a flood fills them, and what has
/// waited.
fn cut(node: &Node, term: u64, in_flight: usize, head: &Head, oldest: &mut Option<Instant>) -> Cut {
    let config = node.config();
    let limits = &config.limits;
    let waiting = node.pool.unproposed(term);
    if !node.me.votes_under(&config) {
        *oldest = None;
        return Cut::Wait;
    }
    if waiting == Load::default() {
        *oldest = None;
        return cut_empty(node, in_flight, head);
    }
    let final_height = node.with_finality(|finality| finality.final_height());
    if head.height.saturating_sub(final_height) >= limits.max_unfinal_blocks {
        return Cut::Soon;
    }
    let limit = Load {
        transactions: limits.block_max_transactions,
        bytes: limits.block_max_bytes,
    };
    let full = waiting.transactions >= limit.transactions || waiting.bytes >= limit.bytes;
    let since = *oldest.get_or_insert_with(Instant::now);
    if !full && limits.block_timeout_ms > 0 {
        if since.elapsed() < Duration::from_millis(limits.block_timeout_ms) {
            return Cut::Soon;
        }
    } else if !full && in_flight > 0 {
        return Cut::Wait;
    } else if !full && head.height > final_height && since.elapsed() < PACE {
        return Cut::Soon;
    }
    *oldest = None;
    Cut::Now(node.pool.cut(term, limit))
}

/// With nothing to order the leader cuts a block only for the next step of a preparation, when all below is final.
fn cut_empty(node: &Node, in_flight: usize, head: &Head) -> Cut {
    let newest = node.newest();
    if in_flight > 0 || newest.header.height != head.height {
        return Cut::Wait;
    }
    match is_preparing(&newest.view) {
        Ok(true) if node.with_finality(|finality| finality.final_height()) < head.height => Cut::Soon,
        Ok(true) => Cut::Now(Vec::new()),
        Ok(false) => Cut::Wait,
        Err(error) => {
            tracing::error!(%error, "the state cannot be read");
            Cut::Wait
        }
    }
}

fn build(node: &Node, term: u64, head: &Head, pooled: Vec<Pooled>) -> InspectedProposal {
    let header = ProposalHeader {
        network: node.network,
        leader: node.me.member().clone(),
        term,
        height: head.height + 1,
        previous: head.proposal,
        time_nano: now_nano().max(head.time_nano),
        certificates_root: Digest::ZERO,
        envelopes_root: Digest::ZERO,
        envelopes: 0,
    };
    let signer = node.me.signer();
    let mine = signer.certificate();
    let needed = pooled.iter().map(|pooled| &pooled.certificate).chain([mine]);
    let mut certificates = BTreeMap::new();
    for certificate in needed {
        // A certificate too many costs its bytes; a missing one would cost its sender's envelope.
        let known = node.certificate(&certificate.digest()).ok().flatten().is_some();
        if !known {
            certificates.insert(certificate.digest(), certificate.der().to_vec());
        }
    }
    let (envelopes, inspections): (Vec<_>, _) = pooled
        .into_iter()
        .map(|pooled| (pooled.envelope, pooled.inspection))
        .unzip();
    let certificates = certificates.into_values().collect();
    InspectedProposal {
        proposal: SignedProposal::sign(header, certificates, envelopes, &*signer),
        inspections,
    }
}
