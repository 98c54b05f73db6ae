//! Who this process is now: an identity that can change while it runs.

use crate::identity::Identity;
use e2l_ledger::{Certificate, CertificateError, Member, NetworkConfig, Signer};
use std::sync::Arc;
use tokio::sync::watch;

/// Why a new identity does not take the place of the one in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Somebody else's.
    #[error(
        "it is that of {found} in network `{network}`, and this is {expected}: a process stays who it is"
    )]
    OtherMember {
        /// Whose it is.
        found: String,
        /// The network that it is for.
        network: String,
        /// Whose place it should take.
        expected: String,
    },
    /// The configuration in force does not trust it.
    #[error("{0}")]
    NotTrusted(#[from] CertificateError),
}

/// An identity that was judged, and may be published.
#[derive(Debug)]
pub struct Successor(Arc<Identity>);

impl Successor {
    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        self.0.certificate()
    }
}

/// Who this process is now. Whoever signs takes the identity once, and signs with that one; handshakes take it by
/// themselves. A new one is judged first and then published: one that does not fit changes nothing.
#[derive(Debug)]
pub struct CurrentIdentity {
    /// Stays the same, whatever its certificate.
    member: Member,
    network: String,
    current: watch::Sender<Arc<Identity>>,
}

impl CurrentIdentity {
    /// Begins with an identity.
    pub fn new(identity: Identity) -> Arc<Self> {
        let certificate = identity.certificate();
        Arc::new(Self {
            member: certificate.member().clone(),
            network: certificate.network().to_owned(),
            current: watch::Sender::new(Arc::new(identity)),
        })
    }

    /// Whose identity it is.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// The network that it is for.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The identity now.
    pub fn get(&self) -> Arc<Identity> {
        self.current.borrow().clone()
    }

    /// Follows it.
    pub fn watch(&self) -> watch::Receiver<Arc<Identity>> {
        self.current.subscribe()
    }

    /// Whether an identity may take the place of the one in use: the same member's, and trusted by the configuration in
    /// force at `now_nano` (nanoseconds since the Unix epoch). `None` if it is in use.
    ///
    /// # Errors
    /// Why it may not.
    pub fn judge(
        &self,
        candidate: Identity,
        config: &NetworkConfig,
        now_nano: i64,
    ) -> Result<Option<Successor>, Unfit> {
        let certificate = candidate.certificate();
        if certificate.digest() == self.get().certificate().digest() {
            return Ok(None);
        }
        if *certificate.member() != self.member || certificate.network() != self.network {
            return Err(Unfit::OtherMember {
                found: certificate.member().to_string(),
                network: certificate.network().to_owned(),
                expected: self.member.to_string(),
            });
        }
        certificate.check(config, now_nano)?;
        Ok(Some(Successor(Arc::new(candidate))))
    }

    /// Makes an identity the one in use, for all signatures and handshakes from now on.
    pub fn publish(&self, successor: Successor) {
        let certificate = successor.certificate();
        tracing::info!(
            member = %self.member, certificate = %certificate.digest(), not_after = certificate.not_after(),
            "this process has a new certificate"
        );
        self.current.send_replace(successor.0);
    }
}
