//! Looks at the peers all the time, to tell what changes.

use e2l_client::{LedgerClient, wire::StatusReply};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);
/// A peer that takes longer counts as silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the peers said at one look.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// Status by actor; those that did not answer are missing.
    pub peers: BTreeMap<String, StatusReply>,
}

impl Sight {
    /// The actor that leads in the newest term that anyone knows.
    pub fn leader(&self) -> Option<&str> {
        let newest = self
            .peers
            .values()
            .max_by_key(|status| (status.raft_term, !status.leader.is_empty()))?;
        Some(newest.leader.as_str()).filter(|leader| self.peers.contains_key(*leader))
    }

    /// Whether these actors' peers answer and have the same leader.
    pub fn agrees(&self, actors: &[String]) -> bool {
        let Some(leader) = self.leader() else { return false };
        actors.iter().all(|actor| {
            self.peers
                .get(actor)
                .is_some_and(|status| status.leader == leader)
        })
    }

    /// Highest final height.
    pub fn final_height(&self) -> u64 {
        self.peers
            .values()
            .map(|status| status.final_height)
            .max()
            .unwrap_or_default()
    }
}

/// Asks every peer once, at the same time.
pub async fn look(client: &LedgerClient) -> Sight {
    let actors: Vec<String> = client.peers().map(|peer| peer.actor.clone()).collect();
    let asked = actors.into_iter().map(|actor| async move {
        let only = client.only(&actor)?;
        let status = timeout(PATIENCE, only.status()).await.ok()?.ok()?;
        Some((actor, status))
    });
    Sight {
        peers: join_all(asked).await.into_iter().flatten().collect(),
    }
}

/// Looks again and again, until nobody reads the results.
pub fn watch(client: LedgerClient) -> watch::Receiver<Sight> {
    let (sender, receiver) = watch::channel(Sight::default());
    tokio::spawn(async move {
        while !sender.is_closed() {
            sender.send_replace(look(&client).await);
            tokio::time::sleep(EVERY).await;
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(leader: &str, raft_term: u64) -> StatusReply {
        StatusReply {
            leader: leader.to_owned(),
            raft_term,
            ..StatusReply::default()
        }
    }

    fn sight(peers: &[(&str, &str, u64)]) -> Sight {
        let peers = peers
            .iter()
            .map(|(actor, leader, term)| ((*actor).to_owned(), status(leader, *term)));
        Sight {
            peers: peers.collect(),
        }
    }

    #[test]
    fn the_newest_term_decides() {
        assert_eq!(sight(&[("a", "a", 1), ("b", "b", 2)]).leader(), Some("b"));
        assert_eq!(sight(&[("a", "a", 2), ("b", "", 2)]).leader(), Some("a"));
        assert_eq!(sight(&[("a", "", 3), ("b", "b", 2)]).leader(), None);
    }

    #[test]
    fn a_leader_that_does_not_answer_is_none() {
        assert_eq!(sight(&[("a", "c", 1), ("b", "c", 1)]).leader(), None);
    }

    #[test]
    fn agreement_is_of_all_that_are_named() {
        let actors = ["a".to_owned(), "b".to_owned()];
        assert!(sight(&[("a", "b", 2), ("b", "b", 2)]).agrees(&actors));
        assert!(!sight(&[("a", "a", 1), ("b", "b", 2)]).agrees(&actors));
        assert!(!sight(&[("b", "b", 2)]).agrees(&actors));
    }
}
