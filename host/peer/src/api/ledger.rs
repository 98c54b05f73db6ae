//! The `Ledger` service.

use super::access::{Action, authorize};
use super::duplicate::on_ledger;
use super::{events, status};
use crate::admission;
use crate::chain_query::{QueryThreads, query_status};
use crate::chain_thread::ChainThread;
use crate::incident::Incident;
use crate::node::{Executed, Finalized, Node};
use crate::pool::Taken;
use crate::proofs::{self, NoProof};
use crate::read_check::{check_reads, damaged_read};
use crate::repair::{Damage, Damaged};
use crate::soundness::{Unsound, sound_block};
use crate::waiters::Answer;
use e2l_client::wire::ledger_server::Ledger;
use e2l_client::wire::refusal::Reason;
use e2l_client::wire::submit_reply::Outcome;
use e2l_client::wire::{
    Chaincode, ChaincodeFunction, ChaincodesReply, ChaincodesRequest, EventsReply, EventsRequest,
    EvidenceReply, EvidenceRequest, GetAncestryReply, GetAncestryRequest, GetBlockReply, GetBlockRequest,
    GetLogPageReply, GetLogPageRequest, GetReceiptReply, GetReceiptRequest, IncidentsReply, IncidentsRequest,
    QueryReply, QueryRequest, Refusal, SenderHeadReply, SenderHeadRequest, StatusReply, StatusRequest,
    SubmitReply, SubmitRequest,
};
use e2l_client::{refusal, refusal_status, wire};
use e2l_consensus::RaftNode;
use e2l_execution::{ExecutionError, QueryCall, QueryError};
use e2l_ledger::{Canonical, Certificate, Digest, EnvelopeSource, Member, Role, SenderHead};
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Envelopes of one stream that wait for their blocks at once; the next is read when one is answered.
const MAX_WAITING: usize = 1024;
/// Most ranges, and headers in each, in a proof of ancestry.
const MAX_RANGES: usize = 4;
const MAX_HEADERS: u32 = 4096;
/// Most entries in a proven page.
const MAX_PAGE: u32 = 1000;
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
        self.node.final_at(height).ok_or_else(|| {
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
pub(super) fn unsound(node: &Node, error: Unsound) -> Status {
    match error {
        Unsound::Damaged { height, why } => {
            let message = format!(
                "block {height} in its database is damaged and is being repaired from the other peers: {why}"
            );
            node.report(Damage {
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
    node.report(Damage {
        what,
        found_by: "read",
        why: why.clone(),
    });
}

fn incident_reply(incident: Incident) -> wire::Incident {
    wire::Incident {
        found_nano: incident.found_nano,
        what: incident.what,
        height: incident.height,
        found_by: incident.found_by,
        why: incident.why,
        quarantined: incident.quarantined as u64,
        repaired_from: incident.repaired_from.unwrap_or_default(),
        repaired_nano: incident.repaired_nano.unwrap_or_default(),
    }
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
        let (answer, reads) = self.queries.run(at.clone(), member, call).await?;
        if let Err(QueryError::Execution(ExecutionError::Store(error))) = &answer
            && error.is_damage()
        {
            let damaged = damaged_read(error.clone(), reads.failed_log);
            return Err(unsound(&self.node, damaged));
        }
        // A refusal is an answer, too.
        check_reads(&self.node, &self.chain, &at, reads)
            .await
            .map_err(|error| unsound(&self.node, error))?;
        Ok(Response::new(QueryReply {
            output: answer.map_err(query_status)?.into(),
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
        if self.node.config.chaincode(&chaincode).is_none() {
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
        let kept = self.node.store.incidents().map_err(|error| internal(&error))?;
        let incidents = kept
            .iter()
            .filter_map(|(_, record)| serde_json::from_slice(record).ok());
        Ok(Response::new(IncidentsReply {
            incidents: incidents.map(incident_reply).collect(),
        }))
    }

    async fn evidence(&self, request: Request<EvidenceRequest>) -> Result<Response<EvidenceReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let kept = self.node.store.evidence().map_err(|error| internal(&error))?;
        Ok(Response::new(EvidenceReply {
            evidence: kept.into_iter().map(|(_, evidence)| evidence.into()).collect(),
        }))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        authorize(&self.node, &request, Action::Ask)?;
        Ok(Response::new(status::status(&self.node, &self.raft)))
    }

    async fn chaincodes(
        &self,
        request: Request<ChaincodesRequest>,
    ) -> Result<Response<ChaincodesReply>, Status> {
        authorize(&self.node, &request, Action::Read)?;
        let height = self.finalized()?.at.header.height;
        let mut chaincodes = Vec::new();
        for definition in &self.node.config.chaincodes {
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

/// A block that was checked against its endorsements, and what is known of these.
///
/// # Errors
/// It is damaged, or cannot be proven.
pub(super) fn block_reply(node: &Node, height: u64) -> Result<Option<GetBlockReply>, Unsound> {
    let Some((block, finality)) = sound_block(node, height)? else {
        return Ok(None);
    };
    let votes = node.store.votes(height)?;
    let endorsements = votes.into_iter().map(|(_, vote)| vote.encode().into()).collect();
    Ok(Some(GetBlockReply {
        block: block.encode().into(),
        endorsements,
        finality: finality.encode().into(),
    }))
}

fn parse_member(text: &str) -> Result<Member, Status> {
    let mut parts = text.split('/');
    let (Some(actor), Some(role), Some(name), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Status::invalid_argument(format!(
            "`{text}` is not of the form actor/role/name"
        )));
    };
    let role: Role = role
        .parse()
        .map_err(|error| Status::invalid_argument(format!("{error}")))?;
    Ok(Member {
        actor: actor.to_owned(),
        role,
        name: name.to_owned(),
    })
}

/// Reads envelopes in order, and answers each when it is settled.
async fn submit(
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
                Some(Ok(SubmitRequest { tag, envelope })) => {
                    let settled = accept(&node, &certificate, envelope);
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

fn accept(node: &Node, certificate: &Certificate, bytes: bytes::Bytes) -> Settled {
    let pooled = match admission::check(node, bytes, certificate.clone()) {
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
