//! A contract's state in memory, with a savepoint per call.

use e2l_runtime::{HostError, HostState, LogRecord};
use std::collections::BTreeMap;

type Values = BTreeMap<Vec<u8>, Vec<u8>>;
type Logs = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    pub values: Values,
    pub logs: Logs,
    /// As before the call.
    before: Option<(Values, Logs)>,
    argument: Vec<u8>,
    /// The next access fails, as a broken disk would.
    pub broken: bool,
    /// How often the host was asked to forget the call's writes.
    pub resets: usize,
}

impl MemoryState {
    /// The same, at the begin of a call.
    pub fn begin(&mut self, argument: &[u8]) -> Self {
        let mut state = std::mem::take(self);
        state.before = Some((state.values.clone(), state.logs.clone()));
        state.argument = argument.to_vec();
        state
    }

    /// The same, after a call. If it was not accepted nothing of it may be there.
    pub fn end(mut self, accepted: bool) -> Self {
        let before = self.before.take().unwrap();
        assert!(
            accepted || before == (self.values.clone(), self.logs.clone()),
            "writes are left of a call that was not accepted"
        );
        self
    }

    fn access(&self) -> Result<(), HostError> {
        if self.broken {
            return Err(HostError("the disk is gone".into()));
        }
        Ok(())
    }
}

impl HostState for MemoryState {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        self.access()?;
        Ok(self.values.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), HostError> {
        self.access()?;
        self.values.insert(key.to_vec(), value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), HostError> {
        self.access()?;
        self.values.remove(key);
        Ok(())
    }

    fn scan(&mut self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, HostError> {
        self.access()?;
        let range = self.values.range(start.to_vec()..);
        let range = range.take_while(|(key, _)| end.is_empty() || key.as_slice() < end);
        Ok(range
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn append(&mut self, log: &[u8], value: Vec<u8>) -> Result<u64, HostError> {
        self.access()?;
        let log = self.logs.entry(log.to_vec()).or_default();
        log.push(value);
        Ok(log.len() as u64 - 1)
    }

    fn append_argument(&mut self, log: &[u8], offset: u32, length: u32) -> Result<u64, HostError> {
        let range = offset as usize..offset as usize + length as usize;
        let value = self.argument[range].to_vec();
        self.append(log, value)
    }

    fn log_length(&mut self, log: &[u8]) -> Result<u64, HostError> {
        self.access()?;
        Ok(self.logs.get(log).map_or(0, Vec::len) as u64)
    }

    fn log_read(&mut self, log: &[u8], start: u64, limit: usize) -> Result<Vec<LogRecord>, HostError> {
        self.access()?;
        let entries = self.logs.get(log).map(Vec::as_slice).unwrap_or_default();
        let entries = (0..).zip(entries).skip(start as usize).take(limit);
        let records = entries.map(|(position, value)| LogRecord {
            position,
            transaction_id: vec![7; 32],
            sender: "collector-1".into(),
            actor: "provider".into(),
            role: "collector".into(),
            height: 3,
            index: 0,
            block_time_nano: 1_000,
            value: value.clone(),
        });
        Ok(records.collect())
    }

    fn reset(&mut self) {
        self.resets += 1;
        if let Some((values, logs)) = self.before.clone() {
            (self.values, self.logs) = (values, logs);
        }
    }
}
