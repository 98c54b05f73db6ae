//! The host side of a call: every access is counted before it is made.

use crate::access::Access;
use crate::bindings::event2ledger::ledger::types::{KeyValue, LogEntry};
use crate::bindings::event2ledger::ledger::{logs, state, types};
use crate::host_state::{HostError, HostState, LogRecord};
use crate::limits::CallLimits;
use crate::outcome::Failure;
use crate::profile::{FUEL_PER_BYTE, FUEL_PER_HOST_CALL};
use wasmtime::{Error, Result};

/// Longest key, bytes.
const MAX_KEY: usize = 1024;

/// A call ends here, because of the contract.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Stop {
    pub kind: Failure,
    pub detail: String,
}

/// A call ends here, because of the host.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Broken(pub HostError);

pub(crate) fn stop<T>(kind: Failure, detail: impl Into<String>) -> Result<T> {
    Err(Error::new(Stop {
        kind,
        detail: detail.into(),
    }))
}

fn host<T>(result: Result<T, HostError>) -> Result<T> {
    result.map_err(|error| Error::new(Broken(error)))
}

/// What an instance's store holds.
pub(crate) struct HostData<S> {
    pub state: Option<S>,
    pub argument_len: usize,
    pub access: Access,
    pub limits: CallLimits,
    writes: u32,
    write_bytes: usize,
    /// Fuel that host calls have used.
    pub host_fuel: u64,
    /// Bytes of all the instance's memories.
    pub memory: usize,
}

impl<S: HostState> HostData<S> {
    pub fn new(limits: CallLimits) -> Self {
        Self {
            state: None,
            argument_len: 0,
            access: Access::Nothing,
            limits,
            writes: 0,
            write_bytes: 0,
            host_fuel: 0,
            memory: 0,
        }
    }

    /// Makes ready for a call.
    pub fn begin(&mut self, state: S, argument_len: usize, access: Access) {
        self.state = Some(state);
        self.argument_len = argument_len;
        self.access = access;
        self.writes = 0;
        self.write_bytes = 0;
        self.host_fuel = 0;
    }

    fn state(&mut self) -> Result<&mut S> {
        match &mut self.state {
            Some(state) => Ok(state),
            None => stop(Failure::IllegalAccess, "`describe` may not touch state"),
        }
    }

    /// Counts a host call that copies this many bytes.
    fn charge(&mut self, bytes: usize) -> Result<()> {
        self.host_fuel += FUEL_PER_HOST_CALL + FUEL_PER_BYTE * bytes as u64;
        if self.host_fuel > self.limits.fuel {
            return stop(Failure::OutOfFuel, "host calls used up the call's fuel");
        }
        Ok(())
    }

    fn key(&mut self, key: &[u8]) -> Result<()> {
        if key.len() > MAX_KEY {
            let detail = format!("a key has {} bytes, at most {MAX_KEY} are allowed", key.len());
            return stop(Failure::IllegalAccess, detail);
        }
        self.charge(key.len())
    }

    fn may_put(&self, key: &[u8]) -> Result<()> {
        self.access
            .put(key)
            .or_else(|why| stop(Failure::IllegalAccess, why))
    }

    fn may_append(&self) -> Result<()> {
        self.access
            .append()
            .or_else(|why| stop(Failure::IllegalAccess, why))
    }

    fn write(&mut self, key: &[u8], bytes: usize) -> Result<()> {
        self.key(key)?;
        self.charge(bytes)?;
        self.writes += 1;
        self.write_bytes += key.len() + bytes;
        if self.writes > self.limits.writes {
            return stop(
                Failure::WriteLimit,
                format!("more than {} writes", self.limits.writes),
            );
        }
        if self.write_bytes > self.limits.write_bytes {
            return stop(
                Failure::WriteLimit,
                format!("more than {} bytes written", self.limits.write_bytes),
            );
        }
        Ok(())
    }
}

impl<S: HostState> types::Host for HostData<S> {}

impl<S: HostState> state::Host for HostData<S> {
    fn get(&mut self, key: Vec<u8>) -> Result<Option<Vec<u8>>> {
        self.key(&key)?;
        let value = host(self.state()?.get(&key))?;
        self.charge(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.may_put(&key)?;
        self.write(&key, value.len())?;
        host(self.state()?.put(&key, value))
    }

    fn delete(&mut self, key: Vec<u8>) -> Result<()> {
        self.may_put(&key)?;
        self.write(&key, 0)?;
        host(self.state()?.delete(&key))
    }

    fn scan(&mut self, start: Vec<u8>, end: Vec<u8>, limit: u32) -> Result<Vec<KeyValue>> {
        self.key(&start)?;
        self.key(&end)?;
        let mut found = Vec::new();
        let mut next = start;
        // In strides, each paid for before the next is read, so that a scan cannot outrun its fuel.
        while (found.len() as u64) < u64::from(limit) {
            let wanted = STRIDE.min(limit as usize - found.len());
            let pairs = host(self.state()?.scan(&next, &end, wanted))?;
            let complete = pairs.len() < wanted;
            if let Some((last, _)) = pairs.last() {
                next = [last.as_slice(), &[0]].concat();
            }
            for (key, value) in pairs {
                self.charge(key.len() + value.len())?;
                found.push(KeyValue { key, value });
            }
            if complete {
                break;
            }
        }
        Ok(found)
    }
}

/// Entries read from the state at once.
const STRIDE: usize = 64;

impl<S: HostState> logs::Host for HostData<S> {
    fn append(&mut self, log: Vec<u8>, value: Vec<u8>) -> Result<u64> {
        self.may_append()?;
        self.write(&log, value.len())?;
        host(self.state()?.append(&log, value))
    }

    fn append_argument(&mut self, log: Vec<u8>, offset: u32, length: u32) -> Result<u64> {
        let end = u64::from(offset) + u64::from(length);
        if end > self.argument_len as u64 {
            let detail = format!("bytes {offset} to {end} are not within the argument");
            return stop(Failure::IllegalAccess, detail);
        }
        self.may_append()?;
        self.write(&log, length as usize)?;
        host(self.state()?.append_argument(&log, offset, length))
    }

    fn length(&mut self, log: Vec<u8>) -> Result<u64> {
        self.key(&log)?;
        host(self.state()?.log_length(&log))
    }

    fn read(&mut self, log: Vec<u8>, start: u64, limit: u32) -> Result<Vec<LogEntry>> {
        self.key(&log)?;
        let mut found = Vec::new();
        while (found.len() as u64) < u64::from(limit) {
            let wanted = STRIDE.min(limit as usize - found.len());
            let from = start.saturating_add(found.len() as u64);
            let records = host(self.state()?.log_read(&log, from, wanted))?;
            let complete = records.len() < wanted;
            for record in records {
                self.charge(record.value.len() + 128)?;
                found.push(entry(record));
            }
            if complete {
                break;
            }
        }
        Ok(found)
    }
}

fn entry(record: LogRecord) -> LogEntry {
    LogEntry {
        position: record.position,
        transaction_id: record.transaction_id,
        sender: record.sender,
        actor: record.actor,
        role: record.role,
        height: record.height,
        index: record.index,
        block_time_nano: record.block_time_nano,
        value: record.value,
    }
}
