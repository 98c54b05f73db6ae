//! openraft's network over the transport.

use crate::application::NodeInfo;
use crate::seen_terms::SeenTerms;
use crate::transport::{MessageKind, Transport, TransportError};
use crate::types::{Pointer, TypeConfig, decode, encode, encode_append};
use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, Snapshot, SnapshotMeta, Vote};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long a follower may take to fetch and execute what a pointer names. It goes on where it was when the
/// pointer comes again.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(600);
/// How long an unreachable peer is left alone.
const PAUSE: Duration = Duration::from_millis(100);

/// A pointer on its way.
#[derive(Serialize, Deserialize)]
pub struct SnapshotMessage {
    /// The leader's vote.
    pub vote: Vote<u64>,
    /// What it points to, for Raft.
    pub meta: SnapshotMeta<u64, NodeInfo>,
    /// What it points to, for the ledger.
    pub pointer: Pointer,
}

/// Makes connections.
#[derive(Clone)]
pub struct Network {
    /// Carries the messages.
    pub transport: Arc<dyn Transport>,
    /// What answers show of the others.
    pub seen: Arc<SeenTerms>,
}

/// A connection to one node.
pub struct Connection {
    transport: Arc<dyn Transport>,
    seen: Arc<SeenTerms>,
    target: u64,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, _node: &NodeInfo) -> Connection {
        Connection {
            transport: self.transport.clone(),
            seen: self.seen.clone(),
            target,
        }
    }
}

enum CallError {
    Unreachable(Unreachable),
    Network(NetworkError),
}

impl Connection {
    async fn call<A: DeserializeOwned>(
        &self,
        kind: MessageKind,
        request: Result<Vec<u8>, postcard::Error>,
        timeout: Duration,
    ) -> Result<A, CallError> {
        let body = request.map_err(|error| CallError::Network(NetworkError::new(&error)))?;
        let answer = self.transport.call(self.target, kind, body.into(), timeout).await;
        let answer = answer.map_err(|error| match error {
            TransportError::Unreachable(_) => CallError::Unreachable(Unreachable::new(&error)),
            TransportError::Refused(_) => CallError::Network(NetworkError::new(&error)),
        })?;
        decode(&answer).map_err(|error| CallError::Network(NetworkError::new(&error)))
    }
}

impl<E: std::error::Error> From<CallError> for RPCError<u64, NodeInfo, E> {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(error) => Self::Unreachable(error),
            CallError::Network(error) => Self::Network(error),
        }
    }
}

type RpcResult<T> = Result<T, RPCError<u64, NodeInfo, RaftError<u64>>>;

impl RaftNetwork<TypeConfig> for Connection {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<u64>> {
        Ok(self
            .call(MessageKind::AppendEntries, encode_append(&rpc), option.hard_ttl())
            .await?)
    }

    async fn vote(&mut self, rpc: VoteRequest<u64>, option: RPCOption) -> RpcResult<VoteResponse<u64>> {
        let asked = rpc.vote.leader_id.term;
        let answer: VoteResponse<u64> = self
            .call(MessageKind::Vote, encode(&rpc), option.hard_ttl())
            .await?;
        // One that votes for this node is in this node's term; what else it says of its term is its own affair.
        if answer.vote_granted {
            self.seen.note(self.target, asked);
        }
        Ok(answer)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<u64>,
        snapshot: Snapshot<TypeConfig>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<TypeConfig, Fatal<u64>>> {
        let message = SnapshotMessage {
            vote,
            meta: snapshot.meta,
            pointer: *snapshot.snapshot,
        };
        tokio::select! {
            answer = self.call(MessageKind::Snapshot, encode(&message), SNAPSHOT_TIMEOUT) => {
                answer.map_err(|error| match error {
                    CallError::Unreachable(error) => StreamingError::Unreachable(error),
                    CallError::Network(error) => StreamingError::Network(error),
                })
            }
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(PAUSE))
    }
}
