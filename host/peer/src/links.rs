//! Connections to the other actors' peers.

use crate::node::Node;
use bytes::Bytes;
use e2l_client::wire::ledger_client::LedgerClient;
use e2l_client::wire::peering_client::PeeringClient;
use e2l_client::wire::submit_reply::Outcome;
use e2l_client::wire::{
    AnnounceReply, AnnounceRequest, ConfigChangesReply, ConfigChangesRequest, FetchBlocksRequest,
    FetchLogReply, FetchLogRequest, FetchProposalReply, FetchProposalRequest, ForwardReply, ForwardRequest,
    GetBlockReply, RaftRequest, StandingReply, StandingRequest, SubmitRequest,
};
use e2l_client::{ClientError, MAX_MESSAGE_BYTES, Target, connect_lazy};
use e2l_consensus::{MessageKind, Transport, TransportError};
use e2l_ledger::{ActorConfig, Member, PeerConfig, Role, StateKey};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_rustls::rustls::ClientConfig;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Longest wait for an answer that needs no disk.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait until what was submitted is final.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two attempts to move to a new connection.
const RENEWAL_PAUSE: Duration = Duration::from_millis(250);
/// How many there are.
const RENEWAL_TRIES: u32 = 240;

/// Another actor's peer.
pub struct Link {
    /// The actor.
    pub actor: String,
    /// Its peer.
    pub peer: PeerConfig,
    target: Target,
    channel: watch::Sender<Channel>,
}

impl Link {
    fn is_to(&self, actor: &ActorConfig, peer: &PeerConfig) -> bool {
        self.actor == actor.name && self.peer == *peer
    }

    fn channel(&self) -> Channel {
        self.channel.borrow().clone()
    }

    /// Where and how it is reached.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether its certificate was refused when it was last connected to.
    pub fn is_untrusted(&self) -> bool {
        self.target.is_untrusted()
    }

    /// Changes when what is called from now on goes over a new connection.
    pub fn connection(&self) -> watch::Receiver<Channel> {
        self.channel.subscribe()
    }

    /// Moves to a new connection, which shows this peer's new certificate, once the other side answers there: it may still
    /// have to execute the block from which on it trusts it. Calls under way end on the old one.
    async fn renew(self: Arc<Self>) {
        for _ in 0..RENEWAL_TRIES {
            let Ok(channel) = connect_lazy(&self.target) else {
                return;
            };
            let answer = within(CALL_TIMEOUT, peering(&channel).standing(StandingRequest {})).await;
            match answer {
                Ok(_) => {
                    self.channel.send_replace(channel);
                    return;
                }
                Err(status) => {
                    tracing::debug!(peer = %self.actor, status = %status.message(), "no new connection yet");
                }
            }
            tokio::time::sleep(RENEWAL_PAUSE).await;
        }
        // It is away: when it is back, whatever connects shows the new certificate.
        tracing::debug!(peer = %self.actor, "the old connection stays until it breaks");
    }

    fn client(&self) -> PeeringClient<Channel> {
        peering(&self.channel())
    }
}

fn peering(channel: &Channel) -> PeeringClient<Channel> {
    PeeringClient::new(channel.clone())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

impl Link {
    /// Begins to tell votes.
    ///
    /// # Errors
    /// No link, or the other side refuses.
    pub async fn announcements(&self) -> Result<Announcements, Status> {
        let (requests, sent) = mpsc::channel(1);
        let replies = within(CALL_TIMEOUT, self.client().announce(ReceiverStream::new(sent))).await?;
        Ok(Announcements { requests, replies })
    }

    /// Sends envelopes to the leader.
    ///
    /// # Errors
    /// No link, or the other side refuses.
    pub async fn forward(&self, request: ForwardRequest) -> Result<ForwardReply, Status> {
        within(CALL_TIMEOUT, self.client().forward(request)).await
    }

    /// Asks for blocks.
    ///
    /// # Errors
    /// No link, or the other side refuses.
    pub async fn fetch_blocks(
        &self,
        from_height: u64,
        limit: u32,
    ) -> Result<Streaming<GetBlockReply>, Status> {
        within(
            CALL_TIMEOUT,
            self.client()
                .fetch_blocks(FetchBlocksRequest { from_height, limit }),
        )
        .await
    }

    /// Asks for the changes of the configuration that are in force from heights above `after`.
    ///
    /// # Errors
    /// No link, or the other side refuses.
    pub async fn config_changes(&self, after: u64) -> Result<ConfigChangesReply, Status> {
        let mut ledger = LedgerClient::new(self.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        within(
            CALL_TIMEOUT,
            ledger.config_changes(ConfigChangesRequest { after }),
        )
        .await
    }

    /// Submits an envelope, and waits until the peer calls it final or refuses it.
    ///
    /// # Errors
    /// No link, or the other side refuses.
    pub async fn submit(&self, envelope: Bytes) -> Result<(), Status> {
        let request = SubmitRequest {
            tag: 1,
            envelope,
            ..SubmitRequest::default()
        };
        let mut ledger = LedgerClient::new(self.channel());
        let requests = tokio_stream::once(request);
        let mut replies = within(CALL_TIMEOUT, ledger.submit(requests)).await?;
        let reply = next_within(&mut replies, SETTLE_TIMEOUT).await;
        match reply
            .map_err(Status::unavailable)?
            .and_then(|reply| reply.outcome)
        {
            Some(Outcome::Final(_)) => Ok(()),
            Some(Outcome::Refusal(refused)) => Err(Status::failed_precondition(refused.message)),
            None => Err(Status::unavailable("it gives no answer")),
        }
    }

    /// Asks what entries of a log refer to.
    ///
    /// # Errors
    /// No link, or the other side refuses.
    pub async fn fetch_log(&self, log: &StateKey, from: u64, limit: u32) -> Result<FetchLogReply, Status> {
        let log = log.as_bytes().to_vec().into();
        let request = FetchLogRequest { log, from, limit };
        within(CALL_TIMEOUT, self.client().fetch_log(request)).await
    }

    /// Asks what the other side knows of itself and of this peer.
    ///
    /// # Errors
    /// No link, or the other side refuses.
    pub async fn standing(&self) -> Result<StandingReply, Status> {
        within(CALL_TIMEOUT, self.client().standing(StandingRequest {})).await
    }

    /// Asks what the peer was told about a height, and says what this one was told.
    ///
    /// # Errors
    /// No link, or the other side has nothing, or not yet.
    pub async fn fetch_proposal(&self, request: FetchProposalRequest) -> Result<FetchProposalReply, Status> {
        within(CALL_TIMEOUT, self.client().fetch_proposal(request)).await
    }
}

/// Votes told to one peer: one message, one answer.
pub struct Announcements {
    requests: mpsc::Sender<AnnounceRequest>,
    replies: Streaming<AnnounceReply>,
}

impl Announcements {
    /// Sends votes. Nothing more can be sent after an error.
    ///
    /// # Errors
    /// The link is gone, or the other side refuses.
    pub async fn announce(&mut self, request: AnnounceRequest) -> Result<AnnounceReply, Status> {
        let answer = async {
            // Why nothing can be sent stands in the answer.
            let _ = self.requests.send(request).await;
            let reply = self.replies.message().await?;
            reply.ok_or_else(|| Status::unavailable("it hears no more"))
        };
        tokio::time::timeout(CALL_TIMEOUT, answer)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
    }
}

/// The next message of a stream; `None` at its end.
///
/// # Errors
/// None comes within `limit`, or the other side fails.
pub async fn next_within<T>(stream: &mut Streaming<T>, limit: Duration) -> Result<Option<T>, String> {
    match tokio::time::timeout(limit, stream.message()).await {
        Ok(Ok(message)) => Ok(message),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(_) => Err(format!("it sends nothing for {} s", limit.as_secs())),
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer in time")),
    }
}

/// Links to the voting peers of the other actors, by Raft id. They follow the configuration.
pub struct Links {
    node: Arc<Node>,
    tls: Arc<ClientConfig>,
    links: RwLock<BTreeMap<u64, Arc<Link>>>,
}

impl Links {
    /// Prepares a link to every other voting peer of the configuration; each connects when it is first used.
    ///
    /// # Errors
    /// An address in the configuration is not one.
    pub fn new(node: &Arc<Node>, tls: &Arc<ClientConfig>) -> Result<Arc<Self>, ClientError> {
        let links = Self {
            node: node.clone(),
            tls: tls.clone(),
            links: RwLock::default(),
        };
        links.follow_configuration()?;
        Ok(Arc::new(links))
    }

    /// Links to the peers that vote, and to those whose votes are still needed, no others. Those that stay where they are
    /// are kept.
    ///
    /// # Errors
    /// An address in the configuration is not one: that peer has no link.
    pub fn follow_configuration(&self) -> Result<(), ClientError> {
        let (mut links, mut failed) = (BTreeMap::new(), Ok(()));
        let old = self.links.read().clone();
        let configs = self.node.deciding();
        for (actor, peer) in configs.iter().flat_map(|config| config.voters()) {
            if actor.name == self.node.me.member().actor {
                continue;
            }
            let kept = old.get(&peer.raft_id).filter(|link| link.is_to(actor, peer));
            match kept.map_or_else(|| self.link(actor, peer), |kept| Ok(kept.clone())) {
                Ok(link) => {
                    links.insert(peer.raft_id, link);
                }
                Err(error) => failed = Err(error),
            }
        }
        *self.links.write() = links;
        failed
    }

    fn link(&self, actor: &ActorConfig, peer: &PeerConfig) -> Result<Arc<Link>, ClientError> {
        let member = Member {
            actor: actor.name.clone(),
            role: Role::Peer,
            name: peer.name.clone(),
        };
        let target = Target::new(&peer.address, self.tls.clone())?
            .expecting(member)
            .following(self.node.clone());
        Ok(Arc::new(Link {
            actor: actor.name.clone(),
            peer: peer.clone(),
            channel: watch::Sender::new(connect_lazy(&target)?),
            target,
        }))
    }

    /// The link to a Raft id.
    pub fn get(&self, raft_id: u64) -> Option<Arc<Link>> {
        self.links.read().get(&raft_id).cloned()
    }

    /// Moves every link to a new connection, each as soon as the other side takes one.
    pub fn renew(&self) {
        for link in self.all() {
            tokio::spawn(link.renew());
        }
    }

    /// Every link.
    pub fn all(&self) -> Vec<Arc<Link>> {
        self.links.read().values().cloned().collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.links.read().len()
    }
}

impl Transport for Links {
    fn call(
        &self,
        target: u64,
        kind: MessageKind,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        let request = RaftRequest {
            sender: self.node.me.raft_id().unwrap_or_default(),
            target,
            kind: kind.into(),
            body,
        };
        async move {
            let Some(link) = self.get(target) else {
                return Err(TransportError::Unreachable(format!(
                    "no peer has Raft id {target}"
                )));
            };
            match within(timeout, link.client().raft(request)).await {
                Ok(reply) => Ok(reply.body),
                Err(status) if status.code() == tonic::Code::FailedPrecondition => {
                    Err(TransportError::Refused(status.message().to_owned()))
                }
                Err(status) => Err(TransportError::Unreachable(format!(
                    "{}: {}",
                    link.peer.address,
                    status.message()
                ))),
            }
        }
        .boxed()
    }
}
