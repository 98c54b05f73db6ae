//! Append-only logs: a head commits to the number of entries and to all of them in order, as the peaks of a
//! Merkle mountain range (the same hashes as an RFC 6962 tree over the entries).

use crate::canonical::Canonical;
use crate::hash::{Digest, Domain};
use crate::member::Member;
use borsh::{BorshDeserialize, BorshSerialize};

/// Head of a log: its length and one peak per set bit of it, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogHead {
    /// Number of entries.
    pub length: u64,
    /// Roots of the perfect subtrees, the largest first.
    pub peaks: Vec<Digest>,
}

impl Canonical for LogHead {
    const WHAT: &'static str = "log head";
}

impl LogHead {
    /// Appends an entry's digest; returns its position.
    pub fn append(&mut self, entry: Digest) -> u64 {
        let position = self.length;
        let mut peak = entry;
        // Every trailing one of the old length is a perfect subtree that the new entry completes.
        for _ in 0..position.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                peak = Domain::MerkleNode.hash_pair(&left, &peak);
            }
        }
        self.peaks.push(peak);
        self.length += 1;
        position
    }

    /// Root over all entries: the RFC 6962 tree head of the same list.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Domain::MerkleEmpty.hash(&[]),
            Some(last) => peaks.fold(*last, |right, left| Domain::MerkleNode.hash_pair(left, &right)),
        }
    }
}

/// Where a log entry comes from: what the host keeps, which no contract can forge.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Provenance {
    /// Id of the transaction that appended it.
    pub transaction: Digest,
    /// Who signed that transaction.
    pub sender: Member,
    /// Height of its block.
    pub height: u64,
    /// Index of the transaction in its block.
    pub index: u32,
    /// Time of its block, nanoseconds since the Unix epoch.
    pub block_time_nano: i64,
}

/// An entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Position in the log, counted from 0.
    pub position: u64,
    /// Where it comes from.
    pub provenance: Provenance,
    /// What was appended.
    pub value: Vec<u8>,
}

impl LogEntry {
    /// Its digest.
    pub fn own_digest(&self) -> Digest {
        Self::digest(&self.provenance, &Domain::Value.hash(&self.value))
    }

    /// Digest of an entry, from the digest of its value ([`Domain::Value`]), so that a value that stands in
    /// two logs is hashed once.
    pub fn digest(provenance: &Provenance, value: &Digest) -> Digest {
        let mut hasher = Domain::LogEntry.hasher();
        let written = provenance.serialize(&mut hasher);
        debug_assert!(written.is_ok(), "a hasher accepts every byte");
        hasher.bytes(value.as_bytes()).finish()
    }
}
