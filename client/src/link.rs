//! One peer as a client sees it.

use crate::backoff::Backoff;
use crate::channel::{Target, connect_lazy};
use crate::error::ClientError;
use crate::serve::MAX_MESSAGE_BYTES;
use crate::status::status_error;
use crate::transport::Trouble;
use crate::wire::ledger_client::LedgerClient;
use e2l_identity::Trust;
use e2l_ledger::{Member, NetworkConfig, Role};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;
use tonic::Status;
use tonic::transport::Channel;

/// The generated client over one channel.
pub(crate) type LedgerStub = LedgerClient<Channel>;

/// Where an actor's peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    /// The actor that runs it.
    pub actor: String,
    /// The peer's name in its certificate.
    pub name: String,
    /// `host:port`.
    pub address: String,
}

impl PeerAddress {
    /// The voting actors' peers, `preferred`'s first.
    pub fn voters(config: &NetworkConfig, preferred: Option<&str>) -> Vec<Self> {
        let mut peers: Vec<Self> = config
            .voters()
            .map(|(actor, peer)| Self {
                actor: actor.name.clone(),
                name: peer.name.clone(),
                address: peer.address.clone(),
            })
            .collect();
        peers.sort_by_key(|peer| Some(peer.actor.as_str()) != preferred);
        peers
    }

    /// The member that must answer there.
    pub fn member(&self) -> Member {
        Member {
            actor: self.actor.clone(),
            role: Role::Peer,
            name: self.name.clone(),
        }
    }
}

/// After a failure a peer is asked last for a while, so that a dead preferred peer does not slow every call,
/// and is asked first again once it is back.
#[derive(Debug)]
struct Rest {
    backoff: Backoff,
    until: Option<Instant>,
}

pub(crate) struct Link {
    pub(crate) peer: PeerAddress,
    target: Target,
    trouble: Trouble,
    channel: Mutex<Option<Channel>>,
    rest: Mutex<Rest>,
}

impl Link {
    pub(crate) fn new(
        peer: PeerAddress,
        tls: Arc<ClientConfig>,
        trust: Option<Arc<dyn Trust>>,
    ) -> Result<Self, ClientError> {
        let mut target = Target::new(&peer.address, tls)?.expecting(peer.member());
        if let Some(trust) = trust {
            target = target.following(trust);
        }
        Ok(Self {
            trouble: target.trouble(),
            peer,
            target,
            channel: Mutex::default(),
            rest: Mutex::new(Rest {
                backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5)),
                until: None,
            }),
        })
    }

    /// The service; connects when it is called. Inside a Tokio runtime only.
    pub(crate) fn stub(&self) -> Result<LedgerStub, ClientError> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = match &*channel {
            Some(channel) => channel.clone(),
            None => channel.insert(connect_lazy(&self.target)?).clone(),
        };
        Ok(LedgerStub::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Makes a new connection for what is called from now on. Calls under way end on the old one, which closes after them.
    pub(crate) fn renew(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn address(&self) -> &str {
        &self.peer.address
    }

    /// What a status of this peer means.
    pub(crate) fn error(&self, status: &Status) -> ClientError {
        status_error(self.address(), status, self.trouble.get())
    }

    pub(crate) fn is_resting(&self) -> bool {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.until.is_some_and(|until| Instant::now() < until)
    }

    pub(crate) fn failed(&self) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = rest.backoff.fail();
        rest.until = Some(Instant::now() + pause);
    }

    pub(crate) fn worked(&self) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.backoff.reset();
        rest.until = None;
    }
}
