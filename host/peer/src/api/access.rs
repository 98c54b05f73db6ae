//! What a role may do (DESIGN section 3).

use crate::node::Node;
use crate::votes_in::now_nano;
use e2l_client::wire::refusal::Reason;
use e2l_client::{caller, refusal, refusal_status};
use e2l_ledger::{Certificate, Role};
use tonic::{Request, Status};

/// What a call does.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// Adds to the ledger.
    Submit,
    /// Reads the ledger.
    Read,
    /// Asks for a sender's own place or the peer's state.
    Ask,
    /// Takes part in ordering and endorsing.
    Peer,
}

impl Action {
    fn allows(self, role: Role) -> bool {
        match self {
            Self::Submit => matches!(role, Role::Collector | Role::Admin),
            Self::Read => matches!(role, Role::Client | Role::Admin | Role::Auditor | Role::Peer),
            Self::Ask => true,
            Self::Peer => role == Role::Peer,
        }
    }

    fn who(self) -> &'static str {
        match self {
            Self::Submit => "collectors and admins may submit",
            Self::Read => "clients, admins, auditors and peers may read the ledger",
            Self::Ask => "members may ask",
            Self::Peer => "the network's peers may call this",
        }
    }
}

/// The caller's certificate, if it is valid now and its role may do this.
///
/// # Errors
/// `UNAUTHENTICATED` or `PERMISSION_DENIED`, with the remedy.
pub fn authorize<T>(node: &Node, request: &Request<T>, action: Action) -> Result<Certificate, Status> {
    let certificate = caller(request)?;
    permit(node, &certificate, action)?;
    Ok(certificate)
}

/// Whether a caller's certificate is valid now and its role may do this.
///
/// # Errors
/// As [`authorize`].
pub fn permit(node: &Node, certificate: &Certificate, action: Action) -> Result<(), Status> {
    // The certificate was good when the connection was made; it may have expired or been revoked since.
    certificate
        .check(&node.configs.trusted(), now_nano())
        .map_err(|error| refusal_status(&refusal(Reason::Unauthentic, error.to_string())))?;
    let member = certificate.member();
    // The peer of an actor that is to vote says that it is ready.
    let joins = matches!(action, Action::Submit) && node.config().is_staging_peer(member);
    if action.allows(member.role) || joins {
        return Ok(());
    }
    let message = format!(
        "{member} has the role `{}`: only {}; use an identity with such a role",
        member.role,
        action.who()
    );
    Err(refusal_status(&refusal(Reason::Forbidden, message)))
}
