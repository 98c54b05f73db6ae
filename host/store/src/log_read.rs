//! Reading append-only logs: entry references joined with the transactions that they point at.

use crate::columns::{LOGS, TRANSACTIONS, log_key, log_position, log_prefix};
use crate::error::StoreError;
use crate::view::View;
use crate::write::LogValue;
use borsh::{BorshDeserialize, BorshSerialize};
use e2l_ledger::{LogEntry, Provenance, StateKey};

/// Where a log entry stands: a record of its column.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct LogReference {
    pub height: u64,
    pub index: u32,
    pub value: LogValue,
}

impl LogReference {
    /// Same bytes as its derived encoding, from a borrowed value.
    pub(crate) fn write(
        height: u64,
        index: u32,
        value: &LogValue,
        buffer: &mut Vec<u8>,
    ) -> borsh::io::Result<()> {
        (height, index, value).serialize(buffer)
    }
}

impl View {
    /// Entries of a log from position `from` on, at most `limit`, with provenance: id and sender are read
    /// from the signed envelope, whose header's hash is checked.
    ///
    /// # Errors
    /// An entry below the head's length is missing, a record is corrupt or cannot be read.
    pub fn log_read(&self, log: &StateKey, from: u64, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let end = self
            .log_head(log)?
            .length
            .min(from.saturating_add(u64::try_from(limit).unwrap_or(u64::MAX)));
        let mut entries = Vec::new();
        if from >= end {
            return Ok(entries);
        }
        let prefix = log_prefix(log);
        let mut iterator = self.iterate(LOGS, &log_key(&prefix, from), &log_key(&prefix, end))?;
        for position in from..end {
            let corrupt = |why: String| {
                let name = format!("{} position {position}", String::from_utf8_lossy(log.local()));
                self.database().corrupt(LOGS, name, why)
            };
            let Some((_, record)) = iterator
                .item()
                .filter(|(key, _)| log_position(key) == Some(position))
            else {
                self.finish(LOGS, &iterator)?;
                return Err(corrupt("it is missing".to_owned()));
            };
            let reference =
                LogReference::try_from_slice(record).map_err(|error| corrupt(error.to_string()))?;
            entries.push(self.resolve(position, reference, corrupt)?);
            iterator.next();
        }
        Ok(entries)
    }

    /// The entry that a reference stands for.
    pub(crate) fn resolve_reference(
        &self,
        position: u64,
        reference: LogReference,
    ) -> Result<LogEntry, StoreError> {
        let name = format!("position {position}");
        self.resolve(position, reference, |why| {
            self.database().corrupt(LOGS, &name, why)
        })
    }

    fn resolve(
        &self,
        position: u64,
        reference: LogReference,
        corrupt: impl Fn(String) -> StoreError,
    ) -> Result<LogEntry, StoreError> {
        let LogReference { height, index, value } = reference;
        let skeleton = self.skeleton(height)?;
        let envelope = skeleton
            .envelope(index)
            .filter(|envelope| !envelope.refused)
            .ok_or_else(|| {
                corrupt(format!(
                    "height {height} index {index} is no executed transaction"
                ))
            })?;
        let provenance = Provenance {
            transaction: envelope.transaction_id(index),
            sender: envelope.sender().clone(),
            height,
            index,
            block_time_nano: skeleton.proposal.time_nano,
        };
        let value = match value {
            LogValue::Inline(bytes) => bytes,
            LogValue::Argument { offset, length } => {
                let mut argument = self.argument(&provenance)?;
                let (start, end) = (offset as usize, offset as usize + length as usize);
                if end > argument.len() {
                    return Err(corrupt(
                        "it refers to more than its transaction's argument".to_owned(),
                    ));
                }
                argument.truncate(end);
                argument.drain(..start);
                argument
            }
        };
        Ok(LogEntry {
            position,
            provenance,
            value,
        })
    }

    /// A transaction's argument.
    fn argument(&self, place: &Provenance) -> Result<Vec<u8>, StoreError> {
        let stored = self.stored_transaction(place.height, place.index)?;
        let corrupt = |why: &str| {
            let name = format!("height {} index {}", place.height, place.index);
            self.database().corrupt(TRANSACTIONS, name, why)
        };
        if stored.result.id != place.transaction {
            return Err(corrupt("its id is not that of the signed envelope's transaction"));
        }
        let mut calls = stored.calls.into_iter();
        let (Some(call), None) = (calls.next(), calls.next()) else {
            return Err(corrupt("it has not exactly one call"));
        };
        Ok(call.argument)
    }
}
