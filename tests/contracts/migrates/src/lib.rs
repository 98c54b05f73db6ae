//! A contract that exports `migrate` and no `prepare`: a version that takes the place of `upgrades`, whose calls have written
//! down under `migrate` what it does: `refuse`, `trap`, or anything else to succeed. It writes first in any case.

use event2ledger::ledger::state;
use event2ledger::ledger::types::RejectionKind;

wit_bindgen::generate!({ path: "../../../wit", world: "migrating-contract" });

struct Migrates;

fn reject(message: impl Into<String>) -> Rejection {
    Rejection {
        message: message.into(),
        kind: RejectionKind::Refused,
    }
}

impl Guest for Migrates {
    fn describe() -> Description {
        Description {
            name: "migrates".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: Vec::new(),
        }
    }

    /// What the migration has written.
    fn invoke(_context: CallContext, _function: String, _argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        state::get(b"migrated").ok_or_else(|| reject("it has not migrated"))
    }

    fn query(_context: CallContext, _function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        state::get(&argument).ok_or_else(|| reject("no such key"))
    }

    fn migrate(_context: CallContext, from: String) -> Result<Vec<u8>, Rejection> {
        state::put(b"migrated", from.as_bytes());
        match state::get(b"migrate").as_deref() {
            Some(b"refuse") => Err(reject("the migration refuses")),
            Some(b"trap") => panic!(),
            _ => Ok(Vec::new()),
        }
    }
}

export!(Migrates);
