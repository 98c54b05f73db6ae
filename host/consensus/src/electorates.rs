//! Which memberships of the Raft group governance has decided on (DESIGN section 3).

use crate::application::{Electorate, NodeInfo};
use openraft::Membership;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What may be said of a membership that somebody names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sanction {
    /// It leads to the voters that are decided on from this height on.
    Decided(u64),
    /// Nothing that is known here allows it.
    Unknown,
}

/// The electorates that are known, those of the genesis first.
pub(crate) struct Electorates(pub(crate) Arc<[Electorate]>);

impl Electorates {
    /// Judges a membership. Each of its sets of voters must be one that was decided on, and the last of them no older
    /// than the one from height `floor` on: a leader cannot bring back who was removed.
    pub(crate) fn judge(&self, membership: &Membership<u64, NodeInfo>, floor: u64) -> Sanction {
        let sets = membership.get_joint_config();
        let known = sets.iter().all(|ids| self.of(ids).is_some());
        let nodes = membership.nodes().all(|(id, _)| self.has(*id));
        let target = sets.last().and_then(|ids| self.of(ids));
        match target.filter(|from| *from >= floor && known && nodes && sets.len() <= 2) {
            Some(from) => Sanction::Decided(from),
            None => Sanction::Unknown,
        }
    }

    /// From which height on these voted last.
    pub(crate) fn of(&self, ids: &BTreeSet<u64>) -> Option<u64> {
        let same = |known: &&Electorate| known.voters.keys().eq(ids.iter());
        self.0.iter().rev().find(same).map(|known| known.from)
    }

    /// Whether a node has ever voted.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.0.iter().any(|known| known.voters.contains_key(&id))
    }

    /// Whether a node votes now.
    pub(crate) fn votes(&self, id: u64) -> bool {
        self.0.last().is_some_and(|known| known.voters.contains_key(&id))
    }

    /// Who founded the group.
    pub(crate) fn founders(&self) -> BTreeMap<u64, NodeInfo> {
        self.0
            .first()
            .map(|first| first.voters.clone())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn electorate(from: u64, ids: &[u64]) -> Electorate {
        Electorate {
            from,
            voters: ids.iter().map(|id| (*id, NodeInfo::default())).collect(),
        }
    }

    fn membership(sets: &[&[u64]], nodes: &[u64]) -> Membership<u64, NodeInfo> {
        let sets = sets.iter().map(|ids| ids.iter().copied().collect()).collect();
        let nodes: BTreeMap<u64, NodeInfo> = nodes.iter().map(|id| (*id, NodeInfo::default())).collect();
        Membership::new(sets, nodes)
    }

    #[test]
    fn a_membership_is_one_that_was_decided_on_and_no_older_than_the_last() {
        let known = Electorates([electorate(0, &[1, 2, 3]), electorate(20, &[1, 2, 3, 4])].into());
        let one = membership(&[&[1, 2, 3]], &[1, 2, 3]);
        let learner = membership(&[&[1, 2, 3]], &[1, 2, 3, 4]);
        let joint = membership(&[&[1, 2, 3], &[1, 2, 3, 4]], &[1, 2, 3, 4]);
        assert_eq!(known.judge(&one, 0), Sanction::Decided(0));
        assert_eq!(known.judge(&learner, 0), Sanction::Decided(0));
        assert_eq!(known.judge(&joint, 0), Sanction::Decided(20));
        assert_eq!(known.judge(&joint, 20), Sanction::Decided(20), "begun anew");
        assert_eq!(known.judge(&one, 20), Sanction::Unknown, "a step back");
        let alone = membership(&[&[1]], &[1, 2, 3]);
        assert_eq!(known.judge(&alone, 0), Sanction::Unknown);
        let through_alone = membership(&[&[1], &[1, 2, 3, 4]], &[1, 2, 3, 4]);
        assert_eq!(known.judge(&through_alone, 0), Sanction::Unknown);
        let stranger = membership(&[&[1, 2, 3]], &[1, 2, 3, 9]);
        assert_eq!(known.judge(&stranger, 0), Sanction::Unknown);
    }

    #[test]
    fn who_votes_and_who_has_voted() {
        let known = Electorates([electorate(0, &[1, 2, 3]), electorate(9, &[1, 2])].into());
        assert!(known.votes(1) && !known.votes(3));
        assert!(known.has(3) && !known.has(4));
        assert_eq!(known.founders().len(), 3);
    }
}
