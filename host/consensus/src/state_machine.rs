//! openraft's state machine over the application.

use crate::application::{Application, ApplicationError, Committed, NodeInfo, SnapshotPoint};
use crate::types::{Marker, Pointer, TypeConfig, decode, encode};
use e2l_store::RaftLog;
use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, Entry, EntryPayload, ErrorSubject, ErrorVerb, LogId, OptionalSend, RaftSnapshotBuilder,
    Snapshot, SnapshotMeta, StorageError, StorageIOError, StoredMembership,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Result<T> = std::result::Result<T, StorageError<u64>>;

/// The application, as Raft drives it.
#[derive(Clone)]
pub struct StateMachine {
    application: Arc<dyn Application>,
    marker: Marker,
    applied_index: Arc<AtomicU64>,
    log: RaftLog,
}

fn failed(error: &dyn std::fmt::Display, verb: ErrorVerb) -> StorageError<u64> {
    StorageIOError::new(
        ErrorSubject::StateMachine,
        verb,
        AnyError::error(error.to_string()),
    )
    .into()
}

impl StateMachine {
    /// Goes on where the application stands.
    ///
    /// # Errors
    /// Its marker cannot be read.
    pub fn new(
        application: Arc<dyn Application>,
        log: RaftLog,
    ) -> std::result::Result<Self, ApplicationError> {
        let marker: Marker = match application.applied()? {
            Some(bytes) if !bytes.is_empty() => {
                decode(&bytes).map_err(|error| ApplicationError::new(&error))?
            }
            _ => Marker::default(),
        };
        let index = marker.last.map_or(0, |last| last.index);
        Ok(Self {
            application,
            marker,
            applied_index: Arc::new(AtomicU64::new(index)),
            log,
        })
    }

    /// Index of the last entry applied, for the guard; 0 before the first.
    pub fn applied_index(&self) -> Arc<AtomicU64> {
        self.applied_index.clone()
    }

    /// A pointer to the newest final height. Raft may purge what it covers, so the log notes the height first.
    fn current(&self) -> Result<Option<Snapshot<TypeConfig>>> {
        let point = self
            .application
            .snapshot_point()
            .map_err(|error| failed(&error, ErrorVerb::Read))?;
        let Some(point) = point else { return Ok(None) };
        self.log
            .note_height(point.height)
            .map_err(|error| failed(&error, ErrorVerb::Write))?;
        let marker: Marker = decode(&point.marker).map_err(|error| failed(&error, ErrorVerb::Read))?;
        let meta = SnapshotMeta {
            last_log_id: marker.last,
            last_membership: marker.membership,
            snapshot_id: format!("height-{}", point.height),
        };
        let pointer = Pointer {
            marker: point.marker,
            height: point.height,
            header: point.header,
        };
        Ok(Some(Snapshot {
            meta,
            snapshot: Box::new(pointer),
        }))
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId<u64>>, StoredMembership<u64, NodeInfo>)> {
        Ok((self.marker.last, self.marker.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut committed = Vec::new();
        let mut marker = self.marker.clone();
        for entry in entries {
            marker.last = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = &entry.payload {
                marker.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
            }
            let encoded = encode(&marker).map_err(|error| failed(&error, ErrorVerb::Write))?;
            committed.push(match entry.payload {
                EntryPayload::Normal(payload) => Committed::Proposal {
                    index: entry.log_id.index,
                    term: entry.log_id.leader_id.term,
                    bytes: payload.0,
                    marker: encoded,
                },
                EntryPayload::Blank | EntryPayload::Membership(_) => Committed::Other { marker: encoded },
            });
        }
        let count = committed.len();
        let applied = self.application.apply(committed).await;
        applied.map_err(|error| failed(&error, ErrorVerb::Write))?;
        if let Some(last) = marker.last {
            self.applied_index.store(last.index, Ordering::Release);
        }
        self.marker = marker;
        Ok(vec![(); count])
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Pointer>> {
        Ok(Box::new(Pointer {
            marker: Vec::new(),
            height: 0,
            header: [0; 32],
        }))
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta<u64, NodeInfo>,
        snapshot: Box<Pointer>,
    ) -> Result<()> {
        let marker: Marker = decode(&snapshot.marker).map_err(|error| failed(&error, ErrorVerb::Read))?;
        let Pointer {
            marker: encoded,
            height,
            header,
        } = *snapshot;
        if let Some(last) = marker.last {
            // The ledger gets there before the log does: a crash in between is no loss of entries.
            self.log
                .point_to(last.index)
                .and_then(|()| self.log.note_height(height))
                .map_err(|error| failed(&error, ErrorVerb::Write))?;
        }
        let point = SnapshotPoint {
            marker: encoded,
            height,
            header,
        };
        self.application
            .install(point)
            .await
            .map_err(|error| failed(&error, ErrorVerb::Write))?;
        if let Some(last) = marker.last {
            self.applied_index.store(last.index, Ordering::Release);
        }
        self.marker = marker;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>> {
        self.current()
    }
}

impl RaftSnapshotBuilder<TypeConfig> for StateMachine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>> {
        // Before anything is final the snapshot is of nothing, and purges nothing.
        Ok(self.current()?.unwrap_or_else(|| Snapshot {
            meta: SnapshotMeta::default(),
            snapshot: Box::new(Pointer {
                marker: Vec::new(),
                height: 0,
                header: [0; 32],
            }),
        }))
    }
}
