use bytes::Bytes;
use e2l_consensus::{
    Application, ApplicationError, Committed, Electorate, Incoming, NodeInfo, Refusal, SnapshotPoint,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A ledger whose every height is final at once. It outlives its node, as a disk does.
#[derive(Default)]
pub struct MemoryLedger {
    voters: Vec<u64>,
    state: Mutex<State>,
    /// Where a peer that is far behind finds what it misses: every ledger of the group.
    archive: Mutex<Vec<Arc<MemoryLedger>>>,
    /// Pointers installed.
    pub installed: AtomicUsize,
    /// Payloads that were given for one place.
    pub contradictions: Mutex<Vec<[Bytes; 2]>>,
    /// What the others' logs are said to reach.
    pub log_end: Mutex<Option<u64>>,
    /// Largest term in which a proposal was judged.
    pub judged_term: AtomicU64,
}

#[derive(Default, Clone)]
struct State {
    marker: Option<Vec<u8>>,
    proposals: Vec<Bytes>,
}

impl MemoryLedger {
    pub fn new(voters: &[u64]) -> Arc<Self> {
        Arc::new(Self {
            voters: voters.to_vec(),
            ..Self::default()
        })
    }

    pub fn knows(&self, others: &[Arc<Self>]) {
        *self.archive.lock() = others.to_vec();
    }

    pub fn proposals(&self) -> Vec<Bytes> {
        self.state.lock().proposals.clone()
    }
}

impl Application for MemoryLedger {
    fn applied(&self) -> Result<Option<Vec<u8>>, ApplicationError> {
        Ok(self.state.lock().marker.clone())
    }

    fn apply(&self, entries: Vec<Committed>) -> BoxFuture<'_, Result<(), ApplicationError>> {
        let mut state = self.state.lock();
        for entry in entries {
            state.marker = Some(match entry {
                Committed::Proposal { bytes, marker, .. } => {
                    state.proposals.push(bytes);
                    marker
                }
                Committed::Other { marker } => marker,
            });
        }
        std::future::ready(Ok(())).boxed()
    }

    fn snapshot_point(&self) -> Result<Option<SnapshotPoint>, ApplicationError> {
        let state = self.state.lock();
        Ok(state.marker.clone().map(|marker| SnapshotPoint {
            marker,
            height: state.proposals.len() as u64,
            header: [7; 32],
        }))
    }

    fn install(&self, point: SnapshotPoint) -> BoxFuture<'_, Result<(), ApplicationError>> {
        async move {
            assert_eq!(point.header, [7; 32]);
            let wanted = usize::try_from(point.height).unwrap();
            let archive = self.archive.lock().clone();
            let longest = archive.iter().map(|ledger| ledger.proposals());
            let longest = longest.max_by_key(Vec::len).unwrap_or_default();
            *self.state.lock() = State {
                marker: Some(point.marker),
                proposals: longest[..wanted].to_vec(),
            };
            self.installed.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        .boxed()
    }

    fn validate(&self, _leader: u64, entries: &[Incoming<'_>]) -> Result<(), Refusal> {
        for entry in entries {
            self.judged_term.fetch_max(entry.term, Ordering::SeqCst);
            if entry.payload.starts_with(b"bad") {
                return Err(Refusal {
                    index: entry.index,
                    why: "it is bad".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn contradiction(&self, held: &[u8], sent: &[u8]) {
        let pair = [held, sent].map(Bytes::copy_from_slice);
        self.contradictions.lock().push(pair);
    }

    fn check_point(&self, _height: u64, header: [u8; 32]) -> BoxFuture<'_, Result<(), String>> {
        let proven = if header == [7; 32] {
            Ok(())
        } else {
            Err("nobody proves it".to_owned())
        };
        futures::future::ready(proven).boxed()
    }

    fn log_end(&self, _except: u64) -> BoxFuture<'_, Option<u64>> {
        futures::future::ready(*self.log_end.lock()).boxed()
    }

    fn electorates(&self) -> Arc<[Electorate]> {
        let info = |id: &u64| NodeInfo {
            actor: format!("actor-{id}"),
            address: String::new(),
        };
        let voters = self.voters.iter().map(|id| (*id, info(id))).collect();
        Arc::new([Electorate { from: 0, voters }])
    }
}
