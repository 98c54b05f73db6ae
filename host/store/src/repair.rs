//! Damaged blocks: kept aside as they were found, and written anew from a copy that the caller has verified.

use crate::columns::{BLOCKS, HEADERS, META, TRANSACTIONS, VOTES, transaction_key};
use crate::error::StoreError;
use crate::ledger_store::LedgerStore;
use crate::records::Skeleton;
use crate::votes::damaged_votes_at;
use crate::write::BlockWrite;
use e2l_ledger::Block;
use rocksdb::WriteBatch;

/// Names of quarantined records.
const QUARANTINE: &str = "quarantine/";
/// Names of incidents.
pub(crate) const INCIDENT: &str = "incident/";

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

    /// Removes the votes about a height that cannot be read; the others stay. Not synced.
    ///
    /// # Errors
    /// The database cannot be read; a write that failed, now or before.
    pub fn discard_damaged_votes(&self, height: u64) -> Result<(), StoreError> {
        let database = self.database();
        for key in damaged_votes_at(database, height)? {
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
            raft_applied: &[],
            endorsement: None,
        };
        write.put(database, &mut batch, &skeleton)?;
        database.write(batch, true)?;
        self.forget_skeleton(height);
        // A new view: the one before still sees what was there.
        self.publish(tip);
        Ok(())
    }

    /// Keeps the record of an incident under a name; durable on return. The same name again replaces it.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn save_incident(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        let database = self.database();
        let mut batch = WriteBatch::default();
        database.put_named(&mut batch, META, &format!("{INCIDENT}{name}"), record)?;
        database.write(batch, true)
    }

    /// All incidents, in the order of their names.
    ///
    /// # Errors
    /// One is corrupt or cannot be read.
    pub fn incidents(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.database().list_named(META, INCIDENT)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
