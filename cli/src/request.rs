//! An admin's call: signed, brought to the ledger, and proven to be there.

use crate::error::{CliError, CliResult};
use crate::session::Session;
use e2l_client::{ClientError, VerifyError};
use e2l_ledger::proof::VerifiedTransaction;
use e2l_ledger::{Call, Canonical, Digest, Envelope, SignedRequest};
use std::time::Duration;

/// How often, and how far apart, a receipt is asked for.
const RECEIPT_TRIES: usize = 25;
const RECEIPT_PAUSE: Duration = Duration::from_millis(200);

/// Signs a call in the caller's name, submits it and waits until it is proven final, whatever its code.
///
/// # Errors
/// A peer refuses it, none answers, or none proves it.
pub async fn request(session: &Session, call: Call) -> CliResult<VerifiedTransaction> {
    // Half of the longest life allowed: the ledger may grow while the request travels.
    let life = session.config().limits.request_lifetime_blocks / 2;
    let expires_at = session.status().await?.final_height + life.max(1);
    let nonce: [u8; 16] = rand::random();
    let request = SignedRequest::sign(session.network(), nonce, expires_at, call, session.signer());
    let tx_id = request.header.transaction_id();
    let envelope = Envelope::Request(request).encode();
    session.note(&format!("transaction {tx_id}: sent, waiting until it is final"));
    session.client().submit(envelope.into()).await?;
    proven(session, &tx_id).await
}

/// What became of a transaction that a peer has called final. Another peer that is asked may be a moment behind.
async fn proven(session: &Session, tx_id: &Digest) -> CliResult<VerifiedTransaction> {
    let verifier = session.verifier()?;
    for _ in 0..RECEIPT_TRIES {
        match verifier.receipt(tx_id).await {
            Ok((_, proven)) => return Ok(proven),
            Err(VerifyError::Client(ClientError::NotFound { .. })) => tokio::time::sleep(RECEIPT_PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(CliError::not_proven(
        format!("a peer calls transaction {tx_id} final, and none proves it"),
        format!("ask again with `e2l receipt {tx_id}`"),
    ))
}
