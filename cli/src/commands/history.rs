//! `e2l history`: one container's or service's whole life.

use crate::error::{CliError, CliResult};
use crate::event_view::{Oddities, action_style, particulars};
use crate::history_read::History;
use crate::output::{Cell, Column, Listing, Style, Table, short_id, stamp};
use crate::proof_file::ProofFile;
use crate::session::Session;
use crate::swarm_check::SwarmCheck;
use e2l_client::{EventRecord, lateness, wire};
use e2l_ledger::ValidationCode;
use e2l_ledger::attributes::CONFLICT;
use e2l_ledger::proof::Anchor;
use futures::StreamExt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Objects that are listed when a name stands for several.
const MAX_CANDIDATES: usize = 10;

/// Whose life.
#[derive(Debug, Clone, clap::Args)]
pub struct HistoryArgs {
    /// Id, unique prefix of an id, or name of a container or service
    pub id: String,
    /// The chaincode that keeps it; may be left out where only one is active
    #[arg(long, value_name = "NAME")]
    pub chaincode: Option<String>,
    /// Write the history's proof to this file, for `e2l verify`
    #[arg(long, value_name = "FILE", conflicts_with = "no_verify")]
    pub out: Option<PathBuf>,
    /// Take the peer's word, also for what a name stands for, instead of checking against the genesis that nothing is
    /// hidden or altered
    #[arg(long)]
    pub no_verify: bool,
}

/// Runs the command.
///
/// # Errors
/// Nothing of that name is on the ledger, or several are; the answer is incomplete; no peer answers.
pub async fn run(session: &Session, args: &HistoryArgs) -> CliResult<()> {
    let chaincode = chaincode(session, args).await?;
    let read = async |id: &str| History::read(session, &chaincode, id, !args.no_verify).await;
    let (id, mut history) = match read(&args.id).await? {
        history if !history.events.is_empty() => (args.id.clone(), history),
        nothing => {
            let search = search(session, &args.id, !args.no_verify).await?;
            match choose(&args.id, &search.found)? {
                Some(id) => {
                    session.note(&format!("`{}` is {id}, {}", args.id, search.scope()));
                    (id.clone(), read(&id).await?)
                }
                None if args.out.is_some() => (args.id.clone(), nothing),
                None => return Err(absent(&args.id, &nothing, &search)),
            }
        }
    };
    if let (Some(path), Some(proof)) = (&args.out, &history.proof) {
        ProofFile::of_history(session.network(), &proof.proofs, session.anchor())?
            .resting_on(session.anchor())
            .write(path)?;
        session.note(&format!(
            "the proof is in {}: check it with `e2l verify`",
            path.display()
        ));
    }
    let mut check = SwarmCheck::of_contract(session, &chaincode, !args.no_verify);
    mark(&mut check, &mut history.events).await?;
    history
        .events
        .iter_mut()
        .for_each(|event| mark_late(session.anchor(), event));
    print(session, &id, &history)
}

/// Adds what inspection denied, and what managers say of a claim to be a Swarm's task.
async fn mark(check: &mut SwarmCheck<'_>, events: &mut [Value]) -> CliResult<()> {
    let found = check.of_history(events).await?;
    for (event, judgement) in events.iter_mut().zip(found) {
        let conflict = event.get("attributes").and_then(|all| all.get(CONFLICT)).cloned();
        let (verdict, why) = judgement.map(|found| (found.verdict.as_str(), found.why)).unzip();
        if let Some(fields) = event.as_object_mut() {
            fields.insert("conflict".to_owned(), conflict.unwrap_or_default());
            fields.insert("swarm".to_owned(), verdict.into());
            fields.insert("swarm_why".to_owned(), why.into());
        }
    }
    Ok(())
}

/// Adds how long after the event its block is, and whether that is outside the collection window of its height.
fn mark_late(anchor: &Anchor, event: &mut Value) {
    let number = |key: &str| event.get(key).and_then(Value::as_i64).unwrap_or_default();
    let height = u64::try_from(number("height")).unwrap_or_default();
    let limits = &anchor.config_at(height).limits;
    let (late, delay_ms) = lateness(number("time_nano"), number("block_time_nano"), limits);
    if let Some(fields) = event.as_object_mut() {
        fields.insert("late".to_owned(), late.into());
        fields.insert("delay_ms".to_owned(), delay_ms.into());
    }
}

/// Nothing of that name: proven when every block was verified, else as good as the peer's word.
fn absent(id: &str, nothing: &History, search: &Search) -> CliError {
    let what = match nothing.proof {
        // Two looks, of which one may be as of an older block.
        Some(_) if search.verified => {
            let (height, time_nano) =
                (nothing.height, nothing.time_nano).min((search.height, search.time_nano));
            format!(
                "no container or service has `{id}` as its id, the start of its id, or its name, as of height {height}, {} \
                 UTC (proven: every block up to there was verified)",
                stamp(time_nano)
            )
        }
        _ => format!(
            "no container or service has `{id}` as its id, the start of its id, or its name, {} (complete: unproven)",
            search.scope()
        ),
    };
    CliError::refused(
        what,
        "`e2l events` shows ids and names; an event may need a moment until it is final",
    )
}

async fn chaincode(session: &Session, args: &HistoryArgs) -> CliResult<String> {
    if let Some(name) = &args.chaincode {
        return Ok(name.clone());
    }
    let config = session.current_config().await?;
    let active = &config.chaincodes;
    match active.as_slice() {
        [only] => Ok(only.name.clone()),
        _ => Err(CliError::usage(
            format!("{} chaincodes are active", active.len()),
            "name one with --chaincode; `e2l chaincode list` shows them",
        )),
    }
}

/// Containers and services that a text may stand for: by id, time of the last event and name.
type Candidates = BTreeMap<String, (i64, String)>;

/// A search through all events.
struct Search {
    found: Candidates,
    /// Whether every block up to this height was verified: then nothing that is there was left out.
    verified: bool,
    height: u64,
    time_nano: i64,
}

impl Search {
    fn scope(&self) -> String {
        let by = if self.verified {
            "every block verified"
        } else {
            "as the peer says"
        };
        format!(
            "as of height {}, {} UTC, {by}",
            self.height,
            stamp(self.time_nano)
        )
    }
}

/// Looks for the containers and services that a text stands for: a peer must not choose whose life it proves.
async fn search(session: &Session, text: &str, verify: bool) -> CliResult<Search> {
    let mut search = Search {
        found: Candidates::new(),
        verified: verify,
        height: 0,
        time_nano: 0,
    };
    // Verified blocks come whole, so that one pass does for both. A peer's word is filtered where it is.
    let of = |container: &str, service: &str, kind: &str| wire::EventFilter {
        container: container.to_owned(),
        service: service.to_owned(),
        r#type: kind.to_owned(),
        ..wire::EventFilter::default()
    };
    let filters = match verify {
        true => vec![wire::EventFilter::default()],
        false => vec![of(text, "", "container"), of("", text, "service")],
    };
    for filter in filters {
        let request = wire::EventsRequest {
            filter: Some(filter),
            ..wire::EventsRequest::default()
        };
        let mut stream = session.events(request, verify).await?;
        let mut complete = false;
        while let Some(reply) = stream.next().await {
            let reply = reply?;
            complete = reply.caught_up;
            (search.height, search.time_nano) = (reply.as_of_height, reply.as_of_time_nano);
            for event in reply.events {
                let event = EventRecord::try_from(event)
                    .map_err(|error| CliError::usage(error, "run the release of e2l that the peer runs"))?;
                note_candidate(&mut search.found, event, text);
            }
        }
        search.verified &= complete;
    }
    Ok(search)
}

fn note_candidate(found: &mut Candidates, event: EventRecord, text: &str) {
    let name = event.attributes.get("name").cloned().unwrap_or_default();
    let named = event.actor_id.starts_with(text) || name == text;
    if named && matches!(event.r#type, "container" | "service") {
        found.insert(event.actor_id, (event.time_nano, name));
    }
}

fn choose(text: &str, found: &Candidates) -> CliResult<Option<String>> {
    if found.len() < 2 {
        return Ok(found.keys().next().cloned());
    }
    let mut newest: Vec<_> = found.iter().map(|(id, (time, name))| (*time, id, name)).collect();
    newest.sort_by(|a, b| b.cmp(a));
    let shown = newest.iter().take(MAX_CANDIDATES).map(|(time, id, name)| {
        format!(
            "\n       {}  {}  last event {} UTC",
            short_id(id),
            crate::output::sanitise(name),
            stamp(*time)
        )
    });
    let mut list: String = shown.collect();
    if newest.len() > MAX_CANDIDATES {
        list.push_str(&format!("\n       and {} more", newest.len() - MAX_CANDIDATES));
    }
    Err(CliError::refused(
        format!("`{text}` stands for {} objects:{list}", found.len()),
        "give the id of the one you mean",
    ))
}

/// Fields of an entry, as the contract gives them, and five more: see `mark` and `mark_late`.
const FIELDS: [&str; 24] = [
    "tx_id",
    "height",
    "index",
    "position",
    "type",
    "action",
    "actor_id",
    "attributes",
    "scope",
    "time",
    "time_nano",
    "received_nano",
    "block_time_nano",
    "sequence",
    "observed",
    "late",
    "delay_ms",
    "facts",
    "conflict",
    "swarm",
    "swarm_why",
    "sender",
    "actor",
    "role",
];

fn print(session: &Session, id: &str, history: &History) -> CliResult<()> {
    let mut table = Table::new([
        Column::new("TIME (UTC)"),
        Column::new("ACTION").shrink(8),
        Column::new("DETAILS").shrink(12),
        Column::new("COLLECTOR").shrink(10).optional(1),
        Column::new("HEIGHT").right(),
        Column::new("TRANSACTION").shrink(12),
    ]);
    for event in &history.events {
        table.push(row(event));
    }
    let listing = Listing {
        columns: &FIELDS,
        items: &history.events,
        table,
    };
    listing.print(session.format())?;
    let count = history.events.len();
    session.note(&format!(
        "{id}: all {count} events, as of height {}, {} UTC; {}",
        history.height,
        stamp(history.time_nano),
        match &history.proof {
            Some(proof) => format!("verified, endorsed by {}", proof.block.endorsed_by.join(", ")),
            None => "not verified".to_owned(),
        }
    ));
    Ok(())
}

fn row(event: &Value) -> Vec<Cell> {
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| event.get(key).and_then(Value::as_i64).unwrap_or_default();
    // A label can forge the attribute; what inspection said comes first.
    let inspected = event
        .get("facts")
        .and_then(|facts| facts.get("exit_code"))
        .and_then(Value::as_i64);
    let inspected = inspected.map(|code| code.to_string());
    let attribute = |key: &str| match (key, &inspected) {
        ("exitCode", Some(code)) => Some(code.as_str()),
        _ => event
            .get("attributes")
            .and_then(|all| all.get(key))
            .and_then(Value::as_str),
    };
    let is_late = event.get("late").and_then(Value::as_bool).unwrap_or_default();
    // Only valid calls have an entry in the contract's log.
    let oddities = Oddities {
        code: ValidationCode::Valid.as_str(),
        observed: event
            .get("observed")
            .and_then(Value::as_str)
            .unwrap_or("observed"),
        late_ms: is_late.then(|| number("delay_ms")),
        conflict: event.get("conflict").and_then(Value::as_str),
        swarm: event.get("swarm").and_then(Value::as_str),
    };
    let action = text("action");
    vec![
        Cell::new(stamp(number("time_nano")), Style::Dim),
        Cell::new(action, action_style(action)),
        Cell::new(particulars(&oddities, &attribute), oddities.style()),
        Cell::new(format!("{}/{}", text("actor"), text("sender")), Style::Dim),
        Cell::from(number("height").to_string()),
        Cell::new(text("tx_id"), Style::Accent),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_several_objects_lists_them() {
        let one: Candidates = [("a1".to_owned(), (1, "web".to_owned()))].into();
        assert_eq!(choose("a", &one).unwrap().as_deref(), Some("a1"));
        let mut two = one;
        two.insert("a2".to_owned(), (2, "web".to_owned()));
        let error = choose("web", &two).unwrap_err();
        let text = error.to_string();
        assert!(text.find("a2") < text.find("a1"), "newest first: {text}");
        assert_eq!(error.exit(), crate::Exit::Refused);
        assert_eq!(choose("x", &Candidates::new()).unwrap(), None);
    }
}
