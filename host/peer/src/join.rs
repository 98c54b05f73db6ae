//! A peer that does not vote: before its actor is admitted, as long as it is an auditor's, and until it has caught up
//! with those that vote. It takes blocks that are proven final from the others, and executes them itself.

use crate::catch_up::fetch_up_to;
use crate::chain::ChainError;
use crate::chain_thread::ChainThread;
use crate::links::Links;
use crate::node::Node;
use crate::standing::{ask_all, majority_of_others};
use crate::votes_in::now_nano;
use anyhow::{Result, bail};
use e2l_ledger::governance::{GOVERNANCE, function};
use e2l_ledger::{Call, Canonical, Domain, Envelope, SignedRequest};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause before the others are asked again for new blocks.
const PAUSE: Duration = Duration::from_millis(150);
/// Pause before the others are asked again by a peer that they do not know yet.
const STRANGER_PAUSE: Duration = Duration::from_millis(500);
/// How often it says that it still waits.
const REMINDER: Duration = Duration::from_secs(30);
/// Blocks that a peer may be behind when it says that it has caught up: the others go on meanwhile.
const NEAR: u64 = 32;

/// Waits until the configuration has this peer, executing on the way all that led there; returns its Raft id.
///
/// # Errors
/// It was its actor's peer before, and is no more; its own store or engine fails.
pub async fn join(node: &Arc<Node>, links: &Links, chain: &ChainThread) -> Result<u64> {
    let mut said: Option<Instant> = None;
    loop {
        if let Some(raft_id) = node.me.raft_id_in(&node.config()) {
            return Ok(raft_id);
        }
        refuse_if_removed(node)?;
        if said.is_none_or(|at| at.elapsed() >= REMINDER) {
            said = Some(Instant::now());
            tracing::warn!(
                peer = %node.me.member(),
                height = node.newest().header.height,
                "the network does not have this peer: waiting until a proposal that admits it is in force (`e2l peer join`)"
            );
        }
        links.follow_configuration()?;
        fetch_new(node, links, chain).await?;
        tokio::time::sleep(STRANGER_PAUSE).await;
    }
}

/// What a peer says that the network has no more since a height.
pub fn no_peer_since(node: &Node, from: u64) -> String {
    format!(
        "{} is not a peer of the network any more since height {from}: its ledger up to there can be read with `e2l audit \
         --data-dir`",
        node.me.member()
    )
}

fn refuse_if_removed(node: &Node) -> Result<()> {
    let epochs = node.anchor.epochs();
    let left = epochs
        .iter()
        .rev()
        .take_while(|epoch| node.me.raft_id_in(&epoch.config).is_none());
    let from = left.last().map_or(0, |epoch| epoch.from);
    if from == 0 {
        return Ok(());
    }
    bail!(no_peer_since(node, from));
}

/// Follows those that vote until this peer votes itself; an auditor's does so for ever.
///
/// # Errors
/// This peer's own store or engine fails.
pub async fn observe(node: &Arc<Node>, links: &Links, chain: &ChainThread) -> Result<(), ChainError> {
    let mut told: Option<u64> = None;
    while !node.me.votes_under(&node.config()) {
        let before = node.newest().header.height;
        fetch_new(node, links, chain).await?;
        let height = node.newest().header.height;
        // Asked again when the ledger has gone on without it: what was said may have been refused, or lost.
        let due = told.is_none_or(|at| height > at.saturating_add(NEAR));
        if due && node.config().is_staging_peer(node.me.member()) && has_caught_up(node, links).await {
            match say_ready(node, links).await {
                Ok(()) => tracing::info!(height, "this peer has said that it is ready to vote"),
                Err(why) => tracing::warn!(why, "that this peer is ready cannot be said now"),
            }
            told = Some(height);
        }
        if height == before {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Executes what the others have more, as far as they prove it.
pub async fn fetch_new(node: &Arc<Node>, links: &Links, chain: &ChainThread) -> Result<(), ChainError> {
    for link in links.all() {
        if let Err(why) = fetch_up_to(node, &link, chain, u64::MAX).await? {
            tracing::debug!(peer = %link.actor, %why, "no more blocks from this peer");
        }
    }
    Ok(())
}

/// Whether a majority of those that vote have hardly more than this peer.
async fn has_caught_up(node: &Node, links: &Links) -> bool {
    let answers = ask_all(node, links).await;
    let height = node.newest().header.height.saturating_add(NEAR);
    let reached = answers.iter().filter(|answer| answer.final_height <= height);
    reached.count() > majority_of_others(node)
}

/// Has the ledger take down that this peer is ready.
async fn say_ready(node: &Node, links: &Links) -> Result<(), String> {
    let call = Call {
        chaincode: GOVERNANCE.to_owned(),
        function: function::READY.to_owned(),
        argument: Vec::new(),
    };
    let life = node.config().limits.request_lifetime_blocks / 2;
    let expires_at = node.newest().header.height.saturating_add(life.max(1));
    // A nonce needs to be another one each time, not a secret.
    let mut nonce = [0; 16];
    let unique = Domain::Value.hash(&now_nano().to_be_bytes());
    nonce.copy_from_slice(&unique.0[..16]);
    let request = SignedRequest::sign(node.network, nonce, expires_at, call, &*node.me.signer());
    let envelope = bytes::Bytes::from(Envelope::Request(request).encode());
    let mut failed = "no peer votes".to_owned();
    for link in links.all() {
        match link.submit(envelope.clone()).await {
            Ok(()) => return Ok(()),
            Err(status) => failed = format!("{}: {}", link.actor, status.message()),
        }
    }
    Err(failed)
}
