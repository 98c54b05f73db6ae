//! Whether the ledgers have what each engine emitted, as independent recordings have it: once, in that engine's order.

use super::stage::{PATIENCE, Scene};
use e2l_tests::{Network, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An engine publishes to each reader on its own: two events of the same moment may reach two readers in either
/// order. Those further apart may not.
const SAME_MOMENT_NANO: i64 = 20_000_000;

impl Scene {
    /// Checks every ledger against every recording, and returns the recordings as the ledger tells them.
    pub fn check(mut self) -> Vec<Vec<Value>> {
        let recorded: Vec<Vec<Value>> = self
            .recordings
            .iter()
            .map(|recording| recording.events().iter().map(as_emitted).collect())
            .collect();
        let expected: usize = recorded.iter().map(Vec::len).sum();
        for actor in Network::actors() {
            wait_until("every event is on the ledger", PATIENCE, || {
                let events = self.network.events(actor);
                (of_engines(&events).count() >= expected).then_some(())
            });
        }
        for collector in self.collectors.drain(..) {
            collector.expect("it runs").stop(&self.network);
        }
        let ledgers = Network::actors().map(|actor| self.network.events(actor));
        for (actor, ledger) in Network::actors().iter().zip(&ledgers) {
            for (number, emitted) in (1..).zip(&recorded) {
                let name = format!("provider/collector-{number}");
                let of_collector: Vec<&Value> = ledger
                    .iter()
                    .filter(|event| event["collector"] == name.as_str())
                    .collect();
                check_collector(
                    &format!("{name} on the ledger of {actor}"),
                    &of_collector,
                    emitted,
                );
            }
            assert_eq!(
                of_engines(ledger).count(),
                expected,
                "the ledger of {actor} has events of nobody"
            );
        }
        let transactions = |ledger: &[Value]| {
            ledger
                .iter()
                .map(|event| event["tx_id"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(transactions(&ledgers[0]), transactions(&ledgers[1]));
        assert_eq!(transactions(&ledgers[0]), transactions(&ledgers[2]));
        self.network.wait_for_agreement(ledgers[0].len() as u64);
        recorded
    }
}

/// What an event is, from a line of `docker events`.
fn as_emitted(event: &Value) -> Value {
    json!({
        "type": event["Type"],
        "action": event["Action"],
        "actor_id": event["Actor"]["ID"],
        "attributes": event["Actor"]["Attributes"],
        "scope": event["scope"],
        "time_nano": event["timeNano"],
    })
}

/// The same, from the ledger.
fn as_recorded(event: &Value) -> Value {
    let fields = ["type", "action", "actor_id", "attributes", "scope", "time_nano"];
    fields
        .iter()
        .map(|name| ((*name).to_owned(), event[*name].clone()))
        .collect()
}

/// What engines emitted: a collector also says that it is there and what it reads, once at each start, and on a manager which
/// tasks there are.
fn of_engines(events: &[Value]) -> impl Iterator<Item = &Value> {
    events.iter().filter(|event| !is_statement(event))
}

fn is_statement(event: &Value) -> bool {
    let own = ["heartbeat", "engine", "tasks"];
    event["type"] == "collector" && own.iter().any(|action| event["action"] == *action)
}

/// One collector's events on one ledger are what its engine emitted: all, once, in order, in force.
fn check_collector(whose: &str, ledger: &[&Value], emitted: &[Value]) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (place, event) in emitted.iter().enumerate() {
        let twice = places.insert(event.to_string(), place);
        assert_eq!(twice, None, "the engine itself emitted this twice: {event}");
    }
    let mut before: Option<(usize, i64)> = None;
    for (number, event) in (1..).zip(ledger) {
        assert_eq!(event["sequence"], number, "{whose}: {event}");
        if is_statement(event) {
            continue;
        }
        let this = as_recorded(event);
        let place = places.remove(&this.to_string());
        let place = place.unwrap_or_else(|| panic!("{whose}: not emitted, or there twice: {event}"));
        let time = this["time_nano"].as_i64().unwrap();
        if let Some((place_before, time_before)) = before {
            let same_moment = (time - time_before).abs() < SAME_MOMENT_NANO;
            assert!(
                place > place_before || same_moment,
                "{whose}: not in the engine's order: {event}"
            );
        }
        before = Some((place, time));
        assert_eq!(event["validation_code"], "VALID", "{whose}: {event}");
        assert_eq!(event["observed"], "observed", "{whose}: {event}");
        assert!(
            event["endorsed_by"].as_array().unwrap().len() >= 2,
            "{whose}: {event}"
        );
    }
    assert!(places.is_empty(), "{whose}: missing: {:?}", places.keys());
}
