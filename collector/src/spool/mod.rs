//! The spool: what was taken and is not final yet, on disk before it counts and before it is sent.
//!
//! Append-only segments of frames. [`Spool::take`], [`Spool::cut`] and [`Spool::finalize`] change memory;
//! [`Spool::commit`] makes all of it durable with one write and one sync.

mod batches;
mod directory;
mod error;
mod frame;
mod record;
mod recorded_by;
mod recovery;
mod reopening;
mod reserve;
mod segment;
mod stored;

pub use batches::{BatchLimits, CHAINCODE, FUNCTION};
pub use directory::Directory;
pub use error::SpoolError;
pub use record::Position;
pub use reopening::Reopening;
pub use reserve::FullDisk;
pub use stored::Prepared;

use crate::recent::{Fingerprint, Recent};
use crate::reconcile::Known;
use bytes::Bytes;
use e2l_ledger::event::Event;
use e2l_ledger::{Digest, Member};
use record::{Checkpoint, EVENT_PREFIX, Record};
use reserve::Reserve;
use segment::Segment;
use std::collections::VecDeque;
use stored::{StoredBatch, StoredEvent};

/// A segment that has reached this size is followed by another, bytes.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Most bytes of events kept in memory; beyond, they are read from disk when they are sent.
const MEMORY_BYTES: usize = 64 << 20;

/// Who a spool belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Hash of the genesis.
    pub network: Digest,
    /// The collector.
    pub sender: Member,
}

/// How a new spool begins.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Its incarnation, from 1.
    pub incarnation: u64,
    /// Digest of the sender's last batch on the ledger; zero for none.
    pub previous: Digest,
    /// Now, nanoseconds since the Unix epoch.
    pub opened_nano: i64,
}

/// See the module.
pub struct Spool {
    directory: Directory,
    segments: VecDeque<Segment>,
    next_group: u64,
    /// Frame of the next commit, behind room for its header.
    buffer: Vec<u8>,
    head: Checkpoint,
    recent: Recent,
    /// From the first that is not final on.
    events: VecDeque<StoredEvent>,
    /// Sequence number of the first of them.
    first_stored: u64,
    batches: VecDeque<StoredBatch>,
    cached_bytes: usize,
    /// Whether events or batches wait for a commit.
    dirty: bool,
    /// What the events say of each container and service.
    known: Known,
    reserve: Reserve,
    /// What an earlier run recorded of a full disk.
    was_full: Option<FullDisk>,
    /// What batches name as the program that makes them, by its BLAKE3.
    executable: Digest,
}

impl Spool {
    /// Reads the spool in a directory; `Err` gives the directory back, to begin one there.
    ///
    /// # Errors
    /// Outer: damage, another owner, files that cannot be read.
    pub fn open(directory: Directory, owner: &Owner) -> Result<Result<Self, Directory>, SpoolError> {
        recovery::open(directory, owner)
    }

    /// Begins a spool.
    ///
    /// # Errors
    /// Files cannot be written.
    pub fn begin(directory: Directory, owner: &Owner, opening: &Opening) -> Result<Self, SpoolError> {
        let head = Checkpoint {
            network: owner.network,
            sender: owner.sender.clone(),
            incarnation: opening.incarnation,
            opened_nano: opening.opened_nano,
            next_event: 1,
            next_unbatched: 1,
            head_sequence: 0,
            head_digest: opening.previous,
            final_batch: 0,
            position: None,
            recent: Vec::new(),
            recorded_by: [(1, None)].into(),
        };
        let (reserve, was_full) = Reserve::open(directory.path())?;
        let mut spool = Self::empty(directory, head, (reserve, was_full));
        spool.rotate()?;
        Ok(spool)
    }

    fn empty(
        directory: Directory,
        head: Checkpoint,
        (reserve, was_full): (Reserve, Option<FullDisk>),
    ) -> Self {
        Self {
            directory,
            segments: VecDeque::new(),
            next_group: 1,
            buffer: vec![0; frame::HEADER],
            recent: Recent::new(head.recent.iter().copied()),
            events: VecDeque::new(),
            // Events before it are in earlier segments; where those are gone, the events are final.
            first_stored: head.next_event,
            batches: VecDeque::new(),
            cached_bytes: 0,
            dirty: false,
            known: Known::default(),
            reserve,
            was_full,
            executable: Digest::ZERO,
            head,
        }
    }

    /// Batches name this executable from now on, by its BLAKE3.
    pub fn set_executable(&mut self, executable: Digest) {
        self.executable = executable;
    }

    /// The collector it belongs to.
    pub fn sender(&self) -> &Member {
        &self.head.sender
    }

    /// Bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// The events that were taken last, where the source can repeat; oldest first.
    pub fn recent(&self) -> Vec<Fingerprint> {
        self.recent.list()
    }

    /// What the events so far say of each container and service.
    pub fn recorded(&self) -> &Known {
        &self.known
    }

    /// The event about this id that was taken last was the stream's of this number.
    pub fn touch(&mut self, id: &str, number: u64) {
        self.known.touch(id, number);
    }

    /// Its incarnation.
    pub fn incarnation(&self) -> u64 {
        self.head.incarnation
    }

    /// When it was begun, nanoseconds since the Unix epoch.
    pub fn opened_nano(&self) -> i64 {
        self.head.opened_nano
    }

    /// Number of the last batch that was signed; 0 for none.
    pub fn last_batch(&self) -> u64 {
        self.head.head_sequence
    }

    /// Batches that are signed and not final.
    pub fn in_flight(&self) -> u64 {
        self.batches.len() as u64
    }

    /// Events that are in no batch yet.
    pub fn unbatched(&self) -> u64 {
        self.head.next_event - self.head.next_unbatched
    }

    /// Events that are not final yet.
    pub fn unfinal(&self) -> u64 {
        self.events.len() as u64
    }

    /// Since when the oldest event that is not final waits, nanoseconds since the Unix epoch; `None` if none does.
    pub fn oldest_unfinal_nano(&self) -> Option<i64> {
        self.events.front().map(|event| event.since_nano)
    }

    /// Whether this event was taken before.
    pub fn knows(&self, fingerprint: &Fingerprint) -> bool {
        self.recent.contains(fingerprint)
    }

    /// How far the recording of this name was read, lines.
    pub fn position(&self, source: &str) -> u64 {
        self.head
            .position
            .as_ref()
            .filter(|at| at.source == source)
            .map_or(0, |at| at.lines)
    }

    /// Notes how far a recording is read.
    pub fn set_position(&mut self, position: Position) {
        self.put(&Record::Position(position.clone()));
        self.head.position = Some(position);
    }

    /// This event is not to be taken, now or later. Durable after the next commit.
    pub fn leave_out(&mut self, fingerprint: Fingerprint) {
        self.put(&Record::LeftOut { fingerprint });
        self.recent.insert(fingerprint);
        self.dirty = true;
    }

    /// Takes an event; gives it its sequence number. Durable after the next commit.
    pub fn take(&mut self, event: &mut Event, fingerprint: Option<Fingerprint>, since_nano: i64) {
        event.sequence = self.head.next_event;
        let bytes = event.encode();
        let segment = self.segments.back().map_or(0, |segment| segment.first_group);
        let base = self.segments.back().map_or(0, |segment| segment.size);
        let offset = base + self.buffer.len() as u64 + EVENT_PREFIX;
        let record = Record::Event {
            sequence: event.sequence,
            bytes,
            fingerprint,
        };
        self.put(&record);
        self.dirty = true;
        let Record::Event { bytes, .. } = record else {
            return;
        };
        self.note_event(segment, offset, bytes, fingerprint, since_nano);
        self.known.note(event);
    }

    fn note_event(
        &mut self,
        segment: u64,
        offset: u64,
        bytes: Vec<u8>,
        fingerprint: Option<Fingerprint>,
        since_nano: i64,
    ) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let room = self.cached_bytes + bytes.len() <= MEMORY_BYTES;
        self.cached_bytes += if room { bytes.len() } else { 0 };
        let bytes = room.then(|| Bytes::from(bytes));
        self.events.push_back(StoredEvent {
            segment,
            offset,
            length,
            bytes,
            since_nano,
        });
        if let Some(segment) = self.segments.back_mut() {
            segment.last_event = self.head.next_event;
        }
        self.head.next_event += 1;
        if let Some(fingerprint) = fingerprint {
            self.recent.insert(fingerprint);
        }
    }

    /// Every batch up to this one is final. Forgets them and their events.
    pub fn finalize(&mut self, batch: u64) {
        if batch <= self.head.final_batch {
            return;
        }
        self.put(&Record::Final { batch });
        self.note_final(batch);
    }

    fn note_final(&mut self, batch: u64) {
        while let Some(first) = self.batches.front()
            && first.header.sequence <= batch
        {
            let end = first.first_event + u64::from(first.header.count);
            while self.first_stored < end {
                let gone = self.events.pop_front();
                self.cached_bytes -= gone.and_then(|event| event.bytes).map_or(0, |bytes| bytes.len());
                self.first_stored += 1;
            }
            self.batches.pop_front();
        }
        self.head.final_batch = batch;
    }

    /// Whether there is anything worth a sync: events, batches, or a segment that is final as a whole. What is
    /// final is written along with the next; if that is lost, peers answer the same batches once more.
    pub fn wants_commit(&self) -> bool {
        self.dirty || (self.segments.len() > 1 && self.segments.front().is_some_and(|s| self.is_final(s)))
    }

    /// Makes everything so far durable, and deletes segments that are final.
    ///
    /// # Errors
    /// [`SpoolError::Full`]: nothing is lost, try again later. Else the disk refuses: stop, and recover by opening the spool
    /// again.
    pub fn commit(&mut self) -> Result<(), SpoolError> {
        if self.buffer.len() > frame::HEADER {
            self.write_group()?;
        }
        self.dirty = false;
        if self
            .segments
            .back()
            .is_some_and(|segment| segment.size >= SEGMENT_BYTES)
        {
            match self.rotate() {
                // The last one takes more until there is room for another.
                Err(SpoolError::Full { .. }) => self.buffer.truncate(frame::HEADER),
                done => done?,
            }
        }
        self.trim()
    }

    /// Records in the reserve that the disk is full, and deletes segments that are final, which makes room.
    ///
    /// # Errors
    /// Not even that can be written.
    pub fn record_full_disk(&mut self, since_nano: i64) -> Result<(), SpoolError> {
        self.reserve.record(FullDisk {
            since_nano,
            final_batch: self.head.final_batch,
        })?;
        self.trim()
    }

    /// The disk is no longer full, and what is to be said of it is durable.
    ///
    /// # Errors
    /// The reserve cannot be written.
    pub fn forget_full_disk(&mut self) -> Result<(), SpoolError> {
        self.was_full = None;
        self.reserve.clear()
    }

    /// What an earlier run recorded of a full disk, and had no room to say.
    pub fn full_disk(&self) -> Option<FullDisk> {
        self.was_full
    }

    fn put(&mut self, record: &Record) {
        // Writing to memory cannot fail, and no record comes near 4 GiB.
        let written = borsh::to_writer(&mut self.buffer, record);
        debug_assert!(written.is_ok());
    }

    fn write_group(&mut self) -> Result<(), SpoolError> {
        let group = self.next_group;
        if let Some(segment) = self.segments.back_mut() {
            frame::seal(&mut self.buffer, group, &segment.salt);
            segment.append(&self.buffer)?;
        }
        self.next_group += 1;
        self.buffer.truncate(frame::HEADER);
        Ok(())
    }

    /// Begins a segment with a checkpoint. Nothing is in the buffer.
    fn rotate(&mut self) -> Result<(), SpoolError> {
        let mut segment = Segment::create(self.directory.path(), self.next_group)?;
        self.head.recent = self.recent.list();
        self.put(&Record::Checkpoint(self.head.clone()));
        self.put(&Record::Known(self.known.clone()));
        frame::seal(&mut self.buffer, self.next_group, &segment.salt);
        if let Err(error) = segment.append(&self.buffer) {
            if matches!(error, SpoolError::Full { .. }) {
                segment.delete()?;
            }
            return Err(error);
        }
        self.segments.push_back(segment);
        self.next_group += 1;
        self.buffer.truncate(frame::HEADER);
        Ok(())
    }

    fn is_final(&self, segment: &Segment) -> bool {
        segment.last_event < self.first_stored && segment.last_batch <= self.head.final_batch
    }

    fn trim(&mut self) -> Result<(), SpoolError> {
        let mut deleted = false;
        while self.segments.len() > 1 && self.segments.front().is_some_and(|s| self.is_final(s)) {
            if let Some(segment) = self.segments.pop_front() {
                segment.delete()?;
                deleted = true;
            }
        }
        if deleted {
            segment::sync_directory(self.directory.path())
        } else {
            Ok(())
        }
    }
}
