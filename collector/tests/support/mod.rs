//! A collector's identity and spool, real ones in a temporary directory.
#![allow(dead_code)]

use e2l_collector::spool::{Directory, Opening, Owner, Spool, SpoolError};
use e2l_identity::{Authority, Identity, Validity};
use e2l_ledger::event::{Event, EventKind, Observation};
use e2l_ledger::{Digest, Member, Role};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use time::OffsetDateTime;

pub mod engine;
pub mod fake_engine;

/// One collector.
pub struct Collector {
    directory: TempDir,
    spool_dir: PathBuf,
    authority: Authority,
    pub signer: Identity,
    pub owner: Owner,
}

impl Collector {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create("provider", validity()).unwrap();
        let sender = Member {
            actor: "provider".into(),
            role: Role::Collector,
            name: "collector-1".into(),
        };
        let signer = issue(&authority, &sender, directory.path());
        let owner = Owner {
            network: Digest([7; 32]),
            sender,
        };
        Self {
            spool_dir: directory.path().join("spool"),
            directory,
            authority,
            signer,
            owner,
        }
    }

    pub fn spool_dir(&self) -> &Path {
        &self.spool_dir
    }

    pub fn begin(&self) -> Spool {
        let opening = Opening {
            incarnation: 1,
            previous: Digest::ZERO,
            opened_nano: 1,
        };
        Spool::begin(Directory::lock(&self.spool_dir).unwrap(), &self.owner, &opening).unwrap()
    }

    pub fn open(&self) -> Result<Spool, SpoolError> {
        Spool::open(Directory::lock(&self.spool_dir)?, &self.owner)
            .map(|opened| opened.unwrap_or_else(|_| panic!("there is no spool")))
    }

    /// Another key and certificate of the same member.
    pub fn renew(&self) -> Identity {
        issue(
            &self.authority,
            &self.owner.sender,
            &self.directory.path().join("renewed"),
        )
    }
}

fn validity() -> Validity {
    Validity::days(OffsetDateTime::now_utc(), 30)
}

fn issue(authority: &Authority, member: &Member, directory: &Path) -> Identity {
    let issued = authority.issue("test", member, validity(), &[]).unwrap();
    issued.write(directory, "collector").unwrap();
    Identity::load(&directory.join("collector.pem"), &directory.join("collector.key")).unwrap()
}

/// An event that differs from others by its id.
pub fn event(id: &str) -> Event {
    Event {
        kind: EventKind::Container,
        action: "start".into(),
        actor_id: id.into(),
        attributes: [("name".to_owned(), id.to_owned())].into(),
        scope: "local".into(),
        time: 1,
        time_nano: 1_000_000_001,
        received_nano: 1_000_000_002,
        sequence: 0,
        observation: Observation::Observed,
        facts: None,
    }
}
