//! A peer that orders with our own Raft, and lies: to each follower another proposal, and to each its own votes back.

use bytes::Bytes;
use e2l_client::wire::peering_client::PeeringClient;
use e2l_client::wire::peering_server::Peering;
use e2l_client::wire::{
    AnnounceReply, AnnounceRequest, FetchBlocksRequest, FetchLogReply, FetchLogRequest, FetchProposalReply,
    FetchProposalRequest, ForwardReply, ForwardRequest, ForwardedEnvelope, GetBlockReply, RaftReply,
    RaftRequest, Refusal as WireRefusal, StandingReply, StandingRequest,
};
use e2l_client::{IncomingLimits, Target, TlsIncoming, connect_lazy, peering_server, serve};
use e2l_consensus::{
    Application, ApplicationError, Committed, Electorate, Incoming, MessageKind, NodeInfo, RaftNode,
    RaftOptions, Refusal, SnapshotPoint, Transport, TransportError, forge,
};
use e2l_identity::{Identity, StaticTrust, server_config};
use e2l_ledger::{
    Canonical, Digest, Envelope, GenesisFile, Limits, PackedEnvelope, PackedProposal, ProposalHeader, Role,
    SignedProposal, SignedVote, Signer,
};
use e2l_tests::{Members, PATIENCE, announce, eventually};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

/// The actor whose peer it is: first by name, so that its peer founds the network and leads it first.
pub const ACTOR: &str = "developer";

pub fn now_nano() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

/// One chain of proposals.
#[derive(Clone)]
pub struct Story {
    pub height: u64,
    pub previous: Digest,
    pub time_nano: i64,
}

/// What it says to whom.
#[derive(Default)]
struct Lies {
    /// In place of a proposal, for a follower.
    other: Mutex<HashMap<(Bytes, u64), Bytes>>,
    /// Followers that it does not speak to.
    silent: Mutex<BTreeSet<u64>>,
    /// Messages that were sent, for replays.
    sent: Mutex<Vec<(u64, MessageKind, Bytes)>>,
    /// Envelopes that others forwarded to their leader.
    forwarded: Mutex<Vec<ForwardedEnvelope>>,
    /// Last votes heard from each actor, as they came.
    heard: Mutex<BTreeMap<String, AnnounceRequest>>,
    /// Whether it signs nobody's votes.
    mute: AtomicBool,
    /// Whether it lets those who ask for blocks wait without end.
    stalls: AtomicBool,
    /// Blocks that it shows to whoever asks for any.
    blocks: Mutex<Vec<GetBlockReply>>,
}

impl Lies {
    /// Whatever a peer has signed, this one signs for it, and for it alone.
    fn answer(&self, actor: &str, announced: AnnounceRequest, signer: &Identity) -> AnnounceReply {
        let mute = self.mute.load(Ordering::SeqCst);
        let votes = announced.votes.iter().filter(|_| !mute).map(|vote| {
            let heard = SignedVote::decode(vote).unwrap();
            SignedVote::sign(heard.vote, signer).encode().into()
        });
        let reply = AnnounceReply {
            applied_height: announced.applied_height,
            final_height: announced.final_height,
            votes: votes.collect(),
            certificate: signer.certificate().der().to_vec().into(),
            standpoint: None,
        };
        if !announced.votes.is_empty() {
            self.heard.lock().unwrap().insert(actor.to_owned(), announced);
        }
        reply
    }
}

pub struct MaliciousPeer {
    pub raft: Arc<RaftNode>,
    pub identity: Arc<Identity>,
    pub raft_id: u64,
    pub beginning: Story,
    pub voters: BTreeMap<u64, NodeInfo>,
    network: Digest,
    members: Members,
    addresses: BTreeMap<String, String>,
    lies: Arc<Lies>,
    lines: Arc<Lines>,
    stop: Option<oneshot::Sender<()>>,
    _directory: tempfile::TempDir,
}

impl MaliciousPeer {
    /// In the place of its actor's peer; reaches the others at `addresses`, whatever lies between them.
    pub async fn start(members: &Members, listen: &str, addresses: &BTreeMap<String, String>) -> Self {
        let identity = members.identity(ACTOR, Role::Peer, "peer").unwrap();
        let config = members.config();
        let voters: BTreeMap<u64, NodeInfo> = config
            .voters()
            .map(|(actor, peer)| {
                let info = NodeInfo {
                    actor: actor.name.clone(),
                    address: peer.address.clone(),
                };
                (peer.raft_id, info)
            })
            .collect();
        let raft_id = *voters.iter().find(|(_, info)| info.actor == ACTOR).unwrap().0;
        let lies = Arc::new(Lies::default());
        let mut channels = BTreeMap::new();
        for (id, info) in voters.iter().filter(|(id, _)| **id != raft_id) {
            let target = Target::new(&addresses[&info.actor], members.tls(&identity).unwrap()).unwrap();
            channels.insert(*id, connect_lazy(&target).unwrap());
        }
        let lines = Arc::new(Lines {
            raft_id,
            channels,
            lies: lies.clone(),
        });
        let directory = tempfile::tempdir().unwrap();
        let application = Arc::new(Nothing {
            voters: voters.clone(),
            marker: Mutex::default(),
        });
        let options = RaftOptions::new(raft_id, directory.path().join("raft"));
        let raft = RaftNode::start(options, application, lines.clone())
            .await
            .unwrap();
        let raft = Arc::new(raft);
        let tls = server_config(&identity, Arc::new(StaticTrust(config.clone()))).unwrap();
        let incoming = TlsIncoming::bind(listen.parse().unwrap(), tls, IncomingLimits::default());
        let incoming = incoming.await.unwrap();
        let routes = Routes::new(peering_server(Service {
            raft: raft.clone(),
            identity: identity.clone(),
            lies: lies.clone(),
        }));
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            let _ = stopped.await;
        };
        tokio::spawn(serve(routes, incoming, until, Duration::ZERO));
        let genesis = std::fs::read(members.home(ACTOR, "peer").join("../../../genesis.json")).unwrap();
        let genesis: GenesisFile = serde_json::from_slice(&genesis).unwrap();
        let header = genesis.genesis.header();
        let peer = Self {
            raft,
            identity,
            raft_id,
            beginning: Story {
                height: 0,
                previous: header.proposal,
                time_nano: header.time_nano,
            },
            voters,
            network: members.digest(),
            members: members.clone(),
            addresses: addresses.clone(),
            lies,
            lines,
            stop: Some(stop),
            _directory: directory,
        };
        peer.others_vote().await;
        peer.raft.initialize().await.unwrap();
        peer.leads().await;
        peer
    }

    /// It founds the network when all the others vote: its first election is the only one.
    async fn others_vote(&self) {
        for channel in self.lines.channels.values() {
            let stub = PeeringClient::new(channel.clone());
            eventually("the honest peers vote", PATIENCE, || {
                let mut stub = stub.clone();
                async move {
                    let standing = stub.standing(StandingRequest {}).await?.into_inner();
                    anyhow::ensure!(standing.voting, "{standing:?}");
                    Ok(())
                }
            })
            .await
            .unwrap();
        }
    }

    async fn leads(&self) {
        eventually("the malicious peer leads", PATIENCE, || async {
            anyhow::ensure!(self.raft.leadership().borrow().is_leader());
            Ok(self.raft.linearizable().await?)
        })
        .await
        .unwrap();
    }

    /// Speaks no more and hears nothing.
    pub async fn stop(&mut self) {
        self.lies
            .silent
            .lock()
            .unwrap()
            .extend(self.voters.keys().copied());
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.raft.shutdown().await;
    }

    pub fn raft_id_of(&self, actor: &str) -> u64 {
        *self
            .voters
            .iter()
            .find(|(_, info)| info.actor == actor)
            .unwrap()
            .0
    }

    pub fn term(&self) -> u64 {
        self.raft.leadership().borrow().term
    }

    pub fn be_silent_to(&self, actor: &str) {
        self.lies.silent.lock().unwrap().insert(self.raft_id_of(actor));
    }

    /// The next proposal of a story, signed; the story goes on after it.
    pub fn continue_story(&self, story: &mut Story, envelope: (Envelope, Vec<u8>)) -> Bytes {
        let time_nano = now_nano().max(story.time_nano);
        let proposal = self.sign(story, time_nano, envelope);
        *story = Story {
            height: proposal.header.height,
            previous: proposal.header.digest(),
            time_nano,
        };
        PackedProposal::pack(&proposal).encode().into()
    }

    /// A proposal after a story, of any time.
    pub fn sign(&self, story: &Story, time_nano: i64, envelope: (Envelope, Vec<u8>)) -> SignedProposal {
        let (envelope, certificate) = envelope;
        let header = ProposalHeader {
            network: self.network,
            leader: self.identity.certificate().member().clone(),
            term: self.term(),
            height: story.height + 1,
            previous: story.previous,
            time_nano,
            certificates_root: Digest::ZERO,
            envelopes_root: Digest::ZERO,
            envelopes: 0,
        };
        let mine = self.identity.certificate().der().to_vec();
        SignedProposal::sign(header, vec![mine, certificate], vec![envelope], &*self.identity)
    }

    /// Orders one proposal, and tells one actor's peer that it is another. Does not wait.
    pub fn propose(&self, payload: Bytes, to_actor: Option<(&str, Bytes)>) {
        if let Some((actor, other)) = to_actor {
            let key = (payload.clone(), self.raft_id_of(actor));
            self.lies.other.lock().unwrap().insert(key, other);
        }
        tokio::spawn(self.raft.propose(payload));
    }

    /// From now on it signs for nobody what that one has signed.
    pub fn sign_no_votes(&self) {
        self.lies.mute.store(true, Ordering::SeqCst);
    }

    /// From now on it takes every question for blocks, and never answers one.
    pub fn stall(&self) {
        self.lies.stalls.store(true, Ordering::SeqCst);
    }

    /// Shows these blocks to whoever asks for any.
    pub fn show_blocks(&self, blocks: Vec<GetBlockReply>) {
        *self.lies.blocks.lock().unwrap() = blocks;
    }

    /// Tells an actor's peer of a vote in the name of another peer, whose key it has.
    pub async fn announce(&self, actor: &str, signer: &Identity, vote: &SignedVote) {
        let address = &self.addresses[actor];
        let tls = self.members.tls(signer).unwrap();
        let target = Target::new(address, tls).unwrap();
        let request = AnnounceRequest {
            applied_height: 1,
            acknowledged_height: 0,
            final_height: 0,
            votes: vec![vote.encode().into()],
            certificate: signer.certificate().der().to_vec().into(),
            ..AnnounceRequest::default()
        };
        let mut stub = PeeringClient::new(connect_lazy(&target).unwrap());
        announce(&mut stub, request).await.unwrap();
    }

    /// Envelopes that honest peers have forwarded to it.
    pub fn take_forwarded(&self) -> Vec<(Envelope, Vec<u8>)> {
        let taken = std::mem::take(&mut *self.lies.forwarded.lock().unwrap());
        let decode = |forwarded: ForwardedEnvelope| {
            let packed = PackedEnvelope::decode(&forwarded.packed).unwrap();
            let envelope = packed.unpack(&Limits::default()).unwrap();
            (envelope, forwarded.certificate.to_vec())
        };
        taken.into_iter().map(decode).collect()
    }

    /// Raft messages it has sent to an actor's peer.
    pub fn sent_to(&self, actor: &str) -> Vec<(MessageKind, Bytes)> {
        let id = self.raft_id_of(actor);
        let sent = self.lies.sent.lock().unwrap();
        let to_it = sent.iter().filter(|(target, ..)| *target == id);
        to_it.map(|(_, kind, body)| (*kind, body.clone())).collect()
    }

    /// The last votes that it heard from an actor's peer.
    pub fn heard_from(&self, actor: &str) -> Option<AnnounceRequest> {
        self.lies.heard.lock().unwrap().get(actor).cloned()
    }

    /// Sends a Raft message as it is, in the name of `sender`.
    pub async fn send(
        &self,
        actor: &str,
        sender: u64,
        kind: MessageKind,
        body: Bytes,
    ) -> Result<Bytes, Status> {
        let target = self.raft_id_of(actor);
        let reply = self.lines.raft(target, sender, kind, body).await?;
        Ok(reply.body)
    }

    pub fn stub(&self, actor: &str) -> PeeringClient<Channel> {
        PeeringClient::new(self.lines.channels[&self.raft_id_of(actor)].clone())
    }
}

/// Connections to the others.
struct Lines {
    raft_id: u64,
    channels: BTreeMap<u64, Channel>,
    lies: Arc<Lies>,
}

impl Lines {
    async fn raft(
        &self,
        target: u64,
        sender: u64,
        kind: MessageKind,
        body: Bytes,
    ) -> Result<RaftReply, Status> {
        let request = RaftRequest {
            sender,
            target,
            kind: kind.into(),
            body,
        };
        let mut stub = PeeringClient::new(self.channels[&target].clone());
        stub.raft(request).await.map(Response::into_inner)
    }

    /// What this follower is told instead.
    fn lie(&self, target: u64, kind: MessageKind, body: Bytes) -> Bytes {
        let mut said = body.clone();
        if kind == MessageKind::AppendEntries {
            let other = self.lies.other.lock().unwrap();
            let changed =
                forge::replace_proposals(&body, |payload| other.get(&(payload.clone(), target)).cloned());
            said = changed.unwrap();
        }
        let mut sent = self.lies.sent.lock().unwrap();
        if sent.len() < 5000 {
            sent.push((target, kind, said.clone()));
        }
        said
    }
}

impl Transport for Lines {
    fn call(
        &self,
        target: u64,
        kind: MessageKind,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        async move {
            if self.lies.silent.lock().unwrap().contains(&target) {
                return Err(TransportError::Unreachable("it keeps silent".to_owned()));
            }
            let said = self.lie(target, kind, body);
            match tokio::time::timeout(timeout, self.raft(target, self.raft_id, kind, said)).await {
                Ok(Ok(reply)) => Ok(reply.body),
                Ok(Err(status)) if status.code() == tonic::Code::FailedPrecondition => {
                    Err(TransportError::Refused(status.message().to_owned()))
                }
                Ok(Err(status)) => Err(TransportError::Unreachable(status.message().to_owned())),
                Err(_) => Err(TransportError::Unreachable("no answer in time".to_owned())),
            }
        }
        .boxed()
    }
}

/// It has no ledger: what the others compute is what it signs.
struct Nothing {
    voters: BTreeMap<u64, NodeInfo>,
    marker: Mutex<Option<Vec<u8>>>,
}

impl Application for Nothing {
    fn applied(&self) -> Result<Option<Vec<u8>>, ApplicationError> {
        Ok(self.marker.lock().unwrap().clone())
    }

    fn apply(&self, entries: Vec<Committed>) -> BoxFuture<'_, Result<(), ApplicationError>> {
        for entry in entries {
            let (Committed::Proposal { marker, .. } | Committed::Other { marker }) = entry;
            *self.marker.lock().unwrap() = Some(marker);
        }
        futures::future::ready(Ok(())).boxed()
    }

    fn snapshot_point(&self) -> Result<Option<SnapshotPoint>, ApplicationError> {
        Ok(None)
    }

    fn install(&self, _point: SnapshotPoint) -> BoxFuture<'_, Result<(), ApplicationError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn validate(&self, _leader: u64, _entries: &[Incoming<'_>]) -> Result<(), Refusal> {
        Ok(())
    }

    fn contradiction(&self, _held: &[u8], _sent: &[u8]) {}

    fn check_point(&self, _height: u64, _header: [u8; 32]) -> BoxFuture<'_, Result<(), String>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn log_end(&self, _except: u64) -> BoxFuture<'_, Option<u64>> {
        futures::future::ready(None).boxed()
    }

    fn electorates(&self) -> Arc<[Electorate]> {
        let voters = self.voters.clone();
        Arc::new([Electorate { from: 0, voters }])
    }
}

struct Service {
    raft: Arc<RaftNode>,
    identity: Arc<Identity>,
    lies: Arc<Lies>,
}

#[tonic::async_trait]
impl Peering for Service {
    type AnnounceStream = BoxStream<'static, Result<AnnounceReply, Status>>;
    type FetchBlocksStream = BoxStream<'static, Result<GetBlockReply, Status>>;

    async fn raft(&self, request: Request<RaftRequest>) -> Result<Response<RaftReply>, Status> {
        let request = request.into_inner();
        let kind = MessageKind::try_from(request.kind).unwrap();
        let answer = self
            .raft
            .handle(request.sender, request.sender, kind, request.body);
        let body = answer.await;
        let body = body.map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(RaftReply { body }))
    }

    async fn forward(&self, request: Request<ForwardRequest>) -> Result<Response<ForwardReply>, Status> {
        let envelopes = request.into_inner().envelopes;
        let outcomes = vec![WireRefusal::default(); envelopes.len()];
        self.lies.forwarded.lock().unwrap().extend(envelopes);
        Ok(Response::new(ForwardReply { outcomes }))
    }

    async fn announce(
        &self,
        request: Request<Streaming<AnnounceRequest>>,
    ) -> Result<Response<Self::AnnounceStream>, Status> {
        let actor = e2l_client::caller(&request)?.member().actor.clone();
        let (identity, lies) = (self.identity.clone(), self.lies.clone());
        let answers = request
            .into_inner()
            .map(move |announced| Ok(lies.answer(&actor, announced?, &identity)));
        Ok(Response::new(answers.boxed()))
    }

    async fn fetch_blocks(
        &self,
        _request: Request<FetchBlocksRequest>,
    ) -> Result<Response<Self::FetchBlocksStream>, Status> {
        if self.lies.stalls.load(Ordering::SeqCst) {
            return Ok(Response::new(stream::pending().boxed()));
        }
        let blocks = self.lies.blocks.lock().unwrap().clone();
        Ok(Response::new(stream::iter(blocks.into_iter().map(Ok)).boxed()))
    }

    async fn fetch_log(&self, _request: Request<FetchLogRequest>) -> Result<Response<FetchLogReply>, Status> {
        Err(Status::not_found("it keeps no ledger"))
    }

    async fn standing(&self, _request: Request<StandingRequest>) -> Result<Response<StandingReply>, Status> {
        Err(Status::unavailable("it does not say"))
    }

    async fn fetch_proposal(
        &self,
        _request: Request<FetchProposalRequest>,
    ) -> Result<Response<FetchProposalReply>, Status> {
        Err(Status::not_found("it does not say"))
    }
}
