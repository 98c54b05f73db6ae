//! A RocksDB snapshot that keeps its database alive, so that it can be shared and sent freely.

use crate::database::Database;
use rocksdb::Snapshot;
use self_cell::self_cell;
use std::sync::Arc;

self_cell!(
    pub(crate) struct OwnedSnapshot {
        owner: Arc<Database>,
        #[covariant]
        dependent: Snapshot,
    }
);

impl OwnedSnapshot {
    pub(crate) fn take(database: Arc<Database>) -> Self {
        Self::new(database, |database| database.db().snapshot())
    }

    pub(crate) fn database(&self) -> &Database {
        self.borrow_owner()
    }

    pub(crate) fn snapshot(&self) -> &Snapshot<'_> {
        self.borrow_dependent()
    }
}
