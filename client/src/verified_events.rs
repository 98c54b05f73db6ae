//! The ledger as a stream of events that is proven: every block is fetched whole and checked, so that nothing in
//! it can be hidden, added or altered. A peer can only be behind, and the replies say as of which height.

use crate::block_events::{Endorsers, block_events};
use crate::chained::Chained;
use crate::verifier::{Verifier, VerifyError};
use crate::wire;
use e2l_ledger::Header;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Blocks fetched at once.
const AT_ONCE: usize = 8;

/// Replies of [`Verifier::events`], as those of [`crate::LedgerClient::events`]. An error is its last item.
pub struct VerifiedEvents(BoxStream<'static, Result<wire::EventsReply, VerifyError>>);

impl Stream for VerifiedEvents {
    type Item = Result<wire::EventsReply, VerifyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl Verifier {
    /// The ledger as a stream of events, in ledger order, complete between the heights that it covers.
    ///
    /// # Errors
    /// No peer answers; a block is not proven. Later failures come as items of the stream.
    pub async fn events(&self, request: wire::EventsRequest) -> Result<VerifiedEvents, VerifyError> {
        let tip = self.client().status().await?.final_height;
        self.may_be_newest(tip)?;
        let reader = Reader {
            verifier: self.clone(),
            chained: Arc::default(),
            filter: request.filter.clone().unwrap_or_default(),
            left: if request.limit == 0 {
                u64::MAX
            } else {
                request.limit
            },
        };
        if request.newest && request.limit > 0 {
            return reader.newest_first(tip, request.follow).await;
        }
        let first = request.from_height.max(1);
        let past = if first > tip {
            let nothing = reader.nothing(tip).await?;
            futures::stream::once(std::future::ready(Ok(nothing))).boxed()
        } else {
            reader.clone().range(first, tip)
        };
        if !request.follow {
            return Ok(VerifiedEvents(past.boxed()));
        }
        let next = first.max(tip + 1);
        Ok(VerifiedEvents(past.chain(reader.follow(next).await?).boxed()))
    }
}

#[derive(Clone)]
struct Reader {
    verifier: Verifier,
    chained: Arc<Chained>,
    filter: wire::EventFilter,
    left: u64,
}

type Replies = BoxStream<'static, Result<wire::EventsReply, VerifyError>>;

impl Reader {
    /// That there is nothing up to a height.
    async fn nothing(&self, tip: u64) -> Result<wire::EventsReply, VerifyError> {
        let as_of_time_nano = match tip {
            0 => self.verifier.anchor().created_nano(),
            height => {
                let header = self.verifier.block(height).await?.0.header;
                self.chained.check(&header)?;
                header.time_nano
            }
        };
        Ok(wire::EventsReply {
            events: Vec::new(),
            as_of_height: tip,
            as_of_time_nano,
            caught_up: true,
        })
    }

    /// A block's events, with its header: whoever asks for several at once checks in order that they are linked.
    async fn block(&self, height: u64, last: u64) -> Result<(Header, wire::EventsReply), VerifyError> {
        let (block, proven) = self.verifier.block(height).await?;
        let endorsers = Endorsers {
            sealed: proven.is_sealed(),
            actors: proven.endorsed_by,
        };
        let config = self.verifier.anchor().config_at(height);
        let reply = wire::EventsReply {
            events: block_events(&block, &self.filter, &config.limits, &endorsers),
            as_of_height: height,
            as_of_time_nano: block.header.time_nano,
            caught_up: height == last,
        };
        Ok((block.header, reply))
    }

    /// Blocks from `first` to `last`, until enough events have come.
    fn range(self, first: u64, last: u64) -> Replies {
        let mut left = self.left;
        let chained = Arc::clone(&self.chained);
        let blocks = futures::stream::iter(first..=last).map(move |height| {
            let reader = self.clone();
            async move { reader.block(height, last).await }
        });
        let mut ended = false;
        let replies = blocks.buffered(AT_ONCE).map(move |read| {
            let (header, mut reply) = read?;
            chained.check(&header)?;
            reply.events.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= reply.events.len() as u64;
            Ok::<_, VerifyError>((reply, left))
        });
        replies
            .try_take_while(move |(_, left)| {
                let go_on = !ended;
                ended = *left == 0;
                std::future::ready(Ok(go_on))
            })
            .map_ok(|(reply, _)| reply)
            .boxed()
    }

    /// The newest events, found by walking down from the tip, and then what follows.
    async fn newest_first(self, tip: u64, follow: bool) -> Result<VerifiedEvents, VerifyError> {
        let mut found: VecDeque<wire::LedgerEvent> = VecDeque::new();
        let mut at_tip = self.nothing(tip).await?;
        let down = self.clone();
        let heights = futures::stream::iter((1..=tip).rev()).map(|height| down.block(height, tip));
        let mut blocks = std::pin::pin!(heights.buffered(AT_ONCE));
        while let Some(read) = blocks.next().await {
            let (header, reply) = read?;
            self.chained.check(&header)?;
            for event in reply.events.into_iter().rev() {
                if (found.len() as u64) < self.left {
                    found.push_front(event);
                }
            }
            if found.len() as u64 >= self.left {
                break;
            }
        }
        at_tip.events = found.into();
        let past = futures::stream::once(std::future::ready(Ok(at_tip)));
        if !follow {
            return Ok(VerifiedEvents(past.boxed()));
        }
        let all = Self {
            left: u64::MAX,
            ..self.clone()
        };
        Ok(VerifiedEvents(past.chain(all.follow(tip + 1).await?).boxed()))
    }

    /// Blocks from `next` on as they become final. The peer's own stream only says how far it is.
    async fn follow(self, next: u64) -> Result<Replies, VerifyError> {
        let request = wire::EventsRequest {
            from_height: next,
            follow: true,
            ..wire::EventsRequest::default()
        };
        let heights = self.verifier.client().events(request).await?;
        let heights = heights
            .map_ok(|reply| reply.as_of_height)
            .map_err(VerifyError::from);
        let mut next = next;
        let ranges = heights.map_ok(move |height| {
            let first = next;
            next = next.max(height.saturating_add(1));
            self.clone().range(first, height)
        });
        Ok(ranges.try_flatten().boxed())
    }
}
