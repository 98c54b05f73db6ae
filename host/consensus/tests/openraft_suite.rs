//! openraft's own suite, on the log and the state machine that peers run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support;

use e2l_consensus::conformance::{LogStore, StateMachine, TypeConfig};
use e2l_store::RaftLog;
use openraft::StorageError;
use openraft::testing::{StoreBuilder, Suite};
use support::MemoryLedger;

struct Stores;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, tempfile::TempDir> for Stores {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, StateMachine), StorageError<u64>> {
        let directory = tempfile::tempdir().unwrap();
        let log = RaftLog::open(&directory.path().join("log")).unwrap();
        let machine = StateMachine::new(MemoryLedger::new(&[1, 2, 3]), log.clone()).unwrap();
        Ok((directory, LogStore::new(log).unwrap(), machine))
    }
}

#[test]
fn stores_keep_the_contract_of_openraft() {
    Suite::test_all(Stores).unwrap();
}
