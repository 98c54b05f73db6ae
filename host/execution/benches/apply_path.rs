//! The apply path for `scripts/instructions.sh`, which counts its instructions under callgrind: from a proposal's bytes
//! to the durable block, as a follower does it. Time plays no part: [`counted`] alone is counted, on one thread.
//!
//! Usage: `apply_path BLOCKS EVENTS`, the number of counted blocks and of events in each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Its numbers are arguments; nothing that it measures reads them.
#![allow(clippy::disallowed_methods)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::members::Members;
use common::peer::{Orderer, Peer};
use common::{create_event, deep};
use e2l_event::{Event, EventKind, Facts, Observation};
use e2l_ledger::{Canonical, Digest, Domain, Limits, PackedProposal, ValidationCode};
use std::collections::BTreeMap;

/// Containers that the events are about.
const CONTAINERS: u64 = 1000;

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse::<u64>().ok());
    // `cargo test --benches` gives none: the smallest run shows that it works.
    let (blocks, events) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(2));
    deep(|| run(blocks, events));
}

/// One batch fills a block.
fn limits() -> Limits {
    Limits {
        batch_max_transactions: CONTAINERS,
        ..Limits::default()
    }
}

fn run(blocks: u64, events: u64) {
    let members = Members::new(limits());
    let mut peer = Peer::new(&members);
    let mut orderer = Orderer::new(&members);
    let mut number = 0;
    let mut propose = |peer: &Peer, events: u64| {
        let calls = (number..number + events).map(|number| create_event(&event(number)));
        number += events;
        let batch = orderer.batch(calls.collect());
        PackedProposal::pack(&orderer.propose(peer, vec![batch])).encode()
    };
    // Not counted: every container's first event, which no cache knows, and the compilation of the contract.
    let first = propose(&peer, CONTAINERS);
    uncounted(&mut peer, &first);
    for _ in 0..blocks {
        let proposal = propose(&peer, events);
        assert_eq!(counted(&mut peer, &proposal), events as usize);
    }
    println!("{blocks} blocks of {events} events");
}

/// What is counted. Returns the number of valid transactions.
#[inline(never)]
fn counted(peer: &mut Peer, bytes: &[u8]) -> usize {
    uncounted(peer, bytes)
}

fn uncounted(peer: &mut Peer, bytes: &[u8]) -> usize {
    let inspected = PackedProposal::inspect(bytes, &limits(), |_| None).unwrap();
    let block = peer.apply_inspected(inspected);
    let valid = block.results.iter();
    valid
        .filter(|result| result.code == ValidationCode::Valid)
        .count()
}

/// Like an engine's on a Swarm node: about 600 bytes, ids that do not compress.
fn event(number: u64) -> Event {
    let container = number % CONTAINERS;
    let id = |what: &str| Domain::Value.hash(format!("{what} {container}").as_bytes());
    let swarm_id = |what: &str| id(what).to_string()[..25].to_owned();
    let service = format!("shop_api-{}", container % 16);
    let time_nano = 1_800_000_000_000_000_000 + number as i64 * 1_000_003;
    let attributes = [
        ("com.docker.swarm.node.id", swarm_id("node")),
        ("com.docker.swarm.service.id", swarm_id("service")),
        ("com.docker.swarm.service.name", service.clone()),
        ("com.docker.swarm.task.id", swarm_id("task")),
        (
            "com.docker.swarm.task.name",
            format!("{service}.1.{}", swarm_id("task")),
        ),
        ("image", "registry.example.org/shop/api:2.4.1".to_owned()),
        ("name", format!("{service}.1.{}", swarm_id("task"))),
    ];
    let digest: Digest = Domain::Value.hash(b"image");
    Event {
        kind: EventKind::Container,
        action: "start".to_owned(),
        actor_id: id("container").to_string(),
        attributes: BTreeMap::from(attributes.map(|(name, value)| (name.to_owned(), value))),
        scope: "local".to_owned(),
        time: time_nano / 1_000_000_000,
        time_nano,
        received_nano: time_nano + 1000,
        sequence: number + 1,
        observation: Observation::Observed,
        facts: Some(Facts {
            image_digest: Some(format!("sha256:{digest}")),
            started_nano: Some(time_nano),
            finished_nano: None,
            exit_code: None,
            oom_killed: None,
        }),
    }
}
