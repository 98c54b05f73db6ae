use super::members::{Identity, Members, START};
use e2l_ledger::proof::{
    AncestryProof, FinalHeaderProof, HeaderRange, LogPageProof, PageEntry, Receipt, SenderHeadProof,
    StateValueProof, prove_range,
};
use e2l_ledger::*;
use std::collections::BTreeMap;
use std::sync::Arc;

type Change = (Digest, Option<Digest>);

/// Log of a container, as the events contract names it.
pub fn event_log(container: &str) -> Vec<u8> {
    format!("id/{container}").into_bytes()
}

/// Blocks made by hand: every call's argument names a container, to whose log it is appended; batches advance their
/// sender's head, and every block the log of headers.
pub struct Ledger {
    pub members: Members,
    pub blocks: Vec<Block>,
    collector: Identity,
    leader: Identity,
    map: StateMap,
    logs: BTreeMap<Vec<u8>, (LogHead, Vec<PageEntry>)>,
    batch: (u64, Digest),
    head: SenderHead,
    headers: LogHead,
    config: NetworkConfig,
    values: BTreeMap<StateKey, Vec<u8>>,
}

impl Ledger {
    pub fn new() -> Self {
        Self::of(Members::new())
    }

    pub fn of(members: Members) -> Self {
        let mut map = StateMap::default();
        let leaves = members.genesis.genesis.initial_state();
        let leaves = leaves
            .iter()
            .map(|(key, value)| (key.hash(), Some(Domain::Value.hash(value))));
        map.update(leaves.collect());
        Self {
            collector: members.one("provider", Role::Collector, "collector"),
            leader: members.peer("user"),
            config: members.genesis.genesis.config.clone(),
            values: BTreeMap::new(),
            members,
            blocks: Vec::new(),
            map,
            logs: BTreeMap::new(),
            batch: (0, Digest::ZERO),
            head: SenderHead::default(),
            headers: LogHead::default(),
        }
    }

    /// The next batch of the collector, one call per container.
    pub fn batch(&self, containers: &[&str]) -> SignedBatch {
        let calls: Vec<Call> = containers
            .iter()
            .map(|container| Call {
                chaincode: "eventdb".to_owned(),
                function: "createEvent".to_owned(),
                argument: container.as_bytes().to_vec(),
            })
            .collect();
        let header = BatchHeader {
            network: self.members.network(),
            sender: self.collector.certificate().member().clone(),
            incarnation: 1,
            sequence: self.batch.0 + 1,
            previous: self.batch.1,
            created_nano: START,
            count: calls.len() as u32,
            calls_root: SignedBatch::calls_root(&calls),
            component: None,
            executable: Digest::ZERO,
        };
        SignedBatch::sign(header, calls, &self.collector)
    }

    /// Adds a block of batches.
    pub fn add(&mut self, batches: &[&[&str]]) {
        let envelopes: Vec<Envelope> = batches
            .iter()
            .map(|containers| {
                let batch = self.batch(containers);
                self.batch = (batch.header.sequence, batch.header.digest());
                Envelope::Batch(batch)
            })
            .collect();
        let proposal = self.proposal(envelopes);
        let (results, changes) = self.execute(&proposal);
        self.push(proposal, results, changes);
    }

    /// Adds a block of one request.
    pub fn add_request(&mut self, request: SignedRequest) {
        let proposal = self.proposal(vec![Envelope::Request(request)]);
        let (results, changes) = self.execute(&proposal);
        self.push(proposal, results, changes);
    }

    /// Adds a block of requests that come to nothing but these values of the state and, from the next height on, this
    /// configuration.
    pub fn add_governed(
        &mut self,
        requests: Vec<(SignedRequest, ValidationCode)>,
        values: Vec<(StateKey, Vec<u8>)>,
        next: NetworkConfig,
    ) {
        let results = requests.iter().map(|(request, code)| TransactionResult {
            code: *code,
            ..valid(request.header.transaction_id())
        });
        let results = results.collect();
        let envelopes = requests
            .into_iter()
            .map(|(request, _)| Envelope::Request(request));
        let proposal = self.proposal(envelopes.collect());
        let changes = values
            .iter()
            .map(|(key, value)| (key.hash(), Some(Domain::Value.hash(value))));
        let changes = changes.collect();
        self.values.extend(values);
        self.push_with(proposal, results, changes, next);
    }

    /// Adds a block of one envelope that was refused as a whole.
    pub fn add_refused(&mut self, envelope: Envelope, code: ValidationCode, why: &str) {
        let result = TransactionResult {
            id: envelope.digest(),
            code,
            fuel: 0,
            output: why.as_bytes().to_vec(),
        };
        let proposal = self.proposal(vec![envelope]);
        self.push(proposal, vec![result], Vec::new());
    }

    /// Digests of the headers from the genesis on.
    fn header_digests(&self) -> Vec<Digest> {
        let genesis = self.members.genesis.genesis.header().digest();
        let blocks = self.blocks.iter().map(|block| block.header.digest());
        [genesis].into_iter().chain(blocks).collect()
    }

    fn push(&mut self, proposal: SignedProposal, results: Vec<TransactionResult>, changes: Vec<Change>) {
        self.push_with(proposal, results, changes, self.config.clone());
    }

    fn push_with(
        &mut self,
        proposal: SignedProposal,
        results: Vec<TransactionResult>,
        mut changes: Vec<Change>,
        next: NetworkConfig,
    ) {
        let previous = self.header_digests()[self.blocks.len()];
        self.headers.append(previous);
        let head = Domain::Value.hash(&self.headers.encode());
        changes.push((StateKey::headers().hash(), Some(head)));
        let header = Header {
            network: self.members.network(),
            height: proposal.header.height,
            previous,
            proposal: proposal.header.digest(),
            data_root: proposal.header.envelopes_root,
            envelopes: proposal.header.envelopes,
            results_root: TransactionResult::root(&results),
            transactions: results.len() as u32,
            state_root: self.map.update(changes),
            config_root: self.config.root(),
            next_config_root: next.root(),
            time_nano: proposal.header.time_nano,
        };
        let block = Block {
            header,
            proposal,
            results,
        };
        assert!(block.is_consistent());
        self.blocks.push(block);
        self.config = next;
    }

    fn proposal(&self, envelopes: Vec<Envelope>) -> SignedProposal {
        let height = self.blocks.len() as u64 + 1;
        let header = ProposalHeader {
            network: self.members.network(),
            leader: self.leader.certificate().member().clone(),
            term: 1,
            height,
            previous: match self.blocks.last() {
                Some(block) => block.header.proposal,
                None => self.members.network(),
            },
            time_nano: START + height as i64 * 1_000_000_000,
            certificates_root: Digest::ZERO,
            envelopes_root: Digest::ZERO,
            envelopes: 0,
        };
        let mut certificates = Vec::new();
        if self.blocks.is_empty() {
            certificates = [&self.leader, &self.collector]
                .map(|one| one.certificate().der().to_vec())
                .into();
        }
        SignedProposal::sign(header, certificates, envelopes, &self.leader)
    }

    fn execute(&mut self, proposal: &SignedProposal) -> (Vec<TransactionResult>, Vec<Change>) {
        let (mut results, mut changes) = (Vec::new(), Vec::new());
        for envelope in &proposal.envelopes {
            if let Envelope::Batch(batch) = &**envelope {
                self.head = SenderHead::after(&batch.header);
                let key = StateKey::sender(&batch.header.sender).hash();
                changes.push((key, Some(Domain::Value.hash(&self.head.encode()))));
            }
            for (call, id) in calls(envelope) {
                let entry = PageEntry {
                    provenance: Provenance {
                        transaction: id,
                        sender: Arc::new(envelope.sender().clone()),
                        height: proposal.header.height,
                        index: results.len() as u32,
                        block_time_nano: proposal.header.time_nano,
                    },
                    value: call.argument.clone(),
                };
                let log = event_log(std::str::from_utf8(&call.argument).unwrap());
                let (head, entries) = self.logs.entry(log.clone()).or_default();
                head.append(digest(&entry));
                entries.push(entry);
                let key = StateKey::log("eventdb", &log).hash();
                changes.push((key, Some(Domain::Value.hash(&head.encode()))));
                results.push(valid(id));
            }
        }
        (results, changes)
    }

    /// Signs a block's proposal again, after an edit, so that all its hashes hold.
    pub fn sign_again(&self, block: &mut Block) {
        let proposal = &block.proposal;
        block.proposal = SignedProposal::sign(
            proposal.header.clone(),
            proposal.certificates.clone(),
            proposal.envelopes.clone(),
            &self.leader,
        );
        let header = &mut block.header;
        header.proposal = block.proposal.header.digest();
        header.data_root = block.proposal.header.envelopes_root;
        header.envelopes = block.proposal.header.envelopes;
        header.results_root = TransactionResult::root(&block.results);
        header.transactions = block.results.len() as u32;
    }

    /// Proof that a block is final, by endorsements of the newest.
    pub fn finality(&self, height: u64, endorsers: &[&Identity]) -> FinalHeaderProof {
        let headers: Vec<Header> = self.blocks.iter().map(|block| block.header.clone()).collect();
        let (header, descendants) = headers[height as usize - 1..].split_first().unwrap();
        let newest = descendants.last().unwrap_or(header);
        let vote = |endorser: &&Identity| {
            let vote = Vote::Endorsement(Endorsement {
                network: self.members.network(),
                height: newest.height,
                header: newest.digest(),
            });
            SignedVote::sign(vote, *endorser)
        };
        FinalHeaderProof {
            header: header.clone(),
            descendants: descendants.to_vec(),
            endorsements: endorsers.iter().map(vote).collect(),
            certificates: endorsers
                .iter()
                .map(|one| one.certificate().der().to_vec())
                .collect(),
        }
    }

    /// The receipt of a request that is alone in its block, or the first of it.
    pub fn receipt(&self, height: u64, sender: &Identity, endorsers: &[&Identity]) -> Receipt {
        let certificate = sender.certificate().der().to_vec();
        let block = &self.blocks[height as usize - 1];
        Receipt::new(block, 0, certificate, self.finality(height, endorsers)).unwrap()
    }

    /// What the state holds under a key as of the newest block.
    pub fn value(&self, key: &StateKey, endorsers: &[&Identity]) -> StateValueProof {
        StateValueProof {
            key: key.as_bytes().to_vec(),
            value: self.values.get(key).cloned(),
            value_proof: self.map.prove(&key.hash()),
            finality: self.finality(self.blocks.len() as u64, endorsers),
        }
    }

    /// A page of a container's log as of the newest block.
    pub fn page(&self, container: &str, from: u64, limit: u64, endorsers: &[&Identity]) -> LogPageProof {
        let log = event_log(container);
        let key = StateKey::log("eventdb", &log).hash();
        let (head, entries) = self.logs.get(&log).cloned().unwrap_or_default();
        let digests: Vec<Digest> = entries.iter().map(digest).collect();
        let end = head.length.min(from + limit);
        LogPageProof {
            chaincode: "eventdb".to_owned(),
            log,
            head,
            head_proof: self.map.prove(&key),
            from,
            entries: entries[from as usize..end as usize].to_vec(),
            beside: prove_range(&digests, from..end),
            finality: self.finality(self.blocks.len() as u64, endorsers),
        }
    }

    /// Headers below the newest block.
    pub fn ancestry(&self, ranges: &[std::ops::Range<u64>], endorsers: &[&Identity]) -> AncestryProof {
        let below = &self.header_digests()[..self.blocks.len()];
        let ranges = ranges.iter().map(|range| HeaderRange {
            from: range.start,
            headers: below[range.start as usize..range.end as usize].to_vec(),
            beside: prove_range(below, range.clone()),
        });
        AncestryProof {
            head: self.headers.clone(),
            head_proof: self.map.prove(&StateKey::headers().hash()),
            ranges: ranges.collect(),
            finality: self.finality(self.blocks.len() as u64, endorsers),
        }
    }

    /// Where a sender stands as of the newest block.
    pub fn sender_head(&self, sender: &Member, endorsers: &[&Identity]) -> SenderHeadProof {
        let stands = sender == self.collector.certificate().member();
        SenderHeadProof {
            sender: sender.clone(),
            head: if stands {
                self.head.clone()
            } else {
                SenderHead::default()
            },
            head_proof: self.map.prove(&StateKey::sender(sender).hash()),
            finality: self.finality(self.blocks.len() as u64, endorsers),
        }
    }
}

fn valid(id: Digest) -> TransactionResult {
    TransactionResult {
        id,
        code: ValidationCode::Valid,
        fuel: 7,
        output: Vec::new(),
    }
}

fn digest(entry: &PageEntry) -> Digest {
    LogEntry::digest(&entry.provenance, &Domain::Value.hash(&entry.value))
}

/// An envelope's calls, with the ids of their transactions.
fn calls(envelope: &Envelope) -> Vec<(Call, Digest)> {
    match envelope {
        Envelope::Batch(batch) => {
            let ids = (0..).map(|index| batch.header.transaction_id(index));
            batch.calls.iter().cloned().zip(ids).collect()
        }
        Envelope::Request(request) => vec![(request.call.clone(), request.header.transaction_id())],
    }
}
