//! `e2l incidents`: damage to a peer's own records.

use crate::error::CliResult;
use crate::output::{Cell, Column, Listing, Style, Table, stamp};
use crate::session::Session;
use e2l_client::wire::{self, IncidentsRequest};
use serde_json::{Value, json};

/// Which ones.
#[derive(Debug, Clone, clap::Args)]
pub struct IncidentsArgs {
    /// Show this many, the newest ones; 0 means all
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
}

const FIELDS: [&str; 9] = [
    "found_nano",
    "what",
    "height",
    "last_height",
    "found_by",
    "why",
    "quarantined",
    "repaired_from",
    "repaired_nano",
];

/// Runs the command.
///
/// # Errors
/// No peer answers.
pub async fn run(session: &Session, args: &IncidentsArgs) -> CliResult<()> {
    let (incidents, more) = read(session, args.limit).await?;
    let mut table = Table::new([
        Column::new("FOUND (UTC)"),
        Column::new("DAMAGED"),
        Column::new("BY"),
        Column::new("WHY").shrink(24),
        Column::new("KEPT").right(),
        Column::new("REPAIRED"),
    ]);
    let mut items: Vec<Value> = Vec::new();
    for incident in &incidents {
        let repaired = match incident.repaired_from.as_str() {
            "" => Cell::new("not yet", Style::Bad),
            actor => Cell::from(format!("from {actor}, {}", stamp(incident.repaired_nano))),
        };
        table.push(vec![
            Cell::new(stamp(incident.found_nano), Style::Dim),
            Cell::from(incident.what.clone()),
            Cell::from(incident.found_by.clone()),
            Cell::from(incident.why.clone()),
            Cell::from(format!("{} records", incident.quarantined)),
            repaired,
        ]);
        items.push(json!({
            "found_nano": incident.found_nano,
            "what": incident.what,
            "height": incident.height,
            "last_height": incident.last_height,
            "found_by": incident.found_by,
            "why": incident.why,
            "quarantined": incident.quarantined,
            "repaired_from": Some(&incident.repaired_from).filter(|actor| !actor.is_empty()),
            "repaired_nano": Some(incident.repaired_nano).filter(|time| *time > 0),
        }));
    }
    let listing = Listing {
        columns: &FIELDS,
        items: &items,
        table,
    };
    listing.print(session.format())?;
    let older = if more {
        "; there are older ones (--limit 0)"
    } else {
        ""
    };
    session.note(&match incidents.len() {
        0 => "no damage has been found".to_owned(),
        1 => format!("1 incident{older}"),
        count => format!("{count} incidents{older}"),
    });
    Ok(())
}

/// The newest incidents, oldest first, and whether there are more.
async fn read(session: &Session, limit: u32) -> CliResult<(Vec<wire::Incident>, bool)> {
    let (mut pages, mut before, mut count) = (Vec::new(), String::new(), 0);
    loop {
        let left = if limit == 0 { 0 } else { limit - count };
        let request = IncidentsRequest { limit: left, before };
        let reply = session.client().incidents(request).await?;
        count += u32::try_from(reply.incidents.len()).unwrap_or(u32::MAX);
        pages.push(reply.incidents);
        before = reply.before;
        let full = limit > 0 && count >= limit;
        if before.is_empty() || full {
            let incidents = pages.into_iter().rev().flatten().collect();
            return Ok((incidents, !before.is_empty()));
        }
    }
}
