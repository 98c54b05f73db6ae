//! Whether containers are the Swarm tasks that their labels claim, as far as the ledger tells.

use crate::error::CliResult;
use crate::history_read::History;
use crate::session::Session;
use e2l_client::EventRecord;
use e2l_ledger::swarm::{Judgement, Life, SwarmClaim, SwarmVerdict, TASKS_ACTION, TaskStatement, judge};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Name of the contract that keeps events, where there are several.
const EVENTS_CONTRACT: &str = "eventdb";
/// What was read of a service this long ago is read again before a claim counts as not confirmed.
const FRESH: Duration = Duration::from_secs(2);
/// Most services whose statements are kept.
const MOST_SERVICES: usize = 4096;

/// Reads managers' statements as they are needed, and compares.
pub struct SwarmCheck<'a> {
    session: &'a Session,
    /// Which contract keeps events, once that was looked for.
    chaincode: Option<String>,
    verify: bool,
    services: BTreeMap<String, Service>,
}

struct Service {
    read: Instant,
    statements: Vec<TaskStatement>,
}

impl<'a> SwarmCheck<'a> {
    /// With `verify` every statement is read with its proof, else on the peer's word.
    pub fn new(session: &'a Session, verify: bool) -> Self {
        Self {
            session,
            chaincode: None,
            verify,
            services: BTreeMap::new(),
        }
    }

    /// The same, with what this contract keeps.
    pub fn of_contract(session: &'a Session, chaincode: &str, verify: bool) -> Self {
        Self {
            chaincode: Some(chaincode.to_owned()),
            ..Self::new(session, verify)
        }
    }

    /// Adds to an event what is known of its claim, if it makes one.
    ///
    /// # Errors
    /// What managers said cannot be read, or is not proven.
    pub async fn mark(&mut self, event: &mut EventRecord) -> CliResult<()> {
        if event.r#type != "container" {
            return Ok(());
        }
        let attribute = |name: &str| event.attributes.get(name).map(String::as_str);
        let Some(claim) = SwarmClaim::of(&event.actor_id, &event.actor, attribute) else {
            return Ok(());
        };
        let found = self.judge(&claim, None).await?;
        event.swarm = Some(found.verdict.as_str());
        event.swarm_why = Some(found.why);
        Ok(())
    }

    /// What is known of each event of one history; `None` for those that claim nothing.
    ///
    /// # Errors
    /// See [`SwarmCheck::mark`].
    pub async fn of_history(&mut self, events: &[Value]) -> CliResult<Vec<Option<Judgement>>> {
        let life = life_of(events);
        let mut found = Vec::with_capacity(events.len());
        // One container claims the same again and again.
        let mut last: Option<(SwarmClaim, Judgement)> = None;
        for event in events {
            let Some(claim) = claim_of(event) else {
                found.push(None);
                continue;
            };
            let known = last.take().filter(|(same, _)| *same == claim);
            let judgement = match known {
                Some((_, judgement)) => judgement,
                None => self.judge(&claim, Some(life)).await?,
            };
            found.push(Some(judgement.clone()));
            last = Some((claim, judgement));
        }
        Ok(found)
    }

    async fn judge(&mut self, claim: &SwarmClaim, life: Option<Option<Life>>) -> CliResult<Judgement> {
        let statements = self.statements(&claim.service, Duration::MAX).await?;
        let found = judge(claim, life.flatten(), statements);
        if found.verdict != SwarmVerdict::Unconfirmed {
            return Ok(found);
        }
        let statements = self.statements(&claim.service, FRESH).await?.to_vec();
        let life = match life {
            Some(life) => life,
            // Only where a manager has spoken can it have left this task out.
            None if statements.is_empty() => None,
            None => life_of(&self.read(&claim.container).await?),
        };
        Ok(judge(claim, life, &statements))
    }

    /// What managers said of a service, read no longer ago than `age`.
    async fn statements(&mut self, service: &str, age: Duration) -> CliResult<&[TaskStatement]> {
        let known = self.services.get(service);
        if known.is_none_or(|known| known.read.elapsed() > age) {
            let read = Instant::now();
            let statements = match service {
                "" => Vec::new(),
                service => self
                    .read(service)
                    .await?
                    .iter()
                    .filter_map(statement_of)
                    .collect(),
            };
            if self.services.len() >= MOST_SERVICES {
                self.services.clear();
            }
            self.services
                .insert(service.to_owned(), Service { read, statements });
        }
        Ok(self
            .services
            .get(service)
            .map_or(&[], |service| service.statements.as_slice()))
    }

    async fn read(&mut self, id: &str) -> CliResult<Vec<Value>> {
        let chaincode = match self.chaincode.take() {
            Some(known) => known,
            None => events_contract(self.session).await?,
        };
        let history = History::read(self.session, &chaincode, id, self.verify).await;
        self.chaincode = Some(chaincode);
        Ok(history?.events)
    }
}

/// The only one, or that of the usual name.
async fn events_contract(session: &Session) -> CliResult<String> {
    let config = session.current_config().await?;
    Ok(match config.chaincodes.as_slice() {
        [only] => only.name.clone(),
        _ => EVENTS_CONTRACT.to_owned(),
    })
}

fn text<'v>(event: &'v Value, name: &str) -> &'v str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(event: &Value, name: &str) -> i64 {
    event.get(name).and_then(Value::as_i64).unwrap_or_default()
}

fn attribute<'v>(event: &'v Value, name: &str) -> Option<&'v str> {
    event.get("attributes")?.get(name)?.as_str()
}

fn claim_of(event: &Value) -> Option<SwarmClaim> {
    (text(event, "type") == "container").then_some(())?;
    let of_event = |name: &str| attribute(event, name);
    SwarmClaim::of(text(event, "actor_id"), text(event, "actor"), of_event)
}

fn statement_of(event: &Value) -> Option<TaskStatement> {
    let is_one = ("collector", TASKS_ACTION, "collector")
        == (text(event, "type"), text(event, "action"), text(event, "role"));
    is_one.then(|| {
        TaskStatement::read(
            (text(event, "actor"), text(event, "sender")),
            (number(event, "time_nano"), number(event, "block_time_nano")),
            |name| attribute(event, name),
        )
    })
}

fn life_of(events: &[Value]) -> Option<Life> {
    let of_container = events.iter().filter(|event| text(event, "type") == "container");
    Life::of(of_container.map(|event| {
        let times = (number(event, "time_nano"), number(event, "block_time_nano"));
        (text(event, "action"), times.0, times.1)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_statement_counts_from_a_collector_only() {
        let event = |role: &str| {
            json!({
                "type": "collector", "action": "tasks", "role": role, "actor": "provider", "sender": "c1",
                "time_nano": 5, "block_time_nano": 6,
                "attributes": { "tasks": "t1@n1@1@c1", "whole": "true", "parts": "1" },
            })
        };
        let read = statement_of(&event("collector")).unwrap();
        assert_eq!(
            (read.collector.as_str(), read.tasks.len(), read.is_whole),
            ("c1", 1, true)
        );
        assert_eq!(statement_of(&event("admin")), None);
    }

    #[test]
    fn a_container_claims_by_its_labels_and_nothing_else_does() {
        let event = |kind: &str| {
            json!({
                "type": kind, "actor_id": "c1", "actor": "provider",
                "attributes": { "com.docker.swarm.task.id": "t1", "com.docker.swarm.service.id": "s1" },
            })
        };
        let claim = claim_of(&event("container")).unwrap();
        assert_eq!((claim.task.as_str(), claim.service.as_str()), ("t1", "s1"));
        assert_eq!(claim_of(&event("service")), None);
        assert_eq!(
            claim_of(&json!({ "type": "container", "attributes": { "name": "web" } })),
            None
        );
    }
}
