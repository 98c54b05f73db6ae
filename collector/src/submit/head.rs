//! Where the collector stands on the ledger.

use super::error::SubmitError;
use super::peers::is_final;
use super::standing::{Refusal, Standings};
use crate::backoff::Backoff;
use crate::spool::Prepared;
use e2l_client::{LedgerClient, Verifier, VerifyError};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{Member, SenderHead};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Asks the peers until a majority has answered with proof: one alone may be behind. Waits for as long as it takes.
///
/// # Errors
/// Most peers refuse this collector, and no other can be reached.
pub async fn newest_head(
    client: &LedgerClient,
    anchor: &Arc<Anchor>,
    sender: &Member,
) -> Result<SenderHead, SubmitError> {
    let peers: Vec<(&str, Verifier)> = client
        .peers()
        .filter_map(|peer| Some((peer.actor.as_str(), client.only(&peer.actor)?)))
        .map(|(actor, peer)| (actor, Verifier::new(peer, Arc::clone(anchor))))
        .collect();
    let mut pauses = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let answers = join_all(peers.iter().map(|(_, peer)| peer.sender_head(sender))).await;
        let mut standings = Standings::new(peers.iter().map(|(actor, _)| (*actor).to_owned()));
        let (mut heads, mut failures) = (Vec::new(), Vec::new());
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(head) => heads.push(head),
                Err(error) => {
                    failures.push(format!("{}: {error}", peers[index].0));
                    match error {
                        VerifyError::Client(error) if is_final(&error) => {
                            standings.refuses(index, Refusal::of(&error));
                        }
                        _ => standings.is_away(index),
                    }
                }
            }
        }
        if heads.len() * 2 > peers.len() {
            let newest = heads
                .into_iter()
                .max_by_key(|head| (head.incarnation, head.sequence));
            return Ok(newest.unwrap_or_default());
        }
        let why = failures.join("; ");
        if standings.all_refuse().is_some() {
            return Err(SubmitError::Refused { refusals: why });
        }
        let pause = pauses.fail();
        tracing::warn!(%why, retry_ms = pause.as_millis(), "a new spool needs the answers of most peers: waiting");
        sleep(pause).await;
    }
}

/// What the ledger says that this collector never signed; `None` if the head is one of its batches or lies
/// before them.
pub fn contradiction(head: &SenderHead, unfinal: &[&Prepared]) -> Option<String> {
    let (first, last) = (unfinal.first()?, unfinal.last()?);
    let place = format!("batch {} of incarnation {}", head.sequence, head.incarnation);
    if (head.incarnation, head.sequence) > (last.incarnation, last.sequence) {
        return Some(format!(
            "the ledger's last is {place}, which this spool never signed"
        ));
    }
    if head.incarnation < first.incarnation && first.sequence == 1 {
        // Only now it is known which batch a new incarnation should have named.
        return (first.previous != head.digest)
            .then(|| format!("the ledger's last is {place}, this incarnation was opened after another one"));
    }
    let ours = unfinal
        .iter()
        .find(|batch| (batch.incarnation, batch.sequence) == (head.incarnation, head.sequence));
    ours.filter(|batch| batch.digest != head.digest)
        .map(|_| format!("the ledger holds another {place}"))
}
