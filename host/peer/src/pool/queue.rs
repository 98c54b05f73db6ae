//! The batches of one sender that wait.

use super::entry::{Entry, Load};
use e2l_ledger::{Envelope, SenderHead};
use std::collections::VecDeque;

/// Incarnation and sequence number: a batch's place among those of its sender.
pub type Place = (u64, u64);

/// The batches of one sender, each following the one before. The first of them are proposed, the first of them
/// are forwarded: both go in order.
#[derive(Default)]
pub struct Queue {
    head: SenderHead,
    waiting: VecDeque<Entry>,
    held: usize,
    proposed: usize,
    forwarded: usize,
    /// Whether the sender is in the round of those with something to propose.
    pub in_round: bool,
}

/// What left a queue.
#[derive(Default)]
pub struct Gone {
    /// The entries, in order.
    pub entries: Vec<Entry>,
    /// What of them had not been proposed.
    pub unproposed: Load,
}

impl Gone {
    /// Bytes that are free again.
    pub fn held(&self) -> usize {
        self.entries.iter().map(Entry::held).sum()
    }
}

impl Queue {
    /// Empty, of a sender that stands at `head` on the ledger.
    pub fn new(head: SenderHead) -> Self {
        Self {
            head,
            ..Self::default()
        }
    }

    /// Where the sender stands on the ledger.
    pub fn head(&self) -> &SenderHead {
        &self.head
    }

    /// Where the sender will stand once everything that waits is on the ledger.
    pub fn expected(&self) -> SenderHead {
        match self.waiting.back().map(|entry| &*entry.pooled.envelope) {
            Some(Envelope::Batch(batch)) => SenderHead::after(&batch.header),
            _ => self.head.clone(),
        }
    }

    /// Batches that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that they hold of the pool.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Adds the batch that follows.
    pub fn push(&mut self, entry: Entry) {
        self.held += entry.held();
        self.waiting.push_back(entry);
    }

    /// The batch at a place.
    pub fn get(&self, place: Place) -> Option<&Entry> {
        self.waiting
            .get(self.position(place))
            .filter(|entry| place_of(entry) == place)
    }

    /// Index of the first batch at or after a place.
    fn position(&self, place: Place) -> usize {
        self.waiting.partition_point(|entry| place_of(entry) < place)
    }

    /// The first batch that is not proposed.
    pub fn next_to_propose(&self) -> Option<&Entry> {
        self.waiting.get(self.proposed)
    }

    /// It is proposed now.
    pub fn proposed_one(&mut self) {
        self.proposed += 1;
    }

    /// What is not proposed.
    pub fn unproposed(&self) -> Load {
        load_of(self.waiting.iter().skip(self.proposed))
    }

    /// None is proposed any more.
    pub fn unpropose(&mut self) {
        self.proposed = 0;
    }

    /// The batches that are not forwarded.
    pub fn to_forward(&self) -> impl Iterator<Item = &Entry> {
        self.waiting.iter().skip(self.forwarded)
    }

    /// Everything up to this place is forwarded.
    pub fn forwarded(&mut self, place: Place) {
        if self.get(place).is_some() {
            self.forwarded = self.forwarded.max(self.position(place) + 1);
        }
    }

    /// None is forwarded any more.
    pub fn unforward(&mut self) {
        self.forwarded = 0;
    }

    /// Removes a batch and those that follow it.
    pub fn drop_from(&mut self, place: Place) -> Gone {
        let at = self.position(place);
        let gone = Gone {
            unproposed: load_of(self.waiting.iter().skip(at.max(self.proposed))),
            entries: self.waiting.split_off(at).into(),
        };
        self.proposed = self.proposed.min(at);
        self.forwarded = self.forwarded.min(at);
        self.held -= gone.held();
        gone
    }

    /// The sender stands at `head` now: removes what that covers.
    pub fn advance(&mut self, head: SenderHead) -> Gone {
        let above = self.position((head.incarnation, head.sequence + 1));
        self.head = head;
        let gone = Gone {
            unproposed: load_of(self.waiting.iter().take(above).skip(self.proposed)),
            entries: self.waiting.drain(..above).collect(),
        };
        self.proposed = self.proposed.saturating_sub(above);
        self.forwarded = self.forwarded.saturating_sub(above);
        self.held -= gone.held();
        gone
    }
}

fn place_of(entry: &Entry) -> Place {
    match &*entry.pooled.envelope {
        Envelope::Batch(batch) => (batch.header.incarnation, batch.header.sequence),
        // Requests are not in queues.
        Envelope::Request(_) => (0, 0),
    }
}

fn load_of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Load {
    entries.fold(Load::default(), |mut sum, entry| {
        sum += entry.load;
        sum
    })
}
