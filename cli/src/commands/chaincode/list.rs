//! `e2l chaincode list`: the active chaincodes, which must be those that the actors have approved.

use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Listing, Style, Table};
use crate::session::Session;
use e2l_client::wire;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct FunctionView {
    chaincode: String,
    version: String,
    digest: String,
    function: String,
    kind: String,
    argument: String,
    summary: String,
}

pub(super) async fn list(session: &Session) -> CliResult<()> {
    let reply = active(session).await?;
    let mut items = Vec::new();
    let mut table = Table::new([
        Column::new("CHAINCODE"),
        Column::new("VERSION"),
        Column::new("DIGEST").optional(1),
        Column::new("FUNCTION"),
        Column::new("KIND"),
        Column::new("ARGUMENT"),
        Column::new("SUMMARY").shrink(20),
    ]);
    for chaincode in &reply.chaincodes {
        for function in &chaincode.functions {
            let digest = hex::encode(&chaincode.digest);
            table.push(vec![
                Cell::new(&chaincode.name, Style::Bold),
                (&chaincode.version).into(),
                Cell::new(digest.get(..12).unwrap_or(&digest), Style::Dim),
                Cell::new(&function.name, Style::Accent),
                (&function.kind).into(),
                (&function.argument).into(),
                (&function.summary).into(),
            ]);
            items.push(FunctionView {
                chaincode: chaincode.name.clone(),
                version: chaincode.version.clone(),
                digest,
                function: function.name.clone(),
                kind: function.kind.clone(),
                argument: function.argument.clone(),
                summary: function.summary.clone(),
            });
        }
    }
    let columns = [
        "chaincode",
        "version",
        "digest",
        "function",
        "kind",
        "argument",
        "summary",
    ];
    let listing = Listing {
        columns: &columns,
        items: &items,
        table,
    };
    listing.print(session.format())?;
    session.note(&format!(
        "as of height {}; names, versions and digests are those that the actors have approved, functions as the peer reads them from the \
         components",
        reply.height
    ));
    Ok(())
}

/// The active chaincodes, which must be those that the actors have approved.
pub(super) async fn active(session: &Session) -> CliResult<wire::ChaincodesReply> {
    let reply = session.client().chaincodes().await?;
    let shown = reply.chaincodes.iter().map(|shown| {
        let digest = hex::encode(&shown.digest);
        (shown.name.as_str(), shown.version.as_str(), digest)
    });
    let config = session.current_config().await?;
    let known = config.chaincodes.iter().map(|known| {
        let digest = known.digest.to_string();
        (known.name.as_str(), known.version.as_str(), digest)
    });
    same_chaincodes(shown.collect(), known.collect())?;
    Ok(reply)
}

/// Name, version and digest.
type Identity<'a> = (&'a str, &'a str, String);

fn same_chaincodes(mut shown: Vec<Identity<'_>>, mut known: Vec<Identity<'_>>) -> CliResult<()> {
    shown.sort();
    known.sort();
    if shown == known {
        return Ok(());
    }
    let text = |(name, version, digest): &Identity<'_>| format!("`{name}` {version} with digest {digest}");
    let other = shown.iter().find(|one| !known.contains(one));
    let missing = known.iter().find(|one| !shown.contains(one));
    let what = match (other, missing) {
        (Some(other), Some(missing)) => {
            format!(
                "the peer names chaincode {}, the actors have approved {}",
                text(other),
                text(missing)
            )
        }
        (Some(other), None) => format!(
            "the peer names chaincode {}, which the actors have not approved",
            text(other)
        ),
        (None, Some(missing)) => format!(
            "the peer leaves out chaincode {}, which the actors have approved",
            text(missing)
        ),
        (None, None) => "the peer names a chaincode twice".to_owned(),
    };
    Err(CliError::refused(
        crate::output::sanitise(&what),
        "do not rely on that peer: ask another actor's with --actor NAME",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one<'a>(name: &'a str, version: &'a str, digest: &str) -> Identity<'a> {
        (name, version, digest.to_owned())
    }

    #[test]
    fn chaincodes_must_be_those_that_were_approved() {
        let known = || vec![one("eventdb", "1", "aa"), one("usage", "2", "bb")];
        let mut reversed = known();
        reversed.reverse();
        assert!(same_chaincodes(reversed, known()).is_ok());
        let lies = [
            vec![one("eventdb", "1", "aa"), one("usage", "2", "cc")],
            vec![one("eventdb", "9", "aa"), one("usage", "2", "bb")],
            vec![one("eventdb", "1", "aa")],
            [known(), vec![one("more", "1", "dd")]].concat(),
            [known(), known()].concat(),
        ];
        for lie in lies {
            let error = same_chaincodes(lie, known()).unwrap_err();
            assert_eq!(error.exit(), crate::Exit::Refused, "{error}");
        }
    }
}
