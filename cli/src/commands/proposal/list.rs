//! `e2l proposal list`.

use super::read::{index, record};
use super::show::{awaited, view};
use crate::error::CliResult;
use crate::output::{Cell, Column, Listing, Style, Table};
use crate::session::Session;

const FIELDS: [&str; 9] = [
    "id",
    "status",
    "changes",
    "proposer",
    "approved_by",
    "rejected_by",
    "awaits",
    "expires_at",
    "note",
];

pub(super) async fn list(session: &Session) -> CliResult<()> {
    let (index, block) = index(session).await?;
    session.current_config().await?;
    let mut table = Table::new([
        Column::new("PROPOSAL"),
        Column::new("STATUS"),
        Column::new("CHANGES").shrink(20),
        Column::new("PROPOSED BY"),
        Column::new("APPROVED BY"),
        Column::new("WAITS FOR").optional(1),
    ]);
    let mut items = Vec::new();
    let height = block.header.height;
    for id in index.open.iter().chain(index.closed.iter().rev()) {
        let (record, _) = record(session, id).await?;
        let approved = record.votes.iter().filter(|(_, vote)| vote.approves);
        let approved: Vec<&str> = approved.map(|(actor, _)| actor.as_str()).collect();
        let changes = record
            .proposal
            .changes
            .iter()
            .map(|proposed| proposed.change.to_string());
        let style = if record.is_open(height) {
            Style::Accent
        } else {
            Style::Dim
        };
        table.push(vec![
            Cell::new(id.to_string().get(..12).unwrap_or_default(), Style::Bold),
            Cell::new(record.status_at(height), style),
            changes.collect::<Vec<_>>().join("; ").into(),
            record.proposer.to_string().into(),
            approved.join(" ").into(),
            awaited(session, &record, height).unwrap_or_default().into(),
        ]);
        items.push(view(session, id, &record, height));
    }
    let listing = Listing {
        columns: &FIELDS,
        items: &items,
        table,
    };
    listing.print(session.format())?;
    session.note(&format!("as of height {height}, proven against the genesis"));
    Ok(())
}
