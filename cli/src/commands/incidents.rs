//! `e2l incidents`: damage to a peer's own records.

use crate::error::CliResult;
use crate::output::{Cell, Column, Listing, Style, Table, stamp};
use crate::session::Session;
use serde_json::{Value, json};

const FIELDS: [&str; 8] = [
    "found_nano",
    "what",
    "height",
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
pub async fn run(session: &Session) -> CliResult<()> {
    let incidents = session.client().incidents().await?.incidents;
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
    session.note(&match incidents.len() {
        0 => "no damage has been found".to_owned(),
        1 => "1 incident".to_owned(),
        count => format!("{count} incidents"),
    });
    Ok(())
}
