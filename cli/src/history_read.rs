//! All that the events contract has of one id, proven or on a peer's word.

use crate::entry_value::{entry_value, log_of};
use crate::error::{CliError, CliResult};
use crate::session::Session;
use e2l_client::LogRead;
use serde::Deserialize;
use serde_json::{Value, json};

/// Entries asked for at a time; the contract may send fewer.
const PAGE: u64 = 500;

/// A page of `getHistory`.
#[derive(Debug, Deserialize)]
struct Page {
    total: u64,
    from: u64,
    events: Vec<Value>,
}

/// A whole history.
pub struct History {
    /// Its events, as `getHistory` has them.
    pub events: Vec<Value>,
    /// As of which height.
    pub height: u64,
    /// Time of that block, nanoseconds since the Unix epoch.
    pub time_nano: i64,
    /// `None` when the caller did without.
    pub proof: Option<LogRead>,
}

impl History {
    /// Reads it, with proof or on the peer's word.
    ///
    /// # Errors
    /// No peer answers; what it answers is incomplete, not proven, or of another contract.
    pub async fn read(session: &Session, chaincode: &str, id: &str, verify: bool) -> CliResult<Self> {
        match verify {
            true => verified(session, chaincode, id).await,
            false => unverified(session, chaincode, id).await,
        }
    }
}

/// Reads all entries with their proof.
async fn verified(session: &Session, chaincode: &str, id: &str) -> CliResult<History> {
    let read = session.verifier()?.log(chaincode, &log_of(id)).await?;
    let events: Result<Vec<Value>, String> = read.entries.iter().map(entry_value).collect();
    Ok(History {
        events: events.map_err(|why| {
            CliError::usage(
                format!("the history of {id} holds an entry that is not an event: {why}"),
                "name the events contract with --chaincode",
            )
        })?,
        height: read.block.header.height,
        time_nano: read.block.header.time_nano,
        proof: Some(read),
    })
}

/// Reads page after page until all entries are there.
async fn unverified(session: &Session, chaincode: &str, id: &str) -> CliResult<History> {
    let mut history = History {
        events: Vec::new(),
        height: 0,
        time_nano: 0,
        proof: None,
    };
    loop {
        let from = history.events.len() as u64;
        let argument = json!({ "id": id, "from": from, "limit": PAGE }).to_string();
        let reply = session
            .client()
            .query(chaincode, "getHistory", argument.into_bytes().into())
            .await?;
        let page: Page = serde_json::from_slice(&reply.output).map_err(|error| {
            CliError::usage(
                format!("chaincode `{chaincode}` answers getHistory in another form: {error}"),
                "use `e2l chaincode query getHistory`, which shows any answer",
            )
        })?;
        (history.height, history.time_nano) = (reply.height, reply.time_nano);
        check(&page, from, id)?;
        history.events.extend(page.events);
        if history.events.len() as u64 >= page.total {
            return Ok(history);
        }
    }
}

/// A page must go on where the last ended, and bring something while anything is left.
fn check(page: &Page, from: u64, id: &str) -> CliResult<()> {
    let count = page.events.len() as u64;
    let stalls = count == 0 && from < page.total;
    if page.from == from && !stalls && from + count <= page.total {
        return Ok(());
    }
    Err(CliError::not_proven(
        format!(
            "the history of {id} is incomplete: entries from {from} were asked for, {count} from {} came, of {}",
            page.from, page.total
        ),
        "ask another actor's peer with --actor NAME, and compare",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(total: u64, from: u64, count: usize) -> Page {
        Page {
            total,
            from,
            events: vec![Value::Null; count],
        }
    }

    #[test]
    fn pages_must_follow_each_other() {
        assert!(check(&page(5, 0, 3), 0, "x").is_ok());
        assert!(check(&page(5, 3, 2), 3, "x").is_ok());
        assert!(check(&page(0, 0, 0), 0, "x").is_ok());
        for (wrong, from) in [(page(5, 1, 3), 0), (page(5, 3, 0), 3), (page(5, 3, 3), 3)] {
            assert_eq!(
                check(&wrong, from, "x").unwrap_err().exit(),
                crate::Exit::NotProven
            );
        }
    }
}
