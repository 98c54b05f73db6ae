//! The `Ledger` service over several peers.

use crate::error::ClientError;
use crate::events::EventStream;
use crate::failover::{Failover, Failure};
use crate::introduction::Introduction;
use crate::link::{LedgerStub, Link, PeerAddress};
use crate::options::ClientOptions;
use crate::submit::{Outcome, SubmitStream};
use crate::wire;
use bytes::Bytes;
use e2l_identity::Trust;
use std::sync::Arc;
use tokio_rustls::rustls::ClientConfig;

/// A typed client of the ledger. Connects at the first call; asks the next peer when one cannot be reached or
/// cannot serve; goes back to the preferred one when it is there again. Cheap to clone; clones share
/// connections. Every call fails with what [`ClientError`] says, and only transient failures make it try
/// another peer.
#[derive(Clone)]
pub struct LedgerClient {
    failover: Failover,
}

impl LedgerClient {
    /// A client of `peers`, in order of preference (see [`PeerAddress::voters`]), in the name of the
    /// certificate in `tls`.
    ///
    /// # Errors
    /// [`ClientError::Address`]; [`ClientError::NoPeer`] when the list is empty.
    pub fn new(
        peers: Vec<PeerAddress>,
        tls: &Arc<ClientConfig>,
        options: ClientOptions,
    ) -> Result<Self, ClientError> {
        Self::with(peers, tls, options, None)
    }

    /// The same, following the configuration: a peer whose certificate is not trusted is asked whether the configuration
    /// has changed, with proof, and connections are closed soon after a peer's certificate has lost its trust.
    ///
    /// # Errors
    /// As [`LedgerClient::new`].
    pub fn following(
        peers: Vec<PeerAddress>,
        tls: &Arc<ClientConfig>,
        options: ClientOptions,
        introduction: Introduction,
    ) -> Result<Self, ClientError> {
        Self::with(peers, tls, options, Some(introduction))
    }

    fn with(
        peers: Vec<PeerAddress>,
        tls: &Arc<ClientConfig>,
        options: ClientOptions,
        introduction: Option<Introduction>,
    ) -> Result<Self, ClientError> {
        let trust = introduction
            .as_ref()
            .map(|known| known.anchor().clone() as Arc<dyn Trust>);
        let links: Vec<_> = peers
            .into_iter()
            .map(|peer| Link::new(peer, Arc::clone(tls), trust.clone()).map(Arc::new))
            .collect::<Result<_, _>>()?;
        if links.is_empty() {
            return Err(ClientError::NoPeer {
                tried: 0,
                attempts: "no peer is configured: name at least one".to_owned(),
            });
        }
        let failover = Failover {
            links: links.into(),
            options,
            introduction,
        };
        Ok(Self { failover })
    }

    /// The peers, in order of preference.
    pub fn peers(&self) -> impl Iterator<Item = &PeerAddress> {
        self.failover.links.iter().map(|link| &link.peer)
    }

    /// A client of `actor`'s peer alone, over the same connection, that does not go round again; `None` if
    /// this client has no such peer.
    pub fn only(&self, actor: &str) -> Option<Self> {
        let link = self.failover.links.iter().find(|link| link.peer.actor == actor)?;
        let options = ClientOptions {
            patience: std::time::Duration::ZERO,
            ..self.failover.options.clone()
        };
        let failover = Failover {
            links: [Arc::clone(link)].into(),
            options,
            introduction: self.failover.introduction.clone(),
        };
        Some(Self { failover })
    }

    /// Makes new connections for what is called from now on, as after a change of the caller's certificate: clones are
    /// meant too. Calls under way end on the old ones.
    pub fn renew(&self) {
        for link in self.failover.links.iter() {
            link.renew();
        }
    }

    /// Submits one envelope (canonical bytes) and waits until its block is final. The same bytes may reach
    /// several peers; the ledger stores them once. A request that an earlier attempt brought in may be
    /// answered with a refusal for `DUPLICATE`.
    ///
    /// # Errors
    /// [`ClientError::Refused`]; [`ClientError::Timeout`], [`ClientError::Unreachable`] or
    /// [`ClientError::NoPeer`] when the outcome is unknown.
    pub async fn submit(&self, envelope: Bytes) -> Result<wire::Final, ClientError> {
        let limit = self.failover.options.submit_timeout;
        let attempt = |mut stub: LedgerStub, address: String| {
            let request = wire::SubmitRequest {
                tag: 1,
                envelope: envelope.clone(),
                ..Default::default()
            };
            async move {
                let mut replies = stub.submit(tokio_stream::once(request)).await?.into_inner();
                match replies.message().await?.and_then(|reply| reply.outcome) {
                    Some(Outcome::Final(done)) => Ok(done),
                    Some(Outcome::Refusal(refusal)) => Err(Failure::from(ClientError::refused(&refusal))),
                    None => Err(Failure::from(ClientError::Disconnected {
                        address,
                        why: "the peer ended the stream without an answer".to_owned(),
                    })),
                }
            }
        };
        Ok(self.failover.call("submit", limit, attempt).await?.0)
    }

    /// Opens a stream of envelopes to the first peer that takes one. `depth` envelopes (at least one) wait on
    /// this side at most; what is sent and unanswered is not bounded here.
    ///
    /// # Errors
    /// No peer takes a stream.
    pub async fn submit_stream(&self, depth: usize) -> Result<SubmitStream, ClientError> {
        let limit = self.failover.options.read_timeout;
        let attempt = |mut stub: LedgerStub, _| async move {
            let (sender, requests) = tokio::sync::mpsc::channel(depth.max(1));
            let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
            let replies = stub.submit(requests).await?.into_inner();
            Ok((sender, replies))
        };
        let ((sender, replies), link) = self.failover.call("submit", limit, attempt).await?;
        Ok(SubmitStream::new(link, sender, replies))
    }

    /// Where a sender of batches stands; `None` asks for the caller itself.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sender_head(
        &self,
        sender: Option<&e2l_ledger::Member>,
    ) -> Result<wire::SenderHeadReply, ClientError> {
        let sender = sender.map(ToString::to_string).unwrap_or_default();
        self.sender_head_with(wire::SenderHeadRequest { sender, prove: false })
            .await
    }

    /// The same, with its proof.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn sender_head_with(
        &self,
        request: wire::SenderHeadRequest,
    ) -> Result<wire::SenderHeadReply, ClientError> {
        self.read("sender head", request, |mut stub, request| async move {
            stub.sender_head(request).await
        })
        .await
    }

    /// Calls a query function of a chaincode at the answering peer's last final height. The answer is that peer's word:
    /// see [`LedgerClient::query_agreed`].
    ///
    /// # Errors
    /// [`ClientError::NotFound`] for an unknown chaincode, [`ClientError::Invalid`] when the contract rejects
    /// the call; see [`ClientError`].
    pub async fn query(
        &self,
        chaincode: &str,
        function: &str,
        argument: Bytes,
    ) -> Result<wire::QueryReply, ClientError> {
        let request = wire::QueryRequest {
            chaincode: chaincode.to_owned(),
            function: function.to_owned(),
            argument,
            at_height: 0,
        };
        self.query_with(request).await
    }

    /// The same, as of a height of the caller's choice.
    ///
    /// # Errors
    /// As [`LedgerClient::query`]; [`ClientError::Refused`] for `UNAVAILABLE` when the answering peer keeps that height
    /// no more, or has not come to it.
    pub async fn query_with(&self, request: wire::QueryRequest) -> Result<wire::QueryReply, ClientError> {
        self.read("query", request, |mut stub, request| async move {
            stub.query(request).await
        })
        .await
    }

    /// A final block.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when the answering peer has no final block of that height.
    pub async fn block(&self, height: u64) -> Result<wire::GetBlockReply, ClientError> {
        let request = wire::GetBlockRequest { height };
        self.read("block", request, |mut stub, request| async move {
            stub.get_block(request).await
        })
        .await
    }

    /// Proof of a transaction, not yet verified: see [`Verifier`](crate::Verifier).
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when the answering peer knows no final transaction of that id.
    pub async fn receipt(&self, id: &e2l_ledger::Digest) -> Result<wire::GetReceiptReply, ClientError> {
        let request = wire::GetReceiptRequest {
            transaction_id: id.0.to_vec().into(),
        };
        self.read("receipt", request, |mut stub, request| async move {
            stub.get_receipt(request).await
        })
        .await
    }

    /// Entries of a chaincode's log with their proof, not yet verified: see [`Verifier`](crate::Verifier).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn log_page(
        &self,
        request: wire::GetLogPageRequest,
    ) -> Result<wire::GetLogPageReply, ClientError> {
        self.read("log page", request, |mut stub, request| async move {
            stub.get_log_page(request).await
        })
        .await
    }

    /// Headers below the newest with their proof, not yet verified: see [`Verifier`](crate::Verifier).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ancestry(
        &self,
        request: wire::GetAncestryRequest,
    ) -> Result<wire::GetAncestryReply, ClientError> {
        self.read("ancestry", request, |mut stub, request| async move {
            stub.get_ancestry(request).await
        })
        .await
    }

    /// Damage to the answering peer's own records that it has found: one page, the newest first of all.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn incidents(
        &self,
        request: wire::IncidentsRequest,
    ) -> Result<wire::IncidentsReply, ClientError> {
        self.read("incidents", request, |mut stub, request| async move {
            stub.incidents(request).await
        })
        .await
    }

    /// Collectors that have brought something to the ledger, and what each last said of itself: the answering peer's word.
    /// A collector's own statements are a history like a container's, which can be read with proof.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn collectors(&self) -> Result<wire::CollectorsReply, ClientError> {
        self.read(
            "collectors",
            wire::CollectorsRequest {},
            |mut stub, request| async move { stub.collectors(request).await },
        )
        .await
    }

    /// Contradictions that the answering peer has found, not yet verified: see [`Verifier`](crate::Verifier).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn evidence(&self) -> Result<wire::EvidenceReply, ClientError> {
        self.read(
            "evidence",
            wire::EvidenceRequest {},
            |mut stub, request| async move { stub.evidence(request).await },
        )
        .await
    }

    /// What the answering peer knows of itself and of the others.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<wire::StatusReply, ClientError> {
        self.read("status", wire::StatusRequest {}, |mut stub, request| async move {
            stub.status(request).await
        })
        .await
    }

    /// Active chaincodes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn chaincodes(&self) -> Result<wire::ChaincodesReply, ClientError> {
        self.read(
            "chaincodes",
            wire::ChaincodesRequest {},
            |mut stub, request| async move { stub.chaincodes(request).await },
        )
        .await
    }

    /// Proofs of changes of the configuration that are in force from heights above `after`, not yet verified: see
    /// [`learn_changes`](crate::learn_changes).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn config_changes(&self, after: u64) -> Result<wire::ConfigChangesReply, ClientError> {
        let request = wire::ConfigChangesRequest { after };
        self.read("configuration", request, |mut stub, request| async move {
            stub.config_changes(request).await
        })
        .await
    }

    /// What collectors record by, not yet verified: see [`Verifier`](crate::Verifier). A component that is `known` is left
    /// out.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn collector_code(
        &self,
        known: Option<&e2l_ledger::Digest>,
    ) -> Result<wire::CollectorCodeReply, ClientError> {
        let known = known.map(|digest| digest.0.to_vec().into()).unwrap_or_default();
        self.read(
            "collectors' component",
            wire::CollectorCodeRequest { known },
            |mut stub, request| async move { stub.collector_code(request).await },
        )
        .await
    }

    /// Proof of what the state holds under a key, not yet verified: see [`Verifier`](crate::Verifier).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn state_value(&self, key: &e2l_ledger::StateKey) -> Result<wire::GetStateReply, ClientError> {
        let key = key.as_bytes().to_vec().into();
        self.read(
            "state",
            wire::GetStateRequest { key },
            |mut stub, request| async move { stub.get_state(request).await },
        )
        .await
    }

    /// The ledger as a stream of events, in ledger order. When its peer is lost it goes on at the next one,
    /// with no event twice and none left out.
    ///
    /// # Errors
    /// No peer opens the stream; later failures come as items of the stream, which ends with them.
    pub async fn events(&self, request: wire::EventsRequest) -> Result<EventStream, ClientError> {
        EventStream::open(self.failover.clone(), request).await
    }

    async fn read<Q, A, F>(
        &self,
        name: &'static str,
        request: Q,
        ask: impl Fn(LedgerStub, Q) -> F,
    ) -> Result<A, ClientError>
    where
        Q: Clone,
        F: Future<Output = Result<tonic::Response<A>, tonic::Status>>,
    {
        let limit = self.failover.options.read_timeout;
        let attempt = |stub, _| {
            let asked = ask(stub, request.clone());
            async { Ok(asked.await?.into_inner()) }
        };
        Ok(self.failover.call(name, limit, attempt).await?.0)
    }
}
