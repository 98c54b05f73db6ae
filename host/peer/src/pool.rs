//! Envelopes that this peer has taken and that are not on the ledger yet. Bounded; a full pool pushes back and
//! drops nothing. Order within a sender is that of its sequence.

use e2l_client::refusal;
use e2l_client::wire::{Refusal, refusal::Reason};
use e2l_ledger::{
    Block, Canonical, Certificate, Digest, Envelope, EnvelopeSource, Member, SenderHead, SignedBatch,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::watch;

/// Bounds of the pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolOptions {
    /// Most bytes of envelopes.
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

/// An envelope whose sender, form and signature were checked.
#[derive(Clone)]
pub struct Pooled {
    /// The envelope.
    pub envelope: Arc<Envelope>,
    /// Its canonical bytes.
    pub bytes: bytes::Bytes,
    /// The certificate that signed it.
    pub certificate: Certificate,
}

struct Entry {
    pooled: Pooled,
    digest: Digest,
    /// Term in which this peer, as leader, put it into a proposal.
    proposed_in: Option<u64>,
    /// Term whose leader this peer sent it to.
    forwarded_in: Option<u64>,
}

/// What became of an envelope at the door.
#[derive(Debug)]
pub enum Taken {
    /// In the pool; it was not, or was already.
    Waiting,
    /// At or below the sender's head: on the ledger, in a block this peer has executed.
    OnLedger,
}

#[derive(Default)]
struct Sender {
    head: SenderHead,
    pending: BTreeMap<(u64, u64), Entry>,
}

impl Sender {
    /// Where the sender will stand once everything pending is on the ledger.
    fn expected(&self) -> SenderHead {
        match self
            .pending
            .values()
            .next_back()
            .map(|entry| &*entry.pooled.envelope)
        {
            Some(Envelope::Batch(batch)) => SenderHead::after(&batch.header),
            _ => self.head.clone(),
        }
    }
}

#[derive(Default)]
struct Inner {
    senders: HashMap<Member, Sender>,
    requests: BTreeMap<Digest, Entry>,
    bytes: usize,
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
                if !inner.senders.contains_key(sender) {
                    let head = ledger_head(sender)?;
                    inner.senders.insert(
                        sender.clone(),
                        Sender {
                            head,
                            pending: BTreeMap::new(),
                        },
                    );
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
        let full = inner.bytes + pooled.bytes.len() > self.options.max_bytes;
        let header = &batch.header;
        let Some(sender) = inner.senders.get_mut(&header.sender) else {
            return Err(refusal(
                Reason::Unavailable,
                "the sender is not known yet: send it again",
            ));
        };
        if sender.head.covers(header) {
            return Ok(Taken::OnLedger);
        }
        let key = (header.incarnation, header.sequence);
        let digest = pooled.envelope.signed_digest();
        if let Some(pending) = sender.pending.get(&key) {
            if pending.digest == digest {
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
        let expected = sender.expected();
        if let Err(refused) = expected.check_next(header) {
            let expected_sequence = expected.sequence + 1;
            return Err(Refusal {
                expected_sequence,
                ..refusal(Reason::SequenceGap, refused.reason)
            });
        }
        if full || sender.pending.len() >= self.options.max_batches_per_sender {
            return Err(self.busy());
        }
        inner.bytes += pooled.bytes.len();
        sender.pending.insert(
            key,
            Entry {
                pooled,
                digest,
                proposed_in: None,
                forwarded_in: None,
            },
        );
        Ok(Taken::Waiting)
    }

    fn take_request(&self, inner: &mut Inner, id: Digest, pooled: Pooled) -> Result<Taken, Refusal> {
        if inner.requests.contains_key(&id) {
            return Ok(Taken::Waiting);
        }
        let full = inner.bytes + pooled.bytes.len() > self.options.max_bytes;
        if full || inner.requests.len() >= self.options.max_requests {
            return Err(self.busy());
        }
        let digest = pooled.envelope.signed_digest();
        inner.bytes += pooled.bytes.len();
        inner.requests.insert(
            id,
            Entry {
                pooled,
                digest,
                proposed_in: None,
                forwarded_in: None,
            },
        );
        Ok(Taken::Waiting)
    }

    fn busy(&self) -> Refusal {
        Refusal {
            retry_after_ms: 50,
            ..refusal(
                Reason::Busy,
                "this peer's queue is full: send the same bytes again later",
            )
        }
    }

    /// Envelopes that this leader has not proposed in `term` yet, in order, until one of the bounds is
    /// reached (one envelope always fits); marks them proposed.
    pub fn cut(&self, term: u64, max_transactions: u64, max_bytes: u64) -> Vec<Pooled> {
        let mut inner = self.inner.lock();
        let (mut cut, mut transactions, mut bytes) = (Vec::new(), 0u64, 0u64);
        let Inner {
            senders, requests, ..
        } = &mut *inner;
        let batches = senders
            .values_mut()
            .flat_map(|sender| sender.pending.values_mut());
        let mut skip_sender: Option<Member> = None;
        for entry in requests.values_mut().chain(batches) {
            let envelope = &entry.pooled.envelope;
            if entry.proposed_in == Some(term) || skip_sender.as_ref() == Some(envelope.sender()) {
                continue;
            }
            let (more, size) = (envelope.transactions() as u64, envelope.size() as u64);
            let fits = transactions + more <= max_transactions && bytes + size <= max_bytes;
            if !cut.is_empty() && !fits {
                // A later one of the same sender must not overtake it.
                skip_sender = Some(envelope.sender().clone());
                continue;
            }
            transactions += more;
            bytes += size;
            entry.proposed_in = Some(term);
            cut.push(entry.pooled.clone());
        }
        cut
    }

    /// Number of transactions, of bytes, that could be proposed in `term`.
    pub fn unproposed(&self, term: u64) -> (u64, u64) {
        let inner = self.inner.lock();
        let entries = inner
            .requests
            .values()
            .chain(inner.senders.values().flat_map(|s| s.pending.values()));
        entries
            .filter(|entry| entry.proposed_in != Some(term))
            .fold((0, 0), |(count, bytes), entry| {
                let envelope = &entry.pooled.envelope;
                (
                    count + envelope.transactions() as u64,
                    bytes + envelope.size() as u64,
                )
            })
    }

    /// What was proposed did not become a block: it may be proposed again.
    pub fn unpropose(&self) {
        let mut inner = self.inner.lock();
        let Inner {
            senders, requests, ..
        } = &mut *inner;
        for entry in requests
            .values_mut()
            .chain(senders.values_mut().flat_map(|s| s.pending.values_mut()))
        {
            entry.proposed_in = None;
        }
        drop(inner);
        self.changed.send_modify(|version| *version += 1);
    }

    /// Envelopes that the leader of `term` was not sent yet, in order, up to `max_bytes`.
    pub fn to_forward(&self, term: u64, max_bytes: usize) -> Vec<Pooled> {
        let inner = self.inner.lock();
        let mut bytes = 0;
        let entries = inner
            .requests
            .values()
            .chain(inner.senders.values().flat_map(|s| s.pending.values()));
        entries
            .filter(|entry| entry.forwarded_in != Some(term))
            .take_while(|entry| {
                let first = bytes == 0;
                bytes += entry.pooled.bytes.len();
                first || bytes <= max_bytes
            })
            .map(|entry| entry.pooled.clone())
            .collect()
    }

    /// The leader of `term` has taken this envelope.
    pub fn forwarded(&self, source: &EnvelopeSource, term: u64) {
        let mut inner = self.inner.lock();
        let entry = match source {
            EnvelopeSource::Batch(sender, incarnation, sequence) => inner
                .senders
                .get_mut(sender)
                .and_then(|sender| sender.pending.get_mut(&(*incarnation, *sequence))),
            EnvelopeSource::Request(id) => inner.requests.get_mut(id),
        };
        if let Some(entry) = entry {
            entry.forwarded_in = Some(term);
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
                .senders
                .get(sender)
                .and_then(|sender| sender.pending.get(&(*incarnation, *sequence))),
            EnvelopeSource::Request(id) => inner.requests.get(id),
        };
        if held.is_none_or(|entry| entry.pooled.envelope.digest() != refused.digest()) {
            return Vec::new();
        }
        let dropped: Vec<Entry> = match source {
            EnvelopeSource::Batch(sender, incarnation, sequence) => {
                let pending = inner.senders.get_mut(sender).map(|sender| &mut sender.pending);
                let dropped = pending.map(|pending| pending.split_off(&(*incarnation, *sequence)));
                dropped.into_iter().flat_map(BTreeMap::into_values).collect()
            }
            EnvelopeSource::Request(id) => inner.requests.remove(id).into_iter().collect(),
        };
        inner.bytes -= dropped
            .iter()
            .map(|entry| entry.pooled.bytes.len())
            .sum::<usize>();
        dropped
            .iter()
            .map(|entry| entry.pooled.envelope.source())
            .collect()
    }

    /// A block was executed: what it holds leaves the pool, and senders' heads advance.
    pub fn executed(&self, block: &Block, heads: impl IntoIterator<Item = (Member, SenderHead)>) {
        let mut inner = self.inner.lock();
        let mut freed = 0;
        for outcome in block.outcomes().filter(|outcome| !outcome.refused) {
            if let Envelope::Request(request) = outcome.envelope {
                let entry = inner.requests.remove(&request.header.transaction_id());
                freed += entry.map_or(0, |entry| entry.pooled.bytes.len());
            }
        }
        for (member, head) in heads {
            let sender = inner.senders.entry(member).or_default();
            let above = (head.incarnation, head.sequence + 1);
            let kept = sender.pending.split_off(&above);
            let gone = std::mem::replace(&mut sender.pending, kept);
            freed += gone.values().map(|entry| entry.pooled.bytes.len()).sum::<usize>();
            sender.head = head;
        }
        inner.bytes -= freed;
    }

    /// The batch that waits under the same number as another one.
    pub fn rival(&self, batch: &SignedBatch) -> Option<Pooled> {
        let header = &batch.header;
        let inner = self.inner.lock();
        let pending = &inner.senders.get(&header.sender)?.pending;
        Some(
            pending
                .get(&(header.incarnation, header.sequence))?
                .pooled
                .clone(),
        )
    }

    /// Envelopes and bytes held.
    pub fn load(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        let batches: usize = inner.senders.values().map(|sender| sender.pending.len()).sum();
        ((batches + inner.requests.len()) as u64, inner.bytes as u64)
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
