//! When a block is final, and when it is sealed (DESIGN section 3). Pure: times are arguments, votes arrive
//! verified.
//!
//! A height is final when endorsements of it, or of a block above it on this peer's own chain, meet the
//! policy, and every other voting peer that is in step has acknowledged the same proposals. A peer that has no
//! link, or that keeps a height waiting longer than `suspect_after`, is out of step until it has caught up.

use e2l_ledger::{Digest, Policy, Vote};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Votes remembered per peer for heights that this peer has not executed yet.
const AHEAD: usize = 1024;

/// Contradicting votes of a kind remembered per actor, the newest: a liar must not fill the memory. No more than so many
/// raise an alarm.
const DIVERGENCES: usize = 8;

/// How long a linked peer may keep a height waiting (DESIGN section 3).
pub const SUSPECT_AFTER: Duration = Duration::from_secs(1);

/// What this peer got by executing a height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// Digest of the proposal.
    pub proposal: Digest,
    /// Digest of the header.
    pub header: Digest,
}

/// What another actor's peer has said.
#[derive(Debug, Default)]
struct Witness {
    /// Votes on heights above those matched.
    acknowledged_ahead: BTreeMap<u64, Digest>,
    endorsed_ahead: BTreeMap<u64, Digest>,
    /// Highest height whose vote matches our own chain.
    acknowledged: u64,
    endorsed: u64,
    linked: bool,
    in_step: bool,
    /// Since when the next height waits for nothing but this peer.
    blocking_since: Option<Instant>,
}

/// What a vote contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Disputed {
    /// Which proposal is committed: the leader told two stories, or the voter lies. Finality stops.
    Proposal,
    /// What executing it gives: the voter's endorsement does not count, and if enough others agree on
    /// something else, this peer's own result is the wrong one.
    Header,
}

impl std::fmt::Display for Disputed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Proposal => "acknowledgement",
            Self::Header => "endorsement",
        })
    }
}

/// Two signed statements that cannot both be honest, or a peer that computes something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Whose vote differs from this peer's own result.
    pub actor: String,
    /// At which height.
    pub height: u64,
    /// What kind of vote.
    pub what: Disputed,
    /// What this peer has.
    pub own: Digest,
    /// What the vote says.
    pub other: Digest,
}

impl Divergence {
    /// What the operator is told.
    pub fn alarm(&self) -> String {
        format!(
            "{}'s {} of height {} says {}, this peer has {}: compare the two peers' ledgers",
            self.actor, self.what, self.height, self.other, self.own
        )
    }
}

/// Follows votes and says which heights are final and sealed.
#[derive(Debug)]
pub struct Finality {
    policy: Policy,
    me: String,
    witnesses: BTreeMap<String, Witness>,
    own: BTreeMap<u64, Own>,
    applied: u64,
    /// Highest height that this peer has endorsed.
    endorsed: u64,
    final_height: u64,
    divergences: Vec<Divergence>,
    /// What nobody has been told of yet, and how much there was of a kind and actor.
    news: Vec<Divergence>,
    told: BTreeMap<(String, Disputed), usize>,
    /// Actors on another chain, with which the operator has decided to go on without them.
    accepted: BTreeMap<String, u64>,
}

impl Finality {
    /// Starts at a height that was final before.
    pub fn new(policy: Policy, me: &str, voters: impl Iterator<Item = String>, final_height: u64) -> Self {
        let witnesses = voters
            .filter(|actor| actor != me)
            .map(|actor| (actor, Witness::default()))
            .collect();
        Self {
            policy,
            me: me.to_owned(),
            witnesses,
            own: BTreeMap::new(),
            applied: final_height,
            endorsed: 0,
            final_height,
            divergences: Vec::new(),
            news: Vec::new(),
            told: BTreeMap::new(),
            accepted: BTreeMap::new(),
        }
    }

    /// This peer has endorsed a height, and with it all below. What it has only executed is nobody's endorsement.
    pub fn endorsed(&mut self, height: u64) {
        self.endorsed = self.endorsed.max(height);
    }

    /// What stopped finality before a restart stops it again.
    pub fn dispute(&mut self, divergence: Divergence) {
        self.diverged(divergence);
    }

    /// The operator has decided to go on without an actor that is on another chain since about a height: what it says
    /// about proposals stops finality no more, until it votes for this peer's chain at that height or above.
    pub fn accept(&mut self, actor: &str, height: u64) {
        self.accepted.insert(actor.to_owned(), height);
    }

    /// Actors that [`accept`](Self::accept) still holds for.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        self.accepted.keys().map(String::as_str)
    }

    /// This peer executed a height.
    pub fn executed(&mut self, height: u64, proposal: Digest, header: Digest) {
        self.own.insert(height, Own { proposal, header });
        self.applied = self.applied.max(height);
        let actors: Vec<String> = self.witnesses.keys().cloned().collect();
        for actor in actors {
            self.match_votes(&actor);
        }
    }

    /// Whether what this peer got at a height is no longer in memory: the caller of [`voted`](Self::voted) reads it.
    pub fn has_forgotten(&self, height: u64) -> bool {
        height <= self.applied && !self.own.contains_key(&height)
    }

    /// Another actor's peer voted. The signature was checked by the caller, who also says what this peer got at that
    /// height if it [has forgotten](Self::has_forgotten).
    pub fn voted(&mut self, actor: &str, vote: &Vote, own: Option<Own>) {
        let Some(witness) = self.witnesses.get_mut(actor) else {
            return;
        };
        if let Some(own) = own {
            self.own.insert(vote.height(), own);
        }
        let (ahead, height, digest) = match vote {
            Vote::Acknowledgement(vote) => (&mut witness.acknowledged_ahead, vote.height, vote.proposal),
            Vote::Endorsement(vote) => (&mut witness.endorsed_ahead, vote.height, vote.header),
        };
        ahead.insert(height, digest);
        while ahead.len() > AHEAD {
            ahead.pop_first();
        }
        self.match_votes(actor);
        if own.is_some() {
            self.own.remove(&vote.height());
        }
    }

    /// Another actor's peer has endorsed a header that follows from a proposal; both were checked by the caller. Another
    /// proposal than this peer's is another chain, as if it had acknowledged it.
    pub fn stands_on(&mut self, actor: &str, height: u64, proposal: Digest, own: &Own) {
        if self.witnesses.contains_key(actor) && proposal != own.proposal {
            self.diverged(Divergence {
                actor: actor.to_owned(),
                height,
                what: Disputed::Proposal,
                own: own.proposal,
                other: proposal,
            });
        }
    }

    fn match_votes(&mut self, actor: &str) {
        let Some(witness) = self.witnesses.get_mut(actor) else {
            return;
        };
        let own = &self.own;
        let mut diverged = Vec::new();
        let mut settle = |ahead: &mut BTreeMap<u64, Digest>,
                          reached: &mut u64,
                          what: Disputed,
                          pick: fn(&Own) -> Digest| {
            ahead.retain(|height, digest| {
                let Some(mine) = own.get(height).map(pick) else {
                    return *height > *reached;
                };
                if mine == *digest {
                    *reached = (*reached).max(*height);
                } else {
                    diverged.push(Divergence {
                        actor: actor.to_owned(),
                        height: *height,
                        what,
                        own: mine,
                        other: *digest,
                    });
                }
                false
            });
        };
        settle(
            &mut witness.acknowledged_ahead,
            &mut witness.acknowledged,
            Disputed::Proposal,
            |own| own.proposal,
        );
        settle(
            &mut witness.endorsed_ahead,
            &mut witness.endorsed,
            Disputed::Header,
            |own| own.header,
        );
        let back = (witness.acknowledged).max(witness.endorsed);
        for divergence in diverged {
            self.diverged(divergence);
        }
        if self.accepted.get(actor).is_some_and(|since| back >= *since) {
            self.accepted.remove(actor);
            self.divergences
                .retain(|known| known.actor != actor || known.what != Disputed::Proposal);
        }
    }

    fn diverged(&mut self, divergence: Divergence) {
        if self.divergences.contains(&divergence) {
            return;
        }
        let alike = |known: &Divergence| known.actor == divergence.actor && known.what == divergence.what;
        if self.divergences.iter().filter(|known| alike(known)).count() >= DIVERGENCES
            && let Some(oldest) = self.divergences.iter().position(alike)
        {
            self.divergences.remove(oldest);
        }
        let told = self
            .told
            .entry((divergence.actor.clone(), divergence.what))
            .or_default();
        if *told < DIVERGENCES {
            *told += 1;
            self.news.push(divergence.clone());
        }
        self.divergences.push(divergence);
    }

    /// What was found since the last call, bounded for each actor: to raise alarms about.
    pub fn news(&mut self) -> Vec<Divergence> {
        std::mem::take(&mut self.news)
    }

    /// What says that nothing may become final, oldest first: two stories about what was ordered, or so many who got
    /// another result that the policy cannot be met on this peer's chain. Empty if nothing does.
    pub fn disputes(&self) -> impl Iterator<Item = &Divergence> {
        let headers = self
            .divergences
            .iter()
            .filter(|found| found.what == Disputed::Header);
        let others: BTreeSet<&str> = headers.map(|found| found.actor.as_str()).collect();
        let outvoted = others.len() >= self.policy.required(self.voters());
        self.divergences.iter().filter(move |found| match found.what {
            Disputed::Proposal => !self.accepted.contains_key(&found.actor),
            Disputed::Header => outvoted,
        })
    }

    /// The lowest height at which so many others have one other result that it can be final without this peer: its own
    /// is the wrong one.
    pub fn outvoted(&self) -> Option<u64> {
        let headers = self.divergences.iter();
        let mut results: BTreeMap<(u64, Digest), usize> = BTreeMap::new();
        for divergence in headers.filter(|divergence| divergence.what == Disputed::Header) {
            *results.entry((divergence.height, divergence.other)).or_default() += 1;
        }
        let required = self.policy.required(self.voters());
        let outvoting = results.into_iter().find(|(_, actors)| *actors >= required);
        outvoting.map(|((height, _), _)| height)
    }

    /// Whether there is a link to an actor's peer now.
    pub fn linked(&mut self, actor: &str, linked: bool) {
        if let Some(witness) = self.witnesses.get_mut(actor) {
            witness.linked = linked;
            if !linked {
                witness.in_step = false;
            }
        }
    }

    /// Advances as far as the votes allow; returns the final height. Must also be called from time to time
    /// (every [`SUSPECT_AFTER`] or more often), so that a silent peer does not hold finality up.
    pub fn advance(&mut self, now: Instant) -> u64 {
        if self.disputes().next().is_none() {
            let endorsed = self.endorsed_to_policy().min(self.applied);
            self.judge_pace(endorsed, now);
            let acknowledged = self
                .witnesses
                .values()
                .filter(|witness| witness.in_step)
                .map(|witness| witness.acknowledged.max(witness.endorsed))
                .min()
                .unwrap_or(u64::MAX);
            self.final_height = self.final_height.max(endorsed.min(acknowledged));
        }
        for witness in self.witnesses.values_mut() {
            let reached = witness.acknowledged.max(witness.endorsed);
            witness.in_step = witness.linked && (witness.in_step || reached >= self.final_height);
        }
        self.forget();
        self.final_height
    }

    /// The highest height that enough actors have endorsed.
    fn endorsed_to_policy(&self) -> u64 {
        let mut heights: Vec<u64> = self.witnesses.values().map(|witness| witness.endorsed).collect();
        heights.push(self.endorsed);
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let required = self.policy.required(heights.len());
        heights.get(required - 1).copied().unwrap_or(0)
    }

    fn judge_pace(&mut self, endorsed: u64, now: Instant) {
        let waiting = endorsed > self.final_height;
        for witness in self.witnesses.values_mut() {
            let behind = witness.acknowledged.max(witness.endorsed) <= self.final_height;
            if !(waiting && behind && witness.in_step) {
                witness.blocking_since = None;
                continue;
            }
            let since = *witness.blocking_since.get_or_insert(now);
            if now.duration_since(since) >= SUSPECT_AFTER {
                witness.in_step = false;
                witness.blocking_since = None;
            }
        }
    }

    /// Drops what no vote can need: below the lowest height that anyone has still to endorse, but never more
    /// than a window back, or a dead peer would make this grow.
    fn forget(&mut self) {
        let sealed = self.sealed_height();
        let keep_from = sealed.max(self.final_height.saturating_sub(AHEAD as u64));
        self.own = self.own.split_off(&keep_from.min(self.final_height));
    }

    /// Last final height.
    pub fn final_height(&self) -> u64 {
        self.final_height
    }

    /// Height up to which every voting actor has endorsed.
    pub fn sealed_height(&self) -> u64 {
        let others = self.witnesses.values().map(|witness| witness.endorsed);
        others
            .min()
            .unwrap_or(u64::MAX)
            .min(self.endorsed)
            .min(self.final_height)
    }

    /// Actors whose endorsement covers a height, sorted.
    pub fn endorsed_by(&self, height: u64) -> Vec<String> {
        let mut actors: Vec<String> = self
            .witnesses
            .iter()
            .filter(|(_, witness)| witness.endorsed >= height)
            .map(|(actor, _)| actor.clone())
            .collect();
        if self.endorsed >= height {
            actors.push(self.me.clone());
        }
        actors.sort_unstable();
        actors
    }

    /// Number of voting actors.
    pub fn voters(&self) -> usize {
        self.witnesses.len() + 1
    }

    /// Heights that an actor's peer has acknowledged and endorsed on our chain.
    pub fn reached(&self, actor: &str) -> (u64, u64) {
        self.witnesses.get(actor).map_or((0, 0), |witness| {
            (witness.acknowledged.max(witness.endorsed), witness.endorsed)
        })
    }

    /// Votes that contradict this peer's own result, the newest of each actor and kind. See [`Disputed`] for which of
    /// them stop finality.
    pub fn divergences(&self) -> &[Divergence] {
        &self.divergences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::{Acknowledgement, Endorsement};

    fn proposal(height: u64) -> Digest {
        Digest([height as u8; 32])
    }

    fn header(height: u64) -> Digest {
        Digest([100 + height as u8; 32])
    }

    fn acknowledged(height: u64, proposal: Digest) -> Vote {
        Vote::Acknowledgement(Acknowledgement {
            network: Digest::ZERO,
            height,
            proposal,
        })
    }

    fn endorsed(height: u64, header: Digest) -> Vote {
        Vote::Endorsement(Endorsement {
            network: Digest::ZERO,
            height,
            header,
        })
    }

    /// `me` of three, with links to both others, who have acknowledged the genesis.
    fn three(policy: Policy) -> Finality {
        let voters = ["me", "one", "two"].map(str::to_owned);
        let mut finality = Finality::new(policy, "me", voters.into_iter(), 0);
        finality.executed(0, proposal(0), header(0));
        finality.endorsed(0);
        for actor in ["one", "two"] {
            finality.linked(actor, true);
        }
        finality.advance(Instant::now());
        finality
    }

    fn execute(finality: &mut Finality, heights: std::ops::RangeInclusive<u64>) {
        for height in heights {
            finality.executed(height, proposal(height), header(height));
            finality.endorsed(height);
        }
    }

    #[test]
    fn a_majority_of_endorsements_and_everybodys_acknowledgement_make_a_height_final() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        execute(&mut finality, 1..=2);
        assert_eq!(finality.advance(now), 0, "nobody else has spoken");
        finality.voted("one", &endorsed(1, header(1)), None);
        assert_eq!(
            finality.advance(now),
            0,
            "the third has a link and has not acknowledged"
        );
        finality.voted("two", &acknowledged(2, proposal(2)), None);
        assert_eq!(finality.advance(now), 1);
        assert_eq!(finality.endorsed_by(1), ["me", "one"]);
        // An endorsement covers all below.
        finality.voted("two", &endorsed(2, header(2)), None);
        finality.voted("one", &acknowledged(2, proposal(2)), None);
        assert_eq!(finality.advance(now), 2);
        assert_eq!(finality.sealed_height(), 1);
        finality.voted("one", &endorsed(2, header(2)), None);
        finality.advance(now);
        assert_eq!(finality.sealed_height(), 2);
    }

    #[test]
    fn votes_that_come_before_the_own_result_count_after_it() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        for actor in ["one", "two"] {
            finality.voted(actor, &endorsed(1, header(1)), None);
        }
        assert_eq!(finality.advance(now), 0, "this peer has not executed it");
        execute(&mut finality, 1..=1);
        assert_eq!(finality.advance(now), 1);
    }

    #[test]
    fn who_has_no_link_is_not_waited_for() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        execute(&mut finality, 1..=1);
        finality.voted("one", &endorsed(1, header(1)), None);
        finality.linked("two", false);
        assert_eq!(finality.advance(now), 1);
    }

    #[test]
    fn who_is_silent_is_waited_for_a_second_and_then_not_before_it_has_caught_up() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        execute(&mut finality, 1..=1);
        finality.voted("one", &endorsed(1, header(1)), None);
        assert_eq!(finality.advance(now), 0);
        assert_eq!(finality.advance(now + SUSPECT_AFTER / 2), 0);
        assert_eq!(finality.advance(now + SUSPECT_AFTER), 1);
        // The next height does not wait for it again.
        execute(&mut finality, 2..=2);
        finality.voted("one", &endorsed(2, header(2)), None);
        assert_eq!(finality.advance(now + SUSPECT_AFTER), 2);
        // It has caught up: it is waited for again.
        finality.voted("two", &acknowledged(2, proposal(2)), None);
        finality.advance(now + SUSPECT_AFTER);
        execute(&mut finality, 3..=3);
        finality.voted("one", &endorsed(3, header(3)), None);
        assert_eq!(finality.advance(now + SUSPECT_AFTER), 2);
    }

    #[test]
    fn two_stories_about_what_was_ordered_stop_finality() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        execute(&mut finality, 1..=1);
        finality.voted("one", &endorsed(1, header(1)), None);
        finality.voted("two", &acknowledged(1, proposal(9)), None);
        assert_eq!(finality.advance(now + 2 * SUSPECT_AFTER), 0);
        assert_eq!(finality.advance(now + 4 * SUSPECT_AFTER), 0);
        let found = &finality.divergences()[0];
        assert_eq!(
            (found.actor.as_str(), found.height, found.what),
            ("two", 1, Disputed::Proposal)
        );
    }

    #[test]
    fn one_other_result_does_not_stop_finality_and_a_majority_of_them_does() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        execute(&mut finality, 1..=1);
        finality.voted("two", &acknowledged(1, proposal(1)), None);
        finality.voted("two", &endorsed(1, header(9)), None);
        finality.voted("one", &endorsed(1, header(1)), None);
        assert_eq!(finality.advance(now), 1);
        assert_eq!(
            finality.endorsed_by(1),
            ["me", "one"],
            "the other result is no endorsement"
        );
        assert_eq!(finality.outvoted(), None);

        execute(&mut finality, 2..=2);
        for actor in ["one", "two"] {
            finality.voted(actor, &acknowledged(2, proposal(2)), None);
            finality.voted(actor, &endorsed(2, header(9)), None);
        }
        assert_eq!(
            finality.advance(now),
            1,
            "this peer's own result is the wrong one"
        );
        assert_eq!(finality.outvoted(), Some(2));
    }

    #[test]
    fn the_policy_of_all_waits_for_all() {
        let (mut finality, now) = (three(Policy::All), Instant::now());
        execute(&mut finality, 1..=1);
        finality.voted("one", &endorsed(1, header(1)), None);
        finality.linked("two", false);
        assert_eq!(finality.advance(now + 2 * SUSPECT_AFTER), 0);
        finality.voted("two", &endorsed(1, header(1)), None);
        assert_eq!(finality.advance(now + 2 * SUSPECT_AFTER), 1);
    }

    #[test]
    fn a_liar_fills_no_memory() {
        let mut finality = three(Policy::Majority);
        execute(&mut finality, 1..=1);
        for lie in 0..200 {
            finality.voted("two", &endorsed(1, Digest([lie; 32])), None);
        }
        assert_eq!(finality.divergences().len(), DIVERGENCES);
        assert_eq!(finality.divergences()[0].other, Digest([192; 32]), "the newest");
        assert_eq!(finality.news().len(), DIVERGENCES);
        assert_eq!(finality.news(), [], "nobody is told twice");
        for height in 0..5000 {
            finality.voted("one", &endorsed(1000 + height, Digest::ZERO), None);
        }
        assert!(finality.witnesses["one"].endorsed_ahead.len() <= AHEAD);
    }

    #[test]
    fn past_divergences_hide_no_dispute_and_no_later_one() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        execute(&mut finality, 1..=20);
        for height in 1..=12 {
            finality.voted("two", &endorsed(height, header(99)), None);
        }
        assert!(
            finality.divergences().iter().any(|found| found.height == 12),
            "later ones are seen"
        );
        finality.voted("one", &endorsed(13, header(13)), None);
        finality.voted("two", &acknowledged(13, proposal(13)), None);
        assert_eq!(finality.advance(now), 13, "one other result stops nothing");
        finality.voted("two", &acknowledged(14, proposal(99)), None);
        finality.voted("one", &endorsed(14, header(14)), None);
        assert_eq!(finality.advance(now), 13, "another proposal does");
    }

    #[test]
    fn what_this_peer_has_only_executed_is_no_endorsement_of_its_own() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        finality.executed(1, proposal(1), header(1));
        finality.voted("one", &endorsed(1, header(1)), None);
        finality.voted("two", &acknowledged(1, proposal(1)), None);
        assert_eq!(finality.advance(now), 0, "one of three is no majority");
        assert_eq!(finality.endorsed_by(1), ["one"]);
        finality.endorsed(1);
        assert_eq!(finality.advance(now), 1);
        assert_eq!(finality.endorsed_by(1), ["me", "one"]);
    }

    #[test]
    fn votes_about_what_is_forgotten_are_compared_too() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        let last = AHEAD as u64 + 200;
        execute_far(&mut finality, last);
        for actor in ["one", "two"] {
            finality.voted(actor, &endorsed(last, far(last)), None);
        }
        assert_eq!(finality.advance(now), last);
        assert!(finality.has_forgotten(3) && !finality.has_forgotten(last + 1));
        let own = Own {
            proposal: far(3),
            header: far(3),
        };
        finality.voted("two", &acknowledged(3, far(3)), Some(own));
        assert_eq!(finality.disputes().count(), 0);
        finality.voted("two", &acknowledged(3, far(4)), Some(own));
        assert_eq!(finality.disputes().next().unwrap().height, 3);
        assert!(finality.has_forgotten(3), "it is not remembered again");
    }

    fn far(height: u64) -> Digest {
        let mut digest = [7; 32];
        digest[..8].copy_from_slice(&height.to_be_bytes());
        Digest(digest)
    }

    fn execute_far(finality: &mut Finality, last: u64) {
        for height in 1..=last {
            finality.executed(height, far(height), far(height));
            finality.endorsed(height);
        }
    }

    #[test]
    fn a_header_of_another_proposal_is_another_chain() {
        let mut finality = three(Policy::Majority);
        execute(&mut finality, 1..=1);
        let own = Own {
            proposal: proposal(1),
            header: header(1),
        };
        finality.stands_on("two", 1, proposal(1), &own);
        assert_eq!(finality.disputes().count(), 0);
        finality.stands_on("two", 1, proposal(2), &own);
        assert_eq!(finality.disputes().count(), 1);
        finality.stands_on("nobody", 1, proposal(2), &own);
        assert_eq!(finality.disputes().count(), 1);
    }

    #[test]
    fn an_accepted_dispute_stops_nothing_until_the_actor_is_back_and_diverges_anew() {
        let (mut finality, now) = (three(Policy::Majority), Instant::now());
        execute(&mut finality, 1..=3);
        finality.linked("two", false);
        finality.voted("two", &acknowledged(2, proposal(9)), None);
        finality.voted("one", &endorsed(2, header(2)), None);
        assert_eq!(finality.advance(now), 0);
        finality.accept("two", 2);
        assert_eq!(finality.advance(now), 2);
        finality.voted("two", &acknowledged(3, proposal(9)), None);
        finality.voted("one", &endorsed(3, header(3)), None);
        assert_eq!(finality.advance(now), 3, "it is still on its other chain");
        // It has restored its ledger, and is watched again.
        execute(&mut finality, 4..=5);
        finality.voted("two", &acknowledged(4, proposal(4)), None);
        assert_eq!(finality.accepted().count(), 0);
        finality.voted("one", &endorsed(5, header(5)), None);
        finality.voted("two", &acknowledged(5, proposal(9)), None);
        assert_eq!(finality.advance(now + 2 * SUSPECT_AFTER), 3);
    }
}
