//! A spool that is recorded anew: nothing is lost, nothing is signed twice, and a crash finds the old one or the new one whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_collector::spool::{BatchLimits, Reopening, Spool};
use e2l_ledger::event::Event;
use e2l_ledger::{BatchHeader, Digest, Envelope, Limits, PackedEnvelope, SenderHead};
use std::path::Path;
use support::{Collector, event};

const NEW: Option<Digest> = Some(Digest([9; 32]));

fn limits(events: usize) -> BatchLimits {
    BatchLimits::new(&Limits::default(), events)
}

fn take(spool: &mut Spool, names: &[&str]) {
    for name in names {
        let mut event = event(name);
        let print = e2l_collector::fingerprint(&event);
        spool.take(&mut event, Some(print), 1);
    }
}

/// Headers of all batches that are not final and can be cut, and their events.
fn all(spool: &mut Spool, collector: &Collector) -> Vec<(BatchHeader, Vec<Event>)> {
    while spool.cut(&limits(3), &collector.signer, 10).unwrap().is_some() {}
    spool.commit().unwrap();
    let batches = spool.unfinal_batches(&collector.signer).unwrap();
    let read = batches.iter().map(|prepared| {
        let packed: PackedEnvelope = e2l_ledger::Canonical::decode(&prepared.packed).unwrap();
        let Envelope::Batch(batch) = packed.unpack(&Limits::default()).unwrap() else {
            panic!("no batch");
        };
        let events = batch
            .calls
            .iter()
            .map(|call| Event::decode(&call.argument).unwrap());
        (batch.header.clone(), events.collect())
    });
    read.collect()
}

fn ids(batches: &[(BatchHeader, Vec<Event>)]) -> Vec<&str> {
    let events = batches.iter().flat_map(|(_, events)| events);
    events.map(|event| event.actor_id.as_str()).collect()
}

/// Seven events in three batches of three, of which the ledger has the first; "c" is left out, "d" is changed.
fn reopened(collector: &Collector) -> (Spool, Digest) {
    let mut spool = collector.begin();
    spool.set_executable(Digest([3; 32]));
    take(&mut spool, &["a", "b", "x", "c", "d", "e"]);
    let first = spool.cut(&limits(3), &collector.signer, 10).unwrap().unwrap();
    spool.cut(&limits(3), &collector.signer, 10).unwrap().unwrap();
    take(&mut spool, &["f"]);
    spool.commit().unwrap();
    let head = SenderHead {
        incarnation: 1,
        sequence: 1,
        digest: first.digest,
    };
    let reopening = Reopening {
        head: &head,
        component: NEW,
    };
    let anew = |event: &mut Event| {
        event.attributes.insert("anew".to_owned(), "yes".to_owned());
        event.actor_id != "c"
    };
    let statement = |recorded, left_out| {
        assert_eq!((recorded, left_out), (3, 1));
        event("statement")
    };
    spool.reopen(&reopening, anew, statement).unwrap();
    (spool, first.digest)
}

fn is_recorded_anew(spool: &mut Spool, collector: &Collector, previous: Digest) {
    assert_eq!((spool.incarnation(), spool.component()), (2, NEW));
    let batches = all(spool, collector);
    assert_eq!(ids(&batches), ["d", "e", "f", "statement"]);
    let first = &batches[0].0;
    assert_eq!(
        (first.incarnation, first.sequence, first.previous),
        (2, 1, previous)
    );
    assert!(batches.iter().all(|(header, _)| header.component == NEW));
    let events: Vec<&Event> = batches.iter().flat_map(|(_, events)| events).collect();
    assert!(events.iter().map(|event| event.sequence).eq(1..=4));
    assert!(
        events[..3]
            .iter()
            .all(|event| event.attributes.contains_key("anew"))
    );
    // What was taken before is still known.
    assert!(spool.knows(&e2l_collector::fingerprint(&event("a"))));
}

#[test]
fn what_is_not_on_the_ledger_is_recorded_anew_in_the_next_incarnation() {
    let collector = Collector::new();
    let (mut spool, previous) = reopened(&collector);
    is_recorded_anew(&mut spool, &collector, previous);
    assert!(
        all(&mut spool, &collector)
            .iter()
            .all(|(header, _)| header.executable == Digest([3; 32]))
    );
    take(&mut spool, &["g"]);
    spool.commit().unwrap();
    drop(spool);
    let mut spool = collector.open().unwrap();
    assert_eq!(ids(&all(&mut spool, &collector)).last(), Some(&"g"));
}

#[test]
fn an_incarnation_of_which_nothing_is_on_the_ledger_is_not_used_again() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    take(&mut spool, &["a"]);
    spool.cut(&limits(3), &collector.signer, 10).unwrap().unwrap();
    let head = SenderHead::default();
    let reopening = Reopening {
        head: &head,
        component: None,
    };
    spool
        .reopen(&reopening, |_| true, |_, _| event("statement"))
        .unwrap();
    let batches = all(&mut spool, &collector);
    assert_eq!(
        (batches[0].0.incarnation, batches[0].0.previous),
        (2, Digest::ZERO)
    );
    assert_eq!(ids(&batches), ["a", "statement"]);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_crash_on_the_way_leaves_the_old_spool_or_the_new_one_whole() {
    // The new one is taken from a spool that was reopened, the old one from a copy.
    let (old, new) = (Collector::new(), Collector::new());
    let mut spool = old.begin();
    take(&mut spool, &["a", "b"]);
    spool.commit().unwrap();
    drop(spool);
    let mut spool = new.begin();
    take(&mut spool, &["a", "b"]);
    let head = SenderHead::default();
    let reopening = Reopening {
        head: &head,
        component: NEW,
    };
    spool
        .reopen(&reopening, |_| true, |_, _| event("statement"))
        .unwrap();
    drop(spool);

    // Cut off while it was written: the old one counts.
    let place = old.spool_dir().join("reopening");
    copy(new.spool_dir(), &place);
    let mut spool = old.open().unwrap();
    assert_eq!((spool.incarnation(), ids(&all(&mut spool, &old)).len()), (1, 2));
    drop(spool);
    assert!(!place.exists());

    // Cut off after it was whole, with some of it moved: the new one counts.
    copy(new.spool_dir(), &place);
    let mut segments: Vec<_> = std::fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    let first = segments[0]
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_start_matches('0');
    std::fs::write(old.spool_dir().join("reopened"), first).unwrap();
    let mut spool = old.open().unwrap();
    assert_eq!(spool.incarnation(), 2);
    assert_eq!(ids(&all(&mut spool, &old)), ["a", "b", "statement"]);
    drop(spool);
    assert!(!place.exists() && !old.spool_dir().join("reopened").exists());
    assert_eq!(old.open().unwrap().incarnation(), 2);
}

#[test]
fn a_batch_holds_what_one_component_has_recorded() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    take(&mut spool, &["a", "b"]);
    spool.record_by(NEW);
    spool.pass_over(&event("unrecorded"), None);
    take(&mut spool, &["c"]);
    spool.record_by(None);
    spool.record_by(NEW);
    take(&mut spool, &["d"]);
    spool.commit().unwrap();
    drop(spool);
    let mut spool = collector.open().unwrap();
    assert_eq!(spool.component(), NEW);
    let batches = all(&mut spool, &collector);
    let found: Vec<_> = batches
        .iter()
        .map(|(header, _)| (header.component, header.count))
        .collect();
    assert_eq!(found, [(None, 2), (NEW, 2)]);
    assert_eq!(ids(&batches), ["a", "b", "c", "d"]);
    // Another comes while everything is in batches.
    spool.record_by(None);
    take(&mut spool, &["e"]);
    spool.commit().unwrap();
    drop(spool);
    let mut spool = collector.open().unwrap();
    let batches = all(&mut spool, &collector);
    assert_eq!(
        (batches.last().unwrap().0.component, ids(&batches).last()),
        (None, Some(&"e"))
    );
}
