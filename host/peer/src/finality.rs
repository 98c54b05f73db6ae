//! When a block is final, and when it is sealed (DESIGN section 3). Pure: times are arguments, votes arrive
//! verified.
//!
//! A height is final when endorsements of it, or of a block above it on this peer's own chain, meet the
//! policy of that height, and every other voting peer that is in step has acknowledged the same proposals. A peer that has no
//! link, or that keeps a height waiting longer than `suspect_after`, is out of step until it has caught up.

mod divergence;
mod eras;
#[cfg(test)]
mod tests;

pub use divergence::{Disputed, Divergence};
pub use eras::Era;

use e2l_ledger::{Digest, Vote};
use eras::Eras;
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

/// Follows votes and says which heights are final and sealed.
#[derive(Debug)]
pub struct Finality {
    eras: Eras,
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
    /// Starts at a height that was final before, with those who voted first.
    pub fn new(first: Era, me: &str, final_height: u64) -> Self {
        let mut finality = Self {
            eras: Eras::new(first.clone()),
            me: me.to_owned(),
            witnesses: BTreeMap::new(),
            own: BTreeMap::new(),
            applied: final_height,
            endorsed: 0,
            final_height,
            divergences: Vec::new(),
            news: Vec::new(),
            told: BTreeMap::new(),
            accepted: BTreeMap::new(),
        };
        finality.hear(&first);
        finality
    }

    /// Others vote, or more or fewer must agree, from a height on that is not executed yet.
    pub fn begin(&mut self, era: Era) {
        self.hear(&era);
        self.eras.begin(era);
    }

    fn hear(&mut self, era: &Era) {
        for actor in era.voters().filter(|actor| *actor != self.me) {
            self.witnesses.entry(actor.to_owned()).or_default();
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
        let (own, eras) = (&self.own, &self.eras);
        let mut diverged = Vec::new();
        let mut settle = |ahead: &mut BTreeMap<u64, Digest>,
                          reached: &mut u64,
                          what: Disputed,
                          pick: fn(&Own) -> Digest| {
            ahead.retain(|height, digest| {
                let Some(mine) = own.get(height).map(pick) else {
                    return *height > *reached;
                };
                if !eras.at(*height).has(actor) {
                    // Nobody asked it.
                } else if mine == *digest {
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
        let era = self.current();
        let others: BTreeSet<&str> = headers
            .map(|found| found.actor.as_str())
            .filter(|actor| era.has(actor))
            .collect();
        let outvoted = others.len() >= era.required();
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
        let outvoting = results
            .into_iter()
            .find(|((height, _), actors)| *actors >= self.eras.at(*height).required());
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
            while self.advance_in_era(now) {}
        }
        for witness in self.witnesses.values_mut() {
            let reached = witness.acknowledged.max(witness.endorsed);
            witness.in_step = witness.linked && (witness.in_step || reached >= self.final_height);
        }
        self.forget();
        self.final_height
    }

    /// Those who vote about the next height to become final.
    fn current(&self) -> &Era {
        self.eras.at(self.final_height.saturating_add(1))
    }

    /// Advances as far as those who vote about the next height allow; says whether that is where their votes end.
    fn advance_in_era(&mut self, now: Instant) -> bool {
        let next = self.final_height.saturating_add(1);
        let end = self.eras.end(next);
        let endorsed = self.endorsed_to_policy().min(self.applied).min(end);
        self.judge_pace(endorsed, now);
        let era = self.current();
        let in_step = self
            .witnesses
            .iter()
            .filter(|(actor, witness)| witness.in_step && era.has(actor));
        let acknowledged = in_step.map(|(_, witness)| witness.acknowledged.max(witness.endorsed));
        let reached = endorsed.min(acknowledged.min().unwrap_or(u64::MAX));
        self.final_height = self.final_height.max(reached);
        reached == end
    }

    /// The highest height that an actor has endorsed, this peer's own among them.
    fn endorsed_of(&self, actor: &str) -> u64 {
        if actor == self.me {
            return self.endorsed;
        }
        self.witnesses.get(actor).map_or(0, |witness| witness.endorsed)
    }

    /// The highest height that enough of those have endorsed who vote about the next one.
    fn endorsed_to_policy(&self) -> u64 {
        let era = self.current();
        let mut heights: Vec<u64> = era.voters().map(|actor| self.endorsed_of(actor)).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.get(era.required() - 1).copied().unwrap_or(0)
    }

    fn judge_pace(&mut self, endorsed: u64, now: Instant) {
        let waiting = endorsed > self.final_height;
        let era = self.eras.at(self.final_height.saturating_add(1));
        for (actor, witness) in &mut self.witnesses {
            let behind = era.has(actor) && witness.acknowledged.max(witness.endorsed) <= self.final_height;
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

    /// The highest height that every actor has endorsed that votes about it. Some below may never be sealed: those that
    /// an actor missed which has left the network since.
    pub fn sealed_height(&self) -> u64 {
        let sealed = self.eras.newest_first().find_map(|era| {
            let reached = era.voters().map(|actor| self.endorsed_of(actor)).min()?;
            let reached = reached.min(self.final_height).min(self.eras.end(era.from));
            (reached >= era.from).then_some(reached)
        });
        sealed.unwrap_or(0)
    }

    /// Whether every actor that votes about a height has endorsed it.
    pub fn is_sealed(&self, height: u64) -> bool {
        let mut voters = self.eras.at(height).voters();
        height <= self.final_height && voters.all(|actor| self.endorsed_of(actor) >= height)
    }

    /// Actors whose endorsement covers a height, sorted.
    pub fn endorsed_by(&self, height: u64) -> Vec<String> {
        let voters = self.eras.at(height).voters();
        let endorsed = voters.filter(|actor| self.endorsed_of(actor) >= height);
        endorsed.map(str::to_owned).collect()
    }

    /// Number of actors that vote about a height.
    pub fn voters(&self, height: u64) -> usize {
        self.eras.at(height).size()
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
