//! The certificates of peers that have voted: proofs of what they endorsed need them.

use e2l_ledger::{Certificate, Digest};
use e2l_store::{LedgerStore, StoreError};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Certificates of one actor's peers that are kept in one run: an actor can issue as many as it likes.
const MAX_CERTIFICATES: usize = 4096;

/// All that are in the store; those that came in this run are in memory too.
pub struct Endorsers {
    store: LedgerStore,
    heard: Mutex<BTreeMap<Digest, Certificate>>,
}

impl Endorsers {
    /// Those of a store.
    pub(super) fn new(store: LedgerStore) -> Self {
        Self {
            store,
            heard: Mutex::default(),
        }
    }

    /// Keeps the certificate of a peer that has voted, whose signature was good. Says whether it is kept: not if its actor
    /// has left too many here.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn remember(&self, certificate: &Certificate) -> Result<bool, StoreError> {
        let digest = certificate.digest();
        let mut heard = self.heard.lock();
        if heard.contains_key(&digest) {
            return Ok(true);
        }
        let actor = &certificate.member().actor;
        let kept = heard.values().filter(|known| known.member().actor == *actor);
        if kept.count() >= MAX_CERTIFICATES {
            return Ok(false);
        }
        self.store.save_certificate(&digest, certificate.der())?;
        heard.insert(digest, certificate.clone());
        Ok(true)
    }

    /// The certificate of a peer that has voted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn get(&self, digest: &Digest) -> Result<Option<Certificate>, StoreError> {
        if let Some(certificate) = self.heard.lock().get(digest) {
            return Ok(Some(certificate.clone()));
        }
        let der = match self.store.certificate(digest) {
            // As good as none: it comes again with the next vote, or with a repair.
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "a certificate of an endorser is damaged");
                None
            }
            found => found?,
        };
        Ok(der.and_then(|der| Certificate::parse(&der).ok()))
    }

    /// The certificate of a peer that has voted, if it is in memory.
    pub fn in_memory(&self, digest: &Digest) -> Option<Certificate> {
        self.heard.lock().get(digest).cloned()
    }
}
