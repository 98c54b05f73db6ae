//! Which peer to use: the preferred one unless it failed a moment ago.

use super::standing::{Refusal, Standings};
use crate::backoff::Backoff;
use e2l_client::{ClientError, LedgerClient};
use std::time::Duration;
use tokio::time::Instant;

/// First and longest rest of a peer that failed.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// The same of one that refuses: it may be mended, or the only one left.
const REFUSAL_REST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

struct Peer {
    actor: String,
    client: LedgerClient,
    rest: Backoff,
    refusal_rest: Backoff,
    until: Instant,
}

/// The peers, in order of preference.
pub struct Peers {
    all: Vec<Peer>,
    standings: Standings,
}

impl Peers {
    /// Those of a client.
    pub fn new(client: &LedgerClient) -> Self {
        let peers = client.peers().filter_map(|peer| {
            Some(Peer {
                actor: peer.actor.clone(),
                client: client.only(&peer.actor)?,
                rest: Backoff::new(REST.0, REST.1),
                refusal_rest: Backoff::new(REFUSAL_REST.0, REFUSAL_REST.1),
                until: Instant::now(),
            })
        });
        let all: Vec<Peer> = peers.collect();
        let standings = Standings::new(all.iter().map(|peer| peer.actor.clone()));
        Self { all, standings }
    }

    /// The first that does not rest, or the one that rests shortest, and until when.
    pub fn choose(&self) -> Option<(usize, Instant)> {
        let now = Instant::now();
        let peers = self
            .all
            .iter()
            .enumerate()
            .map(|(index, peer)| (index, peer.until));
        peers.min_by_key(|(index, until)| ((*until).max(now), *index))
    }

    /// A client of that peer alone.
    pub fn client(&self, index: usize) -> &LedgerClient {
        &self.all[index].client
    }

    /// Its actor.
    pub fn actor(&self, index: usize) -> &str {
        &self.all[index].actor
    }

    /// It does not serve, and rests for a while, at least `least`.
    pub fn failed(&mut self, index: usize, least: Option<Duration>) {
        self.rest(index, least);
        self.standings.is_away(index);
    }

    /// It serves, and lacks what came before: it rests for a while.
    pub fn is_behind(&mut self, index: usize) {
        self.rest(index, None);
        self.standings.does_not_refuse(index);
    }

    /// It would take more a little later.
    pub fn is_busy(&mut self, index: usize) {
        self.standings.does_not_refuse(index);
    }

    /// It refuses for good. One alone may be wrong, or lie: it rests, and the others are asked.
    pub fn refuses(&mut self, index: usize, refusal: Refusal) {
        let peer = &mut self.all[index];
        peer.until = Instant::now() + peer.refusal_rest.fail();
        self.standings.refuses(index, refusal);
    }

    /// It serves: its next rest is short again.
    pub fn worked(&mut self, index: usize) {
        let peer = &mut self.all[index];
        peer.rest.reset();
        peer.refusal_rest.reset();
        peer.until = Instant::now();
        self.standings.accepted();
    }

    /// Makes new connections for what is called from now on.
    pub fn renew(&self) {
        for peer in &self.all {
            peer.client.renew();
        }
    }

    /// Nobody rests, and nobody refuses: what they refused is not what comes now.
    pub fn begin_anew(&mut self) {
        for peer in &mut self.all {
            peer.rest.reset();
            peer.refusal_rest.reset();
            peer.until = Instant::now();
        }
        self.standings.accepted();
    }

    /// Who refuses and why, once no other peer can be hoped for.
    pub fn all_refuse(&self) -> Option<Vec<(&str, &Refusal)>> {
        self.standings.all_refuse()
    }

    /// When the preferred peer may be tried again, if another is in use.
    pub fn return_at(&self, used: usize) -> Option<Instant> {
        (used > 0).then(|| self.all[0].until.max(Instant::now() + REST.1))
    }

    fn rest(&mut self, index: usize, least: Option<Duration>) {
        let peer = &mut self.all[index];
        let pause = peer.rest.fail().max(least.unwrap_or_default());
        peer.until = Instant::now() + pause;
    }
}

/// Whether neither waiting nor asking this peer again would help.
pub fn is_final(error: &ClientError) -> bool {
    use e2l_client::wire::refusal::Reason;
    match error {
        ClientError::Denied { .. } => true,
        ClientError::Refused { reason, .. } => matches!(
            reason,
            Reason::Unauthentic
                | Reason::Forbidden
                | Reason::WrongNetwork
                | Reason::Malformed
                | Reason::Conflict
        ),
        _ => false,
    }
}
