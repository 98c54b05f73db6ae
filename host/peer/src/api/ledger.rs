//! The `Ledger` service.

use super::access::{Action, authorize};
use super::query::checked_query;
use super::submit::submit;
use super::{collectors, events, kept, status};
use crate::chain_query::QueryThreads;
use crate::chain_thread::ChainThread;
use crate::collector_code::collector_code;
use crate::node::{Executed, Finalized, Node};
use crate::proofs::{self, NoProof};
use crate::repair::{Damage, Damaged};
use crate::soundness::{Unsound, sound_block, vote_holds};
use e2l_client::wire::ledger_server::Ledger;
use e2l_client::wire::refusal::Reason;
use e2l_client::wire::{
    Chaincode, ChaincodeFunction, ChaincodesReply, ChaincodesRequest, CollectorCodeReply,
    CollectorCodeRequest, CollectorsReply, CollectorsRequest, ConfigChangesReply, ConfigChangesRequest,
    EventsReply, EventsRequest, EvidenceReply, EvidenceRequest, GetAncestryReply, GetAncestryRequest,
    GetBlockReply, GetBlockRequest, GetLogPageReply, GetLogPageRequest, GetReceiptReply, GetReceiptRequest,
    GetStateReply, GetStateRequest, IncidentsReply, IncidentsRequest, QueryReply, QueryRequest,
    SenderHeadReply, SenderHeadRequest, StatusReply, StatusRequest, SubmitReply, SubmitRequest,
};
use e2l_client::{refusal, refusal_status};
use e2l_consensus::RaftNode;
use e2l_execution::QueryCall;
use e2l_ledger::{Canonical, Digest, InvalidName, Member, SenderHead, StateKey};
use futures::stream::{BoxStream, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Most ranges, and headers in each, in a proof of ancestry.
const MAX_RANGES: usize = 4;
const MAX_HEADERS: u32 = 4096;
/// Most entries in a proven page.
const MAX_PAGE: u32 = 1000;
/// Most changes of the configuration in one answer.
const MAX_CHANGES: usize = 64;
/// How long a query waits for the height that it is to be answered as of.
const HEIGHT_WAIT: Duration = Duration::from_secs(5);

/// The service.
pub struct LedgerApi {
    node: Arc<Node>,
    raft: Arc<RaftNode>,
    queries: QueryThreads,
    chain: ChainThread,
}

impl LedgerApi {
    /// Serves a node.
    pub fn new(node: Arc<Node>, raft: Arc<RaftNode>, queries: QueryThreads, chain: ChainThread) -> Self {
        Self {
            node,
            raft,
            queries,
            chain,
        }
    }

    fn finalized(&self) -> Result<Finalized, Status> {
        self.node.finalized().ok_or_else(|| {
            refusal_status(&refusal(
                Reason::Unavailable,
                "this peer has started and waits for other peers to confirm its newest block: try again, or ask \
                 another peer",
            ))
        })
    }

    /// The newest final height, or another one that is kept: 0 for whichever is the newest.
    async fn final_at(&self, height: u64) -> Result<Arc<Executed>, Status> {
        let newest = self.finalized()?.at;
        if height == 0 {
            return Ok(newest);
        }
        let mut finalized = self.node.watch_finalized();
        let reached = finalized.wait_for(|known| {
            known
                .as_ref()
                .is_some_and(|known| known.at.header.height >= height)
        });
        // Whether it was reached is seen below.
        let _ = tokio::time::timeout(HEIGHT_WAIT, reached).await;
        self.node.heights.final_at(height).ok_or_else(|| {
            refusal_status(&refusal(
                Reason::Unavailable,
                format!(
                    "this peer cannot answer as of height {height}: its newest final height is {}, and it keeps only \
                     the last ones: ask as of another height",
                    newest.header.height
                ),
            ))
        })
    }
}

/// What a caller is told of a record that is not served; reports it if it is damaged.
pub(crate) fn unsound(node: &Node, error: Unsound) -> Status {
    match error {
        Unsound::Damaged { height, why } => {
            let message = format!(
                "block {height} in its database is damaged and is being repaired from the other peers: {why}"
            );
            node.damage.report(Damage {
                what: Damaged::Block(height),
                found_by: "read",
                why,
            });
            Status::data_loss(message)
        }
        Unsound::Unproven(error) => {
            report(node, &error);
            no_proof(error)
        }
    }
}

/// Reports what is damaged and no block.
fn report(node: &Node, error: &NoProof) {
    let (what, why) = match error {
        NoProof::DamagedLog { key, why, .. } => (Damaged::Log(key.clone()), why),
        NoProof::DamagedHeader { height, why } => (Damaged::Block(*height), why),
        NoProof::DamagedIndex { id, why } => (Damaged::Lookup(*id), why),
        // Only all blocks together say what the state is.
        NoProof::DamagedState(why) => return node.must_restore(why),
        _ => return,
    };
    node.damage.report(Damage {
        what,
        found_by: "read",
        why: why.clone(),
    });
}

fn head_reply(head: &SenderHead, height: u64) -> SenderHeadReply {
    SenderHeadReply {
        incarnation: head.incarnation,
        sequence: head.sequence,
        digest: head.digest.0.to_vec().into(),
        height,
        proof: bytes::Bytes::new(),
    }
}

fn no_proof(error: NoProof) -> Status {
    match error {
        NoProof::NotEndorsed(_)
        | NoProof::NotFinal(_)
        | NoProof::NotProven { .. }
        | NoProof::Forgotten(_)
        | NoProof::IndexUnchecked => refusal_status(&refusal(
            Reason::Unavailable,
            format!("{error}: try again, or ask another peer"),
        )),
        NoProof::BeyondEnd { .. } => Status::invalid_argument(error.to_string()),
        NoProof::DamagedLog { .. }
        | NoProof::DamagedState(_)
        | NoProof::DamagedHeader { .. }
        | NoProof::DamagedIndex { .. } => Status::data_loss(error.to_string()),
        other => internal(&other),
    }
}

fn internal(error: &dyn std::fmt::Display) -> Status {
    tracing::error!(%error, "a read failed");
    Status::internal(format!(
        "this peer cannot read its ledger: {error}; ask another peer"
    ))
}

#[tonic::async_trait]
impl Ledger for LedgerApi {
    type SubmitStream = ReceiverStream<Result<SubmitReply, Status>>;
    type EventsStream = BoxStream<'static, Result<EventsReply, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let certificate = authorize(&self.node, &request, Action::Submit)?;
        let (replies, receiver) = mpsc::channel(64);
        tokio::spawn(submit(
            self.node.clone(),
            certificate,
            request.into_inner(),
            replies,
        ));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn sender_head(
        &self,
        request: Request<SenderHeadRequest>,
    ) -> Result<Response<SenderHeadReply>, Status> {
        let certificate = authorize(&self.node, &request, Action::Ask)?;
        let SenderHeadRequest { sender: named, prove } = request.into_inner();
        let sender = if named.is_empty() {
            certificate.member().clone()
        } else {
            parse_member(&named)?
        };
        // Nobody has endorsed the genesis, and nothing stands on it.
        if prove && self.node.newest().header.height > 0 {
            let proven = proofs::sender_head(&self.node, &self.chain, sender).await;
            let proven = proven.map_err(|error| unsound(&self.node, error.into()))?;
            let reply = head_reply(&proven.head, proven.finality.header.height);
            return Ok(Response::new(SenderHeadReply {
                proof: proven.encode().into(),
                ..reply
            }));
        }
        let head = proofs::checked_head(&self.chain, &sender).await;
        let (height, head) = head.map_err(|error| unsound(&self.node, error.into()))?;
        Ok(Response::new(head_reply(&head, height)))
    }

    async fn events(&self, request: Request<EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        self.finalized()?;
        Ok(Response::new(
            events::stream(self.node.clone(), request.into_inner()).boxed(),
        ))
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryReply>, Status> {
        let certificate = authorize(&self.node, &request, Action::Read)?;
        let QueryRequest {
            chaincode,
            function,
            argument,
            at_height,
        } = request.into_inner();
        let at = self.final_at(at_height).await?;
        let call = QueryCall {
            chaincode,
            function,
            argument: argument.to_vec(),
        };
        let member = certificate.member().clone();
        let output = checked_query(&self.node, &self.chain, &self.queries, &at, member, call).await?;
        Ok(Response::new(QueryReply {
            output: output.into(),
            height: at.header.height,
            time_nano: at.header.time_nano,
            header: at.header.digest().0.to_vec().into(),
        }))
    }

    async fn get_block(&self, request: Request<GetBlockRequest>) -> Result<Response<GetBlockReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let at = self.finalized()?.at;
        let height = request.into_inner().height;
        if height == 0 || height > at.header.height {
            let message = format!(
                "there is no block {height}: final heights are 1 to {}",
                at.header.height
            );
            return Err(Status::not_found(message));
        }
        let node = self.node.clone();
        let reply = tokio::task::spawn_blocking(move || block_reply(&node, height)).await;
        let reply = reply.map_err(|error| internal(&error))?;
        let reply = reply.map_err(|error| unsound(&self.node, error))?;
        reply
            .map(Response::new)
            .ok_or_else(|| Status::not_found(format!("block {height} is not here")))
    }

    async fn get_receipt(
        &self,
        request: Request<GetReceiptRequest>,
    ) -> Result<Response<GetReceiptReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        self.finalized()?;
        let id = request.into_inner().transaction_id;
        let id = <[u8; 32]>::try_from(id.as_ref()).map_err(|_| {
            Status::invalid_argument(format!("a transaction id has 32 bytes, not {}", id.len()))
        })?;
        let (id, node) = (Digest(id), self.node.clone());
        let found = tokio::task::spawn_blocking(move || proofs::receipt(&node, &id)).await;
        let found = found.map_err(|error| internal(&error))?;
        let found = found.map_err(|error| unsound(&self.node, error))?;
        let receipt = found
            .ok_or_else(|| Status::not_found(format!("it knows no final transaction of the id {id}")))?;
        Ok(Response::new(GetReceiptReply {
            receipt: receipt.encode().into(),
        }))
    }

    async fn get_log_page(
        &self,
        request: Request<GetLogPageRequest>,
    ) -> Result<Response<GetLogPageReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let GetLogPageRequest {
            chaincode,
            log,
            from,
            limit,
        } = request.into_inner();
        if self.node.config().chaincode(&chaincode).is_none() {
            return Err(Status::not_found(format!("no chaincode `{chaincode}` is active")));
        }
        let limit = limit.clamp(1, MAX_PAGE) as usize;
        let page = proofs::log_page(&self.node, &self.chain, chaincode, log.to_vec(), from, limit).await;
        Ok(Response::new(GetLogPageReply {
            proof: page
                .map_err(|error| unsound(&self.node, error.into()))?
                .encode()
                .into(),
        }))
    }

    async fn get_ancestry(
        &self,
        request: Request<GetAncestryRequest>,
    ) -> Result<Response<GetAncestryReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let asked = request.into_inner().ranges;
        if asked.len() > MAX_RANGES {
            return Err(Status::invalid_argument(format!(
                "{} ranges of heights: at most {MAX_RANGES} are answered",
                asked.len()
            )));
        }
        let ranges = asked.iter().map(|range| {
            let count = range.count.min(MAX_HEADERS);
            range.from..range.from.saturating_add(u64::from(count))
        });
        let proof = proofs::ancestry(&self.node, &self.chain, ranges.collect()).await;
        Ok(Response::new(GetAncestryReply {
            proof: proof
                .map_err(|error| unsound(&self.node, error.into()))?
                .encode()
                .into(),
        }))
    }

    async fn incidents(
        &self,
        request: Request<IncidentsRequest>,
    ) -> Result<Response<IncidentsReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let (node, request) = (self.node.clone(), request.into_inner());
        let reply = tokio::task::spawn_blocking(move || kept::incidents(&node, &request)).await;
        let reply = reply.map_err(|error| internal(&error))?;
        reply.map(Response::new).map_err(|error| internal(&error))
    }

    async fn evidence(&self, request: Request<EvidenceRequest>) -> Result<Response<EvidenceReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let node = self.node.clone();
        let reply = tokio::task::spawn_blocking(move || kept::evidence(&node)).await;
        let reply = reply.map_err(|error| internal(&error))?;
        reply.map(Response::new).map_err(|error| internal(&error))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        authorize(&self.node, &request, Action::Ask)?;
        Ok(Response::new(status::status(&self.node, &self.raft)))
    }

    async fn collectors(
        &self,
        request: Request<CollectorsRequest>,
    ) -> Result<Response<CollectorsReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let (node, at) = (self.node.clone(), self.finalized()?.at);
        let reply = tokio::task::spawn_blocking(move || collectors::reply(&node, &at)).await;
        let reply = reply.map_err(|error| internal(&error))?;
        reply.map(Response::new).map_err(|error| internal(&error))
    }

    async fn config_changes(
        &self,
        request: Request<ConfigChangesRequest>,
    ) -> Result<Response<ConfigChangesReply>, Status> {
        authorize(&self.node, &request, Action::Ask)?;
        let (node, after) = (self.node.clone(), request.into_inner().after);
        let found = tokio::task::spawn_blocking(move || proofs::config_changes(&node, after)).await;
        let found = found.map_err(|error| internal(&error))?;
        let found = found.map_err(|error| unsound(&self.node, error.into()))?;
        let changes = found
            .iter()
            .take(MAX_CHANGES)
            .map(|change| change.encode().into());
        Ok(Response::new(ConfigChangesReply {
            changes: changes.collect(),
        }))
    }

    async fn get_state(&self, request: Request<GetStateRequest>) -> Result<Response<GetStateReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        self.finalized()?;
        let key = StateKey::from_bytes(request.into_inner().key.to_vec());
        let proof = proofs::state_value(&self.node, &self.chain, key).await;
        let proof = proof.map_err(|error| unsound(&self.node, error.into()))?;
        Ok(Response::new(GetStateReply {
            proof: proof.encode().into(),
        }))
    }

    async fn collector_code(
        &self,
        request: Request<CollectorCodeRequest>,
    ) -> Result<Response<CollectorCodeReply>, Status> {
        authorize(&self.node, &request, Action::Ask)?;
        self.finalized()?;
        let known = request.into_inner().known;
        let code = collector_code(&self.node, &self.chain).await;
        let code = code.map_err(|error| unsound(&self.node, error))?;
        let component = match code.definition {
            Some(definition) if definition.digest.0 != *known => self.queries.component(definition).await?,
            _ => Vec::new(),
        };
        Ok(Response::new(CollectorCodeReply {
            approval: code
                .approval
                .map(|proof| proof.encode().into())
                .unwrap_or_default(),
            component: component.into(),
        }))
    }

    async fn chaincodes(
        &self,
        request: Request<ChaincodesRequest>,
    ) -> Result<Response<ChaincodesReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let height = self.finalized()?.at.header.height;
        let mut chaincodes = Vec::new();
        for definition in &self.node.config().chaincodes {
            let description = self.queries.describe(&definition.name).await?;
            chaincodes.push(Chaincode {
                name: definition.name.clone(),
                version: definition.version.clone(),
                digest: definition.digest.0.to_vec().into(),
                functions: description
                    .functions
                    .into_iter()
                    .map(|function| ChaincodeFunction {
                        name: function.name,
                        kind: function.kind.to_string(),
                        argument: function.argument.to_string(),
                        summary: function.summary,
                    })
                    .collect(),
            });
        }
        Ok(Response::new(ChaincodesReply { chaincodes, height }))
    }
}

/// Most votes that go with a block: what proves it goes with it anyway.
const MAX_VOTES: usize = 64;

/// A block that was checked against its endorsements, and what is known of these.
///
/// # Errors
/// It is damaged, or cannot be proven.
pub(crate) fn block_reply(node: &Node, height: u64) -> Result<Option<GetBlockReply>, Unsound> {
    let Some((block, finality)) = sound_block(node, height)? else {
        return Ok(None);
    };
    let votes = node.store.votes(height)?.into_iter();
    // What does not hold is the background check's business.
    let votes = votes.filter(|(actor, vote)| vote_holds(node, height, actor, vote));
    let votes = votes.take(MAX_VOTES);
    let endorsements = votes.map(|(_, vote)| vote.encode().into()).collect();
    Ok(Some(GetBlockReply {
        block: block.encode().into(),
        endorsements,
        finality: finality.encode().into(),
    }))
}

fn parse_member(text: &str) -> Result<Member, Status> {
    text.parse()
        .map_err(|error: InvalidName| Status::invalid_argument(error.to_string()))
}
