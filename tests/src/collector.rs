//! A collector that the test speaks for.

use crate::events::now_nano;
use anyhow::Result;
use bytes::Bytes;
use e2l_client::{ClientError, LedgerClient, wire};
use e2l_event::Event;
use e2l_identity::Identity;
use e2l_ledger::{BatchHeader, Call, Canonical, Digest, Envelope, Member, SignedBatch, Signer};
use std::sync::Arc;

/// Signs batches with a collector's identity, and keeps their chain. Does nothing on its own: no spool, no
/// repetition.
#[derive(Clone)]
pub struct TestCollector {
    /// Its identity.
    pub identity: Arc<Identity>,
    /// A client in its name.
    pub client: LedgerClient,
    network: Digest,
    incarnation: u64,
    sequence: u64,
    previous: Digest,
    events: u64,
}

impl TestCollector {
    /// One that has submitted nothing yet.
    pub fn new(identity: Arc<Identity>, client: LedgerClient, network: Digest) -> Self {
        Self {
            identity,
            client,
            network,
            incarnation: 1,
            sequence: 0,
            previous: Digest::ZERO,
            events: 0,
        }
    }

    /// Who it is.
    pub fn member(&self) -> Member {
        self.identity.certificate().member().clone()
    }

    /// A call of `createEvent`; numbers the event.
    pub fn create_event(&mut self, mut event: Event) -> Call {
        self.events += 1;
        event.sequence = self.events;
        Call {
            chaincode: "eventdb".to_owned(),
            function: "createEvent".to_owned(),
            argument: event.encode(),
        }
    }

    /// The header of its next batch. The collector stands where it stood: see [`TestCollector::advance`].
    pub fn header(&self, calls: &[Call]) -> BatchHeader {
        BatchHeader {
            network: self.network,
            sender: self.member(),
            incarnation: self.incarnation,
            sequence: self.sequence + 1,
            previous: self.previous,
            created_nano: now_nano(),
            count: u32::try_from(calls.len()).expect("a batch of a test is small"),
            calls_root: SignedBatch::calls_root(calls),
            component: None,
            executable: Digest::ZERO,
        }
    }

    /// Signs whatever it is given.
    pub fn sign(&self, header: BatchHeader, calls: Vec<Call>) -> SignedBatch {
        SignedBatch::sign(header, calls, &*self.identity)
    }

    /// Goes on after a batch.
    pub fn advance(&mut self, header: &BatchHeader) {
        self.incarnation = header.incarnation;
        self.sequence = header.sequence;
        self.previous = header.digest();
    }

    /// The next batch over calls; the one after will follow it.
    pub fn batch_of(&mut self, calls: Vec<Call>) -> SignedBatch {
        let header = self.header(&calls);
        self.advance(&header);
        self.sign(header, calls)
    }

    /// The next batch over events.
    pub fn batch(&mut self, events: Vec<Event>) -> SignedBatch {
        let calls = events.into_iter().map(|event| self.create_event(event)).collect();
        self.batch_of(calls)
    }

    /// Canonical bytes of a batch, as they are submitted.
    pub fn encode(batch: SignedBatch) -> Bytes {
        Envelope::Batch(batch).encode().into()
    }

    /// Submits the next batch over events and waits until it is final.
    ///
    /// # Errors
    /// It is refused, or its outcome is unknown.
    pub async fn submit(&mut self, events: Vec<Event>) -> Result<wire::Final, ClientError> {
        let batch = self.batch(events);
        self.client.submit(Self::encode(batch)).await
    }
}
