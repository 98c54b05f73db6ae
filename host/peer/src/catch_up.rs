//! Brings a peer that is far behind up to a height, by fetching final blocks from others and executing them.

use crate::chain::ChainError;
use crate::chain_thread::ChainThread;
use crate::evidence::check_vote;
use crate::links::{Link, Links, next_within};
use crate::node::Node;
use e2l_client::wire::GetBlockReply;
use e2l_ledger::proof::{ConfigChange, FinalHeaderProof, ProofError};
use e2l_ledger::{Block, Canonical, Certificate, Digest};
use e2l_store::StoreError;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Blocks asked for at once.
const PAGE: u32 = 256;
/// Pause before all peers are asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest wait for one block of a page.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a page's blocks in all: who sends one now and then must not hold this peer up.
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest wait for one block that proves a pointer.
const POINT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a peer could not be brought up to a height.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Execution gave another block than the one that Raft's pointer names.
    #[error("height {height} has header {found} here, the pointer names {expected}")]
    OtherHeader {
        /// The height.
        height: u64,
        /// Header here.
        found: Digest,
        /// Header that was named.
        expected: Digest,
    },
}

/// Fetches and executes blocks up to `height`. Asks the other peers in turn for as long as it takes: without
/// these blocks there is nothing this peer can do.
///
/// # Errors
/// See [`CatchUpError`]; a block that does not fit only makes it ask another peer.
pub async fn catch_up(
    node: &Arc<Node>,
    links: &Links,
    chain: &ChainThread,
    height: u64,
    expected: Digest,
) -> Result<(), CatchUpError> {
    while node.newest().header.height < height {
        let before = node.newest().header.height;
        for link in links.all() {
            if let Err(why) = fetch_up_to(node, &link, chain, height).await? {
                tracing::warn!(peer = %link.actor, %why, "cannot catch up from this peer");
            }
        }
        let reached = node.newest().header.height;
        tracing::info!(reached, height, "catching up");
        if reached == before {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let header = node.newest().view.header(height).map_err(ChainError::from)?;
    let found = header.map(|header| header.digest()).unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    Err(CatchUpError::OtherHeader {
        height,
        found,
        expected,
    })
}

/// Checks, before Raft is told, that a height is final with this header, here or as any other peer proves: blocks
/// that nobody has would be waited for without end, and another header would stop this peer.
///
/// # Errors
/// What each of the others said.
pub async fn check_point(node: &Node, links: &Links, height: u64, expected: Digest) -> Result<(), String> {
    let newest = node.newest();
    if height <= newest.header.height {
        let own = newest.view.header(height).map_err(|error| error.to_string())?;
        let own = own.map(|header| header.digest()).unwrap_or_default();
        return same_header(own, expected);
    }
    let mut said = Vec::new();
    for link in links.all() {
        match proven_header(node, &link, height).await {
            Ok(found) => return same_header(found, expected),
            Err(why) => said.push(format!("{}: {why}", link.actor)),
        }
    }
    Err(format!("no peer proves that it is final ({})", said.join("; ")))
}

fn same_header(found: Digest, expected: Digest) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("its header is {found}, the pointer names {expected}"))
}

async fn proven_header(node: &Node, link: &Link, height: u64) -> Result<Digest, String> {
    let answer = async {
        let mut blocks = link.fetch_blocks(height, 1).await?;
        blocks.message().await
    };
    let answer = tokio::time::timeout(POINT_TIMEOUT, answer).await;
    let reply = answer.map_err(|_| "no answer in time".to_owned())?;
    let reply = reply.map_err(|status| status.message().to_owned())?;
    let reply = reply.ok_or_else(|| "it has no such block".to_owned())?;
    let (block, _) = learn_and_prove(node, link, &reply).await?;
    if block.header.height == height {
        return Ok(block.header.digest());
    }
    Err(format!("it sent block {}", block.header.height))
}

/// Learns what was changed in the configuration up to a block, if it was executed under one that is not known here yet.
async fn learn_changes(node: &Node, link: &Link, reply: &GetBlockReply) -> Result<(), String> {
    let proof = FinalHeaderProof::decode(&reply.finality).map_err(|error| error.to_string())?;
    while let Err(ProofError::Configuration {
        changed_later: true, ..
    }) = node.anchor.config_of(&proof.header)
    {
        let known = node.anchor.newest_from();
        let changes = link.config_changes(known).await;
        for bytes in changes.map_err(|status| status.message().to_owned())?.changes {
            let change = ConfigChange::decode(&bytes).map_err(|error| error.to_string())?;
            node.anchor.learn(&change).map_err(|error| error.to_string())?;
        }
        if node.anchor.newest_from() == known {
            break;
        }
    }
    Ok(())
}

/// Executes what one peer has; the inner error is that peer's fault.
pub(crate) async fn fetch_up_to(
    node: &Arc<Node>,
    link: &Link,
    chain: &ChainThread,
    height: u64,
) -> Result<Result<(), String>, ChainError> {
    while node.newest().header.height < height {
        let from = node.newest().header.height + 1;
        let mut blocks = match link.fetch_blocks(from, PAGE).await {
            Ok(blocks) => blocks,
            Err(status) => return Ok(Err(status.message().to_owned())),
        };
        let mut any = false;
        let mut patience = PAGE_TIMEOUT;
        loop {
            let began = Instant::now();
            let reply = match next_within(&mut blocks, BLOCK_TIMEOUT.min(patience)).await {
                Ok(Some(reply)) => reply,
                Ok(None) => break,
                Err(why) => return Ok(Err(why)),
            };
            patience = patience.saturating_sub(began.elapsed());
            let block = match learn_and_prove(node, link, &reply).await {
                Ok((block, proof)) if block.header.height <= height => {
                    keep_endorsements(node, &proof)?;
                    block
                }
                Ok(_) => break,
                Err(why) => return Ok(Err(why)),
            };
            any = true;
            match chain.run(move |chain| chain.import(block, None)).await {
                Ok(Ok(())) => {}
                Ok(Err(ChainError::Foreign { height, why })) => {
                    return Ok(Err(format!("block {height}: {why}")));
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(ChainError::Stopped),
            }
        }
        if !any {
            return Ok(Err(format!("it has no block {from} yet")));
        }
    }
    Ok(Ok(()))
}

/// The block of a reply, after learning from the same peer what has changed in the configuration, if that is what it takes.
pub(crate) async fn learn_and_prove(
    node: &Node,
    link: &Link,
    reply: &GetBlockReply,
) -> Result<(Block, FinalHeaderProof), String> {
    if let Ok(proven) = proven_block(node, reply) {
        return Ok(proven);
    }
    learn_changes(node, link, reply).await?;
    proven_block(node, reply)
}

/// The block of a reply, if enough actors have endorsed it: one peer's word is not enough to execute, and then to
/// endorse, what Raft has not told this peer.
pub(crate) fn proven_block(node: &Node, reply: &GetBlockReply) -> Result<(Block, FinalHeaderProof), String> {
    let block = Block::decode(&reply.block).map_err(|error| error.to_string())?;
    let proof = FinalHeaderProof::decode(&reply.finality).map_err(|error| error.to_string())?;
    let proven = proof.verify(&node.anchor).map_err(|error| error.to_string())?;
    if proven.header == block.header && block.is_complete() {
        return Ok((block, proof));
    }
    Err(format!(
        "block {} is not the one that its endorsers signed",
        block.header.height
    ))
}

/// Keeps the endorsements of a proof that holds: this peer heard none of them itself, and has to prove the block to
/// others. One that contradicts what its signer told this peer is evidence.
///
/// # Errors
/// The store cannot be written.
pub(crate) fn keep_endorsements(node: &Node, proof: &FinalHeaderProof) -> Result<(), StoreError> {
    let _keeping = node.keeping_votes.lock();
    let mut votes = Vec::with_capacity(proof.endorsements.len());
    for (vote, der) in proof.endorsements.iter().zip(&proof.certificates) {
        // The proof was verified, so its certificates can be read.
        if let Ok(certificate) = Certificate::parse(der) {
            let actor = &certificate.member().actor;
            node.endorsers.remember(&certificate)?;
            if check_vote(node, (actor, vote), &certificate, &votes)? {
                votes.push((actor.clone(), vote.clone()));
            }
        }
    }
    node.store.save_votes(&votes)
}
