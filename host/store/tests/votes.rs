//! Votes and the sign-once record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Chain, TestSigner, genesis};
use e2l_ledger::{Acknowledgement, Digest, Domain, Endorsement, Role, SignedVote, Vote};
use e2l_store::{ActorVote, BlockWrite, LedgerStore, SignRecord, Statement, StoreError, StoreOptions};
use std::path::Path;

fn open(dir: &Path) -> LedgerStore {
    LedgerStore::open(dir, &StoreOptions::default()).unwrap()
}

fn digest(text: &str) -> Digest {
    Domain::Value.hash(text.as_bytes())
}

fn acknowledge(signer: &TestSigner, actor: &str, height: u64, proposal: &str) -> ActorVote {
    let vote = Acknowledgement {
        network: Digest::ZERO,
        height,
        proposal: digest(proposal),
    };
    (
        actor.into(),
        SignedVote::sign(Vote::Acknowledgement(vote), signer),
    )
}

fn endorse(signer: &TestSigner, actor: &str, network: Digest, height: u64, header: Digest) -> ActorVote {
    let vote = Endorsement {
        network,
        height,
        header,
    };
    (actor.into(), SignedVote::sign(Vote::Endorsement(vote), signer))
}

#[test]
fn nothing_is_signed_twice_or_downwards_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.reserve_acknowledgement(5, &digest("a")).unwrap();
    store.reserve_endorsement(3, &digest("h")).unwrap();
    for _ in 0..2 {
        let (_copy, store) = open_again(&store, dir.path());
        store.reserve_acknowledgement(5, &digest("a")).unwrap();
        for (height, proposal) in [(5, "b"), (4, "a"), (4, "b"), (0, "a")] {
            let error = store
                .reserve_acknowledgement(height, &digest(proposal))
                .unwrap_err();
            let StoreError::SignOnce(refused) = &error else {
                panic!("{error}")
            };
            assert_eq!(
                (refused.statement, refused.signed_height),
                (Statement::Acknowledgement, 5)
            );
            let text = error.to_string();
            assert!(text.contains(&digest(proposal).to_string()) && text.contains(&digest("a").to_string()));
        }
        assert!(store.reserve_endorsement(3, &digest("other")).is_err());
        let expected = SignRecord {
            ack: Some((5, digest("a"))),
            endorsement: Some((3, digest("h"))),
        };
        assert_eq!(store.signed(), expected);
    }
    store.reserve_acknowledgement(7, &digest("b")).unwrap();
    assert!(
        store.reserve_acknowledgement(6, &digest("c")).is_err(),
        "a height that was left out stays out"
    );
}

/// A copy of the files as they are now, opened: what a crash at this moment would leave.
fn open_again(_running: &LedgerStore, dir: &Path) -> (tempfile::TempDir, LedgerStore) {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "LOCK" {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let store = open(copy.path());
    (copy, store)
}

#[test]
fn an_endorsement_is_recorded_with_its_block_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis("test");
    let store = open(dir.path());
    store.initialize(&genesis).unwrap();
    let mut chain = Chain::new(&genesis);
    let block = chain.events(&store.tip().unwrap(), 2, 100).block;
    let header = block.header.digest();
    let write = |vote: &ActorVote| {
        store.write_block(&BlockWrite {
            block: &block,
            state: vec![],
            logs: vec![],
            packed: Vec::new(),
            raft_applied: b"",
            acknowledges: false,
            endorsement: Some(vote),
        })
    };
    let peer = &chain.peer;
    let network = genesis.digest();
    for wrong in [
        endorse(peer, "provider", network, 2, header),
        endorse(peer, "provider", network, 1, digest("other")),
        endorse(peer, "provider", Digest::ZERO, 1, header),
        acknowledge(peer, "provider", 1, "x"),
    ] {
        assert!(matches!(write(&wrong), Err(StoreError::BadBlock { .. })));
    }
    assert_eq!(
        (store.tip().unwrap().height, store.signed()),
        (0, SignRecord::default())
    );
    let own = endorse(peer, "provider", network, 1, header);
    write(&own).unwrap();
    assert_eq!(store.signed().endorsement, Some((1, header)));
    assert_eq!(store.votes(1).unwrap(), std::slice::from_ref(&own));
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.signed().endorsement, Some((1, header)));
    assert_eq!(store.newest_votes(), [own]);
    store.reserve_endorsement(1, &header).unwrap();
    // Another header at a height that was signed: the block is not written either.
    store.reserve_endorsement(2, &digest("forged")).unwrap();
    let block = chain.events(&store.tip().unwrap(), 2, 100).block;
    let vote = endorse(&chain.peer, "provider", network, 2, block.header.digest());
    let write = BlockWrite {
        block: &block,
        state: vec![],
        logs: vec![],
        packed: Vec::new(),
        raft_applied: b"",
        acknowledges: false,
        endorsement: Some(&vote),
    };
    assert!(matches!(store.write_block(&write), Err(StoreError::SignOnce(_))));
    assert_eq!(store.tip().unwrap().height, 1);
}

#[test]
fn an_acknowledgement_is_recorded_with_its_block_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis("test");
    let store = open(dir.path());
    store.initialize(&genesis).unwrap();
    let mut chain = Chain::new(&genesis);
    let write = |block: &e2l_ledger::Block| {
        store.write_block(&BlockWrite {
            block,
            state: vec![],
            logs: vec![],
            packed: Vec::new(),
            raft_applied: b"",
            acknowledges: true,
            endorsement: None,
        })
    };
    let block = chain.events(&store.tip().unwrap(), 2, 100).block;
    write(&block).unwrap();
    assert_eq!(store.signed().ack, Some((1, block.header.proposal)));
    // Another proposal at a height that was acknowledged: the block is not written either.
    store.reserve_acknowledgement(2, &digest("other")).unwrap();
    let block = chain.events(&store.tip().unwrap(), 2, 100).block;
    assert!(matches!(write(&block), Err(StoreError::SignOnce(_))));
    assert_eq!(store.tip().unwrap().height, 1);
    drop(store);
    assert_eq!(open(dir.path()).signed().ack, Some((2, digest("other"))));
}

#[test]
fn votes_are_kept_by_height_and_contradictions_beside_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let signer = TestSigner::new("user", Role::Peer, "peer");
    let first = acknowledge(&signer, "user", 4, "a");
    let contradiction = acknowledge(&signer, "user", 4, "b");
    let header = endorse(&signer, "user", Digest::ZERO, 4, digest("h"));
    let other = acknowledge(&signer, "a", 4, "a");
    let older = acknowledge(&signer, "user", 3, "z");
    let all = [
        first.clone(),
        contradiction.clone(),
        header.clone(),
        other.clone(),
        older.clone(),
    ];
    store.save_votes(&all).unwrap();
    store.save_votes(&all[..1]).unwrap();
    store.save_final_height(4).unwrap();
    drop(store);
    let store = open(dir.path());
    let votes = store.votes(4).unwrap();
    assert_eq!(votes.len(), 4);
    for vote in &all[..4] {
        assert!(votes.contains(vote));
    }
    assert_eq!(store.votes(3).unwrap(), [older]);
    assert_eq!(store.votes(5).unwrap(), []);
    assert_eq!(
        store.newest_votes(),
        [other, first, header],
        "the first of a height counts"
    );
    assert_eq!(store.final_height(), 4);
}

#[test]
fn a_new_ledger_takes_over_what_was_signed_and_found_before() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let old = open(dir.path());
    old.reserve_acknowledgement(5, &digest("a")).unwrap();
    old.reserve_endorsement(4, &digest("h")).unwrap();
    old.save_evidence("liar", b"two statements").unwrap();
    old.save_incident("damage", b"what happened").unwrap();
    old.save_dispute("gone with its chain", b"a dispute").unwrap();
    drop(old);

    let new = open(other.path());
    new.reserve_endorsement(9, &digest("later")).unwrap();
    new.save_incident("another", b"since").unwrap();
    for carried in [3, 1] {
        assert_eq!(new.carry_over(dir.path()).unwrap(), carried);
        let expected = SignRecord {
            ack: Some((5, digest("a"))),
            endorsement: Some((9, digest("later"))),
        };
        assert_eq!(new.signed(), expected, "the highest counts");
        assert!(new.reserve_acknowledgement(5, &digest("b")).is_err());
        assert_eq!(
            new.evidence().unwrap(),
            [("liar".to_owned(), b"two statements".to_vec())]
        );
        assert_eq!(new.incidents().unwrap().len(), 2);
        assert_eq!(new.disputes().unwrap(), []);
    }
}

#[test]
fn what_is_damaged_in_a_ledger_that_was_set_aside_is_not_taken_over() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let old = open(dir.path());
    old.save_evidence("altered", b"two statements").unwrap();
    old.save_evidence("whole", b"two statements").unwrap();
    drop(old);
    let intruder = e2l_store::Intruder::open(dir.path()).unwrap();
    let records = intruder.records("meta").unwrap();
    let mut altered = records
        .into_iter()
        .find(|record| record.key == b"evidence/altered")
        .unwrap();
    *altered.value.last_mut().unwrap() ^= 1;
    intruder.put(&altered).unwrap();
    drop(intruder);
    let new = open(other.path());
    assert_eq!(new.carry_over(dir.path()).unwrap(), 1);
    assert_eq!(new.evidence().unwrap()[0].0, "whole");
    // Of what is no database nothing can be read.
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(new.carry_over(nothing.path()).unwrap(), 0);
}
