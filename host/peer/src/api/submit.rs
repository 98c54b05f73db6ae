//! A stream of envelopes that a caller submits, and what each is answered.

use super::duplicate::on_ledger;
use super::ledger::unsound;
use crate::admission::{self, Brought};
use crate::node::Node;
use crate::pool::Taken;
use crate::waiters::Answer;
use e2l_client::refusal;
use e2l_client::wire::refusal::Reason;
use e2l_client::wire::submit_reply::Outcome;
use e2l_client::wire::{Refusal, SubmitReply, SubmitRequest};
use e2l_ledger::{Certificate, EnvelopeSource};
use futures::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tonic::{Status, Streaming};

/// Envelopes of one stream that wait for their blocks at once; the next is read when one is answered.
const MAX_WAITING: usize = 1024;

/// Reads envelopes in order, and answers each when it is settled.
pub(super) async fn submit(
    node: Arc<Node>,
    certificate: Certificate,
    mut requests: Streaming<SubmitRequest>,
    replies: mpsc::Sender<Result<SubmitReply, Status>>,
) {
    let mut waiting = FuturesUnordered::new();
    let mut open = true;
    while open || !waiting.is_empty() {
        tokio::select! {
            request = requests.next(), if open && waiting.len() < MAX_WAITING => match request {
                Some(Ok(SubmitRequest { tag, envelope, packed })) => {
                    let settled = accept(&node, &certificate, &Brought::of(envelope, packed));
                    waiting.push(async move { (tag, settled.wait().await) });
                }
                Some(Err(status)) => {
                    tracing::debug!(status = %status.message(), "a submit stream broke");
                    // A caller that sent what cannot be read learns it; one that has gone does not.
                    let _ = replies.send(Err(status)).await;
                    return;
                }
                None => open = false,
            },
            Some((tag, answer)) = waiting.next() => {
                let outcome = match answer {
                    Ok(settled) => Outcome::Final(settled),
                    Err(refused) => Outcome::Refusal(refused),
                };
                let reply = SubmitReply { tag, outcome: Some(outcome) };
                if replies.send(Ok(reply)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// An answer that is known, or will be.
pub(super) enum Settled {
    Now(Box<Answer>),
    Later(oneshot::Receiver<Answer>),
}

impl Settled {
    async fn wait(self) -> Answer {
        match self {
            Self::Now(answer) => *answer,
            Self::Later(receiver) => receiver.await.unwrap_or_else(|_| {
                Err(refusal(
                    Reason::Unavailable,
                    "this peer is stopping: send the same bytes to another peer",
                ))
            }),
        }
    }
}

pub(super) fn refuse(refused: Refusal) -> Settled {
    Settled::Now(Box::new(Err(refused)))
}

fn accept(node: &Node, certificate: &Certificate, brought: &Brought) -> Settled {
    let pooled = match admission::check(node, brought, certificate.clone()) {
        Ok(pooled) => pooled,
        Err(refused) => return refuse(refused),
    };
    let source = pooled.envelope.source();
    if let EnvelopeSource::Request(id) = &source
        && let Ok(Some(_)) = node.newest().view.get(&e2l_ledger::StateKey::request(id))
    {
        return refuse(refusal(
            Reason::Duplicate,
            "this request is already on the ledger",
        ));
    }
    // Registered before it can be ordered, or its block could pass unseen.
    let receiver = node.waiters.register(&pooled.envelope);
    let taken = admission::take(node, pooled.clone());
    if matches!(taken, Ok(Taken::Waiting)) {
        return Settled::Later(receiver);
    }
    drop(receiver);
    node.waiters.forget(&source);
    match taken {
        Ok(_) => on_ledger(node, &pooled).unwrap_or_else(|error| {
            tracing::error!(%error, "a batch that is on the ledger cannot be found");
            let status = unsound(node, error);
            refuse(refusal(
                Reason::Unavailable,
                format!(
                    "this peer cannot read its ledger: {}: try another peer",
                    status.message()
                ),
            ))
        }),
        Err(refused) => refuse(refused),
    }
}
