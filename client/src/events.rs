//! The ledger as a stream that outlives its peer.

use crate::error::ClientError;
use crate::failover::Failover;
use crate::link::{LedgerStub, Link};
use crate::wire;
use futures::Stream;
use futures::stream::BoxStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Streaming;

/// Replies of [`crate::LedgerClient::events`]. Ends when the peer has sent everything that was asked for;
/// with `follow`, never by itself. An error is its last item.
pub struct EventStream(BoxStream<'static, Result<wire::EventsReply, ClientError>>);

impl Stream for EventStream {
    type Item = Result<wire::EventsReply, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl EventStream {
    pub(crate) async fn open(failover: Failover, request: wire::EventsRequest) -> Result<Self, ClientError> {
        let mut reader = Reader {
            failover,
            position: Position::new(request),
            open: None,
            fruitless: 0,
        };
        reader.connect().await?;
        let stream = futures::stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|reply| (reply, reader)))
        });
        Ok(Self(Box::pin(stream)))
    }
}

/// A peer that opens streams and breaks each at once must not keep the client busy for ever.
const MAX_FRUITLESS: u32 = 20;

struct Reader {
    failover: Failover,
    position: Position,
    open: Option<(Streaming<wire::EventsReply>, Arc<Link>)>,
    /// Streams in a row that broke before their first reply.
    fruitless: u32,
}

impl Reader {
    async fn connect(&mut self) -> Result<(), ClientError> {
        let request = self.position.request();
        let attempt = |mut stub: LedgerStub, _| {
            let request = request.clone();
            async move { Ok(stub.events(request).await?.into_inner()) }
        };
        let limit = self.failover.options.read_timeout;
        self.open = Some(self.failover.call("events", limit, attempt).await?);
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<wire::EventsReply>, ClientError> {
        loop {
            let Some((replies, link)) = &mut self.open else {
                self.connect().await?;
                continue;
            };
            let broken = match replies.message().await {
                Ok(Some(mut reply)) => {
                    self.fruitless = 0;
                    self.position.take(&mut reply);
                    return Ok(Some(reply));
                }
                Ok(None) if !self.position.wanted.follow => return Ok(None),
                _ if self.position.is_complete() => return Ok(None),
                Ok(None) => ClientError::Disconnected {
                    address: link.address().to_owned(),
                    why: "the peer ended a stream that follows the ledger".to_owned(),
                },
                Err(status) => link.error(&status),
            };
            self.fruitless += 1;
            let resumes = broken.is_transient() && self.position.can_resume();
            if !resumes || self.fruitless > MAX_FRUITLESS {
                return Err(broken);
            }
            tracing::info!(peer = %link.peer.actor, error = %broken, "event stream goes on at another peer");
            link.failed();
            self.open = None;
        }
    }
}

/// How far the stream has come.
struct Position {
    wanted: wire::EventsRequest,
    /// Everything up to this height was looked at.
    as_of: Option<u64>,
    /// Height and index of the last event that was handed on.
    last: Option<(u64, u32)>,
    taken: u64,
}

impl Position {
    fn new(wanted: wire::EventsRequest) -> Self {
        Self {
            wanted,
            as_of: None,
            last: None,
            taken: 0,
        }
    }

    /// Whether as much came as was asked for.
    fn is_complete(&self) -> bool {
        self.wanted.limit > 0 && !self.wanted.newest && self.taken >= self.wanted.limit
    }

    /// The newest N cannot be asked for again in part, unless the stream goes on with what follows them.
    fn can_resume(&self) -> bool {
        !self.wanted.newest || self.wanted.follow || (self.last.is_none() && self.as_of.is_none())
    }

    /// What is still wanted.
    fn request(&self) -> wire::EventsRequest {
        let mut request = self.wanted.clone();
        let next = match (self.as_of, self.last) {
            (None, None) => return request,
            // The rest of the last event's block may be missing: it is read again, and what is known dropped.
            (as_of, last) => as_of
                .map_or(0, |height| height + 1)
                .max(last.map_or(0, |(height, _)| height)),
        };
        request.from_height = request.from_height.max(next);
        if request.newest {
            request.newest = false;
            request.limit = 0;
        } else if request.limit > 0 {
            // One more than nothing: a limit of 0 would mean no bound. The surplus is dropped on arrival.
            request.limit = request.limit.saturating_sub(self.taken).max(1) + self.repeated(next);
        }
        request
    }

    /// Bound on the events that a stream from `next` on brings again.
    fn repeated(&self, next: u64) -> u64 {
        match self.last {
            Some((height, index)) if height == next => u64::from(index) + 1,
            _ => 0,
        }
    }

    fn take(&mut self, reply: &mut wire::EventsReply) {
        if let Some(last) = self.last {
            reply.events.retain(|event| (event.height, event.index) > last);
        }
        if self.wanted.limit > 0 && !self.wanted.newest {
            let left = self.wanted.limit.saturating_sub(self.taken);
            reply.events.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if let Some(event) = reply.events.last() {
            self.last = Some((event.height, event.index));
        }
        self.taken += reply.events.len() as u64;
        self.as_of = self.as_of.max(Some(reply.as_of_height));
    }
}
