//! Records about what happened to a peer: incidents, evidence, certificates of voters, damaged records kept aside. One
//! that is damaged itself hides no other: it is named, and can be set aside too.

use crate::columns::META;
use crate::error::StoreError;
use crate::ledger_store::LedgerStore;
use crate::seal::{seal, unseal};
use rocksdb::WriteBatch;

/// Names of incidents.
pub(crate) const INCIDENT: &str = "incident/";
/// Names of evidence.
pub(crate) const EVIDENCE: &str = "evidence/";
/// Names of quarantined records.
pub(crate) const QUARANTINE: &str = "quarantine/";
/// Names of certificates.
pub(crate) const CERTIFICATE: &str = "certificate/";
/// All of them.
const KINDS: [&str; 4] = [CERTIFICATE, EVIDENCE, INCIDENT, QUARANTINE];

/// Records of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Names and contents, in the order of their names.
    pub readable: Vec<(String, Vec<u8>)>,
    /// Full names of those whose checksum does not hold, for
    /// [`set_record_aside`](LedgerStore::set_record_aside).
    pub damaged: Vec<String>,
}

impl LedgerStore {
    /// Keeps the record of an incident under a name; durable on return. The same name again replaces it.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn save_incident(&self, name: &str, record: &[u8]) -> Result<(), StoreError> {
        self.save_kept(INCIDENT, name, record)
    }

    /// The last incidents before one of this name (of all with `None`), at most `limit`, in the order of their names.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn incidents_before(&self, before: Option<&str>, limit: usize) -> Result<Kept, StoreError> {
        let mut kept = self.newest_kept(INCIDENT, before, limit)?;
        kept.readable.reverse();
        Ok(kept)
    }

    /// All incidents that can be read, in the order of their names.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn incidents(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(self.incidents_before(None, usize::MAX)?.readable)
    }

    /// Keeps evidence (canonical bytes) under a name; durable on return. The same name again replaces it.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn save_evidence(&self, name: &str, evidence: &[u8]) -> Result<(), StoreError> {
        self.save_kept(EVIDENCE, name, evidence)
    }

    /// All evidence, and the names of pieces that are damaged.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn kept_evidence(&self) -> Result<Kept, StoreError> {
        let mut kept = self.newest_kept(EVIDENCE, None, usize::MAX)?;
        kept.readable.reverse();
        Ok(kept)
    }

    /// All evidence that can be read, by name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn evidence(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(self.kept_evidence()?.readable)
    }

    /// Full name of the record that [`evidence`](Self::evidence) calls so.
    pub fn evidence_record(name: &str) -> String {
        format!("{EVIDENCE}{name}")
    }

    /// Full name of the record that [`incidents`](Self::incidents) calls so.
    pub fn incident_record(name: &str) -> String {
        format!("{INCIDENT}{name}")
    }

    /// Full names of records about what happened whose checksum does not hold, of all kinds.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn damaged_kept(&self) -> Result<Vec<String>, StoreError> {
        let database = self.database();
        let mut damaged = Vec::new();
        let mut iterator = database.db().raw_iterator_cf(database.column(META)?);
        for kind in KINDS {
            iterator.seek(kind);
            while let Some((key, record)) = iterator.item()
                && key.starts_with(kind.as_bytes())
            {
                if unseal(META, key, record).is_none() {
                    damaged.push(String::from_utf8_lossy(key).into_owned());
                }
                iterator.next();
            }
            iterator
                .status()
                .map_err(|error| database.read_error(META, error))?;
        }
        Ok(damaged)
    }

    /// Moves a damaged record of one of these kinds into quarantine, as it is; says whether it was there. Durable on
    /// return. `case` names the copy.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn set_record_aside(&self, name: &str, case: &str) -> Result<bool, StoreError> {
        let database = self.database();
        // What cannot be read at all leaves nothing to keep.
        let found = database.db().get_cf(database.column(META)?, name).ok().flatten();
        if !KINDS.iter().any(|kind| name.starts_with(kind)) {
            return Ok(false);
        }
        let mut batch = WriteBatch::default();
        if let Some(record) = &found {
            database.put_named(
                &mut batch,
                META,
                &format!("{QUARANTINE}{case}/{META}/{name}"),
                record,
            )?;
        }
        batch.delete_cf(database.column(META)?, name);
        database.write(batch, true)?;
        Ok(found.is_some())
    }

    fn save_kept(&self, kind: &str, name: &str, record: &[u8]) -> Result<(), StoreError> {
        let database = self.database();
        let mut batch = WriteBatch::default();
        let key = format!("{kind}{name}");
        batch.put_cf(database.column(META)?, &key, seal(META, key.as_bytes(), record));
        database.write(batch, true)
    }

    /// The newest first.
    pub(crate) fn newest_kept(
        &self,
        kind: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Kept, StoreError> {
        let database = self.database();
        let mut iterator = database.db().raw_iterator_cf(database.column(META)?);
        // Names are ASCII: nothing of this kind sorts at or above.
        let end = before.map_or_else(|| format!("{kind}\u{7f}"), |before| format!("{kind}{before}"));
        iterator.seek_for_prev(&end);
        let mut kept = Kept::default();
        while kept.readable.len() < limit
            && let Some((key, record)) = iterator.item()
            && key.starts_with(kind.as_bytes())
        {
            let name = String::from_utf8_lossy(key).into_owned();
            match unseal(META, key, record) {
                _ if name == end => {}
                Some(content) => kept
                    .readable
                    .push((name[kind.len()..].to_owned(), content.to_vec())),
                None => kept.damaged.push(name),
            }
            iterator.prev();
        }
        iterator
            .status()
            .map_err(|error| database.read_error(META, error))?;
        Ok(kept)
    }
}
