//! Column families of the ledger and their keys. Numbers in keys are big-endian, so that they sort.

use e2l_ledger::{Digest, Member, StateKey};

/// Height → sealed header.
pub(crate) const HEADERS: &str = "headers";
/// Height → sealed [`Skeleton`](crate::records::Skeleton): a block without header, calls and results.
pub(crate) const BLOCKS: &str = "blocks";
/// Height, index of the first → sealed calls and results of neighbouring transactions.
pub(crate) const TRANSACTIONS: &str = "transactions";
/// State key → value. Not sealed: the state root covers it.
pub(crate) const STATE: &str = "state";
/// Log, position of the first → where the entries stand that one block appended.
pub(crate) const LOGS: &str = "logs";
/// Start of a transaction id → height, index.
pub(crate) const TX_INDEX: &str = "tx_index";
/// Sender, incarnation, sequence → where the batch stands.
pub(crate) const BATCHES: &str = "batches";
/// Height, kind, actor, statement → sealed signed vote.
pub(crate) const VOTES: &str = "votes";
/// Names → sealed records of the store itself.
pub(crate) const META: &str = "meta";

/// Key of a transaction: its height and index.
pub(crate) fn transaction_key(height: u64, index: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&height.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}

/// Reads [`transaction_key`].
pub(crate) fn parse_transaction_key(key: &[u8]) -> Option<(u64, u32)> {
    let (height, index) = key.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*height),
        u32::from_be_bytes(index.try_into().ok()?),
    ))
}

/// What a log's entries share as the start of their keys.
pub(crate) fn log_prefix(log: &StateKey) -> [u8; 16] {
    half(&log.hash())
}

/// Key of a log's entry.
pub(crate) fn log_key(prefix: &[u8; 16], position: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(prefix);
    key[16..].copy_from_slice(&position.to_be_bytes());
    key
}

/// Key of a root over entries of a log: behind those of all its entries, whose positions are far below.
pub(crate) fn log_node_key(prefix: &[u8; 16], level: u32, index: u64) -> [u8; 24] {
    log_key(prefix, FIRST_NODE | u64::from(level) << 56 | index)
}

/// Where the keys of a log's roots begin.
pub(crate) const FIRST_NODE: u64 = 1 << 63;

/// Position in a log entry's key.
pub(crate) fn log_position(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().copied().map(u64::from_be_bytes)
}

/// Key of a transaction id: half of it is unique enough, and the whole id is compared on reading.
pub(crate) fn half(id: &Digest) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&id.0[..16]);
    key
}

/// Key of a batch. Lengths stand before the texts, so that no two senders' keys run together.
pub(crate) fn batch_key(sender: &Member, incarnation: u64, sequence: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(160);
    for text in [sender.actor.as_str(), sender.role.as_str(), sender.name.as_str()] {
        key.extend_from_slice(&(text.len() as u32).to_be_bytes());
        key.extend_from_slice(text.as_bytes());
    }
    key.extend_from_slice(&incarnation.to_be_bytes());
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}
