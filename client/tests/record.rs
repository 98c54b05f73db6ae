//! The JSON object of an event.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_client::{EventRecord, wire};
use e2l_ledger::event::{Event, EventKind, Facts, Observation};
use std::collections::BTreeMap;

fn sent() -> wire::LedgerEvent {
    let event = Event {
        kind: EventKind::Container,
        action: "start".to_owned(),
        actor_id: "c0ffee".to_owned(),
        attributes: BTreeMap::from([("say".to_owned(), "\"ä\"\n{\"a\":1}".to_owned())]),
        scope: "local".to_owned(),
        time: 1,
        time_nano: 1_000_000_001,
        received_nano: 1_000_000_002,
        sequence: 9,
        observation: Observation::Inferred,
        facts: Some(Facts {
            started_nano: Some(7),
            exit_code: Some(137),
            ..Facts::default()
        }),
    };
    wire::LedgerEvent {
        transaction_id: vec![0xab; 32].into(),
        height: 3,
        index: 4,
        code: 101,
        event: event.encode().into(),
        sender: "host1".to_owned(),
        actor: "provider".to_owned(),
        role: "collector".to_owned(),
        block_time_nano: 1_500_000_000,
        late: true,
        delay_ms: 499,
        sealed: true,
        endorsed_by: vec!["provider".to_owned(), "user".to_owned()],
    }
}

#[test]
fn the_object_has_these_fields_in_this_order() {
    let record = EventRecord::try_from(sent()).unwrap();
    let expected = format!(
        concat!(
            r#"{{"tx_id":"{}","height":3,"index":4,"validation_code":"CONTRACT_REJECTED","type":"container","#,
            r#""action":"start","actor_id":"c0ffee","attributes":{{"say":"\"ä\"\n{{\"a\":1}}"}},"scope":"local","#,
            r#""time_nano":1000000001,"received_nano":1000000002,"block_time_nano":1500000000,"#,
            r#""collector":"provider/host1","sequence":9,"observed":"inferred","#,
            r#""facts":{{"image_digest":null,"started_nano":7,"finished_nano":null,"exit_code":137,"oom_killed":null}},"#,
            r#""conflict":null,"swarm":null,"swarm_why":null,"late":true,"delay_ms":499,"#,
            r#""sender":"host1","actor":"provider","finality":"sealed","endorsed_by":["provider","user"]}}"#
        ),
        "ab".repeat(32)
    );
    assert_eq!(serde_json::to_string(&record).unwrap(), expected);
}

#[test]
fn only_a_collectors_event_names_a_collector() {
    let mut admin = sent();
    admin.role = "admin".to_owned();
    admin.sealed = false;
    let record = EventRecord::try_from(admin).unwrap();
    assert_eq!((record.collector, record.finality), (None, "final"));
}

type Spoil = fn(&mut wire::LedgerEvent);

#[test]
fn what_cannot_be_read_is_named() {
    let wrong: [(Spoil, &str); 3] = [
        (
            |event| event.transaction_id = vec![1].into(),
            "its id has 1 bytes",
        ),
        (|event| event.code = 300, "validation code 300 is unknown"),
        (
            |event| event.event = vec![9].into(),
            "event encoding version 9 is unknown",
        ),
    ];
    for (spoil, why) in wrong {
        let mut event = sent();
        spoil(&mut event);
        let text = EventRecord::try_from(event).unwrap_err().to_string();
        assert!(
            text.contains("event 4 of block 3") && text.contains(why),
            "{text}"
        );
    }
}
