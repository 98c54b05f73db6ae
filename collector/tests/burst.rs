//! What the source `docker` does with more events at once than an engine keeps, and with an engine whose clock is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_collector::source::{DockerSource, EngineOptions, Given, Resume, Source, SourceSpec};
use e2l_collector::{Fingerprint, SharedStats};
use e2l_ledger::event::Event;
use std::time::Duration;
use support::engine::now_nano;
use support::fake_engine::FakeEngine;
use tokio::sync::mpsc;
use tokio::time::timeout;

const HOUR: i64 = 3_600_000_000_000;

fn read(engine: &FakeEngine, options: EngineOptions, floor_nano: i64) -> mpsc::Receiver<Given> {
    let resume = Resume {
        floor_nano,
        ..Resume::default()
    };
    read_on(engine, options, resume)
}

fn read_on(engine: &FakeEngine, options: EngineOptions, resume: Resume) -> mpsc::Receiver<Given> {
    // As little room as there may be: what is read waits in the source.
    let (sender, events) = mpsc::channel(1);
    let source = DockerSource::new(
        &SourceSpec::Socket(engine.socket().to_owned()),
        options,
        SharedStats::default(),
    );
    tokio::spawn(Box::new(source).run(resume, sender));
    events
}

/// So many events, gaps among them; not what the collector says of the engine.
async fn take(events: &mut mpsc::Receiver<Given>, count: usize) -> Vec<Event> {
    let mut all = Vec::new();
    while all.len() < count {
        let given = timeout(Duration::from_secs(60), events.recv()).await;
        if let Given::Event(sourced) = given.unwrap_or_else(|_| panic!("{} came", all.len())).unwrap()
            && sourced.event.action != "engine"
        {
            all.push(sourced.event);
        }
    }
    all
}

fn numbers(events: &[Event]) -> Vec<usize> {
    let numbers = events.iter().filter_map(|event| event.attributes.get("number"));
    numbers.map(|number| number.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_at_once_come_once_each_in_order() {
    let engine = FakeEngine::start(0);
    let mut events = read(&engine, EngineOptions::default(), 0);
    engine.emit((0..10).map(|number| engine.now_nano() + number));
    assert_eq!(numbers(&take(&mut events, 10).await), (0..10).collect::<Vec<_>>());
    engine.followed(1).await;
    let now = engine.now_nano();
    engine.emit((10..10_010).map(|number| now + number));
    // On a machine that is busy elsewhere the reading may be late enough for a doubt, which is said; nothing else is.
    let mut found = Vec::new();
    while found.len() < 10_000 {
        found.extend(numbers(&take(&mut events, 1).await));
    }
    let wrong = found
        .iter()
        .zip(10..)
        .position(|(found, expected)| *found != expected);
    assert_eq!(
        wrong,
        None,
        "in another order from {:?} on",
        wrong.map(|at| found[at])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_tells_nothing_for_long_is_asked_again_and_that_is_no_gap() {
    let engine = FakeEngine::start(0);
    let options = EngineOptions {
        quiet: Duration::from_millis(100),
        ..EngineOptions::default()
    };
    let resume = Resume {
        resumed: true,
        floor_nano: engine.now_nano(),
        ..Resume::default()
    };
    let floor_nano = resume.floor_nano;
    let mut events = read_on(&engine, options, resume);
    // It remembers nothing, so it may have been restarted while the collector was away.
    let first = take(&mut events, 1).await.remove(0);
    assert_eq!(first.attributes["reason"], "the engine was restarted");
    let bound = |name: &str| first.attributes[name].parse::<i64>().unwrap();
    assert_eq!(bound("from"), floor_nano, "when the spool was begun");
    assert!(bound("to") > floor_nano);
    engine.followed(6).await;
    let emitted = engine.now_nano();
    engine.emit([emitted].into_iter());
    let next = take(&mut events, 1).await;
    assert_eq!(next[0].time_nano, emitted, "{next:?}");
    engine.followed(30).await;
    engine.emit([emitted + 1].into_iter());
    let next = take(&mut events, 1).await;
    assert_eq!(next[0].time_nano, emitted + 1, "{next:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_memory_has_no_room_for_is_counted() {
    let engine = FakeEngine::start(0);
    let options = EngineOptions {
        memory_max_bytes: 1 << 20,
        reconcile_every: None,
        ..EngineOptions::default()
    };
    let mut events = read(&engine, options, 0);
    engine.emit([engine.now_nano()].into_iter());
    take(&mut events, 1).await;
    engine.followed(1).await;
    let now = engine.now_nano();
    let emitted = 20_000;
    engine.emit((1..=emitted).map(|number| now + number));
    let mut taken = 0;
    let lost: i64 = loop {
        let event = take(&mut events, 1).await.remove(0);
        match event.attributes.get("reason").map(String::as_str) {
            Some("memory was full") => break event.attributes["events"].parse().unwrap(),
            Some(_) => {}
            None => taken += 1,
        }
    };
    assert!(taken > 500 && lost > 0, "{taken} taken, {lost} lost");
    assert!(taken + lost <= emitted);

    // Started again, the collector does not take what is lost after all: it would come behind what followed it.
    let mut prints: Vec<Fingerprint> = Vec::new();
    let mut said = false;
    while let Ok(Some(given)) = timeout(Duration::from_secs(2), events.recv()).await {
        match given {
            Given::Event(sourced) => prints.extend(sourced.print),
            Given::LeftOut(left_out) => {
                said = true;
                prints.extend(left_out);
            }
            Given::Inventory(_) => {}
        }
    }
    assert!(said, "the gap is not followed by what it speaks of");
    drop(events);
    let resume = Resume {
        recent: prints,
        resumed: true,
        ..Resume::default()
    };
    let mut again = read_on(&engine, options, resume);
    engine.emit([now + emitted + 1].into_iter());
    let next = take(&mut again, 1).await;
    assert_eq!(next[0].time_nano, now + emitted + 1, "{next:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_back_while_nobody_read_hides_nothing() {
    let engine = FakeEngine::start(0);
    // It was an hour ahead until now.
    let before = engine.now_nano() + HOUR;
    engine.emit((0..10).map(|number| before + number));
    let mut events = read(&engine, EngineOptions::default(), 0);
    let mut prints: Vec<Fingerprint> = Vec::new();
    while prints.len() < 10 {
        if let Some(Given::Event(sourced)) = events.recv().await {
            prints.extend(sourced.print);
        }
    }
    drop(events);
    engine.emit((10..13).map(|number| before + number));
    engine.emit((0..3).map(|number| engine.now_nano() + number));
    let resume = Resume {
        recent: prints,
        newest_nano: before + 9,
        resumed: true,
        ..Resume::default()
    };
    let missed = take(&mut read_on(&engine, EngineOptions::default(), resume), 6).await;
    assert_eq!(
        numbers(&missed),
        (10..16).collect::<Vec<_>>(),
        "no gap, nothing twice: {missed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_whose_clock_is_an_hour_off_is_read_in_its_order() {
    for ahead in [HOUR, -HOUR] {
        let engine = FakeEngine::start(ahead);
        // What was before the spool is left out; what comes is not, though its time is before.
        let floor_nano = now_nano();
        let mut events = read(&engine, EngineOptions::default(), floor_nano);
        engine.emit([floor_nano + 2 * HOUR].into_iter());
        let first = take(&mut events, 1).await;
        engine.emit((1..50).map(|number| engine.now_nano() + number));
        // Nor does it matter when the clock is set in the middle.
        engine.emit((50..100).map(|number| engine.now_nano() - HOUR + number));
        engine.emit((100..150).map(|number| engine.now_nano() + HOUR + number));
        let all = [first, take(&mut events, 149).await].concat();
        assert_eq!(numbers(&all), (0..150).collect::<Vec<_>>(), "{ahead}");
    }
}
