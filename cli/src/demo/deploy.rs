//! The demo's contract comes to the ledger as any other does: one actor proposes it, each other one approves. Every step is
//! a process of its own that reads one actor's directory alone.

use crate::actor_process::chaincode_as;
use crate::deploy::find_chaincode;
use crate::error::{CliError, CliResult};
use crate::network_dir::NetworkDir;
use crate::session::Session;
use std::ffi::OsStr;
use std::path::Path;

/// Deploys the events contract, unless a contract is active.
///
/// # Errors
/// No component is found; a step fails.
pub(super) async fn deploy_together(network: &NetworkDir, session: &Session) -> CliResult<()> {
    if !session.current_config().await?.chaincodes.is_empty() {
        return Ok(());
    }
    let component = find_chaincode(None)?;
    let mut proposal: Option<String> = None;
    for actor in network.actors() {
        proposal = Some(match proposal {
            None => {
                eprintln!("{actor} proposes the contract that records events...");
                let file = component.as_os_str();
                step(network.path(), actor, &["propose".as_ref(), file]).await?
            }
            Some(id) => {
                eprintln!("{actor} approves it...");
                step(network.path(), actor, &["approve".as_ref(), id.as_ref()]).await?
            }
        });
    }
    Ok(())
}

async fn step(network: &Path, actor: &str, arguments: &[&OsStr]) -> CliResult<String> {
    chaincode_as(network, actor, arguments).await.map_err(|error| {
        CliError::refused(
            format!("the contract that records events could not be deployed by {error}"),
            "see the peers' logs in the directory's logs/, and start the demo again",
        )
    })
}
