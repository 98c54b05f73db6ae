//! Who this peer is.

use e2l_identity::{CurrentIdentity, Identity};
use e2l_ledger::{Member, NetworkConfig};
use std::sync::{Arc, OnceLock};

/// The member that this peer is, and its place in ordering.
pub struct Me {
    /// Who this peer is now.
    pub identity: Arc<CurrentIdentity>,
    /// Raft id that this peer takes part with; none before it is admitted.
    raft_id: OnceLock<u64>,
}

impl Me {
    /// A peer that is not admitted yet.
    pub(super) fn new(identity: Arc<CurrentIdentity>) -> Self {
        Self {
            identity,
            raft_id: OnceLock::new(),
        }
    }

    /// Who this peer is, whatever its certificate.
    pub fn member(&self) -> &Member {
        self.identity.member()
    }

    /// Signs in this peer's name, with the key that is in use now: taken once for what belongs together.
    pub fn signer(&self) -> Arc<Identity> {
        self.identity.get()
    }

    /// The Raft id that a configuration gives this peer; `None` if it is not the peer of its actor there.
    pub fn raft_id_in(&self, config: &NetworkConfig) -> Option<u64> {
        config.peer_of(self.member()).map(|(_, peer)| peer.raft_id)
    }

    /// The Raft id that this peer takes part with; `None` before it is admitted.
    pub fn raft_id(&self) -> Option<u64> {
        self.raft_id.get().copied()
    }

    /// This peer takes part with this Raft id from now on.
    pub fn take_part_as(&self, raft_id: u64) {
        // A peer has one for its life: another one is another disk.
        let _ = self.raft_id.set(raft_id);
    }

    /// Whether this peer votes about heights of a configuration. What it might have signed under another Raft id, with
    /// another disk, it does not know: there it signs nothing.
    pub fn votes_under(&self, config: &NetworkConfig) -> bool {
        let mine = self.raft_id_in(config);
        mine.is_some() && mine == self.raft_id() && config.is_voting_peer(self.member())
    }
}
