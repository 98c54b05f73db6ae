//! Reading append-only logs: entry references joined with the transactions that they point at.

use crate::columns::{LOGS, TRANSACTIONS, log_key, log_position, log_prefix};
use crate::error::StoreError;
use crate::log_run::{self, LogItem, LogValue};
use crate::transactions::TransactionChunk;
use crate::view::View;
use borsh::{BorshDeserialize, BorshSerialize};
use e2l_ledger::{LogEntry, Provenance, StateKey};
use std::sync::Arc;

/// Where a log entry stands and what it holds, on its way to another peer.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct LogReference {
    pub height: u64,
    pub item: LogItem,
}

impl View {
    /// Entries of a log from position `from` on, at most `limit`, with provenance: id and sender are read
    /// from the signed envelope, whose header's hash is checked.
    ///
    /// # Errors
    /// An entry below the head's length is missing, a record is corrupt or cannot be read.
    pub fn log_read(&self, log: &StateKey, from: u64, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let mut entries = Vec::new();
        // Neighbours in a log are mostly neighbours in a block: unpacking their record for each would cost all there is.
        let mut chunk = None;
        self.each_item(log, from, limit, |position, height, item| {
            let corrupt = |why: String| {
                let name = format!("{} position {position}", String::from_utf8_lossy(log.local()));
                self.database().corrupt(LOGS, name, why)
            };
            entries.push(self.resolve(position, height, item, &mut chunk, corrupt)?);
            Ok(())
        })?;
        Ok(entries)
    }

    /// Calls `f` with position, height and item of a log's entries from `from` on, at most `limit`.
    pub(crate) fn each_item(
        &self,
        log: &StateKey,
        from: u64,
        limit: usize,
        mut f: impl FnMut(u64, u64, LogItem) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let length = self.log_head(log)?.length;
        let end = length.min(from.saturating_add(u64::try_from(limit).unwrap_or(u64::MAX)));
        if from >= end {
            return Ok(());
        }
        let prefix = log_prefix(log);
        let mut iterator = self.iterate(LOGS, &log_key(&prefix, 0), &log_key(&prefix, end))?;
        // The run that holds `from` may begin before it.
        iterator.seek_for_prev(log_key(&prefix, from));
        let mut next = None;
        while next.is_none_or(|next| next < end) {
            let wanted = next.unwrap_or(from);
            let corrupt = |why: &str| {
                let name = format!("{} position {wanted}", String::from_utf8_lossy(log.local()));
                self.database().corrupt(LOGS, name, why)
            };
            let Some((key, record)) = iterator.item() else {
                self.finish(LOGS, &iterator)?;
                return Err(corrupt("it is missing"));
            };
            let first = log_position(key).filter(|first| next.map_or(*first <= from, |next| *first == next));
            let first = first.ok_or_else(|| corrupt("it is missing"))?;
            let (height, items) = log_run::read(record).ok_or_else(|| corrupt("it cannot be read"))?;
            let after = first.saturating_add(items.len() as u64);
            if after <= wanted || after > length {
                return Err(corrupt("its run has another length than its place allows"));
            }
            for (item, position) in items
                .into_iter()
                .zip(first..)
                .filter(|(_, at)| (from..end).contains(at))
            {
                f(position, height, item)?;
            }
            next = Some(after);
            iterator.next();
        }
        Ok(())
    }

    /// The entry that a reference stands for.
    pub(crate) fn resolve_reference(
        &self,
        position: u64,
        reference: LogReference,
    ) -> Result<LogEntry, StoreError> {
        let name = format!("position {position}");
        let LogReference { height, item } = reference;
        self.resolve(position, height, item, &mut None, |why| {
            self.database().corrupt(LOGS, &name, why)
        })
    }

    fn resolve(
        &self,
        position: u64,
        height: u64,
        item: LogItem,
        chunk: &mut Option<TransactionChunk>,
        corrupt: impl Fn(String) -> StoreError,
    ) -> Result<LogEntry, StoreError> {
        let LogItem { index, value } = item;
        // A block that is not there yet is not damaged: what names it is.
        if height == 0 || height > self.height() {
            return Err(corrupt(format!(
                "it stands in block {height}, which is not on the ledger"
            )));
        }
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
            sender: Arc::new(envelope.sender().clone()),
            height,
            index,
            block_time_nano: skeleton.proposal.time_nano,
        };
        let value = match value {
            LogValue::Inline(bytes) => bytes,
            LogValue::Whole => self.argument(&provenance, chunk)?.to_vec(),
            LogValue::Range { offset, length } => {
                let range = offset as usize..offset as usize + length as usize;
                let part = self.argument(&provenance, chunk)?.get(range);
                let part = part
                    .ok_or_else(|| corrupt("it refers to more than its transaction's argument".to_owned()))?;
                part.to_vec()
            }
        };
        Ok(LogEntry {
            position,
            provenance,
            value,
        })
    }

    /// A transaction's argument, from the record that was read last if it is there.
    fn argument<'a>(
        &self,
        place: &Provenance,
        chunk: &'a mut Option<TransactionChunk>,
    ) -> Result<&'a [u8], StoreError> {
        let (height, index) = (place.height, place.index);
        let known = chunk
            .as_ref()
            .is_some_and(|chunk| chunk.get(height, index).is_some());
        if !known {
            *chunk = Some(self.transaction_chunk(height, index)?);
        }
        let stored = chunk.as_ref().and_then(|chunk| chunk.get(height, index));
        match stored.map(|stored| stored.calls.as_slice()) {
            Some([call]) => Ok(&call.argument),
            _ => {
                let name = format!("height {height} index {index}");
                let why = "it has not exactly one call";
                Err(self.database().corrupt(TRANSACTIONS, name, why))
            }
        }
    }
}
