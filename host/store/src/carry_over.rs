//! What a new ledger takes over from one that was set aside: what this peer has signed, what convicts others, and what
//! happened here. None of it comes back with the blocks.

use crate::columns::META;
use crate::error::StoreError;
use crate::kept::{EVIDENCE, INCIDENT};
use crate::ledger_store::LedgerStore;
use crate::seal::unseal;
use crate::sign_once::{Signed, Statement};
use rocksdb::{DB, DBRecoveryMode, Options, WriteBatch};
use std::path::Path;

impl LedgerStore {
    /// Takes over, from the ledger in `from`, which nobody has open and which is not written to, every sign-once
    /// record, piece of evidence and incident whose checksum holds; returns how many. Of two sign-once records the
    /// higher one counts; what is here already stays. Durable on return.
    ///
    /// # Errors
    /// A write that failed, now or before. What cannot be read in `from` is left out.
    pub fn carry_over(&self, from: &Path) -> Result<usize, StoreError> {
        let Some(old) = open_for_reading(from) else {
            tracing::warn!(from = %from.display(), "nothing can be read of a ledger that was set aside");
            return Ok(0);
        };
        let mut carried = 0;
        for statement in [Statement::Acknowledgement, Statement::Endorsement] {
            for (_, content) in records(&old, statement.record()) {
                if let Ok(signed) = borsh::from_slice::<Signed>(&content) {
                    carried += usize::from(self.remember(statement, signed)?);
                }
            }
        }
        let database = self.database();
        let mut batch = WriteBatch::default();
        for (name, content) in [EVIDENCE, INCIDENT].iter().flat_map(|kind| records(&old, kind)) {
            if database.get_named(META, &name)?.is_none() {
                database.put_named(&mut batch, META, &name, &content)?;
                carried += 1;
            }
        }
        database.write(batch, true)?;
        Ok(carried)
    }
}

/// What can be read of a damaged database is wanted, whatever else cannot.
fn open_for_reading(dir: &Path) -> Option<DB> {
    let mut options = Options::default();
    options.set_paranoid_checks(false);
    options.set_wal_recovery_mode(DBRecoveryMode::SkipAnyCorruptedRecord);
    let columns = DB::list_cf(&options, dir).ok()?;
    DB::open_cf_for_read_only(&options, dir, columns, false).ok()
}

/// Names and contents of the records whose names start with `prefix` and whose checksums hold.
fn records(database: &DB, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let Some(column) = database.cf_handle(META) else {
        return Vec::new();
    };
    let mut iterator = database.raw_iterator_cf(column);
    iterator.seek(prefix);
    let mut found = Vec::new();
    while let Some((key, record)) = iterator.item() {
        let Some(name) = std::str::from_utf8(key)
            .ok()
            .filter(|name| name.starts_with(prefix))
        else {
            break;
        };
        if let Some(content) = unseal(META, key, record) {
            found.push((name.to_owned(), content.to_vec()));
        }
        iterator.next();
    }
    found
}
