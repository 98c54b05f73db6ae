//! The spool on a real disk: what survives, what is cut off, what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_collector::spool::{BatchLimits, Directory, Position, Spool, SpoolError};
use e2l_ledger::event::{Event, EventKind, Observation};
use e2l_ledger::{Canonical, Digest, Envelope, Limits, PackedEnvelope, Signer};
use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use support::{Collector, event};

fn limits() -> BatchLimits {
    BatchLimits::new(&Limits::default(), 3)
}

fn take(spool: &mut Spool, count: usize, name: &str) {
    for number in 0..count {
        let mut event = event(&format!("{name}-{number}"));
        let print = e2l_collector::fingerprint(&event);
        spool.take(&mut event, Some(print), 1);
    }
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    found.sort();
    found
}

fn unpacked(packed: &[u8]) -> Envelope {
    PackedEnvelope::decode(packed)
        .unwrap()
        .unpack(&Limits::default())
        .unwrap()
}

fn events_of(packed: &[u8]) -> Vec<Event> {
    let Envelope::Batch(batch) = unpacked(packed) else {
        panic!("no batch")
    };
    assert!(batch.is_consistent());
    batch
        .calls
        .iter()
        .map(|call| Event::decode(&call.argument).unwrap())
        .collect()
}

#[test]
fn a_signed_batch_comes_back_byte_for_byte() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    take(&mut spool, 5, "a");
    let first = spool.cut(&limits(), &collector.signer, 10).unwrap().unwrap();
    let second = spool.cut(&limits(), &collector.signer, 11).unwrap().unwrap();
    assert!(spool.cut(&limits(), &collector.signer, 12).unwrap().is_none());
    spool.commit().unwrap();
    take(&mut spool, 2, "b");
    spool.commit().unwrap();
    drop(spool);

    let mut spool = collector.open().unwrap();
    let again = spool.unfinal_batches(&collector.signer).unwrap();
    assert_eq!(
        again.iter().map(|b| &b.packed).collect::<Vec<_>>(),
        [&first.packed, &second.packed]
    );
    assert_eq!(
        (second.previous, spool.unbatched(), spool.last_batch()),
        (first.digest, 2, 2)
    );
    let third = spool.cut(&limits(), &collector.signer, 13).unwrap().unwrap();
    assert_eq!((third.sequence, third.previous), (3, second.digest));
    let sequences = |packed: &[u8]| events_of(packed).iter().map(|e| e.sequence).collect::<Vec<_>>();
    assert_eq!(sequences(&first.packed), [1, 2, 3]);
    assert_eq!(sequences(&second.packed), [4, 5]);
    assert_eq!(sequences(&third.packed), [6, 7]);
}

#[test]
fn a_renewed_certificate_signs_the_same_batch_again() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    take(&mut spool, 1, "a");
    let before = spool.cut(&limits(), &collector.signer, 10).unwrap().unwrap();
    spool.commit().unwrap();
    drop(spool);
    let renewed = collector.renew();
    let mut spool = collector.open().unwrap();
    let after = spool.unfinal_batches(&renewed).unwrap().remove(0);
    assert_eq!(after.digest, before.digest);
    let envelope = unpacked(&after.packed);
    envelope
        .signature()
        .verify(&envelope.signed_digest(), renewed.certificate())
        .unwrap();
    // While the collector runs it comes to the same.
    let mut running = before.clone();
    running.sign_with(&renewed).unwrap();
    assert_eq!(running.packed, after.packed);
    running.sign_with(&collector.signer).unwrap();
    assert_eq!(running.packed, before.packed);
}

#[test]
fn what_is_not_committed_is_not_there() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    take(&mut spool, 1, "kept");
    spool.commit().unwrap();
    take(&mut spool, 1, "lost");
    drop(spool);
    assert_eq!(collector.open().unwrap().unbatched(), 1);
}

#[test]
fn a_torn_write_is_cut_off_at_every_byte() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    take(&mut spool, 2, "whole");
    spool.commit().unwrap();
    let file = segments(collector.spool_dir()).remove(0);
    let whole = std::fs::metadata(&file).unwrap().len();
    take(&mut spool, 1, "torn");
    spool.commit().unwrap();
    drop(spool);
    let bytes = std::fs::read(&file).unwrap();
    for length in whole as usize + 1..bytes.len() {
        std::fs::write(&file, &bytes[..length]).unwrap();
        let mut spool = collector.open().unwrap();
        assert_eq!(spool.unbatched(), 2, "{length}");
        take(&mut spool, 1, "after");
        spool.commit().unwrap();
        drop(spool);
        assert_eq!(collector.open().unwrap().unbatched(), 3, "{length}");
    }
    // Blocks of one write may reach the disk in any order.
    let mut holed = bytes.clone();
    holed[whole as usize..whole as usize + 40].fill(0);
    std::fs::write(&file, &holed).unwrap();
    assert_eq!(collector.open().unwrap().unbatched(), 2);
}

#[test]
fn damage_in_the_middle_refuses_to_start_at_every_byte() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    let file = segments(collector.spool_dir()).remove(0);
    let start = std::fs::metadata(&file).unwrap().len();
    take(&mut spool, 1, "damaged");
    spool.commit().unwrap();
    let end = std::fs::metadata(&file).unwrap().len();
    take(&mut spool, 1, "after");
    spool.commit().unwrap();
    drop(spool);
    for at in start..end {
        let handle = OpenOptions::new().read(true).write(true).open(&file).unwrap();
        let mut byte = [0];
        handle.read_exact_at(&mut byte, at).unwrap();
        handle.write_all_at(&[byte[0] ^ 1], at).unwrap();
        let error = collector.open().err().unwrap();
        assert!(matches!(error, SpoolError::Corrupt { .. }), "{at}: {error}");
        assert!(error.to_string().contains("move the directory away"), "{error}");
        handle.write_all_at(&byte, at).unwrap();
    }
    assert_eq!(collector.open().unwrap().unbatched(), 2);
}

#[test]
fn final_segments_are_deleted_and_the_chain_goes_on() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    let first = segments(collector.spool_dir());
    let limits = BatchLimits::new(&Limits::default(), 500);
    let mut last = Digest::ZERO;
    let big = "x".repeat(20_000);
    for round in 0..6 {
        for number in 0..100 {
            let mut event = event(&format!("{round}-{number}"));
            event.attributes.insert("big".to_owned(), big.clone());
            // A clock that runs backwards: the last is not the latest.
            event.time_nano -= (round * 100 + number) as i64;
            spool.take(&mut event, None, 1);
        }
        spool.set_position(Position {
            source: "replay:x".to_owned(),
            lines: round * 100 + 100,
        });
        while let Some(batch) = spool.cut(&limits, &collector.signer, 1).unwrap() {
            assert_eq!(batch.previous, last);
            last = batch.digest;
        }
        spool.commit().unwrap();
    }
    assert!(
        segments(collector.spool_dir()).len() > 1,
        "12 MB make more than one segment"
    );
    let batches = spool.last_batch();
    spool.finalize(batches - 1);
    assert!(spool.wants_commit());
    spool.commit().unwrap();
    assert_ne!(segments(collector.spool_dir())[0], first[0]);
    drop(spool);
    let mut spool = collector.open().unwrap();
    assert_eq!((spool.last_batch(), spool.in_flight()), (batches, 1));
    assert_eq!(spool.position("replay:x"), 600);
    assert_eq!(spool.position("replay:y"), 0);
    assert_eq!(spool.recorded().read_nano(), Some(event("last").time_nano - 599));
    assert_eq!(spool.unfinal_batches(&collector.signer).unwrap()[0].digest, last);
    take(&mut spool, 1, "next");
    assert_eq!(
        spool
            .cut(&limits, &collector.signer, 1)
            .unwrap()
            .unwrap()
            .previous,
        last
    );
}

#[test]
fn a_missing_segment_is_noticed() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    let big = "x".repeat(200_000);
    while segments(collector.spool_dir()).len() < 3 {
        let mut event = event("big");
        event.attributes.insert("big".to_owned(), big.clone());
        spool.take(&mut event, None, 1);
        spool.commit().unwrap();
    }
    drop(spool);
    std::fs::remove_file(&segments(collector.spool_dir())[1]).unwrap();
    let error = collector.open().err().unwrap().to_string();
    assert!(error.contains("missing"), "{error}");
}

#[test]
fn repeats_are_known_after_a_restart_and_after_trimming() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    let print = e2l_collector::fingerprint(&event("a-0"));
    take(&mut spool, 1, "a");
    assert!(spool.knows(&print));
    let batch = spool.cut(&limits(), &collector.signer, 1).unwrap().unwrap();
    spool.commit().unwrap();
    spool.finalize(batch.sequence);
    spool.commit().unwrap();
    drop(spool);
    let spool = collector.open().unwrap();
    assert!(spool.knows(&print));
    assert!(!spool.knows(&e2l_collector::fingerprint(&event("b"))));
}

#[test]
fn the_last_event_of_a_container_that_was_read_is_known_after_a_restart() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    assert_eq!(spool.recorded().read_nano(), None);
    let read = |nano, kind, observation| Event {
        kind,
        observation,
        time_nano: nano,
        ..event("a")
    };
    for mut event in [
        read(2000, EventKind::Container, Observation::Observed),
        read(1500, EventKind::Container, Observation::Observed),
        // The clock of the Swarm's leader, and what was not read.
        read(9000, EventKind::Service, Observation::Observed),
        read(8000, EventKind::Container, Observation::Inferred),
        read(7000, EventKind::Collector, Observation::Gap),
    ] {
        spool.take(&mut event, None, 1);
    }
    spool.commit().unwrap();
    drop(spool);
    let mut spool = collector.open().unwrap();
    assert_eq!(spool.recorded().read_nano(), Some(1500));
    // Also if the component in force does not record it.
    let unrecorded = read(1600, EventKind::Container, Observation::Observed);
    spool.pass_over(&unrecorded, None);
    spool.commit().unwrap();
    drop(spool);
    let spool = collector.open().unwrap();
    assert_eq!(spool.recorded().read_nano(), Some(1600));
}

#[test]
fn one_collector_per_spool_and_one_spool_per_collector() {
    let collector = Collector::new();
    let spool = collector.begin();
    let error = Directory::lock(collector.spool_dir()).unwrap_err();
    assert!(matches!(error, SpoolError::Locked(_)), "{error}");
    drop(spool);
    let mut other = collector.owner.clone();
    other.sender.name = "collector-2".to_owned();
    let error = Spool::open(Directory::lock(collector.spool_dir()).unwrap(), &other)
        .err()
        .unwrap();
    assert!(matches!(error, SpoolError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("collector-1"), "{error}");
    for path in segments(collector.spool_dir()) {
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn an_empty_directory_and_a_torn_beginning_are_no_spool() {
    let collector = Collector::new();
    drop(collector.begin());
    let file = segments(collector.spool_dir()).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    for length in [0, 10, 24, 40] {
        std::fs::write(&file, &bytes[..length]).unwrap();
        let opened = Spool::open(Directory::lock(collector.spool_dir()).unwrap(), &collector.owner).unwrap();
        assert!(opened.is_err(), "{length}");
        assert!(segments(collector.spool_dir()).is_empty(), "{length}");
    }
}

#[test]
fn events_beyond_memory_are_read_from_disk() {
    let collector = Collector::new();
    let mut spool = collector.begin();
    let big = "x".repeat(250_000);
    for number in 0..300 {
        let mut event = event(&number.to_string());
        event.attributes.insert("big".to_owned(), big.clone());
        spool.take(&mut event, None, 1);
        spool.commit().unwrap();
    }
    let mut sequence = 0;
    let limits = BatchLimits::new(&Limits::default(), 500);
    while let Some(batch) = spool.cut(&limits, &collector.signer, 1).unwrap() {
        assert!(unpacked(&batch.packed).encode().len() as u64 <= Limits::default().batch_max_bytes);
        for event in events_of(&batch.packed) {
            sequence += 1;
            assert_eq!(
                (event.sequence, event.attributes["big"].len()),
                (sequence, 250_000)
            );
        }
    }
    assert_eq!(sequence, 300);
}
