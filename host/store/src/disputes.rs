//! What stopped finality, so that a restart does not forget it.

use crate::columns::META;
use crate::error::StoreError;
use crate::ledger_store::LedgerStore;
use rocksdb::WriteBatch;

/// Start of the names of disputes.
const DISPUTE: &str = "dispute/";

impl LedgerStore {
    /// Keeps the record of a dispute under a name; durable on return. The same name again replaces it.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn save_dispute(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        let database = self.database();
        let mut batch = WriteBatch::default();
        database.put_named(&mut batch, META, &format!("{DISPUTE}{name}"), record)?;
        database.write(batch, true)
    }

    /// A dispute is over. Not synced: one that comes back after a crash is over again as soon as the others speak.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn end_dispute(&self, name: &str) -> Result<(), StoreError> {
        self.database()
            .delete_now(META, format!("{DISPUTE}{name}").as_bytes())
    }

    /// All disputes, in the order of their names.
    ///
    /// # Errors
    /// One is corrupt or cannot be read.
    pub fn disputes(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut kept = self.newest_kept(DISPUTE, None, usize::MAX)?;
        if let Some(name) = kept.damaged.first() {
            return Err(self.database().corrupt(META, name, "its checksum does not hold"));
        }
        kept.readable.reverse();
        Ok(kept.readable)
    }
}
