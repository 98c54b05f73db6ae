//! Batches: cut from taken events, signed once, and rebuilt byte for byte.

use super::Spool;
use super::error::SpoolError;
use super::record::Record;
use super::stored::{Prepared, StoredBatch, StoredEvent};
use e2l_ledger::event::{Event, EventError};
use e2l_ledger::{
    BatchHeader, Call, Canonical, Digest, Envelope, Limits, PackedEnvelope, SignedBatch, Signer,
};

/// Chaincode that takes events.
pub const CHAINCODE: &str = "eventdb";
/// Its function.
pub const FUNCTION: &str = "createEvent";
/// Bytes that a call costs beyond its argument (`Call::size`).
const CALL_BYTES: usize = CHAINCODE.len() + FUNCTION.len() + 12;
/// Bytes that a batch costs beyond its calls (`SignedBatch::size`).
const BATCH_BYTES: usize = 512;

/// Bounds of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most events.
    pub events: usize,
    /// Most bytes, as `SignedBatch::size` counts.
    pub bytes: usize,
    /// Most bytes of one event's encoding.
    pub event_bytes: usize,
}

impl BatchLimits {
    /// The network's, and the collector's own bound on events.
    pub fn new(limits: &Limits, max_events: usize) -> Self {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let bytes = size(limits.batch_max_bytes);
        Self {
            events: max_events.min(size(limits.batch_max_transactions)).max(1),
            bytes,
            event_bytes: size(limits.argument_max_bytes).min(bytes.saturating_sub(BATCH_BYTES + CALL_BYTES)),
        }
    }
}

impl Spool {
    /// Whether the events that are in no batch fill one.
    pub fn fills(&self, limits: &BatchLimits) -> bool {
        let (count, bytes) = self.fitting(limits);
        let more = (count as u64) < self.unbatched();
        count == limits.events || more || bytes >= limits.bytes
    }

    fn unbatched_events(&self) -> impl Iterator<Item = &StoredEvent> {
        let batched = (self.head.next_unbatched - self.first_stored) as usize;
        self.events.range(batched..)
    }

    fn fitting(&self, limits: &BatchLimits) -> (usize, usize) {
        let (mut count, mut bytes) = (0, BATCH_BYTES);
        for event in self
            .unbatched_events()
            .take(limits.events.min(self.recorded_alike()))
        {
            let more = event.length as usize + CALL_BYTES;
            if count > 0 && bytes + more > limits.bytes {
                break;
            }
            (count, bytes) = (count + 1, bytes + more);
        }
        (count, bytes)
    }

    /// Signs the next batch; `None` if there is no event. It may be sent after the next commit.
    ///
    /// # Errors
    /// Events cannot be read from disk.
    pub fn cut(
        &mut self,
        limits: &BatchLimits,
        signer: &dyn Signer,
        now_nano: i64,
    ) -> Result<Option<Prepared>, SpoolError> {
        let (count, _) = self.fitting(limits);
        if count == 0 {
            return Ok(None);
        }
        let first_event = self.head.next_unbatched;
        let calls = self.calls(first_event, count)?;
        let header = BatchHeader {
            network: self.head.network,
            sender: self.head.sender.clone(),
            incarnation: self.head.incarnation,
            sequence: self.head.head_sequence + 1,
            previous: self.head.head_digest,
            created_nano: now_nano,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            calls_root: SignedBatch::calls_root(&calls),
            component: self.next_component(),
            executable: self.executable,
        };
        let batch = SignedBatch::sign(header, calls, signer);
        let (header, signature) = (batch.header.clone(), batch.signature.clone());
        self.put(&Record::Batch {
            header: header.clone(),
            signature: signature.clone(),
            first_event,
        });
        self.dirty = true;
        let digest = header.digest();
        self.note_batch(
            StoredBatch {
                header,
                signature,
                first_event,
            },
            digest,
        );
        Ok(Some(self.prepared(batch, first_event, digest)))
    }

    pub(super) fn note_batch(&mut self, batch: StoredBatch, digest: Digest) {
        self.head.head_sequence = batch.header.sequence;
        self.head.head_digest = digest;
        self.head.next_unbatched = batch.first_event + u64::from(batch.header.count);
        self.forget_recorded_by();
        if let Some(segment) = self.segments.back_mut() {
            segment.last_batch = batch.header.sequence;
        }
        self.batches.push_back(batch);
    }

    /// The batches that are signed and not final, oldest first, byte for byte as they were signed. One that was
    /// signed with an older certificate is signed again: its digest leaves the signature out.
    ///
    /// # Errors
    /// Events cannot be read from disk, or are not those that were signed.
    pub fn unfinal_batches(&mut self, signer: &dyn Signer) -> Result<Vec<Prepared>, SpoolError> {
        let stored: Vec<StoredBatch> = self.batches.iter().cloned().collect();
        stored
            .into_iter()
            .map(|batch| self.rebuild(batch, signer))
            .collect()
    }

    fn rebuild(&mut self, stored: StoredBatch, signer: &dyn Signer) -> Result<Prepared, SpoolError> {
        let StoredBatch {
            header,
            mut signature,
            first_event,
        } = stored;
        let calls = self.calls(first_event, header.count as usize)?;
        let digest = header.digest();
        if signature.certificate != signer.certificate().digest() {
            signature = signer.sign(&digest);
        }
        let batch = SignedBatch {
            header,
            calls,
            signature,
        };
        if !batch.is_consistent() {
            return Err(SpoolError::Corrupt {
                path: self.directory.path().to_owned(),
                offset: 0,
                why: format!(
                    "the events of batch {} are not those that were signed",
                    batch.header.sequence
                ),
            });
        }
        Ok(self.prepared(batch, first_event, digest))
    }

    fn prepared(&mut self, batch: SignedBatch, first_event: u64, digest: Digest) -> Prepared {
        let start = (first_event - self.first_stored) as usize;
        let count = batch.calls.len();
        let mut since_nano = Vec::with_capacity(count);
        for event in self.events.range_mut(start..start + count) {
            since_nano.push(event.since_nano);
            // From here the envelope holds them.
            self.cached_bytes -= event.bytes.take().map_or(0, |bytes| bytes.len());
        }
        Prepared {
            incarnation: batch.header.incarnation,
            sequence: batch.header.sequence,
            digest,
            previous: batch.header.previous,
            created_nano: batch.header.created_nano,
            component: batch.header.component,
            executable: batch.header.executable,
            certificate: batch.signature.certificate,
            packed: PackedEnvelope::pack(&Envelope::Batch(batch)).encode().into(),
            since_nano,
        }
    }

    fn calls(&self, first_event: u64, count: usize) -> Result<Vec<Call>, SpoolError> {
        let start = (first_event - self.first_stored) as usize;
        let events = self.events.range(start..start + count);
        events.map(|event| Ok(call(self.bytes_of(event)?))).collect()
    }

    /// A stored event.
    pub(super) fn event_of(&self, stored: &StoredEvent) -> Result<Event, SpoolError> {
        let corrupt = |error: EventError| SpoolError::Corrupt {
            path: self.directory.path().to_owned(),
            offset: stored.offset,
            why: error.to_string(),
        };
        Event::decode(&self.bytes_of(stored)?).map_err(corrupt)
    }

    fn bytes_of(&self, event: &StoredEvent) -> Result<Vec<u8>, SpoolError> {
        if let Some(bytes) = &event.bytes {
            return Ok(bytes.to_vec());
        }
        let found = self
            .segments
            .iter()
            .find(|segment| segment.first_group == event.segment);
        let segment = found.ok_or_else(|| SpoolError::Corrupt {
            path: self.directory.path().to_owned(),
            offset: event.offset,
            why: format!("segment {} is gone while its events are not final", event.segment),
        })?;
        segment.read(event.offset, event.length)
    }
}

fn call(argument: Vec<u8>) -> Call {
    Call {
        chaincode: CHAINCODE.to_owned(),
        function: FUNCTION.to_owned(),
        argument,
    }
}
