//! Who is at the other end of a connection.

use crate::status::{refusal, refusal_status};
use crate::wire::refusal::Reason;
use e2l_ledger::Certificate;
use std::net::SocketAddr;
use tonic::{Request, Status};

/// The other end of a connection, in every request's extensions (`request.extensions().get::<Caller>()`).
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its certificate, which TLS verified when the connection was made; `None` where the server's TLS
    /// configuration does not demand one.
    pub certificate: Option<Certificate>,
    /// Its address.
    pub address: SocketAddr,
}

/// The certificate of the caller. It was checked when the connection was made: whoever must know that it is
/// not revoked *now* checks it again ([`Certificate::check`]).
///
/// # Errors
/// `UNAUTHENTICATED`, ready to be returned: no certificate.
pub fn caller<T>(request: &Request<T>) -> Result<Certificate, Status> {
    let known = request.extensions().get::<Caller>();
    known
        .and_then(|caller| caller.certificate.clone())
        .ok_or_else(|| {
            refusal_status(&refusal(
                Reason::Unauthentic,
                "this connection shows no certificate: connect with one that your actor's authority issued",
            ))
        })
}
