//! The state a call works on: what the peer gives to the contract.

/// The state below cannot be accessed. Never a contract's outcome: the block is not executed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct HostError(#[from] pub Box<dyn std::error::Error + Send + Sync>);

pub use crate::bindings::event2ledger::ledger::types::CallContext;

/// An entry of a log, as the contract reads it.
#[derive(Debug, Clone)]
pub struct LogRecord {
    /// Position, counted from 0.
    pub position: u64,
    /// 32 bytes.
    pub transaction_id: Vec<u8>,
    /// CommonName of the sender.
    pub sender: String,
    /// Its actor.
    pub actor: String,
    /// Its role.
    pub role: String,
    /// Height of the block.
    pub height: u64,
    /// Index of the transaction in its block.
    pub index: u32,
    /// Time of the block, nanoseconds since the Unix epoch.
    pub block_time_nano: i64,
    /// What was appended.
    pub value: Vec<u8>,
}

/// Keys with their values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The contract's own key space, with the writes of the block so far and of the current call.
pub trait HostState: Send + 'static {
    /// A value.
    ///
    /// # Errors
    /// The state below cannot be read; likewise for all other methods.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError>;

    /// Writes a value.
    fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), HostError>;

    /// Removes a value.
    fn delete(&mut self, key: &[u8]) -> Result<(), HostError>;

    /// Pairs with `start <= key < end` in key order, at most `limit`; an empty `end` means no upper bound.
    fn scan(&mut self, start: &[u8], end: &[u8], limit: usize) -> Result<Pairs, HostError>;

    /// Appends a value to a log; returns its position.
    fn append(&mut self, log: &[u8], value: Vec<u8>) -> Result<u64, HostError>;

    /// Appends a range of the call's argument to a log; returns its position. The range was checked.
    fn append_argument(&mut self, log: &[u8], offset: u32, length: u32) -> Result<u64, HostError>;

    /// Number of entries of a log.
    fn log_length(&mut self, log: &[u8]) -> Result<u64, HostError>;

    /// Entries of a log from `start`, at most `limit`.
    fn log_read(&mut self, log: &[u8], start: u64, limit: usize) -> Result<Vec<LogRecord>, HostError>;

    /// Drops what the current call has written.
    fn reset(&mut self);
}
