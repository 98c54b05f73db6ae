//! What a spool's files hold.

use crate::recent::Fingerprint;
use crate::reconcile::Known;
use borsh::{BorshDeserialize, BorshSerialize};
use e2l_ledger::{BatchHeader, Digest, Member, Signature};
use std::collections::VecDeque;

/// One entry. Entries of one group commit share a frame.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// Starts every segment, so that older ones can be deleted.
    Checkpoint(Checkpoint),
    /// An event that was taken: its sequence number and canonical encoding.
    Event {
        /// Position in the incarnation, from 1.
        sequence: u64,
        /// `Event::encode()`.
        bytes: Vec<u8>,
        /// To know a repeat; `None` where the source does not repeat.
        fingerprint: Option<Fingerprint>,
    },
    /// A batch that was signed. Its calls are the events from `first_event` on.
    Batch {
        /// As signed.
        header: BatchHeader,
        /// By the collector.
        signature: Signature,
        /// Sequence number of its first event.
        first_event: u64,
    },
    /// Every batch up to this one is final.
    Final {
        /// Its sequence number.
        batch: u64,
    },
    /// How far a recording was read.
    Position(Position),
    /// What the events so far say of each container and service. Follows a checkpoint.
    Known(Known),
    /// An event that was left out, because it had been inferred before: not to be taken later.
    LeftOut {
        /// What it is known by.
        fingerprint: Fingerprint,
    },
    /// An event that the component in force does not record: what the collector itself has to know of it.
    Unrecorded {
        /// `Event::encode()`, without attributes of others.
        bytes: Vec<u8>,
        /// To know a repeat.
        fingerprint: Option<Fingerprint>,
    },
    /// Events from the next one on are recorded by this component; `None`: by the rules that are built in.
    Component(Option<Digest>),
    /// Follows the events that were recorded anew: what all that came before says of each container and service.
    Reopened(Known),
}

/// How far a recording was read.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Position {
    /// Name of the source.
    pub source: String,
    /// Lines that are taken.
    pub lines: u64,
}

/// Bytes of an event record before the event's own: variant, sequence, length.
pub const EVENT_PREFIX: u64 = 1 + 8 + 4;

/// Everything that later records build on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Checkpoint {
    /// Hash of the genesis.
    pub network: Digest,
    /// The collector.
    pub sender: Member,
    /// Of this spool, from 1.
    pub incarnation: u64,
    /// When the spool was made; older events are not this collector's business.
    pub opened_nano: i64,
    /// Sequence number of the next event.
    pub next_event: u64,
    /// First event that is in no batch.
    pub next_unbatched: u64,
    /// Sequence number of the last batch; 0 before the first.
    pub head_sequence: u64,
    /// Its digest, or that of the last incarnation's last batch.
    pub head_digest: Digest,
    /// Last batch of the final prefix.
    pub final_batch: u64,
    /// Where the recording stands.
    pub position: Option<Position>,
    /// Fingerprints of the last events, oldest first.
    pub recent: Vec<Fingerprint>,
    /// By what the events are recorded that are in no batch, in order: first event, and the component.
    pub recorded_by: VecDeque<(u64, Option<Digest>)>,
}
