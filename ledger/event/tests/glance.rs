//! A glance accepts just what decoding and checking accept.
#![allow(clippy::unwrap_used)]

use e2l_event::{Event, EventError, EventKind, Facts, Glance, Observation};

fn events() -> Vec<Event> {
    let event = Event {
        kind: EventKind::Container,
        action: "die".to_owned(),
        actor_id: "c0ffee".to_owned(),
        attributes: [("exitCode", "0"), ("image", "nginx"), ("näme", "wëb")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        scope: "local".to_owned(),
        time: 1,
        time_nano: 1_000_000_000,
        received_nano: 1_000_000_001,
        sequence: 9,
        observation: Observation::Inferred,
        facts: Some(Facts {
            image_digest: Some("sha256:0".to_owned()),
            started_nano: Some(5),
            finished_nano: None,
            exit_code: Some(-1),
            oom_killed: Some(false),
        }),
    };
    let without = |change: fn(&mut Event)| {
        let mut event = event.clone();
        change(&mut event);
        event
    };
    vec![
        without(|event| event.facts = None),
        without(|event| event.facts = Some(Facts::default())),
        without(|event| event.attributes.clear()),
        without(|event| event.kind = EventKind::Collector),
        without(|event| event.observation = Observation::Gap),
        without(|event| event.actor_id.clear()),
        without(|event| event.action = "a\nb".to_owned()),
        without(|event| event.action = "a".repeat(1025)),
        without(|event| event.action = "a\u{85}ä".to_owned()),
        without(|event| drop(event.attributes.insert("long".to_owned(), "ä".repeat(100)))),
        without(|event| event.sequence = 0),
        without(|event| event.time_nano = 0),
        without(|event| event.received_nano = -1),
        event,
    ]
}

fn decoded(bytes: &[u8]) -> Option<Result<String, EventError>> {
    let event = Event::decode(bytes).ok()?;
    Some(event.check().map(|()| event.actor_id))
}

fn glanced(bytes: &[u8]) -> Option<Result<String, EventError>> {
    let glance = Glance::of(bytes)?;
    Some(glance.map(|glance| glance.actor_id.to_owned()))
}

#[test]
fn every_event_and_every_change_of_a_byte_is_judged_as_decoding_judges_it() {
    let mut refused = 0;
    for event in events() {
        let bytes = event.encode();
        assert_eq!(glanced(&bytes), decoded(&bytes));
        assert!(glanced(&bytes).is_some());
        for end in 0..bytes.len() {
            assert_eq!(glanced(&bytes[..end]), decoded(&bytes[..end]), "cut at {end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(glanced(&longer), None);
        for place in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[place] = value;
                let glance = glanced(&changed);
                assert_eq!(glance, decoded(&changed), "byte {place} is {value}");
                refused += u32::from(glance.is_none());
            }
        }
    }
    assert!(refused > 10_000, "{refused}");
}

#[test]
fn attributes_stand_in_one_order_only() {
    let event = &events()[0];
    let bytes = event.encode();
    let place = |name: &[u8]| bytes.windows(name.len()).position(|found| found == name).unwrap();
    let mut swapped = bytes.clone();
    // `exitCode` after `image`, of which the first letter decides.
    swapped[place(b"exitCode")] = b'j';
    assert_eq!(glanced(&swapped), None);
    assert_eq!(decoded(&swapped), None);
}
