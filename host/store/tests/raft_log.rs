//! The Raft log: order, truncation, purging, and what it does with damaged files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_store::{RaftLog, StoreError};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

fn payload(index: u64) -> Vec<u8> {
    format!("entry {index} ").repeat(20).into_bytes()
}

fn entries(range: std::ops::Range<u64>) -> Vec<(u64, Vec<u8>)> {
    range.map(|index| (index, payload(index))).collect()
}

fn open(dir: &Path) -> RaftLog {
    RaftLog::open(dir).unwrap()
}

/// The newest write-ahead log: where records are until a file is written.
fn wal(dir: &Path) -> PathBuf {
    let mut logs: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs.pop().unwrap()
}

fn raw(dir: &Path) -> rocksdb::DB {
    rocksdb::DB::open_cf(&rocksdb::Options::default(), dir, ["entries", "meta"]).unwrap()
}

#[test]
fn what_was_appended_and_flushed_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!((log.first_index(), log.last_index()), (None, None));
    assert_eq!((log.vote().unwrap(), log.committed().unwrap()), (None, None));
    log.append(&entries(0..10)).unwrap();
    log.append(&[]).unwrap();
    log.append(&entries(10..12)).unwrap();
    assert_eq!(
        log.entries(0..100).unwrap(),
        entries(0..12),
        "readable before the flush"
    );
    log.flush().unwrap();
    log.save_vote(b"vote").unwrap();
    log.save_committed(b"committed").unwrap();
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.entries(3..5).unwrap(), entries(3..5));
    assert_eq!(log.entries(20..30).unwrap(), []);
    assert_eq!(log.entries(5..5).unwrap(), []);
    assert_eq!((log.first_index(), log.last_index()), (Some(0), Some(11)));
    assert_eq!(log.vote().unwrap().as_deref(), Some(b"vote".as_slice()));
    assert_eq!(log.committed().unwrap().as_deref(), Some(b"committed".as_slice()));
}

#[test]
fn gaps_and_overlaps_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(&entries(0..3)).unwrap();
    for wrong in [entries(4..5), entries(2..3), vec![(3, vec![]), (5, vec![])]] {
        assert!(matches!(
            log.append(&wrong),
            Err(StoreError::NotContiguous { .. })
        ));
    }
    assert_eq!(log.last_index(), Some(2), "a refused append leaves nothing");
    log.append(&entries(3..4)).unwrap();
}

#[test]
fn truncation_takes_the_end_away_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(&entries(0..10)).unwrap();
    log.truncate_from(10).unwrap();
    assert_eq!(log.last_index(), Some(9), "nothing to truncate");
    log.truncate_from(4).unwrap();
    assert_eq!(log.last_index(), Some(3));
    log.append(&[(4, b"another".to_vec())]).unwrap();
    log.flush().unwrap();
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.last_index(), Some(4));
    assert_eq!(log.entries(4..9).unwrap(), [(4, b"another".to_vec())]);
    log.truncate_from(0).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (None, None));
    log.append(&entries(7..9)).unwrap();
    drop(log);
    assert_eq!(
        open(dir.path()).first_index(),
        Some(7),
        "an empty log starts anywhere"
    );
}

#[test]
fn purging_keeps_the_rest_and_the_marker() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(&entries(0..10)).unwrap();
    log.purge_to(3, b"marker 3").unwrap();
    log.purge_to(2, b"older").unwrap();
    assert_eq!(log.purged().unwrap(), Some((3, b"marker 3".to_vec())));
    assert_eq!(log.entries(0..6).unwrap(), entries(4..6));
    assert!(matches!(
        log.truncate_from(3),
        Err(StoreError::BelowPurged { index: 3, purged: 3 })
    ));
    drop(log);
    let log = open(dir.path());
    assert_eq!((log.first_index(), log.last_index()), (Some(4), Some(9)));
    log.purge_to(20, b"snapshot").unwrap();
    assert_eq!(
        (log.first_index(), log.last_index()),
        (None, None),
        "purged beyond the end"
    );
    assert!(matches!(
        log.append(&entries(10..11)),
        Err(StoreError::NotContiguous {
            expected: 21,
            given: 10
        })
    ));
    drop(log);
    let log = open(dir.path());
    log.append(&entries(21..23)).unwrap();
    drop(log);
    assert_eq!(open(dir.path()).entries(0..99).unwrap(), entries(21..23));
}

/// Bytes in files of the log's entries.
fn bytes_in_files(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    let tables = files.filter(|file| file.file_name().to_string_lossy().ends_with(".sst"));
    tables.map(|file| file.metadata().unwrap().len()).sum()
}

#[test]
fn purging_removes_whole_files_and_no_live_entry_of_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let large: Vec<(u64, Vec<u8>)> = (0..=10)
        .map(|index| (index, vec![index as u8; 100_000]))
        .collect();
    log.append(&large).unwrap();
    drop(log);
    // One file with entries 0 to 10 in the lowest level, as compaction leaves it.
    let db = raw(dir.path());
    db.compact_range_cf(db.cf_handle("entries").unwrap(), None::<&[u8]>, None::<&[u8]>);
    drop(db);
    let log = open(dir.path());
    assert!(bytes_in_files(dir.path()) > 1000, "there is a file");
    log.append(&entries(11..12)).unwrap();
    log.purge_to(9, b"marker").unwrap();
    assert_eq!(
        log.entries(0..11).unwrap(),
        large[10..],
        "the last entry of the file is alive"
    );
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.entries(0..11).unwrap(), large[10..]);
    let before = bytes_in_files(dir.path());
    log.purge_to(10, b"marker").unwrap();
    assert_eq!(log.entries(0..99).unwrap(), entries(11..12));
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.entries(0..99).unwrap(), entries(11..12));
    assert!(
        bytes_in_files(dir.path()) < before,
        "the file is gone without a compaction"
    );
}

#[test]
fn large_entries_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let large = vec![0x5a; 2 << 20];
    // Files are written behind it while it goes on: every purge ends within one.
    for index in 0..120_u64 {
        log.append(&[(index, large.clone())]).unwrap();
        if index % 10 == 9 {
            log.flush().unwrap();
            log.purge_to(index - 5, b"marker").unwrap();
            let kept: Vec<u64> = log
                .entries(0..1000)
                .unwrap()
                .into_iter()
                .map(|(index, _)| index)
                .collect();
            assert_eq!(kept, (index - 4..=index).collect::<Vec<_>>());
        }
    }
    drop(log);
    let log = open(dir.path());
    assert_eq!((log.first_index(), log.last_index()), (Some(115), Some(119)));
}

#[test]
fn a_torn_last_write_that_was_not_flushed_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(&entries(0..5)).unwrap();
    log.flush().unwrap();
    log.append(&entries(5..6)).unwrap();
    drop(log);
    let path = wal(dir.path());
    let length = path.metadata().unwrap().len();
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 7)
        .unwrap();
    let log = open(dir.path());
    assert_eq!(log.entries(0..9).unwrap(), entries(0..5));
    log.append(&entries(5..6)).unwrap();
}

#[test]
fn a_flipped_byte_in_the_middle_refuses_to_open() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for index in 0..50 {
        log.append(&entries(index..index + 1)).unwrap();
    }
    log.flush().unwrap();
    drop(log);
    let path = wal(dir.path());
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let middle = path.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).unwrap();
    file.write_all_at(&[byte[0] ^ 1], middle).unwrap();
    let error = RaftLog::open(dir.path())
        .err()
        .expect("it must not open")
        .to_string();
    assert!(
        error.contains("orrupt") && error.contains(&dir.path().display().to_string()),
        "{error}"
    );
}

#[test]
fn an_altered_or_missing_record_refuses_to_open_and_is_named() {
    let alter = |key: u64, change: &dyn Fn(&rocksdb::DB, [u8; 8])| {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        log.append(&entries(0..10)).unwrap();
        log.purge_to(1, b"marker").unwrap();
        drop(log);
        change(&raw(dir.path()), key.to_be_bytes());
        RaftLog::open(dir.path())
            .err()
            .expect("it must not open")
            .to_string()
    };
    let flipped = alter(5, &|db, key| {
        let column = db.cf_handle("entries").unwrap();
        let mut record = db.get_cf(column, key).unwrap().unwrap();
        record[20] ^= 0x10;
        db.put_cf(column, key, record).unwrap();
    });
    assert!(
        flipped.contains("entries record `5`") && flipped.contains("restore"),
        "{flipped}"
    );
    let remove =
        |db: &rocksdb::DB, key: [u8; 8]| db.delete_cf(db.cf_handle("entries").unwrap(), key).unwrap();
    let hole = alter(6, &remove);
    assert!(hole.contains("record `6`") && hole.contains("missing"), "{hole}");
    let above_marker = alter(2, &remove);
    assert!(
        above_marker.contains("record `2`") && above_marker.contains("missing"),
        "{above_marker}"
    );
}

#[test]
fn a_corrupt_vote_is_an_error_and_never_no_vote() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.save_vote(b"term 7 for peer 2").unwrap();
    drop(log);
    let good = {
        let db = raw(dir.path());
        db.get_cf(db.cf_handle("meta").unwrap(), "vote").unwrap().unwrap()
    };
    let mut flipped = good.clone();
    flipped[9] ^= 1;
    for bad in [
        b"".to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good[..], b"x"].concat(),
        flipped,
    ] {
        let db = raw(dir.path());
        db.put_cf(db.cf_handle("meta").unwrap(), "vote", bad).unwrap();
        drop(db);
        let error = RaftLog::open(dir.path())
            .err()
            .expect("it must not open")
            .to_string();
        assert!(
            error.contains("meta record `vote`") && error.contains("corrupt"),
            "{error}"
        );
    }
}

#[test]
fn a_height_is_noted_upwards_and_survives() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!(log.height().unwrap(), None);
    for (note, known) in [(0, 0), (7, 7), (3, 7)] {
        log.note_height(note).unwrap();
        assert_eq!(log.height().unwrap(), Some(known));
    }
    drop(log);
    assert_eq!(open(dir.path()).height().unwrap(), Some(7));
}

#[test]
fn the_last_index_of_all_is_an_index_as_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(&[(1, b"one".to_vec())]).unwrap();
    log.purge_to(u64::MAX, b"marker").unwrap();
    assert_eq!(log.purged_index(), Some(u64::MAX));
    assert_eq!(log.entries(0..u64::MAX).unwrap(), []);
    drop(log);
    assert_eq!(open(dir.path()).purged_index(), Some(u64::MAX));
}
