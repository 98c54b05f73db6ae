//! Where a node's log stands before Raft is started on it, and markers compared.

use crate::application::NodeInfo;
use crate::node::ConsensusError;
use crate::types::{Marker, decode, encode};
use e2l_store::{RaftLog, StoreError};
use openraft::{LogId, Membership, StoredMembership, Vote};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where a log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStanding {
    /// Highest index that it is known to have held, or was about to be brought to.
    pub reach: Option<u64>,
    /// Index of the last entry that was purged.
    pub purged: Option<u64>,
    /// A height that the ledger had reached when that was purged, or later.
    pub height: u64,
    /// Whether the node is on its way back into the group.
    pub rejoining: bool,
    purged_id: Option<LogId<u64>>,
}

/// Why a marker cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("a Raft position cannot be read: {0}; the peers are of different releases, or one of them lies")]
pub struct BadMarker(#[from] postcard::Error);

impl LogStanding {
    /// Reads the log in `dir`, which nobody else has open.
    ///
    /// # Errors
    /// The log is corrupt.
    pub fn read(dir: &Path) -> Result<Self, ConsensusError> {
        let log = RaftLog::open(dir)?;
        let purged = log.purged()?;
        let purged_id = match &purged {
            Some((_, marker)) => Some(decode(marker).map_err(|error| unreadable(dir, "purged", &error))?),
            None => None,
        };
        let height = log.height()?;
        let standing = Self {
            height: height.unwrap_or(0),
            reach: log.reach()?,
            purged: purged.map(|(index, _)| index),
            rejoining: log.is_rejoining()?,
            purged_id,
        };
        // The founder appends entry 0 before it votes; nobody appends another without a vote.
        if standing.reach > Some(0) && !standing.rejoining {
            let why = "it is missing, and the log has entries that came after it";
            if log.vote()?.is_none() {
                return Err(unreadable(dir, "vote", &why).into());
            }
            if height.is_none() {
                return Err(unreadable(dir, "height", &why).into());
            }
        }
        Ok(standing)
    }

    /// Where a ledger that was restored up to [`height`](Self::height) goes on: where this node's own log begins, with
    /// the voters of the configuration. What Raft offers again below is executed already; nobody else is asked, since
    /// whoever names the place or the membership could have this node skip entries, or elect itself alone.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn resume(&self, voters: BTreeMap<u64, NodeInfo>) -> Result<Vec<u8>, BadMarker> {
        let ids: BTreeSet<u64> = voters.keys().copied().collect();
        // An empty log has no membership yet: the leader sends it.
        let membership = match self.purged_id {
            Some(_) => StoredMembership::new(Some(LogId::default()), Membership::new(vec![ids], voters)),
            None => StoredMembership::default(),
        };
        Ok(encode(&Marker {
            last: self.purged_id,
            membership,
        })?)
    }
}

/// Index of the last entry that is applied at a marker; 0 for none.
///
/// # Errors
/// It is no marker.
pub fn marker_index(marker: &[u8]) -> Result<u64, BadMarker> {
    if marker.is_empty() {
        return Ok(0);
    }
    let marker: Marker = decode(marker)?;
    Ok(marker.last.map_or(0, |last| last.index))
}

/// Makes the log in `dir`, which is new, that of a node on its way back: it will not vote before it is told to.
///
/// # Errors
/// The log cannot be written.
pub fn begin_rejoining(dir: &Path) -> Result<(), ConsensusError> {
    Ok(RaftLog::open(dir)?.set_rejoining(true)?)
}

/// A node that led when it stopped does not lead when it starts: it would go on where its log ends now, and if
/// that is not where it ended, tell a second story in its own term.
pub(crate) fn step_down(log: &RaftLog, node_id: u64) -> Result<(), ConsensusError> {
    let Some(bytes) = log.vote()? else {
        return Ok(());
    };
    let error = |error: &postcard::Error| ConsensusError::Start(format!("the vote cannot be read: {error}"));
    let mut vote: Vote<u64> = decode(&bytes).map_err(|found| error(&found))?;
    if vote.committed && vote.leader_id.node_id == node_id {
        vote.committed = false;
        log.save_vote(&encode(&vote).map_err(|found| error(&found))?)?;
    }
    Ok(())
}

fn unreadable(dir: &Path, record: &str, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        dir: dir.to_owned(),
        column: "meta",
        record: record.to_owned(),
        why: why.to_string(),
        remedy: "start the peer with --rejoin (docs/operations/recovery.md)",
    }
}
