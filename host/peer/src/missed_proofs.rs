//! Proofs of heights that this peer came to without hearing who endorsed them.
//!
//! A peer that was away hears the others' newest votes, which make final all that is below: but a proof reaches only some
//! hundred heights down, and of an actor that replaced its authority meanwhile the votes are signed again, with a certificate
//! that was not trusted at those heights. Whoever was there has the votes of that time.

use crate::catch_up::{keep_endorsements, learn_and_prove};
use crate::links::{Link, Links, next_within};
use crate::node::Node;
use crate::proofs::{NoProof, final_header};
use e2l_ledger::proof::FinalHeaderProof;
use e2l_store::StoreError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Heights asked for at once.
const PAGE: u32 = 256;
/// Longest wait for a block, whose proof comes with it.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before the others are asked again, and before heights are looked at that are not final yet.
const PAUSE: Duration = Duration::from_secs(1);

/// Which heights those may be.
#[derive(Debug, Default)]
pub struct MissedProofs {
    wanted: Mutex<Option<RangeInclusive<u64>>>,
    more: Notify,
    /// Actors that were not heard since, and the first height that was not final then.
    unheard: Mutex<BTreeMap<String, u64>>,
}

impl MissedProofs {
    /// An actor's peer is not heard any more, or was not yet.
    pub fn lost(&self, actor: &str, final_height: u64) {
        let mut unheard = self.unheard.lock();
        if !unheard.contains_key(actor) {
            unheard.insert(actor.to_owned(), final_height.saturating_add(1));
        }
    }

    /// An actor's peer has told its votes, this one the highest: what it said of the heights below may be missing.
    pub fn heard(&self, actor: &str, height: u64) {
        if let Some(first) = self.unheard.lock().remove(actor) {
            self.want(first, height);
        }
    }

    /// The proofs of these heights, both included, have to be looked for; of none if the first is above the last.
    pub fn want(&self, first: u64, last: u64) {
        if first > last {
            return;
        }
        tracing::debug!(first, last, "proofs of these heights may be missing");
        let mut wanted = self.wanted.lock();
        let joined = match wanted.take() {
            Some(known) => first.min(*known.start())..=last.max(*known.end()),
            None => first..=last,
        };
        *wanted = Some(joined);
        drop(wanted);
        self.more.notify_one();
    }

    /// Whether a height is among them: then it is no damage that it cannot be proven.
    pub fn contains(&self, height: u64) -> bool {
        self.wanted
            .lock()
            .as_ref()
            .is_some_and(|wanted| wanted.contains(&height))
    }

    async fn first(&self) -> u64 {
        loop {
            let more = self.more.notified();
            if let Some(wanted) = &*self.wanted.lock() {
                return *wanted.start();
            }
            more.await;
        }
    }

    /// Those below this one can be proven.
    fn proven_below(&self, height: u64) {
        let mut wanted = self.wanted.lock();
        *wanted = wanted.take().and_then(|known| {
            let rest = height.max(*known.start())..=*known.end();
            (!rest.is_empty()).then_some(rest)
        });
    }
}

/// Gets the proofs that are missing from the other peers, until the process ends.
pub async fn prove_missed(node: Arc<Node>, links: Arc<Links>) {
    loop {
        let height = node.missed_proofs.first().await;
        match prove_from(&node, &links, height).await {
            Ok(next) if next > height => node.missed_proofs.proven_below(next),
            Ok(_) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(height, %error, "the proof of a height that this peer missed cannot be completed yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Sees to it that a height can be proven. Returns the first one above that need not be; the same height if it is not
/// final yet, or nobody proves it now.
async fn prove_from(node: &Arc<Node>, links: &Links, height: u64) -> Result<u64, StoreError> {
    if height > node.with_finality(|finality| finality.final_height()) {
        return Ok(height);
    }
    let looked_up = {
        let node = node.clone();
        tokio::task::spawn_blocking(move || {
            let proof = final_header(&node, height)?;
            let holds = proof.verify(&node.anchor).is_ok();
            Ok(holds.then(|| proven_below(&node, &proof)))
        })
    };
    match looked_up.await {
        Ok(Ok(Some(next))) if next > height => return Ok(next),
        Ok(Ok(_) | Err(NoProof::NotEndorsed(_))) => {}
        // What is damaged is mended by whom it is reported to, who then finds the proof with the block.
        Ok(Err(NoProof::Store(error))) if error.is_damage() => return Ok(height + 1),
        Ok(Err(NoProof::Store(error))) => return Err(error),
        // A lookup is cut off only when the process ends.
        Ok(Err(_)) | Err(_) => return Ok(height),
    }
    for link in links.all() {
        match fetch_proofs(node, &link, height).await? {
            Ok(next) if next > height => {
                tracing::info!(from = height, below = next, peer = %link.actor, "proofs of missed heights are here");
                return Ok(next);
            }
            Ok(_) => {}
            Err(why) => tracing::debug!(height, peer = %link.actor, %why, "no proofs from this peer"),
        }
    }
    Ok(height)
}

/// The first height from that of a proof on which the proof's endorsements do not prove. They prove all heights up to the
/// one that they name, but no change of the configuration below it: whoever is to learn of the change from them would have
/// to know of it already.
fn proven_below(node: &Node, proof: &FinalHeaderProof) -> u64 {
    let height = proof.header.height;
    let endorsed = height + proof.descendants.len() as u64;
    let epochs = node.anchor.epochs().into_iter();
    let changes = epochs.map(|epoch| epoch.from.saturating_sub(1));
    let change = changes.filter(|change| (height..endorsed).contains(change)).min();
    change.unwrap_or(endorsed + 1)
}

/// Keeps the endorsements that another peer has of a height and those above. Returns the first height that it did not
/// prove; the inner error is that peer's fault.
async fn fetch_proofs(node: &Node, link: &Link, first: u64) -> Result<Result<u64, String>, StoreError> {
    let mut blocks = match link.fetch_blocks(first, PAGE).await {
        Ok(blocks) => blocks,
        Err(status) => return Ok(Err(status.message().to_owned())),
    };
    let mut next = first;
    loop {
        let reply = match next_within(&mut blocks, BLOCK_TIMEOUT).await {
            Ok(Some(reply)) => reply,
            Ok(None) => return Ok(Ok(next)),
            Err(_) if next > first => return Ok(Ok(next)),
            Err(why) => return Ok(Err(why)),
        };
        match learn_and_prove(node, link, &reply).await {
            Ok((block, proof)) if block.header.height == next && node.missed_proofs.contains(next) => {
                keep_endorsements(node, &proof)?;
                next += 1;
            }
            Ok(_) => return Ok(Ok(next)),
            Err(_) if next > first => return Ok(Ok(next)),
            Err(why) => return Ok(Err(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MissedProofs;

    #[test]
    fn what_is_wanted_grows_and_shrinks_from_below() {
        let missed = MissedProofs::default();
        missed.want(5, 4);
        assert!(!missed.contains(4) && !missed.contains(5));
        missed.want(5, 9);
        missed.want(3, 6);
        assert!((3..=9).all(|height| missed.contains(height)));
        missed.proven_below(7);
        assert!(!missed.contains(6) && missed.contains(7));
        missed.proven_below(2);
        assert!(!missed.contains(6) && missed.contains(7));
        missed.proven_below(10);
        assert!((0..20).all(|height| !missed.contains(height)));
        missed.want(12, 12);
        assert!(missed.contains(12) && !missed.contains(11));
    }

    #[test]
    fn what_an_actor_said_while_it_was_not_heard_is_wanted() {
        let missed = MissedProofs::default();
        missed.heard("provider", 3);
        missed.lost("provider", 4);
        missed.lost("provider", 6);
        assert!((0..20).all(|height| !missed.contains(height)));
        missed.heard("provider", 9);
        missed.heard("provider", 15);
        assert!((5..=9).all(|height| missed.contains(height)));
        assert!(!missed.contains(4) && !missed.contains(10));
    }
}
