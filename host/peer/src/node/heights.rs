//! The heights that a peer has executed, and what is read at each.

use super::missing;
use e2l_ledger::{Block, Header};
use e2l_store::{LedgerStore, StoreError, Tip, View};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

/// Final heights below the newest that are kept.
const KEPT_FINAL: usize = 64;

/// A height that this peer has executed.
#[derive(Clone)]
pub struct Executed {
    /// Its header.
    pub header: Header,
    /// The state right after it.
    pub view: Arc<View>,
    /// Where Raft stood: opaque to all but the consensus crate.
    pub marker: Vec<u8>,
    /// Transactions of all blocks up to here.
    pub transactions: u64,
}

/// The newest final height, and what is read there.
#[derive(Clone)]
pub struct Finalized {
    /// Height, header and state.
    pub at: Arc<Executed>,
}

/// From the last final heights to the newest that is executed. They are together because what is repaired must reach the
/// views of all.
pub struct Heights {
    store: LedgerStore,
    newest: RwLock<Executed>,
    /// Those that are not final, and the newest that is.
    open: Mutex<BTreeMap<u64, Executed>>,
    finalized: watch::Sender<Option<Finalized>>,
    /// Final heights below the newest, the newest last.
    past: Mutex<VecDeque<Arc<Executed>>>,
    /// Blocks whose headers could not be read at the start, so that their transactions are not counted yet.
    uncounted: Mutex<BTreeSet<u64>>,
}

impl Heights {
    /// The newest height of a store, `view` right after it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn load(store: LedgerStore, tip: Tip, view: Arc<View>) -> Result<Self, StoreError> {
        let (transactions, uncounted) = count_transactions(&view, tip.height)?;
        let newest = Executed {
            header: tip.header,
            transactions,
            view,
            marker: tip.raft_applied.unwrap_or_default(),
        };
        Ok(Self {
            store,
            open: Mutex::new(BTreeMap::from([(tip.height, newest.clone())])),
            newest: RwLock::new(newest),
            finalized: watch::Sender::new(None),
            past: Mutex::default(),
            uncounted: Mutex::new(uncounted),
        })
    }

    /// The newest height executed here.
    pub(super) fn newest(&self) -> Executed {
        self.newest.read().clone()
    }

    /// A block was executed and is durable.
    pub(super) fn on_executed(&self, executed: Executed) {
        let height = executed.header.height;
        *self.newest.write() = executed.clone();
        self.open.lock().insert(height, executed);
    }

    /// A height is final: puts those below it aside. `None` if that was known, or if it is not executed here.
    pub(super) fn close(&self, height: u64) -> Option<Executed> {
        let known = self
            .finalized
            .borrow()
            .as_ref()
            .map(|known| known.at.header.height);
        if known.is_some_and(|known| known >= height) {
            return None;
        }
        let mut open = self.open.lock();
        let at = open.get(&height).cloned()?;
        let above = open.split_off(&height);
        let below = std::mem::replace(&mut *open, above);
        drop(open);
        self.keep_past(below.into_values());
        Some(at)
    }

    /// Shows a final height, unless a newer one is shown.
    pub(super) fn finalize(&self, at: Executed) {
        self.finalized.send_modify(|finalized| {
            let newer = finalized
                .as_ref()
                .is_none_or(|known| known.at.header.height < at.header.height);
            if newer {
                *finalized = Some(Finalized { at: Arc::new(at) });
            }
        });
    }

    /// Keeps the last final heights, for those who want the same height of several peers.
    fn keep_past(&self, below: impl Iterator<Item = Executed>) {
        let mut past = self.past.lock();
        past.extend(below.map(Arc::new));
        let surplus = past.len().saturating_sub(KEPT_FINAL);
        past.drain(..surplus);
    }

    /// The newest final height; `None` until one is known after a start.
    pub(super) fn finalized(&self) -> Option<Finalized> {
        self.finalized.borrow().clone()
    }

    /// Follows the newest final height.
    pub(super) fn watch_finalized(&self) -> watch::Receiver<Option<Finalized>> {
        self.finalized.subscribe()
    }

    /// A final height, if it is the newest or one of the last before.
    pub fn final_at(&self, height: u64) -> Option<Arc<Executed>> {
        let newest = self.finalized().map(|known| known.at);
        if let Some(newest) = newest.filter(|newest| newest.header.height == height) {
            return Some(newest);
        }
        let past = self.past.lock();
        past.iter().find(|at| at.header.height == height).cloned()
    }

    /// A block was written anew: views that were taken before do not see it. Those of older heights are not
    /// replaced; they go now, or with the next block.
    pub fn repaired(&self, block: &Block) {
        self.renew(Some(block));
    }

    /// Something that views read was written anew, and no block.
    pub fn renew_views(&self) {
        self.renew(None);
    }

    fn renew(&self, block: Option<&Block>) {
        self.past.lock().clear();
        let uncounted = block.filter(|block| self.uncounted.lock().remove(&block.header.height));
        let missed = uncounted.map_or(0, |block| u64::from(block.header.transactions));
        let view = Arc::new(self.store.view());
        let mut newest = self.newest.write();
        newest.transactions += missed;
        let height = newest.header.height;
        let current = view.height() == height;
        if current {
            newest.view = view.clone();
        }
        drop(newest);
        let refresh = |executed: &mut Executed| {
            executed.transactions += missed;
            if current && executed.header.height == height {
                executed.view = view.clone();
            }
        };
        self.open.lock().values_mut().for_each(refresh);
        self.finalized.send_if_modified(|finalized| {
            let Some(known) = finalized else { return false };
            let mut at = (*known.at).clone();
            refresh(&mut at);
            known.at = Arc::new(at);
            true
        });
    }
}

/// Transactions up to a height, and the blocks whose headers cannot be read: they are counted when they are
/// repaired.
fn count_transactions(view: &View, tip: u64) -> Result<(u64, BTreeSet<u64>), StoreError> {
    let (mut count, mut damaged) = (0, BTreeSet::new());
    for height in 1..=tip {
        match view.header(height) {
            Ok(Some(header)) => count += u64::from(header.transactions),
            Ok(None) => return Err(missing(height)),
            Err(error) if error.damaged_height().is_some() => {
                damaged.insert(height);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((count, damaged))
}
