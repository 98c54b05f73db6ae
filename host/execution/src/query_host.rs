//! What a query reads, noted as it was seen: nothing on the disk is believed before it was compared with what the
//! state commits to.

use crate::key_space::KeySpace;
use e2l_ledger::{Canonical, Digest, Domain, LogEntry, LogHead, StateKey};
use e2l_runtime::{HostError, HostState, LogRecord};
use e2l_store::{StoreError, View};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A run of a log's entries, as a query saw it.
#[derive(Debug, Clone)]
pub struct ReadRun {
    /// State key of the log's head.
    pub log: StateKey,
    /// The head that was seen.
    pub head: LogHead,
    /// Position of the first entry.
    pub from: u64,
    /// Position after the last: by the head, as many entries were to come.
    pub end: u64,
    /// Digests of the entries that came.
    pub entries: Vec<Digest>,
}

/// All that a query has read.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    /// State keys, each with the digest of the value that was seen; `None` where nothing was.
    pub values: BTreeMap<StateKey, Option<Digest>>,
    /// Entries of logs.
    pub runs: Vec<ReadRun>,
    /// Heights of the blocks that these entries refer to.
    pub heights: BTreeSet<u64>,
    /// Whether it asked which keys there are: then none may be missing.
    pub scanned: bool,
    /// The log that it was reading when the store failed.
    pub failed_log: Option<StateKey>,
    /// A key that was not the same at two looks.
    pub unsteady: Option<StateKey>,
}

impl Reads {
    fn value(&mut self, key: StateKey, value: Option<&[u8]>) {
        let seen = value.map(|value| Domain::Value.hash(value));
        if *self.values.entry(key.clone()).or_insert(seen) != seen {
            self.unsteady = Some(key);
        }
    }

    fn head(&mut self, log: &StateKey, head: &LogHead) {
        let seen = (*head != LogHead::default()).then(|| head.encode());
        self.value(log.clone(), seen.as_deref());
    }

    fn run(&mut self, run: ReadRun) {
        match self.runs.last_mut() {
            // A contract reads a page in strides.
            Some(last) if last.end == run.from && last.log == run.log && last.head == run.head => {
                last.end = run.end;
                last.entries.extend(run.entries);
            }
            _ => self.runs.push(run),
        }
    }
}

/// The state of one query: what is on the disk. It cannot be written to.
pub(crate) struct QueryHost {
    view: Arc<View>,
    keys: KeySpace,
    reads: Arc<Mutex<Reads>>,
}

fn failed(error: StoreError) -> HostError {
    HostError(Box::new(error))
}

/// The engine refuses a query's writes before they come here.
fn read_only<T>() -> Result<T, HostError> {
    Err(HostError("a query cannot write".into()))
}

impl QueryHost {
    pub(crate) fn new(view: Arc<View>, chaincode: &str, reads: Arc<Mutex<Reads>>) -> Self {
        Self {
            view,
            keys: KeySpace::new(chaincode.into()),
            reads,
        }
    }
}

impl HostState for QueryHost {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        let key = self.keys.key(key);
        let value = self.view.get(&key).map_err(failed)?;
        self.reads.lock().value(key, value.as_deref());
        Ok(value)
    }

    fn put(&mut self, _key: &[u8], _value: Vec<u8>) -> Result<(), HostError> {
        read_only()
    }

    fn delete(&mut self, _key: &[u8]) -> Result<(), HostError> {
        read_only()
    }

    fn scan(&mut self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, HostError> {
        let (start, end) = self.keys.range(start, end);
        let found = self.view.scan(&start, &end, limit).map_err(failed)?;
        let mut reads = self.reads.lock();
        reads.scanned = true;
        let pairs = found.into_iter().map(|(key, value)| {
            let local = key.local().to_vec();
            reads.value(key, Some(&value));
            (local, value)
        });
        Ok(pairs.collect())
    }

    fn append(&mut self, _log: &[u8], _value: Vec<u8>) -> Result<u64, HostError> {
        read_only()
    }

    fn append_argument(&mut self, _log: &[u8], _offset: u32, _length: u32) -> Result<u64, HostError> {
        read_only()
    }

    fn log_length(&mut self, log: &[u8]) -> Result<u64, HostError> {
        let log = self.keys.log(log);
        let head = self.view.log_head(&log).map_err(failed)?;
        self.reads.lock().head(&log, &head);
        Ok(head.length)
    }

    fn log_read(&mut self, log: &[u8], start: u64, limit: usize) -> Result<Vec<LogRecord>, HostError> {
        let log = self.keys.log(log);
        let mut reads = self.reads.lock();
        reads.failed_log = Some(log.clone());
        let head = self.view.log_head(&log).map_err(failed)?;
        reads.head(&log, &head);
        let end = head.length.min(start.saturating_add(limit as u64));
        let found = self.view.log_read(&log, start, limit).map_err(failed)?;
        reads.failed_log = None;
        reads
            .heights
            .extend(found.iter().map(|entry| entry.provenance.height));
        reads.run(ReadRun {
            log,
            head,
            from: start,
            end: end.max(start),
            entries: found.iter().map(LogEntry::own_digest).collect(),
        });
        drop(reads);
        Ok(found.into_iter().map(record).collect())
    }

    fn reset(&mut self) {}
}

/// An entry as a contract reads it.
pub(crate) fn record(entry: LogEntry) -> LogRecord {
    LogRecord {
        position: entry.position,
        transaction_id: entry.provenance.transaction.0.to_vec(),
        sender: entry.provenance.sender.name.clone(),
        actor: entry.provenance.sender.actor.clone(),
        role: entry.provenance.sender.role.as_str().to_owned(),
        height: entry.provenance.height,
        index: entry.provenance.index,
        block_time_nano: entry.provenance.block_time_nano,
        value: entry.value,
    }
}
