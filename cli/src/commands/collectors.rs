//! `e2l collectors`: who watches the engines, and how each is.

use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Listing, Style, Table, short_id, stamp};
use crate::session::Session;
use e2l_client::wire::CollectorStatus;
use e2l_ledger::event::Event;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FIELDS: [&str; 20] = [
    "collector",
    "state",
    "incarnation",
    "last_batch",
    "last_height",
    "last_time_nano",
    "heartbeat_time_nano",
    "every_s",
    "spooled",
    "lag_ms",
    "engine_ahead_ms",
    "peers_ahead_ms",
    "gaps",
    "inferred",
    "started_nano",
    "version",
    "component",
    "executable",
    "source",
    "statements",
];

/// Runs the command.
///
/// # Errors
/// No peer answers, or it answers what cannot be read.
pub async fn run(session: &Session) -> CliResult<()> {
    let reply = session.client().collectors().await?;
    let mut table = Table::new([
        Column::new("COLLECTOR"),
        Column::new("STATE"),
        Column::new("HEARD LAST (UTC)"),
        Column::new("BATCH").right(),
        Column::new("WAITING").right(),
        Column::new("LAG").right(),
        Column::new("ENGINE, PEERS CLOCK").right(),
        Column::new("GAPS").right(),
        Column::new("VERSION"),
        Column::new("RECORDS BY"),
        Column::new("EXECUTABLE"),
        Column::new("SOURCE").shrink(12),
    ]);
    let (mut items, mut silent): (Vec<Value>, usize) = (Vec::new(), 0);
    for status in &reply.collectors {
        let said = said(status)?;
        silent += usize::from(status.silent);
        table.push(row(status, &said));
        items.push(item(status, &said));
    }
    let listing = Listing {
        columns: &FIELDS,
        items: &items,
        table,
    };
    listing.print(session.format())?;
    let count = match reply.collectors.len() {
        0 => "no collector has brought anything yet".to_owned(),
        1 => "1 collector".to_owned(),
        count => format!("{count} collectors"),
    };
    let silent = match silent {
        0 => String::new(),
        silent => format!(", {silent} of them SILENT"),
    };
    session.note(&format!(
        "{count}{silent}, at height {}: this peer's word; `e2l history COLLECTOR` proves what one said",
        reply.height
    ));
    Ok(())
}

/// Attributes of the newest heartbeat; none if there is none.
fn said(status: &CollectorStatus) -> CliResult<BTreeMap<String, String>> {
    if status.heartbeat.is_empty() {
        return Ok(BTreeMap::new());
    }
    let event = Event::decode(&status.heartbeat).map_err(|error| {
        CliError::refused(
            format!(
                "the peer's answer about {} cannot be read: {error}",
                status.member
            ),
            "ask another actor's peer with --actor NAME; upgrade e2l if the peer is newer",
        )
    })?;
    Ok(event.attributes)
}

fn state(status: &CollectorStatus) -> (&'static str, Style) {
    match (status.silent, status.heartbeat.is_empty()) {
        (true, _) => ("silent", Style::Bad),
        (false, false) => ("heard", Style::Good),
        // It has promised none yet, or its source is no engine.
        (false, true) => ("no heartbeat", Style::Dim),
    }
}

fn row(status: &CollectorStatus, said: &BTreeMap<String, String>) -> Vec<Cell> {
    let text = |name: &str| said.get(name).map_or("", String::as_str);
    let (state, style) = state(status);
    let number = |name: &str| text(name).parse::<i64>().ok();
    let lag = number("lag_ms").map_or_else(String::new, |lag| format!("{lag} ms"));
    let clocks = match (number("engine_ahead_ms"), number("peers_ahead_ms")) {
        (Some(engine), Some(peers)) => format!("{engine:+}, {peers:+} ms"),
        _ => String::new(),
    };
    vec![
        Cell::from(status.member.clone()),
        Cell::new(state, style),
        Cell::new(stamp(status.last_time_nano), Style::Dim),
        Cell::from(status.last_batch.to_string()),
        Cell::from(text("spooled").to_owned()),
        Cell::from(lag),
        Cell::from(clocks),
        Cell::from(text("gaps").to_owned()),
        Cell::from(text("version").to_owned()),
        Cell::new(code(text("component")), Style::Dim),
        Cell::new(short_id(text("executable")), Style::Dim),
        Cell::from(text("source").to_owned()),
    ]
}

/// A component's digest, shortened, or what stands in its place.
fn code(component: &str) -> &str {
    match component.parse::<e2l_ledger::Digest>() {
        Ok(_) => short_id(component),
        Err(_) => component,
    }
}

fn item(status: &CollectorStatus, said: &BTreeMap<String, String>) -> Value {
    let text = |name: &str| said.get(name).filter(|text| !text.is_empty());
    let number = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok());
    json!({
        "collector": status.member,
        "state": state(status).0,
        "incarnation": status.incarnation,
        "last_batch": status.last_batch,
        "last_height": status.last_height,
        "last_time_nano": status.last_time_nano,
        "heartbeat_time_nano": Some(status.heartbeat_time_nano).filter(|time| *time > 0),
        "every_s": number("every_s"),
        "spooled": number("spooled"),
        "lag_ms": number("lag_ms"),
        "engine_ahead_ms": number("engine_ahead_ms"),
        "peers_ahead_ms": number("peers_ahead_ms"),
        "gaps": number("gaps"),
        "inferred": number("inferred"),
        "started_nano": number("started_nano"),
        "version": text("version"),
        "component": text("component"),
        "executable": text("executable"),
        "source": text("source"),
        "statements": status.statements,
    })
}
