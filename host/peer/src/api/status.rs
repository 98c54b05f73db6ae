//! What a peer says about itself and the others.

use crate::node::Node;
use e2l_client::wire::{PeerStatus, StatusReply};
use e2l_consensus::RaftNode;

/// The status now.
pub fn status(node: &Node, raft: &RaftNode) -> StatusReply {
    let newest = node.newest().header;
    let leadership = raft.leadership().borrow().clone();
    let (pool_envelopes, pool_bytes) = node.pool.load();
    let me = node.me.member();
    let config = node.config();
    let leader = leadership.leader.and_then(|id| config.actor_of_raft_id(id));
    let peers = config.voters().filter(|(actor, _)| actor.name != me.actor);
    let peers = peers.map(|(actor, peer)| {
        let heard = node.heard_peers.get(&actor.name);
        let (acknowledged_height, endorsed_height) = node.with_finality(|f| f.reached(&actor.name));
        PeerStatus {
            actor: actor.name.clone(),
            address: peer.address.clone(),
            reachable: heard.is_some_and(|heard| heard.linked),
            acknowledged_height,
            endorsed_height,
            last_heard_nano: heard.map_or(0, |heard| heard.at_nano),
        }
    });
    StatusReply {
        network: config.network.clone(),
        network_hash: node.network.0.to_vec().into(),
        actor: me.actor.clone(),
        peer: me.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        applied_height: newest.height,
        final_height: node.with_finality(|finality| finality.final_height()),
        sealed_height: node.with_finality(|finality| finality.sealed_height()),
        header: newest.digest().0.to_vec().into(),
        state_root: newest.state_root.0.to_vec().into(),
        time_nano: newest.time_nano,
        raft_term: leadership.term,
        raft_role: leadership.role.to_string(),
        leader: leader.map(|(actor, _)| actor.name.clone()).unwrap_or_default(),
        peers: peers.collect(),
        pool_envelopes,
        pool_bytes,
        scrubbed_height: node.scrub.height(),
        scrub_pass_nano: node.scrub.last_pass_nano(),
        alarms: node.alarms(),
        transactions: node.finalized().map_or(0, |finalized| finalized.at.transactions),
    }
}
