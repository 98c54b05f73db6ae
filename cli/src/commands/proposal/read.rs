//! Proposals as the ledger has them, proven.

use crate::error::{CliError, CliResult};
use crate::session::Session;
use e2l_ledger::governance::{ProposalIndex, ProposalRecord};
use e2l_ledger::proof::FinalHeader;
use e2l_ledger::{Canonical, DecodeError, Digest, StateKey};

fn unreadable(error: &DecodeError) -> CliError {
    CliError::usage(error, "use the release of `e2l` that fits the network's")
}

/// Which proposals there are, and the block as of which that is so.
pub(crate) async fn index(session: &Session) -> CliResult<(ProposalIndex, FinalHeader)> {
    let (value, block) = session.verifier()?.state_value(&StateKey::proposals()).await?;
    let index = value.map(|bytes| ProposalIndex::decode(&bytes)).transpose();
    let index = index.map_err(|error| unreadable(&error))?;
    Ok((index.unwrap_or_default(), block))
}

/// A proposal's record, and the block as of which it is so.
pub(crate) async fn record(session: &Session, id: &Digest) -> CliResult<(ProposalRecord, FinalHeader)> {
    let (value, block) = session.verifier()?.state_value(&StateKey::proposal(id)).await?;
    let Some(bytes) = value else {
        return Err(CliError::refused(
            format!(
                "there is no proposal {id} as of height {} (proven)",
                block.header.height
            ),
            "name one that `e2l proposal list` shows",
        ));
    };
    let record = ProposalRecord::decode(&bytes).map_err(|error| unreadable(&error))?;
    Ok((record, block))
}
