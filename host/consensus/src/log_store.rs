//! openraft's log storage over the durable log.

use crate::flusher::Flusher;
use crate::recent_entries::RecentEntries;
use crate::types::{TypeConfig, decode, encode, encode_entry};
use e2l_store::RaftLog;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    AnyError, Entry, ErrorSubject, ErrorVerb, LogId, LogState, OptionalSend, RaftLogReader, StorageError,
    StorageIOError, Vote,
};
use parking_lot::Mutex;
use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// The log.
#[derive(Clone)]
pub struct LogStore {
    log: RaftLog,
    flusher: Flusher,
    recent: Arc<Mutex<RecentEntries>>,
}

type Result<T> = std::result::Result<T, StorageError<u64>>;

impl LogStore {
    /// Over a durable log.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(log: RaftLog) -> std::io::Result<Self> {
        Ok(Self {
            flusher: Flusher::start(log.clone())?,
            recent: Arc::default(),
            log,
        })
    }
}

fn failed(
    subject: ErrorSubject<u64>,
    verb: ErrorVerb,
) -> impl FnOnce(&dyn std::fmt::Display) -> StorageError<u64> {
    move |error| StorageIOError::new(subject, verb, AnyError::error(error.to_string())).into()
}

/// Any failure of the log: Raft stops on it.
macro_rules! io {
    ($subject:ident, $verb:ident, $result:expr) => {
        $result.map_err(|error| failed(ErrorSubject::$subject, ErrorVerb::$verb)(&error))
    };
}

impl LogStore {
    /// The newest entries; holding them does not keep the log open.
    pub fn recent(&self) -> Arc<Mutex<RecentEntries>> {
        self.recent.clone()
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<TypeConfig>>> {
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        if let Some(found) = self.recent.lock().get(start..end) {
            return Ok(found);
        }
        let found = io!(Logs, Read, self.log.entries(start..end))?;
        found
            .iter()
            .map(|(_, bytes)| io!(Logs, Read, decode(bytes)))
            .collect()
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>> {
        let purged = io!(Logs, Read, self.log.purged())?;
        let last_purged_log_id: Option<LogId<u64>> = match purged {
            Some((_, marker)) => Some(io!(Logs, Read, decode(&marker))?),
            None => None,
        };
        let last_log_id = match self.log.last_index() {
            None => last_purged_log_id,
            Some(index) => {
                let entries = self.try_get_log_entries(index..=index).await?;
                entries.last().map(|entry| entry.log_id).or(last_purged_log_id)
            }
        };
        Ok(LogState {
            last_purged_log_id,
            last_log_id,
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<()> {
        let bytes = io!(Vote, Write, encode(vote))?;
        let log = self.log.clone();
        let saved = tokio::task::spawn_blocking(move || log.save_vote(&bytes)).await;
        io!(Vote, Write, io!(Vote, Write, saved)?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>> {
        match io!(Vote, Read, self.log.vote())? {
            Some(bytes) => Ok(Some(io!(Vote, Read, decode(&bytes))?)),
            None => Ok(None),
        }
    }

    async fn save_committed(&mut self, committed: Option<LogId<u64>>) -> Result<()> {
        let bytes = io!(Logs, Write, encode(&committed))?;
        io!(Logs, Write, self.log.save_committed(&bytes))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<u64>>> {
        match io!(Logs, Read, self.log.committed())? {
            Some(bytes) => io!(Logs, Read, decode(&bytes)),
            None => Ok(None),
        }
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<()>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (mut encoded, mut appended) = (Vec::new(), Vec::new());
        let purged = self.log.purged_index();
        for entry in entries {
            // What is purged is applied for good: nobody reads it again.
            if purged.is_some_and(|purged| entry.log_id.index <= purged) {
                continue;
            }
            encoded.push((entry.log_id.index, io!(Logs, Write, encode_entry(&entry))?));
            appended.push(entry);
        }
        io!(Logs, Write, self.log.append(&encoded))?;
        let mut recent = self.recent.lock();
        appended.into_iter().for_each(|entry| recent.push(entry));
        drop(recent);
        io!(Logs, Write, self.flusher.flush(callback))
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Result<()> {
        self.recent.lock().truncate_from(log_id.index);
        io!(Logs, Delete, self.log.truncate_from(log_id.index))
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Result<()> {
        let marker = io!(Logs, Delete, encode(&log_id))?;
        self.recent.lock().purge_to(log_id.index);
        io!(Logs, Delete, self.log.purge_to(log_id.index, &marker))
    }
}
