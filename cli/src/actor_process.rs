//! A command of `e2l` in an actor's name, as a process of its own, which reads that actor's directory alone: what works in
//! the names of several actors reads no key itself.

use crate::error::{CliError, CliResult};
use std::ffi::OsStr;
use std::path::Path;
use tokio::process::Command;

/// Runs `e2l chaincode` for an actor of a network's directory; returns what it prints.
///
/// # Errors
/// It cannot be started, or fails: then what it says, and its next step.
pub(crate) async fn chaincode_as(network: &Path, actor: &str, arguments: &[&OsStr]) -> CliResult<String> {
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
        // Ctrl-C reaches us alone: what is half done would leave a proposal behind that nobody wants.
        .process_group(0)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| CliError::file("run", &program, &error))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let (what, next) = complaint(&said);
    Err(CliError::refused(format!("{actor}: {what}"), next))
}

/// What an `e2l` that failed says: its error, and its next step.
fn complaint(said: &str) -> (String, String) {
    let Some((_, error)) = said.split_once("error: ") else {
        let nothing = if said.is_empty() { "it said nothing" } else { said };
        return (nothing.trim().to_owned(), "run it again".to_owned());
    };
    let (what, next) = error.split_once("\n next: ").unwrap_or((error, "run it again"));
    (what.trim().to_owned(), next.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_taken_apart() {
        let text = "transaction ab: sent\nerror: the ledger refuses:\nno\n next: propose it anew\n";
        let expected = ("the ledger refuses:\nno", "propose it anew");
        let (what, next) = complaint(text);
        assert_eq!((what.as_str(), next.as_str()), expected);
        assert_eq!(complaint("").0, "it said nothing");
        assert_eq!(complaint("killed\n").0, "killed");
    }
}
