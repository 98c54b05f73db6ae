//! A stream of envelopes and their answers.

use crate::error::ClientError;
use crate::link::{Link, PeerAddress};
use crate::wire;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tonic::Streaming;

/// What became of an envelope: final, or refused.
pub use crate::wire::submit_reply::Outcome;

/// A stream of envelopes to one peer. One task may use both halves while it keeps fewer envelopes under way
/// than the stream's depth; otherwise split it, or a full channel waits for answers that nobody takes.
pub struct SubmitStream {
    sender: SubmitSender,
    receiver: SubmitReceiver,
}

/// The half that sends. Dropping it tells the peer that nothing more comes.
pub struct SubmitSender {
    requests: mpsc::Sender<wire::SubmitRequest>,
    shared: Arc<Shared>,
}

/// The half that receives answers.
pub struct SubmitReceiver {
    replies: Streaming<wire::SubmitReply>,
    shared: Arc<Shared>,
    /// Tells a stream that ended because we wanted it to from one that broke.
    requests: mpsc::WeakSender<wire::SubmitRequest>,
}

struct Shared {
    link: Arc<Link>,
    unanswered: AtomicU64,
}

impl Shared {
    fn disconnected(&self, why: impl Into<String>) -> ClientError {
        self.link.failed();
        ClientError::Disconnected {
            address: self.link.address().to_owned(),
            why: why.into(),
        }
    }
}

impl SubmitStream {
    pub(crate) fn new(
        link: Arc<Link>,
        requests: mpsc::Sender<wire::SubmitRequest>,
        replies: Streaming<wire::SubmitReply>,
    ) -> Self {
        let shared = Arc::new(Shared {
            link,
            unanswered: AtomicU64::new(0),
        });
        let receiver = SubmitReceiver {
            replies,
            shared: Arc::clone(&shared),
            requests: requests.downgrade(),
        };
        Self {
            sender: SubmitSender { requests, shared },
            receiver,
        }
    }

    /// The peer at the other end.
    pub fn peer(&self) -> &PeerAddress {
        &self.sender.shared.link.peer
    }

    /// See [`SubmitSender::send`].
    ///
    /// # Errors
    /// See there.
    pub async fn send(&self, tag: u64, envelope: Bytes) -> Result<(), ClientError> {
        self.sender.send(tag, envelope).await
    }

    /// See [`SubmitSender::send_packed`].
    ///
    /// # Errors
    /// See there.
    pub async fn send_packed(&self, tag: u64, packed: Bytes) -> Result<(), ClientError> {
        self.sender.send_packed(tag, packed).await
    }

    /// See [`SubmitReceiver::recv`].
    ///
    /// # Errors
    /// See there.
    pub async fn recv(&mut self) -> Result<Option<(u64, Outcome)>, ClientError> {
        self.receiver.recv().await
    }

    /// The halves, for two tasks.
    pub fn split(self) -> (SubmitSender, SubmitReceiver) {
        (self.sender, self.receiver)
    }
}

impl SubmitSender {
    /// Sends an envelope (canonical bytes) under a tag of the caller's choice, which its answer will carry.
    /// Waits while `depth` envelopes are unsent. Envelopes leave in the order of the calls.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`].
    pub async fn send(&self, tag: u64, envelope: Bytes) -> Result<(), ClientError> {
        self.request(wire::SubmitRequest {
            tag,
            envelope,
            ..Default::default()
        })
        .await
    }

    /// The same of a packed envelope (canonical bytes), which no peer packs again.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`].
    pub async fn send_packed(&self, tag: u64, packed: Bytes) -> Result<(), ClientError> {
        self.request(wire::SubmitRequest {
            tag,
            packed,
            ..Default::default()
        })
        .await
    }

    async fn request(&self, request: wire::SubmitRequest) -> Result<(), ClientError> {
        // Counted before it leaves, so that no answer can be ahead of its count.
        self.shared.unanswered.fetch_add(1, Ordering::AcqRel);
        self.requests
            .send(request)
            .await
            .map_err(|_| self.shared.disconnected("the peer takes no more envelopes"))
    }
}

impl SubmitReceiver {
    /// The peer at the other end.
    pub fn peer(&self) -> &PeerAddress {
        &self.shared.link.peer
    }

    /// The next answer; `None` when the sender was dropped and everything is answered.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`] when the stream broke: what is unanswered is unknown and is sent again on
    /// a new stream. [`ClientError::Refused`] or [`ClientError::Denied`] when the peer refuses the stream as a
    /// whole.
    pub async fn recv(&mut self) -> Result<Option<(u64, Outcome)>, ClientError> {
        let reply = match self.replies.message().await {
            Ok(Some(reply)) => reply,
            Ok(None) => return self.ended(),
            Err(status) => {
                return Err(match self.shared.link.error(&status) {
                    ClientError::Unreachable { why, .. } => self.shared.disconnected(why),
                    error => error,
                });
            }
        };
        let Some(outcome) = reply.outcome else {
            return Err(ClientError::Protocol {
                address: self.shared.link.address().to_owned(),
                why: format!("the answer to envelope {} is empty", reply.tag),
            });
        };
        self.shared.unanswered.fetch_sub(1, Ordering::AcqRel);
        Ok(Some((reply.tag, outcome)))
    }

    fn ended(&self) -> Result<Option<(u64, Outcome)>, ClientError> {
        let unanswered = self.shared.unanswered.load(Ordering::Acquire);
        if unanswered == 0 && self.requests.upgrade().is_none() {
            return Ok(None);
        }
        Err(self.shared.disconnected(format!(
            "the peer ended it with {unanswered} envelopes unanswered"
        )))
    }
}
