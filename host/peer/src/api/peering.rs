//! The `Peering` service: what peers say to each other.

use super::access::{Action, authorize};
use super::announcements::Announcements;
use super::ledger::{block_reply, unsound};
use crate::admission::{self, Brought};
use crate::evidence::{check_placed_batch, hear_all, told};
use crate::inquiry;
use crate::node::Node;
use crate::pool::{Pooled, Taken};
use crate::standing;
use crate::standpoint::standpoint;
use e2l_client::wire::peering_server::Peering;
use e2l_client::wire::refusal::Reason;
use e2l_client::wire::{
    AnnounceReply, AnnounceRequest, FetchBlocksRequest, FetchLogReply, FetchLogRequest, FetchProposalReply,
    FetchProposalRequest, ForwardReply, ForwardRequest, ForwardedEnvelope, GetBlockReply, RaftReply,
    RaftRequest, Refusal, StandingReply, StandingRequest,
};
use e2l_client::{caller, refusal, refusal_status};
use e2l_consensus::{MessageKind, RaftNode};
use e2l_identity::LogLimit;
use e2l_ledger::{Canonical, Certificate, Envelope, StateKey};
use e2l_store::StoreError;
use futures::stream::BoxStream;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Most blocks in answer to one question.
const MAX_BLOCKS: u32 = 512;
/// Most references of a log in one message.
const MAX_REFERENCES: u32 = 32 * 1024;
/// Most envelopes in one message.
const MAX_FORWARDED: usize = 4096;
/// Bytes of calls in one message at which no more of it is taken: several times what a peer sends.
const MAX_FORWARDED_BYTES: usize = 16 << 20;

/// The service.
pub struct PeeringApi {
    node: Arc<Node>,
    raft: Arc<RaftNode>,
    log: Arc<LogLimit>,
}

impl PeeringApi {
    /// Serves a node.
    pub fn new(node: Arc<Node>, raft: Arc<RaftNode>) -> Self {
        Self {
            node,
            raft,
            log: Arc::default(),
        }
    }

    /// The calling peer, which must be the one its actor has in the configuration; its Raft id.
    fn caller<T>(&self, request: &Request<T>) -> Result<(String, u64), Status> {
        let certificate = authorize(&self.node, request, Action::Peer)?;
        let member = certificate.member();
        let config = self.node.config();
        let configured = config.actor(&member.actor).and_then(|actor| actor.peer.as_ref());
        match configured.filter(|peer| peer.name == member.name) {
            Some(peer) => Ok((member.actor.clone(), peer.raft_id)),
            None => {
                let message = format!("{member} is not the peer that actor `{}` runs", member.actor);
                Err(refusal_status(&refusal(Reason::Forbidden, message)))
            }
        }
    }

    /// `room` is what may still be taken of the message.
    fn take(&self, forwarded: ForwardedEnvelope, room: &mut usize) -> Refusal {
        if *room == 0 {
            return refusal(Reason::Busy, "too much in one message: send the rest again");
        }
        let certificate = match Certificate::parse(&forwarded.certificate) {
            Ok(certificate) => certificate,
            Err(error) => return refusal(Reason::Unauthentic, error.to_string()),
        };
        let brought = Brought::of(forwarded.envelope, forwarded.packed);
        let pooled = match admission::check(&self.node, &brought, certificate) {
            Ok(pooled) => pooled,
            Err(refused) => return refused,
        };
        *room = room.saturating_sub(pooled.envelope.size());
        let taken = admission::take(&self.node, pooled.clone());
        match taken {
            Ok(Taken::Waiting) => Refusal::default(),
            Ok(Taken::OnLedger) => self.compare_with_ledger(&pooled),
            Err(refused) => refused,
        }
    }

    /// A batch whose number is on the ledger is the same one, or its collector has numbered two alike.
    fn compare_with_ledger(&self, pooled: &Pooled) -> Refusal {
        let Envelope::Batch(batch) = &*pooled.envelope else {
            return Refusal::default();
        };
        match check_placed_batch(&self.node, batch, &pooled.certificate) {
            Ok(None) => Refusal::default(),
            Ok(Some(height)) => refusal(
                Reason::Conflict,
                format!(
                    "batch {} of incarnation {} is on the ledger at height {height} with another content: two batches \
                     may never have one number",
                    batch.header.sequence, batch.header.incarnation
                ),
            ),
            Err(error) => {
                tracing::error!(%error, "a forwarded batch cannot be compared with the ledger");
                refusal(
                    Reason::Unavailable,
                    "this peer cannot read its ledger: try another peer",
                )
            }
        }
    }
}

#[tonic::async_trait]
impl Peering for PeeringApi {
    type AnnounceStream = BoxStream<'static, Result<AnnounceReply, Status>>;
    type FetchBlocksStream = ReceiverStream<Result<GetBlockReply, Status>>;

    async fn raft(&self, request: Request<RaftRequest>) -> Result<Response<RaftReply>, Status> {
        let (_, authenticated) = self.caller(&request)?;
        let RaftRequest {
            sender,
            target,
            kind,
            body,
        } = request.into_inner();
        let mine = self.node.me.raft_id().unwrap_or_default();
        if target != mine {
            let message = format!("this peer has Raft id {mine}, the message is for {target}");
            return Err(Status::failed_precondition(message));
        }
        let kind = MessageKind::try_from(kind)
            .map_err(|error| Status::invalid_argument(format!("unknown Raft message: {error}")))?;
        let body = self
            .raft
            .handle(authenticated, sender, kind, body)
            .await
            .map_err(|error| {
                if let Some(suppressed) = self.log.admit("raft") {
                    tracing::warn!(from = authenticated, %error, suppressed, "a Raft message was refused");
                }
                Status::failed_precondition(error.to_string())
            })?;
        Ok(Response::new(RaftReply { body }))
    }

    async fn forward(&self, request: Request<ForwardRequest>) -> Result<Response<ForwardReply>, Status> {
        self.caller(&request)?;
        if !self.raft.leadership().borrow().is_leader() {
            return Err(refusal_status(&refusal(
                Reason::Unavailable,
                "this peer does not lead",
            )));
        }
        let envelopes = request.into_inner().envelopes;
        if envelopes.len() > MAX_FORWARDED {
            let message = format!(
                "{} envelopes in one message, at most {MAX_FORWARDED}",
                envelopes.len()
            );
            return Err(refusal_status(&refusal(Reason::Malformed, message)));
        }
        let mut room = MAX_FORWARDED_BYTES;
        let outcomes = envelopes
            .into_iter()
            .map(|forwarded| self.take(forwarded, &mut room))
            .collect();
        Ok(Response::new(ForwardReply { outcomes }))
    }

    async fn announce(
        &self,
        request: Request<Streaming<AnnounceRequest>>,
    ) -> Result<Response<Self::AnnounceStream>, Status> {
        self.caller(&request)?;
        let announcements = Announcements {
            node: self.node.clone(),
            log: self.log.clone(),
            certificate: caller(&request)?,
        };
        Ok(Response::new(announcements.answers(request.into_inner())))
    }

    async fn fetch_blocks(
        &self,
        request: Request<FetchBlocksRequest>,
    ) -> Result<Response<Self::FetchBlocksStream>, Status> {
        self.caller(&request)?;
        let FetchBlocksRequest { from_height, limit } = request.into_inner();
        let first = from_height.max(1);
        let newest = self.node.with_finality(|finality| finality.final_height());
        let last = newest.min(
            first
                .saturating_add(u64::from(limit.min(MAX_BLOCKS)))
                .saturating_sub(1),
        );
        let (replies, receiver) = mpsc::channel(4);
        let node = self.node.clone();
        tokio::task::spawn_blocking(move || {
            for height in first..=last {
                let reply = match block_reply(&node, height) {
                    Ok(Some(reply)) => Ok(reply),
                    Ok(None) => return,
                    Err(error) => Err(unsound(&node, error)),
                };
                let failed = reply.is_err();
                if replies.blocking_send(reply).is_err() || failed {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn fetch_log(&self, request: Request<FetchLogRequest>) -> Result<Response<FetchLogReply>, Status> {
        self.caller(&request)?;
        let FetchLogRequest { log, from, limit } = request.into_inner();
        let (node, key) = (self.node.clone(), StateKey::from_bytes(log.to_vec()));
        let limit = limit.min(MAX_REFERENCES) as usize;
        let read = tokio::task::spawn_blocking(move || node.newest().view.log_references(&key, from, limit));
        let references = read
            .await
            .map_err(|_| Status::unavailable("this peer is stopping"))?;
        let references = references.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(FetchLogReply {
            references: references.into_iter().map(Into::into).collect(),
        }))
    }

    async fn standing(&self, request: Request<StandingRequest>) -> Result<Response<StandingReply>, Status> {
        let (actor, raft_id) = self.caller(&request)?;
        let reply = standing::reply(&self.node, &self.raft, (&actor, raft_id));
        Ok(Response::new(
            reply.map_err(|error| Status::internal(error.to_string()))?,
        ))
    }

    async fn fetch_proposal(
        &self,
        request: Request<FetchProposalRequest>,
    ) -> Result<Response<FetchProposalReply>, Status> {
        self.caller(&request)?;
        let FetchProposalRequest { height, votes } = request.into_inner();
        let passed_on =
            inquiry::decode(&votes).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if height > self.node.newest().header.height {
            return Err(Status::unavailable(format!(
                "this peer has not executed height {height} yet: ask again"
            )));
        }
        let node = self.node.clone();
        let found = tokio::task::spawn_blocking(move || {
            // What this peer was told is shown as it was before: what the caller passes on, it has.
            let found = (told(&node, height)?, standpoint(&node, height)?);
            hear_all(&node, height, &passed_on)?;
            Ok::<_, StoreError>(found)
        });
        let found = found.await.map_err(|error| Status::internal(error.to_string()))?;
        let (told, standpoint) = found.map_err(|error| Status::unavailable(error.to_string()))?;
        let told = told.ok_or_else(|| {
            Status::not_found(format!(
                "this peer has no block of height {height} with a proposal"
            ))
        })?;
        Ok(Response::new(FetchProposalReply {
            proposal: told.proposal.encode().into(),
            votes: inquiry::encode(&told.votes),
            standpoint,
        }))
    }
}
