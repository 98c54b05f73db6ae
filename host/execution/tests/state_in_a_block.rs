//! What a call sees: its own writes over those of the block over the state below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::members::Members;
use common::peer::{Orderer, Peer, outcomes};
use common::{deep, hostile};
use e2l_ledger::{Call, Limits, ValidationCode};

/// A network of one peer.
struct Ledger<'a> {
    peer: Peer,
    orderer: Orderer<'a>,
}

impl<'a> Ledger<'a> {
    fn new(members: &'a Members) -> Self {
        Self {
            peer: Peer::new(members),
            orderer: Orderer::new(members),
        }
    }

    /// Executes a block; returns the outputs.
    fn block(&mut self, calls: Vec<Call>) -> Vec<String> {
        let batch = self.orderer.batch(calls);
        let proposal = self.orderer.propose(&self.peer, vec![batch]);
        let found = outcomes(&self.peer.apply(&proposal));
        let valid = |(code, output): (ValidationCode, String)| {
            assert_eq!(code, ValidationCode::Valid, "{output}");
            output
        };
        found.into_iter().map(valid).collect()
    }
}

fn keys(lines: &str) -> Vec<u64> {
    let number = |line: &str| line.trim_start_matches("fill/").parse().unwrap();
    lines.lines().map(number).collect()
}

/// Every limit about which strides could go wrong.
const LIMITS: [usize; 11] = [1, 2, 49, 50, 51, 63, 64, 65, 128, 159, 1000];

#[test]
fn a_scan_sees_all_layers() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut ledger = Ledger::new(&members);
        // Filling a key twice removes it. First block: 0..200 without the even hundred.
        ledger.block(vec![hostile("fill", "0 200"), hostile("fill", "100 101")]);
        // Second block: holes at both ends and in the middle, new keys among and behind the old ones.
        let changes = ["0 3", "50 100", "60 62", "100 101", "190 200", "300 310"];
        let mut calls: Vec<Call> = changes.iter().map(|range| hostile("fill", range)).collect();
        calls.push(hostile("fill-and-scan", "195 305"));
        calls.extend(LIMITS.map(|limit| hostile("scan", &limit.to_string())));
        let mut expected: Vec<u64> = (3..50).chain(60..62).chain(100..190).collect();
        // The last range put back what was gone and removed the first of what was new.
        expected.extend((195..300).chain(305..310));
        let outputs = ledger.block(calls);
        assert_eq!(keys(&outputs[changes.len()]), expected);
        for (limit, output) in LIMITS.iter().zip(&outputs[changes.len() + 1..]) {
            assert_eq!(keys(output), expected[..(*limit).min(expected.len())], "{limit}");
        }
        // The same from the state below alone.
        for limit in LIMITS {
            let found = ledger.peer.query("hostile", "scan", &limit.to_string()).unwrap();
            assert_eq!(keys(&found), expected[..limit.min(expected.len())], "{limit}");
        }
    });
}

#[test]
fn a_log_is_read_through_all_layers() {
    deep(|| {
        let members = Members::new(Limits::default());
        let mut ledger = Ledger::new(&members);
        let mut notes: Vec<String> = Vec::new();
        for (height, reads) in [
            (1, ["0 1", "0 5", "2 1"].as_slice()),
            (2, &["0 100", "1 2", "2 2", "3 1", "4 9", "9 1"]),
            (
                3,
                &["0 0", "8 3", "9 3", "11 100", "12 1", "18446744073709551615 1"],
            ),
        ] {
            let outputs = ledger.block(reads.iter().map(|read| hostile("note-and-read", read)).collect());
            for ((index, read), output) in (0..).zip(reads).zip(outputs) {
                // Its own entry is there when it reads.
                notes.push(format!("{} {height}.{index} {read}\n", notes.len()));
                let (from, limit) = read.split_once(' ').unwrap();
                let from = usize::try_from(from.parse::<u64>().unwrap()).unwrap();
                let wanted = notes.iter().skip(from).take(limit.parse().unwrap());
                assert_eq!(
                    output,
                    wanted.cloned().collect::<String>(),
                    "{read} in block {height}"
                );
            }
        }
    });
}
