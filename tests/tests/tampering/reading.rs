//! Reads all there is as callers do, and compares it with what another peer says.

use crate::stage::CONTAINERS;
use e2l_client::{Verifier, wire};
use e2l_ledger::proof::FinalHeaderProof;
use e2l_ledger::{Block, Canonical, Digest, LogEntry, Member, SenderHead, SignedVote};
use e2l_peer::inside::Mender;
use e2l_tests::Members;
use futures::TryStreamExt;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tonic::{Code, Status};

/// The contract.
const EVENTDB: &str = "eventdb";
/// Most entries asked for.
const PAGE: usize = 1000;

/// What is true: as two peers say that nobody edits.
pub struct Truth {
    /// Every block; number 1 first.
    pub blocks: Vec<Block>,
    /// Of each height, the header that is final.
    headers: Vec<Digest>,
    logs: HashMap<Vec<u8>, Vec<LogEntry>>,
    sender: Member,
    head: SenderHead,
    events: Vec<(Vec<u8>, u64, u32, Vec<u8>)>,
    queries: Vec<(&'static str, String, Value)>,
}

/// What reading everything gave.
#[derive(Default)]
pub struct Read {
    /// Heights that are not served.
    pub damaged: BTreeSet<u64>,
    /// Everything that is not served, in words.
    pub refused: Vec<String>,
}

impl Truth {
    /// Asks the other peers, and verifies all that can be.
    pub async fn of(members: &Members, sender: &Member, height: u64) -> Self {
        let mut truth: Option<Self> = None;
        for actor in ["provider", "developer"] {
            let found = Self::at(members, actor, sender, height).await;
            if let Some(known) = &truth {
                assert!(known.blocks == found.blocks && known.logs == found.logs);
                assert!(known.events == found.events && known.queries == found.queries);
            }
            truth = Some(found);
        }
        truth.unwrap()
    }

    async fn at(members: &Members, actor: &str, sender: &Member, height: u64) -> Self {
        let anchor = Arc::new(members.anchor());
        let reader = members.reader(actor).unwrap();
        let verifier = Verifier::new(reader.clone(), anchor);
        let (mut blocks, mut logs) = (Vec::new(), HashMap::new());
        for height in 1..=height {
            blocks.push(verifier.block(height).await.unwrap().0);
        }
        for log in all_logs() {
            let read = verifier.log(EVENTDB, &log).await.unwrap();
            logs.insert(log, read.entries);
        }
        let mut queries = Vec::new();
        for (function, argument) in all_queries() {
            let reply = reader
                .query(EVENTDB, function, argument.clone().into())
                .await
                .unwrap();
            queries.push((function, argument, serde_json::from_slice(&reply.output).unwrap()));
        }
        let replies = reader.events(wire::EventsRequest::default()).await.unwrap();
        let replies: Vec<wire::EventsReply> = replies.try_collect().await.unwrap();
        Self {
            headers: blocks.iter().map(|block: &Block| block.header.digest()).collect(),
            blocks,
            logs,
            sender: sender.clone(),
            head: verifier.sender_head(sender).await.unwrap(),
            events: content(replies),
            queries,
        }
    }

    /// The block of a height.
    pub fn block(&self, height: u64) -> &Block {
        &self.blocks[usize::try_from(height).unwrap() - 1]
    }

    /// Reads all there is up to a height: the truth, or an error.
    pub fn compare(&self, mender: &Mender, up_to: u64) -> Read {
        let mut read = Read::default();
        for height in 1..=up_to {
            self.compare_block(mender, height, &mut read);
        }
        for result in self.blocks.iter().flat_map(|block| &block.results) {
            self.compare_receipt(mender, &result.id, up_to, &mut read);
        }
        if up_to == self.headers.len() as u64 {
            self.compare_logs(mender, &mut read);
            self.compare_rest(mender, &mut read);
            self.compare_queries(mender, &mut read);
        }
        read
    }

    fn compare_block(&self, mender: &Mender, height: u64, read: &mut Read) {
        match mender.block(height) {
            Ok(Some(reply)) => {
                let block = self.block(height);
                assert!(
                    reply.block == block.encode(),
                    "a lie about block {height} is served"
                );
                let proof = FinalHeaderProof::decode(&reply.finality).unwrap();
                let proven = proof.verify(&mender.node().anchor).unwrap();
                assert_eq!(proven.header, block.header);
                for vote in &reply.endorsements {
                    let vote = SignedVote::decode(vote).unwrap().vote;
                    assert_eq!(vote.height(), height, "a vote about another height is served");
                }
            }
            Ok(None) => panic!("block {height} is said not to be"),
            Err(status) => {
                read.damaged.insert(height);
                // The neighbour's header may be what does not hold.
                let named: Option<u64> = status
                    .message()
                    .split_whitespace()
                    .find_map(|word| word.parse().ok());
                read.damaged.extend(named);
                read.refuse("block", &status);
            }
        }
    }

    fn compare_receipt(&self, mender: &Mender, id: &Digest, up_to: u64, read: &mut Read) {
        match mender.receipt(id) {
            Ok(Some(receipt)) => {
                let proven = receipt.verify(&mender.node().anchor).unwrap();
                let header = &proven.block.header;
                let block = self.block(header.height);
                assert_eq!(*header, block.header, "a receipt of another chain");
                assert_eq!(proven.result, block.results[proven.index as usize]);
                assert_eq!(
                    proven.result.id, *id,
                    "a receipt for another transaction is served"
                );
            }
            // Only a peer whose index was checked since its start may say so, and of its own heights.
            Ok(None) => assert!(
                up_to < self.headers.len() as u64,
                "a transaction is said not to be: {id}"
            ),
            Err(status) => read.refuse("receipt", &status),
        }
    }

    fn compare_logs(&self, mender: &Mender, read: &mut Read) {
        for (log, entries) in &self.logs {
            match mender.log_page(EVENTDB, log, PAGE) {
                Ok(page) => {
                    let proven = page.verify(&mender.node().anchor).unwrap();
                    assert!(proven.entries == *entries, "a lie about a history is served");
                    assert_eq!(proven.length, entries.len() as u64);
                }
                Err(status) => read.refuse("history", &status),
            }
        }
    }

    fn compare_rest(&self, mender: &Mender, read: &mut Read) {
        match mender.sender_head(&self.sender) {
            Ok(proof) => {
                proof.verify(&mender.node().anchor).unwrap();
                assert_eq!((&proof.sender, &proof.head), (&self.sender, &self.head));
            }
            Err(status) => read.refuse("sender head", &status),
        }
        match mender.ancestry() {
            Ok(proof) => {
                proof.verify(&mender.node().anchor).unwrap();
                let shown: Vec<Digest> = proof
                    .ranges
                    .iter()
                    .flat_map(|range| range.headers.clone())
                    .collect();
                let below = &self.headers[..self.headers.len() - 1];
                assert_eq!(&shown[1..], below, "a lie about headers is served");
            }
            Err(status) => read.refuse("ancestry", &status),
        }
        match mender.events() {
            Ok(replies) => assert!(content(replies) == self.events, "a lie about events is served"),
            Err(status) => read.refuse("events", &status),
        }
    }

    fn compare_queries(&self, mender: &Mender, read: &mut Read) {
        for (function, argument, truth) in &self.queries {
            match mender.query(EVENTDB, function, argument.as_bytes()) {
                Ok(output) => {
                    let output: Value = serde_json::from_slice(&output).unwrap();
                    assert_eq!(output, *truth, "a lie is the answer of {function}");
                }
                Err(status) => read.refuse(function, &status),
            }
        }
    }
}

impl Read {
    fn refuse(&mut self, what: &str, status: &Status) {
        let honest = [
            Code::DataLoss,
            Code::Unavailable,
            Code::Internal,
            Code::ResourceExhausted,
        ];
        assert!(honest.contains(&status.code()), "{what}: {status}");
        self.refused.push(format!("{what}: {}", status.message()));
    }
}

/// What each event says, and where it stands.
fn content(replies: Vec<wire::EventsReply>) -> Vec<(Vec<u8>, u64, u32, Vec<u8>)> {
    let events = replies.into_iter().flat_map(|reply| reply.events);
    let content = events.map(|event| {
        let id = event.transaction_id.to_vec();
        (id, event.height, event.index, event.event.to_vec())
    });
    content.collect()
}

fn all_logs() -> Vec<Vec<u8>> {
    let histories = (0..CONTAINERS).map(|number| format!("id/web-{number}").into_bytes());
    histories.chain([b"all".to_vec()]).collect()
}

fn all_queries() -> Vec<(&'static str, String)> {
    let histories = (0..CONTAINERS).map(|number| {
        (
            "getHistory",
            format!(r#"{{"id":"web-{number}","from":0,"limit":1000}}"#),
        )
    });
    let all = ("queryAllEvents", r#"{"from":0,"limit":1000}"#.to_owned());
    histories.chain([all]).collect()
}
