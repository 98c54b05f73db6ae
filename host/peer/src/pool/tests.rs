//! Order, turns and bounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Load, Pool, PoolOptions, Pooled, Taken};
use e2l_client::wire::{Refusal, refusal::Reason};
use e2l_identity::{Authority, Identity, Validity};
use e2l_ledger::{
    BatchHeader, Block, Call, Digest, Envelope, EnvelopeSource, Header, Inspection, Member, ProposalHeader,
    Role, SenderHead, SignedBatch, SignedProposal, Signer, TransactionResult, ValidationCode,
};
use std::convert::Infallible;
use std::sync::Arc;

/// A collector that makes one batch after the other.
struct Collector {
    identity: Identity,
    head: SenderHead,
}

impl Collector {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let validity = Validity::days(time::OffsetDateTime::now_utc(), 1);
        let authority = Authority::create("provider", validity).unwrap();
        let member = Member {
            actor: "provider".into(),
            role: Role::Collector,
            name: name.into(),
        };
        let issued = authority.issue("test", &member, validity, &[]).unwrap();
        issued.write(directory.path(), "it").unwrap();
        let file = |end: &str| directory.path().join(format!("it.{end}"));
        Self {
            identity: Identity::load(&file("pem"), &file("key")).unwrap(),
            head: SenderHead::default(),
        }
    }

    fn batch(&mut self, events: usize) -> Pooled {
        let calls = vec![
            Call {
                chaincode: "eventdb".into(),
                function: "createEvent".into(),
                argument: vec![7; 100],
            };
            events
        ];
        let header = BatchHeader {
            network: Digest::ZERO,
            sender: self.identity.certificate().member().clone(),
            incarnation: 1,
            sequence: self.head.sequence + 1,
            previous: self.head.digest,
            created_nano: 1,
            count: events as u32,
            calls_root: SignedBatch::calls_root(&calls),
            component: None,
            executable: Digest::ZERO,
        };
        self.head = SenderHead::after(&header);
        let envelope = Envelope::Batch(SignedBatch::sign(header, calls, &self.identity));
        Pooled {
            inspection: Arc::new(Inspection::of(&envelope)),
            envelope: Arc::new(envelope),
            certificate: self.identity.certificate().clone(),
        }
    }
}

fn take(pool: &Pool, pooled: Pooled) -> Result<Taken, Refusal> {
    let known = pool.take(pooled, |_| Ok::<_, Infallible>(SenderHead::default()));
    known.unwrap()
}

fn name_of(pooled: &Pooled) -> (String, u64) {
    match pooled.envelope.source() {
        EnvelopeSource::Batch(member, _, sequence) => (member.name, sequence),
        EnvelopeSource::Request(_) => panic!("no batch"),
    }
}

fn events(transactions: u64) -> Load {
    Load {
        transactions,
        bytes: u64::MAX,
    }
}

#[test]
fn one_that_floods_the_pool_holds_nobody_up() {
    let pool = Pool::new(PoolOptions::default());
    let (mut loud, mut quiet) = (Collector::new("loud"), Collector::new("quiet"));
    for _ in 0..100 {
        take(&pool, loud.batch(10)).unwrap();
    }
    take(&pool, quiet.batch(10)).unwrap();
    take(&pool, quiet.batch(10)).unwrap();
    assert_eq!(pool.unproposed(1).transactions, 1020);
    let first = pool.cut(1, events(40));
    let mut names: Vec<_> = first.iter().map(name_of).collect();
    names.sort();
    let expected = [("loud", 1), ("loud", 2), ("quiet", 1), ("quiet", 2)];
    assert_eq!(names, expected.map(|(name, number)| (name.to_owned(), number)));
    let forwarded: Vec<_> = pool.to_forward(1, 10_000).iter().map(name_of).collect();
    assert!(forwarded.contains(&("quiet".to_owned(), 2)), "{forwarded:?}");
}

#[test]
fn every_batch_is_cut_once_per_term_and_in_order() {
    let pool = Pool::new(PoolOptions::default());
    let mut collectors = [Collector::new("a"), Collector::new("b"), Collector::new("c")];
    for round in 0..30 {
        for (number, collector) in collectors.iter_mut().enumerate() {
            if round % (number + 1) == 0 {
                take(&pool, collector.batch(3)).unwrap();
            }
        }
    }
    for term in [4, 5] {
        let mut seen: Vec<(String, u64)> = Vec::new();
        loop {
            let cut = pool.cut(term, events(10));
            if cut.is_empty() {
                break;
            }
            assert!(cut.len() <= 3);
            seen.extend(cut.iter().map(name_of));
        }
        assert_eq!(pool.unproposed(term), Load::default());
        for (name, count) in [("a", 30), ("b", 15), ("c", 10)] {
            let own = seen
                .iter()
                .filter(|(of, _)| of == name)
                .map(|(_, number)| *number);
            assert_eq!(own.collect::<Vec<_>>(), (1..=count).collect::<Vec<_>>(), "{name}");
        }
    }
    pool.unpropose();
    assert_eq!(pool.unproposed(5).transactions, 3 * 55);
    assert_eq!(name_of(&pool.cut(5, events(1))[0]).1, 1, "one always fits");
}

#[test]
fn what_was_refused_goes_with_what_follows_it_and_may_come_again() {
    let pool = Pool::new(PoolOptions::default());
    let mut collector = Collector::new("a");
    let batches: Vec<_> = (0..5).map(|_| collector.batch(1)).collect();
    for batch in &batches {
        take(&pool, batch.clone()).unwrap();
    }
    assert_eq!(pool.cut(1, events(4)).len(), 4);
    for batch in &batches {
        pool.forwarded(&batch.envelope.source(), 1);
    }
    let dropped = pool.drop_envelope(&batches[2].envelope);
    assert_eq!(dropped.len(), 3);
    assert_eq!(pool.unproposed(1), Load::default());
    assert!(pool.to_forward(1, 10_000).is_empty());
    for batch in &batches[2..] {
        take(&pool, batch.clone()).unwrap();
    }
    assert_eq!(pool.unproposed(1).transactions, 3);
    let again: Vec<_> = pool.to_forward(1, 10_000).iter().map(|p| name_of(p).1).collect();
    assert_eq!(again, [3, 4, 5]);
    let cut: Vec<_> = pool.cut(1, events(9)).iter().map(|p| name_of(p).1).collect();
    assert_eq!(cut, [3, 4, 5]);
}

#[test]
fn one_sender_leaves_room_for_the_next() {
    let mut loud = Collector::new("loud");
    let size = loud.batch(10).envelope.size();
    let mut loud = Collector::new("loud");
    let pool = Pool::new(PoolOptions {
        max_bytes: 12 * size,
        ..PoolOptions::default()
    });
    let refused = (0..12).find_map(|_| take(&pool, loud.batch(10)).err()).unwrap();
    assert_eq!(refused.reason(), Reason::Busy);
    let (batches, held) = pool.load();
    assert_eq!((batches, held), (6, 6 * size as u64), "half of it, alone");
    let mut quiet = Collector::new("quiet");
    for _ in 0..3 {
        take(&pool, quiet.batch(9)).unwrap();
    }
    assert_eq!(take(&pool, quiet.batch(10)).unwrap_err().reason(), Reason::Busy);
    let mut third = Collector::new("third");
    take(&pool, third.batch(9)).unwrap();
}

/// A block of these batches, as far as a pool looks at it.
fn block(batches: &[&Pooled]) -> Block {
    let envelopes: Vec<Envelope> = batches.iter().map(|batch| (*batch.envelope).clone()).collect();
    let results = envelopes.iter().map(|_| TransactionResult {
        id: Digest::ZERO,
        code: ValidationCode::Valid,
        fuel: 0,
        output: Vec::new(),
    });
    Block {
        header: Header {
            network: Digest::ZERO,
            height: 1,
            previous: Digest::ZERO,
            proposal: Digest::ZERO,
            data_root: Digest::ZERO,
            envelopes: envelopes.len() as u32,
            results_root: Digest::ZERO,
            transactions: envelopes.len() as u32,
            state_root: Digest::ZERO,
            config_root: Digest::ZERO,
            next_config_root: Digest::ZERO,
            time_nano: 1,
        },
        results: results.collect(),
        proposal: SignedProposal {
            header: ProposalHeader {
                network: Digest::ZERO,
                leader: batches[0].certificate.member().clone(),
                term: 1,
                height: 1,
                previous: Digest::ZERO,
                time_nano: 1,
                certificates_root: Digest::ZERO,
                envelopes_root: Digest::ZERO,
                envelopes: envelopes.len() as u32,
            },
            certificates: Vec::new(),
            signature: envelopes[0].signature().clone(),
            envelopes: envelopes.into_iter().map(Arc::new).collect(),
        },
    }
}

#[test]
fn what_waits_under_a_number_that_a_block_gives_to_another_batch_is_shown() {
    let pool = Pool::new(PoolOptions::default());
    let (mut honest, mut liar) = (Collector::new("honest"), Collector::new("liar"));
    let same = honest.batch(1);
    let told_here = [liar.batch(1), liar.batch(1)];
    // Under the same numbers, at another peer.
    liar.head = SenderHead::default();
    let mut told_there = liar.batch(1);
    if let Envelope::Batch(batch) = &*told_there.envelope {
        let mut header = batch.header.clone();
        header.created_nano = 2;
        liar.head = SenderHead::after(&header);
        let signed = SignedBatch::sign(header, batch.calls.clone(), &liar.identity);
        told_there.envelope = Arc::new(Envelope::Batch(signed));
    }
    for batch in told_here.iter().chain([&same]) {
        take(&pool, batch.clone()).unwrap();
    }
    let block = block(&[&told_there, &same]);
    let rivals = pool.executed(&block, super::heads_after(&block));
    assert_eq!(rivals.len(), 1, "what the block holds itself is none");
    assert_eq!(rivals[0].envelope, told_here[0].envelope);
    assert_eq!(pool.load().0, 1, "its next one waits on");
}
