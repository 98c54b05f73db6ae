//! Which peer to use: the preferred one unless it failed a moment ago.

use crate::backoff::Backoff;
use e2l_client::{ClientError, LedgerClient};
use std::time::Duration;
use tokio::time::Instant;

/// First and longest rest of a peer that failed.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

struct Peer {
    actor: String,
    client: LedgerClient,
    rest: Backoff,
    until: Instant,
}

/// The peers, in order of preference.
pub struct Peers(Vec<Peer>);

impl Peers {
    /// Those of a client.
    pub fn new(client: &LedgerClient) -> Self {
        let peers = client.peers().filter_map(|peer| {
            Some(Peer {
                actor: peer.actor.clone(),
                client: client.only(&peer.actor)?,
                rest: Backoff::new(REST.0, REST.1),
                until: Instant::now(),
            })
        });
        Self(peers.collect())
    }

    /// The first that does not rest, or the one that rests shortest, and until when.
    pub fn choose(&self) -> Option<(usize, Instant)> {
        let now = Instant::now();
        let peers = self.0.iter().enumerate().map(|(index, peer)| (index, peer.until));
        peers.min_by_key(|(index, until)| ((*until).max(now), *index))
    }

    /// A client of that peer alone.
    pub fn client(&self, index: usize) -> &LedgerClient {
        &self.0[index].client
    }

    /// Its actor.
    pub fn actor(&self, index: usize) -> &str {
        &self.0[index].actor
    }

    /// It rests for a while, at least `least`.
    pub fn failed(&mut self, index: usize, least: Option<Duration>) {
        let peer = &mut self.0[index];
        let pause = peer.rest.fail().max(least.unwrap_or_default());
        peer.until = Instant::now() + pause;
    }

    /// It serves: its next rest is short again.
    pub fn worked(&mut self, index: usize) {
        self.0[index].rest.reset();
        self.0[index].until = Instant::now();
    }

    /// When the preferred peer may be tried again, if another is in use.
    pub fn return_at(&self, used: usize) -> Option<Instant> {
        (used > 0).then(|| self.0[0].until.max(Instant::now() + REST.1))
    }
}

/// Whether neither waiting nor another peer would help.
pub fn is_final(error: &ClientError) -> bool {
    use e2l_client::wire::refusal::Reason;
    match error {
        ClientError::Denied { .. } => true,
        ClientError::Refused { reason, .. } => {
            matches!(
                reason,
                Reason::Unauthentic | Reason::Forbidden | Reason::WrongNetwork | Reason::Malformed
            )
        }
        _ => false,
    }
}
