//! The demo's contract comes to the ledger as any other does: one actor proposes it, each other one approves. Every step is
//! a process of its own that reads one actor's directory alone.

use crate::deploy::find_chaincode;
use crate::error::{CliError, CliResult};
use crate::network_dir::NetworkDir;
use crate::session::Session;
use std::path::Path;
use tokio::process::Command;

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

/// Runs `e2l chaincode` for an actor; what it prints.
async fn step(network: &Path, actor: &str, arguments: &[&std::ffi::OsStr]) -> CliResult<String> {
    let program = std::env::current_exe().map_err(|error| {
        CliError::usage(
            format!("this program has no path: {error}"),
            "start it by its path",
        )
    })?;
    let done = Command::new(&program)
        .args(["--actor", actor, "--network"])
        .arg(network)
        .arg("chaincode")
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| CliError::file("run", &program, &error))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.lines().find_map(|line| line.strip_prefix("error: "));
    Err(CliError::refused(
        format!(
            "{actor} could not take part in deploying the contract: {}",
            said.unwrap_or("it said nothing")
        ),
        "see the peers' logs in the directory's logs/, and start the demo again",
    ))
}
