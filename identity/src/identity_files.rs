//! A certificate and its key in two files, which may be replaced while a process runs.

use crate::error::IdentityError;
use crate::identity::Identity;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Tells one state of a file from another: a file that is put in its place is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: meta.ino(),
            length: meta.len(),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

type Stamps = [Option<Stamp>; 2];

/// The two files, and the state of them that needs no further look.
#[derive(Debug)]
pub struct IdentityFiles {
    certificate: PathBuf,
    key: PathBuf,
    seen: Option<Stamps>,
    settled: Option<Stamps>,
}

impl IdentityFiles {
    /// These files.
    pub fn new(certificate: &Path, key: &Path) -> Self {
        Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            seen: None,
            settled: None,
        }
    }

    /// The identity in the files, unless they are as they were when it was settled. They are written one after the other:
    /// a pair that does not fit is an error now, and may fit the next time.
    pub fn candidate(&mut self) -> Option<Result<Identity, IdentityError>> {
        // Taken before the files are read: what is written meanwhile is seen the next time.
        let now = [Stamp::of(&self.certificate), Stamp::of(&self.key)];
        if self.settled == Some(now) {
            return None;
        }
        self.seen = Some(now);
        Some(Identity::load(&self.certificate, &self.key))
    }

    /// What [`candidate`](Self::candidate) gave last is in use.
    pub fn settle(&mut self) {
        self.settled = self.seen;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Authority, Issued, Validity};
    use e2l_ledger::{Member, Role, Signer};
    use time::OffsetDateTime;

    fn issued() -> Issued {
        let validity = Validity::days(OffsetDateTime::now_utc(), 1);
        let member = Member {
            actor: "provider".to_owned(),
            role: Role::Collector,
            name: "collector-1".to_owned(),
        };
        let authority = Authority::create("provider", validity).unwrap();
        authority.issue("testnet", &member, validity, &[]).unwrap()
    }

    #[test]
    fn a_replaced_pair_is_seen_once_and_a_half_replaced_one_again_and_again() {
        let home = tempfile::tempdir().unwrap();
        let [first, second] = [issued(), issued()];
        first.write(home.path(), "it").unwrap();
        let (certificate, key) = (home.path().join("it.pem"), home.path().join("it.key"));
        let mut files = IdentityFiles::new(&certificate, &key);
        let found = files.candidate().unwrap().unwrap();
        assert_eq!(found.certificate().der(), first.certificate_der);
        assert!(files.candidate().is_some(), "it was not settled");
        files.settle();
        assert!(files.candidate().is_none());

        // As when a renewal is seen between its two renames.
        let half = home.path().join("half");
        std::fs::write(&half, second.certificate_pem.as_bytes()).unwrap();
        std::fs::rename(&half, &certificate).unwrap();
        for _ in 0..2 {
            let error = files.candidate().unwrap().unwrap_err();
            assert!(matches!(error, IdentityError::KeyMismatch { .. }), "{error}");
        }
        second.replace(&certificate, &key).unwrap();
        let found = files.candidate().unwrap().unwrap();
        assert_eq!(found.certificate().der(), second.certificate_der);
        files.settle();
        assert!(files.candidate().is_none());
    }
}
