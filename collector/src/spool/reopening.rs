//! A new incarnation for what peers will never take: everything that is not on the ledger is recorded anew, in a spool that
//! takes the place of the one before in one step.
//!
//! It is written in a directory of its own. Once it is durable the file `reopened` says so: from then on a start
//! goes on with it, and before that with the old one.

use super::directory::Directory;
use super::error::SpoolError;
use super::record::{Checkpoint, Record};
use super::reserve::Reserve;
use super::{Owner, Spool, segment};
use e2l_ledger::event::Event;
use e2l_ledger::{Digest, SenderHead};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Directory of a spool that is being written.
const NEW: &str = "reopening";
/// File that says that it is whole: number of its first group.
const WHOLE: &str = "reopened";
/// Events between two commits.
const GROUP: usize = 1024;

/// How a spool is begun anew.
pub struct Reopening<'a> {
    /// Where the collector stands on the ledger; proven, and nothing that was signed before can come on it any more.
    pub head: &'a SenderHead,
    /// The component by which events are recorded from now on.
    pub component: Option<Digest>,
}

impl Spool {
    /// Begins an incarnation after `reopening.head`. `anew` makes of each event that is not on the ledger what is recorded of
    /// it now, or says that nothing is; `statement` makes what is said of it all, from how many were recorded and how many
    /// were not. The new spool takes no time that the old one would not.
    ///
    /// # Errors
    /// As for [`Spool::commit`]. The old spool is still there then.
    pub fn reopen(
        &mut self,
        reopening: &Reopening<'_>,
        mut anew: impl FnMut(&mut Event) -> bool,
        statement: impl FnOnce(u64, u64) -> Event,
    ) -> Result<(), SpoolError> {
        if reopening.head.incarnation == self.head.incarnation {
            self.finalize(reopening.head.sequence);
        }
        self.commit()?;
        let first = self.write_anew(reopening, &mut anew, statement)?;
        let path = self.directory.path().to_owned();
        say_whole(&path, first).map_err(SpoolError::writing("write", &path.join(WHOLE)))?;
        self.read_again()
    }

    /// Takes the spool that is whole in the place of this one.
    fn read_again(&mut self) -> Result<(), SpoolError> {
        let (owner, executable) = (self.owner(), self.executable);
        let path = self.directory.path().to_owned();
        let missing = || SpoolError::Corrupt {
            path: path.clone(),
            offset: 0,
            why: "what was recorded anew is not there".to_owned(),
        };
        let opened = Self::open(self.directory.share(), &owner)?;
        *self = opened.map_err(|_| missing())?;
        self.set_executable(executable);
        Ok(())
    }

    fn owner(&self) -> Owner {
        Owner {
            network: self.head.network,
            sender: self.head.sender.clone(),
        }
    }

    /// Writes the new spool beside this one; returns the number of its first group.
    fn write_anew(
        &self,
        reopening: &Reopening<'_>,
        anew: &mut impl FnMut(&mut Event) -> bool,
        statement: impl FnOnce(u64, u64) -> Event,
    ) -> Result<u64, SpoolError> {
        let place = self.directory.path().join(NEW);
        remove(&place)?;
        let directory = Directory::lock(&place)?;
        let head = self.checkpoint_after(reopening);
        let reserve = Reserve::open(directory.path())?;
        let mut new = Self::empty(directory, head, reserve);
        new.known = self.known.clone();
        // Names of segments tell old and new apart.
        new.next_group = self.next_group;
        new.rotate()?;
        let (mut recorded, mut left_out) = (0, 0);
        for (at, stored) in self.events.iter().enumerate() {
            let mut event = self.event_of(stored)?;
            if anew(&mut event) {
                new.take(&mut event, None, stored.since_nano);
                recorded += 1;
            } else {
                left_out += 1;
            }
            if (at + 1).is_multiple_of(GROUP) {
                new.commit()?;
            }
        }
        let mut said = statement(recorded, left_out);
        let now_nano = said.received_nano;
        new.take(&mut said, None, now_nano);
        new.put(&Record::Reopened(self.known.clone()));
        new.commit()?;
        Ok(self.next_group)
    }

    fn checkpoint_after(&self, reopening: &Reopening<'_>) -> Checkpoint {
        let Reopening { head, component } = reopening;
        Checkpoint {
            network: self.head.network,
            sender: self.head.sender.clone(),
            // A number is never used twice, though nothing of this incarnation may have come on the ledger.
            incarnation: self.head.incarnation.max(head.incarnation).saturating_add(1),
            opened_nano: self.head.opened_nano,
            next_event: 1,
            next_unbatched: 1,
            head_sequence: 0,
            head_digest: head.digest,
            final_batch: 0,
            position: self.head.position.clone(),
            recent: self.recent.list(),
            recorded_by: [(1, *component)].into(),
        }
    }
}

/// Puts a spool that is whole in the place of the old one, and removes one that is not.
///
/// # Errors
/// Files cannot be moved.
pub fn complete(path: &Path) -> Result<(), SpoolError> {
    let (place, whole) = (path.join(NEW), path.join(WHOLE));
    let first = match std::fs::read_to_string(&whole) {
        Ok(text) => text.trim().parse().map_err(|_| SpoolError::Corrupt {
            path: whole.clone(),
            offset: 0,
            why: "it is not the number of a group".to_owned(),
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return remove(&place),
        Err(error) => return Err(SpoolError::io("read", &whole)(error)),
    };
    for old in segment::list(path)?.into_iter().filter(|number| *number < first) {
        let old = segment::path_of(path, old);
        std::fs::remove_file(&old).map_err(SpoolError::io("delete", &old))?;
    }
    if place.exists() {
        for new in segment::list(&place)? {
            let (from, to) = (segment::path_of(&place, new), segment::path_of(path, new));
            std::fs::rename(&from, &to).map_err(SpoolError::io("move", &from))?;
        }
    }
    segment::sync_directory(path)?;
    remove(&place)?;
    std::fs::remove_file(&whole).map_err(SpoolError::io("delete", &whole))?;
    segment::sync_directory(path)
}

fn say_whole(path: &Path, first: u64) -> io::Result<()> {
    let new = path.join(format!("{WHOLE}.new"));
    let mut file = File::create(&new)?;
    write!(file, "{first}")?;
    file.sync_all()?;
    std::fs::rename(&new, path.join(WHOLE))?;
    File::open(path)?.sync_all()
}

fn remove(place: &Path) -> Result<(), SpoolError> {
    match std::fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SpoolError::io("delete", place)(error)),
        _ => Ok(()),
    }
}
