//! The ledger: blocks come back as they were written, views stand still, logs tell where they come from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Chain, all_log, call, event, genesis};
use e2l_ledger::{Canonical, Digest, Envelope, Signer, StateKey};
use e2l_store::{BlockWrite, Intruder, LedgerStore, LogItem, LogRun, LogValue, StoreError, StoreOptions};
use std::path::Path;

fn open(dir: &Path) -> LedgerStore {
    LedgerStore::open(dir, &StoreOptions::default()).unwrap()
}

fn new(dir: &Path) -> (LedgerStore, Chain) {
    let genesis = genesis("test");
    let store = open(dir);
    store.initialize(&genesis).unwrap();
    (store, Chain::new(&genesis))
}

fn write(store: &LedgerStore, block: &e2l_ledger::Block) -> Result<(), StoreError> {
    store.write_block(&BlockWrite {
        block,
        state: Vec::new(),
        logs: Vec::new(),
        packed: Vec::new(),
        raft_applied: b"applied",
        acknowledges: false,
        endorsement: None,
    })
}

#[test]
fn a_ledger_belongs_to_its_genesis() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(matches!(store.tip(), Err(StoreError::NotInitialized(_))));
    let genesis = genesis("test");
    store.initialize(&genesis).unwrap();
    store.initialize(&genesis).unwrap();
    let tip = store.tip().unwrap();
    assert_eq!((tip.height, &tip.header), (0, &genesis.header()));
    assert_eq!(
        (tip.header_digest, tip.proposal_digest),
        (genesis.header().digest(), genesis.digest())
    );
    assert_eq!(tip.raft_applied, None);
    assert_eq!(
        store.view().get(&StateKey::config()).unwrap().unwrap(),
        genesis.config.encode()
    );
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.tip().unwrap(), tip);
    let error = store.initialize(&common::genesis("other")).unwrap_err();
    assert!(matches!(error, StoreError::OtherGenesis { .. }), "{error}");
}

#[test]
fn blocks_come_back_byte_for_byte_with_requests_batches_and_refused_envelopes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut chain) = new(dir.path());
    let mut blocks = Vec::new();
    for height in 0..3_u8 {
        let batch = chain.batch((0..5).map(|n| call(event(n, 300))).collect());
        let refused = chain.batch((0..4).map(|n| call(event(n, 100))).collect());
        let mut lying = chain.batch(vec![call(b"signed".to_vec()), call(b"too".to_vec())]);
        lying.calls[1] = call(b"another call than was signed".to_vec());
        let mut empty = chain.batch(Vec::new());
        empty.header.count = 9;
        let envelopes = vec![
            Envelope::Batch(refused),
            chain.request(height * 2, b"executed"),
            Envelope::Batch(batch),
            Envelope::Batch(lying),
            Envelope::Batch(empty),
            chain.request(height * 2 + 1, b"refused"),
        ];
        let block = chain.block(&store.tip().unwrap(), envelopes, &[0, 3, 4, 5]);
        assert_eq!(block.results.len(), 1 + 1 + 5 + 1 + 1 + 1);
        write(&store, &block).unwrap();
        blocks.push(block);
    }
    let check = |store: &LedgerStore| {
        let view = store.view();
        for block in &blocks {
            let height = block.header.height;
            assert_eq!(view.block(height).unwrap().unwrap().encode(), block.encode());
            assert_eq!(view.header(height).unwrap().as_ref(), Some(&block.header));
            for (index, result) in block.results.iter().enumerate() {
                assert_eq!(
                    view.transaction(&result.id).unwrap(),
                    Some((height, index as u32))
                );
            }
            let Envelope::Batch(executed) = &*block.proposal.envelopes[2] else {
                panic!("a batch")
            };
            let sender = &executed.header.sender;
            let place = view.batch(sender, 1, executed.header.sequence).unwrap().unwrap();
            assert_eq!(
                (place.height, place.first_index, place.digest),
                (height, 2, executed.header.digest())
            );
            let Envelope::Batch(refused) = &*block.proposal.envelopes[0] else {
                panic!("a batch")
            };
            assert_eq!(
                view.batch(sender, 1, refused.header.sequence).unwrap(),
                None,
                "nothing is consumed"
            );
            assert_eq!(view.transaction(&refused.header.transaction_id(0)).unwrap(), None);
        }
        assert_eq!(view.block(0).unwrap(), None);
        assert_eq!((view.block(4).unwrap(), view.header(4).unwrap()), (None, None));
        let mut prefix_only = blocks[0].results[1].id;
        prefix_only.0[31] ^= 1;
        assert_eq!(
            view.transaction(&prefix_only).unwrap(),
            None,
            "the whole id counts"
        );
    };
    check(&store);
    drop(store);
    check(&open(dir.path()));
}

#[test]
fn an_envelope_that_is_refused_again_keeps_its_first_place() {
    let dir = tempfile::tempdir().unwrap();
    let (store, chain) = new(dir.path());
    let request = chain.request(1, b"again");
    for refused in [vec![0_usize, 1], vec![0, 1]] {
        let block = chain.block(
            &store.tip().unwrap(),
            vec![request.clone(), request.clone()],
            &refused,
        );
        write(&store, &block).unwrap();
    }
    assert_eq!(store.view().transaction(&request.digest()).unwrap(), Some((1, 0)));
}

#[test]
fn only_the_next_consistent_block_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut chain) = new(dir.path());
    let genesis_tip = store.tip().unwrap();
    let first = chain.events(&genesis_tip, 3, 200).write(&store);
    let tip = store.tip().unwrap();
    assert_eq!((tip.height, tip.header_digest), (1, first.header.digest()));
    assert_eq!(tip.proposal_digest, first.proposal.header.digest());
    assert_eq!(tip.raft_applied.as_deref(), Some(b"applied".as_slice()));
    let good = chain.events(&tip, 2, 200).block;
    let wrong = |change: &dyn Fn(&mut e2l_ledger::Block)| {
        let mut block = good.clone();
        change(&mut block);
        let error = write(&store, &block).unwrap_err();
        assert!(matches!(error, StoreError::BadBlock { .. }), "{error}");
    };
    wrong(&|block| *block = first.clone());
    wrong(&|block| block.header.previous = Digest::ZERO);
    wrong(&|block| block.header.network = Digest::ZERO);
    wrong(&|block| block.results[0].fuel += 1);
    wrong(&|block| block.header.time_nano = 0);
    let log_from_nowhere = BlockWrite {
        block: &good,
        state: Vec::new(),
        logs: vec![LogRun {
            log: all_log().hash(),
            first: 0,
            items: vec![LogItem {
                index: 2,
                value: LogValue::Inline(vec![]),
            }],
            nodes: Vec::new(),
        }],
        packed: Vec::new(),
        raft_applied: b"",
        acknowledges: false,
        endorsement: None,
    };
    assert!(matches!(
        store.write_block(&log_from_nowhere),
        Err(StoreError::BadBlock { .. })
    ));
    assert_eq!(store.tip().unwrap(), tip, "a refused block leaves nothing");
    write(&store, &good).unwrap();
    store.save_raft_applied(b"membership").unwrap();
    drop(store);
    let tip = open(dir.path()).tip().unwrap();
    assert_eq!(
        (tip.height, tip.raft_applied.as_deref()),
        (2, Some(b"membership".as_slice()))
    );
}

#[test]
fn a_view_stands_still_while_blocks_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut chain) = new(dir.path());
    chain.events(&store.tip().unwrap(), 10, 200).write(&store);
    let view = store.view();
    let before = view.log_read(&all_log(), 0, 100).unwrap();
    assert_eq!(before.len(), 10);
    let reader = std::thread::spawn({
        let view = view.clone();
        move || (0..200).all(|_| view.log_read(&all_log(), 0, 100).unwrap().len() == 10)
    });
    for _ in 0..20 {
        chain.events(&store.tip().unwrap(), 10, 200).write(&store);
    }
    assert!(reader.join().unwrap());
    assert_eq!((view.height(), store.view().height()), (1, 21));
    assert_eq!(view.log_read(&all_log(), 0, 100).unwrap(), before);
    assert_eq!((view.header(2).unwrap(), view.block(2).unwrap()), (None, None));
    assert!(view.block(1).unwrap().is_some());
    assert_eq!(store.view().log_head(&all_log()).unwrap().length, 210);
    drop(store);
    assert_eq!(
        view.log_read(&all_log(), 0, 100).unwrap(),
        before,
        "a view outlives the store's handle"
    );
}

#[test]
fn logs_are_read_in_pages_with_provenance() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut chain) = new(dir.path());
    let mut expected = Vec::new();
    for _ in 0..7 {
        let block = chain.events(&store.tip().unwrap(), 10, 250).write(&store);
        for (index, result) in block.results.iter().enumerate() {
            let Envelope::Batch(batch) = &*block.proposal.envelopes[0] else {
                panic!("a batch")
            };
            let argument = batch.calls[index].argument.clone();
            expected.push((
                result.id,
                block.header.height,
                index as u32,
                block.header.time_nano,
                argument,
            ));
        }
    }
    let view = store.view();
    let mut read = Vec::new();
    loop {
        let page = view.log_read(&all_log(), read.len() as u64, 11).unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read.len(), 70);
    for (position, (entry, expected)) in read.iter().zip(&expected).enumerate() {
        let at = &entry.provenance;
        assert_eq!(entry.position, position as u64);
        assert_eq!(&*at.sender, chain.collector.certificate().member());
        let found = (
            at.transaction,
            at.height,
            at.index,
            at.block_time_nano,
            entry.value.clone(),
        );
        assert_eq!(&found, expected);
    }
    let one = view.log_read(&StateKey::log("events", b"c13"), 0, 9).unwrap();
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].value, expected[13].4);
    assert_eq!(
        view.log_read(&StateKey::log("events", b"nobody"), 0, 9).unwrap(),
        []
    );
    assert_eq!(view.log_read(&all_log(), 70, 9).unwrap(), []);
    assert_eq!(view.log_read(&all_log(), u64::MAX, usize::MAX).unwrap(), []);
}

#[test]
fn a_log_value_is_inline_or_a_part_of_the_argument() {
    let dir = tempfile::tempdir().unwrap();
    let (store, chain) = new(dir.path());
    let block = chain.block(&store.tip().unwrap(), vec![chain.request(1, b"0123456789")], &[]);
    let log = StateKey::log("events", b"log");
    let values = [
        LogValue::Inline(b"inline".to_vec()),
        LogValue::Range { offset: 3, length: 4 },
        LogValue::Range {
            offset: 10,
            length: 0,
        },
        LogValue::Range { offset: 8, length: 3 },
    ];
    let head = e2l_ledger::LogHead {
        length: 4,
        peaks: vec![Digest::ZERO],
    };
    let items = values.into_iter().map(|value| LogItem { index: 0, value });
    let run = LogRun {
        log: log.hash(),
        first: 0,
        items: items.collect(),
        nodes: Vec::new(),
    };
    store
        .write_block(&BlockWrite {
            block: &block,
            state: vec![(log.clone(), Some(head.encode())), (StateKey::config(), None)],
            logs: vec![run],
            packed: Vec::new(),
            raft_applied: b"",
            acknowledges: false,
            endorsement: None,
        })
        .unwrap();
    let view = store.view();
    let values: Vec<Vec<u8>> = view
        .log_read(&log, 0, 3)
        .unwrap()
        .into_iter()
        .map(|entry| entry.value)
        .collect();
    assert_eq!(values, [b"inline".to_vec(), b"3456".to_vec(), Vec::new()]);
    let error = view.log_read(&log, 3, 1).unwrap_err().to_string();
    assert!(
        error.contains("position 3") && error.contains("more than its transaction's argument"),
        "{error}"
    );
    assert_eq!(view.get(&StateKey::config()).unwrap(), None, "removed");
}

#[test]
fn state_is_scanned_and_walked_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (store, chain) = new(dir.path());
    let block = chain.block(&store.tip().unwrap(), vec![chain.request(1, b"x")], &[]);
    let key = |text: &str| StateKey::value("events", text.as_bytes());
    let state = ["d", "a", "c", "b"].map(|text| (key(text), Some(text.as_bytes().to_vec())));
    store
        .write_block(&BlockWrite {
            block: &block,
            state: state.into(),
            logs: vec![],
            packed: Vec::new(),
            raft_applied: b"",
            acknowledges: false,
            endorsement: None,
        })
        .unwrap();
    let view = store.view();
    let names = |limit| -> Vec<Vec<u8>> {
        let pairs = view.scan(&key("a"), &key("d"), limit).unwrap();
        pairs
            .into_iter()
            .map(|(found, value)| {
                assert_eq!(found.local(), value);
                value
            })
            .collect()
    };
    assert_eq!(names(9), [b"a", b"b", b"c"]);
    assert_eq!(names(2), [b"a", b"b"]);
    assert_eq!(view.scan(&key("d"), &key("a"), 9).unwrap(), []);
    let mut all = Vec::new();
    store.for_each_state(|key, _| all.push(key.clone())).unwrap();
    assert_eq!(all, [StateKey::config(), key("a"), key("b"), key("c"), key("d")]);
}

#[test]
fn a_time_finds_its_height() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut chain) = new(dir.path());
    for _ in 0..9 {
        chain.events(&store.tip().unwrap(), 1, 100).write(&store);
    }
    let view = store.view();
    for time in 990..=1091 {
        // Genesis at 1000, then a block every 10.
        let expected = (0..=9)
            .find(|height| 1000 + height * 10 >= time)
            .map(|height| height as u64);
        assert_eq!(view.header_at_or_after(time).unwrap(), expected, "time {time}");
    }
}

/// Where an envelope's results begin, how many there are and whether it was refused stand in no hash: an intruder who
/// makes checksums anew is still found out.
#[test]
fn what_no_hash_covers_is_compared_with_what_hashes_cover() {
    const SIGNATURE: usize = 32 + 1 + 64;
    const UNHASHED: usize = 4 + 4 + 1;
    let dir = tempfile::tempdir().unwrap();
    let (store, mut chain) = new(dir.path());
    for _ in 0..3 {
        chain.events(&store.tip().unwrap(), 4, 200).write(&store);
    }
    drop(store);
    let record = || {
        let records = Intruder::open(dir.path()).unwrap().records("blocks").unwrap();
        let key = 2_u64.to_be_bytes();
        records.into_iter().find(|record| record.key == key).unwrap()
    };
    let good = record();
    let end = good.value.len() - SIGNATURE;
    for at in end - UNHASHED..end {
        for bit in [1, 0x80] {
            let mut bad = good.clone();
            bad.value[at] ^= bit;
            Intruder::open(dir.path())
                .unwrap()
                .put_with_checksum(&bad)
                .unwrap();
            let read = open(dir.path()).view().block(2);
            assert!(read.is_err(), "byte {at} bit {bit} is not found");
        }
    }
    Intruder::open(dir.path()).unwrap().put(&good).unwrap();
    assert!(open(dir.path()).view().block(2).unwrap().is_some());
}

#[test]
fn altered_records_are_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut chain) = new(dir.path());
    let mut blocks = Vec::new();
    for _ in 0..3 {
        blocks.push(chain.events(&store.tip().unwrap(), 4, 200).write(&store));
    }
    drop(store);
    let height = 2_u64.to_be_bytes();
    let transactions = [&height[..], &0_u32.to_be_bytes()[..]].concat();
    let alter = |column: &str, key: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), Intruder::COLUMNS).unwrap();
        let handle = db.cf_handle(column).unwrap();
        let good = db.get_cf(handle, key).unwrap().unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        db.put_cf(handle, key, bad).unwrap();
        good
    };
    for (column, key) in [
        ("headers", &height[..]),
        ("blocks", &height[..]),
        ("transactions", &transactions[..]),
    ] {
        let good = alter(column, key, &|record| record[30] ^= 1);
        let error = open(dir.path()).view().block(2).unwrap_err().to_string();
        assert!(
            error.contains(column) && error.contains("height 2") && error.contains("restore"),
            "{error}"
        );
        assert!(
            open(dir.path()).view().block(3).unwrap().is_some(),
            "others are served"
        );
        alter(column, key, &|record| record.clone_from(&good));
    }
    assert_eq!(open(dir.path()).view().block(2).unwrap().unwrap(), blocks[1]);
    // The newest block is checked at the door.
    let height = 3_u64.to_be_bytes();
    for column in ["headers", "blocks"] {
        let good = alter(column, &height, &|record| record[30] ^= 1);
        let error = LedgerStore::open(dir.path(), &StoreOptions::default())
            .err()
            .expect("must not open")
            .to_string();
        assert!(error.contains(column) && error.contains("height 3"), "{error}");
        alter(column, &height, &|record| record.clone_from(&good));
    }
    alter("meta", b"tip", &|record| record[20] ^= 1);
    let error = LedgerStore::open(dir.path(), &StoreOptions::default())
        .err()
        .expect("must not open")
        .to_string();
    assert!(error.contains("meta record `tip`"), "{error}");
}
