//! Checks of what no root covers and everything relies on: where transactions and batches stand, and what a log's
//! entries refer to. What does not hold is written anew from what does.

use crate::columns::{LOGS, TX_INDEX, half, log_key, log_node_key, log_prefix, parse_transaction_key};
use crate::error::StoreError;
use crate::ledger_store::LedgerStore;
use crate::log_node::LogNode;
use crate::log_read::LogReference;
use crate::log_run::{self, LogItem};
use crate::records::Skeleton;
use crate::view::View;
use crate::write::BlockWrite;
use borsh::BorshDeserialize;
use e2l_ledger::{Block, Envelope, KeyPrefix, LogHead, StateKey};
use rocksdb::WriteBatch;

/// Log entries read at a time.
const STRIDE: usize = 1024;

impl View {
    /// What does not hold of the index entries of a sound block: a transaction or batch that is not found, or is
    /// said to stand elsewhere; `None` if all hold.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn index_fault(&self, block: &Block) -> Result<Option<String>, StoreError> {
        let height = block.header.height;
        for outcome in block.outcomes() {
            let first = u32::try_from(outcome.first).unwrap_or(u32::MAX);
            for (result, index) in outcome.results.iter().zip(first..) {
                let place = self.read(TX_INDEX, &half(&result.id))?;
                let place = place.as_deref().and_then(parse_transaction_key);
                // Of several refusals of one envelope the first keeps its place.
                let holds = if outcome.refused {
                    place.is_some_and(|place| place <= (height, index))
                } else {
                    place == Some((height, index))
                };
                if !holds {
                    return Ok(Some(format!(
                        "transaction {} at index {index} is not found by its id",
                        result.id
                    )));
                }
            }
            let Envelope::Batch(batch) = outcome.envelope else {
                continue;
            };
            if outcome.refused {
                continue;
            }
            let header = &batch.header;
            let place = match self.batch(&header.sender, header.incarnation, header.sequence) {
                Err(error) if error.is_damage() => None,
                other => other?,
            };
            let holds = place.is_some_and(|place| {
                (place.height, place.first_index, place.digest) == (height, first, header.digest())
            });
            if !holds {
                return Ok(Some(format!(
                    "batch {} of {} is not found by its number",
                    header.sequence, header.sender
                )));
            }
        }
        Ok(None)
    }

    /// State keys of logs after `after`, at most `limit`, in the order of their bytes.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn logs_after(&self, after: Option<&StateKey>, limit: usize) -> Result<Vec<StateKey>, StoreError> {
        let first = after.map_or_else(
            || StateKey::from_bytes(vec![KeyPrefix::Log as u8]),
            |after| StateKey::from_bytes([after.as_bytes(), &[0]].concat()),
        );
        let end = StateKey::from_bytes(vec![KeyPrefix::Log as u8 + 1]);
        let found = self.scan(&first, &end, limit)?;
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }

    /// Reads a whole log and compares it with its head.
    ///
    /// # Errors
    /// An entry is missing, refers to something else, or cannot be read.
    pub fn check_log(&self, log: &StateKey) -> Result<(), StoreError> {
        let mut found = LogHead::default();
        while !self.check_log_further(log, &mut found)? {}
        Ok(())
    }

    /// Reads the next thousand entries of a log after those in `found`; says whether the end was reached, and the
    /// whole is what the head commits to. The log may have grown since `found` was begun.
    ///
    /// # Errors
    /// An entry is missing, refers to something else, or cannot be read.
    pub fn check_log_further(&self, log: &StateKey, found: &mut LogHead) -> Result<bool, StoreError> {
        let head = self.log_head(log)?;
        let damaged = |why| {
            let name = format!("log {}", String::from_utf8_lossy(log.local()));
            Err(self.database().corrupt(LOGS, name, why))
        };
        let mut nodes = Vec::new();
        for entry in self.log_read(log, found.length, STRIDE)? {
            found.append_with(entry.own_digest(), |level, root| {
                nodes.extend(LogNode::kept(level, entry.position, root));
            });
        }
        for node in nodes {
            if self.log_node(log, node.level, node.index)? != Some(node.root) {
                return damaged("a root over its entries is missing or another");
            }
        }
        if found.length < head.length {
            return Ok(false);
        }
        if *found == head {
            return Ok(true);
        }
        damaged("its entries are not those that the state commits to")
    }

    /// What the entries of a log refer to, from position `from` on, at most `limit`; for another peer to check.
    ///
    /// # Errors
    /// A record is missing, corrupt or cannot be read.
    pub fn log_references(
        &self,
        log: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Vec::new();
        self.each_item(log, from, limit, |_, height, item| {
            let written = borsh::to_vec(&LogReference { height, item });
            debug_assert!(written.is_ok(), "memory accepts every byte");
            found.extend(written);
            Ok(())
        })?;
        Ok(found)
    }
}

impl LedgerStore {
    /// Writes the index entries of a sound block anew; durable on return.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn rewrite_indexes(&self, block: &Block) -> Result<(), StoreError> {
        let height = block.header.height;
        let skeleton = Skeleton::of(block).map_err(|why| StoreError::BadBlock { height, why })?;
        let _one_at_a_time = self.lock_writing();
        let database = self.database();
        let mut batch = WriteBatch::default();
        // A place that another transaction has taken must not count as a known one.
        for result in &block.results {
            let key = half(&result.id);
            let column = database.column(TX_INDEX)?;
            let place = database.db().get_pinned_cf(column, key);
            let place = place.map_err(|error| database.read_error(TX_INDEX, error))?;
            let place = place.as_deref().and_then(parse_transaction_key);
            if place.is_none_or(|place| place > (height, u32::MAX)) {
                database.delete_now(TX_INDEX, &key)?;
            }
        }
        let write = BlockWrite {
            block,
            state: Vec::new(),
            logs: Vec::new(),
            packed: Vec::new(),
            raft_applied: &[],
            acknowledges: false,
            endorsement: None,
        };
        write.put(database, &mut batch, &skeleton)?;
        database.write(batch, true)?;
        self.publish(self.tip()?);
        Ok(())
    }

    /// Writes what the first entries of a log refer to anew, if they are what `view` commits to; says whether
    /// they are. Durable on return. What the log got since `view` is not touched.
    ///
    /// # Errors
    /// A write that failed, now or before; the database cannot be read.
    pub fn rewrite_log(
        &self,
        view: &View,
        log: &StateKey,
        references: &[Vec<u8>],
    ) -> Result<bool, StoreError> {
        let head = view.log_head(log)?;
        let mut found = LogHead::default();
        let mut runs: Vec<(u64, u64, Vec<LogItem>)> = Vec::new();
        let mut nodes = Vec::new();
        for (record, position) in references.iter().zip(0..) {
            let Ok(reference) = LogReference::try_from_slice(record) else {
                return Ok(false);
            };
            match view.resolve_reference(position, reference.clone()) {
                Ok(entry) => found.append_with(entry.own_digest(), |level, root| {
                    nodes.extend(LogNode::kept(level, position, root));
                }),
                Err(error) if error.is_damage() => return Ok(false),
                Err(error) => return Err(error),
            };
            let LogReference { height, item } = reference;
            match runs.last_mut().filter(|(_, last, _)| *last == height) {
                Some((_, _, items)) => items.push(item),
                None => runs.push((position, height, vec![item])),
            }
        }
        if found != head {
            return Ok(false);
        }
        let database = self.database();
        let _one_at_a_time = self.lock_writing();
        let (prefix, column) = (log_prefix(log), database.column(LOGS)?);
        let mut batch = WriteBatch::default();
        // A record under a wrong position must not stay between the right ones.
        batch.delete_range_cf(column, log_key(&prefix, 0), log_key(&prefix, head.length));
        let mut record = Vec::new();
        for (first, height, items) in runs {
            record.clear();
            log_run::write(height, &items, &mut record);
            batch.put_cf(column, log_key(&prefix, first), &record);
        }
        for node in nodes {
            let key = log_node_key(&prefix, node.level, node.index);
            batch.put_cf(column, key, node.root.as_bytes());
        }
        database.write(batch, true)?;
        self.publish(self.tip()?);
        Ok(true)
    }
}
