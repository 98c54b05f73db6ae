//! Callers that wait for their envelope to be final.

use e2l_client::refusal;
use e2l_client::wire::{Final, Refusal, refusal::Reason};
use e2l_ledger::{Block, Envelope, EnvelopeSource, ValidationCode};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use tokio::sync::oneshot;

/// What a caller is told.
pub type Answer = Result<Final, Refusal>;

#[derive(Default)]
struct Inner {
    /// Not in a block yet.
    pending: HashMap<EnvelopeSource, Vec<oneshot::Sender<Answer>>>,
    /// In a block that is not final yet.
    executed: BTreeMap<u64, Vec<(Answer, oneshot::Sender<Answer>)>>,
}

/// Everyone who waits.
#[derive(Default)]
pub struct Waiters {
    inner: Mutex<Inner>,
}

impl Waiters {
    /// Waits for an envelope that is not in a block yet. Callers that have gone are forgotten on the way.
    pub fn register(&self, source: EnvelopeSource) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner.lock();
        let waiting = inner.pending.entry(source).or_default();
        waiting.retain(|waiter| !waiter.is_closed());
        waiting.push(sender);
        receiver
    }

    /// Forgets an envelope that was not taken, unless others wait for it: nothing would ever answer it, and
    /// whoever is refused again and again would fill the memory.
    pub fn forget(&self, source: &EnvelopeSource) {
        let mut inner = self.inner.lock();
        let Some(waiting) = inner.pending.get_mut(source) else {
            return;
        };
        waiting.retain(|waiter| !waiter.is_closed());
        if waiting.is_empty() {
            inner.pending.remove(source);
        }
    }

    /// Waits for a block that is executed to become final.
    pub fn register_executed(&self, height: u64, answer: Answer) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.inner
            .lock()
            .executed
            .entry(height)
            .or_default()
            .push((answer, sender));
        receiver
    }

    /// Answers everyone who waits for an envelope that is refused for good.
    pub fn refuse(&self, source: &EnvelopeSource, refused: &Refusal) {
        for waiter in self.inner.lock().pending.remove(source).into_iter().flatten() {
            // A caller that has gone needs no answer.
            let _ = waiter.send(Err(refused.clone()));
        }
    }

    /// A block was executed: its callers now wait for finality.
    pub fn executed(&self, block: &Block) {
        let mut inner = self.inner.lock();
        if inner.pending.is_empty() {
            return;
        }
        for (envelope, answer) in answers(block) {
            let Some(waiting) = inner.pending.remove(&envelope.source()) else {
                continue;
            };
            let executed = inner.executed.entry(block.header.height).or_default();
            executed.extend(waiting.into_iter().map(|waiter| (answer.clone(), waiter)));
        }
    }

    /// Everything up to `height` is final. `endorsed_by` says who endorsed a height.
    pub fn finalized(&self, height: u64, endorsed_by: impl Fn(u64) -> Vec<String>, voters: usize) {
        let mut inner = self.inner.lock();
        let above = inner.executed.split_off(&(height + 1));
        let settled = std::mem::replace(&mut inner.executed, above);
        drop(inner);
        for (height, waiting) in settled {
            let endorsed_by = endorsed_by(height);
            for (answer, waiter) in waiting {
                let answer = answer.map(|settled| complete(settled, &endorsed_by, voters));
                let _ = waiter.send(answer);
            }
        }
    }
}

/// Adds what is known only once a block is final.
pub fn complete(settled: Final, endorsed_by: &[String], voters: usize) -> Final {
    Final {
        endorsed_by: endorsed_by.to_vec(),
        voters: u32::try_from(voters).unwrap_or(u32::MAX),
        ..settled
    }
}

/// What became of each envelope of a block, without the endorsers.
pub fn answers(block: &Block) -> Vec<(&Envelope, Answer)> {
    let mut index = 0usize;
    let mut answers = Vec::with_capacity(block.proposal.envelopes.len());
    for envelope in &block.proposal.envelopes {
        let refused = block
            .results
            .get(index)
            .filter(|result| result.id == envelope.digest());
        if let Some(result) = refused {
            index += 1;
            let message = String::from_utf8_lossy(&result.output).into_owned();
            answers.push((envelope, Err(refusal(reason_of(result.code), message))));
            continue;
        }
        let results = block
            .results
            .get(index..index + envelope.transactions())
            .unwrap_or_default();
        let is_request = matches!(envelope, Envelope::Request(_));
        let first_index = u32::try_from(index).unwrap_or(u32::MAX);
        index += envelope.transactions();
        let requested = results.iter().filter(|_| is_request);
        answers.push((
            envelope,
            Ok(Final {
                height: block.header.height,
                first_index,
                codes: results
                    .iter()
                    .map(|result| result.code as u8)
                    .collect::<Vec<u8>>()
                    .into(),
                block_time_nano: block.header.time_nano,
                endorsed_by: Vec::new(),
                voters: 0,
                outputs: requested
                    .clone()
                    .map(|result| result.output.clone().into())
                    .collect(),
                transaction_ids: requested.map(|result| result.id.0.to_vec().into()).collect(),
            }),
        ));
    }
    answers
}

/// The refusal that a validation code of a whole envelope stands for.
pub fn reason_of(code: ValidationCode) -> Reason {
    match code {
        ValidationCode::BadCreatorSignature | ValidationCode::CreatorRevoked => Reason::Unauthentic,
        ValidationCode::RoleNotAllowed => Reason::Forbidden,
        ValidationCode::SequenceGap => Reason::SequenceGap,
        ValidationCode::DuplicateTxid => Reason::Duplicate,
        ValidationCode::WrongNetwork => Reason::WrongNetwork,
        _ => Reason::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::Digest;

    #[test]
    fn an_envelope_that_was_not_taken_is_forgotten_unless_others_wait_for_it() {
        let waiters = Waiters::default();
        let source = |number| EnvelopeSource::Request(Digest([number; 32]));
        for number in 0..100 {
            drop(waiters.register(source(number)));
            waiters.forget(&source(number));
        }
        assert!(waiters.inner.lock().pending.is_empty());

        let mut waiting = waiters.register(source(1));
        drop(waiters.register(source(1)));
        waiters.forget(&source(1));
        let refused = refusal(Reason::Conflict, "no");
        waiters.refuse(&source(1), &refused);
        assert_eq!(waiting.try_recv().unwrap(), Err(refused));
    }
}
