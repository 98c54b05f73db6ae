//! What a peer has called final, until it is proven: a peer that says so may have told nobody.

use crate::spool::Prepared;
use e2l_client::{LedgerClient, Verifier, VerifyError};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{Member, SenderHead};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Between two proofs: one covers every batch before it.
const EVERY: Duration = Duration::from_secs(1);
/// Between two questions when the answer proves too little, or many batches wait.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a peer may owe the proof of what it has called final.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owing {
    /// The peer cannot prove anything at present.
    Unable(String),
    /// What it has called final is not.
    Lie(String),
}

/// See the module.
pub struct Proving {
    sender: Member,
    anchor: Arc<Anchor>,
    /// In order, without a gap.
    batches: VecDeque<Prepared>,
    /// So many wait no longer than they must.
    many: usize,
    asked: Option<BoxFuture<'static, Result<SenderHead, VerifyError>>>,
    due: Instant,
    last_asked: Instant,
    owed_since: Option<Instant>,
}

impl Proving {
    /// Nothing to prove yet. It hurries when `many` batches wait.
    pub fn new(sender: Member, anchor: Arc<Anchor>, many: usize) -> Self {
        let now = Instant::now();
        Self {
            sender,
            anchor,
            batches: VecDeque::new(),
            many,
            asked: None,
            due: now,
            last_asked: now,
            owed_since: None,
        }
    }

    /// Proofs of one peer's word.
    pub fn verifier(&self, client: &LedgerClient) -> Verifier {
        Verifier::new(client.clone(), Arc::clone(&self.anchor))
    }

    /// The collector.
    pub fn sender(&self) -> &Member {
        &self.sender
    }

    /// Whether all that was called final is proven.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether so much waits that no more is to be sent.
    pub fn is_full(&self) -> bool {
        self.batches.len() >= 2 * self.many
    }

    /// A peer has called this batch final, and all before it.
    pub fn push(&mut self, batch: Prepared) {
        self.batches.push_back(batch);
        if self.batches.len() >= self.many {
            self.due = self.due.min(self.last_asked + AGAIN);
        }
    }

    /// A stream begins: nothing is owed yet.
    pub fn begin(&mut self) {
        self.asked = None;
        self.owed_since = None;
    }

    /// All batches that are not proven, in order: they are to be sent again, to a peer that has not called them final.
    pub fn take_back(&mut self) -> VecDeque<Prepared> {
        std::mem::take(&mut self.batches)
    }

    /// Waits until more is proven, and returns the number of the last batch that is. Nothing is lost when it is
    /// dropped before it returns.
    ///
    /// # Errors
    /// The peer has owed the proof for too long: what it said last.
    pub async fn next(&mut self, client: &LedgerClient) -> Result<u64, Owing> {
        loop {
            if self.batches.is_empty() {
                std::future::pending::<()>().await;
            }
            sleep_until(self.due).await;
            if self.asked.is_none() {
                let (verifier, sender) = (self.verifier(client), self.sender.clone());
                self.asked = Some(async move { verifier.sender_head(&sender).await }.boxed());
                self.last_asked = Instant::now();
            }
            let Some(asked) = &mut self.asked else { continue };
            let answer = asked.await;
            self.asked = None;
            match answer {
                Ok(head) => match cover(&mut self.batches, &head).map_err(Owing::Lie)? {
                    Some(last) => {
                        self.owed_since = None;
                        self.due = Instant::now() + EVERY;
                        return Ok(last);
                    }
                    None => self.owe(Owing::Lie(format!("it proves only batch {}", head.sequence)))?,
                },
                Err(VerifyError::Client(error)) => self.owe(Owing::Unable(error.to_string()))?,
                Err(error) => self.owe(Owing::Lie(error.to_string()))?,
            }
        }
    }

    fn owe(&mut self, why: Owing) -> Result<(), Owing> {
        let now = Instant::now();
        self.due = now + AGAIN;
        let since = *self.owed_since.get_or_insert(now);
        if now < since + PATIENCE { Ok(()) } else { Err(why) }
    }
}

/// Takes out what a head covers, and returns the number of the last.
fn cover(batches: &mut VecDeque<Prepared>, head: &SenderHead) -> Result<Option<u64>, String> {
    let covered =
        |batch: &mut Prepared| batch.incarnation == head.incarnation && batch.sequence <= head.sequence;
    let mut last = None;
    while let Some(batch) = batches.pop_front_if(covered) {
        if batch.sequence == head.sequence && batch.digest != head.digest {
            let why = format!("the ledger holds another batch {}", batch.sequence);
            batches.push_front(batch);
            return Err(why);
        }
        last = Some(batch.sequence);
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::Digest;

    fn batch(sequence: u8) -> Prepared {
        Prepared {
            incarnation: 2,
            sequence: u64::from(sequence),
            digest: Digest([sequence; 32]),
            previous: Digest::ZERO,
            created_nano: 0,
            component: None,
            executable: Digest::ZERO,
            certificate: Digest::ZERO,
            packed: bytes::Bytes::new(),
            since_nano: Vec::new(),
        }
    }

    fn head(incarnation: u64, sequence: u64, digest: u8) -> SenderHead {
        SenderHead {
            incarnation,
            sequence,
            digest: Digest([digest; 32]),
        }
    }

    #[test]
    fn a_head_covers_what_is_before_it_in_its_incarnation() {
        let mut batches: VecDeque<Prepared> = (3..=6).map(batch).collect();
        for less in [head(2, 2, 2), head(1, 9, 9), head(3, 1, 1), SenderHead::default()] {
            assert_eq!(cover(&mut batches, &less), Ok(None), "{less:?}");
        }
        assert_eq!(cover(&mut batches, &head(2, 4, 4)), Ok(Some(4)));
        // What stands above was signed by this collector too, and its answer is still to come.
        assert_eq!(cover(&mut batches, &head(2, 9, 9)), Ok(Some(6)));
        assert!(batches.is_empty());
    }

    #[test]
    fn another_batch_of_the_same_number_covers_nothing() {
        let mut batches: VecDeque<Prepared> = (3..=6).map(batch).collect();
        assert!(cover(&mut batches, &head(2, 3, 9)).is_err());
        assert_eq!(batches.len(), 4);
    }
}
