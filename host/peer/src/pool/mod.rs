//! Envelopes that this peer has taken and that are not on the ledger yet. Bounded; a full pool pushes back and
//! drops nothing. Order within a sender is that of its sequence; senders take turns.

mod entry;
mod queue;
#[cfg(test)]
mod tests;

pub use entry::{Load, Pooled};

use e2l_client::refusal;
use e2l_client::wire::{Refusal, refusal::Reason};
use e2l_ledger::{
    Block, Canonical, Digest, Envelope, EnvelopeSource, Inspection, Member, PackedEnvelope, SenderHead,
    SignedBatch,
};
use entry::{Entry, Room};
use parking_lot::Mutex;
use queue::{Gone, Queue};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

/// Bounds of the pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolOptions {
    /// Most bytes of envelopes. One sender may hold as many as are free, so that there is always room for
    /// another: alone it fills half, of two each fills a third.
    pub max_bytes: usize,
    /// Most batches of one collector.
    pub max_batches_per_sender: usize,
    /// Most requests of all admins together.
    pub max_requests: usize,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_batches_per_sender: 256,
            max_requests: 1024,
        }
    }
}

/// What became of an envelope at the door.
#[derive(Debug)]
pub enum Taken {
    /// In the pool; it was not, or was already.
    Waiting,
    /// At or below the sender's head: on the ledger, in a block this peer has executed.
    OnLedger,
}

/// A request of an admin.
struct Request {
    entry: Entry,
    proposed: bool,
    forwarded: bool,
}

#[derive(Default)]
struct Inner {
    queues: HashMap<Member, Queue>,
    requests: BTreeMap<Digest, Request>,
    /// Bytes of all.
    held: usize,
    /// The term that what is proposed was proposed in, as the leader.
    proposing: u64,
    /// What is not proposed.
    unproposed: Load,
    /// Senders with something to propose, each once, the next first.
    round: VecDeque<Member>,
    /// The term whose leader has what is forwarded.
    forwarding: u64,
}

impl Inner {
    /// What an earlier term proposed counts as not proposed.
    fn propose_in(&mut self, term: u64) {
        if self.proposing != term {
            self.proposing = term;
            self.unpropose();
        }
    }

    fn unpropose(&mut self) {
        self.unproposed = Load::default();
        self.round.clear();
        for request in self.requests.values_mut() {
            request.proposed = false;
            self.unproposed += request.entry.load;
        }
        for (member, queue) in &mut self.queues {
            queue.unpropose();
            self.unproposed += queue.unproposed();
            queue.in_round = queue.len() > 0;
            if queue.in_round {
                self.round.push_back(member.clone());
            }
        }
    }

    /// What another term's leader was sent counts as not forwarded.
    fn forward_in(&mut self, term: u64) {
        if self.forwarding != term {
            self.forwarding = term;
            self.requests
                .values_mut()
                .for_each(|request| request.forwarded = false);
            self.queues.values_mut().for_each(Queue::unforward);
        }
    }

    fn remove_request(&mut self, id: &Digest) -> Option<Entry> {
        let request = self.requests.remove(id)?;
        self.held -= request.entry.held();
        if !request.proposed {
            self.unproposed -= request.entry.load;
        }
        Some(request.entry)
    }

    fn account(&mut self, gone: &Gone) {
        self.held -= gone.held();
        self.unproposed -= gone.unproposed;
    }
}

/// The pool.
pub struct Pool {
    options: PoolOptions,
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl Pool {
    /// An empty pool.
    pub fn new(options: PoolOptions) -> Self {
        Self {
            options,
            inner: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    /// Changes when an envelope comes in or may be proposed again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Takes an envelope. `ledger_head` reads where its sender stands on the ledger, for a sender that this
    /// pool does not know yet.
    ///
    /// # Errors
    /// Sequence gap, contradiction, or a full pool.
    pub fn take<E>(
        &self,
        pooled: Pooled,
        ledger_head: impl FnOnce(&Member) -> Result<SenderHead, E>,
    ) -> Result<Result<Taken, Refusal>, E> {
        let mut inner = self.inner.lock();
        let taken = match &*pooled.envelope.clone() {
            Envelope::Batch(batch) => {
                let sender = &batch.header.sender;
                if !inner.queues.contains_key(sender) {
                    let head = ledger_head(sender)?;
                    inner.queues.insert(sender.clone(), Queue::new(head));
                }
                self.take_batch(&mut inner, batch, pooled)
            }
            Envelope::Request(request) => {
                let id = request.header.transaction_id();
                self.take_request(&mut inner, id, pooled)
            }
        };
        drop(inner);
        if matches!(taken, Ok(Taken::Waiting)) {
            self.changed.send_modify(|version| *version += 1);
        }
        Ok(taken)
    }

    fn take_batch(&self, inner: &mut Inner, batch: &SignedBatch, pooled: Pooled) -> Result<Taken, Refusal> {
        let free = self.options.max_bytes.saturating_sub(inner.held);
        let header = &batch.header;
        let Some(queue) = inner.queues.get_mut(&header.sender) else {
            return Err(refusal(
                Reason::Unavailable,
                "the sender is not known yet: send it again",
            ));
        };
        if queue.head().covers(header) {
            return Ok(Taken::OnLedger);
        }
        if let Some(waiting) = queue.get((header.incarnation, header.sequence)) {
            if waiting.digest == pooled.envelope.signed_digest() {
                return Ok(Taken::Waiting);
            }
            return Err(refusal(
                Reason::Conflict,
                format!(
                    "batch {} of incarnation {} was sent before with another content: two batches may never \
                     have one number",
                    header.sequence, header.incarnation
                ),
            ));
        }
        let expected = queue.expected();
        if let Err(refused) = expected.check_next(header) {
            let expected_sequence = expected.sequence + 1;
            return Err(Refusal {
                expected_sequence,
                ..refusal(Reason::SequenceGap, refused.reason)
            });
        }
        if queue.held() + pooled.envelope.size() > free || queue.len() >= self.options.max_batches_per_sender
        {
            return Err(busy());
        }
        let entry = Entry::new(pooled);
        inner.held += entry.held();
        inner.unproposed += entry.load;
        queue.push(entry);
        if !queue.in_round {
            queue.in_round = true;
            inner.round.push_back(header.sender.clone());
        }
        Ok(Taken::Waiting)
    }

    fn take_request(&self, inner: &mut Inner, id: Digest, pooled: Pooled) -> Result<Taken, Refusal> {
        if inner.requests.contains_key(&id) {
            return Ok(Taken::Waiting);
        }
        let full = inner.held + pooled.envelope.size() > self.options.max_bytes;
        if full || inner.requests.len() >= self.options.max_requests {
            return Err(busy());
        }
        let entry = Entry::new(pooled);
        inner.held += entry.held();
        inner.unproposed += entry.load;
        inner.requests.insert(
            id,
            Request {
                entry,
                proposed: false,
                forwarded: false,
            },
        );
        Ok(Taken::Waiting)
    }

    /// Envelopes that this leader has not proposed in `term` yet: requests, then a batch of each sender in
    /// turn, until the next one does not fit (one always does); marks them proposed.
    pub fn cut(&self, term: u64, limit: Load) -> Vec<Pooled> {
        let mut inner = self.inner.lock();
        inner.propose_in(term);
        let Inner {
            queues,
            requests,
            round,
            unproposed,
            ..
        } = &mut *inner;
        let mut room = Room::new(limit);
        let mut cut = Vec::new();
        for request in requests.values_mut().filter(|request| !request.proposed) {
            if !room.take(request.entry.load) {
                return cut;
            }
            request.proposed = true;
            *unproposed -= request.entry.load;
            cut.push(request.entry.pooled.clone());
        }
        while let Some(queue) = round.front().and_then(|member| queues.get_mut(member)) {
            let Some(next) = queue.next_to_propose() else {
                queue.in_round = false;
                round.pop_front();
                continue;
            };
            if !room.take(next.load) {
                break;
            }
            *unproposed -= next.load;
            cut.push(next.pooled.clone());
            queue.proposed_one();
            round.rotate_left(1);
        }
        cut
    }

    /// What could be proposed in `term`.
    pub fn unproposed(&self, term: u64) -> Load {
        let mut inner = self.inner.lock();
        inner.propose_in(term);
        inner.unproposed
    }

    /// What was proposed did not become a block: it may be proposed again.
    pub fn unpropose(&self) {
        self.inner.lock().unpropose();
        self.changed.send_modify(|version| *version += 1);
    }

    /// Envelopes that the leader of `term` was not sent yet, in order, a batch of each sender in turn, up to
    /// `max_bytes`; one always fits.
    pub fn to_forward(&self, term: u64, max_bytes: usize) -> Vec<Pooled> {
        let mut inner = self.inner.lock();
        inner.forward_in(term);
        let mut room = Room::new(Load {
            transactions: u64::MAX,
            bytes: max_bytes as u64,
        });
        let mut fits = |entry: &Entry| {
            room.take(Load {
                transactions: 0,
                bytes: entry.held() as u64,
            })
        };
        let requests = inner.requests.values().filter(|request| !request.forwarded);
        let mut found: Vec<Pooled> = requests
            .map(|request| &request.entry)
            .take_while(|entry| fits(entry))
            .map(|entry| entry.pooled.clone())
            .collect();
        let mut senders: VecDeque<_> = inner.queues.values().map(Queue::to_forward).collect();
        while let Some(mut entries) = senders.pop_front() {
            let Some(entry) = entries.next() else { continue };
            if !fits(entry) {
                break;
            }
            found.push(entry.pooled.clone());
            senders.push_back(entries);
        }
        found
    }

    /// The leader of `term` has taken this envelope.
    pub fn forwarded(&self, source: &EnvelopeSource, term: u64) {
        let mut inner = self.inner.lock();
        inner.forward_in(term);
        match source {
            EnvelopeSource::Batch(sender, incarnation, sequence) => {
                if let Some(queue) = inner.queues.get_mut(sender) {
                    queue.forwarded((*incarnation, *sequence));
                }
            }
            EnvelopeSource::Request(id) => {
                if let Some(request) = inner.requests.get_mut(id) {
                    request.forwarded = true;
                }
            }
        }
    }

    /// Drops an envelope that was refused for good, and what its sender chained to it: none of that can
    /// follow any more. Returns everything dropped.
    ///
    /// Another envelope under the same name stays: a leader may order a forgery, and its refusal must not
    /// cost the genuine one its place.
    pub fn drop_envelope(&self, refused: &Envelope) -> Vec<EnvelopeSource> {
        let source = &refused.source();
        let mut inner = self.inner.lock();
        let held = match source {
            EnvelopeSource::Batch(sender, incarnation, sequence) => inner
                .queues
                .get(sender)
                .and_then(|queue| queue.get((*incarnation, *sequence))),
            EnvelopeSource::Request(id) => inner.requests.get(id).map(|request| &request.entry),
        };
        if held.is_none_or(|entry| entry.pooled.envelope.digest() != refused.digest()) {
            return Vec::new();
        }
        let dropped = match source {
            EnvelopeSource::Batch(sender, incarnation, sequence) => {
                let queue = inner.queues.get_mut(sender);
                let gone = queue.map(|queue| queue.drop_from((*incarnation, *sequence)));
                let gone = gone.unwrap_or_default();
                inner.account(&gone);
                gone.entries
            }
            EnvelopeSource::Request(id) => inner.remove_request(id).into_iter().collect(),
        };
        dropped
            .iter()
            .map(|entry| entry.pooled.envelope.source())
            .collect()
    }

    /// A block was executed: what it holds leaves the pool, and senders' heads advance. Returns what waited under a
    /// number that the block gives to another batch: its sender has numbered two alike.
    pub fn executed(
        &self,
        block: &Block,
        heads: impl IntoIterator<Item = (Member, SenderHead)>,
    ) -> Vec<Pooled> {
        let mut gone_from_queues = Vec::new();
        let mut inner = self.inner.lock();
        for outcome in block.outcomes().filter(|outcome| !outcome.refused) {
            if let Envelope::Request(request) = outcome.envelope {
                inner.remove_request(&request.header.transaction_id());
            }
        }
        for (member, head) in heads {
            let gone = inner.queues.entry(member).or_default().advance(head);
            inner.account(&gone);
            gone_from_queues.extend(gone.entries);
        }
        drop(inner);
        rivals_in(block, gone_from_queues)
    }

    /// An envelope that waits here and is packed in exactly the same bytes: it need not be unpacked and hashed again.
    pub fn known(&self, packed: &PackedEnvelope) -> Option<(Arc<Envelope>, Arc<Inspection>)> {
        let inner = self.inner.lock();
        let entry = match packed.source() {
            EnvelopeSource::Batch(sender, incarnation, sequence) => {
                inner.queues.get(&sender)?.get((incarnation, sequence))?
            }
            EnvelopeSource::Request(id) => &inner.requests.get(&id)?.entry,
        };
        let Pooled {
            envelope, inspection, ..
        } = &entry.pooled;
        packed
            .is_of(envelope, &inspection.groups)
            .then(|| (envelope.clone(), inspection.clone()))
    }

    /// The batch that waits under the same number as another one.
    pub fn rival(&self, batch: &SignedBatch) -> Option<Pooled> {
        let header = &batch.header;
        let inner = self.inner.lock();
        let queue = inner.queues.get(&header.sender)?;
        Some(queue.get((header.incarnation, header.sequence))?.pooled.clone())
    }

    /// Envelopes and bytes held.
    pub fn load(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        let batches: usize = inner.queues.values().map(Queue::len).sum();
        ((batches + inner.requests.len()) as u64, inner.held as u64)
    }
}

/// Those entries whose place a block gives to another statement.
fn rivals_in(block: &Block, entries: Vec<Entry>) -> Vec<Pooled> {
    if entries.is_empty() {
        return Vec::new();
    }
    let executed = block.outcomes().filter(|outcome| !outcome.refused);
    let executed: HashMap<EnvelopeSource, Digest> = executed
        .map(|outcome| (outcome.envelope.source(), outcome.envelope.signed_digest()))
        .collect();
    let rivals = entries.into_iter().filter(|entry| {
        let placed = executed.get(&entry.pooled.envelope.source());
        placed.is_some_and(|placed| *placed != entry.digest)
    });
    rivals.map(|entry| entry.pooled).collect()
}

fn busy() -> Refusal {
    Refusal {
        retry_after_ms: 50,
        ..refusal(
            Reason::Busy,
            "this peer's queue is full: send the same bytes again later",
        )
    }
}

/// Heads that a block's good batches leave behind, last one per sender.
pub fn heads_after(block: &Block) -> Vec<(Member, SenderHead)> {
    let mut heads = BTreeMap::new();
    for outcome in block.outcomes().filter(|outcome| !outcome.refused) {
        if let Envelope::Batch(batch) = outcome.envelope {
            heads.insert(batch.header.sender.clone(), SenderHead::after(&batch.header));
        }
    }
    heads.into_iter().collect()
}

/// Reads a sender's head from its state record.
///
/// # Errors
/// The record is not a sender head.
pub fn decode_head(record: Option<Vec<u8>>) -> Result<SenderHead, e2l_ledger::DecodeError> {
    record.map_or_else(|| Ok(SenderHead::default()), |bytes| SenderHead::decode(&bytes))
}
