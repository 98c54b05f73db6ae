//! A peer with a valid certificate that refuses everything.

use crate::members::Members;
use anyhow::Result;
use e2l_client::wire::refusal::Reason;
use e2l_client::wire::submit_reply::Outcome;
use e2l_client::{IncomingLimits, TlsIncoming, ledger_server, refusal, refusal_status, serve, wire};
use e2l_identity::{StaticTrust, server_config};
use e2l_ledger::Role;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

/// Stands in an actor's place, at its peer's address and with its peer's key, and refuses every batch for one
/// reason. Dropping it ends it.
pub struct RefusingPeer {
    refused: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

impl RefusingPeer {
    /// In the place of an actor's peer, which must not run. Outside of any other runtime.
    ///
    /// # Errors
    /// The peer's identity or address cannot be used.
    pub fn start(members: &Members, actor: &str, reason: Reason) -> Result<Self> {
        let identity = members.identity(actor, Role::Peer, "peer")?;
        let tls = server_config(&identity, Arc::new(StaticTrust(Arc::clone(members.config()))))?;
        let address = members.address(actor)?.parse()?;
        let refused = Arc::new(AtomicU64::new(0));
        let routes = Routes::new(ledger_server(Refusing {
            reason,
            refused: Arc::clone(&refused),
        }));
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let incoming = runtime.block_on(TlsIncoming::bind(address, tls, IncomingLimits::default()))?;
        runtime.spawn(serve(routes, incoming, std::future::pending(), Duration::ZERO));
        Ok(Self {
            refused,
            runtime: Some(runtime),
        })
    }

    /// Batches that it has refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }
}

impl Drop for RefusingPeer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits: the address is to be free.
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

struct Refusing {
    reason: Reason,
    refused: Arc<AtomicU64>,
}

impl Refusing {
    fn refusal(&self) -> wire::Refusal {
        refusal(self.reason, "as it was told to")
    }

    fn refuse<T>(&self) -> Result<Response<T>, Status> {
        Err(refusal_status(&self.refusal()))
    }
}

#[tonic::async_trait]
impl wire::ledger_server::Ledger for Refusing {
    type SubmitStream = BoxStream<'static, Result<wire::SubmitReply, Status>>;
    type EventsStream = BoxStream<'static, Result<wire::EventsReply, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<wire::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let (refusal, refused) = (self.refusal(), Arc::clone(&self.refused));
        let replies = request.into_inner().map(move |request| {
            refused.fetch_add(1, Ordering::SeqCst);
            request.map(|request| wire::SubmitReply {
                tag: request.tag,
                outcome: Some(Outcome::Refusal(refusal.clone())),
            })
        });
        Ok(Response::new(replies.boxed()))
    }

    async fn sender_head(
        &self,
        _request: Request<wire::SenderHeadRequest>,
    ) -> Result<Response<wire::SenderHeadReply>, Status> {
        self.refuse()
    }

    async fn events(
        &self,
        _request: Request<wire::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        self.refuse()
    }

    async fn query(
        &self,
        _request: Request<wire::QueryRequest>,
    ) -> Result<Response<wire::QueryReply>, Status> {
        self.refuse()
    }

    async fn get_block(
        &self,
        _request: Request<wire::GetBlockRequest>,
    ) -> Result<Response<wire::GetBlockReply>, Status> {
        self.refuse()
    }

    async fn get_receipt(
        &self,
        _request: Request<wire::GetReceiptRequest>,
    ) -> Result<Response<wire::GetReceiptReply>, Status> {
        self.refuse()
    }

    async fn get_log_page(
        &self,
        _request: Request<wire::GetLogPageRequest>,
    ) -> Result<Response<wire::GetLogPageReply>, Status> {
        self.refuse()
    }

    async fn get_ancestry(
        &self,
        _request: Request<wire::GetAncestryRequest>,
    ) -> Result<Response<wire::GetAncestryReply>, Status> {
        self.refuse()
    }

    async fn evidence(
        &self,
        _request: Request<wire::EvidenceRequest>,
    ) -> Result<Response<wire::EvidenceReply>, Status> {
        self.refuse()
    }

    async fn collectors(
        &self,
        _request: Request<wire::CollectorsRequest>,
    ) -> Result<Response<wire::CollectorsReply>, Status> {
        self.refuse()
    }

    async fn incidents(
        &self,
        _request: Request<wire::IncidentsRequest>,
    ) -> Result<Response<wire::IncidentsReply>, Status> {
        self.refuse()
    }

    async fn status(
        &self,
        _request: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        self.refuse()
    }

    async fn chaincodes(
        &self,
        _request: Request<wire::ChaincodesRequest>,
    ) -> Result<Response<wire::ChaincodesReply>, Status> {
        self.refuse()
    }

    async fn config_changes(
        &self,
        _request: Request<wire::ConfigChangesRequest>,
    ) -> Result<Response<wire::ConfigChangesReply>, Status> {
        self.refuse()
    }

    async fn collector_code(
        &self,
        _request: Request<wire::CollectorCodeRequest>,
    ) -> Result<Response<wire::CollectorCodeReply>, Status> {
        self.refuse()
    }

    async fn get_state(
        &self,
        _request: Request<wire::GetStateRequest>,
    ) -> Result<Response<wire::GetStateReply>, Status> {
        self.refuse()
    }
}
