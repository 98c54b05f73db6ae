//! A spool whose oldest segment is gone, opened again: what is left is what was signed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_collector::spool::{BatchLimits, Directory, Opening, Owner, Spool};
use e2l_identity::{Authority, Identity, Validity};
use e2l_ledger::event::{Event, EventKind, Observation};
use e2l_ledger::{Digest, Domain, Limits, Member, Role, Signer};
use std::collections::BTreeMap;
use std::path::Path;
use time::OffsetDateTime;

/// 300 events of 20 KB each are more than half a segment of 8 MB.
const BIG: usize = 20 << 10;

fn identity(directory: &Path) -> Identity {
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create("provider", Validity::days(now, 1)).unwrap();
    let member = Member {
        actor: "provider".to_owned(),
        role: Role::Collector,
        name: "collector-1".to_owned(),
    };
    let issued = authority
        .issue("demo", &member, Validity::days(now, 1), &[])
        .unwrap();
    issued.write(directory, "collector").unwrap();
    Identity::load(&directory.join("collector.pem"), &directory.join("collector.key")).unwrap()
}

fn event(number: i64) -> Event {
    let label = format!("{number}:{}", "x".repeat(BIG));
    Event {
        kind: EventKind::Container,
        action: "start".to_owned(),
        actor_id: if number == 0 { "b" } else { "a" }.repeat(64),
        attributes: BTreeMap::from([("label".to_owned(), label)]),
        scope: "local".to_owned(),
        time: 1,
        time_nano: 1_000_000_000 + number,
        received_nano: 1_000_000_000 + number,
        sequence: 0,
        observation: Observation::Observed,
        facts: None,
    }
}

fn take(spool: &mut Spool, numbers: std::ops::Range<i64>) {
    for number in numbers {
        spool.take(&mut event(number), None, number);
    }
    spool.commit().unwrap();
}

fn segments(directory: &Path) -> usize {
    let files = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .count()
}

#[test]
fn events_that_were_unbatched_when_a_segment_began_are_not_missed_once_it_is_the_first() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("spool");
    let signer = identity(home.path());
    let owner = Owner {
        network: Domain::Genesis.hash(b"g"),
        sender: signer.certificate().member().clone(),
    };
    let opening = Opening {
        incarnation: 1,
        previous: Digest::ZERO,
        opened_nano: 1,
    };
    let directory = Directory::lock(&path).unwrap();
    let mut spool = Spool::begin(directory, &owner, &opening).unwrap();
    let limits = BatchLimits::new(&Limits::default(), 10);

    // The second segment begins while every event of the first is in no batch yet.
    take(&mut spool, 0..450);
    assert_eq!(segments(&path), 2);
    take(&mut spool, 450..470);
    let mut cut = Vec::new();
    while let Some(batch) = spool.cut(&limits, &signer, 7).unwrap() {
        cut.push(batch);
    }
    spool.commit().unwrap();
    spool.finalize(cut[45].sequence);
    spool.commit().unwrap();
    assert_eq!(segments(&path), 1, "the first segment is final and gone");
    let expected: Vec<_> = cut[46..].iter().map(|batch| batch.packed.clone()).collect();
    assert_eq!(expected.len(), 1);
    drop(spool);

    let mut spool = Spool::open(Directory::lock(&path).unwrap(), &owner)
        .unwrap()
        .ok()
        .unwrap();
    assert_eq!(
        (spool.unfinal(), spool.unbatched(), spool.last_batch()),
        (10, 0, cut[46].sequence)
    );
    let again: Vec<_> = spool
        .unfinal_batches(&signer)
        .unwrap()
        .into_iter()
        .map(|batch| batch.packed)
        .collect();
    assert_eq!(again, expected);
    // Of whom the only event is in a segment that is gone.
    let recorded = spool.recorded().container(&"b".repeat(64)).unwrap();
    assert_eq!(recorded.started.unwrap().nano, 1_000_000_000);
    assert_eq!(spool.recorded().containers().count(), 2);

    // And it goes on where it was.
    let mut next = event(470);
    spool.take(&mut next, None, 470);
    assert_eq!(next.sequence, 471);
    assert_eq!(spool.cut(&limits, &signer, 8).unwrap().unwrap().sequence, 48);
}
