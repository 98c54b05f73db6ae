//! The `Ledger` service without a ledger: it says back what it hears, and misbehaves on request.

use e2l_client::{caller, refusal, refusal_status, wire};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::atomic::{AtomicU32, Ordering};
use tonic::{Request, Response, Status, Streaming};
use wire::ledger_server::Ledger;
use wire::refusal::Reason;
use wire::submit_reply::Outcome;

/// How it answers.
#[derive(Default)]
pub struct Behaviour {
    /// Calls that were heard.
    pub calls: AtomicU32,
    /// How often `submit` says that it is busy before it takes anything.
    pub busy: AtomicU32,
    /// Events up to this height, three in each...
    pub full_heights: u64,
    /// ...and of the next height this many.
    pub partial: u32,
}

pub struct EchoLedger {
    pub actor: &'static str,
    pub behaviour: std::sync::Arc<Behaviour>,
}

pub fn event(height: u64, index: u32) -> wire::LedgerEvent {
    wire::LedgerEvent {
        height,
        index,
        ..Default::default()
    }
}

fn answer(actor: &str, behaviour: &Behaviour, envelope: bytes::Bytes) -> Option<Outcome> {
    if envelope.as_ref() == b"hold" {
        return None;
    }
    if envelope.as_ref() == b"conflict" {
        return Some(Outcome::Refusal(refusal(
            Reason::Conflict,
            "batch 7 is known with another content",
        )));
    }
    let take_one = |left: u32| left.checked_sub(1);
    if behaviour
        .busy
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one)
        .is_ok()
    {
        let mut busy = refusal(Reason::Busy, "the pool is full");
        busy.retry_after_ms = 20;
        return Some(Outcome::Refusal(busy));
    }
    Some(Outcome::Final(wire::Final {
        outputs: vec![envelope],
        endorsed_by: vec![actor.to_owned()],
        ..Default::default()
    }))
}

#[tonic::async_trait]
impl Ledger for EchoLedger {
    type SubmitStream = BoxStream<'static, Result<wire::SubmitReply, Status>>;
    type EventsStream = BoxStream<'static, Result<wire::EventsReply, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<wire::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        self.behaviour.calls.fetch_add(1, Ordering::SeqCst);
        let (actor, behaviour) = (self.actor, std::sync::Arc::clone(&self.behaviour));
        let replies = request.into_inner().filter_map(move |request| {
            let reply = request.map(|request| {
                let outcome = answer(actor, &behaviour, request.envelope)?;
                let (tag, outcome) = (request.tag, Some(outcome));
                Some(wire::SubmitReply { tag, outcome })
            });
            std::future::ready(reply.transpose())
        });
        Ok(Response::new(replies.boxed()))
    }

    async fn sender_head(
        &self,
        request: Request<wire::SenderHeadRequest>,
    ) -> Result<Response<wire::SenderHeadReply>, Status> {
        self.behaviour.calls.fetch_add(1, Ordering::SeqCst);
        let certificate = caller(&request)?;
        let mut gap = refusal(Reason::SequenceGap, certificate.member().to_string());
        gap.expected_sequence = 42;
        Err(refusal_status(&gap))
    }

    async fn events(
        &self,
        request: Request<wire::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let request = request.into_inner();
        let full = self.behaviour.full_heights;
        let mut replies: Vec<wire::EventsReply> = (request.from_height.max(1)..=full)
            .map(|height| wire::EventsReply {
                events: (0..3).map(|index| event(height, index)).collect(),
                as_of_height: height,
                ..Default::default()
            })
            .collect();
        if self.behaviour.partial > 0 {
            replies.push(wire::EventsReply {
                events: (0..self.behaviour.partial)
                    .map(|index| event(full + 1, index))
                    .collect(),
                as_of_height: full,
                ..Default::default()
            });
        }
        let mut left = if request.limit == 0 {
            u64::MAX
        } else {
            request.limit
        };
        for reply in &mut replies {
            reply.events.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= reply.events.len() as u64;
        }
        let replies = futures::stream::iter(replies.into_iter().map(Ok));
        // What the peer does not have yet: it waits for it.
        let more = self.behaviour.partial > 0 || request.follow;
        if more && left > 0 {
            return Ok(Response::new(replies.chain(futures::stream::pending()).boxed()));
        }
        Ok(Response::new(replies.boxed()))
    }

    async fn query(
        &self,
        request: Request<wire::QueryRequest>,
    ) -> Result<Response<wire::QueryReply>, Status> {
        self.behaviour.calls.fetch_add(1, Ordering::SeqCst);
        let member = caller(&request)?.member().to_string();
        let request = request.into_inner();
        match request.function.as_str() {
            "echo" => Ok(Response::new(wire::QueryReply {
                output: request.argument,
                height: 1,
                time_nano: 1,
                ..wire::QueryReply::default()
            })),
            "who" => Ok(Response::new(wire::QueryReply {
                output: member.into_bytes().into(),
                height: 1,
                time_nano: 1,
                ..wire::QueryReply::default()
            })),
            "unavailable" if self.actor == "provider" => Err(refusal_status(&refusal(
                Reason::Unavailable,
                "no leader is known",
            ))),
            "unavailable" => Ok(Response::new(wire::QueryReply::default())),
            "silence" => std::future::pending().await,
            "forbidden" => Err(refusal_status(&refusal(
                Reason::Forbidden,
                "collectors do not ask",
            ))),
            other => Err(Status::not_found(format!(
                "no function `{other}`: see `e2l chaincode list`"
            ))),
        }
    }

    async fn get_block(
        &self,
        request: Request<wire::GetBlockRequest>,
    ) -> Result<Response<wire::GetBlockReply>, Status> {
        // A block of as many bytes as its height says.
        let size = usize::try_from(request.into_inner().height).unwrap();
        Ok(Response::new(wire::GetBlockReply {
            block: vec![7; size].into(),
            ..Default::default()
        }))
    }

    async fn get_receipt(
        &self,
        _request: Request<wire::GetReceiptRequest>,
    ) -> Result<Response<wire::GetReceiptReply>, Status> {
        Ok(Response::new(wire::GetReceiptReply::default()))
    }

    async fn get_log_page(
        &self,
        _request: Request<wire::GetLogPageRequest>,
    ) -> Result<Response<wire::GetLogPageReply>, Status> {
        Ok(Response::new(wire::GetLogPageReply::default()))
    }

    async fn get_ancestry(
        &self,
        _request: Request<wire::GetAncestryRequest>,
    ) -> Result<Response<wire::GetAncestryReply>, Status> {
        Ok(Response::new(wire::GetAncestryReply::default()))
    }

    async fn evidence(
        &self,
        _request: Request<wire::EvidenceRequest>,
    ) -> Result<Response<wire::EvidenceReply>, Status> {
        Ok(Response::new(wire::EvidenceReply::default()))
    }

    async fn collectors(
        &self,
        _request: Request<wire::CollectorsRequest>,
    ) -> Result<Response<wire::CollectorsReply>, Status> {
        Ok(Response::new(wire::CollectorsReply::default()))
    }

    async fn incidents(
        &self,
        _request: Request<wire::IncidentsRequest>,
    ) -> Result<Response<wire::IncidentsReply>, Status> {
        Ok(Response::new(wire::IncidentsReply::default()))
    }

    async fn status(
        &self,
        _request: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        Ok(Response::new(wire::StatusReply {
            actor: self.actor.to_owned(),
            ..Default::default()
        }))
    }

    async fn chaincodes(
        &self,
        _request: Request<wire::ChaincodesRequest>,
    ) -> Result<Response<wire::ChaincodesReply>, Status> {
        Ok(Response::new(wire::ChaincodesReply::default()))
    }

    async fn config_changes(
        &self,
        _request: Request<wire::ConfigChangesRequest>,
    ) -> Result<Response<wire::ConfigChangesReply>, Status> {
        Ok(Response::new(wire::ConfigChangesReply::default()))
    }

    async fn collector_code(
        &self,
        _request: Request<wire::CollectorCodeRequest>,
    ) -> Result<Response<wire::CollectorCodeReply>, Status> {
        Ok(Response::new(wire::CollectorCodeReply::default()))
    }

    async fn get_state(
        &self,
        _request: Request<wire::GetStateRequest>,
    ) -> Result<Response<wire::GetStateReply>, Status> {
        Ok(Response::new(wire::GetStateReply::default()))
    }
}
