//! What this peer has signed: at most one proposal and one header per height, always upwards. The record is
//! durable before a signature leaves, so that a crash cannot make an honest peer contradict itself.

use crate::columns::META;
use crate::database::Database;
use crate::error::StoreError;
use e2l_ledger::Digest;
use parking_lot::{Mutex, MutexGuard};
use rocksdb::WriteBatch;
use std::fmt;

/// Kind of statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// "Raft told me that this proposal is committed."
    Acknowledgement,
    /// "I executed it and got this header."
    Endorsement,
}

impl Statement {
    pub(crate) fn record(self) -> &'static str {
        match self {
            Self::Acknowledgement => "signed/acknowledgement",
            Self::Endorsement => "signed/endorsement",
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acknowledgement => "acknowledgement",
            Self::Endorsement => "endorsement",
        })
    }
}

/// The last thing signed of a kind: height, and digest of the proposal or header.
pub type Signed = (u64, Digest);

/// What was signed last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignRecord {
    /// Newest acknowledgement.
    pub ack: Option<Signed>,
    /// Newest endorsement.
    pub endorsement: Option<Signed>,
}

/// Signing would contradict, or go back behind, what was signed before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this peer will not sign an {statement} of {digest} at height {height}: it has signed {signed_digest} at \
     height {signed_height}, and signs once per height and only upwards; compare this peer's ledger with the \
     others' (`e2l audit`)"
)]
pub struct SignOnceError {
    /// Kind of statement.
    pub statement: Statement,
    /// Height asked for.
    pub height: u64,
    /// Digest asked for.
    pub digest: Digest,
    /// Height signed last.
    pub signed_height: u64,
    /// Digest signed last.
    pub signed_digest: Digest,
}

/// Keeps the record of one kind.
pub(crate) struct SignOnce {
    statement: Statement,
    last: Mutex<Option<Signed>>,
}

/// The right to sign, held until its record is written.
pub(crate) struct Reservation<'a> {
    last: MutexGuard<'a, Option<Signed>>,
    new: Signed,
}

impl Reservation<'_> {
    /// Once the record is on the disk.
    pub(crate) fn written(mut self) {
        *self.last = Some(self.new);
    }
}

impl SignOnce {
    pub(crate) fn load(database: &Database, statement: Statement) -> Result<Self, StoreError> {
        let last = database.get_named(META, statement.record())?;
        let last = last
            .map(|content| borsh::from_slice::<Signed>(&content))
            .transpose();
        Ok(Self {
            statement,
            last: Mutex::new(last.map_err(|error| database.corrupt(META, statement.record(), error))?),
        })
    }

    pub(crate) fn last(&self) -> Option<Signed> {
        *self.last.lock()
    }

    /// Adds the record to a batch; `None` when the same statement was signed before.
    pub(crate) fn reserve(
        &self,
        database: &Database,
        batch: &mut WriteBatch,
        new: Signed,
    ) -> Result<Option<Reservation<'_>>, StoreError> {
        let last = self.last.lock();
        match *last {
            Some(signed) if signed == new => return Ok(None),
            Some((signed_height, signed_digest)) if new.0 <= signed_height => {
                return Err(StoreError::SignOnce(SignOnceError {
                    statement: self.statement,
                    height: new.0,
                    digest: new.1,
                    signed_height,
                    signed_digest,
                }));
            }
            _ => {}
        }
        let mut content = new.0.to_le_bytes().to_vec();
        content.extend_from_slice(new.1.as_bytes());
        database.put_named(batch, META, self.statement.record(), &content)?;
        Ok(Some(Reservation { last, new }))
    }

    /// Durable on return.
    pub(crate) fn reserve_now(&self, database: &Database, new: Signed) -> Result<(), StoreError> {
        // Even for a statement that was signed before: a peer that cannot write must not speak.
        database.check_writable()?;
        let mut batch = WriteBatch::default();
        if let Some(reservation) = self.reserve(database, &mut batch, new)? {
            database.write(batch, true)?;
            reservation.written();
        }
        Ok(())
    }
}
