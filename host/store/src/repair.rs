//! Damaged blocks: kept aside as they were found, and written anew from a copy that the caller has verified.

use crate::columns::{
    BATCHES, BLOCKS, HEADERS, LOGS, META, TRANSACTIONS, TX_INDEX, VOTES, batch_key, half, log_prefix,
    transaction_key,
};
use crate::error::StoreError;
use crate::kept::QUARANTINE;
use crate::ledger_store::LedgerStore;
use crate::records::Skeleton;
use crate::view::View;
use crate::votes::votes_to_discard;
use crate::write::BlockWrite;
use e2l_ledger::{Block, Digest, Envelope, SignedVote, StateKey};
use rocksdb::WriteBatch;

/// Records of a log that are written in one batch.
const AT_ONCE: usize = 4096;

impl LedgerStore {
    /// Copies the records of a block aside as they are, unreadable ones left out; returns how many. Durable on
    /// return. `case` names the copies.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn quarantine_block(&self, height: u64, case: &str) -> Result<usize, StoreError> {
        let database = self.database();
        let mut batch = WriteBatch::default();
        let mut count = 0;
        let key = height.to_be_bytes();
        for column in [HEADERS, BLOCKS] {
            // What cannot be read at all leaves nothing to keep.
            if let Ok(Some(record)) = database.db().get_cf(database.column(column)?, key) {
                database.put_named(&mut batch, META, &format!("{QUARANTINE}{case}/{column}"), &record)?;
                count += 1;
            }
        }
        for column in [TRANSACTIONS, VOTES] {
            let mut iterator = database.db().raw_iterator_cf(database.column(column)?);
            iterator.seek(key);
            while let Some((key, record)) = iterator.item() {
                if !key.starts_with(&height.to_be_bytes()) {
                    break;
                }
                let name = format!("{QUARANTINE}{case}/{column}/{}", hex(key));
                database.put_named(&mut batch, META, &name, record)?;
                count += 1;
                iterator.next();
            }
        }
        database.write(batch, true)?;
        Ok(count)
    }

    /// Copies the records that say where the transactions and batches of a sound block stand aside, as they are;
    /// returns how many. Durable on return.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn quarantine_indexes(&self, block: &Block, case: &str) -> Result<usize, StoreError> {
        let database = self.database();
        let places = block
            .results
            .iter()
            .map(|result| (TX_INDEX, half(&result.id).to_vec()));
        let batches = block
            .proposal
            .envelopes
            .iter()
            .filter_map(|envelope| match &**envelope {
                Envelope::Batch(batch) => {
                    let header = &batch.header;
                    let key = batch_key(&header.sender, header.incarnation, header.sequence);
                    Some((BATCHES, key))
                }
                Envelope::Request(_) => None,
            });
        let mut batch = WriteBatch::default();
        let mut count = 0;
        for (column, key) in places.chain(batches) {
            if let Ok(Some(record)) = database.db().get_cf(database.column(column)?, &key) {
                let name = format!("{QUARANTINE}{case}/{column}/{}", hex(&key));
                database.put_named(&mut batch, META, &name, &record)?;
                count += 1;
            }
        }
        database.write(batch, true)?;
        Ok(count)
    }

    /// Moves what the index says about a transaction aside, because it is not true; returns how many records that were.
    /// Durable on return.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn set_index_entry_aside(&self, id: &Digest, case: &str) -> Result<usize, StoreError> {
        let database = self.database();
        let (column, key) = (database.column(TX_INDEX)?, half(id));
        let mut batch = WriteBatch::default();
        // What cannot be read at all leaves nothing to keep.
        let found = database.db().get_cf(column, key).ok().flatten();
        if let Some(record) = &found {
            let name = format!("{QUARANTINE}{case}/{TX_INDEX}/{}", hex(&key));
            database.put_named(&mut batch, META, &name, record)?;
        }
        batch.delete_cf(column, key);
        let _one_at_a_time = self.lock_writing();
        database.write(batch, true)?;
        self.publish(self.tip()?);
        Ok(usize::from(found.is_some()))
    }

    /// Copies the records of a log aside that are others in `before`, a view from before it was written anew, than
    /// they are now; returns how many. Durable on return.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn quarantine_log(&self, before: &View, log: &StateKey, case: &str) -> Result<usize, StoreError> {
        let database = self.database();
        let column = database.column(LOGS)?;
        let prefix = log_prefix(log);
        let mut iterator = before.iterate(LOGS, &prefix, &end_of(&prefix))?;
        let mut batch = WriteBatch::default();
        let mut count = 0;
        while let Some((key, record)) = iterator.item() {
            let now = database.db().get_pinned_cf(column, key);
            if !now.is_ok_and(|now| now.is_some_and(|now| *now == *record)) {
                let name = format!("{QUARANTINE}{case}/{LOGS}/{}", hex(key));
                database.put_named(&mut batch, META, &name, record)?;
                count += 1;
            }
            if batch.len() >= AT_ONCE {
                database.write(std::mem::take(&mut batch), false)?;
            }
            iterator.next();
        }
        database.write(batch, true)?;
        Ok(count)
    }

    /// Removes the votes about a height that cannot be read, and those of which `holds` says that they do not (given
    /// the actor's name); the others stay. Not synced.
    ///
    /// # Errors
    /// The database cannot be read; a write that failed, now or before.
    pub fn discard_votes(
        &self,
        height: u64,
        holds: impl Fn(&str, &SignedVote) -> bool,
    ) -> Result<(), StoreError> {
        let database = self.database();
        for key in votes_to_discard(database, height, holds)? {
            database.delete_now(VOTES, &key)?;
        }
        Ok(())
    }

    /// Writes a block's header, content and indexes anew, over whatever is there; durable on return. The caller
    /// has verified that it is the final block of its height. State, logs and votes are not touched.
    ///
    /// # Errors
    /// The height is above the newest; a write that failed, now or before.
    pub fn rewrite_block(&self, block: &Block) -> Result<(), StoreError> {
        let height = block.header.height;
        let bad_block = |why: String| StoreError::BadBlock { height, why };
        let _one_at_a_time = self.lock_writing();
        let tip = self.tip()?;
        if height > tip.height {
            return Err(bad_block(format!("the newest height is {}", tip.height)));
        }
        let skeleton = Skeleton::of(block).map_err(bad_block)?;
        let database = self.database();
        let mut batch = WriteBatch::default();
        let transactions = database.column(TRANSACTIONS)?;
        batch.delete_range_cf(
            transactions,
            transaction_key(height, 0),
            transaction_key(height + 1, 0),
        );
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
        self.forget_skeleton(height);
        // A new view: the one before still sees what was there.
        self.publish(tip);
        Ok(())
    }
}

/// The first key that does not start with a prefix.
fn end_of(prefix: &[u8; 16]) -> Vec<u8> {
    match u128::from_be_bytes(*prefix).checked_add(1) {
        Some(next) => next.to_be_bytes().to_vec(),
        None => vec![0xff; 17],
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
