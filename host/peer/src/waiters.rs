//! Callers that wait for their envelope to be final.

use e2l_client::refusal;
use e2l_client::wire::{Final, Refusal, refusal::Reason};
use e2l_ledger::{Block, Digest, Envelope, EnvelopeSource, ValidationCode};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use tokio::sync::oneshot;

/// What a caller is told.
pub type Answer = Result<Final, Refusal>;

/// Someone who waits for one envelope.
struct Waiter {
    /// Digest of what its sender signed.
    statement: Digest,
    /// Digest of that and the signature.
    envelope: Digest,
    sender: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Inner {
    /// Not in a block yet.
    pending: HashMap<EnvelopeSource, Vec<Waiter>>,
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
    pub fn register(&self, envelope: &Envelope) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner.lock();
        let waiting = inner.pending.entry(envelope.source()).or_default();
        waiting.retain(|waiter| !waiter.sender.is_closed());
        waiting.push(Waiter {
            statement: envelope.signed_digest(),
            envelope: envelope.digest(),
            sender,
        });
        receiver
    }

    /// Forgets an envelope that was not taken, unless others wait for it: nothing would ever answer it, and
    /// whoever is refused again and again would fill the memory.
    pub fn forget(&self, source: &EnvelopeSource) {
        let mut inner = self.inner.lock();
        let Some(waiting) = inner.pending.get_mut(source) else {
            return;
        };
        waiting.retain(|waiter| !waiter.sender.is_closed());
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
            let _ = waiter.sender.send(Err(refused.clone()));
        }
    }

    /// A block was executed: its callers now wait for finality.
    pub fn executed(&self, block: &Block) {
        let mut inner = self.inner.lock();
        if inner.pending.is_empty() {
            return;
        }
        for (envelope, answer) in answers(block) {
            let source = envelope.source();
            let Some(waiting) = inner.pending.remove(&source) else {
                continue;
            };
            let (answered, waiting) = sort_out(waiting, envelope, &answer);
            let executed = inner.executed.entry(block.header.height).or_default();
            executed.extend(answered);
            if !waiting.is_empty() {
                inner.pending.insert(source, waiting);
            }
        }
    }

    /// Everything up to `height` is final. `endorsed_by` says who endorsed a height, and how many vote about it.
    pub fn finalized(&self, height: u64, endorsed_by: impl Fn(u64) -> (Vec<String>, usize)) {
        let mut inner = self.inner.lock();
        let above = inner.executed.split_off(&(height + 1));
        let settled = std::mem::replace(&mut inner.executed, above);
        drop(inner);
        for (height, waiting) in settled {
            let (endorsed_by, voters) = endorsed_by(height);
            for (answer, waiter) in waiting {
                let answer = answer.map(|settled| complete(settled, &endorsed_by, voters));
                let _ = waiter.send(answer);
            }
        }
    }
}

/// Who is answered by what became of an envelope, and who still waits. A leader may order a forgery under the
/// name of an honest sender: its refusal is not that of the genuine envelope.
fn sort_out(
    waiting: Vec<Waiter>,
    envelope: &Envelope,
    answer: &Answer,
) -> (Vec<(Answer, oneshot::Sender<Answer>)>, Vec<Waiter>) {
    let (digest, statement) = (envelope.digest(), envelope.signed_digest());
    let (mut answered, mut still) = (Vec::new(), Vec::new());
    for waiter in waiting {
        match answer {
            Err(_) if waiter.envelope != digest => still.push(waiter),
            Ok(_) if waiter.statement != statement => {
                let conflict = refusal(
                    Reason::Conflict,
                    "another statement of its sender with the same number is on the ledger",
                );
                answered.push((Err(conflict), waiter.sender));
            }
            _ => answered.push((answer.clone(), waiter.sender)),
        }
    }
    (answered, still)
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
    let mut answers = Vec::with_capacity(block.proposal.envelopes.len());
    for outcome in block.outcomes() {
        let (envelope, results) = (outcome.envelope, outcome.results);
        if let (true, Some(result)) = (outcome.refused, results.first()) {
            let message = String::from_utf8_lossy(&result.output).into_owned();
            answers.push((envelope, Err(refusal(reason_of(result.code), message))));
            continue;
        }
        let is_request = matches!(envelope, Envelope::Request(_));
        let first_index = u32::try_from(outcome.first).unwrap_or(u32::MAX);
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
        ValidationCode::OtherComponent | ValidationCode::OtherExecutable => Reason::OtherCode,
        _ => Reason::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::{Algorithm, Call, Member, RequestHeader, Role, Signature, SignedRequest};

    /// A request with a nonce, a function and a signature, none of which are checked here.
    fn request(nonce: u8, function: &str, signature: u8) -> Envelope {
        let call = Call {
            chaincode: "eventdb".to_owned(),
            function: function.to_owned(),
            argument: Vec::new(),
        };
        let sender = Member {
            actor: "provider".to_owned(),
            role: Role::Admin,
            name: "admin".to_owned(),
        };
        let header = RequestHeader {
            network: Digest::ZERO,
            sender,
            nonce: [nonce; 16],
            expires_at: 1,
            call: call.digest(),
        };
        let signature = Signature {
            certificate: Digest::ZERO,
            algorithm: Algorithm::Ed25519,
            bytes: [signature; 64],
        };
        Envelope::Request(SignedRequest {
            header,
            call,
            signature,
        })
    }

    fn done() -> Answer {
        Ok(Final::default())
    }

    #[test]
    fn an_envelope_that_was_not_taken_is_forgotten_unless_others_wait_for_it() {
        let waiters = Waiters::default();
        for number in 0..100 {
            let envelope = request(number, "f", 0);
            drop(waiters.register(&envelope));
            waiters.forget(&envelope.source());
        }
        assert!(waiters.inner.lock().pending.is_empty());

        let envelope = request(1, "f", 0);
        let mut waiting = waiters.register(&envelope);
        drop(waiters.register(&envelope));
        waiters.forget(&envelope.source());
        let refused = refusal(Reason::Conflict, "no");
        waiters.refuse(&envelope.source(), &refused);
        assert_eq!(waiting.try_recv().unwrap(), Err(refused));
    }

    #[test]
    fn a_refused_forgery_does_not_answer_the_genuine() {
        let waiters = Waiters::default();
        let (genuine, forged) = (request(1, "f", 1), request(1, "f", 2));
        let _waiting = waiters.register(&genuine);
        let pending = |waiters: &Waiters| waiters.inner.lock().pending.remove(&genuine.source()).unwrap();
        let refused = Err(refusal(Reason::Unauthentic, "forged"));
        let (answered, still) = sort_out(pending(&waiters), &forged, &refused);
        assert!(answered.is_empty());
        let (answered, still) = sort_out(still, &genuine, &done());
        assert_eq!(answered.len(), 1);
        assert!(still.is_empty());
    }

    #[test]
    fn another_statement_under_the_same_number_is_a_conflict() {
        let waiters = Waiters::default();
        let (mine, other) = (request(1, "f", 1), request(1, "g", 2));
        let _waiting = waiters.register(&mine);
        let pending = waiters.inner.lock().pending.remove(&mine.source()).unwrap();
        let (answered, _) = sort_out(pending, &other, &done());
        assert!(matches!(&answered[0].0, Err(refused) if refused.reason() == Reason::Conflict));
    }
}
