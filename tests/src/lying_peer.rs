//! A peer with a valid certificate that forwards every read to an honest one and alters what comes back, and calls
//! final what it tells nobody.

use crate::members::Members;
use anyhow::Result;
use e2l_client::{IncomingLimits, LedgerClient, TlsIncoming, ledger_server, serve, wire};
use e2l_identity::{StaticTrust, server_config};
use e2l_ledger::Role;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

/// Alters the canonical bytes of a proof, a receipt, a block and then its proof, an event of a stream, or the answer to a
/// query.
pub type Lie = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// Stands in an actor's place, at its peer's address and with its peer's key. Dropping it ends it.
pub struct LyingPeer {
    runtime: Option<Runtime>,
}

impl LyingPeer {
    /// In the place of an actor's peer, which must not run; knows the truth from `honest`'s peer. Outside of any
    /// other runtime.
    ///
    /// # Errors
    /// The peer's identity or address cannot be used.
    pub fn start(members: &Members, actor: &str, honest: &str, lie: Lie) -> Result<Self> {
        let identity = members.identity(actor, Role::Peer, "peer")?;
        let tls = server_config(&identity, Arc::new(StaticTrust(Arc::clone(members.config()))))?;
        let address = members.address(actor)?.parse()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let incoming = runtime.block_on(TlsIncoming::bind(address, tls, IncomingLimits::default()))?;
        let truth = runtime.block_on(async { members.reader(honest) })?;
        let routes = Routes::new(ledger_server(Lying { truth, lie }));
        runtime.spawn(serve(routes, incoming, std::future::pending(), Duration::ZERO));
        Ok(Self {
            runtime: Some(runtime),
        })
    }
}

impl Drop for LyingPeer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits: the address is to be free.
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

struct Lying {
    truth: LedgerClient,
    lie: Lie,
}

impl Lying {
    fn alter(&self, true_bytes: &[u8]) -> bytes::Bytes {
        let mut bytes = true_bytes.to_vec();
        (self.lie)(&mut bytes);
        bytes.into()
    }
}

fn failed(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

#[tonic::async_trait]
impl wire::ledger_server::Ledger for Lying {
    type SubmitStream = BoxStream<'static, Result<wire::SubmitReply, Status>>;
    type EventsStream = BoxStream<'static, Result<wire::EventsReply, Status>>;

    async fn submit(
        &self,
        request: Request<Streaming<wire::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let called_final = request.into_inner().map_ok(|request| wire::SubmitReply {
            tag: request.tag,
            outcome: Some(wire::submit_reply::Outcome::Final(wire::Final {
                height: 1,
                voters: 3,
                ..wire::Final::default()
            })),
        });
        Ok(Response::new(called_final.boxed()))
    }

    async fn sender_head(
        &self,
        _request: Request<wire::SenderHeadRequest>,
    ) -> Result<Response<wire::SenderHeadReply>, Status> {
        Ok(Response::new(wire::SenderHeadReply {
            incarnation: 40,
            sequence: 1 << 40,
            digest: vec![7; 32].into(),
            height: 1,
            proof: bytes::Bytes::new(),
        }))
    }

    async fn events(
        &self,
        request: Request<wire::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let events = self.truth.events(request.into_inner()).await.map_err(failed)?;
        let lie = Arc::clone(&self.lie);
        let altered = events.map(move |reply| {
            let mut reply = reply.map_err(failed)?;
            for event in &mut reply.events {
                let mut bytes = event.event.to_vec();
                lie(&mut bytes);
                event.event = bytes.into();
            }
            Ok(reply)
        });
        Ok(Response::new(altered.boxed()))
    }

    async fn query(
        &self,
        request: Request<wire::QueryRequest>,
    ) -> Result<Response<wire::QueryReply>, Status> {
        let reply = self
            .truth
            .query_with(request.into_inner())
            .await
            .map_err(failed)?;
        let output = self.alter(&reply.output);
        Ok(Response::new(wire::QueryReply { output, ..reply }))
    }

    async fn get_block(
        &self,
        request: Request<wire::GetBlockRequest>,
    ) -> Result<Response<wire::GetBlockReply>, Status> {
        let reply = self
            .truth
            .block(request.into_inner().height)
            .await
            .map_err(failed)?;
        Ok(Response::new(wire::GetBlockReply {
            block: self.alter(&reply.block),
            finality: self.alter(&reply.finality),
            ..reply
        }))
    }

    async fn get_receipt(
        &self,
        request: Request<wire::GetReceiptRequest>,
    ) -> Result<Response<wire::GetReceiptReply>, Status> {
        let id = <[u8; 32]>::try_from(request.into_inner().transaction_id.as_ref()).map_err(failed)?;
        let reply = self
            .truth
            .receipt(&e2l_ledger::Digest(id))
            .await
            .map_err(failed)?;
        Ok(Response::new(wire::GetReceiptReply {
            receipt: self.alter(&reply.receipt),
        }))
    }

    async fn get_log_page(
        &self,
        request: Request<wire::GetLogPageRequest>,
    ) -> Result<Response<wire::GetLogPageReply>, Status> {
        let reply = self.truth.log_page(request.into_inner()).await.map_err(failed)?;
        Ok(Response::new(wire::GetLogPageReply {
            proof: self.alter(&reply.proof),
        }))
    }

    async fn get_ancestry(
        &self,
        request: Request<wire::GetAncestryRequest>,
    ) -> Result<Response<wire::GetAncestryReply>, Status> {
        let reply = self.truth.ancestry(request.into_inner()).await.map_err(failed)?;
        Ok(Response::new(wire::GetAncestryReply {
            proof: self.alter(&reply.proof),
        }))
    }

    async fn evidence(
        &self,
        _request: Request<wire::EvidenceRequest>,
    ) -> Result<Response<wire::EvidenceReply>, Status> {
        self.truth.evidence().await.map(Response::new).map_err(failed)
    }

    async fn collectors(
        &self,
        _request: Request<wire::CollectorsRequest>,
    ) -> Result<Response<wire::CollectorsReply>, Status> {
        self.truth.collectors().await.map(Response::new).map_err(failed)
    }

    async fn incidents(
        &self,
        request: Request<wire::IncidentsRequest>,
    ) -> Result<Response<wire::IncidentsReply>, Status> {
        let incidents = self.truth.incidents(request.into_inner()).await;
        incidents.map(Response::new).map_err(failed)
    }

    async fn status(
        &self,
        _request: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        self.truth.status().await.map(Response::new).map_err(failed)
    }

    async fn chaincodes(
        &self,
        _request: Request<wire::ChaincodesRequest>,
    ) -> Result<Response<wire::ChaincodesReply>, Status> {
        self.truth.chaincodes().await.map(Response::new).map_err(failed)
    }

    async fn config_changes(
        &self,
        request: Request<wire::ConfigChangesRequest>,
    ) -> Result<Response<wire::ConfigChangesReply>, Status> {
        let changes = self.truth.config_changes(request.into_inner().after).await;
        changes.map(Response::new).map_err(failed)
    }

    async fn collector_code(
        &self,
        request: Request<wire::CollectorCodeRequest>,
    ) -> Result<Response<wire::CollectorCodeReply>, Status> {
        let known = <[u8; 32]>::try_from(request.into_inner().known.as_ref());
        let known = known.ok().map(e2l_ledger::Digest);
        let code = self.truth.collector_code(known.as_ref()).await;
        code.map(Response::new).map_err(failed)
    }

    async fn get_state(
        &self,
        request: Request<wire::GetStateRequest>,
    ) -> Result<Response<wire::GetStateReply>, Status> {
        let key = e2l_ledger::StateKey::from_bytes(request.into_inner().key.to_vec());
        self.truth
            .state_value(&key)
            .await
            .map(Response::new)
            .map_err(failed)
    }
}
