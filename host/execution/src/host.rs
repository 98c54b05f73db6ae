//! A call's view of the state: the chaincode's own key space, over the block's overlay.

use crate::key_space::KeySpace;
use crate::overlay::{Overlay, SharedArgument, Value};
use crate::query_host::record;
use e2l_ledger::{Digest, Domain, Limits, Provenance};
use e2l_runtime::{CallLimits, HostError, HostState, LogRecord, StaticLimits};
use e2l_store::StoreError;
use std::sync::Arc;

/// Fuel of a query, as a multiple of a transaction's: it runs on one peer, for one caller.
const QUERY_FUEL: u64 = 20;

/// Writes of a step of a preparation, and their bytes, as a multiple of a transaction's.
const PREPARATION_WRITES: u32 = 4;

/// The static limits that the configuration sets.
pub(crate) fn static_limits(limits: &Limits) -> StaticLimits {
    StaticLimits {
        component_bytes: limits.component_max_bytes,
        ..StaticLimits::default()
    }
}

/// The limits of a transaction's call.
pub(crate) fn call_limits(limits: &Limits) -> CallLimits {
    CallLimits {
        fuel: limits.fuel_per_call,
        memory_bytes: size(limits.contract_memory_bytes),
        output_bytes: size(limits.output_max_bytes),
        writes: u32::try_from(limits.writes_per_call).unwrap_or(u32::MAX),
        write_bytes: size(limits.write_bytes_per_call),
    }
}

/// The limits of a migration.
pub(crate) fn migration_limits(limits: &Limits) -> CallLimits {
    CallLimits {
        fuel: limits.migration_fuel,
        writes: u32::try_from(limits.migration_writes).unwrap_or(u32::MAX),
        write_bytes: size(limits.migration_write_bytes),
        ..call_limits(limits)
    }
}

/// The limits of one step of a preparation. It writes at the end of a block what a few calls may write within it.
pub(crate) fn preparation_limits(limits: &Limits) -> CallLimits {
    let call = call_limits(limits);
    CallLimits {
        fuel: limits.preparation_fuel,
        writes: call.writes.saturating_mul(PREPARATION_WRITES),
        write_bytes: call.write_bytes.saturating_mul(PREPARATION_WRITES as usize),
        ..call
    }
}

/// The limits of a query.
pub(crate) fn query_limits(limits: &Limits) -> CallLimits {
    CallLimits {
        fuel: limits.fuel_per_call.saturating_mul(QUERY_FUEL),
        output_bytes: size(limits.query_output_max_bytes),
        writes: 0,
        write_bytes: 0,
        ..call_limits(limits)
    }
}

fn size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The state of one call.
pub(crate) struct CallHost {
    overlay: Overlay,
    keys: KeySpace,
    provenance: Provenance,
    argument: SharedArgument,
    argument_digest: Digest,
}

impl CallHost {
    /// For a call whose argument has this digest.
    pub(crate) fn new(
        overlay: Overlay,
        chaincode: Arc<str>,
        provenance: Provenance,
        (argument, argument_digest): (SharedArgument, Digest),
    ) -> Self {
        Self {
            overlay,
            keys: KeySpace::new(chaincode),
            provenance,
            argument,
            argument_digest,
        }
    }

    pub(crate) fn into_overlay(self) -> Overlay {
        self.overlay
    }
}

fn failed(error: StoreError) -> HostError {
    HostError(Box::new(error))
}

impl HostState for CallHost {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        self.overlay.get(&self.keys.key(key)).map_err(failed)
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), HostError> {
        self.overlay.set(self.keys.key(key), Some(value));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), HostError> {
        self.overlay.set(self.keys.key(key), None);
        Ok(())
    }

    fn scan(&mut self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, HostError> {
        let (start, end) = self.keys.range(start, end);
        if start >= end {
            return Ok(Vec::new());
        }
        let found = self.overlay.scan(&start, &end, limit).map_err(failed)?;
        Ok(found
            .into_iter()
            .map(|(key, value)| (key.local().to_vec(), value))
            .collect())
    }

    fn append(&mut self, log: &[u8], value: Vec<u8>) -> Result<u64, HostError> {
        let digest = Domain::Value.hash(&value);
        self.overlay
            .append(self.keys.log(log), Value::Own(value.into()), digest)
            .map_err(failed)
    }

    fn append_argument(&mut self, log: &[u8], offset: u32, length: u32) -> Result<u64, HostError> {
        let range = offset as usize..offset as usize + length as usize;
        let bytes = self.argument.bytes();
        let digest = if range == (0..bytes.len()) {
            self.argument_digest
        } else {
            Domain::Value.hash(bytes.get(range.clone()).unwrap_or_default())
        };
        let value = Value::Argument(self.argument.clone(), range);
        self.overlay
            .append(self.keys.log(log), value, digest)
            .map_err(failed)
    }

    fn log_length(&mut self, log: &[u8]) -> Result<u64, HostError> {
        self.overlay.length(&self.keys.log(log)).map_err(failed)
    }

    fn log_read(&mut self, log: &[u8], start: u64, limit: usize) -> Result<Vec<LogRecord>, HostError> {
        let found = self
            .overlay
            .read(&self.keys.log(log), start, limit, &self.provenance)
            .map_err(failed)?;
        Ok(found.into_iter().map(record).collect())
    }

    fn reset(&mut self) {
        self.overlay.reset_call();
    }
}
