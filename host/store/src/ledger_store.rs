//! The ledger of a peer: blocks, state, indexes, votes.

use crate::columns::{BLOCKS, HEADERS, META, STATE};
use crate::database::Database;
use crate::error::StoreError;
use crate::kept::CERTIFICATE;
use crate::memory::StoreMemory;
use crate::options::StoreOptions;
use crate::records::Skeleton;
use crate::seal::seal;
use crate::sign_once::{SignOnce, SignRecord, Signed, Statement};
use crate::view::{SkeletonCache, View};
use crate::votes::{ActorVote, NewestVotes, votes_at};
use crate::write::BlockWrite;
use e2l_ledger::{Canonical, Digest, Genesis, Header, StateKey, Vote};
use parking_lot::{Mutex, MutexGuard, RwLock};
use rocksdb::WriteBatch;
use std::path::Path;
use std::sync::Arc;

const GENESIS: &str = "genesis";
const TIP: &str = "tip";
const RAFT_APPLIED: &str = "raft applied";
const FINAL: &str = "final height";
const RESTORING: &str = "restoring";

/// The newest block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Its height; 0 after the genesis.
    pub height: u64,
    /// Its header.
    pub header: Header,
    /// Digest of its header: what the next header names.
    pub header_digest: Digest,
    /// Digest of its proposal, of the genesis at height 0: what the next proposal names.
    pub proposal_digest: Digest,
    /// Raft's applied state as it was saved last, with this block or after it.
    pub raft_applied: Option<Vec<u8>>,
}

impl Tip {
    fn of(header: Header, header_digest: Digest, raft_applied: Option<Vec<u8>>) -> Self {
        Self {
            height: header.height,
            header_digest,
            proposal_digest: header.proposal,
            raft_applied,
            header,
        }
    }
}

/// A peer's ledger. A cheap handle; all clones share one database. Reads never wait for writes.
#[derive(Clone)]
pub struct LedgerStore(Arc<Inner>);

struct Inner {
    database: Arc<Database>,
    genesis: RwLock<Option<Genesis>>,
    /// The newest block with the view taken right after it.
    view: RwLock<View>,
    tip: RwLock<Option<Arc<Tip>>>,
    skeletons: Arc<SkeletonCache>,
    acknowledged: SignOnce,
    endorsed: SignOnce,
    newest_votes: NewestVotes,
    final_height: RwLock<u64>,
    /// Held while a block or Raft's applied state is written.
    writing: Mutex<()>,
}

impl LedgerStore {
    /// Opens or creates the ledger in its own directory. The newest block must assemble and hash to the
    /// recorded digest.
    ///
    /// # Errors
    /// Does not open on corruption, naming record and remedy.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(dir, &options.database(), options.columns())?);
        let skeletons = Arc::new(SkeletonCache::new(options.cached_skeletons));
        let genesis = database
            .get_named(META, GENESIS)?
            .map(|content| Genesis::decode(&content).map_err(|error| database.corrupt(META, GENESIS, error)))
            .transpose()?;
        let tip = load_tip(&database, genesis.as_ref())?;
        let view = View::take(Arc::clone(&database), tip.clone(), Arc::clone(&skeletons));
        check_tip(&view, genesis.as_ref())?;
        Ok(Self(Arc::new(Inner {
            genesis: RwLock::new(genesis),
            view: RwLock::new(view),
            tip: RwLock::new(tip),
            acknowledged: SignOnce::load(&database, Statement::Acknowledgement)?,
            endorsed: SignOnce::load(&database, Statement::Endorsement)?,
            newest_votes: NewestVotes::load(&database)?,
            final_height: RwLock::new(load_final(&database)?),
            writing: Mutex::new(()),
            skeletons,
            database,
        })))
    }

    /// Writes the genesis, its state and the header of block 0 into an empty ledger; durable on return. In
    /// any other it only compares.
    ///
    /// # Errors
    /// The ledger is another network's; a write that failed, now or before.
    pub fn initialize(&self, genesis: &Genesis) -> Result<(), StoreError> {
        let inner = &self.0;
        let _one_at_a_time = inner.writing.lock();
        if let Some(stored) = &*inner.genesis.read() {
            if stored.digest() == genesis.digest() {
                return Ok(());
            }
            return Err(StoreError::OtherGenesis {
                dir: inner.database.dir().to_owned(),
                stored: stored.digest(),
                given: genesis.digest(),
            });
        }
        let database = &inner.database;
        let header = genesis.header();
        let digest = header.digest();
        let key = header.height.to_be_bytes();
        let mut batch = WriteBatch::default();
        database.put_named(&mut batch, META, GENESIS, &genesis.encode())?;
        database.put_named(&mut batch, META, TIP, &tip_record(0, &digest))?;
        batch.put_cf(
            database.column(HEADERS)?,
            key,
            seal(HEADERS, &key, &header.encode()),
        );
        for (key, value) in genesis.initial_state() {
            batch.put_cf(database.column(STATE)?, key.as_bytes(), value);
        }
        database.write(batch, true)?;
        *inner.genesis.write() = Some(genesis.clone());
        self.publish(Tip::of(header, digest, None));
        Ok(())
    }

    pub(crate) fn publish(&self, tip: Tip) {
        let tip = Arc::new(tip);
        let inner = &self.0;
        let view = View::take(
            Arc::clone(&inner.database),
            Some(Arc::clone(&tip)),
            Arc::clone(&inner.skeletons),
        );
        *inner.view.write() = view;
        *inner.tip.write() = Some(tip);
    }

    fn current(&self) -> Result<Arc<Tip>, StoreError> {
        let tip = self.0.tip.read().clone();
        tip.ok_or_else(|| StoreError::NotInitialized(self.0.database.dir().to_owned()))
    }

    /// What the database takes now.
    ///
    /// # Errors
    /// The database cannot say.
    pub fn memory(&self) -> Result<StoreMemory, StoreError> {
        StoreMemory::of(&self.0.database)
    }

    /// The genesis.
    ///
    /// # Errors
    /// The ledger has none yet.
    pub fn genesis(&self) -> Result<Genesis, StoreError> {
        let genesis = self.0.genesis.read().clone();
        genesis.ok_or_else(|| StoreError::NotInitialized(self.0.database.dir().to_owned()))
    }

    /// The newest block.
    ///
    /// # Errors
    /// The ledger has no genesis yet.
    pub fn tip(&self) -> Result<Tip, StoreError> {
        self.current().map(|tip| (*tip).clone())
    }

    /// The ledger right after the newest block.
    pub fn view(&self) -> View {
        self.0.view.read().clone()
    }

    /// Writes a block with everything that belongs to it: all of it or nothing, durable on return.
    ///
    /// # Errors
    /// The block is not the next one or is not consistent; signing its header would contradict what was
    /// signed before; a write that failed, now or before. Nothing is written then.
    pub fn write_block(&self, write: &BlockWrite<'_>) -> Result<(), StoreError> {
        let inner = &self.0;
        let _one_at_a_time = inner.writing.lock();
        let database = &inner.database;
        database.check_writable()?;
        let height = write.block.header.height;
        let bad_block = |why| StoreError::BadBlock { height, why };
        write.check(&*self.current()?).map_err(bad_block)?;
        let skeleton = Skeleton::of(write.block).map_err(bad_block)?;
        let digest = write.block.header.digest();
        let mut batch = WriteBatch::with_capacity_bytes(write.size());
        write.put(database, &mut batch, &skeleton)?;
        database.put_named(&mut batch, META, TIP, &tip_record(height, &digest))?;
        database.put_named(&mut batch, META, RAFT_APPLIED, write.raft_applied)?;
        let acknowledged = if write.acknowledges {
            let signed = (height, write.block.header.proposal);
            inner.acknowledged.reserve(database, &mut batch, signed)?
        } else {
            None
        };
        let endorsed = match write.signed_header(digest).map_err(bad_block)? {
            Some(signed) => inner.endorsed.reserve(database, &mut batch, (height, signed))?,
            None => None,
        };
        let votes = write.endorsement.map(std::slice::from_ref).unwrap_or_default();
        inner.newest_votes.write(database, batch, votes, true)?;
        for reservation in [acknowledged, endorsed].into_iter().flatten() {
            reservation.written();
        }
        let applied = Some(write.raft_applied.to_vec());
        self.publish(Tip::of(write.block.header.clone(), digest, applied));
        Ok(())
    }

    /// Saves Raft's applied state for an entry that is no block; durable on return, because Raft may purge
    /// its log on the strength of it.
    ///
    /// # Errors
    /// The ledger has no genesis yet; a write that failed, now or before.
    pub fn save_raft_applied(&self, raft_applied: &[u8]) -> Result<(), StoreError> {
        let inner = &self.0;
        let _one_at_a_time = inner.writing.lock();
        let mut tip = self.tip()?;
        let mut batch = WriteBatch::default();
        inner
            .database
            .put_named(&mut batch, META, RAFT_APPLIED, raft_applied)?;
        inner.database.write(batch, true)?;
        tip.raft_applied = Some(raft_applied.to_vec());
        *inner.tip.write() = Some(Arc::new(tip));
        Ok(())
    }

    /// All of the state as of the newest block: [`View::for_each_state`].
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn for_each_state(&self, f: impl FnMut(&StateKey, &[u8])) -> Result<(), StoreError> {
        self.view().for_each_state(f)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn lock_writing(&self) -> MutexGuard<'_, ()> {
        self.0.writing.lock()
    }

    pub(crate) fn forget_skeleton(&self, height: u64) {
        self.0.skeletons.forget(height);
    }

    /// Keeps votes; not synced. Different statements of one actor about one height are all kept: they are
    /// evidence. The caller checks signatures, and bounds how many statements an actor may leave here.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn save_votes(&self, votes: &[ActorVote]) -> Result<(), StoreError> {
        let inner = &self.0;
        inner
            .newest_votes
            .write(&inner.database, WriteBatch::default(), votes, false)
    }

    /// The votes about a height, sorted by kind (acknowledgements first) and length and bytes of the actor's
    /// name.
    ///
    /// # Errors
    /// A vote is corrupt or cannot be read.
    pub fn votes(&self, height: u64) -> Result<Vec<ActorVote>, StoreError> {
        votes_at(&self.0.database, height)
    }

    /// Keeps the certificate (DER) that votes are signed with; not synced, since it comes with every vote.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn save_certificate(&self, digest: &Digest, der: &[u8]) -> Result<(), StoreError> {
        let database = &self.0.database;
        let mut batch = WriteBatch::default();
        database.put_named(&mut batch, META, &certificate_name(digest), der)?;
        database.write(batch, false)
    }

    /// A certificate that was kept.
    ///
    /// # Errors
    /// It is corrupt or cannot be read.
    pub fn certificate(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.database.get_named(META, &certificate_name(digest))
    }

    /// The newest vote of every actor and kind.
    pub fn newest_votes(&self) -> Vec<ActorVote> {
        self.0.newest_votes.all()
    }

    /// Height of the newest vote that is kept of an actor, of the kind of `vote`; votes are kept in any order.
    pub fn newest_vote_height(&self, actor: &str, vote: &Vote) -> Option<u64> {
        self.0.newest_votes.height(actor, vote)
    }

    /// Takes the right to acknowledge a proposal; durable on return. The same one again is granted.
    ///
    /// # Errors
    /// [`StoreError::SignOnce`] below the height signed last, or for another proposal at it; a write that
    /// failed, now or before.
    pub fn reserve_acknowledgement(&self, height: u64, proposal: &Digest) -> Result<(), StoreError> {
        self.0
            .acknowledged
            .reserve_now(&self.0.database, (height, *proposal))
    }

    /// Takes the right to endorse a header that is written already; durable on return. The same one again
    /// is granted.
    ///
    /// # Errors
    /// As for [`reserve_acknowledgement`](Self::reserve_acknowledgement).
    pub fn reserve_endorsement(&self, height: u64, header: &Digest) -> Result<(), StoreError> {
        self.0.endorsed.reserve_now(&self.0.database, (height, *header))
    }

    /// Takes it as signed what this peer's own signature shows, as after a database was lost or rolled back: it
    /// signs nothing at or below that height but the same. Durable on return; lower heights change nothing.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn remember_signed(&self, vote: &Vote) -> Result<(), StoreError> {
        let (statement, signed) = match vote {
            Vote::Acknowledgement(vote) => (Statement::Acknowledgement, (vote.height, vote.proposal)),
            Vote::Endorsement(vote) => (Statement::Endorsement, (vote.height, vote.header)),
        };
        self.remember(statement, signed).map(|_| ())
    }

    /// The same of a record; says whether it is the highest now.
    pub(crate) fn remember(&self, statement: Statement, signed: Signed) -> Result<bool, StoreError> {
        let record = match statement {
            Statement::Acknowledgement => &self.0.acknowledged,
            Statement::Endorsement => &self.0.endorsed,
        };
        match record.reserve_now(&self.0.database, signed) {
            Err(StoreError::SignOnce(_)) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Why the ledger is being restored, as [`set_restoring`](Self::set_restoring) noted it.
    ///
    /// # Errors
    /// The record is corrupt or cannot be read.
    pub fn restoring(&self) -> Result<Option<String>, StoreError> {
        let why = self.0.database.get_named(META, RESTORING)?;
        Ok(why
            .filter(|why| !why.is_empty())
            .map(|why| String::from_utf8_lossy(&why).into_owned()))
    }

    /// Notes that the ledger must be restored before it is used, and why; `None` when it is. Durable on return.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn set_restoring(&self, why: Option<&str>) -> Result<(), StoreError> {
        let database = &self.0.database;
        let mut batch = WriteBatch::default();
        database.put_named(&mut batch, META, RESTORING, why.unwrap_or_default().as_bytes())?;
        database.write(batch, true)
    }

    /// Notes that this ledger's files are damaged and nothing of them is to be used again: when the peer starts, it
    /// sets them aside ([`condemned`](crate::condemned)). Durable on return.
    ///
    /// # Errors
    /// The note cannot be written.
    pub fn condemn(&self, why: &str) -> Result<(), StoreError> {
        crate::condemned::condemn(self.0.database.dir(), why)
    }

    /// What was signed last.
    pub fn signed(&self) -> SignRecord {
        SignRecord {
            ack: self.0.acknowledged.last(),
            endorsement: self.0.endorsed.last(),
        }
    }

    /// The final height as last saved; a crash may lose the newest ones. 0 at first.
    pub fn final_height(&self) -> u64 {
        *self.0.final_height.read()
    }

    /// Saves the final height; not synced, since votes prove it again.
    ///
    /// # Errors
    /// A write that failed, now or before.
    pub fn save_final_height(&self, height: u64) -> Result<(), StoreError> {
        let database = &self.0.database;
        let mut batch = WriteBatch::default();
        database.put_named(&mut batch, META, FINAL, &height.to_be_bytes())?;
        let mut final_height = self.0.final_height.write();
        database.write(batch, false)?;
        *final_height = height;
        Ok(())
    }
}

fn tip_record(height: u64, digest: &Digest) -> [u8; 40] {
    let mut record = [0; 40];
    record[..8].copy_from_slice(&height.to_be_bytes());
    record[8..].copy_from_slice(digest.as_bytes());
    record
}

fn load_tip(database: &Database, genesis: Option<&Genesis>) -> Result<Option<Arc<Tip>>, StoreError> {
    let corrupt = |why: &str| database.corrupt(META, TIP, why);
    let record = match (database.get_named(META, TIP)?, genesis) {
        (None, None) => return Ok(None),
        (Some(record), Some(_)) => record,
        (None, Some(_)) => return Err(corrupt("it is missing although there is a genesis")),
        (Some(_), None) => return Err(corrupt("there is no genesis below it")),
    };
    let (height, digest) = record
        .split_first_chunk::<8>()
        .and_then(|(height, digest)| Some((u64::from_be_bytes(*height), Digest(digest.try_into().ok()?))))
        .ok_or_else(|| corrupt("it is not a height and a digest"))?;
    let key = height.to_be_bytes();
    let header = database
        .db()
        .get_pinned_cf(database.column(HEADERS)?, key)
        .map_err(|error| database.read_error(HEADERS, error))?;
    let header = header
        .as_deref()
        .and_then(|record| crate::seal::unseal(HEADERS, &key, record))
        .and_then(|content| Header::decode(content).ok())
        .filter(|header| header.height == height && header.digest() == digest)
        .ok_or_else(|| {
            let why = "it is missing or not the newest header that was written";
            database.corrupt(HEADERS, format!("height {height}"), why)
        })?;
    let raft_applied = database.get_named(META, RAFT_APPLIED)?;
    Ok(Some(Arc::new(Tip::of(header, digest, raft_applied))))
}

/// The newest block must be whole, and the chain must start at the genesis.
fn check_tip(view: &View, genesis: Option<&Genesis>) -> Result<(), StoreError> {
    let (Some(tip), Some(genesis)) = (view.tip(), genesis) else {
        return Ok(());
    };
    let first = view.header(0)?;
    if first.as_ref() != Some(&genesis.header()) {
        return Err(view
            .database()
            .corrupt(HEADERS, "height 0", "it is not the genesis's header"));
    }
    if tip.height > 0 && view.block(tip.height)?.is_none() {
        return Err(view.missing(BLOCKS, tip.height));
    }
    Ok(())
}

fn certificate_name(digest: &Digest) -> String {
    format!("{CERTIFICATE}{digest}")
}

fn load_final(database: &Database) -> Result<u64, StoreError> {
    let content = database.get_named(META, FINAL)?;
    content.map_or(Ok(0), |content| {
        <[u8; 8]>::try_from(content.as_slice())
            .map(u64::from_be_bytes)
            .map_err(|_| database.corrupt(META, FINAL, "it is not a height"))
    })
}
